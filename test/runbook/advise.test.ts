// The advisor's rules, in a table and at random.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Advice, type Answers, adviseOn, RTT_MAX_MS } from '../../src/runbook/advise.ts';
import type { ModelKind } from '../../src/runbook/platform.ts';

const HOT: Answers = { rtoMs: 60_000, pinned: true, budget: 'two-fleets' };
const BOTH: Answers = { serveBoth: true, consistency: true, rttMs: 80, budget: 'two-fleets' };

const against = (advice: Advice, model: ModelKind): string => advice.fits.find((fit) => fit.model === model)?.against.join('; ') ?? '';

describe('the rules', () => {
  test.each<[string, Answers, ModelKind, boolean | null]>([
    ['nothing is known: the simplest', {}, 'active-cold', null],
    ['a cold start is soon enough', { rtoMs: 300_000, pinned: true }, 'active-cold', true],
    ['it is not', HOT, 'active-hot', true],
    ['exactly as long as it takes', { ...HOT, rtoMs: 275_000 }, 'active-cold', true],
    ['a measured cold start that is quick', { ...HOT, coldStartMs: 20_000 }, 'active-cold', true],
    ['a measured one that is slow', { ...HOT, rtoMs: 300_000, coldStartMs: 600_000 }, 'active-hot', true],
    ['not pinned', { ...HOT, pinned: false }, 'active-cold', false],
    ['nobody said whether it is', { rtoMs: 60_000 }, 'active-cold', false],
    ['money for one fleet', { ...HOT, budget: 'one-fleet' }, 'active-cold', false],
    ['sooner than anything can be', { ...HOT, rtoMs: 10_000 }, 'active-hot', false],
    ['both have to serve', BOTH, 'active-active', null],
    ['both, across too much', { ...BOTH, rttMs: RTT_MAX_MS + 1 }, 'active-cold', null],
    ['both, across an unknown distance', { serveBoth: true, consistency: true }, 'active-cold', null],
    ['both, and nothing declared', { ...BOTH, consistency: false }, 'active-cold', null],
    ['both, sooner than that is', { ...BOTH, ...HOT }, 'active-hot', true],
    ['data that is bound', { regionBound: true, pinned: true, rtoMs: 60_000 }, 'dual-active', true],
    ['data that is bound, and starts cold', { regionBound: true, rtoMs: 60_000 }, 'dual-active', false],
    ['data that is bound, with one writer', { regionBound: true, singleWriter: true }, 'active-cold', null],
  ])('%s', (_, answers, model, meets) => {
    const advice = adviseOn(answers);
    expect(advice).toMatchObject({ model, meets });
    expect(advice.reasons.length).toBeGreaterThan(1);
    expect(advice.costs.length).toBeGreaterThan(1);
  });

  test('why the others are not it', () => {
    const advice = adviseOn({ rtoMs: 60_000, rttMs: 200, pinned: false, budget: 'two-fleets', serveBoth: true });
    expect(against(advice, 'active-hot')).toMatch(/addresses that are not of their region/);
    expect(against(advice, 'active-active')).toMatch(
      /not declared.*200 ms between the regions is more than the 150 ms.*80 s, and 60 s is wanted/,
    );
    expect(against(advice, 'dual-active')).toBe('no data is bound to a region');
    expect(against(adviseOn({}), 'active-hot')).toMatch(/a cold start is soon enough/);
  });

  test('Dual Active is recommended as two independent ones, and one writer has its price', () => {
    expect(adviseOn({ regionBound: true }).reasons.join()).toMatch(/two independent Active\/Passive deployments/);
    expect(adviseOn({ singleWriter: true }).costs.join()).toMatch(/a fence and a gate on its lag/);
    expect(adviseOn({ ...BOTH, singleWriter: true }).costs.join()).toMatch(/crosses 80 ms/);
  });

  test('what is missing, and what it would change', () => {
    const missing = (answers: Answers) => Object.fromEntries(adviseOn(answers).missing.map(({ answer, changes }) => [answer, changes]));
    expect(missing({ rtoMs: 60_000, rttMs: 80, singleWriter: true })).toMatchObject({
      pinned: 'yes: active-hot',
      coldStartMs: '20 s: active-cold would meet it',
      regionBound: 'by itself it would change nothing',
    });
    expect(missing({ rtoMs: 60_000, pinned: true }).budget).toBe('one fleet: active-cold, which would not meet it');
    expect(Object.keys(missing({ ...HOT, ...BOTH, singleWriter: true, regionBound: true, coldStartMs: 1_000 }))).toEqual([]);
  });
});

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const answers: fc.Arbitrary<Answers> = fc
  .record({
    rtoMs: maybe(fc.integer({ min: 1_000, max: 3_600_000 })),
    rttMs: maybe(fc.integer({ min: 0, max: 400 })),
    singleWriter: maybe(fc.boolean()),
    consistency: maybe(fc.boolean()),
    budget: maybe(fc.constantFrom('one-fleet', 'two-fleets')),
    coldStartMs: maybe(fc.integer({ min: 0, max: 1_200_000 })),
    pinned: maybe(fc.boolean()),
    serveBoth: maybe(fc.boolean()),
    regionBound: maybe(fc.boolean()),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));

describe('whatever is answered', () => {
  test('no model is recommended without what it needs', () => {
    fc.assert(
      fc.property(answers, (given) => {
        const { model, meets, recoveryMs, fits } = adviseOn(given);
        if (model === 'active-active') expect(given).toMatchObject({ serveBoth: true, consistency: true });
        if (model === 'active-active') expect(given.rttMs).toBeLessThanOrEqual(RTT_MAX_MS);
        if (model === 'dual-active') expect(given.regionBound === true && given.singleWriter !== true).toBe(true);
        if (model === 'active-hot') expect(given.pinned).toBe(true);
        if (given.budget === 'one-fleet') expect(model).toBe('active-cold');
        expect(meets).toBe(given.rtoMs === undefined ? null : recoveryMs <= given.rtoMs);
        expect(fits.map((fit) => fit.model)).toEqual(['active-cold', 'active-hot', 'active-active', 'dual-active']);
      }),
      { numRuns: 2000 },
    );
  });

  test('Active/Hot only where a cold start is too slow', () => {
    fc.assert(
      fc.property(answers, (given) => {
        if (adviseOn(given).model !== 'active-hot') return;
        expect(given.rtoMs).toBeLessThan(30_000 + (given.coldStartMs ?? 240_000) + 5_000);
      }),
      { numRuns: 2000 },
    );
  });

  test('what it says that an answer would change, that answer changes', () => {
    fc.assert(
      fc.property(answers, (given) => {
        for (const { answer, changes } of adviseOn(given).missing)
          for (const [word, value] of [
            ['yes', true],
            ['no', false],
          ] as const) {
            const claimed = new RegExp(`(?:^|; )${word}: (active-[a-z]+|dual-active)`).exec(changes)?.[1];
            if (claimed !== undefined) expect(adviseOn({ ...given, [answer]: value }).model).toBe(claimed);
          }
      }),
    );
  });
});
