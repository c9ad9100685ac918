// What is answered from records: whoever is not known is kept, never are all drained, and a look never takes a gate back into history.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatFence } from '../../providers/fence.ts';
import { recordOf } from '../../providers/gate/convert.ts';
import type { GateRecord } from '../../providers/gate/record.ts';
import {
  answering,
  answerOf,
  type Configured,
  configuredOf,
  drainsOf,
  highestFence,
  type Known,
  NOTHING,
  taken,
} from '../../src/gate/answers.ts';
import { fenceOf, REGIONS, serviceOf, WEB } from '../providers/gate.fixture.ts';
import { clusterOf } from '../world.ts';

const record = (v: number, shares: Readonly<Record<string, number>>, service = WEB): GateRecord =>
  recordOf({ desired: serviceOf(service, shares), fence: fenceOf(v, serviceOf(service, shares)) });
const known = (...records: readonly [string, GateRecord][]): Known => ({ clusterId: 'c1', adopted: null, records: new Map(records) });
const NO_EU = record(7, { 'us-east': 500, 'ap-south': 500 });
const ALL: Configured = new Map([[WEB, new Set<string>(REGIONS)]]);

describe('an answer', () => {
  test('is drain for a pool without a share, keep for the others, each with the number of the decision', () => {
    const state = known([WEB, NO_EU]);
    expect(REGIONS.map((pool) => answerOf(state, ALL, WEB, pool))).toEqual([
      { drain: true, fence: 7 },
      { drain: false, fence: 7 },
      { drain: false, fence: 7 },
    ]);
    expect(drainsOf(state, ALL)).toEqual([{ service: WEB, pool: 'eu-west', fence: 7 }]);
    expect(highestFence(answering(state, null))).toBe(7);
  });

  test.each(['nobody', '__proto__', 'constructor', 'toString', ''])('is keep for a name that is not there: %j', (name) => {
    const nothing = { drain: false, fence: null };
    expect(answerOf(known([WEB, NO_EU]), null, WEB, name)).toEqual(nothing);
    expect(answerOf(known([WEB, NO_EU]), null, name, 'eu-west')).toEqual(nothing);
    expect(answerOf(NOTHING, ALL, WEB, 'eu-west')).toEqual(nothing);
  });

  test('is what the record says while nobody knows the configuration, as after a restart without a store', () => {
    expect(answerOf(known([WEB, NO_EU]), null, WEB, 'eu-west').drain).toBe(true);
  });

  test('is keep for what has left the configuration, whatever lies in the store', () => {
    expect(answerOf(known([WEB, NO_EU]), new Map(), WEB, 'eu-west')).toEqual({ drain: false, fence: null });
    const without = new Map([[WEB, new Set(['us-east', 'ap-south'])]]);
    expect(answerOf(known([WEB, NO_EU]), without, WEB, 'eu-west')).toEqual({ drain: false, fence: null });
  });

  test('is keep for everybody when the only pool that is open has left the configuration', () => {
    const only = record(8, { 'us-east': 1000 });
    const left: Configured = new Map([[WEB, new Set(['eu-west', 'ap-south'])]]);
    expect(drainsOf(known([WEB, only]), left)).toEqual([]);
    expect(answerOf(known([WEB, only]), left, WEB, 'eu-west')).toEqual({ drain: false, fence: 8 });
  });

  test('follows the configuration of a cluster', () => {
    const cluster = clusterOf([...REGIONS], [{ name: WEB }]);
    expect(configuredOf(cluster)).toEqual(ALL);
    expect(configuredOf(cluster)).toBe(configuredOf(cluster));
    expect(configuredOf(null)).toBeNull();
  });
});

const anyRecord = fc
  .record({
    v: fc.integer({ min: 1, max: 50 }),
    open: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  })
  .map(({ v, open }) => ({
    v: 1,
    fence: formatFence({ v, epoch: 1, writer: 'w', nonce: 'n', hash: 'ab' }),
    pools: Object.fromEntries(open.map((isOpen, at) => [`p${at}`, { open: isOpen, region: `p${at}` }])),
  }));

test('whatever lies in the store and whatever is configured, never is every pool of a service drained', () => {
  const configured = fc.option(fc.subarray(['p0', 'p1', 'p2', 'p3', 'p4', 'p5'], { minLength: 1 }), { nil: null });
  fc.assert(
    fc.property(fc.array(fc.oneof(anyRecord, fc.anything()), { maxLength: 6 }), configured, (looks, pools) => {
      let state = NOTHING;
      for (const value of looks) {
        state = taken(state, { clusterId: 'c1', adopted: null }, new Map([[WEB, value]])).next;
        const now: Configured = pools === null ? null : new Map([[WEB, new Set(pools)]]);
        const all = pools ?? Object.keys(state.records.get(WEB)?.pools ?? { p0: 0 });
        expect(all.some((pool) => !answerOf(state, now, WEB, pool).drain)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

describe('a look at the store', () => {
  const after = (before: Known, value: unknown, adopted: Known['adopted'] = null) =>
    taken(before, { clusterId: 'c1', adopted }, new Map([[WEB, value]]));

  test('is followed when its fence is higher or the same', () => {
    const before = known([WEB, NO_EU]);
    expect(after(before, NO_EU)).toEqual({ next: before, isNews: false, refused: [] });
    const back = record(8, {});
    expect(after(before, back)).toMatchObject({ isNews: true, refused: [], next: { records: new Map([[WEB, back]]) } });
  });

  test('is not followed when its fence is lower: the store lost history; until it was adopted, or has counted past it', () => {
    const before = known([WEB, NO_EU]);
    const old = record(3, {});
    const not = after(before, old);
    expect(not).toMatchObject({ isNews: false, refused: [expect.stringContaining('fence 3, and 7 was answered before')] });
    expect(not.next.records.get(WEB)).toBe(NO_EU);
    expect(after(not.next, old, { nonce: 'n1', atMs: 1 }).next.records.get(WEB)).toEqual(old);
    expect(after(not.next, record(8, {})).next.records.get(WEB)).toEqual(record(8, {}));
  });

  test('is not followed back where the store has lost the last adoption, too: that is older, and no human did it now', () => {
    const before: Known = { ...known([WEB, NO_EU]), adopted: { nonce: 'n2', atMs: 2000 } };
    for (const adopted of [null, { nonce: 'n1', atMs: 1000 }, before.adopted]) {
      const not = after(before, record(3, {}), adopted);
      expect(not).toMatchObject({ isNews: false, refused: [expect.stringContaining('it lost history')], next: before });
    }
    const now = after(before, record(3, {}), { nonce: 'n3', atMs: 2001 });
    expect(now).toMatchObject({ isNews: true, refused: [], next: { adopted: { nonce: 'n3' }, records: new Map([[WEB, record(3, {})]]) } });
  });

  test.each([
    ['nothing', null],
    ['another version', { ...NO_EU, v: 2 }],
    ['a fence that is none', { ...NO_EU, fence: 'v=1;fence=x' }],
    ['no pool open', { ...NO_EU, pools: { 'eu-west': { open: false, region: 'eu-west' } } }],
    ['no pool at all', { ...NO_EU, pools: {} }],
    ['a pool that is no pool', { ...NO_EU, pools: { 'eu-west': true } }],
  ])('is not followed when the record has %s; what was answered before goes on', (_what, value) => {
    const before = known([WEB, NO_EU]);
    expect(after(before, value)).toMatchObject({ isNews: false, refused: [expect.stringContaining('not understood')], next: before });
    expect(after(NOTHING, value).next.records.size).toBe(0);
  });

  test('that has more than this release knows is followed', () => {
    expect(after(NOTHING, { ...NO_EU, later: 1 }).next.records.get(WEB)).toEqual(NO_EU);
  });

  test('without the record ends the drain: somebody took it away', () => {
    const { next, ...rest } = taken(known([WEB, NO_EU]), { clusterId: 'c1', adopted: null }, new Map());
    expect(rest).toEqual({ isNews: true, refused: [] });
    expect(next.records.size).toBe(0);
  });

  test('of another store without the record ends nothing until a human adopts it: it never had it', () => {
    const before = known([WEB, NO_EU]);
    const not = taken(before, { clusterId: 'c2', adopted: null }, new Map());
    expect(not).toEqual({ next: before, isNews: false, refused: [expect.stringContaining('another store took the place')] });
    expect(taken(not.next, { clusterId: 'c2', adopted: null }, new Map([[WEB, record(8, {})]])).next.records.get(WEB)).toEqual(
      record(8, {}),
    );
    const adopted = { nonce: 'n1', atMs: 1 };
    expect(taken(not.next, { clusterId: 'c2', adopted }, new Map()).next).toEqual({ clusterId: 'c2', adopted, records: new Map() });
    expect(taken(NOTHING, { clusterId: 'c2', adopted: null }, new Map()).next).toEqual({
      clusterId: 'c2',
      adopted: null,
      records: new Map(),
    });
  });
});
