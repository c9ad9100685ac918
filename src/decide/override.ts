// Overrides: what humans have ordered, as the core sees it. Expiry is explicit: the decision that ends an override writes the document without it.
import type { Override, Overrides, PoolConfig, ServiceConfig } from '../model.ts';

/** Given, and neither over nor in need of anybody's word; but it may not have begun. */
const isAgreed = (override: Override): boolean => override.approval?.by !== null;

/** Begun, not over, and agreed to by a second person where one is needed. */
export const isInForce = (override: Override, nowMs: number): boolean =>
  nowMs >= (override.startsAtMs ?? 0) && nowMs < override.expiresAtMs && isAgreed(override);

export const activeOverrides = (overrides: Overrides | null, nowMs: number): readonly Override[] =>
  (overrides?.items ?? []).filter((o) => isInForce(o, nowMs));

export const expiredOverrides = (overrides: Overrides | null, nowMs: number): readonly Override[] =>
  (overrides?.items ?? []).filter((o) => nowMs >= o.expiresAtMs);

/** An empty scope covers everything; each named part narrows it. */
export const covers = (override: Override, service: ServiceConfig, pool?: PoolConfig): boolean => {
  const { scope } = override;
  if (scope.service !== undefined && scope.service !== service.name) return false;
  if (pool === undefined) return scope.pool === undefined && scope.region === undefined;
  return (scope.pool === undefined || scope.pool === pool.name) && (scope.region === undefined || scope.region === pool.region);
};

/** Which safety rules an order passes: by break-glass those of low risk, and with a second person's word all that anybody may pass. */
export type Pass = 'none' | 'low' | 'all';

export const passOf = ({ breakGlass, approval }: Override): Pass =>
  breakGlass !== true ? 'none' : approval == null || approval.by === null ? 'low' : 'all';

const ofKind = (
  active: readonly Override[],
  kinds: readonly Override['kind'][],
  service: ServiceConfig,
  pool: PoolConfig,
): Override | undefined => {
  // Asked of every pool several times in every decision, and mostly nothing is ordered.
  if (active.length === 0) return undefined;
  const found = active.filter((o) => kinds.includes(o.kind) && covers(o, service, pool));
  // The one that passes most rules speaks for all that ask the same.
  return found.find((o) => passOf(o) === 'all') ?? found.find((o) => passOf(o) === 'low') ?? found[0];
};

/** A drain of this pool, or the evacuation of its region. It is the more careful order, so it goes before a force-in. */
export const drainOn = (active: readonly Override[], service: ServiceConfig, pool: PoolConfig): Override | undefined =>
  ofKind(active, ['drain', 'evacuate'], service, pool);

export const forceOn = (active: readonly Override[], service: ServiceConfig, pool: PoolConfig): Override | undefined =>
  ofKind(active, ['force-in'], service, pool);

/** Pins of a service, the newest first: that one holds. Only one that gives traffic to some pool of it is a pin. */
export const pinsOn = (active: readonly Override[], service: ServiceConfig): readonly Override[] =>
  active
    .filter((o) => o.kind === 'pin' && o.scope.service === service.name && service.pools.some((pool) => (o.weights?.[pool.name] ?? 0) > 0))
    .toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1));

/** The evacuation that keeps a region from coordinating, if any. */
export const evacuationOf = (active: readonly Override[], region: string): Override | undefined =>
  active.find((o) => o.kind === 'evacuate' && o.scope.region === region);

/** A freeze of a service, or of one of its pools or regions, holds the whole service: shares of one pool cannot move alone. */
export const freezeOn = (active: readonly Override[], service: ServiceConfig): Override | undefined =>
  active.find((o) => o.kind === 'freeze' && (covers(o, service) || service.pools.some((pool) => covers(o, service, pool))));

/** The one switch: with it set nothing is written to any provider, while detection and decisions go on. */
export const stopOn = (active: readonly Override[], service: ServiceConfig): Override | undefined =>
  active.find((o) => o.kind === 'stop' && (covers(o, service) || service.pools.some((pool) => covers(o, service, pool))));
