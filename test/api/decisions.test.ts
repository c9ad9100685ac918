// GET /v1/decisions, /v1/incidents and their details: lists, dossiers out of records of this and of older versions, and what they refuse.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditKey, incidentKey, trailKey } from '../../src/coordinate/keys.ts';
import type { Audit, Trail } from '../../src/model.ts';
import { type Council, seated } from '../decide/council.ts';
import { cluster, type Opened, openApi, putRecord, viewOf } from './fixture.ts';

let opened: Opened;
let council: Council;
let drain: Audit;

const trail = (v: number): Trail => ({
  v,
  services: {
    'web.example.test': {
      local: {
        outcome: 'applied',
        atMs: drain.atMs + 180.4,
        tookMs: 120,
        tries: 2,
        requests: ['req-1', 'C123'],
        because: '',
        by: 'eu-west/a/b1',
        settled: { ended: 'settled', tookMs: 21_000, because: 'as acknowledged' },
      },
    },
  },
  nonce: 'n',
});

/** A region dies after a quiet start, and comes back. */
beforeEach(async () => {
  council = seated(cluster);
  council.see({}, 60_000);
  council.see({ dead: ['us-east'], silent: ['us-east'], by: ['eu-west', 'ap-south'] }, 500);
  drain = council.audits.at(-1) as Audit;
  council.watch({}, 10 * 60_000);
  opened = openApi({
    snapshot: () => council.snapshot(council.heard({})),
    view: viewOf({ status: async () => null, cluster: () => cluster, clusterNowMs: () => council.nowMs }),
  });
  for (const audit of council.audits) await putRecord(opened.store, auditKey(audit.v), audit);
  for (const incident of council.incidents.values()) await putRecord(opened.store, incidentKey(incident.id), incident);
  await putRecord(opened.store, trailKey(drain.v), trail(drain.v));
});

afterEach(() => opened.close());

const get = async (url: string) => {
  const reply = await opened.app.inject({ url });
  return { status: reply.statusCode, body: reply.json() };
};

describe('GET /v1/decisions', () => {
  test('newest first, and on from where the last page ended', async () => {
    const newest = council.routing?.v ?? 0;
    const first = (await get('/v1/decisions?limit=2')).body;
    expect(first.items.map(({ v }: { v: number }) => v)).toEqual([newest, newest - 1]);
    const rest = (await get(`/v1/decisions?before=${first.before}`)).body;
    expect(rest.items.map(({ v }: { v: number }) => v)).toEqual(Array.from({ length: newest - 2 }, (_, i) => newest - 2 - i));
    expect(rest.before).toBeNull();
    const { v, atMs, by, because } = council.audits[0] as Audit;
    expect(rest.items.at(-1)).toMatchObject({
      v,
      atMs,
      by,
      because,
      changes: [{ service: 'web.example.test' }, { service: 'api.example.test' }],
    });
  });

  test('what is no longer kept is left out', async () => {
    await opened.store.txn({ if: [], then: [{ del: auditKey(1) }, { del: auditKey(2) }] });
    const { body } = await get('/v1/decisions?limit=100');
    expect(body.items.at(-1).v).toBe(3);
  });

  test.each(['limit=0', 'limit=101', 'limit=x', 'limit=1.5', 'before=0', 'before=-1', 'before=99999999999999999999'])(
    'refuses %s',
    async (query) => {
      expect(await get(`/v1/decisions?${query}`)).toMatchObject({ status: 400, body: { code: 'ERR_BAD_REQUEST' } });
    },
  );
});

describe('GET /v1/decisions/:v', () => {
  test('the dossier of a drain', async () => {
    const { status, body } = await get(`/v1/decisions/${drain.v}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      v: drain.v,
      because: expect.stringMatching(/^us-east down: 2 of 3 vantages \(needs 2\)/),
      wouldChange: 'with 1 DOWN vote fewer (2 cast, needs 2 of 3) us-east would have kept its traffic',
      silent: ['us-east'],
      abstentions: [],
      rules: { passed: ['last-pool', 'blast-radius'], refused: [] },
      previous: { v: drain.v - 1, href: `/v1/decisions/${drain.v - 1}` },
      next: { v: drain.v + 1 },
    });
    expect(body.evidence).toContainEqual({
      endpoint: 'web.example.test/us-east/app#healthz',
      verdict: 'down',
      down: 2,
      up: 0,
      electorate: 3,
      needs: 2,
      firstFaultAgoMs: null,
      ballots: { 'eu-west': 'down', 'us-east': 'silent', 'ap-south': 'down' },
    });
    expect(body.votes.map(({ region, state }: { region: string; state: string }) => [region, state])).toEqual([
      ['eu-west', 'ok'],
      ['ap-south', 'ok'],
    ]);
    expect(body.incidents).toMatchObject([{ relation: 'opened', kind: 'region-down', region: 'us-east', t3AtMs: drain.atMs }]);
    expect(body.incidents[0].detection).toMatchObject({ goalMs: 30_000 });
    expect(body.trail).toEqual([
      {
        service: 'web.example.test',
        provider: 'local',
        afterMs: 180,
        outcome: 'applied',
        atMs: drain.atMs + 180.4,
        tookMs: 120,
        tries: 2,
        requests: ['req-1', 'C123'],
        because: '',
        by: 'eu-west/a/b1',
        settled: { ended: 'settled', tookMs: 21_000, because: 'as acknowledged' },
      },
    ]);
  });

  test('the decision that ended an incident names it', async () => {
    const newest = council.routing?.v ?? 0;
    const { body } = await get(`/v1/decisions/${newest}`);
    expect(body.incidents).toMatchObject([{ relation: 'closed', region: 'us-east' }]);
    expect(body.next).toBeNull();
    expect(body.trail).toEqual([]);
  });

  test('a rule that refused is told with its numbers', async () => {
    const held: Audit = {
      ...drain,
      v: drain.v,
      because: 'hold-rule:blast-radius: us-east down; 2 regions drained within 60 s (limit 1)',
      changes: [],
      holds: [{ service: 'web.example.test', pool: 'us-east', hold: 'rule:blast-radius', because: 'rule:blast-radius' }],
      rules: ['last-pool', 'blast-radius'],
    };
    await putRecord(opened.store, auditKey(held.v), held);
    const { body } = await get(`/v1/decisions/${held.v}`);
    expect(body.rules.passed).toEqual(['last-pool']);
    expect(body.rules.refused).toMatchObject([{ rule: 'blast-radius', because: expect.stringContaining('2 regions drained'), risk: null }]);
  });

  test('a record of 0.1 is told as far as it goes', async () => {
    const { rules: _, votes, ...rest } = drain;
    const { counts: __, ...kept } = votes as Record<string, unknown>;
    await putRecord(opened.store, auditKey(drain.v), { ...rest, votes: kept });
    const { status, body } = await get(`/v1/decisions/${drain.v}`);
    expect(status).toBe(200);
    expect(body.rules.passed).toBeNull();
    expect(body.evidence[0]).toMatchObject({ verdict: null, needs: null, electorate: 3 });
  });

  test('who abstained, and why', async () => {
    const says = { self: { state: 'abstain', because: '2 of 3 anchors out of reach' } } as const;
    council.see({ dead: ['us-east'], by: ['eu-west', 'ap-south'], says: { 'us-east': says } }, 500);
    const last = council.audits.at(-1) as Audit;
    await putRecord(opened.store, auditKey(last.v), last);
    const { body } = await get(`/v1/decisions/${last.v}`);
    expect(body.abstentions).toEqual([{ region: 'us-east', replica: 'a', because: '2 of 3 anchors out of reach' }]);
  });

  test.each(['0', 'x', '-1', '1e3', '99999999999999999999'])('refuses %s', async (v) => {
    expect(await get(`/v1/decisions/${v}`)).toMatchObject({ status: 400, body: { code: 'ERR_BAD_REQUEST' } });
  });

  test('one that was not made, and one that is not kept', async () => {
    expect((await get('/v1/decisions/9999')).body).toMatchObject({
      code: 'ERR_NOT_FOUND',
      detail: expect.stringContaining('the newest is'),
    });
    await opened.store.txn({ if: [], then: [{ del: auditKey(1) }] });
    expect((await get('/v1/decisions/1')).body.detail).toContain('older than what is kept');
  });
});

describe('GET /v1/incidents', () => {
  test('newest first, with their times', async () => {
    const { body } = await get('/v1/incidents');
    expect(body.total).toBe(council.incidents.size);
    expect(body.items[0]).toMatchObject({ kind: 'region-down', region: 'us-east', convergence: { goalMs: 60_000 }, t6AtMs: null });
  });

  test('one of them, and none', async () => {
    const [id] = council.incidents.keys();
    expect((await get(`/v1/incidents/${id}`)).body).toMatchObject({ incident: { id }, decision: `/v1/decisions/${drain.v}` });
    expect(await get('/v1/incidents/nothing')).toMatchObject({ status: 404, body: { code: 'ERR_NOT_FOUND' } });
    expect(await get('/v1/incidents/..%2frouting')).toMatchObject({ status: 404 });
  });
});

test('a store that does not answer is said to be that', async () => {
  const broken = openApi({
    snapshot: () => council.snapshot([]),
    records: (await import('../../src/api/record-reader.ts')).createRecordReader({
      store: { get: () => Promise.reject(new Error('connect ECONNREFUSED 192.0.2.1:2379')) },
      ports: opened.options.ports,
    }),
  });
  const reply = await broken.app.inject({ url: '/v1/decisions' });
  expect(reply.json()).toMatchObject({ status: 503, code: 'ERR_STORE_UNREACHABLE' });
  expect(reply.body).not.toContain('192.0.2.1');
  await broken.close();
});
