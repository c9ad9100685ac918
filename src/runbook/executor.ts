// Carries runs out. A run belongs to one replica at a time: the one whose name its record carries as `executor`, of the region that is activated if any
// is there. Every write of the record is compare-and-write on its revision, so a second one that takes over makes whatever the first still wants to write
// be refused; no clock and no lease is needed for that. What time does is this, all by each replica's own monotonic clock:
// - A claim is renewed every RENEW_MS. Whoever sees a record stand still for TAKEOVER_OWN_MS (the others: TAKEOVER_MS) takes it over.
// - An effect begins only while less than INTENT_MAX_MS has passed since its intent was sent, and ends by CALL_MS. Both together are less than
//   TAKEOVER_OWN_MS: a process that merely died leaves nothing in flight for its heir, and one that was paused does not act on an old intent when it wakes.
// - What a pause between that look at the clock and the first byte could still do twice, and what was on the wire already, kinds make harmless by their key.
import { platformKey, runKey } from '../coordinate/keys.ts';
import { errorText, Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ClusterConfig } from '../model.ts';
import { DeadlineError, type Ports, sleep, withDeadline } from '../ports.ts';
import { type KeyValue, type Store, StoreDefiniteError } from '../store/store.ts';
import { countOf, draftOf } from './commit.ts';
import type { Call, Effect, Facts, Reading, StepContext } from './kind.ts';
import type { Executor as Claim, PlatformRecord, Run, Span, Step, StepKindName, StepSpecs } from './model.ts';
import { RUN_PREFIX, waitingOf } from './reader.ts';
import { actsOn, advance, due, isEnded, keyOf, type RunEvent, specOf, standingOf, stepOf } from './run.ts';
import { phrase } from './words.ts';

/** A kind of step, whichever it is. */
export interface AnyKind {
  readonly signal: 'target' | 'gate';
  read(spec: StepSpecs[StepKindName], call: Call): Promise<Reading>;
  apply?(spec: StepSpecs[StepKindName], call: Call): Promise<Effect>;
}

/** The kinds, each imported when a plan has one. */
export type KindOf = (name: StepKindName) => Promise<AnyKind>;

export interface ExecutorOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  boot: string;
  kindOf: KindOf;
  context: StepContext;
  cluster: () => ClusterConfig | null;
  /** Cluster time. */
  nowMs: () => number;
  metrics: Pick<Metrics, 'runbookStep' | 'runbookEnded' | 'runbookWaiting'>;
  estimateOf?: (run: Run) => Span | null;
}

export interface Executor {
  /** Runs that this replica carries out now. */
  held(): readonly string[];
  /** Something changed: look now. */
  wake(): void;
  /** Begins nothing more, ends calls under way, and gives its runs up so that nobody has to wait for them to stand still. */
  stop(): Promise<void>;
}

const TICK_MS = 1_000;
export const RENEW_MS = 4_000;
export const INTENT_MAX_MS = 3_000;
export const CALL_MS = 12_000;
export const TAKEOVER_OWN_MS = 16_000;
export const TAKEOVER_MS = 24_000;
/** Replicas of other regions let those of the region that is activated go first with a run that nobody has claimed. */
const CLAIM_OTHERS_MS = 8_000;
const CLAIM_SPREAD_MS = 300;
/** A replica that lacks a system leaves the run to others for so long. */
const LET_GO_MS = 30_000;
const STORE_MS = 2_500;
/** Tries of one change of a record, when others write it too or the store is in doubt. */
const TRIES_MAX = 6;
const STORE_AGAIN_MS = 300;
/** Between two looks at one step: at first, and at most. */
const LOOK_FIRST_MS = 500;
const LOOK_MAX_MS = 5_000;
/** A sentence that alone has changed is written no more often. */
const SAID_EVERY_MS = 5_000;
const STEPS_AT_ONCE_MAX = 8;
const CALLS_MAX = 32;
const FACTS_BYTES_MAX = 16 * 1024;
/** All runs are read so often although nothing is heard of them. */
const SWEEP_MS = 10_000;
const STOP_MS = 2_000;
/** Of one look between two sweeps. */
const KEYS_MAX = 200;

/** This replica is not, or no longer, the one. */
class Lost extends Error {
  override readonly name = 'Lost';
}

interface Known {
  run: Run;
  mod: number;
}

/** What is seen of a run: since when its record has stood at this revision, by the own clock. */
interface Seen extends Known {
  sinceMs: number;
}

/** A run in this replica's hands. */
interface Hand {
  id: string;
  /** As last written or read; null: to be read. */
  known: Known | null;
  writtenAtMs: number;
  /** Steps with a call under way, or a write about one. */
  busy: Map<string, Promise<void>>;
  lookAt: Map<string, { atMs: number; everyMs: number }>;
  saidAtMs: Map<string, number>;
  /** Why it is being let go. */
  letGo: string | null;
  ended: AbortController;
  /** Writes go one after another. */
  last: Promise<unknown>;
}

const isKept = (facts: Facts | undefined): boolean => facts === undefined || Buffer.byteLength(JSON.stringify(facts)) <= FACTS_BYTES_MAX;

/** What a kind says, as it may be kept. */
const bounded = <T extends { because: string; facts?: Facts }>(said: T): T => {
  if (isKept(said.facts)) return said;
  const { facts: _, ...rest } = said;
  return { ...rest, because: phrase(`${said.because} (what it wanted to keep was larger than ${FACTS_BYTES_MAX / 1024} KiB)`) } as T;
};

export const createExecutor = (options: ExecutorOptions): Executor => {
  const { ports, store, log, region, replica, boot, kindOf, context, nowMs, metrics } = options;
  const stopped = new AbortController();
  const hands = new Map<string, Hand>();
  const seen = new Map<string, Seen>();
  /** Runs left to others, until when. */
  const letGo = new Map<string, number>();
  let calls = 0;
  let woken = false;
  let wakeUp: (() => void) | null = null;
  let sweepAtMs = Number.NEGATIVE_INFINITY;
  let isStale = true;
  /** Keys that a watch told of since the last look. */
  const heardOf = new Set<string>();

  const mono = (): number => ports.clock.monoMs();
  const wake = (): void => {
    woken = true;
    wakeUp?.();
  };
  const isMine = ({ executor }: Run): boolean => executor?.boot === boot && executor.region === region && executor.replica === replica;
  const bound = <T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, STORE_MS, what, work);

  // ---- the record ----

  const readRun = async (id: string): Promise<Known | null> => {
    const { kvs } = await bound(`reading run ${id}`, (signal) => store.get({ keys: [runKey(id)] }, signal));
    const [kv] = kvs;
    return kv === undefined ? null : { run: kv.value as Run, mod: kv.mod };
  };

  const readPlatform = async (name: string): Promise<KeyValue | undefined> => {
    const { kvs } = await bound(`reading platform ${name}`, (signal) => store.get({ keys: [platformKey(name)] }, signal));
    return kvs[0];
  };

  /** `unknown`: it may have happened, or may happen yet. */
  const send = async (before: Known, after: Run): Promise<{ rev: number } | 'refused' | 'unknown'> => {
    const cluster = options.cluster();
    if (cluster === null) return 'refused';
    const platform = isEnded(after) ? await readPlatform(after.platform) : undefined;
    const draft = draftOf(
      {
        run: before.run,
        mod: before.mod,
        platform: (platform?.value as PlatformRecord | undefined) ?? null,
        platformMod: platform?.mod ?? 0,
      },
      after,
      {
        cluster,
        region,
        replica,
        nowMs: Math.round(nowMs()),
        ...(options.estimateOf === undefined ? {} : { estimateOf: options.estimateOf }),
      },
    );
    try {
      const { ok, rev } = await bound(`writing run ${after.id}`, (signal) => store.txn({ if: draft.conditions, then: draft.ops }, signal));
      return ok ? { rev } : 'refused';
    } catch (error) {
      log.warn('runbook.store', { run: after.id, because: errorText(error) });
      return error instanceof StoreDefiniteError ? 'refused' : 'unknown';
    }
  };

  interface Written {
    run: Run;
    /** What stood before; the same object as `run` when there was nothing to change. */
    before: Run;
    /** Monotonic, right before the transaction that made it so was sent. */
    sentAtMs: number;
  }

  /** One change, tried again on what others have made of the record meanwhile. Never sent twice for one revision without having read what became of it. */
  const changed = async (hand: Hand, change: (run: Run) => Run): Promise<Written> => {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if (tries > 0) await sleep(ports.timers, STORE_AGAIN_MS * ports.random.unit(), stopped.signal);
      const before = hand.known ?? (await readRun(hand.id).catch(() => undefined));
      if (before === undefined) continue;
      if (before === null || !isMine(before.run)) throw new Lost();
      hand.known = before;
      const next = change(before.run);
      if (next === before.run) return { run: next, before: next, sentAtMs: mono() };
      const after = {
        ...next,
        ...(isMine(next) ? { executor: claimOf((before.run.executor?.n ?? 0) + 1) } : {}),
        nonce: ports.random.hex(8),
      };
      const sentAtMs = mono();
      hand.known = null;
      const sent = await send(before, after).catch((): 'unknown' => 'unknown');
      const rev = sent === 'unknown' ? await revOf(after) : sent === 'refused' ? null : sent.rev;
      if (rev === null) continue;
      hand.known = { run: after, mod: rev };
      hand.writtenAtMs = sentAtMs;
      counted(before.run, after);
      return { run: after, before: before.run, sentAtMs };
    }
    throw new Fault('ERR_STORE_UNREACHABLE', `run ${hand.id}: the store took no change in ${TRIES_MAX} tries`);
  };

  /** A write whose reply was lost is found by its nonce; null: it is not there, now. */
  const revOf = async ({ id, nonce }: Run): Promise<number | null> => {
    const found = await readRun(id).catch(() => null);
    return found?.run.nonce === nonce ? found.mod : null;
  };

  const counted = (before: Run, after: Run): void => {
    const { steps, ended } = countOf(before, after);
    for (const { kind, tookMs } of steps) metrics.runbookStep(kind, tookMs);
    if (ended !== null) {
      metrics.runbookEnded(after.platform, ended);
      log.info('runbook.ended', { run: after.id, state: ended, because: after.because });
    }
  };

  const claimOf = (n: number): Claim => ({ region, replica, boot, n });

  const change = (hand: Hand, of: (run: Run) => Run): Promise<Written> => {
    const turn = hand.last.then(() => changed(hand, of));
    hand.last = turn.catch(() => undefined);
    return turn;
  };
  const tell = (hand: Hand, event: RunEvent): Promise<Written> => change(hand, (run) => advance(run, event, nowMs()));

  // ---- one step ----

  const callOf = (hand: Hand, run: Run, step: Step, signal: AbortSignal): Call => ({
    key: keyOf(run, step.id),
    run: { id: run.id, platform: run.platform, from: run.from, to: run.to, mode: run.mode },
    facts: run.state === 'undoing' && standingOf(run, step.id).state !== 'undoing' ? {} : (standingOf(run, step.id).facts ?? {}),
    signal: AbortSignal.any([signal, hand.ended.signal]),
    context,
  });

  /** Under its deadline, which is never beyond the step's own, and not more than a stated number at once. */
  const call = async <T>(hand: Hand, { timeoutMs }: Step, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    calls += 1;
    try {
      return await withDeadline(ports.timers, Math.min(CALL_MS, timeoutMs), what, work, hand.ended.signal);
    } finally {
      calls -= 1;
    }
  };

  const isSystem = (error: unknown): error is Fault => error instanceof Fault && error.code === 'ERR_SYSTEM';
  const lacking = (error: unknown): string => `${region}/${replica}: ${errorText(error)}`;

  const looked = async (hand: Hand, run: Run, step: Step, kind: AnyKind): Promise<Reading> => {
    try {
      return bounded(
        await call(hand, step, `reading ${step.id}`, (signal) => kind.read(specOf(run, step), callOf(hand, run, step, signal))),
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
      return bounded(await call(hand, step, `acting on ${step.id}`, (signal) => apply(specOf(run, step), callOf(hand, run, step, signal))));
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
    const kind = await kindOf(step.kind);
    const sinceMs = Math.round(nowMs());
    const reading = await looked(hand, run, step, kind);
    const event: RunEvent = { kind: 'read', step: id, reading, canAct: kind.apply !== undefined, sinceMs };
    const after = await change(hand, (now) => {
      // Taken back, or begun anew, while it was read: that reading was of something else.
      if (keyOf(now, id) !== keyOf(run, id)) return now;
      const next = advance(now, event, nowMs());
      return isQuiet(hand, now, next, id) ? now : next;
    });
    if (after.run !== after.before) hand.saidAtMs.set(id, mono());
    if (keyOf(after.run, id) !== keyOf(run, id) || !actsOn(after.run, id, reading, nowMs())) return again(hand, id);
    const intent = await tell(hand, { kind: 'intended', step: id });
    if (!isIntended(intent, id)) return again(hand, id);
    // The commit took so long that somebody else may act by now.
    if (hand.ended.signal.aborted || mono() - intent.sentAtMs > INTENT_MAX_MS) return again(hand, id);
    const effect = await acted(hand, intent.run, step, kind);
    if (effect === null) return again(hand, id);
    await change(hand, (now) =>
      keyOf(now, id) === keyOf(intent.run, id) ? advance(now, { kind: 'told', step: id, effect }, nowMs()) : now,
    );
    hand.lookAt.delete(id);
  };

  /** That this very change is the intent: time may have ended the step instead. */
  const isIntended = ({ before, run }: Written, id: string): boolean => {
    const at = standingOf(run, id);
    return at !== standingOf(before, id) && (at.state === 'acting' || at.state === 'undoing') && at.tries > 0 && at.took === undefined;
  };

  /** When it is looked at next: soon at first, then less and less often. */
  const again = (hand: Hand, id: string): void => {
    const everyMs = Math.min(LOOK_MAX_MS, (hand.lookAt.get(id)?.everyMs ?? LOOK_FIRST_MS / 2) * 2);
    hand.lookAt.set(id, { atMs: mono() + everyMs, everyMs });
  };

  const begin = (hand: Hand, id: string): void => {
    const done = work(hand, id)
      .catch(async (error: unknown) => {
        if (error instanceof Lost) return drop(hand, 'another replica carries it out now, or it is gone');
        if (isSystem(error)) {
          hand.letGo ??= lacking(error);
          await tell(hand, { kind: 'stalled', step: id, because: lacking(error) }).catch(() => undefined);
        }
        log.warn('runbook.step', { run: hand.id, step: id, because: errorText(error) });
        again(hand, id);
      })
      .finally(() => {
        hand.busy.delete(id);
        wake();
      });
    hand.busy.set(id, done);
  };

  // ---- one run ----

  const drop = (hand: Hand, because: string): void => {
    if (!hands.delete(hand.id)) return;
    hand.ended.abort(new Error(because));
    isStale = true;
    log.info('runbook.dropped', { run: hand.id, because });
  };

  /** Gives it up in the record, so that another need not wait. */
  const release = async (hand: Hand, because: string): Promise<void> => {
    letGo.set(hand.id, mono() + LET_GO_MS);
    await change(hand, (run) => ({ ...run, executor: null })).catch(() => undefined);
    drop(hand, because);
  };

  const carry = async (hand: Hand): Promise<void> => {
    if (hand.known !== null && isEnded(hand.known.run)) return drop(hand, `it is ${hand.known.run.state}`);
    if (hand.letGo !== null) {
      // What is under way ends first: nobody else is to act beside it.
      if (hand.busy.size === 0) await release(hand, hand.letGo);
      return;
    }
    const { run } = await change(hand, (now) => {
      const next = advance(now, { kind: 'time' }, nowMs());
      return next === now && mono() - hand.writtenAtMs >= RENEW_MS ? { ...now } : next;
    });
    if (isEnded(run)) return drop(hand, `it is ${run.state}`);
    for (const id of due(run, nowMs()).look) {
      if (hand.busy.size >= STEPS_AT_ONCE_MAX || calls >= CALLS_MAX) break;
      if (hand.busy.has(id) || (hand.lookAt.get(id)?.atMs ?? 0) > mono()) continue;
      begin(hand, id);
    }
  };

  const carried = new Set<string>();
  const carryOn = (hand: Hand): void => {
    if (carried.has(hand.id)) return;
    carried.add(hand.id);
    void carry(hand)
      .catch((error: unknown) => {
        if (error instanceof Lost) drop(hand, 'another replica carries it out now, or it is gone');
        else if (!stopped.signal.aborted) log.warn('runbook.carry', { run: hand.id, because: errorText(error) });
      })
      .finally(() => carried.delete(hand.id));
  };

  // ---- whose it is ----

  /** How long the record has to stand for this replica to want it. */
  const patienceMs = ({ to, executor }: Run): number => {
    const isOwn = region === to;
    if (executor === null) return isOwn ? 0 : CLAIM_OTHERS_MS;
    return isOwn || executor.region === region ? TAKEOVER_OWN_MS : TAKEOVER_MS;
  };

  const claim = async ({ run, mod }: Known): Promise<void> => {
    await sleep(ports.timers, ports.random.unit() * CLAIM_SPREAD_MS, stopped.signal);
    const after: Run = { ...run, executor: claimOf((run.executor?.n ?? 0) + 1), nonce: ports.random.hex(8) };
    const sentAtMs = mono();
    const sent = await send({ run, mod }, after);
    const rev = sent === 'unknown' ? await revOf(after) : sent === 'refused' ? null : sent.rev;
    isStale = true;
    if (rev === null || stopped.signal.aborted) return;
    log.info('runbook.claimed', { run: run.id, from: run.executor });
    hands.set(run.id, handOf({ run: after, mod: rev }, sentAtMs));
    wake();
  };

  const handOf = (known: Known, writtenAtMs: number): Hand => ({
    id: known.run.id,
    known,
    writtenAtMs,
    busy: new Map(),
    lookAt: new Map(),
    saidAtMs: new Map(),
    letGo: null,
    ended: new AbortController(),
    last: Promise.resolve(),
  });

  const claiming = new Set<string>();
  const consider = (each: Seen): void => {
    const { run, sinceMs } = each;
    if (isEnded(run) || hands.has(run.id) || claiming.has(run.id) || stopped.signal.aborted) return;
    // Claimed by this very process, in doubt then: it is its own.
    if (isMine(run)) {
      hands.set(run.id, handOf(each, mono()));
      return;
    }
    if ((letGo.get(run.id) ?? Number.NEGATIVE_INFINITY) > mono() || mono() - sinceMs < patienceMs(run)) return;
    claiming.add(run.id);
    void claim(each)
      .catch((error: unknown) => {
        if (!stopped.signal.aborted) log.warn('runbook.claim', { run: run.id, because: errorText(error) });
      })
      .finally(() => claiming.delete(run.id));
  };

  const note = (kvs: readonly KeyValue[]): void => {
    for (const { value, mod } of kvs) {
      const run = value as Run;
      const before = seen.get(run.id);
      if (isEnded(run)) seen.delete(run.id);
      else if (before?.mod !== mod) seen.set(run.id, { run, mod, sinceMs: mono() });
      const hand = hands.get(run.id);
      // Somebody else wrote it: a human, or who took it over.
      if (hand?.known != null && mod > hand.known.mod) hand.known = null;
    }
    metrics.runbookWaiting([...seen.values()].reduce((sum, { run }) => sum + waitingOf(run).length, 0));
  };

  /** Everything now and then and when something is heard; in between what is open, to see it stand still. */
  const look = async (): Promise<void> => {
    if (isStale || mono() >= sweepAtMs) {
      isStale = false;
      heardOf.clear();
      sweepAtMs = mono() + SWEEP_MS;
      const { kvs } = await bound('reading the runs', (signal) => store.get({ prefixes: [RUN_PREFIX] }, signal));
      const there = new Set(kvs.map(({ value }) => (value as Run).id));
      for (const id of seen.keys()) if (!there.has(id)) seen.delete(id);
      note(kvs);
      return;
    }
    const keys = [...new Set([...heardOf, ...[...seen.keys()].filter((id) => !hands.has(id)).map(runKey)])].slice(0, KEYS_MAX);
    heardOf.clear();
    if (keys.length === 0) return;
    const { kvs } = await bound('reading open runs', (signal) => store.get({ keys }, signal));
    note(kvs);
  };

  const watch = store.watch(RUN_PREFIX, (event) => {
    if (event.kind === 'resync') isStale = true;
    else for (const key of event.keys) heardOf.add(key);
    wake();
  });

  const pause = async (): Promise<void> => {
    if (!woken) {
      await new Promise<void>((resolve) => {
        const tick = ports.timers.after(TICK_MS, resolve);
        wakeUp = () => {
          tick.cancel();
          resolve();
        };
      });
      wakeUp = null;
    }
    woken = false;
  };

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      try {
        await look();
      } catch (error) {
        isStale = true;
        log.warn('runbook.look', { because: errorText(error) });
      }
      for (const each of seen.values()) consider(each);
      for (const hand of hands.values()) carryOn(hand);
      if (!stopped.signal.aborted) await pause();
    }
  })();

  return {
    held: () => [...hands.keys()],
    wake,
    async stop() {
      stopped.abort(new Error('this process is stopping'));
      watch.close();
      wake();
      const own = [...hands.values()];
      for (const hand of own) hand.ended.abort(new Error('this process is stopping'));
      const patience = new AbortController();
      const ended = Promise.all([
        loop,
        ...own.map(async (hand) => {
          await Promise.all(hand.busy.values());
          await release(hand, 'this process is stopping');
        }),
      ]);
      await Promise.race([ended, sleep(ports.timers, STOP_MS, patience.signal).catch(() => undefined)]);
      patience.abort();
    },
  };
};
