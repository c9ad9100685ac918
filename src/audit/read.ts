// The audit as it lies in a store, as lines in the order in which they are verified. Reads a block of numbers at a time: all of it together may be more
// than one read may return. What lies under the audit's keys and does not belong there is a line too.
import { anchorKey, configAuditKey, KEYS } from '../coordinate/keys.ts';
import type { Audit, ClusterConfig, ConfigAudit, Routing } from '../model.ts';
import { type KeyValue, type Store, StoreDefiniteError } from '../store/store.ts';
import { KEY_OF } from './chain.ts';
import { entryHash, isHead, type JournalEntry, type JournalHead } from './journal.ts';
import { type Anchor, type AuditLine, CHAINS, type Chain, configRecordHash, decisionHash, FORMAT } from './lines.ts';

/** Where both chains begin and end, at one revision. */
export interface Ends {
  cluster: string | null;
  configVersion: number;
  heads: Readonly<Record<Chain, JournalHead | null>>;
  anchors: Readonly<Record<Chain, Anchor | null>>;
}

export const isAnchor = (value: unknown): value is Anchor => isHead(value) && 'count' in value && typeof value.count === 'number';

/** Throws what the store throws. */
export const readEnds = async (store: Pick<Store, 'get'>, signal?: AbortSignal): Promise<Ends> => {
  const { kvs } = await store.get({ keys: [KEYS.members, KEYS.routing, KEYS.journal, ...CHAINS.map(anchorKey)] }, signal);
  const value = (key: string): unknown => kvs.find((kv) => kv.key === key)?.value;
  const routing = value(KEYS.routing) as Routing | undefined;
  const journal = value(KEYS.journal);
  const cluster = value(KEYS.members) as ClusterConfig | undefined;
  const anchorOf = (chain: Chain): Anchor | null => {
    const anchor = value(anchorKey(chain));
    return isAnchor(anchor) ? anchor : null;
  };
  return {
    cluster: cluster?.name ?? null,
    configVersion: cluster?.version ?? 0,
    heads: {
      decisions: routing === undefined ? null : { n: routing.v, hash: routing.auditHash },
      journal: isHead(journal) ? { n: journal.n, hash: journal.hash } : null,
    },
    anchors: { decisions: anchorOf('decisions'), journal: anchorOf('journal') },
  };
};

const DIGITS = 10;
const NUMBER_END = 10 ** DIGITS;
const BLOCK = 100;
const STEM: Readonly<Record<Chain, string>> = { decisions: 'audit/', journal: 'journal/' };

/** The prefix that all numbers of a block share: `start` is a multiple of `size`, which is a power of ten. */
const blockPrefix = (chain: Chain, start: number, size: number): string =>
  `${STEM[chain]}${String(start)
    .padStart(DIGITS, '0')
    .slice(0, DIGITS - Math.round(Math.log10(size)))}`;

/** The records of a chain with numbers from `from` to `to`, oldest first, a block at a time. An empty stretch, as an adoption may leave one, costs few reads. */
export async function* readBlocks(
  store: Pick<Store, 'get'>,
  chain: Chain,
  from: number,
  to: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly KeyValue[]> {
  let size = BLOCK;
  for (let n = Math.max(1, from); n <= Math.min(to, NUMBER_END - 1); ) {
    const start = n - (n % size);
    let kvs: readonly KeyValue[];
    try {
      ({ kvs } = await store.get({ prefixes: [blockPrefix(chain, start, size)] }, signal));
    } catch (error) {
      // A block can hold more than one read may return.
      if (size === 1 || (size <= BLOCK && !(error instanceof StoreDefiniteError))) throw error;
      size /= 10;
      continue;
    }
    const [first, last] = [KEY_OF[chain](n), `${KEY_OF[chain](to)}~`];
    const wanted = kvs.filter(({ key }) => key >= first && key < last);
    if (wanted.length > 0) yield wanted;
    n = start + size;
    size = kvs.length > 0 ? BLOCK : Math.min(size * 10, NUMBER_END / 10);
  }
}

const DIGIT = '0123456789';
const PRINTABLE = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
/** A store may take 128 of them at a time. */
const PREFIXES_AT_ONCE = 100;

/** Prefixes under which a chain with numbers from `from` to `to` has nothing: below, above, and what is no number. */
export const strayPrefixes = (chain: Chain, from: number, to: number): readonly string[] => {
  const [low, high] = [from, to].map((n) => String(n).padStart(DIGITS, '0'));
  const beside = Array.from({ length: DIGITS }, (_, at) => [
    ...[...DIGIT].filter((digit) => digit > (high?.[at] ?? '')).map((digit) => `${high?.slice(0, at)}${digit}`),
    ...[...DIGIT].filter((digit) => digit < (low?.[at] ?? '')).map((digit) => `${low?.slice(0, at)}${digit}`),
  ]).flat();
  const noNumber = PRINTABLE.filter((each) => !DIGIT.includes(each) && !(chain === 'decisions' && each === 'c'));
  return [...beside, ...noNumber].map((rest) => `${STEM[chain]}${rest}`);
};

/** Keys of the audit that no record of these chains has. Read before the ends are, so that what is appended meanwhile is none. */
const readStrays = async (store: Pick<Store, 'get'>, { heads, anchors }: Ends, signal?: AbortSignal): Promise<readonly string[]> => {
  const prefixes = CHAINS.flatMap((chain) => strayPrefixes(chain, (anchors[chain]?.n ?? 0) + 1, heads[chain]?.n ?? 0));
  const found: string[] = [];
  for (let at = 0; at < prefixes.length; at += PREFIXES_AT_ONCE) {
    const { kvs } = await store.get({ prefixes: prefixes.slice(at, at + PREFIXES_AT_ONCE) }, signal);
    found.push(...kvs.map(({ key }) => key));
  }
  return found;
};

const isLater = (key: string, before: Ends, now: Ends): boolean =>
  CHAINS.some((chain) => key > KEY_OF[chain](before.heads[chain]?.n ?? 0) && key <= KEY_OF[chain](now.heads[chain]?.n ?? 0));

async function* configLines(store: Pick<Store, 'get'>, oldest: number, newest: number, signal?: AbortSignal): AsyncGenerator<AuditLine> {
  for (let from = Math.max(1, oldest); from <= newest; from += BLOCK) {
    const keys = Array.from({ length: Math.min(BLOCK, newest - from + 1) }, (_, i) => configAuditKey(from + i));
    for (const { key, value } of (await store.get({ keys }, signal)).kvs)
      yield { kind: 'config', key, hash: configRecordHash(value as ConfigAudit), record: value as ConfigAudit };
  }
}

/** Of a record that is taken at its word. */
export const hashOf = (chain: Chain, value: unknown): string =>
  chain === 'decisions' ? decisionHash(value as Audit) : entryHash(value as JournalEntry);

const lineOf = (chain: Chain, { key, value }: KeyValue): AuditLine => {
  const hash = hashOf(chain, value);
  return chain === 'decisions'
    ? { kind: 'decision', key, hash, record: value as Audit }
    : { kind: 'journal', key, hash, record: value as JournalEntry };
};

const atMsOf = (value: unknown): number => (value as { atMs?: number } | null)?.atMs ?? 0;
const numberIn = (value: unknown, chain: Chain): number =>
  Number((value as Record<string, unknown> | null)?.[chain === 'decisions' ? 'v' : 'n']);

/** One chain's lines: its head, the place where it begins, its records. Those older than `sinceMs` are left out at the beginning, as if cut there. */
async function* chainLines(
  store: Pick<Store, 'get'>,
  chain: Chain,
  { heads, anchors }: Ends,
  sinceMs: number | null,
  signal?: AbortSignal,
): AsyncGenerator<AuditLine> {
  const head = heads[chain];
  if (head !== null) yield { kind: 'head', chain, ...head };
  let anchor = anchors[chain];
  let begun = sinceMs === null;
  if (begun && anchor !== null) yield { kind: 'anchor', chain, ...anchor };
  for await (const kvs of readBlocks(store, chain, (anchor?.n ?? 0) + 1, head?.n ?? 0, signal))
    for (const kv of kvs) {
      if (!begun && sinceMs !== null && atMsOf(kv.value) < sinceMs) {
        anchor = { n: numberIn(kv.value, chain), hash: hashOf(chain, kv.value), count: 0, cutAtMs: sinceMs };
        continue;
      }
      if (!begun && anchor !== null) yield { kind: 'anchor', chain, ...anchor };
      begun = true;
      yield lineOf(chain, kv);
    }
  if (!begun && anchor !== null) yield { kind: 'anchor', chain, ...anchor };
}

/**
 * Every line of a store but the seal. Throws what the store throws, and AuditMoved when old records were removed while it read: then begin again.
 * Bounded in memory by a block.
 */
export async function* readAuditLines(
  store: Pick<Store, 'get'>,
  { nowMs, sinceMs, signal }: { nowMs: number; sinceMs: number | null; signal?: AbortSignal },
): AsyncGenerator<AuditLine> {
  const before = await readEnds(store, signal);
  const strays = await readStrays(store, before, signal);
  const ends = await readEnds(store, signal);
  yield { kind: 'export', format: FORMAT, cluster: ends.cluster, atMs: nowMs, sinceMs };
  for (const key of strays) if (!isLater(key, before, ends)) yield { kind: 'stray', key };
  yield* configLines(store, 1, ends.configVersion, signal);
  for (const chain of CHAINS) yield* chainLines(store, chain, ends, sinceMs, signal);
  const after = await readEnds(store, signal);
  if (CHAINS.some((chain) => (after.anchors[chain]?.n ?? 0) !== (before.anchors[chain]?.n ?? 0))) throw new AuditMoved();
}

/** Old records were removed while they were read. */
export class AuditMoved extends Error {
  override readonly name = 'AuditMoved';
}

/** The newest `count` records of a chain. The one before them stands in for the place where the chain was cut. */
async function* newestOf(
  store: Pick<Store, 'get'>,
  chain: Chain,
  { heads, anchors }: Ends,
  count: number,
  signal?: AbortSignal,
): AsyncGenerator<AuditLine> {
  const [head, anchor] = [heads[chain], anchors[chain]];
  if (head === null) return;
  yield { kind: 'head', chain, ...head };
  const oldest = (anchor?.n ?? 0) + 1;
  const from = Math.max(oldest, head.n - count);
  let isBefore = from > oldest;
  if (!isBefore && anchor !== null) yield { kind: 'anchor', chain, ...anchor };
  for await (const kvs of readBlocks(store, chain, from, head.n, signal))
    for (const kv of kvs) {
      if (isBefore) yield { kind: 'anchor', chain, n: numberIn(kv.value, chain), hash: hashOf(chain, kv.value), count: 0, cutAtMs: 0 };
      else yield lineOf(chain, kv);
      isBefore = false;
    }
}

/**
 * The newest records of both chains and of the configurations, to be verified: a quick look, which finds nothing that is older. Throws what the store throws.
 * `moved`: old records were removed meanwhile, so that what is missing in them means nothing.
 */
export const newestLines = async (
  store: Pick<Store, 'get'>,
  count: number,
  signal?: AbortSignal,
): Promise<{ lines: readonly AuditLine[]; end: 'whole' | 'moved' }> => {
  const ends = await readEnds(store, signal);
  const lines: AuditLine[] = [];
  for await (const line of configLines(store, ends.configVersion - count + 1, ends.configVersion, signal)) lines.push(line);
  for (const chain of CHAINS) for await (const line of newestOf(store, chain, ends, count, signal)) lines.push(line);
  const after = await readEnds(store, signal);
  const hasMoved = CHAINS.some((chain) => (after.anchors[chain]?.n ?? 0) !== (ends.anchors[chain]?.n ?? 0));
  return { lines, end: hasMoved ? 'moved' : 'whole' };
};
