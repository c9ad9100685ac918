// cache.takeover: not written yet.
import type { StepKind } from '../kind.ts';

export const cacheTakeover: StepKind<'cache.takeover'> = {
  kind: 'cache.takeover',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
