// One try to send a page through a channel: under a deadline of its own, with what came of it in the log, the metrics and the channel's standing. Both
// carriers use it: the courier of this process, and the workers of the region's queue.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Page } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { Channel, Delivery, Notice } from './channel.ts';
import { retryDelayMs, triedForMs } from './retention.ts';

/** Behind the channel's own deadline: no channel can hold a place for ever. */
export const DELIVER_MS = 15_000;

/** A receiver that wanted no more is asked again after so long, or when the process starts. */
const GONE_MS = 3_600_000;

/** So long after the next try was due here, and was not made: others make them. */
const UNTRIED_MS = 60_000;

export interface Standing {
  name: string;
  /** Why the last attempt failed; null: it did not, or there was none. */
  failing: string | null;
  /** Since when every attempt has failed, monotonic; null: the last did not. */
  failingSinceMs: number | null;
}

export interface SenderOptions {
  ports: Ports;
  channels: readonly Channel[];
  log: Log;
  metrics: Pick<Metrics, 'page'>;
  noticeOf: (page: Page) => Notice;
}

export interface Sender {
  /** `failures`: tries before this one that failed. Of a failure that may pass, `afterMs` is when to try again. Never rejects. */
  send(page: Page, channel: Channel, failures: number, signal: AbortSignal): Promise<Delivery>;
  standing(): readonly Standing[];
}

export const createSender = ({ ports, channels, log, metrics, noticeOf }: SenderOptions): Sender => {
  const failing = new Map<string, { because: string; sinceMs: number; untilMs: number }>();
  /** Receivers that want no more, and until when they are not asked again; monotonic. */
  const gone = new Map<string, number>();

  /** null: it does well, or somebody else has gone on with it, and how it does is not known here. */
  const troubleOf = (name: string): { because: string; sinceMs: number } | null => {
    const trouble = failing.get(name);
    return trouble === undefined || trouble.untilMs < ports.clock.monoMs() ? null : trouble;
  };

  const judge = (page: Page, { name }: Channel, failures: number, delivery: Delivery): Delivery => {
    const told = { page: page.id, channel: name };
    if (delivery.sent) {
      failing.delete(name);
      gone.delete(name);
      metrics.page(name, 'sent');
      log.info('page.delivered', { ...told, failures, receipt: delivery.receipt });
      return delivery;
    }
    const nowMs = ports.clock.monoMs();
    const isGone = !delivery.retry && delivery.gone === true;
    const afterMs = delivery.retry ? retryDelayMs(failures + 1, delivery.afterMs ?? 0, ports.random.unit()) : isGone ? GONE_MS : 0;
    failing.set(name, {
      because: delivery.because,
      // Others may have made the tries before this one.
      sinceMs: Math.min(troubleOf(name)?.sinceMs ?? nowMs, nowMs - triedForMs(failures)),
      untilMs: nowMs + afterMs + UNTRIED_MS,
    });
    if (!delivery.retry) {
      if (delivery.gone === true) gone.set(name, ports.clock.monoMs() + GONE_MS);
      metrics.page(name, 'refused');
      log.error('page.refused', { ...told, because: delivery.because });
      return delivery;
    }
    metrics.page(name, 'retry');
    log.warn('page.failed', { ...told, failures: failures + 1, because: delivery.because, againAfterMs: afterMs });
    return { ...delivery, afterMs };
  };

  return {
    async send(page, channel, failures, signal) {
      // What an operator sends again is asked all the same: somebody has looked.
      const isAsked = page.again?.to.includes(channel.name) === true;
      if (!isAsked && (gone.get(channel.name) ?? 0) > ports.clock.monoMs()) {
        metrics.page(channel.name, 'refused');
        return { sent: false, retry: false, because: 'disabled: the receiver wanted no more when it was asked last' };
      }
      const work = async (inner: AbortSignal): Promise<Delivery> => channel.deliver(noticeOf(page), inner);
      const delivery = await withDeadline(ports.timers, DELIVER_MS, `channel ${channel.name}`, work, signal).catch(
        (error: unknown): Delivery => ({ sent: false, retry: true, because: errorText(error) }),
      );
      return judge(page, channel, failures, delivery);
    },
    standing: () =>
      channels.map(({ name }) => {
        const trouble = troubleOf(name);
        return { name, failing: trouble?.because ?? null, failingSinceMs: trouble?.sinceMs ?? null };
      }),
  };
};
