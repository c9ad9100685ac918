// What goes on failing is told once: when it begins, and when its reason is another. A replica that stands still for hours must not bury everything else in
// its log. Tells nothing of the end; whoever wants that asks `over`.
import { errorText } from './errors.ts';
import type { Log } from './log.ts';

export interface Trouble {
  /** It has failed. */
  tell(error: unknown): void;
  /** It has worked: the next failure is news. True: it had failed the last time. */
  over(): boolean;
}

/** Warnings of this name, with `because`. */
export const createTrouble = (log: Log, event: string): Trouble => {
  let told: string | null = null;
  return {
    tell(error) {
      const because = errorText(error);
      if (because !== told) log.warn(event, { because });
      told = because;
    },
    over() {
      const was = told !== null;
      told = null;
      return was;
    },
  };
};
