// What providers serve of services that are not written, kept as a short history.
import { expect, test } from 'vitest';
import { observedKey } from '../../src/coordinate/keys.ts';
import type { Observed } from '../../src/model.ts';
import { afterLook, OBSERVED_KEPT } from '../../src/publish/observed.ts';
import { clusterOf, START_WALL_MS, World } from '../world.ts';

const FENCE = { v: 1, epoch: 1, writer: 'human', nonce: 'n', hash: 'h' };
const recordOf = async (world: World): Promise<Observed | null> =>
  ((await world.store.get({ keys: [observedKey('memory', 'web')] })).kvs[0]?.value as Observed | undefined) ?? null;

test('changes of what is served are written with the look before, by whoever coordinates; nothing is ever written to the provider', async () => {
  const served: string[] = [];
  const world = new World({ cluster: clusterOf(['a', 'b', 'c'], [{ mode: 'observe' }]) }, { served: (_, service) => served.push(service) });
  world.zone.services.set('web', { fence: FENCE, shares: { a: 334, b: 333, c: 333 } });
  await world.start();
  await world.run(120_000);
  expect((await recordOf(world))?.changes).toMatchObject([{ afterAtMs: null, shares: { a: 334, b: 333, c: 333 } }]);
  world.zone.services.set('web', { fence: FENCE, shares: { a: 500, b: 0, c: 500 } });
  await world.run(35_000);
  const [, change] = (await recordOf(world))?.changes ?? [];
  expect(change?.shares).toEqual({ a: 500, b: 0, c: 500 });
  expect((change?.atMs ?? 0) - START_WALL_MS).toBeGreaterThan(120_000);
  expect((change?.atMs ?? 0) - (change?.afterAtMs ?? 0)).toBeLessThan(31_000);
  // The next coordinator goes on from the record.
  const first = world.coordinator() ?? '';
  world.kill(first);
  await world.run(60_000);
  expect(world.coordinator()).not.toBe(first);
  expect((await recordOf(world))?.changes).toHaveLength(2);
  await world.run(700_000);
  const record = await recordOf(world);
  expect(record?.changes).toHaveLength(2);
  expect(START_WALL_MS + world.now() - (record?.lookedAtMs ?? 0)).toBeLessThan(640_000);
  expect(served).toEqual([]);
});

test('services in auto are left to the publisher', async () => {
  const world = new World({ cluster: clusterOf(['a', 'b', 'c'], [{}]) });
  await world.start();
  await world.run(120_000);
  expect(await recordOf(world)).toBeNull();
});

test('the history is bounded; a provider that does not answer is a change, and so is its return', () => {
  let record: Observed | null = null;
  for (let i = 0; i < 200; i++) record = afterLook(record, { shares: { a: i } }, null, i * 1000) ?? record;
  expect(record?.changes).toHaveLength(OBSERVED_KEPT);
  expect(record?.sinceAtMs).toBe(0);
  expect(afterLook(record, { shares: { a: 199, b: 0 } }, null, 200_000)).toBeNull();
  const silent = afterLook(record, { shares: null, because: 'no answer: refused' }, 199_000, 200_000);
  expect(silent?.changes.at(-1)).toEqual({ atMs: 200_000, afterAtMs: 199_000, shares: null, because: 'no answer: refused' });
  expect(afterLook(silent, { shares: null, because: 'no answer: timeout' }, null, 201_000)).toBeNull();
  expect(afterLook(silent, { shares: null }, null, 201_000)?.changes.at(-1)?.because).toBeUndefined();
});
