// Regions that die, and networks that only look as if one had.
import { expect } from 'vitest';
import { until } from '../until.ts';
import type { Moment } from './chronicle.ts';
import { REGIONS, type Region, SERVICE, SERVING } from './files.ts';
import type { ReplicaPart } from './parts.ts';
import type { Row } from './table.ts';
import { isolate, type World } from './world.ts';

/** Far above what anything takes: a case that needs it has failed, and says so. */
export const PATIENCE_MS = 60_000;
export const GOALS = { detectionMs: 30_000, convergenceMs: 60_000 } as const;
/** Beats of every vantage in which a wrong move would have come: longer than a dead region takes to be drained. */
const QUIET_BEATS = 6;

export const without = (region: Region): readonly Region[] => SERVING.filter((each) => each !== region);
export const shareOf = ({ routing }: Moment, region: Region): number => routing?.services[SERVICE]?.route[region] ?? -1;
export const fenceOf = (world: World): number => world.chronicle.latest?.routing?.services[SERVICE]?.fence ?? 0;

export type Drained = Required<Pick<Row, 'detectionMs' | 'convergenceMs'>>;

/** Waits for the drain, then until users everywhere (but in `unseen`) have left. `sinceMs`: when it broke. Rejects when that does not come at all. */
export const awaitDrain = async (
  world: World,
  region: Region,
  sinceMs: number,
  unseen: readonly Region[] = [],
  patience: Drained = { detectionMs: PATIENCE_MS, convergenceMs: PATIENCE_MS },
): Promise<Drained> => {
  const drained = await world.chronicle.next(`${region} drained`, (moment) => shareOf(moment, region) === 0, patience.detectionMs);
  await world.served(
    REGIONS.filter((each) => !unseen.includes(each)),
    without(region),
    patience.convergenceMs,
  );
  return { detectionMs: drained.atMs - sinceMs, convergenceMs: performance.now() - drained.atMs };
};

/** As `awaitDrain`, within the goals. */
export const expectDrain = async (world: World, region: Region, sinceMs: number, unseen: readonly Region[] = []): Promise<Drained> => {
  const found = await awaitDrain(world, region, sinceMs, unseen);
  expect(found.detectionMs).toBeLessThan(GOALS.detectionMs);
  expect(found.convergenceMs).toBeLessThan(GOALS.convergenceMs);
  return found;
};

/** Until each of these replicas has spoken so many times more. */
export const beatsPass = async (world: World, replicas: readonly string[], count = QUIET_BEATS): Promise<void> => {
  const seen = new Map(replicas.map((name) => [name, new Set<number>()]));
  await world.chronicle.next(
    `${count} beats of ${replicas.join()}`,
    ({ beats }) => {
      for (const [name, mods] of seen) mods.add(beats.get(name) ?? 0);
      return [...seen.values()].every((mods) => mods.size > count);
    },
    PATIENCE_MS,
  );
};

/** Everything of the region that coordinates dies, with the leading member of etcd in it. */
export const regionKilled = async (world: World, row: Row): Promise<void> => {
  const leader = world.chronicle.latest?.leader;
  const region = leader?.region as Region;
  await world.leadEtcd(region);
  const epoch = world.chronicle.latest?.leader?.epoch ?? 0;
  world.truth.break(region);
  const atMs = performance.now();
  await world.killRegion(region);
  const taken = await world.chronicle.next('another coordinator', (moment) => (moment.leader?.epoch ?? 0) > epoch, PATIENCE_MS);
  row.takeoverMs = taken.atMs - atMs;
  Object.assign(row, await expectDrain(world, region, atMs, [region]));
  row.note = `${region}, with the coordinator and the leading etcd member`;
};

/** No packet in or out; everything inside lives, and sees only itself. */
export const regionCutOff = async (world: World, row: Row): Promise<void> => {
  const region = SERVING.find((each) => each !== world.chronicle.latest?.leader?.region) as Region;
  const [replica] = world.replicasOf(region) as [ReplicaPart];
  const terms = replica.process.lines('role').filter(({ role }) => role === 'coordinator').length;
  const from = world.paged.length;
  world.truth.break(region);
  const atMs = performance.now();
  await world.cut(isolate(region));
  Object.assign(row, await expectDrain(world, region, atMs, [region]));
  // From within it looks as if all the others had died: it keeps its vote, decides nothing, and says so to those next to it.
  await until(`${region} keeping its vote`, async () => {
    const reply = await world.api(replica.name, '/metrics');
    return /^tidegate_vantage_abstaining 1$/m.test(await reply.text());
  });
  expect(replica.process.lines('role').filter(({ role }) => role === 'coordinator').length).toBe(terms);
  const told = await world.untilPaged(
    `${region} tells its own people`,
    ({ region: at, type }) => at === region && type === 'store.lost',
    from,
  );
  expect(told.summary).toContain('nothing can be decided');
  // What it cannot see may well be up: it advises to take nobody out.
  expect(told.summary).not.toMatch(/=0( |$)/);
  row.late = world.replicasOf(region).map(({ name }) => name);
  row.note = `${region}; it keeps its vote and pages its own people`;
};

const nothingMoves = async (world: World, speakers: readonly string[]): Promise<void> => {
  const before = fenceOf(world);
  await beatsPass(world, speakers);
  expect(fenceOf(world)).toBe(before);
  expect((await world.fence())?.v).toBe(before);
};

/** Both ways between one region and two others; everybody else sees everybody. */
export const partlyCut = async (world: World, row: Row): Promise<void> => {
  const pairs = [
    ['r1', 'r2'],
    ['r1', 'r3'],
  ] as const;
  await world.cut(
    pairs.flatMap(([from, to]) => [
      { from, to },
      { from: to, to: from },
    ]),
  );
  await doubted(world, ['r2', 'r3']);
  await nothingMoves(world, ['r2/a', 'r3/a', 'r4/a', 'r5/a']);
  row.late = ['r1/a', 'r2/a', 'r2/b', 'r3/a'];
  row.note = 'r1 from r2 and r3; nothing moved';
};

/** One region's packets to another are lost; the way back is fine. */
export const oneWay = async (world: World, row: Row): Promise<void> => {
  await world.cut([{ from: 'r1', to: 'r2' }]);
  await doubted(world, ['r2']);
  await nothingMoves(world, ['r2/a', 'r3/a', 'r4/a', 'r5/a']);
  row.late = ['r1/a', 'r2/a', 'r2/b'];
  row.note = 'r1 to r2; nothing moved';
};

/** Until somebody votes against one of them, or says why he keeps his vote: then the cut has been felt. */
const doubted = async (world: World, regions: readonly Region[]): Promise<void> => {
  const targets = regions.map((region) => `${SERVICE}/${region}/app`);
  await world.chronicle.next(
    `doubts about ${regions.join()}`,
    ({ votes }) =>
      [...votes.values()].some(
        ({ self, down, unready }) => self.state === 'abstain' || [...down, ...unready].some((target) => targets.includes(target)),
      ),
    PATIENCE_MS,
  );
};

/** Of all packets between regions, both ways: a look loses one of its own in about every tenth case. */
const LOSS = 0.03;

/** A bad day everywhere moves nothing, and does not hide the death of a region's application. */
export const lossEverywhere = async (world: World, row: Row): Promise<void> => {
  const region = 'r4';
  await world.cut([], [], LOSS);
  await nothingMoves(world, ['r1/a', 'r2/a', 'r3/a', 'r4/a', 'r5/a']);
  world.truth.break(region);
  const atMs = performance.now();
  await world.site(region).order({ app: 'down' });
  Object.assign(row, await expectDrain(world, region, atMs));
  row.late = REGIONS.map((each) => `${each}/a`);
  row.note = `${100 * LOSS} % of all packets lost: nothing moved until the application of ${region} died`;
};
