// Ends of threads that nobody is told of, since something newer of the thread had begun before they were: what the checkers of pages leave out.
import type { Page } from '../../src/model.ts';
import { actionOf } from '../../src/paging/incidents.ts';
import { byAge } from '../../src/paging/retention.ts';

/** It is over no more: a trigger, or the next incident of the thread, also one that wakes nobody. */
const begins = (page: Page, end: Page): boolean =>
  actionOf(page) === 'trigger' || (page.detail.incident !== undefined && page.detail.incident !== end.detail.incident);

export const isMoot = (end: Page, pages: Iterable<Page>): boolean =>
  actionOf(end) === 'resolve' && [...pages].some((page) => page.dedupKey === end.dedupKey && begins(page, end) && byAge(end, page) < 0);
