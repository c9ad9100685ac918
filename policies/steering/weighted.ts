// Weighted: everybody serves, in proportion to the configured weights. What one pool may not carry goes to the pools that are whole, by their weights;
// standbys (weight 0) serve when no weighted pool is whole.
import type { SteeringPolicy, SteerPool } from '../policy.ts';
import { toShares } from '../shares.ts';

const isWhole = (p: SteerPool): boolean => p.factor >= 1000;
const isWeighted = (p: SteerPool): boolean => p.weight > 0;
const spareOf = (p: SteerPool): number => p.spare ?? 1;

/** Who takes what reduced pools leave over, with the weight each takes it by. The first group that has anybody decides. */
const takersOf = (usable: readonly SteerPool[]): readonly { pool: string; by: number }[] => {
  const groups = [
    usable.filter((p) => isWhole(p) && isWeighted(p)).map((p) => ({ pool: p.pool, by: p.weight })),
    usable.filter((p) => isWhole(p)).map((p) => ({ pool: p.pool, by: spareOf(p) })),
    usable.filter((p) => isWhole(p)).map((p) => ({ pool: p.pool, by: 1 })),
    usable.filter((p) => isWeighted(p)).map((p) => ({ pool: p.pool, by: p.weight * p.factor })),
    usable.map((p) => ({ pool: p.pool, by: spareOf(p) * p.factor })),
    usable.map((p) => ({ pool: p.pool, by: p.factor })),
  ];
  return groups.find((group) => group.some(({ by }) => by > 0)) ?? [];
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
