// One try for a region's queue, by whichever of its replicas took the job: reads the page, sends it if it is still wanted there, marks what came of it. The
// job carries ids only, so nothing of it is believed but which page and which channel.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Page } from '../model.ts';
import type { Channel } from './channel.ts';
import type { Mark } from './marks.ts';
import type { Errand, Try } from './queue.ts';
import type { PageRecords } from './records.ts';
import { isSettled, mayGiveUp } from './retention.ts';
import { isTaken, type PageRoute } from './routing.ts';
import type { Sender } from './sender.ts';
import type { Sight } from './sight.ts';

/** A store that does not answer: the queue asks again so soon. */
const STORE_AGAIN_MS = 1_000;

export interface WorkerOptions {
  channels: readonly Channel[];
  routes: readonly PageRoute[];
  records: PageRecords;
  sender: Sender;
  sight: Sight;
  mark: Mark;
  log: Log;
  /** Cluster time. */
  nowMs: () => number;
  isClosed: () => boolean;
}

export const createWorker = ({ channels, routes, records, sender, sight, mark, log, nowMs, isClosed }: WorkerOptions): Try => {
  /** Sent and not yet marked: not sent again by this process. */
  const unmarked = new Set<string>();

  const isWanted = (page: Page, { channel, unlessTaken }: Errand): boolean =>
    !isSettled(page) &&
    !page.delivered.includes(channel) &&
    page.dead?.[channel] === undefined &&
    !sight.isOvertaken(page) &&
    !((unlessTaken === true || page.acknowledged !== undefined) && isTaken(page, routes, channel));

  return async (errand, failures, signal) => {
    const channel = channels.find(({ name }) => name === errand.channel);
    try {
      const page = (await records.get(errand.page))?.page;
      if (page === undefined || channel === undefined || !isWanted(page, errand)) return { done: true };
      // A replay is another life.
      const sent = `${errand.channel} ${errand.page} ${JSON.stringify(page.again ?? null)}`;
      const delivery = unmarked.has(sent) ? { sent: true as const } : await sender.send(page, channel, failures, signal);
      if (!delivery.sent && delivery.retry && !mayGiveUp(page, failures + 1, nowMs()))
        return { done: false, againAfterMs: delivery.afterMs ?? 0 };
      if (delivery.sent) unmarked.add(sent);
      const dead = delivery.sent ? {} : { [channel.name]: { because: delivery.because, tries: failures + 1 } };
      await mark(page.id, () => ({ accepted: delivery.sent ? [channel.name] : [], dead }));
      unmarked.delete(sent);
      return { done: true };
    } catch (error) {
      if (!isClosed()) log.warn('page.unmarked', { page: errand.page, because: errorText(error) });
      return { done: false, againAfterMs: STORE_AGAIN_MS };
    }
  };
};
