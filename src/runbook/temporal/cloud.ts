import type { SystemModule, TemporalCloudConfig } from '../systems.ts';

export const temporalCloud: SystemModule<TemporalCloudConfig> = { open: () => Promise.reject(new Error('not built yet')) };
