// Between a decided route and a gate's record. A gate says of each pool whether it is to be drained, so shares are served as in or out. Pure.
import assert from 'node:assert';
import { formatFence, parseFence } from '../fence.ts';
import type { Change, ProviderService, ReadBack } from '../provider.ts';
import { equalShares, namesIn } from '../rounding.ts';
import { type GateRecord, parseGate } from './record.ts';

/** A record as it was read. */
export interface Found {
  value: unknown;
  mod: number;
}

/** What `apply` needs of a read: the revision to compare with (0: there was no record), and whether anything has to be written at all. */
export interface Token {
  mod: number;
  record: GateRecord | null;
}

export const tokenOf = ({ token }: ReadBack): Token => (token as Token | null) ?? { mod: 0, record: null };

/** What stands in `foreign` for a record that this release does not understand. */
const STRANGE = 'a record that is not understood';

/** In: a route that is not empty. Out: the record that serves it; at least one pool is open. */
export const recordOf = ({ desired, fence }: Pick<Change, 'desired' | 'fence'>): GateRecord => {
  const open = namesIn(desired);
  const pools = desired.pools.map(({ pool, region }) => [pool, { open: open.has(pool), region }] as const);
  return { v: 1, fence: formatFence(fence), pools: Object.fromEntries(pools) };
};

/** In: a route that is not empty. */
export const quantise = (service: ProviderService): Readonly<Record<string, number>> => {
  const open = namesIn(service);
  const shares = equalShares(service.pools, (pool) => open.has(pool));
  assert(shares !== null, 'no pool is open, though one has a share');
  return shares;
};

/** A record that is not understood reads as no fence and something foreign, so that it is written anew over the revision that was seen. */
export const readBackOf = (service: ProviderService, found: Found | undefined): ReadBack => {
  if (found === undefined) return { fence: null, shares: null, foreign: [], token: { mod: 0, record: null } satisfies Token };
  const record = parseGate(found.value);
  const token: Token = { mod: found.mod, record };
  if (record === null) return { fence: null, shares: null, foreign: [STRANGE], token };
  const known = new Set(service.pools.map(({ pool }) => pool));
  const open = new Set(Object.entries(record.pools).flatMap(([pool, { open }]) => (open ? [pool] : [])));
  return {
    fence: parseFence(record.fence),
    shares: equalShares(service.pools, (pool) => open.has(pool)),
    // One that is not open serves nobody: a pool that was drained and then left the configuration is nothing strange.
    foreign: [...open].filter((pool) => !known.has(pool)),
    token,
  };
};
