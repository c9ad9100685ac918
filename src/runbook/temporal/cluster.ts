import type { SystemModule, TemporalConfig } from '../systems.ts';

export const temporal: SystemModule<TemporalConfig> = { open: () => Promise.reject(new Error('not built yet')) };
