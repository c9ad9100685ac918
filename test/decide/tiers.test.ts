// Writers go to no region in which their database was not proved: drains wait for a proof and go on with it, what is proved may always have its traffic back,
// and whatever else moves routes (returns, reserves, cuts, failing open) ends at the same rule.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClusterConfig, Route, ServiceConfig } from '../../src/model.ts';
import type { TierState, Tiers } from '../../src/runbook/facts.ts';
import type { DatabaseConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import { platformOf } from '../runbook/rig.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { type Council, type Scene, START, seated } from './council.ts';

const REGIONS = ['a', 'b', 'c'] as const;

const platformWith = (services: readonly string[]): PlatformConfig => ({
  ...platformOf({ name: 'shop', regions: ['a', 'b'], services }),
  databases: [{ name: 'orders', services, sites: {} } as unknown as DatabaseConfig],
});

const clusterWithTier = (service: ServiceConfig, bound = true): ClusterConfig => ({
  ...clusterOf([...REGIONS], [service]),
  platforms: [platformWith(bound ? ['web'] : [])],
});

const state = (writer: string | null, more: Partial<TierState> = {}): TierState => ({
  writer,
  provedAtMs: START,
  because: 'a row',
  ...more,
});
const tiersOf = (of: TierState): Tiers => ({ version: 1, nonce: 'n', databases: { 'shop/orders': of } });
const IN_A = tiersOf(state('a'));
const IN_B = tiersOf(state('b'));
const SPLIT = tiersOf(state('a', { split: { regions: ['a', 'b'], atMs: START, because: 'both' } }));

/** One after the other; `a` serves. */
const inOrder = serviceOf(['a', 'b'], { steering: { kind: 'priority' } });
const even = serviceOf([...REGIONS], {});

const councilOf = (service: ServiceConfig, tiers: Tiers | null, bound = true): Council => {
  const council = seated(clusterWithTier(service, bound));
  council.tiers = tiers;
  return council;
};

describe('a region that falls', () => {
  test('keeps its writers until the database is proved elsewhere, and says so at once; then they leave', () => {
    const council = councilOf(inOrder, IN_A);
    council.see({ dead: ['a'] }, 5_000);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    expect(council.hold('a')).toBe('rule:tier');
    const [held] = [...council.incidents.values()];
    expect(held).toMatchObject({ kind: 'held', region: 'a', closedAtMs: null });
    expect(council.pages.map(({ type, severity }) => [type, severity])).toEqual([['service.hold_rule_tier', 'critical']]);
    expect(council.pages[0]?.summary).toContain('b would get 1000 thousandths of web (0 now), and orders was proved writable in a last');
    expect(Object.keys(council.routing?.open ?? {})).toEqual(['hold/rule:tier/a']);
    council.watch({ dead: ['a'] }, 120_000);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    council.tiers = IN_B;
    council.see({ dead: ['a'] }, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    expect(Object.keys(council.routing?.open ?? {})).toEqual(['a']);
  });

  test.each<[string, Tiers | null]>([
    ['nothing was ever proved', null],
    ['the proof was lost', tiersOf(state(null, { because: 'a says that it is a standby' }))],
    ['two regions take writes', SPLIT],
    ['it was proved on servers that are not its site any more', tiersOf(state('b', { sites: { b: 'the servers before' } }))],
  ])('keeps them when %s', (_, tiers) => {
    const council = councilOf(inOrder, tiers);
    council.watch({ dead: ['a'] }, 90_000);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    expect(council.hold('a')).toBe('rule:tier');
  });

  test('leaves as ever where no database names the service', () => {
    const council = councilOf(inOrder, IN_A, false);
    council.see({ dead: ['a'] }, 5_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });

  test('that is not the writer leaves as ever, also when the others get more by it', () => {
    const council = councilOf(even, IN_A);
    council.see({ dead: ['b'] }, 5_000);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
  });

  test('that is the writer, of a service that is served everywhere, sends nobody more elsewhere', () => {
    const council = councilOf(even, IN_A);
    council.watch({ dead: ['a'] }, 90_000);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
  });
});

describe('a region that is proved', () => {
  test('may have its traffic back, and no other one may', () => {
    const council = councilOf(inOrder, IN_B);
    council.see({ dead: ['a'] }, 5_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    council.watch({}, 400_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    expect(council.hold('a')).toBe('rule:tier');
    council.tiers = IN_A;
    council.watch({}, 400_000);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    expect(council.hold('a')).toBeNull();
  });

  test('two that take writes at once hold even that', () => {
    const council = councilOf(inOrder, IN_B);
    council.see({ dead: ['a'] }, 5_000);
    council.tiers = SPLIT;
    council.watch({}, 400_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });
});

describe('a human', () => {
  test('is refused like everybody, with what would change it', () => {
    const council = councilOf(inOrder, IN_A);
    council.order('works', 'drain', { region: 'a' });
    const { refusals } = council.see({}, 500);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    expect(refusals).toMatchObject([{ rule: 'tier', risk: 'high', counterfactual: expect.stringContaining('written and read back in b') }]);
  });

  test('may break the glass, with a second person', () => {
    const council = councilOf(inOrder, IN_A);
    council.order('works', 'drain', { region: 'a' }, 60_000, { breakGlass: true });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    council.order('works', 'drain', { region: 'a' }, 60_000, { breakGlass: true, approval: { id: 'x', by: 'bob', atMs: START } as never });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });
});

describe('the glass that was broken for one pool', () => {
  const wide = serviceOf([...REGIONS], {
    steering: { kind: 'weighted' },
    pools: [poolOf('a', 1, 0, 4), poolOf('b', 1, 1), poolOf('c', 1, 2)],
  });
  const approval = { id: 'x', by: 'bob', atMs: START } as never;

  test.each<[string, Partial<Route>]>([
    ['drain', { c: 0 }],
    ['force-in', {}],
  ])('by a %s is not broken for what moves beside it', (kind, shares) => {
    const council = councilOf(wide, IN_A);
    council.order('works', kind as 'drain', { region: 'c' }, 600_000, { breakGlass: true, approval });
    council.see({}, 500);
    const before = council.route();
    expect(before).toMatchObject(shares);
    council.watch({ dead: ['a'], targets: 2 }, 60_000);
    expect(council.memory('a').scale).toBe(500);
    expect(council.route()).toEqual(before);
    expect(council.hold('b')).toBe('rule:tier');
  });

  test('goes to the shares of its pin, for all pools that it names', () => {
    const council = councilOf(wide, IN_A);
    council.order('works', 'pin', { service: 'web' }, 600_000, { weights: { a: 500, b: 500 }, breakGlass: true, approval });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 500, b: 500, c: 0 });
  });
});

describe('what no rule is asked of', () => {
  test('a share that falls with its targets sends nobody elsewhere', () => {
    const wide = serviceOf(['a', 'b'], {
      steering: { kind: 'weighted' },
      pools: [poolOf('a', 1, 0, 4), poolOf('b', 1, 1)],
    });
    const council = councilOf(wide, IN_A);
    const before = council.route();
    council.watch({ dead: ['a'], targets: 2 }, 60_000);
    expect(council.memory('a').scale).toBe(500);
    expect(council.route()).toEqual(before);
    expect(council.hold('b')).toBe('rule:tier');
    const { refusals } = council.see({ dead: ['a'], targets: 2 }, 500);
    expect(refusals).toMatchObject([{ rule: 'tier', pool: 'b' }]);
    council.watch({}, 400_000);
    expect(council.route()).toEqual(before);
    expect(council.hold('b')).toBeNull();
  });

  test('a reserve is not called back to where nothing is proved', () => {
    const council = councilOf(inOrder, IN_A);
    council.see({ dead: ['b'] }, 5_000);
    council.watch({ dead: ['a', 'b'] }, 20_000);
    council.see({ dead: ['a'] }, 500);
    council.watch({ dead: ['a'] }, 60_000);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
    expect(council.hold('a')).toBe('rule:tier');
    const { pages } = council;
    expect(council.told()).not.toContain('region.returned');
    council.tiers = IN_B;
    council.see({ dead: ['a'] }, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    expect(pages.map(({ type }) => type)).toContain('region.drained');
  });

  test('failing open sends nobody elsewhere', () => {
    const open = serviceOf(['a', 'b'], { allDown: 'configured' });
    const council = councilOf(open, IN_B);
    council.see({ dead: ['a'] }, 5_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    council.watch({ dead: ['a', 'b'] }, 200_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });
});

describe('whatever happens', () => {
  const scene: fc.Arbitrary<Scene> = fc.record(
    {
      dead: fc.subarray([...REGIONS]),
      unready: fc.subarray([...REGIONS]),
      unknown: fc.subarray([...REGIONS]),
      gray: fc.subarray([...REGIONS]),
      targets: fc.constantFrom(1, 4),
    },
    { requiredKeys: [] },
  );
  const known = fc.oneof(
    fc.constantFrom(null, SPLIT, IN_A, IN_B),
    fc.constantFrom(...REGIONS, null).map((writer) => tiersOf(state(writer))),
  );
  const moments = fc.array(
    fc.record({
      scene,
      tiers: fc.option(known, { nil: undefined }),
      order: fc.option(
        fc.record({
          kind: fc.constantFrom('drain', 'force-in', 'evacuate', 'freeze') as fc.Arbitrary<'drain' | 'force-in' | 'evacuate' | 'freeze'>,
          region: fc.constantFrom(...REGIONS),
        }),
        { nil: undefined },
      ),
      forMs: fc.integer({ min: 500, max: 90_000 }),
    }),
    { minLength: 1, maxLength: 10 },
  );
  const services = fc.record({
    steering: fc.constantFrom({ kind: 'priority' }, { kind: 'weighted' }),
    allDown: fc.constantFrom('hold', 'configured') as fc.Arbitrary<'hold' | 'configured'>,
    pools: fc.constantFrom(
      REGIONS.map((r, i) => poolOf(r, 1, i)),
      REGIONS.map((r, i) => poolOf(r, i, i)),
      REGIONS.map((r, i) => poolOf(r, 1, i, 4)),
    ),
  });

  test('no decision sends more writers to where their database was not proved, and none moves any while two take writes', {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(services, moments, known, (given, history, first) => {
        const council = councilOf(serviceOf([...REGIONS], given), first);
        let before: Route = council.route();
        const elsewhere = (route: Route, writer: string | null): number =>
          Object.entries(route).reduce((sum, [pool, share]) => sum + (pool === writer ? 0 : share), 0);
        for (const [n, { scene: seen, tiers, order, forMs }] of history.entries()) {
          if (tiers !== undefined) council.tiers = tiers;
          if (order !== undefined) council.order(`o${n}`, order.kind, { region: order.region }, 120_000);
          for (const endMs = council.nowMs + forMs; council.nowMs < endMs; ) {
            council.see(seen, Math.min(5_000, endMs - council.nowMs));
            const now = council.route();
            const { writer = null, split } = council.tiers?.databases['shop/orders'] ?? {};
            if (split !== undefined) expect(now).toEqual(before);
            for (const [pool, share] of Object.entries(now)) {
              if (pool === writer || share <= (before[pool] ?? 0)) continue;
              expect([pool, before[pool], writer]).not.toEqual([pool, 0, writer]);
              expect(writer).not.toBeNull();
              expect(elsewhere(now, writer)).toBeLessThanOrEqual(elsewhere(before, writer));
            }
            before = now;
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
