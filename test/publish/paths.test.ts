// Which of several paths a service acts through: a table of who goes first, and what the sentence says.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PathStanding, rankPaths } from '../../src/publish/paths.ts';

const path = (provider: string, given: Partial<PathStanding> = {}): PathStanding => ({
  provider,
  provenAgoMs: 12_000,
  failing: null,
  p99Ms: 40,
  usersMs: 40_000,
  ...given,
});

const DEAD = { failing: 'connection refused' };
const UNKNOWN = { provenAgoMs: null, p99Ms: null };
const SLOW = { p99Ms: 2400 };
const OLD = { provenAgoMs: 3_600_000 };

describe('who goes first', () => {
  test.each<[string, Partial<PathStanding>, Partial<PathStanding>, string]>([
    ['two that are proven: the order of whoever configured them', {}, {}, 'gate'],
    ['the first fails', DEAD, {}, 'dns'],
    ['the second fails', {}, DEAD, 'gate'],
    ['the first fails, the second was never proven', DEAD, UNKNOWN, 'dns'],
    ['only the second is proven', UNKNOWN, {}, 'dns'],
    ['the first was proven too long ago', OLD, {}, 'dns'],
    ['neither is proven', UNKNOWN, UNKNOWN, 'gate'],
    ['the first is slow', SLOW, {}, 'dns'],
    ['a slow one is better than one that is not known', SLOW, UNKNOWN, 'gate'],
    ['both fail: the order', DEAD, DEAD, 'gate'],
    ['a faster second is no reason', { p99Ms: 900 }, { p99Ms: 5, usersMs: 1 }, 'gate'],
  ])('%s', (_claim, gate, dns, first) => {
    expect(rankPaths([path('gate', gate), path('dns', dns)]).order[0]).toBe(first);
  });
});

describe('the sentence', () => {
  test.each<[string, PathStanding[], string]>([
    ['one path', [path('dns')], 'dns was proven 12 s ago (p99 40 ms, users follow within 40 s)'],
    [
      'the first of two',
      [path('gate'), path('dns', UNKNOWN)],
      'through gate, first in order: gate was proven 12 s ago (p99 40 ms, users follow within 40 s); dns is not proven yet (users follow within 40 s)',
    ],
    [
      'the second of two',
      [path('gate', DEAD), path('dns', { usersMs: null })],
      'through dns, before gate: dns was proven 12 s ago (p99 40 ms); gate fails (connection refused)',
    ],
    ['none', [path('gate', DEAD), path('dns', DEAD)], 'no path works: gate fails (connection refused); dns fails (connection refused)'],
  ])('%s', (_claim, paths, because) => {
    expect(rankPaths(paths).because).toBe(because);
  });
});

const anyPath = (provider: string): fc.Arbitrary<PathStanding> =>
  fc.record({
    provider: fc.constant(provider),
    provenAgoMs: fc.option(fc.nat(2_000_000)),
    failing: fc.option(fc.constantFrom('a', 'b')),
    p99Ms: fc.option(fc.nat(3000)),
    usersMs: fc.option(fc.nat(100_000)),
  });

test('every path is there once, what fails never before what does not, and equals keep their order', () => {
  fc.assert(
    fc.property(fc.tuple(anyPath('a'), anyPath('b'), anyPath('c')), (paths) => {
      const { order } = rankPaths(paths);
      expect([...order].sort()).toEqual(['a', 'b', 'c']);
      const failing = order.map((name) => paths.find(({ provider }) => provider === name)?.failing !== null);
      expect(failing.toSorted((x, y) => Number(x) - Number(y))).toEqual(failing);
      const [one] = paths;
      expect(rankPaths(paths.map((each) => ({ ...one, provider: each.provider }))).order).toEqual(['a', 'b', 'c']);
    }),
  );
});
