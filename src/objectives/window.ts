// The last looks at one dependency, and their quantile. Pure.
import { type Sample, WINDOW, WINDOW_MS } from './model.ts';

/** With one more; what is too old or too many goes, the oldest first. */
export const kept = (window: readonly Sample[], sample: Sample): readonly Sample[] => recent([...window, sample], sample.atMs);

/** Without what is too old by now. */
export const recent = (window: readonly Sample[], nowMs: number): readonly Sample[] =>
  window.filter(({ atMs }) => nowMs - atMs < WINDOW_MS).slice(-WINDOW);

/** By nearest rank: the least of them that is not below so large a part. What got no answer is slower than all that did; null: the quantile is among it. */
export const quantileOf = (window: readonly Sample[], quantile: number): number | null => {
  const sorted = window.map(({ ms }) => ms ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? Number.POSITIVE_INFINITY;
  return Number.isFinite(found) ? found : null;
};
