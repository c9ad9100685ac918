// A proof that cannot be had: why, since when, when people are told, and that nothing is told twice or ends by itself.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TierState, Unproved } from '../../../src/runbook/facts.ts';
import { settledIn } from '../../../src/runbook/tiers/record.ts';
import { type Seen, UNPROVED_TOLD_MS, unprovedAfter, whyUnproved } from '../../../src/runbook/tiers/unproved.ts';
import type { SiteLook } from '../../../src/runbook/tiers/watch.ts';

const NOW = 1_800_000_000_000;
const PROVED: TierState = { writer: 'eu', provedAtMs: NOW, because: 'a row' };
const LOST: TierState = { ...PROVED, writer: null, because: 'eu follows' };
const SETTLED = settledIn('eu', { by: 'ana', reason: 'known by hand', atMs: NOW }, [])(null);
const seen = (eu: SiteLook, us: SiteLook, more: Partial<Seen> = {}): Seen => ({
  looks: { eu, us },
  refused: null,
  unreached: {},
  by: 'eu/a',
  ...more,
});
const REFUSED = { region: 'eu', because: 'permission denied for table tidegate_canary' };

describe('why there is no row', () => {
  test.each<[string, TierState | null, Seen, ReturnType<typeof whyUnproved>]>([
    ['one is there', PROVED, seen('writes', 'reads'), null],
    [
      'two take writes, which is told already',
      { ...LOST, split: { regions: ['eu', 'us'], atMs: 1, because: '' } },
      seen('writes', 'writes'),
      'untold',
    ],
    ['one look says nothing', null, seen('writes', 'reads', { looks: null }), 'untold'],
    ['it was refused', null, seen('writes', 'reads', { refused: REFUSED }), REFUSED],
    ['it was refused, and a word stands', SETTLED, seen('writes', 'reads', { refused: REFUSED }), REFUSED],
    [
      'nobody is seen to write',
      LOST,
      seen('silent', 'reads'),
      {
        region: null,
        because: 'no region was seen to take writes of orders: eu does not answer, or not with all of its members, us says that it follows',
      },
    ],
    [
      'others may write too',
      LOST,
      seen('writes', 'silent'),
      {
        region: 'eu',
        because: 'no row was tried, since all others have to follow: eu takes writes, us does not answer, or not with all of its members',
      },
    ],
    [
      'a region cannot be asked from here',
      LOST,
      seen('silent', 'reads', { unreached: { eu: 'sql-eu' } }),
      {
        region: null,
        because:
          'no region was seen to take writes of orders: eu cannot be asked by eu/a, whose file names no system sql-eu, us says that it follows',
      },
    ],
    [
      'none can be',
      null,
      seen('silent', 'silent', { unreached: { eu: 'sql-eu', us: 'sql-us' } }),
      { region: null, because: 'eu/a, which coordinates, cannot ask orders anywhere: its file names no system sql-eu, sql-us' },
    ],
  ])('%s', (_, state, given, why) => expect(whyUnproved('orders', state, given)).toEqual(why));
});

describe('people are told', () => {
  const about = { isHeld: false, isSettled: false, nowMs: NOW };
  const since = (ms: number, more: Partial<Unproved> = {}): Unproved => ({
    ...REFUSED,
    sinceMs: NOW - ms,
    atMs: NOW - ms,
    told: null,
    ...more,
  });

  test('after a minute and not before, aloud where users wait, and louder when they begin to', () => {
    expect(unprovedAfter(null, REFUSED, about)).toMatchObject({ after: { sinceMs: NOW, told: null }, told: null });
    expect(unprovedAfter(since(UNPROVED_TOLD_MS - 1), REFUSED, about).told).toBeNull();
    expect(unprovedAfter(since(UNPROVED_TOLD_MS), REFUSED, about)).toMatchObject({ after: { told: 'warning' }, told: 'unproved' });
    expect(unprovedAfter(since(UNPROVED_TOLD_MS), REFUSED, { ...about, isHeld: true })).toMatchObject({
      after: { told: 'critical' },
      told: 'unproved',
    });
    const told = since(2 * UNPROVED_TOLD_MS, { told: 'warning', atMs: NOW });
    expect(unprovedAfter(told, REFUSED, about)).toEqual({ after: told, told: null, isWordOver: false });
    expect(unprovedAfter(told, REFUSED, { ...about, isHeld: true })).toMatchObject({ after: { told: 'critical' }, told: 'unproved' });
    const loud = since(2 * UNPROVED_TOLD_MS, { told: 'critical', atMs: NOW });
    expect(unprovedAfter(loud, REFUSED, about).told).toBeNull();
  });

  test('of its end, where they were told of it; silence ends nothing', () => {
    const told = since(UNPROVED_TOLD_MS, { told: 'warning' });
    expect(unprovedAfter(told, null, about)).toEqual({ after: null, told: 'proved', isWordOver: false });
    expect(unprovedAfter(since(5_000), null, about)).toEqual({ after: null, told: null, isWordOver: false });
    expect(unprovedAfter(told, 'untold', about)).toEqual({ after: told, told: null, isWordOver: false });
  });

  test('of nothing new while a word stands, and of its end', () => {
    const word = since(10 * UNPROVED_TOLD_MS, { word: true, atMs: NOW });
    expect(unprovedAfter(word, REFUSED, { ...about, isHeld: true, isSettled: true })).toEqual({
      after: word,
      told: null,
      isWordOver: false,
    });
    const over = unprovedAfter(word, null, about);
    expect(over).toEqual({ after: null, told: null, isWordOver: true });
    const lost = unprovedAfter(word, 'untold', about);
    expect([lost.isWordOver, lost.after?.word]).toEqual([true, undefined]);
  });

  test('a text that differs at every look is not written at each', () => {
    const other = { ...REFUSED, because: 'permission denied on 10.0.0.2' };
    expect(unprovedAfter(since(5_000), other, about).after?.because).toBe(REFUSED.because);
    expect(unprovedAfter(since(31_000), other, about).after).toMatchObject({ because: other.because, sinceMs: NOW - 31_000, atMs: NOW });
  });

  test('whatever is seen: never twice as loudly, never of an end without a beginning', () => {
    const step = fc.record({
      why: fc.constantFrom<Parameters<typeof unprovedAfter>[1]>(REFUSED, null, 'untold', { region: null, because: 'nobody writes' }),
      isHeld: fc.boolean(),
      isSettled: fc.boolean(),
      forMs: fc.integer({ min: 1_000, max: 90_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let [is, nowMs]: [Unproved | null, number] = [null, NOW];
        let open: 'warning' | 'critical' | null = null;
        for (const { why, forMs, ...rest } of steps) {
          nowMs += forMs;
          const news = unprovedAfter(is, why, { ...rest, nowMs });
          if (news.told === 'unproved') {
            expect([open, news.after?.told]).not.toEqual(['critical', 'critical']);
            expect([open, news.after?.told]).not.toEqual(['warning', 'warning']);
            expect(rest.isSettled).toBe(false);
            open = news.after?.told ?? null;
          }
          if (news.told === 'proved') {
            expect(open).not.toBeNull();
            open = null;
          }
          is = news.after;
          if (is === null) expect(open).toBeNull();
        }
      }),
    );
  });
});
