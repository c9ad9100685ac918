// Access tokens of an issuer: real keys, real TLS, an issuer that dies, lies, turns its keys and comes back.
import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROLES } from '../../src/api/access.ts';
import { openIssuer } from '../../src/auth/issuer.ts';
import { identityOf, type OidcConfig, UnknownKey, verifyJwt } from '../../src/auth/oidc.ts';
import { openAccess } from '../../src/auth/open.ts';
import { realPorts } from '../../src/ports.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { createVirtual } from '../virtual.ts';
import { type FakeIssuer, fileIn, handmadeJwt, jwkOf, newSigningKey, oidcConfig, signJwt, startFakeIssuer } from './credentials.ts';

const RSA = newSigningKey('rsa', 'RS256');
const EC = newSigningKey('ec', 'ES256');
const ED = newSigningKey('ed', 'EdDSA');

let folder = '';
let issuer: FakeIssuer;
let log: RecordingLog;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-oidc-'));
  issuer = await startFakeIssuer(folder);
  issuer.keys = await Promise.all([RSA, EC, ED].map(jwkOf));
  log = recordingLog();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await issuer.stop();
  rmSync(folder, { recursive: true });
});

/** Wall time runs `aheadMs` ahead; what waits for time moves with `skipMs`. */
const open = (given: Partial<OidcConfig> = {}, clock = { skipMs: 0 }) => {
  const real = realPorts();
  const ports = { ...real, clock: { monoMs: () => real.clock.monoMs() + clock.skipMs, wallMs: () => real.clock.wallMs() + clock.skipMs } };
  const access = openAccess({
    api: {
      host: '127.0.0.1',
      port: 0,
      tokenFile: join(folder, 'operator.token'),
      auth: { oidc: oidcConfig(issuer, { cacheFile: join(folder, 'keys.json'), ...given }) },
    },
    ports,
    log,
    resolve: () => Promise.reject(new Error('no names here')),
  });
  closing.push(() => access.close());
  return (token: string) => access.identify({ authorization: `Bearer ${token}`, remoteAddress: '192.0.2.1', certificate: null });
};

describe('a token of the issuer', () => {
  test.each([RSA, EC, ED])('signed with $alg is taken, with the role that its claim means', async (key) => {
    const ask = open();
    expect(await ask(await signJwt({ key, issuer: issuer.url }))).toEqual({ name: 'olga', role: 'operator', services: null, how: 'oidc' });
  });

  test('the highest of several roles counts; scopes come from their claim; a name from its own', async () => {
    const ask = open({ rolesClaim: 'realm_access.roles', servicesClaim: 'svc', nameClaim: 'email' });
    const claims = { realm_access: { roles: ['staff', 'lead'] }, svc: ['web.example.test'], email: 'o@example.net' };
    expect(await ask(await signJwt({ key: EC, issuer: issuer.url, claims }))).toEqual({
      name: 'o@example.net',
      role: 'approver',
      services: ['web.example.test'],
      how: 'oidc',
    });
  });

  test.each<[string, (url: string) => Promise<string> | string]>([
    ['expired', (url) => signJwt({ key: EC, issuer: url, expiresInS: -10 })],
    ['not valid yet', (url) => signJwt({ key: EC, issuer: url, notBeforeInS: 60 })],
    ['for somebody else', (url) => signJwt({ key: EC, issuer: url, audience: 'grafana' })],
    ['of another issuer', () => signJwt({ key: EC, issuer: 'https://evil.example' })],
    ['of a type that is none', (url) => signJwt({ key: EC, issuer: url, header: { typ: 'secevent+jwt' } })],
    ['without an end', (url) => signJwt({ key: EC, issuer: url, expiresInS: null })],
    ['signed by nobody', (url) => handmade({ alg: 'none' }, sound(url), () => '')],
    [
      'signed with the public key as a secret',
      (url) => handmade({ alg: 'HS256', kid: 'rsa' }, sound(url), (signed) => hmac(signed, publicPem())),
    ],
    [
      'signed with the published JSON as a secret',
      (url) => handmade({ alg: 'HS256', kid: 'ec' }, sound(url), (signed) => hmac(signed, JSON.stringify(issuer.keys[1]))),
    ],
    [
      'with a signature of another token',
      async (url) =>
        swapped(await signJwt({ key: EC, issuer: url }), await signJwt({ key: EC, issuer: url, claims: { roles: ['platform'] } })),
    ],
    ['with its own key in the header', (url) => foreign(url)],
    [
      'with a header that has to be understood',
      (url) => handmade({ alg: 'ES256', kid: 'ec', crit: ['x'], x: 1 }, sound(url), () => 'AAAA'),
    ],
    ['with a role that is mapped to nothing', (url) => signJwt({ key: EC, issuer: url, claims: { roles: ['guest'] } })],
    ['with a name that is none', (url) => signJwt({ key: EC, issuer: url, claims: { sub: 'a\nb' } })],
    ['of 20 KiB', (url) => signJwt({ key: EC, issuer: url, claims: { padding: 'x'.repeat(20_000) } })],
  ])('%s is refused, in the same words as any other', async (_, make) => {
    const ask = open();
    // So that what follows is not refused for want of keys.
    await ask(await signJwt({ key: EC, issuer: issuer.url }));
    await expect(ask(await make(issuer.url))).rejects.toMatchObject({
      code: 'ERR_UNAUTHORIZED',
      message: 'these credentials are not accepted; the log and the audit of this replica say why within a minute',
    });
  });

  const sound = (url: string) => ({ iss: url, aud: 'tidegate', sub: 'x', roles: ['platform'], exp: Math.floor(Date.now() / 1000) + 300 });
  const handmade = handmadeJwt;
  const hmac = (signed: string, secret: string): string => createHmac('sha256', secret).update(signed).digest('base64url');
  const publicPem = (): string => RSA.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const swapped = (a: string, b: string): string => [...b.split('.').slice(0, 2), a.split('.')[2]].join('.');
  const foreign = async (url: string): Promise<string> => {
    const own = newSigningKey('ec', 'ES256');
    return signJwt({ key: own, issuer: url, header: { jwk: await jwkOf(own), jku: 'https://evil.example/keys' } });
  };
});

describe('the keys', () => {
  test('that have just come are kept before it is closed (a folder that was removed right after could not be)', async () => {
    await open()(await signJwt({ key: EC, issuer: issuer.url }));
    for (const close of closing.splice(0)) await close();
    expect(readFileSync(join(folder, 'keys.json'), 'utf8')).toContain('"kid":"ec"');
  });

  test('are kept: people get in while the issuer is down, and after a restart meanwhile; not for ever', async () => {
    const token = await signJwt({ key: EC, issuer: issuer.url, expiresInS: 30 * 24 * 3600 });
    await open()(token);
    await expect.poll(() => readFileSync(join(folder, 'keys.json'), 'utf8')).toContain('"kid":"ec"');
    await issuer.stop();
    const clock = { skipMs: 6 * 24 * 3_600_000 };
    const ask = open({}, clock);
    expect((await ask(token)).name).toBe('olga');
    clock.skipMs = 8 * 24 * 3_600_000;
    await expect(ask(token)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });

  test('that anybody could have written are not believed', async () => {
    const evil = newSigningKey('evil', 'ES256');
    const kept = { issuer: issuer.url, fetchedAtMs: Date.now(), set: { keys: [await jwkOf(evil)] } };
    const token = await signJwt({ key: evil, issuer: issuer.url });
    await issuer.stop();
    fileIn(folder, 'keys.json', JSON.stringify(kept));
    expect((await open()(token)).name).toBe('olga');
    chmodSync(join(folder, 'keys.json'), 0o666);
    await expect(open()(token)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    expect(JSON.stringify(log.of('auth.oidc.cache'))).toContain('other users can write it');
    writeFileSync(join(folder, 'keys.json'), JSON.stringify({ ...kept, issuer: 'https://other.example' }));
    chmodSync(join(folder, 'keys.json'), 0o600);
    await expect(open()(token)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });

  test('that are turned are found at the first token; tokens with invented keys ask the issuer once per cooldown, and many at once together', async () => {
    const clock = { skipMs: 0 };
    const ask = open({}, clock);
    await ask(await signJwt({ key: EC, issuer: issuer.url }));
    const fresh = newSigningKey('next', 'ES256');
    issuer.keys = [await jwkOf(fresh)];
    const token = await signJwt({ key: fresh, issuer: issuer.url });
    await expect(ask(token)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    clock.skipMs = 31_000;
    const asked = issuer.asked.length;
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(token)));
    expect(all.map(({ name }) => name)).toEqual(Array(20).fill('olga'));
    expect(issuer.asked.length - asked).toBe(2);
    for (let i = 0; i < 20; i += 1)
      await expect(ask(await signJwt({ key: newSigningKey(`invented-${i}`, 'EdDSA'), issuer: issuer.url }))).rejects.toThrow();
    expect(issuer.asked.length - asked).toBe(2);
  });

  test('that the issuer withdraws are good for ten minutes more at most, although nobody shows another', async () => {
    const virtual = createVirtual({ startWallMs: Date.now(), seed: 'withdrawn' });
    const config = oidcConfig(issuer);
    const documents = (url: string | URL): unknown =>
      String(url).endsWith('/keys') ? { keys: issuer.keys } : { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` };
    const known = openIssuer({ config, ports: virtual.ports, log, fetch: async (url) => Response.json(documents(url)) });
    closing.push(async () => known.close());
    const token = await signJwt({ key: EC, issuer: issuer.url });
    const judged = async (): Promise<unknown> => {
      const keys = await known.keys();
      return keys === null ? null : (await verifyJwt(token, keys, config, Date.now())).sub;
    };
    await virtual.advance(1000);
    expect(await judged()).toBe('olga');
    issuer.keys = [await jwkOf(ED)];
    await virtual.advance(9 * 60_000);
    expect(await judged()).toBe('olga');
    await virtual.advance(60_000);
    await expect(judged()).rejects.toBeInstanceOf(UnknownKey);
  });

  test('never come without TLS that is verified, from another issuer, or as secrets', async () => {
    const token = await signJwt({ key: EC, issuer: issuer.url });
    const own = fileIn(folder, 'other.pem', readFileSync(issuer.caFile, 'utf8'));
    issuer.answer = (path) =>
      path.startsWith('/.well')
        ? { status: 200, body: JSON.stringify({ issuer: 'https://evil.example', jwks_uri: `${issuer.url}/keys` }) }
        : null;
    await expect(open({ cacheFile: join(folder, 'a') })(token)).rejects.toThrow();
    issuer.answer = (path) =>
      path.startsWith('/.well') ? { status: 200, body: JSON.stringify({ issuer: issuer.url, jwks_uri: 'http://192.0.2.1/keys' }) } : null;
    await expect(open({ cacheFile: join(folder, 'b') })(token)).rejects.toThrow();
    issuer.answer = (path) =>
      path === '/keys' ? { status: 200, body: JSON.stringify({ keys: [{ kty: 'oct', kid: 'ec', k: 'c2VjcmV0' }] }) } : null;
    await expect(open({ cacheFile: join(folder, 'c') })(token)).rejects.toThrow();
    issuer.answer = () => ({ status: 302, body: '' });
    await expect(open({ cacheFile: join(folder, 'd') })(token)).rejects.toThrow();
    issuer.answer = () => ({ status: 200, body: `{"keys": "${'x'.repeat(300_000)}"}` });
    await expect(open({ cacheFile: join(folder, 'e') })(token)).rejects.toThrow();
    issuer.answer = null;
    const { caFile: _, ...system } = oidcConfig(issuer);
    const untrusting = open({
      ...system,
      caFile: fileIn(folder, 'none.pem', readFileSync(own, 'utf8').replace(/[A-Z]{4}/, 'AAAA')),
      cacheFile: join(folder, 'f'),
    });
    await expect(untrusting(token)).rejects.toThrow();
    const because = log.of('auth.oidc.unreachable').map(({ fields }) => String(fields.because));
    expect(because).toEqual([
      expect.stringContaining('speaks for another issuer'),
      expect.stringContaining('names no https:// address as jwks_uri'),
      'a set without a public key to verify with',
      expect.stringContaining('answered 302, expected 200'),
      expect.stringContaining('answered more than 262144 bytes'),
      expect.stringMatching(/certificate/),
    ]);
  });

  test('of an issuer that hangs hold a request up for three seconds at most, and the next not at all', { timeout: 60_000 }, async () => {
    const { createServer } = await import('node:net');
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const ask = open({ issuer: `https://127.0.0.1:${port}`, cacheFile: join(folder, 'g') });
    const token = await signJwt({ key: EC, issuer: `https://127.0.0.1:${port}` });
    const started = performance.now();
    await expect(ask(token)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    expect(performance.now() - started).toBeLessThan(6_000);
    const again = performance.now();
    await expect(ask(token)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    expect(performance.now() - again).toBeLessThan(2_000);
    silent.close();
  });
});

test('whatever claims hold, a role is given only for a word that is mapped to it, and the highest of them', () => {
  const config = oidcConfig({ url: '', caFile: '' } as FakeIssuer);
  const words = fc.constantFrom('staff', 'sre', 'lead', 'platform', 'guest', '__proto__', 'constructor', '');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(words),
        words,
        fc.array(words).map((all) => all.join(' ')),
        fc.anything(),
      ),
      (roles) => {
        const given = typeof roles === 'string' ? roles.split(' ') : Array.isArray(roles) ? roles : [];
        const meant = ROLES.filter((role) => config.roles[role]?.some((word) => given.includes(word)));
        let found: string | null = null;
        try {
          found = identityOf({ sub: 'x', roles } as never, config).role;
        } catch {
          // Nobody then.
        }
        expect(found).toBe(meant.at(-1) ?? null);
      },
    ),
    { numRuns: 500 },
  );
});
