// Pools whose targets are gray: whether one counts as such, and what that takes from its share. Told once and, unless a cluster asks for more, nothing moves.
// Whether a target is gray is the quorum's word (src/health/quorum.ts). Pure.
import type { Bench } from './bench.ts';
import { GRAY, type Seat } from './pool.ts';

/**
 * Targets of a pool that count as gray: at a quorum, and once that was told until two regions are missing from it. A region whose replica starts anew knows
 * nothing of the errors for minutes; that must neither end it nor tell it again.
 */
export const grayTargets = ({ memory, tally }: Seat): number => (memory.told.includes(GRAY) ? tally.nearGray : tally.gray);

/** It is gray, or was when a quorum last spoke of it: silence, and an outage in between, are no reason to call it over. */
export const isStillGray = (seat: Seat): boolean =>
  grayTargets(seat) > 0 || (seat.memory.told.includes(GRAY) && seat.tally.verdict !== 'up');

/** Who may carry more: up, beyond all doubt, and in since before this step, which may yet change who is. */
const canCarry = (seat: Seat, nowMs: number): boolean =>
  seat.memory.state === 'in' &&
  seat.memory.sinceAtMs < nowMs &&
  seat.tally.verdict === 'up' &&
  !seat.tally.suspectAtQuorum &&
  grayTargets(seat) === 0;

/** What is taken from a pool for its gray targets: thousandths of a target's part of the share, summed over them. */
export interface Cut {
  /** For those that a quorum calls gray now: lowers the share. */
  now: number;
  /** For those that lack no more than one region of it, too: as long as they do, nothing is given back. */
  still: number;
}

const NO_CUT: Cut = { now: 0, still: 0 };

/** Nothing unless the cluster asks for it, and nothing while every other pool is gray, out or in doubt as well. */
export const cutOf = (bench: Bench, seat: Seat, nowMs: number): Cut => {
  const cut = bench.policy.gray?.cut ?? 0;
  if (cut === 0 || grayTargets(seat) === 0) return NO_CUT;
  const isCarried = bench.seats.some((other) => other.config.name !== seat.config.name && canCarry(other, nowMs));
  return isCarried ? { now: cut * seat.tally.gray, still: cut * seat.tally.nearGray } : NO_CUT;
};
