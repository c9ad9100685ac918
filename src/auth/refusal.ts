// Why credentials are not accepted: known here, in the log, the metric and the audit, and never told to whoever sent them. Pure.

/** What the credentials looked like. */
export type HowRefused = 'none' | 'token' | 'oidc' | 'certificate' | 'break-glass' | 'callback' | 'unknown';

/** Thrown within this room only. `because` quotes nothing of the credentials. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** Refused calls of one address within a minute, for the audit. */
export interface RefusedCalls {
  /** As in the socket; of IPv6 the /64, which is one customer. `others`: of the addresses for which there was no room. */
  address: string;
  how: HowRefused;
  count: number;
  /** Of the last of them. */
  because: string;
}
