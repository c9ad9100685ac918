import type { StepKind } from '../kind.ts';

export const httpCheck: StepKind<'http.check'> = {
  kind: 'http.check',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
