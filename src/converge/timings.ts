// What an incident's stamps say about the goals: detection as an interval, convergence per service and in all. Pure.
// Detection is t3 - t0, where t0 is the start of the first failed probe; the outage itself began somewhere after the last good look, so the upper
// bound is t3 - (last good look). Convergence is t6 - t3. A missing stamp is said to be missing; nothing is estimated.
import type { ClusterConfig, Incident, Published } from '../model.ts';

export type Judgement = 'met' | 'missed' | 'pending' | 'unmeasured';

export interface DetectionTiming {
  /** t3 - t0; null when no probe failed (a hold, an override). */
  ms: number | null;
  /** t3 - last good look by any vantage; null when nobody had a good look. */
  atMostMs: number | null;
  goalMs: number;
  judgement: Judgement;
}

export interface ServiceTiming {
  service: string;
  /** t4, t5 and t6 after the decision that drained this service. */
  acknowledgedMs: number | null;
  authoritativeMs: number | null;
  convergedMs: number | null;
  /** The curve behind t6: after how long each vantage saw users land, soonest first. */
  landed: readonly { region: string; ms: number }[];
  because: string | null;
}

export interface ConvergenceTiming {
  /** The slowest service's t6 - t3; null until all have it. */
  ms: number | null;
  goalMs: number;
  judgement: Judgement;
  /** Services without t6. */
  waitingFor: readonly string[];
  services: readonly ServiceTiming[];
}

const since = (t3AtMs: number, atMs: number | null | undefined): number | null =>
  atMs === null || atMs === undefined ? null : Math.max(0, atMs - t3AtMs);

export const detectionOf = (incident: Incident, goals: ClusterConfig['goals']): DetectionTiming => {
  const before = (atMs: number | null): number | null => (atMs === null ? null : Math.max(0, incident.t3AtMs - atMs));
  const ms = before(incident.t0AtMs);
  const judgement = ms === null ? 'unmeasured' : ms <= goals.detectionMs ? 'met' : 'missed';
  return { ms, atMostMs: before(incident.t0LastAtMs), goalMs: goals.detectionMs, judgement };
};

const stampsOf = (incident: Incident, service: string): Published =>
  (Object.hasOwn(incident.published, service) ? incident.published[service] : undefined) ?? {};

/** Cluster time of the decision that drained this service: one that failed later than its region's first has its own. */
export const decidedAtMs = (incident: Incident, service: string): number => stampsOf(incident, service).t3AtMs ?? incident.t3AtMs;

/** How one service of an incident followed. */
export const serviceTiming = (incident: Incident, service: string): ServiceTiming => {
  const stamps = stampsOf(incident, service);
  const t3AtMs = decidedAtMs(incident, service);
  return {
    service,
    acknowledgedMs: since(t3AtMs, stamps.t4AtMs),
    authoritativeMs: since(t3AtMs, stamps.t5AtMs),
    convergedMs: since(t3AtMs, stamps.t6AtMs),
    landed: Object.entries(stamps.landedAtMs ?? {})
      .map(([region, atMs]) => ({ region, ms: Math.max(0, atMs - t3AtMs) }))
      .sort((a, b) => a.ms - b.ms),
    because: stamps.unmeasured ?? stamps.because ?? null,
  };
};

/** Only a drained region's traffic has somewhere to go; a hold moves nothing. */
export const moves = (incident: Incident): boolean => incident.kind === 'region-down' || incident.kind === 'region-unready';

/** The same without the services' own times, which are many. `nowMs` is cluster time: a goal that has passed is missed before the last stamp is in. */
export const convergenceInShort = (
  incident: Incident,
  { convergenceMs: goalMs }: ClusterConfig['goals'],
  nowMs: number,
): Omit<ConvergenceTiming, 'services'> => {
  const all = incident.services.map((service) => ({ service, stamps: stampsOf(incident, service) }));
  const measured = moves(incident) ? all.filter(({ stamps }) => stamps.unmeasured === undefined) : [];
  const waiting = measured.filter(({ stamps }) => stamps.t6AtMs === undefined);
  const tookMs = measured.map(({ service, stamps }) => since(decidedAtMs(incident, service), stamps.t6AtMs) ?? 0);
  const ms = measured.length > 0 && waiting.length === 0 ? Math.max(...tookMs) : null;
  const unfinished = (): Judgement => {
    // An incident of which nothing can be seen to move, or that ended before users were seen on the new route, has no convergence.
    if (measured.length === 0 || incident.closedAtMs !== null) return 'unmeasured';
    const late = waiting.some(({ service }) => nowMs - decidedAtMs(incident, service) > goalMs);
    return late || tookMs.some((took) => took > goalMs) ? 'missed' : 'pending';
  };
  return {
    ms,
    goalMs,
    judgement: ms === null ? unfinished() : ms <= goalMs ? 'met' : 'missed',
    waitingFor: waiting.map(({ service }) => service),
  };
};

/** A record that was read does not change: how its services followed is worked out once, however often the documents of now are made. */
const followed = new WeakMap<Incident, readonly ServiceTiming[]>();

const timingsOf = (incident: Incident): readonly ServiceTiming[] => {
  const timings = followed.get(incident) ?? incident.services.map((service) => serviceTiming(incident, service));
  followed.set(incident, timings);
  return timings;
};

export const convergenceOf = (incident: Incident, goals: ClusterConfig['goals'], nowMs: number): ConvergenceTiming => ({
  ...convergenceInShort(incident, goals, nowMs),
  services: timingsOf(incident),
});

/** The latest of all of its services that can be seen to move; null while one is missing. */
export const slowest = (incident: Incident, stamp: 't4AtMs' | 't5AtMs' | 't6AtMs'): number | null => {
  const stamps = incident.services
    .map((service) => stampsOf(incident, service))
    .filter(({ unmeasured }) => unmeasured === undefined)
    .map((published) => published[stamp] ?? null);
  return stamps.length === 0 || stamps.includes(null) ? null : Math.max(...stamps.map((at) => at ?? 0));
};

/** What is told of an incident's times: its stamps in cluster time, and what they come to beside the goals. Services: the slowest few. */
export interface Course {
  t0AtMs: number | null;
  t1AtMs: number | null;
  t2AtMs: number | null;
  t3AtMs: number;
  /** Of the slowest service; null: not yet, or not to be seen. */
  t4AtMs: number | null;
  t5AtMs: number | null;
  t6AtMs: number | null;
  detection: { ms: number | null; goalMs: number; judgement: Judgement };
  convergence: { ms: number | null; goalMs: number; judgement: Judgement; waitingFor: readonly string[] };
}

const WAITING_NAMED_MAX = 10;

export const courseOf = (incident: Incident, goals: ClusterConfig['goals'], nowMs: number): Course => {
  const detection = detectionOf(incident, goals);
  const convergence = convergenceOf(incident, goals, nowMs);
  const whole = (atMs: number | null): number | null => (atMs === null ? null : Math.round(atMs));
  return {
    t0AtMs: whole(incident.t0AtMs),
    t1AtMs: whole(incident.t1AtMs),
    t2AtMs: whole(incident.t2AtMs),
    t3AtMs: Math.round(incident.t3AtMs),
    t4AtMs: whole(slowest(incident, 't4AtMs')),
    t5AtMs: whole(slowest(incident, 't5AtMs')),
    t6AtMs: whole(slowest(incident, 't6AtMs')),
    detection: { ms: detection.ms, goalMs: detection.goalMs, judgement: detection.judgement },
    convergence: {
      ms: convergence.ms,
      goalMs: convergence.goalMs,
      judgement: convergence.judgement,
      waitingFor: convergence.waitingFor.slice(0, WAITING_NAMED_MAX),
    },
  };
};
