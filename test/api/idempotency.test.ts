// POST /v1/overrides: one key, one order, whichever replica is asked and whatever happened to the replies.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ASKED_MAX, ASKED_MS } from '../../src/api/asked.ts';
import { createOverrideWriter } from '../../src/api/overrides.ts';
import { realPorts } from '../../src/ports.ts';
import { StoreAmbiguousError } from '../../src/store/store.ts';
import { accessOf, DRAIN, foresight, NOW_MS, type Opened, openApi, principal, putRecord, viewOf } from './fixture.ts';

const PEOPLE = accessOf(principal('ana'), principal('max'));
const KEY = '0192f3c8-5a1e-7b6d';

/** Cluster time, moved by a test. */
let nowMs: number;
let api: Opened;
/** Another region's replica over the same store. */
let other: Opened;
const view = viewOf({ clusterNowMs: () => nowMs });
const forecast = () => foresight({ notes: ['a forecast'] });
beforeEach(() => {
  nowMs = NOW_MS;
  const first = openApi();
  const submit = () => createOverrideWriter({ store: first.store, ports: realPorts(), clusterNowMs: () => nowMs });
  const given = { access: PEOPLE, view, forecast };
  api = { ...openApi({ ...given, submit: submit() }), store: first.store, troubles: first.troubles, submit: submit() };
  other = openApi({ ...given, submit: submit() });
});
afterEach(() => Promise.all([api.close(), other.close()]));

const post = (body: unknown, key: string | null = KEY, at: Opened = api, as = 'ana') =>
  at.app.inject({
    method: 'POST',
    url: '/v1/overrides',
    headers: { authorization: `Bearer ${as}`, ...(key === null ? {} : { 'idempotency-key': key }) },
    payload: body as object,
  });
const items = async () => (await api.submit.listOverrides()).items;
const lostReply = async (run: () => Promise<unknown>): Promise<never> => {
  await run();
  throw new StoreAmbiguousError('the reply was lost');
};

test('an order is made under an id that can be read, with where it is', async () => {
  const reply = await post(DRAIN);
  expect(reply.statusCode).toBe(201);
  expect(reply.json().override.id).toMatch(/^drain-eu-west-[0-9a-f]{12}$/);
  expect(reply.headers.location).toBe(`/v1/overrides/${reply.json().override.id}`);
  expect(reply.headers.etag).toMatch(/^"[0-9a-f]{16}"$/);
  expect(reply.headers['idempotency-replayed']).toBeUndefined();
});

test('a retry is answered as the first was, here and at another region, and orders nothing', async () => {
  const first = await post(DRAIN);
  nowMs += 60_000;
  for (const at of [api, other]) {
    const again = await post(DRAIN, KEY, at);
    expect(again.statusCode).toBe(201);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.headers.etag).toBe(first.headers.etag);
    expect(again.headers.location).toBe(first.headers.location);
    expect(again.json()).toEqual(first.json());
  }
  expect(await items()).toHaveLength(1);
  expect((await api.store.get({ prefixes: ['journal/'] })).kvs).toHaveLength(1);
});

test('a lost reply is recognised by the record of the key', async () => {
  api.troubles.push(lostReply);
  const reply = await post(DRAIN);
  expect(reply.statusCode).toBe(201);
  expect(reply.json().version).toBe(1);
  expect(await items()).toHaveLength(1);
});

test('the same key at two regions at once is one order, and both are told the same', async () => {
  const replies = await Promise.all([post(DRAIN), post(DRAIN, KEY, other)]);
  expect(replies.map(({ statusCode }) => statusCode)).toEqual([201, 201]);
  expect(replies[0]?.json().override).toEqual(replies[1]?.json().override);
  expect(await items()).toHaveLength(1);
});

test('the same key at one replica at once is 409 for the second', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun = (): void => {};
  const writing = new Promise<void>((resolve) => {
    begun = resolve;
  });
  api.troubles.push(async (run) => {
    begun();
    await held;
    return run();
  });
  const first = post(DRAIN);
  await writing;
  const second = await post(DRAIN);
  expect(second.statusCode).toBe(409);
  expect(second.json().code).toBe('ERR_IN_FLIGHT');
  release();
  expect((await first).statusCode).toBe(201);
  expect((await post(DRAIN)).headers['idempotency-replayed']).toBe('true');
});

test('another body under the same key is 422, at every region', async () => {
  await post(DRAIN);
  for (const at of [api, other]) {
    for (const body of [
      { ...DRAIN, ttl: '1h' },
      { ...DRAIN, kind: 'freeze' },
    ]) {
      const reply = await post(body, KEY, at);
      expect(reply.statusCode).toBe(422);
      expect(reply.json().code).toBe('ERR_IDEMPOTENCY');
    }
  }
  expect(await items()).toHaveLength(1);
});

test('a key belongs to who uses it: somebody else with the same key gives an order of his own', async () => {
  await post(DRAIN);
  expect((await post(DRAIN, KEY, api, 'max')).headers['idempotency-replayed']).toBeUndefined();
  expect((await items()).map(({ by }) => by)).toEqual(['ana', 'max']);
});

test.each([
  ['none', null],
  ['a short one', 'x'],
  ['one that is too long', 'x'.repeat(201)],
])('a key is needed: %s is 400, and nothing is written', async (_, key) => {
  const reply = await post(DRAIN, key);
  expect(reply.statusCode).toBe(400);
  expect(reply.json().detail).toContain('Idempotency-Key');
  expect(await items()).toEqual([]);
});

test('what was refused is judged anew under the same key', async () => {
  expect((await post({ ...DRAIN, reason: 'short' })).statusCode).toBe(400);
  expect((await post(DRAIN)).statusCode).toBe(201);
});

test('a retry after its start has passed is answered as the first was', async () => {
  const body = { ...DRAIN, startsAt: '2026-11-22T03:13:00Z' };
  const first = await post(body);
  expect(first.statusCode).toBe(201);
  nowMs += 120_000;
  const again = await post(body, KEY, other);
  expect(again.statusCode).toBe(201);
  expect(again.json()).toEqual(first.json());
  expect((await post(body, 'another-key')).statusCode).toBe(400);
});

test('an order that has ended since is answered and not given again', async () => {
  const first = await post(DRAIN);
  const { id } = first.json().override;
  await api.app.inject({ method: 'DELETE', url: `/v1/overrides/${id}`, headers: { authorization: 'Bearer ana', 'if-match': '*' } });
  expect((await post(DRAIN, KEY, other)).json()).toEqual(first.json());
  expect(await items()).toEqual([]);
});

describe('what is remembered', () => {
  test('ends after a day; an order that still stands is found by its id', async () => {
    const first = await post({ ...DRAIN, ttl: '168h' });
    nowMs += ASKED_MS;
    const again = await post({ ...DRAIN, ttl: '168h' }, KEY, other);
    expect(again.statusCode).toBe(201);
    expect(again.json().override).toEqual(first.json().override);
    expect((await post({ ...DRAIN, ttl: '2h' })).statusCode).toBe(422);
    expect(await items()).toHaveLength(1);
  });

  test('is forgotten after a day: with its order gone, the key gives a new one', async () => {
    const { id } = (await post(DRAIN)).json().override;
    await api.app.inject({ method: 'DELETE', url: `/v1/overrides/${id}`, headers: { authorization: 'Bearer ana', 'if-match': '*' } });
    nowMs += ASKED_MS - 1;
    expect((await post(DRAIN)).headers['idempotency-replayed']).toBe('true');
    nowMs += 1;
    expect((await post(DRAIN)).headers['idempotency-replayed']).toBeUndefined();
    expect(await items()).toHaveLength(1);
  });

  test('is at most a few hundred: the oldest goes, a few in one transaction', async () => {
    const hashes = Array.from({ length: ASKED_MAX + 120 }, (_, i) => `h${i}`);
    for (const hash of hashes) await putRecord(api.store, `asked/${hash}`, { fingerprint: 'f', atMs: NOW_MS - 1000, answer: {} });
    await putRecord(api.store, 'asked', { items: hashes.map((hash) => ({ hash, atMs: NOW_MS - 1000 })) });
    const kept = async () => (await api.store.get({ prefixes: ['asked/'] })).kvs.length;
    const counts: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      expect((await post(DRAIN, `a-fresh-key-${i}`)).statusCode).toBe(201);
      counts.push(await kept());
    }
    expect(counts).toEqual([ASKED_MAX + 71, ASKED_MAX + 22, ASKED_MAX, ASKED_MAX]);
    const list = (await api.store.get({ keys: ['asked'] })).kvs[0]?.value as { items: { hash: string }[] };
    const records = (await api.store.get({ prefixes: ['asked/'] })).kvs.map(({ key }) => key.slice('asked/'.length));
    expect(list.items.map(({ hash }) => hash).toSorted()).toEqual(records.toSorted());
    expect(records).not.toContain('h0');
  });

  test('is not the key itself, which may be a secret of its sender', async () => {
    await post(DRAIN, 'my-very-own-secret-key');
    expect(JSON.stringify((await api.store.get({ prefixes: [''] })).kvs)).not.toContain('my-very-own-secret-key');
  });

  test('leaves out a forecast that is too large', async () => {
    const large = openApi({
      access: PEOPLE,
      view,
      forecast: () => foresight({ notes: ['x'.repeat(70_000)] }),
      submit: createOverrideWriter({ store: api.store, ports: realPorts(), clusterNowMs: () => nowMs }),
    });
    const first = await post(DRAIN, KEY, large);
    expect(first.json().forecast.notes).toHaveLength(1);
    const again = await post(DRAIN, KEY, large);
    expect(again.json()).toMatchObject({ forecast: null, notes: [expect.stringContaining('too large')], override: first.json().override });
    await large.close();
  });
});
