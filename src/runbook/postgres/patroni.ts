// Not written yet.
import type { System } from '../kind.ts';
import type { PatroniConfig, SystemModule } from '../systems.ts';

export interface PatroniSystem extends System {
  readonly kind: 'patroni';
}

export const patroni: SystemModule<PatroniConfig> = {
  open: async () => {
    throw new Error('nobody has written it yet');
  },
};
