// A store served by another process, over HTTP. Decides what a failed exchange means: a connection that never came to be means "did not happen";
// silence, a cut or a broken reply means "nobody knows". Nothing is ever sent twice: whoever asked reads back or evaluates afresh.
// A store that turns out to be another one, or to have forgotten, is left alone until this instance starts anew.
import { Agent, Client } from 'undici';
import type { z } from 'zod';
import { errorText, Fault } from '../errors.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';
import { checkedQuery, encodeTxn, READ_BYTES_MAX } from './limits.ts';
import type { Query, Read, Store, Txn, TxnResult, Watch, WatchEvent } from './store.ts';
import { StoreAmbiguousError, StoreDefiniteError } from './store.ts';
import type { Expectation } from './wire.ts';
import { GET_PATH, getReply, problemReply, TXN_PATH, txnReply, WATCH_PATH, WATCH_SILENCE_MS, watchLine } from './wire.ts';

/** Values plus as much again for keys and JSON around them. */
const REPLY_BYTES_MAX = 2 * READ_BYTES_MAX;
/** An event names at most as many keys as a transaction writes. */
const LINE_BYTES_MAX = 1024 * 1024;
const CONNECTIONS_MAX = 8;
const TIMEOUT_MS = 1500;
const RECONNECT_FIRST_MS = 100;
const RECONNECT_LAST_MS = 5000;

export interface ConnectOptions {
  /** `http://` with an IP literal and a port. */
  url: string;
  token: string;
  ports: Ports;
  /** For a whole exchange: connection, request and reply. */
  timeoutMs?: number;
}

/** The request never left this process. */
class NotSentError extends Error {}

type Connector = Extract<NonNullable<Agent.Options['connect']>, (...args: never[]) => void>;

/** undici's own connector resolves names by getaddrinfo and has no exact deadline; this one takes the socket from the ports. */
const connector = (ports: Ports, host: string, port: number, timeoutMs: number): Connector => {
  return (_options, callback) => {
    const socket = ports.net.tcp({ host, port });
    const fail = (error: Error): void => {
      timer.cancel();
      callback(new NotSentError(errorText(error), { cause: error }), null);
    };
    const timer = ports.timers.after(timeoutMs, () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)));
    socket.once('error', fail);
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', fail);
      socket.setNoDelay(true);
      callback(null, socket);
    });
  };
};

interface Reply {
  status: number;
  text: string;
}

const readText = async (body: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > REPLY_BYTES_MAX) throw new Error(`a reply of more than ${REPLY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const parsed = <T>(shape: z.ZodType<T>, text: string): T | null => {
  try {
    return shape.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
};

/** Calls `onLine` for each whole line of the stream. Throws when one grows past its limit. */
const readLines = async (body: AsyncIterable<Buffer>, onLine: (line: string) => void): Promise<void> => {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_BYTES_MAX) throw new Error(`a line of more than ${LINE_BYTES_MAX} bytes`);
    lines.forEach(onLine);
  }
};

/** Throws Fault ERR_CONFIG: a name would have to be resolved, and only src/dns may do that. */
const parseUrl = (text: string): { origin: string; host: string; port: number } => {
  const url = URL.canParse(text) ? new URL(text) : null;
  // The parser accepts digits and dots only as a valid IPv4 address, and brackets only around an IPv6 address.
  if (url?.protocol !== 'http:' || !/^(\[.+\]|[\d.]+)$/.test(url.hostname))
    throw new Fault(
      'ERR_CONFIG',
      `store.url: found ${JSON.stringify(text)}, expected http:// with an IP address and a port, such as http://127.0.0.1:7710`,
    );
  return { origin: url.origin, host: url.hostname.replace(/[[\]]/g, ''), port: Number(url.port || 80) };
};

class RemoteStore implements Store {
  readonly #ports: Ports;
  readonly #origin: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #connect: Connector;
  readonly #agent: Agent;
  readonly #closed = new AbortController();
  #known: Expectation | null = null;
  #frozen: Fault | null = null;

  constructor({ url, token, ports, timeoutMs = TIMEOUT_MS }: ConnectOptions) {
    const { origin, host, port } = parseUrl(url);
    this.#ports = ports;
    this.#origin = origin;
    this.#headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    this.#timeoutMs = timeoutMs;
    this.#connect = connector(ports, host, port, timeoutMs);
    // undici's own timeouts run on a wheel of 500 ms; the deadline around each exchange is exact.
    this.#agent = new Agent({ connect: this.#connect, connections: CONNECTIONS_MAX, headersTimeout: 0, bodyTimeout: 0 });
  }

  get clusterId(): string {
    return this.#known?.clusterId ?? '';
  }

  async get(query: Query, signal?: AbortSignal): Promise<Read> {
    const { kvs, rev } = await this.#ask(GET_PATH, checkedQuery(query), getReply, signal, StoreDefiniteError);
    return { rev, kvs };
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    // The server refuses the same, but a body cut short by its limit would leave doubt.
    encodeTxn(txn);
    const { ok, kvs, rev } = await this.#ask(TXN_PATH, txn, txnReply, signal, StoreAmbiguousError);
    return { ok, rev, kvs };
  }

  watch(prefix: string, onEvent: (event: WatchEvent) => void): Watch {
    checkedQuery({ prefixes: [prefix] });
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#closed.signal]);
    void this.#follow(prefix, signal, (event) => {
      // Later, so that a listener that throws is heard as its own fault, not taken for a broken stream.
      queueMicrotask(() => {
        if (!signal.aborted) onEvent(event);
      });
    });
    return { close: () => stop.abort() };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#agent.destroy();
  }

  /** One exchange. `doubt` is what a reply that never came, or cannot be understood, means to the asker. */
  async #ask<T extends { clusterId: string; rev: number }>(
    path: string,
    body: object,
    shape: z.ZodType<T>,
    signal: AbortSignal | undefined,
    doubt: typeof StoreDefiniteError | typeof StoreAmbiguousError,
  ): Promise<T> {
    if (this.#frozen) throw this.#frozen;
    if (this.#closed.signal.aborted) throw new StoreDefiniteError(`${this.#origin}: the store is closed`);
    if (signal?.aborted) throw new StoreDefiniteError(`${this.#origin}: called off before it began`, { cause: signal.reason });
    const known = this.#known;
    const reply = await this.#exchange(path, JSON.stringify(known ? { ...body, expect: known } : body), signal).catch((error: unknown) => {
      const Kind = error instanceof NotSentError ? StoreDefiniteError : doubt;
      throw new Kind(`${this.#origin}${path}: ${errorText(error)}`, { cause: error });
    });
    if (reply.status !== 200) throw this.#refusal(path, reply, doubt);
    const answer = parsed(shape, reply.text);
    if (!answer) throw new doubt(`${this.#origin}${path}: the reply is not understood (${reply.text.length} characters)`);
    this.#learn(answer, known);
    return answer;
  }

  #exchange(path: string, body: string, signal: AbortSignal | undefined): Promise<Reply> {
    const work = async (within: AbortSignal): Promise<Reply> => {
      const reply = await this.#agent.request({ origin: this.#origin, path, method: 'POST', headers: this.#headers, body, signal: within });
      return { status: reply.statusCode, text: await readText(reply.body) };
    };
    return withDeadline(this.#ports.timers, this.#timeoutMs, 'the store', work, signal);
  }

  #refusal(path: string, { status, text }: Reply, doubt: typeof StoreDefiniteError | typeof StoreAmbiguousError): Error {
    const problem = parsed(problemReply, text);
    if (problem?.code === 'ERR_STORE_REPLACED') return this.#freeze(problem.detail);
    const Kind = (status >= 400 && status < 500) || problem?.happened === 'no' ? StoreDefiniteError : doubt;
    return new Kind(`${this.#origin}${path}: status ${status}${problem ? ` ${problem.code}: ${problem.detail}` : ''}`);
  }

  /** `known` is what was known when the request left: replies overtake each other, so a lower revision than the latest proves nothing. */
  #learn({ clusterId, rev }: Expectation, known: Expectation | null): void {
    const now = this.#known;
    if (now && clusterId !== now.clusterId) throw this.#freeze(`expected store ${now.clusterId}; this is ${clusterId}`);
    if (known && rev < known.rev) throw this.#freeze(`expected revision ${known.rev} or later; this is ${rev}`);
    if (!now || rev > now.rev) this.#known = { clusterId, rev };
  }

  #freeze(found: string): Fault {
    this.#frozen ??= new Fault(
      'ERR_STORE_REPLACED',
      `${this.#origin}: the store was replaced or restored from an older copy (${found}); this instance writes nothing to it. ` +
        'Find out why, adopt what the providers serve, then start this instance again',
    );
    return this.#frozen;
  }

  async #follow(prefix: string, signal: AbortSignal, tell: (event: WatchEvent) => void): Promise<void> {
    let waitMs = RECONNECT_FIRST_MS;
    while (!signal.aborted) {
      const onHello = (): void => {
        waitMs = RECONNECT_FIRST_MS;
        // What changed before the stream began was not seen, at the first connection as at any later one.
        tell({ kind: 'resync' });
      };
      // A stream has no other end than a failure; that it was cut is told by the resync after it.
      await this.#stream(prefix, signal, onHello, tell).catch(() => undefined);
      await sleep(this.#ports.timers, waitMs * (0.5 + this.#ports.random.unit()), signal).catch(() => undefined);
      waitMs = Math.min(2 * waitMs, RECONNECT_LAST_MS);
    }
  }

  /** Follows one stream until it ends, falls silent or `signal` aborts. A connection of its own, so that streams never take requests' places. */
  async #stream(prefix: string, signal: AbortSignal, onHello: () => void, tell: (event: WatchEvent) => void): Promise<void> {
    const client = new Client(this.#origin, { connect: this.#connect, headersTimeout: 0, bodyTimeout: 0 });
    const end = (): void => void client.destroy();
    const listen = () => this.#ports.timers.after(WATCH_SILENCE_MS, end);
    let silence = listen();
    signal.addEventListener('abort', end, { once: true });
    try {
      const path = `${WATCH_PATH}?prefix=${encodeURIComponent(prefix)}`;
      const { statusCode, body } = await client.request({ path, method: 'GET', headers: this.#headers });
      if (statusCode !== 200) return;
      await readLines(body, (text) => {
        silence.cancel();
        silence = listen();
        const line = parsed(watchLine, text);
        if (line?.kind === 'hello') onHello();
        else if (line?.kind === 'changed' || line?.kind === 'resync') tell(line);
      });
    } finally {
      silence.cancel();
      signal.removeEventListener('abort', end);
      end();
    }
  }
}

/**
 * Returns at once, whether or not the server is there; `clusterId` is empty until its first answer. Throws Fault ERR_CONFIG for a malformed url.
 * Once the store proves to be another one, or to have lost revisions, every call rejects with Fault ERR_STORE_REPLACED: a store that an
 * instance has known is told so with each request, and refuses before it writes.
 */
export const connectStore = (options: ConnectOptions): Store => new RemoteStore(options);
