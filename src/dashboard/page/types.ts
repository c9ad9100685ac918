// What the API answers, by the names that the page uses. Types only.
import type { StatusDocument } from '../../api/status.ts';

type Service = StatusDocument['services'][number];
type Pool = Service['pools'][number];

export type Verdict = Pool['verdict'];
export type Incident = StatusDocument['incidents'][number];
export type Order = StatusDocument['overrides']['items'][number];
export type Vantage = StatusDocument['votes']['vantages'][number];

export interface OverviewPool
  extends Pick<Pool, 'name' | 'region' | 'verdict' | 'cause' | 'share' | 'configuredShare' | 'up' | 'total' | 'gray'> {
  hold: string | null;
}
export interface OverviewService
  extends Pick<Service, 'name' | 'mode' | 'provider' | 'ttlS' | 'fence' | 'because' | 'applied' | 'provenAtMs'> {
  moved: boolean;
  pools: readonly OverviewPool[];
}
export interface OverviewVantage {
  replica: string;
  state: 'ok' | 'abstain' | 'silent';
  because: string;
  ageMs: number | null;
  version: string | null;
  configVersion: number;
}
export interface OverviewRegion {
  name: string;
  vote: boolean;
  coordinates: boolean;
  vantages: readonly OverviewVantage[];
  pools: Readonly<Record<'up' | 'unready' | 'suspect' | 'down' | 'unknown', number>>;
  share: { actual: number; configured: number; full: number; part: number; none: number };
  orders: readonly string[];
  holds: readonly string[];
}
export interface Doubt {
  target: string;
  service: string;
  pool: string;
  region: string;
  verdict: Verdict;
  tally: string;
  cells: Readonly<Record<string, { state: string; because: string; ageMs: number | null }>>;
}

export interface Overview
  extends Pick<
    StatusDocument,
    | 'cluster'
    | 'clusterTimeMs'
    | 'self'
    | 'coordinator'
    | 'decision'
    | 'reminders'
    | 'holds'
    | 'gate'
    | 'shadow'
    | 'providers'
    | 'microDrills'
    | 'platforms'
    | 'overrides'
    | 'incidents'
  > {
  regions: readonly OverviewRegion[];
  services: readonly OverviewService[];
  doubts: readonly Doubt[];
  doubtsOmitted: number;
}

/** `GET /v1/me`. */
export interface Me {
  name: string;
  role: 'viewer' | 'operator' | 'approver' | 'admin';
  services: readonly string[] | null;
  how: string;
}

/** `GET /v1/sign-in`. */
export interface SignIn {
  token: boolean;
  anonymous: 'viewer' | 'none';
  oidc: { authorizationUrl: string; clientId: string; scopes: readonly string[] } | null;
  /** By region: where the page can go on. */
  peers: Readonly<Record<string, string>>;
}

/** An event of the stream. */
export interface Happening {
  type: string;
  timestamp: string;
  data: Readonly<Record<string, unknown>>;
}

export interface Problem {
  title: string;
  detail: string;
  code: string;
  status: number;
  errors?: readonly { pointer: string; detail: string }[];
  refusals?: readonly { rule: string; because: string; counterfactual?: string; againAtMs?: number | null }[];
  [more: string]: unknown;
}
