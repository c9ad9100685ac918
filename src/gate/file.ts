// A gate's memory on disk: the records it last answered from, with a checksum, so that a restart without a store answers as before. What does not read
// back exactly as it was written, or was written by another replica, is no memory: nothing is drained by it.
import { createHash } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { z } from 'zod';
import { type GateRecord, parseGate } from '../../providers/gate/record.ts';
import { type Disk, fileDisk } from '../disk.ts';
import type { Known } from './answers.ts';

export interface Memory {
  known: Known;
  /** When the store last confirmed it, by this machine's wall clock. */
  seenAtMs: number;
}

/** The file as a gate needs it. */
export interface GateFile extends Pick<Disk, 'read' | 'replace'> {
  /** Puts away a file that is not ours, so that it is neither believed nor lost. */
  setAside(): Promise<void>;
}

export const gateFile = (path: string): GateFile => ({ ...fileDisk(path), setAside: () => rename(path, `${path}.refused`) });

const shape = z.object({
  of: z.string(),
  seenAtMs: z.number(),
  clusterId: z.string().nullable(),
  adopted: z.object({ nonce: z.string(), atMs: z.number() }).nullable(),
  records: z.record(z.string(), z.unknown()),
});

const envelope = z.object({ tidegateGate: z.literal(1), sum: z.string(), memory: z.string() });

const sumOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** `of`: the replica, as `region/replica`. */
export const memoryText = ({ known, seenAtMs }: Memory, of: string): string => {
  const memory = JSON.stringify({
    of,
    seenAtMs,
    clusterId: known.clusterId,
    adopted: known.adopted,
    records: Object.fromEntries(known.records),
  });
  return `${JSON.stringify({ tidegateGate: 1, sum: sumOf(memory), memory })}\n`;
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** What the text says, or why it is not believed. */
export const readMemory = (text: string, of: string): Memory | string => {
  const outer = envelope.safeParse(jsonOf(text));
  if (!outer.success) return 'it is not the memory of a gate, or was cut off';
  if (outer.data.sum !== sumOf(outer.data.memory)) return 'its checksum is wrong: it was changed or damaged';
  const inner = shape.safeParse(jsonOf(outer.data.memory));
  if (!inner.success) return 'another release wrote it';
  if (inner.data.of !== of) return `${inner.data.of} wrote it, and this is ${of}`;
  const records = new Map<string, GateRecord>();
  for (const [service, value] of Object.entries(inner.data.records)) {
    const record = parseGate(value);
    if (record === null) return `its record of ${service} is not understood`;
    records.set(service, record);
  }
  return { known: { clusterId: inner.data.clusterId, adopted: inner.data.adopted, records }, seenAtMs: inner.data.seenAtMs };
};
