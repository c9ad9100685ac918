// The publisher: makes each provider serve the committed route. Level-triggered: it compares and writes until they agree, after every decision and every
// half minute, so a lost trigger costs time, never truth. Every outside write is preceded by a guarded renewal that began at most a second ago,
// made for the orders of humans as they were read, and carries the fence that the provider compares. Only a coordinator's term may run it.
import { stateHash } from '../../providers/fence.ts';
import type { Applied, Change, Fence, Provider } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { KEYS } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { activeOverrides, stopOn } from '../decide/override.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Routing, ServiceConfig } from '../model.ts';
import { type Ports, type Timer, withDeadline } from '../ports.ts';
import { createAppliedBook } from './applied.ts';
import { createLateWrites } from './late.ts';
import { desiredOf, newsOf, nonceOf, type Step, stepFor, type Wanted, writable } from './plan.ts';
import { createTold } from './told.ts';

export interface PublisherOptions {
  ports: Ports;
  log: Log;
  writer: string;
  providers: ReadonlyMap<string, Provider>;
  /** What the store says now, and the right to act on it. */
  sight: () => Sight | null;
  term: () => Term | null;
  /** First byte of a write towards a provider left this process; for measuring. */
  onWrite: (provider: string, outcome: Applied['outcome'] | 'refused') => void;
  /** t4: the provider acknowledged this fence. */
  onApplied: (service: string, fence: number, atMs: number) => void;
  abdicate: (because: string) => Promise<void>;
}

export interface Publisher {
  /** A route was committed: publish now. */
  publish(routing: Routing): void;
  stop(): Promise<void>;
}

/** One provider call, reading or writing. */
export const PROVIDER_TIMEOUT_MS = 3000;
const REASSERT_MS = 30_000;
const RETRY_MS = 1000;
/** A human who adopts or acknowledges what is served should not wait for the next routine look. */
const FROZEN_LOOK_MS = 5000;
/** This many failures in a row, or this long without success, and another region should try. */
const FAILURES_MAX = 3;
const FAILING_MAX_MS = 10_000;

interface Lane {
  failures: number;
  failingSinceMs: number | null;
  running: boolean;
  again: boolean;
  timer: Timer | null;
}

/** A renewal proves the right to write to calls that begin within this span of it. */
const PROOF_MS = 1000;
/** Renewals tried for one call; a store that answers so slowly is no ground to act from. */
const PROOFS_MAX = 2;
/** What was read is no longer so: no failure, and soon read again. */
const CHANGED = 'the leader record or the orders of humans have changed since they were read';
const LOOK_AGAIN_MS = 200;

export const createPublisher = (options: PublisherOptions): Publisher => {
  const { ports, log } = options;
  const lanes = new Map<string, Lane>(
    [...options.providers.keys()].map((name) => [name, { failures: 0, failingSinceMs: null, running: false, again: false, timer: null }]),
  );
  const stopped = new AbortController();
  const work = new Set<Promise<void>>();
  const late = createLateWrites(ports.clock, PROVIDER_TIMEOUT_MS);
  const book = createAppliedBook({ onApplied: options.onApplied });
  let newest: Routing | null = null;
  /** The store's last adoption as `newest` was committed: what came before the next one is another history. */
  let adopted: string | null | undefined;

  /**
   * The newest committed route this process knows: its own last commit is never older than what it last read. Null until the route was decided for the
   * configuration in force: shares of pools that came or went in between would be nobody's.
   */
  const current = (): { routing: Routing; cluster: ClusterConfig; sight: Sight } | null => {
    const sight = options.sight();
    if (sight?.cluster == null) return null;
    const adoption = sight.adopted?.nonce ?? null;
    if (adopted !== undefined && adopted !== adoption) newest = null;
    adopted = adoption;
    const routing = newest !== null && newest.v > (sight.routing?.v ?? 0) ? newest : sight.routing;
    return routing == null || routing.membersVersion !== sight.cluster.version ? null : { routing, cluster: sight.cluster, sight };
  };

  const told = createTold({ ports, now: current, term: options.term });

  const run = (name: string): void => {
    const lane = lanes.get(name);
    if (lane === undefined || stopped.signal.aborted) return;
    if (lane.running) {
      lane.again = true;
      return;
    }
    lane.running = true;
    lane.again = false;
    lane.timer?.cancel();
    const job = turn(name, lane)
      .catch((error) => {
        log.error('publish.broken', { provider: name, because: errorText(error) });
        return RETRY_MS;
      })
      .then((nextMs) => {
        lane.running = false;
        if (stopped.signal.aborted) return;
        if (lane.again) run(name);
        else lane.timer = ports.timers.after(nextMs, () => run(name));
      });
    work.add(job);
    void job.finally(() => work.delete(job));
  };

  /** One comparison and at most one round of writes. Out: ms until the next. */
  const turn = async (name: string, lane: Lane): Promise<number> => {
    const provider = options.providers.get(name);
    const term = options.term();
    const now = current();
    if (provider === undefined || term === null || now === null) return RETRY_MS;
    const wanted = wantedOf(name, now, term);
    if (wanted.length === 0) return REASSERT_MS;
    try {
      const back = await withDeadline(
        ports.timers,
        PROVIDER_TIMEOUT_MS,
        `read from ${name}`,
        (signal) =>
          provider.read(
            wanted.map((w) => w.desired),
            signal,
          ),
        stopped.signal,
      );
      const steps = wanted.map((w) => stepFor(w, back.get(w.desired.service), provider));
      await report(name, steps, term, now.sight);
      const isWriting = steps.some((s) => s.kind === 'write');
      const waitMs = late.waitMs(provider, term);
      const undone = await write(name, provider, waitMs > 0 ? steps.filter((s) => s.kind !== 'write') : steps, term, now.sight);
      if (undone === CHANGED) return LOOK_AGAIN_MS;
      if (undone !== null) return failed(name, lane, undone);
      lane.failures = 0;
      lane.failingSinceMs = null;
      await told.say(name, null, null);
      if (isWriting && waitMs > 0) return waitMs;
      // After a write the result is read back at once: an acknowledgement is a claim, what is served is a fact.
      if (isWriting) return RETRY_MS;
      return Math.min(steps.every((s) => s.kind === 'done') ? REASSERT_MS : FROZEN_LOOK_MS, late.nextLookMs(name));
    } catch (error) {
      return failed(name, lane, errorText(error));
    }
  };

  const wantedOf = (name: string, now: NonNullable<ReturnType<typeof current>>, term: Term): readonly Wanted[] => {
    const active = activeOverrides(now.sight.overrides, term.nowMs());
    return writable(now.cluster, now.routing.services, name)
      .filter(({ service }) => stopOn(active, service) === undefined)
      .map(({ service, routing }) => {
        const desired = desiredOf(service, routing);
        const fence: Fence = {
          v: routing.fence,
          epoch: term.epoch,
          writer: options.writer,
          nonce: nonceOf(routing.nonce, ports.random.hex(4)),
          hash: stateHash(desired),
        };
        return { desired, fence, applied: book.of(now.sight, name, service.name) };
      });
  };

  const write = async (name: string, provider: Provider, steps: readonly Step[], term: Term, seen: Sight): Promise<string | null> => {
    const changes = steps.flatMap((s) => (s.kind === 'write' ? [s.change] : []));
    const first = changes.length === 0 ? null : await attempt(name, provider, changes, term);
    if (first === null || first.outcome === 'applied') {
      await book.acknowledge(
        seen,
        name,
        [
          ...changes.map((c) => ({ service: c.desired.service, fence: c.fence })),
          ...steps.flatMap((s) => (s.kind === 'done' ? [{ service: s.service, fence: s.fence }] : [])),
        ],
        term,
      );
      return null;
    }
    // A batch is all or nothing; one service in conflict or refused must not keep the others waiting.
    if (changes.length > 1 && (first.outcome === 'conflict' || first.outcome === 'fatal'))
      return await split(name, provider, changes, term, seen);
    return first.because;
  };

  const split = async (name: string, provider: Provider, changes: readonly Change[], term: Term, seen: Sight): Promise<string | null> => {
    let undone: string | null = null;
    for (const change of changes) {
      const result = await attempt(name, provider, [change], term);
      if (result.outcome === 'applied')
        await book.acknowledge(seen, name, [{ service: change.desired.service, fence: change.fence }], term);
      else undone ??= result.because;
    }
    return undone;
  };

  /**
   * The right to act is proved anew right before each call; without it nothing leaves this process. Guarded on the orders as they were read last, so that
   * nothing is written any more once a stop is in the store. Null: proved, a moment ago.
   */
  const provenRight = async (services: readonly string[], term: Term): Promise<string | null> => {
    const sight = options.sight();
    const active = activeOverrides(sight?.overrides ?? null, term.nowMs());
    const isStopped = (service: ServiceConfig): boolean => services.includes(service.name) && stopOn(active, service) !== undefined;
    if (sight?.cluster == null || sight.cluster.services.some(isStopped)) return CHANGED;
    for (let n = 0; n < PROOFS_MAX; n++) {
      const begunAtMs = ports.clock.monoMs();
      if (!(await term.commit([{ key: KEYS.override, mod: sight.mod(KEYS.override) }], []))) return CHANGED;
      // A renewal that took longer, or a process that slept after it, proves nothing about now.
      if (ports.clock.monoMs() - begunAtMs <= PROOF_MS) return null;
    }
    return `the leader record could not be renewed within ${PROOF_MS} ms, ${PROOFS_MAX} times in a row`;
  };

  const attempt = async (name: string, provider: Provider, changes: readonly Change[], term: Term): Promise<Applied> => {
    const refusal = await provenRight(
      changes.map((c) => c.desired.service),
      term,
    );
    if (refusal !== null) {
      options.onWrite(name, 'refused');
      return { outcome: 'conflict', because: refusal };
    }
    const result = await withDeadline(
      ports.timers,
      PROVIDER_TIMEOUT_MS,
      `write to ${name}`,
      (signal) => provider.apply(changes, signal),
      stopped.signal,
    ).catch((error): Applied => ({ outcome: 'undecided', because: errorText(error) }));
    late.wrote(name, provider);
    options.onWrite(name, result.outcome);
    log.info('publish.write', {
      provider: name,
      outcome: result.outcome,
      services: changes.map((c) => c.desired.service),
      fence: Math.max(...changes.map((c) => c.fence.v)),
      ...(result.outcome === 'applied' ? {} : { because: result.because }),
    });
    return result;
  };

  const failed = (name: string, lane: Lane, because: string): number => {
    if (stopped.signal.aborted) return RETRY_MS;
    lane.failures++;
    lane.failingSinceMs ??= ports.clock.monoMs();
    log.warn('publish.failed', { provider: name, failures: lane.failures, because });
    if (lane.failures >= FAILURES_MAX || ports.clock.monoMs() - lane.failingSinceMs > FAILING_MAX_MS) {
      lane.failures = 0;
      lane.failingSinceMs = null;
      const summary = `provider ${name} could not be written from ${options.writer}: ${because}; another region should try`;
      void told
        .say(name, null, { type: 'provider.failing', severity: 'critical', summary })
        .then(() => options.abdicate(`provider ${name}: ${because}`));
    }
    return RETRY_MS;
  };

  /** Tells each problem of each service once while it lasts, and forgets those that are over. */
  const report = async (name: string, steps: readonly Step[], term: Term, seen: Sight): Promise<void> => {
    for (const s of steps) {
      await told.say(name, s.service, newsOf(s));
      if (s.kind === 'ahead' || s.kind === 'manual') await book.freeze(seen, name, s, term);
    }
  };

  for (const name of lanes.keys()) run(name);
  return {
    publish(routing) {
      if (newest === null || routing.v > newest.v) newest = routing;
      for (const name of lanes.keys()) run(name);
    },
    async stop() {
      stopped.abort(new Error('stopping'));
      for (const lane of lanes.values()) lane.timer?.cancel();
      await Promise.allSettled([...work]);
    },
  };
};
