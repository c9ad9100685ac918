// Coordinators that die, and one that only slept.
import { expect } from 'vitest';
import { until } from '../until.ts';
import { beatsPass, fenceOf, PATIENCE_MS, shareOf } from './deaths.ts';
import { REPLICAS, type Region, type ReplicaName, SERVING } from './files.ts';
import type { ReplicaPart } from './parts.ts';
import { HOST, PROVIDER } from './servers.ts';
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

/** Larger than any question to the zone, smaller than any change of it. */
const NARROW_BYTES = 350;

/** So that the next coordinator is in another region, and reaches the provider by another path. */
const holderOfItsOwn = async (world: World): Promise<ReplicaPart> => {
  if (world.replicasOf(holderOf(world).region).length > 1) {
    for (const replica of world.replicasOf(holderOf(world).region)) await replica.stop();
    await world.whole();
  }
  return holderOf(world);
};

/**
 * Stopped when it has decided and sent its change to the provider, which gets lost on the way. Others take over, decide and write; then the way is free,
 * and the sleeper's network sends the old change again, as it would after a long cut. It is refused there; and when the sleeper wakes, at the store.
 */
export const holderAsleep = async (world: World, row: Row): Promise<void> => {
  const holder = await holderOfItsOwn(world);
  const epoch = epochOf(world);
  const region = SERVING.find((each) => each !== holder.region) as Region;
  const leaderBefore = (await world.store.get({ keys: ['leader'] })).kvs[0];
  const path = { from: holder.region, to: PROVIDER };
  await world.cut([], [{ ...path, bytes: NARROW_BYTES }]);
  const lost = world.wan.oversize;

  world.truth.break(region);
  const brokeAtMs = performance.now();
  await world.site(region).order({ app: 'down' });
  const decided = await world.chronicle.next(`${region} drained`, (moment) => shareOf(moment, region) === 0, PATIENCE_MS);
  row.detectionMs = decided.atMs - brokeAtMs;
  await until('its change lost on the way', () => world.wan.oversize > lost);
  const asleepAtMs = Date.now();
  holder.process.signal('SIGSTOP');
  row.asleep = [holder.name];
  try {
    row.takeoverMs = (await tookOver(world, epoch)) - asleepAtMs;
    const served = await until('the drain served by another', async () => {
      const fence = await world.fence();
      return fence !== null && fence.epoch > epoch && fence.v;
    });
    await world.cut([]);
    await until('the old change refused by the provider', () => refusals(world, holder.region) > 0);
    // A newer decision than the one that the sleeper has in mind.
    await world.site(region).order({ app: 'up' });
    world.truth.mend(region);
    await until('a newer fence served', async () => ((await world.fence())?.v ?? 0) > served);
    await until('the end of its sleep', () => Date.now() - asleepAtMs >= ASLEEP_MS);
  } finally {
    holder.process.signal('SIGCONT');
  }
  await until('the sleeper giving up', () => holder.process.lines('coordinator.lost').length > 0);
  await beatsPass(world, REPLICAS, 2);
  expect(world.chronicle.latest?.leader?.epoch).toBeGreaterThan(epoch);

  // What it would have written with is no key any more.
  if (leaderBefore === undefined) throw new Error('nobody coordinated');
  const { ok } = await world.store.txn({
    if: [{ key: 'leader', mod: leaderBefore.mod }],
    then: [{ put: 'leader', value: leaderBefore.value }],
  });
  expect(ok).toBe(false);
  row.note = `${holder.name} for ${ASLEEP_MS / 1000} s; its write refused at the provider, its right at the store`;
};

/** How often the provider refused a change of that region since what it rests on was no longer so. */
const refusals = (world: World, region: Region): number =>
  world
    .providerLog()
    .split('\n')
    .filter(
      (line) =>
        line.includes('client @') &&
        line.includes(` ${world.wan.address(region, HOST.main)}#`) &&
        line.includes('prerequisite not satisfied'),
    ).length;
