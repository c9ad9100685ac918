// Reports of load and capacity: what is accepted, how long it counts, and that the journal says what is news.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/audit/journal.ts';
import { StoreAmbiguousError } from '../../src/store/store.ts';
import { accessOf, NOW_MS, type Opened, openApi, principal, putRecord } from './fixture.ts';

const WEB = 'web.example.test';
const REPORT = { load: 800, capacity: { 'eu-west': 1200, 'us-east': 1000 }, ttl: '60s' };
const PEOPLE = accessOf(
  principal('scaler'),
  principal('other'),
  principal('vera', { role: 'viewer' }),
  principal('web-scaler', { services: [WEB] }),
);

let api: Opened;
beforeEach(() => {
  api = openApi({ access: PEOPLE });
});
afterEach(() => api.close());

const put = (body: unknown, service = WEB, as = 'scaler') =>
  api.app.inject({ method: 'PUT', url: `/v1/reports/${service}`, headers: { authorization: `Bearer ${as}` }, payload: body as object });
const list = async () => (await api.app.inject({ url: '/v1/reports', headers: { authorization: 'Bearer vera' } })).json();
const journal = async (): Promise<readonly JournalEntry[]> =>
  (await api.store.get({ prefixes: ['journal/'] })).kvs.map(({ value }) => value as JournalEntry);

test('a report is in the store when it is answered, and counts until it runs out', async () => {
  const reply = await put(REPORT);
  expect(reply.statusCode).toBe(200);
  const reported = { load: 800, capacity: REPORT.capacity, atMs: NOW_MS, expiresAtMs: NOW_MS + 60_000, by: 'scaler' };
  expect(reply.json()).toEqual({ service: WEB, reported, version: 1 });
  expect((await api.store.get({ keys: ['reported'] })).kvs[0]?.value).toMatchObject({ version: 1, services: { [WEB]: reported } });
  expect(await list()).toEqual({ version: 1, services: { [WEB]: { ...reported, fresh: true, leftMs: 60_000 } } });
  await putRecord(api.store, 'reported', { version: 2, nonce: 'n', services: { [WEB]: { ...reported, expiresAtMs: NOW_MS } } });
  expect((await list()).services[WEB]).toMatchObject({ fresh: false, leftMs: 0 });
});

test.each([
  ['a pool that is not there', { ...REPORT, capacity: { 'eu-wst': 1 } }, '/capacity/eu-wst', 'did you mean "eu-west"?'],
  ['a negative capacity', { ...REPORT, capacity: { 'eu-west': -1 } }, '/capacity/eu-west', 'must not be negative'],
  ['a load that is no number', { ...REPORT, load: '800' }, '/load', 'number'],
  ['a load beyond sense', { ...REPORT, load: 1e16 }, '/load', 'too large'],
  ['too short a life', { ...REPORT, ttl: '9s' }, '/ttl', 'from 10s to 1h'],
  ['too long a life', { ...REPORT, ttl: '61m' }, '/ttl', 'from 10s to 1h'],
  ['no life', { load: 1, capacity: {} }, '/ttl', ''],
  ['an unknown property', { ...REPORT, laod: 1 }, '/laod', 'did you mean "load"?'],
  ['nothing', { capacity: {}, ttl: '1m' }, '/capacity', 'names no pool'],
  ['a name that every object has', { ...REPORT, capacity: { constructor: 1 } }, '/capacity/constructor', 'no pool of'],
])('%s is refused', async (_, body, pointer, detail) => {
  const reply = await put(body);
  expect(reply.statusCode).toBe(400);
  expect(reply.json().errors).toContainEqual({ pointer, detail: expect.stringContaining(detail) });
  expect(await list()).toEqual({ version: 0, services: {} });
});

test('an unknown service is 404 with what may have been meant; a viewer and a foreign scope are 403', async () => {
  expect((await put(REPORT, 'web.exmaple.test')).json()).toMatchObject({
    status: 404,
    detail: expect.stringContaining(`did you mean "${WEB}"`),
  });
  expect((await put(REPORT, WEB, 'vera')).statusCode).toBe(403);
  expect((await put(REPORT, 'api.example.test', 'web-scaler')).statusCode).toBe(403);
  expect((await put(REPORT, WEB, 'web-scaler')).statusCode).toBe(200);
});

test('the journal says who begins to report and what changes by more than a fifth, however slowly, and not every report', async () => {
  for (const load of [800, 810, 820, 900, 950, 959, 800]) await put({ ...REPORT, load });
  expect(await journal()).toHaveLength(1);
  await put({ ...REPORT, load: 1001 });
  await put({ ...REPORT, load: 1001, capacity: { ...REPORT.capacity, 'us-east': 700 } });
  await put({ ...REPORT, load: 1001, capacity: { 'eu-west': 1200 } });
  await put({ ...REPORT, load: 1001, capacity: { 'eu-west': 1200 } }, WEB, 'other');
  await put({ capacity: { 'eu-west': 1200 }, ttl: '1m' }, WEB, 'other');
  expect((await journal()).map(({ kind, because }) => [kind, because])).toEqual([
    ['reports.put', `scaler begins to report ${WEB}: load 800, capacity eu-west 1200, us-east 1000`],
    ['reports.put', `scaler reports ${WEB}: load 1001, capacity eu-west 1200, us-east 1000`],
    ['reports.put', `scaler reports ${WEB}: load 1001, capacity eu-west 1200, us-east 700`],
    ['reports.put', `scaler reports ${WEB}: load 1001, capacity eu-west 1200`],
    ['reports.put', `other reports ${WEB}: load 1001, capacity eu-west 1200`],
    ['reports.put', `other reports ${WEB}: load not said, capacity eu-west 1200`],
  ]);
});

test('a lost race over another service loses neither; a lost reply is not written twice', async () => {
  api.troubles.push(async (run) => {
    await put(REPORT, 'api.example.test');
    return run();
  });
  await put(REPORT);
  expect(Object.keys((await list()).services)).toEqual(['api.example.test', WEB]);
  api.troubles.push(async (run) => {
    await run();
    throw new StoreAmbiguousError('lost');
  });
  expect((await put({ ...REPORT, load: 5000 })).json().version).toBe(3);
  expect((await list()).version).toBe(3);
});

test('what is no longer configured goes with the next report', async () => {
  const old = { load: 1, capacity: {}, atMs: 0, expiresAtMs: 1, by: 'x' };
  await putRecord(api.store, 'reported', {
    version: 1,
    nonce: 'n',
    services: { 'gone.example.test': old },
    journaled: { 'gone.example.test': old },
  });
  await put(REPORT);
  expect(JSON.stringify((await api.store.get({ keys: ['reported'] })).kvs)).not.toContain('gone.example.test');
});
