// Not written yet.
import type { System } from '../kind.ts';
import type { PostgresConfig, SystemModule } from '../systems.ts';

export interface PostgresSystem extends System {
  readonly kind: 'postgres';
}

export const postgres: SystemModule<PostgresConfig> = {
  open: async () => {
    throw new Error('nobody has written it yet');
  },
};
