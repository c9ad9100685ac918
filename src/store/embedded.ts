// The store on one machine: a SQLite file in WAL mode with a flush per commit, served by exactly one process.
// Transactions run to their end within one call, so nothing interleaves: linearizable by construction. A commit blocks the event loop for one flush.
// Ignores history: a key has only its last value, as the register needs no more.
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { errorText, Fault } from '../errors.ts';
import type { Ports } from '../ports.ts';
import { DAMAGED, forgetHolder, noteHolder, openFault, preparePath, SQLITE, SQLITE_IOERR_WRITE, sqliteCode } from './file.ts';
import { checkedQuery, type EncodedOp, encodeTxn, KEY_AFTER, READ_BYTES_MAX } from './limits.ts';
import type { KeyValue, Query, Read, Store, Txn, TxnResult, Watch, WatchEvent } from './store.ts';
import { StoreAmbiguousError, StoreDefiniteError } from './store.ts';

/** 'Tide' in the file's header: tells our files from other programs' SQLite files. */
const APPLICATION_ID = 0x54696465;
const SCHEMA_VERSION = 1;
/** 512 MiB of 4 KiB pages: a store that grows past it is kept from filling the disk under everything else. */
const PAGES_MAX = 131_072;
/** How long an opener waits for the lock: two that start together must not both give up, hence the jitter. */
const LOCK_WAIT_MS = 200;
const MEMORY = ':memory:';

export interface EmbeddedOptions {
  /** Path of the file, or ':memory:' for a store that dies with the process. */
  file: string;
  ports: Pick<Ports, 'random'>;
  /** Most pages of 4 KiB in the file. */
  pagesMax?: number;
}

/** A copy of the whole store in a file of its own, of one moment, while everything goes on. */
export interface Copied {
  file: string;
  rev: number;
}

export interface Copying {
  /** Writes it beside the store, as `FILE.backup`, over an older one. Of several who ask at once all get the same. Rejects with Fault ERR_STORE_FILE. */
  copy(): Promise<Copied>;
}

/** Of a copy that falls into writes. One in two does while there is no pause between them. */
const COPY_TRIES_MAX = 50;

interface Row {
  key: string;
  value: string;
  mod: number;
}

const SCHEMA = `
  CREATE TABLE kv (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, mod INTEGER NOT NULL) STRICT;
  CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), rev INTEGER NOT NULL, clusterId TEXT NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};`;

const pragma = (db: DatabaseSync, name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];

/** Inside the first exclusive transaction: recognises our file, creates an empty one, refuses any other before a byte of it changes. */
const recognise = (db: DatabaseSync, file: string, random: Ports['random']): void => {
  const objects = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n);
  const application = Number(pragma(db, 'application_id'));
  const version = Number(pragma(db, 'user_version'));
  if (objects === 0 && application === 0 && version === 0) {
    db.exec(SCHEMA);
    db.prepare('INSERT INTO meta VALUES (1, 0, ?)').run(random.hex(16));
    return;
  }
  if (application !== APPLICATION_ID)
    throw new Fault('ERR_STORE_FILE', `${file}: this SQLite file belongs to another program; name another file`);
  if (version !== SCHEMA_VERSION)
    throw new Fault(
      'ERR_STORE_FILE',
      `${file}: written with schema ${version}, and this version knows ${SCHEMA_VERSION}; run the version that wrote it, or restore a backup`,
    );
};

const openDatabase = ({ file, ports, pagesMax = PAGES_MAX }: EmbeddedOptions): DatabaseSync => {
  if (file !== MEMORY) preparePath(file);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: LOCK_WAIT_MS + Math.floor(ports.random.unit() * LOCK_WAIT_MS) });
    // The lock is taken by the first transaction and kept until the file is closed or the process dies.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    recognise(db, file, ports.random);
    db.exec('COMMIT; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
    db.exec(`PRAGMA max_page_count = ${pagesMax}`);
    const found = String(pragma(db, 'quick_check(1)'));
    if (found !== 'ok') throw new Fault('ERR_STORE_FILE', `${file}: ${DAMAGED} (SQLite: ${found.replace(/\s+/g, ' ')})`);
    return db;
  } catch (error) {
    db?.close();
    throw openFault(file, error);
  }
};

/**
 * Whether a failed COMMIT can still come true. Nothing before the commit record counts, and a record that could not be written whole fails its
 * checksum. But when the flush after it failed, a crash now may find the whole record and replay it.
 */
const commitMayHold = (error: unknown): boolean => {
  const code = sqliteCode(error);
  return code === null || !((code & 0xff) === SQLITE.full || code === SQLITE_IOERR_WRITE);
};

const remedy = (error: unknown): string =>
  ((sqliteCode(error) ?? 0) & 0xff) === SQLITE.full ? '; make space on its disk, or delete old records if it reached its largest size' : '';

const statements = (db: DatabaseSync) => ({
  begin: db.prepare('BEGIN IMMEDIATE'),
  commit: db.prepare('COMMIT'),
  rollback: db.prepare('ROLLBACK'),
  rev: db.prepare('SELECT rev FROM meta'),
  setRev: db.prepare('UPDATE meta SET rev = ?'),
  mod: db.prepare('SELECT mod FROM kv WHERE key = ?'),
  one: db.prepare('SELECT key, value, mod FROM kv WHERE key = ?'),
  range: db.prepare('SELECT key, value, mod FROM kv WHERE key >= ? AND key < ?'),
  put: db.prepare('INSERT INTO kv VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, mod = excluded.mod'),
  del: db.prepare('DELETE FROM kv WHERE key = ?'),
});

/** Reads a copy through and flushes it; its revision. Throws unless it is whole, and of this store. */
const wholeCopy = (file: string, clusterId: string): number => {
  const db = new DatabaseSync(file);
  try {
    // One file, with nothing beside it that could be forgotten.
    db.exec('PRAGMA journal_mode = DELETE');
    const found = String(pragma(db, 'integrity_check(1)'));
    if (found !== 'ok') throw new Error(`the copy is damaged: ${found.replace(/\s+/g, ' ')}`);
    const meta = db.prepare('SELECT rev, clusterId FROM meta').get();
    if (meta?.clusterId !== clusterId) throw new Error('the copy is of another store');
    return Number(meta.rev);
  } finally {
    db.close();
    const fd = openSync(file, 'r');
    fsyncSync(fd);
    closeSync(fd);
  }
};

class EmbeddedStore implements Store, Copying {
  readonly clusterId: string;
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #sql: ReturnType<typeof statements>;
  readonly #watchers = new Set<{ prefix: string; tell: (event: WatchEvent) => void }>();
  #open = true;
  #copying: Promise<Copied> | null = null;

  constructor(file: string, db: DatabaseSync) {
    this.#file = file;
    this.#db = db;
    this.#sql = statements(db);
    this.clusterId = String(db.prepare('SELECT clusterId FROM meta').get()?.clusterId);
  }

  async get(query: Query, signal?: AbortSignal): Promise<Read> {
    this.#checkUsable(signal);
    const wanted = checkedQuery(query);
    try {
      return { rev: this.#rev(), kvs: this.#read(wanted) };
    } catch (error) {
      throw new StoreDefiniteError(`${this.#file}: cannot be read (${errorText(error)})`, { cause: error });
    }
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    this.#checkUsable(signal);
    const ops = encodeTxn(txn);
    let result: TxnResult;
    let changed: readonly EncodedOp[] = [];
    try {
      this.#sql.begin.run();
      const rev = this.#rev();
      if (txn.if.every(({ key, mod }) => this.#mod(key) === mod)) {
        changed = this.#write(ops, rev + 1);
        result = { ok: true, rev: changed.length > 0 ? rev + 1 : rev, kvs: [] };
      } else {
        result = { ok: false, rev, kvs: this.#read({ keys: txn.else ?? [], prefixes: [] }) };
      }
    } catch (error) {
      this.#rollback();
      throw new StoreDefiniteError(`${this.#file}: nothing was written (${errorText(error)})${remedy(error)}`, { cause: error });
    }
    this.#commit();
    this.#notify(result.rev, changed);
    return result;
  }

  watch(prefix: string, onEvent: (event: WatchEvent) => void): Watch {
    const watcher = { prefix, tell: onEvent };
    this.#watchers.add(watcher);
    return { close: () => void this.#watchers.delete(watcher) };
  }

  copy(): Promise<Copied> {
    this.#copying ??= this.#copy().finally(() => {
      this.#copying = null;
    });
    return this.#copying;
  }

  async #copy(): Promise<Copied> {
    const file = `${this.#file}.backup`;
    const part = `${file}.part`;
    try {
      this.#checkUsable(undefined);
      if (this.#file === MEMORY) throw new Error('a store in memory has no copy');
      await this.#copyTo(part);
      const rev = wholeCopy(part, this.clusterId);
      renameSync(part, file);
      return { file, rev };
    } catch (error) {
      rmSync(part, { force: true });
      throw new Fault('ERR_STORE_FILE', `${file}: no copy was made (${errorText(error)})`, { cause: error });
    }
  }

  /** Where its first step falls into a write of ours, SQLite refuses it, and Node calls that "not an error": it is made again. */
  async #copyTo(part: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      rmSync(part, { force: true });
      closeSync(openSync(part, 'wx', 0o600));
      try {
        return void (await backup(this.#db, part));
      } catch (error) {
        if ((error as { errcode?: unknown }).errcode !== 0) throw error;
        if (attempt === COPY_TRIES_MAX) throw new Error(`it was being written at each of ${attempt} tries; try again`, { cause: error });
      }
    }
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    // A copy reads through the same handle.
    await this.#copying?.catch(() => undefined);
    this.#open = false;
    this.#watchers.clear();
    if (this.#file !== MEMORY) forgetHolder(this.#file);
    this.#db.close();
  }

  #checkUsable(signal: AbortSignal | undefined): void {
    if (!this.#open) throw new StoreDefiniteError(`${this.#file}: the store is closed`);
    if (signal?.aborted) throw new StoreDefiniteError(`${this.#file}: called off before it began`, { cause: signal.reason });
  }

  #rev(): number {
    return Number(this.#sql.rev.get()?.rev);
  }

  #mod(key: string): number {
    return Number(this.#sql.mod.get(key)?.mod ?? 0);
  }

  #read({ keys, prefixes }: Required<Query>): readonly KeyValue[] {
    const found = new Map<string, Row>();
    let bytes = 0;
    const take = (rows: Iterable<unknown>): void => {
      for (const row of rows as Iterable<Row>) {
        if (found.has(row.key)) continue;
        found.set(row.key, row);
        bytes += Buffer.byteLength(row.value);
        if (bytes > READ_BYTES_MAX) throw new Error(`more than ${READ_BYTES_MAX} bytes match; ask for fewer keys at a time`);
      }
    };
    for (const prefix of prefixes) take(this.#sql.range.iterate(prefix, prefix + KEY_AFTER));
    for (const key of keys) take(this.#sql.one.iterate(key));
    return [...found.values()]
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ key, value, mod }) => ({ key, value: JSON.parse(value) as unknown, mod }));
  }

  /** What changed. Deleting a missing key changes nothing, and a transaction of only such does not raise the revision (as in etcd). */
  #write(ops: readonly EncodedOp[], rev: number): readonly EncodedOp[] {
    const run = ({ key, json }: EncodedOp) => (json === null ? this.#sql.del.run(key) : this.#sql.put.run(key, json, rev));
    const changed = ops.filter((op) => run(op).changes !== 0);
    if (changed.length > 0) this.#sql.setRev.run(rev);
    return changed;
  }

  #commit(): void {
    try {
      this.#sql.commit.run();
    } catch (error) {
      this.#rollback();
      const text = `${this.#file}: the commit failed (${errorText(error)})${remedy(error)}`;
      if (this.#db.isTransaction || commitMayHold(error)) throw new StoreAmbiguousError(text, { cause: error });
      throw new StoreDefiniteError(text, { cause: error });
    }
  }

  #rollback(): void {
    try {
      // SQLite has often rolled back by itself when the disk is full.
      if (this.#db.isTransaction) this.#sql.rollback.run();
    } catch {
      // Nothing is lost: an open transaction makes the next BEGIN fail, which comes here again.
    }
  }

  #notify(rev: number, changed: readonly EncodedOp[]): void {
    const value = (key: string): unknown => {
      const json = changed.find((op) => op.key === key)?.json ?? null;
      return json === null ? undefined : JSON.parse(json);
    };
    for (const watcher of this.#watchers) {
      const keys = changed.map(({ key }) => key).filter((key) => key.startsWith(watcher.prefix));
      if (keys.length === 0) continue;
      // Later, so that nobody runs inside the writer's call; a watcher closed meanwhile hears nothing.
      queueMicrotask(() => {
        if (this.#watchers.has(watcher)) watcher.tell({ kind: 'changed', rev, keys, value });
      });
    }
  }
}

/** Opens or creates the store. Throws Fault ERR_STORE_LOCKED when another process holds the file, ERR_STORE_FILE when it cannot be used. */
export const openEmbedded = (options: EmbeddedOptions): Store & Copying => {
  const db = openDatabase(options);
  if (options.file !== MEMORY) noteHolder(options.file);
  return new EmbeddedStore(options.file, db);
};
