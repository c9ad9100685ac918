// The envelope of a DNS message (RFC 1035 section 4): header, names, records with their raw data, every length checked.
// One strict reader serves replies, UPDATE and TSIG. Written by hand because the library at hand ignores record lengths and knows neither
// TSIG nor class NONE; it remains the second opinion in the tests. Anything malformed is a Fault ERR_DNS, never a crash. Pure.
import { Fault } from '../errors.ts';

export const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, OPT: 41, TSIG: 250, ANY: 255 } as const;
export const CLASS = { IN: 1, NONE: 254, ANY: 255 } as const;
export const OPCODE = { QUERY: 0, UPDATE: 5 } as const;

/** Two bytes of length on a stream, and no more in a datagram. */
export const MESSAGE_BYTES_MAX = 65_535;
const HEADER_BYTES = 12;
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'];

/** The registered name of a response code, `RCODE<n>` when it has none here. 16 and above come from EDNS. */
export const rcodeName = (code: number): string => RCODES[code] ?? (code === 16 ? 'BADVERS' : `RCODE${code}`);

export interface Header {
  id: number;
  response: boolean;
  opcode: number;
  authoritative: boolean;
  truncated: boolean;
  recursionAvailable: boolean;
  /** Without the part in EDNS. */
  rcode: number;
}

export interface Question {
  name: string;
  type: number;
  class: number;
}

export interface RawRecord extends Question {
  /** 1 answer or prerequisite, 2 authority or update, 3 additional. */
  section: 1 | 2 | 3;
  ttlS: number;
  /** Where the record and its data start in the message: names in the data may point back. */
  startsAt: number;
  dataAt: number;
  data: Buffer;
}

export interface Envelope extends Header {
  questions: readonly Question[];
  records: readonly RawRecord[];
}

const malformed = (message: Buffer, what: string): Fault => new Fault('ERR_DNS', `DNS message of ${message.length} bytes: ${what}`);

/** Throws Fault ERR_DNS. Does not look at the questions. */
export const readHeader = (message: Buffer): Header => {
  if (message.length < HEADER_BYTES) throw malformed(message, `shorter than a header of ${HEADER_BYTES}`);
  const flags = message.readUInt16BE(2);
  return {
    id: message.readUInt16BE(0),
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    rcode: flags & 15,
  };
};

/** Throws Fault ERR_DNS unless the sections fill the message exactly. */
export const readEnvelope = (message: Buffer): Envelope => {
  const header = readHeader(message);
  const read = reader(message, HEADER_BYTES);
  const questions = Array.from(counted(message, 0), () => read.question());
  const records: RawRecord[] = [];
  for (const section of [1, 2, 3] as const) for (const _ of counted(message, section)) records.push(read.record(section));
  if (read.at() !== message.length) throw malformed(message, `${message.length - read.at()} bytes follow the last record`);
  return { ...header, questions, records };
};

/** As many steps as the header announces: lazily, since it may announce more than the message can hold. */
function* counted(message: Buffer, section: 0 | 1 | 2 | 3): Generator<number> {
  for (let at = 0; at < message.readUInt16BE(4 + section * 2); at++) yield at;
}

/** The first question; null when the message has none. Reads no further, so a truncated rest does not matter. */
export const readFirstQuestion = (message: Buffer): Question | null => {
  readHeader(message);
  return message.readUInt16BE(4) === 0 ? null : reader(message, HEADER_BYTES).question();
};

/** A cursor over a message; every step throws Fault ERR_DNS past the end. */
export const reader = (message: Buffer, start: number) => {
  let at = start;
  const take = (bytes: number): number => {
    if (at + bytes > message.length) throw malformed(message, `ends within a field of ${bytes} bytes at byte ${at}`);
    at += bytes;
    return at - bytes;
  };
  const u8 = (): number => message.readUInt8(take(1));
  const u16 = (): number => message.readUInt16BE(take(2));
  const u32 = (): number => message.readUInt32BE(take(4));
  const u48 = (): number => message.readUIntBE(take(6), 6);
  const bytes = (count: number): Buffer => message.subarray(take(count), at);
  const name = (): string => {
    const found = nameAt(message, at);
    at = found.next;
    return found.name;
  };
  const question = (): Question => ({ name: name(), type: u16(), class: u16() });
  const record = (section: 1 | 2 | 3): RawRecord => {
    const startsAt = at;
    const head = { ...question(), section, ttlS: u32(), startsAt };
    const length = u16();
    return { ...head, dataAt: at, data: bytes(length) };
  };
  return { at: () => at, u8, u16, u32, u48, bytes, name, question, record };
};

/** Follows pointers strictly backwards, so it ends. `next` is the byte after the name where it started. */
const nameAt = (message: Buffer, start: number): { name: string; next: number } => {
  const labels: string[] = [];
  let at = start;
  let piece = start;
  let next: number | null = null;
  let total = 1;
  for (;;) {
    const length = message[at];
    if (length === undefined) throw malformed(message, `ends within the name at byte ${start}`);
    if (length === 0) break;
    if ((length & 0xc0) === 0xc0) {
      const low = message[at + 1];
      const target = ((length & 0x3f) << 8) | (low ?? 0);
      if (low === undefined || target >= piece) throw malformed(message, `the name at byte ${start} points forward or nowhere`);
      next ??= at + 2;
      at = piece = target;
      continue;
    }
    if (length > LABEL_BYTES_MAX) throw malformed(message, `a label of unknown kind 0x${length.toString(16)} at byte ${at}`);
    total += length + 1;
    if (total > NAME_BYTES_MAX) throw malformed(message, `the name at byte ${start} is longer than ${NAME_BYTES_MAX} bytes`);
    if (at + 1 + length > message.length) throw malformed(message, `ends within the name at byte ${start}`);
    labels.push(labelText(message.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return { name: labels.length === 0 ? '.' : labels.join('.'), next: next ?? at + 1 };
};

/** Lower-case; what is not printable or would be read as structure is escaped in the way of zone files, so different names stay different. */
const labelText = (label: Buffer): string =>
  asciiLower(label.toString('latin1')).replace(/[^!-~]|[.\\]/g, (char) =>
    char === '.' || char === '\\' ? `\\${char}` : `\\${String(char.charCodeAt(0)).padStart(3, '0')}`,
  );

/** The name we use everywhere: lower-case, without the dot at the end; the root is ".". */
export const canonicalName = (name: string): string => asciiLower(name).replace(/(?<=[^.])\.$/, '');

/** DNS folds the case of ASCII letters and of nothing else (RFC 4343). */
const asciiLower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Lower-case, uncompressed. Throws Fault ERR_DNS for what is not a name of printable labels. */
export const nameBytes = (name: string): Buffer => {
  const plain = canonicalName(name);
  const labels = plain === '.' ? [] : plain.split('.');
  const parts: Buffer[] = [];
  for (const label of labels) {
    if (!/^[!-[\]-~]{1,63}$/.test(label)) {
      throw new Fault('ERR_DNS', `"${name}" is not a DNS name: label "${label}" must have 1 to 63 printable characters and no backslash`);
    }
    parts.push(Buffer.of(label.length), Buffer.from(label, 'latin1'));
  }
  const bytes = Buffer.concat([...parts, Buffer.of(0)]);
  if (bytes.length > NAME_BYTES_MAX)
    throw new Fault('ERR_DNS', `"${name}" is not a DNS name: ${bytes.length} bytes, at most ${NAME_BYTES_MAX}`);
  return bytes;
};

export const u16Bytes = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, at * 2);
  return bytes;
};

export const headerBytes = (id: number, flags: number, counts: readonly [number, number, number, number]): Buffer =>
  u16Bytes(id, flags, ...counts);

/** In: ttlS within 32 bits, data at most 65535 bytes. */
export const recordBytes = (record: { name: string; type: number; class: number; ttlS: number; data: Uint8Array }): Buffer => {
  const ttl = Buffer.alloc(4);
  ttl.writeUInt32BE(record.ttlS);
  return Buffer.concat([nameBytes(record.name), u16Bytes(record.type, record.class), ttl, u16Bytes(record.data.length), record.data]);
};

/** RFC 1035 3.3.14: one TXT record of one string. Throws Fault ERR_DNS over 255 bytes. */
export const txtBytes = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length > 255) throw new Fault('ERR_DNS', `a text of ${bytes.length} bytes does not fit one DNS string of 255`);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
};
