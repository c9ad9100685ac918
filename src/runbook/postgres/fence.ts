// fence.patroni: not written yet.
import type { StepKind } from '../kind.ts';

export const patroniFence: StepKind<'fence.patroni'> = {
  kind: 'fence.patroni',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
