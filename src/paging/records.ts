// The records of the outbox as the store has them: read together, changed one at a time by compare-and-write, removed. A change in doubt is read back and
// made again from what is there: the record itself is the evidence. A record that is no page is somebody's mistake and is left alone, loudly.
import { outboxKey } from '../coordinate/keys.ts';
import type { Log } from '../log.ts';
import type { Page } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { type KeyValue, type Store, StoreDefiniteError } from '../store/store.ts';
import { byAge, isPage } from './retention.ts';

export const OUTBOX_PREFIX = outboxKey('');
const ALL_PAGES = { prefixes: [OUTBOX_PREFIX] } as const;
const STORE_MS = 5_000;
const TRIES_MAX = 5;

/** A page as read, with the revision that guards its next write. */
export interface Entry {
  key: string;
  mod: number;
  page: Page;
}

export interface PageRecords {
  /** Oldest first. */
  read(): Promise<readonly Entry[]>;
  get(id: string): Promise<Entry | null>;
  /**
   * Writes what `change` makes of the page as it is; null: there is nothing to write. `known`: as it was read last, which saves a read when nobody wrote
   * since. `restsOn`: another page, as it was read, without which the change would not be right; when it is gone nothing is written. Answers the page as it is
   * afterwards; null: it is gone. Throws when it changed under each of five tries, or the store refuses.
   */
  change(
    id: string,
    change: (page: Page) => Page | null,
    known?: Entry,
    restsOn?: (page: Page) => Entry | undefined,
  ): Promise<Entry | null>;
  /** All or none, as they were read; false: one of them changed. */
  remove(entries: readonly Entry[]): Promise<boolean>;
}

const entryOf = ({ key, mod, value }: KeyValue): Entry | null =>
  isPage(value) && key === outboxKey(value.id) ? { key, mod, page: value } : null;

export interface PageRecordsOptions {
  store: Store;
  ports: Pick<Ports, 'timers' | 'random'>;
  log: Log;
  /** Aborts what is under way. */
  signal: AbortSignal;
}

export const createPageRecords = ({ store, ports, log, signal }: PageRecordsOptions): PageRecords => {
  const unreadable = new Set<string>();

  const inStore = <T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, STORE_MS, what, work, signal);

  const get = async (id: string): Promise<Entry | null> => {
    const { kvs } = await inStore('reading a page', (inner) => store.get({ keys: [outboxKey(id)] }, inner));
    return kvs[0] === undefined ? null : entryOf(kvs[0]);
  };

  return {
    get,
    async read() {
      const { kvs } = await inStore('reading the outbox', (inner) => store.get(ALL_PAGES, inner));
      for (const kv of kvs) {
        if (entryOf(kv) !== null || unreadable.has(kv.key)) continue;
        unreadable.add(kv.key);
        log.error('page.unreadable', { record: kv.key, because: 'it is no page; it is left alone, remove it by hand' });
      }
      return kvs.flatMap((kv) => entryOf(kv) ?? []).sort((a, b) => byAge(a.page, b.page));
    },
    async change(id, change, known, restsOn = () => undefined) {
      let entry = known ?? (await get(id));
      let reread: Entry | null = null;
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        if (entry === null) return null;
        const { key, mod, page } = entry;
        const next = change(page);
        if (next === null) return entry;
        const value: Page = { ...next, nonce: ports.random.hex(12) };
        const found = restsOn(page);
        const other = found?.key === reread?.key ? reread : found;
        const conditions = [{ key, mod }, ...(other == null ? [] : [{ key: other.key, mod: other.mod }])];
        const written = await inStore('changing a page', (inner) =>
          store.txn({ if: conditions, then: [{ put: key, value }] }, inner),
        ).catch((error: unknown) => {
          if (error instanceof StoreDefiniteError || signal.aborted) throw error;
          return { ok: false, rev: 0 };
        });
        if (written.ok) return { key, mod: written.rev, page: value };
        entry = await get(id);
        if (other == null) continue;
        reread = await get(other.page.id);
        if (reread === null) return entry;
      }
      throw new Error(`the record changed in each of ${TRIES_MAX} tries`);
    },
    async remove(entries) {
      if (entries.length === 0) return false;
      const txn = { if: entries.map(({ key, mod }) => ({ key, mod })), then: entries.map(({ key }) => ({ del: key })) };
      const { ok } = await inStore('removing pages', (inner) => store.txn(txn, inner));
      return ok;
    },
  };
};
