// Who asks, and what they may do: the contract between whoever identifies a caller (src/auth) and the routes. Types and the ranking of roles only.
import { Fault } from '../errors.ts';

/** Each may what those before it may. `approver`: agrees to what somebody else ordered. `admin`: also configuration and tokens. */
export const ROLES = ['viewer', 'operator', 'approver', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface Principal {
  /** Stable and printable: the name of a token, the subject of an OIDC token or a certificate, `anonymous`. */
  name: string;
  role: Role;
  /** Services it may give orders about; null: all. Orders on a region touch every service with a pool there. */
  services: readonly string[] | null;
  how: 'anonymous' | 'token' | 'oidc' | 'certificate' | 'break-glass' | 'callback';
  /** It is good for one act: its id, to be recorded as used in the transaction of that act. */
  once?: { id: string; expiresAtMs: number /** Why it was signed. */; reason?: string };
}

/** What is known of a request before its body. */
export interface Caller {
  authorization: string | undefined;
  remoteAddress: string;
  /** Subject of a client certificate that was verified; null: none was shown. */
  certificate: { commonName: string; altNames: readonly string[] } | null;
}

export interface Access {
  /** Throws Fault ERR_UNAUTHORIZED: nobody we know; ERR_TOO_MANY: this address has tried too often. Never says which part was wrong. */
  identify(caller: Caller): Promise<Principal>;
  /**
   * Who sent a signed message: good for one act, since each message acts once. Absent: nothing signed is taken here. Throws as `identify` does, and wrong
   * signatures slow their address down as wrong tokens do.
   */
  identifySigned?(remoteAddress: string, message: SignedMessage): Principal;
}

/** As the headers of Standard Webhooks have it; null: that header was not sent. */
export interface SignedMessage {
  id: string | null;
  timestamp: string | null;
  signature: string | null;
  /** The body as it came. */
  text: string;
}

export const mayAct = (principal: Principal, needs: Role): boolean => ROLES.indexOf(principal.role) >= ROLES.indexOf(needs);

/** Throws unless the role is enough: ERR_UNAUTHORIZED for those who have not said who they are, else ERR_FORBIDDEN. */
export const demand = (principal: Principal, needs: Role): void => {
  if (mayAct(principal, needs)) return;
  if (principal.how === 'anonymous')
    throw new Fault('ERR_UNAUTHORIZED', `this takes the role ${needs} or more: send Authorization: Bearer <token>`);
  throw new Fault('ERR_FORBIDDEN', `${principal.name} is ${principal.role}; this takes the role ${needs} or more`);
};
