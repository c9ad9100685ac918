// GET /v1/platforms/:name/verify: who may ask, what is refused before anybody around is asked, and what is answered.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import type { VerifyDesk } from '../../src/verify/desk.ts';
import { accessOf, cluster, NOW_MS, type Opened, openApi, principal, viewOf } from './fixture.ts';
import { platform } from './runs.fixture.ts';

const LINE = { step: 'health' as const, of: 'ui', region: 'eu-west', is: 'failed' as const, because: 'ui answered 503', fix: 'look' };
let api: Opened;
let rounds: (readonly string[])[];
let trouble: Fault | null;

const desk: VerifyDesk = {
  async verify(_, { name }, regions) {
    if (trouble !== null) throw trouble;
    rounds.push([name, ...regions]);
    return { platform: name, outcome: 'not-good', by: { region: 'eu-west', replica: 'a' }, atMs: NOW_MS, lines: [LINE] };
  },
};

const open = (verify?: VerifyDesk): Opened =>
  openApi({
    access: accessOf(principal('viv', { role: 'viewer' }), principal('shopper', { role: 'viewer', services: [] })),
    view: viewOf({ cluster: () => ({ ...cluster, platforms: [platform('shop', { regions: ['eu-west', 'us-east'] })] }) }),
    ...(verify === undefined ? {} : { verify }),
  });

beforeEach(() => {
  [rounds, trouble] = [[], null];
  api = open(desk);
});
afterEach(() => api.close());

const ask = (path: string, as: string | null = 'viv', method: 'GET' | 'HEAD' | 'POST' = 'GET') =>
  api.app.inject({ method, url: path, headers: as === null ? {} : { authorization: `Bearer ${as}` } });

test('whoever may read may ask; what is found is no status of HTTP', async () => {
  const reply = await ask('/v1/platforms/shop/verify');
  expect(reply.statusCode).toBe(200);
  expect(reply.json()).toEqual({
    platform: 'shop',
    outcome: 'not-good',
    by: { region: 'eu-west', replica: 'a' },
    atMs: NOW_MS,
    lines: [LINE],
  });
  expect((await ask('/v1/platforms/shop/verify?region=us-east')).statusCode).toBe(200);
  expect(rounds).toEqual([
    ['shop', 'eu-west', 'us-east'],
    ['shop', 'us-east'],
  ]);
});

test.each([
  ['nobody', '/v1/platforms/shop/verify', null, 401, 'ERR_UNAUTHORIZED'],
  ['a platform that is not there', '/v1/platforms/none/verify', 'viv', 404, 'ERR_NOT_FOUND'],
  ['a name that every object has', '/v1/platforms/constructor/verify', 'viv', 404, 'ERR_NOT_FOUND'],
  ['a region that is not its own', '/v1/platforms/shop/verify?region=ap-south', 'viv', 400, 'ERR_BAD_REQUEST'],
])('%s: nobody around is asked', async (_, path, as, status, code) => {
  const reply = await ask(path, as);
  expect([reply.statusCode, reply.json().code]).toEqual([status, code]);
  expect(rounds).toEqual([]);
});

test('a replica that is looking says when to come again', async () => {
  trouble = new Fault('ERR_TOO_MANY', 'this replica looks at another deployment', { busyMs: 1000 });
  const reply = await ask('/v1/platforms/shop/verify');
  expect([reply.statusCode, reply.headers['retry-after'], reply.json().code]).toEqual([429, '1', 'ERR_TOO_MANY']);
});

test('it is read, not written; a replica that looks at none says so', async () => {
  expect((await ask('/v1/platforms/shop/verify', 'viv', 'POST')).statusCode).toBe(405);
  await api.close();
  api = open();
  expect((await ask('/v1/platforms/shop/verify')).json()).toMatchObject({ code: 'ERR_NOT_FOUND' });
});
