// Late writes: a provider that does not compare the fence in its own transaction takes the last write of a holder that has lost its office, whenever that
// arrives. So a new holder waits until such a write must have ended before it writes at all, and looks again soon after each write of its own.
// What such a provider serves may be wrong for up to 30 s; a provider that compares needs none of this.
import type { Provider } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import type { Clock } from '../ports.ts';

/** Beyond the longest provider call. */
const LOCK_DELAY_EXTRA_MS = 2000;
/** Moments after a write at which it is read back. */
const READ_BACK_AFTER_MS = [5000, 30_000];

export interface LateWrites {
  /** ms until this term may write to this provider; 0: now. */
  waitMs(provider: Provider, term: Term): number;
  wrote(name: string, provider: Provider): void;
  /** ms until the next look that an earlier write asks for; Infinity: none does. */
  nextLookMs(name: string): number;
}

export const createLateWrites = (clock: Clock, callTimeoutMs: number): LateWrites => {
  const looksAtMs = new Map<string, readonly number[]>();
  return {
    waitMs({ can }, term) {
      return can.fencing === 'conditional' ? 0 : Math.max(0, term.heldSinceMs + callTimeoutMs + LOCK_DELAY_EXTRA_MS - clock.monoMs());
    },
    wrote(name, { can }) {
      if (can.fencing !== 'conditional')
        looksAtMs.set(
          name,
          READ_BACK_AFTER_MS.map((ms) => clock.monoMs() + ms),
        );
    },
    nextLookMs(name) {
      const due = (looksAtMs.get(name) ?? []).filter((atMs) => atMs > clock.monoMs());
      looksAtMs.set(name, due);
      return due.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...due) - clock.monoMs();
    },
  };
};
