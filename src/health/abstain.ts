// Abstention: a vantage that doubts itself keeps its vote. Its own uplink, its own event loop, or its being alone with bad news are reasons.
// A late or paused process has old beliefs, so it stays silent until it has looked at everything once more.
import type { Self } from '../model.ts';

export interface SelfFacts {
  anchorsConfigured: number;
  anchorsUnreachable: readonly string[];
  loopDelayP99Ms: number;
}

export interface Loneliness {
  /** Targets of other regions that are down from here and that no other fresh vote holds down. */
  downOnlyHere: number;
  /** Targets of other regions this vantage looks at. */
  others: number;
  /** Other regions with a fresh vote: without them nobody can disagree. */
  peers: number;
}

/** Event loop lateness (99th percentile) above which results are this process's trouble. */
export const LOOP_DELAY_MAX_MS = 200;

/** Most of what answers while the uplink works does not. */
export const isCutOff = ({ anchorsConfigured, anchorsUnreachable }: SelfFacts): boolean =>
  anchorsConfigured > 0 && anchorsUnreachable.length * 2 > anchorsConfigured;

/** In: facts of the last self-check, what the others say, and how long this process is still catching up (ms, <= 0: not at all). */
export const judgeSelf = (facts: SelfFacts | null, alone: Loneliness, catchingUpMs: number): Self => {
  if (catchingUpMs > 0) return { state: 'abstain', because: 'probes started late: this process was paused or overloaded' };
  if (facts !== null && facts.loopDelayP99Ms > LOOP_DELAY_MAX_MS)
    return { state: 'abstain', because: `event loop late by ${Math.round(facts.loopDelayP99Ms)} ms (limit ${LOOP_DELAY_MAX_MS} ms)` };
  if (facts !== null && isCutOff(facts))
    return {
      state: 'abstain',
      because: `${facts.anchorsUnreachable.length} of ${facts.anchorsConfigured} anchors unreachable: the uplink here is suspect`,
    };
  if (alone.peers > 0 && alone.downOnlyHere >= 2 && alone.downOnlyHere * 2 >= alone.others)
    return {
      state: 'abstain',
      because: `${alone.downOnlyHere} of ${alone.others} targets elsewhere are down from here only: the others disagree`,
    };
  return { state: 'ok' };
};
