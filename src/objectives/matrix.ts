// All that the replicas measured, folded into one matrix of region by dependency; and what of it a recovery still waits for. Pure.
import type { Recovery } from '../runbook/kind.ts';
import type { ObjectiveConfig, PlatformConfig } from '../runbook/platform.ts';
import {
  type Dependency,
  MATRIX_AGE_MS,
  type MatrixCell,
  type MeasuredBy,
  type MeasuredCell,
  type Objective,
  type PlatformMatrix,
  QUERIES_MIN,
  SAMPLES_MIN,
  type Verdict,
} from './model.ts';
import { cellName } from './news.ts';
import { dependenciesOf, isMeasuredFrom, objectivesOf, unnamedIn } from './objective.ts';

interface Found {
  cell: MeasuredCell;
  replica: string;
  ageMs: number;
  verdict: Verdict;
}

const msText = (ms: number): string => (ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
const statisticOf = ({ kind, quantile }: Objective): string =>
  kind === 'promql' ? 'the query says' : quantile === 0.5 ? 'median' : `p${Math.round(quantile * 100)}`;

/** Three-valued: too few looks and no look are no evidence; looks without an answer are. */
const verdictOf = ({ kind, maxMs }: Objective, { ms, samples, lost }: MeasuredCell): Verdict => {
  if (samples < (kind === 'promql' ? QUERIES_MIN : SAMPLES_MIN)) return 'unknown';
  if (ms !== null) return ms < maxMs ? 'good' : 'breach';
  return lost > 0 ? 'breach' : 'unknown';
};

const SEVERITY: Readonly<Record<Verdict, number>> = { unknown: 0, good: 1, breach: 2 };

/** Of several replicas of a region: one that sees a breach counts, then one that sees it hold; the newest of those. */
const worst = (found: readonly Found[]): Found | null =>
  found.toSorted((a, b) => SEVERITY[b.verdict] - SEVERITY[a.verdict] || a.ageMs - b.ageMs)[0] ?? null;

const measuredBecause = (objective: Objective, { cell: { ms, samples, lost, because }, verdict }: Found): string => {
  const bound = `below ${msText(objective.maxMs)} is wanted`;
  if (verdict === 'unknown') return because !== '' ? because : `${samples} looks so far, ${SAMPLES_MIN} are wanted`;
  const unanswered = lost === 0 ? '' : `${lost} of the last ${samples} got no answer${because === '' ? '' : ` (${because})`}`;
  if (ms === null) return `${unanswered}; ${bound}`;
  return `${statisticOf(objective)} ${msText(ms)}; ${bound}${unanswered === '' ? '' : `; ${unanswered}`}`;
};

const foundIn = (
  platform: string,
  objective: Objective,
  dependency: Dependency,
  from: string,
  records: readonly MeasuredBy[],
  nowMs: number,
  maxAgeMs: number,
): readonly Found[] =>
  records.flatMap(({ region, replica, record }) => {
    if (region !== from) return [];
    return record.cells
      .filter(
        (cell) => cell.platform === platform && cell.objective === objective.name && cell.of === dependency.of && cell.to === dependency.to,
      )
      .map((cell) => ({ cell, replica, ageMs: Math.max(0, nowMs - record.atMs) + cell.agoMs, verdict: verdictOf(objective, cell) }))
      .filter(({ ageMs }) => ageMs <= maxAgeMs);
  });

const unmeasured = ({ name, maxMs, role }: Objective, place: Pick<MatrixCell, 'of' | 'from' | 'to'>, because: string): MatrixCell => ({
  ...place,
  objective: name,
  role,
  maxMs,
  verdict: 'unknown',
  ms: null,
  samples: 0,
  lost: 0,
  ageMs: null,
  because,
  remedies: [],
});

const cellOf = (
  platform: PlatformConfig,
  objective: Objective,
  dependency: Dependency,
  from: string,
  { records, nowMs, maxAgeMs }: { records: readonly MeasuredBy[]; nowMs: number; maxAgeMs: number },
): MatrixCell => {
  const { of, to } = dependency;
  const found = worst(foundIn(platform.name, objective, dependency, from, records, nowMs, maxAgeMs));
  const none = unmeasured(objective, { of, from, to }, `nobody in ${from} has measured it in the last ${Math.round(maxAgeMs / 1000)} s`);
  if (found === null) return none;
  const { cell, ageMs, verdict } = found;
  return {
    ...none,
    verdict,
    ms: cell.ms,
    samples: cell.samples,
    lost: cell.lost,
    ageMs,
    because: measuredBecause(objective, found),
    remedies: verdict === 'breach' && from !== to ? objective.remedies : [],
  };
};

/** Beside a breach between two regions what the same takes within the other one: which of the two is to blame. */
const compared = (cells: readonly MatrixCell[]): readonly MatrixCell[] =>
  cells.map((cell) => {
    if (cell.verdict !== 'breach' || cell.from === cell.to) return cell;
    const within = cells.find(
      ({ objective, of, from, to, ms }) => objective === cell.objective && of === cell.of && to === cell.to && from === to && ms !== null,
    );
    return within === undefined || within.ms === null
      ? cell
      : { ...cell, because: `${cell.because}; within ${cell.to} it takes ${msText(within.ms)}` };
  });

/** `maxAgeMs`: what was measured longer ago is unknown. */
export const matrixOf = (
  platform: PlatformConfig,
  shipped: readonly ObjectiveConfig[],
  records: readonly MeasuredBy[],
  nowMs: number,
  maxAgeMs: number = MATRIX_AGE_MS,
): PlatformMatrix => {
  const objectives = objectivesOf(shipped, platform);
  const dependencies = objectives.map((objective) => ({ objective, all: dependenciesOf(platform, objective) }));
  const cells = dependencies.flatMap(({ objective, all }) => [
    ...all.flatMap((dependency) =>
      platform.regions
        .filter((from) => isMeasuredFrom(dependency, from))
        .map((from) => cellOf(platform, objective, dependency, from, { records, nowMs, maxAgeMs })),
    ),
    ...unnamedIn(platform, objective, all).map((region) =>
      unmeasured(objective, { of: objective.name, from: region, to: region }, `no system is named that could be asked in ${region}`),
    ),
  ]);
  return {
    platform: platform.name,
    objectives: dependencies.map(({ objective: { name, kind, says, maxMs, role }, all }) => ({
      name,
      kind,
      says,
      maxMs,
      role,
      measured: all.length > 0,
    })),
    cells: compared(cells),
  };
};

/** With the last looks alone, as old as the first of them: what was seen before those counts for nothing. */
const lately = (records: readonly MeasuredBy[]): readonly MeasuredBy[] =>
  records.map(({ record, ...whose }) => ({
    ...whose,
    record: { ...record, cells: record.cells.map((cell) => ({ ...cell, ...(cell.lately ?? { ms: null, lost: 0 }) })) },
  }));

/**
 * What a recovery in the region waits for, by the last looks, all younger than that: of role `gate` for what is over its bound, of `recovery` for whatever is not
 * seen to hold.
 */
export const recoveryIn = (
  platform: PlatformConfig,
  region: string,
  maxAgeMs: number,
  records: readonly MeasuredBy[],
  nowMs: number,
  shipped: readonly ObjectiveConfig[],
): Recovery => {
  const cells = matrixOf(platform, shipped, lately(records), nowMs, maxAgeMs).cells.filter(
    ({ from, to, role }) => from === region && to === region && role !== 'advice',
  );
  const gaps = cells.filter(({ role, verdict }) => (role === 'gate' ? verdict === 'breach' : verdict !== 'good'));
  return {
    gaps: gaps.map((cell) => `${cellName(cell)}: ${cell.because}`),
    seen: cells.filter(({ verdict }) => verdict === 'good').length,
    of: cells.length,
  };
};
