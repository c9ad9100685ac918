// What users of a proxied load balancer meet: one address that takes every visit and passes it on to a region, by the weights that are served now. It has no
// opinion of a region's health: a visit to a dead one ends with 502, as it would. For the demo; bytes are passed as they come.
import type net from 'node:net';
import { errorText, Fault } from '../errors.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { Sample } from './answers.ts';
import { headFrom, regionIn } from './client.ts';

export interface FrontOptions {
  ports: Ports;
  /** An IP literal. */
  host: string;
  port: number;
  /** Where each region's app is; on the front's own port. */
  places: readonly { region: string; address: string }[];
}

export interface Front {
  /** Weights by region, from now on. All zero or empty: every visit ends with 503. */
  show(weights: Readonly<Record<string, number>>): void;
  close(): Promise<void>;
}

/** Says where a visit went that came to nothing. */
const SENT_TO = 'x-sent-to';
const CONNECT_MS = 1000;

const refusal = (status: string, region: string | null): string =>
  `HTTP/1.1 ${status}\r\n${region === null ? '' : `${SENT_TO}: ${region}\r\n`}content-length: 0\r\nconnection: close\r\n\r\n`;

/** One region by weight; null: nobody has any. `unit` in [0, 1). */
export const pick = (weights: Readonly<Record<string, number>>, unit: number): string | null => {
  const carrying = Object.entries(weights).filter(([, weight]) => weight > 0);
  let left = unit * carrying.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [region, weight] of carrying) {
    left -= weight;
    if (left < 0) return region;
  }
  return carrying.at(-1)?.[0] ?? null;
};

/** Throws Fault ERR_LISTEN. */
export const openFront = async ({ ports, host, port, places }: FrontOptions): Promise<Front> => {
  let weights: Readonly<Record<string, number>> = {};
  const sockets = new Set<net.Socket>();
  const keep = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };

  const pass = (visitor: net.Socket): void => {
    keep(visitor);
    const region = pick(weights, ports.random.unit());
    const place = places.find((each) => each.region === region);
    // What was asked is read and thrown away, or the reply could be lost in a reset.
    const refuse = (text: string): void => void visitor.resume().end(text);
    if (place === undefined) {
      refuse(refusal('503 Service Unavailable', null));
      return;
    }
    const onward = ports.net.tcp({ host: place.address, port });
    keep(onward);
    const late = ports.timers.after(CONNECT_MS, () => onward.destroy());
    let connected = false;
    onward.once('connect', () => {
      connected = true;
      late.cancel();
      visitor.pipe(onward);
      onward.pipe(visitor);
    });
    onward.once('close', () => {
      late.cancel();
      if (connected) visitor.destroySoon();
      else refuse(refusal('502 Bad Gateway', place.region));
    });
    visitor.once('close', () => onward.destroy());
  };

  const server = ports.net.listenTcp(pass);
  await new Promise<void>((resolve, reject) => {
    const refused = (error: Error): void =>
      reject(
        new Fault(
          'ERR_LISTEN',
          `${host}:${port}: ${errorText(error)}; a proxied load balancer of the demo needs a loopback address of its own`,
          {
            cause: error,
          },
        ),
      );
    server.once('error', refused);
    server.listen(port, host, () => {
      server.off('error', refused);
      resolve();
    });
  });
  return {
    show(next) {
      weights = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

const SAMPLE_MS = 1000;

/** A visit through the front: where it was sent, whether or not anybody answered there. */
export const sampleFront =
  (ports: Ports, to: { host: string; port: number }, name: string): Sample =>
  (signal) =>
    withDeadline(
      ports.timers,
      SAMPLE_MS,
      'a visit',
      async (inner) => {
        const head = await headFrom(ports, to, name, inner);
        const region = regionIn(head) ?? new RegExp(`\\r\\n${SENT_TO}: ([\\w.-]+)\\r`).exec(head)?.[1];
        if (region === undefined) throw new Fault('ERR_DEMO', `${to.host}:${to.port}: the reply names no region`);
        return [region];
      },
      signal,
    );
