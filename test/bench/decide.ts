// What one turn of the core costs: tally and decide over many targets and five vantages, while a fifth of the targets is down (the expensive case) and
// while nothing is. The reference parses the same votes from JSON, which every real turn must do anyway.
import { decide } from '../../src/decide/decide.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import type { Heard } from '../../src/health/chamber.ts';
import type { ClusterConfig, EndpointKey, Routing, Suspicion } from '../../src/model.ts';
import { endpointKey, targetId } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { exponent, quantile } from './numbers.ts';

const REGIONS = ['a', 'b', 'c', 'd', 'e'];
const SIZES = [1000, 3000, 10_000, 30_000, 100_000];
const GOAL_TARGETS = 10_000;
const GOAL_P99_MS = 10;
const GOAL_EXPONENT = 1.1;
const ROUNDS = 200;
const SUSPECTS_MAX = 256;

/** 50 services of five pools; the targets are spread evenly over the pools. */
const clusterWith = (targets: number): ClusterConfig => {
  const perPool = Math.max(1, Math.round(targets / (50 * REGIONS.length)));
  const services = Array.from({ length: 50 }, (_, i) =>
    serviceOf(REGIONS, { name: `svc-${i}`, pools: REGIONS.map((region, p) => poolOf(region, 1, p, perPool)) }),
  );
  return { ...clusterOf(REGIONS, []), services };
};

const heardOf = (cluster: ClusterConfig, down: boolean): readonly Heard[] => {
  const ids = cluster.services
    .flatMap((s) => s.pools.filter((p) => p.region === 'a').flatMap((p) => p.targets.map((t) => targetId(s.name, p.name, t.name))))
    .sort();
  const lost = down ? ids : [];
  const suspects: Record<EndpointKey, Suspicion> = Object.fromEntries(
    lost
      .slice(0, SUSPECTS_MAX)
      .map((id) => [endpointKey(id, 'healthz'), { firstFaultAgeMs: 4000, lastOkAgeMs: 6000, faults: 5, reason: 'timeout' as const }]),
  );
  return REGIONS.map((region) => ({
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
}

const cpuNowMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
const switchesNow = (): number => process.resourceUsage().involuntaryContextSwitches;

/** On a machine with neighbours most rounds are disturbed: goes on until there are as many others as asked for, within ten times as many. */
const timed = (work: () => unknown, rounds: number): Cost => {
  const wallMs: number[] = [];
  const undisturbedMs: number[] = [];
  const cpuAtMs = cpuNowMs();
  while (undisturbedMs.length < rounds && wallMs.length < rounds * 10) {
    const [switches, atMs] = [switchesNow(), performance.now()];
    work();
    const tookMs = performance.now() - atMs;
    wallMs.push(tookMs);
    if (switchesNow() === switches) undisturbedMs.push(tookMs);
  }
  return { wallMs, undisturbedMs, cpuMeanMs: (cpuNowMs() - cpuAtMs) / wallMs.length };
};

const measure = (targets: number) => {
  const cluster = clusterWith(targets);
  const quietVotes = heardOf(cluster, false);
  const dyingVotes = heardOf(cluster, true);
  const routing = decide(snapshotOf(cluster, quietVotes, null), 1000).next?.routing ?? null;
  const rounds = targets > GOAL_TARGETS ? ROUNDS / 4 : ROUNDS;
  const text = JSON.stringify(dyingVotes);
  timed(() => decide(snapshotOf(cluster, dyingVotes, routing), 10_000), 20);
  const quiet = timed(() => decide(snapshotOf(cluster, quietVotes, routing), 10_000), rounds);
  const dying = timed(() => decide(snapshotOf(cluster, dyingVotes, routing), 10_000), rounds);
  const parse = timed(() => JSON.parse(text), rounds);
  return {
    targets: cluster.services.reduce((n, each) => n + each.pools.reduce((m, p) => m + p.targets.length, 0), 0),
    quietP50Ms: quantile(quiet.wallMs, 0.5),
    regionDiesP50Ms: quantile(dying.wallMs, 0.5),
    regionDiesP99Ms: quantile(dying.wallMs, 0.99),
    undisturbedP99Ms: quantile(dying.undisturbedMs, 0.99),
    cpuMeanMs: dying.cpuMeanMs,
    parseVotesP50Ms: quantile(parse.wallMs, 0.5),
    timesParse: quantile(dying.wallMs, 0.5) / quantile(parse.wallMs, 0.5),
  };
};

export const benchDecide = async () => {
  const rows = SIZES.map(measure);
  const growth = exponent(rows.map((r) => [r.targets, r.regionDiesP50Ms]));
  const goal = rows.find((r) => r.targets === GOAL_TARGETS);
  const met = goal !== undefined && goal.undisturbedP99Ms <= GOAL_P99_MS && growth <= GOAL_EXPONENT;
  const last = { targets: 'growth exponent', quietP50Ms: exponent(rows.map((r) => [r.targets, r.quietP50Ms])), regionDiesP50Ms: growth };
  return { goals: { undisturbedP99MsAt10kTargets: GOAL_P99_MS, growthExponentMax: GOAL_EXPONENT }, met, rows: [...rows, last] };
};
