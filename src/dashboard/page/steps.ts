// Plans and runs as rows: what each step takes, asks and cannot take back, bars of its time, and what a human can do with a run. Pure.
import type { PlannedStep, Run, RunStep } from '../../client/schema.ts';
import { duration } from './words.ts';

export interface Span {
  p50Ms: number;
  p95Ms: number;
}

/** `3.0 s to 12 s`. */
export const spanText = ({ p50Ms, p95Ms }: Span): string =>
  p50Ms === p95Ms ? duration(p50Ms) : `${duration(p50Ms)} to ${duration(p95Ms)}`;

export const sourceText = ({ source }: PlannedStep['estimate']): string => (source === 'runs' ? 'measured here' : 'assumed');

export const personsText = (persons: number): string => (persons === 1 ? 'one person' : `${persons} persons`);

/** In per cent of the width: where it begins, how long it usually takes, how long it may take, and what was measured; null: nothing. */
export interface Bar {
  x: number;
  usual: number;
  slow: number;
  took: number | null;
  /** Longer than it may take. */
  isOver: boolean;
}

const share = (ms: number, scaleMs: number): number => (scaleMs <= 0 ? 0 : Number(((100 * Math.max(0, ms)) / scaleMs).toFixed(2)));

/** `at once`, or what a step waits for, by number: `1 to 4, 7`. What is not in the plan holds nothing back. */
export const numbersOf = (steps: readonly { id: string }[], needs: readonly string[]): string => {
  const numbers = steps.flatMap(({ id }, at) => (needs.includes(id) ? [at + 1] : []));
  const spans: [number, number][] = [];
  for (const number of numbers) {
    const last = spans.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else spans.push([number, number]);
  }
  if (spans.length === 0) return 'at once';
  return spans.map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`)).join(', ');
};

/** When each step of a plan begins and ends at the earliest, by what it needs: all steps at their usual time, and all at their slowest. */
const scheduled = (steps: readonly PlannedStep[]): ReadonlyMap<string, { fromMs: number; usualMs: number; slowMs: number }> => {
  const found = new Map<string, { fromMs: number; usualMs: number; slowMs: number }>();
  for (const { id, needs, estimate } of steps) {
    const before = needs.flatMap((need) => found.get(need) ?? []);
    const fromMs = Math.max(0, ...before.map(({ usualMs }) => usualMs));
    const slowFromMs = Math.max(0, ...before.map(({ slowMs }) => slowMs));
    found.set(id, { fromMs, usualMs: fromMs + estimate.p50Ms, slowMs: slowFromMs + estimate.p95Ms });
  }
  return found;
};

/** On one axis of time: steps that go on side by side lie side by side. `steps` in the order of the plan. */
export const planBars = (steps: readonly PlannedStep[]): ReadonlyMap<string, Bar> => {
  const times = scheduled(steps);
  const scaleMs = Math.max(0, ...[...times.values()].map(({ slowMs }) => slowMs));
  return new Map(
    [...times].map(([id, { fromMs, usualMs, slowMs }]) => {
      const span = { usual: share(usualMs - fromMs, scaleMs), slow: share(slowMs - fromMs, scaleMs) };
      return [id, { x: share(fromMs, scaleMs), ...span, took: null, isOver: false }];
    }),
  );
};

/** Each from its own begin, all on one scale: what was measured beside what was estimated. */
export const runBars = (steps: readonly RunStep[]): ReadonlyMap<string, Bar> => {
  const scaleMs = Math.max(0, ...steps.map(({ estimate, tookMs }) => Math.max(estimate.p95Ms, tookMs ?? 0)));
  return new Map(
    steps.map(({ id, estimate: { p50Ms, p95Ms }, tookMs }) => [
      id,
      {
        x: 0,
        usual: share(p50Ms, scaleMs),
        slow: share(p95Ms, scaleMs),
        took: tookMs === null ? null : share(tookMs, scaleMs),
        isOver: tookMs !== null && tookMs > p95Ms,
      },
    ]),
  );
};

/** Of its mode, and what else has begun: a run that was forced has both. */
export const stepsShown = ({ steps, mode }: Pick<Run, 'steps' | 'mode'>): readonly RunStep[] =>
  steps.filter((step) => step.mode === 'both' || step.mode === mode || step.startedAtMs !== null);

export type Deed = 'approve' | 'answer' | 'abort' | 'undo' | 'force';

/** What makes sense now beside answers to what it asks; the API says whether it is so. */
export const deedsOf = ({ state, mode, purpose }: Pick<Run, 'state' | 'mode' | 'purpose'>): readonly Deed[] => [
  ...(state === 'proposed' || state === 'running' ? (['abort'] as const) : []),
  ...(['running', 'stopping', 'failed', 'aborted'].includes(state) || (state === 'done' && purpose === 'prearm')
    ? (['undo'] as const)
    : []),
  ...(state === 'running' && mode === 'graceful' ? (['force'] as const) : []),
];

export const isOpen = ({ state }: Pick<Run, 'state'>): boolean => ['proposed', 'running', 'stopping', 'undoing'].includes(state);

export const causeText = (cause: Run['cause']): string => {
  if (cause.kind !== 'order') return cause.because;
  return `ordered by ${cause.by}: ${cause.reason}${cause.ticket === undefined ? '' : ` (${cause.ticket})`}`;
};
