// Credentials for tests, of every kind there is, made with real keys; and a named fake of an issuer, served over real TLS.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { exportJWK, type JWK, SignJWT } from 'jose';
import type { Role } from '../../src/api/access.ts';
import { type BreakGlassClaims, signBreakGlass } from '../../src/auth/break-glass.ts';
import type { OidcConfig } from '../../src/auth/oidc.ts';
import { hashOf, lineOf, tokenOf } from '../../src/auth/token-file.ts';
import { newKeyPair } from '../../src/coordinate/signing.ts';
import { realPorts } from '../../src/ports.ts';
import { createAuthority } from '../etcd-certificates.ts';

const ports = realPorts();

export const newToken = (): string => tokenOf(ports.random.hex(20));

export interface Holder {
  name: string;
  role: Role;
  services?: readonly string[];
  expiresAtMs?: number;
}

/** A token file with these holders; out: their tokens in order. */
export const writeTokens = (file: string, holders: readonly Holder[]): readonly string[] => {
  const tokens = holders.map(newToken);
  const text = holders.map(({ name, role, services = null, expiresAtMs = null }, i) =>
    lineOf({ name, role, services, expiresAtMs, hash: hashOf(tokens[i] ?? '') }),
  );
  writeFileSync(file, text.join(''), { mode: 0o600 });
  return tokens;
};

// ---- break-glass ----

export interface GlassKey {
  publicKey: string;
  sign(claims: Partial<BreakGlassClaims> & { nowMs?: number }): string;
}

export const newGlassKey = (): GlassKey => {
  const { privatePem, publicKey } = newKeyPair();
  const key = createPrivateKey(privatePem);
  return {
    publicKey,
    sign({ nowMs = Date.now(), ...claims }) {
      const iat = Math.floor(nowMs / 1000);
      const full = {
        id: ports.random.hex(16),
        cluster: 'test',
        name: 'ann',
        role: 'approver',
        iat,
        exp: iat + 1800,
        reason: 'drill',
        ...claims,
      };
      return signBreakGlass(full as BreakGlassClaims, key);
    },
  };
};

// ---- an issuer ----

export type SigningKey = { kid: string; alg: string; key: KeyObject; publicKey: KeyObject };

export const newSigningKey = (kid: string, alg: 'RS256' | 'ES256' | 'EdDSA'): SigningKey => {
  const { privateKey, publicKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : alg === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  return { kid, alg, key: privateKey, publicKey };
};

export const jwkOf = async ({ kid, alg, publicKey }: SigningKey): Promise<JWK> => ({
  ...(await exportJWK(publicKey)),
  kid,
  alg,
  use: 'sig',
});

export interface TokenOptions {
  key: SigningKey;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  issuer: string;
  audience?: string;
  /** Seconds from now; null: it has no end. */
  expiresInS?: number | null;
  notBeforeInS?: number;
}

export const signJwt = ({
  key,
  claims = {},
  header = {},
  issuer,
  audience = 'tidegate',
  expiresInS = 300,
  notBeforeInS,
}: TokenOptions): Promise<string> => {
  const nowS = Math.floor(Date.now() / 1000);
  const token = new SignJWT({ sub: 'olga', roles: ['sre'], ...claims })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(nowS);
  if (expiresInS !== null) token.setExpirationTime(nowS + expiresInS);
  return (notBeforeInS === undefined ? token : token.setNotBefore(nowS + notBeforeInS)).sign(key.key);
};

/** A token put together by hand: for signatures that no honest library makes. */
export const handmadeJwt = (header: object, claims: object, signature: (signed: string) => string): string => {
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${signed}.${signature(signed)}`;
};

export interface FakeIssuer {
  readonly url: string;
  readonly caFile: string;
  /** Paths asked for so far. */
  readonly asked: string[];
  /** What was sent to it. */
  readonly posted: { path: string; authorization: string | undefined; form: Readonly<Record<string, string>> }[];
  keys: readonly unknown[];
  /** Instead of the answer. */
  answer: ((path: string) => { status: number; body: string } | null | Promise<{ status: number; body: string }>) | null;
  stop(): Promise<void>;
}

/** Serves discovery and keys over TLS on 127.0.0.1; certificates go to `folder`. */
export const startFakeIssuer = async (folder: string, port = 0): Promise<FakeIssuer> => {
  const authority = createAuthority(folder, 'issuer-ca');
  const { certPem, keyPem } = authority.issue('issuer', ['IP:127.0.0.1']);
  const asked: string[] = [];
  const issuer: FakeIssuer = {
    url: '',
    caFile: authority.caFile,
    asked,
    posted: [],
    keys: [],
    answer: null,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server: Server = createServer({ cert: certPem, key: keyPem }, async (request, reply) => {
    const path = request.url ?? '';
    asked.push(path);
    if (request.method === 'POST') {
      const form = Object.fromEntries(new URLSearchParams(await text(request)));
      issuer.posted.push({ path, authorization: request.headers.authorization, form });
    }
    const own = (await issuer.answer?.(path)) ?? null;
    const documents: Record<string, unknown> = {
      '/.well-known/openid-configuration': {
        issuer: issuer.url,
        jwks_uri: `${issuer.url}/keys`,
        authorization_endpoint: `${issuer.url}/auth`,
        token_endpoint: `${issuer.url}/token`,
      },
      '/keys': { keys: issuer.keys },
    };
    const { status, body } = own ?? { status: path in documents ? 200 : 404, body: JSON.stringify(documents[path] ?? {}) };
    reply.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  Object.assign(issuer, { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}` });
  return issuer;
};

export const oidcConfig = (issuer: FakeIssuer, given: Partial<OidcConfig> = {}): OidcConfig => ({
  issuer: issuer.url,
  audience: 'tidegate',
  caFile: issuer.caFile,
  rolesClaim: 'roles',
  roles: { viewer: ['staff'], operator: ['sre'], approver: ['lead'], admin: ['platform'] },
  nameClaim: 'sub',
  clockToleranceMs: 5_000,
  ...given,
});

export const fileIn = (folder: string, name: string, text: string, mode = 0o600): string => {
  writeFileSync(join(folder, name), text, { mode });
  return join(folder, name);
};
