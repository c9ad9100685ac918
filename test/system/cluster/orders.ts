// What operators order: two at once, and everything to stop.
import { expect } from 'vitest';
import type { Override } from '../../../src/model.ts';
import { beatsPass, expectDrain, fenceOf, PATIENCE_MS, shareOf } from './deaths.ts';
import { REPLICAS, type ReplicaName } from './files.ts';
import type { Row } from './table.ts';
import type { World } from './world.ts';

const ROUNDS = 6;

interface Order {
  kind: Override['kind'];
  scope: Override['scope'];
  reason: string;
}

export interface Orders {
  put(at: ReplicaName, id: string, order: Order, ifMatch?: string): Promise<Response>;
  remove(at: ReplicaName, id: string): Promise<Response>;
  /** The document, as read through a region's API. */
  read(at: ReplicaName): Promise<{ version: number; items: readonly Override[]; etag: string }>;
}

export const ordersOf = (world: World): Orders => {
  const authorization = `Bearer ${world.operatorToken}`;
  return {
    put: (at, id, order, ifMatch) =>
      world.api(at, `/v1/overrides/${id}`, {
        method: 'PUT',
        headers: { authorization, 'content-type': 'application/json', ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) },
        body: JSON.stringify({ ...order, owner: 'cluster-test', ttl: '15m' }),
      }),
    remove: (at, id) => world.api(at, `/v1/overrides/${id}`, { method: 'DELETE', headers: { authorization } }),
    async read(at) {
      const reply = await world.api(at, '/v1/overrides');
      if (reply.status !== 200) throw new Error(`${at}: ${reply.status} ${await reply.text()}`);
      return { ...((await reply.json()) as { version: number; items: readonly Override[] }), etag: reply.headers.get('etag') ?? '' };
    },
  };
};

/** A region without pools: an order about it moves nothing, so that what is looked at is the order alone. */
export const HARMLESS: Override['scope'] = { region: 'r5' };

/** At two regions at once, both on the version that both have read: one is obeyed and the other told so, and both tell the truth. */
export const conflictingOrders = async (world: World, row: Row): Promise<void> => {
  const orders = ordersOf(world);
  const wins = { 'r1/a': 0, 'r4/a': 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const { etag, version } = await orders.read('r3/a');
    const contenders = ['r1/a', 'r4/a'] as const;
    const replies = await Promise.all(
      contenders.map((at) => orders.put(at, 'conflict', { kind: 'drain', scope: HARMLESS, reason: `${round} at ${at}` }, etag)),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 412]);
    const winner = contenders[replies.findIndex(({ status }) => status === 200)] ?? 'r1/a';
    wins[winner] += 1;
    const now = await orders.read('r2/a');
    expect(now.version).toBe(version + 1);
    expect(now.items.find(({ id }) => id === 'conflict')?.reason).toBe(`${round} at ${winner}`);
  }
  expect((await orders.remove('r5/a', 'conflict')).status).toBe(200);
  row.note = `${ROUNDS} rounds, one winner each (r1 ${wins['r1/a']}, r4 ${wins['r4/a']}); both answers true`;
};

/** One order ends every write while looking and deciding go on. */
export const stopEverything = async (world: World, row: Row): Promise<void> => {
  const orders = ordersOf(world);
  const fence = fenceOf(world);
  const stopped = await orders.put('r4/a', 'stop', { kind: 'stop', scope: {}, reason: 'the provider is being moved' });
  expect(stopped.status).toBe(200);
  try {
    world.truth.break('r3');
    const atMs = performance.now();
    await world.site('r3').order({ app: 'down' });
    const decided = await world.chronicle.next('the drain of r3 decided', (moment) => shareOf(moment, 'r3') === 0, PATIENCE_MS);
    row.detectionMs = decided.atMs - atMs;
    await beatsPass(world, REPLICAS);
    expect((await world.fence())?.v, 'the fence while everything is stopped').toBe(fence);
  } finally {
    expect((await orders.remove('r1/a', 'stop')).status).toBe(200);
  }
  const allowedAtMs = performance.now();
  const { convergenceMs = Number.NaN } = await expectDrain(world, 'r3', allowedAtMs);
  row.convergenceMs = convergenceMs;
  row.note = 'decided and not written; written once it was allowed (convergence from then)';
};
