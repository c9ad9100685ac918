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
/** A failed delivery is tried for so long; what nobody took, and what is still open, is kept as long. */
const GIVE_UP_MS = 7 * 86_400_000;
const DEAD_KEPT_MAX = 500;
const TRIES_MIN = 10;
/** Undelivered records above this are given up after a single failure, the oldest first: the whole prefix has to fit one read of the store. */
export const WAITING_MAX = 10_000;
/** Operations in one transaction. */
const REMOVED_AT_ONCE_MAX = 100;

/** Wait in ms after the `failures`-th failure in a row (from 1). `unit` in [0, 1) spreads retries by a fifth; the receiver's wish is honoured up to 15 min. */
export const retryDelayMs = (failures: number, askedMs: number, unit: number): number => {
  const rung = LADDER_MS[Math.min(failures, LADDER_MS.length - 1)] ?? 0;
  return Math.round(Math.max(rung * (1 - JITTER + 2 * JITTER * unit), Math.min(askedMs, ASKED_MAX_MS)));
};

/** For how long a page with so many failures has been tried, at least. */
export const triedForMs = (failures: number): number =>
  Array.from({ length: failures }, (_, n) => retryDelayMs(n + 1, 0, 0)).reduce((sum, ms) => sum + ms, 0);

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

/** Somebody will never have it, although they should. */
export const isDead = (page: Page): boolean => page.dead !== undefined && Object.keys(page.dead).length > 0;

/** A page that was tried often and for long enough: whoever should have it never will. */
export const mayGiveUp = (page: Page, failures: number, nowMs: number): boolean => failures >= TRIES_MIN && nowMs - page.atMs > GIVE_UP_MS;

export interface Removal {
  /** Have served their time. */
  served: readonly Page[];
  /** Undelivered, and to be given up: they become dead letters. */
  givenUp: readonly Page[];
}

export interface Keeping {
  /** Oldest first. */
  pages: readonly Page[];
  /** Fewest failures of this process over a page's open channels. */
  failuresOf: (page: Page) => number;
  /** Of alerts that are open: they are said again to receivers that forget, and their end has to find who heard of them. */
  isOpen: (page: Page) => boolean;
  /** Cluster time. */
  nowMs: number;
}

/** What to remove or to give up: at most 100 of each. */
export const removals = ({ pages, failuresOf, isOpen, nowMs }: Keeping): Removal => {
  const old = (page: Page, ms: number): boolean => nowMs - page.atMs > ms;
  const settled = pages.filter(isSettled);
  const dead = settled.filter(isDead);
  const open = settled.filter((page) => !isDead(page) && isOpen(page));
  const served = settled.filter((page) => !isDead(page) && !isOpen(page));
  const waiting = pages.filter((page) => !isSettled(page));
  const beyond = (list: readonly Page[], max: number, ms: number): readonly Page[] =>
    list.filter((page, rank) => rank < list.length - max || old(page, ms));
  const gone = [
    ...beyond(served, KEPT_MAX, KEEP_MS),
    ...beyond(dead, DEAD_KEPT_MAX, 2 * GIVE_UP_MS),
    ...open.filter((page) => old(page, GIVE_UP_MS)),
  ];
  const crowd = waiting.length - WAITING_MAX;
  return {
    served: gone.slice(0, REMOVED_AT_ONCE_MAX),
    givenUp: waiting
      .filter((page, rank) => (rank < crowd ? failuresOf(page) >= 1 : mayGiveUp(page, failuresOf(page), nowMs)))
      .slice(0, REMOVED_AT_ONCE_MAX),
  };
};
