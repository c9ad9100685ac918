// How long users took to follow a decision so far, and how long they may take next time: measured where there is anything measured, else the worst case that
// the configuration allows, and said to be that. Pure.
import { type Pace, USUAL_PACE, worstCaseOf } from '../config/arithmetic.ts';
import { convergenceOf } from '../converge/timings.ts';
import { type ClusterConfig, type Incident, pathsOf, type ServiceConfig } from '../model.ts';

/** 50th and 99th percentile in ms, of how many. */
export interface Measured {
  p50Ms: number;
  p99Ms: number;
  count: number;
}

export interface ConvergenceHistory {
  /** t3 to t6 in ms of what was drained, by service. */
  services: Readonly<Record<string, readonly number[]>>;
  /** From a canary's write to its arrival at resolvers, by provider. */
  canaries: Readonly<Record<string, Measured>>;
}

export interface Convergence {
  p50Ms: number;
  p99Ms: number;
  samples: number;
  source: 'history' | 'worst-case';
  because: string;
}

/** Fewer say nothing about the slowest: then more of the like are looked for. */
const SAMPLES_MIN = 5;
/** The newest of each service: what was measured a year ago was another configuration. */
const SAMPLES_MAX = 100;

export const historyOf = (
  cluster: ClusterConfig,
  incidents: readonly Incident[],
  canaries: ConvergenceHistory['canaries'] = {},
): ConvergenceHistory => {
  const services = new Map<string, number[]>();
  for (const incident of incidents.toSorted((a, b) => b.t3AtMs - a.t3AtMs))
    for (const { service, convergedMs } of convergenceOf(incident, cluster.goals, incident.closedAtMs ?? incident.t3AtMs).services) {
      if (convergedMs === null) continue;
      const samples = services.get(service) ?? [];
      if (samples.length < SAMPLES_MAX) samples.push(convergedMs);
      services.set(service, samples);
    }
  return { services: Object.fromEntries(services), canaries };
};

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined => (Object.hasOwn(record, key) ? record[key] : undefined);

const measured = (samplesMs: readonly number[], because: string): Convergence => {
  const inOrder = samplesMs.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(inOrder[Math.min(inOrder.length - 1, Math.floor(inOrder.length * share))] ?? 0);
  return { p50Ms: at(0.5), p99Ms: at(0.99), samples: inOrder.length, source: 'history', because };
};

/** Its own drains first, then those of its provider's other services, then what canaries measured there, then what the arithmetic allows. */
export const convergenceFor = (
  cluster: ClusterConfig,
  service: ServiceConfig,
  history: ConvergenceHistory | undefined,
  pace: Pace = USUAL_PACE,
): Convergence => {
  const { provider } = service;
  const mine = own(history?.services ?? {}, service.name) ?? [];
  const alike = cluster.services
    .filter((each) => pathsOf(each)[0] === provider)
    .flatMap((each) => own(history?.services ?? {}, each.name) ?? []);
  if (mine.length >= SAMPLES_MIN) return measured(mine, `measured at its own ${mine.length} last drains`);
  if (alike.length >= SAMPLES_MIN) return measured(alike, `measured at ${alike.length} drains of services by ${provider}`);
  const canary = own(history?.canaries ?? {}, provider);
  if (canary !== undefined) {
    const because = `measured at ${canary.count} flights of the canary of ${provider}, until resolvers answered`;
    return { p50Ms: canary.p50Ms, p99Ms: canary.p99Ms, samples: canary.count, source: 'history', because };
  }
  if (alike.length > 0)
    return measured(alike, `measured at ${alike.length} drains of services by ${provider}: too few to say much of the slowest`);
  const { totalMs } = worstCaseOf(cluster, service, pace).convergence;
  return {
    p50Ms: totalMs,
    p99Ms: totalMs,
    samples: 0,
    source: 'worst-case',
    because: 'nothing is measured yet: the longest that the configuration allows',
  };
};
