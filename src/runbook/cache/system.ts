// Not written yet.
import type { System } from '../kind.ts';
import type { CacheFacts } from '../model.ts';
import type { RedisSystemConfig, SystemModule } from '../systems.ts';

export interface RedisSystem extends System {
  readonly kind: 'redis';
  facts(signal: AbortSignal): Promise<CacheFacts>;
}

export const redis: SystemModule<RedisSystemConfig> = {
  open: async () => {
    throw new Error('nobody has written it yet');
  },
};
