// Orders beyond drains and freezes: pools forced in, pinned shares, evacuations, orders for later; and safety rules asked about orders and returns.
import { describe, expect, test } from 'vitest';
import { newUnderstudy, step } from '../../src/decide/understudy.ts';
import type { Override, Policy } from '../../src/model.ts';
import { clusterOf, poolOf } from '../world.ts';
import { type Council, seated } from './council.ts';

const REGIONS = ['a', 'b', 'c'];
const MIN = 60_000;

const three = (policy: Partial<Policy> = {}): Council => seated(clusterOf(REGIONS, [{}], policy));
const primary = (): Council => seated(clusterOf(REGIONS, [{ pools: [poolOf('a', 100, 0), poolOf('b', 0, 1)] }]));
const ruled = (safety: Policy['safety'], policy: Partial<Policy> = {}): Council =>
  three({ ...policy, safety: { 'last-pool': {}, ...safety } });

/** `b` is dead, seen so for long enough to be drained. */
const drainedB = (council: Council): void => council.watch({ dead: ['b'] }, 30_000);

describe('force-in', () => {
  test('in at once at full share, whatever the votes, holds and latches say; health does not drain it', () => {
    const council = three();
    drainedB(council);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
    council.order('f', 'force-in', { region: 'b' });
    council.see({ dead: ['b'] }, 500);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.memory('b')).toMatchObject({ state: 'in', latched: false, drainsAtMs: [], hold: null });
    council.watch({ dead: ['b'] }, 5 * MIN);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.told().filter((type) => type === 'override.obeyed')).toHaveLength(1);
  });

  test('what was measured stays to be seen', () => {
    const council = three();
    council.order('f', 'force-in', { region: 'b' });
    expect(council.see({ dead: ['b'] }, 500).tallies.find((t) => t.pool === 'b')?.verdict).toBe('out');
  });

  test('when it ends and the pool is up it stays in; when it is down, leaving it is an ordinary wish', () => {
    const well = three();
    well.order('f', 'force-in', { region: 'b' });
    well.see({}, 500);
    well.revoke('f');
    well.see({}, 500);
    expect(well.route()).toEqual({ a: 334, b: 333, c: 333 });
    const ill = three();
    ill.order('f', 'force-in', { region: 'b' });
    ill.watch({ dead: ['b'] }, 20_000);
    // Another region has just left: b has to wait for its turn.
    ill.watch({ dead: ['b', 'c'] }, 1000);
    expect(ill.memory('c').state).toBe('out');
    ill.revoke('f');
    ill.see({ dead: ['b', 'c'] }, 500);
    expect(ill.memory('b')).toMatchObject({ state: 'in', hold: 'pacing' });
  });

  test('never-empty: it is not obeyed while all traffic would be on the dead and another is up, and obeyed when that ends', () => {
    const council = primary();
    council.watch({ dead: ['a'] }, 30_000);
    council.order('f', 'force-in', { region: 'a' });
    council.watch({ dead: ['a'] }, 5000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
    expect(council.told()).toContain('override.refused');
    council.watch({ dead: ['a', 'b'] }, 2000);
    expect(council.route()).toEqual({ a: 1000, b: 0 });
  });

  test('never-empty holds in the very decision in which a pin ends that had kept traffic away from what is forced in and dead', () => {
    const council = seated(clusterOf(REGIONS, [{ steering: { kind: 'priority' } }]));
    council.order('p', 'pin', { service: 'web' }, 10_000, { weights: { c: 1000 } });
    council.see({}, 500);
    council.order('f', 'force-in', {});
    for (const endMs = council.nowMs + 20_000; council.nowMs < endMs; ) {
      council.see({ dead: ['a'] }, 500);
      expect(council.route().a).toBe(0);
    }
    expect(council.routing?.services.web?.pin).toBeUndefined();
  });

  test('one that is up but in hold-down comes along, so that no order is refused for its sake', () => {
    const council = seated(clusterOf(REGIONS, [{ pools: [poolOf('a', 1, 0), poolOf('b', 1, 1)] }]));
    council.watch({ dead: ['b'] }, 10_000);
    council.see({}, 500);
    council.order('f', 'force-in', { region: 'a' });
    council.watch({ dead: ['a'] }, 1000);
    expect(council.route()).toEqual({ a: 500, b: 500 });
    expect(council.told()).not.toContain('override.refused');
  });

  test('a drain of the same pool is the more careful order', () => {
    const council = three();
    council.order('f', 'force-in', { region: 'b' });
    council.order('d', 'drain', { region: 'b' });
    council.see({}, 500);
    expect(council.memory('b')).toMatchObject({ state: 'out', by: 'override' });
  });

  test('a frozen service keeps its route, and says so', () => {
    const council = three();
    drainedB(council);
    council.frozen = ['web'];
    council.order('f', 'force-in', { region: 'b' });
    council.watch({ dead: ['b'] }, 2000);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
    expect(council.told()).toContain('override.refused');
  });
});

describe('pin', () => {
  test.each(['weighted', 'priority'])('its shares are steered by weight, whatever the configuration says (%s)', (kind) => {
    const council = seated(clusterOf(REGIONS, [{ steering: { kind } }]));
    council.order('p', 'pin', { service: 'web' }, MIN, { weights: { a: 300, b: 700 } });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 300, b: 700, c: 0 });
  });

  test('it begins at once for who was on the ramp only, and ends up the ramp for who had nothing', () => {
    const council = three();
    drainedB(council);
    council.watch({}, council.cluster.policy.recoveryHoldMs + 1000);
    expect(council.memory('b').state).toBe('returning');
    council.order('p', 'pin', { service: 'web' }, MIN, { weights: { b: 1000 } });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000, c: 0 });
    council.revoke('p');
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 33, b: 934, c: 33 });
    council.watch({}, 3 * MIN);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
  });

  test('with nobody left that it gives traffic to, the others share by their configured weights, and it is told', () => {
    const council = seated(clusterOf(REGIONS, [{ pools: [poolOf('a', 1, 0), poolOf('b', 3, 1), poolOf('c', 1, 2)] }]));
    council.order('p', 'pin', { service: 'web' }, 60 * MIN, { weights: { a: 1000 } });
    council.see({}, 500);
    council.watch({ dead: ['a'] }, 10_000);
    expect(council.route()).toEqual({ a: 0, b: 750, c: 250 });
    expect(council.told()).toContain('override.set_aside');
    expect(council.routing?.services.web?.pin).toEqual({ id: 'p', weights: { a: 1000 }, setAside: true });
  });

  test('with all traffic on the dead the pool that it gives traffic to is called back, not one that has no share', () => {
    const council = seated(clusterOf(REGIONS, [{ pools: [poolOf('a', 100, 0), poolOf('b', 0, 1), poolOf('c', 0, 2)] }]));
    council.watch({ dead: ['b', 'c'] }, 3 * MIN);
    expect([council.memory('b').state, council.memory('c').state]).toEqual(['out', 'out']);
    council.order('p', 'pin', { service: 'web' }, 60 * MIN, { weights: { c: 1000 } });
    council.watch({ dead: ['a', 'b', 'c'] }, 10_000);
    expect(council.route()).toEqual({ a: 1000, b: 0, c: 0 });
    council.see({ dead: ['a'] }, 500);
    expect(council.route()).toEqual({ a: 0, b: 0, c: 1000 });
  });

  test('one that gives nothing to any pool of the service is no pin', () => {
    const council = three();
    council.order('p', 'pin', { service: 'web' }, MIN, { weights: { gone: 1000 } });
    expect(council.see({}, 500).next).toBeUndefined();
  });

  test('under a freeze it begins, since a human ordered it, and ends with the freeze', () => {
    const council = three();
    council.order('z', 'freeze', {});
    council.order('p', 'pin', { service: 'web' }, 5000, { weights: { b: 1000 } });
    council.see({}, 500);
    expect(council.route()).toEqual({ a: 0, b: 1000, c: 0 });
    council.watch({}, 10_000);
    expect(council.route()).toEqual({ a: 0, b: 1000, c: 0 });
    council.revoke('z');
    council.see({}, 500);
    expect(council.route().a).toBeGreaterThan(0);
  });
});

test('a pin that has ended is followed no longer, although a rule refuses the one that came after it', () => {
  const council = ruled({ velocity: { percent: 40, windowMs: MIN, onHealth: 'exempt' } });
  council.order('old', 'pin', { service: 'web' }, 5 * MIN, { weights: { a: 600, b: 400 } });
  council.watch({}, MIN + 1000);
  council.order('new', 'pin', { service: 'web' }, 60 * MIN, { weights: { c: 1000 } });
  council.watch({}, 3000);
  expect(council.route()).toEqual({ a: 600, b: 400, c: 0 });
  council.watch({}, 20 * MIN);
  expect(council.overrides?.items.map(({ id }) => id)).toEqual(['new']);
  expect(council.routing?.services.web?.pin).toBeUndefined();
  expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
});

describe('evacuate', () => {
  test('every pool of the region is drained in all services at once, and takes nobody’s turn', () => {
    const council = seated(clusterOf(REGIONS, [{ name: 'web' }, { name: 'api' }]));
    council.order('e', 'evacuate', { region: 'a' });
    council.see({}, 500);
    for (const service of ['web', 'api']) expect(council.route(service)).toEqual({ a: 0, b: 500, c: 500 });
    council.watch({ dead: ['b'] }, 10_000);
    expect(council.route()).toEqual({ a: 0, b: 0, c: 1000 });
    expect(council.routing?.regionDrainsAtMs).not.toHaveProperty('a');
  });
});

describe('orders for later, and what is told of orders', () => {
  const tell = (more: Partial<Override>, ttlMs: number, watchMs: number): readonly string[] => {
    const council = three();
    council.order('o', 'freeze', { service: 'web' }, ttlMs, more);
    council.watch({}, watchMs);
    return council.told();
  };

  test.each<[string, Partial<Override>, number, number, readonly string[]]>([
    ['a short one', {}, 14 * MIN, 15 * MIN, ['override.expired']],
    ['a long one', {}, 20 * MIN, 21 * MIN, ['override.expiring', 'override.expired']],
    ['one that nobody approved', { approval: { by: null, atMs: null } }, 20 * MIN, 21 * MIN, ['override.expired']],
    ['one past the rules', { breakGlass: true }, 10 * MIN, 5000, ['override.break_glass']],
  ])('%s', (_, more, ttlMs, watchMs, types) => {
    expect(tell(more, ttlMs, watchMs)).toEqual(types);
  });

  test('one for later does nothing before, and then says so once', () => {
    const council = three();
    council.order('d', 'drain', { region: 'b' }, 10 * MIN, { startsAtMs: council.nowMs + MIN });
    council.watch({}, 50_000);
    expect(council.memory('b').state).toBe('in');
    council.watch({}, 20_000);
    expect(council.memory('b').state).toBe('out');
    expect(council.told()).toEqual(['override.obeyed', 'override.started']);
    expect(council.overrides?.items[0]?.told).toEqual(['started']);
  });

  test('an exercise wakes nobody', () => {
    const council = three();
    council.order('d', 'drain', { region: 'b' }, 20 * MIN, { drill: true });
    council.watch({}, 21 * MIN);
    expect(council.pages.filter((p) => p.severity !== 'info').map((p) => p.type)).toEqual([]);
  });

  test('a second policy on the same evidence tells each news once, although it writes nothing', () => {
    const council = three();
    council.order('d', 'drain', { region: 'b' }, 20 * MIN, { startsAtMs: council.nowMs });
    council.order('p', 'drain', { region: 'b' }, 20 * MIN, { breakGlass: true });
    let understudy = newUnderstudy(council.cluster, council.routing);
    const decided: string[] = [];
    for (let n = 0; n < 10; n++) {
      council.nowMs += 500;
      const seen = step(understudy, { heard: council.heard({}), overrides: council.overrides, frozen: [] }, council.nowMs);
      understudy = seen.understudy;
      decided.push(...(seen.next?.pages ?? []).map((p) => p.type));
    }
    expect(decided).toEqual(['override.obeyed', 'override.break_glass']);
  });
});

describe('a region that dies while its traffic is away by order', () => {
  const pagesOf = (council: Council) => council.pages.splice(0).map(({ type, severity, summary }) => `${severity} ${type} ${summary}`);

  test('is told at once where the order is a drill, and when the order ends', () => {
    const council = three();
    council.order('d', 'drain', { region: 'b' }, 10 * MIN, { drill: true });
    council.watch({}, 1000);
    council.told();
    council.watch({ dead: ['b'] }, 5 * MIN);
    expect(pagesOf(council)).toEqual([
      expect.stringMatching(/^warning region.out_in_drill b down: 3 of 3 vantages .*, while alice keeps its traffic away as a drill \(d\)/),
    ]);
    council.watch({ dead: ['b'] }, 6 * MIN);
    expect(pagesOf(council)[0]).toMatch(
      /^warning override.ended b: the drain by a human ended; b down: .*: no traffic returns before it is up/,
    );
    expect(council.memory('b').told).toEqual([]);
  });

  test('is not news while somebody works on it', () => {
    const council = three();
    council.order('d', 'drain', { region: 'b' }, 10 * MIN);
    council.watch({}, 1000);
    council.told();
    council.watch({ dead: ['b'] }, 5 * MIN);
    expect(pagesOf(council)).toEqual([]);
    council.watch({}, 6 * MIN);
    expect(pagesOf(council)).toContainEqual(expect.stringMatching(/^info override.ended b: the drain by a human ended(; web|$)/));
  });
});

test('that an order passes safety rules is told to people, also when it calls itself a drill', () => {
  const council = ruled({});
  council.order('x', 'drain', { region: 'b' }, 5 * MIN, { drill: true, breakGlass: true });
  council.watch({}, 1000);
  expect(council.pages.find(({ type }) => type === 'override.break_glass')?.severity).toBe('warning');
});

test('news of many orders at one instant are told by several decisions: one that tells all would be larger than a store takes', () => {
  const council = three();
  const startsAtMs = council.nowMs + MIN;
  for (let i = 0; i < 200; i++)
    council.order(`p${i}`, 'pin', { service: 'web' }, 5 * MIN, {
      weights: { a: 1000 },
      breakGlass: true,
      startsAtMs,
      createdAtMs: council.nowMs + i,
    });
  const most = { pages: 0 };
  const told: string[] = [];
  const watch = (ms: number): void => {
    for (const endMs = council.nowMs + ms; council.nowMs < endMs; ) {
      council.see({}, 500);
      most.pages = Math.max(most.pages, council.pages.length);
      told.push(...council.told());
    }
  };
  watch(2 * MIN);
  expect(told.filter((type) => type === 'override.started')).toHaveLength(200);
  watch(5 * MIN);
  expect(told.filter((type) => type === 'override.expired')).toHaveLength(200);
  expect(council.overrides?.items).toEqual([]);
  expect(most.pages).toBeLessThanOrEqual(40);
});

describe('velocity and what comes in steps', () => {
  test.each([
    ['what returns in a step larger than the limit comes all the same, in a window of its own', 'exempt'],
    ['so does the drain of what is dead, where health is held too', 'hold'],
  ])('%s', (_, onHealth) => {
    const council = ruled(
      { velocity: { percent: 10, windowMs: MIN, onHealth } },
      { recoveryHoldMs: 20_000, rampStepMs: 10_000, ramp: [100, 1000] },
    );
    council.watch({ dead: ['c'] }, 3 * MIN);
    expect(council.route().c).toBe(0);
    council.watch({}, 10 * MIN);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.memory('c')).toMatchObject({ state: 'in', hold: null });
  });
});

describe('safety rules', () => {
  const ALL = {
    rules: [{ name: 'all', type: 'AND', threshold: 1, inverted: false, controls: ['web/a', 'web/b', 'web/c'], waitPeriodMs: 0 }],
  };

  test('an order that a rule refuses is held by name, told once, judged again each turn, and obeyed when it passes', () => {
    const council = ruled({ assertion: ALL });
    council.order('d', 'drain', { region: 'b' });
    const first = council.see({}, 500);
    expect(first.refusals).toMatchObject([{ service: 'web', pool: 'b', rule: 'assertion', risk: 'high' }]);
    expect(first.next?.audit.holds).toMatchObject([{ pool: 'b', hold: 'rule:assertion', refusal: { rule: 'assertion' } }]);
    council.watch({}, MIN);
    expect(council.hold('b')).toBe('rule:assertion');
    expect(council.told()).toEqual(['override.refused']);
    expect(council.see({}, 500).refusals).toHaveLength(1);
    council.cluster = { ...council.cluster, version: 2, policy: { ...council.cluster.policy, safety: { 'last-pool': {} } } };
    council.see({}, 500);
    council.see({}, 500);
    expect(council.memory('b')).toMatchObject({ state: 'out', by: 'override', hold: null });
  });

  test('break-glass passes it, once obeyed it is judged no more', () => {
    const council = ruled({ assertion: ALL });
    council.order('d', 'drain', { region: 'b' }, MIN, { breakGlass: true, approval: { by: 'bob', atMs: council.nowMs } });
    council.see({}, 500);
    expect(council.memory('b').state).toBe('out');
    expect(council.told()).toEqual(['override.obeyed', 'override.break_glass']);
    // The order stands without it now, and is obeyed as before.
    council.order('d', 'drain', { region: 'b' }, MIN);
    council.see({}, 500);
    expect(council.memory('b').state).toBe('out');
  });

  test('no rule keeps all traffic on the dead while another is up', () => {
    const safety = { gating: { rules: [{ ...ALL.rules[0], gates: ['web/b'], targets: ['web/a', 'web/b'] }] } };
    const council = seated(
      clusterOf(REGIONS, [{ pools: [poolOf('a', 100, 0), poolOf('b', 0, 1)] }], { safety: { 'last-pool': {}, ...safety } }),
    );
    council.watch({ dead: ['a'] }, 30_000);
    expect(council.route()).toEqual({ a: 0, b: 1000 });
  });

  test('a rule that holds what is dead while others serve is told, also where it held an order before', () => {
    const council = ruled({ assertion: ALL });
    council.order('d', 'drain', { region: 'b' });
    council.see({}, 500);
    council.told();
    council.watch({ dead: ['b'] }, 30_000);
    expect(council.route()).toEqual({ a: 334, b: 333, c: 333 });
    expect(council.told()).toContain('service.hold_rule_assertion');
  });

  test('a return waits in a freeze window and says so; a drain does not', () => {
    const windows = { windows: [{ name: 'now', cron: '* * * * *', timezone: 'UTC', durationMs: 60_000, drains: false }] };
    const council = ruled({ 'freeze-windows': windows });
    drainedB(council);
    expect(council.memory('b').state).toBe('out');
    council.watch({}, 3 * MIN);
    expect(council.memory('b')).toMatchObject({ state: 'out', hold: 'rule:freeze-windows' });
  });

  test('velocity remembers what moved, whoever coordinates, and forgets it after the window', () => {
    const council = ruled({ velocity: { percent: 50, windowMs: 60_000 } });
    council.order('one', 'pin', { service: 'web' }, 60 * MIN, { weights: { a: 700, b: 300 } });
    council.see({}, 500);
    expect(council.routing?.services.web?.moves).toEqual([{ atMs: council.nowMs, moved: 366, cause: 'order' }]);
    council.order('two', 'pin', { service: 'web' }, 60 * MIN, { weights: { a: 400, b: 600 } });
    council.watch({}, 50_000);
    expect(council.route()).toEqual({ a: 700, b: 300, c: 0 });
    expect(council.routing?.services.web?.pinHeld).toEqual({ id: 'two', hold: 'rule:velocity' });
    council.watch({}, 20_000);
    expect(council.route()).toEqual({ a: 400, b: 600, c: 0 });
    expect(council.routing?.services.web?.pinHeld).toBeUndefined();
  });

  test('capacity: what is dead leaves all the same, and the page says what is short', () => {
    const base = clusterOf(REGIONS, [{}], { safety: { 'last-pool': {}, capacity: { headroomPercent: 80 } } });
    const services = base.services.map((s) => ({ ...s, load: 900, pools: s.pools.map((p) => ({ ...p, capacity: 400 })) }));
    const council = seated({ ...base, services });
    drainedB(council);
    expect(council.route()).toEqual({ a: 500, b: 0, c: 500 });
    expect(council.told()).toContain('capacity.short');
  });

  test('a second drill is one decision when it begins and one when it ends: while it went on, each look made another', () => {
    const council = three();
    for (const id of ['first', 'second']) {
      const [beginV, before] = [council.routing?.v ?? 0, council.audits.length];
      council.order(id, 'drain', { region: 'b' }, 10 * MIN, { drill: true });
      council.watch({}, 5 * MIN);
      expect(council.audits.length - before).toBeLessThanOrEqual(2);
      expect(council.routing?.services.web?.drills).toEqual([id]);
      council.revoke(id);
      council.watch({}, 15 * MIN);
      expect(council.routing?.services.web?.provenAtMs).toBeDefined();
      expect(council.routing?.v).toBeGreaterThan(beginV);
    }
  });

  test('drill-fresh reminds twice, and an exercise proves', () => {
    const council = ruled({ 'drill-fresh': { maxAgeDays: 30 } });
    const day = 24 * 60 * MIN;
    council.see({}, 22 * day);
    expect(council.told()).toEqual([]);
    council.see({}, 1.5 * day);
    council.see({}, 500);
    expect(council.told()).toEqual(['drill.stale']);
    council.see({}, 7 * day);
    expect(council.told()).toEqual(['drill.stale']);
    council.order('x', 'drain', { region: 'b' }, 5 * MIN, { drill: true });
    council.see({}, 500);
    council.watch({}, 6 * MIN);
    expect(council.routing?.services.web?.provenAtMs).toBeGreaterThan(council.nowMs - 2 * MIN);
    expect(council.routing?.services.web?.reminded).toBeUndefined();
  });
});
