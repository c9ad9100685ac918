// pg.switchover: not written yet.
import type { StepKind } from '../kind.ts';

export const postgresSwitchover: StepKind<'pg.switchover'> = {
  kind: 'pg.switchover',
  signal: 'target',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
