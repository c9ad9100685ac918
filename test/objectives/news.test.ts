// When what was measured is written, and when what is so is told.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matrixOf } from '../../src/objectives/matrix.ts';
import type { MeasuredCell, Verdict } from '../../src/objectives/model.ts';
import { budgetsAfter, isNews, LOOKS_TO_TELL, type Streaks, streaksAfter } from '../../src/objectives/news.ts';
import { WEST } from '../runbook/platforms.ts';
import { by, cell, NOW_MS, SHIPPED, shop } from './fixture.ts';

test.each([
  ['the same', {}, false],
  ['a little slower: noise', { ms: 24 }, false],
  ['less than a tenth: noise, however many ms', { ms: 215 }, false, { ms: 200 }],
  ['slower', { ms: 26 }, true],
  ['faster', { ms: 14 }, true],
  ['older', { agoMs: 9_000 }, false],
  ['one more was lost', { lost: 1 }, true],
  ['no number any more', { ms: null }, true],
  ['a number at last', { ms: 20 }, true, { ms: null }],
  ['enough looks now', {}, true, { samples: 2 }],
  ['more looks than enough', {}, false, { samples: 12 }],
  ['another reason', { because: 'it refused' }, true],
  ['another dependency', { to: WEST }, true],
] as const)('%s', (_name, after: Partial<MeasuredCell>, expected: boolean, before: Partial<MeasuredCell> = {}) => {
  expect(isNews([cell(before)], [cell(after)])).toBe(expected);
});

test('one more and one less are news', () => {
  expect(isNews([], [cell()])).toBe(true);
  expect(isNews([cell()], [])).toBe(true);
  expect(isNews([], [])).toBe(false);
});

const NAME = 'postgres orders from eu-west to us-east';
const seen = (...verdicts: readonly Verdict[]): Streaks => {
  const looks = { good: cell(), breach: cell({ ms: 500 }), unknown: cell({ samples: 0, ms: null }) };
  return verdicts.reduce<Streaks>(
    (streaks, verdict) => streaksAfter(streaks, matrixOf(shop, SHIPPED, [by(WEST, [looks[verdict]])], NOW_MS).cells),
    new Map(),
  );
};

describe('what is told', () => {
  test('that it is over its bound once that was seen three times in a row, and not again', () => {
    expect(budgetsAfter([], seen('breach', 'breach'))).toEqual({ told: [], news: null });
    expect(budgetsAfter([], seen('breach', 'breach', 'breach'))).toEqual({ told: [NAME], news: 'over' });
    expect(budgetsAfter([NAME], seen('breach', 'breach', 'breach', 'breach'))).toEqual({ told: [NAME], news: null });
    expect(budgetsAfter([], seen('breach', 'breach', 'good', 'breach', 'breach'))).toEqual({ told: [], news: null });
  });

  test('that it holds again once that was seen three times in a row; what is not known ends nothing', () => {
    expect(budgetsAfter([NAME], seen('good', 'good'))).toEqual({ told: [NAME], news: null });
    expect(budgetsAfter([NAME], seen('good', 'good', 'good'))).toEqual({ told: [], news: 'recovered' });
    expect(budgetsAfter([NAME], seen('unknown', 'unknown', 'unknown', 'unknown'))).toEqual({ told: [NAME], news: null });
  });

  test('of several that all hold again, not of one of them', () => {
    expect(budgetsAfter([NAME, 'rtt tenants in us-east'], seen('good', 'good', 'good'))).toEqual({
      told: ['rtt tenants in us-east'],
      news: null,
    });
  });

  test('what is measured no more is forgotten, and with the last of it the page ends', () => {
    expect(budgetsAfter(['gone in us-east'], seen('good'))).toEqual({ told: [], news: 'recovered' });
  });

  test('whatever comes, what flickers faster than that is never told, and ends and beginnings take turns', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Verdict>('good', 'breach', 'unknown'), { maxLength: 40 }), (verdicts) => {
        let [streaks, told, open]: [Streaks, readonly string[], boolean] = [new Map(), [], false];
        let run = 0;
        verdicts.forEach((verdict, at) => {
          run = verdicts[at - 1] === verdict ? run + 1 : 1;
          streaks = new Map([[NAME, { verdict, looks: run }]]);
          const after = budgetsAfter(told, streaks);
          if (after.news === 'over') expect([verdict, run, open]).toEqual(['breach', LOOKS_TO_TELL, false]);
          if (after.news === 'recovered') expect([verdict, run, open]).toEqual(['good', LOOKS_TO_TELL, true]);
          if (after.news !== null) open = after.news === 'over';
          told = after.told;
          expect(told.length > 0).toBe(open);
        });
      }),
    );
  });
});
