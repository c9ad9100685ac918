// Addresses of host names for probes, from given recursive servers, never from getaddrinfo. A probe must not wait for DNS nor fail because of
// it: names in use are asked again before they expire, and when that fails the last good addresses stay, with the reason beside them.
// Whether old addresses are good enough is the caller's decision. Ignores search domains, /etc/hosts and DNSSEC. Last-good as in RFC 8767.
import assert from 'node:assert/strict';
import { errorText } from '../errors.ts';
import type { Ports, Timer } from '../ports.ts';
import { canonicalAddress } from './address.ts';
import { follow, type Reply } from './codec.ts';
import { type DnsServer, type QueryOptions, query, serverText } from './exchange.ts';
import { canonicalName } from './wire.ts';

export interface Resolution {
  /** IPv4 first; empty: no address is or ever was known. */
  addresses: readonly string[];
  /** Why the last attempt brought nothing new; null: the addresses are the current answer. */
  stale: string | null;
  /** Since the addresses were last confirmed; 0 when there are none. */
  ageMs: number;
}

export interface Resolver {
  /** Waits only for the first attempt at a name, at most ATTEMPTS_MAX x timeoutMs; answers from memory afterwards. Rejects only when `signal` aborts. */
  resolve(host: string, signal?: AbortSignal): Promise<Resolution>;
  /** Ends background refreshes; answers from memory stay available. */
  close(): void;
}

export interface ResolverOptions {
  ports: Ports;
  /** In order of preference; asked one at a time. */
  servers: readonly DnsServer[];
  /** Per server and attempt. */
  timeoutMs?: number;
  /** For tests in virtual time. */
  ask?: (options: QueryOptions) => Promise<Reply>;
}

const TTL_MIN_MS = 1_000;
const TTL_MAX_MS = 300_000;
/** Refresh at this part of the TTL, so that the new answer is there when the old one expires. */
const REFRESH_AT = 0.8;
/** After failures: from 1 s, doubling. */
const RETRY_MAX_MS = 30_000;
export const ATTEMPTS_MAX = 4;
/** A name that nobody asked for this long is forgotten. */
const IDLE_MS = 600_000;
export const NAMES_MAX = 10_000;
const TIMEOUT_MS = 1_000;

/** Names looked up at once, by two questions each; the others wait their turn. */
export const LOOKUPS_MAX = 100;

type Family = 'A' | 'AAAA';

/** What one attempt at one family brought. `failure` null with no addresses: the name has none of this family. */
interface Looked {
  addresses: readonly string[];
  ttlMs: number;
  failure: string | null;
}

interface Entry {
  readonly host: string;
  families: Readonly<Record<Family, readonly string[]>>;
  /** Monotonic time of the last good answer; null: never. */
  goodAtMs: number | null;
  failure: string | null;
  /** In a row. */
  failures: number;
  usedAtMs: number;
  /** The first attempt; nobody waits for later ones. */
  first: Promise<void>;
  timer: Timer | null;
}

export const createResolver = ({ ports, servers, timeoutMs = TIMEOUT_MS, ask = query }: ResolverOptions): Resolver => {
  assert(servers.length > 0, 'a resolver needs a server to ask');
  const { clock, timers } = ports;
  /** Least recently used first. */
  const entries = new Map<string, Entry>();
  const closing = new AbortController();
  const turn = turns(LOOKUPS_MAX);
  let preferred = 0;

  /** Asks servers in turn, beginning with the last that worked; a lone server is asked twice, as a datagram may be lost. */
  const look = async (host: string, type: Family): Promise<Looked> => {
    const start = preferred;
    const failures: string[] = [];
    for (let attempt = 0; attempt < Math.min(ATTEMPTS_MAX, Math.max(2, servers.length)); attempt++) {
      if (closing.signal.aborted) break;
      const at = (start + attempt) % servers.length;
      const server = servers[at]!;
      try {
        const reply = await ask({ ports, server, name: host, type, timeoutMs, recursionDesired: true, signal: closing.signal });
        if (reply.rcode === 'NOERROR' || reply.rcode === 'NXDOMAIN') {
          preferred = at;
          return lookedAt(reply, host, type);
        }
        failures.push(`${serverText(server)} answered ${reply.rcode}`);
      } catch (error) {
        failures.push(errorText(error));
      }
    }
    return { addresses: [], ttlMs: 0, failure: failures.join('; ') || 'the resolver is closed' };
  };

  const refresh = async (entry: Entry): Promise<void> => {
    const [a, aaaa] = await turn(() => Promise.all([look(entry.host, 'A'), look(entry.host, 'AAAA')]));
    const fresh = [a, aaaa].filter((looked) => looked.failure === null && looked.addresses.length > 0);
    if (fresh.length > 0) {
      entry.families = {
        A: a.failure === null ? a.addresses : entry.families.A,
        AAAA: aaaa.failure === null ? aaaa.addresses : entry.families.AAAA,
      };
      entry.goodAtMs = clock.monoMs();
      entry.failure = null;
      entry.failures = 0;
      schedule(entry, REFRESH_AT * Math.min(...fresh.map((looked) => looked.ttlMs)));
    } else {
      entry.failure = a.failure ?? aaaa.failure ?? `${entry.host} has neither A nor AAAA records`;
      entry.failures++;
      schedule(entry, Math.min(RETRY_MAX_MS, TTL_MIN_MS * 2 ** (entry.failures - 1)));
    }
  };

  const schedule = (entry: Entry, inMs: number): void => {
    if (closing.signal.aborted || entries.get(entry.host) !== entry) return;
    entry.timer = timers.after(
      inMs,
      () => {
        if (clock.monoMs() - entry.usedAtMs > IDLE_MS) forget(entry);
        else void refresh(entry);
      },
      { background: true },
    );
  };

  const forget = (entry: Entry): void => {
    entry.timer?.cancel();
    entries.delete(entry.host);
  };

  const entryOf = (host: string): Entry => {
    const known = entries.get(host);
    if (known !== undefined) {
      known.usedAtMs = clock.monoMs();
      entries.delete(host);
      entries.set(host, known);
      return known;
    }
    const [oldest] = entries.values();
    if (oldest !== undefined && entries.size >= NAMES_MAX) forget(oldest);
    const entry: Entry = {
      host,
      families: { A: [], AAAA: [] },
      goodAtMs: null,
      failure: null,
      failures: 0,
      usedAtMs: clock.monoMs(),
      first: Promise.resolve(),
      timer: null,
    };
    entries.set(host, entry);
    entry.first = refresh(entry);
    return entry;
  };

  return {
    async resolve(name, signal) {
      const fixed = withoutAsking(name);
      if (fixed !== null) return { addresses: fixed, stale: null, ageMs: 0 };
      const entry = entryOf(canonicalName(name));
      await abortable(entry.first, signal);
      return {
        addresses: [...entry.families.A, ...entry.families.AAAA],
        stale: entry.failure,
        ageMs: entry.goodAtMs === null ? 0 : clock.monoMs() - entry.goodAtMs,
      };
    },
    close() {
      closing.abort(new Error('the resolver is closed'));
      for (const entry of entries.values()) entry.timer?.cancel();
    },
  };
};

/** Literals, and the names that RFC 6761 6.3 keeps on this machine. */
const withoutAsking = (host: string): string[] | null => {
  const literal = canonicalAddress(host);
  if (literal !== null) return [literal];
  const name = canonicalName(host);
  return name === 'localhost' || name.endsWith('.localhost') ? ['127.0.0.1', '::1'] : null;
};

const lookedAt = (reply: Reply, host: string, type: Family): Looked => {
  if (reply.rcode === 'NXDOMAIN') return { addresses: [], ttlMs: 0, failure: `${host} does not exist (NXDOMAIN)` };
  const { addresses, ttlS } = follow(reply, host, type);
  return { addresses, ttlMs: Math.min(TTL_MAX_MS, Math.max(TTL_MIN_MS, (ttlS ?? 0) * 1000)), failure: null };
};

/** Runs at most `limit` pieces of work at once; the others wait their turn, as many as there are names. */
const turns = (limit: number): (<T>(work: () => Promise<T>) => Promise<T>) => {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < limit) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place is handed over, so nobody can slip in between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
};

const abortable = (work: Promise<void>, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort));
  });
