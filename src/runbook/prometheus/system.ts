import type { PrometheusConfig, SystemModule } from '../systems.ts';

export const prometheus: SystemModule<PrometheusConfig> = { open: () => Promise.reject(new Error('not built yet')) };
