// pg.caughtup: not written yet.
import type { StepKind } from '../kind.ts';

export const postgresCaughtUp: StepKind<'pg.caughtup'> = {
  kind: 'pg.caughtup',
  signal: 'gate',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
