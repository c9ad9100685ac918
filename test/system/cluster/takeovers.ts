// Coordinators that die, and one that only slept.
import { expect } from 'vitest';
import type { Change } from '../../../providers/provider.ts';
import { rfc2136 } from '../../../providers/rfc2136/index.ts';
import { realPorts } from '../../../src/ports.ts';
import { until } from '../until.ts';
import { beatsPass, fenceOf, PATIENCE_MS, shareOf } from './deaths.ts';
import { answerOf, REPLICAS, type Region, type ReplicaName, SERVICE, SERVING, TTL_S } from './files.ts';
import type { ReplicaPart } from './parts.ts';
import { HOST, PROVIDER, ZONE } from './servers.ts';
import { median, type Row } from './table.ts';
import type { World } from './world.ts';

/** Lease, the sight of its end, a campaign over the slow network; and meanwhile an election inside etcd. */
const TAKEOVER_MS = 9000;
const CUTS = 6;
const ASLEEP_MS = 25_000;

export const holderOf = (world: World): ReplicaPart => {
  const leader = world.chronicle.latest?.leader;
  return world.replica(`${leader?.region}/${leader?.replica}` as ReplicaName);
};

/** When the next coordinator said that it had taken over, by the clock that all processes of this machine share. */
const tookOver = async (world: World, epoch: number): Promise<number> => {
  await world.chronicle.next(
    'another coordinator',
    ({ leader }) => (leader?.epoch ?? 0) > epoch && leader?.released === false,
    PATIENCE_MS,
  );
  return await until('its own word for it', () => {
    const lines = REPLICAS.flatMap((name) => world.replica(name).process.lines('coordinator.took_over'));
    const found = lines.find((line) => Number(line.epoch) > epoch);
    return found !== undefined && Date.parse(String(found.time));
  });
};

const epochOf = (world: World): number => world.chronicle.latest?.leader?.epoch ?? 0;
const others = (name: string): readonly string[] => REPLICAS.filter((each) => each !== name);

export const holderKilled = async (world: World, row: Row): Promise<void> => {
  const holder = holderOf(world);
  const [epoch, fence] = [epochOf(world), fenceOf(world)];
  const atMs = Date.now();
  await holder.kill();
  row.takeoverMs = (await tookOver(world, epoch)) - atMs;
  expect(row.takeoverMs).toBeLessThan(TAKEOVER_MS);
  await beatsPass(world, others(holder.name), 2);
  expect(fenceOf(world)).toBe(fence);
  row.note = `${holder.name}; nothing moved`;
};

/** The process that coordinates and the leading member of etcd, in the same region, at once; again and again. */
export const holderAndLeaderKilled = async (world: World, row: Row): Promise<void> => {
  const fence = fenceOf(world);
  const takeoversMs: number[] = [];
  for (let cut = 0; cut < CUTS; cut++) {
    const holder = holderOf(world);
    await world.leadEtcd(holder.region);
    const epoch = epochOf(world);
    const atMs = Date.now();
    await Promise.all([holder.kill(), world.member(holder.region).kill()]);
    takeoversMs.push((await tookOver(world, epoch)) - atMs);
    await world.whole();
  }
  row.takeoverMs = Math.max(...takeoversMs);
  row.note = `${CUTS} cuts: ${takeoversMs.map((ms) => (ms / 1000).toFixed(1)).join(', ')}; p50 ${(median(takeoversMs) / 1000).toFixed(1)}; nothing moved`;
  expect(row.takeoverMs).toBeLessThan(TAKEOVER_MS);
  expect(fenceOf(world)).toBe(fence);
};

/** As the zone's writer of this run sees the service. */
const desired = (world: World) => ({
  service: SERVICE,
  ttlS: TTL_S,
  pools: SERVING.map((region) => ({ pool: region, region, share: 250, configuredShare: 250, answers: [answerOf(world.wan, region)] })),
});

/** Stopped right after it decided, so that it has still to write; meanwhile others decide. When it wakes, it is too late everywhere. */
export const holderAsleep = async (world: World, row: Row): Promise<void> => {
  const holder = holderOf(world);
  const epoch = epochOf(world);
  const region = SERVING.find((each) => each !== holder.region && each !== 'r2') as Region;
  const provider = rfc2136.open(
    {
      kind: 'rfc2136',
      zone: ZONE,
      server: { host: world.wan.address(PROVIDER, HOST.dns), port: 53 },
      key: { name: world.zoneKey.name, algorithm: 'hmac-sha256', secretFile: 'dns.secret' },
    },
    { ports: realPorts(), secret: () => world.zoneKey.secret },
  );
  const patience = AbortSignal.timeout(120_000);
  const before = (await provider.read([desired(world)], patience)).get(SERVICE);
  const leaderBefore = (await world.store.get({ keys: ['leader'] })).kvs[0];
  if (before?.fence == null || leaderBefore === undefined) throw new Error('nothing is served, or nobody coordinates');

  world.truth.break(region);
  const brokeAtMs = performance.now();
  await world.site(region).order({ app: 'down' });
  const decided = await world.chronicle.next(`${region} drained`, (moment) => shareOf(moment, region) === 0, PATIENCE_MS);
  row.detectionMs = decided.atMs - brokeAtMs;
  const asleepAtMs = Date.now();
  holder.process.signal('SIGSTOP');
  row.asleep = [holder.name];
  try {
    row.takeoverMs = (await tookOver(world, epoch)) - asleepAtMs;
    const servedFence = await until('the drain served by another', async () => {
      const fence = await world.fence();
      return fence !== null && fence.v >= (decided.routing?.services[SERVICE]?.fence ?? 0) && fence.v;
    });
    // A newer decision than the one that the sleeper has in mind.
    await world.site(region).order({ app: 'up' });
    world.truth.mend(region);
    await world.chronicle.next(`${region} back`, (moment) => shareOf(moment, region) > 0, PATIENCE_MS);
    await until('a newer fence served', async () => ((await world.fence())?.v ?? 0) > servedFence);
    await until('the end of its sleep', () => Date.now() - asleepAtMs >= ASLEEP_MS);
  } finally {
    holder.process.signal('SIGCONT');
  }
  await until('the sleeper giving up', () => holder.process.lines('coordinator.lost').length > 0);
  await beatsPass(world, REPLICAS, 2);
  expect(holder.process.lines('coordinator.took_over').length).toBe(1);

  // The same, by hand and apart: what the old holder knew opens neither door any more.
  const change: Change = { desired: desired(world), fence: { ...before.fence, v: before.fence.v + 1, nonce: 'asleep' }, previous: before };
  expect((await provider.apply([change], patience)).outcome).toBe('conflict');
  const { ok } = await world.store.txn({
    if: [{ key: 'leader', mod: leaderBefore.mod }],
    then: [{ put: 'leader', value: leaderBefore.value }],
  });
  expect(ok).toBe(false);
  await provider.close();
  row.note = `${holder.name} for ${ASLEEP_MS / 1000} s; its writes refused at both`;
};
