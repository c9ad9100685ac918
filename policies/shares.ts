// Arithmetic of shares: whole thousandths that sum to exactly 1000, by largest remainder (ties go to the earlier pool).
import type { Route } from '../src/model.ts';

export const SHARES_SUM = 1000;

/** In: amounts >= 0 per pool, at least one positive. Out: whole thousandths in the same proportions, sum 1000; a zero amount stays zero. */
export const toShares = (amounts: ReadonlyMap<string, number>): Route => {
  const sum = [...amounts.values()].reduce((a, b) => a + b, 0);
  const exact = [...amounts].map(([pool, amount], order) => ({ pool, order, share: (amount * SHARES_SUM) / sum }));
  const floors = new Map(exact.map(({ pool, share }) => [pool, Math.floor(share)]));
  let left = SHARES_SUM - [...floors.values()].reduce((a, b) => a + b, 0);
  const byRemainder = exact.filter(({ share }) => share > 0).sort((a, b) => (b.share % 1) - (a.share % 1) || a.order - b.order);
  for (const { pool } of byRemainder) {
    if (left === 0) break;
    floors.set(pool, (floors.get(pool) ?? 0) + 1);
    left--;
  }
  return Object.fromEntries(floors);
};
