// What is at Cloudflare before Tidegate: load balancers with their pools and weights, or names with several addresses. Reads only.
import { canonicalAddress } from '../../src/dns/address.ts';
import { fenceName } from '../fence.ts';
import { poolNames } from '../pool-names.ts';
import type { FoundService, Inventory, ProviderContext, ProviderService } from '../provider.ts';
import { listBalancers } from './balancer.ts';
import { type BalancerToken, readBackOf } from './balancer-convert.ts';
import { type Client, createClient, resultOf } from './client.ts';
import { AUTOMATIC_TTL, type BalancerConfig, type BalancerService, type CloudflareConfig, type RecordsConfig } from './config.ts';
import { listRecords } from './dns.ts';
import { listPools, listReferences } from './sessions.ts';
import type { Balancer, DnsRecord, Pool } from './shapes.ts';

/** Throws Fault ERR_PROVIDER for what could not be read. */
export const inventory = (
  config: CloudflareConfig,
  context: Pick<ProviderContext, 'ports' | 'fetch' | 'secret'>,
  signal: AbortSignal,
): Promise<Inventory> => {
  const client = createClient(config, context);
  return config.mode === 'loadBalancer' ? balancersFound(config, client, signal) : recordsFound(config, client, signal);
};

// ---- load balancers ----

const balancersFound = async (config: BalancerConfig, client: Client, signal: AbortSignal): Promise<Inventory> => {
  const { accountId } = config;
  const balancers = resultOf(await listBalancers(client, config.zoneId, signal));
  const pools = accountId === undefined ? [] : resultOf(await listPools(client, accountId, 'look', signal));
  const users = new Map<string, readonly string[]>();
  for (const id of accountId === undefined ? [] : new Set(balancers.flatMap(({ default_pools }) => default_pools ?? [])))
    users.set(id, balancersUsing(resultOf(await listReferences(client, accountId!, id, 'look', signal))));
  const seen = balancers.map((each) => balancerFound(config, each, pools, users));
  return {
    services: seen.flatMap((each) => ('pools' in each ? [each] : [])),
    refused: seen.flatMap((each) => ('because' in each ? [each] : [])),
  };
};

/** An entry is of one sort, since its TTLs count or do not. */
const otherwise = ({ proxied }: CloudflareConfig, found: boolean): readonly string[] =>
  proxied === found ? [] : [`it is ${found ? '' : 'not '}proxied; import it into an entry with proxied: ${found}`];

const balancersUsing = (
  references: readonly { resource_type?: string | undefined; resource_name?: string | undefined }[],
): readonly string[] =>
  references.flatMap(({ resource_type, resource_name }) => (resource_type === 'load_balancer' ? [resource_name ?? '?'] : []));

const balancerFound = (
  config: BalancerConfig,
  found: Balancer,
  pools: readonly Pool[],
  users: ReadonlyMap<string, readonly string[]>,
): FoundService | Inventory['refused'][number] => {
  const ids = [...new Set(found.default_pools ?? [])];
  const named = new Map(ids.map((id) => [id, pools.find((pool) => pool.id === id)]));
  const names = poolNames(ids.map((id) => named.get(id)?.name ?? `pool-${id.slice(0, 8)}`));
  const target: BalancerService = { loadBalancerId: found.id, pools: Object.fromEntries(ids.map((id, at) => [names[at]!, id])) };
  const asService: ProviderService = {
    service: found.name,
    ttlS: 0,
    pools: names.map((pool) => ({ pool, region: pool, share: 0, configuredShare: 0, answers: [] })),
  };
  const back = readBackOf(asService, target, found);
  const obstacles = [
    ...otherwise(config, found.proxied === true),
    ...(back.token as BalancerToken).obstacles,
    ...(ids.length < 2 ? ['it has fewer than two default_pools, so there is nothing to choose'] : []),
    ...(back.shares === null && found.enabled !== false ? ['all of its weights are 0'] : []),
  ];
  if (obstacles.length > 0) return { what: `load balancer ${found.name} (${found.id})`, because: obstacles.join('; ') };
  return {
    service: found.name,
    ttlS: found.proxied === true ? null : (found.ttl ?? null),
    pools: names.map((pool, at) => ({
      pool,
      weight: back.shares?.[pool] ?? 0,
      answers: found.proxied === true ? [] : addressesOfPool(named.get(ids[at]!)),
    })),
    objects: target,
    notes: notesOf(found, names, ids, named, users),
    firstFence: `PATCH of load balancer ${found.id}: "[tidegate v=1;fence=…]" is added behind its description; weights only if they differ`,
  };
};

const addressesOfPool = (pool: Pool | undefined): readonly string[] =>
  (pool?.origins ?? []).flatMap(({ address, enabled }) => {
    const canonical = enabled === false ? null : canonicalAddress(address ?? '');
    return canonical === null ? [] : [canonical];
  });

const notesOf = (
  found: Balancer,
  names: readonly string[],
  ids: readonly string[],
  named: ReadonlyMap<string, Pool | undefined>,
  users: ReadonlyMap<string, readonly string[]>,
): readonly string[] => {
  const notes = [
    found.proxied === true ? 'proxied: users follow without waiting for a TTL' : `not proxied: answers live ${found.ttl ?? '?'} s`,
  ];
  if (found.steering_policy !== 'random')
    notes.push(
      `steering_policy "${found.steering_policy ?? ''}" divides load by the weights: shares are what it aims at, not what it serves`,
    );
  if ((found.session_affinity ?? 'none') !== 'none')
    notes.push(`session_affinity "${found.session_affinity}": pinned sessions stay with a drained pool; see sessions: shed`);
  if (found.fallback_pool != null) {
    const fallback = names[ids.indexOf(found.fallback_pool)] ?? found.fallback_pool;
    notes.push(`fallback_pool "${fallback}" takes everybody when Cloudflare's monitors find no other pool healthy, drained or not`);
  }
  if ((found.rules ?? []).length > 0 || (found.pool_sets ?? []).length > 0)
    notes.push('it has rules or pool sets that do not choose pools now; one that does stops every write');
  if (found.adaptive_routing?.failover_across_pools === true)
    notes.push('adaptive_routing tries another pool by itself on 521, 522 and 523: good, below this loop');
  ids.forEach((id, at) => {
    const others = (users.get(id) ?? []).filter((name) => name !== found.name);
    if (others.length > 0)
      notes.push(`pool "${names[at]}" is shared with ${others.join(', ')}: weights are apart, sessions: shed is refused`);
    const pool = named.get(id);
    if (pool?.enabled === false) notes.push(`pool "${names[at]}" is disabled: it gets no traffic whatever its weight`);
    const origins = (pool?.origins ?? []).map(({ address }) => address ?? '?');
    if (origins.length > 0) notes.push(`pool "${names[at]}" has the origins ${origins.join(', ')}; probe those`);
  });
  if (named.values().every((pool) => pool === undefined))
    notes.push('set accountId to see the names of pools, their origins and who shares them');
  return notes;
};

// ---- records ----

/** What automatic means for records that are not proxied (developers.cloudflare.com/dns/manage-dns-records/reference/ttl). */
const AUTOMATIC_S = 300;

const recordsFound = async (config: RecordsConfig, client: Client, signal: AbortSignal): Promise<Inventory> => {
  const records = await listRecords(client, config.zoneId, {}, signal);
  const byName = Map.groupBy(records, ({ name }) => name.toLowerCase());
  const sets = [...byName].flatMap(([name, all]) => {
    const addresses = all.filter(({ type }) => type === 'A' || type === 'AAAA');
    return addresses.length > 1 ? [{ name, addresses }] : [];
  });
  const seen = sets.map(({ name, addresses }) => setFound(config, name, addresses, byName.has(fenceName(name))));
  return {
    services: seen.flatMap((each) => ('pools' in each ? [each] : [])),
    refused: seen.flatMap((each) => ('because' in each ? [each] : [])),
  };
};

const setFound = (
  config: RecordsConfig,
  name: string,
  addresses: readonly DnsRecord[],
  hasFence: boolean,
): FoundService | Inventory['refused'][number] => {
  const what = `records ${name} A and AAAA`;
  if (!/^[a-z0-9.-]+$/.test(name)) return { what, because: 'the name holds a wildcard or an underscore; a service is one plain name' };
  const proxied = addresses.filter((each) => each.proxied === true).length;
  if (proxied > 0 && proxied < addresses.length) return { what, because: 'some are proxied and some are not; make them alike' };
  const [other] = otherwise(config, proxied > 0);
  if (other !== undefined) return { what, because: other.replace('it is', 'they are').replace('import it', 'import them') };
  const contents = addresses.map(({ content }) => canonicalAddress(content ?? ''));
  if (contents.includes(null)) return { what, because: 'a record without a plain address (private routing?)' };
  const answers = [...new Set(contents as readonly string[])].sort();
  const ttls = [...new Set(addresses.map(({ ttl }) => ttl))];
  const names = poolNames(answers.map((address) => `ip-${address}`));
  const isAutomatic = ttls.includes(AUTOMATIC_TTL);
  return {
    service: name,
    ttlS: proxied > 0 ? null : Math.max(...ttls.map((ttl) => (ttl === AUTOMATIC_TTL ? AUTOMATIC_S : ttl))),
    pools: answers.map((answer, at) => ({ pool: names[at]!, weight: 1, answers: [answer] })),
    objects: null,
    notes: [
      'one pool for each address; join those of one region into one pool',
      ...(proxied > 0 ? ['proxied: users follow without waiting for a TTL'] : []),
      ...(isAutomatic && proxied === 0 ? ['the TTL is automatic, which is 300 s; the first write sets that of the service'] : []),
      ...(ttls.length > 1 ? [`found TTLs ${ttls.join(', ')}; the first write makes them alike`] : []),
      ...(hasFence ? [`${fenceName(name)} exists: it has been Tidegate's, or somebody else's`] : []),
      'a load balancer of the same name would hide these records; look for one',
    ],
    firstFence: `one batch in zone ${config.zone} makes two TXT records at ${fenceName(name)}; addresses only if they differ`,
  };
};
