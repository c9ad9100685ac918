// How long a run will take, and how long it took beside that: the longest way through its steps. Pure.
import { plural, say } from '../config/words.ts';
import type { Phase, Run, Span, Step, StepState } from './model.ts';
import { stepsOf } from './plan.ts';
import type { RunMode } from './platform.ts';

export interface Way extends Span {
  /** Ids on it at p95, from the first to the last. */
  path: readonly string[];
}

export interface Estimate {
  /** Until the other region serves: everything but what is cleaned up afterwards. */
  recovery: Way;
  /** Until the last step has ended. */
  whole: Way;
  /** Of so many steps the times were measured here, and of so many not. */
  measured: number;
  seeds: number;
  /** Persons who have to agree on the way, for whom no time is counted. */
  approvals: number;
  /** How it was added up, and what it leaves out. */
  because: string;
}

/** What comes when the other region serves already. */
const AFTERWARDS: readonly Phase[] = ['after'];

/** When each step ends at the earliest, by the times of `msOf`, and which of its needs it waited for. */
const ends = (steps: readonly Step[], msOf: (step: Step) => number): ReadonlyMap<string, { atMs: number; via: string | null }> => {
  const found = new Map<string, { atMs: number; via: string | null }>();
  for (const step of steps) {
    let [atMs, via]: [number, string | null] = [0, null];
    for (const need of step.needs) {
      const before = found.get(need);
      if (before !== undefined && (via === null || before.atMs > atMs)) [atMs, via] = [before.atMs, need];
    }
    found.set(step.id, { atMs: atMs + msOf(step), via });
  }
  return found;
};

/** `wanted`: the steps that have to have ended. */
const wayTo = (steps: readonly Step[], wanted: readonly Step[]): Way => {
  const slow = ends(steps, ({ estimate }) => estimate.p95Ms);
  const usual = ends(steps, ({ estimate }) => estimate.p50Ms);
  const at = (times: typeof slow, { id }: Step): number => times.get(id)?.atMs ?? 0;
  const last = wanted.toSorted((a, b) => at(slow, b) - at(slow, a))[0];
  const path: string[] = [];
  for (let id = last?.id ?? null; id !== null; id = slow.get(id)?.via ?? null) path.unshift(id);
  return {
    p50Ms: Math.max(0, ...wanted.map((step) => at(usual, step))),
    p95Ms: Math.max(0, ...wanted.map((step) => at(slow, step))),
    path,
  };
};

const HOW =
  'the longest way through the steps, once with every step at its median and once with every step at its p95: the first is near the median of the whole only while one way is clearly the longest, the second is above the p95 of the whole, since not every step is slow at once. Detection, persons who have to agree and tries that fail are not in it';

/** Of the steps of one mode. `plan`: of both, in order. */
export const estimateOf = (plan: readonly Step[], mode: RunMode): Estimate => {
  const steps = stepsOf(plan, mode);
  const measured = steps.filter(({ estimate }) => estimate.source === 'runs').length;
  return {
    recovery: wayTo(
      steps,
      steps.filter(({ phase }) => !AFTERWARDS.includes(phase)),
    ),
    whole: wayTo(steps, steps),
    measured,
    seeds: steps.length - measured,
    approvals: steps.reduce((sum, { approvals }) => sum + approvals, 0),
    because: HOW,
  };
};

const range = ({ p50Ms, p95Ms }: Span): string => `${say(p50Ms)} to ${say(p95Ms)}`;

export const estimateLines = (estimate: Estimate): readonly string[] => {
  const { recovery, whole, measured, seeds, approvals, because } = estimate;
  return [
    `recovery   ${range(recovery)}, by ${recovery.path.length === 0 ? 'nothing' : recovery.path.join(' > ')}`,
    ...(whole.p95Ms > recovery.p95Ms ? [`whole      ${range(whole)}`] : []),
    `from       ${plural(measured, 'step')} measured here, ${seeds} assumed${approvals === 0 ? '' : `; ${plural(approvals, 'approval')} on the way`}`,
    `           ${because}`,
  ];
};

// ---- afterwards ----

export interface Compared {
  id: string;
  state: StepState;
  estimate: Step['estimate'];
  /** From its first try to its end; null: it was not run, or has not ended. */
  tookMs: number | null;
  /** For persons, before it began. */
  waitedMs: number;
  /** `within`: not above the p95. */
  is: 'within' | 'slower' | 'not-run';
}

export interface Comparison {
  steps: readonly Compared[];
  /** null: it has not ended. */
  tookMs: number | null;
  /** Until the last step that recovery needs had ended; null: one of them has not. */
  recoveryMs: number | null;
  estimate: Estimate;
}

const comparedOf = (step: Step, run: Run): Compared => {
  const it = Object.hasOwn(run.steps, step.id) ? run.steps[step.id] : undefined;
  const { startedAtMs, endedAtMs, dueAtMs } = it ?? {};
  const isRun = it !== undefined && it.state !== 'skipped' && startedAtMs !== undefined && endedAtMs !== undefined;
  const tookMs = isRun ? Math.max(0, endedAtMs - startedAtMs) : null;
  return {
    id: step.id,
    state: it?.state ?? 'pending',
    estimate: step.estimate,
    tookMs,
    waitedMs: startedAtMs === undefined || dueAtMs === undefined ? 0 : Math.max(0, startedAtMs - dueAtMs),
    is: tookMs === null ? 'not-run' : tookMs <= step.estimate.p95Ms ? 'within' : 'slower',
  };
};

const HAS_ENDED: readonly StepState[] = ['done', 'skipped'];

/** Actual times beside what was estimated when the run was made. Times of steps are measured from their first try, so that an approval is not among them. */
export const comparisonOf = (run: Run): Comparison => {
  const steps = stepsOf(run.plan, run.mode);
  const { startedAtMs } = run;
  const wanted = steps.filter(({ phase }) => !AFTERWARDS.includes(phase)).map(({ id }) => run.steps[id]);
  const hasRecovered = startedAtMs !== undefined && wanted.every((it) => it !== undefined && HAS_ENDED.includes(it.state));
  const lastAtMs = Math.max(startedAtMs ?? 0, ...wanted.map((it) => it?.endedAtMs ?? 0));
  return {
    steps: steps.map((step) => comparedOf(step, run)),
    tookMs: startedAtMs === undefined || run.endedAtMs === undefined ? null : run.endedAtMs - startedAtMs,
    recoveryMs: hasRecovered ? lastAtMs - startedAtMs : null,
    estimate: estimateOf(run.plan, run.mode),
  };
};

const tookText = ({ tookMs, waitedMs, is, state, estimate }: Compared): string => {
  const asked = waitedMs > 0 ? `, begun ${say(waitedMs)} after it could have been` : '';
  if (tookMs === null) return `${state}; estimated ${range(estimate)}`;
  return `${state} in ${say(tookMs)}, estimated ${range(estimate)}${is === 'slower' ? ': slower' : ''}${asked}`;
};

export const comparisonLines = ({ steps, tookMs, recoveryMs, estimate }: Comparison): readonly string[] => [
  `recovery   ${recoveryMs === null ? 'not yet' : say(recoveryMs)}, estimated ${range(estimate.recovery)}`,
  `whole      ${tookMs === null ? 'not yet' : say(tookMs)}, estimated ${range(estimate.whole)}`,
  ...steps.map((step) => `${step.id}  ${tookText(step)}`),
];
