// Arithmetic of shares: whole thousandths that sum to exactly 1000, by largest remainder (ties go to the earlier pool).
import type { Route } from '../src/model.ts';

export const SHARES_SUM = 1000;

/** In: amounts >= 0 per pool, at least one positive. Out: whole thousandths in the same proportions, sum 1000; a zero amount stays zero. */
export const toShares = (amounts: ReadonlyMap<string, number>): Route => {
  let sum = 0;
  for (const amount of amounts.values()) sum += amount;
  // Asked for every service in every decision, several times in some: hence without a copy per step.
  const shares: Record<string, number> = {};
  const rests: { pool: string; rest: number }[] = [];
  let left = SHARES_SUM;
  for (const [pool, amount] of amounts) {
    const exact = (amount * SHARES_SUM) / sum;
    const whole = Math.floor(exact);
    shares[pool] = whole;
    left -= whole;
    if (exact > 0) rests.push({ pool, rest: exact % 1 });
  }
  // The sort keeps the order of equals: ties go to the earlier pool.
  if (left > 0) for (const { pool } of rests.sort((a, b) => b.rest - a.rest).slice(0, left)) shares[pool] = (shares[pool] ?? 0) + 1;
  return shares;
};
