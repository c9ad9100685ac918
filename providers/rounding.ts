// From thousandths to what a vendor can say: whole units of its own scale, or in and out. Shared by the adapters; pure.
import assert from 'node:assert';

interface Share {
  pool: string;
  /** Thousandths. */
  share: number;
  configuredShare: number;
}

const sumOf = (units: ReadonlyMap<string, number>): number => [...units.values()].reduce((all, each) => all + each, 0);

/**
 * Whole units that sum to `total`, by largest remainder; ties go to the earlier pool. Who has a share keeps at least one unit and who has none gets none, so
 * that a pool in its first stage of return is not lost to rounding, nor a drained one found again. In: a route that is not empty; `total` at least the pools.
 */
export const wholeUnits = (pools: readonly Share[], total: number): ReadonlyMap<string, number> => {
  const carrying = pools.filter(({ share }) => share > 0);
  const sum = carrying.reduce((all, { share }) => all + share, 0);
  assert(sum > 0, 'an empty route; no pool has a share');
  assert(total >= carrying.length, `${total} units cannot be told apart among ${carrying.length} pools`);
  const exact = carrying.map(({ pool, share }) => ({ pool, exact: (share * total) / sum }));
  const units = new Map(exact.map(({ pool, exact }) => [pool, Math.max(1, Math.floor(exact))]));
  const byRemainder = exact.toSorted((a, b) => b.exact - Math.floor(b.exact) - (a.exact - Math.floor(a.exact)));
  for (let at = 0; sumOf(units) < total; at = (at + 1) % byRemainder.length) {
    const { pool } = byRemainder[at]!;
    units.set(pool, units.get(pool)! + 1);
  }
  // Only who was lifted to one unit made it too many; the largest can spare it.
  while (sumOf(units) > total) {
    const [largest] = [...units].reduce((a, b) => (b[1] > a[1] ? b : a));
    units.set(largest, units.get(largest)! - 1);
  }
  return new Map(pools.map(({ pool }) => [pool, units.get(pool) ?? 0]));
};

/** Units read back as thousandths of `whole`, by the same rule; of all of them, they sum to 1000. null: all are zero. */
export const thousandthsOf = (units: ReadonlyMap<string, number>, whole = sumOf(units)): Readonly<Record<string, number>> | null => {
  if (whole === 0) return null;
  let [before, running] = [0, 0];
  // Rounding the running sum, not each part, keeps the total.
  return Object.fromEntries(
    [...units].map(([pool, each]) => {
      running += each;
      const upTo = Math.round((running * 1000) / whole);
      const share = upTo - before;
      before = upTo;
      return [pool, share];
    }),
  );
};

/**
 * Where a pool is served or not: in while its share is at least half of its configured one, a standby with any share. Never empty for a route that is
 * not: when no share reaches half, those with the largest part of theirs are in.
 */
export const poolsIn = <P extends Share>(pools: readonly P[]): readonly P[] => {
  const carrying = pools.filter(({ share }) => share > 0);
  const half = carrying.filter(({ share, configuredShare }) => share * 2 >= configuredShare);
  if (half.length > 0) return half;
  // Here every configured share is above twice the share, so it is positive.
  const most = Math.max(...carrying.map(({ share, configuredShare }) => share / configuredShare));
  return carrying.filter(({ share, configuredShare }) => share / configuredShare === most);
};

/** Names of the pools that are in. Throws for an empty route. */
export const namesIn = ({ service, pools }: { service: string; pools: readonly Share[] }): ReadonlySet<string> => {
  const inside = new Set(poolsIn(pools).map(({ pool }) => pool));
  assert(inside.size > 0, `${service}: an empty route; no pool has a share`);
  return inside;
};

/** Equal parts in thousandths over the pools that are in, all named: what is said of a route where nothing weighs. null: none is in. */
export const equalShares = (
  pools: readonly Pick<Share, 'pool'>[],
  isIn: (pool: string) => boolean,
): Readonly<Record<string, number>> | null => thousandthsOf(new Map(pools.map(({ pool }) => [pool, isIn(pool) ? 1 : 0])));
