// pgbouncer.pause: not written yet.
import type { StepKind } from '../kind.ts';

export const pgbouncerPause: StepKind<'pgbouncer.pause'> = {
  kind: 'pgbouncer.pause',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
