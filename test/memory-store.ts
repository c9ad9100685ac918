// The store in memory: a hand-written fake behind the `Store` port for virtual time, made to pass the whole store contract. What the real engines do on
// disks and wires is proved on them, not here. Differs from src/store/embedded.ts in nothing that the port can tell, but for what costs:
// - A record is JSON once, as it is written, and parsed once: writers and readers share nothing. What a read returns is frozen to its depth, so that a
//   reader that changes a record fails loudly, and is the same object for everybody.
// - The same query OBJECT at the same revision gives the same Read; at another revision the same `kvs`, as long as nothing that it matches was written.
// For simulators: `snapshot` and `restore`, the store of a backup, and `onCommit`, which tells invariant checkers of every write at its instant.
import type { Random } from '../src/ports.ts';
import { checkedQuery, type EncodedOp, encodeTxn, READ_BYTES_MAX } from '../src/store/limits.ts';
import {
  type KeyValue,
  type Query,
  type Read,
  type Store,
  StoreDefiniteError,
  type Txn,
  type TxnResult,
  type Watch,
  type WatchEvent,
} from '../src/store/store.ts';

/** A transaction that has just changed something. `before` and `after` answer for any key, and only while the listener runs. */
export interface Commit {
  /** Revision it was given. */
  rev: number;
  txn: Txn;
  before(key: string): KeyValue | undefined;
  after(key: string): KeyValue | undefined;
}

/** All records at one revision. */
export interface Snapshot {
  readonly clusterId: string;
  readonly rev: number;
  readonly records: ReadonlyMap<string, StoredRecord>;
}

export interface MemoryStore extends Store {
  snapshot(): Snapshot;
  /**
   * Older data under its older revision: what follows is given revisions anew. `clusterId`: `same` as the snapshot's, as a file that was put back has, or
   * `new`, as a store has that was created from a backup. Watchers hear `resync`.
   */
  restore(snapshot: Snapshot, clusterId: 'same' | 'new'): void;
  /** Calls `listener` inside each transaction that changes something, right after it has. It must not throw, and call nothing of this store. */
  onCommit(listener: (commit: Commit) => void): void;
}

interface Watcher {
  readonly prefix: string;
  readonly tell: (event: WatchEvent) => void;
}

interface StoredRecord {
  readonly kv: KeyValue;
  readonly bytes: number;
}

/** The records that share the first part of their key, up to and with its first slash. */
interface Bucket {
  readonly name: string;
  readonly records: Map<string, StoredRecord>;
  /** Sorted by key; null: to be made again. */
  sorted: readonly StoredRecord[] | null;
  /** Revision at which it last changed. */
  rev: number;
}

const bucketName = (key: string): string => key.slice(0, key.indexOf('/') + 1 || key.length);

const byKey = (a: StoredRecord, b: StoredRecord): number => (a.kv.key < b.kv.key ? -1 : 1);

const deepFreeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) if (typeof part === 'object') deepFreeze(part);
  return Object.freeze(value);
};

class InMemory implements MemoryStore {
  #clusterId: string;
  readonly #random: Pick<Random, 'hex'>;
  #rev = 0;
  /** In the order of their names. */
  #buckets: ReadonlyMap<string, Bucket> = new Map();
  /** The last read of each query object. */
  #reads = new WeakMap<Query, Read>();
  readonly #watchers = new Set<Watcher>();
  readonly #listeners: ((commit: Commit) => void)[] = [];
  #open = true;

  constructor(random: Pick<Random, 'hex'>) {
    this.#random = random;
    this.#clusterId = random.hex(16);
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  async get(query: Query, signal?: AbortSignal): Promise<Read> {
    this.#checkUsable(signal);
    const known = this.#reads.get(query);
    if (known?.rev === this.#rev) return known;
    const kvs = known !== undefined && this.#isUntouched(query, known.rev) ? known.kvs : this.#read(checkedQuery(query));
    const read = Object.freeze({ rev: this.#rev, kvs });
    this.#reads.set(query, read);
    return read;
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    this.#checkUsable(signal);
    const ops = encodeTxn(txn);
    if (!txn.if.every(({ key, mod }) => (this.#find(key)?.kv.mod ?? 0) === mod))
      return { ok: false, rev: this.#rev, kvs: this.#read({ keys: txn.else ?? [], prefixes: [] }) };
    // Deleting a missing key changes nothing, and a transaction of only such does not raise the revision.
    const changes = ops.filter(({ key, json }) => json !== null || this.#find(key) !== undefined);
    if (changes.length > 0) this.#commit(txn, changes);
    return { ok: true, rev: this.#rev, kvs: [] };
  }

  watch(prefix: string, onEvent: (event: WatchEvent) => void): Watch {
    const watcher = { prefix, tell: onEvent };
    this.#watchers.add(watcher);
    return { close: () => void this.#watchers.delete(watcher) };
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#watchers.clear();
  }

  snapshot(): Snapshot {
    const records = [...this.#buckets.values()].flatMap((bucket) => [...bucket.records]);
    return { clusterId: this.#clusterId, rev: this.#rev, records: new Map(records) };
  }

  restore({ clusterId, rev, records }: Snapshot, as: 'same' | 'new'): void {
    this.#clusterId = as === 'same' ? clusterId : this.#random.hex(16);
    this.#rev = rev;
    this.#reads = new WeakMap();
    this.#buckets = new Map();
    for (const [key, record] of records) this.#bucketOf(key).records.set(key, record);
    for (const watcher of this.#watchers) this.#tell(watcher, { kind: 'resync' });
  }

  onCommit(listener: (commit: Commit) => void): void {
    this.#listeners.push(listener);
  }

  #checkUsable(signal: AbortSignal | undefined): void {
    if (!this.#open) throw new StoreDefiniteError('the store in memory is closed');
    if (signal?.aborted) throw new StoreDefiniteError('the store in memory: called off before it began', { cause: signal.reason });
  }

  #bucketOf(key: string): Bucket {
    const name = bucketName(key);
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = { name, records: new Map(), sorted: null, rev: this.#rev };
      const buckets = [...this.#buckets.values(), bucket].sort((a, b) => (a.name < b.name ? -1 : 1));
      this.#buckets = new Map(buckets.map((each) => [each.name, each]));
    }
    return bucket;
  }

  #find(key: string): StoredRecord | undefined {
    return this.#buckets.get(bucketName(key))?.records.get(key);
  }

  /** The buckets that may hold keys with this prefix. */
  #bucketsUnder(prefix: string): readonly Bucket[] {
    if (!prefix.includes('/')) return [...this.#buckets.values()].filter(({ name }) => name.startsWith(prefix));
    const bucket = this.#buckets.get(bucketName(prefix));
    return bucket === undefined ? [] : [bucket];
  }

  /** Nothing that the query may match was written after `rev`. */
  #isUntouched({ keys = [], prefixes = [] }: Query, rev: number): boolean {
    const isOld = (bucket: Bucket | undefined): boolean => (bucket?.rev ?? 0) <= rev;
    return keys.every((key) => isOld(this.#buckets.get(bucketName(key)))) && prefixes.every((p) => this.#bucketsUnder(p).every(isOld));
  }

  #read({ keys, prefixes }: Required<Query>): readonly KeyValue[] {
    const found: KeyValue[] = [];
    let bytes = 0;
    // Whatever is in a bucket sorts before whatever is in the next.
    for (const bucket of this.#buckets.values()) {
      const isWhole = prefixes.some((prefix) => bucket.name.startsWith(prefix));
      const inner = isWhole ? [] : prefixes.filter((prefix) => prefix.startsWith(bucket.name));
      const single = isWhole ? [] : keys.filter((key) => bucket.records.has(key));
      if (!isWhole && inner.length === 0 && single.length === 0) continue;
      bucket.sorted ??= [...bucket.records.values()].sort(byKey);
      for (const record of bucket.sorted) {
        const { key } = record.kv;
        if (!isWhole && !single.includes(key) && !inner.some((prefix) => key.startsWith(prefix))) continue;
        found.push(record.kv);
        bytes += record.bytes;
      }
    }
    if (bytes > READ_BYTES_MAX)
      throw new StoreDefiniteError(`the store in memory: more than ${READ_BYTES_MAX} bytes match; ask for fewer keys at a time`);
    return Object.freeze(found);
  }

  #commit(txn: Txn, changes: readonly EncodedOp[]): void {
    const replaced = new Map(changes.map(({ key }) => [key, this.#find(key)?.kv]));
    this.#rev++;
    for (const { key, json } of changes) {
      const bucket = this.#bucketOf(key);
      bucket.sorted = null;
      bucket.rev = this.#rev;
      if (json === null) bucket.records.delete(key);
      else {
        const kv = Object.freeze({ key, value: deepFreeze(JSON.parse(json) as unknown), mod: this.#rev });
        bucket.records.set(key, { kv, bytes: Buffer.byteLength(json) });
      }
    }
    const after = (key: string): KeyValue | undefined => this.#find(key)?.kv;
    const before = (key: string): KeyValue | undefined => (replaced.has(key) ? replaced.get(key) : after(key));
    for (const listener of this.#listeners) listener({ rev: this.#rev, txn, before, after });
    this.#notify([...replaced.keys()]);
  }

  #notify(changed: readonly string[]): void {
    for (const watcher of this.#watchers) {
      const keys = watcher.prefix === '' ? changed : changed.filter((key) => key.startsWith(watcher.prefix));
      if (keys.length > 0) this.#tell(watcher, { kind: 'changed', rev: this.#rev, keys });
    }
  }

  /** Later, so that nobody runs inside the writer's call; a watcher closed meanwhile hears nothing. */
  #tell(watcher: Watcher, event: WatchEvent): void {
    queueMicrotask(() => {
      if (this.#watchers.has(watcher)) watcher.tell(event);
    });
  }
}

/** An empty store. `random` makes the name of its data. */
export const createMemoryStore = (options: { random: Pick<Random, 'hex'> }): MemoryStore => new InMemory(options.random);
