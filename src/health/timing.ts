// Numbers that follow from the policy and the electorate, so that the prober, the core and `check` agree about them. Pure.
import type { Policy } from '../model.ts';

/** Start-to-start spacing of confirmation probes in ms. Slow cadences confirm each second; fast ones leave room between two scheduled looks. */
export const confirmEveryMs = (policy: Pick<Policy, 'intervalMs'>): number => Math.min(1000, Math.round(0.35 * policy.intervalMs));

/** Votes needed among `voters` configured voters: a strict majority. Two disjoint groups can never both have it. */
export const quorumOf = (voters: number): number => Math.floor(voters / 2) + 1;

/**
 * Consecutive faults of one vantage for a DOWN opinion. The smaller the quorum, the less one path's bad luck is averaged out
 * by the others, so the more each vantage has to see for itself.
 */
export const faultsFor = (policy: Pick<Policy, 'faults'>, quorum: number): number => {
  if (policy.faults !== null) return policy.faults;
  if (quorum <= 1) return 5;
  return quorum === 2 ? 4 : 3;
};

/**
 * A replica that has not been heard for so long is taken for gone by its siblings, in ms: a beat and a fifth. Counted only while the store answers, so
 * that a store that elects a leader makes nobody look dead.
 */
export const goneAfterMs = (policy: Pick<Policy, 'beatMs'>): number => Math.round(1.2 * policy.beatMs);
