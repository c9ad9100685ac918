// Platforms, plans and runs as the API tells of them: what a human asks first stands on its own (how far, what for, who agreed, measured beside estimated),
// and what only the machinery needs is left out. Pure.
import { canonicalJson, sha256 } from '../audit/canonical.ts';
import type { LlmView } from '../llm/view.ts';
import { AS_CONFIGURED } from '../runbook/commit.ts';
import type { Readiness } from '../runbook/facts.ts';
import {
  isOfMode,
  type Purpose,
  type Run,
  type RunState,
  type Span,
  type Step,
  type StepKindName,
  type StepRun,
  type StepState,
} from '../runbook/model.ts';
import type { Persons, PlatformConfig, RunMode } from '../runbook/platform.ts';
import { type PlatformView, type Waiting, waitingOf } from '../runbook/reader.ts';
import { isEnded, standingOf } from '../runbook/run.ts';
import type { DatabaseView } from '../runbook/tiers/loss.ts';
import type { RunFact } from './health-detail.ts';

/** The longest way through a plan. */
export interface Critical extends Span {
  /** Ids of its steps, first to last. */
  path: readonly string[];
}

export interface Estimated<T extends Span = Span> {
  /** Until the other region serves. */
  recovery: T;
  /** Until the last step has ended. */
  whole: T;
}

/** What is worked out of runs elsewhere. */
export interface RunEyes {
  /** Of the steps of one mode. */
  estimateOf: (plan: readonly Step[], mode: RunMode) => Estimated<Critical>;
  /** Absent: nobody looks at databases. */
  databasesOf?: (platform: PlatformConfig) => readonly DatabaseView[];
  /** Absent: nobody looks at language models. */
  llmOf?: (platform: PlatformConfig) => LlmView | null;
  /** What a move of that platform to that region would lose now. Absent: nobody knows. */
  lossesTo?: (platform: string, to: string) => readonly string[];
  /** null: the other region does not serve yet. */
  recoveryMsOf: (run: Run) => number | null;
}

/** Kinds that move something; the others read, wait or ask, and have nothing to take back. */
const MOVES: readonly StepKindName[] = [
  'route.shift',
  'k8s.scale',
  'temporal.failover',
  'temporal.handover',
  'webhook.call',
  'fence.patroni',
  'fence.pgbouncer',
  'pgbouncer.pause',
  'pg.switchover',
  'pg.demote',
  'pg.promote',
  'cache.takeover',
  'cache.promote',
  'cache.rejoin',
];

/** From its start to its end, or until now. null: not begun. */
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
  /** Measured; null: the other region does not serve yet. */
  recoveryMs: number | null;
  estimate: Estimated;
  /** Steps of its mode; `done`: those that ended well or were passed over. */
  progress: { done: number; of: number };
  /** What it asks of humans. */
  waiting: readonly Waiting[];
  /** What goes on, a sentence each. */
  now: readonly string[];
}

export type UndoView = { can: true } | { can: false; because: string };

export interface StepPlan
  extends Pick<Step, 'id' | 'kind' | 'phase' | 'target' | 'mode' | 'needs' | 'timeoutMs' | 'onFail' | 'onUnknown' | 'estimate'> {
  /** Who have to agree before it begins. */
  persons: Persons;
  undo: UndoView;
}

export interface StepView extends StepPlan {
  state: StepState;
  because: string;
  tries: number;
  dueAtMs: number | null;
  startedAtMs: number | null;
  endedAtMs: number | null;
  tookMs: TookMs;
  approvedBy: readonly string[];
  askedUntilMs: number | null;
}

export interface RunView extends RunItem {
  /** To begin; null: it asked nobody. */
  approval: { persons: Persons; by: readonly string[]; untilMs: number } | null;
  /** null: a human has to say so. */
  forceAfterMs: number | null;
  aborted: { by: string; reason: string; atMs: number } | null;
  /** The replica that carries it out; null: none has taken it up. */
  executor: { region: string; replica: string } | null;
  /** Of its recovery. */
  criticalPath: readonly string[];
  /** In the order of the plan, those of the other mode too. */
  steps: readonly StepView[];
}

export interface MeasuredRun {
  run: string;
  purpose: Purpose;
  mode: RunMode;
  tookMs: number;
  steps: Readonly<Record<string, number>>;
  atMs: number;
}

export interface PlatformItem extends Pick<PlatformConfig, 'name' | 'model' | 'regions' | 'services'> {
  trigger: PlatformConfig['trigger']['mode'];
  failback: PlatformConfig['failback']['kind'];
  active: string;
  /** null: nothing has moved it since it was configured. */
  sinceAtMs: number | null;
  because: string;
  openRun: RunItem | null;
  /** null: not audited yet. */
  readiness: Omit<Readiness, 'platform'> | null;
  /** What is proved of its databases, and how far their standbys are behind. */
  databases: readonly DatabaseView[];
  /** Advice. null: the platform has no chain of language models. */
  llm: LlmView | null;
  /** Newest first. */
  lastRuns: readonly MeasuredRun[];
}

/** What a run would be. */
export interface PlanView {
  platform: string;
  model: Run['model'];
  purpose: Purpose;
  mode: RunMode;
  from: string;
  to: string;
  steps: readonly StepPlan[];
  estimate: Estimated<Critical>;
  /** What it would ask for; `step` null: to begin. */
  approvals: readonly { step: string | null; persons: Persons }[];
  /** Of what it would move. */
  cannotUndo: readonly { step: string; because: string }[];
  /** What it would lose now, by database. */
  losses: readonly string[];
}

const tookMs = (startedAtMs: number | undefined, endedAtMs: number | undefined, nowMs: number): TookMs =>
  startedAtMs === undefined ? null : Math.max(0, Math.round((endedAtMs ?? nowMs) - startedAtMs));

const stepPlan = ({
  id,
  kind,
  phase,
  target,
  mode,
  needs,
  timeoutMs,
  onFail,
  onUnknown,
  approvals: persons,
  undo,
  estimate,
}: Step): StepPlan => ({
  id,
  kind,
  phase,
  target,
  mode,
  needs,
  timeoutMs,
  onFail,
  onUnknown,
  persons,
  estimate,
  undo: 'no' in undo ? { can: false, because: undo.no } : { can: true },
});

const stepView = (step: Step, told: StepRun, nowMs: number): StepView => ({
  ...stepPlan(step),
  state: told.state,
  because: told.because,
  tries: told.tries,
  dueAtMs: told.dueAtMs ?? null,
  startedAtMs: told.startedAtMs ?? null,
  endedAtMs: told.endedAtMs ?? null,
  tookMs: tookMs(told.startedAtMs, told.endedAtMs, nowMs),
  approvedBy: told.approvedBy ?? [],
  askedUntilMs: told.askedUntilMs ?? null,
});

const spanOf = ({ p50Ms, p95Ms }: Span): Span => ({ p50Ms, p95Ms });
const wayOf = ({ path, ...span }: Critical): Critical => ({ ...spanOf(span), path });

const ENDED_WELL: readonly StepState[] = ['done', 'skipped', 'undone'];
const GOES_ON: readonly StepState[] = ['acting', 'undoing'];
const SHOWN_MAX = 5;

export const runItem = (run: Run, { estimateOf, recoveryMsOf }: RunEyes, nowMs: number): RunItem => {
  const own = run.plan.filter((step) => isOfMode(step, run.mode)).map(({ id }) => ({ id, told: standingOf(run, id) }));
  const { recovery, whole } = estimateOf(run.plan, run.mode);
  return {
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
    recoveryMs: recoveryMsOf(run),
    estimate: { recovery: spanOf(recovery), whole: spanOf(whole) },
    progress: { done: own.filter(({ told }) => ENDED_WELL.includes(told.state)).length, of: own.length },
    waiting: waitingOf(run),
    now: own
      .filter(({ told }) => GOES_ON.includes(told.state))
      .slice(0, SHOWN_MAX)
      .map(({ id, told }) => `${id}: ${told.because}`),
  };
};

export const runView = (run: Run, eyes: RunEyes, nowMs: number): RunView => ({
  ...runItem(run, eyes, nowMs),
  approval: run.approval ?? null,
  forceAfterMs: run.forceAfterMs ?? null,
  aborted: run.aborted ?? null,
  executor: run.executor === null ? null : { region: run.executor.region, replica: run.executor.replica },
  criticalPath: eyes.estimateOf(run.plan, run.mode).recovery.path,
  // What had begun when the run ended takes no longer.
  steps: run.plan.map((step) => stepView(step, standingOf(run, step.id), run.endedAtMs ?? nowMs)),
});

/** Of what a human decides about. What the run does by itself leaves it alone: else it would be stale by the time it was read. */
export const runTag = (run: Run): string => {
  const { id, state, mode } = run;
  const asks = waitingOf(run).map(({ step, wants, by }) => ({ step, wants, by }));
  return `"${sha256(canonicalJson({ id, state, mode, asks })).slice(0, 16)}"`;
};

export const planView = (
  { platform, model, purpose, mode, from, to, plan }: Pick<Run, 'platform' | 'model' | 'purpose' | 'mode' | 'from' | 'to' | 'plan'>,
  persons: Persons,
  { estimateOf, lossesTo }: RunEyes,
): PlanView => {
  const steps = plan.filter((step) => isOfMode(step, mode)).map(stepPlan);
  const { recovery, whole } = estimateOf(plan, mode);
  return {
    platform,
    model,
    purpose,
    mode,
    from,
    to,
    steps,
    estimate: { recovery: wayOf(recovery), whole: wayOf(whole) },
    approvals: [
      ...(persons === 0 ? [] : [{ step: null, persons }]),
      ...steps.flatMap((step) => (step.persons === 0 ? [] : [{ step: step.id, persons: step.persons }])),
    ],
    losses: lossesTo?.(platform, to) ?? [],
    cannotUndo: steps.flatMap(({ id, kind, undo }) => (undo.can || !MOVES.includes(kind) ? [] : [{ step: id, because: undo.because }])),
  };
};

export const platformItem = (
  { platform, active, record, open }: PlatformView,
  readiness: Readiness | null,
  eyes: RunEyes,
  nowMs: number,
): PlatformItem => ({
  name: platform.name,
  model: platform.model,
  regions: platform.regions,
  services: platform.services,
  trigger: platform.trigger.mode,
  failback: platform.failback.kind,
  active,
  // A run that was only ordered has claimed the platform, and moved nothing.
  ...(record === null || record.because === AS_CONFIGURED
    ? { sinceAtMs: null, because: 'as configured: nothing has moved it' }
    : { sinceAtMs: record.sinceAtMs, because: record.because }),
  openRun: open === null ? null : runItem(open, eyes, nowMs),
  readiness: readiness === null ? null : { atMs: readiness.atMs, score: readiness.score, lines: readiness.lines },
  databases: eyes.databasesOf?.(platform) ?? [],
  llm: eyes.llmOf?.(platform) ?? null,
  lastRuns: (record?.history ?? []).toReversed(),
});

const TROUBLE_CHARS_MAX = 500;

/** Those that go on, and of each platform the last one if it failed: it stands between two regions until somebody does something. */
export const runFacts = (runs: readonly Run[]): readonly RunFact[] => {
  const moving = runs.filter(({ purpose }) => purpose !== 'prearm');
  const isLast = (run: Run): boolean => moving.every((each) => each.platform !== run.platform || each.createdAtMs <= run.createdAtMs);
  return runs.flatMap((run): readonly RunFact[] => {
    const { id, state } = run;
    const asks = waitingOf(run).map(({ step, because }) => (step === null ? because : `${step}: ${because}`));
    if (asks.length > 0) return [{ id, state, trouble: `asks: ${asks.join('; ')}`.slice(0, TROUBLE_CHARS_MAX) }];
    if (!isEnded(run)) return [{ id, state, trouble: null }];
    const isStuck = state === 'failed' && moving.includes(run) && isLast(run);
    return isStuck ? [{ id, state, trouble: `failed, and nothing has followed: ${run.because}` }] : [];
  });
};
