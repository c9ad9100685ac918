// What the API answers to the command line, as the OpenAPI document has it. Types only.
import type { StatusDocument } from '../api/status.ts';
import type { HoldName, Override, OverrideKind, OverrideScope, Route } from '../model.ts';

export type { StatusDocument } from '../api/status.ts';
export type Order = StatusDocument['overrides']['items'][number];

export interface OrderBody {
  kind: OverrideKind;
  scope: OverrideScope;
  weights?: Route;
  reason: string;
  owner: string;
  ticket?: string;
  ttlMs?: number;
  startsAt?: string;
  breakGlass?: true;
  drill?: true;
}

export interface Overrides {
  version: number;
  items: readonly Override[];
}

export interface Committed {
  override: Override;
  version: number;
  expiresAt?: string;
  undo?: unknown;
  forecast?: Forecast;
}

export interface Preview {
  override: Override;
  /** null: it cannot be told here. */
  forecast: Forecast | null;
  refusals?: readonly Refusal[];
  approval?: 'not-needed' | 'needed' | 'given';
  notes?: readonly string[];
  undo?: unknown;
}

export type Hypothesis =
  | { kind: 'region-down'; region: string }
  | { kind: 'pool-down'; service: string; pool: string }
  | { kind: 'vantage-cut'; region: string }
  | { kind: 'override'; override: Override }
  | { kind: 'override-gone'; id: string };

export interface Change {
  service: string;
  before: Route;
  after: Route;
}

export interface Hold {
  service: string;
  pool: string;
  hold: HoldName;
  because: string;
}

export interface Refusal {
  service: string;
  pool?: string;
  rule: string;
  risk: 'low' | 'high';
  because: string;
  againAtMs?: number | null;
  counterfactual?: string;
}

export interface ForecastService {
  service: string;
  mode: string;
  before: Route;
  after: Route;
  writes: readonly { provider: string; before: Route | null; after: Route }[];
  capacity: { load: number | null; capacity: number; leftPercent: number; source: 'configured' | 'reported'; because: string } | null;
  converge: { p50Ms: number; p99Ms: number; samples: number; source: 'history' | 'worst-case' } | null;
}

export interface Forecast {
  steps: readonly { afterMs: number; v: number; because: string; changes: readonly Change[]; holds?: readonly unknown[] }[];
  services: readonly ForecastService[];
  refusals: readonly Refusal[];
  holds: readonly Hold[];
  pages: readonly { severity: string; type: string; summary: string }[];
  notes: readonly string[];
}

export interface WhatIfMatrix {
  regions: readonly { region: string; forecast: Forecast }[];
}

export interface DecisionItem {
  v: number;
  atMs: number;
  by: string;
  because: string;
  changes: readonly Change[];
}

/** What a decision rested on; more may come with it than is shown. */
export interface Dossier extends DecisionItem {
  epoch?: number;
  wouldChange?: string;
  holds?: readonly Hold[];
  [more: string]: unknown;
}
