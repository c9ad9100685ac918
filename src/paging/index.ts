// The table of channel kinds. Opening one does no IO but the reading of its secret.
import type { Channel, ChannelContext } from './channel.ts';
import { openLog } from './log.ts';
import { openWebhook } from './webhook.ts';

/** What each kind is told; `name` is unique among a replica's channels. */
export interface ChannelConfigs {
  log: { name: string };
  webhook: { name: string; url: string; secretFile: string };
}

export type ChannelKind = keyof ChannelConfigs;

export const CHANNELS: { readonly [K in ChannelKind]: (config: ChannelConfigs[K], context: ChannelContext) => Channel } = {
  log: openLog,
  webhook: openWebhook,
};
