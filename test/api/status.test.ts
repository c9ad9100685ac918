// The status document: complete for every configuration, JSON for every state, and the reasons where a human looks for them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type StatusInput, statusDocument } from '../../src/api/status.ts';
import { GRAY } from '../../src/config/defaults.ts';
import { convergenceOf, detectionOf } from '../../src/converge/timings.ts';
import { newMemory } from '../../src/decide/pool.ts';
import type { EndpointTally, HoldName, Incident, PoolMemory, PoolTally, Vote } from '../../src/model.ts';
import { targetId } from '../../src/model.ts';
import { cluster, NOW_MS, REGIONS, statusInput } from './fixture.ts';

const vote = (given: Partial<Vote> = {}): Vote => ({
  boot: 'b',
  seq: 1,
  configVersion: 3,
  self: { state: 'ok' },
  peers: [],
  down: [],
  unready: [],
  unknown: [],
  ...given,
});

const endpoint = (ballots: EndpointTally['ballots'], verdict: EndpointTally['verdict'] = 'up'): EndpointTally => ({
  key: 'k',
  verdict,
  down: Object.values(ballots).filter((ballot) => ballot === 'down').length,
  up: Object.values(ballots).filter((ballot) => ballot === 'up').length,
  electorate: 3,
  needs: 2,
  ballots,
  suspectAtQuorum: false,
  firstFaultAtMs: null,
  lastOkAtMs: null,
});

const SERVICE = 'web.example.test';
const EU_APP = targetId(SERVICE, 'eu-west', 'app');

const euTally = (healthz: EndpointTally, readyz: EndpointTally): PoolTally => ({
  service: SERVICE,
  pool: 'eu-west',
  region: 'eu-west',
  verdict: 'out',
  cause: 'down',
  up: 0,
  unknown: 0,
  total: 1,
  minUp: 1,
  gray: 0,
  nearGray: 0,
  suspectAtQuorum: true,
  anyDownVote: true,
  gate: 'open',
  firstFaultAtMs: NOW_MS - 6_100,
  lastOkAtMs: null,
  targets: [{ target: EU_APP, verdict: 'down', endpoints: { healthz, readyz } }],
});

const memory = (given: Partial<PoolMemory> = {}): PoolMemory => ({ ...newMemory('in', 0), ...given });

describe('the matrix', () => {
  test('says per region what it voted, why, and how old that is', () => {
    const ballots = { 'eu-west': 'abstain', 'us-east': 'down', 'ap-south': 'silent' } as const;
    const readyz = { ...ballots, 'us-east': 'down' } as const;
    const document = statusDocument(
      statusInput({
        tallies: [euTally(endpoint(ballots), endpoint(readyz))],
        votes: [
          {
            region: 'eu-west',
            replica: 'a',
            vote: vote({ self: { state: 'abstain', because: 'anchors unreachable: 2 of 2' } }),
            ageMs: 900,
          },
          { region: 'us-east', replica: 'a', vote: vote({ down: [EU_APP] }), ageMs: 4_000 },
          { region: 'us-east', replica: 'b', vote: vote(), ageMs: 1_500 },
          { region: 'ap-south', replica: 'a', vote: vote(), ageMs: 61_000 },
        ],
      }),
    );
    expect(document.votes.matrix[EU_APP]).toEqual({
      'eu-west': { state: 'abstain', because: 'anchors unreachable: 2 of 2', ageMs: 900 },
      'us-east': { state: 'down', because: 'consecutive faults of /healthz', ageMs: 1_500 },
      'ap-south': { state: 'silent', because: 'no vote that counts; last heard 61.0 s ago', ageMs: 61_000 },
    });
  });

  test('gives the reason and the age of the faults where a heartbeat knows them', () => {
    const suspects = {
      [`${EU_APP}#healthz`]: { firstFaultAgeMs: 6_000, lastOkAgeMs: null, faults: 4, reason: 'refused' },
      [`${EU_APP}#readyz`]: { firstFaultAgeMs: 900, lastOkAgeMs: null, faults: 1, reason: 'timeout' },
    } as const;
    const beat = { boot: 'b', seq: 1, n: 1, configVersion: 3, suspects, loopDelayMs: 0, wallMs: 0 };
    const tallies = [euTally(endpoint({ 'us-east': 'down', 'ap-south': 'up' }), endpoint({ 'us-east': 'up', 'ap-south': 'up' }))];
    const votes = ['us-east', 'ap-south'].map((region) => ({ region, replica: 'a', vote: vote(), beat, ageMs: 100 }));
    const row = statusDocument(statusInput({ tallies, votes })).votes.matrix[EU_APP];
    expect(row?.['us-east']?.because).toBe('/healthz refused, 4 faults, first 6.1 s ago; /readyz timeout, 1 fault, first 1.0 s ago');
    expect(row?.['ap-south']?.because).toBe(
      'answers, but /healthz refused, 4 faults, first 6.1 s ago; /readyz timeout, 1 fault, first 1.0 s ago',
    );
  });

  test.each([
    ['down', 'up', 'down'],
    ['up', 'down', 'unready'],
    ['up', 'unknown', 'unknown'],
    ['unknown', 'down', 'unready'],
    ['silent', 'silent', 'silent'],
    ['up', 'up', 'up'],
  ] as const)('healthz %s and readyz %s is %s', (health, ready, state) => {
    const tallies = [euTally(endpoint({ 'us-east': health }), endpoint({ 'us-east': ready }))];
    expect(statusDocument(statusInput({ tallies })).votes.matrix[EU_APP]?.['us-east']?.state).toBe(state);
  });

  test('before the first count is read off the votes themselves, and only off fresh ones', () => {
    const votes = [
      { region: 'eu-west', replica: 'a', vote: vote({ unready: [EU_APP] }), ageMs: 100 },
      { region: 'us-east', replica: 'a', vote: vote({ unknown: [EU_APP] }), ageMs: 100 },
      { region: 'ap-south', replica: 'a', vote: vote({ down: [EU_APP] }), ageMs: Number.POSITIVE_INFINITY },
    ];
    const row = statusDocument(statusInput({ votes })).votes.matrix[EU_APP];
    expect(REGIONS.map((region) => row?.[region]?.state)).toEqual(['unready', 'unknown', 'silent']);
    expect(row?.['ap-south']?.ageMs).toBeNull();
  });
});

test('a gray pool says so, with the numbers, and its target who says it', () => {
  const gray = { regions: ['us-east', 'ap-south'], endpoints: ['readyz'], electorate: 3, needs: 2 } as const;
  const up = { verdict: 'up', cause: 'up', up: 1, gray: 1, nearGray: 1, anyDownVote: false, suspectAtQuorum: false } as const;
  const tallies: readonly PoolTally[] = [
    { ...euTally(endpoint({}), endpoint({})), ...up, targets: [{ target: EU_APP, verdict: 'up', gray, endpoints: {} }] },
  ];
  const input = statusInput({ tallies });
  const rated = { ...input, cluster: { ...input.cluster, policy: { ...input.cluster.policy, gray: GRAY } } };
  const pool = statusDocument(rated).services[0]?.pools[0];
  expect(pool).toMatchObject({ gray: 1, verdict: 'up', targets: [{ gray }] });
  expect(pool?.because).toBe(
    `1 of 1 targets up (needs 1); eu-west gray: 2 of 3 vantages (needs 2) see more errors than 1 % on ${EU_APP} /readyz`,
  );
  expect(statusDocument(statusInput({})).services[0]?.pools[0]).toMatchObject({ gray: 0, targets: [{ gray: null }] });
});

describe('a service', () => {
  const routing: StatusInput['routing'] = {
    v: 7,
    epoch: 2,
    nonce: 'n',
    atMs: NOW_MS - 500,
    membersVersion: 3,
    because: 'eu-west down',
    regionDrainsAtMs: {},
    auditHash: '',
    open: {},
    services: {
      [SERVICE]: {
        fence: 7,
        sinceAtMs: 0,
        mode: 'auto',
        route: { 'eu-west': 0, 'us-east': 500, 'ap-south': 500 },
        because: 'eu-west down: 2 of 3 vantages (needs 2), first fault 6.1 s ago',
        pools: { 'eu-west': memory({ state: 'out', by: 'health' }), 'us-east': memory({ hold: 'pacing' }) },
      },
    },
  };

  test('shows the shares, the sentence of the decision, and each hold by name and meaning', () => {
    const down = endpoint({ 'us-east': 'down', 'ap-south': 'down' }, 'down');
    const document = statusDocument(statusInput({ routing, tallies: [euTally(down, down)] }));
    const [web, api] = document.services;
    expect(web).toMatchObject({ fence: 7, because: 'eu-west down: 2 of 3 vantages (needs 2), first fault 6.1 s ago' });
    expect(web?.pools.map(({ share, configuredShare }) => [share, configuredShare])).toEqual([
      [0, 333],
      [500, 333],
      [500, 333],
    ]);
    expect(web?.pools[0]).toMatchObject({ verdict: 'out', cause: 'down', because: expect.stringContaining('2 of 3 vantages (needs 2)') });
    expect(document.holds).toEqual([
      { service: SERVICE, pool: 'us-east', hold: 'pacing', because: expect.stringContaining('one new region at a time') },
    ]);
    expect(document.decision).toMatchObject({ v: 7, epoch: 2 });
    expect(api).toMatchObject({ route: null, fence: null, because: 'nothing has been decided yet' });
  });

  test('may be called like something every object has', () => {
    const named = { ...cluster, services: [{ ...cluster.services[0]!, name: 'constructor' }] };
    const [service] = statusDocument(statusInput({ cluster: named, routing })).services;
    expect(service).toMatchObject({ name: 'constructor', route: null, fence: null, applied: null });
  });

  test('shows what the provider acknowledged and who coordinates', () => {
    const applied = { [SERVICE]: { fence: 6, atMs: NOW_MS, outcome: 'failing', because: 'timeout' } } as const;
    const leader = { region: 'us-east', replica: 'b', boot: 'x', epoch: 2, n: 9, nonce: 'n', released: false };
    const document = statusDocument(statusInput({ routing, applied, leader }));
    expect(document.services[0]?.applied).toEqual(applied[SERVICE]);
    expect(document.services[1]?.applied).toBeNull();
    expect(document.coordinator).toEqual({ region: 'us-east', replica: 'b', epoch: 2, released: false });
    expect(document.self.because).toBe('another region coordinates');
  });
});

describe('an order', () => {
  test('is listed until it is taken out, with what is left of it', () => {
    const item = { kind: 'freeze', scope: {}, reason: 'r', owner: 'o', createdAtMs: 0 } as const;
    const items = [
      { ...item, id: 'ended', expiresAtMs: NOW_MS - 1 },
      { ...item, id: 'stands', expiresAtMs: NOW_MS + 60_000 },
    ];
    const { overrides } = statusDocument(statusInput({ overrides: { version: 4, nonce: '', items } }));
    expect(overrides.version).toBe(4);
    expect(overrides.items.map(({ id, active, leftMs }) => [id, active, leftMs])).toEqual([
      ['ended', false, 0],
      ['stands', true, 60_000],
    ]);
  });
});

describe('an incident against the goals', () => {
  const incident = (given: Partial<Incident> = {}): Incident => ({
    id: 'i',
    kind: 'region-down',
    region: 'eu-west',
    services: [SERVICE, 'api.example.test'],
    because: 'b',
    v: 1,
    epoch: 1,
    t0AtMs: 1_000,
    t0LastAtMs: 0,
    t1AtMs: 4_000,
    t2AtMs: 9_000,
    t3AtMs: 9_500,
    published: {},
    witnesses: [],
    closedAtMs: null,
    nonce: 'n',
    ...given,
  });

  test('detection is an interval: from the first failed probe at best, from the last good look at worst', () => {
    expect(detectionOf(incident(), cluster.goals)).toEqual({ ms: 8_500, atMostMs: 9_500, goalMs: 30_000, judgement: 'met' });
    expect(detectionOf(incident({ t3AtMs: 31_001 }), cluster.goals).judgement).toBe('missed');
    expect(detectionOf(incident({ t3AtMs: 31_000 }), cluster.goals).judgement).toBe('met');
    expect(detectionOf(incident({ t0AtMs: null, t0LastAtMs: null }), cluster.goals)).toMatchObject({
      ms: null,
      atMostMs: null,
      judgement: 'unmeasured',
    });
  });

  test('convergence is the slowest service, pending until all are in, missed as soon as the goal has passed', () => {
    const half = incident({ published: { [SERVICE]: { t4AtMs: 9_600, t5AtMs: 9_700, t6AtMs: 19_500 } } });
    expect(convergenceOf(half, cluster.goals, 20_000)).toMatchObject({ ms: null, judgement: 'pending', waitingFor: ['api.example.test'] });
    expect(convergenceOf(half, cluster.goals, 9_500 + 60_001).judgement).toBe('missed');
    const both = incident({ published: { ...half.published, 'api.example.test': { t6AtMs: 69_500 } } });
    expect(convergenceOf(both, cluster.goals, 99_999)).toMatchObject({ ms: 60_000, judgement: 'met', waitingFor: [] });
    expect(convergenceOf(incident({ closedAtMs: 12_000 }), cluster.goals, 12_000).judgement).toBe('unmeasured');
  });

  test('count each service from the decision that drained it, and leave out what cannot be seen', () => {
    const published = { [SERVICE]: { t3AtMs: 20_000, t6AtMs: 30_000 }, 'api.example.test': { unmeasured: 'no resolver is configured' } };
    expect(convergenceOf(incident({ published }), cluster.goals, 40_000)).toMatchObject({ ms: 10_000, judgement: 'met', waitingFor: [] });
    const blind = { [SERVICE]: published['api.example.test'], 'api.example.test': published['api.example.test'] };
    expect(convergenceOf(incident({ published: blind }), cluster.goals, 999_999).judgement).toBe('unmeasured');
    expect(convergenceOf(incident({ kind: 'all-down' }), cluster.goals, 999_999).judgement).toBe('unmeasured');
  });

  test('are listed newest first, at most fifty', () => {
    const incidents = Array.from({ length: 80 }, (_, i) => incident({ id: `i${i}`, t3AtMs: i }));
    const listed = statusDocument(statusInput({ incidents })).incidents;
    expect(listed.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, i) => `i${79 - i}`));
  });
});

describe('for any state', { timeout: 30_000 }, () => {
  const names = fc.oneof(
    fc.constantFrom(SERVICE, 'api.example.test', ...REGIONS, EU_APP, 'constructor', '__proto__', 'toString'),
    fc.string(),
  );
  const ms = fc.oneof(fc.integer({ min: 0, max: 2 ** 42 }), fc.constantFrom(0, NOW_MS));
  const nullable = fc.option(ms, { nil: null });
  const holds = fc.option(fc.constantFrom<HoldName>('all-down', 'floor', 'pacing', 'receiver', 'freeze', 'latched', 'rule:blast-radius'), {
    nil: null,
  });
  const memories: fc.Arbitrary<PoolMemory> = fc.record({ hold: holds, outAtMs: nullable, latched: fc.boolean() }).map(memory);
  const services = fc.dictionary(
    names,
    fc.record({
      fence: fc.nat(),
      sinceAtMs: ms,
      mode: fc.constantFrom('observe', 'advise', 'auto' as const),
      route: fc.dictionary(names, fc.nat({ max: 1000 })),
      because: fc.string(),
      pools: fc.dictionary(names, memories),
    }),
  );
  const routing = fc.record({
    v: fc.nat(),
    epoch: fc.nat(),
    nonce: fc.string(),
    atMs: ms,
    membersVersion: fc.nat(),
    because: fc.string(),
    regionDrainsAtMs: fc.constant({}),
    auditHash: fc.string(),
    open: fc.constant({}),
    services,
  });
  const votes = fc.array(
    fc.record({
      region: names,
      replica: fc.string(),
      vote: fc.record({ down: fc.array(names), unready: fc.array(names), unknown: fc.array(names) }).map(vote),
      ageMs: fc.oneof(ms, fc.constant(Number.POSITIVE_INFINITY)),
    }),
  );
  const ballots = fc.dictionary(names, fc.constantFrom('up', 'down', 'unknown', 'abstain', 'silent' as const));
  const tallies = fc.array(fc.tuple(ballots, ballots).map(([health, ready]) => euTally(endpoint(health), endpoint(ready))));

  test('the document is the same after JSON, and every service, pool, target and looking region is in it', () => {
    fc.assert(
      fc.property(fc.option(routing, { nil: null }), votes, tallies, ms, (route, heard, counted, nowMs) => {
        const document = statusDocument(statusInput({ routing: route, votes: heard, tallies: counted, nowMs }));
        expect(JSON.parse(JSON.stringify(document))).toEqual(document);
        expect(document.services.map(({ name }) => name)).toEqual(cluster.services.map(({ name }) => name));
        for (const service of document.services) {
          expect(service.pools.map(({ name }) => name)).toEqual(REGIONS);
          for (const pool of service.pools) {
            expect(pool.targets).toHaveLength(1);
            expect(Object.keys(document.votes.matrix[pool.targets[0]!.id] ?? {})).toEqual(REGIONS);
            expect(pool.because.length).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

test('the gate of this replica is shown as it is, and is not there where there is none', () => {
  const gate = {
    seesStore: false,
    ageS: 61.5,
    seenAtMs: 1,
    fromFile: true,
    services: 1,
    fence: 12,
    drained: [{ service: 'web', pool: 'eu-west', fence: 12 }],
    refused: [],
    fileTrouble: null,
  };
  expect(statusDocument({ ...statusInput({}), gate }).gate).toEqual(gate);
  expect(statusDocument({ ...statusInput({}), gate: null })).not.toHaveProperty('gate');
});
