import type { StepKind } from '../kind.ts';

export const routeWait: StepKind<'route.wait'> = {
  kind: 'route.wait',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
