// Which pool the next answer comes from: smooth weighted round robin. Every turn each pool gains its share, the richest is served and pays the sum.
// So a share is met exactly over any 1000 answers in a row and the heavy pool's turns are spread out rather than bunched.
// Ignores who asks: caches between server and users make their own mix of it.
// pure
import { type Family, familyOf, type ZonePool, type ZoneService } from './zone.ts';

/** One turn. `credits` of the same length as `shares`, all 0 at the start. Out: index of the pool served, -1 when all shares are 0. */
export const turn = (shares: readonly number[], credits: readonly number[]): { pick: number; credits: readonly number[] } => {
  const sum = shares.reduce((total, share) => total + share, 0);
  const raised = shares.map((share, i) => (credits[i] ?? 0) + share);
  const pick = shares.reduce((best, share, i) => (share > 0 && (best < 0 || raised[i]! > raised[best]!) ? i : best), -1);
  return { pick, credits: raised.map((credit, i) => (i === pick ? credit - sum : credit)) };
};

const hasFamily = (pool: ZonePool, family: Family): boolean => pool.answers.some((answer) => familyOf(answer) === family);

/** Addresses of one pool to answer with; empty when no pool with a share has that family. */
export type Rotation = (service: ZoneService, family: Family) => readonly string[];

interface Place {
  pools: readonly ZonePool[];
  credits: readonly number[];
}

/** Keeps its place per service and family, so that A and AAAA questions of one user do not take turns from each other. A swap starts anew. */
export const createRotation = (): Rotation => {
  const places: Record<Family, WeakMap<ZoneService, Place>> = { A: new WeakMap(), AAAA: new WeakMap() };
  return (service, family) => {
    const { pools, credits } = places[family].get(service) ?? {
      pools: service.pools.filter((pool) => hasFamily(pool, family)),
      credits: [],
    };
    const shares = pools.map(({ share }) => share);
    const next = turn(shares, credits);
    places[family].set(service, { pools, credits: next.credits });
    return pools[next.pick]?.answers.filter((answer) => familyOf(answer) === family) ?? [];
  };
};
