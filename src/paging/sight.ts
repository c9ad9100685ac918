// The outbox as this process last read it, and what follows from it and from what was sent here since: who is still to be told of a page, and whether
// anybody is. Reads nothing and sends nothing itself.
import type { Page } from '../model.ts';
import type { Courier } from './courier.ts';
import { actionOf, isOvertaken, type Thread, threadsOf } from './incidents.ts';
import type { Entry } from './records.ts';
import { byAge, isSettled } from './retention.ts';
import { type PageRoute, type Plan, planOf } from './routing.ts';

export interface Sight {
  /** All of the outbox, oldest first. What an operator took back meanwhile is heeded. */
  take(entries: readonly Entry[]): void;
  /** As it was read, or written by this process since. */
  entry(id: string): Entry | undefined;
  /** A newer reading of one page, or what this process wrote. Of pages that were not in the last reading nothing is kept. */
  renew(entry: Entry): void;
  threads(): ReadonlyMap<string, Thread>;
  planFor(page: Page): Plan;
  /** Names of channels that should have the page by now and neither have it nor never will. */
  openFor(page: Page, plan?: Plan): readonly string[];
  isOvertaken(page: Page): boolean;
  /** The page that has overtaken this one: in a store that lost it, as a restored one may, this one is not told in vain. */
  overtakerOf(page: Page): Entry | undefined;
  /** Nobody is left to tell, now or later: true only when all of the outbox was read. */
  isDone(page: Page): boolean;
}

export interface SightOptions {
  routes: readonly PageRoute[];
  /** Names of all channels. */
  names: readonly string[];
  courier: Courier;
  /** Cluster time. */
  nowMs: () => number;
}

/** Marks that are gone from a newer reading: an operator gave the page another life. */
const takenBack = (before: Page, now: Page): readonly string[] => {
  const marks = (page: Page): readonly string[] => [...page.delivered, ...Object.keys(page.dead ?? {})];
  return marks(before).filter((name) => !marks(now).includes(name));
};

export const createSight = ({ routes, names, courier, nowMs }: SightOptions): Sight => {
  let known = new Map<string, Entry>();
  let threads: ReadonlyMap<string, Thread> = new Map();
  /** The oldest trigger of each key that somebody is still to be told of. */
  let begins: ReadonlyMap<string, Page> = new Map();

  const heed = (before: Page, now: Page): void => {
    for (const name of takenBack(before, now)) courier.forget(now, name);
  };
  const planFor = (page: Page): Plan =>
    planOf({
      page,
      routes,
      all: names,
      heard: threads.get(page.dedupKey)?.heard ?? [],
      accepted: acceptedBy(page),
      dead: deadFor(page),
      nowMs: nowMs(),
    });
  const acceptedBy = (page: Page): readonly string[] => [...page.delivered, ...courier.acceptedBy(page)];
  const deadFor = (page: Page): readonly string[] => [...Object.keys(page.dead ?? {}), ...Object.keys(courier.deadFor(page))];
  const openIn = (page: Page, { due }: Plan): readonly string[] => {
    const done = [...acceptedBy(page), ...deadFor(page)];
    return due.filter((name) => !done.includes(name));
  };
  /** An end is not done while a beginning is on its way: whoever takes that late hears the end as well. */
  const isAwaited = (page: Page): boolean => {
    const older = actionOf(page) === 'resolve' ? begins.get(page.dedupKey) : undefined;
    return older !== undefined && byAge(older, page) < 0;
  };
  const overtaken = (page: Page): boolean => isOvertaken(page, threads.get(page.dedupKey));

  return {
    take(entries) {
      for (const { page, mod } of entries) {
        const last = known.get(page.id);
        if (last !== undefined && mod > last.mod) heed(last.page, page);
      }
      known = new Map(entries.map((entry) => [entry.page.id, entry]));
      const pages = entries.map(({ page }) => page);
      threads = threadsOf(pages, nowMs());
      const open = pages.filter((page) => !isSettled(page) && actionOf(page) === 'trigger');
      begins = new Map(open.toReversed().map((page) => [page.dedupKey, page]));
    },
    entry: (id) => known.get(id),
    renew(entry) {
      const last = known.get(entry.page.id);
      if (last === undefined) return;
      heed(last.page, entry.page);
      known.set(entry.page.id, entry);
    },
    threads: () => threads,
    planFor,
    openFor: (page, plan = planFor(page)) => openIn(page, plan),
    isOvertaken: overtaken,
    overtakerOf(page) {
      const begun = overtaken(page) ? threads.get(page.dedupKey)?.begun : null;
      return begun == null ? undefined : known.get(begun.id);
    },
    isDone(page) {
      if (overtaken(page)) return true;
      const plan = planFor(page);
      return plan.nextAtMs === null && openIn(page, plan).length === 0 && !isAwaited(page);
    },
  };
};
