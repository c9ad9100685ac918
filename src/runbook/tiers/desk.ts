// What is known of data tiers, as runs ask for it: the last known lags and states in the store, and how the vantages see a region. Not written yet.
import type { TierDesk } from '../kind.ts';

export const createTierDesk = (): TierDesk => ({
  lag: async () => null,
  state: async () => null,
  proved: async () => {},
  witness: async () => ({ sinceMs: null, because: 'nobody has looked' }),
  objectives: async () => [],
});
