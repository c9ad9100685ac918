// Carries pages to channels: which of them is due, how many at once, under which deadline, when a failure is tried again. Where pages are kept and where
// it is marked that they were told is the owner's subject (the outbox in the store, the spool of a region alone). What is in memory here may be lost at
// any moment: the page is then sent again with the same id.
import assert from 'node:assert/strict';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Page } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { Channel, Delivery, Notice } from './channel.ts';
import { retryDelayMs } from './retention.ts';

/** Behind the channel's own deadline: no channel can hold a place for ever. */
const DELIVER_MS = 15_000;
/** Per channel, so that one that hangs takes no place from another. */
const AT_ONCE_MAX = 4;

export interface CourierOptions {
  ports: Ports;
  /** At least one; names must differ. */
  channels: readonly Channel[];
  log: Log;
  metrics: Pick<Metrics, 'page'>;
  /** Aborts what is under way. */
  signal: AbortSignal;
  /** What people are told of a page. */
  noticeOf: (page: Page) => Notice;
}

export interface Courier {
  /** Sends the page to every channel where it is due and a place is free. Each promise tells whether there is now something to mark; none rejects. */
  begin(page: Page): readonly Promise<boolean>[];
  /** Channels that have neither accepted nor refused the page, by its marks and by what they refused here. */
  openFor(page: Page): readonly Channel[];
  /** Names of the channels that accepted it here, marked or not. */
  acceptedBy(page: Page): readonly string[];
  isSending(page: Page): boolean;
  /** Fewest failures of this process over the page's open channels. */
  failuresOf(page: Page): number;
  /** Forgets every other page. */
  keepOnly(ids: ReadonlySet<string>): void;
  /** Time in ms until the next retry is due; Infinity when none waits. */
  nextInMs(): number;
  /** How the last attempt through each channel ended. */
  channels(): readonly ChannelStanding[];
}

export interface ChannelStanding {
  name: string;
  /** Why the last attempt failed; null: it did not, or there was none. */
  failing: string | null;
}

/** One page on its way through one channel, as this process remembers it. */
interface Attempt {
  /** `sent`: accepted by the channel, not yet marked. `refused`: the channel wants no more of it. */
  state: 'waiting' | 'sending' | 'sent' | 'refused';
  failures: number;
  /** Monotonic. */
  dueAtMs: number;
}

export const createCourier = ({ ports, channels, log, metrics, signal, noticeOf }: CourierOptions): Courier => {
  assert(channels.length > 0, 'without a channel every page would be called told');
  assert(new Set(channels.map((channel) => channel.name)).size === channels.length, 'two paging channels have the same name');
  /** By page, then channel; only pages that somebody is still to be told of. */
  const attempts = new Map<string, Map<string, Attempt>>();
  const sending = new Map<string, number>();
  const failing = new Map<string, string>();

  const attemptOf = (page: Page, channel: Channel): Attempt => {
    const ofPage = attempts.get(page.id) ?? new Map<string, Attempt>();
    attempts.set(page.id, ofPage);
    const attempt = ofPage.get(channel.name) ?? { state: 'waiting', failures: 0, dueAtMs: Number.NEGATIVE_INFINITY };
    ofPage.set(channel.name, attempt);
    return attempt;
  };
  const openFor = (page: Page): readonly Channel[] =>
    channels.filter((channel) => !page.delivered.includes(channel.name) && attemptOf(page, channel).state !== 'refused');

  /** Answers whether there is something to mark. */
  const settle = (page: Page, channel: Channel, attempt: Attempt, delivery: Delivery): boolean => {
    const told = { page: page.id, channel: channel.name };
    if (delivery.sent) failing.delete(channel.name);
    else failing.set(channel.name, delivery.because);
    if (delivery.sent) {
      attempt.state = 'sent';
      metrics.page(channel.name, 'sent');
      log.info('page.delivered', { ...told, failures: attempt.failures, receipt: delivery.receipt });
      return true;
    }
    if (!delivery.retry) {
      attempt.state = 'refused';
      metrics.page(channel.name, 'refused');
      log.error('page.refused', { ...told, because: delivery.because });
      return true;
    }
    attempt.state = 'waiting';
    attempt.failures += 1;
    const againAfterMs = retryDelayMs(attempt.failures, delivery.afterMs ?? 0, ports.random.unit());
    attempt.dueAtMs = ports.clock.monoMs() + againAfterMs;
    metrics.page(channel.name, 'retry');
    log.warn('page.failed', { ...told, failures: attempt.failures, because: delivery.because, againAfterMs });
    return false;
  };

  const send = async (page: Page, channel: Channel, attempt: Attempt): Promise<boolean> => {
    attempt.state = 'sending';
    sending.set(channel.name, (sending.get(channel.name) ?? 0) + 1);
    const work = (inner: AbortSignal): Promise<Delivery> => channel.deliver(noticeOf(page), inner);
    const delivery = await withDeadline(ports.timers, DELIVER_MS, `channel ${channel.name}`, work, signal).catch(
      (error: unknown): Delivery => ({ sent: false, retry: true, because: errorText(error) }),
    );
    sending.set(channel.name, (sending.get(channel.name) ?? 1) - 1);
    return settle(page, channel, attempt, delivery);
  };

  return {
    begin: (page) =>
      openFor(page).flatMap((channel) => {
        const attempt = attemptOf(page, channel);
        const isDue = attempt.state === 'waiting' && attempt.dueAtMs <= ports.clock.monoMs();
        return isDue && (sending.get(channel.name) ?? 0) < AT_ONCE_MAX ? [send(page, channel, attempt)] : [];
      }),
    openFor,
    acceptedBy: (page) => channels.filter((channel) => attemptOf(page, channel).state === 'sent').map((channel) => channel.name),
    isSending: (page) => channels.some((channel) => attemptOf(page, channel).state === 'sending'),
    failuresOf: (page) => Math.min(...openFor(page).map((channel) => attemptOf(page, channel).failures)),
    keepOnly(ids) {
      for (const id of attempts.keys()) if (!ids.has(id)) attempts.delete(id);
    },
    channels: () => channels.map(({ name }) => ({ name, failing: failing.get(name) ?? null })),
    nextInMs() {
      const now = ports.clock.monoMs();
      const waits = [...attempts.values()].flatMap((ofPage) => [...ofPage.values()]).map(({ dueAtMs }) => dueAtMs - now);
      return Math.min(Number.POSITIVE_INFINITY, ...waits.filter((ms) => ms > 0));
    },
  };
};
