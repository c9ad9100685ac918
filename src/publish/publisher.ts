// The publisher, while this process coordinates: brings what the providers serve to the decided routes and keeps it there. Level-triggered, a lane per
// provider: every turn compares desired against read-back and writes until they agree, after every decision and every half minute, so a lost trigger costs
// time, never truth. Every outside write is preceded by a guarded renewal that began at most a second ago, made for the orders of humans as they were read,
// and carries the fence that the provider compares. All paths of a service are brought there; which one it acts through is said. Only a coordinator's term
// may run it.
import type { Applied, Provider } from '../../providers/provider.ts';
import type { Arrival } from '../config/arithmetic.ts';
import type { Term } from '../coordinate/coordinator.ts';
import type { Sight } from '../coordinate/read.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { pathsOf, type Routing } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { createAppliedBook } from './applied.ts';
import { type Current, createLane, type Lane } from './lane.ts';
import { createLateWrites } from './late.ts';
import { createRights, type Rights } from './rights.ts';
import { PROVIDER_TIMEOUT_MS, RETRY_MS } from './round.ts';
import { createSettling, type Ended } from './settle.ts';
import { createStanding, type Standing } from './standing.ts';
import { createTold, type Told } from './told.ts';
import { createTrailKeeper } from './trail.ts';

export interface PublisherOptions {
  ports: Ports;
  log: Log;
  writer: string;
  providers: ReadonlyMap<string, Provider>;
  /** Where it is written down how decisions reached their providers; absent: nowhere. */
  trail?: Pick<Store, 'get' | 'txn'>;
  /** How users follow each provider, as far as that is known. */
  arrivals?: Readonly<Record<string, Arrival>>;
  /** Names that are written and are no services of the cluster: canaries. */
  others?: ReadonlySet<string>;
  /** What the store says now, and the right to act on it. */
  sight: () => Sight | null;
  term: () => Term | null;
  /** A write towards a provider ended, after `tookMs`; for measuring. */
  onWrite: (provider: string, outcome: Applied['outcome'] | 'refused', tookMs: number) => void;
  /** How an acknowledged write went on, `tookMs` after the acknowledgement. */
  onSettled?: (provider: string, ended: Ended, tookMs: number) => void;
  /** t4: the provider acknowledged this fence. */
  onApplied: (service: string, fence: number, atMs: number, provider: string) => void;
  abdicate: (because: string) => Promise<void>;
}

export interface Publisher {
  /** A route was committed: publish now. */
  publish(routing: Routing): void;
  /** How each provider stands, as far as this process has written there in its term. */
  readonly standing: Standing;
  /** For those who write beside the lanes, as they do: with the same right, and out of their way. */
  readonly rights: Rights;
  readonly told: Told;
  isBusy(): boolean;
  stop(): Promise<void>;
}

interface Running {
  lane: Lane;
  running: boolean;
  again: boolean;
  timer: Timer | null;
}

const BUSY = 'the vendor asks everybody to wait, so another region would meet the same; find what uses up its limit';

export const createPublisher = (options: PublisherOptions): Publisher => {
  const { ports, log, term } = options;
  const stopped = new AbortController();
  const work = new Set<Promise<void>>();
  let newest: Routing | null = null;
  /** The store's last adoption as `newest` was committed: what came before the next one is another history. */
  let adopted: string | null | undefined;

  /**
   * The newest committed route this process knows: its own last commit is never older than what it last read. Null until the route was decided for the
   * configuration in force: shares of pools that came or went in between would be nobody's.
   */
  const current = (): Current | null => {
    const sight = options.sight();
    if (sight?.cluster == null) return null;
    const adoption = sight.adopted?.nonce ?? null;
    if (adopted !== undefined && adopted !== adoption) newest = null;
    adopted = adoption;
    const routing = newest !== null && newest.v > (sight.routing?.v ?? 0) ? newest : sight.routing;
    return routing == null || routing.membersVersion !== sight.cluster.version ? null : { routing, cluster: sight.cluster, sight };
  };

  const standing = createStanding(ports.clock, options.arrivals ?? {});
  const told = createTold({ ports, now: current, term });
  const rights = createRights({ ports, sight: options.sight, others: options.others ?? new Set() });

  // ---- what fails ----

  /** One path that fails is told; only when a service has none left is it another region's turn. */
  const failing = (name: string, services: readonly string[], because: string): void => {
    const configured = current()?.cluster.services.filter((service) => services.includes(service.name)) ?? [];
    const stuck = configured.filter((service) => standing.isStuck(service));
    const found = `provider ${name} could not be written from ${options.writer}: ${because}`;
    const still = configured.filter((service) => !stuck.includes(service));
    const givesWay = stuck.some(standing.isBetterElsewhere);
    const others = [...new Set(still.flatMap((service) => standing.ranked(service).order.filter((path) => path !== name)))];
    const news =
      stuck.length > 0 || still.length === 0
        ? { type: 'provider.failing', severity: 'critical' as const, summary: `${found}; ${givesWay ? 'another region should try' : BUSY}` }
        : {
            type: 'provider.failing',
            severity: 'warning' as const,
            summary: `${found}; its services go by ${others.join(', ')} meanwhile`,
          };
    void told.say(name, null, news).then(() => (givesWay ? options.abdicate(`provider ${name}: ${because}`) : undefined));
  };

  const trail = createTrailKeeper({
    ports,
    log,
    ...(options.trail === undefined ? {} : { store: options.trail }),
    writer: options.writer,
    nowMs: () => term()?.nowMs() ?? ports.clock.wallMs(),
  });

  const settling = createSettling({
    ports,
    log,
    term,
    timeoutMs: PROVIDER_TIMEOUT_MS,
    onEnded(name, ended, tookMs, { fences, because }) {
      options.onSettled?.(name, ended, tookMs);
      trail.ended(name, fences, ended, tookMs, because);
    },
    onSettled(name, services) {
      standing.settled(name, services);
      // As acknowledged, it says; what is served shows now.
      run(name);
      for (const service of services) void told.say(name, service, null, 'settle');
    },
    onTakenBack(name, services, times, because) {
      standing.tookBack(name, services, because);
      // What is served now is a fact that only reading brings; a second time in a row it is no chance.
      run(name);
      const summary = (service: string): string =>
        `${name} acknowledged the route of ${service} and took it back, ${times} times in a row: ${because}; look at the provider's own console`;
      if (times < 2) return;
      for (const service of services)
        void told.say(name, service, { type: 'provider.taken_back', severity: 'critical', summary: summary(service) }, 'settle');
    },
  });

  // ---- the lanes ----

  const shared = {
    ports,
    log,
    writer: options.writer,
    now: current,
    term,
    rights,
    told,
    standing,
    settling,
    trail,
    stopped: stopped.signal,
  };
  const late = createLateWrites(ports.clock, PROVIDER_TIMEOUT_MS);
  const book = createAppliedBook({ onApplied: options.onApplied });
  const lanes = new Map<string, Running>(
    [...options.providers].map(([name, provider]) => {
      const lane = createLane({ ...shared, name, provider, late, book, onWrite: options.onWrite, onFailing: failing });
      return [name, { lane, running: false, again: false, timer: null }];
    }),
  );

  const run = (name: string): void => {
    const one = lanes.get(name);
    if (one === undefined || stopped.signal.aborted) return;
    if (one.running) {
      one.again = true;
      return;
    }
    one.running = true;
    one.again = false;
    one.timer?.cancel();
    const job = one.lane
      .turn()
      .catch((error) => {
        log.error('publish.broken', { provider: name, because: errorText(error) });
        return RETRY_MS;
      })
      .then((nextMs) => {
        one.running = false;
        if (stopped.signal.aborted) return;
        if (one.again) run(name);
        else one.timer = ports.timers.after(nextMs, () => run(name));
      });
    work.add(job);
    void job.finally(() => work.delete(job));
  };

  /** Which path each newly decided service acts through, and why. */
  const sayPaths = (routing: Routing): void => {
    for (const service of current()?.cluster.services ?? []) {
      if (pathsOf(service).length === 1 || routing.services[service.name]?.fence !== routing.v) continue;
      const { order, because } = standing.ranked(service);
      log.info('publish.path', { service: service.name, fence: routing.v, path: order[0], because });
    }
  };

  for (const name of lanes.keys()) run(name);
  return {
    publish(routing) {
      if (newest === null || routing.v > newest.v) {
        newest = routing;
        sayPaths(routing);
      }
      for (const name of lanes.keys()) run(name);
    },
    standing,
    rights,
    told,
    isBusy: () => [...lanes].some(([name, { lane, running }]) => running || (lane.isBehind() && !standing.isFailing(name))),
    async stop() {
      stopped.abort(new Error('stopping'));
      settling.stop();
      trail.stop();
      for (const { timer } of lanes.values()) timer?.cancel();
      await Promise.allSettled([...work]);
    },
  };
};
