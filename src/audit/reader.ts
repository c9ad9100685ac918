// What the API reads of the audit: pages for people, the whole of it as lines. Every read is bounded in time and size.
import { type Ports, withDeadline } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { exportLines } from './export.ts';
import { type Cursor, type FeedPage, readAfter } from './feed.ts';
import { readEnds } from './read.ts';

export interface AuditReader {
  /** At most `limit` records behind `after`. Throws what the store throws, DeadlineError after two seconds. */
  page(after: Cursor, limit: number): Promise<FeedPage>;
  /** An export; ends early, and then without its seal, when the signal aborts. */
  lines(nowMs: number, sinceMs: number | null, signal: AbortSignal): AsyncGenerator<string>;
}

const STORE_MS = 2_000;

export const createAuditReader = ({ store, ports }: { store: Store; ports: Pick<Ports, 'timers'> }): AuditReader => ({
  page: (after, limit) =>
    withDeadline(ports.timers, STORE_MS, 'reading the audit', async (signal) => {
      const { heads, anchors } = await readEnds(store, signal);
      const floor = { v: anchors.decisions?.n ?? 0, n: anchors.journal?.n ?? 0 };
      const from = { v: Math.max(after.v, floor.v), n: Math.max(after.n, floor.n) };
      return readAfter(store, from, { v: heads.decisions?.n ?? 0, n: heads.journal?.n ?? 0 }, limit, signal);
    }),
  lines: (nowMs, sinceMs, signal) => exportLines(store, { nowMs, sinceMs, signal }),
});
