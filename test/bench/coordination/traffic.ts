// What a cluster of a shape asks of etcd: quiet, while a tenth of a region's targets flap, and while the coordinator's region dies; one to three replicas a
// region, each a process of its own with looks that are simulated: all that they say and hear is the production code's. The floor is the least by which all
// can hear all: as many clients, each of which puts a record as large as a beat as often as a beat, and watches all others. The reference puts one beat
// and gets all as fast as this etcd takes it.
import type { ClusterConfig, Routing, Vote } from '../../../src/model.ts';
import { realPorts, sleep } from '../../../src/ports.ts';
import type { Store } from '../../../src/store/store.ts';
import { clusterOf, poolOf } from '../../world.ts';
import { cpuS, rssMB, waitedS } from '../probe/process.ts';
import { type Ring, SITES, startRing } from './ring.ts';
import type { Calls } from './voter.ts';
import { type Ills, startVoterProcess, type VoterProcess } from './voter-process.ts';

export interface Shape {
  regions: number;
  replicas: number;
  targets: number;
  members: 1 | 3;
}

const SERVICE = 'web.example.test';
/** Until the first route is decided, on a machine that has other things to do. */
const ROUTE_MS = 120_000;
const DRAIN_MS = 30_000;
const NEVER: Ills = { flapping: null, dead: null };
/** Of the reference. */
const [RAW_MS, RAW_WORKERS] = [3000, 20];
/** First verdicts and what they cause are over. */
const CALM_MS = 6000;
/** Flapping targets fail this long, and are well as long. */
const FLAP_MS = 4000;

const ports = realPorts();
const monoMs = (): number => ports.clock.monoMs();
const pause = (ms: number): Promise<void> => sleep(ports.timers, ms);

// ---- what is counted ----

/** Of one member of etcd, by name; those with labels are left out. */
const metricsOf = async (port: number): Promise<ReadonlyMap<string, number>> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return new Map([...text.matchAll(/^(\w+) (\S+)$/gm)].map((m) => [m[1] ?? '', Number(m[2])]));
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

interface Counts {
  atMs: number;
  receivedBytes: number;
  sentBytes: number;
  rev: number;
  dbInUse: number;
  etcdCpuS: number;
  /** Of the processes counted, together. */
  cpuS: number;
  /** Of each: time in which it was ready and not let run. */
  waitedS: readonly number[];
  calls: Calls;
  lateMs: number;
}

/** Those whose work is counted. */
interface Counted {
  pids: readonly number[];
  calls: () => Promise<readonly { calls: Calls; lateMs: number }[]>;
}

const all = (voters: readonly VoterProcess[]): Counted => ({
  pids: voters.map(({ pid }) => pid),
  calls: () => Promise.all(voters.map((voter) => voter.counted())),
});

const count = async (ring: Ring, { pids, calls }: Counted): Promise<Counts> => {
  const atMs = monoMs();
  const metrics = await Promise.all(ring.members().map(({ clientPort }) => metricsOf(clientPort)));
  const each = (name: string): number[] => metrics.map((one) => one.get(name) ?? 0);
  const counted = await calls();
  return {
    atMs,
    receivedBytes: sum(each('etcd_network_client_grpc_received_bytes_total')),
    sentBytes: sum(each('etcd_network_client_grpc_sent_bytes_total')),
    rev: Math.max(...each('etcd_debugging_mvcc_current_revision')),
    dbInUse: Math.max(...each('etcd_mvcc_db_total_size_in_use_in_bytes')),
    etcdCpuS: cpuS(ring.members().map(({ pid }) => pid)),
    cpuS: cpuS(pids),
    waitedS: pids.map(waitedS),
    calls: {
      gets: sum(counted.map(({ calls: { gets } }) => gets)),
      txns: sum(counted.map(({ calls: { txns } }) => txns)),
      events: sum(counted.map(({ calls: { events } }) => events)),
    },
    lateMs: Math.max(...counted.map(({ lateMs }) => lateMs)),
  };
};

const rowOf = (load: string, { regions, replicas, targets, members }: Shape, pids: readonly number[], before: Counts, after: Counts) => {
  const s = (after.atMs - before.atMs) / 1000;
  const perS = (pick: (counts: Counts) => number): number => (pick(after) - pick(before)) / s;
  const waited = after.waitedS.map((now, i) => now - (before.waitedS[i] ?? 0));
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
    replicaCpuPercent: (100 * perS((c) => c.cpuS)) / pids.length,
    replicaRssMB: Math.max(...pids.map((pid) => rssMB([pid]))),
    dbMBPerH: (perS((c) => c.dbInUse) * 3600) / 1e6,
    lateMs: after.lateMs,
    waitedPercent: (100 * sum(waited)) / waited.length / s,
  };
};

export type TrafficRow = ReturnType<typeof rowOf> & { outTimesFloor: number } & Decided;

/** Since the death of the coordinator's region; empty: not within DRAIN_MS, or nothing died. */
interface Decided {
  tookOverS: number | '';
  decidedS: number | '';
}

const NOTHING_DIED: Decided = { tookOverS: '', decidedS: '' };

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
  const counted: Counted = { pids: [process.pid], calls: async () => [{ calls: { ...calls }, lateMs: 0 }] };
  const before = await count(ring, counted);
  await pause(ms);
  const row = rowOf('floor: heartbeats, heard by all', shape, counted.pids, before, await count(ring, counted));
  stop.abort(new Error('done'));
  await Promise.all(beats);
  for (const watch of watches) watch.close();
  await Promise.all(clients.map((store) => store.close()));
  return row;
};

// ---- the reference ----

/** As many as possible by `RAW_WORKERS` at once. Out: per second. */
const flatOut = async (work: (worker: number) => Promise<unknown>): Promise<number> => {
  const endAtMs = monoMs() + RAW_MS;
  let done = 0;
  await Promise.all(
    Array.from({ length: RAW_WORKERS }, async (_, worker) => {
      while (monoMs() < endAtMs) {
        await work(worker);
        done++;
      }
    }),
  );
  return (done * 1000) / RAW_MS;
};

const flatOutOf = async (store: Store, value: unknown) => ({
  flatOutWritesPerS: await flatOut((worker) => store.txn({ if: [], then: [{ put: `raw/${worker}`, value }] })),
  flatOutReadsPerS: await flatOut(() => store.get({ prefixes: ['beat/'] })),
});

// ---- the cluster ----

const siteOf = ({ members }: Pick<Shape, 'members'>, i: number) => SITES[i % members] ?? 'a';

const clusterFor = (names: readonly string[], targets: number): ClusterConfig =>
  clusterOf(names, [
    { name: SERVICE, pools: names.map((region, i) => poolOf(region, 1, i, Math.max(1, Math.floor((targets + i) / names.length)))) },
  ]);

/** Takes all old revisions away. Out: how long the member took that was asked, and what it has in use before and after. */
const compact = async (ring: Ring) => {
  const port = ring.members()[0]?.clientPort ?? 0;
  const inUseMB = async (): Promise<number> => ((await metricsOf(port)).get('etcd_mvcc_db_total_size_in_use_in_bytes') ?? 0) / 1e6;
  const rev = (await metricsOf(port)).get('etcd_debugging_mvcc_current_revision') ?? 0;
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

const abstaining = (voters: readonly VoterProcess[]): string =>
  voters
    .map((voter) => `${voter.region}/${voter.replica} ${voter.abstains() === '' ? 'votes' : `abstains: ${voter.abstains()}`}`)
    .join('; ');

/** Rows of one shape, `ms` each; and what became of the database. `profile`: where the time of the coordinator goes while all is quiet, and of its heir. */
export const measureTraffic = async (shape: Shape, ms: number, profile: boolean) => {
  const names = Array.from({ length: shape.regions }, (_, i) => `region-${String.fromCharCode(97 + i)}`);
  const cluster = clusterFor(names, shape.targets);
  const ring = await startRing(0, SITES.slice(0, shape.members));
  const store = ring.open('a');
  const voters: VoterProcess[] = [];
  const rows: Omit<TrafficRow, 'outTimesFloor'>[] = [];
  const tables: object[][] = [];
  let undecided = '';
  const share = async (name: string): Promise<number | undefined> => {
    // No answer in time is no answer: the machine may be busy, and the next look is soon.
    const read = await store.get({ keys: ['routing'] }).catch(() => null);
    return (read?.kvs[0]?.value as Routing | undefined)?.services[SERVICE]?.route[name];
  };
  const until = async (limitMs: number, holds: () => Promise<boolean>): Promise<boolean> => {
    for (const endAtMs = monoMs() + limitMs; monoMs() < endAtMs; await pause(50)) if (await holds()) return true;
    return false;
  };
  /** A large share is looked at for the first time little by little, and told little by little. */
  const knowAll = async (): Promise<boolean> => {
    const read = await store.get({ prefixes: ['vote/'] }).catch(() => null);
    return read?.kvs.length === voters.length && read.kvs.every(({ value }) => (value as Vote).unknown.length === 0);
  };
  const see = (ills: Ills) => Promise.all(voters.filter((voter) => voter.isAlive()).map((voter) => voter.see(ills)));
  const holder = (): VoterProcess | undefined => voters.find((voter) => voter.coordinates());
  const measured = async (
    load: string,
    among: readonly VoterProcess[],
    profiled: VoterProcess | undefined,
    work: () => Promise<Decided>,
  ) => {
    if (profile) await profiled?.startProfile();
    const before = await count(ring, all(among));
    const decided = await work();
    const left = ms - (monoMs() - before.atMs);
    if (left > 0) await pause(left);
    rows.push({ ...rowOf(load, shape, all(among).pids, before, await count(ring, all(among))), ...decided });
    if (profile && profiled !== undefined)
      tables.push(...(await profiled.endProfile()).map((table) => table.map((row) => ({ load, ...row }))));
  };
  const flap = async (region: string): Promise<Decided> => {
    let isIll = true;
    for (const endAtMs = monoMs() + ms; monoMs() < endAtMs; isIll = !isIll) {
      await see({ flapping: isIll ? region : null, dead: null });
      await pause(FLAP_MS);
    }
    await see(NEVER);
    return NOTHING_DIED;
  };
  const die = async (victim: string, survivors: readonly VoterProcess[]): Promise<Decided> => {
    const diedAtMs = monoMs();
    const sinceS = (): number => (monoMs() - diedAtMs) / 1000;
    await Promise.all([
      ...voters.filter((voter) => !survivors.includes(voter)).map((voter) => voter.kill()),
      see({ flapping: null, dead: victim }),
    ]);
    let tookOverS: number | '' = '';
    const isDecided = await until(DRAIN_MS, async () => {
      if (tookOverS === '' && holder() !== undefined) tookOverS = sinceS();
      return (await share(victim)) === 0;
    });
    if (!isDecided) undecided = `not decided within ${DRAIN_MS / 1000} s: ${abstaining(survivors)}`;
    return { tookOverS, decidedS: isDecided ? sinceS() : '' };
  };
  try {
    await store.txn({ if: [], then: [{ put: 'members', value: cluster }] });
    for (let i = 0; i < shape.regions * shape.replicas; i++)
      voters.push(
        startVoterProcess({
          region: names[i % names.length] ?? '',
          replica: String.fromCharCode(97 + Math.floor(i / names.length)),
          endpoints: ring.endpoints(siteOf(shape, i)),
        }),
      );
    const lastName = names.at(-1) ?? '';
    if (!(await until(ROUTE_MS, async () => ((await share(lastName)) ?? 0) > 0)))
      throw new Error(`no route was decided within ${ROUTE_MS} ms: ${abstaining(voters)}`);
    if (!(await until(ROUTE_MS, knowAll))) throw new Error(`not all that is looked at was known within ${ROUTE_MS} ms`);
    await pause(CALM_MS);
    await measured('quiet', voters, holder(), async () => NOTHING_DIED);
    const quietBeat = (await store.get({ prefixes: ['beat/'] })).kvs[0]?.value;
    const other = names.find((name) => name !== holder()?.region) ?? '';
    await measured('a tenth of a region flaps', voters, undefined, () => flap(other));
    await pause(CALM_MS);
    const victim = holder()?.region ?? lastName;
    const survivors = voters.filter(({ region }) => region !== victim);
    await measured("the coordinator's region dies", survivors, survivors[0], () => die(victim, survivors));
    await Promise.all(voters.map((voter) => voter.kill()));
    const floor = await heartbeats(ring, shape, quietBeat, cluster.policy.beatMs, ms);
    const flatOut = await flatOutOf(store, quietBeat);
    const { regions, replicas, targets } = shape;
    return {
      rows: [...rows, { ...floor, ...NOTHING_DIED }].map((row) => ({ ...row, outTimesFloor: row.kBOutPerS / floor.kBOutPerS })),
      tables,
      database: { regions, replicas, targets, ...flatOut, ...(await compact(ring)) },
      undecided,
    };
  } finally {
    await Promise.all(voters.map((voter) => voter.kill()));
    await store.close();
    await ring.close();
  }
};
