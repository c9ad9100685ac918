// Platforms as a checked configuration gives them: two regions, four fleets, one Temporal, a database that joins by webhooks, a lag gate.
import type { CacheConfig, DatabaseConfig, FleetConfig, NamespacesConfig, PlatformConfig, SiteConfig } from '../../src/runbook/platform.ts';

export const [EAST, WEST] = ['us-east', 'eu-west'];

export const siteOf = (name: string, region: string, over: Partial<SiteConfig> = {}): SiteConfig => ({
  system: `k8s-${region}`,
  namespace: 'app',
  deployment: name,
  replicas: 4,
  standby: 0,
  ...over,
});

export const fleetOf = (
  name: string,
  kind: FleetConfig['kind'],
  over: { startMs?: number; site?: Partial<SiteConfig>; regions?: readonly string[]; check?: boolean } = {},
): FleetConfig => {
  const { startMs, site, regions = [EAST, WEST], check = kind !== 'starters' } = over;
  return {
    name,
    kind,
    ...(startMs === undefined ? {} : { startMs }),
    sites: Object.fromEntries(
      regions.map((region) => [
        region,
        siteOf(name, region, {
          ...site,
          ...(check ? { check: `${name}-${region}` } : {}),
          ...(kind === 'starters' ? { canary: `frontend-${region}` } : {}),
        }),
      ]),
    ),
  };
};

export const tenants: NamespacesConfig = {
  name: 'tenants',
  system: 'cloud',
  namespaces: ['acme.abc12'],
  places: { [EAST]: 'aws-us-east-1', [WEST]: 'aws-eu-west-1' },
  parallel: 4,
  stopAfter: 2,
  queues: ['orders'],
  frontend: { [EAST]: 'temporal-us-east', [WEST]: 'temporal-eu-west' },
};

const { frontend: clusters, ...plain } = tenants;

export const ownTenants: NamespacesConfig = {
  ...plain,
  system: clusters ?? {},
  places: { [EAST]: 'east', [WEST]: 'west' },
};

const fleets = (site: Partial<SiteConfig>): readonly FleetConfig[] => [
  fleetOf('codec', 'codec', { startMs: 8_000, site: { ...site, replicas: 2 } }),
  fleetOf('proxy', 'proxy', { startMs: 5_000, site: { ...site, replicas: 2 } }),
  fleetOf('workers', 'workers', { startMs: 90_000, site: { endpoint: 'namespace', identity: '^app-', ...site } }),
  fleetOf('starters', 'starters', { startMs: 20_000, site: { endpoint: 'namespace', ...site } }),
];

/** `site`: what is particular to every site of the model. */
const platformOf = (over: Partial<PlatformConfig>, site: Partial<SiteConfig>): PlatformConfig => ({
  name: 'core',
  model: 'active-cold',
  regions: [EAST, WEST],
  services: ['web'],
  trigger: { mode: 'auto', holdMs: 10_000, prearm: true },
  gates: [
    {
      name: 'lag',
      system: 'prometheus',
      query: 'max(replication_lag_seconds{from="$from",to="$to"})',
      max: 30,
      maxAgeMs: 60_000,
      onUnknown: 'ask',
      before: 'promote',
      blocks: 'graceful',
    },
    {
      name: 'room',
      system: 'prometheus',
      query: 'min(free_nodes{region="$to"})',
      min: 3,
      maxAgeMs: 60_000,
      onUnknown: 'proceed',
      before: 'route',
      blocks: 'both',
    },
  ],
  approvals: { start: 1, steps: { 'temporal.failover': 1 }, expireMs: 600_000 },
  failback: { kind: 'manual' },
  fleets: fleets(site),
  namespaces: [tenants],
  externals: [
    { name: 'db', system: 'db-hook', when: ['fence', 'promote'], timeoutMs: 60_000, onFail: 'ask', waits: true },
    { name: 'queue', system: 'queue-hook', when: ['fence', 'after'], timeoutMs: 30_000, onFail: 'continue', waits: false },
  ],
  prearm: ['deploys'],
  ...over,
});

export const cold = platformOf({}, {});
export const coldOwn: PlatformConfig = { ...cold, namespaces: [ownTenants] };
export const hot = platformOf({ model: 'active-hot', namespaces: [ownTenants] }, { standby: 2, endpoint: 'regional' });
export const both = platformOf({ model: 'active-active' }, { standby: 4 });

/** Two services, one at home in each region: the first one's fleet is cold where it is not active, the second one's is warm. */
export const dual = platformOf(
  {
    model: 'dual-active',
    services: ['web-a', 'web-b'],
    fleets: [
      fleetOf('workers-a', 'workers', { startMs: 90_000, site: { endpoint: 'namespace', identity: '^a-' } }),
      fleetOf('codec-a', 'codec'),
      fleetOf('workers-b', 'workers', { site: { standby: 2, endpoint: 'regional' } }),
    ],
    namespaces: [
      {
        ...tenants,
        name: 'a',
        namespaces: ['a1.abc12', 'a2.abc12'],
        home: EAST,
        fleets: ['workers-a', 'codec-a'],
        services: ['web-a'],
        externals: ['db'],
      },
      { ...tenants, name: 'b', namespaces: ['b1.abc12'], home: WEST, fleets: ['workers-b'], services: ['web-b'], externals: ['queue'] },
      { ...tenants, name: 'c', namespaces: ['c1.abc12'], home: EAST },
    ],
  },
  {},
);

// ---- the same with data tiers ----

/** A database with a pooler in each region, and a slot that standbys use in the first one. */
export const databaseOf = (name: string, over: Partial<DatabaseConfig> = {}): DatabaseConfig => ({
  name,
  sites: Object.fromEntries(
    [EAST, WEST].map((region) => [
      region,
      {
        system: `patroni-${region}`,
        sql: `pg-${region}`,
        poolers: [{ system: `pooler-${region}`, database: name }],
        address: `pg.${region}.example.net:5432`,
        ...(region === EAST ? { slot: 'standby' } : {}),
      },
    ]),
  ),
  services: [],
  lag: { maxMs: 30_000, maxBytes: 67_108_864, maxAgeMs: 30_000, onUnknown: 'ask' },
  fence: { rung: 'acknowledged', graceMs: 60_000 },
  ...over,
});

export const cacheOf = (name: string, policy: CacheConfig['policy']): CacheConfig => ({
  name,
  policy,
  sites: Object.fromEntries(
    [EAST, WEST].map((region) => [region, { system: `${name}-${region}`, address: `${name}.${region}.example.net:6379` }]),
  ),
});

const tiers = { databases: [databaseOf('orders')], caches: [cacheOf('pages', 'cache'), cacheOf('sessions', 'strict')] };

export const coldData: PlatformConfig = { ...cold, ...tiers };
export const hotData: PlatformConfig = { ...hot, ...tiers };
export const bothData: PlatformConfig = { ...both, ...tiers };

/** Its database is kept by a vendor, and written to once it has moved. */
export const coldManaged: PlatformConfig = {
  ...cold,
  managed: [
    {
      name: 'orders',
      vendor: 'aurora',
      sites: Object.fromEntries(
        [EAST, WEST].map((region) => [
          region,
          { system: `rds-${region}`, member: `arn:aws:rds:${region}:111122223333:cluster:orders`, sql: `pg-${region}` },
        ]),
      ),
    },
  ],
};

/** The database and the caches go with the first of the services, whose home is the first region. */
export const dualData: PlatformConfig = {
  ...dual,
  ...tiers,
  namespaces: dual.namespaces.map((entry) =>
    entry.name === 'a' ? { ...entry, databases: ['orders'], caches: ['pages', 'sessions'] } : entry,
  ),
};
