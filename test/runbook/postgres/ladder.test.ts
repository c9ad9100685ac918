// The fencing ladder: which evidence reaches which rung, and that more of it never says less.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FENCE_RUNGS, type FenceRung } from '../../../src/runbook/platform.ts';
import { climb, type Evidence, highest, isHighEnough, missing, type Rungs } from '../../../src/runbook/postgres/ladder.ts';

const GRACE_MS = 60_000;
const NOW_MS = 1_000_000;
const NOTHING: Evidence = { witness: null, lease: null, acknowledged: null, stonith: null, writes: null };
const down = (sinceMs: number): Evidence['witness'] => ({ sinceMs, because: '3 of 4 vantages hold us-east down' });

const TABLE: readonly [string, Partial<Evidence>, FenceRung | null][] = [
  ['nothing', {}, null],
  ['vantages that hold it down', { witness: down(0) }, 'witness'],
  ['the same, a moment short of its grace', { witness: down(GRACE_MS - 1) }, 'witness'],
  ['the same, for its grace', { witness: down(GRACE_MS) }, 'grace'],
  ['a free lock alone', { lease: 'free' }, 'lease'],
  ['its own word alone', { acknowledged: 'in recovery' }, 'acknowledged'],
  ['its own word, while no vantage holds it down for long', { witness: down(1), acknowledged: 'in recovery' }, 'acknowledged'],
  ['its power cut', { stonith: 'drained' }, 'stonith'],
  [
    'everything, and a member that takes writes',
    { witness: down(GRACE_MS), lease: 'x', acknowledged: 'x', stonith: 'x', writes: 'x' },
    null,
  ],
];

describe('which evidence reaches which rung', () => {
  test.each(TABLE)('%s', (_what, given, expected) => {
    const rungs = climb({}, { ...NOTHING, ...given }, GRACE_MS, NOW_MS);
    expect(highest(rungs)).toBe(expected);
    for (const rung of FENCE_RUNGS)
      expect(isHighEnough(rungs, rung)).toBe(expected !== null && FENCE_RUNGS.indexOf(expected) >= FENCE_RUNGS.indexOf(rung));
  });

  test('each rung says when and on what it stands, and what would do is named', () => {
    const rungs = climb({}, { ...NOTHING, witness: down(GRACE_MS) }, GRACE_MS, NOW_MS);
    expect(rungs.grace).toEqual({ atMs: NOW_MS, because: '3 of 4 vantages hold us-east down, for longer than its grace of 60 s' });
    expect(missing(rungs, 'grace')).toEqual(['lease', 'acknowledged', 'stonith']);
    expect(missing(rungs, 'acknowledged')).toEqual(['acknowledged', 'stonith']);
  });
});

describe('what was reached before', () => {
  const before = { atMs: 5, because: 'earlier' };
  test('its own word and its power stand with their age, a lock that was free does not', () => {
    const kept: Rungs = { witness: before, grace: before, lease: before, acknowledged: before, stonith: before };
    expect(climb(kept, NOTHING, GRACE_MS, NOW_MS)).toEqual({ acknowledged: before, stonith: before });
  });

  test('a member that takes writes makes all of it void', () => {
    expect(climb({ acknowledged: before, stonith: before }, { ...NOTHING, writes: 'db-1 takes writes' }, GRACE_MS, NOW_MS)).toEqual({});
  });
});

describe('whatever is known', () => {
  const said = fc.option(fc.constant('said'), { nil: null });
  const evidence: fc.Arbitrary<Evidence> = fc.record({
    witness: fc.option(
      fc.nat(2 * GRACE_MS).map((sinceMs) => ({ sinceMs, because: 'said' })),
      { nil: null },
    ),
    lease: said,
    acknowledged: said,
    stonith: said,
    writes: fc.constant(null),
  });
  const kept: fc.Arbitrary<Rungs> = fc
    .subarray([...FENCE_RUNGS])
    .map((rungs) => Object.fromEntries(rungs.map((rung) => [rung, { atMs: 1, because: 'earlier' }])));
  const place = (rungs: Rungs): number => {
    const top = highest(rungs);
    return top === null ? -1 : FENCE_RUNGS.indexOf(top);
  };
  const joined = (one: Evidence, other: Evidence): Evidence => ({
    witness: (one.witness?.sinceMs ?? -1) >= (other.witness?.sinceMs ?? -1) ? one.witness : other.witness,
    lease: one.lease ?? other.lease,
    acknowledged: one.acknowledged ?? other.acknowledged,
    stonith: one.stonith ?? other.stonith,
    writes: null,
  });

  test('more evidence never lowers the rung', () => {
    fc.assert(
      fc.property(kept, evidence, evidence, (before, one, more) => {
        expect(place(climb(before, joined(one, more), GRACE_MS, NOW_MS))).toBeGreaterThanOrEqual(
          place(climb(before, one, GRACE_MS, NOW_MS)),
        );
      }),
    );
  });

  test('vantages and time alone are never taken for its own word, however long', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (sinceMs, graceMs) => {
        const rungs = climb({}, { ...NOTHING, witness: down(sinceMs) }, graceMs, NOW_MS);
        expect(isHighEnough(rungs, 'lease') || isHighEnough(rungs, 'acknowledged')).toBe(false);
      }),
    );
  });

  test('a member that takes writes leaves no rung, whatever else is said', () => {
    fc.assert(
      fc.property(kept, evidence, (before, one) => {
        expect(highest(climb(before, { ...one, writes: 'it writes' }, GRACE_MS, NOW_MS))).toBeNull();
      }),
    );
  });
});
