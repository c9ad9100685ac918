// Not written yet.
import type { PgbouncerConfig, SystemModule } from '../systems.ts';

export const pgbouncer: SystemModule<PgbouncerConfig> = {
  open: async () => {
    throw new Error('nobody has written it yet');
  },
};
