// The verdict table, whole.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { counts, poolVerdict, targetVerdict } from '../../src/health/verdict.ts';

describe('verdict of a target', () => {
  test.each([
    // healthz, readyz, verdict
    ['up', 'up', 'up'],
    ['up', 'down', 'unready'],
    ['up', 'unknown', 'unknown'],
    ['up', undefined, 'up'],
    ['down', 'up', 'suspect'],
    ['down', 'down', 'down'],
    ['down', 'unknown', 'unknown'],
    ['down', undefined, 'down'],
    ['unknown', 'up', 'unknown'],
    ['unknown', 'down', 'unready'],
    ['unknown', 'unknown', 'unknown'],
    ['unknown', undefined, 'unknown'],
    [undefined, 'up', 'up'],
    [undefined, 'down', 'down'],
    [undefined, 'unknown', 'unknown'],
    [undefined, undefined, 'unknown'],
  ] as const)('/healthz %s, /readyz %s: %s', (healthz, readyz, verdict) => {
    expect(targetVerdict(healthz, readyz)).toBe(verdict);
  });

  test.each([
    ['up', 'up'],
    ['suspect', 'up'],
    ['down', 'out'],
    ['unready', 'out'],
    ['unknown', 'unknown'],
  ] as const)('%s counts as %s', (verdict, side) => {
    expect(counts(verdict)).toBe(side);
  });
});

describe('verdict of a pool', () => {
  const cases = fc
    .record({ total: fc.integer({ min: 1, max: 12 }), up: fc.nat(), unknown: fc.nat(), minUp: fc.nat() })
    .map(({ total, up, unknown, minUp }) => {
      const ups = up % (total + 1);
      return { total, up: ups, unknown: unknown % (total - ups + 1), minUp: 1 + (minUp % total) };
    });

  test('it is up or out only if no verdict on the unknown ones could change that', () => {
    fc.assert(
      fc.property(cases, ({ up, unknown, minUp }) => {
        const worlds = Array.from({ length: unknown + 1 }, (_, more) => up + more >= minUp);
        const said = poolVerdict(up, unknown, minUp);
        expect(said).toBe(worlds.every((x) => x) ? 'up' : worlds.every((x) => !x) ? 'out' : 'unknown');
      }),
    );
  });
});
