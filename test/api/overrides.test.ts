// PUT and DELETE of operators' orders: what is accepted, what is refused with every reason, and that success means committed.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OVERRIDES_MAX } from '../../src/api/overrides.ts';
import { StoreAmbiguousError, StoreDefiniteError } from '../../src/store/store.ts';
import { AUTHORIZED, DRAIN, NOW_MS, type Opened, openApi, putRecord, TOKEN, tokenAccess } from './fixture.ts';

let api: Opened;
beforeEach(() => {
  api = openApi();
});
afterEach(() => api.close());

const put = (id: string, body: unknown, headers: Record<string, string> = {}) =>
  api.app.inject({ method: 'PUT', url: `/v1/overrides/${id}`, headers: { ...AUTHORIZED, ...headers }, payload: body as object });
const ANY = { 'if-match': '*' };
const remove = (id: string, headers: Record<string, string> = ANY) =>
  api.app.inject({ method: 'DELETE', url: `/v1/overrides/${id}`, headers: { ...AUTHORIZED, ...headers } });
const list = async () =>
  (await api.app.inject('/v1/overrides')).json() as { version: number; items: { id: string; reason: string; expiresAtMs: number }[] };
const stored = async () =>
  (await api.store.get({ keys: ['override'] })).kvs[0]?.value as { version: number; nonce: string; items: { id: string }[] };

describe('an order', () => {
  test('is in the store when it is answered with 201, with its expiry and the way back', async () => {
    const reply = await put('maint-1', { ...DRAIN, ttl: '90m' });
    expect(reply.statusCode).toBe(201);
    expect(reply.json()).toMatchObject({
      override: { id: 'maint-1', kind: 'drain', scope: { region: 'eu-west' }, createdAtMs: NOW_MS, expiresAtMs: NOW_MS + 90 * 60_000 },
      version: 1,
      expiresAt: '2026-11-22T04:42:00.000Z',
    });
    expect(reply.json().undo.curl).toMatch(/^curl -X DELETE .*\/v1\/overrides\/maint-1$/);
    expect(reply.headers.etag).toMatch(/^"[0-9a-f]{16}"$/);
    expect((await stored()).items).toEqual([reply.json().override]);
    expect((await stored()).nonce).toMatch(/^[0-9a-f]{24}$/);
  });

  test('lasts four hours when nothing is said, and at most a week', async () => {
    expect((await put('a', DRAIN)).json().override.expiresAtMs).toBe(NOW_MS + 4 * 3_600_000);
    expect((await put('a', { ...DRAIN, ttlMs: 7 * 86_400_000 }, ANY)).statusCode).toBe(200);
    for (const ttl of [
      { ttl: '169h' },
      { ttlMs: 7 * 86_400_000 + 1 },
      { ttlMs: 999 },
      { ttl: '0s' },
      { ttl: 'soon' },
      { ttlMs: -1 },
      { ttl: '1h', ttlMs: 5000 },
    ])
      expect((await put('a', { ...DRAIN, ...ttl })).statusCode, JSON.stringify(ttl)).toBe(400);
  });

  test('of the same id replaces the former, of another id stands beside it', async () => {
    await put('a', DRAIN);
    await put('b', { ...DRAIN, scope: { region: 'us-east' } });
    await put('a', { ...DRAIN, reason: 'it takes longer' }, ANY);
    const { version, items } = await list();
    expect(version).toBe(3);
    expect(items.map(({ id, reason }) => [id, reason])).toEqual([
      ['b', DRAIN.reason],
      ['a', 'it takes longer'],
    ]);
  });

  test('that is deleted is gone, and the answer says how to put it back', async () => {
    await put('a', { ...DRAIN, reason: "it's a test" });
    const reply = await remove('a');
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toMatchObject({ override: { id: 'a' }, version: 2 });
    const { curl, cli } = reply.json().undo as { curl: string; cli: string };
    expect(curl).toContain(`'{"kind":"drain","scope":{"region":"eu-west"},"reason":"it'\\''s a test","owner":"ana","ttlMs":14400000}'`);
    expect(cli).toBe(`tidegate drain eu-west --id a --reason 'it'\\''s a test' --owner ana --ttl 14400000ms`);
    expect((await list()).items).toEqual([]);
    expect((await remove('a')).statusCode).toBe(404);
  });

  test('is refused when there are as many as the limit, and replacing one still works', async () => {
    const item = (id: string) => ({ ...DRAIN, id, createdAtMs: 0, expiresAtMs: NOW_MS });
    const items = Array.from({ length: OVERRIDES_MAX }, (_, i) => item(`o${i}`));
    await putRecord(api.store, 'override', { version: 9, nonce: 'n', items });
    const reply = await put('one-more', DRAIN);
    expect(reply.statusCode).toBe(409);
    expect(reply.json()).toMatchObject({ code: 'ERR_LIMIT' });
    expect((await put('o0', DRAIN, ANY)).statusCode).toBe(200);
  });
});

describe('a body that is not accepted', () => {
  const pointers = (reply: { json(): { errors: { pointer: string }[] } }) =>
    reply
      .json()
      .errors.map(({ pointer }) => pointer)
      .sort();

  test('is told of every problem at once, by place', async () => {
    const reply = await put('a', { kind: 'drian', scope: { region: 'eu-wst', pol: 'x' }, reason: '', ttl: 'soon', extra: 1 });
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toMatchObject({ code: 'ERR_BAD_REQUEST', type: 'urn:tidegate:error:ERR_BAD_REQUEST', status: 400 });
    expect(pointers(reply)).toEqual(['/extra', '/kind', '/reason', '/scope/pol', '/ttl']);
    expect(reply.json().errors.find((e: { pointer: string }) => e.pointer === '/scope/pol').detail).toContain('did you mean "pool"?');
  });

  test('has its names checked also when something else is wrong', async () => {
    const reply = await put('a', { ...DRAIN, reason: '', scope: { region: 'eu-wst' } });
    expect(pointers(reply)).toEqual(['/reason', '/scope/region']);
    expect(JSON.stringify(reply.json().errors)).toContain('did you mean \\"eu-west\\"?');
  });

  test.each([
    ['an unknown service', { service: 'webb.example.test' }, '/scope/service'],
    ['a pool of another service', { service: 'web.example.test', pool: 'nowhere' }, '/scope/pool'],
    ['a pool without service', { pool: 'eu-west' }, '/scope/pool'],
    ['a pool and a region', { service: 'web.example.test', pool: 'eu-west', region: 'us-east' }, '/scope'],
    ['a drain of everything', {}, '/scope'],
    ['a drain of a whole service', { service: 'web.example.test' }, '/scope'],
    ['a name every object has', { region: 'constructor' }, '/scope/region'],
  ])('names %s', async (_, scope, pointer) => {
    const reply = await put('a', { ...DRAIN, scope });
    expect(reply.statusCode).toBe(400);
    expect(pointers(reply)).toContain(pointer);
    expect((await api.store.get({ keys: ['override'] })).kvs).toEqual([]);
  });

  test('a freeze or a stop may cover everything', async () => {
    for (const kind of ['freeze', 'stop']) expect((await put(kind, { ...DRAIN, kind, scope: {} })).statusCode).toBe(201);
  });

  test('refuses text that would rewrite a terminal, and ids that would not survive a path', async () => {
    for (const reason of ['long enough\nb', 'long enough\u001b[2Jb', 'long enough\u202eb', 'x'.repeat(501), 'too short'])
      expect((await put('a', { ...DRAIN, reason })).statusCode).toBe(400);
    for (const id of ['-a', 'a%20b', 'a.b', 'x'.repeat(65)]) expect((await put(id, DRAIN)).statusCode).toBe(400);
    expect((await put('a', { ...DRAIN, reason: 'é 漢字 🙂 é 漢字 🙂' })).statusCode).toBe(201);
  });
});

describe('If-Match', () => {
  test('with the current tag passes, with an old one is 412 and writes nothing', async () => {
    await put('a', DRAIN);
    const { etag } = (await api.app.inject('/v1/overrides')).headers;
    expect((await put('b', DRAIN, { 'if-match': String(etag) })).statusCode).toBe(201);
    const stale = await put('c', DRAIN, { 'if-match': String(etag) });
    expect(stale.statusCode).toBe(412);
    expect(stale.json()).toMatchObject({ code: 'ERR_STALE' });
    expect((await remove('a', { 'if-match': '"1"' })).statusCode).toBe(412);
    expect((await list()).items.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test('knows lists and *, and takes no weak tag', async () => {
    await put('a', DRAIN);
    expect((await put('a', DRAIN, { 'if-match': 'W/"1"' })).statusCode).toBe(412);
    expect((await put('a', DRAIN, { 'if-match': '"7", "1"' })).statusCode).toBe(200);
    expect((await put('a', DRAIN, { 'if-match': '*' })).statusCode).toBe(200);
    expect((await put('new', DRAIN, { 'if-match': '*' })).statusCode).toBe(412);
  });
});

describe('races and a store in trouble', () => {
  const somebodyElse = async () => {
    const { value } = (await api.store.get({ keys: ['override'] })).kvs[0] ?? { value: { version: 0, items: [] } };
    const { version, items } = value as { version: number; items: object[] };
    const other = { ...DRAIN, id: `other-${version}`, createdAtMs: 0, expiresAtMs: NOW_MS * 2 };
    await putRecord(api.store, 'override', { version: version + 1, nonce: 'other', items: [...items, other] });
  };
  test('a lost race over another id is judged again and loses neither order', async () => {
    api.troubles.push(async (run) => {
      await somebodyElse();
      return run();
    });
    expect((await put('mine', DRAIN)).statusCode).toBe(201);
    expect((await list()).items.map(({ id }) => id)).toEqual(['other-0', 'mine']);
  });

  test('a race lost five times is given up with 412, and nothing was written', async () => {
    const lost = async () => ({ ok: false, rev: 1, kvs: [] });
    api.troubles.push(lost, lost, lost, lost, lost);
    const reply = await put('mine', DRAIN);
    expect(reply.statusCode).toBe(412);
    expect(reply.json().code).toBe('ERR_STALE');
    expect((await list()).items).toEqual([]);
  });

  test('a lost reply to a write that happened is found by reading back: 201, written once', async () => {
    api.troubles.push(async (run) => {
      await run();
      throw new StoreAmbiguousError('the connection broke');
    });
    const reply = await put('mine', DRAIN);
    expect(reply.statusCode).toBe(201);
    expect(reply.json().version).toBe(1);
    expect((await stored()).version).toBe(1);
  });

  test('a lost reply to a write that did not happen is written again', async () => {
    api.troubles.push(async () => {
      throw new StoreAmbiguousError('the connection broke');
    });
    expect((await put('mine', DRAIN)).statusCode).toBe(201);
    expect((await list()).items.map(({ id }) => id)).toEqual(['mine']);
  });

  test('a write in doubt that lands late takes nothing away: it is guarded on the revision that was read', async () => {
    const late: (() => Promise<unknown>)[] = [];
    api.troubles.push(async (run) => {
      late.push(run);
      throw new StoreAmbiguousError('slow');
    });
    await put('mine', DRAIN);
    await put('later', DRAIN);
    expect(await late[0]?.()).toMatchObject({ ok: false });
    expect((await list()).items.map(({ id }) => id)).toEqual(['mine', 'later']);
  });

  test('a delete whose reply was lost is not a 404', async () => {
    await put('mine', DRAIN);
    api.troubles.push(async (run) => {
      await run();
      throw new StoreAmbiguousError('the connection broke');
    });
    expect((await remove('mine')).statusCode).toBe(200);
  });

  test('doubt that cannot be resolved is 503 ERR_UNDECIDED, neither 201 nor 412', async () => {
    for (let i = 0; i < 5; i += 1)
      api.troubles.push(async () => {
        throw new StoreAmbiguousError('?');
      });
    const reply = await put('mine', DRAIN);
    expect(reply.statusCode).toBe(503);
    expect(reply.json().code).toBe('ERR_UNDECIDED');
  });

  test('a definite refusal is 503 with the promise that nothing was written', async () => {
    api.troubles.push(async () => {
      throw new StoreDefiniteError('disk full at /secret/path');
    });
    const reply = await put('mine', DRAIN);
    expect(reply.statusCode).toBe(503);
    expect(reply.json()).toMatchObject({ code: 'ERR_STORE_UNREACHABLE' });
    expect(reply.json().detail).toContain('nothing was written');
    expect(reply.json().detail).toContain('/api/health/detail says why');
    expect(reply.body).not.toContain('/secret/path');
  });

  test('many at once all stand, whatever the order of their writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/), { minLength: 2, maxLength: 4 }), async (ids) => {
        const fresh = openApi();
        const replies = await Promise.all(
          ids.map((id) => fresh.app.inject({ method: 'PUT', url: `/v1/overrides/${id}`, headers: AUTHORIZED, payload: DRAIN })),
        );
        const items = (await fresh.submit.listOverrides()).items.map(({ id }) => id);
        await fresh.close();
        expect(replies.map(({ statusCode }) => statusCode)).toEqual(ids.map(() => 201));
        expect(items.toSorted()).toEqual(ids.toSorted());
      }),
      { numRuns: 20 },
    );
  });
});

describe('the token', () => {
  test.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer wrong' }],
    ['a prefix', { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
    ['an empty one', { authorization: 'Bearer ' }],
  ])('is needed to write: %s is 401, before the body is read', async (_, headers) => {
    for (const method of ['PUT', 'DELETE'] as const) {
      const reply = await api.app.inject({
        method,
        url: '/v1/overrides/a',
        headers: { ...headers, 'content-type': 'application/json' },
        payload: '{broken',
      });
      expect(reply.statusCode).toBe(401);
      expect(reply.headers['www-authenticate']).toContain('Bearer');
      expect(reply.json()).toMatchObject({ code: 'ERR_UNAUTHORIZED', title: 'The bearer token is missing or wrong' });
    }
    expect((await list()).items).toEqual([]);
  });

  test('that is not configured lets nobody write, also not with an empty one', async () => {
    const closed = openApi({ access: tokenAccess(null) });
    const reply = await closed.app.inject({
      method: 'PUT',
      url: '/v1/overrides/a',
      headers: { authorization: 'Bearer null' },
      payload: DRAIN,
    });
    expect(reply.statusCode).toBe(401);
    await closed.close();
  });
});
