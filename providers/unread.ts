// Services are read together and fail apart: an object that somebody deleted, or a cluster that is gone, must not keep the others' traffic from being moved.
import { errorText } from '../src/errors.ts';
import type { Applied, Change, ProviderService, ReadBack } from './provider.ts';

type Attempt = { service: string; back: ReadBack } | { service: string; error: unknown };

/** Never rejects. */
export const attempted = async ({ service }: ProviderService, read: () => Promise<ReadBack>): Promise<Attempt> => {
  try {
    return { service, back: await read() };
  } catch (error) {
    return { service, error };
  }
};

/** What was read; of what could not be, why. Throws the signal's reason, or the first error when nothing could be read at all. */
export const readBacksOf = (attempts: readonly Attempt[], signal: AbortSignal): ReadonlyMap<string, ReadBack> => {
  signal.throwIfAborted();
  const [first] = attempts;
  if (first !== undefined && 'error' in first && attempts.every((each) => 'error' in each)) throw first.error;
  return new Map(attempts.map((each) => [each.service, 'back' in each ? each.back : unreadBack(each.error)]));
};

const unreadBack = (error: unknown): ReadBack => ({ fence: null, shares: null, foreign: [], token: null, unread: errorText(error) });

/** What need not be sent. null: all of it was read. */
export const unreadIn = (changes: readonly Change[]): Applied | null => {
  const unread = changes.find(({ previous }) => previous.unread !== undefined);
  return unread === undefined ? null : { outcome: 'undecided', because: `${unread.desired.service}: ${unread.previous.unread}` };
};
