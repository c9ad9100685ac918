// One DNS query in, one reply out: authoritative answers for a zone, nothing else, no recursion. Never throws on bytes from the network.
// The question is echoed as the bytes that came, so that a resolver which mixes upper and lower case finds its own spelling again.
// Standards: RFC 1035, 2308 (negative answers), 6891 (EDNS), 8482 (small answer to ANY).
import { type Answer, decode, encode, type OptAnswer } from 'dns-packet';
import { fenceName } from '../fence.ts';
import type { Rotation } from './rotation.ts';
import { type Family, familyOf, within, type Zone } from './zone.ts';

const RCODE = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
type Rcode = (typeof RCODE)[keyof typeof RCODE];
const TYPE = { A: 1, NS: 2, SOA: 6, TXT: 16, AAAA: 28, OPT: 41, ANY: 255 } as const;
const CLASS_IN = 1;

const HEADER_BYTES = 12;
/** A question has at most 255 + 4 bytes and honest EDNS options are small; more is refused before it is decoded. */
export const QUERY_BYTES_MAX = 4096;
/** Fits every path without fragments (DNS flag day 2020). */
const UDP_BYTES_MAX = 1232;
const UDP_BYTES_PLAIN = 512;
const TCP_BYTES_MAX = 65_535;
const NS_TTL_S = 60;
/** How long a "does not exist" may be cached: short, because a name appears seconds after it is first asked for. */
const NEGATIVE_TTL_S = 5;

interface Question {
  /** Lower case; a dot inside a label is spelled \046, a backslash \092. */
  name: string;
  type: number;
  class: number;
  bytes: Buffer;
}

interface Query {
  question: Question;
  edns: OptAnswer | null;
}

interface Found {
  rcode: Rcode;
  authoritative: boolean;
  answers: Answer[];
  authorities: Answer[];
}

/** The reply to send, or null: say nothing (not a query, or too short to have an id). Advances `rotate` when addresses are answered. */
export const answerQuery = (packet: Buffer, over: 'udp' | 'tcp', zone: Zone, rotate: Rotation): Buffer | null => {
  if (packet.length < HEADER_BYTES || isResponse(packet)) return null;
  if (opcodeOf(packet) !== 0) return bareReply(packet, RCODE.NOTIMP);
  const query = parseQuery(packet);
  if (query === null) return bareReply(packet, RCODE.FORMERR);
  const found = query.edns !== null && query.edns.ednsVersion !== 0 ? failed(RCODE.BADVERS) : find(zone, query.question, rotate);
  return fit(packet, query, found, over);
};

const flagsOf = (packet: Buffer): number => packet.readUInt16BE(2);
const isResponse = (packet: Buffer): boolean => (flagsOf(packet) & 0x8000) !== 0;
const opcodeOf = (packet: Buffer): number => (flagsOf(packet) >> 11) & 0xf;
/** Opcode, RD and CD are copied from the query. */
const copiedFlags = (packet: Buffer): number => flagsOf(packet) & 0x7910;

const bareReply = (packet: Buffer, rcode: Rcode): Buffer =>
  encode({ type: 'response', id: packet.readUInt16BE(0), flags: copiedFlags(packet) | rcode });

const parseQuery = (packet: Buffer): Query | null => {
  if (packet.length > QUERY_BYTES_MAX || packet.readUInt16BE(4) !== 1) return null;
  const question = questionOf(packet);
  if (question === null) return null;
  try {
    const opts = (decode(packet).additionals ?? []).filter((record) => record.type === 'OPT');
    return opts.length > 1 ? null : { question, edns: opts[0] ?? null };
  } catch {
    // The library throws on anything it cannot read; to us that is one thing: a malformed query.
    return null;
  }
};

/** The first question; null when it is cut short or compressed, which nothing honest does there. */
const questionOf = (packet: Buffer): Question | null => {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > 63 || at - HEADER_BYTES > 254) return null;
    at += 1;
    if (length === 0) break;
    labels.push(packet.toString('latin1', at, at + length).replace(/[.\\]/g, escaped));
    at += length;
  }
  if (packet.length < at + 4) return null;
  const name = labels.join('.').replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return { name, type: packet.readUInt16BE(at), class: packet.readUInt16BE(at + 2), bytes: packet.subarray(HEADER_BYTES, at + 4) };
};

/** As in master files, so that the only dots of a name are those between its labels. */
const escaped = (character: string): string => `\\${character.charCodeAt(0).toString().padStart(3, '0')}`;

const failed = (rcode: Rcode): Found => ({ rcode, authoritative: false, answers: [], authorities: [] });

const find = (zone: Zone, { name, type, class: klass }: Question, rotate: Rotation): Found => {
  // Transfers, signatures and the like (249 to 254) and OPT are not kinds of data.
  if (type === TYPE.OPT || (type >= 249 && type <= 254)) return failed(RCODE.NOTIMP);
  if (klass !== CLASS_IN || !within(zone.name, name)) return failed(RCODE.REFUSED);
  if (!zone.names.has(name)) return { rcode: RCODE.NXDOMAIN, authoritative: true, answers: [], authorities: [soa(zone, NEGATIVE_TTL_S)] };
  const answers = type === TYPE.ANY ? minimalAny(name) : records(zone, name, type, rotate);
  return { rcode: RCODE.NOERROR, authoritative: true, answers, authorities: answers.length === 0 ? [soa(zone, NEGATIVE_TTL_S)] : [] };
};

const minimalAny = (name: string): Answer[] => [{ name, type: 'HINFO', ttl: NEGATIVE_TTL_S, data: { cpu: 'RFC8482', os: '' } }];

const records = (zone: Zone, name: string, type: number, rotate: Rotation): Answer[] => {
  switch (type) {
    case TYPE.A:
      return addresses(zone, name, 'A', rotate);
    case TYPE.AAAA:
      return addresses(zone, name, 'AAAA', rotate);
    case TYPE.SOA:
      return name === zone.name ? [soa(zone, NS_TTL_S)] : [];
    case TYPE.NS:
      return name === zone.name ? [{ name, type: 'NS', ttl: NS_TTL_S, data: zone.ns.name }] : [];
    case TYPE.TXT:
      return fenceText(zone, name);
    default:
      return [];
  }
};

const addresses = (zone: Zone, name: string, family: Family, rotate: Rotation): Answer[] => {
  const service = zone.services.get(name);
  if (service !== undefined) return rotate(service, family).map((data) => ({ name, type: family, ttl: service.ttlS, data }));
  const own = name === zone.ns.name ? zone.ns.addresses.filter((address) => familyOf(address) === family) : [];
  return own.map((data) => ({ name, type: family, ttl: NS_TTL_S, data }));
};

const fenceText = (zone: Zone, name: string): Answer[] => {
  const service = zone.services.get(name.slice(name.indexOf('.') + 1));
  if (service === undefined || name !== fenceName(service.name)) return [];
  // A character-string holds 255 bytes.
  return [{ name, type: 'TXT', ttl: service.ttlS, data: service.fence.match(/.{1,255}/g) ?? [] }];
};

const soa = (zone: Zone, ttl: number): Answer => ({
  name: zone.name,
  type: 'SOA',
  ttl,
  data: {
    mname: zone.ns.name,
    rname: `hostmaster.${zone.name}`,
    serial: zone.serial,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: NEGATIVE_TTL_S,
  },
});

/** The whole reply, or only its head with TC set when it does not fit. */
const fit = (packet: Buffer, query: Query, found: Found, over: 'udp' | 'tcp'): Buffer => {
  const asked = Math.min(UDP_BYTES_MAX, Math.max(UDP_BYTES_PLAIN, query.edns?.udpPayloadSize ?? 0));
  const limit = over === 'tcp' ? TCP_BYTES_MAX : asked;
  const whole = encodeReply(packet, query, found, false);
  return whole.length <= limit ? whole : encodeReply(packet, query, { ...found, answers: [], authorities: [] }, true);
};

const encodeReply = (packet: Buffer, { question, edns }: Query, found: Found, truncated: boolean): Buffer => {
  const flags = copiedFlags(packet) | (found.authoritative ? 0x0400 : 0) | (truncated ? 0x0200 : 0) | (found.rcode & 0xf);
  const opt: OptAnswer[] = edns === null ? [] : [replyOpt(edns, found.rcode)];
  const encoded = encode({
    type: 'response',
    id: packet.readUInt16BE(0),
    flags,
    answers: found.answers,
    authorities: found.authorities,
    additionals: opt,
  });
  // The library writes no compression pointers, so the question's own bytes can be put between head and answers.
  const reply = Buffer.concat([encoded.subarray(0, HEADER_BYTES), question.bytes, encoded.subarray(HEADER_BYTES)]);
  reply.writeUInt16BE(1, 4);
  return reply;
};

const replyOpt = (edns: OptAnswer, rcode: Rcode): OptAnswer => ({
  name: '.',
  type: 'OPT',
  udpPayloadSize: UDP_BYTES_MAX,
  extendedRcode: rcode >> 4,
  ednsVersion: 0,
  flags: edns.flags & 0x8000,
  flag_do: edns.flag_do,
  options: [],
});
