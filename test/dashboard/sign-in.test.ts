// Who asks, and signing in with a browser: a code of a real (if small) issuer over TLS is redeemed for a token that the API then takes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SignInConfig } from '../../src/auth/oidc.ts';
import { openAccess } from '../../src/auth/open.ts';
import { realPorts } from '../../src/ports.ts';
import { AUTHORIZED, accessOf, type Opened, openApi, principal, viewOf } from '../api/fixture.ts';
import { type FakeIssuer, fileIn, jwkOf, newSigningKey, oidcConfig, signJwt, startFakeIssuer } from '../auth/credentials.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';

const EC = newSigningKey('ec', 'ES256');
const HOST = 'tidegate.example.test';
const PEERS = { 'us-east': 'https://us-east.tidegate.example.test:7700' };
const CODE = 'SplxlOBeZQQYbYS6WxSbIA';
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const SECRET = 'client-secret: of & the page';

let folder = '';
let issuer: FakeIssuer;
let log: RecordingLog;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-sign-in-'));
  issuer = await startFakeIssuer(folder);
  issuer.keys = [await jwkOf(EC)];
  log = recordingLog();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await issuer.stop();
  rmSync(folder, { recursive: true });
});

const open = (signIn: Partial<SignInConfig> | null = {}, clock = { skipMs: 0 }): Opened => {
  const real = realPorts();
  const oidc = oidcConfig(issuer, signIn === null ? {} : { signIn: { clientId: 'dashboard', scopes: ['openid', 'email'], ...signIn } });
  const access = openAccess({
    api: { host: '127.0.0.1', port: 0, tokenFile: join(folder, 'operator.token'), auth: { oidc } },
    ports: { ...real, clock: { ...real.clock, monoMs: () => real.clock.monoMs() + clock.skipMs } },
    log,
    resolve: () => Promise.reject(new Error('no names here')),
  });
  const api = openApi({ access, log, dashboard: { peers: PEERS, anonymous: 'none', signIn: access.signIn } });
  closing.push(
    () => access.close(),
    () => api.close(),
  );
  return api;
};
const redeem = (api: Opened, given: object = {}, host = HOST) =>
  api.app.inject({
    method: 'POST',
    url: '/v1/sign-in/oidc',
    headers: { host },
    payload: { code: CODE, verifier: VERIFIER, redirectUri: `https://${HOST}/`, ...given },
  });
const answersWith = async (tokens: Record<string, unknown>, status = 200): Promise<void> => {
  issuer.answer = (path) => (path === '/token' ? { status, body: JSON.stringify(tokens) } : null);
};

describe('GET /v1/me', () => {
  test('says who asks and what they may do', async () => {
    const ana = principal('ana', { role: 'approver', services: ['web.example.test'], how: 'oidc' });
    const api = openApi({ access: accessOf(ana) });
    closing.push(() => api.close());
    const reply = await api.app.inject({ url: '/v1/me', headers: { authorization: 'Bearer ana' } });
    expect(reply.json()).toEqual({ name: 'ana', role: 'approver', services: ['web.example.test'], how: 'oidc', cluster: 'test' });
    expect((await api.app.inject('/v1/me')).statusCode).toBe(401);
  });

  test('also of who shows nothing, where that may look, and before any configuration is known', async () => {
    const api = openApi({ view: viewOf({ cluster: () => null }) });
    closing.push(() => api.close());
    expect((await api.app.inject('/v1/me')).json()).toEqual({
      name: 'anonymous',
      role: 'viewer',
      services: null,
      how: 'anonymous',
      cluster: null,
    });
    expect((await api.app.inject({ url: '/v1/me', headers: AUTHORIZED })).json()).toMatchObject({
      name: 'operator',
      role: 'admin',
      how: 'token',
    });
  });
});

describe('GET /v1/sign-in', () => {
  test('names the issuer as it names itself, asked once; the peers; and nothing that is secret', async () => {
    const api = open({ clientSecretFile: fileIn(folder, 'secret', SECRET) });
    const expected = {
      token: true,
      oidc: { authorizationUrl: `${issuer.url}/auth`, clientId: 'dashboard', scopes: ['openid', 'email'] },
      anonymous: 'none',
      peers: PEERS,
    };
    const replies = await Promise.all(Array.from({ length: 5 }, () => api.app.inject('/v1/sign-in')));
    for (const reply of replies) expect(reply.json()).toEqual(expected);
    const asked = issuer.asked.filter((path) => path.includes('openid-configuration')).length;
    await api.app.inject('/v1/sign-in');
    expect(issuer.asked.filter((path) => path.includes('openid-configuration')).length).toBe(asked);
    expect(replies[0]?.body).not.toContain('client-secret');
  });

  test('knows of tokens alone where nothing is configured, and while the issuer has not said where; it is asked again later', async () => {
    expect((await open(null).app.inject('/v1/sign-in')).json().oidc).toBeNull();
    issuer.answer = () => ({ status: 503, body: '' });
    const clock = { skipMs: 0 };
    const api = open({}, clock);
    expect((await api.app.inject('/v1/sign-in')).json()).toMatchObject({ token: true, oidc: null });
    issuer.answer = null;
    expect((await api.app.inject('/v1/sign-in')).json().oidc).toBeNull();
    clock.skipMs += 31_000;
    expect((await api.app.inject('/v1/sign-in')).json().oidc).toMatchObject({ authorizationUrl: `${issuer.url}/auth` });
  });

  test('takes the addresses of the configuration without asking', async () => {
    const api = open({ authorizationUrl: 'https://login.example.test/a', tokenUrl: `${issuer.url}/token` });
    expect((await api.app.inject('/v1/sign-in')).json().oidc.authorizationUrl).toBe('https://login.example.test/a');
  });

  test('of a replica without a configuration of its own for it', async () => {
    const api = openApi();
    closing.push(() => api.close());
    expect((await api.app.inject('/v1/sign-in')).json()).toEqual({ token: true, oidc: null, anonymous: 'none', peers: {} });
  });
});

describe('a code', () => {
  test('is redeemed with the proof key for a token that the API takes', async () => {
    const idToken = await signJwt({ key: EC, issuer: issuer.url, header: { typ: 'JWT' } });
    await answersWith({ id_token: idToken, access_token: 'opaque', token_type: 'Bearer' });
    const api = open();
    const reply = await redeem(api);
    expect(reply.statusCode).toBe(200);
    expect(reply.json().token).toBe(idToken);
    expect(reply.json().expiresAtMs).toBeGreaterThan(Date.now());
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(issuer.posted).toEqual([
      {
        path: '/token',
        authorization: undefined,
        form: {
          grant_type: 'authorization_code',
          code: CODE,
          redirect_uri: `https://${HOST}/`,
          client_id: 'dashboard',
          code_verifier: VERIFIER,
        },
      },
    ]);
    const me = await api.app.inject({ url: '/v1/me', headers: { authorization: `Bearer ${reply.json().token}` } });
    expect(me.json()).toMatchObject({ name: 'olga', role: 'operator', how: 'oidc' });
  });

  test('gives the access token where the ID token is for the page alone', async () => {
    const accessToken = await signJwt({ key: EC, issuer: issuer.url });
    await answersWith({ id_token: await signJwt({ key: EC, issuer: issuer.url, audience: 'dashboard' }), access_token: accessToken });
    expect((await redeem(open())).json().token).toBe(accessToken);
  });

  test('comes with the secret of the client where there is one, encoded as RFC 6749 has it', async () => {
    await answersWith({ id_token: await signJwt({ key: EC, issuer: issuer.url }) });
    expect((await redeem(open({ clientSecretFile: fileIn(folder, 'secret', SECRET) }))).statusCode).toBe(200);
    const shown = Buffer.from(issuer.posted[0]?.authorization?.replace('Basic ', '') ?? '', 'base64').toString();
    expect(shown).toBe('dashboard:client-secret%3A+of+%26+the+page');
  });

  test('may come from a page of this replica or of a peer, and of nobody else', async () => {
    await answersWith({ id_token: await signJwt({ key: EC, issuer: issuer.url }) });
    const api = open();
    expect((await redeem(api, { redirectUri: `${PEERS['us-east']}/` })).statusCode).toBe(200);
    expect((await redeem(api, { redirectUri: 'http://127.0.0.1:7700/' }, '127.0.0.1:7700')).statusCode).toBe(200);
    const strange = [
      'https://evil.example/',
      `http://${HOST}/`,
      `https://${HOST}/status`,
      `https://${HOST}`,
      `https://${HOST}/?next=x`,
      `https://ana@${HOST}/`,
      `https://${HOST}.evil.example/`,
      `https://${HOST}:8443/`,
      'javascript:alert(1)',
      '',
    ];
    for (const redirectUri of strange) {
      const reply = await redeem(api, { redirectUri });
      expect([reply.statusCode, reply.json().errors[0].pointer], redirectUri).toEqual([400, '/redirectUri']);
    }
    expect(issuer.posted.length).toBe(2);
  });

  test('that is no code, or without its verifier, is refused before the issuer hears of it', async () => {
    const api = open();
    for (const given of [
      { code: '' },
      { code: 'a b' },
      { code: 'x'.repeat(3_000) },
      { verifier: 'short' },
      { verifier: undefined },
      { more: 1 },
    ]) {
      const reply = await redeem(api, given);
      expect([reply.statusCode, reply.json().code], JSON.stringify(given).slice(0, 40)).toEqual([400, 'ERR_BAD_REQUEST']);
    }
    expect(issuer.posted).toEqual([]);
  });

  test('that the issuer does not take, is not told why', async () => {
    await answersWith({ error: 'invalid_grant', error_description: `code ${CODE} belongs to mallory` }, 400);
    const reply = await redeem(open());
    expect([reply.statusCode, reply.json().code]).toEqual([401, 'ERR_UNAUTHORIZED']);
    expect(reply.body).not.toContain('mallory');
  });

  test.each([
    ['no token at all', async () => ({})],
    ['something that is no token', async () => ({ id_token: 7, access_token: 'opaque' })],
    [
      'a token for somebody else',
      () => signJwt({ key: EC, issuer: issuer.url, audience: 'grafana' }).then((token) => ({ id_token: token })),
    ],
    [
      'a token of nobody with a role',
      () => signJwt({ key: EC, issuer: issuer.url, claims: { roles: ['guest'] } }).then((token) => ({ id_token: token })),
    ],
    [
      'a token signed by another',
      () => signJwt({ key: newSigningKey('ec', 'ES256'), issuer: issuer.url }).then((token) => ({ id_token: token })),
    ],
    ['an old token', () => signJwt({ key: EC, issuer: issuer.url, expiresInS: -60 }).then((token) => ({ id_token: token }))],
  ])('for which the issuer gives %s, gives nothing here', async (_, tokens) => {
    await answersWith(await tokens());
    const reply = await redeem(open());
    expect([reply.statusCode, reply.json().code]).toEqual([401, 'ERR_UNAUTHORIZED']);
    expect(reply.json().token).toBeUndefined();
    expect(log.of('auth.sign-in.refused').length).toBe(1);
  });

  test.each([
    ['is broken', () => ({ status: 500, body: 'stack trace' })],
    ['says so much that nobody reads it', () => ({ status: 200, body: 'x'.repeat(100_000) })],
    ['sends elsewhere', () => ({ status: 302, body: '' })],
  ])('while the issuer %s: a problem, without its words', async (what, answer) => {
    issuer.answer = (path) => (path === '/token' ? answer() : null);
    const reply = await redeem(open());
    expect(reply.statusCode).toBe(what === 'sends elsewhere' ? 401 : 502);
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(reply.body).not.toMatch(/stack trace|xxx/);
  });

  test('is in no log line, nor is what it was redeemed for', async () => {
    const token = await signJwt({ key: EC, issuer: issuer.url });
    await answersWith({ id_token: token });
    const api = open({ clientSecretFile: fileIn(folder, 'secret', SECRET) });
    await redeem(api);
    await answersWith({ error: 'x' }, 400);
    await redeem(api);
    const lines = JSON.stringify(log.lines);
    for (const secret of [CODE, VERIFIER, token, SECRET]) expect(lines).not.toContain(secret);
  });

  test.each(['invalid_client', 'unauthorized_client'])(
    'at an issuer that knows another secret (%s) is not said to be old: nobody would get in by trying again',
    async (error) => {
      await answersWith({ error, error_description: 'mallory' }, 401);
      const reply = await redeem(open());
      expect([reply.statusCode, reply.json().code]).toEqual([502, 'ERR_SYSTEM']);
      expect(reply.json().detail).toContain('clientSecretFile');
      expect(log.of('auth.sign-in.refused')).toMatchObject([{ fields: { status: 401, error } }]);
      expect(reply.body + JSON.stringify(log.lines)).not.toContain('mallory');
    },
  );

  test('many of them at an issuer that is slow keep nobody out: the rest are told to wait, and keys of tokens still come', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const redeemable = await signJwt({ key: EC, issuer: issuer.url });
    const clock = { skipMs: 0 };
    const api = open({}, clock);
    const me = (token: string) => api.app.inject({ url: '/v1/me', headers: { authorization: `Bearer ${token}` } });
    expect((await me(redeemable)).statusCode).toBe(200);
    issuer.answer = async (path) => {
      if (path !== '/token') return { status: 200, body: JSON.stringify(path === '/keys' ? { keys: issuer.keys } : discovered) };
      await released;
      return { status: 200, body: JSON.stringify({ id_token: redeemable }) };
    };
    const discovered = {
      issuer: issuer.url,
      jwks_uri: `${issuer.url}/keys`,
      authorization_endpoint: `${issuer.url}/a`,
      token_endpoint: `${issuer.url}/token`,
    };
    const replies = Promise.all(Array.from({ length: 40 }, () => redeem(api)));
    await expect.poll(() => issuer.posted.length).toBeGreaterThanOrEqual(8);

    const rotated = newSigningKey('rotated', 'ES256');
    issuer.keys = [await jwkOf(rotated)];
    clock.skipMs += 31_000;
    expect((await me(await signJwt({ key: rotated, issuer: issuer.url }))).statusCode).toBe(200);

    issuer.keys = [await jwkOf(EC)];
    clock.skipMs += 31_000;
    release();
    const all = await replies;
    expect(Map.groupBy(all, ({ statusCode }) => statusCode).get(200)?.length).toBe(8);
    const told = all.filter(({ statusCode }) => statusCode !== 200);
    for (const { statusCode, headers } of told) expect([statusCode, headers['retry-after']]).toEqual([429, '1']);
    expect((await redeem(api)).statusCode).toBe(200);
  });

  test('that is wrong, sent again and again by anybody, does not fill the log; a minute later it is told again', async () => {
    await answersWith({ error: 'invalid_grant' }, 400);
    const clock = { skipMs: 0 };
    const api = open({}, clock);
    for (let n = 0; n < 100; n += 1) expect((await redeem(api)).statusCode).toBe(401);
    expect(log.of('auth.sign-in.refused').length).toBe(64);
    clock.skipMs += 61_000;
    await redeem(api);
    expect(log.of('auth.sign-in.refused').length).toBe(65);
  });

  test('is not taken where no sign-in is configured', async () => {
    expect((await redeem(open(null))).json().code).toBe('ERR_NOT_FOUND');
  });
});
