// What the pages in the outbox say together: one thread per key, which a trigger opens, later ones change or raise, and an end closes. Pure.
// Pages are the truth; a thread is what they come to, so every replica that reads the same outbox has the same threads.
import type { Page, Severity } from '../model.ts';
import type { Action } from './channel.ts';
import { ACKNOWLEDGED, endsByType } from './page-types.ts';
import { byAge } from './retention.ts';

/** `change`: to know of, no more. A trigger asks for somebody, and is never of severity `info`: drains that were planned and drills wake nobody. */
export const actionOf = (page: Pick<Page, 'type' | 'severity' | 'dedupKey'>): Action => {
  if (page.type === ACKNOWLEDGED) return 'acknowledge';
  if (page.severity !== 'info') return 'trigger';
  return isEnd(page) ? 'resolve' : 'change';
};

/** An order that ends ends what was said of the order, never the outage of a region that it covered. */
const isEnd = ({ type, dedupKey }: Pick<Page, 'type' | 'dedupKey'>): boolean =>
  endsByType(type) && (type !== 'override.ended' || /\/override-[^/]*$/.test(dedupKey));

/** `silent`: nothing was ever triggered under this key. */
export type ThreadState = 'silent' | 'firing' | 'resolved';

export interface Thread {
  key: string;
  state: ThreadState;
  /** The newest trigger since it opened; null when it is not firing. */
  firing: Page | null;
  /** The newest page by which it began, went on or, after an end, began anew: without a trigger too. */
  begun: Page | null;
  /** The newest trigger, also when an end follows. */
  last: Page | null;
  /** The worst that was said since it opened. */
  severity: Severity;
  /** The end, when that is the newest of trigger and end. */
  ended: Page | null;
  /** Channels that accepted any of its pages since it opened: they hear of the rest. */
  heard: readonly string[];
}

const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };
const worse = (a: Severity, b: Severity): Severity => (RANK[a] >= RANK[b] ? a : b);

const silent = (key: string): Thread => ({
  key,
  state: 'silent',
  firing: null,
  begun: null,
  last: null,
  severity: 'info',
  ended: null,
  heard: [],
});

/** Incidents that are no news to it: the one that woke somebody, the one by which it goes on, the one that is over. */
const knownIncidents = ({ last, begun, ended }: Thread): readonly unknown[] => [last, begun, ended].map((page) => page?.detail.incident);

const grown = (thread: Thread, page: Page, nowMs: number): Thread => {
  const heard = [...new Set([...thread.heard, ...page.delivered])];
  switch (actionOf(page)) {
    case 'trigger': {
      const goesOn = thread.state === 'firing';
      const severity = goesOn ? worse(thread.severity, page.severity) : page.severity;
      return { ...thread, state: 'firing', firing: page, begun: page, last: page, severity, ended: null, heard };
    }
    case 'resolve':
      // Not told yet, and may still be taken back: until then it goes on.
      if (page.notBeforeMs !== undefined && nowMs < page.notBeforeMs) return { ...thread, heard };
      return thread.state === 'silent'
        ? { ...thread, heard }
        : { ...thread, state: 'resolved', firing: null, begun: null, ended: page, heard };
    default: {
      // The next incident of the same thread, which by itself would wake nobody: what was told as over is not.
      const isNext = thread.last !== null && page.detail.incident !== undefined && !knownIncidents(thread).includes(page.detail.incident);
      return isNext ? { ...thread, state: 'firing', firing: thread.last, begun: page, ended: null, heard } : { ...thread, heard };
    }
  }
};

/** Threads by key. In: pages in any order, cluster time. */
export const threadsOf = (pages: readonly Page[], nowMs: number): ReadonlyMap<string, Thread> => {
  const threads = new Map<string, Thread>();
  for (const page of pages.toSorted(byAge))
    threads.set(page.dedupKey, grown(threads.get(page.dedupKey) ?? silent(page.dedupKey), page, nowMs));
  return threads;
};

/** It asks for somebody, or it is another incident than the one that ends: what else is said of that one, beside its end, begins nothing. */
const beginsAnew = (begun: Page, end: Page): boolean => actionOf(begun) === 'trigger' || begun.detail.incident !== end.detail.incident;

/** An end that nobody has heard of and that something newer under its key has overtaken: nobody is told that it is over. */
export const isOvertaken = (page: Page, thread: Thread | undefined): boolean =>
  actionOf(page) === 'resolve' &&
  thread?.state === 'firing' &&
  thread.begun !== null &&
  beginsAnew(thread.begun, page) &&
  byAge(page, thread.begun) < 0;
