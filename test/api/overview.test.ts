// The overview: each member, what is cut and counted, and what must not hide in it. One service whole. The documents that all share.
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { createDocuments, shared } from '../../src/api/documents.ts';
import { overviewDocument, serviceDocument } from '../../src/api/overview.ts';
import type { StatusInput } from '../../src/api/status.ts';
import { newMemory } from '../../src/decide/pool.ts';
import type { Heard } from '../../src/health/chamber.ts';
import { tally } from '../../src/health/quorum.ts';
import type { ClusterConfig, Incident, Override, Routing, ServiceConfig } from '../../src/model.ts';
import { endpointKey, targetId } from '../../src/model.ts';
import { heardFrom, type Says, suspicion } from '../health/votes.ts';
import { createVirtual } from '../virtual.ts';
import { AUTHORIZED, cluster, NOW_MS, type Opened, openApi, REGIONS, statusInput, viewOf } from './fixture.ts';

const SERVICE = 'web.example.test';
const EU_APP = targetId(SERVICE, 'eu-west', 'app');
const bothOf = (target: string) => ({ down: [target], unready: [target] });

/** Counted as a replica counts it. */
const inputOf = (says: Readonly<Record<string, Says>>, given: Partial<StatusInput> = {}): StatusInput => {
  const of = given.cluster ?? cluster;
  const heard: readonly Heard[] = of.regions
    .filter(({ name }) => says[name] !== undefined)
    .map(({ name }) => heardFrom(of, name, says[name]));
  return statusInput({
    tallies: tally(of, heard, NOW_MS, true),
    votes: heard.map(({ region, replica, vote, beat, ageMs }) => ({ region, replica, vote, ageMs, ...(beat === null ? {} : { beat }) })),
    ...given,
  });
};
const WELL = { 'eu-west': {}, 'us-east': {}, 'ap-south': {} };
const DEAD = { 'eu-west': { ageMs: 60_000 }, 'us-east': bothOf(EU_APP), 'ap-south': bothOf(EU_APP) };

const routingOf = (
  route: Record<string, number>,
  hold: Record<string, 'pacing' | 'latched'> = {},
  of: ClusterConfig = cluster,
): Routing => ({
  v: 7,
  epoch: 2,
  nonce: 'n',
  atMs: NOW_MS - 500,
  membersVersion: 3,
  because: 'eu-west down',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: Object.fromEntries(
    of.services.map(({ name }) => [
      name,
      {
        fence: 7,
        sinceAtMs: 0,
        mode: 'auto',
        route,
        because: 'eu-west down: 2 of 3 vantages (needs 2)',
        pools: Object.fromEntries(REGIONS.map((pool) => [pool, { ...newMemory('in', 0), hold: hold[pool] ?? null }])),
      },
    ]),
  ),
});
const EVEN = { 'eu-west': 334, 'us-east': 333, 'ap-south': 333 };

const order = (id: string, given: Partial<Override>): Override => ({
  id,
  kind: 'drain',
  scope: {},
  reason: 'works',
  owner: 'ana',
  createdAtMs: NOW_MS,
  expiresAtMs: NOW_MS + 60_000,
  ...given,
});
const orders = (...items: readonly Override[]) => ({ version: items.length, nonce: 'o', items });

const incident = (n: number, services: readonly string[] = [SERVICE]): Incident => ({
  id: `i${n}`,
  kind: 'region-down',
  region: 'eu-west',
  services,
  because: 'b',
  v: 1,
  epoch: 1,
  t0AtMs: n,
  t0LastAtMs: null,
  t1AtMs: null,
  t2AtMs: null,
  t3AtMs: n + 5_000,
  published: {},
  witnesses: [],
  closedAtMs: null,
  nonce: 'n',
});

const manyServices = (n: number): ClusterConfig => ({
  ...cluster,
  services: Array.from({ length: n }, (_, i) => ({ ...(cluster.services[0] as ServiceConfig), name: `s${i}` })),
});

describe('a region', () => {
  const cardOf = (name: string, input: StatusInput) => overviewDocument(input).regions.find((each) => each.name === name);

  test('is there with its pools, its share of the traffic, and who speaks for it', () => {
    const routing = routingOf({ 'eu-west': 0, 'us-east': 700, 'ap-south': 300 }, { 'us-east': 'pacing' });
    const input = inputOf(DEAD, { routing });
    expect(overviewDocument(input).regions.map(({ name }) => name)).toEqual(REGIONS);
    expect(cardOf('eu-west', input)).toMatchObject({
      vote: true,
      state: 'silent',
      pools: { up: 1, unready: 0, suspect: 0, down: 1, unknown: 0 },
      share: { fully: 0, partly: 0, not: 2, unknown: 0 },
      sharesSum: { actual: 0, configured: 666 },
      holds: [],
      doubts: 1,
    });
    expect(cardOf('us-east', input)).toMatchObject({ state: 'ok', share: { fully: 2 }, holds: ['pacing'], doubts: 0 });
    expect(cardOf('ap-south', input)).toMatchObject({ share: { partly: 2 }, sharesSum: { actual: 600, configured: 666 } });
  });

  test('counts pools by what takes them out, and one that is only suspect apart', () => {
    const says = { down: [EU_APP], unready: [targetId(SERVICE, 'us-east', 'app')] };
    const input = inputOf({ 'eu-west': says, 'us-east': says, 'ap-south': says });
    expect(cardOf('eu-west', input)?.pools).toMatchObject({ suspect: 1, up: 1 });
    expect(cardOf('us-east', input)?.pools).toMatchObject({ unready: 1, up: 1 });
    expect(cardOf('eu-west', inputOf({}))?.pools).toMatchObject({ unknown: 2 });
  });

  test('before the first decision carries nobody knows how much', () => {
    expect(cardOf('eu-west', inputOf(WELL))?.share).toEqual({ fully: 0, partly: 0, not: 0, unknown: 2 });
  });

  test('names the orders in force that empty it, and not those that have not begun or take less', () => {
    const overrides = orders(
      order('later', { scope: { region: 'eu-west' }, startsAtMs: NOW_MS + 1 }),
      order('one', { scope: { region: 'eu-west', service: SERVICE } }),
      order('whole', { scope: { region: 'us-east' } }),
      order('gone', { kind: 'evacuate', scope: { region: 'ap-south' } }),
    );
    const { regions } = overviewDocument(inputOf(WELL, { overrides }));
    expect(regions.map(({ drained, evacuated }) => [drained, evacuated])).toEqual([
      [null, null],
      ['whole', null],
      [null, 'gone'],
    ]);
  });

  test('coordinates while it holds the office', () => {
    const leader = { region: 'us-east', replica: 'a', boot: 'b', epoch: 1, n: 1, nonce: 'n', released: false };
    const who = (released: boolean) =>
      overviewDocument(inputOf(WELL, { leader: { ...leader, released } })).regions.map((each) => each.coordinates);
    expect(who(false)).toEqual([false, true, false]);
    expect(who(true)).toEqual([false, false, false]);
  });

  test('shows each vantage with why it does not speak', () => {
    const abstaining = { self: { state: 'abstain', because: 'anchors unreachable: 2 of 2' } } as const;
    const says = { 'eu-west': abstaining, 'us-east': { ageMs: 61_000 }, 'ap-south': { configVersion: 2 } };
    const { regions } = overviewDocument(inputOf(says));
    expect(regions.map(({ state, vantages }) => [state, vantages[0]?.because, vantages[0]?.ageMs])).toEqual([
      ['abstain', 'anchors unreachable: 2 of 2', 500],
      ['silent', 'last heard 61.0 s ago', 61_000],
      ['silent', 'its vote covers configuration 2, the cluster is at 3', 500],
    ]);
    expect(overviewDocument(inputOf({})).regions[0]).toMatchObject({ state: 'silent', vantages: [] });
  });
});

describe('doubts', () => {
  const doubtsOf = (says: Readonly<Record<string, Says>>, given: Partial<StatusInput> = {}) =>
    overviewDocument(inputOf(says, given)).doubts;

  test('are targets of which a vantage says anything but that all is well, with every vantage beside it', () => {
    const [doubt, ...more] = doubtsOf(DEAD);
    expect(more).toEqual([]);
    expect(doubt).toMatchObject({
      target: EU_APP,
      service: SERVICE,
      pool: 'eu-west',
      region: 'eu-west',
      verdict: 'down',
      tally: '2 of 3 down, needs 2',
    });
    expect(Object.entries(doubt?.cells ?? {}).map(([region, { state }]) => [region, state])).toEqual([
      ['eu-west', 'silent'],
      ['us-east', 'down'],
      ['ap-south', 'down'],
    ]);
    expect(doubtsOf(WELL)).toEqual([]);
  });

  test('begin with the first fault, before any opinion', () => {
    const suspects = { [endpointKey(EU_APP, 'readyz')]: suspicion({ faults: 1 }) };
    expect(doubtsOf({ ...WELL, 'us-east': { suspects } })).toMatchObject([{ target: EU_APP, verdict: 'up', tally: '3 of 3 up, needs 2' }]);
  });

  test('may be about errors now and then', () => {
    const gray = [endpointKey(EU_APP, 'readyz')];
    expect(doubtsOf({ ...WELL, 'us-east': { gray }, 'ap-south': { gray } })).toMatchObject([
      { target: EU_APP, verdict: 'up', gray: ['us-east', 'ap-south'], tally: '2 of 3 gray, needs 2' },
    ]);
  });

  test.each([
    ['is silent', { ageMs: 60_000 }],
    ['abstains', { self: { state: 'abstain', because: 'late' } }],
    ['has just started', { unknown: cluster.services.flatMap(({ name }) => REGIONS.map((pool) => targetId(name, pool, 'app'))) }],
  ] as const)('are not every target because a vantage %s, which its region says once', (_, says) => {
    const document = overviewDocument(inputOf({ ...WELL, 'us-east': says as Says }));
    expect(document.doubts).toEqual([]);
    expect(document.regions[1]?.vantages[0]?.because).not.toBe('');
    // Nor when so many do that nothing can be decided.
    const lost = overviewDocument(inputOf({ ...WELL, 'us-east': says as Says, 'ap-south': says as Says }));
    expect(lost.doubts).toEqual([]);
    expect(lost.services.every(({ pools }) => pools.every(({ verdict }) => verdict === 'unknown'))).toBe(true);
  });

  test('include the one target that a vantage cannot say anything of', () => {
    expect(doubtsOf({ ...WELL, 'us-east': { unknown: [EU_APP] } })).toMatchObject([
      { target: EU_APP, cells: { 'us-east': { state: 'unknown' } } },
    ]);
  });

  test('include what only its own region sees', () => {
    const local = { name: 'db', from: 'local', healthz: { kind: 'tcp', url: 'tcp://192.0.2.1:3' } } as const;
    const [web, api] = cluster.services as [ServiceConfig, ServiceConfig];
    const pools = web.pools.map((pool, n) => (n === 0 ? { ...pool, targets: [...pool.targets, local] } : pool));
    const id = targetId(SERVICE, 'eu-west', 'db');
    const input = inputOf({ ...WELL, 'eu-west': { down: [id] } }, { cluster: { ...cluster, services: [{ ...web, pools }, api] } });
    const { doubts, doubtsOmitted } = overviewDocument(input);
    expect(doubts).toMatchObject([{ target: id, verdict: 'unknown', tally: 'not counted', cells: { 'eu-west': { state: 'down' } } }]);
    expect(doubtsOmitted).toBe(0);
  });

  test('come worst first, a hundred of them, and the others are counted', () => {
    const many = manyServices(150);
    const all = many.services.map(({ name }) => targetId(name, 'eu-west', 'app'));
    const worst = all.at(-1) as string;
    const says = { 'eu-west': { unready: all }, 'us-east': { unready: all, down: [worst] }, 'ap-south': { unready: all, down: [worst] } };
    const document = overviewDocument(inputOf(says, { cluster: many }));
    expect(document.doubts[0]).toMatchObject({ target: worst, verdict: 'down' });
    expect(document.doubts.slice(1).every(({ verdict }) => verdict === 'unready')).toBe(true);
    expect([document.doubts.length, document.doubtsOmitted]).toEqual([100, 50]);
    expect(document.regions.map(({ doubts }) => doubts)).toEqual([150, 0, 0]);
  });
});

describe('a service', () => {
  const first = (given: Partial<StatusInput>) => overviewDocument(inputOf(WELL, given)).services[0];

  test('has moved when its route is not the configured one, rounding aside', () => {
    expect(first({ routing: routingOf(EVEN) })?.moved).toBe(false);
    expect(first({ routing: routingOf({ ...EVEN, 'eu-west': 336, 'us-east': 331 }) })?.moved).toBe(true);
    expect(first({ routing: null })).toMatchObject({ moved: false, fence: null, because: 'nothing has been decided yet' });
  });

  test('shows whether what was decided is served, and by which paths where there are several', () => {
    const record = { fence: 6, atMs: NOW_MS, outcome: 'failing', because: 'timeout' } as const;
    const [web, api] = cluster.services as [ServiceConfig, ServiceConfig];
    const records = new Map([[`applied/dns/${SERVICE}`, { ...record, outcome: 'applied', because: '' } as const]]);
    const two = { ...cluster, services: [{ ...web, also: ['dns'] }, api] };
    const document = overviewDocument(inputOf(WELL, { cluster: two, applied: { [SERVICE]: record }, records }));
    expect(document.services[0]).toMatchObject({
      applied: { fence: 6, ok: false, because: 'timeout' },
      paths: [
        { provider: 'local', applied: null },
        { provider: 'dns', applied: { ok: true } },
      ],
    });
    expect(document.services[1]).not.toHaveProperty('paths');
    expect(document.services[1]?.applied).toBeNull();
  });
});

describe('what an outage makes long', () => {
  test('is cut, and says by how much: holds, incidents and their services', () => {
    const many = manyServices(60);
    const names = many.services.map(({ name }) => name);
    const incidents = Array.from({ length: 30 }, (_, n) => incident(n, names));
    const routing = routingOf(EVEN, { 'eu-west': 'latched', 'us-east': 'pacing' }, many);
    const document = overviewDocument(inputOf(WELL, { cluster: many, incidents, routing }));
    expect([document.holds.length, document.holdsOmitted]).toEqual([100, 20]);
    expect(document.incidents.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, n) => `i${29 - n}`));
    expect(document.incidents[0]).toMatchObject({
      services: names.slice(0, 10),
      servicesOmitted: 50,
      detection: { ms: 5_000, judgement: 'met' },
      convergence: { judgement: 'missed', waitingFor: names.slice(0, 10), waitingOmitted: 50 },
    });
    expect(document.incidents[0]).not.toHaveProperty('published');
  });

  test('is counted of an order that covers everything, and whether it is obeyed is said', () => {
    const overrides = orders(order('all', { kind: 'freeze' }), order('eu', { scope: { region: 'eu-west' } }));
    const { items } = overviewDocument(inputOf(DEAD, { overrides, routing: routingOf(EVEN) })).overrides;
    expect(items).toMatchObject([
      { id: 'all', active: true, obeyed: true, covers: { up: 5, out: 1, unknown: 0 } },
      { id: 'eu', active: true, obeyed: false, covers: { up: 1, out: 1, unknown: 0 } },
    ]);
    expect(items[0]).not.toHaveProperty('measured');
  });

  test('the gate of this replica too', () => {
    const drained = Array.from({ length: 120 }, (_, n) => ({ service: `s${n}`, pool: 'eu-west', fence: 1 }));
    const gate = { seesStore: true, ageS: 1, seenAtMs: 1, fromFile: false, services: 1, fence: 1, drained, refused: [], fileTrouble: null };
    const document = overviewDocument(statusInput({ gate }));
    expect([document.gate?.drained.length, document.gate?.drainedOmitted]).toEqual([100, 20]);
    expect(overviewDocument(statusInput({}))).not.toHaveProperty('gate');
  });
});

test('every configured pool is there exactly once, whatever is known of it, and all is JSON', () => {
  const names = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', 'a/b', ...REGIONS), fc.string({ minLength: 1 }));
  const clusters = fc.uniqueArray(names, { minLength: 1, maxLength: 5 }).chain((regions) =>
    fc.uniqueArray(names, { minLength: 1, maxLength: 4 }).map(
      (services): ClusterConfig => ({
        ...cluster,
        regions: regions.map((name) => ({ name, vote: true, coordinator: true, anchors: [] })),
        services: services.map((name) => ({
          ...(cluster.services[0] as ServiceConfig),
          name,
          pools: regions.map((region) => ({ ...(cluster.services[0]?.pools[0] as ServiceConfig['pools'][number]), name: region, region })),
        })),
      }),
    ),
  );
  fc.assert(
    fc.property(clusters, fc.array(fc.nat(3), { maxLength: 8 }), fc.option(names, { nil: null }), (of, moods, odd) => {
      const ids = of.services.flatMap(({ name, pools }) => pools.map((pool) => targetId(name, pool.name, 'app')));
      const moodOf = (n: number): Says =>
        [{}, { ageMs: 60_000 }, { down: ids, unready: ids }, { unknown: [...ids, `${odd}/x/app`] }][n] ?? {};
      const says = Object.fromEntries(of.regions.map(({ name }, n) => [name, moodOf(moods[n] ?? 0)]));
      const input = inputOf(says, { cluster: of, routing: odd === null ? null : routingOf({ [odd]: 1000 }, {}, of) });
      const document = overviewDocument(input);
      expect(JSON.parse(JSON.stringify(document))).toEqual(document);
      expect(document.regions.map(({ name }) => name)).toEqual(of.regions.map(({ name }) => name));
      expect(document.services.map(({ name, pools }) => [name, pools.map((pool) => pool.name)])).toEqual(
        of.services.map(({ name, pools }) => [name, pools.map((pool) => pool.name)]),
      );
      for (const card of document.regions) expect(Object.values(card.pools).reduce((a, b) => a + b)).toBe(of.services.length);
      for (const { name } of of.services) expect(serviceDocument(input, name)?.service.name).toBe(name);
      expect(serviceDocument(input, 'no such service')).toBeNull();
    }),
    { numRuns: 100 },
  );
});

describe('one service', () => {
  const [, api] = cluster.services as [ServiceConfig, ServiceConfig];

  test('is whole, with what touches it and nothing else', () => {
    const overrides = orders(
      order('mine', { kind: 'freeze', scope: { service: SERVICE } }),
      order('other', { kind: 'freeze', scope: { service: api.name } }),
      order('region', { scope: { region: 'eu-west' } }),
      order('elsewhere', { scope: { region: 'nowhere' } }),
    );
    const published = { [SERVICE]: { t4AtMs: 5_800, landedAtMs: { 'us-east': 9_000 } } };
    const incidents = [{ ...incident(0, [SERVICE, api.name]), published }, incident(1, [api.name])];
    const document = serviceDocument(inputOf(DEAD, { overrides, incidents, routing: routingOf(EVEN, { 'us-east': 'pacing' }) }), SERVICE);
    expect(document?.service.pools[0]?.targets[0]?.endpoints.healthz?.ballots).toEqual({
      'eu-west': 'silent',
      'us-east': 'down',
      'ap-south': 'down',
    });
    expect(Object.keys(document?.matrix ?? {})).toEqual(REGIONS.map((pool) => targetId(SERVICE, pool, 'app')));
    expect(document?.holds.map(({ service, pool }) => [service, pool])).toEqual([[SERVICE, 'us-east']]);
    expect(document?.overrides.items.map(({ id, measured }) => [id, measured.map(({ service }) => service)])).toEqual([
      ['mine', [SERVICE, SERVICE, SERVICE]],
      ['region', [SERVICE]],
    ]);
    expect(document?.incidents).toMatchObject([
      { id: 'i0', timing: { service: SERVICE, acknowledgedMs: 800, landed: [{ region: 'us-east', ms: 4_000 }] } },
    ]);
  });
});

describe('over HTTP', () => {
  let open: Opened | null = null;
  afterEach(async () => {
    await open?.close();
    open = null;
  });
  const ask = (url: string, given: Parameters<typeof viewOf>[0] = {}, headers = {}) => {
    open = openApi({ view: viewOf(given) });
    return open.app.inject({ url, headers: { ...AUTHORIZED, ...headers } });
  };

  test('both are JSON, zipped for those who take that', async () => {
    const reply = await ask('/v1/overview', {}, { 'accept-encoding': 'gzip' });
    expect([reply.statusCode, reply.headers['content-encoding']]).toEqual([200, 'gzip']);
    expect((await open?.app.inject({ url: '/v1/overview' }))?.json()).toEqual(overviewDocument(statusInput()));
    expect((await open?.app.inject({ url: `/v1/services/${SERVICE}` }))?.json()).toEqual(serviceDocument(statusInput(), SERVICE));
  });

  test.each(['__proto__', 'nobody', '%00', 'x'.repeat(300)])('a service that is not configured is not found: %s', async (name) => {
    const reply = await ask(`/v1/services/${name}`);
    expect([reply.statusCode, reply.json().code]).toEqual([404, 'ERR_NOT_FOUND']);
  });

  test('nothing is known before a cluster is', async () => {
    const given = { cluster: () => null, overview: async () => null, service: () => null };
    for (const url of ['/v1/overview', `/v1/services/${SERVICE}`]) {
      const reply = await ask(url, given);
      expect([reply.statusCode, reply.json().code]).toEqual([503, 'ERR_STORE_UNREACHABLE']);
      await open?.close();
    }
  });

  test('a list of orders looks at the services once, not once for each: at 200 services in 20 regions it held the loop for 8 s', async () => {
    let looks = 0;
    const services = () => {
      looks += 1;
      return [];
    };
    open = openApi({ view: viewOf({ services }) });
    for (const n of [1, 2, 3])
      await open.app.inject({
        method: 'PUT',
        url: `/v1/overrides/o${n}`,
        headers: AUTHORIZED,
        payload: { kind: 'freeze', scope: { service: SERVICE }, reason: 'maintenance of the database', owner: 'ana' },
      });
    looks = 0;
    const reply = await open.app.inject({ url: '/v1/overrides', headers: AUTHORIZED });
    expect(reply.json().items).toHaveLength(3);
    expect(looks).toBe(1);
  });
});

describe('what all who look share', () => {
  const world = () => {
    const virtual = createVirtual({ startWallMs: NOW_MS, seed: 1 });
    let made = 0;
    const documents = createDocuments(virtual.ports, () => {
      made += 1;
      return statusInput({ nowMs: made });
    });
    return { virtual, documents, made: () => made };
  };

  test('is made at once for the first, then at most twice a second, and never before it was asked for', async () => {
    const { virtual, documents, made } = world();
    expect((await documents.overview())?.clusterTimeMs).toBe(1);
    const later = Array.from({ length: 20 }, () => documents.overview());
    await virtual.advance(499);
    expect(made()).toBe(1);
    await virtual.advance(1);
    expect((await Promise.all(later)).map((document) => document?.clusterTimeMs)).toEqual(Array.from({ length: 20 }, () => 2));
    await virtual.advance(500);
    expect((await documents.overview())?.clusterTimeMs).toBe(3);
  });

  test('fails for those who asked, and not for those who come after', async () => {
    const { ports, advance } = createVirtual({ startWallMs: NOW_MS, seed: 1 });
    let fails = true;
    const make = shared(ports, () => {
      if (fails) throw new Error('broken');
      return 'made';
    });
    await expect(make()).rejects.toThrow('broken');
    fails = false;
    const next = make();
    await advance(500);
    expect(await next).toBe('made');
  });

  test('one service and the services are no older than 100 ms', async () => {
    const { virtual, documents, made } = world();
    const [one, same] = [documents.service(SERVICE), documents.service(SERVICE)];
    expect([one?.clusterTimeMs, same?.clusterTimeMs, documents.services().length, made()]).toEqual([1, 1, 2, 1]);
    await virtual.advance(100);
    expect(documents.service(SERVICE)?.clusterTimeMs).toBe(2);
  });

  test('the page without a script is made once a second, or the browsers of an outage, which ask by themselves, would keep the loop from probing', async () => {
    const { virtual, documents, made } = world();
    const first = await documents.glance();
    await virtual.advance(999);
    expect([(await documents.glance()) === first, made()]).toEqual([true, 1]);
    await virtual.advance(1);
    expect((await documents.glance())?.clusterTimeMs).toBe(2);
  });

  test('one service is one document for all who look at it, or a crowd of viewers would keep the loop that probes from probing', () => {
    const { documents } = world();
    const first = documents.service(SERVICE);
    expect(documents.service(SERVICE)).toBe(first);
    expect(documents.service('api.example.test')).not.toBe(first);
    expect(documents.service('no.example.test')).toBeNull();
  });
});
