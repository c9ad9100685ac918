// What is expected to follow from an order, as the API says it. Types only; whoever runs the core on a copy of the state fills them in.
import type { HoldName, Mode, Override, Route, Severity } from '../model.ts';

/** What may happen: each is applied to a copy of the state before the core runs on it. */
export type Hypothesis =
  | { kind: 'region-down'; region: string }
  | { kind: 'pool-down'; service: string; pool: string }
  | { kind: 'vantage-cut'; region: string }
  | { kind: 'override'; override: Override }
  | { kind: 'override-gone'; id: string };

/** A safety rule that does not let a move pass. */
export interface Refusal {
  service: string;
  pool: string;
  rule: string;
  /** `high`: passing it takes a second person. */
  risk: 'low' | 'high';
  /** With the numbers. */
  because: string;
  /** Cluster time at which it would pass by itself; null: nobody knows. */
  againAtMs: number | null;
  /** What would have made it pass. */
  counterfactual: string;
  /** Id of the order that it stands in the way of; null: of what comes back up. Absent: of a drain by health. */
  order?: string | null;
}

export interface Hold {
  service: string;
  pool: string;
  hold: HoldName;
  because: string;
}

export interface ForecastService {
  service: string;
  mode: Mode;
  before: Route;
  after: Route;
  writes: readonly { provider: string; before: Route; after: Route }[];
  capacity: {
    load: number;
    capacity: number;
    leftPercent: number;
    source: 'configured' | 'reported';
    because: string;
  } | null;
  converge: { p50Ms: number; p99Ms: number; samples: number; source: 'history' | 'worst-case'; because: string } | null;
}

export interface Foresight {
  steps: readonly {
    afterMs: number;
    v: number;
    because: string;
    changes: readonly { service: string; before: Route; after: Route }[];
    holds: readonly Hold[];
  }[];
  services: readonly ForecastService[];
  refusals: readonly Refusal[];
  holds: readonly Hold[];
  pages: readonly { severity: Severity; type: string; summary: string }[];
  notes: readonly string[];
}

/** null: there is no state to run the core on. */
export type Foresee = (hypotheses: readonly Hypothesis[]) => Foresight | null;
