import { expect, test } from 'vitest';
import { type Course, figuresOf, firstFaultAtMs, newCourse, outcomeOf } from '../../src/drill/measure.ts';
import { anIncident } from './fixture.ts';

const GOALS = { detectionMs: 30_000, convergenceMs: 60_000 };
const course: Course = {
  ...newCourse('eu-west', 1000.4),
  takenOverAtMs: 7000,
  heir: 'us-east',
  decidedAtMs: 7100,
  answeredAtMs: 7300,
  settledAtMs: 11_000,
  incident: anIncident({ t0AtMs: 500_000, t0LastAtMs: 498_500, t3AtMs: 506_000 }),
};

test('detection runs from the kill to the decision, its upper bound from the last good look, convergence from the decision', () => {
  expect(figuresOf(course)).toEqual({ detectionMs: 6100, detectionUpperMs: 7500, takeoverMs: 6000, convergenceMs: 3900 });
});

test('convergence is not over before both the answers and the users have left', () => {
  expect(figuresOf({ ...course, answeredAtMs: 20_000 }).convergenceMs).toBe(12_900);
  expect(figuresOf({ ...course, answeredAtMs: null }).convergenceMs).toBeNull();
  expect(figuresOf({ ...course, settledAtMs: null }).convergenceMs).toBeNull();
  // Whoever was elsewhere all along took no time.
  expect(figuresOf({ ...course, settledAtMs: 1500, answeredAtMs: 7100 }).convergenceMs).toBe(0);
});

test('what was not seen is not measured, and no figure is invented', () => {
  const nothing = { detectionMs: null, detectionUpperMs: null, takeoverMs: null, convergenceMs: null };
  expect(figuresOf(null)).toEqual(nothing);
  expect(figuresOf(newCourse('eu-west', 5))).toEqual(nothing);
  expect(figuresOf({ ...course, incident: anIncident({ t3AtMs: 5 }) }).detectionUpperMs).toBeNull();
});

test('t0 is counted back from the decision, across the two clocks', () => {
  expect(firstFaultAtMs(course)).toBe(1100);
  expect(firstFaultAtMs({ ...course, incident: null })).toBeNull();
});

test('ok needs every goal met, nothing failed and nothing false moved', () => {
  expect(outcomeOf(course, 0, GOALS, [])).toMatchObject({ ok: true, failed: [], falseDrains: 0, goals: GOALS });
  const sentences = (c: Course | null, drains: number, failed: readonly string[] = []): readonly string[] => {
    const outcome = outcomeOf(c, drains, GOALS, failed);
    expect(outcome.ok).toBe(false);
    return outcome.failed;
  };
  expect(sentences({ ...course, decidedAtMs: 31_002 }, 0)).toEqual(['detection from the kill took 30002 ms, expected at most 30000 ms']);
  expect(sentences({ ...course, incident: anIncident({ t0LastAtMs: 0, t3AtMs: 30_001 }) }, 0)).toEqual([
    'detection from the last good look took 30001 ms, expected at most 30000 ms',
  ]);
  expect(sentences({ ...course, settledAtMs: 67_101 }, 0)).toEqual(['convergence took 60001 ms, expected at most 60000 ms']);
  expect(sentences(course, 2)).toEqual(['2 pools drained whose app was alive, expected none']);
  expect(sentences(course, 0, ['nobody took over'])).toEqual(['nobody took over']);
  expect(sentences({ ...course, settledAtMs: null }, 0)).toEqual([]);
  expect(sentences(null, 0)).toEqual([]);
});
