import type { StepKind } from '../kind.ts';

export const promqlGate: StepKind<'gate.promql'> = {
  kind: 'gate.promql',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
