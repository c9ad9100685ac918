// What a `cluster` line of a story means: the configuration, and the world it runs in.
import { parseDuration } from '../../src/config/fields.ts';
import type { ClusterConfig, Policy, PoolConfig, ServiceConfig } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf, type WorldOptions } from '../world.ts';

export type Named = Readonly<Record<string, string>>;

export const duration = (text: string): number => {
  const ms = parseDuration(text);
  if (ms === null) throw new Error(`"${text}" is no duration such as 500ms, 5s, 10m`);
  return ms;
};

/** `5ms..80ms`, or one duration for both. */
export const spanOf = (text: string): readonly [number, number] => {
  const [from = '', to = from] = text.split('..');
  return [duration(from), duration(to)];
};

/** Keys of the line that say what the world is like; all others are the configuration's. */
const WORLDLY = [
  'replicas',
  'old',
  'seed',
  'whole',
  'signed',
  'fencing',
  'delay',
  'lost',
  'late',
  'provider',
  'rate',
  'skew',
  'paths',
  'batch',
  'receipts',
  'canary',
  'drill',
  'rules',
  'runbooks',
  'watched',
] as const;

const POLICY_NUMBERS: readonly (keyof Policy)[] = ['latchAfter', 'faults'];

export const clusterFrom = (named: Named, version: number): ClusterConfig => {
  const {
    regions = 'a,b,c',
    services,
    count,
    weights,
    steering = 'weighted',
    mode = 'auto',
    targets = '1',
    alldown = 'hold',
    vote,
    anchors = '0',
    cut,
    ...rest
  } = named;
  const policy = Object.fromEntries(Object.entries(rest).filter(([key]) => !(WORLDLY as readonly string[]).includes(key)));
  const names = regions.split(',');
  const list = weights?.split(',').map(Number) ?? names.map(() => 1);
  const wanted =
    count === undefined
      ? (services ?? 'web').split(',')
      : Array.from({ length: Number(count) }, (_, i) => `svc-${String(i + 1).padStart(2, '0')}`);
  const pooled = names.filter((_, i) => (list[i] ?? -1) >= 0);
  const service = (name: string): ServiceConfig =>
    serviceOf(names, {
      name,
      mode: mode as ServiceConfig['mode'],
      ...(named.paths === '2' ? { also: ['second'] } : {}),
      steering: { kind: steering },
      allDown: alldown as ServiceConfig['allDown'],
      pools: pooled.map((region, i) => poolOf(region, list[names.indexOf(region)] ?? 1, i, Number(targets))),
    });
  const overrides = Object.entries(policy).map(([key, value]): [string, number] => [
    POLICY_NUMBERS.includes(key as keyof Policy) ? key : `${key}Ms`,
    POLICY_NUMBERS.includes(key as keyof Policy) ? Number(value) : duration(value),
  ]);
  const cluster = clusterOf(names, [], Object.fromEntries(overrides));
  const voters = vote?.split(',') ?? names;
  const { gray } = cluster.policy;
  const policyWith = cut === undefined || gray == null ? cluster.policy : { ...cluster.policy, gray: { ...gray, cut: Number(cut) } };
  const whole = {
    ...cluster,
    version,
    policy: policyWith,
    regions: cluster.regions.map((r) => ({ ...r, vote: voters.includes(r.name), anchors: anchorsOf(Number(anchors)) })),
    services: wanted.map(service),
  };
  return named.rules === undefined ? whole : withRules(whole, named.rules.replaceAll('_', ' '));
};

/** With further safety rules, and with what its services have to bear. */
export const withRules = (cluster: ClusterConfig, text: string): ClusterConfig => {
  const { load, capacities, ...safety } = JSON.parse(text) as {
    load?: number;
    capacities?: Record<string, number>;
  } & ClusterConfig['policy']['safety'];
  const poolWith = (pool: PoolConfig): PoolConfig => {
    const capacity = capacities?.[pool.name];
    return capacity === undefined ? pool : { ...pool, capacity };
  };
  return {
    ...cluster,
    policy: { ...cluster.policy, safety: { ...cluster.policy.safety, ...safety } },
    services: cluster.services.map((s) => ({ ...s, ...(load === undefined ? {} : { load }), pools: s.pools.map(poolWith) })),
  };
};

const anchorsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `tcp://anchor-${i + 1}:443`);

/** The world that a line describes; what it leaves out is as calm as can be. */
export const optionsFrom = (named: Named): WorldOptions => ({
  cluster: clusterFrom(named, 1),
  seed: named.seed ?? 1,
  replicas: (named.replicas ?? '1').split(',').map(Number),
  old: named.old?.split(',') ?? [],
  ...(named.delay === undefined && named.lost === undefined && named.late === undefined
    ? {}
    : { weather: { delayMs: spanOf(named.delay ?? '20ms'), lost: Number(named.lost ?? 0), late: Number(named.late ?? 0) } }),
  ...(named.provider === undefined ? {} : { providerDelayMs: spanOf(named.provider) }),
  ...(named.fencing === undefined ? {} : { fencing: named.fencing as 'conditional' | 'marker' | 'none' }),
  ...(named.rate === undefined && named.skew === undefined
    ? {}
    : { clocks: { rate: Number(named.rate ?? 0), skewMs: duration(named.skew ?? '0ms') } }),
  ...(named.paths === '2' ? { paths: 2 } : {}),
  ...(named.batch === undefined ? {} : { batchMax: Number(named.batch) }),
  ...(named.receipts === 'yes' ? { receipts: true } : named.receipts === 'late' ? { receipts: 'late' as const } : {}),
  ...(named.canary === undefined ? {} : { canaryMs: duration(named.canary) }),
  ...(named.drill === undefined ? {} : { canaryMs: duration(named.drill), drills: true }),
  whole: named.whole === 'yes',
  signed: named.signed === 'yes',
});
