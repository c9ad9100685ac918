import type { GrpcConfig, SystemModule } from '../systems.ts';

export const grpc: SystemModule<GrpcConfig> = { open: () => Promise.reject(new Error('not built yet')) };
