import type { StepKind } from '../kind.ts';

export const routeShift: StepKind<'route.shift'> = {
  kind: 'route.shift',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
