// pg.promote: not written yet.
import type { StepKind } from '../kind.ts';

export const postgresPromote: StepKind<'pg.promote'> = {
  kind: 'pg.promote',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
