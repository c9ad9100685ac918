// What runs are told of data tiers: last known lags with their age, what is proved (written only when that is news), how the vantages see a region; and what
// gate.lag makes of a lag.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KEYS, lagKey } from '../../../src/coordinate/keys.ts';
import type { PoolTally } from '../../../src/model.ts';
import type { LagRecord, LagSample, Tiers } from '../../../src/runbook/facts.ts';
import { createTierBook, createTierDesk, witnessOf } from '../../../src/runbook/tiers/desk.ts';
import { judged } from '../../../src/runbook/tiers/lag.ts';
import { isUntold, lagsAfter, lagText, lossText, proofLost, splitIn, wholeAgain } from '../../../src/runbook/tiers/record.ts';
import { seated } from '../../decide/council.ts';
import { createMemoryStore } from '../../memory-store.ts';
import { createVirtual } from '../../virtual.ts';
import { clusterOf, serviceOf } from '../../world.ts';

const NOW = 1_800_000_000_000;

const deskOn = (tallies: readonly PoolTally[] = [], writtenAgoMs: number | null = null) => {
  const { ports } = createVirtual({ startWallMs: NOW, seed: 5 });
  const store = createMemoryStore(ports);
  return {
    store,
    book: createTierBook({ store, ports }),
    desk: createTierDesk({ store, ports, clusterNowMs: () => NOW + 4_000, ageMs: () => writtenAgoMs, tallies: () => tallies }),
    tiers: async () => (await store.get({ keys: [KEYS.tiers] })).kvs[0],
  };
};

describe('the desk', () => {
  test('a proof makes the region the writer, and the same proof again writes nothing', async () => {
    const { desk, tiers } = deskOn();
    expect(await desk.state('shop', 'orders')).toBeNull();
    await desk.proved('shop', 'orders', 'eu', 'row 1 was written and read back', await desk.state('shop', 'orders'));
    const first = await tiers();
    expect(await desk.state('shop', 'orders')).toEqual({
      writer: 'eu',
      provedAtMs: NOW + 4_000,
      because: 'row 1 was written and read back',
    });
    expect(await desk.state('other', 'orders')).toBeNull();
    await desk.proved('shop', 'orders', 'eu', 'row 2 was written and read back', await desk.state('shop', 'orders'));
    expect((await tiers())?.mod).toBe(first?.mod);
    await desk.proved('shop', 'users', 'eu', 'row 1', await desk.state('shop', 'users'));
    await desk.proved('shop', 'orders', 'us', 'row 1', await desk.state('shop', 'orders'));
    expect((await tiers())?.value).toMatchObject({
      version: 3,
      databases: { 'shop/orders': { writer: 'us' }, 'shop/users': { writer: 'eu' } },
    });
  });

  test('while two regions take writes nothing is proved; once one does, it may be', async () => {
    const { desk, book } = deskOn();
    await desk.proved('shop', 'orders', 'eu', 'row 1', await desk.state('shop', 'orders'));
    await book('shop', 'orders', splitIn(['eu', 'us'], 'both take writes', NOW));
    await expect(desk.proved('shop', 'orders', 'us', 'row 2', await desk.state('shop', 'orders'))).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    });
    expect(await desk.state('shop', 'orders')).toMatchObject({ writer: 'eu', split: { regions: ['eu', 'us'], atMs: NOW } });
    await book('shop', 'orders', wholeAgain);
    await desk.proved('shop', 'orders', 'us', 'row 2', await desk.state('shop', 'orders'));
    expect(await desk.state('shop', 'orders')).toEqual({ writer: 'us', provedAtMs: NOW + 4_000, because: 'row 2' });
  });

  test('a row that was written before something else was proved does not stand against that', async () => {
    const { desk, book } = deskOn();
    await desk.proved('shop', 'orders', 'eu', 'row 1', null);
    const seen = await desk.state('shop', 'orders');
    await desk.proved('shop', 'orders', 'us', 'row 2', seen);
    await expect(desk.proved('shop', 'orders', 'eu', 'row of a replica that was frozen', seen)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    });
    await expect(desk.proved('shop', 'orders', 'eu', 'row of one that never knew anything', null)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    });
    expect(await desk.state('shop', 'orders')).toMatchObject({ writer: 'us' });
    await desk.proved('shop', 'orders', 'us', 'row 3', seen);
    const known = await desk.state('shop', 'orders');
    await book('shop', 'orders', proofLost('us', 'it follows'));
    await expect(desk.proved('shop', 'orders', 'eu', 'row 4', known)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  });

  test('two who prove at once both count', async () => {
    const { store, desk } = deskOn();
    const { ports } = createVirtual({ startWallMs: NOW, seed: 6 });
    const other = createTierDesk({ store, ports, clusterNowMs: () => NOW, ageMs: () => null, tallies: () => [] });
    await Promise.all([
      desk.proved('shop', 'orders', 'eu', 'row', await desk.state('shop', 'orders')),
      other.proved('shop', 'users', 'us', 'row', await desk.state('shop', 'users')),
    ]);
    expect(await desk.state('shop', 'orders')).toMatchObject({ writer: 'eu' });
    expect(await desk.state('shop', 'users')).toMatchObject({ writer: 'us' });
  });

  test('the last known lag has its age; what was never measured is null', async () => {
    const { store, desk } = deskOn();
    const record: LagRecord = { atMs: NOW, nonce: 'n', databases: { orders: { us: { ms: 3_200, bytes: 48e6, atMs: NOW } } } };
    await store.txn({ if: [], then: [{ put: lagKey('shop'), value: record }] });
    expect(await desk.lag('shop', 'orders', 'us')).toEqual({ ms: 3_200, bytes: 48e6, atMs: NOW, ageMs: 4_000 });
    expect(await desk.lag('shop', 'orders', 'eu')).toBeNull();
    expect(await desk.lag('else', 'orders', 'us')).toBeNull();
  });
});

test.each([
  ['measured here, whatever the clocks of both say', 7_000, 9_000],
  ['as the clocks have it, where nothing bounds it', Number.POSITIVE_INFINITY, 6_000],
  ['as the clocks have it, before anything was seen', null, 6_000],
])('the age of the last known lag is %s', async (_, writtenAgoMs, ageMs) => {
  const { store, desk } = deskOn([], writtenAgoMs);
  const record: LagRecord = { atMs: NOW, nonce: 'n', databases: { orders: { us: { ms: 1, bytes: 1, atMs: NOW - 2_000 } } } };
  await store.txn({ if: [], then: [{ put: lagKey('shop'), value: record }] });
  expect(await desk.lag('shop', 'orders', 'us')).toMatchObject({ ageMs });
});

describe('the witness', () => {
  const cluster = clusterOf(['a', 'b', 'c'], [serviceOf(['a', 'b', 'c'], {})]);

  test('a region is down for as long as decisions have held all of it down', () => {
    const council = seated(cluster);
    const up = council.see({}, 500);
    expect(witnessOf('a', cluster, council.routing ?? undefined, up.tallies, council.nowMs)).toMatchObject({ sinceMs: null });
    const fallen = council.see({ dead: ['a'] }, 500);
    const { sinceMs, because } = witnessOf('a', cluster, council.routing ?? undefined, fallen.tallies, council.nowMs + 7_000);
    expect([sinceMs, because]).toEqual([7_000, 'a quorum has held a down for 7.0 s']);
  });

  test('unready is not down, a minority is no quorum, and of what is not probed nobody knows', () => {
    const council = seated(cluster);
    const of = (region: string, tallies: readonly PoolTally[]) =>
      witnessOf(region, cluster, council.routing ?? undefined, tallies, council.nowMs);
    expect(of('a', council.see({ unready: ['a'] }, 500).tallies)).toMatchObject({
      sinceMs: null,
      because: expect.stringContaining('unready'),
    });
    const alone = seated(cluster);
    const { tallies } = alone.see({ dead: ['a'], by: ['b'] }, 500);
    expect(witnessOf('a', cluster, alone.routing ?? undefined, tallies, alone.nowMs)).toMatchObject({ sinceMs: null });
    expect(of('nowhere', tallies)).toMatchObject({ sinceMs: null, because: expect.stringContaining('nothing in nowhere is probed') });
  });

  test('what the vantages say and no decision has yet is nothing to go by', () => {
    const council = seated(cluster);
    const { routing } = council;
    const { tallies } = council.see({ dead: ['a'] }, 500);
    expect(witnessOf('a', cluster, routing ?? undefined, tallies, council.nowMs)).toMatchObject({ sinceMs: null });
  });
});

describe('what a lag says', () => {
  const spec = { database: 'orders', region: 'us', maxMs: 30_000, maxBytes: 64e6, maxAgeMs: 60_000 };
  const of = (over: Partial<LagSample & { ageMs: number }>) => judged(spec, { ms: 3_200, bytes: 48e6, atMs: 0, ageMs: 4_000, ...over });

  test.each<[string, ReturnType<typeof judged>, string, string]>([
    ['within bounds', of({}), 'reached', 'expected loss now: 3.2 s / 48 MB, measured 4 s ago'],
    ['too long', of({ ms: 30_001 }), 'pending', 'at most 30 s / 64 MB'],
    ['too much', of({ bytes: 64e6 + 1 }), 'pending', 'at most 30 s / 64 MB'],
    ['too old', of({ ageMs: 60_001 }), 'unknown', 'measured 60 s ago; at most 60 s is taken'],
    ['too much, and old as well', of({ bytes: 65e6, ageMs: 600_000 }), 'pending', 'measured 10 min ago'],
    ['a part that could not be told', of({ bytes: null }), 'unknown', '3.2 s / unknown bytes'],
    ['never measured', judged(spec, null), 'unknown', 'expected loss now: unknown, since it was never measured'],
  ])('%s', (_, reading, is, words) => {
    expect(reading).toMatchObject({ is, because: expect.stringContaining(words) });
  });

  test('never reached but by both parts within bounds, measured lately', () => {
    const part = fc.option(fc.nat({ max: 200_000_000 }));
    fc.assert(
      fc.property(part, part, fc.nat({ max: 120_000 }), (ms, bytes, ageMs) => {
        const good = ms !== null && ms <= spec.maxMs && bytes !== null && bytes <= spec.maxBytes && ageMs <= spec.maxAgeMs;
        expect(of({ ms, bytes, ageMs }).is === 'reached').toBe(good);
      }),
    );
  });

  test.each([
    [0, 0, '0.0 s / 0 B'],
    [900, 999, '0.9 s / 999 B'],
    [12_400, 1_200_000, '12 s / 1.2 MB'],
    [3_200, 48e6, '3.2 s / 48 MB'],
    [null, 3.4e9, 'an unknown time / 3.4 GB'],
  ])('%s ms and %s bytes', (ms, bytes, text) => {
    expect(lagText({ ms, bytes })).toBe(text);
  });

  test('a clock behind makes no age below zero', () => {
    expect(lossText({ ms: 0, bytes: 0, atMs: 0, ageMs: -5 })).toContain('measured 0 s ago');
  });
});

test('what could not be measured stays as it was known last, with its own instant', () => {
  const known: LagRecord = { atMs: 1, nonce: 'a', databases: { orders: { us: { ms: 5, bytes: 6, atMs: 1 } } } };
  const untold: LagSample = { ms: null, bytes: null, atMs: 9 };
  expect(isUntold(untold)).toBe(true);
  expect(
    lagsAfter(known, { orders: { us: untold, ap: untold }, users: { us: { ms: 1, bytes: null, atMs: 9 } } }, { atMs: 9, nonce: 'b' }),
  ).toEqual({
    atMs: 9,
    nonce: 'b',
    databases: { orders: { us: { ms: 5, bytes: 6, atMs: 1 } }, users: { us: { ms: 1, bytes: null, atMs: 9 } } },
  });
});

test('a split is written once for the same regions', async () => {
  const { book, tiers } = deskOn();
  await book('shop', 'orders', splitIn(['eu', 'us'], 'both', NOW));
  const first = await tiers();
  await book('shop', 'orders', splitIn(['eu', 'us'], 'both still', NOW + 5_000));
  expect((await tiers())?.mod).toBe(first?.mod);
  expect((first?.value as Tiers | undefined)?.databases['shop/orders']).toMatchObject({ writer: null, split: { because: 'both' } });
});
