// One provider's lane: a turn reads what is served, compares it with what was decided, and writes what differs, once. Turns follow one another, so that
// this process never has two writes of one service under way there. What fails of one service or batch does not hold up the others.
import { stateHash } from '../../providers/fence.ts';
import type { Applied, Change, Fence, Provider } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import type { Sight } from '../coordinate/read.ts';
import { activeOverrides, stopOn } from '../decide/override.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Routing } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { AppliedBook } from './applied.ts';
import { batchesOf } from './batches.ts';
import type { LateWrites } from './late.ts';
import { desiredOf, newsOf, nonceOf, type Step, stepFor, type Wanted, writable } from './plan.ts';
import { inPool } from './pool.ts';
import { CHANGED, type Rights } from './rights.ts';
import type { Settling } from './settle.ts';
import type { Standing } from './standing.ts';
import type { Told } from './told.ts';

/** One provider call, reading or writing. */
export const PROVIDER_TIMEOUT_MS = 3000;
export const RETRY_MS = 1000;
const REASSERT_MS = 30_000;
/** A human who adopts or acknowledges what is served should not wait for the next routine look. */
const FROZEN_LOOK_MS = 5000;
const LOOK_AGAIN_MS = 200;
/** Calls under way at once. */
const CALLS_MAX = 8;

/** What is to be published now. */
export interface Current {
  routing: Routing;
  cluster: ClusterConfig;
  sight: Sight;
}

export interface LaneOptions {
  ports: Ports;
  log: Log;
  writer: string;
  /** The name the cluster uses. */
  name: string;
  provider: Provider;
  now: () => Current | null;
  term: () => Term | null;
  rights: Rights;
  late: LateWrites;
  book: AppliedBook;
  told: Told;
  standing: Standing;
  settling: Settling;
  onWrite: (provider: string, outcome: Applied['outcome'] | 'refused', tookMs: number) => void;
  /** Services that have failed here often or long enough to be told of. */
  onFailing: (provider: string, services: readonly string[], because: string) => void;
  stopped: AbortSignal;
}

export interface Lane {
  /** One comparison and at most one round of writes. Out: ms until the next. */
  turn(): Promise<number>;
  /** Something is decided and, as far as this process knows, not served yet. */
  isBehind(): boolean;
}

interface Batch {
  changes: readonly Change[];
  /** Shared by the calls that belong together. */
  proof: ReturnType<Rights['group']>;
}

/** What came of a round: by service why it is not as decided; `changed`: what it rested on is no longer so. */
interface Round {
  undone: Map<string, string>;
  changed: boolean;
}

export const createLane = (options: LaneOptions): Lane => {
  const { ports, log, name, provider, late, book, told, standing, stopped } = options;
  let isBehind = false;
  /** Drift that was written against in the last turn, by service. */
  let drifted: ReadonlyMap<string, string> = new Map();

  const wantedOf = ({ cluster, routing, sight }: Current, term: Term): readonly Wanted[] => {
    const active = activeOverrides(sight.overrides, term.nowMs());
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
        return { desired, fence, applied: book.of(sight, name, service.name) };
      });
  };

  const read = async (wanted: readonly Wanted[]): ReturnType<Provider['read']> => {
    const services = wanted.map(({ desired }) => desired);
    const what = `read from ${name}`;
    return withDeadline(ports.timers, PROVIDER_TIMEOUT_MS, what, (signal) => provider.read(services, signal), stopped);
  };

  /** One call. `proof` is asked right before it; without it nothing leaves this process. */
  const attempt = async (
    changes: readonly Change[],
    proof: ReturnType<Rights['group']>,
  ): Promise<Applied | { outcome: 'refused'; because: string }> => {
    const services = changes.map(({ desired }) => desired.service);
    const refusal = await proof(services);
    if (refusal !== null) {
      options.onWrite(name, 'refused', 0);
      return { outcome: 'refused', because: refusal };
    }
    const begunAtMs = ports.clock.monoMs();
    const what = `write to ${name}`;
    const result = await withDeadline(ports.timers, PROVIDER_TIMEOUT_MS, what, (signal) => provider.apply(changes, signal), stopped).catch(
      (error): Applied => ({ outcome: 'undecided', because: errorText(error) }),
    );
    const tookMs = ports.clock.monoMs() - begunAtMs;
    late.wrote(name, provider);
    options.onWrite(name, result.outcome, tookMs);
    log.info('publish.write', {
      provider: name,
      outcome: result.outcome,
      services,
      fence: Math.max(...changes.map((c) => c.fence.v)),
      tookMs: Math.round(tookMs),
      ...(result.outcome === 'applied' ? {} : { because: result.because }),
    });
    if (result.outcome !== 'applied') return result;
    standing.worked(name, services, tookMs);
    if (result.receipt !== undefined) options.settling.watch(name, provider, changes, result.receipt);
    return result;
  };

  const write = async (steps: readonly Step[], term: Term, seen: Sight): Promise<Round> => {
    const round: Round = { undone: new Map(), changed: false };
    const acks = book.acknowledging(seen, name, term);
    const written: { service: string; fence: Fence }[] = [];
    let refusal: { outcome: 'refused'; because: string } | null = null;
    const send = async ({ changes, proof }: Batch): Promise<readonly Batch[]> => {
      // Without the right to write the rest needs no asking.
      const result = refusal ?? (await attempt(changes, proof));
      if (result.outcome === 'applied') {
        written.push(...changes.map(({ desired, fence }) => ({ service: desired.service, fence })));
        // What goes in many calls is recorded as it comes; one call is recorded with what was found as decided.
        if (batches.length > 1) acks.add(written.splice(0));
        return [];
      }
      // A batch is all or nothing; one service in conflict or refused must not keep the others waiting. Somebody wrote meanwhile: a new proof.
      if (changes.length > 1 && (result.outcome === 'conflict' || result.outcome === 'fatal')) {
        const again = options.rights.group(term);
        return changes.map((change) => ({ changes: [change], proof: again }));
      }
      if (result.outcome === 'refused') refusal = result;
      round.changed ||= result.because === CHANGED;
      for (const { desired } of changes) round.undone.set(desired.service, result.because);
      return [];
    };
    for (const s of steps) if (s.kind === 'write' && s.change.previous.unread !== undefined) round.undone.set(s.service, s.because);
    const proof = options.rights.group(term);
    const batches = batchesOf(steps, provider.can.batchMax).map((changes) => ({ changes, proof }));
    await inPool(batches, CALLS_MAX, send);
    acks.add([...written, ...steps.flatMap((s) => (s.kind === 'done' ? [{ service: s.service, fence: s.fence }] : []))]);
    await acks.written();
    return round;
  };

  /** Tells each problem of each service once while it lasts, and forgets those that are over. */
  const report = async (steps: readonly Step[], term: Term, seen: Sight): Promise<void> => {
    for (const s of steps) {
      await told.say(name, s.service, newsOf(s));
      if (s.kind === 'ahead' || s.kind === 'manual') await book.freeze(seen, name, s, term);
    }
  };

  const failed = (services: readonly string[], because: string): number => {
    if (stopped.aborted) return RETRY_MS;
    const crossed = standing.failed(name, services, because);
    log.warn('publish.failed', { provider: name, failures: standing.failures(name), services, because });
    if (crossed.length > 0) options.onFailing(name, crossed, because);
    return RETRY_MS;
  };

  const turn = async (): Promise<number> => {
    const term = options.term();
    const now = options.now();
    if (term === null || now === null) {
      isBehind = false;
      return RETRY_MS;
    }
    standing.begin(term.epoch);
    const wanted = wantedOf(now, term);
    const names = wanted.map(({ desired }) => desired.service);
    standing.only(name, names);
    isBehind &&= names.length > 0;
    if (names.length === 0) return REASSERT_MS;
    let steps: readonly Step[];
    try {
      const back = await read(wanted);
      steps = wanted.map((w) => stepFor(w, back.get(w.desired.service), provider));
      isBehind = steps.some((s) => s.kind === 'write');
      const waitMs = late.waitMs(provider, term);
      const { undone, changed } = await write(waitMs > 0 ? steps.filter((s) => s.kind !== 'write') : steps, term, now.sight);
      if (changed) return LOOK_AGAIN_MS;
      // Users first: what is told costs a transaction of the store for each service.
      await report(steps, term, now.sight);
      standing.worked(
        name,
        names.filter((service) => !undone.has(service)),
        null,
      );
      const [because] = undone.values();
      if (because !== undefined) return failed([...undone.keys()], because);
      if (!standing.isFailing(name)) await told.say(name, null, null);
      if (isBehind && waitMs > 0) return waitMs;
    } catch (error) {
      return failed(names, errorText(error));
    }
    // After a write the result is read back at once: an acknowledgement is a claim, what is served is a fact.
    const writes = steps.filter((s) => s.kind === 'write');
    const isInVain = writes.every((s) => s.why === 'drift' && drifted.get(s.service) === s.because);
    drifted = new Map(writes.filter(({ why }) => why === 'drift').map(({ service, because }) => [service, because]));
    // What a write did not change another one will not: somebody holds it so, or it is not ours to take away. Then there is no hurry, and nothing to wait for.
    isBehind &&= !isInVain;
    if (isBehind) return RETRY_MS;
    return Math.min(steps.every((s) => s.kind === 'done') ? REASSERT_MS : FROZEN_LOOK_MS, late.nextLookMs(name));
  };

  return { turn, isBehind: () => isBehind };
};
