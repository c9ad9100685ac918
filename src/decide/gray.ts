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

/** Who may carry more: in, up, and beyond all doubt. */
const canCarry = (seat: Seat): boolean =>
  seat.memory.state === 'in' && seat.tally.verdict === 'up' && !seat.tally.suspectAtQuorum && grayTargets(seat) === 0;

/** Thousandths of a target's part of the share to take away, summed over the gray ones; 0 while every other pool is gray, out or in doubt as well. */
export const cutOf = (bench: Bench, seat: Seat): number => {
  const cut = bench.policy.gray?.cut ?? 0;
  if (cut === 0 || grayTargets(seat) === 0) return 0;
  return bench.seats.some((other) => other.config.name !== seat.config.name && canCarry(other)) ? cut * grayTargets(seat) : 0;
};
