// Pools that are in or out by a switch of their own; what they weigh is decided elsewhere, so shares are those configured among the pools that are in. Pure.
import assert from 'node:assert/strict';
import type { ProviderService } from '../provider.ts';
import { thousandthsOf } from '../rounding.ts';

/** In: at least one pool. A standby that is in counts for the least there is. */
export const onOffShares = (service: ProviderService, inside: ReadonlySet<string>): Readonly<Record<string, number>> => {
  const units = service.pools.map(({ pool, configuredShare }) => [pool, inside.has(pool) ? Math.max(1, configuredShare) : 0] as const);
  const shares = thousandthsOf(new Map(units));
  assert(shares !== null, `${service.service}: no pool is in`);
  return shares;
};
