// verify.objectives: not written yet.
import type { StepKind } from '../kind.ts';

export const objectivesHold: StepKind<'verify.objectives'> = {
  kind: 'verify.objectives',
  signal: 'gate',
  read: async () => ({ is: 'unknown', because: 'nobody has written it yet' }),
};
