// A forecast as a story, and as one line of a table. Hundreds of services that move alike are told together. Pure.
import type { Forecast, Route } from '../../client/schema.ts';
import { count, list, percent } from './words.ts';

export interface Alike {
  services: readonly string[];
  before: Route;
  after: Route;
}

const key = (route: Route): string => JSON.stringify(Object.entries(route).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Services with the same route before and after, in the order of their first. */
export const alike = (changes: readonly { service: string; before: Route; after: Route }[]): readonly Alike[] =>
  [...Map.groupBy(changes, ({ before, after }) => `${key(before)} ${key(after)}`).values()].flatMap((same) => {
    const [first] = same;
    return first === undefined ? [] : [{ services: same.map(({ service }) => service), before: first.before, after: first.after }];
  });

/** Pools whose share changes, in thousandths. */
export const moves = ({ before, after }: Pick<Alike, 'before' | 'after'>): readonly { pool: string; from: number; to: number }[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((pool) => ({ pool, from: before[pool] ?? 0, to: after[pool] ?? 0 }))
    .filter(({ from, to }) => from !== to);

export const movesText = (change: Pick<Alike, 'before' | 'after'>): string =>
  moves(change)
    .map(({ pool, from, to }) => `${pool} ${percent(from)} → ${percent(to)}`)
    .join(', ');

export interface Gist {
  moved: number;
  /** Regions that gain, most first; shares summed over services, in thousandths of one service. */
  to: readonly { region: string; gained: number }[];
  /** The pool that is left with least. */
  tightest: { service: string; leftPercent: number; because: string } | null;
  overloaded: number;
  refused: number;
  held: number;
  /** Users follow within, at the 99th percentile of the slowest service; null: not known. */
  followMs: number | null;
}

/** `regionOf`: of a pool, as `service/pool`; a pool that is not known stands for itself. */
export const gistOf = (forecast: Forecast, regionOf: (pool: string) => string | undefined): Gist => {
  const moved = forecast.services.filter((service) => moves(service).length > 0);
  const gained = new Map<string, number>();
  for (const service of moved)
    for (const { pool, from, to } of moves(service)) {
      const region = regionOf(`${service.service}/${pool}`) ?? pool;
      if (to > from) gained.set(region, (gained.get(region) ?? 0) + to - from);
    }
  const known = forecast.services.flatMap(({ service, capacity }) =>
    capacity === null ? [] : [{ service, leftPercent: capacity.leftPercent, because: capacity.because }],
  );
  const follow = moved.flatMap(({ converge }) => (converge === null ? [] : [converge.p99Ms]));
  return {
    moved: moved.length,
    to: [...gained].map(([region, sum]) => ({ region, gained: sum })).sort((a, b) => b.gained - a.gained),
    tightest: known.toSorted((a, b) => a.leftPercent - b.leftPercent)[0] ?? null,
    overloaded: known.filter(({ leftPercent }) => leftPercent < 0).length,
    refused: forecast.refusals.length,
    held: forecast.holds.length,
    followMs: follow.length === 0 ? null : Math.max(...follow),
  };
};

/** `us-east 62 %, ap-south 38 %` of what moves. */
export const shareText = ({ to }: Gist): string => {
  const sum = to.reduce((all, { gained }) => all + gained, 0);
  return list(
    to.map(({ region, gained }) => `${region} ${percent(Math.round((1000 * gained) / sum))}`),
    4,
  );
};

export const namesText = (services: readonly string[]): string =>
  services.length <= 3 ? services.join(', ') : `${count(services.length, 'service')} (${list(services, 2)})`;
