// Not written yet.
import type { RedisSystemConfig, SystemModule } from '../systems.ts';

export const redis: SystemModule<RedisSystemConfig> = {
  open: async () => {
    throw new Error('nobody has written it yet');
  },
};
