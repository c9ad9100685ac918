// Self-hosted DNS by dynamic update (RFC 2136) signed with TSIG: BIND, PowerDNS, Knot. One update message carries a whole batch of services
// and the server compares every fence in the same transaction, so a writer whose read is out of date changes nothing at all.
// Everything goes over TCP: one path to test, no truncation, nothing to spoof. No retry, no timer: those are the publisher's.
import assert from 'node:assert/strict';
import { familyOf } from '../../src/dns/address.ts';
import { decodeReply, encodeQuery, type Reply } from '../../src/dns/codec.ts';
import { type DnsServer, exchange, exchangeAll, PIPELINE_MAX, randomId, serverText } from '../../src/dns/exchange.ts';
import { secretFromText, sign, type TsigAlgorithm, type TsigKey, type Verified, verify } from '../../src/dns/tsig.ts';
import { encodeUpdate } from '../../src/dns/update.ts';
import { rcodeName, readHeader } from '../../src/dns/wire.ts';
import { errorText, Fault } from '../../src/errors.ts';
import type { Ports } from '../../src/ports.ts';
import { fenceName } from '../fence.ts';
import type {
  Applied,
  Capabilities,
  Change,
  Owned,
  Provider,
  ProviderContext,
  ProviderModule,
  ProviderService,
  ReadBack,
} from '../provider.ts';
import { aliasIn, prerequisiteOf, quantise, readBackOf, updatesOf } from './convert.ts';

export interface Rfc2136Config {
  kind: 'rfc2136';
  zone: string;
  /** The primary server. `host` is an IP literal: a control plane for DNS should not need DNS to reach its server. */
  server: DnsServer;
  key: { name: string; algorithm: TsigAlgorithm; secretFile: string };
}

const can: Capabilities = {
  fencing: 'conditional',
  weights: 'onOff',
  batchMax: 80,
  servesAnswers: true,
  ttlFloorS: 1,
  checkedOn: '2026-11-22',
};

/** Behind the caller's signal, which is shorter; so that no call hangs if it is forgotten. */
const EXCHANGE_MS_MAX = 30_000;

export const rfc2136 = {
  kind: 'rfc2136',
  can,
  open(config: Rfc2136Config, { ports, secret }: Pick<ProviderContext, 'ports' | 'secret'>): Provider {
    const { zone, server } = config;
    if (familyOf(server.host) === null) {
      throw new Fault('ERR_CONFIG', `provider of zone ${zone}: server.host "${server.host}" must be an IP address, not a name`);
    }
    const key: TsigKey = { ...config.key, secret: secretFromText(secret(config.key.secretFile), config.key.secretFile) };
    return {
      can,
      quantise,
      read: (services, signal) => readAll(ports, server, services, signal),
      apply: (changes, signal) => applyAll(ports, { zone, server, key }, changes, signal),
      owns: (services) => services.flatMap(ownedOf),
      close: async () => {},
    };
  },
} satisfies ProviderModule<Rfc2136Config>;

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

// ---- writing ----

interface Target {
  zone: string;
  server: DnsServer;
  key: TsigKey;
}

const applyAll = async (ports: Ports, target: Target, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assert(changes.length > 0, 'an empty batch');
  const names = changes.map((change) => change.desired.service);
  assert(new Set(names).size === names.length, `a batch that names a service twice: ${names.join(', ')}`);
  const [prerequisites, updates] = [changes.map(prerequisiteOf), changes.flatMap(updatesOf)];
  const refused = changes.map(refusal).find((outcome) => outcome !== null);
  if (refused !== undefined) return refused;
  const where = `update of ${some(names)} in zone ${target.zone} at ${serverText(target.server)}`;
  let packet: Buffer;
  try {
    packet = encodeUpdate({ id: randomId(ports), zone: target.zone, prerequisites, updates });
  } catch (error) {
    return { outcome: 'fatal', because: `${where}: ${errorText(error)}` };
  }
  try {
    const signed = sign(packet, target.key, nowS(ports));
    const reply = await exchange({
      ports,
      server: target.server,
      packet: signed.message,
      timeoutMs: EXCHANGE_MS_MAX,
      signal,
      transport: 'tcp',
    });
    return outcomeOf(where, target.key, reply, verify(reply, target.key, nowS(ports), signed.mac), nowS(ports));
  } catch (error) {
    return { outcome: 'undecided', because: `${where}: ${errorText(error)}` };
  }
};

const NAMED_MAX = 3;

const some = (names: readonly string[]): string =>
  names.length <= NAMED_MAX ? names.join(', ') : `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more`;

const nowS = (ports: Ports): number => Math.floor(ports.clock.wallMs() / 1000);

/** What need not be sent. null: send it. */
const refusal = ({ desired, fence, previous }: Change): Applied | null => {
  if (previous.fence !== null && previous.fence.v > fence.v) {
    return { outcome: 'conflict', because: `${desired.service}: fence ${previous.fence.v} is served, ours is ${fence.v}` };
  }
  const alias = aliasIn(previous);
  if (alias !== null)
    return { outcome: 'fatal', because: `${desired.service}: the name holds "${alias}"; remove it so that addresses can be served there` };
  return null;
};

/** The meaning of a reply to an update (RFC 2136 3, RFC 8945 5). Only a verified reply settles anything; the rest is read back. */
const outcomeOf = (where: string, key: TsigKey, reply: Buffer, verified: Verified, atS: number): Applied => {
  const rcode = rcodeName(readHeader(reply).rcode);
  const error = verified.ok ? verified.error : verified.claim;
  // A server that does not know the key cannot sign its refusal (Knot 3.2 says the same when its acl forbids a name). Believing a forged one costs an alarm, no write.
  if (rcode === 'NOTAUTH' && error === 'BADKEY') {
    return {
      outcome: 'fatal',
      because: `${where}: the server does not take the ${key.algorithm} key "${key.name}" (BADKEY); compare name, algorithm and what the key may change`,
    };
  }
  if (!verified.ok) {
    const said = verified.claim === 'NOERROR' ? rcode : `${rcode} ${verified.claim}`;
    const hint = verified.claim === 'BADSIG' ? '; compare the secret of the key' : '';
    return { outcome: 'undecided', because: `${where}: ${said} in a reply that cannot be trusted: ${verified.because}${hint}` };
  }
  if (error === 'BADTIME') {
    const apart = verified.peerTimeS === null ? '' : ` by ${Math.abs(verified.peerTimeS - atS)} s`;
    return { outcome: 'fatal', because: `${where}: the clocks of this host and the server differ${apart} (BADTIME); set them right` };
  }
  switch (rcode) {
    case 'NOERROR':
      return { outcome: 'applied' };
    case 'NXRRSET':
    case 'YXRRSET':
      return { outcome: 'conflict', because: `${where}: another fence is there (${rcode}); nothing was written` };
    case 'SERVFAIL':
      return { outcome: 'undecided', because: `${where}: SERVFAIL; the server's own log says why` };
    case 'REFUSED':
      return {
        outcome: 'fatal',
        because: `${where}: REFUSED; the update policy of key "${key.name}" must grant A and AAAA of each service and TXT of its _tidegate name`,
      };
    case 'NOTZONE':
      return { outcome: 'fatal', because: `${where}: NOTZONE; a service lies outside the zone` };
    case 'NOTAUTH':
      return { outcome: 'fatal', because: `${where}: NOTAUTH; the server is not the primary of this zone` };
    default:
      return { outcome: 'fatal', because: `${where}: ${rcode}; does the server take dynamic updates (RFC 2136)?` };
  }
};
