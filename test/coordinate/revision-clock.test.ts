import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createClusterTime, median } from '../../src/coordinate/cluster-time.ts';
import { createRevisionClock } from '../../src/coordinate/revision-clock.ts';

describe('the revision clock', () => {
  test('bounds a record by the latest read that was sent before it existed', () => {
    const clock = createRevisionClock();
    clock.sample(0, 10, 5, 10);
    clock.sample(500, 510, 7, 510);
    expect(clock.ageMs(5, 1000)).toBe(Number.POSITIVE_INFINITY);
    expect(clock.ageMs(6, 1000)).toBe(1000);
    expect(clock.ageMs(8, 1000)).toBe(500);
  });

  test('never says younger than it is, whatever the delays of reads and writes', () => {
    const event = fc.record({ gapMs: fc.nat(900), write: fc.boolean(), thereMs: fc.nat(400), backMs: fc.nat(400) });
    fc.assert(
      fc.property(fc.array(event, { minLength: 5, maxLength: 60 }), (events) => {
        const clock = createRevisionClock();
        const writtenAtMs = new Map<number, number>();
        let nowMs = 0;
        let rev = 0;
        for (const e of events) {
          nowMs += e.gapMs;
          if (e.write) {
            rev++;
            writtenAtMs.set(rev, nowMs);
            continue;
          }
          const sentAtMs = nowMs;
          nowMs += e.thereMs;
          const seen = rev;
          nowMs += e.backMs;
          clock.sample(sentAtMs, nowMs, seen, nowMs);
          for (const [mod, atMs] of writtenAtMs) if (mod <= seen) expect(clock.ageMs(mod, nowMs)).toBeGreaterThanOrEqual(nowMs - atMs);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a read slower than two seconds bounds nothing', () => {
    const clock = createRevisionClock();
    clock.sample(0, 2001, 5, 2001);
    expect(clock.ageMs(6, 3000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('a machine that was suspended, or whose wall clock stepped, starts afresh', () => {
    for (const wallMs of [60_000, -60_000]) {
      const clock = createRevisionClock();
      clock.sample(0, 10, 5, 10);
      clock.sample(500, 510, 5, 510 + wallMs);
      expect(clock.ageMs(6, 600)).toBe(Number.POSITIVE_INFINITY);
      clock.sample(1000, 1010, 9, 1010 + wallMs);
      // The samples from before are gone: nothing bounds what was written in between.
      expect(clock.ageMs(7, 1100)).toBe(Number.POSITIVE_INFINITY);
      expect(clock.ageMs(10, 1100)).toBe(100);
    }
  });

  test('a read that was under way during a suspend bounds nothing: the monotonic clock did not see how long ago it was sent', () => {
    const clock = createRevisionClock();
    clock.sample(0, 10, 5, 10);
    // Sent at 500, then an hour of sleep that the monotonic clock misses, then the reply of before.
    clock.sample(500, 600, 5, 3_600_600);
    clock.sample(1000, 1010, 6, 3_601_010);
    expect(clock.ageMs(6, 1100)).toBe(Number.POSITIVE_INFINITY);
  });

  test('the ring is bounded, and what left it bounds nothing', () => {
    const clock = createRevisionClock();
    for (let i = 0; i < 1000; i++) clock.sample(i * 500, i * 500 + 10, i + 1, i * 500 + 10);
    expect(clock.ageMs(1000, 500_000)).toBe(500_000 - 998 * 500);
    expect(clock.ageMs(2, 500_000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('reads that see no write move the last sample on, which bounds the next write more tightly', () => {
    const clock = createRevisionClock();
    for (let i = 0; i < 10; i++) clock.sample(i * 500, i * 500 + 10, 5, i * 500 + 10);
    expect(clock.ageMs(6, 5000)).toBe(500);
  });
});

describe('cluster time', () => {
  test('starts at the later of the last stamp and the median wall clock, and ignores one that is far off', () => {
    const time = createClusterTime();
    time.start(1000, [5000, 5010, 9_999_999], 0);
    expect(time.nowMs(0)).toBe(5010);
    time.start(8000, [5000, 5010, 5020], 100);
    expect(time.nowMs(100)).toBe(8000);
    expect(time.nowMs(1100)).toBe(9000);
  });

  test('never goes backwards within a term, even if the monotonic clock is asked out of order', () => {
    const time = createClusterTime();
    time.start(0, [5000], 100);
    expect(time.nowMs(50)).toBe(5000);
  });

  test('the median of an even number is the lower middle, of none zero', () => {
    expect([median([4, 1, 3, 2]), median([]), median([7])]).toEqual([2, 0, 7]);
  });
});
