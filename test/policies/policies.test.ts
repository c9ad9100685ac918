// One contract suite over both tables: whatever is registered is held to it. Then what each entry is for.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { safety, safetyOf, steering, steeringOf } from '../../policies/index.ts';
import type { RouteChange, SteerPool, World } from '../../policies/policy.ts';
import { toShares } from '../../policies/shares.ts';
import type { Route, Routing } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';

const sum = (route: Route): number => Object.values(route).reduce((a, b) => a + b, 0);

/** At least one pool with a factor, as the contract says. */
const pools: fc.Arbitrary<readonly SteerPool[]> = fc
  .array(
    fc.record({
      weight: fc.oneof(fc.constant(0), fc.constant(1), fc.integer({ min: 1, max: 10_000 })),
      factor: fc.oneof(fc.constant(0), fc.constant(1000), fc.integer({ min: 1, max: 999 })),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .filter((list) => list.some((p) => p.factor > 0))
  .map((list) => list.map((p, i) => ({ ...p, pool: `p${i}` })));

const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};

describe.each(Object.entries(steering))('steering %s keeps the contract', (name, policy) => {
  test('it goes by its name and asks a question', () => {
    expect(policy.kind).toBe(name);
    expect(steeringOf(name)).toBe(policy);
    expect(policy.question).toMatch(/^[A-Z].*\?$/);
  });

  test('every pool is named once, in whole thousandths that sum to 1000', () => {
    fc.assert(
      fc.property(pools, (list) => {
        const route = policy.steer(list);
        expect(Object.keys(route)).toEqual(list.map((p) => p.pool));
        expect(sum(route)).toBe(1000);
        for (const share of Object.values(route)) expect(Number.isInteger(share) && share >= 0).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('a pool without a factor gets nothing', () => {
    fc.assert(
      fc.property(pools, (list) => {
        const route = policy.steer(list);
        for (const p of list) if (p.factor === 0) expect(route[p.pool]).toBe(0);
      }),
    );
  });

  test('the only pool left gets everything, whatever its weight and factor', () => {
    fc.assert(
      fc.property(pools, fc.nat(), (list, n) => {
        const only = list[n % list.length]?.pool;
        const route = policy.steer(list.map((p) => ({ ...p, factor: p.pool === only ? Math.max(1, p.factor) : 0 })));
        expect(route[only ?? '']).toBe(1000);
      }),
    );
  });

  test('a higher factor never means a smaller share', () => {
    fc.assert(
      fc.property(pools, fc.nat(), (list, n) => {
        const one = list[n % list.length];
        if (one === undefined) return;
        const more = policy.steer(list.map((p) => (p === one ? { ...p, factor: 1000 } : p)));
        // One thousandth may go elsewhere by rounding.
        expect(more[one.pool]).toBeGreaterThanOrEqual((policy.steer(list)[one.pool] ?? 0) - 1);
      }),
    );
  });

  test('the same pools, the same route; and its input is left alone', () => {
    fc.assert(
      fc.property(pools, (list) => {
        const frozen = deepFreeze(structuredClone(list));
        expect(policy.steer(frozen)).toEqual(policy.steer(structuredClone(list)));
      }),
    );
  });
});

const service = serviceOf(['a', 'b', 'c'], { pools: [poolOf('a', 1, 0), poolOf('b', 1, 1), poolOf('c', 1, 2)] });

const routingOf = (regionDrainsAtMs: Readonly<Record<string, number>>): Routing => ({
  v: 1,
  epoch: 1,
  nonce: '',
  atMs: 0,
  membersVersion: 1,
  because: '',
  regionDrainsAtMs,
  auditHash: '',
  open: {},
  services: {},
});

const worldOf = (routing: Routing): World => ({
  cluster: clusterOf(['a', 'b', 'c'], [service]),
  routing,
  pools: [],
  routes: new Map(),
  reported: null,
  tiers: null,
});

const NOW = 1_000_000;

const changes: fc.Arbitrary<{ change: RouteChange; world: World }> = fc
  .record({
    before: fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 }),
    after: fc.array(fc.constantFrom(0, 0, 500, 1000), { minLength: 3, maxLength: 3 }),
    drains: fc.subarray(['a', 'b', 'c']),
    cause: fc.constantFrom('health', 'return', 'order'),
    ages: fc.array(fc.option(fc.integer({ min: 0, max: 120_000 })), { minLength: 3, maxLength: 3 }),
  })
  .map(({ before, after, drains, ages, cause }) => {
    const route = (list: readonly number[]): Route => ({ a: list[0] ?? 0, b: list[1] ?? 0, c: list[2] ?? 0 });
    const drained = ['a', 'b', 'c'].flatMap((r, i): [string, number][] => (ages[i] == null ? [] : [[r, NOW - ages[i]]]));
    return {
      change: { service, before: route(before), after: route(after), drains, cause },
      world: worldOf(routingOf(Object.fromEntries(drained))),
    };
  });

describe.each(Object.entries(safety))('safety rule %s keeps the contract', (name, rule) => {
  test('it goes by its name, asks a question and says whom it judges', () => {
    expect(rule.kind).toBe(name);
    expect(safetyOf(name)).toBe(rule);
    expect(rule.question).toMatch(/^[A-Z].*\?$/);
    // Whoever judges nothing has something to say of itself.
    expect(rule.judges.length > 0 || rule.remind !== undefined).toBe(true);
  });

  test('it has an answer for every change, the same each time; a refusal carries its numbers and when to try again', () => {
    fc.assert(
      fc.property(changes, ({ change, world }) => {
        const ruling = rule.judge(deepFreeze(change), deepFreeze(world), rule.defaults, NOW);
        expect(rule.judge(change, world, rule.defaults, NOW)).toEqual(ruling);
        if (ruling.allow) return;
        expect(ruling.because).toMatch(/\d/);
        if (ruling.againAtMs !== null) expect(ruling.againAtMs).toBeGreaterThan(NOW);
      }),
    );
  });

  test('without settings its defaults hold', () => {
    fc.assert(
      fc.property(changes, ({ change, world }) => {
        expect(rule.judge(change, world, {}, NOW)).toEqual(rule.judge(change, world, rule.defaults, NOW));
      }),
    );
  });

  test('what drains nobody and leaves somebody is allowed', () => {
    const change: RouteChange = { service, before: { a: 1000 }, after: { a: 500, b: 500, c: 0 }, drains: [], cause: 'health' };
    expect(rule.judge(change, worldOf(routingOf({ a: NOW, b: NOW })), rule.defaults, NOW)).toEqual({ allow: true });
  });
});

test('a kind that is in no table is nobody', () => {
  for (const name of ['geo', 'constructor', '__proto__', '']) {
    expect(steeringOf(name)).toBeUndefined();
    expect(safetyOf(name)).toBeUndefined();
  }
});

/** `eu:3@1000 us:1@500`: pools with weight and factor. */
const steer = (kind: 'weighted' | 'priority', text: string): Route =>
  steering[kind].steer(
    text.split(' ').map((word) => {
      const [pool = '', weight = '', factor = ''] = word.split(/[:@]/);
      return { pool, weight: Number(weight), factor: Number(factor) };
    }),
  );

describe('weighted', () => {
  test.each<[string, Route, string]>([
    ['a:1@1000 b:1@1000', { a: 500, b: 500 }, 'equal weights'],
    ['a:1@1000 b:1@1000 c:1@1000', { a: 334, b: 333, c: 333 }, 'the odd thousandth goes to the first'],
    ['a:3@1000 b:1@1000', { a: 750, b: 250 }, 'by weight'],
    ['a:100@1000 b:0@1000', { a: 1000, b: 0 }, 'a standby carries nothing while the others can'],
    ['a:100@0 b:0@1000', { a: 0, b: 1000 }, 'and everything when they cannot'],
    ['a:1@1000 b:1@0 c:1@1000', { a: 500, b: 0, c: 500 }, 'the share of one that is out goes to the whole ones'],
    ['a:3@1000 b:1@1000 c:4@0', { a: 750, b: 250, c: 0 }, 'by their weights'],
    ['a:1@1000 b:1@100', { a: 950, b: 50 }, 'a returning pool carries its part of its share'],
    ['a:1@1000 b:1@100 c:0@1000', { a: 950, b: 50, c: 0 }, 'what it may not carry goes to weighted pools first'],
    ['a:1@500 b:0@1000', { a: 500, b: 500 }, 'to standbys if no weighted one is whole'],
    ['a:1@500 b:1@500', { a: 500, b: 500 }, 'and to the reduced ones themselves if nobody is whole'],
    ['a:0@1000 b:0@1000', { a: 500, b: 500 }, 'standbys among themselves share alike'],
  ])('%s -> %j: %s', (text, route) => {
    expect(steer('weighted', text)).toEqual(route);
  });
});

describe('priority', () => {
  test.each<[string, Route, string]>([
    ['a:1@1000 b:1@1000', { a: 1000, b: 0 }, 'the first serves alone'],
    ['a:1@0 b:1@1000', { a: 0, b: 1000 }, 'the next one takes over'],
    ['a:1@0 b:1@0 c:1@1000', { a: 0, b: 0, c: 1000 }, 'and the next'],
    ['a:1@100 b:1@1000', { a: 100, b: 900 }, 'a returning first shares with the second'],
    ['a:1@500 b:1@500 c:1@1000', { a: 500, b: 250, c: 250 }, 'each takes its part of what is left'],
    ['a:1@100 b:1@0', { a: 1000, b: 0 }, 'with nobody whole, the first that can takes the rest'],
    ['a:0@1000 b:9@1000', { a: 1000, b: 0 }, 'weights do not count'],
    ['a:1@459 b:1@626 c:1@554 d:1@715 e:1@1000 f:1@1000', { a: 459, b: 339, c: 112, d: 64, e: 26, f: 0 }, 'nobody gets less than nothing'],
  ])('%s -> %j: %s', (text, route) => {
    expect(steer('priority', text)).toEqual(route);
  });
});

describe('blast radius', () => {
  const judge = (drains: readonly string[], ages: Readonly<Record<string, number>>, settings: Readonly<Record<string, number>> = {}) =>
    safety['blast-radius'].judge(
      { service, before: {}, after: {}, drains, cause: 'health' },
      worldOf(routingOf(Object.fromEntries(Object.entries(ages).map(([r, age]) => [r, NOW - age])))),
      settings,
      NOW,
    );

  test.each([
    ['the first region', ['a'], {}, {}, true],
    ['a second one within the window', ['b'], { a: 59_999 }, {}, false],
    ['a second one at its end', ['b'], { a: 60_000 }, {}, true],
    ['the same region again', ['a'], { a: 1000 }, {}, true],
    ['two at once', ['a', 'b'], {}, {}, false],
    ['two at once where two are allowed', ['a', 'b'], {}, { regions: 2 }, true],
    ['a third where two are allowed', ['c'], { a: 1000, b: 2000 }, { regions: 2 }, false],
    ['in a window of its own', ['b'], { a: 2000 }, { windowMs: 1000 }, true],
    ['with none allowed', ['a'], {}, { regions: 0 }, false],
  ] as const)('%s', (_, drains, ages, settings, allow) => {
    expect(judge(drains, ages, settings).allow).toBe(allow);
  });

  test('a refusal says which regions, how many, and when to try again', () => {
    expect(judge(['b'], { a: 15_000 })).toEqual({
      allow: false,
      because: '2 regions drained within 60 s (limit 1): a, b; again in 45 s',
      againAtMs: NOW + 45_000,
      counterfactual: 'with 2 regions allowed per window it would have passed now',
    });
  });
});

describe('last pool', () => {
  test('a route without traffic is refused, whoever asks', () => {
    const change: RouteChange = { service, before: { a: 1000 }, after: { a: 0, b: 0, c: 0 }, drains: ['a'], cause: 'health' };
    expect(safety['last-pool'].judge(change, worldOf(routingOf({})), {}, NOW)).toEqual({
      allow: false,
      because: 'web would have 0 of 3 pools carrying traffic (needs 1)',
      againAtMs: null,
      counterfactual: 'with one more pool carrying traffic it would have passed',
    });
  });

  test('traffic on pools that are no longer configured is nobody', () => {
    const change: RouteChange = { service, before: {}, after: { gone: 1000 }, drains: [], cause: 'health' };
    expect(safety['last-pool'].judge(change, worldOf(routingOf({})), {}, NOW).allow).toBe(false);
  });
});

describe('largest remainder', () => {
  const amounts = fc
    .array(fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e6, noNaN: true })), { minLength: 1, maxLength: 64 })
    .filter((list) => list.some((x) => x > 0));

  test('whole thousandths, sum 1000, each within one of its exact share, zero stays zero', () => {
    fc.assert(
      fc.property(amounts, (list) => {
        const shares = toShares(new Map(list.map((x, i) => [`p${i}`, x])));
        expect(sum(shares)).toBe(1000);
        const total = list.reduce((a, b) => a + b, 0);
        for (const [i, x] of list.entries()) {
          const share = shares[`p${i}`] ?? -1;
          if (x === 0) expect(share).toBe(0);
          expect(Math.abs(share - (x * 1000) / total)).toBeLessThan(1 + 1e-6);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('a larger amount never gets the smaller share', () => {
    fc.assert(
      fc.property(amounts, (list) => {
        const shares = toShares(new Map(list.map((x, i) => [`p${i}`, x])));
        const ordered = list.map((x, i) => ({ x, share: shares[`p${i}`] ?? 0 })).sort((p, q) => p.x - q.x || p.share - q.share);
        for (const [i, { x, share }] of ordered.entries()) {
          const before = ordered[i - 1];
          if (before !== undefined && before.x < x) expect(before.share).toBeLessThanOrEqual(share);
        }
      }),
    );
  });

  test('equal amounts differ by at most one, the earlier first', () => {
    expect(toShares(new Map(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((p) => [p, 1])))).toEqual({
      a: 143,
      b: 143,
      c: 143,
      d: 143,
      e: 143,
      f: 143,
      g: 142,
    });
  });
});
