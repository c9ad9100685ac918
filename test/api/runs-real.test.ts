// Platforms and runs by the API over what carries them out in life: reader, writer, plans and estimates of production over one store.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRunDesk } from '../../src/api/run-desk.ts';
import { usedKey } from '../../src/auth/once.ts';
import { runKey } from '../../src/coordinate/keys.ts';
import { realPorts } from '../../src/ports.ts';
import { comparisonOf, estimateOf } from '../../src/runbook/estimate.ts';
import type { Run } from '../../src/runbook/model.ts';
import { planOf } from '../../src/runbook/plan.ts';
import { createRunReader } from '../../src/runbook/reader.ts';
import { createRunWriter } from '../../src/runbook/writer.ts';
import { recordingLog } from '../recording-log.ts';
import { accessOf, cluster, NOW_MS, type Opened, openApi, principal, putRecord, viewOf } from './fixture.ts';
import { FLIP, platform, READY, run, stepped } from './runs.fixture.ts';

let api: Opened;
let base: Opened;
const about = {
  ...cluster,
  platforms: [
    platform('shop', {
      approvals: { start: 2, steps: {}, expireMs: 900_000 },
      namespaces: [
        {
          name: 'orders',
          system: 'cloud',
          namespaces: ['orders.a1'],
          places: { 'eu-west': 'aws-eu-west-1', 'us-east': 'aws-us-east-1', 'ap-south': 'aws-ap-south-1' },
          parallel: 1,
          stopAfter: 1,
          queues: ['q'],
        },
      ],
    }),
  ],
};
beforeEach(() => {
  const ports = realPorts();
  base = openApi();
  const { store } = base;
  const reader = createRunReader({ store, ports });
  const writer = createRunWriter({
    store,
    ports,
    region: 'eu-west',
    replica: 'a',
    cluster: () => about,
    clusterNowMs: () => NOW_MS,
    planOf,
  });
  const runs = createRunDesk({
    store,
    ports,
    log: recordingLog(),
    clusterNowMs: () => NOW_MS,
    reader,
    writer,
    planOf,
    estimateOf,
    recoveryMsOf: (of: Run) => comparisonOf(of).recoveryMs,
    readinessOf: async () => null,
  });
  api = openApi({
    access: accessOf(
      principal('ana'),
      principal('ben', { role: 'approver' }),
      principal('cat', { role: 'approver' }),
      principal('glass', { role: 'approver', how: 'break-glass', once: { id: 'bg', expiresAtMs: NOW_MS + 1 } }),
    ),
    view: viewOf({ cluster: () => about }),
    runs,
  });
});
afterEach(() => Promise.all([api.close(), base.close()]));
const KEY = '0192f3c8-5a1e-7b6d';
const ask = async (url: string, as = 'ana', body?: unknown, headers: Record<string, string> = {}) =>
  api.app.inject({
    method: body === undefined ? 'GET' : 'POST',
    url,
    headers: { authorization: `Bearer ${as}`, ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });

test('a story', async () => {
  const p = await ask('/v1/platforms/shop');
  expect(p.json()).toMatchObject({ platform: { active: 'eu-west', openRun: null } });
  const plan = await ask('/v1/platforms/shop/plan?mode=graceful');
  expect(plan.statusCode, plan.body).toBe(200);
  const order = { mode: 'graceful', purpose: 'failover', reason: 'eu-west has lost its power', forceAfterMs: 60_000 };
  const dry = await ask('/v1/platforms/shop/runs?dryRun=true', 'ana', order);
  expect(dry.statusCode, dry.body).toBe(200);
  const begun = await ask('/v1/platforms/shop/runs', 'ana', order, { 'idempotency-key': KEY });
  expect(begun.statusCode, begun.body).toBe(201);
  expect(begun.json().run).toMatchObject({ state: 'proposed', approval: { persons: 2, by: ['ana'] }, forceAfterMs: 60_000 });
  const { id } = begun.json().run;
  const again = await ask('/v1/platforms/shop/runs', 'ana', order, { 'idempotency-key': KEY });
  expect([again.statusCode, again.headers['idempotency-replayed'], again.json().run.id]).toEqual([201, 'true', id]);
  expect((await ask('/v1/platforms/shop/runs', 'ana', { ...order, reason: 'another reason' }, { 'idempotency-key': KEY })).statusCode).toBe(
    422,
  );
  expect((await ask('/v1/platforms/shop/runs', 'ana', order, { 'idempotency-key': 'another-key' })).statusCode).toBe(409);
  expect((await ask(`/v1/runs/${id}/approve`, 'ben', {}, { 'if-match': '"stale"' })).statusCode).toBe(412);
  const etag = String((await ask(`/v1/runs/${id}`)).headers.etag);
  const approved = await ask(`/v1/runs/${id}/approve`, 'ben', {}, { 'if-match': etag, 'idempotency-key': KEY });
  expect(approved.statusCode, approved.body).toBe(200);
  expect(approved.json().run.state).toBe('running');
  const approvedAgain = await ask(`/v1/runs/${id}/approve`, 'ben', {}, { 'if-match': etag, 'idempotency-key': KEY });
  expect([approvedAgain.statusCode, approvedAgain.headers['idempotency-replayed']]).toEqual([200, 'true']);
  expect((await ask(`/v1/runs/${id}/approve`, 'ben', {})).statusCode).toBe(409);
  const forced = await ask(`/v1/runs/${id}/force`, 'ana', { reason: 'it takes too long by far' });
  expect(forced.json().run, forced.body).toMatchObject({ mode: 'ungraceful' });
  expect((await ask(`/v1/runs/${id}/force`, 'ana', { reason: 'it takes too long by far' })).statusCode).toBe(409);
  const aborted = await ask(`/v1/runs/${id}/abort`, 'glass', { reason: 'it was the wrong platform' });
  expect(aborted.statusCode, aborted.body).toBe(200);
  expect((await base.store.get({ keys: [usedKey('bg')] })).kvs).toHaveLength(1);
  const journal = (await base.store.get({ prefixes: ['journal/'] })).kvs.map(({ value }) => (value as { kind: string }).kind);
  expect(journal).toEqual(['run.begun', 'run.approved', 'run.forced', 'run.aborted']);
  expect((await ask('/v1/runs?state=all')).json().total).toBe(1);
});

test('steps', async () => {
  await putRecord(
    base.store,
    runKey('r'),
    stepped(run('r'), {
      [FLIP]: { state: 'asking', because: 'waits' },
      [READY]: { state: 'asking', approvedBy: [], because: 'what', tries: 3, startedAtMs: NOW_MS - 1000, askedUntilMs: NOW_MS + 1000 },
    }),
  );
  expect((await ask('/v1/runs/r')).json().run.waiting).toHaveLength(2);
  const one = await ask('/v1/runs/r/approve', 'ben', {});
  expect(one.statusCode, one.body).toBe(200);
  expect((await ask('/v1/runs/r/approve', 'ben', { step: FLIP })).json().code).toBe('ERR_APPROVAL');
  expect((await ask('/v1/runs/r/approve', 'cat', { step: FLIP })).statusCode).toBe(200);
  expect((await ask('/v1/runs/r/answer', 'ana', { step: FLIP, choice: 'skip', reason: 'we go on without' })).json().code).toBe(
    'ERR_CONFLICT',
  );
  const answered = await ask('/v1/runs/r/answer', 'ana', { step: READY, choice: 'skip', reason: 'we go on without' });
  expect(answered.statusCode, answered.body).toBe(200);
  expect((await ask('/v1/runs/r/approve', 'cat', { step: 'none' })).statusCode).toBe(404);
  expect((await ask('/v1/runs/none')).statusCode).toBe(404);
});
