// What dependencies take against what they may, as rows; and what a replica says of its own health, worst first. Pure.
import type { HealthCheck, HealthDetail, ObjectiveCell, PlatformObjectives, Status } from '../../client/schema.ts';
import { duration } from './words.ts';

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
