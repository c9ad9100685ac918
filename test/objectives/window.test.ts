// The last looks at one dependency: what is kept, and which number stands for them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Sample, WINDOW, WINDOW_MS } from '../../src/objectives/model.ts';
import { kept, quantileOf, recent } from '../../src/objectives/window.ts';

const samplesOf = (...values: readonly (number | null)[]): readonly Sample[] => values.map((ms, at) => ({ atMs: at, ms }));

test.each([
  ['one is all there is', [7], 0.95, 7],
  ['the median of an odd number', [9, 1, 5], 0.5, 5],
  ['the lower of the two in the middle', [4, 1, 2, 3], 0.5, 2],
  ['one outlier of twenty is not the p95', [...Array.from({ length: 19 }, () => 10), 900], 0.95, 10],
  ['two of twenty are', [...Array.from({ length: 18 }, () => 10), 900, 800], 0.95, 800],
  ['one that was lost of twenty is not', [...Array.from({ length: 19 }, () => 10), null], 0.95, 10],
  ['two that were lost are: no number stands for them', [...Array.from({ length: 18 }, () => 10), null, null], 0.95, null],
  ['nothing', [], 0.95, null],
] as const)('%s', (_name, values, quantile, expected) => {
  expect(quantileOf(samplesOf(...values), quantile)).toBe(expected);
});

const samples = fc.array(fc.option(fc.double({ min: 0, max: 60_000, noNaN: true }), { nil: null, freq: 4 }), {
  minLength: 1,
  maxLength: 40,
});

describe('whatever was seen', () => {
  test('so large a part is not above the quantile, and it is one of what was seen', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.5, max: 0.99, noNaN: true }), (values, quantile) => {
        const found = quantileOf(samplesOf(...values), quantile);
        const asNumbers = values.map((ms) => ms ?? Number.POSITIVE_INFINITY);
        const limit = found ?? Number.POSITIVE_INFINITY;
        expect(asNumbers).toContain(limit);
        expect(asNumbers.filter((ms) => ms <= limit).length).toBeGreaterThanOrEqual(quantile * values.length);
        expect(asNumbers.filter((ms) => ms < limit).length).toBeLessThan(quantile * values.length);
      }),
    );
  });

  test('order does not matter, and one that is slower or lost makes it no faster', () => {
    fc.assert(
      fc.property(samples, fc.option(fc.double({ min: 0, max: 60_000, noNaN: true }), { nil: null }), (values, more) => {
        const of = (all: readonly (number | null)[]): number => quantileOf(samplesOf(...all), 0.95) ?? Number.POSITIVE_INFINITY;
        expect(of(values.toReversed())).toBe(of(values));
        const worst = Math.max(...values.map((ms) => ms ?? Number.POSITIVE_INFINITY), more ?? Number.POSITIVE_INFINITY);
        expect(of([...values, Number.isFinite(worst) ? worst : null])).toBeGreaterThanOrEqual(of(values));
      }),
    );
  });

  test('so many are kept, none of them old, the newest always', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(120_000), { minLength: 1, maxLength: 60 }), (steps) => {
        let [window, atMs]: [readonly Sample[], number] = [[], 0];
        for (const step of steps) {
          atMs += step;
          window = kept(window, { atMs, ms: step });
          expect(window.at(-1)).toEqual({ atMs, ms: step });
          expect(window.length).toBeLessThanOrEqual(WINDOW);
          expect(window.every((sample) => atMs - sample.atMs < WINDOW_MS)).toBe(true);
        }
        expect(recent(window, atMs + WINDOW_MS)).toEqual([]);
      }),
    );
  });
});
