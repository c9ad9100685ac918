// pg.canary: not written yet.
import type { StepKind } from '../kind.ts';

export const postgresCanary: StepKind<'pg.canary'> = {
  kind: 'pg.canary',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
