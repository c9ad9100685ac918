// Contracts of the two kinds of policy. Both are pure and total: no clock, no randomness, an answer for every input.
import type { Route, Routing, ServiceConfig } from '../src/model.ts';

/** A pool as steering sees it. */
export interface SteerPool {
  pool: string;
  weight: number;
  /** 0..1000: how much of its configured share it may carry now (ramp stage times healthy part). 0: out. */
  factor: number;
}

export interface SteeringPolicy {
  kind: string;
  /** The question it answers, for `check` and the manual. */
  question: string;
  /** In: pools in configured order, at least one with factor > 0. Out: thousandths per pool, all pools named, sum 1000. */
  steer(pools: readonly SteerPool[]): Route;
}

export interface RouteChange {
  service: ServiceConfig;
  before: Route;
  after: Route;
  /** Regions that this decision newly drains by automation. */
  drains: readonly string[];
}

export type Ruling = { allow: true } | { allow: false; because: string; againAtMs: number | null };

export interface SafetyRule {
  kind: string;
  question: string;
  /** Settings with defaults; unknown keys are refused by `check`. */
  defaults: Readonly<Record<string, number>>;
  /** Judges one change. `recent`: the last routing record. Refusals carry the numbers. */
  judge(change: RouteChange, recent: Routing, settings: Readonly<Record<string, number>>, nowMs: number): Ruling;
}
