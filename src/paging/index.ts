// The table of channel kinds, and what the configuration tells each. Opening one does no IO but the reading of its files; a library is loaded by the kind
// that needs it. The log is a channel of every replica (channels/log.ts) and is not configured.
import type { Channel, ChannelContext } from './channel.ts';
import { openAlertmanager } from './channels/alertmanager.ts';
import { openEmail } from './channels/email.ts';
import { openOpsgenie } from './channels/opsgenie.ts';
import { openPagerduty } from './channels/pagerduty.ts';
import { openSlack } from './channels/slack.ts';
import { openTeams } from './channels/teams.ts';
import { openWebhook } from './channels/webhook.ts';

interface Named {
  /** Unique among a replica's channels. */
  name: string;
}

/** What all channels over HTTP can be told. */
export interface OverHttp extends Named {
  /** Authorities to trust instead of the system's. */
  caFile?: string;
  /** CIDR blocks that are no public addresses and may be connected to all the same; nothing else that is not public may. */
  networks?: readonly string[];
}

export interface ChannelConfigs {
  /** Standard Webhooks. The newest secret first; every one of them signs. */
  webhook: OverHttp & { kind: 'webhook'; secretFiles: readonly string[] } & ({ url: string } | { urlFile: string });
  /** Events API v2. `url`: of another place than events.pagerduty.com (the EU's is https://events.eu.pagerduty.com). */
  pagerduty: OverHttp & { kind: 'pagerduty'; routingKeyFile: string; url: string };
  /** The alert API that Opsgenie and Jira Service Management share. */
  opsgenie: OverHttp & { kind: 'opsgenie'; keyFile: string; url: string };
  jsm: OverHttp & { kind: 'jsm'; keyFile: string; url: string };
  /** An incoming webhook: its address is its secret. */
  slack: OverHttp & { kind: 'slack'; urlFile: string };
  /** A Workflow that posts a card: its address is its secret. */
  teams: OverHttp & { kind: 'teams'; urlFile: string };
  /** API v2, of every member of a cluster. `labels` are added to each alert. */
  alertmanager: Named & {
    kind: 'alertmanager';
    urls: readonly string[];
    labels: Readonly<Record<string, string>>;
    caFile?: string;
    user?: { name: string; passwordFile: string };
  };
  email: Named & {
    kind: 'email';
    host: string;
    port: number;
    /** `implicit`: TLS from the first byte; `starttls`: refused when the server has none; `none`: only on this machine. */
    tls: 'implicit' | 'starttls' | 'none';
    caFile?: string;
    user?: { name: string; passwordFile: string };
    from: string;
    to: readonly string[];
  };
}

export type ChannelKind = keyof ChannelConfigs;
/** One entry of `paging.channels`. */
export type ChannelConfig = ChannelConfigs[ChannelKind];

type Open<C> = (config: C, context: ChannelContext) => Channel | Promise<Channel>;

export const CHANNELS: { readonly [K in ChannelKind]: Open<ChannelConfigs[K]> } = {
  webhook: openWebhook,
  pagerduty: openPagerduty,
  opsgenie: openOpsgenie,
  jsm: openOpsgenie,
  slack: openSlack,
  teams: openTeams,
  alertmanager: openAlertmanager,
  email: openEmail,
};

/** Opens a configured channel. Throws Fault ERR_SECRET for a secret that cannot be used. */
export const openChannel = async (config: ChannelConfig, context: ChannelContext): Promise<Channel> =>
  (CHANNELS[config.kind] as Open<ChannelConfig>)(config, context);
