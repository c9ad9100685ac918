// cache.promote: not written yet.
import type { StepKind } from '../kind.ts';

export const cachePromote: StepKind<'cache.promote'> = {
  kind: 'cache.promote',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
