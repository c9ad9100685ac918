// What becomes of the records in the outbox: when a failed delivery is tried again, which records have served their time, which are given up. Pure.
// A page is given up only after it was really tried, so that neither a jump of a clock nor a restart can drop one unseen.
import type { Page } from '../model.ts';

/** In `delivered` beside the names of channels: nobody is left to tell. So a channel that is configured later does not get yesterday's pages. */
export const EVERYBODY = '*';

const LADDER_MS = [0, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000];
const JITTER = 0.2;
/** Longest wait that a receiver can ask for: longer ones would hide an outage. */
const ASKED_MAX_MS = 15 * 60_000;
const KEEP_MS = 24 * 3_600_000;
const KEPT_MAX = 200;
const GIVE_UP_MS = 7 * 86_400_000;
const TRIES_MIN = 10;
/** Undelivered records; the whole prefix has to fit one read of the store. */
export const WAITING_MAX = 2_000;
/** Operations in one transaction. */
const REMOVED_AT_ONCE_MAX = 100;

/** Wait in ms after the `failures`-th failure in a row (from 1). `unit` in [0, 1) spreads retries by a fifth; the receiver's wish is honoured up to 15 min. */
export const retryDelayMs = (failures: number, askedMs: number, unit: number): number => {
  const rung = LADDER_MS[Math.min(failures, LADDER_MS.length - 1)] ?? 0;
  return Math.round(Math.max(rung * (1 - JITTER + 2 * JITTER * unit), Math.min(askedMs, ASKED_MAX_MS)));
};

export const isSettled = (page: Page): boolean => page.delivered.includes(EVERYBODY);

/** A record of somebody's mistake must not stop the others: it is left alone. */
export const isPage = (value: unknown): value is Page =>
  typeof value === 'object' &&
  value !== null &&
  'id' in value &&
  typeof value.id === 'string' &&
  'atMs' in value &&
  typeof value.atMs === 'number' &&
  'delivered' in value &&
  Array.isArray(value.delivered);

/** Oldest first: the order in which pages leave. */
export const byAge = (a: Page, b: Page): number => a.atMs - b.atMs || a.v - b.v || (a.id < b.id ? -1 : 1);

export interface Removal {
  /** Told to everybody, and kept for long enough. */
  served: readonly Page[];
  givenUp: readonly Page[];
}

/** What to remove. In: pages oldest first, the fewest failures of this process over a page's open channels, cluster time. At most 100 of each. */
export const removals = (pages: readonly Page[], failuresOf: (page: Page) => number, nowMs: number): Removal => {
  const settled = pages.filter(isSettled);
  const waiting = pages.filter((page) => !isSettled(page));
  const surplus = Math.max(0, settled.length - KEPT_MAX);
  const crowd = Math.max(0, waiting.length - WAITING_MAX);
  return {
    served: settled.filter((page, rank) => rank < surplus || nowMs - page.atMs > KEEP_MS).slice(0, REMOVED_AT_ONCE_MAX),
    givenUp: waiting
      .filter((page, rank) => failuresOf(page) >= (rank < crowd ? 1 : TRIES_MIN) && (rank < crowd || nowMs - page.atMs > GIVE_UP_MS))
      .slice(0, REMOVED_AT_ONCE_MAX),
  };
};
