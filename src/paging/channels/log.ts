// The channel that is always there: the page as a line of the log, where whatever collects logs can alert on event `page`.
import type { Channel, ChannelContext, Notice } from '../channel.ts';
import { LOG_CHANNEL } from '../routing.ts';

export const openLog = ({ log }: Pick<ChannelContext, 'log'>): Channel => ({
  name: LOG_CHANNEL,
  places: [],
  async deliver({ page, action }: Notice) {
    const { id, dedupKey, type, severity, summary, v, detail } = page;
    const level = severity === 'critical' ? 'error' : severity === 'warning' ? 'warn' : 'info';
    log[level]('page', { id, action, dedupKey, type, severity, summary, v, detail });
    return { sent: true, receipt: 'logged' };
  },
});
