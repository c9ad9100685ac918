// OIDC access tokens: signature, issuer, audience and time are judged by jose with the algorithms pinned; which role and services the claims mean is here.
// Knows nothing of how keys are fetched.
import { decodeProtectedHeader, errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { ROLES, type Role } from '../api/access.ts';
import { dateOf } from '../ports.ts';
import { Refused } from './refusal.ts';
import { SERVICES_MAX } from './token-file.ts';

/** Signatures with a public key only: with a shared secret whoever can verify could sign. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const;
const DEFAULT_ALGORITHMS: readonly Algorithm[] = ['RS256', 'ES256', 'EdDSA'];
export type Algorithm = (typeof ALGORITHMS)[number];

export interface OidcConfig {
  /** As in `iss`, exactly. */
  issuer: string;
  audience: string;
  /** Absent: the issuer's discovery document names it. */
  jwksUrl?: string;
  /** Authorities to trust instead of the system's. */
  caFile?: string;
  algorithms?: readonly Algorithm[];
  /** Name of a claim, or a path of names with dots. */
  rolesClaim: string;
  /** What the claim holds for each role. The highest one counts. */
  roles: Readonly<Partial<Record<Role, readonly string[]>>>;
  /** Absent: who has a role has it for all services. */
  servicesClaim?: string;
  nameClaim: string;
  clockToleranceMs: number;
  /** Absent: keys are forgotten when the process ends. */
  cacheFile?: string;
  /** How people sign in with a browser. Absent: they bring a token. */
  signIn?: SignInConfig;
}

export interface SignInConfig {
  clientId: string;
  /** Absent: a public client, of which the proof key alone is asked. */
  clientSecretFile?: string;
  scopes: readonly string[];
  /** Absent: as the issuer's discovery document says; both are then. */
  authorizationUrl?: string;
  tokenUrl?: string;
}

const JWT_CHARS_MAX = 8 * 1024;
const NAME_CHARS_MAX = 128;
const TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt', 'application/jwt']);

export const looksLikeJwt = (text: string): boolean => /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(text);

/** The claim of this name, or at this path; undefined when there is none. */
const claimAt = (claims: JWTPayload, path: string): unknown => {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined,
      claims,
    );
};

/** A list, or words with spaces between them as in `scope`. */
const wordsOf = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? value.split(' ').filter((word) => word !== '')
    : Array.isArray(value)
      ? value.filter((each) => typeof each === 'string')
      : [];

const roleOf = (words: readonly string[], roles: OidcConfig['roles']): Role | null =>
  ROLES.findLast((role) => roles[role]?.some((word) => words.includes(word))) ?? null;

export interface OidcIdentity {
  name: string;
  role: Role;
  services: readonly string[] | null;
}

/** What claims that were verified mean here. Throws Refused. */
export const identityOf = (claims: JWTPayload, { rolesClaim, roles, servicesClaim, nameClaim }: OidcConfig): OidcIdentity => {
  const name = claimAt(claims, nameClaim);
  if (typeof name !== 'string' || name.length > NAME_CHARS_MAX || !/^[\x21-\x7e]+$/.test(name))
    throw new Refused(`the claim ${nameClaim} holds no printable name of at most ${NAME_CHARS_MAX} characters`);
  const role = roleOf(wordsOf(claimAt(claims, rolesClaim)), roles);
  if (role === null) throw new Refused(`nothing in the claim ${rolesClaim} is mapped to a role`);
  if (servicesClaim === undefined) return { name, role, services: null };
  // Absent means none, not all: whoever configures a claim for scopes wants it to be there.
  const services = wordsOf(claimAt(claims, servicesClaim));
  if (services.length > SERVICES_MAX) throw new Refused(`the claim ${servicesClaim} names more than ${SERVICES_MAX} services`);
  return { name, role, services };
};

/** The claims of a token that the issuer signed for us and whose time is now. Throws Refused, or UnknownKey when another set of keys may help. */
export const verifyJwt = async (token: string, keys: JWTVerifyGetKey, config: OidcConfig, nowMs: number): Promise<JWTPayload> => {
  if (token.length > JWT_CHARS_MAX) throw new Refused('too long');
  try {
    const { typ } = decodeProtectedHeader(token);
    if (typ !== undefined && !TYPES.has(String(typ).toLowerCase())) throw new Refused('of a type that is no access token');
    const { payload } = await jwtVerify(token, keys, {
      issuer: config.issuer,
      audience: config.audience,
      algorithms: [...(config.algorithms ?? DEFAULT_ALGORITHMS)],
      clockTolerance: config.clockToleranceMs / 1000,
      currentDate: dateOf(nowMs),
      requiredClaims: ['exp'],
    });
    return payload;
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (error instanceof errors.JWKSNoMatchingKey)
      throw new UnknownKey('signed with a key that the issuer does not have, or with an algorithm that is not taken');
    // What jose says may quote claims.
    throw new Refused(error instanceof errors.JOSEError ? error.code : 'no token of a kind that is known');
  }
};

/** No key of the set fits. */
export class UnknownKey extends Refused {}

/** Public keys of kinds that can verify what we take; anything else that a set holds, secrets above all, is left out. */
export const usableKeys = (set: unknown): JSONWebKeySet => {
  const keys = typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys) ? set.keys : null;
  if (keys === null) throw new Error('no set of keys');
  const usable = keys
    .slice(0, KEYS_MAX)
    .filter(
      (key): key is JSONWebKeySet['keys'][number] =>
        typeof key === 'object' &&
        key !== null &&
        ['RSA', 'EC', 'OKP'].includes(key.kty) &&
        key.d === undefined &&
        (key.use ?? 'sig') === 'sig',
    );
  if (usable.length === 0) throw new Error('a set without a public key to verify with');
  return { keys: usable };
};

const KEYS_MAX = 100;
