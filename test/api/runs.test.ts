// Platforms and runs by the API, over fakes of what carries runs out: every path as it answers and as it refuses, and each answer held to the document.
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ASKED_MS } from '../../src/api/asked.ts';
import { openApiOf } from '../../src/api/openapi.ts';
import { routesOf } from '../../src/api/routes/index.ts';
import { SCHEMAS } from '../../src/api/schemas.ts';
import { claimed } from '../../src/runbook/commit.ts';
import type { Readiness } from '../../src/runbook/facts.ts';
import type { Run } from '../../src/runbook/model.ts';
import { StoreAmbiguousError } from '../../src/store/store.ts';
import { accessOf, cluster, NOW_MS, type Opened, openApi, principal, viewOf } from './fixture.ts';
import { DRAIN, deskOver, type FakeRuns, FLIP, fakeRuns, PLAN, platform, READY, run, SHIFT, stepped } from './runs.fixture.ts';

const PEOPLE = accessOf(
  principal('ana'),
  principal('ben', { role: 'approver' }),
  principal('cat', { role: 'approver' }),
  principal('viv', { role: 'viewer' }),
  principal('web', { role: 'approver', services: ['web.example.test'] }),
  principal('glass', { how: 'break-glass', once: { id: 'bg-1', expiresAtMs: NOW_MS + 60_000 } }),
);
const ID = 'https://tidegate.test/openapi.json';
const KEY = '0192f3c8-5a1e-7b6d';
const REASON = 'eu-west has lost its power';
const ORDER = { mode: 'ungraceful', purpose: 'failover', reason: REASON };

let fake: FakeRuns;
let api: Opened;
let ajv: Ajv2020;
let nowMs: number;
beforeEach(() => {
  nowMs = NOW_MS;
  fake = fakeRuns();
  const view = viewOf({ cluster: () => ({ ...cluster, platforms: fake.platforms }), clusterNowMs: () => nowMs });
  const first = openApi();
  api = {
    ...openApi({ access: PEOPLE, view, runs: deskOver(fake, first.store, () => nowMs) }),
    store: first.store,
    troubles: first.troubles,
  };
  ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: ID, components: JSON.parse(JSON.stringify(documentOf())).components });
});
afterEach(() => api.close());

const documentOf = () => openApiOf(routesOf({ ...api.options, stopping: () => false, baseUrl: () => '' }), SCHEMAS, 'x');

/** Each answer that is no refusal keeps to its shape. */
const SHAPES: readonly [RegExp, string][] = [
  [/^\/v1\/platforms$/, 'PlatformList'],
  [/^\/v1\/platforms\/[^/]+$/, 'PlatformOne'],
  [/^\/v1\/platforms\/[^/]+\/plan$/, 'RunPlan'],
  [/^\/v1\/platforms\/[^/]+\/runs$/, 'RunBegun'],
  [/^\/v1\/runs$/, 'RunList'],
  [/^\/v1\/runs\/[^/]+/, 'RunOne'],
];

interface Asking {
  as?: string | null;
  headers?: Record<string, string>;
  body?: unknown;
  method?: 'GET' | 'POST';
}
const ask = async (url: string, { as = 'ana', headers = {}, body, method = 'GET' }: Asking = {}) => {
  const reply = await api.app.inject({
    method,
    url,
    headers: { ...(as === null ? {} : { authorization: `Bearer ${as}` }), ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });
  const [, name] = SHAPES.find(([path]) => path.test(url.split('?')[0] ?? '')) ?? [];
  if (reply.statusCode < 300)
    expect(ajv.validate({ $ref: `${ID}#/components/schemas/${name}` }, reply.json()), `${url}: ${ajv.errorsText()}`).toBe(true);
  else expect(ajv.validate({ $ref: `${ID}#/components/schemas/Problem` }, reply.json()), reply.body).toBe(true);
  return reply;
};
const post = (url: string, body: unknown, given: Asking = {}) => ask(url, { ...given, method: 'POST', body });
const begin = (body: unknown = ORDER, key: string | null = KEY, given: Asking = {}, name = 'shop') =>
  post(`/v1/platforms/${name}/runs`, body, {
    ...given,
    headers: { ...(key === null ? {} : { 'idempotency-key': key }), ...given.headers },
  });

const READINESS: Readiness = {
  platform: 'shop',
  atMs: NOW_MS - 1000,
  score: 75,
  lines: [{ check: 'standby-at-zero', of: 'workers@us-east', is: 'bad', weight: 'must', because: '2 of 0 replicas', fix: 'scale it to 0' }],
};
const RECORD = {
  active: 'us-east',
  sinceAtMs: NOW_MS - 86_400_000,
  run: 'shop-failover-1',
  because: 'moved by shop-failover-1',
  history: ['1', '2'].map((n) => ({
    run: `shop-failover-${n}`,
    purpose: 'failover' as const,
    mode: 'graceful' as const,
    tookMs: 48_200,
    steps: { [READY]: 14_200 },
    atMs: NOW_MS - 1000,
  })),
  nonce: 'n',
};

describe('platforms', () => {
  test('are listed in configured order: as configured and not audited at first', async () => {
    const { items, clusterTimeMs } = (await ask('/v1/platforms', { as: 'viv' })).json();
    expect(clusterTimeMs).toBe(NOW_MS);
    expect(items.map(({ name }: { name: string }) => name)).toEqual(['shop', 'ledger']);
    expect(items[0]).toEqual({
      name: 'shop',
      model: 'active-hot',
      regions: ['eu-west', 'us-east', 'ap-south'],
      services: ['web.example.test'],
      trigger: 'propose',
      failback: 'manual',
      active: 'eu-west',
      sinceAtMs: null,
      because: 'as configured: nothing has moved it',
      openRun: null,
      readiness: null,
      databases: [],
      llm: null,
      lastRuns: [],
    });
  });

  test('a run that was ordered and has moved nothing yet does not make it active since then', async () => {
    fake.records.set('shop', claimed(null, 'eu-west', 'n', NOW_MS - 2000));
    const { platform } = (await ask('/v1/platforms/shop')).json();
    expect(platform).toMatchObject({ active: 'eu-west', sinceAtMs: null, because: 'as configured: nothing has moved it' });
  });

  test('a step that had begun when its run ended takes no longer by and by', async () => {
    const ended = { state: 'aborted' as const, startedAtMs: NOW_MS - 60_000, endedAtMs: NOW_MS - 50_000 };
    fake.runs.set('r', stepped(run('r', ended), { [READY]: { state: 'pending', because: 'no answer', startedAtMs: NOW_MS - 55_000 } }));
    const { run: shown } = (await ask('/v1/runs/r')).json();
    expect(shown.steps.find(({ id }: { id: string }) => id === READY)).toMatchObject({ state: 'pending', tookMs: 5_000 });
  });

  test('one: where it is active since when, how ready, what moves it, what moves took, newest first', async () => {
    fake.records.set('shop', RECORD);
    fake.readiness.set('shop', READINESS);
    fake.runs.set('r', stepped(run('r'), { [FLIP]: { state: 'asking', because: 'two have to agree' } }));
    const { platform: shop } = (await ask('/v1/platforms/shop')).json();
    expect(shop).toMatchObject({
      active: 'us-east',
      sinceAtMs: NOW_MS - 86_400_000,
      because: 'moved by shop-failover-1',
      readiness: { score: 75, lines: [{ fix: 'scale it to 0' }] },
      openRun: { id: 'r', state: 'running', progress: { done: 0, of: 3 }, waiting: [{ step: FLIP, wants: 'approval', persons: 2 }] },
    });
    expect(shop.lastRuns.map((each: { run: string }) => each.run)).toEqual(['shop-failover-2', 'shop-failover-1']);
  });

  test('of another name are 404; who shows nothing gets in where anybody may read, and not here', async () => {
    expect((await ask('/v1/platforms/none')).json()).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
    expect((await ask('/v1/platforms', { as: null })).statusCode).toBe(401);
  });
});

describe('a plan', () => {
  test('says the steps of its mode, the longest way, who has to agree and what cannot be taken back; nothing moves', async () => {
    const plan = (await ask('/v1/platforms/shop/plan?mode=ungraceful', { as: 'viv' })).json();
    expect(plan).toMatchObject({ platform: 'shop', purpose: 'failover', mode: 'ungraceful', from: 'eu-west', to: 'us-east' });
    expect(plan.steps.map(({ id }: { id: string }) => id)).toEqual([FLIP, READY, SHIFT]);
    expect(plan.steps[0]).not.toHaveProperty('spec');
    const way = { p50Ms: 18_200, p95Ms: 35_900, path: [FLIP, READY, SHIFT] };
    expect(plan.estimate).toEqual({ recovery: way, whole: way });
    expect(plan.approvals).toEqual([{ step: FLIP, persons: 2 }]);
    expect(plan.cannotUndo).toEqual([{ step: FLIP, because: 'a failover back is a run of its own' }]);
    expect(fake.acts).toEqual([]);
  });

  test('is graceful unless said; beside whoever orders it one more has to agree where two do', async () => {
    fake.platforms[0] = platform('shop', { approvals: { start: 2, steps: {}, expireMs: 1 } });
    const plan = (await ask('/v1/platforms/shop/plan')).json();
    expect(plan.mode).toBe('graceful');
    // What only takes time has nothing to take back.
    expect(plan.cannotUndo.map((each: { step: string }) => each.step)).toEqual([FLIP]);
    expect(plan.steps[0].id).toBe(DRAIN);
    expect(plan.approvals[0]).toEqual({ step: null, persons: 1 });
  });

  test('goes to the first of the priorities that is not active; a failback goes home', async () => {
    fake.records.set('shop', RECORD);
    const to = async (query: string) => (await ask(`/v1/platforms/shop/plan${query}`)).json().to;
    expect(await to('')).toBe('eu-west');
    expect(await to('?to=ap-south')).toBe('ap-south');
    expect(await to('?purpose=failback')).toBe('eu-west');
  });

  test.each([
    ['?mode=rough', '/mode'],
    ['?purpose=prearm', '/purpose'],
    ['?to=mars', '/to'],
    ['?to=eu-west', '/to'],
  ])('with %s is 400 with its place', async (query, pointer) => {
    expect((await ask(`/v1/platforms/shop/plan${query}`)).json()).toMatchObject({ status: 400, errors: [{ pointer }] });
  });

  test('of a failback at home is 409', async () => {
    expect((await ask('/v1/platforms/shop/plan?purpose=failback')).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
  });
});

describe('runs', () => {
  test('open ones unless all are asked for, so many at most, with how many there are', async () => {
    fake.runs.set('old', run('old', { state: 'done', endedAtMs: NOW_MS - 10_000 }));
    fake.runs.set('new', run('new'));
    expect((await ask('/v1/runs')).json()).toMatchObject({ total: 1, items: [{ id: 'new', tookMs: 40_000 }] });
    const all = (await ask('/v1/runs?state=all&limit=1')).json();
    expect(all).toMatchObject({ total: 2, items: [{ id: 'new' }] });
    expect((await ask('/v1/runs?state=all')).json().items[1]).toMatchObject({
      id: 'old',
      tookMs: 30_000,
      recoveryMs: 30_000,
      waiting: [],
      now: [],
    });
  });

  test.each([
    ['?state=closed', '/state'],
    ['?limit=0', '/limit'],
    ['?limit=201', '/limit'],
    ['?limit=x', '/limit'],
  ])('with %s is 400', async (query, pointer) => {
    expect((await ask(`/v1/runs${query}`)).json()).toMatchObject({ status: 400, errors: [{ pointer }] });
  });

  test('one: each step with state, because, times beside estimates, who agreed; what it waits for', async () => {
    const steps = {
      [FLIP]: {
        state: 'done',
        startedAtMs: NOW_MS - 39_000,
        endedAtMs: NOW_MS - 36_000,
        because: 'moved',
        approvedBy: ['ben', 'cat'],
        tries: 1,
      },
      [READY]: { state: 'acting', startedAtMs: NOW_MS - 36_000, because: '1 of 2 ready', tries: 1 },
    } as const;
    fake.runs.set('r', stepped(run('r'), steps));
    const { run: shown } = (await ask('/v1/runs/r', { as: 'viv' })).json();
    expect(shown).toMatchObject({ progress: { done: 1, of: 3 }, now: [`${READY}: 1 of 2 ready`], criticalPath: [FLIP, READY, SHIFT] });
    expect(shown.steps[1]).toMatchObject({ tookMs: 3_000, estimate: { p50Ms: 3_000, source: 'seed' }, approvedBy: ['ben', 'cat'] });
    expect(shown.steps[2]).toMatchObject({ state: 'acting', tookMs: 36_000, endedAtMs: null });
    expect((await ask('/v1/runs/none')).json()).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
  });

  test('have a tag of what a human decides about: what goes on by itself leaves it alone', async () => {
    const tag = async () => (await ask('/v1/runs/r')).headers.etag;
    fake.runs.set('r', stepped(run('r'), { [READY]: { state: 'acting', because: '1 of 2 ready' } }));
    const before = await tag();
    expect(before).toMatch(/^"[0-9a-f]{16}"$/);
    fake.runs.set('r', stepped(run('r'), { [READY]: { state: 'acting', because: '2 of 2 ready' }, [FLIP]: { state: 'done' } }));
    expect(await tag()).toBe(before);
    for (const next of [
      stepped(run('r'), { [READY]: { state: 'asking', tries: 3 } }),
      run('r', { mode: 'graceful' }),
      run('r', { state: 'stopping' }),
    ]) {
      fake.runs.set('r', next);
      expect(await tag()).not.toBe(before);
    }
  });
});

describe('an order to move', () => {
  test('is 201, with where the run is, its plan, and how to take it back; the log says who', async () => {
    const reply = await begin({ ...ORDER, ticket: 'OPS-311' });
    expect(reply.statusCode).toBe(201);
    const { run: begun, plan, dryRun, undo } = reply.json();
    expect(begun).toMatchObject({
      platform: 'shop',
      state: 'running',
      to: 'us-east',
      cause: { kind: 'order', by: 'ana', reason: REASON, ticket: 'OPS-311' },
    });
    expect(begun.id).toMatch(/^shop-failover-[0-9a-f]{12}$/);
    expect([plan.approvals, dryRun]).toEqual([[{ step: FLIP, persons: 2 }], false]);
    expect(undo.cli).toBe(`tidegate undo-run ${begun.id} --reason WHY`);
    expect(reply.headers.location).toBe(`/v1/runs/${begun.id}`);
    expect(reply.headers.etag).toBe((await ask(`/v1/runs/${begun.id}`)).headers.etag);
    expect(fake.acts).toEqual([`begin ${begun.id} by ana`]);
    expect(api.log.of('run.begun')).toMatchObject([{ fields: { run: begun.id, by: 'ana' } }]);
  });

  test('may go on ungracefully by itself after a while', async () => {
    const { run: begun } = (await begin({ ...ORDER, mode: 'graceful', forceAfterMs: 60_000 })).json();
    expect(begun.forceAfterMs).toBe(60_000);
  });

  test('waits for a second person where two have to agree', async () => {
    fake.platforms[0] = platform('shop', { approvals: { start: 2, steps: {}, expireMs: 900_000 } });
    const { run: begun, plan } = (await begin()).json();
    expect(begun).toMatchObject({ state: 'proposed', approval: { persons: 2, by: ['ana'] }, waiting: [{ step: null, wants: 'approval' }] });
    expect(plan.approvals[0]).toEqual({ step: null, persons: 1 });
  });

  test('as a dry run is judged and planned and writes nothing, with or without a key', async () => {
    const dry = (key: string | null, body: unknown = ORDER) =>
      post('/v1/platforms/shop/runs?dryRun=true', body, key === null ? {} : { headers: { 'idempotency-key': key } });
    for (const key of [null, KEY]) {
      const reply = await dry(key);
      expect([reply.statusCode, reply.json().dryRun]).toEqual([200, true]);
    }
    expect((await dry(null, { ...ORDER, to: 'mars' })).json()).toMatchObject({ status: 400, errors: [{ pointer: '/to' }] });
    fake.runs.set('r', run('r'));
    expect((await dry(null)).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect((await post('/v1/platforms/shop/runs?dryRun=yes', ORDER)).json()).toMatchObject({ status: 400 });
    expect(fake.acts).toEqual([]);
  });

  test('sent again is answered as done before, also when the platform has moved since, and begins nothing', async () => {
    const first = (await begin({ ...ORDER, to: 'us-east' })).json().run;
    fake.records.set('shop', RECORD);
    fake.runs.set(first.id, {
      ...(fake.runs.get(first.id) as Run),
      cause: { kind: 'order', by: 'ana', reason: REASON },
    });
    const again = await begin({ ...ORDER, to: 'us-east' });
    expect([again.statusCode, again.headers['idempotency-replayed'], again.json().run.id]).toEqual([201, 'true', first.id]);
    expect(fake.acts).toHaveLength(1);
  });

  test('under a key that was for another wish is 422; keys are each person’s own', async () => {
    const first = (await begin()).json().run;
    for (const body of [
      { ...ORDER, reason: 'another reason than before' },
      { ...ORDER, mode: 'graceful', to: 'ap-south' },
      { ...ORDER, ticket: 'OPS-9' },
    ])
      expect((await begin(body)).json(), JSON.stringify(body)).toMatchObject({ status: 422, code: 'ERR_IDEMPOTENCY' });
    expect((await begin(ORDER, KEY, { as: 'ben' })).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect(first.id).toBe([...fake.runs.keys()][0]);
  });

  test('of two at once with one key, one begins and the other is told to wait', async () => {
    let go = (): void => undefined;
    fake.trouble = () =>
      new Promise<void>((resolve) => {
        go = resolve;
      });
    const first = begin();
    const second = await begin();
    expect(second.json()).toMatchObject({ status: 409, code: 'ERR_IN_FLIGHT' });
    go();
    expect((await first).statusCode).toBe(201);
    expect(fake.acts).toHaveLength(1);
  });

  test.each([
    [null, 400],
    ['short', 400],
    ['x'.repeat(201), 400],
  ])('with the key %s is %i', async (key, status) => {
    expect((await begin(ORDER, key)).statusCode).toBe(status);
    expect(fake.acts).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['nothing', {}, '/mode'],
    ['another mode', { ...ORDER, mode: 'rough' }, '/mode'],
    ['a purpose that is no human’s', { ...ORDER, purpose: 'prearm' }, '/purpose'],
    ['a reason that says nothing', { ...ORDER, reason: 'because' }, '/reason'],
    ['a reason that holds a credential', { ...ORDER, reason: `tg_${'0a'.repeat(24)} does not work` }, '/reason'],
    ['a force of what is forced from its beginning', { ...ORDER, forceAfterMs: 60_000 }, '/forceAfterMs'],
    ['a force that is too soon', { ...ORDER, mode: 'graceful', forceAfterMs: 999 }, '/forceAfterMs'],
    ['what is not understood', { ...ORDER, force: true }, '/force'],
    ['a region that is not its own', { ...ORDER, to: 'mars' }, '/to'],
    ['the region that is active', { ...ORDER, to: 'eu-west' }, '/to'],
  ])('with %s is 400 with its place', async (_, body, pointer) => {
    expect((await begin(body)).json().errors).toContainEqual(expect.objectContaining({ pointer }));
    expect(fake.acts).toEqual([]);
  });

  test('to a platform that is none is 404, while another run moves it 409, at home back 409', async () => {
    expect((await begin(ORDER, KEY, {}, 'none')).statusCode).toBe(404);
    expect((await begin({ ...ORDER, purpose: 'failback' })).statusCode).toBe(409);
    fake.runs.set('r', run('r'));
    expect((await begin()).json()).toMatchObject({ status: 409, detail: expect.stringContaining('r moves shop already') });
  });

  test('takes an operator whose services are all that moves', async () => {
    expect((await begin(ORDER, KEY, { as: null })).statusCode).toBe(401);
    expect((await begin(ORDER, KEY, { as: 'viv' })).statusCode).toBe(403);
    const refused = await begin(ORDER, KEY, { as: 'web' }, 'ledger');
    expect(refused.json()).toMatchObject({ status: 403, detail: expect.stringContaining('api.example.test') });
    fake.platforms.push(platform('bare', { services: [] }));
    expect((await begin(ORDER, KEY, { as: 'web' }, 'bare')).statusCode).toBe(403);
    expect(fake.acts).toEqual([]);
    expect((await begin(ORDER, KEY, { as: 'web' })).statusCode).toBe(201);
  });

  test('by a credential that is good for one act hands that on, so that the run spends it', async () => {
    const before = fake.writer.begin;
    let once: unknown;
    fake.writer.begin = (order, person) => {
      once = person.once;
      return before(order, person);
    };
    expect((await begin(ORDER, KEY, { as: 'glass' })).statusCode).toBe(201);
    expect(once).toMatchObject({ id: 'bg-1' });
  });
});

const act = (what: string, body: unknown, given: Asking = {}, id = 'r') => post(`/v1/runs/${id}/${what}`, body, given);
const DEEDS: readonly [string, object][] = [
  ['approve', { step: FLIP }],
  ['answer', { step: READY, choice: 'retry', reason: REASON }],
  ['abort', { reason: REASON }],
  ['undo', { reason: REASON }],
  ['force', { reason: REASON }],
];

describe('what humans say to a run', () => {
  beforeEach(() => {
    fake.runs.set('r', stepped(run('r', { mode: 'graceful' }), { [FLIP]: { state: 'asking' }, [READY]: { state: 'asking', tries: 3 } }));
  });

  test.each(DEEDS)('%s is done and answered with the run as it is then, and its tag', async (what, body) => {
    const reply = await act(what, body, { as: 'ben' });
    expect(reply.statusCode, reply.body).toBe(200);
    expect(fake.acts).toHaveLength(1);
    expect(reply.headers.etag).toBe((await ask('/v1/runs/r')).headers.etag);
    expect(api.log.of(`run.${what}`)).toMatchObject([{ fields: { run: 'r', by: 'ben', ...body } }]);
  });

  test.each(DEEDS)('%s takes a right: none without, nor by a viewer, nor for services that are not one’s own', async (what, body) => {
    expect((await act(what, body, { as: null })).statusCode).toBe(401);
    expect((await act(what, body, { as: 'viv' })).statusCode).toBe(403);
    if (what === 'approve') expect((await act(what, body, { as: 'ana' })).statusCode).toBe(403);
    fake.platforms[0] = platform('shop', { services: ['web.example.test', 'api.example.test'] });
    expect((await act(what, body, { as: 'web' })).json()).toMatchObject({ status: 403, code: 'ERR_FORBIDDEN' });
    fake.platforms.shift();
    expect((await act(what, body, { as: 'web' })).statusCode, 'of a platform that is gone').toBe(403);
    expect(fake.acts).toEqual([]);
  });

  test.each(DEEDS)('%s of a run that is none is 404, with a body that is none 400', async (what, body) => {
    expect((await act(what, body, { as: 'ben' }, 'none')).statusCode).toBe(404);
    expect((await act(what, { ...body, more: 1 }, { as: 'ben' })).json()).toMatchObject({ status: 400, errors: [{ pointer: '/more' }] });
    expect((await act(what, [], { as: 'ben' })).statusCode).toBe(400);
    if (what !== 'approve') expect((await act(what, undefined, { as: 'ben' })).statusCode).toBe(400);
  });

  test.each(DEEDS)('%s where it does not fit is 409 with what stands', async (what, body) => {
    fake.runs.set('r', run('r', { state: 'done', endedAtMs: NOW_MS }));
    expect((await act(what, body, { as: 'ben' })).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect(fake.acts).toEqual([]);
  });

  test.each(DEEDS)('%s with a tag is for what was read: stale is 412, the current one and * pass', async (what, body) => {
    const { etag = '' } = (await ask('/v1/runs/r')).headers;
    const original = fake.runs.get('r') as Run;
    const tagged = (tag: string) => act(what, body, { as: 'ben', headers: { 'if-match': tag } });
    fake.runs.set('r', stepped(original, { [SHIFT]: { state: 'asking', tries: 1 } }));
    expect((await tagged(String(etag))).json()).toMatchObject({ status: 412, code: 'ERR_STALE' });
    expect(fake.acts).toEqual([]);
    fake.runs.set('r', original);
    expect((await tagged(`"x", ${etag}`)).statusCode).toBe(200);
    fake.runs.set('r', original);
    expect((await tagged('*')).statusCode).toBe(200);
  });

  test.each(DEEDS)('%s sent again with its key is answered as done, for a day; with another body or run it is 422', async (what, body) => {
    const keyed = (given: object = body, id = 'r') => act(what, given, { as: 'ben', headers: { 'idempotency-key': KEY } }, id);
    expect((await keyed()).headers['idempotency-replayed']).toBeUndefined();
    const again = await keyed();
    expect([again.statusCode, again.headers['idempotency-replayed']]).toEqual([200, 'true']);
    expect(fake.acts).toHaveLength(1);
    fake.runs.set('other', run('other', { platform: 'ledger' }));
    expect((await keyed(body, 'other')).json()).toMatchObject({ status: 422, code: 'ERR_IDEMPOTENCY' });
    const changed = what === 'approve' ? { step: READY } : { ...body, reason: 'for another reason' };
    expect((await keyed(changed)).json()).toMatchObject({ status: 422, code: 'ERR_IDEMPOTENCY' });
    nowMs += ASKED_MS;
    expect((await keyed()).headers['idempotency-replayed']).toBeUndefined();
  });

  test('an act whose key could not be kept stands; the retry is met by what stands', async () => {
    api.troubles.push(
      async () => {
        throw new StoreAmbiguousError('lost');
      },
      ...Array.from({ length: 9 }, () => async () => ({ ok: false, rev: 1, kvs: [] })),
    );
    const keyed = () => act('abort', { reason: REASON }, { as: 'ben', headers: { 'idempotency-key': KEY } });
    expect((await keyed()).statusCode).toBe(200);
    expect(fake.acts).toHaveLength(1);
  });

  test('two persons are two: the same one again is 409, the second lets it go on', async () => {
    fake.runs.set('r', stepped(run('r'), { [FLIP]: { state: 'asking' } }));
    expect((await act('approve', {}, { as: 'ben' })).json().run.waiting).toMatchObject([{ by: ['ben'] }]);
    expect((await act('approve', {}, { as: 'ben' })).json()).toMatchObject({ status: 409, code: 'ERR_APPROVAL' });
    expect((await act('approve', undefined, { as: 'cat' })).json().run).toMatchObject({ waiting: [] });
    expect(fake.acts).toEqual([`approve r ${FLIP} by ben`, `approve r ${FLIP} by cat`]);
  });

  test('what is agreed to need not be named where it is one thing; of several it has to be', async () => {
    fake.runs.set('p', run('p', { state: 'proposed', approval: { persons: 1, by: [], untilMs: NOW_MS + 1 } }));
    await act('approve', {}, { as: 'ben' }, 'p');
    expect(fake.acts).toEqual(['approve p by ben']);
    const plan = PLAN.map((each) => (each.id === READY ? { ...each, approvals: 1 as const } : each));
    fake.runs.set('q', stepped(run('q', { plan }), { [FLIP]: { state: 'asking' }, [READY]: { state: 'asking' } }));
    expect((await act('approve', {}, { as: 'ben' }, 'q')).json()).toMatchObject({ status: 400, errors: [{ pointer: '/step' }] });
    fake.runs.set('s', run('s'));
    expect((await act('approve', {}, { as: 'ben' }, 's')).json()).toMatchObject({ status: 409, code: 'ERR_CONFLICT' });
    expect((await act('approve', { step: 'none' }, { as: 'ben' }, 's')).statusCode).toBe(404);
  });

  test('an answer is one of three', async () => {
    const answer = (choice: string) => act('answer', { step: READY, choice, reason: REASON });
    expect((await answer('maybe')).json()).toMatchObject({ status: 400, errors: [{ pointer: '/choice' }] });
    expect((await answer('skip')).json().run.steps[2]).toMatchObject({ id: READY, state: 'skipped' });
    expect(fake.acts).toEqual([`answer r ${READY} skip by ana`]);
  });
});

test('a replica without what carries out runs offers nothing here; one that stops takes nothing', async () => {
  const { runs: _, ...without } = api.options;
  const bare = openApi({ ...without, runs: undefined as never });
  const stopping = openApi({ access: PEOPLE }, () => true);
  try {
    for (const url of ['/v1/platforms', '/v1/runs', '/v1/runs/r', '/v1/platforms/shop/plan'])
      expect((await bare.app.inject({ url, headers: { authorization: 'Bearer ana' } })).json()).toMatchObject({ code: 'ERR_NOT_FOUND' });
    const reply = await stopping.app.inject({
      method: 'POST',
      url: '/v1/runs/r/abort',
      headers: { authorization: 'Bearer ana' },
      payload: { reason: REASON },
    });
    expect(reply.json()).toMatchObject({ status: 503, code: 'ERR_STOPPING' });
  } finally {
    await Promise.all([bare.close(), stopping.close()]);
  }
});
