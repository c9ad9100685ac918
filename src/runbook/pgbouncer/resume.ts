// pgbouncer.resume: not written yet.
import type { StepKind } from '../kind.ts';

export const pgbouncerResume: StepKind<'pgbouncer.resume'> = {
  kind: 'pgbouncer.resume',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
