// What an export consists of, one record a line; a store's records are turned into the same to be verified. Types and hashes only. Pure.
import type { Audit, ConfigAudit } from '../model.ts';
import { canonicalJson, sha256 } from './canonical.ts';
import type { JournalEntry } from './journal.ts';

export type Chain = 'decisions' | 'journal';
export const CHAINS = ['decisions', 'journal'] as const;

/** `anchor/<chain>`: where the chain was cut. Stands for the record `n`, which is gone with all before it. */
export interface Anchor {
  n: number;
  /** Of the newest record that was removed: what the oldest one left must name. */
  hash: string;
  /** Records removed in all. */
  count: number;
  cutAtMs: number;
  /** What was removed did not prove itself: a version that left no anchor had removed some, or somebody else. */
  unproved?: true;
}

/** Of the lines below. */
export const FORMAT = 1;

/** One line of an export; also what a store's records are turned into to be verified. */
export type AuditLine =
  | { kind: 'export'; format: number; cluster: string | null; atMs: number; sinceMs: number | null }
  | { kind: 'head'; chain: Chain; n: number; hash: string }
  | ({ kind: 'anchor'; chain: Chain } & Anchor)
  | { kind: 'decision'; key: string; hash: string; record: Audit }
  | { kind: 'journal'; key: string; hash: string; record: JournalEntry }
  | { kind: 'config'; key: string; hash: string; record: ConfigAudit }
  /** A record where none belongs. */
  | { kind: 'stray'; key: string }
  /** The last line: how many came before it, and the SHA-256 of all of them with their line ends. */
  | { kind: 'end'; lines: number; sha256: string };

/** What the next decision's record, and the routing record, name. */
export const decisionHash = (record: Audit): string => sha256(JSON.stringify(record));
export const configRecordHash = (record: ConfigAudit): string => sha256(canonicalJson(record));
