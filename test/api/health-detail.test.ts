// Each dependency in each state: what is measured, what is said, and what that makes of the whole. A failover that would still work is no failure.

import { expect, test } from 'vitest';
import { type HealthFacts, healthDetail } from '../../src/api/health-detail.ts';
import { type PathsView, type ProviderStatus, type StatusInput, statusDocument } from '../../src/api/status.ts';
import type { LlmRecord } from '../../src/llm/chain.ts';
import type { ClusterConfig, Override } from '../../src/model.ts';
import { isoTime } from '../../src/ports.ts';
import { AUTHORIZED, cluster, healthFacts, heardOf, NOW_MS, openApi, REGIONS, statusInput, viewOf } from './fixture.ts';
import { CALM, on, seenOf, shopWith } from './platforms.fixture.ts';

const votes = REGIONS.map((region) => heardOf(region));
const self = { ...statusInput().self, canDecide: true, because: '' };
const leader = { region: 'eu-west', replica: 'a', boot: 'b', epoch: 1, n: 1, nonce: 'n', released: false };

const statusOf = (given: Partial<StatusInput> = {}) => statusDocument(statusInput({ votes, self, leader, ...given }));
const well = (given: Partial<HealthFacts> = {}): HealthFacts => healthFacts({ status: statusOf(), ...given });
const detail = (given: Partial<HealthFacts> = {}) => healthDetail(well(given), isoTime);

const provider = (given: Partial<ProviderStatus> = {}): ProviderStatus => ({
  name: 'local',
  failing: false,
  provenAgoMs: 60_000,
  writes: null,
  canary: null,
  ...given,
});
const pathsOf = (...all: ProviderStatus[]): PathsView => ({ ranked: () => ({ order: [], because: '' }), providers: () => all });
const clock = (replica: string, leastMs: number) => ({ replica, leastMs, mostMs: leastMs });
const stop: Override = { id: 'halt', kind: 'stop', scope: {}, reason: 'move', owner: 'ana', createdAtMs: 0, expiresAtMs: NOW_MS + 1 };

test('when all is well every check passes, and each has its instant', () => {
  const told = detail({ paths: pathsOf(provider()), recorder: { isOn: true, lost: 0 } });
  expect(told).toMatchObject({ status: 'pass', notes: [], releaseId: '1.0.0', serviceId: 'tidegate' });
  const all = Object.values(told.checks).flat();
  expect(all.length).toBeGreaterThan(12);
  expect(new Set(all.map(({ time }) => time))).toEqual(new Set(['2026-11-22T03:12:00.000Z']));
  expect(told.checks['provider:provenAgo']).toMatchObject([{ componentId: 'local', observedValue: 60, observedUnit: 's' }]);
  expect(told.checks['store:responseTime']).toMatchObject([
    { componentId: 'get', observedValue: 20, observedUnit: 'ms' },
    { componentId: 'txn', observedValue: 40, observedUnit: 'ms' },
  ]);
});

const store = well().store;
/** Five vote, and three of them on every target. */
const fewer: ClusterConfig = {
  ...cluster,
  regions: [...cluster.regions, ...['sa-east', 'af-south'].map((name) => ({ name, vote: true, coordinator: true, anchors: [] }))],
  services: cluster.services.map((service) => ({
    ...service,
    pools: service.pools.map((pool) => ({ ...pool, targets: pool.targets.map((target) => ({ ...target, from: REGIONS })) })),
  })),
};
const TROUBLES: readonly (readonly [name: string, state: 'warn' | 'fail', given: Partial<HealthFacts>, said: RegExp])[] = [
  [
    'store:answeredAgo',
    'fail',
    { store: { ...store, answeredAgoMs: 9000, complaint: 'no leader' } },
    /not answered for 9 s: no leader; routes stay/,
  ],
  ['store:answeredAgo', 'fail', { store: { ...store, answeredAgoMs: Number.POSITIVE_INFINITY } }, /has not answered yet/],
  [
    'store:beatAge',
    'fail',
    { store: { ...store, beatAgeMs: 20_000, complaint: 'NOSPACE' } },
    /not taken this replica's beat for 20 s: NOSPACE/,
  ],
  ['store:beatAge', 'warn', { store: { ...store, beatAgeMs: null } }, /no beat/],
  ['store:responseTime', 'warn', { store: { ...store, lastTookMs: { get: 10, txn: 1400 } } }, /txn: the last txn took 1.4 s/],
  ['configuration:version', 'fail', { status: null, cluster: null, fleet: null }, /no cluster configuration is known/],
  [
    'configuration:version',
    'warn',
    { status: statusOf({ votes: votes.map((v, at) => (at === 1 ? { ...v, vote: { ...v.vote, configVersion: 2 } } : v)) }) },
    /us-east\/a \(at 2\)/,
  ],
  [
    'vote:counted',
    'warn',
    { status: statusOf({ self: { ...self, canVote: false, because: 'anchors unreachable' } }) },
    /anchors unreachable/,
  ],
  ['vote:regionsSpeaking', 'warn', { status: statusOf({ votes: votes.slice(1) }) }, /2 of 3 vantages speak; not eu-west/],
  [
    'vote:regionsSpeaking',
    'fail',
    { status: statusOf({ votes: votes.slice(2), self: { ...self, canDecide: false, canVote: false, because: 'anchors unreachable' } }) },
    /1 of 3 vantages speak, a majority is needed/,
  ],
  [
    'vote:regionsSpeaking',
    'fail',
    { cluster: fewer, status: statusOf({ votes: votes.slice(2), self: { ...self, canDecide: false } }) },
    /1 of 3 vantages of web\.example\.test\/\S+ speak, a majority is needed/,
  ],
  [
    'votes:refused',
    'warn',
    { status: statusOf({ refused: [{ key: 'vote/eu-west/a', because: 'not signed' }] }) },
    /vote\/eu-west\/a: not signed/,
  ],
  [
    'replicas:version',
    'warn',
    {
      fleet: {
        versions: [
          { version: '1.1.0', replicas: ['eu/a'] },
          { version: null, replicas: ['us/a'] },
        ],
        clocks: [],
        skewMs: 0,
      },
    },
    /1\.1\.0 at eu\/a; 0\.2 or older/,
  ],
  [
    'clock:skew',
    'warn',
    { fleet: { versions: [], clocks: [clock('eu/a', 0), clock('us/a', 4000)], skewMs: 4000 } },
    /differ by 4 s at least/,
  ],
  ['coordinator:renewedAgo', 'fail', { status: statusOf({ leader: null }) }, /nobody coordinates/],
  ['coordinator:renewedAgo', 'fail', { status: statusOf({ leader: { ...leader, released: true } }) }, /nobody coordinates/],
  ['coordinator:renewedAgo', 'warn', { leaderAgeMs: 7000 }, /eu-west\/a has not renewed its term for 7 s/],
  ['coordinator:renewedAgo', 'fail', { leaderAgeMs: 60_000 }, /60 s/],
  ['coordinator:renewedAgo', 'warn', { leaderAgeMs: Number.POSITIVE_INFINITY }, /not known yet/],
  ['provider:failing', 'fail', { paths: pathsOf(provider({ failing: true })) }, /web\.example\.test, api\.example\.test have no other way/],
  [
    'provider:canary',
    'warn',
    { paths: pathsOf(provider({ canary: { service: 'c', atMs: 1, ok: false, because: 'token expired', stages: {} } })) },
    /token expired/,
  ],
  [
    'provider:applied',
    'warn',
    {
      status: statusOf({
        records: new Map([['applied/local/web.example.test', { fence: 1, atMs: 0, outcome: 'frozen', because: 'ahead' }]]),
      }),
    },
    /local\/web\.example\.test: ahead/,
  ],
  [
    'paging:backlog',
    'warn',
    { paging: { pages: 2, oldestAtMs: NOW_MS - 90_000, channels: [], queue: null } },
    /2 pages not delivered, the oldest for 90 s/,
  ],
  [
    'paging:channel',
    'warn',
    { paging: { pages: 0, oldestAtMs: null, channels: [{ name: 'pager', failing: 'ECONNREFUSED' }], queue: null } },
    /pager: ECONNREFUSED/,
  ],
  [
    'paging:queue',
    'warn',
    { paging: { pages: 0, oldestAtMs: null, channels: [], queue: { state: 'away', because: 'Redis: ECONNREFUSED', sinceMs: 7_400 } } },
    /Redis: ECONNREFUSED, for 7(\.4)? s; pages leave in process meanwhile/,
  ],
  ['eventLoop:delay', 'warn', { loopDelayMs: 900 }, /900 ms late/],
  [
    'gate:age',
    'warn',
    {
      status: statusOf({
        gate: {
          seesStore: false,
          ageS: 90,
          seenAtMs: 0,
          fromFile: false,
          services: 1,
          fence: 1,
          drained: [],
          refused: [],
          fileTrouble: null,
        },
      }),
    },
    /does not see the store/,
  ],
  ['recorder:on', 'warn', { recorder: { isOn: false, lost: 9 } }, /its disk fails/],
  [
    'runbook:runs',
    'warn',
    { runs: [{ id: 'shop-1', state: 'running', trouble: 'asks: workers: 1 of 2 ready' }] },
    /shop-1: asks: workers: 1 of 2 ready/,
  ],
  [
    'system:ledger',
    'warn',
    { systems: [{ name: 'ledger', kind: 'webhook', isFailing: true, because: 'ledger: 5 failures in a row; the last: no answer' }] },
    /5 failures in a row; the last: no answer; runs that need it wait for it/,
  ],
  [
    'data:shop/orders',
    'warn',
    {
      databases: [
        {
          platform: 'shop',
          database: 'orders',
          writer: 'eu',
          because: 'both take writes',
          split: ['eu', 'us'],
          settled: null,
          unproved: null,
          standbys: [],
        },
      ],
    },
    /both take writes: no route of its services moves/,
  ],
  [
    'data:shop/users',
    'warn',
    {
      databases: [
        {
          platform: 'shop',
          database: 'users',
          writer: null,
          because: 'eu follows',
          split: null,
          settled: null,
          unproved: null,
          standbys: [],
        },
      ],
    },
    /proved writable nowhere: eu follows/,
  ],
  [
    'llm:shop',
    'warn',
    {
      status: statusOf({
        platforms: seenOf([shopWith()], { llm: on('azure', 'azure', { told: ['degraded eu-west', 'degraded us-east', 'last'] }) }),
      }),
    },
    /eu-west: on azure, 2 of 2; every region is on the last of openrouter, azure; not on openrouter|eu-west: on azure, 2 of 2; not on openrouter; every region is on the last of openrouter, azure/,
  ],
  [
    'data:shop/carts',
    'warn',
    {
      databases: [
        {
          platform: 'shop',
          database: 'carts',
          writer: 'eu',
          because: 'settled by ana',
          split: null,
          settled: { by: 'ana', reason: 'us burnt down' },
          unproved: { because: 'permission denied, for 3 min' },
          standbys: [],
        },
      ],
    },
    /held for written in eu by the word of ana \(us burnt down\); no row: permission denied, for 3 min/,
  ],
  [
    'automation:stopped',
    'warn',
    { status: statusOf({ overrides: { version: 1, nonce: 'n', items: [stop] } }) },
    /stop halt is in force \(move\)/,
  ],
];

const DATABASE = {
  platform: 'shop',
  database: 'orders',
  writer: 'eu',
  because: 'a row was written',
  split: null,
  settled: null,
  unproved: null,
  standbys: [{ region: 'us', because: 'expected loss now: 3.2 s / 48 MB, measured 4 s ago' }],
};

test.each(TROUBLES)('%s can %s', (name, state, given, said) => {
  const told = detail(given);
  expect(told.status).toBe(state);
  expect(told.checks[name]?.some(({ status }) => status === state)).toBe(true);
  expect(told.notes.find((note) => note.startsWith(`${state}: ${name}`))).toMatch(said);
});

test('every kind of check has a trouble here', () => {
  const kinds = Object.keys(
    detail({
      paths: pathsOf(provider({ canary: { service: 'c', atMs: 1, ok: true, because: '', stages: {} } })),
      recorder: { isOn: true, lost: 0 },
      runs: [{ id: 'shop-1', state: 'running', trouble: null }],
      systems: [{ name: 'ledger', kind: 'webhook', isFailing: false, because: 'ledger answers' }],
      databases: [DATABASE],
      status: statusOf({ platforms: seenOf([shopWith()], CALM) }),
      paging: { pages: 0, oldestAtMs: null, channels: [{ name: 'log', failing: null }], queue: { state: 'ok' } },
    }).checks,
  );
  const troubled = new Set(TROUBLES.map(([name]) => name));
  expect(kinds.filter((kind) => !troubled.has(kind) && !['store:revision', 'provider:provenAgo'].includes(kind))).toEqual([]);
});

test('a database that is proved is well, with what a failover would lose', () => {
  const told = detail({ databases: [DATABASE] });
  expect(told.status).toBe('pass');
  expect(told.checks['data:shop/orders']).toMatchObject([
    { componentId: 'writer', observedValue: 'eu', status: 'pass' },
    { componentId: 'us', observedValue: 'expected loss now: 3.2 s / 48 MB, measured 4 s ago', status: 'pass' },
  ]);
});

test('the chain of language models: which provider in which region; degraded, unknown or on the last it is never more than a warning', () => {
  const told = (llm: LlmRecord) => detail({ status: statusOf({ platforms: seenOf([shopWith()], { ...CALM, llm }) }) });
  const calm = told(on('openrouter', 'openrouter'));
  expect(calm.checks['llm:shop']).toMatchObject([
    { componentId: 'eu-west', observedValue: 'openrouter', status: 'pass', output: 'on openrouter, 1 of 2' },
    { componentId: 'us-east', observedValue: 'openrouter', status: 'pass' },
  ]);
  const degraded = told(on('azure', 'openrouter', { told: ['degraded eu-west'] }));
  expect(degraded.checks['llm:shop']?.map(({ status }) => status)).toEqual(['warn', 'pass']);
  const unread = told(on('openrouter', 'openrouter', { looks: {} }));
  expect(unread.checks['llm:shop']?.map(({ status, output }) => [status, output?.slice(0, 9)])).toEqual([
    ['pass', 'not known'],
    ['pass', 'not known'],
  ]);
  expect(told(on('azure', 'azure', { told: ['degraded eu-west', 'degraded us-east', 'churn us-east', 'last'] })).status).toBe('warn');
});

test('a run that goes on by itself is well; none, or none seen yet, says nothing', () => {
  const told = detail({ runs: [{ id: 'shop-1', state: 'running', trouble: null }] });
  expect(told.status).toBe('pass');
  expect(told.checks['runbook:runs']).toMatchObject([{ componentId: 'shop-1', observedValue: 'running', status: 'pass' }]);
  for (const runs of [[], null]) expect(detail({ runs }).checks).not.toHaveProperty('runbook:runs');
});

test('a provider that fails beside one that works is a warning', () => {
  const two = { ...cluster, services: cluster.services.map((service) => ({ ...service, also: ['second'] })) };
  const told = detail({ status: statusOf({ cluster: two }), paths: pathsOf(provider({ failing: true }), provider({ name: 'second' })) });
  expect(told.status).toBe('warn');
  expect(told.notes[0]).toContain('its services have other ways');
});

test('a region without a vote has none to be counted', () => {
  const told = detail({
    status: statusOf({ self: { ...self, region: 'witness', canVote: false, because: 'witness has no vote in this cluster' } }),
  });
  expect(told.checks['vote:counted']).toMatchObject([{ status: 'pass', output: 'witness has no vote' }]);
});

test('the path answers 200 for pass and warn and 503 for fail, never from a cache, and /readyz knows nothing of it', async () => {
  for (const [given, code] of [
    [{}, 200],
    [{ loopDelayMs: 900 }, 200],
    [{ leaderAgeMs: 60_000 }, 503],
    [{ status: null, cluster: null }, 503],
  ] as const) {
    const { app, close } = openApi({ view: viewOf({ health: () => well(given) }) });
    const reply = await app.inject({ url: '/api/health/detail', headers: AUTHORIZED });
    expect(reply.statusCode).toBe(code);
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(reply.json().status).toMatch(code === 503 ? /fail/ : /pass|warn/);
    expect((await app.inject({ url: '/readyz' })).statusCode).toBe(200);
    await close();
  }
});
