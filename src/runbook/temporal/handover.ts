import type { StepKind } from '../kind.ts';

export const temporalHandover: StepKind<'temporal.handover'> = {
  kind: 'temporal.handover',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
