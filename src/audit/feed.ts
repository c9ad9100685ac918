// Both chains as one sequence, in the order in which they were committed, which is the same on every replica. A cursor `v<decision>.j<entry>` says how far
// somebody has read: it holds on any replica of the cluster, since it names records and not what one process has sent.
import type { Audit } from '../model.ts';
import type { KeyValue, Store } from '../store/store.ts';
import { KEY_OF } from './chain.ts';
import type { JournalEntry } from './journal.ts';
import type { Chain } from './lines.ts';
import { readBlocks } from './read.ts';

export interface Cursor {
  /** The newest decision, and the newest entry of the journal, that were read. */
  v: number;
  n: number;
}

export const START: Cursor = { v: 0, n: 0 };
export const cursorText = ({ v, n }: Cursor): string => `v${v}.j${n}`;

/** null: it is none. */
export const parseCursor = (text: string): Cursor | null => {
  const [, v, n] = /^v(\d{1,10})\.j(\d{1,10})$/.exec(text) ?? [];
  return v === undefined || n === undefined ? null : { v: Number(v), n: Number(n) };
};

export const isAtLeast = (a: Cursor, b: Cursor): boolean => a.v >= b.v && a.n >= b.n;

export type FeedItem = { cursor: Cursor; mod: number } & (
  | { chain: 'decisions'; record: Audit }
  | { chain: 'journal'; record: JournalEntry }
);

export interface FeedPage {
  items: readonly FeedItem[];
  /** After the last of them. */
  cursor: Cursor;
}

/** Up to so many records by their keys; a longer stretch may have a gap and is read in blocks. */
const KEYS_MAX = 100;

const byCommit = (a: { mod: number; chain: string }, b: { mod: number; chain: string }): number =>
  a.mod - b.mod || (a.chain < b.chain ? -1 : a.chain > b.chain ? 1 : 0);

const readSome = async (
  store: Pick<Store, 'get'>,
  chain: Chain,
  from: number,
  to: number,
  limit: number,
  signal?: AbortSignal,
): Promise<readonly KeyValue[]> => {
  if (from > to) return [];
  if (to - from < KEYS_MAX)
    return (await store.get({ keys: Array.from({ length: to - from + 1 }, (_, i) => KEY_OF[chain](from + i)) }, signal)).kvs.slice(
      0,
      limit,
    );
  const found: KeyValue[] = [];
  for await (const kvs of readBlocks(store, chain, from, to, signal)) {
    found.push(...kvs);
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
};

type Raw = { mod: number } & ({ chain: 'decisions'; record: Audit } | { chain: 'journal'; record: JournalEntry });
const rawDecision = ({ value, mod }: KeyValue): Raw => ({ mod, chain: 'decisions', record: value as Audit });
const rawEntry = ({ value, mod }: KeyValue): Raw => ({ mod, chain: 'journal', record: value as JournalEntry });

const isSound = ({ chain, record }: Raw): boolean => {
  const n = chain === 'decisions' ? record?.v : record?.n;
  return Number.isSafeInteger(n) && Number.isFinite(record?.atMs);
};

const withCursors = (raws: readonly Raw[], from: Cursor): FeedPage => {
  let cursor = from;
  const items = raws.filter(isSound).map((raw): FeedItem => {
    cursor = raw.chain === 'decisions' ? { ...cursor, v: raw.record.v } : { ...cursor, n: raw.record.n };
    return { ...raw, cursor };
  });
  return { items, cursor };
};

/**
 * At most `limit` records behind `from`, in order. `heads`: both chains' ends as read at one revision; what is committed later waits, so that nothing that
 * was committed earlier can be missed. Throws what the store throws.
 */
export const readAfter = async (
  store: Pick<Store, 'get'>,
  from: Cursor,
  heads: Cursor,
  limit: number,
  signal?: AbortSignal,
): Promise<FeedPage> => {
  const [decisions, entries] = await Promise.all([
    readSome(store, 'decisions', from.v + 1, heads.v, limit, signal),
    readSome(store, 'journal', from.n + 1, heads.n, limit, signal),
  ]);
  const merged = [...decisions.map(rawDecision), ...entries.map(rawEntry)].sort(byCommit);
  const page = withCursors(merged.slice(0, limit), from);
  // Nothing is left that could be read: what is missing up to the heads was removed, or never had a number.
  return merged.length <= limit && decisions.length < limit && entries.length < limit ? { ...page, cursor: heads } : page;
};

/** The newest records, about `count` of each chain, from a place on that both chains share; `floor` is that place. Throws what the store throws. */
export const readNewest = async (
  store: Pick<Store, 'get'>,
  heads: Cursor,
  count: number,
  signal?: AbortSignal,
): Promise<FeedPage & { floor: Cursor }> => {
  const from: Cursor = { v: Math.max(0, heads.v - count), n: Math.max(0, heads.n - count) };
  const [decisions, entries] = await Promise.all([
    readSome(store, 'decisions', from.v + 1, heads.v, count, signal),
    readSome(store, 'journal', from.n + 1, heads.n, count, signal),
  ]);
  // Of a chain that was not read from its beginning nothing is known before its oldest record here: the other's older ones are left out.
  const knownFrom = Math.max(
    from.v > 0 ? (decisions[0]?.mod ?? Number.POSITIVE_INFINITY) : 0,
    from.n > 0 ? (entries[0]?.mod ?? Number.POSITIVE_INFINITY) : 0,
  );
  const merged = [...decisions.map(rawDecision), ...entries.map(rawEntry)].sort(byCommit);
  const floor = withCursors(
    merged.filter(({ mod }) => mod < knownFrom),
    from,
  ).cursor;
  const page = withCursors(
    merged.filter(({ mod }) => mod >= knownFrom),
    floor,
  );
  return { ...page, cursor: heads, floor };
};
