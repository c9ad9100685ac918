// What is known of data tiers, for tests of steps: whatever they say beforehand.
import type { TierDesk } from '../../src/runbook/kind.ts';

/** Nothing is known, but for what is given. */
export const tiersOf = (given: Partial<TierDesk> = {}): TierDesk => ({
  lag: async () => null,
  state: async () => null,
  proved: async () => {},
  witness: async () => ({ sinceMs: null, because: 'no quorum holds it down' }),
  objectives: async () => ({ gaps: [], seen: 1, of: 1 }),
  ...given,
});
