// What people are told of a page. Pure: the same page and the same facts make the same notice, whoever sends it.
import type { Page } from '../model.ts';
import type { Action, Notice } from './channel.ts';

export interface Telling {
  cluster: string;
  /** Where people open the API, without a slash at the end; null: nowhere. */
  baseUrl: string | null;
}

/** Pages that say that something is over. */
const ENDS: ReadonlySet<string> = new Set(['incident.resolved', 'target.gray_over', 'store.answers']);

export const actionOf = (page: Page): Action => (ENDS.has(page.type) ? 'resolve' : page.severity === 'info' ? 'change' : 'trigger');

export const noticeOf = (page: Page, { cluster, baseUrl }: Telling): Notice => ({
  page,
  action: actionOf(page),
  cluster,
  headline: page.summary,
  facts: [],
  link: baseUrl === null || page.v === 0 ? null : `${baseUrl}/v1/decisions/${page.v}`,
});
