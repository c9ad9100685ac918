// Not written yet.
import type { PostgresConfig, SystemModule } from '../systems.ts';

export const postgres: SystemModule<PostgresConfig> = {
  open: async () => {
    throw new Error('nobody has written it yet');
  },
};
