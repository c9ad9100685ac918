// An incident's times: which there are, which are still to come, which never will be; and how they stand against the goals. Pure.
import type { IncidentOne } from '../../client/schema.ts';
import { count, duration, list } from './words.ts';

/** An incident with its times, however it was asked for. */
export type Course = IncidentOne['incident'] & Pick<IncidentOne, 't4AtMs' | 't5AtMs' | 't6AtMs' | 'detection' | 'convergence'>;
export type ServiceTimes = Course['convergence']['services'][number];
export type Judgement = Course['detection']['judgement'];

export const courseOf = ({ incident, decision: _, ...times }: IncidentOne): Course => ({ ...incident, ...times });

export interface Stamp {
  id: 't0' | 't1' | 't2' | 't3' | 't4' | 't5' | 't6';
  name: string;
  /** Cluster time; null: there is none. */
  atMs: number | null;
  state: 'seen' | 'pending' | 'missing';
  /** What one has to know of it; empty: nothing. */
  because: string;
}

export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** It goes on, and something that can be measured is not there yet. */
export const isPending = ({ closedAtMs, convergence }: Pick<Course, 'closedAtMs' | 'convergence'>): boolean =>
  closedAtMs === null && convergence.judgement !== 'unmeasured' && convergence.waitingFor.length > 0;

const whyUnmeasured = ({ convergence, closedAtMs }: Course): string => {
  const said = convergence.services.find(({ because }) => because !== null)?.because;
  return said ?? (closedAtMs === null ? 'nothing that could be seen moves' : 'it ended before');
};

const lastLook = ({ t0AtMs, t0LastAtMs }: Course): string => {
  if (!isNumber(t0LastAtMs)) return 'nobody had a good look before';
  return isNumber(t0AtMs) && t0AtMs > t0LastAtMs ? `the last good look was ${duration(t0AtMs - t0LastAtMs)} before` : '';
};

/** All seven, whether there or not; t4 to t6 are those of the slowest service. */
export const stampsOf = (course: Course): readonly Stamp[] => {
  const { t3AtMs, convergence } = course;
  const waits = isPending(course);
  const measured = convergence.services.filter(({ service }) => isMeasured(course, service));
  const stamp = (id: Stamp['id'], name: string, atMs: number | null, missing: string, because = ''): Stamp =>
    isNumber(atMs) ? { id, name, atMs, state: 'seen', because } : { id, name, atMs: null, state: 'missing', because: missing };
  const later = (id: 't4' | 't5' | 't6', name: string): Stamp => {
    const isUnasked = id === 't5' && measured.every(({ authoritativeMs, convergedMs }) => authoritativeMs === null && convergedMs !== null);
    const found = stamp(
      id,
      name,
      course[`${id}AtMs`],
      isUnasked && measured.length > 0 ? 'its servers are not asked' : whyUnmeasured(course),
    );
    if (found.atMs !== null || !waits) return found;
    return { ...found, state: 'pending', because: id === 't6' ? `waits for ${list(convergence.waitingFor)}` : 'not of all services yet' };
  };
  return [
    stamp('t0', 'first failed probe', course.t0AtMs, 'no probe failed', lastLook(course)),
    stamp('t1', 'suspicion', course.t1AtMs, course.t0AtMs === null ? 'nothing was suspected' : 'not recorded'),
    stamp('t2', 'quorum', course.t2AtMs, course.t0AtMs === null ? 'nothing was counted' : 'not recorded'),
    stamp('t3', 'decision', t3AtMs, 'not recorded'),
    later('t4', 'provider acknowledged'),
    later('t5', 'all authoritative servers'),
    later('t6', 'users land'),
  ];
};

/** `6.1 s to 8.1 s`: from the first failed probe, and from the last good look. */
export const detectionText = ({ ms, atMostMs }: Course['detection']): string => {
  if (ms === null) return 'not measured: no probe failed';
  return atMostMs === null || atMostMs <= ms ? duration(ms) : `${duration(ms)} to ${duration(atMostMs)}`;
};

export const convergenceText = (course: Course, nowMs: number): string => {
  const { ms, waitingFor } = course.convergence;
  if (ms !== null) return duration(ms);
  if (!isPending(course)) return `not measured: ${whyUnmeasured(course)}`;
  return `${duration(nowMs - course.t3AtMs)} so far; waits for ${count(waitingFor.length, 'service')}`;
};

/** `−6.1 s`, `0`, `+310 ms`: beside the decision. */
export const signed = (ms: number): string => (ms === 0 ? '0' : `${ms < 0 ? '−' : '+'}${duration(Math.abs(ms))}`);

/** Cluster time of the decision that drained this service. */
export const decidedAtMs = ({ published, t3AtMs }: Course, service: string): number => {
  const own = Object.hasOwn(published, service) ? published[service]?.t3AtMs : undefined;
  return isNumber(own) ? own : t3AtMs;
};

export const isMeasured = ({ published }: Course, service: string): boolean =>
  !Object.hasOwn(published, service) || published[service]?.unmeasured === undefined;

/** How one service stands against the goal; as the API judges all of them together. */
export const judged = (course: Course, times: ServiceTimes, nowMs: number): Judgement => {
  const { goalMs, judgement } = course.convergence;
  if (times.convergedMs !== null) return times.convergedMs <= goalMs ? 'met' : 'missed';
  if (course.closedAtMs !== null || judgement === 'unmeasured' || !isMeasured(course, times.service)) return 'unmeasured';
  return nowMs - decidedAtMs(course, times.service) > goalMs ? 'missed' : 'pending';
};

/** What waits, longest first, then the slowest: what one looks for. */
export const slowestFirst = (course: Course): readonly ServiceTimes[] => {
  const weight = ({ service, convergedMs }: ServiceTimes): number =>
    convergedMs ?? (isMeasured(course, service) && isPending(course) ? Number.MAX_VALUE : -1);
  return course.convergence.services.toSorted((a, b) => weight(b) - weight(a) || (a.service < b.service ? -1 : 1));
};
