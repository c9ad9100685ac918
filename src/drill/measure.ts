// The demo's figures: from instants on one monotonic clock, the parent's, to durations and a judgement. Pure.
// Detection runs from the kill to the instant at which the parent, whose store it is, saw the decision committed. Its upper bound, from the last good
// look of any vantage, is Tidegate's own figure. Convergence runs from the decision until no answer names the dead region and every user has left it.

import { plural } from '../config/words.ts';
import { convergenceOf, detectionOf } from '../converge/timings.ts';
import type { ClusterConfig, Incident } from '../model.ts';

/** Monotonic instants of one failover; null: not seen. */
export interface Course {
  /** The region that was killed. */
  dead: string;
  killedAtMs: number;
  /** A vantage other than the dead one came to doubt. */
  suspectedAtMs: number | null;
  /** A majority of votes held the region down. */
  quorumAtMs: number | null;
  takenOverAtMs: number | null;
  /** Who took over. */
  heir: string | null;
  decidedAtMs: number | null;
  acknowledgedAtMs: number | null;
  /** End of the first look of twenty samples without the dead address that no later look belied. */
  answeredAtMs: number | null;
  /** Every user has landed elsewhere, for good. */
  settledAtMs: number | null;
  /** As the deciding coordinator stamped it, in cluster time. */
  incident: Incident | null;
}

export const newCourse = (dead: string, killedAtMs: number): Course => ({
  dead,
  killedAtMs,
  suspectedAtMs: null,
  quorumAtMs: null,
  takenOverAtMs: null,
  heir: null,
  decidedAtMs: null,
  acknowledgedAtMs: null,
  answeredAtMs: null,
  settledAtMs: null,
  incident: null,
});

export interface Figures {
  detectionMs: number | null;
  detectionUpperMs: number | null;
  takeoverMs: number | null;
  convergenceMs: number | null;
}

/** What the cluster measured of itself: detection from the first failed look, convergence as its vantages saw it. */
export interface OwnFigures {
  detectionMs: number | null;
  convergenceMs: number | null;
}

export interface Outcome extends Figures {
  ok: boolean;
  /** What went wrong, a sentence each. */
  failed: readonly string[];
  falseDrains: number;
  goals: ClusterConfig['goals'];
  /** For comparison; null before a decision. */
  own: OwnFigures | null;
}

const span = (fromMs: number | null, toMs: number | null): number | null =>
  fromMs === null || toMs === null ? null : Math.max(0, Math.round(toMs - fromMs));

/** Start of the first failed look, on the parent's clock: the incident's t0 counted back from the decision. */
export const firstFaultAtMs = ({ decidedAtMs, incident }: Course): number | null =>
  decidedAtMs === null || incident === null || incident.t0AtMs === null ? null : decidedAtMs - (incident.t3AtMs - incident.t0AtMs);

export const figuresOf = (course: Course | null): Figures => {
  if (course === null) return { detectionMs: null, detectionUpperMs: null, takeoverMs: null, convergenceMs: null };
  const { killedAtMs, decidedAtMs, incident } = course;
  const converged = course.answeredAtMs === null || course.settledAtMs === null ? null : Math.max(course.answeredAtMs, course.settledAtMs);
  return {
    detectionMs: span(killedAtMs, decidedAtMs),
    detectionUpperMs: incident === null ? null : span(incident.t0LastAtMs, incident.t3AtMs),
    takeoverMs: span(killedAtMs, course.takenOverAtMs),
    convergenceMs: span(decidedAtMs, converged),
  };
};

export const ownFiguresOf = ({ incident }: Pick<Course, 'incident'>, goals: ClusterConfig['goals']): OwnFigures | null =>
  incident === null
    ? null
    : { detectionMs: detectionOf(incident, goals).ms, convergenceMs: convergenceOf(incident, goals, incident.t3AtMs).ms };

/** `failed`: sentences about waits that were not rewarded. Goals are judged here. */
export const outcomeOf = (
  course: Course | null,
  falseDrains: number,
  goals: ClusterConfig['goals'],
  failed: readonly string[],
): Outcome => {
  const figures = figuresOf(course);
  const missed = (what: string, ms: number | null, goalMs: number): readonly string[] =>
    ms !== null && ms > goalMs ? [`${what} took ${ms} ms, expected at most ${goalMs} ms`] : [];
  const all = [
    ...failed,
    ...missed('detection from the kill', figures.detectionMs, goals.detectionMs),
    ...missed('detection from the last good look', figures.detectionUpperMs, goals.detectionMs),
    ...missed('convergence', figures.convergenceMs, goals.convergenceMs),
    ...(falseDrains === 0 ? [] : [`${plural(falseDrains, 'pool')} drained whose app was alive, expected none`]),
  ];
  return {
    ok: all.length === 0 && figures.detectionMs !== null && figures.convergenceMs !== null,
    failed: all,
    ...figures,
    falseDrains,
    goals,
    own: course === null ? null : ownFiguresOf(course, goals),
  };
};
