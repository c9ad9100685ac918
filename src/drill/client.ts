// One user: resolves a name as a stub resolver does, keeps the answer for its TTL, and visits the first address on a fresh connection, again and again.
// Reports every visit's end, so that a drill sees where users land and how long they suffered. One visit at a time: a person waits for the page.
// Ignores stale answers (an expired one is never used), negative caching, AAAA, and second addresses: harsher than browsers, never kinder.
import { follow } from '../dns/codec.ts';
import { type DnsServer, query } from '../dns/exchange.ts';
import { errorText, Fault } from '../errors.ts';
import { type Ports, sleep, withDeadline } from '../ports.ts';

export interface Landing {
  /** Monotonic instant at which the visit ended. */
  atMonoMs: number;
  /** What the reply's `x-region` says; null: nobody answered in time. */
  region: string | null;
  /** Why `region` is null. */
  error?: string;
  /** The address came from the cache. */
  fromCache: boolean;
}

export interface UserOptions {
  ports: Ports;
  dnsServer: DnsServer;
  name: string;
  appPort: number;
  /** From the start of one visit to the start of the next; a visit that takes longer delays the next. */
  everyMs: number;
  onLanding(landing: Landing): void;
}

export interface User {
  /** Ends within one visit's deadlines; nothing is reported afterwards. */
  close(): Promise<void>;
}

/** Each of the two steps of a visit: to resolve, and to connect, ask and hear. */
export const STEP_MS = 1000;
const HEAD_BYTES_MAX = 16 * 1024;

/** Visits at once and then every `everyMs` until closed. */
export const createUser = ({ ports, dnsServer, name, appPort, everyMs, onLanding }: UserOptions): User => {
  const stopping = new AbortController();
  let cached: { address: string; expiresAtMs: number } | null = null;

  const resolve = async (): Promise<{ address: string; fromCache: boolean }> => {
    if (cached !== null && ports.clock.monoMs() < cached.expiresAtMs) return { address: cached.address, fromCache: true };
    cached = null;
    // The TTL counts from the question: the answer cannot have been newer than that.
    const askedAtMs = ports.clock.monoMs();
    const reply = await query({
      ports,
      server: dnsServer,
      name,
      type: 'A',
      recursionDesired: true,
      timeoutMs: STEP_MS,
      signal: stopping.signal,
    });
    const { addresses, ttlS } = follow(reply, name, 'A');
    const [address] = addresses;
    if (address === undefined) throw new Fault('ERR_DNS', `${name} has no address (${reply.rcode})`);
    cached = { address, expiresAtMs: askedAtMs + (ttlS ?? 0) * 1000 };
    return { address, fromCache: false };
  };

  const visit = async (): Promise<Landing> => {
    let fromCache = false;
    try {
      const resolved = await resolve();
      fromCache = resolved.fromCache;
      const region = await regionAt(ports, { host: resolved.address, port: appPort }, name, stopping.signal);
      return { atMonoMs: ports.clock.monoMs(), region, fromCache };
    } catch (error) {
      return { atMonoMs: ports.clock.monoMs(), region: null, error: errorText(error), fromCache };
    }
  };

  const live = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedAtMs = ports.clock.monoMs();
      const landing = await visit();
      if (stopping.signal.aborted) return;
      onLanding(landing);
      await sleep(ports.timers, Math.max(0, startedAtMs + everyMs - ports.clock.monoMs()), stopping.signal).catch(() => {});
    }
  };

  const life = live();
  return {
    close() {
      stopping.abort(new Error('the user has left'));
      return life;
    },
  };
};

/** The `x-region` of a 200 reply to `GET /`. Rejects with the reason when there is none within STEP_MS. */
const regionAt = (ports: Ports, to: Where, host: string, outer: AbortSignal): Promise<string> =>
  withDeadline(
    ports.timers,
    STEP_MS,
    urlOf(to),
    async (signal) => {
      const head = await headFrom(ports, to, host, signal);
      const region = regionIn(head);
      if (region === null) throw new Error(`${urlOf(to)}: expected 200 with x-region, found "${firstLine(head)}"`);
      return region;
    },
    outer,
  );

interface Where {
  host: string;
  port: number;
}

const urlOf = ({ host, port }: Where): string => `http://${host}:${port}/`;

/** The head of the reply to `GET /` on a fresh connection. Rejects when it ends before, with the signal's reason when that aborts. */
export const headFrom = (ports: Pick<Ports, 'net'>, to: Where, host: string, signal: AbortSignal): Promise<string> => {
  const request = `GET / HTTP/1.1\r\nhost: ${host}\r\nuser-agent: tidegate-demo-user\r\nconnection: close\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const socket = ports.net.tcp(to);
    const end = (settle: () => void): void => {
      settle();
      socket.destroy();
    };
    signal.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true });
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('close', () => reject(new Error(`${urlOf(to)}: closed before the head of a reply was complete`)));
    socket.on('connect', () => socket.write(request));
    let head = '';
    socket.on('data', (chunk: Buffer) => {
      head += chunk.toString('latin1');
      const length = head.indexOf('\r\n\r\n');
      if (length >= 0) end(() => resolve(head.slice(0, length + 2)));
      else if (head.length >= HEAD_BYTES_MAX) end(() => reject(new Error(`${urlOf(to)}: the head of the reply never ends`)));
    });
  });
};

const firstLine = (head: string): string => head.slice(0, 100).split('\r\n')[0] ?? '';

/** The region that answered with 200; null: none did. */
export const regionIn = (head: string): string | null =>
  /^HTTP\/1\.[01] 200[ \r]/.test(head) ? (/\r\nx-region:[ \t]*([\w.-]{1,63})[ \t]*(?:\r|$)/i.exec(head)?.[1] ?? null) : null;
