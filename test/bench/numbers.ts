// Quantiles, fits and waits that benches share.
import { readFileSync } from 'node:fs';

/** For how long this thread was ready to run and the machine busy with others, s. */
const waitedS = (): number => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e9;

/** Tells, at the end, for which share of the time this process waited for a processor. */
export const watchWaiting = (): (() => string) => {
  const [startedAtMs, beforeS] = [performance.now(), waitedS()];
  return () =>
    `this process waited for a processor for ${((100_000 * (waitedS() - beforeS)) / (performance.now() - startedAtMs)).toFixed(0)} % of the time`;
};

export const quantile = (values: readonly number[], p: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
};

/** Slope of log y over log x: 1 is linear growth. */
export const exponent = (points: readonly (readonly [number, number])[]): number => {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const meanX = logs.reduce((s, [x]) => s + x, 0) / logs.length;
  const meanY = logs.reduce((s, [, y]) => s + y, 0) / logs.length;
  const top = logs.reduce((s, [x, y]) => s + (x - meanX) * (y - meanY), 0);
  return top / logs.reduce((s, [x]) => s + (x - meanX) ** 2, 0);
};
