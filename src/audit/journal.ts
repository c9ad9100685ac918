// The journal: what humans and machines did beside deciding, as a chain. Decisions are a chain of their own (`audit/<v>`, linked in the routing record).
// `journal` is the head {n, hash}; `journal/<n>` an entry that carries the hash of the one before and the last decision that its writer saw, so that the
// two chains hold each other in time. An act and its entry are ONE transaction: neither is ever there without the other.
import type { Principal } from '../api/access.ts';
import { journalKey, KEYS } from '../coordinate/keys.ts';
import type { Routing } from '../model.ts';
import type { KeyValue, Op, Store } from '../store/store.ts';
import { canonicalJson, sha256 } from './canonical.ts';

export const JOURNAL_KINDS = [
  'override.put',
  'override.deleted',
  'override.approved',
  'reports.put',
  'config.applied',
  'auth.refused',
  'token.used',
  'adopted',
  'acknowledged',
  'page.replayed',
  'page.acknowledged',
  'run.begun',
  'run.approved',
  'run.answered',
  'run.aborted',
  'run.undone',
  'run.forced',
  'data.settled',
  'data.unsettled',
] as const;
export type JournalKind = (typeof JOURNAL_KINDS)[number];

/** How whoever acted was known. `store`: by the store's own credentials, from a command line. `service`: a replica by itself. */
export type How = Principal['how'] | 'store' | 'service';

/** What is to be recorded. */
export interface Draft {
  kind: JournalKind;
  /** Who: the name of the principal, the owner that a command was given, or `region/replica`. */
  by: string;
  how: How;
  /** One sentence: what was done, and why as far as it was said. */
  because: string;
  detail: Readonly<Record<string, unknown>>;
  /** Cluster time where the writer knows it, else its wall clock. */
  atMs: number;
  /** Made anew for each act, and the same at each of its tries: an entry whose reply was lost is found by it. */
  nonce: string;
}

/** `journal/<n>`. Its hash is the SHA-256 of its canonical JSON (RFC 8785). */
export interface JournalEntry extends Draft {
  /** Counted from 1 without a gap. */
  n: number;
  /** The last decision that was there when it was written, and that decision's hash; 0 and empty: none. */
  v: number;
  decisionHash: string;
  /** Hash of the entry before; empty for the first. */
  prevHash: string;
}

/** `journal`. */
export interface JournalHead {
  n: number;
  hash: string;
}

/** Where the chain ends, as read in one snapshot. */
export interface Head extends JournalHead {
  /** Revision of the head record; 0: there is none. */
  mod: number;
  v: number;
  decisionHash: string;
}

/** What has to be read, at one revision, to append. */
export const JOURNAL_KEYS = [KEYS.journal, KEYS.routing] as const;

/** Of one entry's detail, as JSON; what is larger is told by its size and hash. */
export const DETAIL_BYTES_MAX = 16 * 1024;
/** Of its sentence. */
const BECAUSE_CHARS_MAX = 1_000;

/** The head among the records of a read that asked for JOURNAL_KEYS. A damaged head counts as none: an order must not wait for a repair, and verifying tells. */
export const headOf = (kvs: readonly KeyValue[]): Head => {
  const head = kvs.find(({ key }) => key === KEYS.journal);
  const routing = kvs.find(({ key }) => key === KEYS.routing)?.value as Routing | undefined;
  return {
    ...(isHead(head?.value) ? { n: head.value.n, hash: head.value.hash } : { n: 0, hash: '' }),
    mod: head?.mod ?? 0,
    v: routing?.v ?? 0,
    decisionHash: routing?.auditHash ?? '',
  };
};

export const isHead = (value: unknown): value is JournalHead =>
  typeof value === 'object' &&
  value !== null &&
  'n' in value &&
  Number.isSafeInteger(value.n) &&
  Number(value.n) >= 0 &&
  'hash' in value &&
  typeof value.hash === 'string';

/** Throws what the store throws. */
export const readHead = async (store: Pick<Store, 'get'>, signal?: AbortSignal): Promise<Head> =>
  headOf((await store.get({ keys: JOURNAL_KEYS }, signal)).kvs);

export const entryHash = (entry: JournalEntry): string => sha256(canonicalJson(entry));

export interface Appended {
  entries: readonly JournalEntry[];
  /** To be added to the transaction of the act. Failing: somebody else appended; read the head again. */
  conditions: readonly { key: string; mod: number }[];
  ops: readonly Op[];
}

/** The entries behind a head, in order, with what makes them part of a transaction. Several acts of one transaction are given together. Pure. */
export const appendOps = (head: Head, ...drafts: readonly Draft[]): Appended => {
  const entries: JournalEntry[] = [];
  let last: JournalHead = head;
  for (const draft of drafts) {
    const entry = entryOf(head, last, draft);
    entries.push(entry);
    last = { n: entry.n, hash: entryHash(entry) };
  }
  return {
    entries,
    conditions: [{ key: KEYS.journal, mod: head.mod }],
    ops: [
      { put: KEYS.journal, value: { n: last.n, hash: last.hash } satisfies JournalHead },
      ...entries.map((entry): Op => ({ put: journalKey(entry.n), value: entry })),
    ],
  };
};

const entryOf = (head: Head, last: JournalHead, { kind, by, how, because, detail, atMs, nonce }: Draft): JournalEntry => ({
  n: last.n + 1,
  atMs: Math.round(atMs),
  kind,
  by,
  how,
  because: because.length > BECAUSE_CHARS_MAX ? `${because.slice(0, BECAUSE_CHARS_MAX)}…` : because,
  detail: boundedDetail(detail),
  v: head.v,
  decisionHash: head.decisionHash,
  nonce,
  prevHash: last.hash,
});

/** As the store will give it back: what is hashed is what is read. */
const boundedDetail = (detail: Draft['detail']): Draft['detail'] => {
  const json = JSON.stringify(detail);
  const bytes = Buffer.byteLength(json);
  return bytes <= DETAIL_BYTES_MAX
    ? (JSON.parse(json) as Draft['detail'])
    : { leftOut: 'too large', bytes, sha256: sha256(canonicalJson(detail)) };
};
