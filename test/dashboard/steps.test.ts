// Plans and runs as the page draws them: when each step comes, how long its bars are, and what can be said to a run in each of its states.
import { describe, expect, test } from 'vitest';
import type { PlannedStep, Run, RunStep } from '../../src/client/schema.ts';
import { causeText, deedsOf, isOpen, numbersOf, planBars, runBars, spanText, stepsShown } from '../../src/dashboard/page/acts.ts';

const planned = (id: string, p50Ms: number, p95Ms: number, needs: readonly string[] = []): PlannedStep => ({
  id,
  kind: 'k8s.wait',
  phase: 'ready',
  target: id,
  mode: 'both',
  needs,
  timeoutMs: 60_000,
  onFail: 'ask',
  onUnknown: 'ask',
  persons: 0,
  undo: { can: true },
  estimate: { p50Ms, p95Ms, source: 'seed' },
});
const step = (id: string, given: Partial<RunStep> = {}): RunStep => ({
  ...planned(id, 10_000, 20_000),
  state: 'pending',
  because: '',
  tries: 0,
  dueAtMs: null,
  startedAtMs: null,
  endedAtMs: null,
  tookMs: null,
  approvedBy: [],
  askedUntilMs: null,
  ...given,
});

describe('the bars of a plan', () => {
  test('steps that need nothing lie side by side; one that needs both begins when the slower of them has ended', () => {
    const bars = planBars([planned('a', 10_000, 20_000), planned('b', 30_000, 40_000), planned('c', 10_000, 60_000, ['a', 'b'])]);
    expect(bars.get('a')).toEqual({ x: 0, usual: 10, slow: 20, took: null, isOver: false });
    expect(bars.get('b')).toMatchObject({ x: 0, usual: 30, slow: 40 });
    // Usually from 30 s to 40 s; at the slowest it begins at 40 s and ends at 100 s, which is the width.
    expect(bars.get('c')).toMatchObject({ x: 30, usual: 10, slow: 70 });
  });

  test('a need that belongs to the other mode holds nothing back, and a plan without steps has no bars', () => {
    expect(planBars([planned('a', 10, 10, ['left out'])]).get('a')).toMatchObject({ x: 0, usual: 100, slow: 100 });
    expect(planBars([])).toEqual(new Map());
  });

  test('a step that takes no time is no division by nothing', () => {
    expect(planBars([planned('a', 0, 0)]).get('a')).toMatchObject({ x: 0, usual: 0, slow: 0 });
  });
});

describe('the bars of a run', () => {
  test('all begin at the left, on the scale of the longest that was estimated or measured', () => {
    const bars = runBars([step('a', { tookMs: 40_000 }), step('b', { tookMs: 15_000 }), step('c')]);
    expect(bars.get('a')).toEqual({ x: 0, usual: 25, slow: 50, took: 100, isOver: true });
    expect(bars.get('b')).toMatchObject({ took: 37.5, isOver: false });
    expect(bars.get('c')).toMatchObject({ took: null, isOver: false });
  });
});

test('needs are named by number, neighbours as a span', () => {
  const steps = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ({ id }));
  expect(numbersOf(steps, [])).toBe('at once');
  expect(numbersOf(steps, ['of the other mode'])).toBe('at once');
  expect(numbersOf(steps, ['f', 'a', 'b', 'c'])).toBe('1 to 3, 6');
  expect(numbersOf(steps, ['e', 'd'])).toBe('4, 5');
});

test('a run that was forced shows what it had begun gracefully, beside the steps of its mode', () => {
  const steps = [
    step('drain', { mode: 'graceful', startedAtMs: 1 }),
    step('pause', { mode: 'graceful' }),
    step('fence', { mode: 'ungraceful' }),
    step('move'),
  ];
  expect(stepsShown({ steps, mode: 'ungraceful' }).map(({ id }) => id)).toEqual(['drain', 'fence', 'move']);
});

test('what can be said to a run, by its state', () => {
  const deeds = (state: Run['state'], mode: Run['mode'] = 'graceful', purpose: Run['purpose'] = 'failover') =>
    deedsOf({ state, mode, purpose });
  expect(deeds('proposed')).toEqual(['abort']);
  expect(deeds('running')).toEqual(['abort', 'undo', 'force']);
  expect(deeds('running', 'ungraceful')).toEqual(['abort', 'undo']);
  expect(deeds('stopping')).toEqual(['undo']);
  expect([deeds('failed'), deeds('aborted')]).toEqual([['undo'], ['undo']]);
  expect([deeds('done'), deeds('undone'), deeds('dropped'), deeds('undoing')]).toEqual([[], [], [], []]);
  expect(deeds('done', 'graceful', 'prearm')).toEqual(['undo']);
  expect((['proposed', 'running', 'stopping', 'undoing', 'done', 'failed'] as const).filter((state) => isOpen({ state }))).toEqual([
    'proposed',
    'running',
    'stopping',
    'undoing',
  ]);
});

test('spans and causes read as sentences', () => {
  expect(spanText({ p50Ms: 3_000, p95Ms: 12_000 })).toBe('3.0 s to 12 s');
  expect(spanText({ p50Ms: 20_000, p95Ms: 20_000 })).toBe('20 s');
  expect(causeText({ kind: 'order', by: 'ana', reason: 'no power', ticket: 'OPS-311' })).toBe('ordered by ana: no power (OPS-311)');
  expect(causeText({ kind: 'incident', incident: 'i-1', because: 'eu-west is down' })).toBe('eu-west is down');
});
