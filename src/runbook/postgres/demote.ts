// pg.demote: not written yet.
import type { StepKind } from '../kind.ts';

export const postgresDemote: StepKind<'pg.demote'> = {
  kind: 'pg.demote',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
