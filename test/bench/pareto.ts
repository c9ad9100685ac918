// Fast and wrong, or slow and right: how soon a dead target is found against how often one that is well is drained, for the rules of the field as published
// (pareto/rules.ts) and for Tidegate's production machines at several settings, on the same paths. A rule is on the front if none is as good at both and
// better at one. Virtual time; what spreads a decision (DNS, providers) comes on top of all of it.
import { policyOf } from '../../src/config/defaults.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { seededRandom } from '../virtual.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { burstyRate, independentRate, ruleOf } from './false-drains/formula.ts';
import { reactionMs } from './false-drains/reaction.ts';
import { burstyDrains, oneTarget, YEAR_MS } from './false-drains.ts';
import { quantile } from './numbers.ts';
import { type CheckRule, checkersOf, FIELD, falseRate, foundMs, HOME_MADE, type PathWeather } from './pareto/rules.ts';

const DRAWS = 20_000;
const TRIALS = 400;
const TRIALS_QUICK = 40;
const YEARS = 20;
const YEARS_QUICK = 2;
const LOST: PathWeather = { p: 0.01, spellMs: null };
const SPELLS = { p: 0.001, spellMs: 2000 } as const;
/** Rarer than this nobody would ever know the difference: once in a thousand years of one target. */
const NEVER_PER_YEAR = 0.001;

interface Row {
  rule: string;
  looksPerS: number;
  hangP50S: number;
  hangP99S: number;
  statusP50S: number;
  /** False drains per target and year. */
  lostPerYear: number;
  spellsPerYear: number;
}

const peerRow = (rule: CheckRule): Row => {
  const random = seededRandom(rule.name);
  const drawn = (fault: 'hang' | 'status'): number[] => Array.from({ length: DRAWS }, () => foundMs(rule, fault, random) / 1000);
  const hang = drawn('hang');
  return {
    rule: rule.name,
    looksPerS: (checkersOf(rule) * 1000) / rule.intervalMs,
    hangP50S: quantile(hang, 0.5),
    hangP99S: quantile(hang, 0.99),
    statusP50S: quantile(drawn('status'), 0.5),
    lostPerYear: falseRate(rule, LOST) * YEAR_MS,
    spellsPerYear: falseRate(rule, SPELLS) * YEAR_MS,
  };
};

interface Setting {
  n: number;
  everyS?: number;
  faults?: number;
  spanS?: number;
}

const SETTINGS: readonly Setting[] = [
  { n: 3 },
  { n: 3, faults: 3 },
  { n: 3, faults: 6 },
  { n: 3, spanS: 4 },
  { n: 3, everyS: 2 },
  { n: 3, everyS: 1 },
  { n: 5 },
  { n: 5, everyS: 2 },
  { n: 5, everyS: 1 },
  { n: 7 },
];

const clusterFor = ({ n, everyS, faults, spanS }: Setting): ClusterConfig => ({
  ...oneTarget(n),
  policy: policyOf({
    ...(everyS === undefined ? {} : { interval: 1000 * everyS }),
    ...(spanS === undefined ? {} : { faultSpan: 1000 * spanS }),
    faults: faults ?? null,
  }),
});

const nameOf = ({ n, everyS = 5, faults, spanS }: Setting): string =>
  [`Tidegate, ${n} vantages, ${everyS} s`, faults && `${faults} faults`, spanS && `span ${spanS} s`].filter(Boolean).join(', ');

const tidegateRow = (setting: Setting, trials: number, years: number): Row => {
  const cluster = clusterFor(setting);
  const { timeoutMs, connectTimeoutMs, intervalMs } = cluster.policy;
  const random = seededRandom(nameOf(setting));
  const reactions = (failMs: number): number[] =>
    Array.from({ length: trials }, (_, seed) => reactionMs({ cluster, failMs, proberDies: false, seed, random }) / 1000);
  const hang = reactions(timeoutMs);
  const rule = ruleOf(cluster, connectTimeoutMs);
  const { p: badShare, spellMs: badMeanMs } = SPELLS;
  const drains = burstyDrains({ n: setting.n, cluster, badShare, badMeanMs, failMs: connectTimeoutMs, years }).drains.length;
  return {
    rule: nameOf(setting),
    looksPerS: (setting.n * 2 * 1000) / intervalMs,
    hangP50S: quantile(hang, 0.5),
    hangP99S: quantile(hang, 0.99),
    statusP50S: quantile(reactions(20), 0.5),
    lostPerYear: independentRate(rule, LOST.p) * YEAR_MS,
    // The worse of what was seen and what the formula expects of years that nobody has simulated.
    spellsPerYear: Math.max(drains / years, burstyRate(rule, badShare, badMeanMs) * YEAR_MS),
  };
};

/** Hundredths of a second are noise of drawing. */
const soon = ({ hangP50S }: Row): number => Math.round(hangP50S * 10);
const wrong = (perYear: number): number => Math.max(NEVER_PER_YEAR, perYear);
const FRONTS: Readonly<Record<string, (row: Row) => readonly number[]>> = {
  lost: (row) => [soon(row), wrong(row.lostPerYear)],
  spells: (row) => [soon(row), wrong(row.spellsPerYear)],
};

/** Those that are as good at everything and better at something. */
const betterThan = (row: Row, rows: readonly Row[], costs: (row: Row) => readonly number[]): readonly Row[] => {
  const mine = costs(row);
  return rows.filter((other) => {
    const theirs = costs(other);
    return theirs.every((cost, i) => cost <= (mine[i] ?? 0)) && theirs.some((cost, i) => cost < (mine[i] ?? 0));
  });
};

/** Where a setting of ours stands among the rules of the field. Our own others are in the table: they buy the same with more looks or more vantages. */
const standing = (row: Row, field: readonly Row[]): readonly string[] =>
  Object.entries(FRONTS).map(([front, costs]) => {
    const better = betterThan(row, field, costs);
    const named = better.map(({ rule, looksPerS }) => `${rule} (${(looksPerS / row.looksPerS).toFixed(1)} times the looks)`);
    return `${row.rule}, ${front}: ${named.length === 0 ? 'nobody in the field is better at both' : `better at both: ${named.join('; ')}`}`;
  });

export const benchPareto = async ({ quick, trials }: BenchOptions): Promise<Bench> => {
  const n = trials ?? (quick ? TRIALS_QUICK : TRIALS);
  const field = FIELD.map(peerRow);
  const settings = SETTINGS.map((setting) => tidegateRow(setting, n, quick ? YEARS_QUICK : YEARS));
  const all = [...field, ...settings];
  const rows = all
    .map((row) => ({
      ...row,
      front: Object.keys(FRONTS)
        .filter((front) => betterThan(row, all, FRONTS[front]!).length === 0)
        .join(' '),
    }))
    .toSorted((a, b) => a.hangP50S - b.hangP50S);
  const defaults = settings.filter(({ rule }) => [nameOf({ n: 3 }), nameOf({ n: 5 })].includes(rule));
  const sold = field.filter((_, i) => FIELD[i]?.says !== HOME_MADE);
  const beaten = defaults.flatMap((row) => Object.values(FRONTS).flatMap((costs) => betterThan(row, sold, costs)));
  return {
    rows,
    goals: { productsBetterAtBothThanTheDefaults: 0 },
    met: beaten.length === 0,
    notes: [
      `lost: each look fails with ${100 * LOST.p} %, whatever the others do; spells: each path is bad ${100 * SPELLS.p} % of the time, ${SPELLS.spellMs / 1000} s on average. PerYear: false drains of one target that is well.`,
      `front: none finds a target that hangs as soon (p50, tenths of a second) and is as rarely wrong, and better at one; less than ${NEVER_PER_YEAR} a year counts as never.`,
      ...defaults.flatMap((row) => standing(row, field)),
      ...FIELD.filter((rule, i) => FIELD.findIndex(({ says }) => says === rule.says) === i).map(({ name, says }) => `${name}: ${says}`),
    ],
  };
};
