import type { StepKind } from '../kind.ts';

export const webhookCall: StepKind<'webhook.call'> = {
  kind: 'webhook.call',
  signal: 'gate',
  read: () => Promise.reject(new Error('not built yet')),
};
