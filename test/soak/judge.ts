// What a fault of the soak says, when the machine may have been too slow for its times. A drain that is late on such a machine proves nothing; one that does
// not come at all is wrong on any. And a soak of which most proves nothing has not proved much.
import { type Drained, GOALS } from '../system/cluster/deaths.ts';

/** What has not come by then does not come. */
const NEVER = 3;
export const NEVER_MS: Drained = { detectionMs: NEVER * GOALS.detectionMs, convergenceMs: NEVER * GOALS.convergenceMs };

/** Of fewer faults a share says nothing. */
const FAULTS_MIN = 4;
const UNJUDGED_MAX = 0.5;

const WORDS: Readonly<Record<keyof Drained, string>> = { detectionMs: 'detected', convergenceMs: 'converged' };

/** Sentences about a drain that did not come, or came late. `slow`: why the machine was too slow to judge times; null: it was not. */
export const wrongWith = (drain: Drained | { never: string }, slow: string | null): readonly string[] => {
  if ('never' in drain) return [`${drain.never}${slow === null ? '' : `, which no machine is too slow for (${slow})`}`];
  if (slow !== null) return [];
  return (['detectionMs', 'convergenceMs'] as const)
    .filter((time) => drain[time] >= GOALS[time])
    .map((time) => `${WORDS[time]} after ${(drain[time] / 1000).toFixed(1)} s, the goal is ${GOALS[time] / 1000} s`);
};

/** How many of the faults the machine was too slow for. */
export const unjudgedOf = (done: readonly { slow: string | null }[]): { text: string; isTooMany: boolean } => {
  const slow = done.filter((one) => one.slow !== null).length;
  const share = done.length === 0 ? 0 : slow / done.length;
  return {
    text: `the machine was too slow to judge ${slow} of ${done.length}, ${Math.round(100 * share)} %`,
    isTooMany: done.length >= FAULTS_MIN && share > UNJUDGED_MAX,
  };
};
