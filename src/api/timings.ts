// What an incident's stamps say about the goals: detection as an interval, convergence per service and in all. Pure.
// Detection is t3 - t0, where t0 is the start of the first failed probe; the outage itself began somewhere after the last good look, so the upper
// bound is t3 - (last good look). Convergence is t6 - t3. A missing stamp is said to be missing; nothing is estimated.
import type { ClusterConfig, Incident } from '../model.ts';

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
  /** t4, t5 and t6 after t3. */
  acknowledgedMs: number | null;
  authoritativeMs: number | null;
  convergedMs: number | null;
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

const serviceTiming = (incident: Incident, service: string): ServiceTiming => {
  const stamps = Object.hasOwn(incident.published, service) ? incident.published[service] : undefined;
  return {
    service,
    acknowledgedMs: since(incident.t3AtMs, stamps?.t4AtMs),
    authoritativeMs: since(incident.t3AtMs, stamps?.t5AtMs),
    convergedMs: since(incident.t3AtMs, stamps?.t6AtMs),
    because: stamps?.because ?? null,
  };
};

/** `nowMs` is cluster time: a goal that has passed is missed before the last stamp is in. */
export const convergenceOf = (incident: Incident, goals: ClusterConfig['goals'], nowMs: number): ConvergenceTiming => {
  const goalMs = goals.convergenceMs;
  const services = incident.services.map((service) => serviceTiming(incident, service));
  const waitingFor = services.filter((timing) => timing.convergedMs === null).map((timing) => timing.service);
  const complete = services.length > 0 && waitingFor.length === 0;
  const ms = complete ? Math.max(...services.map((timing) => timing.convergedMs ?? 0)) : null;
  const unfinished = (): Judgement => {
    // An incident that never was to move anything (no services), or ended before users were seen on the new route, has no convergence.
    if (services.length === 0 || incident.closedAtMs !== null) return 'unmeasured';
    return nowMs - incident.t3AtMs > goalMs ? 'missed' : 'pending';
  };
  return { ms, goalMs, judgement: ms === null ? unfinished() : ms <= goalMs ? 'met' : 'missed', waitingFor, services };
};
