// t4, t5 and t6 of an incident's services, from what the provider acknowledged and what the vantages report. An instant once set never moves.
// Which fence counts: the newest, as long as its route gives the pools that are out no share. It may be newer than the incident's own decision: a later
// route that still drains the region brings its users away just as well, and the older one will never be seen again. An older fence is not believed,
// since nobody remembers what its route was. Vantages report ages; the bound of the record's own age is added, so an instant errs by at most one read
// of the coordinator, and towards earlier. Ignores the goals: timings.ts holds instants against them. Pure.

import { quorumOf } from '../health/timing.ts';
import type { ClusterConfig, Incident, Published, Routing, Seen, ServiceConfig, ServiceRouting } from '../model.ts';
import type { Acknowledgement } from './acknowledged.ts';
import { isProxied, measurable } from './landing.ts';
import { convergenceOf, decidedAtMs, detectionOf, type Judgement, moves } from './timings.ts';

export interface Report {
  region: string;
  replica: string;
  seen: Seen;
  /** Upper bound of the record's age; Infinity when nothing bounds it. */
  ageMs: number;
}

/** One sight, as far as it bears on convergence. */
export interface Evidence {
  cluster: ClusterConfig;
  routing: Routing;
  /** By service, of the path whose acknowledgement counts. */
  applied: Readonly<Record<string, Acknowledgement>>;
  seen: readonly Report[];
  /** Upper bound of the age of the youngest beat of each region. */
  spokeAgeMs: Readonly<Record<string, number>>;
}

const WITNESSES_THOUSANDTHS = 950;

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined => (Object.hasOwn(record, key) ? record[key] : undefined);

/** In: `nowMs` in cluster time. Out: the incident with what is new, or null. */
export const measure = (incident: Incident, evidence: Evidence, nowMs: number): Incident | null => {
  if (!moves(incident)) return null;
  const news = incident.services.flatMap((service): [string, Published][] => {
    const before = own(incident.published, service);
    const now = published(incident, service, evidence, nowMs);
    return before !== undefined && isSame(before, now) ? [] : [[service, now]];
  });
  return news.length === 0 ? null : { ...incident, published: { ...incident.published, ...Object.fromEntries(news) } };
};

const STAMPS = ['t3AtMs', 't4AtMs', 't4By', 't5AtMs', 't6AtMs', 'because', 'unmeasured'] as const;

const landings = (p: Published): number => Object.keys(p.landedAtMs ?? {}).length;

/** An instant of the curve, once there, never moves; so their number tells. */
const isSame = (a: Published, b: Published): boolean => STAMPS.every((key) => a[key] === b[key]) && landings(a) === landings(b);

const published = (incident: Incident, service: string, evidence: Evidence, nowMs: number): Published => {
  const config = evidence.cluster.services.find((each) => each.name === service);
  const routing = own(evidence.routing.services, service);
  const { unmeasured: _, ...before } = own(incident.published, service) ?? firstSight(incident, evidence.routing, routing, nowMs);
  const blind = whyUnmeasured(config, routing);
  if (config === undefined || routing === undefined || blind !== null)
    return before.t6AtMs === undefined && blind !== null ? { ...before, unmeasured: blind } : before;
  if (!drains(incident, config, routing)) return before;
  const applied = own(evidence.applied, service);
  const acknowledgedAtMs = applied?.outcome === 'applied' && applied.fence === routing.fence ? applied.atMs : null;
  const instants = {
    t4AtMs: before.t4AtMs ?? acknowledgedAtMs,
    t5AtMs: before.t5AtMs ?? reachedAtMs(incident, evidence, service, routing.fence, 'authoritativeAgeMs', nowMs),
    t6AtMs: before.t6AtMs ?? reachedAtMs(incident, evidence, service, routing.fence, 'landedAgeMs', nowMs),
  };
  // What held before the decision took no time after it: a pool without a share has no users to bring away.
  const t3AtMs = before.t3AtMs ?? incident.t3AtMs;
  const afterT3 = (atMs: number): number => Math.round(Math.max(t3AtMs, atMs));
  const set = Object.entries(instants).flatMap(([key, atMs]) => (atMs === null ? [] : [[key, afterT3(atMs)] as const]));
  const landedAtMs = { ...curve(incident, evidence, service, routing.fence, nowMs, afterT3), ...before.landedAtMs };
  const by = before.t4AtMs === undefined && acknowledgedAtMs !== null && applied?.by !== undefined ? { t4By: applied.by } : {};
  return { ...before, ...Object.fromEntries(set), ...by, ...(Object.keys(landedAtMs).length > 0 ? { landedAtMs } : {}) };
};

/** When users landed as each vantage alive at t3 sees it: those that have seen it. */
const curve = (
  incident: Incident,
  evidence: Evidence,
  service: string,
  fence: number,
  nowMs: number,
  afterT3: (atMs: number) => number,
): Record<string, number> =>
  Object.fromEntries(
    population(incident, evidence, nowMs).flatMap((region) => {
      const atMs = regionAtMs(evidence.seen, region, service, fence, 'landedAgeMs', nowMs);
      return atMs === null ? [] : [[region, afterT3(atMs)] as const];
    }),
  );

/** A service that joined the incident later has a decision of its own; its instant is known exactly only while that is the newest. */
const firstSight = (incident: Incident, routing: Routing, service: ServiceRouting | undefined, nowMs: number): Published => {
  if (service === undefined || service.fence <= incident.v) return {};
  return { t3AtMs: Math.max(incident.t3AtMs, routing.v === service.fence ? routing.atMs : nowMs) };
};

/** A sentence, or null when convergence can be measured. */
const whyUnmeasured = (config: ServiceConfig | undefined, routing: ServiceRouting | undefined): string | null => {
  if (config === undefined || routing === undefined) return 'no longer configured';
  if (routing.mode !== 'auto') return `in ${routing.mode}: nothing is written`;
  if (measurable(config).landing) return null;
  return isProxied(config)
    ? 'its pools have no addresses, and resolvers and a request are not both configured: nobody sees where users land'
    : 'no resolvers and no request configured: nobody sees where users land';
};

/** The newest route sends nothing to what this incident took out. */
const drains = (incident: Incident, config: ServiceConfig, routing: ServiceRouting): boolean => {
  const out = config.pools.filter((pool) => pool.region === incident.region && own(routing.pools, pool.name)?.state === 'out');
  return out.length > 0 && out.every((pool) => (own(routing.route, pool.name) ?? 0) === 0);
};

/** Regions whose vantage was alive at t3. A beat may be believed for a while after its writer died, so a witness that has not spoken since t3 is none. */
export const population = (incident: Incident, evidence: Pick<Evidence, 'cluster' | 'spokeAgeMs'>, nowMs: number): readonly string[] => {
  const sinceMs = nowMs - incident.t3AtMs;
  if (sinceMs <= evidence.cluster.policy.freshMs) return incident.witnesses;
  return incident.witnesses.filter((region) => (own(evidence.spokeAgeMs, region) ?? Number.POSITIVE_INFINITY) <= sinceMs);
};

/** The instant at which 95 % of the population, and a majority of all witnesses, had seen it; null: not yet. */
const reachedAtMs = (
  incident: Incident,
  evidence: Evidence,
  service: string,
  fence: number,
  what: 'authoritativeAgeMs' | 'landedAgeMs',
  nowMs: number,
): number | null => {
  const alive = population(incident, evidence, nowMs);
  const needs = Math.max(Math.ceil((alive.length * WITNESSES_THOUSANDTHS) / 1000), quorumOf(incident.witnesses.length));
  const instants = alive.flatMap((region) => {
    const atMs = regionAtMs(evidence.seen, region, service, fence, what, nowMs);
    return atMs === null ? [] : [atMs];
  });
  return instants.sort((a, b) => a - b)[needs - 1] ?? null;
};

/**
 * Of the route in force, whoever ordered it: since when all its servers answer it (t5), and since when users land on it (t6), as 95 % of the regions that
 * speak and a majority of all see it. null: not yet. Absent: not measured here.
 */
export interface Arrived {
  t5AtMs?: number | null;
  t6AtMs?: number | null;
}

export const arrivedOf = (evidence: Omit<Evidence, 'applied'>, service: ServiceConfig, nowMs: number): Arrived => {
  const routing = own(evidence.routing.services, service.name);
  if (routing === undefined || routing.mode !== 'auto') return {};
  const voters = evidence.cluster.regions.filter(({ vote }) => vote).map(({ name }) => name);
  const { freshMs } = evidence.cluster.policy;
  const alive = voters.filter((region) => (own(evidence.spokeAgeMs, region) ?? Number.POSITIVE_INFINITY) <= freshMs);
  const needs = Math.max(Math.ceil((alive.length * WITNESSES_THOUSANDTHS) / 1000), quorumOf(voters.length));
  const at = (what: 'authoritativeAgeMs' | 'landedAgeMs'): number | null => {
    const instants = alive.flatMap((region) => regionAtMs(evidence.seen, region, service.name, routing.fence, what, nowMs) ?? []);
    return instants.sort((a, b) => a - b)[needs - 1] ?? null;
  };
  const { authoritative, landing } = measurable(service);
  return { ...(authoritative ? { t5AtMs: at('authoritativeAgeMs') } : {}), ...(landing ? { t6AtMs: at('landedAgeMs') } : {}) };
};

/** A region has seen it when each of its replicas that reports has. */
const regionAtMs = (
  seen: readonly Report[],
  region: string,
  service: string,
  fence: number,
  what: 'authoritativeAgeMs' | 'landedAgeMs',
  nowMs: number,
): number | null => {
  let latestAtMs: number | null = null;
  for (const report of seen) {
    // A record that nothing bounds was written by a process of which nothing is known any more; one that lives writes again soon.
    if (report.region !== region || !Number.isFinite(report.ageMs)) continue;
    const entry = own(report.seen.services, service);
    const ageMs = entry?.fence === fence ? entry[what] : null;
    if (ageMs === null) return null;
    latestAtMs = Math.max(latestAtMs ?? Number.NEGATIVE_INFINITY, nowMs - ageMs - report.ageMs);
  }
  return latestAtMs;
};

/** Why t6 of a service is not there yet, in one sentence. */
export const whyWaiting = (incident: Incident, service: string, evidence: Evidence, nowMs: number): string => {
  const fence = own(evidence.routing.services, service)?.fence ?? 0;
  const applied = own(evidence.applied, service);
  if (applied?.fence !== fence || applied.outcome !== 'applied')
    return `the provider has not acknowledged fence ${fence}${applied === undefined ? '' : ` (${applied.outcome}: ${applied.because})`}`;
  for (const region of population(incident, evidence, nowMs)) {
    if (regionAtMs(evidence.seen, region, service, fence, 'landedAgeMs', nowMs) !== null) continue;
    const reports = evidence.seen.filter((report) => report.region === region && Number.isFinite(report.ageMs));
    const waiting = reports.map((report) => own(report.seen.services, service)).find((entry) => entry?.landedAgeMs == null);
    return waiting === undefined ? `${region} has not reported on it` : `${region} sees: ${waiting.because}`;
  }
  return 'too few of the vantages alive at the decision are left to say so';
};

export interface Measured {
  detectionMs: number | null;
  /** From the last good look by any vantage. */
  detectionUpperMs: number | null;
  /** The slowest service's; null until all have landed. */
  convergenceMs: number | null;
  /** null: not known yet, or never to be. */
  met: { detection: boolean | null; convergence: boolean | null };
}

const verdictOf = (judgement: Judgement): boolean | null => (judgement === 'met' ? true : judgement === 'missed' ? false : null);

/** The incident against the goals, with the arithmetic that the status document shows. */
export const goalsOf = (incident: Incident, goals: ClusterConfig['goals'], nowMs: number): Measured => {
  const detection = detectionOf(incident, goals);
  const convergence = convergenceOf(incident, goals, nowMs);
  return {
    detectionMs: detection.ms,
    detectionUpperMs: detection.atMostMs,
    convergenceMs: convergence.ms,
    met: { detection: verdictOf(detection.judgement), convergence: verdictOf(convergence.judgement) },
  };
};

/** Services that should have landed by now and have not, although the route that drains them stands. */
export const lateServices = (incident: Incident, evidence: Evidence, nowMs: number): readonly string[] =>
  incident.services.filter((service) => {
    const stamps = own(incident.published, service);
    const config = evidence.cluster.services.find((each) => each.name === service);
    const routing = own(evidence.routing.services, service);
    if (stamps?.t6AtMs !== undefined || stamps?.unmeasured !== undefined || config === undefined || routing === undefined) return false;
    return drains(incident, config, routing) && nowMs - decidedAtMs(incident, service) > evidence.cluster.goals.convergenceMs;
  });
