// What the core decides on, and what it answers: plain data on both sides. Pure.
import type { Heard } from '../health/chamber.ts';
import type { Audit, ClusterConfig, Incident, Overrides, Page, PoolTally, Refusal, Reports, Routing } from '../model.ts';
import type { Tiers } from '../runbook/facts.ts';

export type { Refusal } from '../model.ts';

/** One linearizable read, as data. */
export interface Snapshot {
  cluster: ClusterConfig;
  routing: Routing | null;
  overrides: Overrides | null;
  /** What was measured of load and capacity. Absent: nothing. */
  reported?: Reports | null;
  /** Where data tiers were proved. Absent: nowhere yet. */
  tiers?: Tiers | null;
  heard: readonly Heard[];
  /** Services whose provider carries a fence that is newer than the store, or a human's: nothing of them is decided until that is adopted or acknowledged. */
  frozen?: readonly string[];
  /** Open incidents. */
  incidents: readonly Incident[];
  epoch: number;
  /** `region/replica` of the coordinator. */
  by: string;
  /** Fresh randomness: identifies what this decision writes. */
  nonce: string;
}

export interface Decision {
  /** Absent: nothing to decide. */
  next?: {
    routing: Routing;
    /** Present when overrides expired, or when something was told of one: the document as it is then. */
    overrides?: Overrides;
    incidents: readonly Incident[];
    pages: readonly Page[];
    audit: Audit;
  };
  /** Keys of the votes this rests on; leader, routing, override and members are always guarded. */
  uses: readonly string[];
  tallies: readonly PoolTally[];
  /** Safety rules that stand in the way of something now, whether or not that is news. */
  refusals: readonly Refusal[];
}

/** The record before the first decision. */
export const blankRouting = (cluster: ClusterConfig, nowMs: number): Routing => ({
  v: 0,
  epoch: 0,
  nonce: '',
  atMs: nowMs,
  membersVersion: cluster.version,
  because: '',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: {},
});
