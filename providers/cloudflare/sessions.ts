// Sessions that are pinned to a pool (`session_affinity`) stay with it at weight 0. Where the configuration says `sessions: shed`, a pool that loses a part of
// its share sheds that part of its sessions: `load_shedding.session_percent`. This is a second object and a second write, after the weights: should it fail,
// new traffic has moved already, and the next look tries again.
import { isDeepStrictEqual } from 'node:util';
import type { PoolEditParams } from 'cloudflare/resources/load-balancers/pools/pools.js';
import { z } from 'zod';
import type { Applied, ProviderService } from '../provider.ts';
import { thousandthsOf } from '../rounding.ts';
import type { Client } from './client.ts';
import type { BalancerService } from './config.ts';
import { appliedBy } from './replies.ts';
import { type Balancer, type Pool, pool as poolShape, reference } from './shapes.ts';

/** A share that rounding to Cloudflare's steps took is no share lost: less than one step of 10 thousandths. */
const STEP = 10;

/**
 * What a pool should shed, in percent of its sessions: gradual while a ramp is, everything once drained. `share`: as the weights serve it. Pure.
 */
export const shedPercent = ({ share, configuredShare }: { share: number; configuredShare: number }): number => {
  if (share === 0) return 100;
  return share + STEP > configuredShare ? 0 : Math.round(100 - (share * 100) / configuredShare);
};

interface Shed {
  pool: string;
  id: string;
  found: Pool;
  percent: number;
}

/**
 * Pools that shed something else than their served share asks for. The fallback pool is left alone: it takes everybody when nothing else is healthy. Pure.
 */
export const wrongSheds = (
  service: ProviderService,
  shares: Readonly<Record<string, number>>,
  target: BalancerService,
  { fallback_pool }: Balancer,
  pools: readonly Pool[],
): readonly Shed[] => {
  // Among our own: what a stranger takes is for the weights to take back.
  const own = thousandthsOf(new Map(Object.entries(shares))) ?? {};
  return service.pools.flatMap((each) => {
    const id = target.pools[each.pool];
    const found = pools.find((candidate) => candidate.id === id);
    const percent = shedPercent({ share: own[each.pool] ?? 0, configuredShare: each.configuredShare });
    if (id === undefined || found === undefined || id === fallback_pool || shedsNow(found) === percent) return [];
    return [{ pool: each.pool, id, found, percent }];
  });
};

const shedsNow = ({ load_shedding }: Pool): number => load_shedding?.session_percent ?? 0;

export const shedText = ({ pool, found, percent }: Shed): string =>
  `pool ${pool} sheds ${shedsNow(found)} % of its sessions instead of ${percent} %`;

/** All of the account's. */
export const listPools = (client: Client, accountId: string, use: 'look' | 'change', signal: AbortSignal) =>
  client.call({
    use,
    what: `pools of account ${accountId}`,
    shape: z.array(poolShape),
    signal,
    make: (sdk, options) => sdk.loadBalancers.pools.list({ account_id: accountId }, options),
  });

/** Null: done. A pool that other load balancers use as well is refused: their users have sessions there, too. */
export const shed = async (
  client: Client,
  accountId: string,
  loadBalancerId: string,
  sheds: readonly Shed[],
  signal: AbortSignal,
): Promise<Applied | null> => {
  for (const each of sheds) {
    const others = await othersOf(client, accountId, loadBalancerId, each, signal);
    if (others !== null) return others;
    // A PATCH replaces `load_shedding` whole; what is not ours goes back as it was read, of a kind that the library does not know, too.
    const load_shedding = {
      session_policy: 'hash',
      ...each.found.load_shedding,
      session_percent: each.percent,
    } as PoolEditParams['load_shedding'] & {};
    const sent = await client.call({
      use: 'change',
      what: `load shedding of pool "${each.pool}" (${each.id})`,
      shape: poolShape,
      signal,
      make: (sdk, options) => sdk.loadBalancers.pools.edit(each.id, { account_id: accountId, load_shedding }, options),
    });
    if (!sent.ok) return appliedBy(sent);
    if (!isDeepStrictEqual(shedsNow(sent.result), each.percent))
      return { outcome: 'undecided', because: `load shedding of pool "${each.pool}": the reply shows ${shedsNow(sent.result)} %` };
  }
  return null;
};

export const listReferences = (client: Client, accountId: string, id: string, use: 'look' | 'change', signal: AbortSignal) =>
  client.call({
    use,
    what: `what uses pool ${id}`,
    shape: z.array(reference),
    signal,
    make: (sdk, options) => sdk.loadBalancers.pools.references.get(id, { account_id: accountId }, options),
  });

const othersOf = async (
  client: Client,
  accountId: string,
  own: string,
  { pool, id }: Shed,
  signal: AbortSignal,
): Promise<Applied | null> => {
  const used = await listReferences(client, accountId, id, 'change', signal);
  if (!used.ok) return appliedBy(used);
  const other = used.result.find(({ resource_type, resource_id }) => resource_type === 'load_balancer' && resource_id !== own);
  if (other === undefined) return null;
  const because = `pool "${pool}" (${id}) also serves "${other.resource_name ?? other.resource_id}", whose sessions would be shed with it; give the service a pool of its own, or set sessions: keep`;
  return { outcome: 'fatal', because };
};
