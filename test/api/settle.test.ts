// Where a database is written, settled by a human through the API, over the settler of production and a real store: who may, about what they have seen, once per
// key, in one transaction with journal and pages; and taken back.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/audit/journal.ts';
import { KEYS, looksKey, platformKey, runKey } from '../../src/coordinate/keys.ts';
import type { Page } from '../../src/model.ts';
import type { Step } from '../../src/runbook/model.ts';
import { SEEN_MAX_MS } from '../../src/runbook/tiers/settle.ts';
import { NOW_MS } from './fixture.ts';
import { run, step } from './runs.fixture.ts';
import { ABOUT, openSettleable, type Settleable, SPLIT } from './settle.fixture.ts';

let api: Settleable;
beforeEach(async () => {
  api = openSettleable();
  await api.known(SPLIT);
});
afterEach(() => api.close());

const REASON = 'eu-west burnt down, its disks are gone';
const GONE = { region: 'us-east', fenced: ['eu-west'], reason: REASON };
const PATH = '/v1/platforms/shop/databases/orders/settle';
const BACK = '/v1/platforms/shop/databases/orders/unsettle';

const ask = (url: string, body: unknown, headers: Record<string, string> = {}, as = 'ana') =>
  api.app.inject({ method: 'POST', url, headers: { authorization: `Bearer ${as}`, ...headers }, payload: body as object });
const does = (url: string, body: unknown, key = 'a-fresh-key', more: Record<string, string> = {}, as = 'ana') =>
  ask(url, body, { 'idempotency-key': key, 'if-match': '*', ...more }, as);
const preview = () => ask(`${PATH}?dryRun=true`, GONE);

describe('a word', () => {
  test('is previewed without a trace: what is seen, what it means, how it is undone, which version it is about', async () => {
    await api.seen({ 'us-east': 'writes' });
    const answer = await preview();
    expect(answer.statusCode, answer.body).toBe(200);
    expect(answer.json()).toMatchObject({
      dryRun: true,
      settlement: {
        writer: 'us-east',
        fenced: ['eu-west'],
        by: 'ana',
        seen: [
          { region: 'eu-west', is: 'unseen', agoMs: null },
          { region: 'us-east', is: 'writes', agoMs: 2_000 },
        ],
        meaning: [
          expect.stringMatching(/web\.example\.test may be sent there/),
          expect.stringMatching(/alarm about eu-west, us-east ends/),
          expect.any(String),
          expect.any(String),
        ],
      },
      undo: { cli: 'tidegate unsettle shop/orders --reason WHY' },
    });
    expect(answer.headers.etag).toMatch(/^"[0-9a-f]{16}"$/);
    expect(await api.state()).toEqual(SPLIT);
    expect([...(await api.all('journal/')), ...(await api.all('outbox/'))]).toEqual([]);
  });

  test('stands with its entry and its pages, and is taken back: nothing is proved then, and the alarm that it ended rings again', async () => {
    const { etag = '' } = (await preview()).headers;
    const settled = await does(PATH, GONE, 'a-fresh-key', { 'if-match': String(etag) });
    expect(settled.statusCode, settled.body).toBe(200);
    expect(await api.state()).toMatchObject({
      writer: 'us-east',
      fenced: ['eu-west'],
      settled: { by: 'ana', reason: REASON, before: SPLIT },
    });
    expect(await api.state()).not.toHaveProperty('split');
    expect(await api.all<JournalEntry>('journal/')).toMatchObject([
      {
        n: 1,
        kind: 'data.settled',
        by: 'ana',
        how: 'token',
        because: `shop/orders settled to be written in us-east by ana, for eu-west taking no writes: ${REASON}`,
        detail: { region: 'us-east', fenced: ['eu-west'], before: SPLIT },
      },
    ]);
    const told = (await api.all<Page>('outbox/')).map(({ type, severity, dedupKey }) => [type, severity, dedupKey]);
    expect(told.toSorted()).toEqual([
      ['data.settled', 'info', 'tidegate/test/data-split-shop-orders'],
      ['data.settled', 'warning', 'tidegate/test/data-settled-shop-orders'],
    ]);
    const back = await does(BACK, { reason: 'eu-west answers after all' }, 'another-key', { 'if-match': String(settled.headers.etag) });
    expect(back.statusCode, back.body).toBe(200);
    expect(back.json()).toMatchObject({
      settlement: {
        writer: null,
        meaning: [
          expect.stringMatching(/orders is proved writable nowhere, until/),
          expect.stringMatching(/^eu-west, which was the writer before it, is not held for it again/),
          expect.stringMatching(/^the alarm about eu-west and us-east rings again/),
          expect.stringMatching(/^eu-west, said to take no writes, is watched on/),
        ],
      },
      undo: null,
    });
    expect(await api.state()).toEqual({
      ...SPLIT,
      writer: null,
      because: expect.stringMatching(/^the word of ana for us-east was taken back/),
      fenced: ['eu-west'],
    });
    expect((await api.all<JournalEntry>('journal/')).map(({ kind }) => kind)).toEqual(['data.settled', 'data.unsettled']);
    const after = (await api.all<Page>('outbox/')).map(({ type, severity }) => `${severity} ${type}`);
    expect(after).toEqual(expect.arrayContaining(['critical data.split', 'info data.unsettled']));
    expect((await does(BACK, { reason: 'eu-west answers after all' }, 'a-third-key')).json()).toMatchObject({
      code: 'ERR_CONFLICT',
      detail: expect.stringContaining("nobody's word stands for shop/orders"),
    });
  });

  test('is about what was seen: refused without a version, and when more is known by now', async () => {
    const { etag = '' } = (await preview()).headers;
    const none = await ask(PATH, GONE, { 'idempotency-key': 'a-fresh-key' });
    expect([none.statusCode, none.json().code]).toEqual([428, 'ERR_PRECONDITION']);
    await api.known({ ...SPLIT, because: 'another row was written' });
    const late = await does(PATH, GONE, 'a-fresh-key', { 'if-match': String(etag) });
    expect([late.statusCode, late.json().code]).toEqual([412, 'ERR_STALE']);
    expect(await api.all('journal/')).toEqual([]);
  });

  test('of a key is one: a retry is answered as before, another wish under it is refused, and none at all too', async () => {
    const first = await does(PATH, GONE);
    const again = await does(PATH, GONE, 'a-fresh-key', { 'if-match': '"what was seen before"' });
    expect([again.statusCode, again.headers['idempotency-replayed'], again.json().settlement]).toEqual([
      200,
      'true',
      first.json().settlement,
    ]);
    expect((await does(PATH, { ...GONE, reason: 'some other reason' })).statusCode).toBe(422);
    expect((await ask(PATH, GONE, { 'if-match': '*' })).json().detail).toMatch(/send Idempotency-Key/);
    expect(await api.all('journal/')).toHaveLength(1);
    expect((await does(PATH, GONE, 'a-new-key-for-it')).json().detail).toMatch(/ana has settled orders in us-east already/);
  });

  test('whose reply was lost is found by its own key, and done once', async () => {
    api.settleTroubles.push(async (run) => {
      await run();
      throw new Error('the line broke');
    });
    const answer = await does(PATH, GONE);
    expect(answer.statusCode, answer.body).toBe(200);
    expect(await api.all('journal/')).toHaveLength(1);
  });

  test('is refused for all that is seen against it, and also when that is seen right before it is written', async () => {
    await api.seen({ 'us-east': 'reads', 'eu-west': 'writes' });
    const refused = await does(PATH, GONE);
    expect([refused.statusCode, refused.json().code]).toEqual([409, 'ERR_CONFLICT']);
    expect(refused.json().detail).toMatch(
      /us-east said 2\.0 s ago that it follows.*; eu-west was seen to take writes of orders 2\.0 s ago/,
    );
    await api.seen({ 'us-east': 'writes' });
    // The watch is faster than the order: its look comes between reading and writing.
    api.settleTroubles.push(async (run) => {
      await api.seen({ 'us-east': 'writes', 'eu-west': 'writes' });
      return run();
    });
    expect((await does(PATH, GONE, 'a-second-key')).json()).toMatchObject({
      code: 'ERR_CONFLICT',
      detail: expect.stringMatching(/^eu-west was seen to take writes/),
    });
    expect(await api.state()).toEqual(SPLIT);
    expect((await api.all(looksKey('shop'))).length).toBe(1);
  });

  test('is about the configuration, and the runs, that stand when it is written: what changes them meanwhile is seen', async () => {
    const [shop] = ABOUT.platforms;
    const [orders] = shop?.databases ?? [];
    const ap = { system: 'p-ap', sql: 's-ap', poolers: [], address: 'ap:5432' };
    const more = { ...ABOUT, platforms: [{ ...shop, databases: [{ ...orders, sites: { ...orders?.sites, 'ap-south': ap } }] }] };
    api.settleTroubles.push(async (write) => {
      await api.put(KEYS.members, more);
      return write();
    });
    expect((await does(PATH, GONE)).json().detail).toMatch(/^nobody sees whether ap-south takes writes/);
    await api.put(KEYS.members, { ...more, platforms: [{ ...shop, databases: [{ ...orders, sites: { 'ap-south': ap } }] }] });
    expect((await does(PATH, GONE, 'a-second-key')).json().detail).toMatch(/^orders has no site in us-east; it has ap-south/);
    await api.put(KEYS.members, ABOUT);
    const promotes = step('promote', { kind: 'pg.promote', spec: { database: 'orders' } } as Partial<Step>);
    const moving = run('shop-9', { platform: 'shop', plan: [promotes], steps: { promote: { state: 'acting', tries: 1, because: '' } } });
    // As a run is opened: with its claim on the platform's record.
    api.settleTroubles.push(async (write) => {
      await api.put(runKey('shop-9'), moving);
      await api.put(platformKey('shop'), { active: 'eu-west', sinceAtMs: 0, run: null, because: '', history: [], nonce: 'n' });
      return write();
    });
    expect((await does(PATH, GONE, 'a-third-key')).json().detail).toMatch(/^promote of shop-9 is under way/);
    expect(await api.state()).toEqual(SPLIT);
  });

  test('is judged by ages that are measured here, not by a clock that is ahead of the one that looked', async () => {
    await api.seen({ 'eu-west': 'writes' });
    // By both clocks it would be two seconds old.
    api.ages.set(looksKey('shop'), SEEN_MAX_MS - 2_000);
    expect((await does(PATH, GONE)).json().detail).toMatch(/^eu-west was seen to take writes of orders 60 s ago/);
    api.ages.set(looksKey('shop'), SEEN_MAX_MS - 1_999);
    expect((await does(PATH, GONE, 'a-second-key')).statusCode).toBe(200);
  });

  test.each<[string, string, number, string]>([
    ['a viewer', 'vic', 403, 'ERR_FORBIDDEN'],
    ['who may act on other services', 'ola', 403, 'ERR_FORBIDDEN'],
    ['whose service it is', 'own', 200, ''],
  ])('by %s', async (_, as, status, code) => {
    const answer = await does(PATH, GONE, 'a-fresh-key', {}, as);
    expect([answer.statusCode, answer.json().code ?? '']).toEqual([status, code]);
  });

  test('by a credential that is good for one act uses it up', async () => {
    expect((await does(PATH, GONE, 'a-fresh-key', {}, 'glass')).statusCode).toBe(200);
    expect((await does(BACK, { reason: 'eu-west answers after all' }, 'a-second-key', {}, 'glass')).statusCode).toBe(403);
    expect(await api.state()).toMatchObject({ settled: { by: 'glass' } });
  });

  test.each<[string, string, unknown, number, RegExp]>([
    ['no such platform', '/v1/platforms/shp/databases/orders/settle', GONE, 404, /no platform is called "shp"/],
    ['no such database', '/v1/platforms/shop/databases/order/settle', GONE, 404, /shop has no database "order"; it has orders/],
    ['no such region', PATH, { ...GONE, region: 'us-eat' }, 400, /\/region.*did you mean "us-east"/],
    ['no such region among the fenced', PATH, { ...GONE, fenced: ['eu-wst'] }, 400, /\/fenced\/0.*did you mean "eu-west"/],
    ['its own writer fenced', PATH, { ...GONE, fenced: ['us-east'] }, 400, /cannot be the writer and take no writes/],
    ['one of them twice', PATH, { ...GONE, fenced: ['eu-west', 'eu-west'] }, 400, /is named twice/],
    ['a short reason', PATH, { ...GONE, reason: 'it burnt' }, 400, /\/reason/],
    ['an unknown property', PATH, { ...GONE, dead: ['eu-west'] }, 400, /\/dead/],
    ['nothing', PATH, {}, 400, /\/region.*\/reason/],
  ])('with %s is refused', async (_, url, body, status, said) => {
    const answer = await does(url, body);
    const { detail, errors = [] } = answer.json();
    const text = [detail, ...errors.map((each: { pointer: string; detail: string }) => `${each.pointer} ${each.detail}`)].join('; ');
    expect([answer.statusCode, text]).toEqual([status, expect.stringMatching(said)]);
    expect(await api.state()).toEqual(SPLIT);
  });
});

test('what nobody knows anything of is settled by answering for every region, and taking it back leaves nothing', async () => {
  const { region, reason } = GONE;
  await api.known({ writer: null, provedAtMs: 0, because: 'nothing' });
  expect((await does(PATH, { region, reason })).json().detail).toMatch(/nobody sees whether eu-west takes writes/);
  expect((await does(PATH, GONE, 'a-second-key')).statusCode).toBe(200);
  expect((await does(BACK, { reason: 'it was the wrong one' }, 'a-third-key')).json().settlement).toMatchObject({
    writer: null,
    atMs: NOW_MS,
  });
});
