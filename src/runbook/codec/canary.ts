import type { StepKind } from '../kind.ts';

export const codecCanary: StepKind<'codec.canary'> = {
  kind: 'codec.canary',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
