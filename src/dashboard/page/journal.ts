// Decisions, acts and what was seen happen as one list, newest first: joined, told apart, filtered. Pure.
import type { AuditItem, DecisionItem } from '../../client/schema.ts';
import type { Happening } from './types.ts';

export interface Line {
  /** `v41`, `j7`, or of what was only seen: all of it. */
  id: string;
  sort: 'decision' | 'act' | 'event';
  kind: string;
  atMs: number;
  by: string;
  because: string;
  /** Of a decision. */
  v: number | null;
  services: readonly string[];
  /** Pools that gained or lost, as `service/pool`, and regions that are named. */
  pools: readonly string[];
  regions: readonly string[];
  /** As it came. */
  data: unknown;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const DEPTH_MAX = 5;
/** Texts under these names, wherever they stand. */
const namedIn = (value: unknown, names: readonly string[], depth = 0): readonly string[] => {
  if (depth > DEPTH_MAX) return [];
  if (Array.isArray(value)) return value.flatMap((each) => namedIn(each, names, depth + 1));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([name, each]) => {
    if (!names.includes(name)) return namedIn(each, names, depth + 1);
    return (Array.isArray(each) ? each : [each]).filter((one) => typeof one === 'string');
  });
};

type Routes = readonly { service: string; before?: Readonly<Record<string, number>>; after?: Readonly<Record<string, number>> }[];

const movedPools = (changes: Routes): readonly string[] =>
  changes.flatMap(({ service, before = {}, after = {} }) =>
    [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .filter((pool) => before[pool] !== after[pool])
      .map((pool) => `${service}/${pool}`),
  );

export const lineOfDecision = (item: Pick<DecisionItem, 'v' | 'atMs' | 'by' | 'because'> & { changes?: unknown }): Line => {
  const changes = (Array.isArray(item.changes) ? item.changes.filter(isRecord) : []) as unknown as Routes;
  const { v, atMs, by, because } = item;
  return {
    id: `v${v}`,
    sort: 'decision',
    kind: 'decision',
    atMs,
    by,
    because,
    v,
    services: changes.map(({ service }) => text(service)),
    pools: movedPools(changes),
    regions: [],
    data: item,
  };
};

const line = (
  id: string,
  sort: 'act' | 'event',
  kind: string,
  atMs: number,
  about: { by?: unknown; because?: unknown },
  data: unknown,
): Line => ({
  id,
  sort,
  kind,
  atMs,
  by: text(about.by),
  because: text(about.because),
  v: null,
  services: namedIn(data, ['service', 'services']),
  pools: [],
  regions: namedIn(data, ['region', 'regions']),
  data,
});

export const lineOfAct = (item: AuditItem): Line =>
  item.kind === 'decision' ? lineOfDecision(item.record) : line(`j${item.record.n}`, 'act', item.kind, item.record.atMs, item, item.record);

/** An event that has no sentence of its own tells what it has. */
const sentence = (data: Happening['data']): string =>
  text(data.because) ||
  Object.entries(data)
    .filter(([, value]) => typeof value === 'string' || typeof value === 'number')
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

export const lineOfHappening = (happening: Happening): Line => {
  const { type, timestamp, data } = happening;
  const atMs = Date.parse(timestamp);
  if (type === 'decision.made' && typeof data.v === 'number')
    return lineOfDecision({ v: data.v, atMs, by: text(data.by), because: text(data.because), changes: data.changes });
  if (typeof data.n === 'number' && typeof data.how === 'string') return line(`j${data.n}`, 'act', type, atMs, data, data);
  return line(
    `${type} ${timestamp} ${JSON.stringify(data)}`,
    'event',
    type,
    atMs,
    { by: data.replica ?? '', because: sentence(data) },
    data,
  );
};

/** Each once, newest first. What was read whole comes before what was told in short: `lists` in that order. */
export const joined = (...lists: readonly (readonly Line[])[]): readonly Line[] => {
  const byId = new Map<string, Line>();
  for (const each of lists.flat()) if (!byId.has(each.id) && Number.isFinite(each.atMs)) byId.set(each.id, each);
  return [...byId.values()].sort((a, b) => b.atMs - a.atMs || (a.id < b.id ? 1 : -1));
};

/** How far back it reaches while there is more of it, in whichever order it was read; null: to its beginning. */
export const endOf = (lines: readonly Line[], next: number | null): number | null =>
  next === null || lines.length === 0 ? null : Math.min(...lines.map(({ atMs }) => atMs));

/** Only as far back as all of the lists reach: beyond the end of one, the others would look as if it had been quiet. */
export const reaching = (lines: readonly Line[], ends: readonly (number | null)[]): readonly Line[] => {
  const fromMs = Math.max(...ends.map((atMs) => atMs ?? Number.NEGATIVE_INFINITY), Number.NEGATIVE_INFINITY);
  return lines.filter(({ atMs }) => atMs >= fromMs);
};

export interface Filter {
  words: string;
  sort: '' | Line['sort'];
  kind: string;
  service: string;
  region: string;
  by: string;
}

export const NO_FILTER: Filter = { words: '', sort: '', kind: '', service: '', region: '', by: '' };

const has = (all: string, part: string): boolean => all.toLowerCase().includes(part.trim().toLowerCase());

/** `regionOf`: of a pool, as `service/pool`. */
export const matches = (
  each: Line,
  { words, sort, kind, service, region, by }: Filter,
  regionOf: (pool: string) => string | undefined,
): boolean =>
  (sort === '' || each.sort === sort) &&
  (kind === '' || each.kind === kind) &&
  has(each.by, by) &&
  (service.trim() === '' || each.services.some((name) => has(name, service))) &&
  (region === '' || each.regions.includes(region) || each.pools.some((pool) => regionOf(pool) === region)) &&
  words
    .split(/\s+/)
    .every(
      (word) =>
        word === '' || has(`${each.id} ${each.kind} ${each.by} ${each.because}`, word) || each.services.some((name) => has(name, word)),
    );

/** How far entries of the journal reach: the number in `v41.j7`. */
export const newestAct = (cursor: string | null): number | null => {
  const found = /^v\d{1,10}\.j(\d{1,10})$/.exec(cursor ?? '');
  return found === null ? null : Number(found[1]);
};
