// What a run will do: the steps of a platform's model with the times that were measured here, whether they are sound, and where to go when there are more than
// two regions. Pure.
import { modelOf } from '../../policies/index.ts';
import type { Move } from '../../policies/policy.ts';
import { say } from '../config/words.ts';
import { isOfMode, type PlatformRecord, type Span, type Step } from './model.ts';
import type { ByRegion, GateConfig, OnFail, PlatformConfig, RunMode } from './platform.ts';

/** So many runs of the same mode, and what was measured replaces the seeds. */
export const RUNS_LEAST = 3;

/** The smallest value that so many percent of all are not above. Needs one value at least. */
const percentile = (sorted: readonly number[], percent: number): number =>
  sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;

export const spanOf = (values: readonly number[]): Span => {
  const sorted = values.toSorted((a, b) => a - b);
  return { p50Ms: percentile(sorted, 50), p95Ms: percentile(sorted, 95) };
};

const measured = (step: Step, history: PlatformRecord['history'], mode: RunMode): Step => {
  const runs = history.filter((run) => run.mode === (step.mode === 'both' ? mode : step.mode));
  const values = runs.flatMap(({ steps }) => (Object.hasOwn(steps, step.id) ? (steps[step.id] ?? []) : []));
  return values.length < RUNS_LEAST ? step : { ...step, estimate: { ...spanOf(values), source: 'runs' } };
};

/**
 * All steps of both modes. `history`: of the platform's record. `mode`: in which the run begins; what belongs to both modes is estimated from runs of this one.
 */
export const planOf = (
  platform: PlatformConfig,
  move: Move,
  history: PlatformRecord['history'] = [],
  mode: RunMode = 'ungraceful',
): readonly Step[] =>
  modelOf(platform.model)
    .expand(platform, move)
    .map((step) => measured(step, history, mode));

/** The steps of one mode, with the needs that are left: what is not run holds nothing back. */
export const stepsOf = (plan: readonly Step[], mode: RunMode): readonly Step[] => {
  const steps = plan.filter((step) => isOfMode(step, mode));
  const ids = new Set(steps.map(({ id }) => id));
  return steps.map((step) => ({ ...step, needs: step.needs.filter((need) => ids.has(need)) }));
};

const ID = /^[A-Za-z0-9][A-Za-z0-9.@-]*$/;

/** Why a plan cannot be run: sentences, none when it can. A cycle shows as a need that comes later, since steps stand after what they need. */
export const planProblems = (plan: readonly Step[]): readonly string[] => {
  const all = new Set(plan.map(({ id }) => id));
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const { id, needs } of plan) {
    if (!ID.test(id)) problems.push(`step "${id}": its name has to be of letters, digits, dots, dashes and @`);
    if (seen.has(id)) problems.push(`step ${id} is there twice`);
    for (const need of needs) {
      if (!all.has(need)) problems.push(`step ${id} needs ${need}, which is no step`);
      else if (need === id) problems.push(`step ${id} needs itself`);
      else if (!seen.has(need)) problems.push(`step ${id} needs ${need}, which comes after it: the plan has a cycle or is out of order`);
    }
    seen.add(id);
  }
  return problems;
};

// ---- where to ----

export interface RegionState {
  /** What the quorum says of the region. */
  verdict: 'up' | 'unready' | 'down' | 'suspect' | 'unknown';
  /** Gates of the platform as they are for this region, by name. One that is not there is unknown. */
  gates: Readonly<Record<string, 'holds' | 'refuses' | 'unknown'>>;
}

export interface Target {
  /** null: nowhere. */
  to: string | null;
  /** Why there, and why not the ones before it. */
  because: string;
}

/** null: the region may be gone to. */
const refusal = (state: RegionState | undefined, gates: readonly GateConfig[], mode: RunMode): string | null => {
  if (state === undefined) return 'nobody has looked at it';
  if (state.verdict !== 'up') return `it is ${state.verdict}`;
  for (const { name, onUnknown, blocks } of gates) {
    if (mode === 'ungraceful' && blocks !== 'both') continue;
    const is = (Object.hasOwn(state.gates, name) ? state.gates[name] : undefined) ?? 'unknown';
    if (is === 'refuses') return `gate ${name} refuses`;
    if (is === 'unknown' && onUnknown === 'stop') return `gate ${name} is unknown, and that stops`;
  }
  return null;
};

/**
 * The first region in the order of priorities that is up and whose gates let it pass. Gates that only block graceful runs do not keep an ungraceful one from
 * anywhere; what they say is in the plan.
 */
export const chooseTarget = (
  platform: PlatformConfig,
  from: string,
  states: ByRegion<RegionState>,
  mode: RunMode = 'ungraceful',
): Target => {
  const passed: string[] = [];
  for (const region of platform.regions.filter((each) => each !== from)) {
    const why = refusal(Object.hasOwn(states, region) ? states[region] : undefined, platform.gates, mode);
    if (why === null)
      return { to: region, because: [`${region} is up and no gate refuses it`, ...passed.map((each) => `not ${each}`)].join('; ') };
    passed.push(`${region}: ${why}`);
  }
  return {
    to: null,
    because: passed.length === 0 ? `${platform.name} has no region but ${from}` : `no region can take over: ${passed.join('; ')}`,
  };
};

// ---- as text ----

const rangeText = ({ p50Ms, p95Ms, source }: Step['estimate']): string =>
  `${p50Ms === p95Ms ? say(p50Ms) : `${say(p50Ms)} to ${say(p95Ms)}`}${source === 'runs' ? ' measured' : ''}`;

const undoText = (undo: Step['undo']): string => ('no' in undo ? `no undo: ${undo.no}` : 'can be undone');

const THEN: Readonly<Record<OnFail, string>> = { stop: 'it stops', continue: 'it goes on', ask: 'a human is asked' };

const stepLine = (step: Step): string => {
  const parts = [
    step.needs.length === 0 ? 'at once' : `after ${step.needs.join(', ')}`,
    rangeText(step.estimate),
    ...(step.approvals === 0 ? [] : [step.approvals === 1 ? '1 approval' : `${step.approvals} approvals`]),
    `at most ${say(step.timeoutMs)}, then ${THEN[step.onFail]}`,
    undoText(step.undo),
    ...(step.ifPassed === undefined ? [] : [`passed over: ${step.ifPassed}`]),
  ];
  return `${step.phase.padEnd(10)} ${step.id}  ${step.target}; ${parts.join('; ')}`;
};

/** A line per step of this mode, in order. */
export const planLines = (plan: readonly Step[], mode: RunMode): readonly string[] => stepsOf(plan, mode).map(stepLine);
