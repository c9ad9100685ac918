// Self-hosted DNS by dynamic update (RFC 2136) signed with TSIG: BIND, PowerDNS, Knot. One update message carries a whole batch of services
// and the server compares every fence in the same transaction, so a writer whose read is out of date changes nothing at all.
import { decodeReply, encodeQuery, type Reply } from '../../src/dns/codec.ts';
import { type DnsServer, exchangeAll, PIPELINE_MAX, randomId, serverText } from '../../src/dns/exchange.ts';
import { Fault } from '../../src/errors.ts';
import type { Ports } from '../../src/ports.ts';
import { quantise } from '../addresses.ts';
import { type DynamicUpdateConfig, EXCHANGE_MS_MAX, sendUpdate, updateTarget } from '../dynamic-update.ts';
import { fenceName } from '../fence.ts';
import type { Capabilities, Owned, Provider, ProviderContext, ProviderModule, ProviderService, ReadBack } from '../provider.ts';
import { readBackOf, updatesOf } from './convert.ts';

export interface Rfc2136Config extends DynamicUpdateConfig {
  kind: 'rfc2136';
}

const can: Capabilities = {
  fencing: 'conditional',
  weights: 'onOff',
  batchMax: 80,
  servesAnswers: true,
  ttlFloorS: 1,
  checkedOn: '2026-11-26',
};

export const rfc2136 = {
  kind: 'rfc2136',
  can,
  open(config: Rfc2136Config, { ports, secret }: Pick<ProviderContext, 'ports' | 'secret'>): Provider {
    const target = updateTarget(config, secret);
    return {
      can,
      quantise,
      read: (services, signal) => readAll(ports, target.server, services, signal),
      apply: (changes, signal) => sendUpdate(ports, target, { changes, updatesOf, grants: GRANTS }, signal),
      owns: (services) => services.flatMap(ownedOf),
      close: async () => {},
    };
  },
} satisfies ProviderModule<Rfc2136Config>;

const GRANTS = 'A and AAAA of each service and TXT of its _tidegate name';

const ownedOf = ({ service }: ProviderService): readonly Owned[] => [
  {
    object: `record ${service} A`,
    fields: ['ttl', 'values'],
    terraform: { resource: 'dns_a_record_set', ignoreChanges: ['addresses', 'ttl'] },
  },
  {
    object: `record ${service} AAAA`,
    fields: ['ttl', 'values'],
    terraform: { resource: 'dns_aaaa_record_set', ignoreChanges: ['addresses', 'ttl'] },
  },
  { object: `record ${fenceName(service)} TXT`, fields: ["the whole record, which is Tidegate's alone"] },
];

// ---- reading ----

const QUESTIONS_EACH = 3;
/** Services asked for on one connection. */
const READ_MAX = Math.floor(PIPELINE_MAX / QUESTIONS_EACH);

/** Asks the server itself, unsigned. Throws Fault ERR_DNS or ERR_PROVIDER, or the signal's reason. */
const readAll = async (
  ports: Ports,
  server: DnsServer,
  services: readonly ProviderService[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadBack>> => {
  const found = new Map<string, ReadBack>();
  for (let at = 0; at < services.length; at += READ_MAX) {
    const some = services.slice(at, at + READ_MAX);
    const first = randomId(ports);
    const packets = some
      .flatMap(questionsOf)
      .map((question, n) => encodeQuery({ id: (first + n) % 65536, ...question, recursionDesired: false }));
    const replies = await exchangeAll({ ports, server, packets, timeoutMs: EXCHANGE_MS_MAX, signal });
    const read = replies.map((reply) => authoritative(server, decodeReply(reply)));
    for (const [n, service] of some.entries()) {
      const [fence, a, aaaa] = read.slice(n * QUESTIONS_EACH) as [Reply, Reply, Reply];
      found.set(service.service, readBackOf(service, { fence, a, aaaa }));
    }
  }
  return found;
};

const questionsOf = ({ service }: ProviderService) => [
  { name: fenceName(service), type: 'TXT' as const },
  { name: service, type: 'A' as const },
  { name: service, type: 'AAAA' as const },
];

/** Only the zone's own server knows what is served now; a cache's answer would let a stale fence pass for the current one. */
const authoritative = (server: DnsServer, reply: Reply): Reply => {
  const where = `DNS server ${serverText(server)}`;
  const name = reply.question?.name ?? 'the question';
  if (reply.rcode !== 'NOERROR' && reply.rcode !== 'NXDOMAIN') {
    throw new Fault(
      'ERR_PROVIDER',
      `${where} answered ${reply.rcode} for ${name}; is it the primary of this zone, and may this host query it?`,
    );
  }
  if (!reply.authoritative) {
    throw new Fault('ERR_PROVIDER', `${where} answered for ${name} without authority; name a primary server of the zone, not a resolver`);
  }
  return reply;
};
