// When what was measured is worth writing down, and when what is so is worth a page. Pure.
import type { MatrixCell, MeasuredCell } from './model.ts';
import { SAMPLES_MIN } from './model.ts';

/** Changes below both are noise. */
const NOISE_PART = 0.1;
const NOISE_MS = 5;

const nameOf = ({ platform, objective, of, to }: MeasuredCell): string => [platform, objective, of, to].join(' ');

const isElse = (before: MeasuredCell, after: MeasuredCell): boolean => {
  if (before.because !== after.because || before.lost !== after.lost) return true;
  if (before.samples >= SAMPLES_MIN !== after.samples >= SAMPLES_MIN) return true;
  if (before.ms === null || after.ms === null) return before.ms !== after.ms;
  const by = Math.abs(after.ms - before.ms);
  return by > NOISE_MS && by > NOISE_PART * before.ms;
};

/** Whether something is otherwise than it was written, beyond noise. */
export const isNews = (before: readonly MeasuredCell[], after: readonly MeasuredCell[]): boolean => {
  const known = new Map(before.map((cell) => [nameOf(cell), cell]));
  return (
    before.length !== after.length ||
    after.some((cell) => {
      const was = known.get(nameOf(cell));
      return was === undefined || isElse(was, cell);
    })
  );
};

/** `postgres orders from eu-west to us-east`. */
export const cellName = ({ objective, of, from, to }: Pick<MatrixCell, 'objective' | 'of' | 'from' | 'to'>): string =>
  `${of === objective ? objective : `${objective} ${of}`} ${from === to ? `in ${to}` : `from ${from} to ${to}`}`;

/** How often in a row each was seen so. */
export type Streaks = ReadonlyMap<string, { verdict: MatrixCell['verdict']; looks: number }>;

export const streaksAfter = (before: Streaks, cells: readonly MatrixCell[]): Streaks =>
  new Map(
    cells.map((cell) => {
      const name = cellName(cell);
      const was = before.get(name);
      return [name, { verdict: cell.verdict, looks: was?.verdict === cell.verdict ? was.looks + 1 : 1 }] as const;
    }),
  );

/** Seen so often in a row before it is told: what flickers wakes nobody. */
export const LOOKS_TO_TELL = 3;

/** `over`: cells that are told now for the first time, with those that still are. `recovered`: all that was told holds again. */
export type Budgets = { told: readonly string[]; news: 'over' | 'recovered' | null };

/** What was told and is not known now is neither over nor back; what is measured no more is forgotten. */
export const budgetsAfter = (told: readonly string[], streaks: Streaks): Budgets => {
  const long = (name: string, verdict: MatrixCell['verdict']): boolean => {
    const streak = streaks.get(name);
    return streak?.verdict === verdict && streak.looks >= LOOKS_TO_TELL;
  };
  const still = told.filter((name) => streaks.has(name) && !long(name, 'good'));
  const begun = [...streaks.keys()].filter((name) => !told.includes(name) && long(name, 'breach'));
  const after = [...still, ...begun];
  if (begun.length > 0) return { told: after, news: 'over' };
  return { told: after, news: told.length > 0 && after.length === 0 ? 'recovered' : null };
};
