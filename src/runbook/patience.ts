// The patience of those who only look: they end a call sooner than its system would have to answer, and that is not the system's failure. A breaker counts a
// deadline (breaker.ts), so theirs is told as something else, or a look would keep runs from a system that is only slow.
import { type Timers, withDeadline } from '../ports.ts';

/** As withDeadline; the signal of `work` aborts by a word of whoever asked, for which no breaker counts. */
export const withPatience = <T>(
  timers: Timers,
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> => withDeadline(timers, ms, what, (signal) => work(ours(what, signal)), outer);

const ours = (what: string, signal: AbortSignal): AbortSignal => {
  const own = new AbortController();
  const end = (): void => own.abort(new Error(`${what}: nobody waits for it any more`, { cause: signal.reason }));
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return own.signal;
};
