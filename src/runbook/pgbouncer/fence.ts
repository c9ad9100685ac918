// fence.pgbouncer: not written yet.
import type { StepKind } from '../kind.ts';

export const pgbouncerFence: StepKind<'fence.pgbouncer'> = {
  kind: 'fence.pgbouncer',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
