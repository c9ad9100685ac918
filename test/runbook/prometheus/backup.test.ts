// How old a backup is, from what its query says. A real Prometheus answers in test/system/prometheus.test.ts.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reading } from '../../../src/runbook/kind.ts';
import { backupFacts } from '../../../src/runbook/prometheus/backup.ts';

const NOW_MS = 1_795_316_400_000;
const NOW_S = NOW_MS / 1000;
const said = (low: number, high = low, series = 1): Reading => ({
  is: 'reached',
  because: 'as asked',
  facts: { low, high, series, ageMs: 4000 },
});

describe('an age', () => {
  test('is what it says, in seconds', () => {
    expect(backupFacts('age', said(3600), NOW_MS)).toEqual({ youngestMs: 3_600_000, oldestMs: 3_600_000, series: 1 });
    expect(backupFacts('age', said(0, 60, 2), NOW_MS)).toEqual({ youngestMs: 0, oldestMs: 60_000, series: 2 });
  });

  test('is none below zero, or when it is a time', () => {
    expect(backupFacts('age', said(-1), NOW_MS)).toEqual({ unseen: expect.stringContaining('no age') });
    expect(backupFacts('age', said(60, NOW_S, 2), NOW_MS)).toEqual({ unseen: expect.stringContaining('value: timestamp') });
  });
});

describe('a time', () => {
  test('is as old as our clock says; a clock that is a little ahead is none', () => {
    expect(backupFacts('timestamp', said(NOW_S - 60), NOW_MS)).toEqual({ youngestMs: 60_000, oldestMs: 60_000, series: 1 });
    expect(backupFacts('timestamp', said(NOW_S - 60, NOW_S - 10, 2), NOW_MS)).toEqual({ youngestMs: 10_000, oldestMs: 60_000, series: 2 });
    expect(backupFacts('timestamp', said(NOW_S + 60), NOW_MS)).toMatchObject({ youngestMs: 0 });
  });

  test('of zero is that there is none', () => {
    expect(backupFacts('timestamp', said(0), NOW_MS)).toMatchObject({ youngestMs: Number.POSITIVE_INFINITY });
  });

  test.each([
    ['an age', said(3600), 'is it an age'],
    ['milliseconds', said(NOW_MS), 'ahead of our clock'],
    ['the day after tomorrow', said(NOW_S + 61), '61 s ahead'],
    ['before 1970', said(-5), 'is it an age'],
  ])('of %s is not known', (_, reading, because) => {
    expect(backupFacts('timestamp', reading, NOW_MS)).toEqual({ unseen: expect.stringContaining(because) });
  });
});

test('what the query could not say is not known, in its words', () => {
  expect(backupFacts('age', { is: 'unknown', because: 'the answer has no series' }, NOW_MS)).toEqual({
    unseen: 'the answer has no series',
  });
  expect(backupFacts('age', { is: 'pending', because: 'beyond', facts: { low: 1, high: 1, series: 1 } }, NOW_MS)).toEqual({
    unseen: 'beyond',
  });
  expect(backupFacts('age', { is: 'reached', because: 'without a number' }, NOW_MS)).toEqual({ unseen: 'without a number' });
});

test('whatever is said, an age that is known is never below zero, and never from a time ahead', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('age' as const, 'timestamp' as const),
      fc.double({ noNaN: true }),
      fc.double({ noNaN: true }),
      (value, a, b) => {
        const facts = backupFacts(value, said(Math.min(a, b), Math.max(a, b), 2), NOW_MS);
        if ('unseen' in facts) return;
        expect(facts.youngestMs).toBeGreaterThanOrEqual(0);
        expect(facts.oldestMs).toBeGreaterThanOrEqual(facts.youngestMs);
        if (value === 'timestamp') expect(Math.max(a, b)).toBeLessThanOrEqual(NOW_S + 60);
      },
    ),
  );
});
