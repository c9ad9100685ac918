import { expect, test } from 'vitest';
import { NEVER_MS, unjudgedOf, wrongWith } from './judge.ts';

const SLOW = 'the test was late by up to 900 ms in 4 seconds';

test.each([
  ['in time', { detectionMs: 7000, convergenceMs: 6000 }, null, []],
  ['in time on a slow machine', { detectionMs: 7000, convergenceMs: 6000 }, SLOW, []],
  ['detected late', { detectionMs: 30_000, convergenceMs: 6000 }, null, ['detected after 30.0 s, the goal is 30 s']],
  ['late on a slow machine', { detectionMs: 80_000, convergenceMs: 170_000 }, SLOW, []],
  ['never', { never: 'waited 90 s for r3 drained' }, null, ['waited 90 s for r3 drained']],
  [
    'never on a slow machine',
    { never: 'waited 90 s for r3 drained' },
    SLOW,
    [`waited 90 s for r3 drained, which no machine is too slow for (${SLOW})`],
  ],
] as const)('a drain that comes %s', (_, drain, slow, said) => {
  expect(wrongWith(drain, slow)).toEqual(said);
});

test('what has not come within three times the goals does not come', () => {
  expect(NEVER_MS).toEqual({ detectionMs: 90_000, convergenceMs: 180_000 });
});

test.each([
  [48, 15, '15 of 48, 31 %', false],
  [48, 24, '24 of 48, 50 %', false],
  [48, 25, '25 of 48, 52 %', true],
  [4, 3, '3 of 4, 75 %', true],
  [2, 2, '2 of 2, 100 %', false],
  [0, 0, '0 of 0, 0 %', false],
])('of %i faults %i that could not be judged', (all, slow, text, isTooMany) => {
  const done = Array.from({ length: all }, (_, n) => ({ slow: n < slow ? SLOW : null }));
  expect(unjudgedOf(done)).toEqual({ text: `the machine was too slow to judge ${text}`, isTooMany });
});
