// Marks in the store what became of a page: who has accepted it, who never will, and that nobody is left to tell. A mark in doubt is read back (records.ts);
// what somebody else wrote meanwhile is kept.
import type { DeadLetter, Page } from '../model.ts';
import type { Complaints } from './complaints.ts';
import type { PageRecords } from './records.ts';
import { EVERYBODY, isSettled } from './retention.ts';
import type { Sight } from './sight.ts';

/** What became of a page in some channels. */
export interface Outcome {
  accepted: readonly string[];
  dead: Readonly<Record<string, Pick<DeadLetter, 'because' | 'tries'>>>;
}

/** `outcomeOf`: what is to be marked of the page as it is now. Throws when the store refuses. */
export type Mark = (id: string, outcomeOf: (page: Page) => Outcome) => Promise<void>;

export interface MarksOptions {
  records: PageRecords;
  sight: Sight;
  complaints: Complaints;
  /** This process coordinates and has read all of the outbox: only then it knows that nobody is left. */
  maySettle: () => boolean;
  /** Cluster time. */
  nowMs: () => number;
}

export const createMarks = ({ records, sight, complaints, maySettle, nowMs }: MarksOptions): Mark => {
  /** The page with an outcome, and told to everybody once nobody is left. null: as it was. */
  const marked = (page: Page, { accepted, dead }: Outcome): Page | null => {
    const news = Object.entries(dead).filter(([name]) => page.dead?.[name] === undefined);
    const letters = Object.fromEntries(news.map(([name, letter]) => [name, { ...letter, atMs: nowMs() }]));
    const told = [...new Set([...page.delivered, ...accepted])];
    const next: Page = { ...page, delivered: told, ...(news.length === 0 ? {} : { dead: { ...page.dead, ...letters } }) };
    const settles = maySettle() && sight.threads().has(next.dedupKey) && !isSettled(next) && sight.isDone(next);
    const delivered = settles ? [...told, EVERYBODY] : told;
    return delivered.length === page.delivered.length && news.length === 0 ? null : { ...next, delivered };
  };

  return async (id, outcomeOf) => {
    let before: Page | undefined;
    const change = (page: Page): Page | null => {
      before ??= page;
      const last = sight.entry(id);
      // Read again since. The revision stays the old one: a write that rests on it reads again.
      if (last !== undefined && page !== last.page) sight.renew({ ...last, page });
      return marked(page, outcomeOf(page));
    };
    const entry = await records.change(id, change, sight.entry(id), sight.overtakerOf);
    if (entry === null) return;
    sight.renew(entry);
    for (const [channel, letter] of Object.entries(entry.page.dead ?? {}))
      if (before?.dead?.[channel] === undefined) complaints.deadLetter(entry.page, channel, letter);
  };
};
