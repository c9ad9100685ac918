// POST /v1/simulate and GET /v1/matrix: what they answer, what they refuse, and that they write nothing and leave the process time for everything else.
import { afterEach, describe, expect, test } from 'vitest';
import { AT_ONCE_MAX, createForecaster, TARGETS_MAX } from '../../src/api/forecaster.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import { realPorts } from '../../src/ports.ts';
import { Council, seated } from '../decide/council.ts';
import { poolOf, serviceOf } from '../world.ts';
import { accessOf, cluster, NOW_MS, type Opened, openApi, principal, REGIONS } from './fixture.ts';

let opened: Opened | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});

const snapshotOf = (): Snapshot => {
  const council = new Council(cluster);
  council.nowMs = NOW_MS - 60_000;
  council.see({});
  council.watch({}, 60_000);
  return { ...council.snapshot(council.heard({})), by: 'eu-west/a' };
};

const open = (snapshot: () => Snapshot | null = snapshotOf): Opened => {
  opened = openApi({ snapshot });
  return opened;
};

const ask = async (payload: unknown, { app } = open()) => {
  const reply = await app.inject({ method: 'POST', url: '/v1/simulate', payload: payload as object });
  return { status: reply.statusCode, body: reply.json() };
};

describe('POST /v1/simulate', () => {
  test('the death of a region: what is decided, what is written, who is paged', async () => {
    const { status, body } = await ask({ hypotheses: [{ kind: 'region-down', region: 'us-east' }] });
    expect(status).toBe(200);
    expect(body.steps).toHaveLength(1);
    expect(body.steps[0].because).toMatch(/^us-east down: 2 of 3 vantages/);
    expect(body.services[0]).toMatchObject({
      service: 'web.example.test',
      mode: 'auto',
      after: { 'eu-west': 500, 'us-east': 0, 'ap-south': 500 },
      writes: [{ provider: 'local', after: { 'us-east': 0 } }],
      capacity: null,
      converge: { source: 'worst-case' },
    });
    expect(body.pages).toMatchObject([{ severity: 'critical', type: 'region.drained' }]);
  });

  test('an order as POST /v1/overrides takes it', async () => {
    const override = { kind: 'drain', scope: { region: 'eu-west' }, reason: 'works', ttl: '2m' };
    const { body } = await ask({ hypotheses: [{ kind: 'override', override }], horizonMs: 600_000 });
    expect(body.steps[0].because).toBe('eu-west drained by anonymous: works');
    expect(body.steps.some(({ because }: { because: string }) => /override what-if expired/.test(because))).toBe(true);
  });

  test('an order as GET /v1/overrides/:id gives it, whatever was told of it', async () => {
    const told = ['started', 'break-glass', 'replaced', 'expiring'];
    const times = { createdAtMs: NOW_MS - 1000, expiresAtMs: NOW_MS + 60_000 };
    const override = { id: 'a', kind: 'drain', scope: { region: 'eu-west' }, reason: 'works', owner: 'ana', by: 'ana', ...times, told };
    expect(await ask({ hypotheses: [{ kind: 'override', override: { ...override, breakGlass: true } }] })).toMatchObject({ status: 200 });
  });

  test('without hypotheses it tells of what is under way', async () => {
    expect((await ask({ hypotheses: [] })).body).toMatchObject({ steps: [], notes: ['nothing is under way'] });
  });

  test('all that is wrong at once, by place', async () => {
    const { status, body } = await ask({
      hypotheses: [
        { kind: 'region-down', region: 'eu-wst' },
        { kind: 'pool-down', service: 'web.example.test', pool: 'us-eats' },
        { kind: 'pool-down', service: 'wep.example.test', pool: 'us-east' },
        { kind: 'override', override: { kind: 'pin', scope: { pool: 'eu-west' }, weights: { 'eu-west': 900 } } },
      ],
    });
    expect(status).toBe(400);
    expect(body.errors).toEqual([
      { pointer: '/hypotheses/0/region', detail: 'no region is called "eu-wst"; did you mean "eu-west"?' },
      { pointer: '/hypotheses/1/pool', detail: 'no pool of web.example.test is called "us-eats"; did you mean "us-east"?' },
      { pointer: '/hypotheses/2/service', detail: 'no service is called "wep.example.test"; did you mean "web.example.test"?' },
      { pointer: '/hypotheses/3/override/scope/pool', detail: 'a pool is named together with its service; add scope.service' },
      { pointer: '/hypotheses/3/override/weights', detail: 'a pin needs thousandths per pool, together 1000' },
    ]);
  });

  test.each([
    [undefined, ''],
    [[], ''],
    [{ hypotheses: 'all' }, '/hypotheses'],
    [{ hypotheses: [{ kind: 'region-dwn', region: 'eu-west' }] }, '/hypotheses/0/kind'],
    [{ hypotheses: [{ kind: 'region-down', regoin: 'eu-west' }] }, '/hypotheses/0/region'],
    [{ hypotheses: [], horizonMs: 1 }, '/horizonMs'],
    [{ hypotheses: [], horizonMs: 1_800_001 }, '/horizonMs'],
    [{ hypotheses: [], horizon: 1 }, '/horizon'],
    [{ hypotheses: Array.from({ length: 21 }, () => ({ kind: 'region-down', region: 'eu-west' })) }, '/hypotheses'],
    [{ hypotheses: [{ kind: 'override', override: { kind: 'drain', scope: {}, ttl: 'soon' } }] }, '/hypotheses/0/override/ttl'],
  ])('what has no shape is refused: %j', async (payload, pointer) => {
    const { app } = open();
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/simulate',
      headers: { 'content-type': 'application/json' },
      payload: payload === undefined ? '' : JSON.stringify(payload),
    });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().errors.map((each: { pointer: string }) => each.pointer)).toContain(pointer);
  });

  test('nothing is written and nothing changes', async () => {
    const snapshot = snapshotOf();
    const copy = structuredClone(snapshot);
    const { store } = open(() => snapshot);
    const before = (await store.get({ prefixes: [''] })).rev;
    await ask({ hypotheses: [{ kind: 'region-down', region: 'us-east' }], horizonMs: 1_800_000 }, opened ?? open());
    expect((await store.get({ prefixes: [''] })).rev).toBe(before);
    expect(snapshot).toEqual(copy);
  });

  test('a credential that is good for one act asks as often as it likes', async () => {
    const once = { id: '7f', expiresAtMs: NOW_MS + 60_000 };
    opened = openApi({ snapshot: snapshotOf, access: accessOf(principal('ann', { how: 'break-glass', once })) });
    const { app, store } = opened;
    const headers = { authorization: 'Bearer ann' };
    for (let time = 0; time < 2; time += 1)
      expect((await app.inject({ method: 'POST', url: '/v1/simulate', headers, payload: { hypotheses: [] } })).statusCode).toBe(200);
    expect((await store.get({ prefixes: ['used/'] })).kvs).toEqual([]);
    const report = await app.inject({ method: 'PUT', url: '/v1/reports/web.example.test', headers, payload: { load: 1, ttl: '60s' } });
    expect(report.json()).toMatchObject({ code: 'ERR_FORBIDDEN' });
  });

  test('before anything is known there is nothing to run on', async () => {
    expect(
      await ask(
        { hypotheses: [] },
        open(() => null),
      ),
    ).toMatchObject({ status: 503, body: { code: 'ERR_STORE_UNREACHABLE' } });
  });
});

test('GET /v1/matrix has every region', async () => {
  const reply = await open().app.inject({ url: '/v1/matrix' });
  const { regions } = reply.json();
  expect(regions.map(({ region }: { region: string }) => region)).toEqual(REGIONS);
  for (const { region, forecast } of regions) expect(forecast.steps[0].because).toContain(`${region} down`);
});

describe('the forecaster', () => {
  const large = (services: number, targets: number): Snapshot => {
    const council = seated({
      ...cluster,
      services: Array.from({ length: services }, (_, i) =>
        serviceOf(REGIONS, { name: `svc-${i}`, pools: REGIONS.map((region, p) => poolOf(region, 1, p, targets)) }),
      ),
    });
    return council.snapshot(council.heard({}));
  };

  test('works at two at once and sends the next away', async () => {
    const forecaster = createForecaster({ ports: realPorts(), snapshot: () => large(50, 4), clusterNowMs: () => NOW_MS });
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => forecaster.matrix()));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(AT_ONCE_MAX);
    for (const each of all.slice(AT_ONCE_MAX)) expect(each).toMatchObject({ reason: { code: 'ERR_TOO_MANY', busyMs: 1000 } });
    await expect(forecaster.forecast([])).resolves.toMatchObject({ steps: [] });
  });

  test('lets others work in between', async () => {
    const forecaster = createForecaster({ ports: realPorts(), snapshot: () => large(50, 8), clusterNowMs: () => NOW_MS });
    let done = false;
    const asked = forecaster.matrix().finally(() => (done = true));
    let turns = 0;
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    expect((await asked).regions).toHaveLength(3);
    expect(turns).toBeGreaterThan(2);
  });

  test('leaves others at least as much time as it takes, also when two are worked out', async () => {
    let atMs = 0;
    const pauses: number[] = [];
    const real = realPorts();
    const timers = {
      after(ms: number, fn: () => void) {
        pauses.push(ms);
        return real.timers.after(0, fn);
      },
    };
    const clock = { monoMs: () => (atMs += 5), wallMs: () => 0 };
    const forecaster = createForecaster({ ports: { clock, timers }, snapshot: () => large(2, 1), clusterNowMs: () => NOW_MS });
    await Promise.all([forecaster.matrix(), forecaster.matrix()]);
    expect(pauses.length).toBeGreaterThan(2);
    expect(Math.max(...pauses)).toBeGreaterThanOrEqual(20);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(10);
  });

  test('ends when its work is up, and says so', async () => {
    let atMs = 0;
    const ports = { ...realPorts(), clock: { monoMs: () => (atMs += 400), wallMs: () => 0 } };
    const forecaster = createForecaster({ ports, snapshot: () => large(2, 1), clusterNowMs: () => NOW_MS });
    const { notes } = await forecaster.forecast([{ kind: 'region-down', region: 'us-east' }], 1_800_000);
    expect(notes.join()).toMatch(/cut short after .*: it took longer than a forecast may/);
    expect(forecaster.atOnce([])?.notes.join()).toMatch(/cut short/);
  });

  test('refuses a cluster that is too large for it', async () => {
    const huge = large(1, TARGETS_MAX / 2);
    const forecaster = createForecaster({ ports: realPorts(), snapshot: () => huge, clusterNowMs: () => NOW_MS });
    await expect(forecaster.forecast([])).rejects.toMatchObject({ code: 'ERR_LIMIT' });
    expect(forecaster.atOnce([])).toBeNull();
  });
});
