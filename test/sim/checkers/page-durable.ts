// Every page whose cause was committed is delivered at least once, under one key.
import type { Page } from '../../../src/model.ts';
import type { Checker } from '../checker.ts';

export const pageDurable: Checker = {
  name: 'page-durable',
  says: 'every committed page reaches a sink, and keeps its key',
  watch(scene, blame) {
    const committed = new Map<string, Page>();
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
            if (known !== undefined && known.dedupKey !== page.dedupKey) blame(`page ${page.id} changes its key`);
            committed.set(page.id, page);
          }
        }
      },
      delivered: (id) => void told.add(id),
      rewound() {
        for (const id of committed.keys()) if (!scene.records.has(`outbox/${id}`)) committed.delete(id);
      },
      end() {
        for (const [id, page] of committed) if (!told.has(id)) blame(`nobody was told of page ${id}: ${page.summary}`);
      },
    };
  },
};
