import { expect, test } from 'vitest';
import type { Landing } from '../../src/drill/client.ts';
import { settledAtMs, whereabouts } from '../../src/drill/crowd.ts';

/** Landings a second apart; `-` is a visit without a reply. */
const diary = (...regions: readonly string[]): readonly Landing[] =>
  regions.map((region, i) => ({ atMonoMs: 1000 * (i + 1), region: region === '-' ? null : region, fromCache: true }));

test('a user has settled since its first visit after the last bad one', () => {
  expect(settledAtMs(diary('eu', '-', '-', 'us', 'us'), 'eu', 0)).toBe(4000);
  expect(settledAtMs(diary('eu', 'us', '-', 'ap', 'us'), 'eu', 0)).toBe(4000);
  expect(settledAtMs(diary('us', 'us', 'eu', 'us'), 'eu', 0)).toBe(4000);
});

test('a user whose last visit was a bad one, or who made none, has not', () => {
  expect(settledAtMs(diary('us', 'us', '-'), 'eu', 0)).toBeNull();
  expect(settledAtMs(diary('us', 'eu'), 'eu', 0)).toBeNull();
  expect(settledAtMs(diary('us', 'us'), 'eu', 5000)).toBeNull();
  expect(settledAtMs([], 'eu', 0)).toBeNull();
});

test('what was before the kill does not count: whoever was elsewhere settles with the first visit after it', () => {
  expect(settledAtMs(diary('eu', '-', 'us', 'us'), 'eu', 3500)).toBe(4000);
  expect(settledAtMs(diary('us', 'us', 'us'), 'eu', 1500)).toBe(2000);
});

test('whereabouts count users by their last landing, under nothing those without a reply', () => {
  const where = whereabouts([diary('eu', 'us'), diary('us'), diary('us', '-'), []]);
  expect(Object.fromEntries(where)).toEqual({ us: 2, '': 1 });
});
