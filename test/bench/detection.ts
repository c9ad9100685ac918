// How soon a fault becomes a committed decision. Many trials on virtual time (the production code, seeded), and a few in life: real sockets, real
// schedule, real store, in one process. The reference is what a single health checker with three strikes would need for the very same faults.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { faultsFor, quorumOf } from '../../src/health/timing.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { realPorts, sleep } from '../../src/ports.ts';
import { probe } from '../../src/probe/index.ts';
import { createReplica } from '../../src/replica.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { memoryProvider } from '../memory-provider.ts';
import { seededRandom } from '../virtual.ts';
import { clusterOf, type Health, silentLog, World } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { reactionMs } from './false-drains/reaction.ts';
import { oneTarget } from './false-drains.ts';
import { quantile } from './numbers.ts';

const VIRTUAL_TRIALS = 2000;
const REAL_TRIALS = 20;
const GOAL_P99_MS = 10_000;
const LIMIT_MS = 60_000;
const WARM_MS = 25_000;

interface Row {
  trials: string;
  n: number;
  p50S: number;
  p99S: number;
  maxS: number;
  threeStrikesP50S: number;
  timesFaster: number;
}

export interface Kind {
  name: string;
  health: Health;
  /** The region's own replica dies with it, the coordinator too if it is there. */
  losesReplica: 'no' | 'yes' | 'coordinator';
}

export const KINDS: readonly Kind[] = [
  { name: 'silent drop, replica too', health: 'hang', losesReplica: 'yes' },
  { name: 'silent drop, coordinator too', health: 'hang', losesReplica: 'coordinator' },
  { name: 'connection refused', health: 'refuse', losesReplica: 'no' },
  { name: 'status 503', health: 'error', losesReplica: 'no' },
];

const REGIONS = ['a', 'b', 'c'];

/** One checker, one look every 5 s, three failures in a row, the same timeout. `phaseMs`: from the fault to its next look. */
const threeStrikesMs = (phaseMs: number, health: Health): number => phaseMs + 2 * 5000 + (health === 'hang' ? 2000 : 20);

/** One fault on virtual time: until the committed decision, and what three strikes would have needed. */
export const trial = async (kind: Kind, seed: number, regions = REGIONS): Promise<{ ms: number; referenceMs: number }> => {
  const random = seededRandom(`detection ${seed}`);
  let decidedAtMs: number | null = null;
  let faultAtMs = Number.POSITIVE_INFINITY;
  const world = new World(
    { cluster: clusterOf(regions, [{}]), seed, storeDelayMs: 5 + Math.floor(random.unit() * 50) },
    {
      decision: (atMs, _routing, changes) => (decidedAtMs = atMs >= faultAtMs && changes.length > 0 ? (decidedAtMs ?? atMs) : decidedAtMs),
    },
  );
  try {
    await world.start();
    await world.run(WARM_MS + random.unit() * 5000);
    const victim =
      kind.losesReplica === 'coordinator' ? (world.coordinator() ?? 'a') : (regions[Math.floor(random.unit() * regions.length)] ?? 'a');
    faultAtMs = world.now();
    world.health(victim, ['healthz', 'readyz'], kind.health);
    if (kind.losesReplica !== 'no') world.kill(victim);
    await world.virtual.advanceUntil(() => decidedAtMs !== null, LIMIT_MS);
    return { ms: (decidedAtMs ?? Number.NaN) - faultAtMs, referenceMs: threeStrikesMs(random.unit() * 5000, kind.health) };
  } finally {
    await world.close();
  }
};

const row = (trials: string, ms: readonly number[], reference: readonly number[]): Row => ({
  trials,
  n: ms.length,
  p50S: quantile(ms, 0.5) / 1000,
  p99S: quantile(ms, 0.99) / 1000,
  maxS: Math.max(...ms) / 1000,
  threeStrikesP50S: quantile(reference, 0.5) / 1000,
  timesFaster: quantile(reference, 0.5) / quantile(ms, 0.5),
});

const virtualRow = async (kind: Kind): Promise<Row> => {
  const results: { ms: number; referenceMs: number }[] = [];
  for (let i = 0; i < VIRTUAL_TRIALS / KINDS.length; i++) results.push(await trial(kind, i));
  return row(
    `virtual: ${kind.name}`,
    results.map((r) => r.ms),
    results.map((r) => r.referenceMs),
  );
};

// ---- in life ----

/** A small cluster of its own: three vantages in this process, three real HTTP targets, one of which falls silent at a random moment. */
const realTrial = async (index: number): Promise<number> => {
  const ports = realPorts();
  const random = seededRandom(`real ${index}`);
  const store = openEmbedded({ file: ':memory:', ports });
  let silent = false;
  const targets = await Promise.all(
    REGIONS.map(async (_, i) => {
      const server = http.createServer((_request, response) => {
        if (!(silent && i === 0)) response.end('ok');
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { server, port: (server.address() as AddressInfo).port };
    }),
  );
  const base = clusterOf(REGIONS, [{}]);
  const cluster: ClusterConfig = {
    ...base,
    services: base.services.map((s) => ({
      ...s,
      pools: s.pools.map((p, i) => ({
        ...p,
        targets: p.targets.map((t) => ({
          ...t,
          healthz: { kind: 'http', url: `http://127.0.0.1:${targets[i]?.port}/healthz`, status: [[200, 299]] },
          readyz: { kind: 'http', url: `http://127.0.0.1:${targets[i]?.port}/readyz`, status: [[200, 299]] },
        })),
      })),
    })),
  };
  let decided: (() => void) | null = null;
  const replicas = REGIONS.map((region) =>
    createReplica({
      ports,
      store,
      log: silentLog,
      region,
      replica: 'a',
      boot: ports.random.hex(4),
      providers: new Map([['memory', memoryProvider({ services: new Map(), onServed: () => undefined })]]),
      look: (spec, c, signal) =>
        probe(
          spec,
          {
            ports,
            resolve: async (host) => ({ addresses: [host], stale: null }),
            timeoutMs: c.policy.timeoutMs,
            connectTimeoutMs: c.policy.connectTimeoutMs,
            userAgent: 'bench',
            tlsContext: () => ports.net.secureContext(),
          },
          signal,
        ),
      events: { decision: (next) => (silent && next.audit.changes.length > 0 ? decided?.() : undefined) },
    }),
  );
  await store.txn({ if: [], then: [{ put: 'members', value: cluster }] });
  await sleep(ports.timers, WARM_MS + random.unit() * 5000);
  silent = true;
  const faultAtMs = ports.clock.monoMs();
  await new Promise<void>((resolve, reject) => {
    decided = resolve;
    ports.timers.after(LIMIT_MS, () => reject(new Error('no decision within a minute')), { background: true });
  });
  const ms = ports.clock.monoMs() - faultAtMs;
  await Promise.all(replicas.map((r) => r.stop()));
  await store.close();
  for (const { server } of targets) {
    server.closeAllConnections();
    server.close();
  }
  return ms;
};

// ---- beside the arithmetic that the rule was chosen by ----

const ARITHMETIC_TRIALS = 2000;

interface Expected {
  fault: string;
  regions: number;
  faults: number | null;
  failMs: number;
  proberDies: boolean;
  /** p50, p99 and longest, in s. */
  research: string;
  why: string;
}

const SILENT = { fault: 'silent drop, prober too', failMs: 2000, proberDies: true };
const REFUSED = { fault: 'connection refused', failMs: 20, proberDies: false };
const EXPECTED: readonly Expected[] = [
  { ...SILENT, regions: 3, faults: null, research: '6.8/7.6/8.0', why: 'a scheduled look amid a burst counts too' },
  {
    ...SILENT,
    regions: 5,
    faults: null,
    research: '5.5/6.3/6.8',
    why: 'the quorum is of /readyz alone, found a look later if /healthz failed first',
  },
  { ...SILENT, regions: 20, faults: null, research: '5.6/5.9/6.1', why: 'agrees' },
  { ...REFUSED, regions: 3, faults: 3, research: '4.1/5.3/5.8', why: 'the first confirmation comes with the fault, not a second later' },
  { ...REFUSED, regions: 3, faults: null, research: '', why: 'not computed there: the span of 2 s decides, not the fourth fault' },
];

/** The machines alone, with the delays that the arithmetic assumes: hints and commits take 100 to 350 ms. */
const expectedRow = ({ fault, regions, faults, failMs, proberDies, research, why }: Expected, trials: number) => {
  const random = seededRandom(`expected ${fault} ${regions} ${faults}`);
  const cluster = oneTarget(regions, faults);
  const ms = Array.from({ length: trials }, (_, seed) => reactionMs({ cluster, failMs, proberDies, seed, random }));
  const seconds = [quantile(ms, 0.5), quantile(ms, 0.99), Math.max(...ms)].map((each) => (each / 1000).toFixed(1)).join('/');
  return { fault, regions, k: faultsFor(cluster.policy, quorumOf(regions)), trials, 'p50/p99/maxS': seconds, research, why };
};

export const benchDetection = async ({ quick, trials }: BenchOptions): Promise<Bench> => {
  const expected = EXPECTED.map((each) => expectedRow(each, trials ?? (quick ? 100 : ARITHMETIC_TRIALS)));
  const rows: Row[] = [];
  for (const kind of KINDS) rows.push(await virtualRow(kind));
  const real = await Promise.all(Array.from({ length: REAL_TRIALS }, (_, i) => realTrial(i)));
  const random = seededRandom('reference');
  rows.push(
    row(
      'in life: silent drop',
      real,
      real.map(() => threeStrikesMs(random.unit() * 5000, 'hang')),
    ),
  );
  return { goals: { p99Ms: GOAL_P99_MS }, met: rows.every((r) => r.p99S * 1000 <= GOAL_P99_MS), rows, tables: [expected] };
};
