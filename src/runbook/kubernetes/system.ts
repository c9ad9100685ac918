import type { KubernetesSystemConfig, SystemModule } from '../systems.ts';

export const kubernetes: SystemModule<KubernetesSystemConfig> = { open: () => Promise.reject(new Error('not built yet')) };
