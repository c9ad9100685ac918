// One turn of one step: it is read, what was seen is written, and if it has to act that stands in the record before it acts; then what became of the act.
// Why nothing is done twice is told in executor.ts.
import { errorText, Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import { DeadlineError, type Ports, withDeadline } from '../ports.ts';
import type { AnyKind, Call, Effect, Facts, KindOf, Reading, StepContext } from './kind.ts';
import type { Run, Step } from './model.ts';
import { type Held, Lost, type RunRecords, type Written } from './record.ts';
import { actOf, actsOn, advance, keyOf, type RunEvent, standingOf, stepOf } from './run.ts';
import { phrase } from './words.ts';

/** Both together are less than TAKEOVER_OWN_MS of executor.ts. */
const INTENT_MAX_MS = 3_000;
const CALL_MS = 12_000;
/** Between two looks at one step: at first, and at most. */
const LOOK_FIRST_MS = 500;
const LOOK_MAX_MS = 5_000;
/** A sentence that alone has changed is written no more often. */
const SAID_EVERY_MS = 5_000;
const STEPS_AT_ONCE_MAX = 8;
const CALLS_MAX = 32;
const FACTS_BYTES_MAX = 16 * 1024;

/** A run in this replica's hands. */
export interface Hand extends Held {
  /** Steps with a call under way, or a write about one. */
  busy: Map<string, Promise<void>>;
  lookAt: Map<string, { atMs: number; everyMs: number }>;
  saidAtMs: Map<string, number>;
  /** Why it is being let go. */
  letGo: string | null;
  ended: AbortController;
}

export const handOf = (held: Held): Hand => ({
  ...held,
  busy: new Map(),
  lookAt: new Map(),
  saidAtMs: new Map(),
  letGo: null,
  ended: new AbortController(),
});

export interface StepperOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  log: Log;
  region: string;
  replica: string;
  kindOf: KindOf;
  context: StepContext;
  /** Cluster time. */
  nowMs: () => number;
}

export interface Stepper {
  /** Begins a turn of each of these that is free, due, and has room. */
  begin(hand: Hand, ids: readonly string[]): void;
}

const isKept = (facts: Facts | undefined): boolean => facts === undefined || Buffer.byteLength(JSON.stringify(facts)) <= FACTS_BYTES_MAX;

/** What a kind says, as it may be kept. */
const bounded = <T extends { because: string; facts?: Facts }>(said: T): T => {
  if (isKept(said.facts)) return said;
  const { facts: _, ...rest } = said;
  return { ...rest, because: phrase(`${said.because} (what it wanted to keep was larger than ${FACTS_BYTES_MAX / 1024} KiB)`) } as T;
};

const isSystem = (error: unknown): error is Fault => error instanceof Fault && error.code === 'ERR_SYSTEM';

/** That this very change is the intent: time may have ended the step instead. */
const isIntended = ({ before, run }: Written, id: string): boolean => {
  const at = standingOf(run, id);
  return at !== standingOf(before, id) && (at.state === 'acting' || at.state === 'undoing') && at.tries > 0 && at.took === undefined;
};

/** Of runs in this replica's hands. `onTurn`: one of its turns has ended. `onLost`: the run is not this replica's any more. */
export const createStepper = (
  { ports, log, region, replica, kindOf, context, nowMs }: StepperOptions,
  records: RunRecords,
  { onTurn, onLost }: { onTurn: (hand: Hand) => void; onLost: (hand: Hand) => void },
): Stepper => {
  let calls = 0;
  const mono = (): number => ports.clock.monoMs();

  const callOf = (hand: Hand, run: Run, step: Step, signal: AbortSignal): Call => {
    const { state, facts = {}, dueAtMs } = standingOf(run, step.id);
    return {
      key: keyOf(run, step.id),
      run: { id: run.id, platform: run.platform, from: run.from, to: run.to, mode: run.mode },
      ...(dueAtMs === undefined ? {} : { dueAtMs }),
      facts: run.state === 'undoing' && state !== 'undoing' ? {} : facts,
      signal: AbortSignal.any([signal, hand.ended.signal]),
      context,
    };
  };

  /** Under its deadline, which is never beyond the step's own, and not more than a stated number at once. */
  const call = async <T>(hand: Hand, { timeoutMs }: Step, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    calls += 1;
    try {
      return await withDeadline(ports.timers, Math.min(CALL_MS, timeoutMs), what, work, hand.ended.signal);
    } finally {
      calls -= 1;
    }
  };

  const lacking = (error: unknown): string => `${region}/${replica}: ${errorText(error)}`;

  const looked = async (hand: Hand, run: Run, step: Step, kind: AnyKind): Promise<Reading> => {
    try {
      return bounded(
        await call(hand, step, `reading ${step.id}`, (signal) => kind.read(actOf(run, step).spec, callOf(hand, run, step, signal))),
      );
    } catch (error) {
      if (isSystem(error)) throw error;
      return {
        is: 'unknown',
        because: phrase(error instanceof DeadlineError ? error.message : `it could not be read: ${errorText(error)}`),
      };
    }
  };

  /** null: it was not even sent, since this replica lacks what it takes. */
  const acted = async (hand: Hand, run: Run, step: Step, kind: AnyKind): Promise<Effect | null> => {
    try {
      const apply = kind.apply?.bind(kind);
      if (apply === undefined) return { took: 'fatal', because: `${step.kind} only reads` };
      return bounded(
        await call(hand, step, `acting on ${step.id}`, (signal) => apply(actOf(run, step).spec, callOf(hand, run, step, signal))),
      );
    } catch (error) {
      if (isSystem(error)) {
        hand.letGo ??= lacking(error);
        return null;
      }
      return { took: 'undecided', because: phrase(`nobody knows whether it was taken: ${errorText(error)}`) };
    }
  };

  /** A sentence that alone is new can wait; what a reading changes else cannot. */
  const isQuiet = (hand: Hand, before: Run, after: Run, id: string): boolean => {
    const { because: _a, ...was } = standingOf(before, id);
    const { because: _b, ...is } = standingOf(after, id);
    const saidAtMs = hand.saidAtMs.get(id) ?? Number.NEGATIVE_INFINITY;
    const { steps: s1, ...rest1 } = before;
    const { steps: s2, ...rest2 } = after;
    const others = Object.keys(s2).every((each) => each === id || s1[each] === s2[each]);
    return (
      others &&
      mono() - saidAtMs < SAID_EVERY_MS &&
      JSON.stringify(was) === JSON.stringify(is) &&
      Object.entries(rest1).every(([key, value]) => rest2[key as keyof typeof rest2] === value)
    );
  };

  const work = async (hand: Hand, id: string): Promise<void> => {
    const run = hand.known?.run;
    const step = run === undefined ? undefined : stepOf(run, id);
    if (run === undefined || step === undefined) return;
    const kind = await kindOf(actOf(run, step).kind);
    const sinceMs = Math.round(nowMs());
    const reading = await looked(hand, run, step, kind);
    const event: RunEvent = { kind: 'read', step: id, reading, canAct: kind.apply !== undefined, sinceMs };
    let intends = false;
    // What was seen and that it acts on that are one write: clients may wait meanwhile, and the store may be far.
    const intent = await records.change(hand, (now) => {
      intends = false;
      // Taken back, or begun anew, while it was read: that reading was of something else.
      if (keyOf(now, id) !== keyOf(run, id)) return now;
      const next = advance(now, event, nowMs());
      intends = actsOn(next, id, reading, nowMs());
      if (intends) return advance(next, { kind: 'intended', step: id }, nowMs());
      return isQuiet(hand, now, next, id) ? now : next;
    });
    if (intent.run !== intent.before) hand.saidAtMs.set(id, mono());
    if (!intends || !isIntended(intent, id)) return again(hand, id);
    // The commit took so long that somebody else may act by now.
    if (hand.ended.signal.aborted || mono() - intent.sentAtMs > INTENT_MAX_MS) return again(hand, id);
    const effect = await acted(hand, intent.run, step, kind);
    if (effect === null) return again(hand, id);
    await records.change(hand, (now) =>
      keyOf(now, id) === keyOf(intent.run, id) ? advance(now, { kind: 'told', step: id, effect }, nowMs()) : now,
    );
    hand.lookAt.delete(id);
  };

  /** When it is looked at next: soon at first, then less and less often. */
  const again = (hand: Hand, id: string): void => {
    const everyMs = Math.min(LOOK_MAX_MS, (hand.lookAt.get(id)?.everyMs ?? LOOK_FIRST_MS / 2) * 2);
    hand.lookAt.set(id, { atMs: mono() + everyMs, everyMs });
  };

  const start = (hand: Hand, id: string): void => {
    const done = work(hand, id)
      .catch(async (error: unknown) => {
        if (error instanceof Lost) return onLost(hand);
        if (isSystem(error)) {
          hand.letGo ??= lacking(error);
          await records.tell(hand, { kind: 'stalled', step: id, because: lacking(error) }).catch(() => undefined);
        }
        log.warn('runbook.step', { run: hand.id, step: id, because: errorText(error) });
        again(hand, id);
      })
      .finally(() => {
        hand.busy.delete(id);
        onTurn(hand);
      });
    hand.busy.set(id, done);
  };

  return {
    begin(hand, ids) {
      for (const id of ids) {
        if (hand.busy.size >= STEPS_AT_ONCE_MAX || calls >= CALLS_MAX) break;
        if (hand.busy.has(id) || (hand.lookAt.get(id)?.atMs ?? 0) > mono()) continue;
        start(hand, id);
      }
    },
  };
};
