// Carries runs out: whose each is, and when its steps have their turn. What a turn is stands in stepper.ts, how the record is written in record.ts.
// A run belongs to one replica at a time: the one whose name its record carries as `executor`, of the region that is activated if any is there. Every write
// of the record is compare-and-write on its revision, so a second one that takes over makes whatever the first still wants to write be refused; no clock and
// no lease is needed for that. What time does is this, all by each replica's own monotonic clock:
// - A claim is renewed every RENEW_MS. Whoever sees a record stand still for TAKEOVER_OWN_MS (the others: TAKEOVER_MS) takes it over.
// - An effect begins only while less than INTENT_MAX_MS has passed since its intent was sent, and ends by CALL_MS. Both together are less than
//   TAKEOVER_OWN_MS: a process that merely died leaves nothing in flight for its heir, and one that was paused does not act on an old intent when it wakes.
// - What a pause between that look at the clock and the first byte could still do twice, and what was on the wire already, kinds make harmless by their key.
import { runKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { type Ports, sleep } from '../ports.ts';
import type { KeyValue } from '../store/store.ts';
import { createTrouble } from '../trouble.ts';
import type { Run } from './model.ts';
import { RUN_PREFIX, waitingOf } from './reader.ts';
import { createRunRecords, heldOf, type Known, Lost, type RecordOptions } from './record.ts';
import { advance, due, isEnded } from './run.ts';
import { createStepper, type Hand, handOf, type StepperOptions } from './stepper.ts';

export interface ExecutorOptions extends RecordOptions, StepperOptions {
  ports: Ports;
  metrics: Pick<Metrics, 'runbookStep' | 'runbookEnded' | 'runbookWaiting'>;
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
const RENEW_MS = 4_000;
export const TAKEOVER_OWN_MS = 16_000;
export const TAKEOVER_MS = 24_000;
/** Replicas of other regions let those of the region that is activated go first with a run that nobody has claimed. */
const CLAIM_OTHERS_MS = 8_000;
const CLAIM_SPREAD_MS = 300;
/** A replica that lacks a system leaves the run to others for so long. */
const LET_GO_MS = 30_000;
/** All runs are read so often although nothing is heard of them. */
const SWEEP_MS = 10_000;
const STOP_MS = 2_000;
/** Of one look between two sweeps. */
const KEYS_MAX = 200;

/** What is seen of a run: since when its record has stood at this revision, by the own clock. */
interface Seen extends Known {
  sinceMs: number;
}

export const createExecutor = (options: ExecutorOptions): Executor => {
  const { ports, store, log, region, nowMs, metrics } = options;
  const stopped = new AbortController();
  const records = createRunRecords(options, stopped.signal);
  const hands = new Map<string, Hand>();
  const seen = new Map<string, Seen>();
  /** Runs left to others, until when. */
  const letGo = new Map<string, number>();
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

  // ---- one run ----

  const drop = (hand: Hand, because: string): void => {
    if (!hands.delete(hand.id)) return;
    hand.ended.abort(new Error(because));
    isStale = true;
    log.info('runbook.dropped', { run: hand.id, because });
  };

  const lose = (hand: Hand): void => drop(hand, 'another replica carries it out now, or it is gone');
  const stepper = createStepper(options, records, { onTurn: (hand) => turned(hand), onLost: lose });

  /** Gives it up in the record, so that another need not wait. */
  const release = async (hand: Hand, because: string): Promise<void> => {
    letGo.set(hand.id, mono() + LET_GO_MS);
    await records.change(hand, (run) => ({ ...run, executor: null })).catch(() => undefined);
    drop(hand, because);
  };

  const carry = async (hand: Hand): Promise<void> => {
    if (hand.known !== null && isEnded(hand.known.run)) return drop(hand, `it is ${hand.known.run.state}`);
    if (hand.letGo !== null) {
      // What is under way ends first: nobody else is to act beside it.
      if (hand.busy.size === 0) await release(hand, hand.letGo);
      return;
    }
    const { run } = await records.change(hand, (now) => {
      const next = advance(now, { kind: 'time' }, nowMs());
      return next === now && mono() - hand.writtenAtMs >= RENEW_MS ? { ...now } : next;
    });
    if (isEnded(run)) return drop(hand, `it is ${run.state}`);
    stepper.begin(hand, due(run, nowMs()).look);
  };

  const carried = new Set<string>();
  const carryOn = (hand: Hand): void => {
    if (carried.has(hand.id)) return;
    carried.add(hand.id);
    void carry(hand)
      .catch((error: unknown) => {
        if (error instanceof Lost) lose(hand);
        else if (!stopped.signal.aborted) log.warn('runbook.carry', { run: hand.id, because: errorText(error) });
      })
      .finally(() => carried.delete(hand.id));
  };

  /** What needs the step that has ended begins at once: clients may wait for it, and what else there is to look at in the store takes a while. */
  const turned = (hand: Hand): void => {
    if (hands.get(hand.id) === hand && !stopped.signal.aborted) carryOn(hand);
    wake();
  };

  // ---- whose it is ----

  /** How long the record has to stand for this replica to want it. */
  const patienceMs = ({ to, executor }: Run): number => {
    const isOwn = region === to;
    if (executor === null) return isOwn ? 0 : CLAIM_OTHERS_MS;
    return isOwn || executor.region === region ? TAKEOVER_OWN_MS : TAKEOVER_MS;
  };

  const claim = async (known: Known): Promise<void> => {
    await sleep(ports.timers, ports.random.unit() * CLAIM_SPREAD_MS, stopped.signal);
    const held = await records.claim(known);
    isStale = true;
    if (held === null || stopped.signal.aborted) return;
    log.info('runbook.claimed', { run: held.id, from: known.run.executor });
    hands.set(held.id, handOf(held));
    wake();
  };

  const claiming = new Set<string>();
  const consider = (each: Seen): void => {
    const { run, sinceMs } = each;
    if (isEnded(run) || hands.has(run.id) || claiming.has(run.id) || stopped.signal.aborted) return;
    // Claimed by this very process, in doubt then: it is its own.
    if (records.isMine(run)) {
      hands.set(run.id, handOf(heldOf(each, mono())));
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
      const kvs = await records.read('the runs', { prefixes: [RUN_PREFIX] });
      const there = new Set(kvs.map(({ value }) => (value as Run).id));
      for (const id of seen.keys()) if (!there.has(id)) seen.delete(id);
      note(kvs);
      return;
    }
    const keys = [...new Set([...heardOf, ...[...seen.keys()].filter((id) => !hands.has(id)).map(runKey)])].slice(0, KEYS_MAX);
    heardOf.clear();
    if (keys.length === 0) return;
    note(await records.read('open runs', { keys }));
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

  const trouble = createTrouble(log, 'runbook.look');
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      try {
        await look();
        trouble.over();
      } catch (error) {
        isStale = true;
        trouble.tell(error);
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
