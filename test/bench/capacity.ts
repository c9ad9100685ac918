// What a cluster of a size takes of everything: looks per second, the records that pass through the store, a decision. No network and no store: bytes are
// those of the production records, times those of the production core. The cost of a look is measured in the same run by the probe engine on this machine.
// `looksFrom`: all regions, or five of them per target, which is what `from` in the file is for.
import { decide } from '../../src/decide/decide.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import type { Heard } from '../../src/health/chamber.ts';
import { type ClusterConfig, targetId } from '../../src/model.ts';
import { VALUE_BYTES_MAX } from '../../src/store/store.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { quantile } from './numbers.ts';
import { cpuSPer1000Looks } from './probe.ts';

const SIZES: readonly (readonly [targets: number, regions: number])[] = [
  [200, 3],
  [2000, 5],
  [10_000, 5],
  [10_000, 20],
  [20_000, 20],
  [40_000, 20],
  [100_000, 20],
];
const SERVICES = 50;
const INTERVAL_S = 5;
const ENDPOINTS = 2;
const LOOKERS = 5;
const ROUNDS = 20;
const RECORD_MB_MAX = VALUE_BYTES_MAX / 1e6;

const namesOf = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `region-${String(i + 1).padStart(2, '0')}`);

const clusterWith = (targets: number, names: readonly string[]): ClusterConfig => {
  const services = Math.min(SERVICES, Math.ceil(targets / names.length));
  const perPool = Math.round(targets / (services * names.length));
  return {
    ...clusterOf([...names], []),
    services: Array.from({ length: services }, (_, i) =>
      serviceOf([...names], { name: `service-${i}.example.com`, pools: names.map((region, p) => poolOf(region, 1, p, perPool)) }),
    ),
  };
};

/** Every vantage holds every target of one region down: the largest votes there are, as long as only one region dies. */
const heardOf = (cluster: ClusterConfig, names: readonly string[]): readonly Heard[] => {
  const lost = cluster.services.flatMap((service) =>
    service.pools
      .filter(({ region }) => region === names[0])
      .flatMap((pool) => pool.targets.map(({ name }) => targetId(service.name, pool.name, name))),
  );
  return names.map((region) => ({
    region,
    replica: 'a',
    key: `vote/${region}/a`,
    vote: {
      boot: 'x',
      seq: 1,
      configVersion: cluster.version,
      self: { state: 'ok' },
      peers: ['a'],
      down: lost.toSorted(),
      unready: lost.toSorted(),
      unknown: [],
    },
    beat: { boot: 'x', seq: 1, n: 1, configVersion: cluster.version, suspects: {}, loopDelayMs: 0, wallMs: 0 },
    ageMs: 500,
  }));
};

const megabytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value)) / 1e6;

const measure = (targets: number, regions: number, cpuSPer1000: number) => {
  const names = namesOf(regions);
  const cluster = clusterWith(targets, names);
  const all = cluster.services.reduce((sum, { pools }) => sum + pools.reduce((n, pool) => n + pool.targets.length, 0), 0);
  const heard = heardOf(cluster, names);
  const snapshot: Snapshot = { cluster, routing: null, overrides: null, heard, incidents: [], epoch: 1, by: 'a/a', nonce: 'n' };
  const routing = decide(snapshot, 1000).next?.routing ?? null;
  const tookMs = Array.from({ length: ROUNDS }, () => {
    const atMs = performance.now();
    decide({ ...snapshot, routing }, 10_000);
    return performance.now() - atMs;
  });
  const looksPerS = (all * ENDPOINTS) / INTERVAL_S;
  const cores = (from: number): number => (looksPerS * from * cpuSPer1000) / (1000 * regions);
  return {
    targets: all,
    regions,
    looksPerSAll: looksPerS,
    coresPerRegionAll: cores(regions),
    coresPerRegionFrom5: cores(Math.min(LOOKERS, regions)),
    membersMB: megabytes(cluster),
    routingMB: megabytes(routing),
    voteOfDeathKB: 1000 * megabytes(heard[0]?.vote),
    votesOfDeathMB: megabytes(heard.map(({ vote }) => vote)),
    decideP50Ms: quantile(tookMs, 0.5),
  };
};

export const benchCapacity = async (_: BenchOptions): Promise<Bench> => {
  const cpuSPer1000 = await cpuSPer1000Looks();
  const rows = SIZES.map(([targets, regions]) => measure(targets, regions, cpuSPer1000));
  const fits = rows.filter(({ membersMB }) => membersMB < RECORD_MB_MAX).at(-1);
  return {
    goals: {},
    met: rows.every(({ decideP50Ms }) => Number.isFinite(decideP50Ms)),
    rows,
    notes: [
      `a look takes ${cpuSPer1000.toFixed(2)} ms of CPU on this machine; every ${INTERVAL_S} s, ${ENDPOINTS} endpoints`,
      `one record of a store takes ${RECORD_MB_MAX.toFixed(2)} MB at most: the configuration of ${fits?.targets} targets in ${fits?.regions} regions fits, the next does not`,
    ],
  };
};
