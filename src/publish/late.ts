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

/** A term, and when it began by this process's monotonic clock. */
type Office = Term & { heldSinceMs?: number };

export interface LateWrites {
  /** ms until this term may write to this provider; 0: now. */
  waitMs(provider: Provider, term: Office): number;
  wrote(name: string, provider: Provider): void;
  /** ms until the next look that an earlier write asks for; Infinity: none does. */
  nextLookMs(name: string): number;
}

export const createLateWrites = (clock: Clock, callTimeoutMs: number): LateWrites => {
  let office = { epoch: Number.NaN, sinceMs: 0 };
  const looksAtMs = new Map<string, readonly number[]>();
  return {
    waitMs({ can }, term) {
      // Whoever does not hear when the term began counts from its first look at it, which is later.
      if (office.epoch !== term.epoch) office = { epoch: term.epoch, sinceMs: term.heldSinceMs ?? clock.monoMs() };
      return can.fencing === 'conditional' ? 0 : Math.max(0, office.sinceMs + callTimeoutMs + LOCK_DELAY_EXTRA_MS - clock.monoMs());
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
