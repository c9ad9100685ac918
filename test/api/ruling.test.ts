// Orders judged by the core itself, not by a made-up forecast: who needs a second person, whose doing a refusal is, and what no rule may refuse.
import { describe, expect, test } from 'vitest';
import { demandAllowed, type Foresee, ruleOn } from '../../src/api/ruling.ts';
import type { Override, Policy } from '../../src/model.ts';
import { forecast } from '../../src/whatif/forecast.ts';
import { type Council, type Scene, seated } from '../decide/council.ts';
import { clusterOf, poolOf } from '../world.ts';

const REGIONS = ['a', 'b', 'c'];

const ruled = (safety: Policy['safety'], policy: Partial<Policy> = {}): Council =>
  seated(clusterOf(REGIONS, [{}], { ...policy, safety: { 'last-pool': {}, ...safety } }));

const foreseeIn =
  (council: Council, scene: Scene = {}): Foresee =>
  (hypotheses) =>
    forecast(council.snapshot(council.heard(scene)), hypotheses, { nowMs: council.nowMs });

const orderOf = (council: Council, kind: Override['kind'], scope: Override['scope'], fields: Partial<Override> = {}): Override => ({
  id: 'o',
  kind,
  scope,
  reason: 'works',
  owner: 'ana',
  by: 'ana',
  createdAtMs: council.nowMs,
  expiresAtMs: council.nowMs + 3_600_000,
  ...fields,
});

const rule = (council: Council, order: Override, scene: Scene = {}) =>
  ruleOn(order, council.cluster, foreseeIn(council, scene), council.nowMs);

const ASSERTION = { rules: [{ name: 'all', type: 'AND', threshold: 1, inverted: false, controls: ['web/a', 'web/b'], waitPeriodMs: 0 }] };

describe('never-empty', () => {
  test('an order that would be obeyed nowhere is refused, whoever breaks the glass', () => {
    const council = seated(clusterOf(REGIONS, [{}, { name: 'alone', pools: [poolOf('b', 1, 0)] }]));
    const last = orderOf(council, 'drain', { service: 'alone', pool: 'b' }, { breakGlass: true });
    expect(rule(council, last).refusals).toMatchObject([{ rule: 'never-empty', service: 'alone', pool: 'b', order: 'o' }]);
    expect(() => demandAllowed(last, rule(council, last))).toThrow('nothing passes this rule');
    expect(council.audits.at(-1)?.changes.length).toBeGreaterThan(0);
  });

  test('a region is drained although one service of many has no other pool: that one stays, and it is told', () => {
    const council = seated(clusterOf(REGIONS, [{}, { name: 'alone', pools: [poolOf('b', 1, 0)] }]));
    const region = orderOf(council, 'drain', { region: 'b' });
    const ruling = rule(council, region);
    expect(ruling.refusals).toEqual([]);
    expect(ruling.forecast?.pages.map(({ type }) => type)).toContain('override.refused');
    expect(ruling.forecast?.services.map(({ service, after }) => [service, after.b])).toEqual([
      ['web', 0],
      ['alone', 1000],
    ]);
  });
});

describe('break-glass', () => {
  test('past a rule of high risk it needs a second person, although the core would let it pass', () => {
    const council = ruled({ assertion: ASSERTION });
    const plain = rule(council, orderOf(council, 'drain', { region: 'b' }));
    expect(plain.refusals.map((r) => r.rule)).toEqual(['assertion']);
    expect(() => demandAllowed(orderOf(council, 'drain', { region: 'b' }), plain)).toThrow('assertion refuses');
    const broken = rule(council, orderOf(council, 'drain', { region: 'b' }, { breakGlass: true }));
    expect(broken).toMatchObject({ needsApproval: true, refusals: [{ rule: 'assertion', risk: 'high' }] });
    // What is foretold is what the order does, not what it would be refused.
    expect(broken.forecast?.services[0]?.after).toEqual({ a: 500, b: 0, c: 500 });
  });

  test('the core itself keeps to that, also when a rule begins to refuse after the order was taken', () => {
    const council = ruled({ assertion: ASSERTION });
    council.order('d', 'drain', { region: 'b' }, 3_600_000, { breakGlass: true });
    council.watch({}, 2000);
    expect(council.route().b).toBe(333);
    expect(council.told()).toContain('override.refused');
    council.order('d', 'drain', { region: 'b' }, 3_600_000, { breakGlass: true, approval: { by: 'max', atMs: council.nowMs } });
    council.watch({}, 2000);
    expect(council.route().b).toBe(0);
  });

  test('past a rule of low risk it needs nobody', () => {
    const council = ruled({ velocity: { percent: 20, windowMs: 60_000, onHealth: 'exempt' } });
    expect(rule(council, orderOf(council, 'drain', { region: 'b' }, { breakGlass: true }))).toMatchObject({
      needsApproval: false,
      refusals: [{ rule: 'velocity' }],
    });
  });

  test('that nothing could be foretold of needs a second person if it moves traffic', () => {
    const council = ruled({});
    const blind = (kind: Override['kind'], breakGlass: boolean) =>
      ruleOn(orderOf(council, kind, { region: 'b' }, breakGlass ? { breakGlass } : {}), council.cluster, () => null, council.nowMs)
        .needsApproval;
    expect([blind('drain', true), blind('drain', false), blind('freeze', true)]).toEqual([true, false, false]);
  });
});

describe('an order is refused for what it does itself', () => {
  test('not because what returns elsewhere has to wait longer', () => {
    const council = ruled(
      { velocity: { percent: 60, windowMs: 60_000, onHealth: 'exempt' } },
      { recoveryHoldMs: 20_000, rampStepMs: 10_000 },
    );
    council.watch({ dead: ['c'] }, 10_000);
    council.watch({}, 22_000);
    expect(council.memory('c').state).toBe('returning');
    const ruling = rule(council, orderOf(council, 'drain', { region: 'b' }));
    expect(ruling.forecast?.steps[0]?.changes[0]?.after.b).toBe(0);
    expect(ruling.forecast?.refusals).toMatchObject([{ pool: 'c', rule: 'velocity', order: null }]);
    expect(ruling.refusals).toEqual([]);
  });

  test('not because its own end may have to wait', () => {
    const council = ruled({
      gating: {
        rules: [{ name: 'g', type: 'AND', threshold: 1, inverted: true, gates: ['web/a'], targets: ['web/c'], waitPeriodMs: 0 }],
      },
      velocity: { percent: 40, windowMs: 600_000, onHealth: 'exempt' },
    });
    const ruling = rule(council, orderOf(council, 'drain', { region: 'b' }, { expiresAtMs: council.nowMs + 60_000 }));
    expect(ruling.forecast?.refusals.length).toBeGreaterThan(0);
    expect(ruling.refusals).toEqual([]);
  });

  test('and it is told whose doing each refusal is', () => {
    const council = ruled({ assertion: ASSERTION });
    const { refusals } = rule(council, orderOf(council, 'drain', { region: 'b' }));
    expect(refusals).toMatchObject([{ service: 'web', pool: 'b', order: 'o' }]);
  });
});

test.each(['freeze', 'stop'] as const)('a %s moves nothing, so no rule refuses it, whatever else is refused then', (kind) => {
  const council = seated(clusterOf(REGIONS, [{ pools: [poolOf('a', 1, 0), poolOf('b', 1, 1), poolOf('c', 1, 2)] }]));
  const every = {
    service: 'web',
    pool: 'a',
    rule: 'blast-radius',
    risk: 'high',
    because: 'x',
    againAtMs: null,
    counterfactual: 'y',
  } as const;
  const foresee: Foresee = (hypotheses) => {
    const told = foreseeIn(council)(hypotheses);
    return told === null ? null : { ...told, refusals: hypotheses.length === 0 ? [] : [every] };
  };
  const ruling = ruleOn(orderOf(council, kind, {}), council.cluster, foresee, council.nowMs);
  expect(ruling.refusals).toEqual([]);
});
