// Waiting for a condition with a deadline far above what it takes: the machine may be busy. Never a fixed sleep.
import { setTimeout as delay } from 'node:timers/promises';

export const PATIENCE_MS = 60_000;
const POLL_MS = 50;

/**
 * What `look` answers once it answers something: null, undefined and false mean "not yet", and so does a rejection. Rejects at the deadline; `what` is then said,
 * as it is by then.
 */
export const until = async <T>(
  what: string | (() => string),
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  withinMs = PATIENCE_MS,
): Promise<T> => {
  const giveUpAtMs = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > giveUpAtMs)
      throw new Error(`waited ${withinMs} ms for: ${typeof what === 'string' ? what : what()}; last: ${String(last)}`);
    await delay(POLL_MS);
  }
};
