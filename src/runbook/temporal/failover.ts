import type { StepKind } from '../kind.ts';

export const temporalFailover: StepKind<'temporal.failover'> = {
  kind: 'temporal.failover',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
