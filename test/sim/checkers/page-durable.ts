// Every page whose cause was committed is delivered at least once, under one key.
import type { Page } from '../../../src/model.ts';
import type { Checker } from '../checker.ts';

/** A page of a moment ago may still be on its way. */
const ON_ITS_WAY_MS = 15_000;

export const pageDurable: Checker = {
  name: 'page-durable',
  says: 'every committed page reaches a sink, and keeps its key',
  watch(scene, blame) {
    const committed = new Map<string, { page: Page; atMs: number }>();
    const told = new Set<string>();
    return {
      commit({ txn }) {
        for (const op of txn.then) {
          if ('del' in op) {
            const id = op.del.startsWith('outbox/') ? op.del.slice('outbox/'.length) : null;
            if (id !== null && committed.has(id) && !told.has(id)) blame(`page ${id} is removed before anybody was told`);
          } else if (op.put.startsWith('outbox/')) {
            const page = op.value as Page;
            const known = committed.get(page.id);
            if (known !== undefined && known.page.dedupKey !== page.dedupKey) blame(`page ${page.id} changes its key`);
            committed.set(page.id, { page, atMs: known?.atMs ?? scene.nowMs() });
          }
        }
      },
      delivered: (id) => void told.add(id),
      rewound() {
        for (const id of committed.keys()) if (!scene.records.has(`outbox/${id}`)) committed.delete(id);
      },
      end() {
        for (const [id, { page, atMs }] of committed)
          if (!told.has(id) && scene.nowMs() - atMs > ON_ITS_WAY_MS) blame(`nobody was told of page ${id}: ${page.summary}`);
      },
    };
  },
};
