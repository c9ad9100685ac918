// A store without a majority, and replicas that restart one after the other.
import { expect } from 'vitest';
import { beatsPass, expectDrain, fenceOf, PATIENCE_MS } from './deaths.ts';
import { REGIONS, REPLICAS } from './files.ts';
import type { Row } from './table.ts';
import type { World } from './world.ts';

/** Three of five members are dead, and a region dies meanwhile. Nothing may move; every region says what it sees, and what a human could do. */
export const majorityLost = async (world: World, row: Row): Promise<void> => {
  const fence = fenceOf(world);
  const from = world.paged.length;
  await Promise.all((['r3', 'r4', 'r5'] as const).map((region) => world.member(region).kill()));
  world.truth.break('r4');
  await world.site('r4').order({ app: 'down' });
  for (const region of REGIONS) {
    const lost = await world.untilPaged(
      `${region} says that the store is lost`,
      (page) => page.region === region && page.type === 'store.lost',
      from,
    );
    expect(lost.summary).toContain('tidegate route set --break-glass');
    // Each sees it with its own eyes.
    await world.untilPaged(
      `${region} sees r4 down`,
      (page) => page.region === region && page.type === 'belief.down' && page.detail.down === 'r4',
      from,
    );
  }
  expect((await world.fence())?.v).toBe(fence);

  const backAtMs = performance.now();
  await Promise.all((['r3', 'r4', 'r5'] as const).map((region) => world.member(region).start()));
  Object.assign(row, await expectDrain(world, 'r4', backAtMs));
  for (const region of REGIONS)
    await world.untilPaged(`${region} takes it back`, (page) => page.type === 'store.resolved' && page.detail.region === region, from);
  const adopted = [...world.chronicle.pages.values()].filter(({ type }) => type === 'store.lost');
  expect(new Set(adopted.map(({ detail }) => detail.region))).toEqual(new Set(REGIONS));
  row.late = REPLICAS;
  row.note = 'every region paged its belief; nothing moved until the majority was back (detection from then)';
};

/** In good order and by SIGKILL, each replica of every region, while a page is on its way. */
export const rollingRestart = async (world: World, row: Row): Promise<void> => {
  const fence = fenceOf(world);
  const known = new Set(world.chronicle.pages.keys());
  // /healthz alone is a suspicion: it pages and moves nothing.
  await world.site('r4').order({ app: 'health', healthz: false, readyz: true });
  for (const how of ['stop', 'kill'] as const)
    for (const name of REPLICAS) {
      const replica = world.replica(name);
      await (how === 'stop' ? replica.stop() : replica.kill());
      await replica.start();
      await beatsPass(world, [name], 1);
    }
  await world.chronicle.next('a page about r4', () => world.chronicle.pages.size > known.size, PATIENCE_MS);
  await world.site('r4').order({ app: 'health', healthz: true, readyz: true });
  await beatsPass(world, REPLICAS, 2);
  expect(fenceOf(world)).toBe(fence);
  expect((await world.fence())?.v).toBe(fence);
  const raised = [...world.chronicle.pages.values()].filter((page) => !known.has(`outbox/${page.id}`));
  expect(raised.length).toBeGreaterThan(0);
  for (const { id, summary } of raised) await world.untilPaged(`delivery of ${id}: ${summary}`, (page) => page.id === id, 0);
  row.note = `${REPLICAS.length} replicas, twice; nothing moved; pages raised meanwhile and delivered: ${raised.length}`;
};
