// Every route against everybody: who gets in, who does not, in which words, and that no credential comes back on any surface. The table of routes is
// enumerated, so that a new route cannot be forgotten here.
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { fastify, type InjectOptions } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mayAct, type Principal, ROLES, type Role } from '../../src/api/access.ts';
import { problemOf } from '../../src/api/problem.ts';
import { type ApiRoute, addRoutes, type RouteOptions } from '../../src/api/route.ts';
import { routesOf } from '../../src/api/routes/index.ts';
import { type AccessOptions, createAccess } from '../../src/auth/access.ts';
import { type Issuer, openIssuer } from '../../src/auth/issuer.ts';
import { usedOps } from '../../src/auth/once.ts';
import { type OpenAccess, openAccess } from '../../src/auth/open.ts';
import type { RefusedCalls } from '../../src/auth/refusal.ts';
import { openTokens } from '../../src/auth/tokens.ts';
import { createHttp } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import {
  type FakeIssuer,
  handmadeJwt,
  jwkOf,
  newGlassKey,
  newSigningKey,
  newToken,
  oidcConfig,
  signJwt,
  startFakeIssuer,
  writeTokens,
} from '../auth/credentials.ts';
import { recordingLog } from '../recording-log.ts';
import { DRAIN, type Opened, openApi } from './fixture.ts';

const BOOTSTRAP = 'bootstrap-token-0123456789abcdef';
/** Answers that do not end by themselves; their own tests are elsewhere. Who may open them is tested here as for all. */
const STREAMS = ['/v1/events'];

const EC = newSigningKey('ec', 'ES256');
const RSA = newSigningKey('rsa', 'RS256');
const glass = newGlassKey();
const real = realPorts();
const clock = { skipMs: 0 };
const ports = { ...real, clock: { monoMs: () => real.clock.monoMs() + clock.skipMs, wallMs: () => real.clock.wallMs() } };

let folder = '';
let issuer: FakeIssuer;
let keys: Issuer;
let api: Opened;
let access: ReturnType<typeof createAccess>;
let table: readonly ApiRoute[];
const tokens = new Map<string, string>();
const refused: RefusedCalls[] = [];
const log = recordingLog();
/** Every credential that is used here, and everything that was answered. */
const shown = new Set<string>();
const answered: string[] = [];
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-security-'));
  issuer = await startFakeIssuer(folder);
  issuer.keys = await Promise.all([EC, RSA].map(jwkOf));
  const config = oidcConfig(issuer);
  const http = createHttp({
    ports: real,
    resolve: () => Promise.reject(new Error('no names')),
    caPem: (await import('node:fs')).readFileSync(issuer.caFile, 'utf8'),
  });
  keys = openIssuer({ config, ports: real, log, fetch: http.fetch });
  const holders = [
    ...ROLES.map((role) => ({ name: role, role })),
    { name: 'scoped', role: 'operator' as const, services: ['web.example.test'] },
    { name: 'old', role: 'admin' as const, expiresAtMs: Date.now() - 1000 },
  ];
  const file = join(folder, 'tokens');
  for (const [i, token] of writeTokens(file, holders).entries()) tokens.set(holders[i]?.name ?? '', token);
  const options: AccessOptions = {
    ports,
    log,
    bootstrap: BOOTSTRAP,
    anonymous: 'none',
    tokens: openTokens(file, ports, log),
    oidc: { config, issuer: keys },
    breakGlassKeys: [glass.publicKey],
    clusterName: () => 'test',
    onRefused: (calls) => void refused.push(calls),
  };
  access = createAccess(options);
  api = openApi({ access, log });
  await api.app.ready();
  table = routesOf(routing());
  closing.push(
    () => keys.close(),
    () => http.close(),
    () => issuer.stop(),
    () => api.close(),
  );
});
afterAll(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  clock.skipMs += 3_600_000;
});

const routing = (): RouteOptions => ({ ...api.options, stopping: () => false, baseUrl: () => 'http://127.0.0.1' });
const pathOf = ({ url }: ApiRoute): string => url.replaceAll(/:[A-Za-z]+/g, '1').replace('*', 'style.css');
const tokenFor = (role: Role): string => tokens.get(role) ?? '';

let addresses = 0;
/** Somebody who has not been seen before. */
const elsewhere = (): string => `10.${(++addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`;

const ask = async (request: InjectOptions, credential?: string, app = api.app) => {
  if (credential !== undefined) shown.add(credential.replace(/^\S+ +/, ''));
  const reply = await app.inject({
    remoteAddress: elsewhere(),
    ...request,
    headers: { ...request.headers, ...(credential === undefined ? {} : { authorization: credential }) },
  });
  answered.push(reply.body, JSON.stringify(reply.headers));
  return reply;
};
const bearer = (token: string): string => `Bearer ${token}`;

/** Everybody who does not get in, by what they show. */
const impostors = async (): Promise<Readonly<Record<string, string>>> => {
  const { url } = issuer;
  const sound = { iss: url, aud: 'tidegate', sub: 'x', roles: ['platform'], exp: Math.floor(Date.now() / 1000) + 300 };
  const pem = RSA.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const stranger = newGlassKey();
  const token = tokenFor('admin');
  const nowS = Math.floor(Date.now() / 1000);
  return {
    'nothing after Bearer': 'Bearer',
    'another scheme': `Basic ${Buffer.from(`admin:${BOOTSTRAP}`).toString('base64')}`,
    'two tokens': bearer(`${BOOTSTRAP} ${token}`),
    'a guess': bearer('guess'),
    'the bootstrap token and more': bearer(`${BOOTSTRAP}x`),
    'a token that nobody made': bearer(newToken()),
    'a mistyped token': bearer(token.replace(/.$/, (last) => (last === '0' ? '1' : '0'))),
    'a cut token': bearer(token.slice(0, 30)),
    'an expired token': bearer(tokens.get('old') ?? ''),
    'an expired access token': bearer(await signJwt({ key: EC, issuer: url, expiresInS: -60 })),
    'an access token that is not valid yet': bearer(await signJwt({ key: EC, issuer: url, notBeforeInS: 60 })),
    'an access token for somebody else': bearer(await signJwt({ key: EC, issuer: url, audience: 'grafana' })),
    'an access token of somebody else': bearer(await signJwt({ key: EC, issuer: 'https://evil.example' })),
    'an access token with a foreign key': bearer(await signJwt({ key: newSigningKey('ec', 'ES256'), issuer: url })),
    'an unsigned access token': bearer(handmadeJwt({ alg: 'none', typ: 'at+jwt' }, sound, () => '')),
    'an access token signed with the public key': bearer(
      handmadeJwt({ alg: 'HS256', kid: 'rsa' }, sound, (signed) => createHmac('sha256', pem).update(signed).digest('base64url')),
    ),
    'an access token without a role': bearer(await signJwt({ key: EC, issuer: url, claims: { roles: ['guest'] } })),
    'break-glass of another key': bearer(stranger.sign({})),
    'break-glass for another cluster': bearer(glass.sign({ cluster: 'prod' })),
    'break-glass that has expired': bearer(glass.sign({ nowMs: Date.now() - 3_600_000 })),
    'break-glass of tomorrow': bearer(glass.sign({ nowMs: Date.now() + 3_600_000 })),
    'break-glass for a week': bearer(glass.sign({ exp: nowS + 7 * 24 * 3600 })),
    'break-glass for a role that is none': bearer(glass.sign({ role: 'root' as Role })),
    'break-glass with another payload': bearer(
      glass.sign({ role: 'viewer' }).replace(/\.[^.]+\./, `.${glass.sign({ role: 'admin' }).split('.')[1]}.`),
    ),
  };
};

/** Takes no token, since it gives one, of whoever the issuer vouches for. test/dashboard/sign-in.test.ts proves it. */
const REDEEM = '/v1/sign-in/oidc';
/** Takes no token: the message itself is signed, and nothing is offered where no secret is configured. test/api/callbacks.test.ts proves it. */
const SIGNED = '/v1/callbacks/pages';

describe('every route', () => {
  test('is in the table: nothing is offered beside it', () => {
    const offered = [...api.app.printRoutes({ commonPrefix: false }).matchAll(/(\/\S*) \(([A-Z, ]+)\)/g)].map(([, path]) => path);
    expect(offered.length).toBeGreaterThan(0);
    expect(table.length).toBeGreaterThan(5);
    for (const route of table) expect(api.app.hasRoute({ method: route.method, url: route.url }), route.url).toBe(true);
    const open = table.filter(({ needs }) => needs === null).map(({ url }) => url);
    expect(open.sort()).toEqual(expect.arrayContaining(['/healthz', '/metrics', '/readyz']));
    // What is open to anybody is a decision, taken here: change this line together with it.
    expect(open.filter((url) => !['/healthz', '/metrics', '/readyz'].includes(url))).toEqual([
      '/',
      '/assets/*',
      SIGNED,
      '/v1/sign-in',
      REDEEM,
    ]);
  });

  test('that changes something takes more than looking', () => {
    const writes = table.filter(({ method, url }) => method !== 'GET' && !['/v1/simulate', SIGNED, REDEEM].includes(url));
    expect(writes.length).toBeGreaterThan(1);
    expect(writes.filter(({ needs }) => needs === null || needs === 'viewer').map(({ method, url }) => `${method} ${url}`)).toEqual([]);
  });

  test('refuses who shows nothing, with the way to do it; the open ones answer', async () => {
    for (const route of table) {
      if (STREAMS.includes(route.url) && route.needs === null) continue;
      const reply = await ask({ method: route.method, url: pathOf(route) });
      if ([SIGNED, REDEEM].includes(route.url)) expect(reply.statusCode, 'not configured').toBe(404);
      else if (route.needs === null) expect(reply.statusCode, route.url).toBe(200);
      else {
        expect(reply.statusCode, `${route.method} ${route.url}`).toBe(401);
        expect(reply.headers['www-authenticate']).toContain('Bearer');
        expect(reply.json().code).toBe('ERR_UNAUTHORIZED');
      }
    }
  });

  test('refuses every impostor in the same words, and never takes one for a reader', { timeout: 60_000 }, async () => {
    const told = new Set<string>();
    for (const [who, credential] of Object.entries(await impostors()))
      for (const route of table.filter(({ needs }) => needs !== null)) {
        // There the password is the token: an impostor as much, unless it is a sound one.
        if (route.byPassword === true && who === 'another scheme') continue;
        const reply = await ask(
          { method: route.method, url: pathOf(route), ...(route.method === 'GET' ? {} : { payload: DRAIN }) },
          credential,
        );
        expect(reply.statusCode, `${who} at ${route.method} ${route.url}`).toBe(401);
        const { requestId: _, ...problem } = reply.json();
        told.add(JSON.stringify(problem));
      }
    expect([...told].length).toBe(1);
  });

  test('lets in exactly those whose role is enough, however they show it', { timeout: 60_000 }, async () => {
    const app = fastify();
    app.setErrorHandler((error, request, reply) => reply.code(problemOf(error, request.id).status).send());
    const passed: Principal[] = [];
    const admitted = table.map((route) => ({
      ...route,
      once: 'spends' as const,
      handler: async (_request: unknown, _reply: unknown, principal: Principal) => {
        passed.push(principal);
        return { admitted: principal.name };
      },
    }));
    addRoutes(app, routing(), admitted as readonly ApiRoute[], { reads: async () => undefined, writes: async () => undefined });
    const words: Record<Role, string> = { viewer: 'staff', operator: 'sre', approver: 'lead', admin: 'platform' };
    const show: Record<string, (role: Role) => Promise<string> | string> = {
      token: tokenFor,
      oidc: (role) => signJwt({ key: EC, issuer: issuer.url, claims: { roles: [words[role]] } }),
      'break-glass': (role) => glass.sign({ role }),
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ROLES),
        fc.constantFrom(...Object.keys(show)),
        fc.constantFrom(...table),
        async (role, how, route) => {
          passed.length = 0;
          const reply = await ask({ method: route.method, url: pathOf(route) }, bearer((await show[how]?.(role)) ?? ''), app);
          const may = route.needs === null || mayAct({ name: '', role, services: null, how: 'token' }, route.needs);
          expect(reply.statusCode, `${role} by ${how} at ${route.method} ${route.url}`).toBe(may ? 200 : 403);
          expect(passed.length).toBe(may ? 1 : 0);
          if (may && route.needs !== null) expect(passed[0]).toMatchObject({ role, how });
        },
      ),
      { numRuns: 400 },
    );
    await app.close();
  });

  test('knows what a credential may be used for: scopes arrive as they were given', async () => {
    const caller = { remoteAddress: elsewhere(), certificate: null };
    const services = ['web.example.test'];
    for (const token of [tokens.get('scoped') ?? '', glass.sign({ services })])
      expect((await access.identify({ ...caller, authorization: bearer(token) })).services).toEqual(services);
    expect((await access.identify({ ...caller, authorization: bearer(BOOTSTRAP) })).role).toBe('admin');
  });
});

describe('a break-glass token', () => {
  test('reads as often as it likes', async () => {
    const token = glass.sign({ role: 'operator' });
    for (let i = 0; i < 3; i += 1) expect((await ask({ url: '/v1/overrides' }, bearer(token))).statusCode).toBe(200);
  });

  test('writes only where its use can be recorded', async () => {
    const app = fastify();
    app.setErrorHandler((error, _request, reply) => reply.code(400).send({ code: (error as { code?: string }).code }));
    const row = (url: string, once?: 'spends' | 'keeps'): ApiRoute => ({
      method: 'POST',
      url,
      needs: 'operator',
      ...(once === undefined ? {} : { once }),
      handler: async () => ({}),
    });
    const free = async (): Promise<void> => undefined;
    addRoutes(app, routing(), [row('/a'), row('/b', 'spends'), row('/c', 'keeps')], { reads: free, writes: free });
    const credential = bearer(glass.sign({ role: 'operator' }));
    const post = (url: string) => ask({ method: 'POST', url }, credential, app);
    expect((await post('/a')).json()).toEqual({ code: 'ERR_FORBIDDEN' });
    expect((await post('/b')).statusCode).toBe(200);
    expect((await post('/c')).statusCode).toBe(200);
    await app.close();
  });

  test('acts once: of two acts with it, at the same time and ever after, one is committed', async () => {
    const { once } = await access.identify({ authorization: bearer(glass.sign({})), remoteAddress: elsewhere(), certificate: null });
    if (once === undefined) throw new Error('good for more than one act');
    const { conditions, ops } = usedOps(once, { by: 'ann', atMs: 1 });
    const act = (n: number) => api.store.txn({ if: conditions, then: [...ops, { put: `act/${n}`, value: n }] });
    const outcomes = [...(await Promise.all([act(1), act(2), act(3)])), await act(4)];
    expect(outcomes.filter(({ ok }) => ok).length).toBe(1);
    expect((await api.store.get({ prefixes: ['act/'] })).kvs.length).toBe(1);
    expect((await api.store.get({ keys: [`used/${once.id}`] })).kvs[0]?.value).toEqual({
      by: 'ann',
      atMs: 1,
      expiresAtMs: once.expiresAtMs,
    });
  });

  test('of a clock that is up to five minutes ahead is good, beyond that it is not', async () => {
    const at = (aheadMs: number) => ask({ url: '/v1/status' }, bearer(glass.sign({ nowMs: Date.now() + aheadMs })));
    expect((await at(4.5 * 60_000)).statusCode).toBe(200);
    expect((await at(5.5 * 60_000)).statusCode).toBe(401);
    expect((await at(-29 * 60_000)).statusCode).toBe(200);
  });
});

describe('guessing', () => {
  const guess = (remoteAddress: string, token = 'guess') => ask({ url: '/v1/status', remoteAddress }, bearer(token));

  test('costs its address longer and longer waits; the right bootstrap token does not help while it waits, and does afterwards', async () => {
    const from = elsewhere();
    for (let i = 0; i < 10; i += 1) expect((await guess(from)).statusCode).toBe(401);
    const waits: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      const reply = await guess(from);
      expect(reply.statusCode).toBe(429);
      expect(reply.json().code).toBe('ERR_TOO_MANY');
      const waitS = Number(reply.headers['retry-after']);
      expect((await guess(from, BOOTSTRAP)).statusCode).toBe(429);
      waits.push(waitS);
      clock.skipMs += waitS * 1000;
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    expect((await guess(from, BOOTSTRAP)).statusCode).toBe(200);
  });

  test('keeps out nobody else: not other addresses, nor those behind the same one with credentials that cannot be guessed', async () => {
    const from = elsewhere();
    for (let i = 0; i < 11; i += 1) await guess(from);
    expect((await guess(from, BOOTSTRAP)).statusCode).toBe(429);
    expect((await guess(elsewhere(), BOOTSTRAP)).statusCode).toBe(200);
    for (const token of [tokenFor('viewer'), glass.sign({}), await signJwt({ key: EC, issuer: issuer.url })])
      expect((await guess(from, token)).statusCode).toBe(200);
    expect((await ask({ url: '/healthz', remoteAddress: from })).statusCode).toBe(200);
  });

  test('a thousand addresses of one /64 are one', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => guess(`2001:db8:1:2::${(i + 1).toString(16)}`)));
    expect(answers.filter(({ statusCode }) => statusCode === 429).length).toBe(20);
    expect((await guess('2001:db8:1:3::1')).statusCode).toBe(401);
  });

  test('is told once per address, and counted', async () => {
    access.close();
    refused.length = 0;
    const from = elsewhere();
    for (let i = 0; i < 25; i += 1) await guess(from);
    access.close();
    expect(refused).toEqual([{ address: from, how: 'unknown', because: 'not the token of api.tokenFile', count: 25 }]);
    expect(log.of('auth.refused').at(-1)?.fields).toMatchObject({ address: from, count: 25 });
    for (let i = 0; i < 200; i += 1) await guess(elsewhere());
    access.close();
    expect(refused.length).toBe(1 + 65);
    expect(refused.reduce((sum, { count }) => sum + count, 0)).toBe(225);
    expect(refused.at(-1)).toMatchObject({ address: 'others', count: 136 });
  });
});

describe('rates', () => {
  test('are counted by caller, reads and writes apart, over all routes; probers are never refused', async () => {
    const opened = openApi({ access, limits: { readsPerMinute: 60, writesPerMinute: 10 } });
    const from = elsewhere();
    const read = (token: string, url = '/v1/status') => ask({ url, remoteAddress: from }, bearer(token), opened.app);
    for (let i = 0; i < 60; i += 1)
      expect((await read(tokenFor('viewer'), i % 2 === 0 ? '/v1/status' : '/v1/overrides')).statusCode).toBe(200);
    const reply = await read(tokenFor('viewer'));
    expect(reply.statusCode).toBe(429);
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(reply.json()).toMatchObject({ code: 'ERR_TOO_MANY', status: 429 });
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
    expect(reply.headers).toMatchObject({ 'ratelimit-limit': '60', 'ratelimit-remaining': '0', 'x-content-type-options': 'nosniff' });
    expect((await read(tokenFor('operator'))).headers['ratelimit-remaining']).toBe('59');
    const write = () => ask({ method: 'DELETE', url: '/v1/overrides/x', remoteAddress: from }, bearer(tokenFor('operator')), opened.app);
    for (let i = 0; i < 10; i += 1) expect((await write()).statusCode).not.toBe(429);
    expect((await write()).statusCode).toBe(429);
    expect((await read(tokenFor('operator'))).statusCode).toBe(200);
    for (const url of ['/healthz', '/readyz'])
      for (let i = 0; i < 200; i += 1) expect((await ask({ url, remoteAddress: from }, undefined, opened.app)).statusCode).toBe(200);
    const scrape = async () => (await ask({ url: '/metrics', remoteAddress: from }, undefined, opened.app)).statusCode;
    for (let i = 0; i < 60; i += 1) expect(await scrape()).toBe(200);
    expect(await scrape()).toBe(429);
    await opened.close();
  });
});

describe('whatever is put into ids, headers and bodies', { timeout: 60_000 }, () => {
  const NASTY = [
    '..%2f..%2fmembers',
    '%00',
    '%0d%0aset-cookie:%20a=b',
    '__proto__',
    'constructor',
    '%2e%2e',
    "'%20or%201=1--",
    '%F0%9F%A4%AF',
    'a'.repeat(90),
    '-1',
    '1e999',
    '%E2%80%AE',
    '{{7*7}}',
    '$%7Bjndi:ldap:%7D',
  ];
  const BODIES = [
    '[]',
    '1',
    '"x"',
    'null',
    '{}',
    '{"__proto__":{"role":"admin"}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"kind":{"$gt":""},"reason":["a"],"scope":[]}',
    `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    '{"kind":"drain","kind":"stop"}',
    `{"reason":"${'\\u0000'.repeat(100)}"}`,
    '{"ttlMs":1e400}',
    '\u0000',
  ];
  const quiet = (reply: { statusCode: number; body: string; headers: Record<string, unknown> }, what: string): void => {
    expect(reply.statusCode, what).not.toBe(500);
    expect(reply.headers['set-cookie'], what).toBeUndefined();
    // How this replica is comes with 503 when a failover would not work: an answer, not a refusal.
    const isAnswer = reply.statusCode === 503 && what.includes('/api/health/detail');
    if (reply.statusCode >= 400 && !isAnswer) expect(String(reply.headers['content-type']), what).toMatch(/^application\/problem\+json/);
    expect(reply.body, what).not.toMatch(/at \w+ \(|node_modules|\.ts:\d/);
  };

  test('nothing of ours breaks, and every refusal is a problem', async () => {
    const admin = bearer(tokenFor('admin'));
    for (const route of table.filter(({ url }) => !STREAMS.includes(url))) {
      for (const nasty of NASTY) {
        const url = /[:*]/.test(route.url)
          ? route.url.replaceAll(/:[A-Za-z]+|\*/g, nasty)
          : `${route.url}?limit=${nasty}&after=${nasty}&before=${nasty}`;
        const body = route.method === 'GET' ? {} : { payload: DRAIN };
        quiet(
          await ask({ method: route.method, url, ...body, headers: { 'idempotency-key': nasty, 'if-match': nasty } }, admin),
          `${route.method} ${url}`,
        );
      }
      if (route.method === 'GET') continue;
      for (const payload of BODIES)
        quiet(
          await ask(
            {
              method: route.method,
              url: pathOf(route),
              payload,
              headers: { 'content-type': 'application/json', 'idempotency-key': 'k'.repeat(20) },
            },
            admin,
          ),
          `${route.method} ${route.url} ${payload.slice(0, 60)}`,
        );
    }
    expect(log.of('api.failed')).toEqual([]);
    expect(({} as { role?: string }).role).toBeUndefined();
  });

  test('a body that is too large, of another kind or compressed is refused before anybody looks into it', async () => {
    const admin = bearer(tokenFor('admin'));
    for (const route of table.filter(({ method }) => method === 'PUT' || method === 'POST')) {
      const send = (payload: string, headers: Record<string, string>) =>
        ask({ method: route.method, url: pathOf(route), payload, headers }, admin);
      expect((await send(`"${'x'.repeat(70_000)}"`, { 'content-type': 'application/json' })).statusCode, route.url).toBe(413);
      expect((await send('kind=drain', { 'content-type': 'application/x-www-form-urlencoded' })).statusCode, route.url).toBe(415);
      expect((await send('<a/>', { 'content-type': 'text/xml' })).statusCode, route.url).toBe(415);
    }
  });

  test('a header that claims to be somebody else changes nothing', async () => {
    for (const headers of [
      { 'x-forwarded-for': '127.0.0.1' },
      { 'x-forwarded-user': 'admin' },
      { 'x-client-cert': 'CN=admin' },
      { cookie: `token=${BOOTSTRAP}` },
      { 'x-api-key': BOOTSTRAP },
    ])
      for (const route of table.filter(({ needs }) => needs !== null))
        expect((await ask({ method: route.method, url: pathOf(route), headers: headers as Record<string, string> })).statusCode).toBe(401);
  });
});

test('no credential that was used here is in any answer, log line or metric', async () => {
  access.close();
  expect(shown.size).toBeGreaterThan(30);
  expect(answered.length).toBeGreaterThan(1_000);
  const surfaces = [...new Set(answered), JSON.stringify(log.lines), await api.options.metrics.text(), JSON.stringify(refused)].join('\n');
  expect([...shown].filter((secret) => secret.length >= 8 && surfaces.includes(secret))).toEqual([]);
});

test('opened from a configuration, it is the same: what is not configured lets nobody in', async () => {
  const opened: OpenAccess = openAccess({
    api: { host: '192.0.2.1', port: 0, tokenFile: join(folder, 'own.token') },
    ports,
    log,
    resolve: () => Promise.reject(new Error('no names')),
  });
  for (const token of [tokenFor('admin'), glass.sign({}), await signJwt({ key: EC, issuer: issuer.url })])
    await expect(opened.identify({ authorization: bearer(token), remoteAddress: elsewhere(), certificate: null })).rejects.toMatchObject({
      code: 'ERR_UNAUTHORIZED',
    });
  await expect(opened.identify({ authorization: undefined, remoteAddress: elsewhere(), certificate: null })).rejects.toMatchObject({
    code: 'ERR_UNAUTHORIZED',
  });
  await opened.close();
});
