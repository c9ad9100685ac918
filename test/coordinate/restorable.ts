// A store on a file that can be replaced, while everybody uses it, by an older copy of itself: what a restored backup looks like to those who knew it.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ports } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store, Watch, WatchEvent } from '../../src/store/store.ts';

export interface Restorable {
  store: Store;
  /** Keeps a copy of the store as it is now. */
  backUp(): Promise<void>;
  /** Replaces the store by that copy. Watchers hear `resync`. */
  restore(): Promise<void>;
}

export const restorable = (ports: Pick<Ports, 'random'>): Restorable => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-restorable-'));
  const file = join(folder, 'store.db');
  const copy = join(folder, 'copy.db');
  let store = openEmbedded({ file, ports });
  const watchers = new Set<{ prefix: string; onEvent: (event: WatchEvent) => void; watch: Watch }>();

  /** With the store closed, so that the file is whole. */
  const reopen = async (meanwhile: () => void): Promise<void> => {
    for (const { watch } of watchers) watch.close();
    await store.close();
    meanwhile();
    store = openEmbedded({ file, ports });
    for (const watcher of watchers) watcher.watch = store.watch(watcher.prefix, watcher.onEvent);
  };

  return {
    store: {
      get clusterId() {
        return store.clusterId;
      },
      get: (query, signal) => store.get(query, signal),
      txn: (txn, signal) => store.txn(txn, signal),
      watch(prefix, onEvent) {
        const watcher = { prefix, onEvent, watch: store.watch(prefix, onEvent) };
        watchers.add(watcher);
        return {
          close: () => {
            watchers.delete(watcher);
            watcher.watch.close();
          },
        };
      },
      async close() {
        await store.close();
        rmSync(folder, { recursive: true, force: true });
      },
    },
    backUp: () => reopen(() => copyFileSync(file, copy)),
    async restore() {
      await reopen(() => copyFileSync(copy, file));
      for (const { onEvent } of watchers) onEvent({ kind: 'resync' });
    },
  };
};
