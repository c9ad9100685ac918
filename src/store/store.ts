// The store port: a linearizable register with compare-and-write, which others have already got right. Nothing here retries.
// Every record that is written carries a nonce, so that a writer left in doubt can read back whether its own write happened.

/** A stored record. `mod` is the revision of its last write; a missing key has mod 0 in a condition. `value` is JSON. */
export interface KeyValue {
  key: string;
  value: unknown;
  mod: number;
}

export interface Read {
  /** Revision of the whole store at which this was read; every committed transaction that writes raises it by one. */
  rev: number;
  kvs: readonly KeyValue[];
}

export interface Query {
  keys?: readonly string[];
  prefixes?: readonly string[];
}

export type Op = { put: string; value: unknown } | { del: string };

export interface Txn {
  /** All must hold: the key's last write has this revision; 0 means the key does not exist. */
  if: readonly { key: string; mod: number }[];
  then: readonly Op[];
  /** Keys to return when a condition fails. */
  else?: readonly string[];
}

export interface TxnResult {
  ok: boolean;
  rev: number;
  kvs: readonly KeyValue[];
}

/**
 * `changed`: these keys were written or deleted at this revision. `value`: what was written to one of them, where the store sends that along; undefined for
 * a key that is gone, and for one that has to be read. `resync`: events may have been missed.
 */
export type WatchEvent = { kind: 'changed'; rev: number; keys: readonly string[]; value?: (key: string) => unknown } | { kind: 'resync' };

export interface Watch {
  close(): void;
}

export interface Store {
  /** Identity of the store's data; changes when it is created anew. */
  readonly clusterId: string;
  /** Linearizable: sees every transaction acknowledged before it was called. All keys and prefixes in one snapshot, sorted by key. */
  get(query: Query, signal?: AbortSignal): Promise<Read>;
  /** Rejects with StoreDefiniteError (did not happen) or StoreAmbiguousError (may have happened, may happen later). */
  txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult>;
  /** A hint to look again, never evidence: events come late, and in any order. */
  watch(prefix: string, onEvent: (event: WatchEvent) => void): Watch;
  close(): Promise<void>;
}

/** The transaction did not and will not happen. */
export class StoreDefiniteError extends Error {
  override readonly name = 'StoreDefiniteError';
}

/** Nobody knows whether the transaction happened or will: read back the nonce. */
export class StoreAmbiguousError extends Error {
  override readonly name = 'StoreAmbiguousError';
}

/** Largest value of a record; larger ones are refused before anything is written. The configuration of 20,000 targets fits, half of what etcd takes as deploy/etcd starts it. */
export const VALUE_BYTES_MAX = 4 * 1024 * 1024;
/** Most conditions plus operations in a transaction. etcd's default limit is 128 of each. */
export const TXN_ITEMS_MAX = 512;
