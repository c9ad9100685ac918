// Platforms at random, as far as a checked configuration allows them: names that look like parts of ids, fleets that are not in every region, shared resources.
import fc from 'fast-check';
import type { Move } from '../../../policies/policy.ts';
import { STEP_KINDS } from '../../../src/runbook/model.ts';
import {
  type CacheConfig,
  type DatabaseConfig,
  EXTERNAL_WHEN,
  type ExternalConfig,
  FENCE_RUNGS,
  FLEET_KINDS,
  type FleetConfig,
  type GateConfig,
  MODEL_KINDS,
  type ModelKind,
  type NamespacesConfig,
  type PlatformConfig,
} from '../../../src/runbook/platform.ts';

const NAMES = ['workers', 'codec', 'gate', 'call', 'route', 'scale', 'prearm', 'in-flight', 'turn', 'failover', 'a', 'b1', 'x-y'];
const REGIONS = ['us-east', 'eu-west', 'ap-south', 'sa-east'];

const names = (most: number) => fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: most });

/** `standbyMin`: Active/Hot has something running everywhere. */
const fleet = (name: string, regions: readonly string[], standbyMin: number): fc.Arbitrary<FleetConfig> =>
  fc
    .record({
      kind: fc.constantFrom(...FLEET_KINDS),
      startMs: fc.option(fc.integer({ min: 1, max: 300_000 }), { nil: undefined }),
      sites: fc.array(
        fc.record({
          there: fc.boolean(),
          replicas: fc.integer({ min: 1, max: 9 }),
          standby: fc.integer({ min: standbyMin, max: 3 }),
          check: fc.boolean(),
          identity: fc.boolean(),
        }),
        { minLength: regions.length, maxLength: regions.length },
      ),
    })
    .map(({ kind, startMs, sites }) => ({
      name,
      kind,
      ...(startMs === undefined ? {} : { startMs }),
      sites: Object.fromEntries(
        regions.flatMap((region, at) => {
          const site = sites[at];
          if (site === undefined || !site.there) return [];
          const { there: _, check, identity, ...counts } = site;
          return [
            [
              region,
              {
                system: `k8s-${region}`,
                namespace: 'app',
                deployment: `${name}-deployment`,
                ...counts,
                ...(check ? { check: `check-${name}` } : {}),
                ...(identity ? { identity: `^${name}-` } : {}),
              },
            ],
          ];
        }),
      ),
    }));

const byRegion = (regions: readonly string[], of: (region: string) => string): Record<string, string> =>
  Object.fromEntries(regions.map((region) => [region, of(region)]));

const some = (all: readonly string[]) => fc.option(fc.subarray([...all]), { nil: undefined });

const present = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };

const entry = (
  name: string,
  regions: readonly string[],
  own: Readonly<Record<'fleets' | 'services' | 'externals' | 'databases' | 'caches', readonly string[]>>,
): fc.Arbitrary<NamespacesConfig> =>
  fc
    .record({
      isCloud: fc.boolean(),
      namespaces: fc.integer({ min: 1, max: 5 }),
      parallel: fc.integer({ min: 1, max: 10 }),
      queues: fc.subarray(['q1', 'q2']),
      frontend: fc.option(
        fc.constantFrom(
          'frontend',
          byRegion(regions, (region) => `frontend-${region}`),
        ),
        { nil: undefined },
      ),
      home: fc.option(fc.constantFrom(...regions), { nil: undefined }),
      fleets: some(own.fleets),
      services: some(own.services),
      externals: some(own.externals),
      databases: some(own.databases),
      caches: some(own.caches),
    })
    .map(({ isCloud, namespaces, parallel, queues, ...rest }) => ({
      name,
      system: isCloud ? 'cloud' : byRegion(regions, (region) => `temporal-${region}`),
      namespaces: Array.from({ length: namespaces }, (_, i) => `${name}-${i}.ns`),
      places: byRegion(regions, (region) => `place-${region}`),
      parallel,
      stopAfter: 1,
      queues,
      ...present(rest),
    }));

const external = (name: string): fc.Arbitrary<ExternalConfig> =>
  fc.record({
    name: fc.constant(name),
    system: fc.constant(`hook-${name}`),
    when: fc.subarray([...EXTERNAL_WHEN], { minLength: 1 }),
    timeoutMs: fc.integer({ min: 1_000, max: 600_000 }),
    onFail: fc.constantFrom('stop', 'continue', 'ask'),
    waits: fc.boolean(),
  });

const gate = (name: string): fc.Arbitrary<GateConfig> =>
  fc.record({
    name: fc.constant(name),
    system: fc.constant('prometheus'),
    query: fc.constant('lag{from="$from",to="$to"}'),
    max: fc.constant(30),
    maxAgeMs: fc.constant(60_000),
    onUnknown: fc.constantFrom('stop', 'ask', 'proceed'),
    before: fc.constantFrom('promote', 'route'),
    blocks: fc.constantFrom('graceful', 'both'),
  });

const database = (name: string, regions: readonly string[]): fc.Arbitrary<DatabaseConfig> =>
  fc
    .record({
      poolers: fc.integer({ min: 0, max: 3 }),
      hasSlot: fc.boolean(),
      hasStonith: fc.boolean(),
      rung: fc.constantFrom(...FENCE_RUNGS),
      graceMs: fc.integer({ min: 1_000, max: 3_600_000 }),
      onUnknown: fc.constantFrom('stop' as const, 'ask' as const, 'proceed' as const),
    })
    .map(({ poolers, hasSlot, hasStonith, rung, graceMs, onUnknown }) => ({
      name,
      sites: Object.fromEntries(
        regions.map((region) => [
          region,
          {
            system: `patroni-${name}-${region}`,
            sql: `pg-${name}-${region}`,
            poolers: Array.from({ length: poolers }, (_, i) => ({ system: `pooler-${name}-${i}-${region}`, database: name })),
            address: `pg.${region}:5432`,
            ...(hasSlot ? { slot: 'standby' } : {}),
            ...(hasStonith ? { stonith: `power-${region}` } : {}),
          },
        ]),
      ),
      services: [],
      lag: { maxMs: 30_000, maxBytes: 1_048_576, maxAgeMs: 30_000, onUnknown },
      fence: { rung, graceMs },
    }));

const cache = (name: string, regions: readonly string[]): fc.Arbitrary<CacheConfig> =>
  fc.constantFrom('cache' as const, 'strict' as const).map((policy) => ({
    name,
    policy,
    sites: Object.fromEntries(regions.map((region) => [region, { system: `redis-${name}-${region}`, address: `${name}.${region}:6379` }])),
  }));

const each = <T>(all: readonly string[], of: (name: string) => fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> => fc.tuple(...all.map(of));

export const platforms = (kinds: readonly ModelKind[] = MODEL_KINDS): fc.Arbitrary<PlatformConfig> =>
  fc
    .record({
      model: fc.constantFrom(...kinds),
      regions: fc.uniqueArray(fc.constantFrom(...REGIONS), { minLength: 2, maxLength: 4 }),
      fleets: names(6),
      services: names(3),
      namespaces: names(4),
      externals: names(3),
      gates: names(3),
      databases: names(2),
      caches: names(2),
    })
    .chain(({ model, regions, fleets, services, namespaces, externals, gates, databases, caches }) =>
      fc.record({
        name: fc.constant('core'),
        model: fc.constant(model),
        regions: fc.constant(regions),
        services: fc.constant(services),
        trigger: fc.constant({ mode: 'auto' as const, holdMs: 10_000, prearm: true }),
        gates: each(gates, gate),
        approvals: fc.record({
          start: fc.constant(0 as const),
          steps: fc.dictionary(fc.constantFrom(...STEP_KINDS), fc.constantFrom(0 as const, 1 as const, 2 as const)),
          expireMs: fc.constant(600_000),
        }),
        failback: fc.constant({ kind: 'manual' as const }),
        fleets: each(fleets, (name) => fleet(name, regions, model === 'active-hot' ? 1 : 0)),
        namespaces: each(namespaces, (name) => entry(name, regions, { fleets, services, externals, databases, caches })),
        externals: each(externals, external),
        prearm: names(2),
        ...(databases.length === 0 ? {} : { databases: each(databases, (name) => database(name, regions)) }),
        ...(caches.length === 0 ? {} : { caches: each(caches, (name) => cache(name, regions)) }),
      }),
    );

/** A platform, and from where to where. */
export const moved = (
  kinds?: readonly ModelKind[],
  purposes: readonly Move['purpose'][] = ['failover', 'failback', 'drill', 'prearm'],
): fc.Arbitrary<{ platform: PlatformConfig; move: Move }> =>
  platforms(kinds).chain((platform) =>
    fc
      .record({ ends: fc.shuffledSubarray([...platform.regions], { minLength: 2, maxLength: 2 }), purpose: fc.constantFrom(...purposes) })
      .map(({ ends, purpose }) => ({ platform, move: { from: ends[0] ?? '', to: ends[1] ?? '', purpose } })),
  );
