// A human's word, and nothing else: run.ts lets the step be looked at only when as many persons as it wants have agreed.
import type { StepKind } from '../kind.ts';

export const approval: StepKind<'approval'> = {
  kind: 'approval',
  signal: 'gate',
  read: async ({ why }) => ({ is: 'reached', because: `agreed to: ${why}` }),
};
