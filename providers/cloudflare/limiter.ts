// Cloudflare counts the calls of a token and, past its limit, refuses all of them for minutes: the failover too. So this process counts as well: routine
// looks end well before the limit, what changes a route may use all of it, and a 429 stops everything until its time is over. One limiter for each token.
import { type Ports, parseTime } from '../../src/ports.ts';

const WINDOW_MS = 300_000;
/** What routine looks may use of it. */
const LOOKS_PART = 0.8;
/** A 429 that does not say how long. */
const SILENT_STOP_MS = 30_000;
/** Cloudflare's longest block. */
const STOP_MS_MAX = 300_000;

export interface Limiter {
  /** `max`: in 5 minutes. null: go, and this call is counted. Otherwise why not now, and for how long. */
  refusal(use: 'look' | 'change', max: number): { because: string; busyMs: number } | null;
  /** Cloudflare answered 429. Out: how long nothing is sent, in whole seconds. */
  stop(retryAfter: string | null): number;
}

export const createLimiter = ({ clock }: Pick<Ports, 'clock'>): Limiter => {
  let calls: number[] = [];
  let stoppedUntilMs = Number.NEGATIVE_INFINITY;
  const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
  return {
    refusal(use, max) {
      const nowMs = clock.monoMs();
      if (nowMs < stoppedUntilMs) {
        const busyMs = stoppedUntilMs - nowMs;
        const because = `Cloudflare refuses every call of this token for ${seconds(busyMs)} s more (429 Too Many Requests); nothing is sent until then. Find what else uses the token or its user's other tokens`;
        return { because, busyMs };
      }
      calls = calls.filter((atMs) => atMs > nowMs - WINDOW_MS);
      if (calls.length >= (use === 'look' ? Math.floor(max * LOOKS_PART) : max)) {
        const busyMs = (calls[0] ?? nowMs) + WINDOW_MS - nowMs;
        return {
          because: `${calls.length} calls in the last 5 min, callsPer5Min is ${max}; the next is sent in ${seconds(busyMs)} s`,
          busyMs,
        };
      }
      calls.push(nowMs);
      return null;
    },
    stop(retryAfter) {
      const forMs = Math.min(STOP_MS_MAX, Math.max(1000, spanOf(retryAfter, clock.wallMs()) ?? SILENT_STOP_MS));
      stoppedUntilMs = Math.max(stoppedUntilMs, clock.monoMs() + forMs);
      return seconds(forMs);
    },
  };
};

/** A Retry-After header (RFC 9110 10.2.3) in ms; null: there is none. */
const spanOf = (retryAfter: string | null, wallMs: number): number | null => {
  if (retryAfter === null) return null;
  if (/^\d{1,6}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const atMs = parseTime(retryAfter);
  return atMs === null ? null : atMs - wallMs;
};

/** By process and token: two entries with one token share what Cloudflare lets that token do. */
const limiters = new WeakMap<Ports, Map<string, Limiter>>();

export const limiterOf = (ports: Ports, token: string): Limiter => {
  const mine = limiters.get(ports) ?? new Map<string, Limiter>();
  limiters.set(ports, mine);
  const limiter = mine.get(token) ?? createLimiter(ports);
  mine.set(token, limiter);
  return limiter;
};
