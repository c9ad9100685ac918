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

const timed = (work: () => unknown, rounds: number): readonly number[] =>
  Array.from({ length: rounds }, () => {
    const startedAtMs = performance.now();
    work();
    return performance.now() - startedAtMs;
  });

const measure = (targets: number) => {
  const cluster = clusterWith(targets);
  const quiet = heardOf(cluster, false);
  const dying = heardOf(cluster, true);
  const routing = decide(snapshotOf(cluster, quiet, null), 1000).next?.routing ?? null;
  const rounds = targets > GOAL_TARGETS ? ROUNDS / 4 : ROUNDS;
  const text = JSON.stringify(dying);
  timed(() => decide(snapshotOf(cluster, dying, routing), 10_000), 20);
  const quietMs = timed(() => decide(snapshotOf(cluster, quiet, routing), 10_000), rounds);
  const dyingMs = timed(() => decide(snapshotOf(cluster, dying, routing), 10_000), rounds);
  const parseMs = timed(() => JSON.parse(text), rounds);
  return {
    targets: cluster.services.reduce((n, s) => n + s.pools.reduce((m, p) => m + p.targets.length, 0), 0),
    quietP50Ms: quantile(quietMs, 0.5),
    quietP99Ms: quantile(quietMs, 0.99),
    regionDiesP50Ms: quantile(dyingMs, 0.5),
    regionDiesP99Ms: quantile(dyingMs, 0.99),
    parseVotesP50Ms: quantile(parseMs, 0.5),
    timesParse: quantile(dyingMs, 0.5) / quantile(parseMs, 0.5),
  };
};

export const benchDecide = async () => {
  const rows = SIZES.map(measure);
  const growth = exponent(rows.map((r) => [r.targets, r.regionDiesP50Ms]));
  const goal = rows.find((r) => r.targets === GOAL_TARGETS);
  const met = goal !== undefined && goal.regionDiesP99Ms <= GOAL_P99_MS && growth <= GOAL_EXPONENT;
  return {
    goals: { p99MsAt10kTargets: GOAL_P99_MS, growthExponentMax: GOAL_EXPONENT },
    met,
    rows: [
      ...rows,
      {
        targets: 'growth exponent',
        quietP50Ms: exponent(rows.map((r) => [r.targets, r.quietP50Ms])),
        quietP99Ms: '',
        regionDiesP50Ms: growth,
        regionDiesP99Ms: '',
        parseVotesP50Ms: '',
        timesParse: '',
      },
    ],
  };
};
