// Weighted: everybody serves, in proportion to the configured weights. What one pool may not carry goes to the pools that are whole, by their weights;
// standbys (weight 0) serve when no weighted pool is whole.
import type { SteeringPolicy, SteerPool } from '../policy.ts';
import { toShares } from '../shares.ts';

const isWhole = (p: SteerPool): boolean => p.factor >= 1000;
const isWeighted = (p: SteerPool): boolean => p.weight > 0;
const spareOf = (p: SteerPool): number => p.spare ?? 1;

interface Taker {
  pool: string;
  by: number;
}

/** Who may take what reduced pools leave over, with the weight each takes it by: the first group that has anybody decides. */
const GROUPS: readonly { has: (p: SteerPool) => boolean; by: (p: SteerPool) => number }[] = [
  { has: (p) => isWhole(p) && isWeighted(p), by: (p) => p.weight },
  { has: isWhole, by: spareOf },
  { has: isWhole, by: () => 1 },
  { has: isWeighted, by: (p) => p.weight * p.factor },
  { has: () => true, by: (p) => spareOf(p) * p.factor },
  { has: () => true, by: (p) => p.factor },
];

const takersOf = (usable: readonly SteerPool[]): readonly Taker[] => {
  for (const { has, by } of GROUPS) {
    const group = usable.filter(has).map((p) => ({ pool: p.pool, by: by(p) }));
    if (group.some((taker) => taker.by > 0)) return group;
  }
  return [];
};

export const weighted: SteeringPolicy = {
  kind: 'weighted',
  question: 'How is traffic split when every region serves?',
  steer(pools) {
    const usable = pools.filter((p) => p.factor > 0);
    const weights = pools.reduce((sum, p) => sum + p.weight, 0);
    const amounts = new Map(pools.map((p) => [p.pool, weights === 0 ? 0 : ((p.weight / weights) * p.factor) / 1000]));
    const left = 1 - [...amounts.values()].reduce((a, b) => a + b, 0);
    const takers = takersOf(usable);
    const by = takers.reduce((sum, t) => sum + t.by, 0);
    // Rounding noise is not worth a standby's share.
    if (left > 1e-9) for (const t of takers) amounts.set(t.pool, (amounts.get(t.pool) ?? 0) + (left * t.by) / by);
    return toShares(amounts);
  },
};
