// The coordinator tells of what is over its bound: once, over takeovers too, with the numbers and what helps; and when all of it holds again.
import { expect, test } from 'vitest';
import { budgetsKey, measuredKey, outboxKey } from '../../src/coordinate/keys.ts';
import type { Sight } from '../../src/coordinate/read.ts';
import type { Page } from '../../src/model.ts';
import { createBudgetsDuty, GONE_MS, LOOK_EVERY_MS } from '../../src/objectives/duty.ts';
import type { MeasuredCell } from '../../src/objectives/model.ts';
import { MEASURED } from '../../src/objectives/reader.ts';
import type { ObjectiveConfig } from '../../src/runbook/platform.ts';
import { createMemoryStore } from '../memory-store.ts';
import { recordingLog } from '../recording-log.ts';
import { WEST } from '../runbook/platforms.ts';
import { clusterWith } from '../runbook/rig.ts';
import { createVirtual } from '../virtual.ts';
import { cell, NOW_MS, SHIPPED, shop } from './fixture.ts';

const stage = (shipped: readonly ObjectiveConfig[] = SHIPPED) => {
  const virtual = createVirtual({ startWallMs: NOW_MS, seed: 'budgets' });
  const store = createMemoryStore(virtual.ports);
  const log = recordingLog();
  const open = () => createBudgetsDuty({ ports: virtual.ports, log, store, shipped: () => shipped });
  let duty = open();
  let commits = true;
  let meanwhile: (() => Promise<unknown>) | null = null;
  const term = {
    commit: async (conditions: Parameters<typeof store.txn>[0]['if'], then: Parameters<typeof store.txn>[0]['then']) => {
      await meanwhile?.();
      return commits && (await store.txn({ if: conditions, then })).ok;
    },
  };
  const sight = { cluster: clusterWith(shop), routing: { v: 3 } } as unknown as Sight;
  let cells: readonly MeasuredCell[] = [];
  return {
    log,
    rest: () => duty.rest(),
    put: (key: string, value: unknown) => store.txn({ if: [], then: [{ put: key, value }] }),
    keys: async (): Promise<readonly string[]> => (await store.get({ prefixes: [MEASURED] })).kvs.map(({ key }) => key),
    takeOver: () => {
      duty = open();
    },
    refuse: (next: boolean) => {
      commits = !next;
    },
    measure: (...next: readonly MeasuredCell[]) => {
      cells = next;
    },
    /** So many looks of the duty, over a record that is as fresh as can be. */
    async looks(n: number) {
      for (let look = 0; look < n; look++) {
        const atMs = NOW_MS + virtual.now();
        await store.txn({ if: [], then: [{ put: measuredKey(WEST, 'a'), value: { boot: 'b', atMs, cells, nonce: String(look) } }] });
        duty.turn(sight, atMs, term);
        duty.turn(sight, atMs, term);
        await virtual.advance(LOOK_EVERY_MS);
      }
      await duty.idle();
    },
    pages: async (): Promise<readonly Page[]> => (await store.get({ prefixes: [outboxKey('')] })).kvs.map(({ value }) => value as Page),
    rev: async (): Promise<number> => (await store.get({ keys: [budgetsKey('shop')] })).kvs[0]?.mod ?? 0,
    /** Another has told it just before this one commits. */
    overtaken: () => {
      meanwhile = () =>
        store.txn({
          if: [],
          then: [{ put: budgetsKey('shop'), value: { told: ['postgres orders from eu-west to us-east'], nonce: 'x' } }],
        });
    },
    told: async (): Promise<unknown> =>
      ((await store.get({ keys: [budgetsKey('shop')] })).kvs[0]?.value as { told: unknown } | undefined)?.told,
  };
};

const SLOW = cell({ ms: 182 });

test('over its bound for half a minute is told once, with its numbers and what helps, and so is its end', async () => {
  const { measure, looks, pages, told } = stage();
  measure(SLOW);
  await looks(2);
  expect(await pages()).toEqual([]);
  await looks(8);
  const [page] = await pages();
  expect(await pages()).toHaveLength(1);
  expect(page).toMatchObject({
    type: 'dependency.over_budget',
    severity: 'warning',
    summary:
      'platform shop is over budget: postgres orders from eu-west to us-east: p95 182 ms; below 100 ms is wanted; what helps between regions: pin tools',
    dedupKey: expect.stringMatching(/^tidegate\/.+\/objectives-shop$/),
    detail: { platform: 'shop', over: ['postgres orders from eu-west to us-east'] },
  });
  measure(cell());
  await looks(2);
  expect(await pages()).toHaveLength(1);
  await looks(3);
  const after = (await pages()).find(({ type }) => type === 'dependency.recovered');
  expect(after).toMatchObject({ severity: 'info', dedupKey: page?.dedupKey });
  expect(await told()).toEqual([]);
});

test('nothing is written while nothing is news, and what another has told meanwhile is not told again', async () => {
  const { measure, looks, rev, pages } = stage();
  measure(SLOW);
  await looks(4);
  const before = await rev();
  await looks(3);
  expect(await rev()).toBe(before);
  const late = stage();
  late.overtaken();
  late.measure(SLOW);
  await late.looks(6);
  expect([await late.pages(), (await pages()).length]).toEqual([[], 1]);
});

test('what replicas measured that are gone for an hour goes, a few at each look', async () => {
  const { looks, put, keys, measure } = stage();
  const old = (atMs: number) => ({ boot: 'b', atMs, cells: [], nonce: 'x' });
  for (let n = 10; n < 35; n++) await put(measuredKey(WEST, `gone${n}`), old(NOW_MS - GONE_MS - 1));
  await put(measuredKey(WEST, 'late'), old(NOW_MS - GONE_MS + 60_000));
  measure(cell());
  await looks(1);
  expect(await keys()).toHaveLength(7);
  await looks(1);
  expect(await keys()).toEqual([measuredKey(WEST, 'a'), measuredKey(WEST, 'late')]);
});

test('what was seen in a row ends with the term', async () => {
  const { measure, looks, pages, rest } = stage();
  measure(SLOW);
  await looks(2);
  rest();
  await looks(2);
  expect(await pages()).toEqual([]);
  await looks(1);
  expect(await pages()).toHaveLength(1);
});

test('what was told and is measured no more is not said to hold', async () => {
  const { looks, pages, put, told } = stage();
  await put(budgetsKey('shop'), { told: ['gone in us-east'], nonce: 'x' });
  await looks(1);
  expect((await pages()).map(({ type, summary }) => `${type} ${summary}`)).toEqual([
    'dependency.recovered platform shop: what was over budget is measured no more: gone in us-east',
  ]);
  expect(await told()).toEqual([]);
});

test('a successor tells nothing again', async () => {
  const { measure, looks, pages, takeOver } = stage();
  measure(SLOW);
  await looks(4);
  takeOver();
  await looks(5);
  expect(await pages()).toHaveLength(1);
});

test('what could not be committed is told at the next look, and once', async () => {
  const { measure, looks, pages, refuse, told } = stage();
  refuse(true);
  measure(SLOW);
  await looks(5);
  expect([await pages(), await told()]).toEqual([[], undefined]);
  refuse(false);
  await looks(3);
  expect(await pages()).toHaveLength(1);
});

test('another one beside it is told anew, with both; advice alone wakes nobody', async () => {
  const rtt = cell({ objective: 'rtt', of: 'tenants', ms: 300 });
  const { measure, looks, pages } = stage();
  measure(rtt);
  await looks(4);
  expect((await pages())[0]).toMatchObject({ type: 'dependency.over_budget', severity: 'info' });
  measure(rtt, SLOW);
  await looks(4);
  const second = (await pages()).find(({ severity }) => severity === 'warning');
  expect(second?.detail).toMatchObject({
    over: expect.arrayContaining(['rtt tenants from eu-west to us-east', 'postgres orders from eu-west to us-east']),
  });
  expect(await pages()).toHaveLength(2);
});
