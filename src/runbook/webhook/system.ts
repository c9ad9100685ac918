import type { SystemModule, WebhookSystemConfig } from '../systems.ts';

export const webhook: SystemModule<WebhookSystemConfig> = { open: () => Promise.reject(new Error('not built yet')) };
