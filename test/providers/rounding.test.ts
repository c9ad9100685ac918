import fc from 'fast-check';
import { expect, test } from 'vitest';
import { poolsIn, thousandthsOf, wholeUnits } from '../../providers/rounding.ts';

const of = (...shares: number[]) => shares.map((share, at) => ({ pool: `p${at}`, share, configuredShare: share }));
const units = (total: number, ...shares: number[]): number[] => [...wholeUnits(of(...shares), total).values()];

test.each([
  [255, [1000], [255]],
  [255, [500, 500], [128, 127]],
  [255, [999, 1], [254, 1]],
  [255, [1000, 0], [255, 0]],
  [100, [334, 333, 333], [34, 33, 33]],
  [3, [998, 1, 1], [1, 1, 1]],
  [1000, [700, 200, 100], [700, 200, 100]],
])('%i units for %j are %j', (total, shares, expected) => expect(units(total, ...shares)).toEqual(expected));

test('an empty route, and more pools than units, are bugs', () => {
  expect(() => units(255, 0, 0)).toThrow(/empty/);
  expect(() => units(2, 1, 1, 998)).toThrow(/cannot be told apart/);
});

const route = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 20 }).filter((shares) => shares.some((s) => s > 0));

test('units sum to the total, keep who has a share and nobody else, and read back to the same units', () => {
  fc.assert(
    fc.property(route, fc.constantFrom(100, 255, 1000), (shares, total) => {
      const given = wholeUnits(of(...shares), total);
      expect([...given.values()].reduce((a, b) => a + b)).toBe(total);
      for (const [at, share] of shares.entries()) expect(given.get(`p${at}`)! > 0).toBe(share > 0);
      const back = thousandthsOf(given)!;
      expect(Object.values(back).reduce((a, b) => a + b)).toBe(1000);
    }),
  );
});

test('units that are all zero are no route', () => expect(thousandthsOf(new Map([['a', 0]]))).toBeNull());

test('somebody is always in, and a pool without a share never is', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ share: fc.nat(1000), configuredShare: fc.nat(1000) }), { minLength: 1 }), (pools) => {
      const inside = poolsIn(pools.map((pool, at) => ({ ...pool, pool: `p${at}` })));
      expect(inside.length > 0).toBe(pools.some(({ share }) => share > 0));
      expect(inside.every(({ share }) => share > 0)).toBe(true);
    }),
  );
});

test('a pool at exactly half of its configured share is in, one a thousandth below is out', () => {
  const at = (share: number) =>
    poolsIn([
      { pool: 'a', share, configuredShare: 500 },
      { pool: 'b', share: 1000 - share, configuredShare: 500 },
    ]);
  expect(at(250).map(({ pool }) => pool)).toEqual(['a', 'b']);
  expect(at(249).map(({ pool }) => pool)).toEqual(['b']);
});
