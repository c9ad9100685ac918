// Connections to a region's Redis: reached as everything else is (our resolver, sockets from the ports, TLS verified), told apart by what may wait.
// A producer must know soon: a command fails at once while there is no connection, after 1 s when nothing answers. A worker must never give up.
// A connection that says nothing to a command for some seconds is replaced: it may be half open, and the kernel would wait for a quarter of an hour.
import type { Socket } from 'node:net';
import type { Redis, RedisOptions } from 'ioredis';
import type { RedisConfig } from '../config/paging.ts';
import { type Destination, type Reaching, reach } from '../connect.ts';
import type { Resolver } from '../dns/resolver.ts';
import { errorText } from '../errors.ts';
import { DeadlineError, type Ports, sleep } from '../ports.ts';

const COMMAND_MS = 1_000;
/**
 * Without a byte after a command: the connection is replaced. A worker's later than a producer's: what it had asked for may have happened, and a job whose
 * taking nobody heard of waits until its lock has expired. This process may have been busy, not the server silent.
 */
const SILENT_PRODUCER_MS = 2_000;
const SILENT_WORKER_MS = 5_000;
/** A blocking read may be silent for 10 s and has a watchdog of its own 1 s later. */
const SILENT_BLOCKING_MS = 13_000;
/** From attempt to attempt, also when one is taken and dropped at once: by a server that refuses the password. */
const RECONNECT_MS = 500;
/** ioredis' own wait before it asks its connector: a connection that is ended within it would stay as it is for ever. */
const RETRY_MS = 1;
/** What was written may leave before the socket is destroyed. */
const HANG_UP_MS = 500;

export interface LinkOptions {
  redis: RedisConfig;
  ports: Ports;
  resolve: Resolver['resolve'];
  /** Reads a secret's file. Throws Fault ERR_SECRET. */
  secret: (path: string) => string;
  /** Reads the PEM of authorities. */
  text: (path: string) => string;
}

export interface Links {
  /** Fails at once, or after 1 s. */
  producer: Redis;
  /** Waits as long as it takes. Its duplicates are for blocking reads. */
  worker: Redis;
  /** Why the last connection failed; null: the last attempt at one succeeded. */
  failure(): Error | null;
  /** Makes the workers' connections anew: one may be dead without a word. What was asked on them is asked again. */
  renewWorkers(): void;
  /** Ends every connection, duplicates too; what was under way on them fails. */
  close(): void;
}

const destinationOf = ({ url }: RedisConfig): Destination & { db: number } => {
  const { hostname, port, protocol, pathname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(port), tlsName: protocol === 'rediss:' ? host : null, db: Number(pathname.slice(1) || 0) };
};

const REPLIES: readonly (readonly [code: RegExp, because: string])[] = [
  [/\bREADONLY\b/, 'it is a replica that takes no writes'],
  [/\bOOM\b/, 'its memory is full'],
  [/\b(NOAUTH|WRONGPASS|NOPERM)\b/, 'it refuses the user, the password or the command'],
  [/\bLOADING\b/, 'it is loading its data'],
  [/\bMISCONF\b/, 'it cannot write to its disk'],
  [/Missing (lock|key) for job|could not renew lock/, 'a job was taken over or removed while it was tried'],
];

/** Why, in our own words: of what a server says only the code is repeated. */
export const becauseOf = (error: unknown, failure: Error | null): string => {
  const text = errorText(error);
  if (error instanceof DeadlineError || text.includes('timed out') || text.includes('Socket timeout')) return 'no answer in time';
  const known = REPLIES.find(([code]) => code.test(text));
  if (known !== undefined) return known[1];
  if (text.includes("isn't writeable") || text.includes('is closed'))
    return failure === null ? 'there is no connection' : becauseOf(failure, null);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : /^[A-Z]{3,20}\b/.exec(text)?.[0];
  return code ?? 'an error that is not known here';
};

/** Opens the connections; what they fail with is told by `failure`, never thrown. Throws Fault ERR_SECRET for a secret that cannot be used. */
export const openLinks = async ({ redis, ports, resolve, secret, text }: LinkOptions): Promise<Links> => {
  const ioredis = await import('ioredis');
  const { db, ...destination } = destinationOf(redis);
  const reaching: Reaching = {
    ports,
    resolve,
    ...(redis.caFile === undefined ? {} : { trust: ports.net.secureContext(text(redis.caFile)) }),
  };
  let failure: Error | null = null;

  /**
   * ioredis gives a connection up for good when its connector rejects: so this one tries until it is told to stop, and tells of failures beside.
   * The library's own timers and sockets end here: it is given sockets that are connected.
   */
  class Reacher extends ioredis.AbstractConnector {
    #stopping = new AbortController();
    #dialledAtMs = Number.NEGATIVE_INFINITY;
    constructor() {
      super(HANG_UP_MS);
    }
    override async connect(tell: (event: string, error: Error) => void): Promise<Socket> {
      this.connecting = true;
      this.#stopping = new AbortController();
      const { signal } = this.#stopping;
      for (;;) {
        const earlyMs = this.#dialledAtMs + RECONNECT_MS - ports.clock.monoMs();
        if (earlyMs > 0) await sleep(ports.timers, earlyMs, signal);
        this.#dialledAtMs = ports.clock.monoMs();
        const found = await reach(reaching, destination, signal).catch((error: Error) => error);
        signal.throwIfAborted();
        if (!(found instanceof Error)) {
          this.stream = found;
          return found;
        }
        tell('error', found);
      }
    }
    override disconnect(): void {
      this.#stopping.abort(new Error('Connection is closed.'));
      super.disconnect();
    }
  }

  const clients = new Set<Redis>();
  const common: RedisOptions = {
    Connector: Reacher,
    db,
    ...(redis.user === undefined ? {} : { username: redis.user }),
    ...(redis.passwordFile === undefined ? {} : { password: secret(redis.passwordFile) }),
    retryStrategy: () => RETRY_MS,
  };
  const open = (options: RedisOptions): Redis => {
    const client = new ioredis.Redis(options as Omit<RedisOptions, 'replyMapping'>);
    clients.add(client);
    // For as long as the process lives: a socket may report after everybody else has gone, and an error that nobody listens to is printed.
    client.on('error', (error: Error) => {
      failure = error;
    });
    client.on('ready', () => {
      failure = null;
    });
    client.on('end', () => clients.delete(client));
    client.on('connecting', () => clients.add(client));
    client.duplicate = (more) => open({ ...client.options, ...more, socketTimeout: SILENT_BLOCKING_MS });
    return client;
  };
  const producer = open({
    ...common,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: COMMAND_MS,
    socketTimeout: SILENT_PRODUCER_MS,
  });
  return {
    producer,
    worker: open({ ...common, maxRetriesPerRequest: null, socketTimeout: SILENT_WORKER_MS }),
    failure: () => failure,
    renewWorkers() {
      // None that has no socket: it would stop coming back.
      for (const client of clients) if (client !== producer && client.status === 'ready') client.disconnect(true);
    },
    close() {
      for (const client of clients) client.disconnect();
    },
  };
};
