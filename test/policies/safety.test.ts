// What each safety rule is for, in tables: numbers, when it would pass, and what would have let it pass. The contract of all of them is in policies.test.ts.
import { describe, expect, test } from 'vitest';
import { safety } from '../../policies/index.ts';
import type { Cause, RouteChange, Ruling, Settings, World } from '../../policies/policy.ts';
import { endsAtMs } from '../../policies/safety/freeze-windows.ts';
import { newMemory } from '../../src/decide/pool.ts';
import { blankRouting } from '../../src/decide/snapshot.ts';
import type { Moved, Route, ServiceConfig, ServiceRouting } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';

const REGIONS = ['a', 'b', 'c'];
const NOW = Date.UTC(2026, 10, 22, 3, 12);
const web = serviceOf(REGIONS, {});

interface Given {
  service?: ServiceConfig;
  before?: Route;
  after: Route;
  cause?: Cause;
  settings?: Settings;
  moves?: readonly Moved[];
  reported?: World['reported'];
  tiers?: World['tiers'];
  routes?: readonly [string, Route][];
  pools?: World['pools'];
  changedMsAgo?: number;
}

const EVEN: Route = { a: 334, b: 333, c: 333 };

const judge = (kind: keyof typeof safety, given: Given): Ruling => {
  const { service = web, before = EVEN, after, cause = 'order', settings = {}, moves, reported = null, routes = [], pools = [] } = given;
  const memory = (pool: string) => [pool, newMemory('in', NOW - (given.changedMsAgo ?? 600_000))] as const;
  const known: ServiceRouting = {
    fence: 1,
    sinceAtMs: NOW - 3_600_000,
    mode: 'auto',
    route: before,
    because: '',
    pools: Object.fromEntries(REGIONS.map(memory)),
    ...(moves === undefined ? {} : { moves }),
  };
  const cluster = clusterOf(REGIONS, [service]);
  const world: World = {
    cluster,
    routing: { ...blankRouting(cluster, NOW), v: 1, epoch: 1, services: { web: known } },
    pools,
    routes: new Map(routes),
    reported,
    tiers: given.tiers ?? null,
  };
  const change: RouteChange = { service, before, after, drains: [], cause };
  return safety[kind].judge(change, world, settings, NOW);
};

const becauseOf = (ruling: Ruling): string => (ruling.allow ? (ruling.warn?.because ?? '') : ruling.because);

describe('capacity', () => {
  const sized = serviceOf(REGIONS, { load: 900, pools: REGIONS.map((r, i) => ({ ...poolOf(r, 1, i), capacity: 500 })) });
  const after = { a: 500, b: 0, c: 500 };
  const report = (load: number, expiresAtMs: number): World['reported'] => ({
    version: 1,
    nonce: '',
    services: { web: { load, capacity: {}, atMs: NOW - 1000, expiresAtMs, by: 'x' } },
  });

  test.each<[string, Given, boolean]>([
    ['90 % of what is left', { service: sized, after }, false],
    ['where so much may be used', { service: sized, after, settings: { headroomPercent: 90 } }, true],
    ['less load reported', { service: sized, after, reported: report(700, NOW + 1) }, true],
    ['a report that is over', { service: sized, after, reported: report(700, NOW) }, false],
    ['shares that only fall', { service: sized, before: { a: 500, b: 500 }, after: { a: 500, b: 500, c: 0 } }, true],
    ['nobody knows the load', { after }, true],
    ['nobody knows, and that is refused', { after, settings: { onUnknown: 'refuse' } }, false],
    ['health drains', { service: sized, after, cause: 'health' }, true],
    ['health drains where they are held', { service: sized, after, cause: 'health', settings: { onHealth: 'hold' } }, false],
    [
      'half of the targets of one are up',
      {
        service: sized,
        after,
        reported: report(700, NOW + 1),
        pools: [{ service: 'web', pool: 'a', region: 'a', verdict: 'up', up: 1, total: 2, configuredShare: 334 }],
      },
      false,
    ],
  ])('%s', (_, given, allow) => {
    expect(judge('capacity', given).allow).toBe(allow);
  });

  test('the refusal has the numbers, and what would have been enough; a drain warns with the same', () => {
    const refusal = judge('capacity', { service: sized, after });
    expect(refusal).toMatchObject({ againAtMs: null, counterfactual: 'with 62.5 more capacity in a it would have passed' });
    expect(becauseOf(refusal)).toBe('a would carry 450 of 500 (90 % of it; limit 80 %, configured), and 1 more');
    expect(becauseOf(judge('capacity', { service: sized, after, cause: 'health' }))).toBe(becauseOf(refusal));
  });
});

describe('velocity', () => {
  const moved = (ago: number, by: number, cause: Cause = 'order'): Moved => ({ atMs: NOW - ago, moved: by, cause });
  const after = { a: 634, b: 333, c: 33 };

  test.each<[string, Given, boolean]>([
    ['30 %', { after }, true],
    ['60 %', { after: { a: 934, b: 33, c: 33 } }, false],
    ['30 % after 20 %', { after, moves: [moved(1000, 200)] }, true],
    ['30 % after 30 %', { after, moves: [moved(1000, 300)] }, false],
    ['30 % after 30 % long ago', { after, moves: [moved(60_000, 300)] }, true],
    ['after what health moved', { after, moves: [moved(1000, 900, 'health')] }, true],
    ['health itself', { after: { a: 1000 }, cause: 'health' }, true],
    [
      'health itself after something, where it is held',
      { after: { a: 1000 }, cause: 'health', settings: { onHealth: 'hold' }, moves: [moved(1000, 1, 'health')] },
      false,
    ],
    [
      'health itself alone, where it is held: a dead pool is of one piece',
      { after: { a: 1000 }, cause: 'health', settings: { onHealth: 'hold' } },
      true,
    ],
    ['what returns and is more than the limit, alone', { after: { a: 934, b: 33, c: 33 }, cause: 'return' }, true],
    [
      'what returns and is more than the limit, after something',
      { after: { a: 934, b: 33, c: 33 }, cause: 'return', moves: [moved(1000, 1)] },
      false,
    ],
    ['nothing, after too much', { after: EVEN, moves: [moved(0, 900)] }, true],
  ])('%s', (_, given, allow) => {
    expect(judge('velocity', given).allow).toBe(allow);
  });

  test('it says when there is room again', () => {
    const ruling = judge('velocity', { after, moves: [moved(50_000, 100), moved(20_000, 250)] });
    expect(ruling).toMatchObject({ allow: false, againAtMs: NOW + 40_000 });
    expect(becauseOf(ruling)).toBe('it would move 30 % of web after 35 % within 60 s (limit 50 % per 60 s); again in 40 s');
    expect(judge('velocity', { after: { a: 934, b: 33, c: 33 } })).toMatchObject({ againAtMs: null });
  });
});

describe('freeze windows', () => {
  test('windows that follow one another without a gap: it would pass when the last of them is over', () => {
    const window = { timezone: 'UTC', drains: false };
    const windows = [
      { ...window, name: 'night', cron: '0 0 * * *', durationMs: 6 * 3_600_000 },
      { ...window, name: 'morning', cron: '0 6 * * *', durationMs: 3_600_000 },
    ];
    const nowMs = Date.parse('2026-11-27T03:12:00Z');
    const rule = safety['freeze-windows'];
    const change = { service: web, before: EVEN, after: { a: 1000 }, drains: [], cause: 'order' } as const;
    const ruling = rule.judge(change, {} as never, { windows }, nowMs);
    expect(ruling).toMatchObject({
      againAtMs: Date.parse('2026-11-27T07:00:00Z'),
      because: expect.stringMatching(/night ends in 168 min .*and others follow it until 2026-11-27T07:00/),
    });
    expect(rule.judge(change, {} as never, { windows }, Date.parse('2026-11-27T07:00:00Z'))).toEqual({ allow: true });
  });

  const weekend = { name: 'weekend', cron: '0 18 * * 5', timezone: 'Europe/Berlin', durationMs: 60 * 3_600_000, drains: false };
  const at = (text: string): number => Date.parse(text);

  test.each<[string, string | null]>([
    ['2026-11-27T16:59:59.999Z', null],
    ['2026-11-27T17:00:00.000Z', '2026-11-30T05:00:00.000Z'],
    ['2026-11-30T04:59:59.999Z', '2026-11-30T05:00:00.000Z'],
    ['2026-11-30T05:00:00.000Z', null],
    // Summer time: an hour earlier by UTC.
    ['2026-07-03T16:00:00.000Z', '2026-07-06T04:00:00.000Z'],
  ])('%s: open until %s', (now, until) => {
    const ends = endsAtMs(weekend, at(now));
    expect(ends === null ? null : new Date(ends).toISOString()).toBe(until);
  });

  test('windows that run into each other end with the last; one that never ends is bounded', () => {
    const hourly = { ...weekend, cron: '0 1,2,3 * * *', timezone: 'UTC', durationMs: 3_600_000 };
    expect(endsAtMs(hourly, at('2026-11-27T01:30:00Z'))).toBe(at('2026-11-27T04:00:00Z'));
    expect(endsAtMs({ ...hourly, cron: '* * * * *' }, at('2026-11-27T01:30:00Z'))).toBeGreaterThan(at('2026-11-27T02:30:00Z'));
  });

  const open = { ...weekend, cron: '0 3 * * *', timezone: 'UTC', durationMs: 3_600_000 };
  test.each<[string, Partial<typeof open> & { services?: string[] }, Cause, boolean]>([
    ['an order', {}, 'order', false],
    ['a return', {}, 'return', false],
    ['a drain', {}, 'health', true],
    ['a drain, where asked', { drains: true }, 'health', false],
    ['another service', { services: ['api'] }, 'order', true],
    ['another hour', { cron: '0 1 * * *' }, 'order', true],
  ])('%s', (_, more, cause, allow) => {
    const ruling = judge('freeze-windows', { after: { a: 1000 }, cause, settings: { windows: [{ ...open, ...more }] } });
    expect(ruling.allow).toBe(allow);
    if (!ruling.allow) expect(ruling.againAtMs).toBe(Date.UTC(2026, 10, 22, 4));
  });
});

describe('assertion', () => {
  const rule = { name: 'r', type: 'ATLEAST', threshold: 2, inverted: false, controls: ['web/a', 'web/b', 'web/c'], waitPeriodMs: 0 };

  test.each<[string, object, Route, Route, boolean]>([
    ['two of three stay', {}, EVEN, { a: 500, b: 500, c: 0 }, true],
    ['one of three stays', {}, EVEN, { a: 1000, b: 0, c: 0 }, false],
    ['shares move, nobody leaves', {}, EVEN, { a: 998, b: 1, c: 1 }, true],
    ['one returns where two are asked for', { threshold: 3 }, { a: 1000 }, { a: 900, b: 100 }, true],
    ['all', { type: 'AND', threshold: 1 }, EVEN, { a: 500, b: 500, c: 0 }, false],
    ['any', { type: 'OR', threshold: 1 }, EVEN, { a: 1000, b: 0, c: 0 }, true],
    ['not both', { inverted: true, controls: ['web/a', 'web/b'] }, { a: 1000 }, { a: 500, b: 500 }, false],
    ['one for the other', { inverted: true, controls: ['web/a', 'web/b'] }, { a: 1000 }, { b: 1000 }, true],
  ])('%s', (_, more, before, after, allow) => {
    expect(judge('assertion', { before, after, settings: { rules: [{ ...rule, ...more }] } }).allow).toBe(allow);
  });

  test('pools of other services count as they are decided', () => {
    const rules = [{ ...rule, controls: ['web/a', 'api/a', 'api/b'] }];
    const given = { after: { a: 0, b: 500, c: 500 }, settings: { rules } };
    expect(judge('assertion', { ...given, routes: [['api', { a: 500, b: 500 }]] }).allow).toBe(true);
    expect(judge('assertion', { ...given, routes: [['api', { a: 1000, b: 0 }]] }).allow).toBe(false);
  });

  test('after a change the next one waits, unless it mends', () => {
    const rules = [{ ...rule, threshold: 1, waitPeriodMs: 5000 }];
    const given = { after: { a: 500, b: 500, c: 0 }, settings: { rules } };
    expect(judge('assertion', { ...given, changedMsAgo: 2000 })).toMatchObject({ allow: false, againAtMs: NOW + 3000 });
    expect(judge('assertion', { ...given, changedMsAgo: 5000 }).allow).toBe(true);
    const mends = { before: { a: 1000 }, after: { a: 500, b: 500 }, settings: { rules: [{ ...rules[0], threshold: 2 }] } };
    expect(judge('assertion', { ...mends, changedMsAgo: 2000 }).allow).toBe(true);
  });

  test('a service that has just begun has not changed', () => {
    const rules = [{ ...rule, threshold: 1, waitPeriodMs: 2 * 3_600_000 }];
    const given = { after: { a: 500, b: 500, c: 0 }, settings: { rules } };
    expect(judge('assertion', { ...given, changedMsAgo: 3_599_999 }).allow).toBe(false);
    expect(judge('assertion', { ...given, changedMsAgo: 3_600_000 }).allow).toBe(true);
  });
});

describe('gating', () => {
  const rule = { name: 'g', type: 'AND', threshold: 1, inverted: false, gates: ['api/a'], targets: ['web/b'], waitPeriodMs: 0 };
  const away = { a: 500, b: 0, c: 500 };

  test.each<[string, object, Route, Route, boolean]>([
    ['the gate is open', {}, { a: 1000 }, away, true],
    ['the gate is shut', {}, { a: 0, b: 1000 }, away, false],
    ['the gate is shut, the target stays', {}, { a: 0, b: 1000 }, { a: 500, b: 500, c: 0 }, true],
    ['shut is what opens', { inverted: true }, { a: 0, b: 1000 }, away, true],
  ])('%s', (_, more, api, after, allow) => {
    expect(judge('gating', { after, routes: [['api', api]], settings: { rules: [{ ...rule, ...more }] } }).allow).toBe(allow);
  });

  test('after a change of a target the next one waits, though the gate is open', () => {
    const rules = [{ ...rule, waitPeriodMs: 5000 }];
    const given: Given = { after: away, routes: [['api', { a: 1000 }]], settings: { rules } };
    expect(judge('gating', { ...given, changedMsAgo: 2000 })).toMatchObject({ allow: false, againAtMs: NOW + 3000 });
    expect(judge('gating', { ...given, changedMsAgo: 5000 }).allow).toBe(true);
  });
});
