// Requests that were answered, by hash of their Idempotency-Key, in the store and in the transaction of the order itself: a retry at any region's endpoint
// finds the first answer. Bounded: a day, and the newest few hundred; an order outlives its record here, and its id is made from the key.
import { sha256 } from '../audit/canonical.ts';
import { askedKey, KEYS } from '../coordinate/keys.ts';
import type { Op } from '../store/store.ts';
import type { Records } from './ledger.ts';

export const ASKED_MAX = 300;
export const ASKED_MS = 24 * 3_600_000;
const GONE_MAX = 50;

/** `asked`: which are kept, oldest first. */
export interface AskedList {
  items: readonly { hash: string; atMs: number }[];
}

/** `asked/<hash>` */
interface Asked<T> {
  fingerprint: string;
  atMs: number;
  answer: T;
}

/** Keys are the principal's own: nobody reads an answer by guessing another's. */
export const keyHash = (principal: string, key: string): string => sha256(JSON.stringify([principal, key])).slice(0, 40);
export const fingerprintOf = (body: unknown): string => sha256(JSON.stringify(body) ?? '');

export const askedKeys = (hash: string): readonly string[] => [KEYS.asked, askedKey(hash)];

export const askedBefore = <T>(records: Records, hash: string, nowMs: number): Asked<T> | undefined => {
  const found = records.value<Asked<T>>(askedKey(hash));
  return found !== undefined && nowMs - found.atMs < ASKED_MS ? found : undefined;
};

/** To be part of the transaction, guarded on both of `askedKeys`. */
export const askedOps = <T>(records: Records, hash: string, asked: Asked<T>): readonly Op[] => {
  const others = (records.value<AskedList>(KEYS.asked)?.items ?? []).filter((item) => item.hash !== hash);
  const kept = new Set(others.filter(({ atMs }) => asked.atMs - atMs < ASKED_MS).slice(-(ASKED_MAX - 1)));
  // A few at a time, since a transaction is bounded; the rest goes with the next.
  const gone = new Set(others.filter((item) => !kept.has(item)).slice(0, GONE_MAX));
  return [
    { put: KEYS.asked, value: { items: [...others.filter((item) => !gone.has(item)), { hash, atMs: asked.atMs }] } satisfies AskedList },
    { put: askedKey(hash), value: asked },
    ...[...gone].map((item): Op => ({ del: askedKey(item.hash) })),
  ];
};
