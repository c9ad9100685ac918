// What this vantage sees of convergence: asks the authoritative servers, the resolvers and the regions themselves until a new route has landed, and
// looks again now and then for drift. Reports in its own `seen/` record; decides nothing, writes to no provider. A service is looked at every half
// second while its route is new, every five seconds once that has gone on for long, every half minute after it landed. At most 8 services at a time,
// the longest due first, so that many services cost time and not sockets.
import { seenKey } from '../coordinate/keys.ts';
import { query } from '../dns/exchange.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, ConvergeConfig, Routing, Seen } from '../model.ts';
import type { Ports, Timer } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { type AskContext, type Asked, askAll } from './ask.ts';
import { after, type Course, isDone, type Look, newCourse } from './course.ts';
import { isProxied, measurable, SAMPLES } from './landing.ts';
import { type HttpGet, httpGet } from './request.ts';
import { createSeenWriter } from './seen.ts';

export interface ConvergeWatcherOptions {
  ports: Ports;
  log: Log;
  store: Store;
  region: string;
  replica: string;
  boot: string;
  /** For tests in virtual time. */
  dnsQuery?: typeof query;
  httpGet?: HttpGet;
  /** A fence was seen to land here. */
  onLanding?: (service: string, fence: number) => void;
}

export interface ConvergeWatcher {
  /** Takes what the store says now; the same again changes nothing. */
  update(now: { cluster: ClusterConfig; routing: Routing }): void;
  /** Ends what is under way. What was seen stays written, and goes stale. */
  stop(): Promise<void>;
}

const SERVICES_AT_ONCE = 8;
const ROUND_MS = 500;
/** A route that has not landed for this long is looked at, and reported, less often. */
const QUICK_MS = 300_000;
const TIRED_ROUND_MS = 5000;
const DRIFT_ROUND_MS = 30_000;
/** A look for drift needs no proof of absence: what it misses now it meets later. */
const DRIFT_SAMPLES = 5;
const REQUEST_MS = 2000;
/** Requests of one round that stand for the samples of a name that its provider answers for. */
const PROXIED_REQUESTS = 4;
const REPORT_MS = 5000;
/** A new coordinator bounds the age of a record only if it is young; a while after landing the record is still repeated often. */
const REPORT_AFTER_LANDING_MS = 60_000;

interface Watched {
  course: Course;
  configVersion: number;
  nextAtMs: number;
  running: boolean;
  /** Counts rounds, to take turns among the addresses. */
  round: number;
  changedAtMs: number;
}

export const createConvergeWatcher = (options: ConvergeWatcherOptions): ConvergeWatcher => {
  const { ports, log } = options;
  const { dnsQuery = query, httpGet: get = httpGet } = options;
  const stopped = new AbortController();
  const context: AskContext = { ports, dnsQuery, signal: stopped.signal };
  const rounds = new Set<Promise<void>>();
  let services = new Map<string, Watched>();
  let configVersion = 0;
  let timer: Timer | null = null;

  const mono = (): number => ports.clock.monoMs();

  // ---- what to look at, and when ----

  const update = ({ cluster, routing }: { cluster: ClusterConfig; routing: Routing }): void => {
    if (stopped.signal.aborted) return;
    const next = new Map<string, Watched>();
    let changed = configVersion !== cluster.version;
    configVersion = cluster.version;
    for (const service of cluster.services) {
      const decided = Object.hasOwn(routing.services, service.name) ? routing.services[service.name] : undefined;
      if (decided === undefined || decided.mode !== 'auto' || decided.fence === 0) continue;
      const known = services.get(service.name);
      const same = known !== undefined && known.course.fence === decided.fence && known.configVersion === cluster.version;
      next.set(service.name, same ? known : watched(newCourse(service, decided.route, decided.fence, mono())));
      changed ||= !same;
    }
    changed ||= next.size !== services.size;
    services = next;
    if (!changed) return;
    writer.soon();
    pump();
  };

  const watched = (course: Course): Watched => {
    const nowMs = mono();
    return { course, configVersion, nextAtMs: paceOf(course, nowMs, 0), running: false, round: 0, changedAtMs: nowMs };
  };

  /** When to look next after a round that began at `startedAtMs`. */
  const paceOf = (course: Course, startedAtMs: number, roundMs = ROUND_MS): number => {
    const can = measurable(course.service);
    if (!can.authoritative && !can.landing) return Number.POSITIVE_INFINITY;
    // Services that landed together drift apart, so that their looks are spread.
    if (isDone(course)) return startedAtMs + DRIFT_ROUND_MS * (0.5 + ports.random.unit());
    return startedAtMs + (startedAtMs - course.openedAtMs < QUICK_MS ? roundMs : TIRED_ROUND_MS);
  };

  const pump = (): void => {
    timer?.cancel();
    if (stopped.signal.aborted) return;
    const waiting = [...services.values()].filter((w) => !w.running).sort((a, b) => a.nextAtMs - b.nextAtMs);
    for (const w of waiting) {
      if (rounds.size >= SERVICES_AT_ONCE) return;
      if (w.nextAtMs > mono()) {
        if (Number.isFinite(w.nextAtMs)) timer = ports.timers.after(w.nextAtMs - mono(), pump);
        return;
      }
      begin(w);
    }
  };

  const begin = (w: Watched): void => {
    const startedAtMs = mono();
    w.running = true;
    const round = lookAt(w)
      .then(
        (look) => take(w, look),
        (error) => {
          if (!stopped.signal.aborted) log.error('converge.broken', { service: w.course.service.name, because: errorText(error) });
        },
      )
      .then(() => {
        w.running = false;
        w.nextAtMs = paceOf(w.course, startedAtMs);
        rounds.delete(round);
        pump();
      });
    rounds.add(round);
  };

  // ---- one round ----

  const lookAt = async (w: Watched): Promise<Look> => {
    const { service, route, authoritativeSinceMs } = w.course;
    const { authoritative, resolvers } = service.converge;
    const samples = authoritativeSinceMs === null ? SAMPLES : DRIFT_SAMPLES;
    w.round += 1;
    const asking = askAll(context, isProxied(service) ? [] : authoritative, { service, route, samples, recursive: false });
    const users = async (): Promise<Pick<Look, 'resolvers' | 'requests'>> => {
      if (resolvers.length === 0) return { resolvers: [], requests: await requests(w, addressesIn(await asking)) };
      const asked = await askAll(context, resolvers, { service, route, samples: 1, recursive: true });
      return { resolvers: asked, requests: await requests(w, addressesIn(asked)) };
    };
    const [asked, rest] = await Promise.all([asking, users()]);
    return { authoritative: asked.length === 0 ? null : asked, ...rest };
  };

  const addressesIn = (asked: readonly Asked[]): readonly string[] => [...new Set(asked.flatMap((each) => each.addresses))].sort();

  /** In turn at the addresses; where one address stands for all pools, several at once. */
  const requests = async (w: Watched, addresses: readonly string[]): Promise<Look['requests']> => {
    const { service } = w.course;
    const config = service.converge.request;
    if (config === undefined || addresses.length === 0) return [];
    const count = isProxied(service) ? PROXIED_REQUESTS : 1;
    return Promise.all(
      Array.from({ length: count }, (_, i) => request(service.name, config, addresses[(w.round * count + i) % addresses.length] ?? '')),
    );
  };

  const request = async (
    host: string,
    config: NonNullable<ConvergeConfig['request']>,
    address: string,
  ): Promise<Look['requests'][number]> => {
    const { port, path, tls = false } = config;
    try {
      return { address, outcome: await get({ ports, address, port, path, tls, host, timeoutMs: REQUEST_MS, signal: stopped.signal }) };
    } catch (error) {
      return { address, outcome: { failed: errorText(error) } };
    }
  };

  const take = (w: Watched, look: Look): void => {
    // The route moved on during the round: what was seen concerns nobody any more.
    if (services.get(w.course.service.name) !== w) return;
    const before = w.course;
    const { course, drift } = after(before, look, mono());
    w.course = course;
    const { fence } = course;
    const service = course.service.name;
    if (drift !== null) log.warn('converge.drift', { service, fence, because: drift });
    if (before.landedSinceMs === null && course.landedSinceMs !== null) {
      log.info('converge.landed', { service, fence, afterMs: Math.round(course.landedSinceMs - course.openedAtMs) });
      options.onLanding?.(service, fence);
    }
    const isNews = (a: number | null, b: number | null): boolean => (a === null) !== (b === null);
    if (isNews(before.landedSinceMs, course.landedSinceMs) || isNews(before.authoritativeSinceMs, course.authoritativeSinceMs)) {
      w.changedAtMs = mono();
      writer.soon();
    }
  };

  // ---- the report ----

  const ageOf = (sinceMs: number | null): number | null => (sinceMs === null ? null : Math.round(mono() - sinceMs));

  const content = (): Seen | null =>
    configVersion === 0 && services.size === 0
      ? null
      : {
          boot: options.boot,
          configVersion,
          services: Object.fromEntries(
            [...services].map(([name, { course }]) => [
              name,
              {
                fence: course.fence,
                authoritativeAgeMs: ageOf(course.authoritativeSinceMs),
                landedAgeMs: ageOf(course.landedSinceMs),
                because: course.because,
              },
            ]),
          ),
        };

  const writer = createSeenWriter({
    ports,
    store: options.store,
    log,
    key: seenKey(options.region, options.replica),
    content,
    againMs: () => {
      const nowMs = mono();
      const isLively = ({ course, changedAtMs }: Watched): boolean =>
        isDone(course) ? nowMs - changedAtMs < REPORT_AFTER_LANDING_MS : nowMs - course.openedAtMs < QUICK_MS;
      return [...services.values()].some(isLively) ? REPORT_MS : DRIFT_ROUND_MS;
    },
  });

  return {
    update,
    async stop() {
      stopped.abort(new Error('stopping'));
      timer?.cancel();
      await Promise.allSettled([...rounds]);
      await writer.stop();
    },
  };
};
