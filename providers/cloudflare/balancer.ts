// Mode `loadBalancer`: one load balancer of Cloudflare's for each service. It knows no condition on a write, so a change is read, compared, written and
// looked at in the reply; what a late writer may still do is healed by src/publish, which waits after a takeover and looks again.
import assert from 'node:assert/strict';
import { z } from 'zod';
import { assertBatch, behindIn } from '../batch.ts';
import type { Applied, Change, Owned, Provider, ProviderService, ReadBack } from '../provider.ts';
import { type BalancerToken, editOf, quantise, readBackOf } from './balancer-convert.ts';
import { type Called, type Client, resultOf } from './client.ts';
import type { BalancerConfig, BalancerService } from './config.ts';
import { appliedBy, requestsOf } from './replies.ts';
import { listPools, shed, shedText, wrongSheds } from './sessions.ts';
import { type Balancer, balancer, type Pool } from './shapes.ts';

export const openBalancers = (config: BalancerConfig, client: Client): Omit<Provider, 'can'> => ({
  quantise,
  read: (services, signal) => readAll(config, client, services, signal),
  apply: (changes, signal) => applyOne(config, client, changes, signal),
  owns: (services) => services.flatMap((service) => ownedOf(config, service)),
  close: async () => {},
});

const NOT_NAMED = 'no load balancer is named for it; add it under services of its provider';
/** A service that the cluster has and this replica's file does not know yet must not keep the others from being read. */
const UNMAPPED: ReadBack = {
  fence: null,
  shares: null,
  foreign: ['no load balancer'],
  token: { obstacles: [NOT_NAMED] } satisfies BalancerToken,
};

const ownedOf = (config: BalancerConfig, { service }: ProviderService): readonly Owned[] => {
  const target = config.services[service];
  if (target === undefined) return [];
  const { loadBalancerId, pools } = target;
  const note = 'put the text of description you want in place once, by hand; Tidegate keeps it and adds its fence behind';
  return [
    {
      object: `load balancer ${service} (${loadBalancerId})`,
      fields: ['description (its end)', 'random_steering.pool_weights'],
      terraform: { resource: 'cloudflare_load_balancer', ignoreChanges: ['description', 'random_steering'], note },
    },
    ...Object.entries(config.sessions === 'shed' ? pools : {}).map(([pool, id]) => ({
      object: `pool ${pool} (${id})`,
      fields: ['load_shedding.session_percent', 'load_shedding.session_policy'],
      terraform: { resource: 'cloudflare_load_balancer_pool', ignoreChanges: ['load_shedding'] },
    })),
  ];
};

// ---- reading ----

/** The zone's list is one call for any number of services; what it leaves out is asked for by id. Throws Fault ERR_PROVIDER. */
const readAll = async (
  config: BalancerConfig,
  client: Client,
  services: readonly ProviderService[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadBack>> => {
  const [listed, pools] = await Promise.all([listBalancers(client, config.zoneId, signal), sheddingPools(config, client, signal)]);
  const balancers = new Map(resultOf(listed).map((each) => [each.id, each]));
  const isWhole = listed.ok && listed.pages <= 1;
  const found = new Map<string, ReadBack>();
  for (const service of services) {
    const target = config.services[service.service];
    if (target === undefined) {
      found.set(service.service, UNMAPPED);
      continue;
    }
    const one =
      balancers.get(target.loadBalancerId) ?? (isWhole ? null : existing(await getBalancer(config, client, target, 'look', signal)));
    const back = readBackOf(service, target, one);
    const sheds = one === null || pools === null || back.shares === null ? [] : wrongSheds(service, back.shares, target, one, pools);
    found.set(service.service, { ...back, foreign: [...back.foreign, ...sheds.map(shedText)] });
  }
  return found;
};

/** null: there is none by that id. */
const existing = (called: Called<Balancer>): Balancer | null => (!called.ok && called.status === 404 ? null : resultOf(called));

export const listBalancers = (client: Client, zoneId: string, signal: AbortSignal) =>
  client.call({
    use: 'look',
    what: `load balancers of zone ${zoneId}`,
    shape: z.array(balancer),
    signal,
    make: (sdk, options) => sdk.loadBalancers.list({ zone_id: zoneId }, options),
  });

const getBalancer = (
  { zoneId }: BalancerConfig,
  client: Client,
  { loadBalancerId }: BalancerService,
  use: 'look' | 'change',
  signal: AbortSignal,
) =>
  client.call({
    use,
    what: `load balancer ${loadBalancerId}`,
    shape: balancer,
    signal,
    make: (sdk, options) => sdk.loadBalancers.get(loadBalancerId, { zone_id: zoneId }, options),
  });

const sheddingPools = async (config: BalancerConfig, client: Client, signal: AbortSignal): Promise<readonly Pool[] | null> =>
  config.sessions === 'keep' || config.accountId === undefined ? null : resultOf(await listPools(client, config.accountId, 'look', signal));

// ---- writing ----

const applyOne = async (config: BalancerConfig, client: Client, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assertBatch(changes);
  for (const { desired } of changes) quantise(desired);
  assert(changes.length === 1, `${changes.length} services in one write, at most 1: two load balancers cannot be changed together`);
  const change = changes[0]!;
  const { desired, previous } = change;
  const target = config.services[desired.service];
  const where = `load balancer of ${desired.service}`;
  if (target === undefined) return { outcome: 'fatal', because: `${where}: ${NOT_NAMED}` };
  const behind = behindIn(changes);
  if (behind !== null) return behind;
  // Seen at the look right before: nothing needs to be asked again to refuse.
  const [obstacle] = (previous.token as BalancerToken | null)?.obstacles ?? [];
  if (obstacle !== undefined) return { outcome: 'fatal', because: `${where}: ${obstacle}` };
  const [got, pools] = await Promise.all([
    getBalancer(config, client, target, 'change', signal),
    config.sessions === 'keep' || config.accountId === undefined ? null : listPools(client, config.accountId, 'change', signal),
  ]);
  if (!got.ok) return appliedBy(got);
  const edited = await edit(config, client, change, target, got.result, signal);
  if (edited.outcome !== 'applied' || pools === null) return edited;
  if (!pools.ok) return appliedBy(pools);
  const sheds = wrongSheds(desired, quantise(desired), target, got.result, pools.result);
  return (await shed(client, config.accountId!, target.loadBalancerId, sheds, signal)) ?? edited;
};

/** One PATCH with weights and fence together, or none if both are there. */
const edit = async (
  { zoneId }: BalancerConfig,
  client: Client,
  change: Change,
  target: BalancerService,
  found: Balancer,
  signal: AbortSignal,
): Promise<Applied> => {
  const where = `load balancer of ${change.desired.service}`;
  const wanted = editOf(change, target, found);
  if (wanted.kind === 'nothing') return { outcome: 'applied' };
  if (wanted.kind !== 'send') return { outcome: wanted.kind, because: `${where}: ${wanted.because}` };
  const sent = await client.call({
    use: 'change',
    what: where,
    shape: balancer,
    signal,
    make: (sdk, options) => sdk.loadBalancers.edit(target.loadBalancerId, { zone_id: zoneId, ...wanted.body }, options),
  });
  if (!sent.ok) return appliedBy(sent);
  const after = editOf({ ...change, previous: { ...change.previous, fence: change.fence } }, target, sent.result);
  if (after.kind === 'nothing') return { outcome: 'applied', ...requestsOf(sent) };
  return { outcome: 'undecided', because: `${where}: the reply to the change does not show it; it is read again` };
};
