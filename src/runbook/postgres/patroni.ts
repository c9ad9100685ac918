// Not written yet.
import type { PatroniConfig, SystemModule } from '../systems.ts';

export const patroni: SystemModule<PatroniConfig> = {
  open: async () => {
    throw new Error('nobody has written it yet');
  },
};
