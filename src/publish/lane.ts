// One provider's lane: a turn reads what is served, compares it with what was decided, and writes what differs, once. Turns follow one another, so that
// this process never has two writes of one service under way there. What fails of one service or batch does not hold up the others.
import { stateHash } from '../../providers/fence.ts';
import type { Fence, Provider, ReadBack } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import type { Sight } from '../coordinate/read.ts';
import { activeOverrides, stopOn } from '../decide/override.ts';
import { errorText, Fault } from '../errors.ts';
import type { AppliedRecord, ClusterConfig, Routing } from '../model.ts';
import { withDeadline } from '../ports.ts';
import { drains } from './batches.ts';
import { createPatience } from './patience.ts';
import { desiredOf, leftOutNews, newsOf, nonceOf, type Step, stepFor, type Unsettled, type Wanted, writable } from './plan.ts';
import { PROVIDER_TIMEOUT_MS, RETRY_MS, type RoundOptions, type Undone, writeRound } from './round.ts';
import { SETTLE_DEADLINE_MS } from './settle.ts';
import type { Told } from './told.ts';

const REASSERT_MS = 30_000;
/** A human who adopts or acknowledges what is served should not wait for the next routine look; nor should what was left out and is back. */
const FROZEN_LOOK_MS = 5000;
const LOOK_AGAIN_MS = 200;
/** Bounds of the wait that a busy vendor asks for. In the way of a drain only the vendor's own counts. */
const BUSY_MIN_MS = 1000;
const BUSY_MAX_MS = 30_000;

const busyPauseMs = (askedMs: number, leastMs: number): number => Math.min(BUSY_MAX_MS, Math.max(leastMs, askedMs));

/** What is to be published now. */
export interface Current {
  routing: Routing;
  cluster: ClusterConfig;
  sight: Sight;
}

export interface LaneOptions extends Omit<RoundOptions, 'patience'> {
  writer: string;
  now: () => Current | null;
  term: () => Term | null;
  told: Told;
  /** Services that have failed here often or long enough to be told of. */
  onFailing: (provider: string, services: readonly string[], because: string) => void;
}

export interface Lane {
  /** One comparison and at most one round of writes. Out: ms until the next. */
  turn(): Promise<number>;
  /** Something is decided and, as far as this process knows, not served yet. */
  isBehind(): boolean;
}

export const createLane = (options: LaneOptions): Lane => {
  const { ports, log, name, provider, late, book, told, standing, settling, stopped } = options;
  const patience = createPatience(ports.clock);
  let isBehind = false;
  /** What the last look had left out, by service. */
  let leftOut: ReadonlyMap<string, string> = new Map();

  /** What an earlier coordinator wrote so lately that it may not show yet; its receipt is not known here. Short terms only: clocks may differ by any span. */
  const inherited = (applied: AppliedRecord | null, term: Term): Unsettled | null => {
    const heldForMs = ports.clock.monoMs() - term.heldSinceMs;
    if (provider.settle === undefined || applied?.outcome !== 'applied' || heldForMs >= SETTLE_DEADLINE_MS) return null;
    const ageMs = term.nowMs() - applied.atMs;
    return ageMs > heldForMs && ageMs < SETTLE_DEADLINE_MS ? { ...applied, isWatched: false } : null;
  };

  const wantedOf = ({ cluster, routing, sight }: Current, term: Term): readonly Wanted[] => {
    const active = activeOverrides(sight.overrides, term.nowMs());
    const watched = settling.unsettled(name);
    return writable(cluster, routing.services, name)
      .filter(({ service }) => stopOn(active, service) === undefined)
      .map(({ service, routing: decided }) => {
        const desired = desiredOf(service, decided);
        const fence: Fence = {
          v: decided.fence,
          epoch: term.epoch,
          writer: options.writer,
          nonce: nonceOf(decided.nonce, ports.random.hex(4)),
          hash: stateHash(desired),
        };
        const applied = book.of(sight, name, service.name);
        return { desired, fence, applied, unsettled: watched.get(service.name) ?? inherited(applied, term) };
      });
  };

  const read = async (wanted: readonly Wanted[]): ReturnType<Provider['read']> => {
    const services = wanted.map(({ desired }) => desired);
    const what = `read from ${name}`;
    return withDeadline(ports.timers, PROVIDER_TIMEOUT_MS, what, (signal) => provider.read(services, signal), stopped);
  };

  /** Tells each problem of each service once while it lasts, and forgets those that are over. */
  const report = async (steps: readonly Step[], term: Term, seen: Sight): Promise<void> => {
    for (const s of steps) {
      await told.say(name, s.service, newsOf(s));
      if (s.kind === 'ahead' || s.kind === 'manual') await book.freeze(seen, name, s, term);
    }
  };

  /** What was left out at two looks in a row is told of; one may be a reply that was slow. */
  const reportLeftOut = async (steps: readonly Step[], back: ReadonlyMap<string, ReadBack>): Promise<void> => {
    const now = new Map([...back].flatMap(([service, { leftOut: what }]) => (what === undefined ? [] : [[service, what] as const])));
    const before = leftOut;
    leftOut = now;
    for (const { service } of steps) {
      const what = now.get(service);
      if (what === undefined) await told.say(name, service, null, 'left-out');
      else if (before.has(service)) await told.say(name, service, leftOutNews(service, what), 'left-out');
    }
  };

  /** Counts these, and lets it be known of those that have failed often or long enough. */
  const failed = (undone: ReadonlyMap<string, Undone>): void => {
    if (stopped.aborted) return;
    const late = [...undone].filter(([, { isUnderWay }]) => isUnderWay !== true);
    const busy = late.filter(([, { busyMs }]) => busyMs !== undefined);
    for (const some of [busy, late.filter(([, { busyMs }]) => busyMs === undefined)]) {
      const [because] = some.map(([, each]) => each.because);
      if (because === undefined) continue;
      const services = some.map(([service]) => service);
      const crossed = standing.failed(name, services, because, some === busy);
      log.warn('publish.failed', { provider: name, failures: standing.failures(name), services, because });
      if (crossed.length > 0) options.onFailing(name, crossed, because);
    }
  };

  /** Brings what is served to the decided routes, as far as it may. Out: ms until the next turn. */
  const compare = async (wanted: readonly Wanted[], term: Term, seen: Sight): Promise<number> => {
    const back = await read(wanted);
    const steps = wanted.map((w) => stepFor(w, back.get(w.desired.service), provider));
    for (const { kind, service } of steps) if (kind === 'done') patience.served(service);
    // What came to nothing before, and waits for a human, is no work under way.
    isBehind = steps.some((step) => step.kind === 'settling' || (step.kind === 'write' && patience.waitMs(step.change) === 0));
    const waitMs = late.waitMs(provider, term);
    const isHeld = (step: Step): boolean => step.kind === 'write' && (waitMs > 0 || patience.waitMs(step.change) > 0);
    const [held, free] = [steps.filter(isHeld), steps.filter((step) => !isHeld(step))];
    const { undone, changed } = await writeRound({ ...options, patience }, free, term, seen);
    if (changed) return LOOK_AGAIN_MS;
    // Users first: what is told costs a transaction of the store for each service.
    await report(steps, term, seen);
    await reportLeftOut(steps, back);
    const well = steps.filter((step) => !held.includes(step) && !undone.has(step.service));
    standing.worked(
      name,
      well.map(({ service }) => service),
      null,
    );
    failed(undone);
    if (!standing.isFailing(name)) await told.say(name, null, null);
    if (waitMs > 0 && held.length > 0) return waitMs;
    return nextMs(steps, undone);
  };

  /** What is undone or was just written is looked at soon: an acknowledgement is a claim, what is served is a fact. */
  const nextMs = (steps: readonly Step[], undone: ReadonlyMap<string, Undone>): number => {
    const busy = steps.filter(({ service }) => undone.get(service)?.busyMs !== undefined);
    if (busy.length > 0) {
      const askedMs = Math.max(...busy.map(({ service }) => undone.get(service)?.busyMs ?? 0));
      const isDrain = busy.some((step) => step.kind === 'write' && drains(step.change));
      return busyPauseMs(askedMs, isDrain ? LOOK_AGAIN_MS : BUSY_MIN_MS);
    }
    const dueMs = steps.map((step) => {
      if (step.kind === 'done') return leftOut.has(step.service) ? FROZEN_LOOK_MS : REASSERT_MS;
      return step.kind === 'write' ? patience.waitMs(step.change) || RETRY_MS : FROZEN_LOOK_MS;
    });
    return Math.min(...dueMs, late.nextLookMs(name));
  };

  const turn = async (): Promise<number> => {
    const term = options.term();
    const now = options.now();
    if (term === null || now === null) {
      isBehind = false;
      // Whoever takes the office publishes what it finds decided, which is a turn.
      return term === null ? REASSERT_MS : RETRY_MS;
    }
    standing.begin(term.epoch);
    const wanted = wantedOf(now, term);
    const names = wanted.map(({ desired }) => desired.service);
    standing.only(name, names);
    isBehind &&= names.length > 0;
    if (names.length === 0) return REASSERT_MS;
    try {
      return await compare(wanted, term, now.sight);
    } catch (error) {
      const busyMs = error instanceof Fault ? error.busyMs : undefined;
      const why: Undone = { because: errorText(error), ...(busyMs === undefined ? {} : { busyMs }) };
      failed(new Map(names.map((service) => [service, why])));
      return busyMs === undefined ? RETRY_MS : busyPauseMs(busyMs, BUSY_MIN_MS);
    }
  };

  return { turn, isBehind: () => isBehind };
};
