// What two looks at a database say, without anybody who looks: writers, splits, proofs that are due, lags that last.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LagSample, TierState } from '../../../src/runbook/facts.ts';
import { LAG_TOLD_MS, type Looks, lagNewsOf, newsOf, type SiteLook } from '../../../src/runbook/tiers/watch.ts';

const NOW = 1_800_000_000_000;
const IN_EU: TierState = { writer: 'eu', provedAtMs: NOW - 1, because: 'a row' };
const NOWHERE: TierState = { writer: null, provedAtMs: NOW - 1, because: 'it was lost' };
const LOST_IN_EU: TierState = { ...NOWHERE, lastWriter: 'eu' };
const SPLIT: TierState = { ...IN_EU, split: { regions: ['eu', 'us'], atMs: NOW - 1, because: 'both' } };
const of = (eu: SiteLook, us: SiteLook): Looks => ({ eu, us });

/** The state that comes of it. */
const after = (before: Looks | null, now: Looks, state: TierState | null) => {
  const { changes, prove } = newsOf('orders', before, now, state, NOW);
  const is = changes.reduce<TierState | null>((each, change) => change(each), state);
  return { writer: is?.writer ?? null, split: is?.split?.regions ?? null, prove };
};

describe('a database', () => {
  test.each<[string, Looks | null, Looks, TierState | null, ReturnType<typeof after>]>([
    ['as it should be', of('writes', 'reads'), of('writes', 'reads'), IN_EU, { writer: 'eu', split: null, prove: null }],
    ['whose writer is silent', of('silent', 'reads'), of('silent', 'reads'), IN_EU, { writer: 'eu', split: null, prove: null }],
    [
      'whose writer is a standby at one look',
      of('writes', 'reads'),
      of('reads', 'reads'),
      IN_EU,
      { writer: 'eu', split: null, prove: null },
    ],
    ['whose writer is a standby at two', of('reads', 'reads'), of('reads', 'reads'), IN_EU, { writer: null, split: null, prove: null }],
    ['with two writers at one look', of('writes', 'reads'), of('writes', 'writes'), IN_EU, { writer: 'eu', split: null, prove: null }],
    ['with two writers at two', of('writes', 'writes'), of('writes', 'writes'), IN_EU, { writer: 'eu', split: ['eu', 'us'], prove: null }],
    ['nothing of which was proved, at the first look', null, of('writes', 'reads'), null, { writer: null, split: null, prove: null }],
    ['nothing of which was proved', of('writes', 'reads'), of('writes', 'reads'), null, { writer: null, split: null, prove: 'eu' }],
    [
      'nothing of which was proved, with a silent standby',
      of('writes', 'silent'),
      of('writes', 'silent'),
      null,
      { writer: null, split: null, prove: 'eu' },
    ],
    [
      'nothing of which was proved, with two writers',
      of('writes', 'writes'),
      of('writes', 'writes'),
      null,
      { writer: null, split: ['eu', 'us'], prove: null },
    ],
    ['that nobody writes', of('reads', 'reads'), of('reads', 'reads'), null, { writer: null, split: null, prove: null }],
    [
      'that somebody else promoted, with all others following',
      of('reads', 'writes'),
      of('reads', 'writes'),
      NOWHERE,
      { writer: null, split: null, prove: 'us' },
    ],
    [
      'that somebody else promoted, with one of them silent',
      of('silent', 'writes'),
      of('silent', 'writes'),
      NOWHERE,
      { writer: null, split: null, prove: null },
    ],
    [
      'whose own region has another leader, while the others are silent',
      of('writes', 'silent'),
      of('writes', 'silent'),
      LOST_IN_EU,
      { writer: null, split: null, prove: 'eu' },
    ],
    [
      'whose own region has another leader, while another writes at one look',
      of('writes', 'writes'),
      of('writes', 'silent'),
      LOST_IN_EU,
      { writer: null, split: null, prove: null },
    ],
    [
      'that another region writes than it was lost in, while that one is silent',
      of('silent', 'writes'),
      of('silent', 'writes'),
      LOST_IN_EU,
      { writer: null, split: null, prove: null },
    ],
    [
      'with another writer than is known, before that one says that it follows',
      of('silent', 'writes'),
      of('silent', 'writes'),
      IN_EU,
      { writer: 'eu', split: null, prove: null },
    ],
    [
      'split, of which one falls silent',
      of('silent', 'writes'),
      of('silent', 'writes'),
      SPLIT,
      { writer: 'eu', split: ['eu', 'us'], prove: null },
    ],
    [
      'split, of which one follows at one look',
      of('writes', 'writes'),
      of('reads', 'writes'),
      SPLIT,
      { writer: 'eu', split: ['eu', 'us'], prove: null },
    ],
    ['split, of which one follows again', of('reads', 'writes'), of('reads', 'writes'), SPLIT, { writer: 'eu', split: null, prove: null }],
    [
      'whose writer has no site any more',
      of('writes', 'reads'),
      of('writes', 'reads'),
      { ...IN_EU, writer: 'ap' },
      { writer: null, split: null, prove: null },
    ],
    [
      'whose lost writer has no site any more, with all others following',
      of('writes', 'reads'),
      of('writes', 'reads'),
      { ...NOWHERE, lastWriter: 'ap' },
      { writer: null, split: null, prove: 'eu' },
    ],
    [
      'split, of which one has no site any more',
      of('writes', 'silent'),
      of('writes', 'silent'),
      { ...IN_EU, split: { regions: ['ap', 'eu'], atMs: NOW - 1, because: 'both' } },
      { writer: 'eu', split: null, prove: null },
    ],
    [
      'split in three, of which one has no site any more',
      of('writes', 'silent'),
      of('writes', 'silent'),
      { ...IN_EU, split: { regions: ['ap', 'eu', 'us'], atMs: NOW - 1, because: 'all' } },
      { writer: 'eu', split: ['eu', 'us'], prove: null },
    ],
  ])('%s', (_, before, now, state, expected) => {
    expect(after(before, now, state)).toEqual(expected);
  });

  test('nothing is proved where two looks did not see exactly one writer, and no split ends by silence', () => {
    const look = fc.constantFrom<SiteLook>('writes', 'reads', 'silent');
    const looks = fc.record({ eu: look, us: look, ap: look });
    fc.assert(
      fc.property(fc.option(looks), looks, fc.constantFrom(null, IN_EU, NOWHERE, SPLIT), (before, now, state) => {
        const { split, prove } = after(before, now, state);
        const writers = Object.keys(now).filter((region) => before?.[region as 'eu'] === 'writes' && now[region as 'eu'] === 'writes');
        if (prove !== null) expect([split, writers]).toEqual([null, [prove]]);
        expect(split !== null && state?.split === undefined).toBe(writers.length > 1 && state?.split === undefined);
        if (state?.split !== undefined && split === null) expect(now.eu === 'reads' || now.us === 'reads').toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a lag', () => {
  const database = { name: 'orders', lag: { maxMs: 30_000, maxBytes: 64e6, maxAgeMs: 60_000, onUnknown: 'ask' as const } };
  const sample = (ms: number | null, bytes: number | null = 0): LagSample => ({ ms, bytes, atMs: NOW });
  /** One look every five seconds; what is told at which of them. */
  const told = (...samples: readonly LagSample[]): readonly string[] => {
    let memory: Parameters<typeof lagNewsOf>[1] = { overSinceMs: {} };
    let open: readonly string[] = [];
    return samples.flatMap((us, at) => {
      const { overSinceMs, news } = lagNewsOf(database, memory, { us }, open, NOW + at * 5_000);
      memory = { overSinceMs };
      return news.map(({ is, because }) => {
        open = is === 'over' ? ['us'] : [];
        return `${at} ${is}: ${because}`;
      });
    });
  };
  const times = (n: number, each: LagSample): readonly LagSample[] => Array.from({ length: n }, () => each);
  const after = LAG_TOLD_MS / 5_000;

  test('is told once when it has been over its limit for a minute, and when it is back', () => {
    expect(told(...times(after + 5, sample(45_000)), sample(1_000), sample(1_000))).toEqual([
      `${after} over: orders in us is 45 s / 0 B behind, more than 30 s / 64 MB, for 60 s`,
      `${after + 5} back: orders in us is 1.0 s / 0 B behind again, within 30 s / 64 MB`,
    ]);
  });

  test('that comes and goes within the minute is not', () => {
    expect(told(...times(after, sample(45_000)), sample(1_000), ...times(after, sample(0, 65e6)), sample(0))).toEqual([]);
  });

  test('that cannot be told neither begins nor ends', () => {
    expect(told(...times(after + 5, sample(null, null)))).toEqual([]);
    const hidden = told(
      ...times(after - 2, sample(45_000)),
      sample(null, null),
      ...times(2, sample(45_000)),
      sample(null, null),
      sample(1_000, null),
      sample(1_000),
    );
    expect(hidden.map((line) => line.split(':')[0])).toEqual([`${after} over`, `${after + 3} back`]);
  });
});
