// The times of an incident: what is there, what is still to come, what never will be; and where each of them stands in the drawing.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Course,
  convergenceText,
  detectionText,
  drawingOf,
  judged,
  labelPx,
  placed,
  type ServiceTimes,
  signed,
  slowestFirst,
  stampsOf,
} from '../../src/dashboard/page/incident.ts';
import { courseWith, pendingCourse, T3_MS, timesOf } from './course.fixture.ts';

const stampStates = (course: Course): string =>
  stampsOf(course)
    .map(({ id, state }) => `${id} ${state}`)
    .join(', ');

describe('stamps', () => {
  test('of a failover that is over all seven are there', () => {
    expect(stampStates(courseWith())).toBe('t0 seen, t1 seen, t2 seen, t3 seen, t4 seen, t5 seen, t6 seen');
  });

  test('of one that goes on, what is not there yet is pending, and says whom it waits for', () => {
    expect(stampStates(pendingCourse())).toBe('t0 seen, t1 seen, t2 seen, t3 seen, t4 seen, t5 pending, t6 pending');
    expect(stampsOf(pendingCourse()).at(-1)?.because).toBe('waits for web');
  });

  test('once it is over, what was not seen is missing and never comes', () => {
    expect(stampStates(pendingCourse({ closedAtMs: T3_MS + 20_000 }))).toContain('t5 missing, t6 missing');
  });

  test('of a hold nothing can be seen to move: missing, with its reason', () => {
    const held = courseWith({
      kind: 'held',
      t0AtMs: null,
      t0LastAtMs: null,
      t1AtMs: null,
      t2AtMs: null,
      t4AtMs: null,
      t5AtMs: null,
      t6AtMs: null,
      closedAtMs: null,
      published: {},
      detection: { ms: null, atMostMs: null, goalMs: 30_000, judgement: 'unmeasured' },
      convergence: { ms: null, goalMs: 60_000, judgement: 'unmeasured', waitingFor: [], services: [] },
    });
    expect(stampsOf(held).map(({ state, because }) => `${state} ${because}`)).toEqual([
      'missing no probe failed',
      'missing nothing was suspected',
      'missing nothing was counted',
      'seen ',
      ...Array.from({ length: 3 }, () => 'missing nothing that could be seen moves'),
    ]);
    expect(detectionText(held.detection)).toBe('not measured: no probe failed');
    expect(convergenceText(held, T3_MS + 1_000)).toBe('not measured: nothing that could be seen moves');
  });

  test('what is proxied has no servers of its own to ask: t5 never comes, although t6 did', () => {
    const services = [timesOf('web', { authoritativeMs: null })];
    const course = courseWith({ t5AtMs: null, convergence: { ...courseWith().convergence, services } });
    expect(stampsOf(course).find(({ id }) => id === 't5')).toMatchObject({ state: 'missing', because: 'its servers are not asked' });
  });
});

describe('words', () => {
  test.each([
    [{ ms: 6_100, atMostMs: 8_100 }, '6.1 s to 8.1 s'],
    [{ ms: 6_100, atMostMs: 6_100 }, '6.1 s'],
    [{ ms: 6_100, atMostMs: null }, '6.1 s'],
    [{ ms: null, atMostMs: null }, 'not measured: no probe failed'],
  ])('detection of %j is told as an interval: %s', (given, text) => {
    expect(detectionText({ goalMs: 30_000, judgement: 'met', ...given })).toBe(text);
  });

  test.each([
    [0, '0'],
    [-6_100, '−6.1 s'],
    [310, '+310 ms'],
  ])('%d ms from the decision is %s', (ms, text) => {
    expect(signed(ms)).toBe(text);
  });

  test('convergence that goes on says for how long and for how many', () => {
    expect(convergenceText(pendingCourse(), T3_MS + 41_000)).toBe('41 s so far; waits for 1 service');
  });
});

describe('services', () => {
  test('one that was decided later is judged from its own decision', () => {
    const course = pendingCourse({ published: { web: { t3AtMs: T3_MS + 50_000 } } });
    const [times] = course.convergence.services;
    expect(judged(course, times as ServiceTimes, T3_MS + 100_000)).toBe('pending');
    expect(judged(course, times as ServiceTimes, T3_MS + 111_000)).toBe('missed');
  });

  test('one that nothing can measure is not said to be late', () => {
    const course = pendingCourse({ published: { web: { unmeasured: 'nothing is written' } } });
    expect(judged(course, course.convergence.services[0] as ServiceTimes, T3_MS + 900_000)).toBe('unmeasured');
  });

  test('what waits comes first, then the slowest; what is not measured last', () => {
    const waiting = { authoritativeMs: null, convergedMs: null, landed: [] };
    const services = [timesOf('fast', { convergedMs: 900 }), timesOf('blind', waiting), timesOf('late', waiting), timesOf('slow')];
    const convergence = { ...pendingCourse().convergence, waitingFor: ['late'], services };
    const course = pendingCourse({ convergence, published: { blind: { unmeasured: 'nothing is written' } } });
    expect(slowestFirst(course).map(({ service }) => service)).toEqual(['late', 'slow', 'fast', 'blind']);
  });
});

describe('the drawing', () => {
  const draw = (course: Course, nowMs = T3_MS + 400_000, width = 1_000) => drawingOf(course, course.convergence.services, nowMs, width);
  const endOf = ({ parts }: { parts: readonly { x: number; width: number }[] }): number =>
    Math.max(0, ...parts.map(({ x, width }) => x + width));

  test('detection ends where convergence begins, at the decision', () => {
    const { zeroX, detection, services } = draw(courseWith());
    expect(detection.parts.map(({ kind }) => kind)).toEqual(['unsure', 'detect']);
    expect(endOf(detection)).toBeCloseTo(zeroX);
    expect(services[0]?.parts.map(({ kind }) => kind)).toEqual(['t4', 't5', 't6']);
    expect(services[0]?.parts[0]?.x).toBeCloseTo(zeroX);
  });

  test('lengths are in proportion: 14.2 s of 60 s end at less than a quarter of the way to the goal', () => {
    const { zeroX, services } = draw(courseWith());
    const [bar] = services;
    expect((endOf(bar as never) - zeroX) / ((bar?.goalX ?? 0) - zeroX)).toBeCloseTo(14.2 / 60);
  });

  test('what is pending grows with the clock, over its goal and up to the edge, and says that it is cut there', () => {
    const at = (ms: number) => draw(pendingCourse(), T3_MS + ms).services[0];
    expect(at(20_000)).toMatchObject({ judgement: 'pending', isCut: false, text: '20 s so far' });
    expect(endOf(at(40_000) as never)).toBeGreaterThan(endOf(at(20_000) as never));
    expect(endOf(at(70_000) as never)).toBeGreaterThan(at(70_000)?.goalX ?? 0);
    expect(at(70_000)).toMatchObject({ judgement: 'missed', isCut: false });
    expect(at(3_600_000)).toMatchObject({ judgement: 'missed', isCut: true, text: '60 min so far' });
    expect(endOf(at(3_600_000) as never)).toBeCloseTo(1_000);
  });

  test('once it is over, what was pending grows no more', () => {
    const over = pendingCourse({ closedAtMs: T3_MS + 20_000 });
    expect(draw(over, T3_MS + 30_000)).toEqual(draw(over, T3_MS + 3_000_000));
    expect(draw(over).services[0]).toMatchObject({ judgement: 'unmeasured', text: 'not measured' });
  });

  test('the curve counts the vantages that were alive at the decision, not those that spoke', () => {
    const landed = [{ region: 'us-east', ms: 5_000 }];
    const services = [timesOf('web', { convergedMs: null, landed })];
    const course = pendingCourse({ convergence: { ...pendingCourse().convergence, services } });
    expect(draw(course).services[0]?.curve.map(({ share }) => share)).toEqual([0, 0.5, 0.5]);
  });

  test('ticks are even, and each has a name of its own: +2 min once stood at four of them', () => {
    const { ticks } = draw(pendingCourse(), T3_MS + 230_000, 1_400);
    expect(new Set(ticks.map(({ text }) => text)).size).toBe(ticks.length);
    const gaps = ticks.slice(1).map(({ x }, n) => x - (ticks[n]?.x ?? 0));
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThan(0.001);
    expect(ticks.some(({ text }) => text === '0')).toBe(true);
  });

  // ---- whatever the numbers ----

  const hostile = fc.oneof(
    fc.integer({ min: -100_000, max: 100_000 }),
    fc.constantFrom(0, -1, 1e15, -1e15, Number.MAX_SAFE_INTEGER, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  );
  const maybe = fc.option(hostile, { nil: null });
  const at = maybe.map((ms) => (ms === null ? null : T3_MS + ms));
  const goal = fc.oneof(fc.integer({ min: 0, max: 600_000 }), fc.constantFrom(-5, Number.NaN, Number.POSITIVE_INFINITY));
  const judgement = fc.constantFrom('met', 'missed', 'pending', 'unmeasured') as fc.Arbitrary<Course['detection']['judgement']>;
  const times = fc.record({
    service: fc.string(),
    acknowledgedMs: maybe,
    authoritativeMs: maybe,
    convergedMs: maybe,
    landed: fc.array(fc.record({ region: fc.string(), ms: hostile }), { maxLength: 4 }),
    because: fc.constant(null),
  });
  const courses = fc
    .record({
      stamps: fc.record({ t0AtMs: at, t0LastAtMs: at, t1AtMs: at, t2AtMs: at, t4AtMs: at, t5AtMs: at, t6AtMs: at, closedAtMs: at }),
      detection: fc.record({ ms: maybe, atMostMs: maybe, goalMs: goal, judgement }),
      convergence: fc.record({
        ms: maybe,
        goalMs: goal,
        judgement,
        waitingFor: fc.array(fc.string(), { maxLength: 2 }),
        services: fc.array(times, { maxLength: 3 }),
      }),
      own: at,
      t3AtMs: fc.oneof(fc.constant(T3_MS), hostile),
    })
    .map(({ stamps, own, convergence, ...rest }) => {
      const published = Object.fromEntries(convergence.services.map(({ service }) => [service, own === null ? {} : { t3AtMs: own }]));
      return courseWith({ ...stamps, ...rest, convergence, published });
    });
  const widths = fc.integer({ min: 240, max: 3_000 });

  test('all that is drawn lies within the width, in order, and nothing overlaps', () => {
    fc.assert(
      fc.property(courses, at, widths, (course, now, width) => {
        const drawing = draw(course, now ?? T3_MS, width);
        const bars = [drawing.detection, ...drawing.services];
        for (const { parts, goalX } of bars) {
          let lastEnd = 0;
          for (const part of parts) {
            expect(part.x).toBeGreaterThanOrEqual(lastEnd - 0.001);
            expect(part.width).toBeGreaterThan(0);
            lastEnd = part.x + part.width;
          }
          expect(lastEnd).toBeLessThanOrEqual(width + 0.001);
          if (goalX !== null) expect(goalX >= 0 && goalX <= width).toBe(true);
        }
        for (const { curve } of drawing.services)
          for (const [n, { x, share }] of curve.entries()) {
            expect(x >= (curve[n - 1]?.x ?? 0) && x <= width).toBe(true);
            expect(share >= (curve[n - 1]?.share ?? 0) && share <= 1).toBe(true);
          }
        for (const { x } of [...drawing.ticks, ...drawing.labels]) expect(x >= -0.001 && x <= width + 0.001).toBe(true);
        expect(drawing.ticks.length).toBeLessThanOrEqual(40);
        expect(drawing.zeroX >= 0 && drawing.zeroX <= width).toBe(true);
      }),
    );
  });

  test('labels never overlap, and stay inside wherever they fit', () => {
    const labels = fc.array(
      fc.record({ id: fc.string(), text: fc.string({ maxLength: 30 }), x: fc.double({ min: 0, max: 3_000, noNaN: true }) }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(labels, widths, (given, width) => {
        const set = placed(
          given.map((each) => ({ ...each, x: Math.min(each.x, width) })),
          width,
        );
        expect(set).toHaveLength(given.length);
        for (const [n, { left, text, level }] of set.entries()) {
          expect(left).toBeGreaterThanOrEqual(0);
          expect(left + labelPx(text)).toBeLessThanOrEqual(width + 0.001);
          for (const other of set.slice(n + 1).filter((each) => each.level === level))
            expect(left + labelPx(text) <= other.left || other.left + labelPx(other.text) <= left).toBe(true);
        }
      }),
    );
  });
});
