// Mode `dns`: A and AAAA records. One look is the zone's list, one write is one batch, which Cloudflare documents as one transaction. That a batch which
// deletes a record that is gone leaves nothing is documented and not yet seen by us on a real zone, so by default (`fencing: marker`) the fences are
// looked at once more right before each write, and a late writer is waited for. With `fencing: conditional` the batch alone decides.
import { errorText, Fault } from '../../src/errors.ts';
import { quantise } from '../addresses.ts';
import { assertBatch, behindIn, servicesIn } from '../batch.ts';
import { fenceName } from '../fence.ts';
import type { Applied, Change, Owned, Provider, ProviderService, ReadBack } from '../provider.ts';
import { type Client, resultOf } from './client.ts';
import { BATCH_RECORDS, type RecordsConfig } from './config.ts';
import { type Batch, batchOf, isSameFence, joined, type RecordsToken, readBackOf, recordsOf } from './dns-convert.ts';
import { appliedBy, requestsOf } from './replies.ts';
import { batchReply, type DnsRecord, records } from './shapes.ts';

export const openRecords = (config: RecordsConfig, client: Client): Omit<Provider, 'can'> => ({
  quantise,
  read: async (services, signal) => backsOf(services, await listRecords(client, config.zoneId, {}, signal)),
  apply: (changes, signal) => applyAll(config, client, changes, signal),
  owns: (services) => services.flatMap(ownedOf),
  close: async () => {},
});

const ownedOf = ({ service }: ProviderService): readonly Owned[] => [
  ...['A', 'AAAA'].map((type) => ({
    object: `records ${service} ${type}`,
    fields: ['which there are', 'content', 'ttl'],
    terraform: {
      resource: 'cloudflare_dns_record',
      ignoreChanges: ['content', 'ttl'],
      note: 'records come and go: better take them out of Terraform with a `removed` block (`cloudflare_record` before release 5)',
    },
  })),
  { object: `records ${fenceName(service)} TXT`, fields: ["both records, which are Tidegate's alone"] },
];

// ---- reading ----

const PAGE = 5000;
const PAGES_MAX = 20;

/** Records of the zone, or those that a filter lets through. Throws Fault ERR_PROVIDER. */
export const listRecords = async (
  client: Client,
  zoneId: string,
  filter: { type?: 'TXT'; name?: { startswith: string } },
  signal: AbortSignal,
  use: 'look' | 'change' = 'look',
): Promise<readonly DnsRecord[]> => {
  const found: DnsRecord[] = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const called = await client.call({
      use,
      what: `records of zone ${zoneId}`,
      shape: records,
      signal,
      make: (sdk, options) => sdk.dns.records.list({ zone_id: zoneId, ...filter, per_page: PAGE, page, order: 'name' }, options),
    });
    found.push(...resultOf(called));
    pages = called.ok ? called.pages : 1;
    if (pages > PAGES_MAX)
      throw new Fault(
        'ERR_PROVIDER',
        `zone ${zoneId} has more than ${PAGE * PAGES_MAX} records, too many to look at every half minute; give the services a zone of their own`,
      );
  }
  return found;
};

const backsOf = (services: readonly ProviderService[], found: readonly DnsRecord[]): ReadonlyMap<string, ReadBack> => {
  const byName = Map.groupBy(found, ({ name }) => name.toLowerCase());
  return new Map(services.map((service) => [service.service, readBackOf(service, (name) => byName.get(name) ?? [])]));
};

// ---- writing ----

const applyAll = async (config: RecordsConfig, client: Client, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assertBatch(changes);
  const batch = joined(changes.map((change) => batchOf(change, config.proxied)));
  const where = `batch for ${servicesIn(changes)} in zone ${config.zone}`;
  const refused = changes.map(refusal).find((outcome) => outcome !== null);
  if (refused !== undefined) return refused;
  const size = recordsOf(batch);
  if (size === 0) return { outcome: 'applied' };
  const max = BATCH_RECORDS[config.plan];
  if (size > max)
    return {
      outcome: 'fatal',
      because: `${where}: it changes ${size} records, at most ${max} with plan "${config.plan}"; nothing was sent`,
    };
  const stale = config.fencing === 'conditional' ? null : await staleness(config, client, changes, signal);
  return stale ?? send(config, client, where, batch, signal);
};

/** What need not be sent. null: send it. */
const refusal = (change: Change): Applied | null => {
  const { desired, previous } = change;
  const behind = behindIn([change]);
  if (behind !== null) return behind;
  const obstacle = (previous.token as RecordsToken | null)?.obstacle ?? null;
  return obstacle === null ? null : { outcome: 'fatal', because: `${desired.service}: ${obstacle}` };
};

/** Looks at all fences of the zone in one call: who wrote since the read? null: nobody. */
const staleness = async (
  config: RecordsConfig,
  client: Client,
  changes: readonly Change[],
  signal: AbortSignal,
): Promise<Applied | null> => {
  let fences: readonly DnsRecord[];
  try {
    fences = await listRecords(client, config.zoneId, { type: 'TXT', name: { startswith: '_tidegate.' } }, signal, 'change');
  } catch (error) {
    const busyMs = error instanceof Fault ? error.busyMs : undefined;
    return { outcome: 'undecided', because: errorText(error), ...(busyMs === undefined ? {} : { busyMs }) };
  }
  const now = backsOf(
    changes.map(({ desired }) => desired),
    fences,
  );
  const moved = changes.find(({ desired, previous }) => {
    const seen = (previous.token as RecordsToken | null) ?? NOTHING;
    return !isSameFence(seen, now.get(desired.service)!.token as RecordsToken);
  });
  if (moved === undefined) return null;
  const found = now.get(moved.desired.service)!.fence;
  const carried = found === null ? 'no fence' : `fence ${found.v} of ${found.writer}`;
  return { outcome: 'conflict', because: `${moved.desired.service}: it carries ${carried} by now; nothing was written` };
};

const NOTHING: RecordsToken = { fence: null, latch: null, addresses: [], obstacle: null };

const send = async (config: RecordsConfig, client: Client, where: string, batch: Batch, signal: AbortSignal): Promise<Applied> => {
  // An empty list is left out, as its meaning is not documented.
  const lists = Object.fromEntries(Object.entries(batch).filter(([, list]) => list.length > 0));
  const sent = await client.call({
    use: 'change',
    what: where,
    shape: batchReply,
    signal,
    make: (sdk, options) => sdk.dns.records.batch({ zone_id: config.zoneId, ...lists }, options),
  });
  if (sent.ok) {
    const { deletes, patches, posts } = sent.result;
    const counts = [deletes, patches, posts].map((list) => list?.length ?? 0);
    const whole = counts.join() === [batch.deletes, batch.patches, batch.posts].map((list) => list.length).join();
    if (whole) return { outcome: 'applied', ...requestsOf(sent) };
    return {
      outcome: 'undecided',
      because: `${where}: the reply shows ${counts.join('/')} records deleted, changed, made; it is read again`,
      ...requestsOf(sent),
    };
  }
  if (sent.is === 'gone')
    return {
      outcome: 'conflict',
      because: `${sent.because}; somebody else wrote since the read, nothing was written`,
      ...requestsOf(sent),
    };
  if (sent.is === 'there')
    return {
      outcome: 'conflict',
      because: `${sent.because}; somebody else made a record since the read, nothing was written`,
      ...requestsOf(sent),
    };
  return appliedBy(sent);
};
