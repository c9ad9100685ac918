// UPDATE messages (RFC 2136): all prerequisites hold and all updates happen, or nothing does. Only what a fenced replacement of record
// sets needs: "this set is exactly", "this set is absent", delete a set, add a record. Names lower-case and uncompressed. Pure.
import { Fault } from '../errors.ts';
import {
  CLASS,
  headerBytes,
  MESSAGE_BYTES_MAX,
  nameBytes,
  OPCODE,
  type RawRecord,
  readEnvelope,
  recordBytes,
  TYPE,
  u16Bytes,
} from './wire.ts';

export type Prerequisite =
  /** The whole set, order aside, byte for byte (RFC 2136 2.4.2). */
  { rule: 'exactly'; name: string; type: number; data: readonly Buffer[] } | { rule: 'absent'; name: string; type: number };

export type Update = { act: 'delete'; name: string; type: number } | { act: 'add'; name: string; type: number; ttlS: number; data: Buffer };

export interface UpdateMessage {
  id: number;
  zone: string;
  prerequisites: readonly Prerequisite[];
  updates: readonly Update[];
}

const UPDATE_FLAGS = OPCODE.UPDATE << 11;
/** Room for the signature that follows. */
const SIGNATURE_BYTES_MAX = 512;
export const UPDATE_BYTES_MAX = MESSAGE_BYTES_MAX - SIGNATURE_BYTES_MAX;
const NOTHING = Buffer.alloc(0);

/** Throws Fault ERR_DNS for bad names and for a message over UPDATE_BYTES_MAX. */
export const encodeUpdate = (message: UpdateMessage): Buffer => {
  const prerequisites = message.prerequisites.flatMap(prerequisiteRecords);
  const updates = message.updates.map(updateRecord);
  const bytes = Buffer.concat([
    headerBytes(message.id, UPDATE_FLAGS, [1, prerequisites.length, updates.length, 0]),
    nameBytes(message.zone),
    u16Bytes(TYPE.SOA, CLASS.IN),
    ...prerequisites,
    ...updates,
  ]);
  if (bytes.length > UPDATE_BYTES_MAX) {
    throw new Fault(
      'ERR_DNS',
      `an update of zone ${message.zone} takes ${bytes.length} bytes, at most ${UPDATE_BYTES_MAX}; change fewer records at once`,
    );
  }
  return bytes;
};

const prerequisiteRecords = (rule: Prerequisite): Buffer[] => {
  const { name, type } = rule;
  return rule.rule === 'absent'
    ? [recordBytes({ name, type, class: CLASS.NONE, ttlS: 0, data: NOTHING })]
    : rule.data.map((data) => recordBytes({ name, type, class: CLASS.IN, ttlS: 0, data }));
};

const updateRecord = (update: Update): Buffer => {
  const { name, type } = update;
  return update.act === 'delete'
    ? recordBytes({ name, type, class: CLASS.ANY, ttlS: 0, data: NOTHING })
    : recordBytes({ name, type, class: CLASS.IN, ttlS: update.ttlS, data: update.data });
};

/** The reverse of `encodeUpdate`, signature aside. Throws Fault ERR_DNS on anything that it could not have made. */
export const decodeUpdate = (message: Buffer): UpdateMessage => {
  const envelope = readEnvelope(message);
  const zone = envelope.questions[0];
  if (envelope.response || envelope.opcode !== OPCODE.UPDATE) throw new Fault('ERR_DNS', 'the DNS message is not an update request');
  if (zone === undefined || envelope.questions.length !== 1 || zone.type !== TYPE.SOA || zone.class !== CLASS.IN) {
    throw new Fault('ERR_DNS', 'an update names exactly one zone, by type SOA and class IN');
  }
  const prerequisites: Prerequisite[] = [];
  for (const record of envelope.records.filter((some) => some.section === 1)) addPrerequisite(prerequisites, record);
  const updates = envelope.records.filter((record) => record.section === 2).map(updateOf);
  return { id: envelope.id, zone: zone.name, prerequisites, updates };
};

const addPrerequisite = (rules: Prerequisite[], record: RawRecord): void => {
  const { name, type, data } = record;
  if (record.ttlS !== 0) throw unknownRecord(record);
  if (record.class === CLASS.NONE && data.length === 0) {
    rules.push({ rule: 'absent', name, type });
    return;
  }
  if (record.class !== CLASS.IN) throw unknownRecord(record);
  const at = rules.findIndex((rule) => rule.rule === 'exactly' && rule.name === name && rule.type === type);
  const same = rules[at];
  if (same?.rule === 'exactly') rules[at] = { ...same, data: [...same.data, data] };
  else rules.push({ rule: 'exactly', name, type, data: [data] });
};

const updateOf = (record: RawRecord): Update => {
  const { name, type, data, ttlS } = record;
  if (record.class === CLASS.IN) return { act: 'add', name, type, ttlS, data };
  if (record.class === CLASS.ANY && data.length === 0 && ttlS === 0 && type !== TYPE.ANY) return { act: 'delete', name, type };
  throw unknownRecord(record);
};

const unknownRecord = (record: RawRecord): Fault =>
  new Fault(
    'ERR_DNS',
    `an update with a record of class ${record.class}, TTL ${record.ttlS} at ${record.name}: not a rule or change known here`,
  );
