// Signed DNS messages (TSIG, RFC 8945) with HMAC-SHA-256 or -512, one message at a time. A reply is signed over the request's MAC, so it
// answers this request and no other. Time is an argument. No truncated MACs, no GSS, no multi-message streams. Pure.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Fault } from '../errors.ts';
import { CLASS, canonicalName, nameBytes, readEnvelope, reader, recordBytes, TYPE, u16Bytes } from './wire.ts';

export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha512';

export interface TsigKey {
  name: string;
  algorithm: TsigAlgorithm;
  secret: Buffer;
}

const HASHES: Record<TsigAlgorithm, string> = { 'hmac-sha256': 'sha256', 'hmac-sha512': 'sha512' };

/** How far the two clocks may be apart (RFC 8945 section 10). */
export const FUDGE_S = 300;

export type TsigError = 'NOERROR' | 'BADSIG' | 'BADKEY' | 'BADTIME' | 'BADTRUNC' | 'UNKNOWN';
const ERROR_CODES = { NOERROR: 0, BADSIG: 16, BADKEY: 17, BADTIME: 18, BADTRUNC: 22 } as const;

export type Verified =
  /** `error`: what the sender says of our message; `peerTimeS`: its clock, told with BADTIME. */
  | { ok: true; mac: Buffer; error: TsigError; peerTimeS: number | null }
  /** `problem`: why the message cannot be trusted. `claim`: what it says of ours, if it is to be believed at all. */
  | { ok: false; problem: 'unsigned' | 'BADSIG' | 'BADKEY' | 'BADTIME'; claim: TsigError; because: string };

interface TsigRecord {
  keyName: string;
  algorithm: string;
  timeS: number;
  fudgeS: number;
  mac: Buffer;
  originalId: number;
  error: number;
  other: Buffer;
}

/** What of the record the MAC covers (RFC 8945 4.3.3). */
const variables = (record: Omit<TsigRecord, 'mac' | 'originalId'>): Buffer =>
  Buffer.concat([
    nameBytes(record.keyName),
    u16Bytes(CLASS.ANY, 0, 0),
    nameBytes(record.algorithm),
    timeBytes(record.timeS),
    u16Bytes(record.fudgeS, record.error, record.other.length),
    record.other,
  ]);

const timeBytes = (timeS: number): Buffer => {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(timeS, 0, 6);
  return bytes;
};

const macOf = (key: TsigKey, requestMac: Buffer | undefined, bare: Buffer, signed: Omit<TsigRecord, 'mac' | 'originalId'>): Buffer => {
  const hmac = createHmac(HASHES[key.algorithm], key.secret);
  if (requestMac !== undefined) hmac.update(u16Bytes(requestMac.length)).update(requestMac);
  return hmac.update(bare).update(variables(signed)).digest();
};

/**
 * Appends the signature. In: a whole message without one; `nowS` seconds since 1970; `requestMac` when signing a reply.
 * Out: the signed message, and its MAC for verifying the reply.
 */
export const sign = (
  message: Buffer,
  key: TsigKey,
  nowS: number,
  options: { requestMac?: Buffer; fudgeS?: number; error?: keyof typeof ERROR_CODES; other?: Buffer } = {},
): { message: Buffer; mac: Buffer } => {
  const signed = {
    keyName: canonicalName(key.name),
    algorithm: key.algorithm,
    timeS: nowS,
    fudgeS: options.fudgeS ?? FUDGE_S,
    error: ERROR_CODES[options.error ?? 'NOERROR'],
    other: options.other ?? Buffer.alloc(0),
  };
  const mac = macOf(key, options.requestMac, message, signed);
  return { message: withRecord(message, { ...signed, mac, originalId: message.readUInt16BE(0) }), mac };
};

const withRecord = (message: Buffer, record: TsigRecord): Buffer => {
  const data = Buffer.concat([
    nameBytes(record.algorithm),
    timeBytes(record.timeS),
    u16Bytes(record.fudgeS, record.mac.length),
    record.mac,
    u16Bytes(record.originalId, record.error, record.other.length),
    record.other,
  ]);
  const whole = Buffer.concat([message, recordBytes({ name: record.keyName, type: TYPE.TSIG, class: CLASS.ANY, ttlS: 0, data })]);
  whole.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return whole;
};

/** Splits a message into what was signed and the signature; null: there is none. Throws Fault: ERR_DNS for a malformed message, ERR_TSIG for a malformed or misplaced signature. */
const split = (message: Buffer): { bare: Buffer; record: TsigRecord } | null => {
  const { records } = readEnvelope(message);
  const at = records.findIndex((record) => record.type === TYPE.TSIG);
  if (at < 0) return null;
  const found = records[at]!;
  if (at !== records.length - 1 || found.section !== 3 || found.class !== CLASS.ANY || found.ttlS !== 0) {
    throw new Fault('ERR_TSIG', 'a DNS message with a signature that is not its last record, or not of class ANY and TTL 0');
  }
  const read = reader(message, found.dataAt);
  const [algorithm, timeS, fudgeS, mac] = [read.name(), read.u48(), read.u16(), read.bytes(read.u16())];
  const [originalId, error, other] = [read.u16(), read.u16(), read.bytes(read.u16())];
  if (read.at() !== message.length) throw new Fault('ERR_TSIG', 'a DNS message whose signature is longer or shorter than its parts');
  const bare = Buffer.from(message.subarray(0, found.startsAt));
  bare.writeUInt16BE(originalId, 0);
  bare.writeUInt16BE(message.readUInt16BE(10) - 1, 10);
  return { bare, record: { keyName: found.name, algorithm, timeS, fudgeS, mac, originalId, error, other } };
};

const errorName = (code: number): TsigError =>
  (Object.entries(ERROR_CODES) as [keyof typeof ERROR_CODES, number][]).find(([, known]) => known === code)?.[0] ?? 'UNKNOWN';

/**
 * Checks key, then MAC, then time (the order of RFC 8945 5.2). `requestMac` when verifying a reply. Never throws on what the peer sent
 * unless it is malformed (Fault ERR_DNS, ERR_TSIG).
 */
export const verify = (message: Buffer, key: TsigKey, nowS: number, requestMac?: Buffer): Verified => {
  const parts = split(message);
  if (parts === null) return { ok: false, problem: 'unsigned', claim: 'NOERROR', because: 'the message carries no signature' };
  const { bare, record } = parts;
  const claim = errorName(record.error);
  const refuse = (problem: 'unsigned' | 'BADSIG' | 'BADKEY' | 'BADTIME', because: string): Verified => ({
    ok: false,
    problem,
    claim,
    because,
  });
  if (record.keyName !== canonicalName(key.name) || record.algorithm !== key.algorithm) {
    return refuse(
      'BADKEY',
      `signed with ${record.algorithm} key ${record.keyName}, expected ${key.algorithm} key ${canonicalName(key.name)}`,
    );
  }
  // A peer that does not know the key, or could not verify our MAC, answers with an empty one.
  if (record.mac.length === 0) return refuse('unsigned', `the signature is empty and says ${claim}`);
  const expected = macOf(key, requestMac, bare, record);
  if (record.mac.length !== expected.length || !timingSafeEqual(record.mac, expected))
    return refuse('BADSIG', 'the signature does not match');
  if (Math.abs(nowS - record.timeS) > record.fudgeS) {
    return refuse(
      'BADTIME',
      `signed ${Math.abs(nowS - record.timeS)} s ${record.timeS < nowS ? 'ago' : 'in the future'}, at most ${record.fudgeS} s`,
    );
  }
  const peerTimeS = claim === 'BADTIME' && record.other.length === 6 ? record.other.readUIntBE(0, 6) : null;
  return { ok: true, mac: record.mac, error: claim, peerTimeS };
};

const SECRET_BYTES_MIN = 16;

/** The text of a secret file: base64, white space aside. Throws Fault ERR_SECRET naming `where`, never the text. */
export const secretFromText = (text: string, where: string): Buffer => {
  const bare = text.replace(/\s+/g, '');
  const secret = Buffer.from(bare, 'base64');
  if (secret.toString('base64') !== bare || secret.length < SECRET_BYTES_MIN) {
    throw new Fault(
      'ERR_SECRET',
      `${where}: expected the base64 text of a TSIG secret of at least ${SECRET_BYTES_MIN} bytes and nothing else; make one with tsig-keygen and keep only the part in quotes`,
    );
  }
  return secret;
};
