// For tests of probes: raw servers on loopback, ports that remember every socket and timer, and certificates made by the openssl command at test time.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { expect } from 'vitest';
import type { Outcome, ProbeSpec } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { probe } from '../../src/probe/index.ts';
import type { ProbeContext, Resolved } from '../../src/probe/kind.ts';

export interface Origin extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  accepted(): number;
  /** Text received so far, over all connections. */
  received(): string;
}

/** A server that does with a connection what `behave` says. Errors of its sockets are expected. */
export const startOrigin = async (
  behave: (socket: net.Socket) => void,
  options?: { tls?: tls.TlsOptions; host?: string },
): Promise<Origin> => {
  const open = new Set<net.Socket>();
  let accepted = 0;
  let received = '';
  const onConnection = (socket: net.Socket): void => {
    accepted += 1;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.once('close', () => open.delete(socket));
    behave(socket);
  };
  const server = options?.tls ? tls.createServer(options.tls, onConnection) : net.createServer(onConnection);
  server.on('tlsClientError', () => {});
  server.listen(0, options?.host ?? '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    accepted: () => accepted,
    received: () => received,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

/** Writes `text` when the request has arrived. */
export const answer =
  (text: string | Buffer) =>
  (socket: net.Socket): void => {
    socket.once('data', () => socket.write(text));
  };

/** A port on loopback where nothing listens. */
export const deadPort = async (): Promise<number> => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

export interface Certificates extends Disposable {
  readonly caFile: string;
  /** Key and certificate, in PEM. */
  readonly good: { key: string; cert: string };
  readonly expired: { key: string; cert: string };
  readonly selfSigned: { key: string; cert: string };
}

/** A throw-away authority; its certificates name `good.test` and 127.0.0.1. */
export const makeCertificates = (): Certificates => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tidegate-certs-'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
  writeFileSync(path.join(folder, 'names.ext'), 'subjectAltName=DNS:good.test,IP:127.0.0.1\n');
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority', '-days', '2');
  openssl('req', '-x509', ...key, '-keyout', 'self.key', '-out', 'self.pem', '-subj', '/CN=good.test', '-days', '2');
  openssl('req', '-new', ...key, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/CN=good.test');
  const sign = (days: string, out: string): void =>
    openssl('x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', days, '-out', out, '-extfile', 'names.ext');
  sign('2', 'good.pem');
  sign('-1', 'expired.pem');
  return {
    caFile: path.join(folder, 'ca.pem'),
    good: { key: read('leaf.key'), cert: read('good.pem') },
    expired: { key: read('leaf.key'), cert: read('expired.pem') },
    selfSigned: { key: read('self.key'), cert: read('self.pem') },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
};

export interface LookOptions {
  timeoutMs?: number;
  connectTimeoutMs?: number;
  resolve?: (host: string) => Promise<Resolved>;
  signal?: AbortSignal;
  /** Opens sockets in place of the real port. */
  tcp?: () => net.Socket;
}

export interface Looked {
  outcome: Outcome;
  tookMs: number;
  sockets: readonly net.Socket[];
}

/**
 * One look with real ports. Asserts what holds on every path: it ended within its deadline (and a margin for a busy machine), its timers are
 * cancelled, and every socket it opened is destroyed at that moment and closed soon after.
 */
export const lookAt = async (spec: ProbeSpec, options: LookOptions = {}): Promise<Looked> => {
  const ports = realPorts();
  const sockets: net.Socket[] = [];
  let timers = 0;
  const remember = <T extends net.Socket>(socket: T): T => {
    sockets.push(socket);
    return socket;
  };
  const timeoutMs = options.timeoutMs ?? 1000;
  const context: ProbeContext = {
    ports: {
      clock: ports.clock,
      timers: {
        after(ms, fn) {
          timers += 1;
          let pending = true;
          const settle = (): void => {
            if (pending) timers -= 1;
            pending = false;
          };
          const timer = ports.timers.after(ms, () => {
            settle();
            fn();
          });
          return {
            cancel() {
              settle();
              timer.cancel();
            },
          };
        },
      },
      net: { ...ports.net, tcp: (o) => remember(options.tcp?.() ?? ports.net.tcp(o)), tls: (o) => remember(ports.net.tls(o)) },
    },
    resolve: options.resolve ?? (() => Promise.reject(new Error('no resolver in this test'))),
    timeoutMs,
    connectTimeoutMs: options.connectTimeoutMs ?? Math.min(500, timeoutMs),
    userAgent: 'tidegate-probe/0.0.0 (+region=test)',
    tlsContext: (caFile) => tls.createSecureContext(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
  };
  const startedAtMs = ports.clock.monoMs();
  const outcome = await probe(spec, context, options.signal ?? new AbortController().signal);
  const tookMs = ports.clock.monoMs() - startedAtMs;
  expect(tookMs).toBeLessThan(timeoutMs + 500);
  expect(timers).toBe(0);
  expect(sockets.map((socket) => socket.destroyed)).toEqual(sockets.map(() => true));
  for (const socket of sockets) if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return { outcome, tookMs, sockets };
};
