// Adoption, pure: what is served becomes route and memory, numbered above every fence; the core then goes on from it as if it had decided it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { poolsServed, quantise as quantiseOnOff } from '../../providers/addresses.ts';
import type { Capabilities, Fence, Provider, ProviderService } from '../../providers/provider.ts';
import type { ClusterConfig, PoolMemory, Route, Routing } from '../../src/model.ts';
import { adoptRouting, isAstray, type Served } from '../../src/publish/adopt.ts';
import { desiredOf } from '../../src/publish/plan.ts';
import { Council, deepFreeze, seated } from '../decide/council.ts';
import { busy, clusters, play } from '../decide/histories.ts';
import { clusterOf, poolOf } from '../world.ts';

const FENCE: Fence = { v: 41, epoch: 9, writer: 'b/a/lost', nonce: 'lost-1', hash: 'ab' };
const can = (weights: Capabilities['weights']): Capabilities => ({
  fencing: 'conditional',
  weights,
  batchMax: 1000,
  servesAnswers: true,
  ttlFloorS: 1,
  checkedOn: '2026-11-22',
});
const EXACT: Pick<Provider, 'can' | 'quantise'> = {
  can: can('exact'),
  quantise: (s: ProviderService) => Object.fromEntries(s.pools.map((p) => [p.pool, p.share])),
};
const ON_OFF: Pick<Provider, 'can' | 'quantise'> = { can: can('onOff'), quantise: quantiseOnOff };

const served = (shares: Route | null, fence: Fence | null = FENCE, provider = EXACT): Served => ({
  back: { fence, shares, foreign: [], token: null },
  provider,
});

const adopt = (cluster: ClusterConfig, routing: Routing | null, what: Readonly<Record<string, Served>>, nowMs = 1e13) =>
  adoptRouting({
    cluster,
    routing,
    served: new Map(Object.entries(what)),
    nowMs,
    by: 'adopt/alice',
    because: 'alice adopted what is served: restored',
    evidence: {},
    nonce: 'adopted',
  });

const cluster = clusterOf(['a', 'b', 'c'], [{ pools: ['a', 'b', 'c'].map((r, i) => poolOf(r, 1, i)) }, { name: 'api' }]);
const routing = (): Routing => seated(cluster).routing ?? expect.fail('seated');
const memories = (r: Routing): Readonly<Record<string, PoolMemory>> => r.services.web?.pools ?? {};

describe('an adopted route', () => {
  test('is what is served, numbered above every fence there is; others stay as they are', () => {
    const before = routing();
    const { routing: after, services } = adopt(cluster, before, { web: served({ a: 0, b: 1000, c: 0 }) });
    expect(after.v).toBe(42);
    expect(after.services.web).toMatchObject({ fence: 42, nonce: 'adopted', route: { a: 0, b: 1000, c: 0 } });
    expect(after.services.api).toBe(before.services.api);
    expect(services).toMatchObject([{ service: 'web', carried: FENCE, fence: 42 }]);
  });

  test('is above the store and other services too, whoever is ahead', () => {
    const before = { ...routing(), v: 90 };
    expect(adopt(cluster, before, { web: served({ a: 1000 }) }).routing.v).toBe(91);
    const high = { ...FENCE, v: 1_000_000_000 };
    expect(adopt(cluster, before, { web: served({ a: 1000 }), api: served({ a: 1000 }, high) }).routing.services.web?.fence).toBe(
      1_000_000_001,
    );
  });

  test('a pool that serves nothing is out by health and returns by hold and ramp', () => {
    const { routing: after } = adopt(cluster, routing(), { web: served({ a: 500, b: 500, c: 0 }) });
    expect(memories(after).c).toMatchObject({ state: 'out', by: 'health', upAtMs: null });
    expect(memories(after).a?.state).toBe('in');
    const council = new Council(cluster);
    council.routing = after;
    council.nowMs = after.atMs;
    council.see({}, 500);
    expect(council.route().c).toBe(0);
    council.watch({}, 61_000);
    expect(council.memory('c').state).toBe('returning');
    council.watch({}, 121_000);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
  });

  test('a pool with a part of its share goes on from the nearest stage of the ramp, not from all of it', () => {
    const { routing: after } = adopt(cluster, routing(), { web: served({ a: 483, b: 483, c: 34 }) });
    expect(memories(after).c).toMatchObject({ state: 'returning', stage: 0, by: null });
    const council = new Council(cluster);
    council.routing = after;
    council.nowMs = after.atMs;
    expect(council.see({}, 500).next).toBeUndefined();
  });

  test('latches and flap counts are kept, holds are not', () => {
    const before = routing();
    const web = before.services.web ?? expect.fail('web');
    const c: PoolMemory = {
      ...(web.pools.c as PoolMemory),
      state: 'out',
      by: 'health',
      latched: true,
      drainsAtMs: [1, 2, 3, 4],
      hold: 'frozen',
    };
    const known = {
      ...before,
      services: { ...before.services, web: { ...web, route: { a: 500, b: 500, c: 0 }, pools: { ...web.pools, c } } },
    };
    expect(memories(adopt(cluster, known, { web: served({ a: 500, b: 500, c: 0 }) }).routing).c).toEqual({ ...c, hold: null });
    const back = memories(adopt(cluster, known, { web: served({ a: 334, b: 333, c: 333 }) }).routing).c;
    expect(back).toMatchObject({ state: 'in', latched: true, drainsAtMs: [1, 2, 3, 4], hold: null });
  });

  test('unknown pools and missing parts are spread over the configured ones in proportion', () => {
    const { routing: after } = adopt(cluster, routing(), { web: served({ a: 100, b: 300 }) });
    expect(after.services.web?.route).toEqual({ a: 250, b: 750, c: 0 });
  });

  test('nothing served keeps the route of the store; what neither knows stays to be decided as new', () => {
    const before = routing();
    for (const nothing of [null, { a: 0, b: 0, c: 0 }, { strange: 1000 }]) {
      const kept = adopt(cluster, before, { web: served(nothing) });
      expect(kept.routing.services.web).toMatchObject({ route: before.services.web?.route, fence: 42 });
      const blank = adopt(cluster, null, { web: served(nothing, null) });
      expect(blank.routing.services.web).toBeUndefined();
      expect(blank.services).toMatchObject([{ fence: null }]);
    }
  });

  test('an empty store takes everything from the providers', () => {
    const { routing: after, applied } = adopt(cluster, null, {
      web: served({ a: 0, b: 500, c: 500 }),
      api: served({ a: 1000, b: 0, c: 0 }),
    });
    expect(after).toMatchObject({ v: 42, membersVersion: 1, services: { web: { fence: 42 }, api: { fence: 42, route: { a: 1000 } } } });
    expect(applied.get('web')).toMatchObject({ fence: 41, nonce: 'lost-1', hash: 'ab', outcome: 'applied' });
    const council = new Council(cluster);
    council.routing = after;
    council.nowMs = after.atMs;
    council.see({}, 500);
    expect(council.route('web').a).toBe(0);
  });

  test('without a fence there is nothing that was acknowledged', () => {
    expect(adopt(cluster, routing(), { web: served({ a: 1000 }, null) }).applied.get('web')).toBeNull();
  });

  test('has one audit record that accounts for it and links to the one before', () => {
    const before = { ...routing(), auditHash: 'link' };
    const { audit, routing: after } = adopt(cluster, before, { web: served({ a: 0, b: 1000, c: 0 }) });
    expect(audit).toMatchObject({ v: after.v, atMs: after.atMs, by: 'adopt/alice', because: after.because, prevHash: 'link' });
    expect(audit.changes).toEqual([
      {
        service: 'web',
        before: { a: 334, b: 333, c: 333 },
        after: { a: 0, b: 1000, c: 0 },
        because: 'web: a 334, b 333, c 333 -> a 0, b 1000, c 0, as served with fence 41 by b/a/lost',
      },
    ]);
    expect(after.auditHash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('a provider that serves a pool or does not', () => {
  const uneven = clusterOf(['a', 'b', 'c'], [{ pools: [poolOf('a', 80, 0), poolOf('b', 20, 1), poolOf('c', 0, 2)] }]);

  test('is adopted as the shares that its pools stand for, so that nothing has to move', () => {
    const before = seated(uneven).routing ?? expect.fail('seated');
    const { routing: after } = adopt(uneven, before, { web: served({ a: 500, b: 500, c: 0 }, FENCE, ON_OFF) });
    expect(after.services.web?.route).toEqual({ a: 800, b: 200, c: 0 });
    const council = new Council(uneven);
    council.routing = after;
    council.nowMs = after.atMs;
    expect(council.see({}, 500).next).toBeUndefined();
  });

  test('a single pool served is all of it; the other configured one is out, the standby only waits', () => {
    const before = seated(uneven).routing ?? expect.fail('seated');
    const { routing: after } = adopt(uneven, before, { web: served({ a: 0, b: 1000, c: 0 }, FENCE, ON_OFF) });
    expect(after.services.web?.route).toEqual({ a: 0, b: 1000, c: 0 });
    expect([memories(after).a?.state, memories(after).b?.state, memories(after).c?.state]).toEqual(['out', 'in', 'in']);
  });
});

test('priority: the reserve that serves alone means the first is out, and the reserve is whole', () => {
  const first = clusterOf(['a', 'b', 'c'], [{ steering: { kind: 'priority' }, pools: ['a', 'b'].map((r, i) => poolOf(r, 1, i)) }]);
  const before = seated(first).routing ?? expect.fail('seated');
  const { routing: after } = adopt(first, before, { web: served({ a: 0, b: 1000 }) });
  expect(memories(after).a).toMatchObject({ state: 'out', by: 'health' });
  expect(memories(after).b?.state).toBe('in');
  expect(after.services.web?.route).toEqual({ a: 0, b: 1000 });
});

describe('astray is what the store does not know', () => {
  const [web] = cluster.services;
  const known = routing().services.web;
  const at = (fence: Fence | null, shares: Route | null = { a: 1000 }) => isAstray(web!, known, null, served(shares, fence));
  const ours: Fence = { v: known?.fence ?? 0, epoch: 1, writer: 'w', nonce: `${known?.nonce}-1`, hash: 'h' };

  test.each<[string, boolean, boolean]>([
    ['a newer fence', at(FENCE), true],
    ['the same number of another decision', at({ ...ours, nonce: 'other-1' }), true],
    ["a human's", at({ ...ours, writer: 'manual/alice' }), true],
    ['our own', at(ours), false],
    ['an older one, which is only behind', at({ ...ours, v: ours.v - 1 }), false],
    ['none, which is written anew', at(null), false],
    ['anything, to a store that knows nothing', isAstray(web!, undefined, null, served(null)), true],
    ['nothing, to a store that knows nothing', isAstray(web!, undefined, null, served(null, null)), false],
  ])('%s', (_claim, found, expected) => {
    expect(found).toBe(expected);
  });
});

const MORE = Number(process.env.TIDEGATE_MORE_RUNS ?? 1);
const SLOW = { timeout: 120_000 * MORE };

/** A store after some history, and what its providers might serve. */
const worlds = fc.record({
  cluster: clusters,
  moments: busy.map((m) => m.slice(0, 60)),
  shares: fc.array(fc.array(fc.nat(1000), { minLength: 6, maxLength: 6 }), { minLength: 3, maxLength: 3 }),
  fences: fc.array(fc.option(fc.nat(500)), { minLength: 3, maxLength: 3 }),
  fresh: fc.boolean(),
});

test('never-empty, above every fence, and nothing that it was given is changed', SLOW, () => {
  fc.assert(
    fc.property(worlds, ({ cluster: c, moments, shares, fences, fresh }) => {
      const council = play(c, moments, () => undefined);
      const before = fresh ? null : council.routing;
      const what = Object.fromEntries(
        council.cluster.services.map((s, i): [string, Served] => {
          const given = Object.fromEntries(s.pools.map((p, n) => [p.name, shares[i]?.[n] ?? 0]));
          const v = fences[i];
          return [s.name, served(given, v == null ? null : { ...FENCE, v })];
        }),
      );
      const { routing: after, audit, services } = adopt(council.cluster, deepFreeze(before), deepFreeze(what));
      expect(after.v).toBeGreaterThan(Math.max(before?.v ?? 0, ...Object.values(what).map(({ back }) => back.fence?.v ?? 0)));
      for (const s of services) {
        if (s.fence === null) continue;
        const route = after.services[s.service]?.route ?? {};
        expect(Object.values(route).reduce((x, y) => x + y, 0)).toBe(1000);
        expect(s.fence).toBe(after.v);
        expect(audit.changes.filter((x) => x.service === s.service)).toHaveLength(1);
      }
      // The core goes on from it: its first decision keeps every route named and whole.
      council.routing = after;
      council.nowMs = Math.max(council.nowMs, after.atMs);
      council.see({}, 500);
      for (const s of council.cluster.services) {
        const route = council.routing.services[s.name]?.route ?? {};
        expect(Object.keys(route).sort()).toEqual(s.pools.map((p) => p.name).sort());
        expect(Object.values(route).reduce((x, y) => x + y, 0)).toBe(1000);
      }
    }),
    { numRuns: 60 * MORE, interruptAfterTimeLimit: 60_000 * MORE },
  );
});

test('what is served as the store had decided is adopted without a change of route or memory', SLOW, () => {
  let seen = 0;
  fc.assert(
    fc.property(worlds, fc.boolean(), ({ cluster: c, moments }, exact) => {
      const council = play(c, moments, () => undefined);
      const before = council.routing ?? expect.fail('decided');
      const provider = exact ? EXACT : ON_OFF;
      for (const s of council.cluster.services) {
        const known = before.services[s.name];
        // Serving as configured because nobody is up is no state of the pools; what a changed configuration asks for has been decided once more.
        if (known === undefined || known.fence === 0 || Object.values(known.pools).some((p) => p.told.includes('fail-open'))) continue;
        const desired = desiredOf(s, known);
        if (!exact && poolsServed(desired).length !== desired.pools.filter((p) => p.share > 0).length) continue;
        const { routing: after } = adopt(council.cluster, before, { [s.name]: served(provider.quantise(desired), FENCE, provider) });
        seen++;
        if (exact) expect(after.services[s.name]?.route).toEqual(known.route);
        else expect(provider.quantise(desiredOf(s, after.services[s.name] ?? known))).toEqual(provider.quantise(desired));
      }
    }),
    { numRuns: 60 * MORE, interruptAfterTimeLimit: 60_000 * MORE },
  );
  expect(seen).toBeGreaterThan(20);
});
