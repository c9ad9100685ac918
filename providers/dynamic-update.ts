// What the providers that write by signed dynamic update (RFC 2136, RFC 8945) have in common: the fence as a prerequisite and as a record, one message
// over TCP, and what its reply means. One message carries a whole batch and the server compares every fence in the same transaction.
// Everything goes over TCP: one path to test, no truncation, nothing to spoof. No retry, no timer: those are the publisher's.
import { familyOf } from '../src/dns/address.ts';
import { type DnsServer, exchange, randomId, serverText } from '../src/dns/exchange.ts';
import { secretFromText, sign, type TsigAlgorithm, type TsigKey, type Verified, verify } from '../src/dns/tsig.ts';
import { encodeUpdate, type Prerequisite, type Update } from '../src/dns/update.ts';
import { rcodeName, readHeader, TYPE, txtBytes } from '../src/dns/wire.ts';
import { errorText, Fault } from '../src/errors.ts';
import type { Ports } from '../src/ports.ts';
import { assertBatch, behindIn, servicesIn } from './batch.ts';
import { FENCE_TTL_S, fenceName, formatFence } from './fence.ts';
import type { Applied, Change, ProviderContext } from './provider.ts';

export interface DynamicUpdateConfig {
  zone: string;
  /** The primary server. `host` is an IP literal: a control plane for DNS should not need DNS to reach its server. */
  server: DnsServer;
  key: { name: string; algorithm: TsigAlgorithm; secretFile: string };
}

export interface UpdateTarget {
  zone: string;
  server: DnsServer;
  key: TsigKey;
}

/** Behind the caller's signal, which is shorter; so that no call hangs if it is forgotten. */
export const EXCHANGE_MS_MAX = 30_000;

/** Throws Fault ERR_CONFIG or ERR_SECRET. */
export const updateTarget = ({ zone, server, key }: DynamicUpdateConfig, secret: ProviderContext['secret']): UpdateTarget => {
  if (familyOf(server.host) === null) {
    throw new Fault('ERR_CONFIG', `provider of zone ${zone}: server.host "${server.host}" must be an IP address, not a name`);
  }
  return { zone, server, key: { ...key, secret: secretFromText(secret(key.secretFile), key.secretFile) } };
};

// ---- the message ----

/** The old fence must be exactly there, or, for the first write, no fence at all. Pure. */
const prerequisiteOf = ({ desired, previous }: Change): Prerequisite => {
  const name = fenceName(desired.service);
  return previous.fence === null
    ? { rule: 'absent', name, type: TYPE.TXT }
    : { rule: 'exactly', name, type: TYPE.TXT, data: [txtBytes(formatFence(previous.fence))] };
};

/** Puts our fence where the old one was. Pure. */
export const fenceUpdates = ({ desired, fence }: Change): readonly Update[] => {
  const name = fenceName(desired.service);
  return [
    { act: 'delete', name, type: TYPE.TXT },
    { act: 'add', name, type: TYPE.TXT, ttlS: FENCE_TTL_S, data: txtBytes(formatFence(fence)) },
  ];
};

/** An alias shadows what is beside it: the server would drop our records without a word (RFC 2136 3.4.2.2). */
export const ALIAS = 'CNAME ';

/** What need not be sent. null: send it. Pure. */
const refusal = (change: Change): Applied | null => {
  const { desired, previous } = change;
  const behind = behindIn([change]);
  if (behind !== null) return behind;
  const alias = previous.foreign.find((value) => value.startsWith(ALIAS));
  if (alias !== undefined)
    return { outcome: 'fatal', because: `${desired.service}: the name holds "${alias}"; remove it so that addresses can be served there` };
  return null;
};

// ---- sending it ----

export interface Batch {
  changes: readonly Change[];
  /** Beside the fence; pure, and throws for an empty route. */
  updatesOf: (change: Change) => readonly Update[];
  /** What the key must be granted, for the sentence about a refusal. */
  grants: string;
}

/** One update for the whole batch. Rejects for what is a bug of the caller's: an empty route, a service named twice. */
export const sendUpdate = async (ports: Ports, target: UpdateTarget, batch: Batch, signal: AbortSignal): Promise<Applied> => {
  const { changes } = batch;
  assertBatch(changes);
  const [prerequisites, updates] = [changes.map(prerequisiteOf), changes.flatMap(batch.updatesOf)];
  const refused = changes.map(refusal).find((outcome) => outcome !== null);
  if (refused !== undefined) return refused;
  const where = `update of ${servicesIn(changes)} in zone ${target.zone} at ${serverText(target.server)}`;
  let packet: Buffer;
  try {
    packet = encodeUpdate({ id: randomId(ports), zone: target.zone, prerequisites, updates });
  } catch (error) {
    return { outcome: 'fatal', because: `${where}: ${errorText(error)}` };
  }
  const { key, server } = target;
  try {
    const signed = sign(packet, key, nowS(ports));
    const reply = await exchange({ ports, server, packet: signed.message, timeoutMs: EXCHANGE_MS_MAX, signal, transport: 'tcp' });
    return outcomeOf({ where, key, grants: batch.grants, atS: nowS(ports) }, reply, verify(reply, key, nowS(ports), signed.mac));
  } catch (error) {
    return { outcome: 'undecided', because: `${where}: ${errorText(error)}` };
  }
};

const nowS = (ports: Ports): number => Math.floor(ports.clock.wallMs() / 1000);

// ---- what the reply means ----

interface Asked {
  where: string;
  key: TsigKey;
  grants: string;
  atS: number;
}

/** The meaning of a reply to an update (RFC 2136 3, RFC 8945 5). Only a verified reply settles anything; the rest is read back. */
const outcomeOf = ({ where, key, grants, atS }: Asked, reply: Buffer, verified: Verified): Applied => {
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
        because: `${where}: REFUSED; the update policy of key "${key.name}" must grant ${grants}`,
      };
    case 'NOTZONE':
      return { outcome: 'fatal', because: `${where}: NOTZONE; a service lies outside the zone` };
    case 'NOTAUTH':
      return { outcome: 'fatal', because: `${where}: NOTAUTH; the server is not the primary of this zone` };
    default:
      return { outcome: 'fatal', because: `${where}: ${rcode}; does the server take dynamic updates (RFC 2136)?` };
  }
};
