import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRing, originOf, phaseMs } from '../../src/probe/schedule.ts';

const intervals = fc.integer({ min: 500, max: 60_000 });
const vantageCounts = fc.integer({ min: 1, max: 9 });
const endpointCounts = fc.constantFrom<1 | 2>(1, 2);

/** Largest distance between neighbours on a circle of `intervalMs`. */
const widestGap = (phases: readonly number[], intervalMs: number): number => {
  const sorted = phases.toSorted((a, b) => a - b);
  return Math.max(...sorted.map((at, i) => (i === 0 ? at + intervalMs - (sorted.at(-1) as number) : at - (sorted[i - 1] as number))));
};

const phasesOf = (target: string, vantages: number, endpoints: 1 | 2, intervalMs: number) =>
  Array.from({ length: vantages }, (_, vantageIndex) =>
    ([0, 1] as const)
      .slice(0, endpoints)
      .map((endpointIndex) => phaseMs({ target, vantageIndex, vantages, endpointIndex, endpoints, intervalMs })),
  );

test('over all vantages, looks at a target are evenly spread: no gap above interval / (vantages x endpoints) and rounding', () => {
  fc.assert(
    fc.property(fc.string(), vantageCounts, endpointCounts, intervals, (target, vantages, endpoints, intervalMs) => {
      const gap = widestGap(phasesOf(target, vantages, endpoints, intervalMs).flat(), intervalMs);
      expect(gap).toBeLessThanOrEqual(intervalMs / (vantages * endpoints) + 1);
    }),
  );
});

test("a vantage's two endpoints lie half an interval apart, and one endpoint alone is never left for longer than 1.5 intervals / vantages", () => {
  fc.assert(
    fc.property(fc.string(), vantageCounts, intervals, (target, vantages, intervalMs) => {
      const phases = phasesOf(target, vantages, 2, intervalMs);
      for (const own of phases) expect(widestGap(own, intervalMs)).toBeLessThanOrEqual(intervalMs / 2 + 1);
      for (const endpoint of [0, 1]) {
        const gap = widestGap(
          phases.map((own) => own[endpoint] as number),
          intervalMs,
        );
        expect(gap).toBeLessThanOrEqual((1.5 * intervalMs) / vantages + 1);
      }
    }),
  );
});

test('phases of the defaults: three vantages, two endpoints, 5 s; the offset of the target is the same for all', () => {
  const [base] = phasesOf('web/eu/app', 3, 2, 5000).flat() as [number];
  const offsets = phasesOf('web/eu/app', 3, 2, 5000).map((own) => own.map((at) => (at - base + 5000) % 5000));
  expect(offsets.map((own) => own.map((at) => Math.round(at / 10) * 10))).toEqual([
    [0, 2500],
    [1670, 4170],
    [3330, 830],
  ]);
});

test('targets are spread over the interval', () => {
  const phases = Array.from({ length: 1000 }, (_, i) =>
    phaseMs({ target: `web/eu/app-${i}`, vantageIndex: 0, vantages: 3, endpointIndex: 0, endpoints: 2, intervalMs: 5000 }),
  );
  const perSecond = [0, 0, 0, 0, 0];
  for (const at of phases) perSecond[Math.floor(at / 1000)]! += 1;
  for (const count of perSecond) expect(count).toBeGreaterThan(140);
});

const entryLists = (intervalMs: number) =>
  fc.array(fc.integer({ min: 0, max: intervalMs - 1 }), { maxLength: 20 }).map((phases) => phases.map((at, id) => ({ id, phaseMs: at })));

test('whenever the timer fires, each entry is due exactly once per interval, at its exact instant, over 10^4 rounds', () => {
  const intervalMs = 5000;
  const entries = [
    { id: 'a', phaseMs: 0 },
    { id: 'b', phaseMs: 0 },
    { id: 'c', phaseMs: 1667 },
    { id: 'd', phaseMs: 4999 },
  ];
  const originMs = 123_456.789;
  const ring = createRing(entries, intervalMs, originMs);
  const rounds = new Map(entries.map((entry) => [entry.id, 0]));
  let looked = originMs - 1;
  while (looked < originMs + 10_000 * intervalMs - 1) {
    const next = ring.nextDueMs(looked) as number;
    const nowMs = next + (next % 7) * 0.1; // a timer is never early and often a little late
    for (const { entry, dueAtMs } of ring.due(looked, nowMs)) {
      const round = rounds.get(entry.id) as number;
      expect(dueAtMs).toBeCloseTo(originMs + round * intervalMs + entry.phaseMs, 6);
      rounds.set(entry.id, round + 1);
    }
    looked = nowMs;
  }
  expect([...rounds.values()]).toEqual([10_000, 10_000, 10_000, 10_000]);
});

test('cut anywhere, the instants of a span are those of its parts: nothing is lost or doubled between two timers', () => {
  fc.assert(
    fc.property(
      intervals.chain((intervalMs) => fc.tuple(fc.constant(intervalMs), entryLists(intervalMs))),
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 10 }),
      ([intervalMs, entries], originMs, cuts) => {
        const ring = createRing(entries, intervalMs, originMs);
        const from = originMs + 12_345.6;
        const to = from + intervalMs * 0.999; // within one interval nothing is skipped
        const marks = [from, ...cuts.map((cut) => from + cut * (to - from)).toSorted((a, b) => a - b), to];
        const parts = marks.slice(1).flatMap((mark, i) => ring.due(marks[i] as number, mark));
        expect(parts).toEqual(ring.due(from, to));
        for (const { dueAtMs } of parts) expect(dueAtMs).toBeLessThanOrEqual(to + 1e-6);
      },
    ),
  );
});

test('of rounds missed in a pause only the last of each entry is due', () => {
  const ring = createRing(
    [
      { id: 'a', phaseMs: 100 },
      { id: 'b', phaseMs: 600 },
    ],
    1000,
    0,
  );
  expect(ring.due(0, 60_300).map(({ entry, dueAtMs }) => [entry.id, dueAtMs])).toEqual([
    ['b', 59_600],
    ['a', 60_100],
  ]);
});

test('without entries nothing is ever due', () => {
  const ring = createRing([], 1000, 0);
  expect(ring.nextDueMs(5)).toBeNull();
  expect(ring.due(0, 10_000)).toEqual([]);
});

test('the origin is the last multiple of the interval on the wall clock, so that vantages agree on it', () => {
  expect(originOf(777.4, 1_700_000_003_000, 5000)).toBe(-2223);
  expect(originOf(10_000, 1_700_000_000_000, 5000)).toBe(10_000);
});
