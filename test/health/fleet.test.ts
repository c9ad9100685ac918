// What beats say beside votes: versions that differ, and clocks that must differ whatever time the beats took.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fleetOf, isSkewed, type Said, versionText } from '../../src/health/fleet.ts';
import type { Beat } from '../../src/model.ts';

const NOW_MS = 1_000_000;
const FRESH_MS = 8000;

const said = (region: string, given: Partial<Beat> = {}, ageMs = 500): Said => ({
  region,
  replica: 'a',
  ageMs,
  beat: { boot: 'b', seq: 1, n: 1, configVersion: 1, suspects: {}, loopDelayMs: 0, wallMs: NOW_MS - 200, ...given },
});

test('versions: alike, different, unsaid; who is not heard any more runs nothing', () => {
  const of = (...all: Said[]) => fleetOf(all, NOW_MS, FRESH_MS);
  expect(isSkewed(of(said('eu', { version: '1.0.0' }), said('us', { version: '1.0.0' })))).toBe(false);
  expect(isSkewed(of(said('eu'), said('us')))).toBe(false);
  expect(isSkewed(of(said('eu', { version: '1.0.0' }), said('us', { version: '0.9.0' }, FRESH_MS + 1)))).toBe(false);
  expect(isSkewed(of(said('eu', { version: '1.0.0' }), { ...said('us'), beat: null }))).toBe(false);
  const skewed = of(said('us', { version: '1.1.0' }), said('eu', { version: '1.0.0' }), said('ap', { version: '1.1.0' }), said('sa'));
  expect(isSkewed(skewed)).toBe(true);
  expect(skewed.versions.map(versionText)).toEqual(['1.1.0 at ap/a, us/a', '1.0.0 at eu/a', '0.2 or older (it does not say) at sa/a']);
});

test('clocks: a beat that only took its time proves nothing, one that cannot have does', () => {
  const skew = (...all: Said[]) => fleetOf(all, NOW_MS, FRESH_MS).skewMs;
  expect(skew(said('eu'), said('us'))).toBe(0);
  expect(skew(said('eu', { wallMs: NOW_MS - 100 }), said('us', { wallMs: NOW_MS - 6000 }, 7000))).toBe(0);
  expect(skew(said('eu', { wallMs: NOW_MS }, 1000), said('us', { wallMs: NOW_MS - 60_000 }, 1000))).toBe(59_000);
  expect(skew(said('eu', { wallMs: NOW_MS + 60_000 }, 1000))).toBe(0);
});

test('whatever the clocks and the delays, no more skew is said than there is', () => {
  const replica = fc.record({
    offsetMs: fc.integer({ min: -50_000, max: 50_000 }),
    tookMs: fc.integer({ min: 0, max: 7000 }),
    slackMs: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(replica, { minLength: 1, maxLength: 6 }), (replicas) => {
      const all = replicas.map(({ offsetMs, tookMs, slackMs }, at) =>
        said(`r${at}`, { wallMs: NOW_MS - tookMs + offsetMs }, tookMs + slackMs),
      );
      const offsets = replicas.map(({ offsetMs }) => offsetMs);
      const { skewMs, clocks } = fleetOf(all, NOW_MS, FRESH_MS);
      expect(skewMs).toBeLessThanOrEqual(Math.max(...offsets) - Math.min(...offsets));
      for (const [at, { leastMs, mostMs }] of clocks.entries()) {
        expect(leastMs).toBeLessThanOrEqual(offsets[at] ?? 0);
        expect(mostMs).toBeGreaterThanOrEqual(offsets[at] ?? 0);
      }
    }),
  );
});
