// Moves that two policies made on the same evidence, laid side by side. Pure.
import type { Route } from '../model.ts';

/** One service's route changed, by a decision. */
export interface Move {
  atMs: number;
  service: string;
  /** `web: eu-west 500 -> 0, us-east 500 -> 1000`. */
  change: string;
  after: Route;
  because: string;
}

export interface Row {
  service: string;
  change: string;
  /** Of the first policy; null: it made no such move. */
  first: { atMs: number; because: string } | null;
  second: { atMs: number; because: string } | null;
}

/** The same move this far apart is another one. */
const TOGETHER_MS = 15 * 60_000;

const keyOf = (route: Route): string =>
  Object.entries(route)
    .filter(([, share]) => share > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([pool, share]) => `${pool}=${share}`)
    .join();

const ofService = (service: string, first: readonly Move[], second: readonly Move[]): Row[] => {
  const rows: Row[] = [];
  let from = 0;
  for (const move of first) {
    const found = second.findIndex(
      (m, i) => i >= from && keyOf(m.after) === keyOf(move.after) && Math.abs(m.atMs - move.atMs) <= TOGETHER_MS,
    );
    const partner = found < 0 ? undefined : second[found];
    for (const alone of found < 0 ? [] : second.slice(from, found))
      rows.push({ service, change: alone.change, first: null, second: alone });
    if (found >= 0) from = found + 1;
    rows.push({ service, change: move.change, first: move, second: partner ?? null });
  }
  for (const alone of second.slice(from)) rows.push({ service, change: alone.change, first: null, second: alone });
  return rows;
};

/** Paired in order, service by service: moves to the same route within a quarter of an hour are one. Sorted by when either made it. */
export const sideBySide = (first: readonly Move[], second: readonly Move[]): readonly Row[] => {
  const services = [...new Set([...first, ...second].map((m) => m.service))];
  const atMs = ({ first: a, second: b }: Row): number => Math.min(a?.atMs ?? Number.POSITIVE_INFINITY, b?.atMs ?? Number.POSITIVE_INFINITY);
  return services
    .flatMap((service) =>
      ofService(
        service,
        first.filter((m) => m.service === service),
        second.filter((m) => m.service === service),
      ),
    )
    .sort((a, b) => atMs(a) - atMs(b));
};

/** Closer than this is at the same time: two looks of a coordinator lie half a second apart. */
export const SAME_TIME_MS = 1000;

export type Difference = 'same' | 'earlier' | 'later' | 'only-first' | 'only-second';

/** How the second policy's move differs from the first's. */
export const differenceOf = ({ first, second }: Row): Difference => {
  if (first === null) return 'only-second';
  if (second === null) return 'only-first';
  const apartMs = second.atMs - first.atMs;
  return Math.abs(apartMs) <= SAME_TIME_MS ? 'same' : apartMs < 0 ? 'earlier' : 'later';
};
