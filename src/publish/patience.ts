// Writes that come to nothing: refused for good, or acknowledged with what is read staying as it was. Only a human can mend that, so each such write waits
// twice as long for the next, until another route is wanted or something else is read: then it goes at once.
import type { Applied, Change } from '../../providers/provider.ts';
import type { Clock } from '../ports.ts';

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;

export interface Patience {
  /** ms until this write is worth another call; 0: now. */
  waitMs(change: Change): number;
  /** This is what came of it. */
  tried(change: Change, outcome: Applied['outcome']): void;
  /** The service is served as decided. */
  served(service: string): void;
}

interface Fruitless {
  key: string;
  tries: number;
  untilMs: number;
}

/** The same route over the same state. Nonces differ with every write and say nothing. */
const keyOf = ({ fence, previous }: Change): string =>
  JSON.stringify([fence.v, fence.hash, previous.fence?.v ?? null, previous.shares, previous.foreign]);

export const createPatience = (clock: Clock): Patience => {
  const known = new Map<string, Fruitless>();
  const of = (change: Change): Fruitless | null => {
    const found = known.get(change.desired.service);
    return found?.key === keyOf(change) ? found : null;
  };
  return {
    waitMs(change) {
      const found = of(change);
      return found === null ? 0 : Math.max(0, found.untilMs - clock.monoMs());
    },
    tried(change, outcome) {
      if (outcome === 'undecided' || outcome === 'conflict') return;
      const tries = of(change)?.tries ?? 0;
      const waitMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries, 10));
      known.set(change.desired.service, { key: keyOf(change), tries: tries + 1, untilMs: clock.monoMs() + waitMs });
    },
    served: (service) => void known.delete(service),
  };
};
