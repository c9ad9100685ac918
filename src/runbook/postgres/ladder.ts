// The fencing ladder: how sure it is that the old writer writes no more, from what is known. Pure. Silence lowers nothing and proves nothing: of the rungs below
// `lease` only the vantages' word and time are evidence, of those above only somebody's own word.
import { FENCE_RUNGS, type FenceRung } from '../platform.ts';

/** What a rung stands on, and when that was seen. */
export interface Footing {
  atMs: number;
  because: string;
}

export type Rungs = Readonly<Partial<Record<FenceRung, Footing>>>;

/** What was seen at one time. null: not so, or nobody said. */
export interface Evidence {
  /** Since when a quorum of vantages holds the region down. */
  witness: { sinceMs: number; because: string } | null;
  /** Nobody holds the leader's lock. */
  lease: string | null;
  /** Its members say that none of them is primary. */
  acknowledged: string | null;
  /** Whoever can cut its power says that it has. */
  stonith: string | null;
  /** A member takes writes: whatever else was said is void. */
  writes: string | null;
}

/** Words that stand until somebody contradicts them; the others are as good as their newest reading. */
const STANDING: readonly FenceRung[] = ['acknowledged', 'stonith'];

/** The rungs that are reached now. `kept`: those of the reading before. */
export const climb = (kept: Rungs, { witness, lease, acknowledged, stonith, writes }: Evidence, graceMs: number, nowMs: number): Rungs => {
  if (writes !== null) return {};
  const rungs: Partial<Record<FenceRung, Footing>> = {};
  for (const rung of STANDING) if (kept[rung] !== undefined) rungs[rung] = kept[rung];
  const step = (rung: FenceRung, because: string | null): void => {
    if (because !== null) rungs[rung] = { atMs: nowMs, because };
  };
  step('witness', witness?.because ?? null);
  step(
    'grace',
    witness !== null && witness.sinceMs >= graceMs ? `${witness.because}, for longer than its grace of ${graceMs / 1000} s` : null,
  );
  step('lease', lease);
  step('acknowledged', acknowledged);
  step('stonith', stonith);
  return rungs;
};

/** The highest. null: none. */
export const highest = (rungs: Rungs): FenceRung | null => FENCE_RUNGS.findLast((rung) => rungs[rung] !== undefined) ?? null;

export const isHighEnough = (rungs: Rungs, asked: FenceRung): boolean => {
  const reached = highest(rungs);
  return reached !== null && FENCE_RUNGS.indexOf(reached) >= FENCE_RUNGS.indexOf(asked);
};

/** Which of those that would do are not reached. */
export const missing = (rungs: Rungs, asked: FenceRung): readonly FenceRung[] =>
  FENCE_RUNGS.slice(FENCE_RUNGS.indexOf(asked)).filter((rung) => rungs[rung] === undefined);
