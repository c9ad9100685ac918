// The coordinator's part of measuring: at every turn it writes what is new about open incidents, pages once when the goal to converge was missed, feeds
// the histograms, and keeps incidents from growing without end. Everything it must not forget is in the incident; what it keeps in memory only spares
// work. A commit that was refused is simply tried at the next turn, from a newer sight. Leaves `seen/`, `vote/` and `beat/` of silent replicas alone.

import type { Term } from '../coordinate/coordinator.ts';
import { incidentKey, outboxKey, placeOf } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { page, threadOf } from '../decide/incident.ts';
import type { Log } from '../log.ts';
import type { AppliedRecord, Incident, Page, Routing, Seen } from '../model.ts';
import type { Op } from '../store/store.ts';
import { acknowledgements } from './acknowledged.ts';
import { type Evidence, goalsOf, lateServices, measure, whyWaiting } from './measure.ts';
import { convergenceOf, courseOf, moves } from './timings.ts';

export interface ConvergeDutiesOptions {
  log: Log;
  /** t3 - t0 of an incident, ms. */
  detection: (tookMs: number) => void;
  /** t6 - t3 of one service of an incident, ms. */
  convergence: (tookMs: number) => void;
  /** A service of an incident has not landed within the goal; also of those that land later. */
  missed: () => void;
}

export interface ConvergeDuties {
  /** Once per turn of a term: at most one commit. `nowMs` in cluster time. */
  turn(sight: Sight, nowMs: number, term: Term): Promise<void>;
}

/** Incidents written in one turn; the rest waits half a second. */
const INCIDENTS_PER_TURN = 16;
const CLOSED_KEPT = 100;
/** Records deleted in one turn. */
const PRUNED_PER_TURN = 64;
const SERVICES_NAMED_MAX = 3;
const MISSED = 'convergence.missed';

export const createConvergeDuties = ({ log, detection, convergence, missed }: ConvergeDutiesOptions): ConvergeDuties => {
  /** Open incidents whose detection was counted, or is another coordinator's to count. */
  const counted = new Set<string>();

  const countDetections = (sight: Sight, epoch: number): void => {
    const open = sight.incidents.filter((incident) => incident.closedAtMs === null && moves(incident));
    for (const id of counted) if (!open.some((incident) => incident.id === id)) counted.delete(id);
    for (const incident of open) {
      if (counted.has(incident.id)) continue;
      counted.add(incident.id);
      const { detectionMs } = goalsOf(incident, { detectionMs: 0, convergenceMs: 0 }, incident.t3AtMs);
      if (incident.epoch === epoch && detectionMs !== null) detection(detectionMs);
    }
  };

  const countLandings = (before: Incident, after: Incident, { services }: Routing): void => {
    for (const [service, stamps] of Object.entries(after.published)) {
      if (stamps.t6AtMs === undefined || before.published[service]?.t6AtMs !== undefined) continue;
      const tookMs = stamps.t6AtMs - (stamps.t3AtMs ?? after.t3AtMs);
      log.info('converge.measured', { incident: after.id, service, ...stamps, tookMs });
      // Where nothing had to move, its route is older than the incident, and a zero would only flatter the histogram. Else it is less than looks can tell.
      if (tookMs > 0 || (services[service]?.fence ?? 0) >= after.v) convergence(tookMs);
    }
  };

  const countMisses = (before: Incident, after: Incident): void => {
    for (const [service, { because }] of Object.entries(after.published))
      if (because !== undefined && before.published[service]?.because === undefined) missed();
  };

  const measureOpen = async (sight: Sight, evidence: Evidence, nowMs: number, term: Term): Promise<boolean> => {
    const nonce = `${term.epoch}-${nowMs}`;
    const changes = sight.incidents
      .filter((incident) => incident.closedAtMs === null)
      .flatMap((before) => {
        const change = changeOf(before, evidence, nowMs, nonce);
        return change === null ? [] : [{ before, ...change }];
      })
      .slice(0, INCIDENTS_PER_TURN);
    if (changes.length === 0) return false;
    const conditions = changes.map(({ after }) => ({ key: incidentKey(after.id), mod: sight.mod(incidentKey(after.id)) }));
    const ops = changes.flatMap(({ after, pages }): Op[] => [
      { put: incidentKey(after.id), value: after },
      ...pages.map((each) => ({ put: outboxKey(each.id), value: each })),
    ]);
    if (!(await term.commit(conditions, ops))) return true;
    for (const { before, after, pages } of changes) {
      countLandings(before, after, evidence.routing);
      countMisses(before, after);
      for (const { type, summary } of pages) if (type === MISSED) log.warn('converge.missed', { incident: after.id, because: summary });
    }
    return true;
  };

  const prune = async (sight: Sight, term: Term): Promise<void> => {
    const closed = sight.incidents.filter((incident) => incident.closedAtMs !== null);
    const old = closed.toSorted((a, b) => (b.closedAtMs ?? 0) - (a.closedAtMs ?? 0)).slice(CLOSED_KEPT, CLOSED_KEPT + PRUNED_PER_TURN);
    if (old.length === 0) return;
    const keys = old.map(({ id }) => incidentKey(id));
    const isDone = await term.commit(
      keys.map((key) => ({ key, mod: sight.mod(key) })),
      keys.map((key): Op => ({ del: key })),
    );
    if (isDone) log.info('store.pruned', { incidents: old.length });
  };

  return {
    async turn(sight, nowMs, term) {
      countDetections(sight, term.epoch);
      const evidence = sight.incidents.some((incident) => incident.closedAtMs === null && moves(incident)) ? evidenceOf(sight) : null;
      if (evidence !== null && (await measureOpen(sight, evidence, nowMs, term))) return;
      await prune(sight, term);
    },
  };
};

/** What a sight says of convergence; null before the first configuration and decision. */
export const evidenceOf = (sight: Sight): Evidence | null => {
  const { cluster, routing } = sight;
  if (cluster === null || routing === null) return null;
  const records = new Map(sight.has('applied/').map(({ key, value }) => [key, value as AppliedRecord]));
  const spokeAgeMs: Record<string, number> = {};
  for (const { region, ageMs } of sight.heard) spokeAgeMs[region] = Math.min(spokeAgeMs[region] ?? Number.POSITIVE_INFINITY, ageMs);
  return {
    cluster,
    routing,
    applied: acknowledgements(cluster, routing, records),
    seen: sight.has('seen/').map(({ key, value }) => ({ ...placeOf(key), seen: value as Seen, ageMs: sight.ageMs(key) })),
    spokeAgeMs,
  };
};

interface Change {
  after: Incident;
  /** At most one that the goal was missed, and one that all has landed. */
  pages: readonly Page[];
}

const changeOf = (before: Incident, evidence: Evidence, nowMs: number, nonce: string): Change | null => {
  const measured = measure(before, evidence, nowMs);
  const now = measured ?? before;
  const late = moves(now) ? lateServices(now, evidence, nowMs).filter((service) => now.published[service]?.because === undefined) : [];
  if (measured === null && late.length === 0) return null;
  const reasons = late.map((service) => [service, whyWaiting(now, service, evidence, nowMs)] as const);
  const marked = reasons.map(([service, because]) => [service, { ...now.published[service], because }] as const);
  const after: Incident = { ...now, published: { ...now.published, ...Object.fromEntries(marked) }, nonce };
  // One incident is one page, however many of its services are late, and whenever.
  const told = Object.values(before.published).some((stamps) => stamps.because !== undefined);
  return {
    after,
    pages: [
      ...(late.length === 0 || told ? [] : [missedPage(after, reasons, evidence, nowMs, nonce)]),
      ...(hasLanded(after, evidence, nowMs) && !hasLanded(before, evidence, nowMs) ? [landedPage(after, evidence, nowMs, nonce)] : []),
    ],
  };
};

const missedPage = (
  incident: Incident,
  reasons: readonly (readonly [string, string])[],
  { cluster, routing }: Evidence,
  nowMs: number,
  nonce: string,
): Page => {
  const goalS = Math.round(cluster.goals.convergenceMs / 1000);
  const shown = reasons.slice(0, SERVICES_NAMED_MAX).map(([service, because]) => `${service}: ${because}`);
  const more = reasons.length > SERVICES_NAMED_MAX ? [`and ${reasons.length - SERVICES_NAMED_MAX} more services`] : [];
  const summary = `${incident.region}: traffic is not seen to have left within ${goalS} s of the decision; ${[...shown, ...more].join('; ')}`;
  return page({ cluster, v: routing.v, nonce, nowMs }, MISSED, 'critical', summary, threadOf(incident), {
    region: incident.region,
    services: reasons.map(([service]) => service),
    goalMs: cluster.goals.convergenceMs,
    t3AtMs: incident.t3AtMs,
    incident: incident.id,
    course: courseOf(incident, cluster.goals, nowMs),
  });
};

/** Whether every service of it that can be seen to move was seen to have moved. */
const hasLanded = (incident: Incident, { cluster }: Evidence, nowMs: number): boolean =>
  moves(incident) && convergenceOf(incident, cluster.goals, nowMs).ms !== null;

/** That it worked: whoever was paged need not look it up. */
const landedPage = (incident: Incident, { cluster, routing }: Evidence, nowMs: number, nonce: string): Page => {
  const course = courseOf(incident, cluster.goals, nowMs);
  const tookS = ((course.convergence.ms ?? 0) / 1000).toFixed(1);
  const verdict = course.convergence.judgement === 'met' ? 'met' : 'missed';
  const summary = `${incident.region}: its traffic is seen to have left, ${tookS} s after the decision (goal ${Math.round(cluster.goals.convergenceMs / 1000)} s: ${verdict})`;
  return page({ cluster, v: routing.v, nonce, nowMs }, 'convergence.reached', 'info', summary, threadOf(incident), {
    region: incident.region,
    services: incident.services,
    incident: incident.id,
    course,
  });
};
