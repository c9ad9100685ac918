// What was written down and what was measured, as rows, judgements and series. Pure.
import type { AuditItem, DecisionItem, HealthCheck, HealthDetail, ObjectiveCell, PlatformObjectives, Status } from '../../client/schema.ts';
import type { Happening } from './types.ts';
import { duration } from './words.ts';

// ---- the journal ----
// Decisions, acts and what was seen happen as one list, newest first: joined, told apart, filtered.

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

// ---- dependencies and health ----
// What dependencies take against what they may, as rows; and what a replica says of its own health, worst first.

/** One dependency, as each region measures it. */
export interface BudgetRow {
  key: string;
  objective: string;
  of: string;
  /** The region that it is in; null: each region measures its own. */
  to: string | null;
  maxMs: number;
  role: ObjectiveCell['role'];
  cells: ReadonlyMap<string, ObjectiveCell>;
}

/** In the order of the objectives. */
export const budgetRows = ({ objectives, cells }: PlatformObjectives): readonly BudgetRow[] =>
  objectives.flatMap(({ name, kind, maxMs, role }) => {
    const own = kind === 'promql';
    const rows = Map.groupBy(
      cells.filter(({ objective }) => objective === name),
      ({ of, to }) => (own ? of : `${of} ${to}`),
    );
    return [...rows].map(([key, all]) => ({
      key: `${name} ${key}`,
      objective: name,
      of: all[0]?.of ?? '',
      to: own ? null : (all[0]?.to ?? null),
      maxMs,
      role,
      cells: new Map(all.map((cell) => [cell.from, cell])),
    }));
  });

/** Regions that measure anything, as they come. */
export const regionsOf = ({ cells }: Pick<PlatformObjectives, 'cells'>): readonly string[] => [...new Set(cells.map(({ from }) => from))];

/** `182 ms`; what most looks got no answer of has no figure. */
export const cellText = ({ ms, verdict, samples, lost }: Pick<ObjectiveCell, 'ms' | 'verdict' | 'samples' | 'lost'>): string => {
  if (ms !== null) return duration(ms);
  return verdict === 'breach' ? `${lost} of ${samples} no answer` : 'not measured';
};

/** `postgres orders in us-east, from eu-west`. */
export const cellName = ({ objective, of, from, to }: Pick<ObjectiveCell, 'objective' | 'of' | 'from' | 'to'>): string =>
  `${of === objective ? objective : `${objective} ${of}`}${from === to ? ` within ${to}` : ` in ${to}, from ${from}`}`;

export interface HealthRow {
  name: string;
  id: string;
  state: HealthCheck['status'];
  value: string;
  because: string;
}

const RANK: Readonly<Record<string, number>> = { fail: 0, warn: 1, pass: 2 };

const observed = ({ observedValue, observedUnit = '' }: HealthCheck): string =>
  observedValue === null
    ? 'not known'
    : `${typeof observedValue === 'boolean' ? (observedValue ? 'yes' : 'no') : observedValue} ${observedUnit}`.trim();

/** Worst first, else as they come. */
export const healthRows = ({ checks }: Pick<HealthDetail, 'checks'>): readonly HealthRow[] =>
  Object.entries(checks)
    .flatMap(([name, all]) =>
      all.map((check) => ({ name, id: check.componentId ?? '', state: check.status, value: observed(check), because: check.output ?? '' })),
    )
    .sort((a, b) => (RANK[a.state] ?? 0) - (RANK[b.state] ?? 0));

const size = (bytes: number): string => {
  const [value, unit] =
    bytes < 1e3 ? [bytes, 'B'] : bytes < 1e6 ? [bytes / 1e3, 'kB'] : bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB'];
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${unit}`;
};

/** `3.2 s / 48 MB`, as plans and pages say it. */
export const lossText = ({ lagMs, lagBytes }: { lagMs: number | null; lagBytes: number | null }): string =>
  `${lagMs === null ? 'an unknown time' : duration(lagMs)} / ${lagBytes === null ? 'unknown bytes' : size(lagBytes)}`;

type Database = NonNullable<Status['platforms']>[number]['databases'][number];

/** What of a database needs the eye; null: nothing. */
export const databaseTrouble = ({
  writer,
  split,
  settled,
  unproved,
  because,
  provedAtMs,
}: Database): { state: 'fail' | 'warn'; says: string } | null => {
  if (split !== null) return { state: 'fail', says: `${split.join(' and ')} both take writes: no route of its services moves` };
  const row = unproved === null || because.includes(unproved.because) ? '' : `; no row: ${unproved.because}`;
  if (writer === null) return { state: provedAtMs === null ? 'warn' : 'fail', says: `proved writable nowhere: ${because}${row}` };
  return settled === null ? null : { state: 'warn', says: `by the word of ${settled.by}: ${settled.reason}${row}` };
};

/** Older than that is not known now. */
export const LAG_OLD_MS = 60_000;

// ---- series ----
// What was measured while this page is open: a few minutes of it, by series, for a chart and for the table beside it. Nothing is made up between two looks.

export interface Sample {
  atMs: number;
  /** null: a look that got no figure. */
  value: number | null;
}

export interface Samples {
  /** Keeps it if it is newer than what is there by more than `GRAIN_MS`: what was read twice is one look. */
  add(series: string, atMs: number, value: number | null): void;
  /** Oldest first. Changes by `add` alone. */
  all(): ReadonlyMap<string, readonly Sample[]>;
}

export const KEPT_MS = 15 * 60_000;
const GRAIN_MS = 1_500;
const SERIES_MAX = 200;
/** Two looks further apart than that are not joined by a line. */
export const JOIN_MS = 60_000;

export const samplesKept = (keptMs: number = KEPT_MS): Samples => {
  const kept = new Map<string, Sample[]>();
  let newestMs = 0;
  return {
    add(series, atMs, value) {
      const own = kept.get(series) ?? [];
      if (atMs <= (own.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY) + GRAIN_MS) return;
      if (own.length === 0 && kept.size >= SERIES_MAX) return;
      own.push({ atMs, value });
      kept.set(series, own);
      newestMs = Math.max(newestMs, atMs);
      for (const [name, each] of kept) {
        while (each[0] !== undefined && each[0].atMs < newestMs - keptMs) each.shift();
        if (each.length === 0) kept.delete(name);
      }
    },
    all: () => kept,
  };
};

/** Columns as a chart takes them: the instants in seconds, then a column for each series. undefined: not looked at then, join; null: a gap. */
type Columns = [number[], ...(number | null | undefined)[][]];

const columnOf = (own: readonly Sample[], atMs: readonly number[]): (number | null | undefined)[] => {
  const values = new Map(own.map((sample) => [sample.atMs, sample.value]));
  const gaps = own.flatMap((sample, at) => {
    const next = own[at + 1];
    return next !== undefined && next.atMs - sample.atMs > JOIN_MS ? [[sample.atMs, next.atMs] as const] : [];
  });
  return atMs.map((each) => {
    const value = values.get(each);
    if (value !== undefined) return value;
    return gaps.some(([from, to]) => each > from && each < to) ? null : undefined;
  });
};

/** So wide a chart is at least, however short the page has been open. */
const LEAST_MS = 120_000;

/** `names`: in that order. In the middle of a gap an instant is put in, so that nothing joins it; so is one in front while there is little. */
export const columnsOf = (all: ReadonlyMap<string, readonly Sample[]>, names: readonly string[]): Columns => {
  const own = names.map((name) => all.get(name) ?? []);
  const between = own.flatMap((each) =>
    each.flatMap((sample, at) => {
      const next = each[at + 1];
      return next !== undefined && next.atMs - sample.atMs > JOIN_MS ? [(sample.atMs + next.atMs) / 2] : [];
    }),
  );
  const looks = own.flatMap((each) => each.map((sample) => sample.atMs));
  const firstMs = looks.length === 0 ? [] : [Math.min(...looks, Math.max(...looks) - LEAST_MS)];
  const atMs = [...new Set([...firstMs, ...looks, ...between])].sort((a, b) => a - b);
  return [atMs.map((each) => each / 1000), ...own.map((each) => columnOf(each, atMs))];
};

interface MinuteRow {
  atMs: number;
  /** The last look of that minute, by series; undefined: there was none. */
  values: readonly (number | null | undefined)[];
}

/** The newest first. */
export const minutesOf = (all: ReadonlyMap<string, readonly Sample[]>, names: readonly string[]): readonly MinuteRow[] => {
  const rows = new Map<number, (number | null | undefined)[]>();
  names.forEach((name, at) => {
    for (const { atMs, value } of all.get(name) ?? []) {
      const minute = Math.floor(atMs / 60_000) * 60_000;
      const row = rows.get(minute) ?? names.map(() => undefined);
      row[at] = value;
      rows.set(minute, row);
    }
  });
  return [...rows].map(([atMs, values]) => ({ atMs, values })).sort((a, b) => b.atMs - a.atMs);
};
