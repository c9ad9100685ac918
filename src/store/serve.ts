// Lends the embedded store to instances in other processes over HTTP on loopback. Decides only who may ask and what a reply is allowed to claim:
// a failure says whether the write certainly did not happen. Ignores TLS: replicas on other machines use etcd.
import { createHash, timingSafeEqual } from 'node:crypto';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ERRORS, type ErrorCode, errorText, Fault } from '../errors.ts';
import type { Ports, Timers } from '../ports.ts';
import type { Copying } from './embedded.ts';
import { checkedQuery, encodeTxn, TXN_BYTES_MAX } from './limits.ts';
import { type Store, StoreDefiniteError, type WatchEvent } from './store.ts';
import type { Expectation, WatchLine } from './wire.ts';
import { COPY_PATH, GET_PATH, getRequest, TXN_PATH, txnRequest, WATCH_BEAT_MS, WATCH_PATH } from './wire.ts';

/** Values plus as much again for keys, conditions and JSON around them. */
const BODY_BYTES_MAX = TXN_BYTES_MAX + 1024 * 1024;
const CONNECTIONS_MAX = 256;
/** Open watch streams: a few per replica. */
const WATCHES_MAX = 128;
/** A watcher that lets this much pile up is cut off; it reconnects and looks again. */
const WATCH_BACKLOG_BYTES_MAX = 1024 * 1024;
/** How long a request may take to arrive. */
const REQUEST_MS = 10_000;
/** Requests still running when the server closes get this long. */
const CLOSE_MS = 2000;
const IDLE_SWEEP_MS = 50;

export interface ServeOptions {
  store: Store & Partial<Copying>;
  /** IP literal. */
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** What every request must bear. */
  token: string;
  ports: Pick<Ports, 'timers'>;
}

export interface ServedStore {
  port: number;
  /** Answers what is running, ends the streams, and is done within about two seconds. The store stays open. */
  close(): Promise<void>;
}

/** A refusal before the store was asked to write anything. */
class Refusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, detail: string) {
    super(detail);
    this.code = code;
  }
}

const problem = (code: ErrorCode, detail: string, happened: 'no' | 'unknown') => ({
  type: 'about:blank',
  title: ERRORS[code].title,
  status: ERRORS[code].http,
  code,
  detail,
  happened,
});

const problemOf = (error: unknown): ReturnType<typeof problem> => {
  if (error instanceof Refusal) return problem(error.code, error.message, 'no');
  if (error instanceof Fault) return problem(error.code, error.message, 'no');
  if (error instanceof StoreDefiniteError) return problem('ERR_STORE_FILE', error.message, 'no');
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  // Fastify refuses a malformed or oversized request before any handler runs.
  if (status >= 400 && status < 500) return problem(status === 413 ? 'ERR_TOO_LARGE' : 'ERR_BAD_REQUEST', errorText(error), 'no');
  return problem('ERR_UNDECIDED', errorText(error), 'unknown');
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares digests, so neither the time taken nor the length tells anything of the token. */
const bearerCheck = (token: string) => {
  const wanted = digest(`Bearer ${token}`);
  return async (request: FastifyRequest): Promise<void> => {
    if (!timingSafeEqual(digest(request.headers.authorization ?? ''), wanted))
      throw new Refusal('ERR_UNAUTHORIZED', 'Authorization: Bearer with the token in store.serve.tokenFile is needed');
  };
};

/** The body in its shape and within the store's limits. Throws Refusal. */
const accept = <T>(
  shape: { safeParse(body: unknown): { data?: T; error?: { message: string } } },
  body: unknown,
  check: (data: T) => unknown,
): T => {
  const { data, error } = shape.safeParse(body);
  if (data === undefined) throw new Refusal('ERR_BAD_REQUEST', `the body has another shape: ${error?.message ?? ''}`);
  try {
    check(data);
  } catch (refused) {
    throw new Refusal('ERR_BAD_REQUEST', errorText(refused));
  }
  return data;
};

/** Throws Refusal unless the store is the one the asker knows, with nothing missing. `rev` is read after the request came in. */
const checkIdentity = (store: Store, rev: number, expected: Expectation | undefined): void => {
  if (!expected || (expected.clusterId === store.clusterId && expected.rev <= rev)) return;
  throw new Refusal(
    'ERR_STORE_REPLACED',
    `expected store ${expected.clusterId} at revision ${expected.rev} or later; this is ${store.clusterId} at ${rev}`,
  );
};

const serveRecords = (app: FastifyInstance, store: ServeOptions['store']): void => {
  app.post(GET_PATH, async (request) => {
    const { expect, ...query } = accept(getRequest, request.body, checkedQuery);
    const read = await store.get(query);
    checkIdentity(store, read.rev, expect);
    return { clusterId: store.clusterId, ...read };
  });
  app.post(TXN_PATH, async (request) => {
    const { expect, ...txn } = accept(txnRequest, request.body, encodeTxn);
    checkIdentity(store, (await store.get({})).rev, expect);
    return { clusterId: store.clusterId, ...(await store.txn(txn)) };
  });
  app.post(COPY_PATH, async () => {
    if (store.copy === undefined) throw new Refusal('ERR_NOT_FOUND', 'this store cannot be copied while it is served');
    return { clusterId: store.clusterId, ...(await store.copy()) };
  });
};

const serveWatches = (app: FastifyInstance, store: Store, timers: Timers): void => {
  const streams = new Set<() => void>();
  const stream = (prefix: string, reply: FastifyReply): void => {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const send = (line: WatchLine | WatchEvent): void => {
      if (raw.writableLength > WATCH_BACKLOG_BYTES_MAX) raw.destroy();
      else raw.write(`${JSON.stringify(line)}\n`);
    };
    const watch = store.watch(prefix, send);
    let timer = timers.after(WATCH_BEAT_MS, beat);
    function beat(): void {
      send({ kind: 'beat' });
      timer = timers.after(WATCH_BEAT_MS, beat);
    }
    const end = (): void => {
      watch.close();
      timer.cancel();
      streams.delete(end);
      raw.end();
    };
    streams.add(end);
    raw.once('close', end);
    raw.on('error', end);
    // After the watch is in place: what the asker reads after this line, or a later event, misses nothing.
    send({ kind: 'hello' });
  };
  app.get<{ Querystring: { prefix?: string } }>(WATCH_PATH, async (request, reply) => {
    const { prefix = '' } = request.query;
    accept(getRequest, { prefixes: [prefix] }, checkedQuery);
    if (streams.size >= WATCHES_MAX) throw new Refusal('ERR_STORE_UNREACHABLE', `${WATCHES_MAX} watches are open, which is the most`);
    stream(prefix, reply);
  });
  app.addHook('preClose', async () => {
    for (const end of streams) end();
  });
};

/** `app.close()` waits for idle keep-alive connections up to 72 s (fastify#7044), so those are swept, and the rest cut at the end of their time. */
const closeWithin = async (app: FastifyInstance, timers: Timers): Promise<void> => {
  let sweeper = timers.after(IDLE_SWEEP_MS, sweep);
  function sweep(): void {
    app.server.closeIdleConnections();
    sweeper = timers.after(IDLE_SWEEP_MS, sweep);
  }
  const cutter = timers.after(CLOSE_MS, () => app.server.closeAllConnections());
  try {
    await app.close();
  } finally {
    sweeper.cancel();
    cutter.cancel();
  }
};

/** Serves `store` until closed. Rejects with Fault ERR_LISTEN when the address cannot be had, ERR_SECRET when the token is empty. */
export const serveStore = async ({ store, host, port, token, ports }: ServeOptions): Promise<ServedStore> => {
  if (token === '')
    throw new Fault('ERR_SECRET', 'store.serve.tokenFile is empty: anybody on this machine could write; put a random text into it');
  // A key named __proto__ inside a value is data here: JSON.parse keeps it as such, and nothing is merged.
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS,
    return503OnClosing: false,
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.addHook('onRequest', bearerCheck(token));
  app.setErrorHandler(async (error, _request, reply) => {
    const body = problemOf(error);
    return reply.code(body.status).type('application/problem+json').send(body);
  });
  app.setNotFoundHandler(async (request) => {
    throw new Refusal('ERR_NOT_FOUND', `${request.method} ${request.url} is not part of the store's interface`);
  });
  serveRecords(app, store);
  serveWatches(app, store, ports.timers);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new Fault(
      'ERR_LISTEN',
      `the store cannot be served on ${host}:${port}: ${errorText(error)}; choose another port or stop what uses it`,
      {
        cause: error,
      },
    );
  }
  const address = app.server.address();
  let closing: Promise<void> | undefined;
  return {
    port: typeof address === 'object' && address ? address.port : port,
    close: () => {
      closing ??= closeWithin(app, ports.timers);
      return closing;
    },
  };
};
