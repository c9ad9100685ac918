// What a `platform` line of a story means: the platform, the systems around that it names, and what runs there at first.
import type {
  CacheConfig,
  DatabaseConfig,
  FenceRung,
  FleetKind,
  LlmConfig,
  NamespacesConfig,
  PlatformConfig,
} from '../../src/runbook/platform.ts';
import type { VirtualProcess } from '../virtual.ts';
import { Landscape } from './landscape.ts';
import { duration, type Named } from './line.ts';

const REPLICAS = 4;
const MOVE_MS = 3_000;
const SILENCE_MS = 5_000;
const SYSTEMS = ['kube', 'codec'] as const;
/** Of fleets whose line says none. */
const START = '5s';

/** `a:300,b` as pairs. */
const pairs = (text = ''): readonly (readonly [string, string | undefined])[] =>
  text.split(',').flatMap((each) => {
    const [name = '', value] = each.split(':');
    return name === '' ? [] : [[name, value] as const];
  });

const FLEETS: Readonly<Record<string, FleetKind>> = { codec: 'codec', proxy: 'proxy', workers: 'workers', starters: 'starters' };

/** The systems around of a world of these regions. */
export const landscapeOf =
  (regions: readonly string[]) =>
  (ports: VirtualProcess['ports']): Landscape =>
    new Landscape({
      ports,
      regionOf: Object.fromEntries(regions.flatMap((region) => SYSTEMS.map((system) => [`${system}-${region}`, region]))),
      moveMs: MOVE_MS,
      silenceMs: SILENCE_MS,
    });

const placesOf = (regions: readonly string[]) => Object.fromEntries(regions.map((region) => [region, `aws-${region}`]));

/** `orders,tenants`, or `east@a,west@b` where each has a home of its own. */
const namespacesOf = (text: string | undefined, regions: readonly string[]): readonly NamespacesConfig[] => {
  const base = { system: 'cloud', frontend: 'cloud', places: placesOf(regions), parallel: 4, stopAfter: 3, queues: ['work'] };
  const names = pairs(text).map(([name]) => name);
  const homed = names.filter((name) => name.includes('@'));
  const rest = names.filter((name) => !name.includes('@'));
  return [
    ...(rest.length === 0 ? [] : [{ ...base, name: 'namespaces', namespaces: rest }]),
    ...homed.map((each) => {
      const [name = '', home = ''] = each.split('@');
      return { ...base, name, namespaces: [name], home };
    }),
  ];
};

/** `orders,ledger`: of each region. `rung`, `grace`, `lag` (seconds) and `writes` (services) are of all of them. */
const databasesOf = (named: Named, regions: readonly string[]): readonly DatabaseConfig[] =>
  pairs(named.databases).map(([name]) => ({
    name,
    sites: Object.fromEntries(
      regions.map((region) => [
        region,
        {
          system: `patroni-${name}-${region}`,
          sql: `pg-${name}-${region}`,
          poolers: [{ system: `pooler-${name}-${region}`, database: name }],
          address: `${name}.${region}:5432`,
        },
      ]),
    ),
    services: (named.writes ?? '').split(',').filter((service) => service !== ''),
    lag: { maxMs: duration(named.lag ?? '30s'), maxBytes: 67_108_864, maxAgeMs: 30_000, onUnknown: 'ask' },
    fence: { rung: (named.rung ?? 'acknowledged') as FenceRung, graceMs: duration(named.grace ?? '60s') },
  }));

/** `sessions:strict,pages`. */
const cachesOf = (text: string | undefined, regions: readonly string[]): readonly CacheConfig[] =>
  pairs(text).map(([name, policy]) => ({
    name,
    policy: policy === 'strict' ? 'strict' : 'cache',
    sites: Object.fromEntries(regions.map((region) => [region, { system: `redis-${name}-${region}`, address: `${name}.${region}:6379` }])),
  }));

export const healthOf = (region: string): string => `health-${region}`;

/** `openrouter,azure`: the chain, which the health document of each region tells of. */
const llmOf = (text: string | undefined, regions: readonly string[]): { llm?: LlmConfig } => {
  const chain = pairs(text).map(([provider]) => provider);
  if (chain.length === 0) return {};
  const systems = Object.fromEntries(regions.map((region) => [region, healthOf(region)]));
  return { llm: { systems, section: 'llm', active: 'active', chain, churn: { switches: 3, windowMs: 600_000 } } };
};

/** `pg.promote:0`: persons by kind of step. */
const stepPersons = (text: string | undefined): PlatformConfig['approvals']['steps'] =>
  Object.fromEntries(pairs(text).map(([kind, persons]) => [kind, Number(persons)]));

/** In Dual Active they go with the first entry. */
const withTiers = (named: Named, platform: PlatformConfig): PlatformConfig => {
  const databases = databasesOf(named, platform.regions);
  const caches = cachesOf(named.caches, platform.regions);
  const namesOf = (tiers: readonly { name: string }[]): readonly string[] => tiers.map(({ name }) => name);
  const namespaces = platform.namespaces.map((entry, i) =>
    i === 0 && platform.model === 'dual-active' && databases.length + caches.length > 0
      ? { ...entry, databases: namesOf(databases), caches: namesOf(caches) }
      : entry,
  );
  return { ...platform, namespaces, ...(databases.length === 0 ? {} : { databases }), ...(caches.length === 0 ? {} : { caches }) };
};

export const platformFrom = (name: string, named: Named): PlatformConfig => {
  const model = named.model as PlatformConfig['model'];
  const regions = (named.regions ?? 'a,b').split(',');
  const failback = named.failback ?? 'manual';
  return withTiers(named, {
    name,
    model,
    regions,
    services: (named.services ?? 'web').split(','),
    trigger: {
      mode: (named.trigger ?? 'auto') as PlatformConfig['trigger']['mode'],
      holdMs: duration(named.hold ?? '10s'),
      prearm: named.prearm === 'yes',
    },
    gates: pairs(named.gate).map(([gate, max]) => ({
      name: gate,
      system: 'metrics',
      query: gate,
      max: Number(max ?? 30),
      maxAgeMs: 60_000,
      onUnknown: 'ask',
      before: 'promote',
      blocks: 'graceful',
    })),
    approvals: {
      start: Number(named.persons ?? 1) as 0 | 1 | 2,
      steps: stepPersons(named.asks),
      expireMs: duration(named.expire ?? '30m'),
    },
    failback:
      failback === 'manual' || failback === 'fail-forward' ? { kind: failback } : { kind: 'automatic', afterMs: duration(failback) },
    ...(named.follow === 'yes' ? { follow: true as const } : {}),
    fleets: pairs(named.fleets).map(([fleet, start]) => ({
      name: fleet,
      kind: FLEETS[fleet] ?? 'workers',
      startMs: duration(start ?? START),
      sites: Object.fromEntries(
        regions.map((region) => [
          region,
          {
            system: `kube-${region}`,
            namespace: 'app',
            deployment: fleet,
            replicas: REPLICAS,
            standby: model === 'active-cold' ? 0 : REPLICAS,
            endpoint: model === 'active-hot' ? ('regional' as const) : ('namespace' as const),
            ...(fleet === 'codec' ? { check: `codec-${region}` } : {}),
          },
        ]),
      ),
    })),
    namespaces: namespacesOf(named.namespaces, regions),
    externals: pairs(named.externals).map(([external, when]) => ({
      name: external,
      system: 'hooks',
      when: (when ?? 'promote').split('+') as PlatformConfig['externals'][number]['when'],
      timeoutMs: 60_000,
      onFail: 'ask',
      waits: true,
    })),
    prearm: pairs(named.prearmed).map(([system]) => system),
    ...llmOf(named.llm, regions),
  });
};

/** What is there when all is well. */
export const populate = (landscape: Landscape, platform: PlatformConfig): void => {
  const [home] = platform.regions;
  for (const { name, startMs = 0, sites } of platform.fleets) {
    landscape.starts(name, startMs);
    for (const [region, { system, namespace, deployment, replicas, standby }] of Object.entries(sites))
      landscape.deploy(system, namespace, deployment, region === home || platform.model === 'active-active' ? replicas : standby);
  }
  for (const { namespaces, places, home: own } of platform.namespaces) {
    for (const [region, place] of Object.entries(places)) landscape.place(place, region);
    for (const namespace of namespaces) landscape.namespace(namespace, places[own ?? home ?? ''] ?? '');
  }
  for (const database of platform.databases ?? []) {
    for (const [region, { system, sql, poolers }] of Object.entries(database.sites))
      for (const each of [system, sql, ...poolers.map((pooler) => pooler.system)]) landscape.stands(each, region);
    landscape.tiers.database(database, homeOf(platform, 'databases', database.name));
  }
  for (const [region, system] of Object.entries(platform.llm?.systems ?? {})) {
    landscape.stands(system, region);
    landscape.models.set(system, platform.llm?.chain[0] ?? '');
  }
  for (const cache of platform.caches ?? []) {
    for (const [region, { system }] of Object.entries(cache.sites)) landscape.stands(system, region);
    landscape.tiers.cache(cache, homeOf(platform, 'caches', cache.name));
  }
};

/** Where its writer is when all is well. */
const homeOf = ({ regions, namespaces }: PlatformConfig, what: 'databases' | 'caches', name: string): string =>
  namespaces.find((entry) => entry[what]?.includes(name))?.home ?? regions[0] ?? '';
