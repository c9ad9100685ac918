// What goes on failing is told once for each reason while it lasts. A replica that stands still for hours must not bury everything else in its log, nor one
// whose store fails at two addresses in turn. Tells nothing of the end; whoever wants that asks `over`.
import { errorText } from './errors.ts';
import type { Fields, Log } from './log.ts';

export interface Trouble {
  /** It has failed. */
  tell(error: unknown, more?: Fields): void;
  /** It has worked: the next failure is news. True: it had failed the last time. */
  over(): boolean;
}

/** More reasons than this for one trouble are one reason with a number in it. */
const REASONS_MAX = 16;

/** Warnings of this name, with `because` and what else is said with it. */
export const createTrouble = (log: Log, event: string): Trouble => {
  const told = new Set<string>();
  return {
    tell(error, more = {}) {
      const because = errorText(error);
      if (told.has(because) || told.size >= REASONS_MAX) return;
      told.add(because);
      log.warn(event, { because, ...more });
    },
    over() {
      const was = told.size > 0;
      told.clear();
      return was;
    },
  };
};
