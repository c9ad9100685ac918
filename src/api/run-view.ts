// Platforms, plans and runs as the API tells of them: what a human asks first stands on its own (how far, what for, who agreed, measured against estimated),
// and nothing that only machines need is left in. Pure.
import { canonicalJson, sha256 } from '../audit/canonical.ts';
import type {
  Persons,
  Phase,
  PlatformConfig,
  PlatformRecord,
  Purpose,
  Readiness,
  Run,
  RunMode,
  RunState,
  Span,
  Step,
  StepKindName,
  StepRun,
  StepState,
} from '../runbook/model.ts';

/** Measured, or on the way: from its start to its end, or until now. null: not begun. */
type TookMs = number | null;

export interface RunItem {
  id: string;
  platform: string;
  model: Run['model'];
  purpose: Purpose;
  mode: RunMode;
  from: string;
  to: string;
  cause: Run['cause'];
  state: RunState;
  because: string;
  createdAtMs: number;
  startedAtMs: number | null;
  endedAtMs: number | null;
  tookMs: TookMs;
  /** Of its critical path, as it was planned. */
  estimate: Span;
  /** Steps of its mode, and those that have ended well or were passed over. */
  steps: { done: number; of: number };
  /** What goes on, or what it waits for: a sentence each. */
  waitsFor: readonly string[];
}

/** What takes a step back; `because`: why nothing does. */
export type UndoView = { can: true } | { can: false; because: string };

export interface StepPlan {
  id: string;
  kind: StepKindName;
  phase: Phase;
  target: string;
  mode: Step['mode'];
  needs: readonly string[];
  timeoutMs: number;
  onFail: Step['onFail'];
  onUnknown: Step['onUnknown'];
  /** Persons who have to agree before it begins. */
  persons: Persons;
  undo: UndoView;
  estimate: Step['estimate'];
}

export interface StepView extends StepPlan {
  state: StepState;
  because: string;
  /** `persons`: somebody has to agree. `answer`: somebody has to say whether to try again, to go on without it, or to stop. null: it asks nothing. */
  asks: 'persons' | 'answer' | null;
  tries: number;
  dueAtMs: number | null;
  startedAtMs: number | null;
  endedAtMs: number | null;
  tookMs: TookMs;
  approvedBy: readonly string[];
  askedUntilMs: number | null;
}

export interface RunView extends Omit<RunItem, 'steps'> {
  progress: RunItem['steps'];
  /** To begin; null: it was ordered, or asks nobody. */
  approval: { persons: Persons; by: readonly string[]; untilMs: number } | null;
  /** The region and replica that carries it out; null: nobody has taken it up. */
  executor: { region: string; replica: string } | null;
  /** In the order of the plan, also those of the other mode. */
  steps: readonly StepView[];
}

export interface MeasuredRun {
  run: string;
  purpose: Purpose;
  mode: RunMode;
  tookMs: number;
  /** Of each step, in ms. */
  steps: Readonly<Record<string, number>>;
  atMs: number;
}

export interface PlatformView {
  name: string;
  model: PlatformConfig['model'];
  /** Failover priorities: the first is home. */
  regions: readonly string[];
  services: readonly string[];
  trigger: PlatformConfig['trigger']['mode'];
  failback: PlatformConfig['failback']['kind'];
  active: string;
  /** null: it has not moved since it was configured. */
  sinceAtMs: number | null;
  /** What moved it there. */
  because: string;
  openRun: RunItem | null;
  /** null: not audited yet. */
  readiness: Omit<Readiness, 'platform'> | null;
  /** Newest first. */
  lastRuns: readonly MeasuredRun[];
}

const ENDED: readonly RunState[] = ['done', 'failed', 'aborted', 'undone', 'dropped'];
export const isOpen = ({ state }: Pick<Run, 'state'>): boolean => !ENDED.includes(state);

/** Steps that a run of this mode takes. */
export const isOfMode = ({ mode }: Pick<Step, 'mode'>, run: RunMode): boolean => mode === 'both' || mode === run;

const tookMs = (startedAtMs: number | undefined, endedAtMs: number | undefined, nowMs: number): TookMs =>
  startedAtMs === undefined ? null : Math.max(0, Math.round((endedAtMs ?? nowMs) - startedAtMs));

const UNBEGUN: StepRun = { state: 'pending', tries: 0, because: '' };

const asksOf = ({ approvals }: Step, { state, approvedBy = [], tries }: StepRun): StepView['asks'] =>
  state !== 'asking' ? null : approvedBy.length < approvals && tries === 0 ? 'persons' : 'answer';

export const undoOf = ({ undo }: Step): UndoView => ('no' in undo ? { can: false, because: undo.no } : { can: true });

export const stepPlan = (step: Step): StepPlan => ({
  id: step.id,
  kind: step.kind,
  phase: step.phase,
  target: step.target,
  mode: step.mode,
  needs: step.needs,
  timeoutMs: step.timeoutMs,
  onFail: step.onFail,
  onUnknown: step.onUnknown,
  persons: step.approvals,
  undo: undoOf(step),
  estimate: step.estimate,
});

const stepView = (step: Step, told: StepRun, nowMs: number): StepView => ({
  ...stepPlan(step),
  state: told.state,
  because: told.because,
  asks: asksOf(step, told),
  tries: told.tries,
  dueAtMs: told.dueAtMs ?? null,
  startedAtMs: told.startedAtMs ?? null,
  endedAtMs: told.endedAtMs ?? null,
  tookMs: tookMs(told.startedAtMs, told.endedAtMs, nowMs),
  approvedBy: told.approvedBy ?? [],
  askedUntilMs: told.askedUntilMs ?? null,
});

/** Which of several steps have to agree, and who has: `2 persons have to agree, ana has`. */
const askedText = (persons: Persons, by: readonly string[]): string =>
  `${persons === 1 ? 'a person has' : `${persons} persons have`} to agree${by.length === 0 ? '' : `, ${by.join(', ')} ${by.length === 1 ? 'has' : 'have'}`}`;

const WAITS_SHOWN = 5;

const waitsFor = ({ state, mode, approval, plan, steps }: Run): readonly string[] => {
  if (state === 'proposed') return approval === undefined ? [] : [askedText(approval.persons, approval.by)];
  const under = plan
    .filter((step) => isOfMode(step, mode))
    .flatMap((step): readonly string[] => {
      const told = steps[step.id] ?? UNBEGUN;
      if (told.state === 'asking')
        return [`${step.id}: ${asksOf(step, told) === 'persons' ? askedText(step.approvals, told.approvedBy ?? []) : told.because}`];
      return told.state === 'acting' || told.state === 'undoing' ? [`${step.id}: ${told.because}`] : [];
    });
  return under.slice(0, WAITS_SHOWN);
};

const ended: readonly StepState[] = ['done', 'skipped', 'undone'];

const progressOf = ({ plan, mode, steps }: Run): RunItem['steps'] => {
  const own = plan.filter((step) => isOfMode(step, mode));
  return { done: own.filter(({ id }) => ended.includes(steps[id]?.state ?? 'pending')).length, of: own.length };
};

/** `estimate`: of the critical path of its plan and mode. */
export type EstimateOf = (plan: readonly Step[], mode: RunMode) => Span;

export const runItem = (run: Run, estimateOf: EstimateOf, nowMs: number): RunItem => ({
  id: run.id,
  platform: run.platform,
  model: run.model,
  purpose: run.purpose,
  mode: run.mode,
  from: run.from,
  to: run.to,
  cause: run.cause,
  state: run.state,
  because: run.because,
  createdAtMs: run.createdAtMs,
  startedAtMs: run.startedAtMs ?? null,
  endedAtMs: run.endedAtMs ?? null,
  tookMs: tookMs(run.startedAtMs, run.endedAtMs, nowMs),
  estimate: estimateOf(run.plan, run.mode),
  steps: progressOf(run),
  waitsFor: isOpen(run) ? waitsFor(run) : [],
});

export const runView = (run: Run, estimateOf: EstimateOf, nowMs: number): RunView => {
  const { steps: progress, ...item } = runItem(run, estimateOf, nowMs);
  return {
    ...item,
    progress,
    approval: run.approval ?? null,
    executor: run.executor === null ? null : { region: run.executor.region, replica: run.executor.replica },
    steps: run.plan.map((step) => stepView(step, run.steps[step.id] ?? UNBEGUN, nowMs)),
  };
};

/** Of what a human would decide about: what it does by itself leaves it alone, so that it is not stale by the time it was read. */
export const runTag = ({ id, state, mode, approval, plan, steps }: Run): string => {
  const asking = plan.flatMap((step) => {
    const told = steps[step.id] ?? UNBEGUN;
    return told.state === 'asking' || told.state === 'failed' ? [[step.id, told.state, told.approvedBy ?? [], told.askedUntilMs ?? null]] : [];
  });
  return `"${sha256(canonicalJson({ id, state, mode, approval: approval ?? null, asking })).slice(0, 16)}"`;
};

export interface PlatformFacts {
  platform: PlatformConfig;
  record: PlatformRecord | null;
  openRun: Run | null;
  readiness: Readiness | null;
}

export const platformView = ({ platform, record, openRun, readiness }: PlatformFacts, estimateOf: EstimateOf, nowMs: number): PlatformView => {
  const { name, model, regions, services, trigger, failback } = platform;
  return {
    name,
    model,
    regions,
    services,
    trigger: trigger.mode,
    failback: failback.kind,
    active: record?.active ?? regions[0] ?? '',
    sinceAtMs: record?.sinceAtMs ?? null,
    because: record?.because ?? 'as configured: nothing has moved it',
    openRun: openRun === null ? null : runItem(openRun, estimateOf, nowMs),
    readiness: readiness === null ? null : { atMs: readiness.atMs, score: readiness.score, lines: readiness.lines },
    lastRuns: (record?.history ?? []).toReversed(),
  };
};
