// The canaries of a replica that coordinates: each path is flown every few minutes, never in the way of what is decided, and never past a stop. What would
// fail tonight (an API, a token, a quota) pages today, once while it lasts. Only the holder of the office flies.
import type { Provider } from '../../providers/provider.ts';
import type { CanaryConfig } from '../config/canary.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { outboxKey, proofKey } from '../coordinate/keys.ts';
import { proofsIn, type Sight } from '../coordinate/read.ts';
import { query } from '../dns/exchange.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Page, type Proof, pathsOf, staleAfterMs } from '../model.ts';
import { type Ports, sleep } from '../ports.ts';
import type { Op } from '../store/store.ts';
import { type FlightContext, type Flown, fly, type Stage, through } from './flight.ts';
import { afterDrill, failOver, proofPage } from './micro-drill.ts';
import type { Publisher } from './publisher.ts';
import { whyHeld } from './rehearsal.ts';
import { type Spread, spreadOf } from './standing.ts';

export interface CanariesOptions {
  ports: Ports;
  log: Log;
  writer: string;
  providers: ReadonlyMap<string, Provider>;
  canaries: readonly CanaryConfig[];
  sight: () => Sight | null;
  term: () => Term | null;
  publisher: Pick<Publisher, 'standing' | 'rights' | 'told' | 'isBusy'>;
  /** A stage was reached, `tookMs` after the write began. */
  onStage: (provider: string, stage: Stage, tookMs: number) => void;
  onFailure: (provider: string, stage: Stage) => void;
  /** A micro-drill came through: a phase of it, in ms from the commit of its decision. */
  onProven?: (provider: string, phase: string, tookMs: number) => void;
  /** Does a run of a platform go on? Micro-drills wait for it. Absent: there are none. */
  isRunning?: (signal: AbortSignal) => Promise<boolean>;
  dnsQuery?: typeof query;
}

export interface CanaryState {
  /** The path that it proves. */
  provider: string;
  service: string;
  /** Cluster time of the last flight that ended; null: none did in this term. */
  atMs: number | null;
  ok: boolean | null;
  because: string;
  stages: Readonly<Record<string, Spread | null>>;
}

/** A micro-drill as the holder of the office sees it: kept from being flown now; and nothing kept it for so long that its proof is stale. */
export interface DrillState {
  provider: string;
  isHeld: boolean;
  isStale: boolean;
}

export interface Canaries {
  states(): readonly CanaryState[];
  /** Of those that are micro-drills; of a term that has not looked yet there is nothing to say, and it is left out. */
  drills(): readonly DrillState[];
  stop(): Promise<void>;
}

/** Until somebody has just taken office, or a failover is done. */
const WAIT_MS = 1000;
const AGAIN_MS = 30_000;
/** A new term begins its flights spread over this, whatever their pace, and not before a late write of the last holder must have ended. */
const FIRST_MS = { from: 5000, to: 30_000 } as const;
/** One lost reply is no news. */
const FAILURES_MIN = 2;
/** Two holders may meet, and a human may look at what they wrote; after ten minutes nothing is proven by it. */
const KEPT_MAX = 20;
/** Away for so long, this process no longer knows what was told of it. */
const FORGET_MS = 600_000;
const SAMPLES_MAX = 200;
/** Flights at one pace would meet those of others for ever. */
const JITTER = 0.1;

/** What befell a canary that reached it. */
const REACHED: Readonly<Record<Stage, string>> = {
  read: 'read',
  acknowledged: 'acknowledged',
  settled: 'settled',
  authoritative: "answered by the provider's servers",
  resolver: 'answered by resolvers',
};

interface Bird {
  canary: CanaryConfig;
  provider: Provider;
  epoch: number;
  failures: number;
  /** Flights in a row that proved nothing, such as by meeting what is somebody else's. */
  kept: number;
  /** Flights in a row that ended since it may not be written now. */
  waits: number;
  atMs: number | null;
  /** By this process's own clock, whatever the term. */
  landedAtMs: number;
  ok: boolean | null;
  because: string;
  samplesMs: Map<Stage, number[]>;
  /** Of one that is failed over: what this term knows of its proof, and since when, by this process's own clock, nothing keeps it from being proved. */
  proof: Proof | null;
  freeSinceMs: number | null;
  isHeld: boolean;
}

export const createCanaries = (options: CanariesOptions): Canaries => {
  const { ports, log, publisher, term } = options;
  const { standing, rights, told } = publisher;
  const stopped = new AbortController();
  const birds = options.canaries.flatMap((canary): Bird[] => {
    const provider = options.providers.get(canary.provider);
    const fresh = { epoch: 0, failures: 0, kept: 0, waits: 0, atMs: null, landedAtMs: 0, ok: null, because: 'not flown yet' };
    const unproven = { samplesMs: new Map(), proof: null, freeSinceMs: null, isHeld: false };
    return provider === undefined ? [] : [{ canary, provider, ...fresh, ...unproven }];
  });

  /** May it fly now? A name that has become a service of the cluster is no canary any more; where writes fail already, they are told of and tried anyway. */
  const mayFly = ({ canary }: Bird, right: Term): boolean => {
    const cluster = options.sight()?.cluster;
    if (cluster == null || cluster.services.some(({ name }) => name === canary.service)) return false;
    return !publisher.isBusy() && !standing.isFailing(canary.path) && rights.allows([canary.service], right);
  };

  const remember = (bird: Bird, stages: ReadonlyMap<Stage, number>): void => {
    for (const [stage, tookMs] of stages) {
      const samples = bird.samplesMs.get(stage) ?? [];
      samples.push(tookMs);
      if (samples.length > SAMPLES_MAX) samples.shift();
      bird.samplesMs.set(stage, samples);
      options.onStage(bird.canary.path, stage, tookMs);
    }
  };

  /** Services in auto that have no way left that is not known to fail. */
  const stuckBy = (name: string): readonly string[] =>
    (options.sight()?.cluster?.services ?? [])
      .filter((service) => service.mode === 'auto' && pathsOf(service).includes(name) && standing.isStuck(service))
      .map((service) => service.name);

  // ---- what is proved ----

  /** Commits what is known of its proof, with the page that says so. False: this process may not, or nobody knows. */
  const keep = async (bird: Bird, right: Term, proof: Proof, told: Page | null = null): Promise<boolean> => {
    const value: Proof = { ...proof, nonce: ports.random.hex(8) };
    const pages: Op[] = told === null ? [] : [{ put: outboxKey(told.id), value: told }];
    if (!(await right.commit([], [{ put: proofKey(bird.canary.path), value }, ...pages]))) return false;
    bird.proof = value;
    return true;
  };

  const pageOf = (bird: Bird, right: Term, proof: Proof, news: Parameters<typeof proofPage>[3]): Page | null => {
    const sight = options.sight();
    if (sight?.cluster == null) return null;
    const about = { cluster: sight.cluster, v: sight.routing?.v ?? 0, nonce: ports.random.hex(8), nowMs: right.nowMs() };
    return proofPage(about, bird.canary.path, proof, news);
  };

  /** How the drill ended goes to the store; a proof that was stale is said to be fresh again. */
  const ended = async (bird: Bird, right: Term, before: Proof | null, flown: Flown): Promise<void> => {
    const begun = bird.proof;
    if (begun === null || begun === before) return;
    const after = afterDrill(before, begun, flown) ?? { ...begun, last: { ...begun.last, ok: false, because: 'not written' } };
    const isFresh = flown.outcome === 'through' && after.stale;
    const told = isFresh ? pageOf(bird, right, after, { stale: false }) : null;
    await keep(bird, right, { ...after, stale: after.stale && told === null }, told);
    if (flown.outcome !== 'through') return;
    for (const [phase, ms] of Object.entries(after.last.phasesMs)) options.onProven?.(bird.canary.path, phase, ms);
  };

  /** Nothing kept it from being proved for long enough, and it was not. What fails is told as that: that its proof grows old is no more news. */
  const isOverdue = ({ canary, freeSinceMs, proof, failures }: Bird, right: Term): boolean => {
    if (freeSinceMs === null || failures > 0) return false;
    const freeMs = ports.clock.monoMs() - freeSinceMs;
    const staleMs = staleAfterMs(canary);
    const provenAtMs = proof?.provenAtMs ?? null;
    const ageMs = provenAtMs === null ? freeMs : right.nowMs() - provenAtMs;
    // After a hold, or in a new term, the next one has its time first.
    return ageMs > staleMs && freeMs > Math.min(staleMs, canary.everyMs + FIRST_MS.to);
  };

  /** Somebody should know, once. */
  const watchProof = async (bird: Bird, right: Term): Promise<void> => {
    const { proof } = bird;
    if (proof === null || proof.stale || !isOverdue(bird, right)) return;
    const told = pageOf(bird, right, proof, { stale: true, because: bird.because });
    if (told === null || (await keep(bird, right, { ...proof, stale: true }, told))) return;
    // Where the store does not take proofs, that is what somebody has to hear of.
    if (await right.commit([], [{ put: outboxKey(told.id), value: told }])) bird.proof = { ...proof, stale: true };
  };

  /** Why it must not be failed over now as it was read last, beside what keeps every canary; null: it may. */
  const seenHold = (bird: Bird, right: Term): string | null => {
    const sight = options.sight();
    if (sight?.cluster == null) return 'no configuration is known';
    const { cluster, incidents, overrides } = sight;
    return whyHeld({ cluster, incidents, overrides }, bird.canary.path, right.nowMs());
  };

  const holdOn = async (bird: Bird, right: Term): Promise<string | null> =>
    seenHold(bird, right) ?? ((await options.isRunning?.(stopped.signal)) === true ? 'a run goes on' : null);

  const drill = async (bird: Bird, context: FlightContext, right: Term): Promise<Flown> => {
    const sight = options.sight();
    if (sight?.cluster == null) return { outcome: 'not-now', because: 'no configuration is known' };
    const before = bird.proof;
    const stand = { cluster: sight.cluster, heard: sight.heard };
    const holds = { hold: () => holdOn(bird, right), seenHold: () => seenHold(bird, right) };
    const flown = await fly({ ...context, ...holds, stand, proof: before, keep: (proof: Proof) => keep(bird, right, proof) }, failOver);
    if (!stopped.signal.aborted && term()?.epoch === right.epoch) await ended(bird, right, before, flown);
    return flown;
  };

  // ---- what is told ----

  const tell = async (bird: Bird, flown: Flown & { outcome: 'failed' }): Promise<void> => {
    const { path } = bird.canary;
    standing.canary(path, `its canary: ${flown.because}`);
    const stuck = stuckBy(path);
    const what = `a failover by ${path} would fail now: its canary ${bird.canary.service} was not ${REACHED[flown.at]} (${flown.because})`;
    const whom =
      stuck.length === 0 ? 'other paths of its services are not known to fail' : `no path of ${stuck.slice(0, 3).join(', ')} is proven`;
    const severity = stuck.length === 0 ? 'warning' : 'critical';
    await told.say(path, null, { type: 'provider.canary_failing', severity, summary: `${what}; ${whom}` }, 'canary');
  };

  const kept = async (bird: Bird, because: string): Promise<number> => {
    const { path, service, everyMs } = bird.canary;
    bird.kept++;
    // It was read: whatever failed before is over, or fails again.
    bird.failures = 0;
    bird.because = `not written: ${because}`;
    log.warn('canary.kept', { provider: path, because, times: bird.kept });
    const summary = `nothing is proven of ${path}: its canary ${service} is not written (${because})`;
    // Where something was proved, that its proof is stale says it.
    if (bird.kept >= KEPT_MAX && bird.proof === null)
      await told.say(path, null, { type: 'provider.canary_failing', severity: 'warning', summary }, 'canary');
    return Math.min(AGAIN_MS, everyMs);
  };

  const landed = async (bird: Bird, flown: Flown, right: Term): Promise<number> => {
    const { path, everyMs } = bird.canary;
    if (flown.outcome === 'not-now') {
      // Each is a read of the provider, and questions to servers.
      bird.because = `waits: ${flown.because}`;
      return Math.min(AGAIN_MS, everyMs, WAIT_MS * 2 ** bird.waits++);
    }
    bird.waits = 0;
    bird.landedAtMs = ports.clock.monoMs();
    if (flown.outcome === 'kept') return kept(bird, flown.because);
    bird.kept = 0;
    bird.atMs = right.nowMs();
    bird.ok = flown.outcome === 'through';
    remember(bird, flown.stages);
    const stages = Object.fromEntries([...flown.stages].map(([stage, ms]) => [stage, Math.round(ms)]));
    if (flown.outcome === 'through') {
      bird.failures = 0;
      bird.because = 'came through';
      log.info('canary.through', { provider: path, stages });
      standing.canary(path, null, flown.stages.get('acknowledged'));
      await told.say(path, null, null, 'canary');
      return everyMs * (1 + JITTER * (2 * ports.random.unit() - 1));
    }
    bird.failures++;
    bird.because = `not ${flown.at}: ${flown.because}`;
    log.warn('canary.failed', { provider: path, at: flown.at, because: flown.because, failures: bird.failures, stages });
    options.onFailure(path, flown.at);
    if (flown.isFinal || bird.failures >= FAILURES_MIN) await tell(bird, flown);
    return Math.min(AGAIN_MS, everyMs);
  };

  /** Out: ms until the next try. */
  const step = async (bird: Bird): Promise<number> => {
    const right = term();
    if (right === null) return WAIT_MS;
    if (bird.epoch !== right.epoch) {
      // Others may have seen it come through since: what fails now is news again. Not so where the office goes round because everything fails.
      if (ports.clock.monoMs() - bird.landedAtMs > FORGET_MS) await told.say(bird.canary.path, null, null, 'canary');
      Object.assign(bird, { epoch: right.epoch, failures: 0, kept: 0, waits: 0, atMs: null, ok: null, because: 'not flown yet' });
      const sight = options.sight();
      const proof = sight === null ? null : (proofsIn(sight).get(bird.canary.path) ?? null);
      Object.assign(bird, { proof, freeSinceMs: null, isHeld: false });
      return FIRST_MS.from + (Math.min(FIRST_MS.to, bird.canary.everyMs) - FIRST_MS.from) * ports.random.unit();
    }
    const { canary, provider } = bird;
    if (canary.microDrill === true) {
      const hold = await holdOn(bird, right);
      if (hold !== null) {
        Object.assign(bird, { because: `waits: ${hold}`, freeSinceMs: null, isHeld: true });
        return WAIT_MS;
      }
      bird.isHeld = false;
      bird.freeSinceMs ??= ports.clock.monoMs();
      await watchProof(bird, right);
    }
    if (!mayFly(bird, right)) return WAIT_MS;
    const { isBusy } = publisher;
    const context: FlightContext = {
      ports,
      writer: options.writer,
      canary,
      provider,
      term: right,
      rights,
      isBusy,
      dnsQuery: options.dnsQuery ?? query,
      signal: stopped.signal,
    };
    const flown = canary.microDrill === true ? await drill(bird, context, right) : await fly(context, through);
    // A term that ended meanwhile tells nothing.
    return stopped.signal.aborted || term()?.epoch !== bird.epoch ? WAIT_MS : landed(bird, flown, right);
  };

  const loop = async (bird: Bird): Promise<void> => {
    while (!stopped.signal.aborted) {
      const waitMs = await step(bird).catch((error: unknown) => {
        log.error('canary.broken', { provider: bird.canary.path, because: errorText(error) });
        return AGAIN_MS;
      });
      await sleep(ports.timers, waitMs, stopped.signal).catch(() => undefined);
    }
  };
  const loops = birds.map(loop);

  return {
    states: () =>
      birds.map(({ canary, atMs, ok, because, samplesMs }) => ({
        provider: canary.path,
        service: canary.service,
        atMs,
        ok,
        because,
        stages: Object.fromEntries([...samplesMs].map(([stage, samples]) => [stage, spreadOf(samples)])),
      })),
    drills() {
      const right = term();
      if (right === null) return [];
      return birds
        .filter(
          ({ canary, epoch, isHeld, freeSinceMs }) =>
            canary.microDrill === true && epoch === right.epoch && (isHeld || freeSinceMs !== null),
        )
        .map((bird) => ({
          provider: bird.canary.path,
          isHeld: bird.isHeld,
          isStale: bird.proof?.stale === true || isOverdue(bird, right),
        }));
    },
    async stop() {
      stopped.abort(new Error('stopping'));
      await Promise.all(loops);
    },
  };
};
