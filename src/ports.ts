// The only doors to the outside: clocks, timers, randomness, sockets. Production code receives a `Ports` value; tests and the simulator hand in another.
// Nothing else in src (main.ts apart), providers or policies may touch Date, performance, timers, crypto randomness, AbortSignal.timeout or node's socket modules.
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import http2 from 'node:http2';
import net from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import tls from 'node:tls';

export interface Clock {
  /** Milliseconds since an arbitrary start; never goes backwards, ignores wall clock steps. */
  monoMs(): number;
  /** Milliseconds since 1970; may jump. For display, stagger and the start of a term only. */
  wallMs(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Runs `fn` once, `ms` from now, never early by the monotonic clock. A pending timer keeps the process alive unless `background`. */
  after(ms: number, fn: () => void, options?: { background?: boolean }): Timer;
}

export interface Random {
  /** Uniform in [0, 1). */
  unit(): number;
  /** `n` random bytes as lower-case hex. */
  hex(n: number): string;
}

/** Everything that opens a socket. Hosts are IP literals: names are resolved by src/dns, never by getaddrinfo. */
export interface Net {
  tcp(options: { host: string; port: number }): net.Socket;
  tls(options: tls.ConnectionOptions): tls.TLSSocket;
  udp(family: 'udp4' | 'udp6'): dgram.Socket;
  listenTcp(onConnection: (socket: net.Socket) => void): net.Server;
  /** Speaks HTTP/2 on a connected socket, within narrow limits of what the peer may send. */
  http2(socket: net.Socket, origin: string): http2.ClientHttp2Session;
  /** Authorities to trust: those of a PEM text, or the system's. `own`: what this side shows of itself. */
  secureContext(caPem?: string, own?: { certPem: string; keyPem: string }): tls.SecureContext;
  /** Trusts what is in a PEM text, whoever signed it: a server's certificate without its authority, too. */
  pinnedContext(certPem: string): tls.SecureContext;
}

export interface LoopDelay {
  /** 99th percentile of the event loop's lateness in ms since the last call. */
  p99Ms(): number;
  close(): void;
}

export interface Ports {
  clock: Clock;
  timers: Timers;
  random: Random;
  net: Net;
  loopDelay(): LoopDelay;
}

const clock: Clock = { monoMs: () => performance.now(), wallMs: () => Date.now() };

/** setTimeout fires up to 1 ms early (measured on Node 26); the contract of `after` is "never early", so the remainder is waited for. */
const timers: Timers = {
  after(ms, fn, options) {
    const dueAtMs = clock.monoMs() + ms;
    let handle: NodeJS.Timeout;
    const arm = (waitMs: number): void => {
      handle = setTimeout(
        () => {
          const leftMs = dueAtMs - clock.monoMs();
          if (leftMs > 0) arm(leftMs);
          else fn();
        },
        Math.max(1, Math.min(waitMs, 2 ** 31 - 1)),
      );
      if (options?.background) handle.unref();
    };
    arm(ms);
    return { cancel: () => clearTimeout(handle) };
  },
};

const random: Random = {
  unit: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  hex: (n) => randomBytes(n).toString('hex'),
};

/** One small exchange needs no more; nghttp2 ends a session that sends more frames than are good. Memory is in MB. */
const HTTP2_LIMITS = {
  maxSessionMemory: 1,
  maxHeaderListPairs: 64,
  maxReservedRemoteStreams: 0,
  settings: { enablePush: false, initialWindowSize: 16 * 1024, maxHeaderListSize: 16 * 1024 },
};

const realNet: Net = {
  tcp: (options) => net.connect(options),
  tls: (options) => tls.connect(options),
  udp: (family) => dgram.createSocket({ type: family }),
  listenTcp: (onConnection) => net.createServer(onConnection),
  http2: (socket, origin) => http2.connect(origin, { createConnection: () => socket, ...HTTP2_LIMITS }),
  secureContext: (caPem, own) =>
    tls.createSecureContext({
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }),
    }),
  pinnedContext: (certPem) => tls.createSecureContext({ ca: certPem, allowPartialTrustChain: true }),
};

const loopDelay = (): LoopDelay => {
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  histogram.enable();
  return {
    p99Ms() {
      // The histogram counts the whole interval between its ticks; the resolution is not lateness.
      const ms = histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(99) / 1e6 - 20);
      histogram.reset();
      return ms;
    },
    close: () => histogram.disable(),
  };
};

export const realPorts = (): Ports => ({ clock, timers, random, net: realNet, loopDelay });

/** An instant (ms since 1970) as ISO 8601 text; one that no calendar has, as the bare number. */
export const isoTime = (atMs: number): string => (Math.abs(atMs) <= 8.64e15 ? new Date(atMs).toISOString() : String(atMs));

/** An instant as the object some libraries want. Reads no clock; it is here so that nothing else needs the name. */
export const dateOf = (atMs: number): Date => new Date(atMs);

/** An HTTP or ISO date as ms since 1970; null when it is neither. */
export const parseTime = (text: string): number | null => {
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : atMs;
};

/** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
export const sleep = (timers: Timers, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal === undefined) {
      timers.after(ms, resolve);
      return;
    }
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = timers.after(ms, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });

export class DeadlineError extends Error {
  readonly afterMs: number;
  constructor(what: string, afterMs: number) {
    super(`${what}: no answer within ${afterMs} ms`);
    this.name = 'DeadlineError';
    this.afterMs = afterMs;
  }
}

/** Runs `work` with a signal that aborts after `ms`; rejects with DeadlineError at the deadline even if `work` ignores its signal. */
export const withDeadline = <T>(
  timers: Timers,
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> =>
  new Promise((resolve, reject) => {
    const controller = new AbortController();
    const stop = (error: unknown): void => {
      settle();
      controller.abort(error);
      reject(error);
    };
    const onOuter = (): void => stop(outer?.reason ?? new Error(`${what}: aborted`));
    const timer = timers.after(ms, () => stop(new DeadlineError(what, ms)));
    const settle = (): void => {
      timer.cancel();
      outer?.removeEventListener('abort', onOuter);
    };
    if (outer?.aborted) {
      onOuter();
      return;
    }
    outer?.addEventListener('abort', onOuter, { once: true });
    work(controller.signal).then(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
