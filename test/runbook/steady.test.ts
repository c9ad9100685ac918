// What is seen of a platform while nothing happens: everything is asked, what does not answer was not seen, and one that fails hides no other.
import { describe, expect, test } from 'vitest';
import type { CacheFacts, DatabaseFacts, NamespaceFacts, SiteFacts } from '../../src/runbook/facts.ts';
import type { Reading, StepContext, StepKind, System } from '../../src/runbook/kind.ts';
import type { StepKindName } from '../../src/runbook/model.ts';
import type { DatabaseConfig, NamespacesConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import { createSee, type TierLooks } from '../../src/runbook/steady.ts';
import { platformOf as blank } from './rig.ts';

const FACTS: SiteFacts = { replicas: 2, ready: 2, autoscaler: null, zones: ['z1'], unpulled: [], limited: true, check: null };
const PLACE: NamespaceFacts = { active: 'aws-a', replicas: [], forwardingDisabled: true, managedFailoverDisabled: false };

const platformOf = (fields: Partial<PlatformConfig>): PlatformConfig =>
  blank({ name: 'orders', model: 'active-hot', regions: ['a', 'b'], ...fields });
const entry = (fields: Partial<NamespacesConfig>): NamespacesConfig => ({
  name: 'orders',
  system: 'cloud',
  namespaces: ['one'],
  places: { a: 'aws-a', b: 'aws-b' },
  parallel: 4,
  stopAfter: 3,
  queues: [],
  ...fields,
});

interface World {
  sites?: Readonly<Record<string, SiteFacts | Error>>;
  /** By system and namespace. */
  places?: Readonly<Record<string, NamespaceFacts | Error>>;
  checks?: Readonly<Record<string, Reading | Error>>;
  kinds?: Readonly<Record<string, string>>;
}

const stage = ({ sites = {}, places = {}, checks = {}, kinds = {} }: World) => {
  const asked: string[] = [];
  let [under, most] = [0, 0];
  const answer = async <T>(name: string, table: Readonly<Record<string, T | Error>>): Promise<T> => {
    asked.push(name);
    most = Math.max(most, ++under);
    await Promise.resolve();
    under--;
    const found = table[name];
    if (found === undefined || found instanceof Error) throw found ?? new Error(`${name} is not there`);
    return found;
  };
  const system = async (name: string, kind: string): Promise<System> => {
    if (name === 'missing') throw new Error('no system "missing" in this file');
    const client = {
      kind,
      close: async () => {},
      site: (namespace: string, deployment: string) => answer(`${name}/${namespace}/${deployment}`, sites),
      forced: {
        look: async (namespace: string) => {
          try {
            return { is: 'seen', place: await answer(`${name}/${namespace}`, places) };
          } catch (error) {
            return { is: 'unknown', because: (error as Error).message };
          }
        },
      },
    };
    return client;
  };
  const kindOf = async (kind: StepKindName) => ({
    kind,
    signal: 'gate',
    read: (spec: { system: string }) => answer(`${kind} ${spec.system}`, checks),
  });
  const see = createSee({
    context: { system, nowMs: () => 77 } as unknown as StepContext,
    kindOf: kindOf as unknown as <K extends StepKindName>(kind: K) => Promise<StepKind<K>>,
    systemKind: (name) => kinds[name],
  });
  const look = (platform: PlatformConfig, active = 'a') => see(platform, active, new AbortController().signal);
  return { look, asked, most: () => most };
};

const site = (deployment: string, fields: object = {}) => ({
  system: 'kube',
  namespace: 'app',
  deployment,
  replicas: 2,
  standby: 1,
  ...fields,
});

describe('fleets', () => {
  const fleets = (fields: object = {}): Partial<PlatformConfig> => ({
    fleets: [{ name: 'codec', kind: 'codec', sites: { a: site('one', fields), b: site('two') } }],
  });

  test('each site is seen by itself, and one that is not says why', async () => {
    const { look } = stage({ sites: { 'kube/app/one': FACTS, 'kube/app/two': new Error('connection refused') } });
    expect(await look(platformOf(fleets()))).toEqual({
      atMs: 77,
      active: 'a',
      sites: { 'codec@a': FACTS, 'codec@b': { unseen: 'connection refused' } },
      namespaces: {},
      doors: {},
    });
  });

  test.each<[string, Reading | Error, boolean, string]>([
    ['says yes', { is: 'reached', because: 'the bytes are the same' }, true, 'the bytes are the same'],
    ['says no', { is: 'never', because: 'other bytes' }, false, 'other bytes'],
    ['says nothing', { is: 'unknown', because: 'no answer' }, false, 'no answer'],
  ])('a check that %s', async (_, reading, ok, because) => {
    const { look } = stage({
      sites: { 'kube/app/one': FACTS, 'kube/app/two': FACTS },
      checks: { 'codec.canary door': reading },
      kinds: { door: 'codec' },
    });
    const { sites } = await look(platformOf(fleets({ check: 'door' })));
    expect(sites['codec@a']).toMatchObject({ check: { ok, because } });
    expect(sites['codec@b']).toMatchObject({ check: null });
  });

  test('a check that throws, and one that is no entry here, are not well', async () => {
    const world = { sites: { 'kube/app/one': FACTS, 'kube/app/two': FACTS }, kinds: { door: 'grpc' } };
    const thrown = await stage({ ...world, checks: { 'grpc.check door': new Error('broken') } }).look(
      platformOf(fleets({ check: 'door' })),
    );
    expect(thrown.sites['codec@a']).toMatchObject({ ready: 2, check: { ok: false, because: 'broken' } });
    const foreign = await stage(world).look(platformOf(fleets({ check: 'elsewhere' })));
    expect(foreign.sites['codec@a']).toMatchObject({ check: { ok: false, because: expect.stringContaining('"elsewhere"') } });
  });

  test('what is not there by intent is not asked', async () => {
    const { look, asked } = stage({ sites: { 'kube/app/one': { ...FACTS, ready: 0 }, 'kube/app/two': FACTS }, kinds: { door: 'http' } });
    await look(platformOf(fleets({ check: 'door', standby: 0 })));
    expect(asked.filter((name) => name.includes('door'))).toEqual([]);
  });
});

test('what only a run needs is opened: who cannot be says why', async () => {
  const { look } = stage({});
  const external = { name: 'ledger', when: ['fence' as const], timeoutMs: 1_000, onFail: 'ask' as const, waits: false };
  const { doors } = await look(
    platformOf({
      externals: [
        { ...external, system: 'missing' },
        { ...external, name: 'other', system: 'hooks' },
      ],
      prearm: ['hooks'],
    }),
  );
  expect(doors).toEqual({ missing: 'no system "missing" in this file', hooks: null });
});

describe('namespaces', () => {
  test('of the cloud: each tenant, a few at a time', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `tenant-${i}`);
    const { look, asked, most } = stage({ places: Object.fromEntries(names.map((name) => [`cloud/${name}`, PLACE])) });
    const { namespaces } = await look(platformOf({ namespaces: [entry({ namespaces: names })] }));
    expect(Object.keys(namespaces)).toEqual(names);
    expect(new Set(asked).size).toBe(30);
    expect(most()).toBe(8);
  });

  test('of clusters: whoever is not active is asked first, the active one where it does not answer', async () => {
    const own = [entry({ system: { a: 'east', b: 'west' } })];
    const first = stage({ places: { 'west/one': PLACE, 'east/one': PLACE } });
    await first.look(platformOf({ namespaces: own }));
    expect(first.asked).toEqual(['west/one']);
    const second = stage({ places: { 'east/one': PLACE } });
    expect((await second.look(platformOf({ namespaces: own }))).namespaces).toEqual({ one: PLACE });
    const none = stage({});
    expect((await none.look(platformOf({ namespaces: own }))).namespaces).toEqual({ one: { unseen: 'east/one is not there' } });
  });

  test('a system that is not named here is told, and hides no other', async () => {
    const { look } = stage({ places: { 'cloud/one': PLACE } });
    const seen = await look(platformOf({ namespaces: [entry({ system: 'missing', namespaces: ['lost'] }), entry({ name: 'other' })] }));
    expect(seen.namespaces).toEqual({ lost: { unseen: 'no system "missing" in this file' }, one: PLACE });
  });
});

describe('data tiers', () => {
  const database = (name: string): DatabaseConfig => ({
    name,
    sites: Object.fromEntries(
      ['a', 'b'].map((region) => [
        region,
        {
          system: `patroni-${region}`,
          sql: `pg-${region}`,
          poolers: [{ system: `pooler-${region}`, database: name }],
          address: `${region}:5432`,
        },
      ]),
    ),
    services: [],
    lag: { maxMs: 1, maxBytes: 1, maxAgeMs: 1, onUnknown: 'ask' },
    fence: { rung: 'acknowledged', graceMs: 1 },
  });
  const platform = platformOf({
    databases: [database('orders')],
    caches: [
      {
        name: 'pages',
        policy: 'cache',
        sites: { a: { system: 'redis-a', address: 'a:6379' }, b: { system: 'missing', address: 'b:6379' } },
      },
    ],
  });
  const facts = { role: 'primary' } as DatabaseFacts;
  const stored = { role: 'master' } as CacheFacts;

  const seeing = (tiers?: TierLooks) =>
    createSee({
      context: {
        system: async (name: string, kind: string) => {
          if (name === 'missing') throw new Error('no system "missing" in this file');
          return { kind, name, close: async () => {} };
        },
        nowMs: () => 1,
      } as unknown as StepContext,
      kindOf: () => Promise.reject(new Error('nothing is asked')),
      systemKind: () => undefined,
      ...(tiers === undefined ? {} : { tiers }),
    })(platform, 'a', new AbortController().signal);

  test('each region is looked at by its own systems, and what does not answer hides no other', async () => {
    const asked: unknown[] = [];
    const { databases, caches, doors } = await seeing({
      database: async (systems) => {
        asked.push(systems);
        if (asked.length === 2) throw new Error('no answer');
        return facts;
      },
      cache: async () => stored,
    });
    expect(asked).toMatchObject([
      { patroni: { name: 'patroni-a', kind: 'patroni' }, sql: { name: 'pg-a', kind: 'postgres' } },
      { patroni: { name: 'patroni-b' }, sql: { name: 'pg-b' } },
    ]);
    expect(databases).toEqual({ 'orders@a': facts, 'orders@b': { unseen: 'no answer' } });
    expect(caches).toEqual({ 'pages@a': stored, 'pages@b': { unseen: 'no system "missing" in this file' } });
    expect(doors).toEqual({ 'pooler-a': null, 'pooler-b': null });
  });

  test('where nobody can look, that is said', async () => {
    const { databases } = await seeing();
    expect(databases?.['orders@a']).toEqual({ unseen: 'databases and caches are not looked at here' });
  });
});
