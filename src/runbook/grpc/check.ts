import type { StepKind } from '../kind.ts';

export const grpcCheck: StepKind<'grpc.check'> = {
  kind: 'grpc.check',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
