// What a cluster asks of etcd and of one of its processes: each region a voter with a client of its own, over 200 targets; quiet, and while a region dies.
// The first region is a process as in life, with real probes, and coordinates; the others share this process and look at nothing, but all that they say
// and hear is the production code's. Bytes are those that the members count, calls those of the voters here, scaled to all. The reference puts and gets
// records of the same sizes as fast as this etcd takes them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveBuiltin } from '../../../providers/builtin/server.ts';
import type { ClusterConfig, Routing, Vote } from '../../../src/model.ts';
import { realPorts, sleep } from '../../../src/ports.ts';
import { ensureSecret } from '../../../src/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { clusterOf, poolOf } from '../../world.ts';
import { serveTargets, startReplicaProcess } from './process.ts';
import { PREFIX, type Ring, SITES, startRing } from './ring.ts';
import { type Calls, startVoter, type Voter } from './voter.ts';

/** As many as a region of some size has. */
const TARGETS = 200;
const SERVICE = 'web.example.test';
const LOOPBACK = { host: '127.0.0.1', port: 0 };
/** Until the first route is decided, on a machine that has other things to do. */
const ROUTE_MS = 90_000;
/** The goal of detection. */
const DRAIN_MS = 30_000;
/** First verdicts and what they cause are over. */
const CALM_MS = 5000;
const RAW_MS = 3000;
const RAW_WORKERS = 20;

const ports = realPorts();
const pause = (ms: number): Promise<void> => sleep(ports.timers, ms);

// ---- what the members count ----

interface Counts {
  atMs: number;
  /** By all members, from and to clients. */
  receivedBytes: number;
  sentBytes: number;
  rev: number;
  dbInUse: number;
  /** Of the voters in this process. */
  calls: Calls;
  cpuS: number;
}

/** Of one member of etcd, by name; those with labels are left out. */
export const metricsOf = async (port: number): Promise<ReadonlyMap<string, number>> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return new Map([...text.matchAll(/^(\w+) (\S+)$/gm)].map((m) => [m[1] ?? '', Number(m[2])]));
};

const count = async (ring: Ring, voters: readonly Voter[], cpuS: number): Promise<Counts> => {
  const calls = { gets: 0, txns: 0, events: 0 };
  for (const voter of voters) {
    calls.gets += voter.calls.gets;
    calls.txns += voter.calls.txns;
    calls.events += voter.calls.events;
  }
  const atMs = ports.clock.monoMs();
  const all = await Promise.all(SITES.map((site) => metricsOf(ring.member(site).clientPort)));
  const sum = (name: string): number => all.reduce((total, each) => total + (each.get(name) ?? 0), 0);
  const most = (name: string): number => Math.max(...all.map((each) => each.get(name) ?? 0));
  return {
    atMs,
    receivedBytes: sum('etcd_network_client_grpc_received_bytes_total'),
    sentBytes: sum('etcd_network_client_grpc_sent_bytes_total'),
    rev: most('etcd_debugging_mvcc_current_revision'),
    dbInUse: most('etcd_mvcc_db_total_size_in_use_in_bytes'),
    calls,
    cpuS,
  };
};

const loadRow = (what: string, regions: number, before: Counts, after: Counts) => {
  const s = (after.atMs - before.atMs) / 1000;
  const perS = (pick: (counts: Counts) => number): number => (pick(after) - pick(before)) / s;
  const everybody = regions / (regions - 1);
  return {
    load: what,
    regions,
    writesPerS: perS((c) => c.rev),
    readsPerS: everybody * perS((c) => c.calls.gets),
    kBInPerS: perS((c) => c.receivedBytes) / 1000,
    kBOutPerS: perS((c) => c.sentBytes) / 1000,
    watchEventsPerS: everybody * perS((c) => c.calls.events),
    dbMBPerH: (perS((c) => c.dbInUse) * 3600) / 1e6,
  };
};

// ---- the reference ----

/** As many as possible by `RAW_WORKERS` at once. Out: per second. */
const flatOut = async (work: (worker: number) => Promise<unknown>): Promise<number> => {
  const endAtMs = ports.clock.monoMs() + RAW_MS;
  let done = 0;
  await Promise.all(
    Array.from({ length: RAW_WORKERS }, async (_, worker) => {
      while (ports.clock.monoMs() < endAtMs) {
        await work(worker);
        done++;
      }
    }),
  );
  return (done * 1000) / RAW_MS;
};

const rawRow = async (store: Store, regions: number) => {
  const { kvs } = await store.get({ prefixes: ['beat/'] });
  const value = kvs[0]?.value ?? {};
  const writesPerS = await flatOut((worker) => store.txn({ if: [], then: [{ put: `raw/${worker}`, value }] }));
  const readsPerS = await flatOut(() => store.get({ keys: ['members'], prefixes: ['beat/', 'vote/'] }));
  return { load: 'reference: the same records, flat out', regions, writesPerS, readsPerS };
};

// ---- the cluster ----

/** Why voters abstain, when they do: on a machine with too little to give, all that is measured here is the machine. */
const silenced = async (store: Store): Promise<string> => {
  const { kvs } = await store.get({ prefixes: ['vote/'] });
  const reasons = kvs.map(({ value }) => (value as Vote).self).flatMap((self) => (self.state === 'abstain' ? [self.because] : []));
  return `${reasons.length} of ${kvs.length} voters abstain${reasons[0] === undefined ? '' : ` (${reasons[0]})`}`;
};

const clusterFor = (regions: readonly string[], targetPort: number, targetCount: number): ClusterConfig => {
  const pools = regions.map((region, index) => {
    const pool = poolOf(region, 1, index, Math.floor((targetCount + index) / regions.length));
    const at = (endpoint: string) => ({
      kind: 'http' as const,
      url: `http://127.0.0.1:${targetPort}/${region}/${endpoint}`,
      status: [[200, 299]] as const,
    });
    return { ...pool, targets: pool.targets.map((target) => ({ ...target, healthz: at('healthz'), readyz: at('readyz') })) };
  });
  return clusterOf(regions, [{ name: SERVICE, provider: 'local', pools }]);
};

export const measureLoad = async (regionCount: number, ms: number, targetCount = TARGETS) => {
  const regions = Array.from({ length: regionCount }, (_, i) => `region-${String(i + 1).padStart(2, '0')}`);
  const [first = '', ...others] = regions;
  const victim = regions.at(-1) ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-load-'));
  const tokenFile = join(folder, 'dns.token');
  const targets = await serveTargets();
  const dns = await serveBuiltin({
    ports,
    zoneName: 'example.test',
    dns: LOOPBACK,
    control: LOOPBACK,
    token: ensureSecret(tokenFile, ports.random),
  });
  const ring = await startRing(0);
  const store = ring.open('a');
  const voters: Voter[] = [];
  let isDead = false;
  const replica = startReplicaProcess(folder, {
    region: first,
    replica: 'a',
    api: { listen: '127.0.0.1:0', tokenFile: join(folder, 'operator.token') },
    store: { kind: 'etcd', endpoints: ring.endpoints('a'), prefix: PREFIX },
    providers: { local: { kind: 'builtin', zone: 'example.test', control: `127.0.0.1:${dns.controlPort}`, tokenFile } },
    log: { level: 'warn' },
  });
  const share = async (): Promise<number | undefined> => {
    // No answer in time is no answer: the machine may be busy, and the next look is soon.
    const read = await store.get({ keys: ['routing'] }).catch(() => null);
    return (read?.kvs[0]?.value as Routing | undefined)?.services[SERVICE]?.route[victim];
  };
  const drainedWithin = async (limitMs: number): Promise<boolean> => {
    const endAtMs = ports.clock.monoMs() + limitMs;
    while (ports.clock.monoMs() < endAtMs) {
      if ((await share()) === 0) return true;
      await pause(200);
    }
    return false;
  };
  try {
    await store.txn({ if: [], then: [{ put: 'members', value: clusterFor(regions, targets.port, targetCount) }] });
    for (const [i, region] of others.entries())
      voters.push(
        startVoter({
          region,
          store: ring.open(SITES[(i + 1) % SITES.length] ?? 'a'),
          providers: new Map(),
          look: async (spec, { policy }, signal) => {
            if (!isDead || !spec.url.includes(victim)) return { saw: 'ok', tookMs: 20 };
            await sleep(ports.timers, policy.timeoutMs, signal).catch(() => undefined);
            return { saw: 'fault', reason: 'timeout', tookMs: policy.timeoutMs, detail: 'no answer' };
          },
        }),
      );
    const limitMs = ports.clock.monoMs() + ROUTE_MS;
    while (((await share()) ?? 0) === 0) {
      if (ports.clock.monoMs() > limitMs) throw new Error(`no route was decided within ${ROUTE_MS} ms`);
      await pause(200);
    }
    await pause(CALM_MS);
    const start = await count(ring, voters, replica.cpuS());
    await pause(ms);
    const quiet = await count(ring, voters, replica.cpuS());
    isDead = true;
    targets.silence(victim);
    voters.at(-1)?.die();
    const drained = await drainedWithin(Math.max(ms, DRAIN_MS));
    const why = drained ? 'yes' : `NO: ${await silenced(store)}`;
    const left = ms - (ports.clock.monoMs() - quiet.atMs);
    if (left > 0) await pause(left);
    const dying = await count(ring, voters, replica.cpuS());
    const perMinute = (before: Counts, after: Counts): number => ((after.cpuS - before.cpuS) * 60_000) / (after.atMs - before.atMs);
    const process = {
      process: `coordinator, ${targetCount} targets`,
      regions: regionCount,
      quietCpuSPerMin: perMinute(start, quiet),
      regionDiesCpuSPerMin: perMinute(quiet, dying),
      rssMB: replica.rssMB(),
      drained: why,
    };
    await replica.kill();
    await Promise.all(voters.splice(0).map((voter) => voter.stop()));
    const raw = await rawRow(store, regionCount);
    return {
      load: [loadRow('quiet', regionCount, start, quiet), loadRow('a region dies', regionCount, quiet, dying), raw],
      process,
      drained,
    };
  } finally {
    await replica.kill();
    await Promise.all(voters.map((voter) => voter.stop()));
    await store.close();
    await dns.close();
    await ring.close();
    await targets.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
