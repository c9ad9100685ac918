// The section of the API: where it listens, its certificate, and who gets in. What it means is src/auth.
import { z } from 'zod';
import { ROLES } from '../api/access.ts';
import type { CertificateRule } from '../auth/access.ts';
import { ALGORITHMS, type Algorithm, type OidcConfig, type SignInConfig } from '../auth/oidc.ts';
import { isServiceName, isTokenName, NAME_WANTED, SERVICES_MAX } from '../auth/token-file.ts';
import { duration, filePath, type HostPort, isLocalEndpoint, listen, matching, present, publicKey, serviceUrl, whole } from './fields.ts';

export interface ApiTlsConfig {
  certFile: string;
  keyFile: string;
  /** Authorities of clients. Absent: no client is asked for a certificate. */
  clientCaFile?: string;
}

export interface AuthConfig {
  /** What who shows nothing may do. Absent: viewer where only this machine can ask, none elsewhere. */
  anonymous?: 'viewer' | 'none';
  tokensFile?: string;
  oidc?: OidcConfig;
  certificates?: readonly CertificateRule[];
  /** Ed25519 public keys; two while one is changed. */
  breakGlassKeys?: readonly string[];
}

export interface ApiLimits {
  /** Of one caller. */
  readsPerMinute: number;
  writesPerMinute: number;
}

export type ApiConfig = HostPort & { tokenFile: string; tls?: ApiTlsConfig; auth?: AuthConfig; limits?: ApiLimits };

/** 500 a second: dashboards, scripts and a crowd in an outage stay far below. */
export const LIMITS: ApiLimits = { readsPerMinute: 30_000, writesPerMinute: 600 };
const CERTIFICATES_MAX = 64;
const WORDS_MAX = 64;
const SCOPES_MAX = 32;
const BREAK_GLASS_KEYS_MAX = 2;

const role = z.enum(ROLES);
const service = matching('the name of a service; write it like web.example.com', isServiceName);
const services = z.array(service).min(1).max(SERVICES_MAX);
const claim = matching('the name of a claim, or a path of names with dots; write it like realm_access.roles', (value) =>
  /^[\x21-\x7e]{1,128}$/.test(value),
);
const word = matching('what the claim holds for that role; write it as the issuer does', (value) => /^[\x21-\x7e]{1,256}$/.test(value));
const words = z.array(word).min(1).max(WORDS_MAX);
const subject = matching('a name as in the certificate, at most 256 long; write it like ops.example.net', (value) =>
  /^[ -~]{1,256}$/.test(value),
);
const altName = matching(
  'a kind and a name as in the certificate; write it like DNS:ops.example.net or URI:spiffe://example.net/ops',
  (value) => /^(DNS|URI|email|IP Address):[\x21-\x7e]{1,256}$/.test(value),
);

const scope = matching('a scope as the issuer names it; write it like openid', (value) => /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/.test(value));

const signIn = z
  .strictObject({
    clientId: matching('the id that the issuer gave the dashboard; copy it from there', (value) => /^[\x21-\x7e]{1,256}$/.test(value)),
    clientSecretFile: filePath.optional(),
    scopes: z.array(scope).min(1).max(SCOPES_MAX).default(['openid']),
    authorizationUrl: serviceUrl.optional(),
    tokenUrl: serviceUrl.optional(),
  })
  .transform((given, context): SignInConfig => {
    if ((given.authorizationUrl === undefined) !== (given.tokenUrl === undefined)) {
      const message = 'authorizationUrl and tokenUrl together, or neither, when the issuer names both; add the other, or remove this';
      context.addIssue({ code: 'custom', path: [], message });
    }
    return present(given) as SignInConfig;
  });

const oidc = z
  .strictObject({
    issuer: matching('the https:// address of the issuer, spelt as in its tokens; write it like https://id.example.net', (value) =>
      isUrl(value),
    ),
    audience: matching('what its tokens for Tidegate have as aud; write it like tidegate', (value) => /^[\x21-\x7e]{1,256}$/.test(value)),
    jwksUrl: serviceUrl.optional(),
    caFile: filePath.optional(),
    algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional(),
    rolesClaim: claim.default('roles'),
    roles: z.strictObject({ viewer: words.optional(), operator: words.optional(), approver: words.optional(), admin: words.optional() }),
    servicesClaim: claim.optional(),
    nameClaim: claim.default('sub'),
    clockTolerance: duration({ minMs: 0, maxMs: 5 * 60_000 }).default(30_000),
    cacheFile: filePath.optional(),
    signIn: signIn.optional(),
  })
  .transform(({ clockTolerance, roles, algorithms, ...given }, context): OidcConfig => {
    const mapped = present(roles);
    if (Object.keys(mapped).length === 0)
      context.addIssue({
        code: 'custom',
        path: ['roles'],
        message: 'what the claim holds for at least one role, or nobody gets in; write it like operator: [sre]',
      });
    return {
      ...present({ ...given, algorithms: algorithms as readonly Algorithm[] | undefined }),
      roles: mapped,
      clockToleranceMs: clockTolerance,
    } as OidcConfig;
  });

const isUrl = (value: string): boolean => {
  if (!URL.canParse(value)) return false;
  const { protocol, search, hash, username } = new URL(value);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLocalEndpoint(value));
  return isSafe && search === '' && hash === '' && username === '' && value.length <= 512;
};

const certificate = z
  .strictObject({
    name: matching(NAME_WANTED, isTokenName).optional(),
    commonName: subject.optional(),
    altName: altName.optional(),
    role,
    services: services.optional(),
  })
  .transform((given, context): CertificateRule => {
    if ((given.commonName === undefined) === (given.altName === undefined)) {
      const message = 'either commonName or altName, which is what the certificate is known by; write one of them';
      context.addIssue({ code: 'custom', path: [], message });
    }
    return present(given) as CertificateRule;
  });

const auth = z
  .strictObject({
    anonymous: z.enum(['viewer', 'none']).optional(),
    tokensFile: filePath.optional(),
    oidc: oidc.optional(),
    certificates: z.array(certificate).max(CERTIFICATES_MAX).optional(),
    breakGlassKeys: z.array(publicKey).min(1).max(BREAK_GLASS_KEYS_MAX).optional(),
  })
  .transform((given): AuthConfig => present(given) as AuthConfig);

const tls = z
  .strictObject({ certFile: filePath, keyFile: filePath, clientCaFile: filePath.optional() })
  .transform((given): ApiTlsConfig => present(given) as ApiTlsConfig);

export const apiSchema = z
  .strictObject({
    listen: listen.default({ host: '127.0.0.1', port: 7700 }),
    tokenFile: filePath,
    tls: tls.optional(),
    auth: auth.optional(),
    limits: z
      .strictObject({
        readsPerMinute: whole(60, 1_000_000).default(LIMITS.readsPerMinute),
        writesPerMinute: whole(10, 100_000).default(LIMITS.writesPerMinute),
      })
      .optional(),
  })
  .transform(({ listen, ...given }, context): ApiConfig => {
    if (given.auth?.certificates !== undefined && given.tls?.clientCaFile === undefined) {
      const message = 'api.tls.clientCaFile beside it, or no certificate of a client is ever looked at; add it, or remove this';
      context.addIssue({ code: 'custom', path: ['auth', 'certificates'], message });
    }
    return { ...listen, ...present(given) } as ApiConfig;
  });

/** Who shows nothing: may look where only this machine can ask. */
export const anonymousOf = ({ auth, host }: Pick<ApiConfig, 'auth' | 'host'>): 'viewer' | 'none' =>
  auth?.anonymous ?? (isLoopback(host) ? 'viewer' : 'none');

export const isLoopback = (host: string): boolean => host.startsWith('127.') || host === '::1';
