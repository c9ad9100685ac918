import type { CodecConfig, SystemModule } from '../systems.ts';

export const codec: SystemModule<CodecConfig> = { open: () => Promise.reject(new Error('not built yet')) };
