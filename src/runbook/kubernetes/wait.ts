import type { StepKind } from '../kind.ts';

export const kubernetesWait: StepKind<'k8s.wait'> = {
  kind: 'k8s.wait',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
