// The longest way through a plan, and a run beside its estimates.
import { describe, expect, test } from 'vitest';
import { comparisonLines, comparisonOf, estimateLines, estimateOf } from '../../src/runbook/estimate.ts';
import type { Phase, Run, Step, StepRun } from '../../src/runbook/model.ts';
import { planOf } from '../../src/runbook/plan.ts';
import { SEEDS } from '../../src/runbook/seeds.ts';
import { cold, EAST, hot, WEST } from './platforms.ts';

const MOVE = { from: EAST, to: WEST, purpose: 'failover' } as const;
const [model] = planOf(hot, MOVE) as [Step];

const step = (id: string, [p50Ms, p95Ms]: readonly [number, number], needs: readonly string[] = [], over: Partial<Step> = {}): Step =>
  ({
    ...model,
    id,
    needs,
    mode: 'both',
    phase: 'ready' as Phase,
    approvals: 0,
    estimate: { p50Ms, p95Ms, source: 'seed' },
    ...over,
  }) as Step;

describe('the longest way', () => {
  test('is not the sum of all, and may be another one at p95', () => {
    const plan = [step('a', [10, 10]), step('b', [50, 60], ['a']), step('c', [20, 200], ['a']), step('d', [5, 5], ['b', 'c'])];
    expect(estimateOf(plan, 'graceful').recovery).toEqual({ p50Ms: 65, p95Ms: 215, path: ['a', 'c', 'd'] });
  });

  test('what is cleaned up afterwards is no part of the recovery', () => {
    const plan = [step('a', [10, 10]), step('b', [500, 900], ['a'], { phase: 'after' })];
    const { recovery, whole } = estimateOf(plan, 'graceful');
    expect(recovery.p95Ms).toBe(10);
    expect(whole).toEqual({ p50Ms: 510, p95Ms: 910, path: ['a', 'b'] });
  });

  test('steps of the other mode take no time', () => {
    const plan = [step('a', [10, 10], [], { mode: 'graceful' }), step('b', [1, 2], ['a'])];
    expect(estimateOf(plan, 'ungraceful').recovery).toEqual({ p50Ms: 1, p95Ms: 2, path: ['b'] });
    expect(estimateOf(plan, 'graceful').recovery.p50Ms).toBe(11);
  });

  test('an empty plan takes none', () => {
    expect(estimateOf([], 'graceful').recovery).toEqual({ p50Ms: 0, p95Ms: 0, path: [] });
    expect(estimateLines(estimateOf([], 'graceful'))[0]).toBe('recovery   0 ms to 0 ms, by nothing');
  });

  test('says what it is made of and what it leaves out', () => {
    const plan = [
      step('a', [10, 10], [], { approvals: 2 }),
      step('b', [1, 2], ['a'], { estimate: { p50Ms: 1, p95Ms: 2, source: 'runs' } }),
    ];
    const text = estimateLines(estimateOf(plan, 'graceful')).join('\n');
    expect(text).toContain('from       1 step measured here, 1 assumed; 2 approvals on the way');
    expect(text).toContain('above the p95 of the whole');
    expect(text).toContain('Detection, persons who have to agree and tries that fail are not in it');
  });

  test('a cold start is waited for once, although fleets are waited for one after the other', () => {
    const slowest = 90_000;
    const { recovery } = estimateOf(planOf({ ...cold, externals: [] }, MOVE), 'ungraceful');
    expect(recovery.p50Ms).toBeGreaterThan(slowest);
    // What users were promised is looked at when all of it works.
    expect(recovery.p50Ms).toBeLessThan(slowest + 15_000 + SEEDS['verify.objectives'].p50Ms);
  });
});

describe('a run beside its estimates', () => {
  const plan = [
    step('a', [10, 20]),
    step('b', [10, 20], ['a']),
    step('c', [5, 5], ['b'], { phase: 'after' }),
    step('x', [1, 1], [], { mode: 'graceful' }),
  ];
  const ran = (dueAtMs: number, startedAtMs: number, endedAtMs: number, state: StepRun['state'] = 'done'): StepRun => ({
    state,
    tries: 1,
    dueAtMs,
    startedAtMs,
    endedAtMs,
    because: '',
  });
  const runOf = (steps: Readonly<Record<string, StepRun>>, over: Partial<Run> = {}): Run =>
    ({ plan, steps, mode: 'ungraceful', state: 'done', startedAtMs: 100, endedAtMs: 300, ...over }) as Run;

  test('steps within and above, what waited for persons, what was not run', () => {
    const { endedAtMs: _, ...open } = runOf({
      a: ran(100, 140, 155),
      b: ran(155, 155, 200),
      c: { state: 'pending', tries: 0, because: '' },
    });
    const compared = comparisonOf({ ...open, state: 'running' });
    expect(compared.steps.map(({ id, is, tookMs, waitedMs }) => [id, is, tookMs, waitedMs])).toEqual([
      ['a', 'within', 15, 40],
      ['b', 'slower', 45, 0],
      ['c', 'not-run', null, 0],
    ]);
    expect(compared).toMatchObject({ recoveryMs: 100, tookMs: null });
    expect(comparisonLines(compared)).toEqual([
      'recovery   100 ms, estimated 20 ms to 40 ms',
      'whole      not yet, estimated 25 ms to 45 ms',
      'a  done in 15 ms, estimated 10 ms to 20 ms, begun 40 ms after it could have been',
      'b  done in 45 ms, estimated 10 ms to 20 ms: slower',
      'c  pending; estimated 5 ms to 5 ms',
    ]);
  });

  test('a step that was passed over has no time, and one that failed has recovered nothing', () => {
    const skipped = comparisonOf(runOf({ a: ran(100, 110, 120, 'skipped'), b: ran(120, 120, 130) }));
    expect(skipped.steps[0]).toMatchObject({ is: 'not-run', tookMs: null });
    expect(skipped).toMatchObject({ recoveryMs: 30, tookMs: 200 });
    expect(comparisonOf(runOf({ a: ran(100, 110, 120), b: ran(120, 120, 130, 'failed') })).recoveryMs).toBeNull();
  });
});
