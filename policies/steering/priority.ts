// Priority: the first pool in configured order serves alone; the next ones take what it may not carry. While a pool returns, its ramp decides how much.
import type { SteeringPolicy } from '../policy.ts';
import { toShares } from '../shares.ts';

export const priority: SteeringPolicy = {
  kind: 'priority',
  question: 'Who serves, and who is next when that one cannot?',
  steer(pools) {
    const amounts = new Map(pools.map((p) => [p.pool, 0]));
    let left = 1;
    for (const p of pools) {
      // A whole pool takes all of it, to the last bit: what rounding leaves over must not reach those behind it, least of all below zero.
      const amount = p.factor >= 1000 ? left : (left * p.factor) / 1000;
      amounts.set(p.pool, amount);
      left = Math.max(0, left - amount);
    }
    // Nobody is whole: the first that can serve at all takes the rest.
    const first = pools.find((p) => p.factor > 0);
    if (first !== undefined && left > 0) amounts.set(first.pool, (amounts.get(first.pool) ?? 0) + left);
    return toShares(amounts);
  },
};
