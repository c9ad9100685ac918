// Every page whose cause was committed is delivered at least once, under one key. But for an end that a new beginning of its thread has overtaken: nobody
// is told that it is over while it is not.
import type { Page } from '../../../src/model.ts';
import { isMoot } from '../../paging/moot.ts';
import type { Checker, Scene } from '../checker.ts';

/** A page of a moment ago may still be on its way: the second sink is told when the first has not taken it for 30 s. */
const ON_ITS_WAY_MS = 45_000;

/**
 * Since when it could be told. An end is held in cluster time, which a takeover resumes from the last stamp where some clock was ahead: what passed in between
 * is lost, and the end is told so much later.
 */
const dueAgoMs = ({ world, nowMs }: Pick<Scene, 'world' | 'nowMs'>, { atMs, notBeforeMs = atMs }: Page, committedAtMs: number): number => {
  const agoMs = nowMs() - committedAtMs;
  return notBeforeMs <= atMs ? agoMs : Math.min(agoMs - (notBeforeMs - atMs), world.clusterNowMs() - notBeforeMs);
};

export const pageDurable: Checker = {
  name: 'page-durable',
  says: 'every committed page reaches a sink, and keeps its key',
  watch(scene, blame) {
    const committed = new Map<string, { page: Page; atMs: number }>();
    const told = new Set<string>();
    const isOver = (end: Page): boolean =>
      isMoot(
        end,
        [...committed.values()].map(({ page }) => page),
      );
    return {
      commit({ txn }) {
        for (const op of txn.then) {
          if ('del' in op) {
            const id = op.del.startsWith('outbox/') ? op.del.slice('outbox/'.length) : null;
            const lost = id === null || told.has(id) ? undefined : committed.get(id)?.page;
            if (lost !== undefined && !isOver(lost)) blame(`page ${id} is removed before anybody was told`);
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
          if (!told.has(id) && dueAgoMs(scene, page, atMs) > ON_ITS_WAY_MS && !isOver(page))
            blame(`nobody was told of page ${id}: ${page.summary}`);
      },
    };
  },
};
