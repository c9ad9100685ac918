// A production vantage of three regions, in a process of its own: every target has two endpoints, those of one region answer at another port than the rest.
// Run by mass.ts: answers each message with what it has seen since the one before.
import { setTimeout as sleep } from 'node:timers/promises';
import { policyOf } from '../../../src/config/defaults.ts';
import type { PoolConfig, ProbeSpec } from '../../../src/model.ts';
import { realPorts } from '../../../src/ports.ts';
import { probe } from '../../../src/probe/index.ts';
import type { ProbeContext } from '../../../src/probe/kind.ts';
import { createVantage } from '../../../src/probe/vantage.ts';
import { openEmbedded } from '../../../src/store/embedded.ts';
import { clusterOf, serviceOf, silentLog } from '../../world/clusters.ts';
import { quantile } from '../numbers.ts';
import { addressOf } from './targets.ts';

export interface MassJob {
  targets: number;
  intervalMs: number;
  ports: readonly [number, number];
}

export interface MassReport {
  looksAtHealthy: number;
  healthyLateP50Ms: number;
  healthyLateP99Ms: number;
  healthyLateMaxMs: number;
  /** Looks at healthy targets that were not made, or not believed. */
  healthyLost: number;
  /** Looks at healthy targets that saw a fault. */
  healthyFaults: number;
  /** Longest wait of the event loop, p99. */
  loopP99Ms: number;
  /** Of the vote since the last report: targets held down, and the longest the vantage abstained. */
  heldDown: number;
  abstainedMs: number;
}

/** All of the pool's targets with this region dead is the largest thing that happens at once. */
const REGIONS = ['here', 'there', 'dying'] as const;

const job = JSON.parse(process.argv[2] ?? '') as MassJob;
const ports = realPorts();
const perPool = Math.floor(job.targets / REGIONS.length);

const poolOf = (region: (typeof REGIONS)[number], index: number): PoolConfig => ({
  name: region,
  region,
  weight: 1,
  minUp: 1,
  answers: ['192.0.2.1'],
  targets: Array.from({ length: perPool }, (_, i) => {
    const host = `${addressOf(index * perPool + i)}:${job.ports[region === 'dying' ? 1 : 0]}`;
    const at = (path: string): ProbeSpec => ({ kind: 'http', url: `http://${host}${path}`, status: [[200, 299]] });
    return { name: `t${i}`, from: 'all', healthz: at('/healthz'), readyz: at('/readyz') };
  }),
});

const policy = policyOf({ interval: job.intervalMs });
const context: ProbeContext = {
  ports,
  resolve: () => Promise.reject(new Error('the bench uses addresses')),
  timeoutMs: policy.timeoutMs,
  connectTimeoutMs: policy.connectTimeoutMs,
  userAgent: 'tidegate-probe/bench',
  tlsContext: () => {
    throw new Error('the bench uses plain HTTP');
  },
};

let late: number[] = [];
let [healthyLost, healthyFaults, abstainedMs] = [0, 0, 0];
let abstainsSinceMs: number | null = null;
const loop = ports.loopDelay();

const vantage = createVantage({
  ports,
  store: openEmbedded({ file: ':memory:', ports }),
  log: silentLog,
  region: 'here',
  replica: 'a',
  boot: 'b1',
  look: (spec, _cluster, signal) => probe(spec, context, signal),
  onLook(key, _spec, outcome, lateByMs) {
    if (key.includes('/dying/')) return;
    late.push(lateByMs);
    if (outcome.saw === 'nothing') healthyLost += 1;
    if (outcome.saw === 'fault') healthyFaults += 1;
  },
  onVote({ self }) {
    const nowMs = ports.clock.monoMs();
    if (abstainsSinceMs !== null) abstainedMs += nowMs - abstainsSinceMs;
    abstainsSinceMs = self.state === 'abstain' ? nowMs : null;
  },
});
const cluster = clusterOf([...REGIONS], []);
vantage.configure({
  ...cluster,
  policy,
  services: [serviceOf([...REGIONS], { name: 'web.example.com', pools: REGIONS.map(poolOf) })],
});

// A process that runs gives facts of itself every two seconds, and abstains by what they say.
let loopP99Ms = 0;
setInterval(() => {
  const p99Ms = loop.p99Ms();
  loopP99Ms = Math.max(loopP99Ms, p99Ms);
  vantage.facts({ anchorsConfigured: 0, anchorsUnreachable: [], loopDelayP99Ms: p99Ms });
}, 2000);

const report = (): MassReport => {
  const nowMs = ports.clock.monoMs();
  if (abstainsSinceMs !== null) abstainedMs += nowMs - abstainsSinceMs;
  const [healthyLateP50Ms = 0, healthyLateP99Ms = 0, healthyLateMaxMs = 0] = [0.5, 0.99, 1].map((q) => quantile(late, q));
  const told: MassReport = {
    looksAtHealthy: late.length,
    healthyLateP50Ms,
    healthyLateP99Ms,
    healthyLateMaxMs,
    healthyLost,
    healthyFaults,
    loopP99Ms,
    heldDown: vantage.vote()?.down.length ?? 0,
    abstainedMs: Math.round(abstainedMs),
  };
  late = [];
  [healthyLost, healthyFaults, abstainedMs, loopP99Ms] = [0, 0, 0, 0];
  if (abstainsSinceMs !== null) abstainsSinceMs = nowMs;
  return told;
};

// Warm: every endpoint has had its looks, and the vote says so. A process that starts is late, and abstains for a while.
const isWarm = (): boolean => vantage.vote()?.unknown.length === 0 && vantage.vote()?.self.state === 'ok';
while (!isWarm()) await sleep(100);
report();
process.on('message', () => process.send?.(report()));
process.on('disconnect', () => process.exit(0));
process.send?.('warm');
