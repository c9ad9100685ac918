// One real request to an address that users are sent to, on a fresh connection, to learn from the reply which region they land in.
// Only the head of the reply is read. No redirect is followed and nothing is retried: the next round asks again.
import { Client } from 'undici';
import type { Ports } from '../ports.ts';
import { withDeadline } from '../ports.ts';

export interface Landing {
  status: number;
  /** The reply's `x-region`; null without one. */
  region: string | null;
}

export interface RequestOptions {
  ports: Pick<Ports, 'net' | 'timers'>;
  /** An IP literal. */
  address: string;
  port: number;
  path: string;
  /** Over TLS, with a certificate for `host` that is verified as users' browsers do. Absent: no. */
  tls?: boolean;
  /** The name that users ask for, sent as Host. */
  host: string;
  /** For connecting, sending and the head of the reply together. */
  timeoutMs: number;
  signal: AbortSignal;
}

export type HttpGet = (options: RequestOptions) => Promise<Landing>;

const HEAD_BYTES_MAX = 16 * 1024;
const REGION_CHARS_MAX = 64;

/** Rejects when there is no reply in time, with the system's word for it. */
export const httpGet: HttpGet = ({ ports, address, port, path, tls = false, host, timeoutMs, signal }) =>
  withDeadline(
    ports.timers,
    timeoutMs,
    `GET ${address} port ${port}`,
    async (inner) => {
      // undici's own limits of time run on a coarse wheel and not at all while connecting: ours is the only one, and destroying ends everything.
      let used = false;
      const client = new Client(`${tls ? 'https' : 'http'}://${address.includes(':') ? `[${address}]` : address}:${port}`, {
        allowH2: false,
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: HEAD_BYTES_MAX,
        connect: (_options, connected) => {
          // undici connects anew when a connection ends before its request was sent; one request is one connection.
          if (used) {
            connected(new Error('the connection ended before the request was sent'), null);
            return;
          }
          used = true;
          const socket = tls
            ? ports.net.tls({ host: address, port, servername: host, ALPNProtocols: ['http/1.1'] })
            : ports.net.tcp({ host: address, port });
          const onError = (error: Error): void => connected(error, null);
          const onAbort = (): void => void socket.destroy();
          inner.addEventListener('abort', onAbort, { once: true });
          socket.once('close', () => inner.removeEventListener('abort', onAbort));
          socket.once('error', onError);
          socket.once(tls ? 'secureConnect' : 'connect', () => {
            socket.off('error', onError);
            connected(null, socket);
          });
        },
      });
      const stop = (): void => void client.destroy().catch(() => undefined);
      inner.addEventListener('abort', stop, { once: true });
      try {
        const reply = await client.request({ method: 'GET', path, headers: { host, 'user-agent': 'tidegate', connection: 'close' } });
        reply.body.on('error', () => undefined);
        const region = reply.headers['x-region'];
        return { status: reply.statusCode, region: typeof region === 'string' ? region.slice(0, REGION_CHARS_MAX) : null };
      } finally {
        inner.removeEventListener('abort', stop);
        stop();
      }
    },
    signal,
  );
