// The store in memory: a hand-written fake behind the `Store` port for virtual time, made to pass the whole store contract. What the real engines do on
// disks and wires is proved on them, not here. Differs from src/store/embedded.ts in nothing that the port can tell, but for what costs:
// - A record is JSON once, as it is written, and parsed once: writers and readers share nothing. What a read returns is the same object for everybody, and
//   frozen to its depth, so that a reader that changes a record fails loudly. Who plays many worlds asks for `changed` at the end instead.
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
  /** What `get` answers, at once. Throws what it rejects with. */
  read(query: Query): Read;
  snapshot(): Snapshot;
  /** This very object is what is handed out for the key: nobody may change it. */
  holds(key: string, value: unknown): boolean;
  /** Keys of records that are not what was written: somebody whom they were handed to has changed them. None, where they are frozen. */
  changed(): readonly string[];
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
  readonly json: string;
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

/** What a query asks of one bucket: all of it, or what has these prefixes or keys. */
interface Part {
  readonly bucket: Bucket;
  readonly isWhole: boolean;
  readonly prefixes: readonly string[];
  readonly keys: readonly string[];
}

/** Where the answer to a query is, as long as no bucket is added. */
interface Plan {
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly parts: readonly Part[];
}

const bucketName = (key: string): string => key.slice(0, key.indexOf('/') + 1 || key.length);

const byKey = (a: StoredRecord, b: StoredRecord): number => (a.kv.key < b.kv.key ? -1 : 1);

const deepFreeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const each of Object.values(value)) deepFreeze(each);
  return Object.freeze(value);
};

export interface MemoryStoreOptions {
  /** Makes the name of its data. */
  random: Pick<Random, 'hex'>;
  /** Absent: yes. `false` for who plays many worlds: what is frozen has another shape, and all code that meets both is slower for it. */
  frozen?: boolean;
}

class InMemory implements MemoryStore {
  #clusterId: string;
  readonly #random: Pick<Random, 'hex'>;
  #rev = 0;
  /** In the order of their names. */
  #buckets: ReadonlyMap<string, Bucket> = new Map();
  /** The last read of each query object. */
  #reads = new WeakMap<Query, Read>();
  readonly #plans = new WeakMap<Query, Plan>();
  readonly #watchers = new Set<Watcher>();
  readonly #listeners: ((commit: Commit) => void)[] = [];
  readonly #seal: <T>(value: T) => T;
  #open = true;

  constructor({ random, frozen }: MemoryStoreOptions) {
    this.#random = random;
    this.#seal = frozen === false ? (value) => value : deepFreeze;
    this.#clusterId = random.hex(16);
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  async get(query: Query, signal?: AbortSignal): Promise<Read> {
    this.#checkUsable(signal);
    return this.read(query);
  }

  read(query: Query): Read {
    this.#checkUsable(undefined);
    const known = this.#reads.get(query);
    if (known?.rev === this.#rev) return known;
    const parts = this.#partsOf(query);
    const kvs = known !== undefined && parts.every(({ bucket }) => bucket.rev <= known.rev) ? known.kvs : this.#read(parts);
    const read = this.#seal({ rev: this.#rev, kvs });
    this.#reads.set(query, read);
    return read;
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    this.#checkUsable(signal);
    const ops = encodeTxn(txn);
    if (!txn.if.every(({ key, mod }) => (this.#find(key)?.kv.mod ?? 0) === mod))
      return { ok: false, rev: this.#rev, kvs: this.#read(this.#partsOf({ keys: txn.else ?? [] })) };
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

  holds(key: string, value: unknown): boolean {
    return this.#find(key)?.kv.value === value;
  }

  changed(): readonly string[] {
    const records = [...this.#buckets.values()].flatMap((bucket) => [...bucket.records.values()]);
    return records.filter(({ kv, json }) => JSON.stringify(kv.value) !== json).map(({ kv }) => kv.key);
  }

  restore({ clusterId, rev, records }: Snapshot, as: 'same' | 'new'): void {
    this.#clusterId = as === 'same' ? clusterId : this.#random.hex(16);
    this.#rev = rev;
    this.#reads = new WeakMap();
    this.#buckets = new Map();
    for (const [key, record] of records) this.#bucketOf(key).records.set(key, record);
    this.#tell([...this.#watchers].map((watcher) => [watcher, { kind: 'resync' }]));
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

  #partsOf(query: Query): readonly Part[] {
    let plan = this.#plans.get(query);
    if (plan?.buckets !== this.#buckets) {
      const { keys, prefixes } = checkedQuery(query);
      const parts = [...this.#buckets.values()].map((bucket) => ({
        bucket,
        isWhole: prefixes.some((prefix) => bucket.name.startsWith(prefix)),
        prefixes: prefixes.filter((prefix) => prefix.startsWith(bucket.name)),
        keys: keys.filter((key) => bucketName(key) === bucket.name),
      }));
      plan = { buckets: this.#buckets, parts: parts.filter((part) => part.isWhole || part.prefixes.length + part.keys.length > 0) };
      this.#plans.set(query, plan);
    }
    return plan.parts;
  }

  #read(parts: readonly Part[]): readonly KeyValue[] {
    const found: KeyValue[] = [];
    let bytes = 0;
    // Whatever is in a bucket sorts before whatever is in the next.
    for (const { bucket, isWhole, prefixes, keys } of parts) {
      bucket.sorted ??= [...bucket.records.values()].sort(byKey);
      for (const record of bucket.sorted) {
        const { key } = record.kv;
        if (!isWhole && !keys.includes(key) && !prefixes.some((prefix) => key.startsWith(prefix))) continue;
        found.push(record.kv);
        bytes += record.bytes;
      }
    }
    if (bytes > READ_BYTES_MAX)
      throw new StoreDefiniteError(`the store in memory: more than ${READ_BYTES_MAX} bytes match; ask for fewer keys at a time`);
    return this.#seal(found);
  }

  #commit(txn: Txn, changes: readonly EncodedOp[]): void {
    const written: KeyValue[] = [];
    const replaced = new Map(changes.map(({ key }) => [key, this.#find(key)?.kv]));
    this.#rev++;
    for (const { key, json, bytes } of changes) {
      const bucket = this.#bucketOf(key);
      bucket.sorted = null;
      bucket.rev = this.#rev;
      if (json === null) bucket.records.delete(key);
      else {
        const kv = this.#seal({ key, value: JSON.parse(json) as unknown, mod: this.#rev });
        bucket.records.set(key, { kv, json, bytes });
        written.push(kv);
      }
    }
    const after = (key: string): KeyValue | undefined => this.#find(key)?.kv;
    const before = (key: string): KeyValue | undefined => (replaced.has(key) ? replaced.get(key) : after(key));
    for (const listener of this.#listeners) listener({ rev: this.#rev, txn, before, after });
    this.#notify([...replaced.keys()], written);
  }

  #notify(changed: readonly string[], written: readonly KeyValue[]): void {
    const value = (key: string): unknown => written.find((kv) => kv.key === key)?.value;
    const all: WatchEvent = { kind: 'changed', rev: this.#rev, keys: changed, value };
    const told: [Watcher, WatchEvent][] = [];
    for (const watcher of this.#watchers) {
      if (watcher.prefix === '') told.push([watcher, all]);
      else {
        const keys = changed.filter((key) => key.startsWith(watcher.prefix));
        if (keys.length > 0) told.push([watcher, { ...all, keys }]);
      }
    }
    this.#tell(told);
  }

  /** Later, so that nobody runs inside the writer's call; a watcher closed meanwhile hears nothing. */
  #tell(told: readonly (readonly [Watcher, WatchEvent])[]): void {
    queueMicrotask(() => {
      for (const [watcher, event] of told) if (this.#watchers.has(watcher)) watcher.tell(event);
    });
  }
}

/** An empty store. */
export const createMemoryStore = (options: MemoryStoreOptions): MemoryStore => new InMemory(options);
