// Questions out, replies in: what probing, providers and convergence need to know of a DNS reply, and nothing more.
// Records of other types than those below are read over. TTLs are those of the message; clamping is the reader's. Pure.
import { Fault } from '../errors.ts';
import { addressText } from './address.ts';
import {
  CLASS,
  canonicalName,
  type Envelope,
  headerBytes,
  nameBytes,
  OPCODE,
  type Question,
  type RawRecord,
  rcodeName,
  readEnvelope,
  reader,
  readFirstQuestion,
  readHeader,
  recordBytes,
  TYPE,
  u16Bytes,
} from './wire.ts';

export type AskType = 'A' | 'AAAA' | 'CNAME' | 'NS' | 'SOA' | 'TXT';

export interface Soa {
  mname: string;
  rname: string;
  serial: number;
  refreshS: number;
  retryS: number;
  expireS: number;
  minimumS: number;
}

/** Names are lower-case without the dot at the end; addresses canonical; a TXT is its strings, byte for byte as latin1. */
export type Answer = { name: string; ttlS: number } & (
  | { type: 'A' | 'AAAA' | 'CNAME' | 'NS'; data: string }
  | { type: 'TXT'; data: readonly string[] }
  | { type: 'SOA'; data: Soa }
);

export interface Reply {
  id: number;
  /** Extended by EDNS when present: `NOERROR`, `NXDOMAIN`, ... */
  rcode: string;
  authoritative: boolean;
  truncated: boolean;
  recursionAvailable: boolean;
  question: Question | null;
  answers: readonly Answer[];
  /** How long "no such name" or "no such type" may be believed (RFC 2308); null when the reply does not say. */
  negativeTtlS: number | null;
  /** Largest datagram the server takes; null: it did not speak EDNS. */
  ednsBytes: number | null;
}

/** Fits one unfragmented datagram on any sane path (DNS flag day 2020). */
export const EDNS_BYTES = 1232;

/** One question of class IN with EDNS. Throws Fault ERR_DNS for what is not a name. */
export const encodeQuery = (query: { id: number; name: string; type: AskType; recursionDesired: boolean }): Buffer =>
  Buffer.concat([
    headerBytes(query.id, query.recursionDesired ? 0x0100 : 0, [1, 0, 0, 1]),
    nameBytes(query.name),
    u16Bytes(TYPE[query.type], CLASS.IN),
    recordBytes({ name: '.', type: TYPE.OPT, class: EDNS_BYTES, ttlS: 0, data: Buffer.alloc(0) }),
  ]);

/** Throws Fault ERR_DNS on anything but a well-formed reply. */
export const decodeReply = (message: Buffer): Reply => {
  const envelope = readEnvelope(message);
  if (!envelope.response) throw new Fault('ERR_DNS', 'the DNS message is a question where a reply was expected');
  const opt = envelope.records.find((record) => record.section === 3 && record.type === TYPE.OPT);
  // EDNS keeps the upper eight bits of the response code where other records keep their TTL.
  const extended = opt === undefined ? 0 : Math.floor(opt.ttlS / 2 ** 24) << 4;
  return {
    id: envelope.id,
    rcode: rcodeName(extended | envelope.rcode),
    authoritative: envelope.authoritative,
    truncated: envelope.truncated,
    recursionAvailable: envelope.recursionAvailable,
    question: envelope.questions[0] ?? null,
    answers: envelope.records.filter((record) => record.section === 1).flatMap((record) => answersOf(message, record)),
    negativeTtlS: negativeTtlOf(message, envelope),
    ednsBytes: opt?.class ?? null,
  };
};

const answersOf = (message: Buffer, record: RawRecord): Answer[] => {
  if (record.class !== CLASS.IN) return [];
  const { name, ttlS } = record;
  switch (record.type) {
    case TYPE.A:
      return [{ name, ttlS, type: 'A', data: addressOf(record, 4) }];
    case TYPE.AAAA:
      return [{ name, ttlS, type: 'AAAA', data: addressOf(record, 16) }];
    case TYPE.CNAME:
      return [{ name, ttlS, type: 'CNAME', data: whole(message, record, (read) => read.name()) }];
    case TYPE.NS:
      return [{ name, ttlS, type: 'NS', data: whole(message, record, (read) => read.name()) }];
    case TYPE.TXT:
      return [{ name, ttlS, type: 'TXT', data: stringsOf(message, record) }];
    case TYPE.SOA:
      return [{ name, ttlS, type: 'SOA', data: soaOf(message, record) }];
    default:
      return [];
  }
};

/** Reads the data of a record, which must end where its length says. */
const whole = <T>(message: Buffer, record: RawRecord, take: (read: ReturnType<typeof reader>) => T): T => {
  const read = reader(message, record.dataAt);
  const value = take(read);
  const end = record.dataAt + record.data.length;
  if (read.at() !== end) throw new Fault('ERR_DNS', `the data of ${record.name} ends at byte ${read.at()}, its length says ${end}`);
  return value;
};

const addressOf = (record: RawRecord, bytes: 4 | 16): string => {
  if (record.data.length !== bytes) {
    throw new Fault('ERR_DNS', `the address of ${record.name} has ${record.data.length} bytes instead of ${bytes}`);
  }
  return addressText(record.data);
};

const stringsOf = (message: Buffer, record: RawRecord): string[] =>
  whole(message, record, (read) => {
    const strings: string[] = [];
    while (read.at() < record.dataAt + record.data.length) strings.push(read.bytes(read.u8()).toString('latin1'));
    return strings;
  });

const soaOf = (message: Buffer, record: RawRecord): Soa =>
  whole(message, record, (read) => ({
    mname: read.name(),
    rname: read.name(),
    serial: read.u32(),
    refreshS: read.u32(),
    retryS: read.u32(),
    expireS: read.u32(),
    minimumS: read.u32(),
  }));

const negativeTtlOf = (message: Buffer, envelope: Envelope): number | null => {
  const soa = envelope.records.find((record) => record.section === 2 && record.type === TYPE.SOA);
  return soa === undefined ? null : Math.min(soa.ttlS, soaOf(message, soa).minimumS);
};

/**
 * Whether `reply` is the reply to `request`: same id and opcode, same question. Never throws.
 * A reply without a question is taken for an error, and for an UPDATE, whose sections the server may leave out (RFC 2136 3.8).
 */
export const repliesTo = (request: Buffer, reply: Buffer): boolean => {
  try {
    const [asked, header] = [readHeader(request), readHeader(reply)];
    if (!header.response || header.id !== asked.id || header.opcode !== asked.opcode) return false;
    const [wanted, question] = [readFirstQuestion(request), readFirstQuestion(reply)];
    if (question === null) return header.rcode !== 0 || header.opcode === OPCODE.UPDATE;
    return wanted !== null && question.name === wanted.name && question.type === wanted.type && question.class === wanted.class;
  } catch {
    return false;
  }
};

const CHAIN_MAX = 16;

/** The records of one type that a reply gives for `name`, through at most 16 aliases; `ttlS` is the least on the way, null without records. */
export const follow = (reply: Reply, name: string, type: 'A' | 'AAAA'): { addresses: string[]; ttlS: number | null } => {
  let owner = canonicalName(name);
  let ttlS = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= CHAIN_MAX; step++) {
    const own = reply.answers.filter((answer) => answer.name === owner);
    const found = own.filter((answer) => answer.type === type);
    if (found.length > 0)
      return { addresses: found.map((answer) => answer.data as string), ttlS: Math.min(ttlS, ...found.map((a) => a.ttlS)) };
    const alias = own.find((answer) => answer.type === 'CNAME');
    if (alias === undefined || alias.type !== 'CNAME') break;
    ttlS = Math.min(ttlS, alias.ttlS);
    owner = alias.data as string;
  }
  return { addresses: [], ttlS: null };
};
