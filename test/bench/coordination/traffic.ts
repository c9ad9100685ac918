// What a cluster of a shape asks of etcd: quiet, while a tenth of a region's targets flap, and while the coordinator's region dies; one to three replicas a
// region, all in this process with looks that are simulated, but all that they say and hear is the production code's, each with a client of its own. The
// floor is the least by which all can hear all: as many clients, each of which puts a record as large as a beat as often as a beat, and watches all others.
import { Session } from 'node:inspector/promises';
import type { ClusterConfig, Outcome, ProbeSpec, Routing } from '../../../src/model.ts';
import { realPorts, sleep } from '../../../src/ports.ts';
import type { Store } from '../../../src/store/store.ts';
import { clusterOf, poolOf } from '../../world.ts';
import { waitedS } from '../probe/process.ts';
import { type CpuProfile, nameOf, partOf, selfUs } from '../probe/profile.ts';
import { metricsOf } from './load.ts';
import { cpuSOf } from './process.ts';
import { type Ring, SITES, startRing } from './ring.ts';
import { type Calls, startVoter, type Voter } from './voter.ts';

export interface Shape {
  regions: number;
  replicas: number;
  targets: number;
  members: 1 | 3;
}

const SERVICE = 'web.example.test';
/** Until the first route is decided, on a machine that has other things to do. */
const ROUTE_MS = 90_000;
const DRAIN_MS = 30_000;
/** First verdicts and what they cause are over. */
const CALM_MS = 6000;
/** Flapping targets fail this long, and are well as long. */
const FLAP_MS = 4000;

const ports = realPorts();
const monoMs = (): number => ports.clock.monoMs();
const pause = (ms: number): Promise<void> => sleep(ports.timers, ms);

// ---- what is counted ----

interface Counts {
  atMs: number;
  receivedBytes: number;
  sentBytes: number;
  rev: number;
  dbInUse: number;
  etcdCpuS: number;
  ownCpuS: number;
  waitedS: number;
  calls: Calls;
}

const count = async (ring: Ring, all: readonly Pick<Voter, 'calls'>[]): Promise<Counts> => {
  const atMs = monoMs();
  const { user, system } = process.cpuUsage();
  const metrics = await Promise.all(ring.members().map(({ clientPort }) => metricsOf(clientPort)));
  const each = (name: string): number[] => metrics.map((one) => one.get(name) ?? 0);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    atMs,
    receivedBytes: sum(each('etcd_network_client_grpc_received_bytes_total')),
    sentBytes: sum(each('etcd_network_client_grpc_sent_bytes_total')),
    rev: Math.max(...each('etcd_debugging_mvcc_current_revision')),
    dbInUse: Math.max(...each('etcd_mvcc_db_total_size_in_use_in_bytes')),
    etcdCpuS: sum(ring.members().map(({ pid }) => cpuSOf(pid))),
    ownCpuS: (user + system) / 1e6,
    waitedS: waitedS(process.pid),
    calls: {
      gets: sum(all.map(({ calls }) => calls.gets)),
      txns: sum(all.map(({ calls }) => calls.txns)),
      events: sum(all.map(({ calls }) => calls.events)),
    },
  };
};

const rowOf = (load: string, { regions, replicas, targets, members }: Shape, before: Counts, after: Counts) => {
  const s = (after.atMs - before.atMs) / 1000;
  const perS = (pick: (counts: Counts) => number): number => (pick(after) - pick(before)) / s;
  return {
    load,
    regions,
    replicas,
    targets,
    members,
    writesPerS: perS((c) => c.rev),
    readsPerS: perS((c) => c.calls.gets),
    eventsPerS: perS((c) => c.calls.events),
    kBInPerS: perS((c) => c.receivedBytes) / 1000,
    kBOutPerS: perS((c) => c.sentBytes) / 1000,
    etcdCpuPercent: 100 * perS((c) => c.etcdCpuS),
    replicaCpuPercent: (100 * perS((c) => c.ownCpuS)) / (regions * replicas),
    dbMBPerH: (perS((c) => c.dbInUse) * 3600) / 1e6,
    waitedPercent: 100 * perS((c) => c.waitedS),
  };
};

export type TrafficRow = ReturnType<typeof rowOf> & { outTimesFloor: number; decidedS: number | '' };

// ---- the floor ----

/** As many clients as replicas: a put each as often as a beat, a watch each, nothing read. */
const heartbeats = async (ring: Ring, shape: Shape, value: unknown, beatMs: number, ms: number) => {
  const clients = Array.from({ length: shape.regions * shape.replicas }, (_, i) => ring.open(siteOf(shape, i)));
  const calls: Calls = { gets: 0, txns: 0, events: 0 };
  const stop = new AbortController();
  const beat = async (store: Store, i: number): Promise<void> => {
    await sleep(ports.timers, (beatMs * i) / clients.length, stop.signal);
    for (;;) {
      await store.txn({ if: [], then: [{ put: `floor/${i}`, value }] });
      await sleep(ports.timers, beatMs, stop.signal);
    }
  };
  const watches = clients.map((store) =>
    store.watch('floor/', (event) => {
      if (event.kind === 'changed') calls.events++;
    }),
  );
  const beats = clients.map((store, i) => beat(store, i).catch(() => undefined));
  await pause(beatMs);
  const before = await count(ring, [{ calls: { ...calls } }]);
  await pause(ms);
  const row = rowOf('floor: heartbeats, heard by all', shape, before, await count(ring, [{ calls }]));
  stop.abort(new Error('done'));
  await Promise.all(beats);
  for (const watch of watches) watch.close();
  await Promise.all(clients.map((store) => store.close()));
  return row;
};

// ---- the cluster ----

const siteOf = ({ members }: Pick<Shape, 'members'>, i: number) => SITES[i % members] ?? 'a';

const clusterFor = (names: readonly string[], targets: number): ClusterConfig =>
  clusterOf(names, [
    { name: SERVICE, pools: names.map((region, i) => poolOf(region, 1, i, Math.max(1, Math.floor((targets + i) / names.length)))) },
  ]);

/** What the simulated looks find. */
interface Ills {
  flapping: string | null;
  dead: string | null;
}

const isIll = ({ flapping, dead }: Ills, url: string): boolean =>
  (dead !== null && url.startsWith(`http://${dead}-`)) ||
  (flapping !== null && url.startsWith(`http://${flapping}-`) && /-\d*1\//.test(url) && Math.floor(monoMs() / FLAP_MS) % 2 === 1);

const lookFor =
  (ills: Ills) =>
  async (spec: ProbeSpec, { policy }: ClusterConfig, signal: AbortSignal): Promise<Outcome> => {
    if (!isIll(ills, spec.kind === 'http' ? spec.url : '')) return { saw: 'ok', tookMs: 20 };
    await sleep(ports.timers, policy.timeoutMs, signal).catch(() => undefined);
    return { saw: 'fault', reason: 'timeout', tookMs: policy.timeoutMs, detail: 'no answer' };
  };

const TOP = 12;

/** Where the time of all replicas together goes meanwhile: self time by part, and the dearest functions. */
const profiled = async (work: () => Promise<void>): Promise<readonly (readonly object[])[]> => {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  const beganMs = monoMs();
  await work();
  const s = (monoMs() - beganMs) / 1000;
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const tableBy = (by: typeof partOf): readonly object[] => {
    const withProfiler = selfUs(profile as unknown as CpuProfile, by, 0);
    const sums = new Map([...withProfiler].filter(([part]) => !part.includes('node:inspector')));
    const all = [...sums.values()].reduce((sum, us) => sum + us, 0);
    return [...sums]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, TOP)
      .map(([part, us]) => ({ part, msPerS: us / 1000 / s, percent: (100 * us) / all }));
  };
  return [tableBy(partOf), tableBy(nameOf)];
};

/** Takes all old revisions away. Out: how long the member took that was asked, and what it has in use before and after. */
const compact = async (ring: Ring) => {
  const port = ring.members()[0]?.clientPort ?? 0;
  const inUseMB = async (): Promise<number> => ((await metricsOf(port)).get('etcd_mvcc_db_total_size_in_use_in_bytes') ?? 0) / 1e6;
  const { rev } = await count(ring, []);
  const beforeMB = await inUseMB();
  const beganMs = monoMs();
  await fetch(`http://127.0.0.1:${port}/v3/kv/compaction`, {
    method: 'POST',
    body: JSON.stringify({ revision: String(rev), physical: true }),
  });
  const compactionMs = monoMs() - beganMs;
  await pause(1000);
  return { revisions: rev, compactionMs, inUseMB: beforeMB, inUseAfterMB: await inUseMB() };
};

/** Rows of one shape, `ms` each; and what became of the database. `profile`: where the time of the quiet one goes. */
export const measureTraffic = async (shape: Shape, ms: number, profile: boolean) => {
  const names = Array.from({ length: shape.regions }, (_, i) => `region-${String.fromCharCode(97 + i)}`);
  const cluster = clusterFor(names, shape.targets);
  const ring = await startRing(0, SITES.slice(0, shape.members));
  const store = ring.open('a');
  const ills: Ills = { flapping: null, dead: null };
  const voters: Voter[] = [];
  const rows: Omit<TrafficRow, 'outTimesFloor'>[] = [];
  const share = async (name: string): Promise<number | undefined> => {
    // No answer in time is no answer: the machine may be busy, and the next look is soon.
    const read = await store.get({ keys: ['routing'] }).catch(() => null);
    return (read?.kvs[0]?.value as Routing | undefined)?.services[SERVICE]?.route[name];
  };
  const until = async (limitMs: number, holds: () => Promise<boolean>): Promise<boolean> => {
    for (const endAtMs = monoMs() + limitMs; monoMs() < endAtMs; await pause(100)) if (await holds()) return true;
    return false;
  };
  const measured = async (load: string, work: () => Promise<number | ''>): Promise<void> => {
    const before = await count(ring, voters);
    const decidedS = await work();
    const left = ms - (monoMs() - before.atMs);
    if (left > 0) await pause(left);
    rows.push({ ...rowOf(load, shape, before, await count(ring, voters)), decidedS });
  };
  const idle = async (): Promise<''> => '';
  try {
    await store.txn({ if: [], then: [{ put: 'members', value: cluster }] });
    for (let i = 0; i < shape.regions * shape.replicas; i++)
      voters.push(
        startVoter({
          region: names[i % names.length] ?? '',
          replica: String.fromCharCode(97 + Math.floor(i / names.length)),
          store: ring.open(siteOf(shape, i)),
          look: lookFor(ills),
        }),
      );
    const lastName = names.at(-1) ?? '';
    if (!(await until(ROUTE_MS, async () => ((await share(lastName)) ?? 0) > 0)))
      throw new Error(`no route was decided within ${ROUTE_MS} ms`);
    await pause(CALM_MS);
    const quiet = () => measured('quiet', idle);
    const tables = await (profile ? profiled(quiet) : quiet());
    const holder = voters.find(({ replica }) => replica.coordinator.role().role === 'coordinator');
    ills.flapping = names.find((name) => name !== holder?.region) ?? null;
    await measured('a tenth of a region flaps', idle);
    ills.flapping = null;
    await pause(CALM_MS);
    const victim = voters.find(({ replica }) => replica.coordinator.role().role === 'coordinator')?.region ?? lastName;
    await measured("the coordinator's region dies", async () => {
      const diedAtMs = monoMs();
      ills.dead = victim;
      for (const voter of voters) if (voter.region === victim) voter.die();
      return (await until(DRAIN_MS, async () => (await share(victim)) === 0)) ? (monoMs() - diedAtMs) / 1000 : '';
    });
    await Promise.all(voters.splice(0).map((voter) => voter.stop()));
    const { kvs } = await store.get({ prefixes: ['beat/'] });
    const floor = await heartbeats(ring, shape, kvs[0]?.value, cluster.policy.beatMs, ms);
    return {
      rows: [...rows, { ...floor, decidedS: '' as const }].map((row) => ({ ...row, outTimesFloor: row.kBOutPerS / floor.kBOutPerS })),
      tables: tables ?? [],
      database: { regions: shape.regions, replicas: shape.replicas, targets: shape.targets, ...(await compact(ring)) },
    };
  } finally {
    await Promise.all(voters.map((voter) => voter.stop()));
    await store.close();
    await ring.close();
  }
};
