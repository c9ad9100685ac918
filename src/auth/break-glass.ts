// Tokens for the outage in which nobody else can vouch for anybody: signed offline with an Ed25519 key, for one cluster, one act and at most an hour.
// `tgbg.<payload>.<signature>`, both base64url; the signature covers everything before its dot. Pure: keys and time are arguments.
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { ROLES, type Role } from '../api/access.ts';
import { Refused } from './refusal.ts';
import { isServices, isTokenName } from './token-file.ts';

export interface BreakGlassClaims {
  id: string;
  /** Name of the cluster it is good for. */
  cluster: string;
  /** Who asked for it. */
  name: string;
  role: Role;
  services?: readonly string[];
  /** Seconds since 1970, as in every signed token. */
  iat: number;
  exp: number;
  reason: string;
}

export const PREFIX = 'tgbg.';
export const LIFE_MAX_S = 3600;
/** A laptop's clock may be ahead of a replica's by this much; one that is behind shortens the token's life, never lengthens it. */
export const SKEW_MS = 5 * 60_000;
/** A reason and a hundred services fit; headers have a limit of their own. */
const BREAK_GLASS_CHARS_MAX = 8 * 1024;
export const REASON_CHARS_MAX = 500;
const ID = /^[0-9a-f]{32}$/;
/** 16 bytes. */
export const ID_BYTES = 16;

/** The text of base64url bytes; null when it is not the one spelling of them. */
const exact = (text: string): Buffer | null => {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
};

export const signBreakGlass = (claims: BreakGlassClaims, key: KeyObject): string => {
  const head = `${PREFIX}${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${head}.${sign(null, Buffer.from(head), key).toString('base64url')}`;
};

/** A public key as `tidegate breakglass keygen` prints it; null: it is none. */
export const breakGlassKey = (text: string): KeyObject | null => {
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: text } });
  } catch {
    return null;
  }
};

const claimsOf = (bytes: Buffer): BreakGlassClaims => {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Refused('signed, but no JSON');
  }
  if (typeof value !== 'object' || value === null) throw new Refused('signed, but no claims');
  const { id, cluster, name, role, services, iat, exp, reason } = value as Partial<Record<keyof BreakGlassClaims, unknown>>;
  const isSound =
    typeof id === 'string' &&
    ID.test(id) &&
    typeof cluster === 'string' &&
    typeof name === 'string' &&
    isTokenName(name) &&
    ROLES.includes(role as Role) &&
    (services === undefined || isServices(services)) &&
    Number.isSafeInteger(iat) &&
    Number.isSafeInteger(exp) &&
    typeof reason === 'string' &&
    reason.length > 0 &&
    reason.length <= REASON_CHARS_MAX;
  if (!isSound) throw new Refused('signed, but its claims are not sound');
  return value as BreakGlassClaims;
};

/** The claims of a token that one of `keys` signed for `cluster` and whose time is now. Throws Refused. Whether it was used already only the store knows. */
export const verifyBreakGlass = (token: string, keys: readonly KeyObject[], cluster: string | null, nowMs: number): BreakGlassClaims => {
  if (token.length > BREAK_GLASS_CHARS_MAX) throw new Refused('too long');
  const end = token.lastIndexOf('.');
  const [head, signature] = [token.slice(0, end), exact(token.slice(end + 1))];
  const payload = head.startsWith(PREFIX) ? exact(head.slice(PREFIX.length)) : null;
  if (payload === null || signature?.length !== 64) throw new Refused('not of the form tgbg.<payload>.<signature>');
  if (!keys.some((key) => verify(null, Buffer.from(head), key, signature)))
    throw new Refused('signed by no key of api.auth.breakGlassKeys');
  const claims = claimsOf(payload);
  const [iatMs, expMs] = [claims.iat * 1000, claims.exp * 1000];
  if (claims.exp <= claims.iat || claims.exp - claims.iat > LIFE_MAX_S) throw new Refused('its life is longer than an hour, or none');
  if (claims.cluster !== cluster) throw new Refused(cluster === null ? 'no cluster is known here yet' : 'signed for another cluster');
  if (nowMs >= expMs) throw new Refused('expired');
  if (nowMs < iatMs - SKEW_MS) throw new Refused('not valid yet: the clock that signed it is more than five minutes ahead');
  return claims;
};
