// What one turn of the core costs: tally and decide over many targets and 3 to 20 vantages, while the targets of one region are down (the expensive case) and
// while nothing is; and what it allocates. The reference parses the same votes from JSON, which every real turn must do anyway. Then the whole path on a
// real etcd: from the last vote that a majority needs to the provider's first byte (decide/path.ts).
import { getHeapStatistics } from 'node:v8';
import { decide } from '../../src/decide/decide.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import type { Heard } from '../../src/health/chamber.ts';
import type { ClusterConfig, EndpointKey, Routing, Suspicion } from '../../src/model.ts';
import { endpointKey, targetId } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { measurePath } from './decide/path.ts';
import { exponent, quantile, watchWaiting } from './numbers.ts';

const VANTAGES = [3, 5, 10, 20];
const SIZES = [100, 1000, 10_000, 100_000];
const SERVICES = 50;
/** Where the goal of time is measured. */
const GOAL_AT = { targets: 10_000, vantages: 5 };
const GOAL_P99_MS = 10;
const GOAL_EXPONENT = 1.1;
const GOAL_PATH_P99_MS = 250;
const ROUNDS = 100;
const WARM_UP = 10;
const SUSPECTS_MAX = 256;

const namesOf = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `region-${String(n + 1).padStart(2, '0')}`);

/** Up to 50 services with a pool in each region; the targets are spread evenly over the pools. */
const clusterWith = (targets: number, regions: readonly string[]): ClusterConfig => {
  const services = Math.min(SERVICES, Math.max(1, Math.round(targets / regions.length)));
  const perPool = Math.max(1, Math.round(targets / (services * regions.length)));
  return {
    ...clusterOf([...regions], []),
    services: Array.from({ length: services }, (_, i) =>
      serviceOf([...regions], { name: `svc-${i}`, pools: regions.map((region, p) => poolOf(region, 1, p, perPool)) }),
    ),
  };
};

const heardOf = (cluster: ClusterConfig, down: boolean): readonly Heard[] => {
  const regions = cluster.regions.map(({ name }) => name);
  const ids = cluster.services
    .flatMap((s) => s.pools.filter((p) => p.region === regions[0]).flatMap((p) => p.targets.map((t) => targetId(s.name, p.name, t.name))))
    .sort();
  const lost = down ? ids : [];
  const suspects: Record<EndpointKey, Suspicion> = Object.fromEntries(
    lost
      .slice(0, SUSPECTS_MAX)
      .map((id) => [endpointKey(id, 'healthz'), { firstFaultAgeMs: 4000, lastOkAgeMs: 6000, faults: 5, reason: 'timeout' as const }]),
  );
  return regions.map((region) => ({
    region,
    replica: 'a',
    key: `vote/${region}/a`,
    vote: {
      boot: 'x',
      seq: 1,
      configVersion: cluster.version,
      self: { state: 'ok' },
      peers: ['a'],
      down: lost,
      unready: lost,
      unknown: [],
    },
    beat: { boot: 'x', seq: 1, n: 1, configVersion: cluster.version, suspects, loopDelayMs: 0, wallMs: 0 },
    ageMs: 500,
  }));
};

const snapshotOf = (cluster: ClusterConfig, heard: readonly Heard[], routing: Routing | null): Snapshot => ({
  cluster,
  routing,
  overrides: null,
  heard,
  incidents: [],
  epoch: 1,
  by: 'a/a',
  nonce: 'n',
});

interface Cost {
  wallMs: readonly number[];
  /** Wall time of those rounds in which the machine took the processor from none of this process's threads: that is what they cost, pauses of the collector too. */
  undisturbedMs: readonly number[];
  /** CPU time of this thread per round. Only a mean: many kernels count it in ticks of 4 ms, which says nothing of one round. */
  cpuMeanMs: number;
  /** On the heap, per round; the runtime counts it, whatever the collector does. */
  kilobytes: number;
}

const cpuNowMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
const allocatedNow = (): number => (getHeapStatistics() as { total_allocated_bytes?: number }).total_allocated_bytes ?? Number.NaN;
const switchesNow = (): number => process.resourceUsage().involuntaryContextSwitches;

/** On a machine with neighbours most rounds are disturbed: goes on until there are as many others as asked for, within four times as many. */
const timed = (work: () => unknown, rounds: number): Cost => {
  const wallMs: number[] = [];
  const undisturbedMs: number[] = [];
  const cpuAtMs = cpuNowMs();
  const allocated = allocatedNow();
  while (undisturbedMs.length < rounds && wallMs.length < rounds * 4) {
    const [switches, atMs] = [switchesNow(), performance.now()];
    work();
    const tookMs = performance.now() - atMs;
    wallMs.push(tookMs);
    if (switchesNow() === switches) undisturbedMs.push(tookMs);
  }
  const kilobytes = (allocatedNow() - allocated) / 1000 / wallMs.length;
  return { wallMs, undisturbedMs, cpuMeanMs: (cpuNowMs() - cpuAtMs) / wallMs.length, kilobytes };
};

const measure = (targets: number, vantages: number, rounds: number) => {
  const cluster = clusterWith(targets, namesOf(vantages));
  const quietVotes = heardOf(cluster, false);
  const dyingVotes = heardOf(cluster, true);
  const routing = decide(snapshotOf(cluster, quietVotes, null), 1000).next?.routing ?? null;
  const text = JSON.stringify(dyingVotes);
  const turn = (heard: readonly Heard[]) => () => decide(snapshotOf(cluster, heard, routing), 10_000);
  for (const heard of [quietVotes, dyingVotes]) timed(turn(heard), WARM_UP);
  const quiet = timed(turn(quietVotes), rounds);
  const dying = timed(turn(dyingVotes), rounds);
  const parse = timed(() => JSON.parse(text), rounds);
  return {
    targets: cluster.services.reduce((n, each) => n + each.pools.reduce((m, p) => m + p.targets.length, 0), 0),
    vantages,
    quietP50Ms: quantile(quiet.wallMs, 0.5),
    quietKB: quiet.kilobytes,
    regionDiesP50Ms: quantile(dying.wallMs, 0.5),
    regionDiesP99Ms: quantile(dying.wallMs, 0.99),
    undisturbedP99Ms: quantile(dying.undisturbedMs, 0.99),
    regionDiesKB: dying.kilobytes,
    cpuMeanMs: dying.cpuMeanMs,
    parseVotesP50Ms: quantile(parse.wallMs, 0.5),
    timesParse: quantile(dying.wallMs, 0.5) / quantile(parse.wallMs, 0.5),
  };
};

type Row = ReturnType<typeof measure>;

/** How time grows: with the targets of each number of vantages, and with the two multiplied over all rows. The two largest sizes by themselves, since what is
 * the same for every size hides growth in a fit over all. */
const growthOf = (rows: readonly Row[]): readonly { over: string; quiet: number; regionDies: number }[] => {
  const fit = (over: string, some: readonly Row[], x: (row: Row) => number) => ({
    over,
    quiet: exponent(some.map((row) => [x(row), row.quietP50Ms])),
    regionDies: exponent(some.map((row) => [x(row), row.regionDiesP50Ms])),
  });
  return [
    ...VANTAGES.flatMap((vantages) => {
      const some = rows.filter((row) => row.vantages === vantages);
      return [
        fit(`targets, ${vantages} vantages`, some, ({ targets }) => targets),
        fit(`targets, ${vantages} vantages, the largest two`, some.slice(-2), ({ targets }) => targets),
      ];
    }),
    fit('targets times vantages', rows, (row) => row.targets * row.vantages),
  ];
};

export const benchDecide = async ({ quick, trials }: BenchOptions): Promise<Bench> => {
  const waited = watchWaiting();
  const rounds = quick ? ROUNDS / 10 : ROUNDS;
  const rows = VANTAGES.flatMap((vantages) =>
    SIZES.map((targets) => measure(targets, vantages, targets > GOAL_AT.targets ? rounds / 4 : rounds)),
  );
  const growth = growthOf(rows);
  const goal = rows.find((row) => row.targets === GOAL_AT.targets && row.vantages === GOAL_AT.vantages);
  const path = await measurePath(trials ?? (quick ? 5 : 40));
  return {
    goals: { undisturbedP99MsAt10kTargets: GOAL_P99_MS, growthExponentMax: GOAL_EXPONENT, pathP99Ms: GOAL_PATH_P99_MS },
    met:
      goal !== undefined &&
      goal.undisturbedP99Ms <= GOAL_P99_MS &&
      growth.every(({ quiet, regionDies }) => quiet <= GOAL_EXPONENT && regionDies <= GOAL_EXPONENT) &&
      path.p99Ms <= GOAL_PATH_P99_MS,
    rows,
    tables: [growth, path.rows],
    notes: [...path.notes, waited()],
  };
};
