// cache.rejoin: not written yet.
import type { StepKind } from '../kind.ts';

export const cacheRejoin: StepKind<'cache.rejoin'> = {
  kind: 'cache.rejoin',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
