// What the API answers, by the names that the page uses. Types only.
import type { Overview } from '../../client/schema.ts';

export type { DoubtCard, Overview, RegionCard, ServiceCard } from '../../client/schema.ts';

export type VantageCard = Overview['regions'][number]['vantages'][number];
export type PoolCard = Overview['services'][number]['pools'][number];

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
