import type { HttpCheckConfig, SystemModule } from '../systems.ts';

export const http: SystemModule<HttpCheckConfig> = { open: () => Promise.reject(new Error('not built yet')) };
