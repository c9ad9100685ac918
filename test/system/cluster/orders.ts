// What operators order: two at once, and everything to stop.
import { expect } from 'vitest';
import { quantile } from '../../bench/numbers.ts';
import { until } from '../until.ts';
import { beatsPass, expectDrain, fenceOf, PATIENCE_MS, shareOf } from './deaths.ts';
import { REPLICAS } from './files.ts';
import { type Answer, HARMLESS } from './history.ts';
import type { Row } from './table.ts';
import type { World } from './world.ts';

const ROUNDS = 6;
/** Each takes its pool some seconds to come back from. */
const TIMED = 20;
const GOAL_OBEYED_MS = 2000;

/** As an operator does who was told that nobody knows: sends it again, which is safe. What is gone then was removed by the order in doubt. */
const surely = async (what: string, order: () => Promise<Answer>): Promise<void> => {
  let doubted = false;
  await until(what, async () => {
    const { outcome } = await order();
    if (outcome === 'done' || (outcome === 'missing' && doubted)) return true;
    if (outcome !== 'unknown' && outcome !== 'unwritten') throw new Error(`${what}: ${outcome}`);
    doubted = true;
    return false;
  });
};

/** At two regions at once, both on the version that both have read: one is obeyed and the other told so, and both tell the truth. */
export const conflictingOrders = async (world: World, row: Row): Promise<void> => {
  const { orders, people } = world;
  const contenders = ['r1/a', 'r4/a'] as const;
  const wins = { 'r1/a': 0, 'r4/a': 0 };
  await people.pause();
  for (let round = 0; round < ROUNDS; round++) {
    const version = (await orders.read('r3/a'))?.version ?? -1;
    const answers = await Promise.all(
      contenders.map((at) => orders.put(at, 'conflict', { kind: 'drain', scope: HARMLESS, reason: `contest ${round} at ${at}` }, version)),
    );
    const outcomes = answers.map(({ outcome }) => outcome);
    expect(outcomes.toSorted()).toEqual(['done', 'stale']);
    const winner = contenders[outcomes.indexOf('done')] ?? 'r1/a';
    wins[winner] += 1;
    const now = await orders.read('r2/a');
    expect(now?.version).toBe(version + 1);
    expect(now?.items.find(({ id }) => id === 'conflict')?.reason).toBe(`contest ${round} at ${winner}`);
  }
  await surely('the contest over', () => orders.remove('r5/a', 'conflict'));
  people.resume();
  row.note = `${ROUNDS} rounds, one winner each (r1 ${wins['r1/a']}, r4 ${wins['r4/a']}); both answers true`;
};

/** One order ends every write while looking and deciding go on. */
export const stopEverything = async (world: World, row: Row): Promise<void> => {
  const { orders } = world;
  const fence = fenceOf(world);
  await surely('the stop', () => orders.put('r4/a', 'stop', { kind: 'stop', scope: {}, reason: 'the provider is being moved' }));
  try {
    world.truth.break('r3');
    const atMs = performance.now();
    await world.site('r3').order({ app: 'down' });
    const decided = await world.chronicle.next('the drain of r3 decided', (moment) => shareOf(moment, 'r3') === 0, PATIENCE_MS);
    row.detectionMs = decided.atMs - atMs;
    await beatsPass(world, REPLICAS);
    expect((await world.fence())?.v, 'the fence while everything is stopped').toBe(fence);
  } finally {
    await surely('the stop withdrawn', () => orders.remove('r1/a', 'stop'));
  }
  const allowedAtMs = performance.now();
  const { convergenceMs = Number.NaN } = await expectDrain(world, 'r3', allowedAtMs);
  row.convergenceMs = convergenceMs;
  row.note = 'decided and not written; written once it was allowed (convergence from then)';
};

/**
 * From an order at a region's API until the decision that obeys it is read from the store, by somebody a round trip away. The goal is told and not asserted:
 * it is a figure of this machine.
 */
export const ordersObeyed = async (world: World, row: Row): Promise<void> => {
  const { orders, people, chronicle, truth } = world;
  const tookMs: number[] = [];
  await people.pause();
  try {
    for (let n = 0; n < TIMED; n++) {
      const [at, region] = n % 2 === 0 ? (['r1/a', 'r3'] as const) : (['r4/a', 'r2'] as const);
      truth.break(region);
      const sentAtMs = performance.now();
      await surely(`order ${n}`, () => orders.put(at, `timed-${n}`, { kind: 'drain', scope: { region }, reason: `timed ${n} at ${at}` }));
      const decided = await chronicle.next(`the drain of ${region} by order ${n}`, (moment) => shareOf(moment, region) === 0, PATIENCE_MS);
      tookMs.push(decided.atMs - sentAtMs);
      await surely(`order ${n} withdrawn`, () => orders.remove(at, `timed-${n}`));
      await chronicle.next(`${region} back after order ${n}`, (moment) => shareOf(moment, region) > 0, PATIENCE_MS);
      truth.mend(region);
    }
  } finally {
    people.resume();
  }
  const [p50, p99] = [quantile(tookMs, 0.5), quantile(tookMs, 0.99)].map((ms) => (ms / 1000).toFixed(2));
  row.note = `${TIMED} orders at r1 and r4 until the decision: p50 ${p50} s, p99 ${p99} s (goal ${GOAL_OBEYED_MS / 1000} s); everything else as it was`;
};
