// An incident's times as a drawing: where each bar, mark and label stands. Zero is the decision (t3); what lies far beyond the goals is cut at the edge and
// says so. What was not measured has no place in it. Pure.
import { type Course, decidedAtMs, isNumber, isPending, type Judgement, judged, type ServiceTimes, signed, stampsOf } from './timeline.ts';
import { duration } from './words.ts';

export interface Label {
  id: string;
  text: string;
  /** What it points at. */
  x: number;
  left: number;
  /** Counted from the bars upwards. */
  level: number;
}

/** As a font of 12 px has it, at the most. */
const CHAR_PX = 7.2;
const LABEL_GAP_PX = 8;
export const labelPx = (text: string): number => text.length * CHAR_PX;

/** Each on the lowest level that has room; inside the width where it fits at all. */
export const placed = (labels: readonly { id: string; text: string; x: number }[], width: number): readonly Label[] => {
  const rights: number[] = [];
  return labels
    .toSorted((a, b) => a.x - b.x)
    .map((label) => {
      const left = Math.max(0, Math.min(label.x, width - labelPx(label.text)));
      const free = rights.findIndex((right) => right + LABEL_GAP_PX <= left);
      const level = free < 0 ? rights.length : free;
      rights[level] = left + labelPx(label.text);
      return { ...label, left, level };
    });
};

// ---- the drawing ----

export interface Part {
  kind: 'unsure' | 'detect' | 't4' | 't5' | 't6' | 'pending';
  x: number;
  width: number;
}

export interface Bar {
  parts: readonly Part[];
  /** Where the goal is; null: outside of the drawing. */
  goalX: number | null;
  judgement: Judgement;
  /** It goes on beyond the edge. */
  isCut: boolean;
}

export interface ServiceBar extends Bar {
  service: string;
  text: string;
  /** Shares of the vantages whose users have landed, as steps: 0 is none, 1 all. */
  curve: readonly { x: number; share: number }[];
}

export interface Drawing {
  width: number;
  ticks: readonly { x: number; text: string }[];
  zeroX: number;
  labels: readonly Label[];
  levels: number;
  detection: Bar;
  services: readonly ServiceBar[];
}

/** So many goals long at most, to either side. */
const GOALS_MAX = 4;
const DAY_MS = 86_400_000;
const STEPS_MS = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 108e5, 432e5, DAY_MS];
const TICK_PX_MIN = 80;

/** Exact, unlike a duration: ticks are even, and so are their names. */
const tickText = (ms: number): string => {
  const [unitMs, unit] = (
    [
      [DAY_MS, 'd'],
      [36e5, 'h'],
      [6e4, 'min'],
      [1e3, 's'],
    ] as const
  ).find(([each]) => ms !== 0 && ms % each === 0) ?? [1, 'ms'];
  return ms === 0 ? '0' : `${ms < 0 ? '−' : '+'}${Math.abs(ms / unitMs)} ${unit}`;
};

const between = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
/** A goal that is none would leave nothing to draw by. */
const goalOf = (ms: number): number => (isNumber(ms) ? between(ms, 1_000, DAY_MS) : 60_000);

/** In order and without a gap, from `fromMs` on; what is not there is left out. */
const partsOf = (
  steps: readonly (readonly [Part['kind'], number | null])[],
  fromMs: number,
  at: (ms: number) => number,
): readonly Part[] => {
  let lastMs = fromMs;
  return steps.flatMap(([kind, ms]) => {
    if (!isNumber(ms) || ms < lastMs) return [];
    const [x, end] = [at(lastMs), at(ms)];
    lastMs = ms;
    return end > x ? [{ kind, x, width: end - x }] : [];
  });
};

const curveOf = (
  { landed }: ServiceTimes,
  late: number,
  population: number,
  at: (ms: number) => number,
  endMs: number,
): ServiceBar['curve'] => {
  const seen = landed
    .map(({ ms }) => ms)
    .filter(isNumber)
    .map((ms) => Math.max(0, ms))
    .toSorted((a, b) => a - b);
  const all = Math.max(population, seen.length);
  if (all === 0) return [];
  const steps = seen.map((ms, n) => ({ x: at(late + ms), share: (n + 1) / all }));
  const last = steps.at(-1);
  return [{ x: at(late), share: 0 }, ...steps, { x: Math.max(at(endMs), last?.x ?? 0), share: last?.share ?? 0 }];
};

const ticksOf = (fromMs: number, toMs: number, width: number): readonly number[] => {
  const stepMs = STEPS_MS.find((ms) => (ms / (toMs - fromMs)) * width >= TICK_PX_MIN) ?? DAY_MS * 30;
  const first = Math.ceil(fromMs / stepMs);
  return Array.from({ length: between(Math.floor(toMs / stepMs) - first + 1, 0, 40) }, (_, n) => (first + n) * stepMs);
};

/** `shown`: the services that get a bar, in this order. Total: whatever the numbers, all that is drawn lies within the width. */
export const drawingOf = (course: Course, shown: readonly ServiceTimes[], nowMs: number, width: number): Drawing => {
  const { t3AtMs, detection, convergence, witnesses } = course;
  const [seeGoal, moveGoal] = [goalOf(detection.goalMs), goalOf(convergence.goalMs)];
  const sinceMs = (atMs: number | null): number | null => (isNumber(atMs) && isNumber(t3AtMs) ? atMs - t3AtMs : null);
  const untilMs = isPending(course) ? Math.max(0, sinceMs(nowMs) ?? 0) : 0;
  const rows = shown.map((times) => {
    const late = Math.max(0, sinceMs(decidedAtMs(course, times.service)) ?? 0);
    const judgement = judged(course, times, nowMs);
    const waits = times.convergedMs === null && judgement !== 'unmeasured' && isPending(course);
    const ends = [times.acknowledgedMs, times.authoritativeMs, times.convergedMs].map((ms) => (isNumber(ms) ? late + ms : null));
    return { times, late, judgement, waits, ends, endMs: Math.max(late, waits ? untilMs : 0, ...ends.filter(isNumber)) };
  });
  const earliest = -Math.max(
    detection.ms ?? 0,
    detection.atMostMs ?? 0,
    ...[course.t1AtMs, course.t2AtMs].map((at) => -(sinceMs(at) ?? 0)),
  );
  const fromMs = between(isNumber(earliest) ? earliest * 1.04 : 0, -GOALS_MAX * seeGoal, -moveGoal / 50);
  const latest = Math.max(moveGoal + Math.max(0, ...rows.map(({ late }) => late)), untilMs, ...rows.map(({ endMs }) => endMs));
  const toMs = between(latest * 1.04, moveGoal, GOALS_MAX * moveGoal);
  const at = (ms: number): number => width * ((between(ms, fromMs, toMs) - fromMs) / (toMs - fromMs));
  const inside = (ms: number): number | null => (ms >= fromMs && ms <= toMs ? at(ms) : null);

  const begun = isNumber(detection.ms) ? -detection.ms : null;
  const sure = isNumber(detection.atMostMs) ? -detection.atMostMs : null;
  const labels = stampsOf(course).flatMap(({ id, name, atMs }) => {
    const ms = sinceMs(atMs);
    return ms === null ? [] : [{ id, text: `${id} ${width < 600 ? '' : `${name} `}${signed(ms)}`, x: at(ms) }];
  });
  const marks = placed(labels, width);
  return {
    width,
    ticks: ticksOf(fromMs, toMs, width).map((ms) => ({ x: at(ms), text: tickText(ms) })),
    zeroX: at(0),
    labels: marks,
    levels: Math.max(0, ...marks.map(({ level }) => level + 1)),
    detection: {
      parts: partsOf(
        [
          ['unsure', begun],
          ['detect', 0],
        ],
        Math.min(sure ?? begun ?? 0, begun ?? 0),
        at,
      ),
      goalX: begun === null ? null : inside(begun + seeGoal),
      judgement: detection.judgement,
      isCut: Math.min(sure ?? 0, begun ?? 0) < fromMs,
    },
    services: rows.map(({ times, late, judgement, waits, ends, endMs }) => ({
      service: times.service,
      text: times.convergedMs === null ? (waits ? `${duration(endMs - late)} so far` : 'not measured') : duration(times.convergedMs),
      parts: partsOf(
        [
          ['t4', ends[0] ?? null],
          ['t5', ends[1] ?? null],
          ['t6', ends[2] ?? null],
          ['pending', waits ? untilMs : null],
        ],
        late,
        at,
      ),
      goalX: inside(late + moveGoal),
      judgement,
      isCut: endMs > toMs,
      curve: curveOf(times, late, witnesses.length, at, endMs),
    })),
  };
};
