// What the paths really answer is what the document says: decisions, incidents, what-ifs, the audit, events, health, of a cluster in which something happened.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApiOf } from '../../src/api/openapi.ts';
import { overviewDocument, serviceDocument } from '../../src/api/overview.ts';
import { routesOf } from '../../src/api/routes/index.ts';
import { SCHEMAS } from '../../src/api/schemas.ts';
import type { StatusInput } from '../../src/api/status.ts';
import { append } from '../../src/audit/append.ts';
import { decisionHash } from '../../src/audit/lines.ts';
import { auditKey, incidentKey, KEYS, outboxKey, trailKey } from '../../src/coordinate/keys.ts';
import { tally } from '../../src/health/quorum.ts';
import type { Audit, Page, Trail } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { honest } from '../audit/chains.ts';
import { type Council, seated } from '../decide/council.ts';
import { listen, openSites } from './events.fixture.ts';
import { AUTHORIZED, cluster, DRAIN, healthFacts, type Opened, openApi, putRecord, statusInput, viewOf } from './fixture.ts';
import { FLIP, READY, run as runOf, stepped } from './runs.fixture.ts';

const ports = realPorts();
const ID = 'https://tidegate.test/openapi.json';

let api: Opened;
let council: Council;
let drained: Audit;
let document: ReturnType<typeof openApiOf>;
let ajv: Ajv2020;
let isKnown = true;

/** Of the same cluster, for eyes. */
const input = (): StatusInput => {
  const heard = council.heard({ dead: ['ap-south'], silent: ['ap-south'], by: ['eu-west', 'us-east'] });
  return statusInput({
    routing: council.routing,
    incidents: [...council.incidents.values()],
    tallies: tally(cluster, heard, council.nowMs, true),
    votes: heard.map(({ beat, ...each }) => ({ ...each, ...(beat === null ? {} : { beat }) })),
    overrides: {
      version: 1,
      nonce: 'o',
      items: [{ id: 'o', kind: 'freeze', scope: {}, reason: 'r', owner: 'o', createdAtMs: 0, expiresAtMs: council.nowMs + 1 }],
    },
    nowMs: council.nowMs,
  });
};

const trail = (v: number, atMs: number): Trail => ({
  v,
  services: {
    'web.example.test': {
      local: {
        outcome: 'applied',
        atMs: atMs + 180.4,
        tookMs: 120,
        tries: 2,
        requests: ['req-1'],
        because: '',
        by: 'eu-west/a/b1',
        settled: { ended: 'settled', tookMs: 21_000, because: 'as acknowledged' },
      },
    },
  },
  omitted: 1,
  nonce: 'n',
});

const DEAD: Page = {
  id: '42-x',
  dedupKey: 'tidegate/test/x',
  type: 'region.drained',
  severity: 'critical',
  summary: 'x down',
  detail: { region: 'x' },
  atMs: 1,
  v: 42,
  notBeforeMs: 2,
  delivered: ['log', '*'],
  dead: { oncall: { because: 'answered 401', atMs: 3, tries: 1 } },
  nonce: 'n',
};

/** A region dies and comes back, another dies and stays dead; one region abstains. Orders were given, one is in force. */
beforeAll(async () => {
  council = seated(cluster);
  council.see({}, 60_000);
  council.see({ dead: ['us-east'], silent: ['us-east'], by: ['eu-west', 'ap-south'] }, 500);
  drained = council.audits.at(-1) as Audit;
  council.watch({}, 10 * 60_000);
  council.see({ dead: ['ap-south'], silent: ['ap-south'], by: ['eu-west', 'us-east'] }, 500);
  api = openApi({
    snapshot: () => ({ ...council.snapshot(council.heard({})), by: 'eu-west/a' }),
    verify: {
      verify: async (_, { name }) => ({
        platform: name,
        outcome: 'not-good',
        by: { region: 'eu-west', replica: 'a' },
        atMs: 1,
        lines: [{ step: 'guards', of: 'Deployment app/worker', region: 'us-east', is: 'unknown', because: 'b', fix: 'f' }],
      }),
    },
    view: viewOf({
      overview: async () => overviewDocument(input()),
      service: (name) => serviceDocument(input(), name),
      cluster: () => ({ ...cluster, platforms: api.runs.platforms }),
      clusterNowMs: () => council.nowMs,
      health: () => healthFacts(isKnown ? {} : { status: null, cluster: null, fleet: null }),
    }),
  });
  const { store } = api;
  for (const audit of council.audits) await putRecord(store, auditKey(audit.v), audit);
  for (const incident of council.incidents.values()) await putRecord(store, incidentKey(incident.id), incident);
  await putRecord(store, trailKey(drained.v), trail(drained.v, drained.atMs));
  const last = council.audits.at(-1) as Audit;
  await putRecord(store, KEYS.routing, { ...council.routing, v: last.v, auditHash: decisionHash(last) });
  await append(store, ports, {
    kind: 'auth.refused',
    by: 'ana',
    how: 'token',
    because: 'x',
    detail: { deep: { deeper: [1] } },
    atMs: 1,
    nonce: 'n',
  });
  document = JSON.parse(
    JSON.stringify(openApiOf(routesOf({ ...api.options, stopping: () => false, baseUrl: () => 'http://127.0.0.1:8700' }), SCHEMAS, 'x')),
  );
  ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: ID, components: document.components });
});
afterAll(() => api.close());

interface Operation {
  operationId: string;
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
const operations = (): readonly Operation[] =>
  Object.values(document.paths).flatMap((offers) => Object.values(offers) as unknown as Operation[]);

const validators = new Map<string, ValidateFunction>();
const component = (name: string): ValidateFunction => {
  const found = validators.get(name) ?? ajv.compile({ $ref: `${ID}#/components/schemas/${name}` });
  validators.set(name, found);
  return found;
};

const expectValid = (schema: object, value: unknown, what: string): void => {
  const validate =
    'errors' in schema
      ? (schema as ValidateFunction)
      : ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', `"${ID}#/`)) as object);
  expect(validate(value), `${what}: ${ajv.errorsText(validate.errors)}`).toBe(true);
};

const answered = new Set<string>();

/** Asks, and holds the answer to the document. */
const ask = async (operationId: string, url: string, payload?: object): Promise<{ status: number; body: never }> => {
  const operation = operations().find((each) => each.operationId === operationId);
  if (operation === undefined) throw new Error(`no operation is called ${operationId}`);
  const headers = { ...AUTHORIZED, 'idempotency-key': `key-of-${url}` };
  const reply = await api.app.inject({ method: payload === undefined ? 'GET' : 'POST', url, headers, ...(payload && { payload }) });
  const schema = operation.responses[reply.statusCode]?.content?.['application/json']?.schema;
  expect(schema, `${operationId} answered ${reply.statusCode}: ${reply.body.slice(0, 300)}`).toBeDefined();
  expectValid(schema ?? {}, reply.json(), operationId);
  answered.add(operationId);
  return { status: reply.statusCode, body: reply.json() as never };
};

describe('decisions and incidents', () => {
  test('lists and each of their members', async () => {
    const { items } = (await ask('listDecisions', '/v1/decisions?limit=100')).body as { items: { v: number }[] };
    expect(items.length).toBeGreaterThan(4);
    for (const { v } of items) await ask('getDecision', `/v1/decisions/${v}`);
    const incidents = (await ask('listIncidents', '/v1/incidents')).body as { items: { id: string; closedAtMs: number | null }[] };
    expect(incidents.items.map(({ closedAtMs }) => closedAtMs === null)).toEqual([true, false]);
    for (const { id } of incidents.items) await ask('getIncident', `/v1/incidents/${encodeURIComponent(id)}`);
  });

  test('a dossier with evidence, votes, timings and a trail', async () => {
    const dossier = (await ask('getDecision', `/v1/decisions/${drained.v}`)).body as Record<string, readonly unknown[]>;
    for (const part of ['changes', 'evidence', 'votes', 'silent', 'incidents', 'trail'])
      expect(dossier[part]?.length, part).toBeGreaterThan(0);
  });

  test('a hold that a rule stands behind', () => {
    const refusal = { service: 's', pool: 'p', rule: 'capacity', risk: 'high', because: 'b', againAtMs: null, counterfactual: 'c' };
    const hold = { service: 's', pool: 'p', hold: 'rule:capacity', because: 'b', refusal };
    const record = { ...drained, holds: [hold] };
    expectValid(component('DecisionRecord'), record, 'DecisionRecord');
    expect(component('DecisionRecord')({ ...record, holds: [{ ...hold, refusal: { ...refusal, risk: 'none' } }] })).toBe(false);
  });
});

describe('what-ifs', () => {
  test.each<[string, readonly object[]]>([
    ['a region dies', [{ kind: 'region-down', region: 'us-east' }]],
    ['a pool dies', [{ kind: 'pool-down', service: 'web.example.test', pool: 'eu-west' }]],
    ['all vantages but one are cut off', ['us-east', 'ap-south'].map((region) => ({ kind: 'vantage-cut', region }))],
    [
      'an order that is refused',
      ['eu-west', 'us-east', 'ap-south'].map((region) => ({
        kind: 'override',
        override: { id: region, kind: 'drain', scope: { region } },
      })),
    ],
    ['an order ends', [{ kind: 'override-gone', id: 'x' }]],
    ['nothing', []],
  ])('%s', async (_, hypotheses) => {
    const { body } = await ask('simulate', '/v1/simulate', { hypotheses });
    expect((body as { services: unknown[] }).services).toHaveLength(2);
  });

  test('the matrix', async () => {
    expect(((await ask('matrix', '/v1/matrix')).body as { regions: unknown[] }).regions).toHaveLength(3);
  });

  test('an order with its forecast, and the lists that it is in', async () => {
    await ask('createOverride', '/v1/overrides', { ...DRAIN, scope: { service: 'api.example.test', pool: 'eu-west' } });
    const { items } = (await ask('listOverrides', '/v1/overrides')).body as { items: { id: string }[] };
    await ask('getOverride', `/v1/overrides/${items[0]?.id}`);
  });
});

describe('the audit', () => {
  test('its pages', async () => {
    const page = (await ask('getAudit', '/v1/audit?limit=500')).body as { items: { kind: string }[] };
    expect(new Set(page.items.map(({ kind }) => kind))).toEqual(new Set(['decision', 'auth.refused', 'override.put']));
    expect(component('AuditPage')({ ...page, items: [{ ...page.items[0], kind: 'no such kind' }] })).toBe(false);
  });

  test('a decision too large to be shown whole', async () => {
    const ballots = Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`e${at}`, { 'eu-west': 'up' }]));
    const v = (council.audits.at(-1) as Audit).v + 1;
    const { store } = api;
    const [before] = (await store.get({ keys: [KEYS.routing] })).kvs;
    await putRecord(store, auditKey(v), { ...drained, v, votes: { ballots } });
    await putRecord(store, KEYS.routing, { ...(before?.value as object), v });
    await ask('getAudit', `/v1/audit?after=v${v - 1}.j0`);
    await store.txn({ if: [], then: [{ del: auditKey(v) }, { put: KEYS.routing, value: before?.value }] });
  });

  test('each line of the export', async () => {
    const reply = await api.app.inject({ url: '/v1/audit', headers: { ...AUTHORIZED, accept: 'application/x-ndjson' } });
    const lines = reply.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string });
    for (const line of lines) expectValid(component('AuditLine'), line, line.kind);
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(['export', 'head', 'decision', 'journal', 'end']));
    for (const line of [
      ...honest(),
      { kind: 'anchor', chain: 'journal', n: 5, hash: 'a'.repeat(64), count: 5, cutAtMs: 7, unproved: true },
      { kind: 'stray', key: 'journal/x' },
    ])
      expectValid(component('AuditLine'), line, line.kind);
    expect(component('AuditLine')({ kind: 'end', lines: 1 })).toBe(false);
  });
});

describe('the state of a replica', () => {
  test.each([
    [true, 200],
    [false, 503],
  ])('a configuration is known: %s', async (known, status) => {
    isKnown = known;
    expect((await ask('getHealthDetail', '/api/health/detail')).status).toBe(status);
  });

  test('platforms, and a run that asks', async () => {
    api.runs.readiness.set('shop', {
      platform: 'shop',
      atMs: 1,
      score: 75,
      lines: [{ check: 'standby-at-zero', of: 'workers@us-east', is: 'unknown', weight: 'must', because: 'b', fix: 'f' }],
    });
    const begun = (
      await ask('beginRun', '/v1/platforms/shop/runs', { mode: 'graceful', purpose: 'drill', reason: 'the drill of this quarter' })
    ).body as { run: { id: string } };
    api.runs.runs.set(
      'asks',
      stepped(runOf('asks', { platform: 'ledger' }), { [FLIP]: { state: 'asking' }, [READY]: { state: 'asking', tries: 2 } }),
    );
    await ask('listPlatforms', '/v1/platforms');
    await ask('getPlatform', '/v1/platforms/shop');
    await ask('verifyPlatform', '/v1/platforms/shop/verify');
    await ask('getPlan', '/v1/platforms/ledger/plan?mode=graceful');
    await ask('listRuns', '/v1/runs?state=all');
    await ask('getRun', `/v1/runs/${begun.run.id}`);
    await ask('answerRun', '/v1/runs/asks/answer', { step: READY, choice: 'skip', reason: 'it is ready as far as we see' });
  });

  test('status, reports, liveness', async () => {
    await ask('getStatus', '/v1/status');
    await ask('listReports', '/v1/reports');
    await putRecord(api.store, outboxKey('42-x'), DEAD);
    await ask('listPages', '/v1/pages');
    await ask('acknowledgePage', '/v1/pages/42-x/acknowledge', {});
    await ask('listPages', '/v1/pages?state=open&limit=1');
    await ask('replayPage', '/v1/pages/42-x/replay', { reason: 'the key of oncall was replaced' });
    await ask('alive', '/healthz');
    await ask('ready', '/readyz');
  });
});

test('each event of a stream', async () => {
  const opened = await openSites(['eu']);
  const [site] = opened.sites;
  await opened.look();
  const reader = await listen(site.api.port, { headers: { ...AUTHORIZED, 'last-event-id': 'nonsense' } });
  try {
    await opened.decide();
    await opened.enter('first');
    await opened.look();
    await reader.until((frames) => frames.length >= 4);
    expect(reader.frames.map(({ event }) => event)).toEqual(['stream.opened', 'stream.reset', 'decision.made', 'override.put']);
    for (const { data, event } of reader.frames) expectValid(component('ApiEvent'), data, event);
    expect(component('ApiEvent')({ ...reader.frames[0]?.data, type: 'decision.made' })).toBe(false);
    answered.add('getEvents');
  } finally {
    reader.close();
    await opened.close();
  }
});

test('the overview, and each service', async () => {
  await ask('getOverview', '/v1/overview');
  for (const { name } of cluster.services) await ask('getService', `/v1/services/${name}`);
});

test('who asks, and how one signs in', async () => {
  await ask('whoAmI', '/v1/me');
  await ask('signInWays', '/v1/sign-in');
});

test('every path that reads was asked', () => {
  const reads = routesOf({ ...api.options, stopping: () => false, baseUrl: () => '' })
    .filter(({ method }) => method === 'GET')
    .map(({ schema }) => schema?.operationId);
  // Objectives are held to the document where measurements are at hand: objectives.test.ts.
  const held = ['listObjectives'];
  const noJson = ['asset', 'metrics', 'page', 'plainStatus'];
  expect(reads.filter((id) => !answered.has(id ?? '')).toSorted()).toEqual([...held, ...noJson, 'openApi'].toSorted());
});
