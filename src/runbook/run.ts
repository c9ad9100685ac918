// The state machine of a run. What happened comes in as events, time as an argument; out comes the run as it is then. No clock, no randomness, no IO: the
// same events at the same instants give the same run. What an event may not do here it does not do: the run comes back as it was.
// Rules that everything rests on: a step is read before it acts; that it is going to act stands in the record before it acts; it acts only while its run
// runs (or is taken back), what it needs has ended and persons have agreed. Runs that have ended change no more, but that one is taken back.
import type { Effect, Reading } from './kind.ts';
import { isOfMode, type Run, type RunState, type Step, type StepKindName, type StepOf, type StepRun } from './model.ts';
import type { ModelKind } from './platform.ts';
import { PHRASE_CHARS_MAX, phrase, whyNot } from './words.ts';

export const CHOICES = ['retry', 'skip', 'stop'] as const;
/** What may be answered to a question. `retry`: the step begins anew. `skip`: it goes on without it. `stop`: the run ends as failed. */
export type Choice = (typeof CHOICES)[number];

export type RunEvent =
  /** Nothing but time. */
  | { kind: 'time' }
  /** `step` null: that it begins. */
  | { kind: 'approved'; step: string | null; by: string }
  | { kind: 'answered'; step: string; choice: Choice; by: string }
  | { kind: 'abort'; by: string; reason: string }
  /** `only`: steps of these kinds; what else the run did is kept. */
  | { kind: 'undo'; by: string; reason: string; only?: readonly StepKindName[] }
  | { kind: 'force'; by: string; reason: string }
  /** What it was proposed for is over. */
  | { kind: 'moot'; because: string }
  /** `canAct`: its kind moves something; others are gates. */
  /** `sinceMs`: when it was begun to be read, in cluster time: a silence counts from there. */
  | { kind: 'read'; step: string; reading: Reading; canAct: boolean; sinceMs?: number }
  /** It could not even be looked at by this replica. */
  | { kind: 'stalled'; step: string; because: string }
  | { kind: 'intended'; step: string }
  | { kind: 'told'; step: string; effect: Effect };

const ENDED: ReadonlySet<RunState> = new Set(['done', 'failed', 'aborted', 'undone', 'dropped']);
export const isEnded = ({ state }: Pick<Run, 'state'>): boolean => ENDED.has(state);

/** Ended, well or passed over: what needs it may go on. */
const isOver = ({ state }: StepRun): boolean => state === 'done' || state === 'skipped';

/** Of models that serve from several regions at once any of them may fall; of the others only the one that is active. */
export const servesEverywhere = (model: ModelKind): boolean => model === 'active-active' || model === 'dual-active';

// ---- access ----

/** A run's plan by id, made once per plan. */
const indexes = new WeakMap<readonly Step[], Index>();
interface Index {
  byId: ReadonlyMap<string, Step>;
  /** All that need it, directly or not. */
  after: ReadonlyMap<string, ReadonlySet<string>>;
}

const indexOf = (plan: readonly Step[]): Index => {
  let found = indexes.get(plan);
  if (found === undefined) {
    const after = new Map(plan.map(({ id }) => [id, new Set<string>()]));
    const note = (step: Step, later: string): void => {
      for (const need of step.needs) {
        const all = after.get(need);
        if (all === undefined || all.has(later)) continue;
        all.add(later);
        const needed = byId.get(need);
        if (needed !== undefined) note(needed, later);
      }
    };
    const byId = new Map(plan.map((step) => [step.id, step]));
    for (const step of plan) note(step, step.id);
    found = { byId, after };
    indexes.set(plan, found);
  }
  return found;
};

export const stepOf = (run: Run, id: string): Step | undefined => indexOf(run.plan).byId.get(id);

/** How a step stands. A step that the plan has and the record lacks has not begun. */
export const standingOf = (run: Run, id: string): StepRun => run.steps[id] ?? NEW;
const NEW: StepRun = { state: 'pending', tries: 0, because: 'not begun' };

const put = (run: Run, id: string, next: StepRun): Run => ({ ...run, steps: { ...run.steps, [id]: next } });

const needsOver = (run: Run, step: Step): boolean => step.needs.every((id) => isOver(standingOf(run, id)));
/** By which data may be lost that had not arrived: what its needs have found out is what persons agree to. */
export const isLossy = ({ kind, spec, mode }: Step): boolean => {
  if (kind === 'managed.failover') return spec.lossy;
  return kind === 'cache.promote' ? spec.whole === true : kind === 'pg.promote' && mode === 'ungraceful';
};

/** Whether persons may agree to it now. */
export const isAskedFor = (run: Run, step: Step): boolean => !isLossy(step) || (isOfMode(step, run.mode) && needsOver(run, step));

const isAgreed = (step: Step, { approvedBy = [] }: StepRun): boolean => approvedBy.length >= step.approvals;

/** It waits for persons; else, asking, for an answer. */
export const wantsPersons = (step: Step, at: StepRun): boolean => at.state === 'asking' && !isAgreed(step, at);

/** Issuers differ in how they spell one person. */
export const isSamePerson = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
const joined = (by: readonly string[], name: string): readonly string[] =>
  by.some((each) => isSamePerson(each, name)) ? by : [...by, name];

// ---- a new run ----

export type NewRun = Pick<Run, 'id' | 'platform' | 'model' | 'purpose' | 'mode' | 'from' | 'to' | 'cause' | 'plan' | 'askMs' | 'nonce'> &
  Partial<Pick<Run, 'forceAfterMs'>> & {
    /** Persons who have to agree before it begins, and who have. */
    persons: 0 | 1 | 2;
    by: readonly string[];
    because: string;
  };

export const newRun = ({ persons, by, ...rest }: NewRun, nowMs: number): Run => {
  const run: Run = {
    ...rest,
    state: 'proposed',
    createdAtMs: nowMs,
    ...(persons === 0 ? {} : { approval: { persons, by, untilMs: nowMs + rest.askMs } }),
    steps: Object.fromEntries(rest.plan.map(({ id }) => [id, NEW])),
    executor: null,
  };
  return settle(run, nowMs);
};

// ---- what ends a step ----

const ended = (at: StepRun, state: 'done' | 'skipped' | 'failed', because: string, nowMs: number): StepRun => {
  const { askedUntilMs: _, isLate: _late, ...rest } = at;
  return { ...rest, state, because: phrase(because), endedAtMs: nowMs };
};

/** Why a step was passed over, and what that means: the meaning stays whole, the reason makes room. */
const without = ({ ifPassed }: Step, why: string): string =>
  ifPassed === undefined ? why : `${phrase(why, PHRASE_CHARS_MAX - ifPassed.length - 2)}; ${ifPassed}`;

/** It will not become so. Only what runs asks: whoever has ordered a stop or an undo is not to be asked again. */
const fail = (run: Run, step: Step, at: StepRun, why: string, how: Step['onFail'], nowMs: number): Run => {
  if (how === 'continue') return put(run, step.id, ended(at, 'skipped', without(step, `went on without it: ${why}`), nowMs));
  if (how === 'ask' && run.state === 'running')
    return put(run, step.id, { ...at, state: 'asking', because: phrase(why), askedUntilMs: nowMs + run.askMs });
  return put(run, step.id, ended(at, 'failed', why, nowMs));
};

const failUndo = (run: Run, step: Step, at: StepRun, why: string, nowMs: number): Run =>
  put(run, step.id, { ...at, state: 'failed', because: phrase(`not taken back: ${why}`), endedAtMs: nowMs });

// ---- time ----

/** Until when it may take: of its first try, or its first reading. */
const untilMs = (step: Step, at: StepRun): number | null => {
  const fromMs = at.state === 'undoing' ? at.undoAtMs : at.startedAtMs;
  return fromMs === undefined || !['pending', 'acting', 'undoing'].includes(at.state) ? null : fromMs + step.timeoutMs;
};

const withoutAsking = ({ askedUntilMs: _, isLate: _late, ...rest }: StepRun): StepRun => rest;

/** One step of a run that runs, as time and its needs have it. */
const settleStep = (run: Run, step: Step, nowMs: number): Run => {
  const at = standingOf(run, step.id);
  const waits = at.state === 'pending' || at.state === 'asking';
  if (waits && !isOfMode(step, run.mode)) return put(run, step.id, ended(at, 'skipped', whyNot(step.mode), nowMs));
  if (at.state === 'asking') return settleAsking(run, step, at, nowMs);
  if (at.state === 'pending' && !needsOver(run, step)) return at.dueAtMs === undefined ? run : put(run, step.id, withoutDue(at));
  if (at.state === 'pending' && at.dueAtMs === undefined) return put(run, step.id, { ...at, dueAtMs: nowMs });
  if (at.state === 'pending' && !isAgreed(step, at)) {
    const because = phrase(`waits for ${step.approvals} ${step.approvals === 1 ? 'person' : 'persons'} to agree`);
    return put(run, step.id, { ...at, state: 'asking', because, askedUntilMs: nowMs + run.askMs });
  }
  const limitMs = untilMs(step, at);
  if (limitMs === null || nowMs < limitMs) return run;
  return readOn(fail(run, step, at, late(step, at), step.onFail, nowMs), step);
};

/** It may become so yet, or be told: nobody has to answer then. */
const readOn = (run: Run, { id }: Step): Run => {
  const at = standingOf(run, id);
  return at.state === 'asking' ? put(run, id, { ...at, isLate: true }) : run;
};

const withoutDue = ({ dueAtMs: _, ...rest }: StepRun): StepRun => rest;
const late = (step: Step, { because }: StepRun): string => `not so within ${Math.round(step.timeoutMs / 1000)} s: ${because}`;

const settleAsking = (run: Run, step: Step, at: StepRun, nowMs: number): Run => {
  const isExpired = at.askedUntilMs !== undefined && nowMs >= at.askedUntilMs;
  if (!isAgreed(step, at)) {
    if (!isExpired) return run;
    // Nobody was there to agree: nobody would be there to answer.
    const how = step.onFail === 'continue' ? 'continue' : 'stop';
    return fail(run, step, at, `${at.approvedBy?.length ?? 0} of ${step.approvals} persons agreed in time`, how, nowMs);
  }
  // Agreed to, and it has not been tried: it was asked for persons only.
  if (at.startedAtMs === undefined) return put(run, step.id, { ...withoutAsking(at), state: 'pending', because: agreed(at) });
  return isExpired ? fail(run, step, at, `nobody answered in time: ${at.because}`, 'stop', nowMs) : run;
};

const agreed = ({ approvedBy = [] }: StepRun): string => phrase(`${approvedBy.join(' and ')} agreed`);

const settleRunning = (run: Run, nowMs: number): Run => {
  const { startedAtMs = nowMs, forceAfterMs } = run;
  if (run.mode === 'graceful' && forceAfterMs !== undefined && nowMs >= startedAtMs + forceAfterMs)
    return forced(run, phrase(`not ended ${Math.round(forceAfterMs / 1000)} s after it began`), nowMs);
  let next = run;
  for (const step of run.plan) next = settleStep(next, step, nowMs);
  const failed = next.plan.find(({ id }) => standingOf(next, id).state === 'failed');
  if (failed !== undefined)
    return { ...next, state: 'stopping', because: phrase(`${failed.id} failed: ${standingOf(next, failed.id).because}`) };
  if (next.plan.every(({ id }) => isOver(standingOf(next, id))))
    return over(next, 'done', beside(`${next.to} is active`, waitText(next)), nowMs);
  return next;
};

const over = (run: Run, state: RunState, because: string, nowMs: number): Run => ({
  ...run,
  state,
  because: phrase(because),
  endedAtMs: nowMs,
  executor: null,
});

/** Nothing new begins; what is under way ends, and what only waits is let go. */
const settleStopping = (run: Run, nowMs: number): Run => {
  let next = run;
  for (const step of run.plan) {
    const at = standingOf(next, step.id);
    if (at.state !== 'acting') continue;
    const limitMs = untilMs(step, at);
    if (at.tries === 0) next = put(next, step.id, ended(at, 'skipped', `was waited for when the run stopped: ${at.because}`, nowMs));
    else if (at.took === 'refused') next = fail(next, step, at, at.because, step.onFail, nowMs);
    else if (limitMs !== null && nowMs >= limitMs) next = fail(next, step, at, late(step, at), step.onFail, nowMs);
  }
  if (next.plan.some(({ id }) => standingOf(next, id).state === 'acting')) return next;
  const ends = { state: next.aborted === undefined ? 'failed' : 'aborted', because: next.because } as const;
  if (!next.plan.some((step) => isHeld(next, step))) return over(next, ends.state, beside(ends.because, waitText(next)), nowMs);
  return { ...next, state: 'undoing', ends, because: phrase(`clients that wait are let go: ${ends.because}`) };
};

// ---- clients that wait ----

type Pause = StepOf<'pgbouncer.pause'>;
const isPause = (step: Step): step is Pause => step.kind === 'pgbouncer.pause';
const isSamePooled = (a: Pause['spec'], b: Pause['spec']): boolean => a.system === b.system && a.database === b.database;

/** Poolers that the run may have paused, and that nobody has let go since. */
const pausedIn = (run: Run): readonly Pause[] =>
  run.plan.filter(isPause).filter(({ id, spec }) => {
    const { touched, state } = standingOf(run, id);
    const isFreed = run.plan.some(
      (other) => other.kind === 'pgbouncer.resume' && standingOf(run, other.id).state === 'done' && isSamePooled(other.spec, spec),
    );
    return touched === true && state !== 'undone' && !isFreed;
  });

/** What was cut as well stays so: its clients must not reach a writer that may still write, and only a human says that they may. */
const isCut = (run: Run, { spec }: Pause): boolean =>
  run.plan.some((other) => {
    if (other.kind !== 'fence.pgbouncer' || !isSamePooled(other.spec, spec)) return false;
    const { touched, state } = standingOf(run, other.id);
    return touched === true && state !== 'undone';
  });

const isHeld = (run: Run, step: Step): boolean => pausedIn(run).some((each) => each.id === step.id && !isCut(run, each));

/** What a run that has ended leaves: clients of these wait until somebody lets them go. */
export const leftWaiting = (run: Run): readonly Pause['spec'][] => (isEnded(run) ? pausedIn(run).map(({ spec }) => spec) : []);

const pooledText = (pauses: readonly Pause[]): string => pauses.map(({ spec }) => `${spec.database} at ${spec.system}`).join(', ');
const waitText = (run: Run): string => {
  const paused = pausedIn(run);
  return paused.length === 0 ? '' : `; clients wait yet: ${pooledText(paused)}`;
};

/** The reason makes room for what became of clients. */
const beside = (because: string, text: string): string => `${phrase(because, PHRASE_CHARS_MAX - text.length)}${text}`;

/** Nothing else is taken back by it: what ended stays as it is, and a human can still have all of it taken back. */
const letGo = ({ ends, ...run }: Run, nowMs: number): Run => {
  const freed = run.plan.filter(isPause).filter(({ id }) => standingOf(run, id).state === 'undone');
  const text = `${freed.length === 0 ? '' : `; clients go on: ${pooledText(freed)}`}${waitText(run)}`;
  return ends === undefined ? run : over(run, ends.state, beside(ends.because, text), nowMs);
};

// ---- taking back ----

/** What may have happened since keeps it from being taken back. */
const barOf = (run: Run, id: string): Step | undefined =>
  run.plan.find(({ id: later, undo: how }) => 'no' in how && how.bars?.includes(id) === true && standingOf(run, later).touched === true);

/** To be taken back yet. */
const isLeft = (run: Run, step: Step): boolean => {
  const at = standingOf(run, step.id);
  const isOpen = at.touched === true && at.state !== 'undone' && !(at.state === 'failed' && at.undoAtMs !== undefined);
  if (run.ends !== undefined && !isHeld(run, step)) return false;
  return isOpen && 'spec' in step.undo && barOf(run, step.id) === undefined;
};

/** Why it stays as it is although the run is taken back; null: it does not. */
const whyItStays = (run: Run, { id, undo: how }: Step): string | null => {
  if (standingOf(run, id).touched !== true) return null;
  if ('no' in how) return how.no;
  const bar = barOf(run, id);
  return bar === undefined ? null : `${bar.id} may have happened`;
};

/** All that came after it is taken back, or never will be. */
const undoDue = (run: Run, step: Step): boolean =>
  [...(indexOf(run.plan).after.get(step.id) ?? [])].every((id) => {
    const later = stepOf(run, id);
    return later === undefined || !isLeft(run, later);
  });

const settleUndoing = (run: Run, nowMs: number): Run => {
  let next = run;
  for (const step of run.plan) {
    const at = standingOf(next, step.id);
    const limitMs = untilMs(step, at);
    if (at.state === 'undoing' && limitMs !== null && nowMs >= limitMs) next = failUndo(next, step, at, late(step, at), nowMs);
  }
  if (next.plan.some((step) => isLeft(next, step))) return next;
  if (next.ends !== undefined) return letGo(next, nowMs);
  const stuck = next.plan.filter(({ id }) => standingOf(next, id).state === 'failed' && standingOf(next, id).undoAtMs !== undefined);
  const lasting = next.plan.flatMap((step) => {
    const why = whyItStays(next, step);
    return why === null ? [] : [`${step.id} (${why})`];
  });
  const back = next.plan.filter(({ id }) => standingOf(next, id).state === 'undone').length;
  const stays = lasting.length === 0 ? '' : `; what nothing takes back: ${lasting.join(', ')}`;
  return stuck.length === 0
    ? over(next, 'undone', `${back} ${back === 1 ? 'step' : 'steps'} taken back${stays}`, nowMs)
    : over(
        next,
        'failed',
        `could not be taken back: ${stuck.map(({ id }) => id).join(', ')}; ${back} ${back === 1 ? 'step was' : 'steps were'}${stays}`,
        nowMs,
      );
};

// ---- all of it ----

const settleOnce = (run: Run, nowMs: number): Run => {
  switch (run.state) {
    case 'proposed': {
      const { approval } = run;
      if (approval === undefined || approval.by.length >= approval.persons) return { ...run, state: 'running', startedAtMs: nowMs };
      if (nowMs < approval.untilMs) return run;
      return over(run, 'dropped', `${approval.by.length} of ${approval.persons} persons agreed in time`, nowMs);
    }
    case 'running':
      return settleRunning(run, nowMs);
    case 'stopping':
      return settleStopping(run, nowMs);
    case 'undoing':
      return settleUndoing(run, nowMs);
    default:
      return run;
  }
};

/** Each round ends, skips or asks at least one step, so it comes to rest. */
const settle = (run: Run, nowMs: number): Run => {
  for (let at = run; ; ) {
    const next = settleOnce(at, nowMs);
    if (next === at) return at;
    at = next;
  }
};

const forced = (run: Run, because: string, nowMs: number): Run => {
  let next: Run = { ...run, mode: 'ungraceful', because: phrase(`forced: ${because}`) };
  for (const step of run.plan) {
    const at = standingOf(next, step.id);
    // It could not begin before.
    if (step.mode === 'ungraceful' && at.state === 'skipped') next = put(next, step.id, notBegun(at));
    if (step.mode === 'graceful' && at.state === 'acting')
      next = put(next, step.id, ended(at, 'skipped', `was under way when the run was forced: ${at.because}`, nowMs));
  }
  return next;
};

const notBegun = ({ approvedBy }: StepRun): StepRun => (approvedBy === undefined ? NEW : { ...NEW, approvedBy });

// ---- events ----

const approve = (run: Run, id: string | null, by: string, nowMs: number): Run => {
  if (id === null) {
    if (run.state !== 'proposed' || run.approval === undefined) return run;
    const all = joined(run.approval.by, by);
    return all === run.approval.by ? run : { ...run, approval: { ...run.approval, by: all } };
  }
  const step = stepOf(run, id);
  const at = standingOf(run, id);
  if (step === undefined || run.state !== 'running' || !(at.state === 'pending' || at.state === 'asking') || isAgreed(step, at)) return run;
  if (!isAskedFor(run, step)) return run;
  const approvedBy = joined(at.approvedBy ?? [], by);
  return approvedBy === at.approvedBy ? run : put(run, id, { ...at, approvedBy, ...(isLossy(step) ? { approvedAtMs: nowMs } : {}) });
};

/** What was agreed to so long ago was another risk. */
const isStale = ({ askMs }: Run, { approvedAtMs }: StepRun, nowMs: number): boolean =>
  approvedAtMs !== undefined && nowMs > approvedAtMs + askMs;

/** Begun anew: its tries and its clock, under another key. Whether it was touched stays. */
const anew = ({ dueAtMs, approvedBy, approvedAtMs, touched, again = 0 }: StepRun, isKept: boolean, because: string): StepRun => ({
  ...NEW,
  because: phrase(because),
  again: again + 1,
  ...(dueAtMs === undefined ? {} : { dueAtMs }),
  ...(approvedBy === undefined || !isKept ? {} : { approvedBy }),
  ...(approvedAtMs === undefined || !isKept ? {} : { approvedAtMs }),
  ...(touched === undefined ? {} : { touched }),
});

const answer = (run: Run, id: string, choice: Choice, by: string, nowMs: number): Run => {
  const step = stepOf(run, id);
  const at = standingOf(run, id);
  if (step === undefined || run.state !== 'running' || at.state !== 'asking' || wantsPersons(step, at)) return run;
  if (choice === 'retry') return put(run, id, anew(at, !isStale(run, at, nowMs), `begun anew by ${by}: ${at.because}`));
  if (choice === 'skip') return put(run, id, ended(at, 'skipped', without(step, `passed over by ${by}: ${at.because}`), nowMs));
  return put(run, id, ended(at, 'failed', `stopped by ${by}: ${at.because}`, nowMs));
};

const abort = (run: Run, by: string, reason: string, nowMs: number): Run => {
  const aborted = { by, reason, atMs: nowMs };
  const because = phrase(`stopped by ${by}: ${reason}`);
  if (run.state === 'proposed') return over({ ...run, aborted }, 'dropped', because, nowMs);
  return run.state === 'running' ? { ...run, state: 'stopping', aborted, because } : run;
};

/** Why it can't be taken back; null: it can. */
export const undoRefusal = ({ state, purpose, ends }: Run): string | null => {
  if (state === 'done' && purpose !== 'prearm') return 'it is done: what leads back is a failback';
  if (state === 'proposed') return 'it has not begun: abort drops it';
  if (state === 'undone' || state === 'dropped') return `it is ${state}`;
  return state === 'undoing' && ends === undefined ? 'it is being taken back already' : null;
};

const kept = ({ touched: _, ...rest }: StepRun): StepRun => ({
  ...rest,
  because: phrase(`${rest.because}; kept when the run was taken back`),
});

const undo = (run: Run, { by, reason, only }: { by: string; reason: string; only?: readonly StepKindName[] }, nowMs: number): Run => {
  if (undoRefusal(run) !== null) return run;
  const { endedAtMs: _, ends: _ends, ...rest } = run;
  let next: Run = { ...rest, state: 'undoing', because: phrase(`taken back by ${by}: ${reason}`) };
  for (const step of run.plan) {
    const at = standingOf(next, step.id);
    if (only !== undefined && at.touched === true && !only.includes(step.kind)) next = put(next, step.id, kept(at));
    else if (at.state === 'acting' && at.touched !== true)
      next = put(next, step.id, ended(at, 'skipped', `was waited for when the run was taken back: ${at.because}`, nowMs));
    else if (at.state === 'failed' && at.undoAtMs !== undefined) {
      const { undoAtMs: _undo, ...again } = at;
      next = put(next, step.id, { ...again, again: (at.again ?? 0) + 1 });
    }
  }
  return next;
};

/** What is said anew takes the place of what was kept under the same names. */
const withFacts = (at: StepRun, said: Reading | Effect): StepRun => ({
  ...at,
  because: phrase(said.because),
  ...(said.facts === undefined ? {} : { facts: { ...at.facts, ...said.facts } }),
});

const withoutUnknowns = ({ unknowns: _, ...rest }: StepRun): StepRun => rest;

/** May be looked at now: it runs and is due, or it is under way. */
const isLookedAt = (run: Run, step: Step, at: StepRun): boolean => {
  if (run.state === 'undoing') return isLeft(run, step) && undoDue(run, step);
  if (at.state === 'acting') return run.state === 'running' || run.state === 'stopping';
  if (at.state === 'asking') return run.state === 'running' && at.isLate === true;
  // Settled: it is due only while what it needs has ended, and asks where persons have not agreed.
  return run.state === 'running' && at.state === 'pending' && at.dueAtMs !== undefined;
};

const read = (run: Run, { step: id, reading, canAct, sinceMs }: RunEvent & { kind: 'read' }, nowMs: number): Run => {
  const step = stepOf(run, id);
  if (step === undefined || !isLookedAt(run, step, standingOf(run, id))) return run;
  if (run.state === 'undoing') return readUndo(run, step, reading, nowMs);
  // Whatever else it is, the question stands as it was asked.
  if (standingOf(run, id).state === 'asking' && reading.is !== 'reached') return run;
  const begun = { ...standingOf(run, id), startedAtMs: standingOf(run, id).startedAtMs ?? Math.min(sinceMs ?? nowMs, nowMs) };
  const at = withFacts(begun, reading);
  switch (reading.is) {
    case 'reached':
      return put(run, id, ended(withoutUnknowns(at), 'done', reading.because, nowMs));
    case 'never':
      return fail(run, step, withoutUnknowns(at), reading.because, step.onFail, nowMs);
    case 'pending':
      return put(run, id, { ...withoutUnknowns(at), state: canAct ? at.state : 'acting' });
    case 'unknown': {
      const unknowns = Math.min((at.unknowns ?? 0) + 1, step.retry.tries);
      const next: StepRun = { ...at, unknowns, state: canAct ? at.state : 'acting' };
      if (canAct || unknowns < step.retry.tries) return put(run, id, next);
      const why = `cannot be told: ${reading.because}`;
      if (step.onUnknown === 'proceed') return put(run, id, ended(next, 'skipped', `went on although it ${why}`, nowMs));
      return readOn(fail(run, step, next, why, step.onUnknown, nowMs), step);
    }
  }
};

/**
 * Of what takes it back. That it is as before counts at once only for a step that was done: else its effect may be under way yet, and only what was
 * told to take it back counts.
 */
const readUndo = (run: Run, step: Step, reading: Reading, nowMs: number): Run => {
  const before = standingOf(run, step.id);
  const begun = before.state === 'undoing' ? before : undoing(before, nowMs);
  const at = withFacts(begun, reading);
  if (reading.is === 'never') return failUndo(run, step, at, reading.because, nowMs);
  if (reading.is === 'reached' && (before.state === 'done' || (before.state === 'undoing' && at.took !== undefined)))
    return put(run, step.id, { ...withoutUnknowns(at), state: 'undone', endedAtMs: nowMs });
  if (reading.is !== 'unknown') return put(run, step.id, withoutUnknowns(at));
  return put(run, step.id, { ...at, unknowns: Math.min((at.unknowns ?? 0) + 1, step.retry.tries) });
};

/** An act of its own: its tries, its clock and its facts begin anew. */
const undoing = (
  {
    facts: _,
    took: _took,
    triedAtMs: _tried,
    unknowns: _unknowns,
    askedUntilMs: _asked,
    isLate: _late,
    endedAtMs: _ended,
    ...rest
  }: StepRun,
  nowMs: number,
): StepRun => ({ ...rest, state: 'undoing', tries: 0, undoAtMs: nowMs });

/** Whether it should act now, after this reading. */
export const actsOn = (run: Run, id: string, reading: Reading, nowMs: number): boolean => {
  const step = stepOf(run, id);
  if (step === undefined || !mayTry(run, step, standingOf(run, id), nowMs)) return false;
  if (reading.is === 'pending') return true;
  const { unknowns = 0 } = standingOf(run, id);
  if (reading.is === 'unknown') return step.onUnknown === 'proceed' && unknowns >= step.retry.tries;
  // That it is so may only mean that what it takes back has not happened yet.
  return run.state === 'undoing' && reading.is === 'reached';
};

/** The rules of acting: nothing acts that these do not let. */
const mayTry = (run: Run, step: Step, at: StepRun, nowMs: number): boolean => {
  if (!isLookedAt(run, step, at) || run.state === 'stopping') return false;
  // It was about to act when it was ordered to be taken back: what it is now has to be looked at first, in its turn.
  if (run.state === 'undoing' && at.state !== 'undoing') return false;
  if (run.state === 'running' && !needsOver(run, step)) return false;
  const isUnderWay = at.state === 'acting' || at.state === 'undoing';
  if (!isUnderWay || at.tries === 0) return at.state === 'pending' || at.state === 'undoing';
  // Nobody knows what became of the last one.
  if (at.took === undefined) return true;
  return at.took !== 'accepted' && at.tries < step.retry.tries && nowMs >= (at.triedAtMs ?? nowMs) + step.retry.everyMs;
};

const intend = (run: Run, id: string, nowMs: number): Run => {
  const step = stepOf(run, id);
  const at = standingOf(run, id);
  if (step === undefined || !mayTry(run, step, at, nowMs)) return run;
  const { took, ...rest } = at;
  const isFirst = at.tries === 0;
  return put(run, id, {
    ...rest,
    state: at.state === 'undoing' ? 'undoing' : 'acting',
    tries: isFirst || took !== undefined ? at.tries + 1 : at.tries,
    triedAtMs: nowMs,
    startedAtMs: at.startedAtMs ?? nowMs,
    touched: true,
  });
};

const told = (run: Run, id: string, effect: Effect, nowMs: number): Run => {
  const step = stepOf(run, id);
  const before = standingOf(run, id);
  const isWaited = (before.state === 'acting' || before.state === 'undoing') && before.tries > 0 && before.took === undefined;
  if (step === undefined || isEnded(run) || !isWaited) return run;
  const at = withFacts(before, effect);
  // A part of it was taken: it is acted on again for the rest, which is no further try.
  if (effect.took === 'accepted' && effect.more === true) return put(run, id, at);
  const isLast = effect.took === 'refused' && (at.tries >= step.retry.tries || run.state === 'stopping');
  if (effect.took !== 'fatal' && !isLast) return put(run, id, { ...at, took: effect.took });
  return at.state === 'undoing' ? failUndo(run, step, at, effect.because, nowMs) : fail(run, step, at, effect.because, step.onFail, nowMs);
};

const stalled = (run: Run, id: string, because: string, nowMs: number): Run => {
  const step = stepOf(run, id);
  const at = standingOf(run, id);
  if (step === undefined || at.state === 'asking' || !isLookedAt(run, step, at)) return run;
  if (run.state === 'undoing') return put(run, id, { ...(at.state === 'undoing' ? at : undoing(at, nowMs)), because: phrase(because) });
  return put(run, id, { ...at, startedAtMs: at.startedAtMs ?? nowMs, because: phrase(because) });
};

const applied = (run: Run, event: RunEvent, nowMs: number): Run => {
  switch (event.kind) {
    case 'time':
      return run;
    case 'approved':
      return approve(run, event.step, event.by, nowMs);
    case 'answered':
      return answer(run, event.step, event.choice, event.by, nowMs);
    case 'abort':
      return abort(run, event.by, event.reason, nowMs);
    case 'undo':
      return undo(run, event, nowMs);
    case 'force':
      return isForceable(run) ? forced(run, `by ${event.by}: ${event.reason}`, nowMs) : run;
    case 'moot':
      return run.state === 'proposed' ? over(run, 'dropped', event.because, nowMs) : run;
    case 'read':
      return read(run, event, nowMs);
    case 'stalled':
      return stalled(run, event.step, event.because, nowMs);
    case 'intended':
      return intend(run, event.step, nowMs);
    case 'told':
      return told(run, event.step, event.effect, nowMs);
  }
};

export const isForceable = ({ mode, state }: Run): boolean => mode === 'graceful' && (state === 'proposed' || state === 'running');

/** The run after this event, and after whatever time and the event brought about; the same object when nothing has changed. */
export const advance = (run: Run, event: RunEvent, nowMs: number): Run => {
  const before = settle(run, nowMs);
  const after = settle(applied(before, event, nowMs), nowMs);
  return isSame(run, after) ? run : after;
};

/** Same in what is kept: a reading that says what the last one said changes nothing. */
const isSame = (a: Run, b: Run): boolean =>
  a === b || (a.plan === b.plan && JSON.stringify({ ...a, plan: null }) === JSON.stringify({ ...b, plan: null }));

/** Steps to be looked at now, in the order of the plan; and when time alone may change something next, null: it will not. */
export const due = (run: Run, nowMs: number): { look: readonly string[]; againAtMs: number | null } => {
  if (isEnded(run)) return { look: [], againAtMs: null };
  const look = run.plan.filter((step) => isLookedAt(run, step, standingOf(run, step.id))).map(({ id }) => id);
  const times = run.plan.flatMap((step) => timesOf(step, standingOf(run, step.id)));
  if (run.state === 'proposed' && run.approval !== undefined) times.push(run.approval.untilMs);
  if (run.state === 'running' && run.mode === 'graceful' && run.forceAfterMs !== undefined)
    times.push((run.startedAtMs ?? nowMs) + run.forceAfterMs);
  const later = times.filter((atMs) => atMs > nowMs);
  return { look, againAtMs: later.length === 0 ? null : Math.min(...later) };
};

const timesOf = (step: Step, at: StepRun): number[] => {
  const limitMs = untilMs(step, at);
  const retryAtMs =
    at.took !== undefined && at.took !== 'accepted' && at.triedAtMs !== undefined ? [at.triedAtMs + step.retry.everyMs] : [];
  const asked = at.state === 'asking' && at.askedUntilMs !== undefined ? [at.askedUntilMs] : [];
  return [...(limitMs === null ? [] : [limitMs]), ...retryAtMs, ...asked];
};

/** By which kinds know one act from another. */
export const keyOf = (run: Run, id: string): string => {
  const { again = 0 } = standingOf(run, id);
  return [run.id, id, ...(again === 0 ? [] : [String(again + 1)]), ...(run.state === 'undoing' ? ['undo'] : [])].join('.');
};

/** What is asked for now, of which kind: taking it back is another spec, of the same kind unless it says otherwise. */
export const actOf = (run: Run, { kind, spec, undo: how }: Step): Pick<Step, 'kind' | 'spec'> =>
  run.state === 'undoing' && 'spec' in how ? { kind: 'kind' in how ? how.kind : kind, spec: how.spec } : { kind, spec };
