// Pages as the API tells of them: where each stands, whom it reached, whom it never will. Pure.
import type { DeadLetter, Page, Severity } from '../model.ts';
import type { Action } from '../paging/channel.ts';
import { actionOf, type ThreadState, threadsOf } from '../paging/incidents.ts';
import { noticeOf } from '../paging/message.ts';
import { EVERYBODY, isDead, isSettled } from '../paging/retention.ts';

/** `waiting`: somebody is still to be told. `dead`: somebody will never have it. `told`: neither. */
export type PageState = 'waiting' | 'dead' | 'told';

export interface PageItem {
  id: string;
  dedupKey: string;
  type: string;
  action: Action;
  severity: Severity;
  headline: string;
  atMs: number;
  v: number;
  state: PageState;
  /** Of all pages with its key together. */
  thread: ThreadState;
  /** Channels that accepted it. */
  delivered: readonly string[];
  /** By channel. */
  dead: Readonly<Record<string, DeadLetter>>;
  acknowledged: { by: string; atMs: number } | null;
  notBeforeMs: number | null;
}

export const PAGE_FILTERS = ['waiting', 'dead', 'open', 'all'] as const;
export type PageFilter = (typeof PAGE_FILTERS)[number];

const stateOf = (page: Page): PageState => (isDead(page) ? 'dead' : isSettled(page) ? 'told' : 'waiting');

export const reached = ({ delivered }: Page): readonly string[] => delivered.filter((name) => name !== EVERYBODY);

export const itemOf = (page: Page, thread: ThreadState, cluster: string): PageItem => ({
  id: page.id,
  dedupKey: page.dedupKey,
  type: page.type,
  action: actionOf(page),
  severity: page.severity,
  headline: noticeOf(page, { cluster, baseUrl: null }).headline,
  atMs: page.atMs,
  v: page.v,
  state: stateOf(page),
  thread,
  delivered: reached(page),
  dead: page.dead ?? {},
  acknowledged: page.acknowledged ?? null,
  notBeforeMs: page.notBeforeMs ?? null,
});

const PASSES: Readonly<Record<PageFilter | 'usual', (item: PageItem) => boolean>> = {
  usual: ({ state }) => state !== 'told',
  waiting: ({ state }) => state === 'waiting',
  dead: ({ state }) => state === 'dead',
  open: ({ thread }) => thread === 'firing',
  all: () => true,
};

/** Newest first. `pages`: all there are, oldest first; `nowMs`: cluster time. null: what waits and what is dead. */
export const pageItems = (pages: readonly Page[], filter: PageFilter | null, cluster: string, nowMs: number): readonly PageItem[] => {
  const threads = threadsOf(pages, nowMs);
  return pages
    .map((page) => itemOf(page, threads.get(page.dedupKey)?.state ?? 'silent', cluster))
    .filter(PASSES[filter ?? 'usual'])
    .reverse();
};
