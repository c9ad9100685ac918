import type { StepKind } from '../kind.ts';

export const temporalWait: StepKind<'temporal.wait'> = {
  kind: 'temporal.wait',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
