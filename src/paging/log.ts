// The channel that is always there: the page as a line of the log, where whatever collects logs can alert on event `page`.
import type { Page } from '../model.ts';
import type { Channel, ChannelContext } from './channel.ts';

export const openLog = ({ name }: { name: string }, { log }: Pick<ChannelContext, 'log'>): Channel => ({
  name,
  async deliver(page: Page) {
    const { id, dedupKey, type, severity, summary, v, detail } = page;
    const level = severity === 'critical' ? 'error' : severity === 'warning' ? 'warn' : 'info';
    log[level]('page', { id, dedupKey, type, severity, summary, v, detail });
    return { sent: true, receipt: 'logged' };
  },
});
