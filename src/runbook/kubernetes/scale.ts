import type { StepKind } from '../kind.ts';

export const kubernetesScale: StepKind<'k8s.scale'> = {
  kind: 'k8s.scale',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
