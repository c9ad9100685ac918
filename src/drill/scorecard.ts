// What a drill leaves behind: what was expected of each phase, what was measured, and how it ended; as JSON it is what the next one expects. Pure.
import { list, say } from '../config/words.ts';
import type { Guard } from './calm.ts';

export interface Expected {
  ms: number;
  /** `seed`: what the cluster forecasts, or what follows from the defaults, until three drills of the like were measured. */
  source: 'seed' | 'measured';
  because: string;
}

/** `ms` null: not measured. */
export interface Phase {
  expected: Expected | null;
  ms: number | null;
  /** What was seen, or why it was not asked for. Absent: its time says all. */
  because?: string;
}

export interface Scorecard {
  id: string;
  drill: string;
  cluster: string;
  /** The region, provider or channel that it was about; empty: the whole cluster. */
  subject: string;
  by: string;
  onCall: string;
  reason: string;
  /** Cluster time at which it was ordered, or its fault was injected. */
  startedAtMs: number;
  outcome: 'passed' | 'missed' | 'aborted';
  because: string;
  /** Whose traffic moved. */
  services: readonly string[];
  /** Of convergence; null: nothing was to move. */
  goalMs: number | null;
  /** In the order in which they are expected; `returned` is the last. */
  phases: Readonly<Record<string, Phase>>;
  guards: readonly Guard[];
}

/** Drills of the like before they speak louder than a seed. */
const MEASURED_MIN = 3;

/** What drills of the like measured of a phase; null: too few did. In: scorecards in any order. */
export const measuredOf = (past: readonly Scorecard[], drill: string, subject: string, phase: string): Expected | null => {
  const sorted = past
    .filter((card) => card.drill === drill && card.subject === subject && card.outcome !== 'aborted')
    .flatMap((card) => card.phases[phase]?.ms ?? [])
    .toSorted((a, b) => a - b);
  if (sorted.length < MEASURED_MIN) return null;
  return { ms: sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0, source: 'measured', because: `p95 of ${sorted.length} drills` };
};

/** How long until it was what it should be: users had left, or the last thing was seen that had to be. null: never. */
export const tookMs = ({ phases }: Scorecard): number | null => {
  const users = phases.users;
  if (users !== undefined) return users.ms;
  const seen = Object.entries(phases).flatMap(([name, { ms }]) => (name === 'returned' || ms === null ? [] : [ms]));
  return seen.length === 0 ? null : Math.max(...seen);
};

const cell = ({ ms, because }: Phase): string =>
  `${ms === null ? 'not measured' : say(ms)}${because === undefined ? '' : `: ${inCell(because)}`}`;

/** What a cell of a table must not hold: no line of it, and no other cell. */
const inCell = (text: string): string => text.replaceAll(/[\r\n|]+/g, ' ');

const expectedCells = ({ expected }: Phase): string =>
  expected === null ? 'not known | three drills are needed' : `${say(expected.ms)} | ${expected.source}: ${inCell(expected.because)}`;

const COUNTS = '`decided` counts from the order, the next three from the decision, `returned` from the end of the order.';
const COUNTS_FAULT = 'All but `returned` count from the end of `--inject`, `returned` from the end of `--restore`.';

export const markdownOf = (card: Scorecard, isoTime: (atMs: number) => string): string =>
  [
    `# ${card.drill}${card.subject === '' ? '' : ` ${card.subject}`}: ${card.outcome}`,
    '',
    `${inCell(card.because)}. Drill \`${card.id}\` of ${card.cluster}, ordered ${isoTime(card.startedAtMs)} by ${inCell(card.by)}, on call ${inCell(card.onCall)}: ${inCell(card.reason)}.`,
    ...(card.services.length === 0 ? [] : [`Services: ${list(card.services, 20)}.`]),
    '',
    '| phase | expected | source | measured |',
    '|---|---|---|---|',
    ...Object.entries(card.phases).map(([name, phase]) => `| ${name} | ${expectedCells(phase)} | ${cell(phase)} |`),
    '',
    card.goalMs === null ? COUNTS_FAULT : `Goal of convergence: ${say(card.goalMs)}. ${COUNTS}`,
    '',
  ].join('\n');
