// HTTP towards the outside for libraries that take a `fetch`: names from our own resolver (never getaddrinfo), sockets from the ports, TLS verified.
// No retry and no redirect: whoever calls decides what a lost reply means. Replies are held to a size; time is the caller's signal.
import { TransformStream } from 'node:stream/web';
import { Agent, type RequestInit, Response, fetch as undiciFetch } from 'undici';
import { connector, type Reaching } from './connect.ts';
import { errorText } from './errors.ts';
import type { Ports } from './ports.ts';

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

export interface Http {
  fetch: Fetch;
  close(): Promise<void>;
}

/** A vendor's list of a thousand records is far below this. */
const REPLY_BYTES_MAX = 32 * 1024 * 1024;
/** Connections to one host; a failover of many services at once shares them. */
const CONNECTIONS_MAX = 16;
/** A vendor's edge closes idle connections after a minute or more; ours go first, so that no write meets a closing one. */
const KEEP_ALIVE_MS = 10_000;

export interface HttpOptions {
  ports: Ports;
  resolve: Reaching['resolve'];
  /** PEM text of the authorities to trust instead of the system's. */
  caPem?: string;
  /** PEM text whose first certificate alone is believed, under whatever name. */
  pin?: string;
  /** What this side shows of itself to servers that ask for a certificate. */
  own?: { certPem: string; keyPem: string };
}

export const createHttp = ({ ports, resolve, caPem, pin, own }: HttpOptions): Http => {
  const trusts = caPem !== undefined || own !== undefined;
  const agent = new Agent({
    connect: connector({
      ports,
      resolve,
      ...(pin === undefined ? {} : { pin }),
      ...(trusts ? { trust: ports.net.secureContext(caPem, own) } : {}),
    }),
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: REPLY_BYTES_MAX,
    allowH2: false,
  });
  return {
    fetch: async (url, init = {}) => {
      const sent = undiciFetch(url, { ...init, dispatcher: agent, redirect: 'manual' });
      return bounded(
        await abortable(sent, init.signal ?? null).catch((error: unknown) => {
          throw plain(url, error);
        }),
      );
    },
    close: () => agent.destroy(),
  };
};

/** `fetch failed` tells nobody anything: who was asked, and what became of it, with the system's code. */
const plain = (url: string | URL, error: unknown): unknown => {
  if (!(error instanceof TypeError && error.cause instanceof Error)) return error;
  const { code } = error.cause as NodeJS.ErrnoException;
  const told = new Error(`${new URL(url).host}: ${errorText(error.cause)}`, { cause: error.cause });
  return code === undefined ? told : Object.assign(told, { code });
};

/** The agent counts bytes as they travel; what unpacks to a thousand times as much is counted here. */
const bounded = (reply: Response): Response => {
  if (reply.body === null) return reply;
  let left = REPLY_BYTES_MAX;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, out) {
      left -= chunk.byteLength;
      if (left < 0) throw new Error(`the reply is longer than ${REPLY_BYTES_MAX} bytes`);
      out.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = reply;
  return new Response(reply.body.pipeThrough(count), { status, statusText, headers });
};

/** undici looks at the signal only once the request is on a socket (its issue 386); a caller's deadline must end the wait for one too. */
const abortable = <T>(work: Promise<T>, signal: AbortSignal | null): Promise<T> =>
  signal === null
    ? work
    : new Promise((resolve, reject) => {
        const onAbort = (): void => reject(signal.reason);
        if (signal.aborted) onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
      });
