// Overrides: what humans have ordered, as the core sees it. Expiry is explicit: the decision that ends an override writes the document without it.
import type { Override, Overrides, PoolConfig, ServiceConfig } from '../model.ts';

/** Begun, not over, and agreed to by a second person where one is needed. */
export const isInForce = (override: Override, nowMs: number): boolean =>
  nowMs >= (override.startsAtMs ?? 0) && nowMs < override.expiresAtMs && override.approval?.by !== null;

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

export const drainOn = (active: readonly Override[], service: ServiceConfig, pool: PoolConfig): Override | undefined =>
  active.find((o) => o.kind === 'drain' && covers(o, service, pool));

/** A freeze of a service, or of one of its pools or regions, holds the whole service: shares of one pool cannot move alone. */
export const freezeOn = (active: readonly Override[], service: ServiceConfig): Override | undefined =>
  active.find((o) => o.kind === 'freeze' && (covers(o, service) || service.pools.some((pool) => covers(o, service, pool))));

/** The one switch: with it set nothing is written to any provider, while detection and decisions go on. */
export const stopOn = (active: readonly Override[], service: ServiceConfig): Override | undefined =>
  active.find((o) => o.kind === 'stop' && (covers(o, service) || service.pools.some((pool) => covers(o, service, pool))));
