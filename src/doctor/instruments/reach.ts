// How the instruments reach what they look at: names, sockets, deadlines.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connector } from '../../connect.ts';
import type { Resolver } from '../../dns/resolver.ts';
import { type Ports, parseTime, withDeadline } from '../../ports.ts';

export const LOOK_MS = 3000;
/** A store across continents, and an election, fit in. */
export const STORE_MS = 5000;

export interface Reach {
  ports: Ports;
  resolver: Resolver;
}

/** Connects and closes again, only to an address that is allowed. Out: until when the other side's certificate is good; null: no TLS. */
export const connectTo = (
  { ports, resolver }: Reach,
  url: string,
  { caPem, allow }: { caPem?: string | undefined; allow?: ((address: string) => boolean) | undefined } = {},
): Promise<number | null> =>
  withDeadline(ports.timers, LOOK_MS, new URL(url).host, (signal) => {
    const trust = caPem === undefined ? {} : { trust: ports.net.secureContext(caPem) };
    const { hostname, port, protocol } = new URL(url);
    return new Promise<number | null>((resolve, reject) => {
      const allowed = allow === undefined ? {} : { allow };
      connector({ ports, resolve: resolver.resolve, ...trust, ...allowed }, signal)(
        { hostname, port, protocol, host: hostname },
        (error, found) => {
          if (error !== null || found === null) {
            reject(error ?? new Error('no connection'));
            return;
          }
          const socket = found as Socket & Partial<TLSSocket>;
          const until = socket.getPeerCertificate?.()?.valid_to;
          socket.on('error', () => undefined);
          socket.destroy();
          resolve(until === undefined ? null : parseTime(until));
        },
      );
    });
  });
