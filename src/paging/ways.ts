// How many ways out a replica's pages have that do not fail together. Two channels of one kind at one host are one way: whoever takes that host away takes
// both. What an address in a file names is not looked at, since it is a secret. Pure.
import type { ChannelConfig } from './index.ts';
import { LOG_CHANNEL, type PageRoute } from './routing.ts';

/** Fewer than this, and one outage of somebody else is enough that nobody hears. */
export const WAYS_MIN = 2;

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);

const placeOf = (channel: ChannelConfig): string => {
  switch (channel.kind) {
    case 'webhook':
      return 'url' in channel ? hostOf(channel.url) : channel.urlFile;
    case 'slack':
    case 'teams':
      // Every address that they give out is theirs.
      return 'theirs';
    case 'alertmanager':
      // One cluster: each member tells what any of them was told.
      return channel.urls.map(hostOf).toSorted().join(' ');
    case 'email':
      return channel.host;
    default:
      return hostOf(channel.url);
  }
};

/** Names of the channels of each way. */
export const waysOf = (channels: readonly ChannelConfig[]): readonly (readonly string[])[] =>
  [...Map.groupBy(channels, (channel) => `${channel.kind} ${placeOf(channel)}`).values()].map((those) => those.map(({ name }) => name));

/** Number of the first route that takes critical pages and tells them to the log alone; -1: none does. */
export const deafRoute = (routes: readonly PageRoute[]): number =>
  routes.findIndex(
    ({ severity, to, also }) =>
      (severity === undefined || severity.includes('critical')) && [...to, ...also].every((name) => name === LOG_CHANNEL),
  );
