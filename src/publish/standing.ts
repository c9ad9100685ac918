// How each provider stands, as this process has seen it in its present term: when a write last went through, what fails and for which services, how long
// writes take. What is known of an earlier term is forgotten: the way out may be another by now.
import type { Arrival } from '../config/arithmetic.ts';
import { pathsOf, type ServiceConfig } from '../model.ts';
import type { Clock } from '../ports.ts';
import { type PathStanding, type RankedPaths, rankPaths } from './paths.ts';

/** This many failures in a row, or this long without success, and another region should try. */
const FAILURES_MAX = 3;
const FAILING_MAX_MS = 10_000;
/** Writes remembered of each provider. */
const SAMPLES_MAX = 200;
/** Fewer say nothing about the slowest. */
const SAMPLES_MIN = 5;

/** 50th and 99th percentile in ms, of how many. */
export interface Spread {
  p50Ms: number;
  p99Ms: number;
  count: number;
}

/** null: too few. */
export const spreadOf = (samplesMs: readonly number[]): Spread | null => {
  if (samplesMs.length < SAMPLES_MIN) return null;
  const sorted = samplesMs.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50Ms: at(0.5), p99Ms: at(0.99), count: sorted.length };
};

export interface Standing {
  /** What was known of an earlier term is forgotten. */
  begin(epoch: number): void;
  /** What is known of services that are no longer written there is over. */
  only(provider: string, services: readonly string[]): void;
  /** These were written, or found written. `tookMs`: until a write was acknowledged; null: nothing was written. */
  worked(provider: string, services: readonly string[], tookMs: number | null): void;
  /**
   * Counts a failed turn of these. Out: those that have failed often or long enough to be told of, and are counted anew from here. `isBusy`: the vendor asks
   * everybody to wait, which is a failure only once it lasts.
   */
  failed(provider: string, services: readonly string[], because: string, isBusy?: boolean): readonly string[];
  /** What the provider acknowledged it did not carry out: until a later write has settled, its acknowledgements say nothing. */
  tookBack(provider: string, services: readonly string[], because: string): void;
  settled(provider: string, services: readonly string[]): void;
  /** A canary came through (`failing` null; `tookMs` until its write was acknowledged), or did not. */
  canary(provider: string, failing: string | null, tookMs?: number): void;
  /** Is anything known to fail there? */
  isFailing(provider: string): boolean;
  /** Failures in a row of what fails most. */
  failures(provider: string): number;
  /** None of its paths works from here. */
  isStuck(service: ServiceConfig): boolean;
  /** What fails of it fails by more than a vendor that is busy, so another region may do better. */
  isBetterElsewhere(service: ServiceConfig): boolean;
  /** Its paths, best first. */
  ranked(service: ServiceConfig): RankedPaths;
  /** Of writes until they were acknowledged. */
  spread(provider: string): Spread | null;
  provenAgoMs(provider: string): number | null;
}

interface Trouble {
  /** Since when it is not as decided, for whatever reason. */
  sinceMs: number;
  failures: number;
  /** The first of these failures; null: there is none. */
  failedSinceMs: number | null;
  /** null: it has not failed for long enough to count. */
  failing: { because: string; isBusy: boolean } | null;
}

const afterFailure = (known: Trouble | undefined, because: string, isBusy: boolean, nowMs: number): Trouble & { isEnough: boolean } => {
  const { sinceMs, failures, failedSinceMs, failing } = known ?? { sinceMs: nowMs, failures: 0, failedSinceMs: null, failing: null };
  const begunMs = isBusy ? sinceMs : (failedSinceMs ?? nowMs);
  const isEnough = nowMs - begunMs > FAILING_MAX_MS || (!isBusy && failures + 1 >= FAILURES_MAX);
  if (isEnough) return { sinceMs: nowMs, failures: 0, failedSinceMs: isBusy ? null : nowMs, failing: { because, isBusy }, isEnough };
  if (isBusy) return { sinceMs, failures, failedSinceMs, failing, isEnough };
  return { sinceMs, failures: failures + 1, failedSinceMs: begunMs, failing, isEnough };
};

interface Known {
  provenAtMs: number | null;
  samplesMs: number[];
  /** By service. */
  troubles: Map<string, Trouble>;
  /** By service: why. */
  takenBack: Map<string, string>;
  canaryFailing: string | null;
}

export const createStanding = (clock: Clock, arrivals: Readonly<Record<string, Arrival>>): Standing => {
  let epoch = 0;
  let known = new Map<string, Known>();

  const of = (provider: string): Known => {
    let found = known.get(provider);
    if (found === undefined) {
      found = { provenAtMs: null, samplesMs: [], troubles: new Map(), takenBack: new Map(), canaryFailing: null };
      known.set(provider, found);
    }
    return found;
  };

  const failingText = (provider: string, service: string): string | null =>
    of(provider).troubles.get(service)?.failing?.because ?? of(provider).takenBack.get(service) ?? of(provider).canaryFailing;

  const usersMs = (provider: string, ttlS: number): number | null => {
    const arrival = Object.hasOwn(arrivals, provider) ? arrivals[provider] : undefined;
    return arrival === undefined ? null : arrival.visibleMs + (arrival.ttl ? ttlS * 1000 : 0);
  };

  const provenAgoMs = (provider: string): number | null => {
    const { provenAtMs } = of(provider);
    return provenAtMs === null ? null : Math.round(clock.monoMs() - provenAtMs);
  };

  const remember = (provider: string, tookMs: number): void => {
    const { samplesMs } = of(provider);
    samplesMs.push(tookMs);
    if (samplesMs.length > SAMPLES_MAX) samplesMs.shift();
  };

  return {
    begin(now) {
      if (now !== epoch) known = new Map();
      epoch = now;
    },
    only(provider, services) {
      const { troubles, takenBack } = of(provider);
      for (const some of [troubles, takenBack]) for (const service of some.keys()) if (!services.includes(service)) some.delete(service);
    },
    worked(provider, services, tookMs) {
      const { troubles } = of(provider);
      for (const service of services) troubles.delete(service);
      if (tookMs === null) return;
      of(provider).provenAtMs = clock.monoMs();
      // What users need went through: whatever grounded the canary is its own.
      of(provider).canaryFailing = null;
      remember(provider, tookMs);
    },
    failed(provider, services, because, isBusy = false) {
      const { troubles } = of(provider);
      return services.filter((service) => {
        const { isEnough, ...trouble } = afterFailure(troubles.get(service), because, isBusy, clock.monoMs());
        troubles.set(service, trouble);
        return isEnough;
      });
    },
    tookBack(provider, services, because) {
      for (const service of services) of(provider).takenBack.set(service, because);
    },
    settled(provider, services) {
      for (const service of services) of(provider).takenBack.delete(service);
    },
    canary(provider, failing, tookMs) {
      of(provider).canaryFailing = failing;
      if (failing !== null) return;
      of(provider).provenAtMs = clock.monoMs();
      if (tookMs !== undefined) remember(provider, tookMs);
    },
    isFailing: (provider) => [...of(provider).troubles.values()].some(({ failing }) => failing !== null),
    failures: (provider) => Math.max(0, ...[...of(provider).troubles.values()].map(({ failures }) => failures)),
    isStuck: (service) => pathsOf(service).every((provider) => failingText(provider, service.name) !== null),
    isBetterElsewhere: (service) =>
      pathsOf(service).some((provider) => {
        const failing = of(provider).troubles.get(service.name)?.failing ?? null;
        return failing === null ? failingText(provider, service.name) !== null : !failing.isBusy;
      }),
    ranked: (service) =>
      rankPaths(
        pathsOf(service).map(
          (provider): PathStanding => ({
            provider,
            provenAgoMs: provenAgoMs(provider),
            failing: failingText(provider, service.name),
            p99Ms: spreadOf(of(provider).samplesMs)?.p99Ms ?? null,
            usersMs: usersMs(provider, service.ttlS),
          }),
        ),
      ),
    spread: (provider) => spreadOf(of(provider).samplesMs),
    provenAgoMs,
  };
};
