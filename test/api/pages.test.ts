// Pages by REST: what is listed, that a dead letter gets another life and an alert its owner, that both are in the journal, and who may.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/audit/journal.ts';
import { outboxKey } from '../../src/coordinate/keys.ts';
import type { Page } from '../../src/model.ts';
import { StoreAmbiguousError, StoreDefiniteError } from '../../src/store/store.ts';
import { accessOf, NOW_MS, type Opened, openApi, principal, putRecord } from './fixture.ts';

const WEB = 'web.example.test';
const PEOPLE = accessOf(
  principal('ana'),
  principal('vera', { role: 'viewer' }),
  principal('web-ops', { services: [WEB] }),
  principal('glass', { how: 'break-glass', once: { id: 'one', expiresAtMs: NOW_MS + 1 } }),
);
const DEAD = { oncall: { because: 'answered 401', atMs: NOW_MS - 900, tries: 1 } };

let api: Opened;
beforeEach(() => {
  api = openApi({ access: PEOPLE });
});
afterEach(() => api.close());

const pageOf = (id: string, given: Partial<Page> = {}): Page => ({
  id,
  dedupKey: 'tidegate/test/eu-west',
  type: 'region.drained',
  severity: 'critical',
  summary: `eu-west down [${id}]`,
  detail: { region: 'eu-west', services: [WEB, 'api.example.test'] },
  atMs: NOW_MS - 1000,
  v: 7,
  delivered: [],
  nonce: 'n',
  ...given,
});
const put = async (...pages: readonly Page[]): Promise<void> => {
  for (const page of pages) await putRecord(api.store, outboxKey(page.id), page);
};
const page = async (id: string): Promise<Page> => (await api.store.get({ keys: [outboxKey(id)] })).kvs[0]?.value as Page;
const journal = async (): Promise<readonly JournalEntry[]> =>
  (await api.store.get({ prefixes: ['journal/'] })).kvs.map(({ value }) => value as JournalEntry);
const list = (query = '', as = 'vera') => api.app.inject({ url: `/v1/pages${query}`, headers: { authorization: `Bearer ${as}` } });
const idsOf = async (query = ''): Promise<readonly string[]> => ((await list(query)).json().items as Page[]).map(({ id }) => id);
const post = (id: string, what: 'replay' | 'acknowledge', body: unknown, as = 'ana') =>
  api.app.inject({ method: 'POST', url: `/v1/pages/${id}/${what}`, headers: { authorization: `Bearer ${as}` }, payload: body as object });
const REASON = { reason: 'the routing key was replaced' };

describe('the list', () => {
  test('has what waits and what is dead, newest first, with whom it reached and why not', async () => {
    await put(
      pageOf('told', { delivered: ['log', '*'], atMs: 1 }),
      pageOf('dead', { delivered: ['log', '*'], dead: DEAD, atMs: 2, acknowledged: { by: 'ana', atMs: 3 } }),
      pageOf('waits', { delivered: ['log'], atMs: 3 }),
    );
    const { items, total, clusterTimeMs } = (await list()).json();
    expect([total, clusterTimeMs]).toEqual([2, NOW_MS]);
    expect(items).toEqual([
      expect.objectContaining({ id: 'waits', state: 'waiting', delivered: ['log'], dead: {}, acknowledged: null, notBeforeMs: null }),
      {
        id: 'dead',
        dedupKey: 'tidegate/test/eu-west',
        type: 'region.drained',
        action: 'trigger',
        severity: 'critical',
        headline: expect.stringMatching(/^eu-west down \[dead\]; nothing to do now/),
        atMs: 2,
        v: 7,
        state: 'dead',
        thread: 'firing',
        delivered: ['log'],
        dead: DEAD,
        acknowledged: { by: 'ana', atMs: 3 },
        notBeforeMs: null,
      },
    ]);
  });

  test('is filtered by state, and the newest of it are shown', async () => {
    await put(
      pageOf('over', { dedupKey: 'a', delivered: ['*'], atMs: 1 }),
      pageOf('end', { dedupKey: 'a', type: 'incident.resolved', severity: 'info', delivered: ['*'], atMs: 2 }),
      pageOf('open', { dedupKey: 'b', delivered: ['*'], atMs: 3 }),
      pageOf('dead', { dedupKey: 'c', type: 'convergence.reached', severity: 'info', delivered: ['*'], dead: DEAD, atMs: 4 }),
      pageOf('waits', { dedupKey: 'd', atMs: 5 }),
    );
    expect(await idsOf('?state=all')).toEqual(['waits', 'dead', 'open', 'end', 'over']);
    expect(await idsOf('?state=dead')).toEqual(['dead']);
    expect(await idsOf('?state=waiting')).toEqual(['waits']);
    expect(await idsOf('?state=open')).toEqual(['waits', 'open']);
    const { items, total } = (await list('?state=all&limit=2')).json();
    expect([items.map(({ id, thread }: { id: string; thread: string }) => `${id} ${thread}`), total]).toEqual([
      ['waits firing', 'dead silent'],
      5,
    ]);
    expect((await list('?state=all')).json().items.at(-1)).toMatchObject({ id: 'over', thread: 'resolved' });
  });

  test('takes no other filter, and leaves out what is no page', async () => {
    for (const query of ['?state=lost', '?limit=0', '?limit=501', '?limit=1e2']) expect((await list(query)).statusCode, query).toBe(400);
    await putRecord(api.store, outboxKey('x'), 'a mistake');
    await putRecord(api.store, outboxKey('y'), pageOf('another'));
    expect(await idsOf('?state=all')).toEqual([]);
  });
});

describe('a replay', () => {
  test('takes the page from the dead and lets nobody else hear of it, in one transaction with its entry', async () => {
    await put(pageOf('p', { delivered: ['log', 'mail', '*'], dead: { ...DEAD, gone: { because: 'x', atMs: 1, tries: 2 } } }));
    const reply = await post('p', 'replay', { ...REASON, channels: ['oncall'], owner: 'the night shift' });
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toMatchObject({ channels: ['oncall'], end: null, page: { id: 'p', state: 'dead', delivered: ['log', 'mail'] } });
    expect(await page('p')).toMatchObject({ delivered: ['log', 'mail'], again: { to: ['oncall'], alone: true } });
    expect(Object.keys((await page('p')).dead ?? {})).toEqual(['gone']);
    const [entry, more] = await journal();
    expect(more).toBeUndefined();
    expect(entry).toMatchObject({
      kind: 'page.replayed',
      by: 'ana',
      how: 'token',
      because: 'page p goes again through oncall, by the night shift: the routing key was replaced',
      detail: { page: 'p', channels: ['oncall'], owner: 'the night shift' },
    });
  });

  test('without names goes through all that refused it, and what was the last one leaves no mark', async () => {
    await put(pageOf('p', { delivered: ['log', '*'], dead: DEAD }));
    expect((await post('p', 'replay', REASON)).json()).toMatchObject({ channels: ['oncall'], page: { state: 'waiting', dead: {} } });
    expect(await page('p')).not.toHaveProperty('dead');
    expect((await post('p', 'replay', REASON)).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect(await journal()).toHaveLength(1);
  });

  test('goes again through a channel that took it, or that never heard of it, when it is named', async () => {
    await put(pageOf('p', { delivered: ['log', 'mail', '*'] }));
    expect((await post('p', 'replay', REASON)).statusCode).toBe(409);
    expect((await post('p', 'replay', { ...REASON, channels: ['mail', 'oncall'] })).statusCode).toBe(200);
    expect(await page('p')).toMatchObject({ delivered: ['log'], again: { to: ['mail', 'oncall'], alone: true } });
  });

  test('of a page that is still being told adds to whom its route tells', async () => {
    await put(pageOf('p', { delivered: ['log'], dead: DEAD }));
    await post('p', 'replay', REASON);
    expect(await page('p')).toMatchObject({ delivered: ['log'], again: { to: ['oncall'], alone: false } });
  });

  test('of an alert that is over sends its end again behind it', async () => {
    await put(
      pageOf('p', { atMs: 1, delivered: ['log', '*'], dead: DEAD }),
      pageOf('end', { atMs: 2, type: 'incident.resolved', severity: 'info', delivered: ['log', 'oncall', '*'] }),
    );
    expect((await post('p', 'replay', REASON)).json()).toMatchObject({ channels: ['oncall'], end: 'end', page: { thread: 'resolved' } });
    expect(await page('end')).toMatchObject({ delivered: ['log'], again: { to: ['oncall'], alone: true } });
    expect((await journal())[0]?.detail).toMatchObject({ end: 'end' });
  });

  test('of an end whose alert is open again is 409: told now, it would close what goes on', async () => {
    await put(
      pageOf('one', { atMs: 1 }),
      pageOf('end', { atMs: 2, type: 'incident.resolved', severity: 'info', delivered: ['log', '*'], dead: DEAD }),
      pageOf('two', { atMs: 3 }),
    );
    expect((await post('end', 'replay', REASON)).json()).toMatchObject({
      code: 'ERR_CONFLICT',
      detail: expect.stringContaining('open again'),
    });
    expect(await journal()).toEqual([]);
  });

  test('names a channel that nobody knows: 400 with what may have been meant; one that the page itself names is known', async () => {
    await put(pageOf('p', { delivered: ['old', '*'] }));
    const reply = await post('p', 'replay', { ...REASON, channels: ['oncal', 'old'] });
    expect(reply.json()).toMatchObject({
      status: 400,
      errors: [{ pointer: '/channels/0', detail: expect.stringContaining('did you mean "oncall"?') }],
    });
    expect((await post('p', 'replay', { ...REASON, channels: ['old'] })).statusCode).toBe(200);
  });

  test.each<[string, unknown]>([
    ['no reason', {}],
    ['a reason that says nothing', { reason: 'short' }],
    ['a list of none', { ...REASON, channels: [] }],
    ['an unknown member', { ...REASON, chanels: ['oncall'] }],
    ['no body', undefined],
  ])('with %s is 400 and writes nothing', async (_, body) => {
    await put(pageOf('p', { delivered: ['*'], dead: DEAD }));
    expect((await post('p', 'replay', body)).statusCode).toBe(400);
    expect(await journal()).toEqual([]);
  });

  test('whose reply was lost is answered once it stands, also when the outbox went on from it, and is not written twice', async () => {
    await put(pageOf('p', { delivered: ['log', '*'], dead: DEAD }));
    api.troubles.push(async (run) => {
      await run();
      await put({ ...(await page('p')), delivered: ['log', 'oncall', '*'], nonce: 'another' });
      throw new StoreAmbiguousError('lost');
    });
    expect((await post('p', 'replay', REASON)).json()).toMatchObject({ channels: ['oncall'] });
    expect(await journal()).toHaveLength(1);
  });

  test('that loses a race to a mark is judged anew and loses neither', async () => {
    await put(pageOf('p', { delivered: ['log', '*'], dead: DEAD }));
    api.troubles.push(async (run) => {
      await put(pageOf('p', { delivered: ['log', 'mail', '*'], dead: DEAD }));
      return run();
    });
    expect((await post('p', 'replay', REASON)).statusCode).toBe(200);
    expect((await page('p')).delivered).toEqual(['log', 'mail']);
  });

  test('that the store refuses is 503', async () => {
    await put(pageOf('p', { delivered: ['*'], dead: DEAD }));
    api.troubles.push(async () => {
      throw new StoreDefiniteError('denied');
    });
    expect((await post('p', 'replay', REASON)).json()).toMatchObject({ status: 503, code: 'ERR_STORE_UNREACHABLE' });
  });
});

describe('an acknowledgement', () => {
  test('marks every page that asks for somebody since the alert opened, and names who', async () => {
    await put(
      pageOf('before', { atMs: 1, delivered: ['*'], detail: {} }),
      pageOf('end', { atMs: 2, type: 'incident.resolved', severity: 'info' }),
      pageOf('one', { atMs: 3 }),
      pageOf('change', { atMs: 4, type: 'convergence.reached', severity: 'info' }),
      pageOf('two', { atMs: 5, detail: { region: 'eu-west', services: [WEB, 'api.example.test'], course: {} } }),
      pageOf('other', { atMs: 6, dedupKey: 'tidegate/test/us-east' }),
    );
    const reply = await post('one', 'acknowledge', { reason: 'I am at it', owner: 'the night shift' });
    expect(reply.json()).toEqual({ dedupKey: 'tidegate/test/eu-west', by: 'the night shift', atMs: NOW_MS, pages: ['one', 'two'] });
    for (const [id, marked] of Object.entries({ before: false, end: false, one: true, change: false, two: true, other: false }))
      expect((await page(id)).acknowledged, id).toEqual(marked ? { by: 'the night shift', atMs: NOW_MS } : undefined);
    const told = (await api.store.get({ prefixes: ['outbox/acknowledged-'] })).kvs.map(({ value }) => value);
    expect(told).toEqual([
      {
        id: expect.stringMatching(/^acknowledged-[0-9a-f]{24}$/),
        dedupKey: 'tidegate/test/eu-west',
        type: 'incident.acknowledged',
        severity: 'critical',
        summary: 'the night shift has it: I am at it',
        detail: { region: 'eu-west', services: [WEB, 'api.example.test'] },
        atMs: NOW_MS,
        v: 7,
        delivered: [],
        nonce: expect.any(String),
      },
    ]);
    expect(await journal()).toMatchObject([
      {
        kind: 'page.acknowledged',
        by: 'ana',
        because: 'tidegate/test/eu-west acknowledged by the night shift: I am at it',
        detail: { dedupKey: 'tidegate/test/eu-west', pages: ['one', 'two'] },
      },
    ]);
  });

  test('of what somebody has already says who, and writes nothing; what came since is marked', async () => {
    await put(pageOf('one', { acknowledged: { by: 'bob', atMs: 5 } }));
    expect((await post('one', 'acknowledge', undefined)).json()).toMatchObject({ by: 'bob', atMs: 5, pages: [] });
    expect(await journal()).toEqual([]);
    await put(pageOf('two', { atMs: NOW_MS }));
    expect((await post('one', 'acknowledge', {})).json()).toMatchObject({ by: 'ana', pages: ['two'] });
  });

  test('of what is over, or never asked for anybody, is 409', async () => {
    await put(pageOf('one', { atMs: 1 }), pageOf('end', { atMs: 2, type: 'incident.resolved', severity: 'info' }));
    expect((await post('one', 'acknowledge', {})).json()).toMatchObject({ code: 'ERR_CONFLICT', detail: expect.stringContaining('over') });
    await put(pageOf('note', { dedupKey: 'x', severity: 'info' }));
    expect((await post('note', 'acknowledge', {})).json()).toMatchObject({ status: 409, detail: expect.stringContaining('only told') });
  });
});

test('what is not there is 404; a viewer, another service and a break-glass token are 403, and nothing is written', async () => {
  for (const what of ['replay', 'acknowledge'] as const) {
    const body = what === 'replay' ? REASON : {};
    expect((await post('nothing', what, body)).json(), what).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
    await put(pageOf('p', { delivered: ['*'], dead: DEAD }), pageOf('store', { dedupKey: 's', detail: {}, dead: DEAD }));
    expect((await post('p', what, body, 'vera')).statusCode, what).toBe(403);
    expect((await post('p', what, body, 'glass')).statusCode, what).toBe(403);
    expect((await post('p', what, body, 'web-ops')).json(), what).toMatchObject({
      status: 403,
      detail: expect.stringContaining('api.example'),
    });
    expect((await post('store', what, body, 'web-ops')).statusCode, what).toBe(403);
    await put(pageOf('own', { dedupKey: 'own', detail: { service: WEB }, delivered: ['*'], dead: DEAD }));
    expect((await post('own', what, body, 'web-ops')).statusCode, what).toBe(200);
  }
  expect(await journal()).toHaveLength(2);
  expect((await list('', 'nobody')).statusCode).toBe(401);
});
