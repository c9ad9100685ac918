// One replica as it runs in life, a process with real probes, that coordinates a cluster on a real etcd: CPU and memory, quiet and while a region dies. Each
// other region is a voter in this process that looks at nothing, but all that it says and hears is the production code's.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveBuiltin } from '../../../providers/builtin/server.ts';
import type { ClusterConfig, Routing, Vote } from '../../../src/model.ts';
import { realPorts, sleep } from '../../../src/ports.ts';
import { ensureSecret } from '../../../src/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { clusterOf, poolOf } from '../../world.ts';
import { serveTargets, startReplicaProcess } from '../coordination/process.ts';
import { PREFIX, SITES, startRing } from '../coordination/ring.ts';
import { startVoter, type Voter } from '../coordination/voter.ts';

const SERVICE = 'web.example.test';
const LOOPBACK = { host: '127.0.0.1', port: 0 };
/** Until the first route is decided, on a machine that has other things to do. */
const ROUTE_MS = 90_000;
/** The goal of detection. */
const DRAIN_MS = 30_000;
/** First verdicts and what they cause are over. */
const CALM_MS = 5000;

const ports = realPorts();
const pause = (ms: number): Promise<void> => sleep(ports.timers, ms);

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

export const measureReplica = async (regionCount: number, targetCount: number, ms: number) => {
  const regions = Array.from({ length: regionCount }, (_, i) => `region-${String(i + 1).padStart(2, '0')}`);
  const [first = '', ...others] = regions;
  const victim = regions.at(-1) ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-sizing-'));
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
    const count = () => ({ atMs: ports.clock.monoMs(), cpuS: replica.cpuS() });
    const start = count();
    await pause(ms);
    const quiet = count();
    isDead = true;
    targets.silence(victim);
    voters.at(-1)?.die();
    const drained = (await drainedWithin(Math.max(ms, DRAIN_MS))) ? 'yes' : `NO: ${await silenced(store)}`;
    const left = ms - (ports.clock.monoMs() - quiet.atMs);
    if (left > 0) await pause(left);
    const dying = count();
    const perMinute = (before: typeof start, after: typeof start): number =>
      ((after.cpuS - before.cpuS) * 60_000) / (after.atMs - before.atMs);
    return {
      process: `coordinator, ${targetCount} targets`,
      regions: regionCount,
      quietCpuSPerMin: perMinute(start, quiet),
      regionDiesCpuSPerMin: perMinute(quiet, dying),
      rssMB: replica.rssMB(),
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
