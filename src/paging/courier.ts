// Carries pages to channels within this process: how many at once and how often, under which deadline, when a failure is tried again. Where pages are kept
// and where it is marked that they were told is the owner's subject (the outbox in the store, the spool of a region alone). What is in memory here may be
// lost at any moment: the page is then sent again with the same id.
import assert from 'node:assert/strict';
import type { Page } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Channel, Delivery } from './channel.ts';
import type { Sender, Standing } from './sender.ts';

/** Per channel, so that one that hangs takes no place from another. */
const AT_ONCE_MAX = 4;

export interface CourierOptions {
  ports: Ports;
  /** At least one; names must differ. */
  channels: readonly Channel[];
  sender: Sender;
  /** Aborts what is under way. */
  signal: AbortSignal;
}

export interface Courier {
  /** Sends the page through that channel if it is due and a place is free; null if not. The promise tells whether there is now something to mark; it never rejects. */
  begin(page: Page, channel: string): Promise<boolean> | null;
  /** Sends it through every channel where it is due and a place is free. */
  beginAll(page: Page): readonly Promise<boolean>[];
  /** Names of channels that have neither accepted nor refused it, by its marks and by what happened here. */
  openFor(page: Page): readonly string[];
  /** Names of the channels that accepted it here, marked or not. */
  acceptedBy(page: Page): readonly string[];
  /** Channels that will never take it, as was found here, marked or not. */
  deadFor(page: Page): Readonly<Record<string, { because: string; tries: number }>>;
  /** Tries it no more through that channel. */
  giveUp(page: Page, channel: string, because: string): void;
  /** Somebody took a mark of it back: what happened here through that channel counts no more. */
  forget(page: Page, channel: string): void;
  isSending(page: Page, channel?: string): boolean;
  /** Whether the channel bears one more now. */
  hasPlace(channel: string): boolean;
  /** Failures in a row of this process. */
  failures(page: Page, channel: string): number;
  /** Forgets every other page. */
  keepOnly(ids: ReadonlySet<string>): void;
  /** Time in ms until the next retry is due or a channel bears the next one; Infinity when nothing waits. */
  nextInMs(): number;
  /** How the last attempt through each channel ended. */
  channels(): readonly Standing[];
}

/** One page on its way through one channel, as this process remembers it. */
interface Attempt {
  /** `sent`: accepted by the channel, not yet marked. `dead`: the channel gets no more of it. */
  state: 'waiting' | 'sending' | 'sent' | 'dead';
  failures: number;
  /** Monotonic. */
  dueAtMs: number;
  because: string;
}

export const createCourier = ({ ports, channels, sender, signal }: CourierOptions): Courier => {
  assert(channels.length > 0, 'without a channel every page would be called told');
  assert(new Set(channels.map(({ name }) => name)).size === channels.length, 'two paging channels have the same name');
  /** By page, then channel; only pages that somebody is still to be told of. */
  const attempts = new Map<string, Map<string, Attempt>>();
  const sending = new Map<string, number>();
  /** When each channel with a rate was used last, monotonic, oldest first. */
  const used = new Map<string, number[]>();

  const attemptOf = (page: Page, name: string): Attempt => {
    const ofPage = attempts.get(page.id) ?? new Map<string, Attempt>();
    attempts.set(page.id, ofPage);
    const attempt = ofPage.get(name) ?? { state: 'waiting', failures: 0, dueAtMs: Number.NEGATIVE_INFINITY, because: '' };
    ofPage.set(name, attempt);
    return attempt;
  };
  const stateOf = (page: Page, name: string): Attempt['state'] => attempts.get(page.id)?.get(name)?.state ?? 'waiting';
  const named = (page: Page, state: Attempt['state']): readonly string[] =>
    channels.map(({ name }) => name).filter((name) => stateOf(page, name) === state);

  /** Monotonic time from which the channel bears one more. */
  const bearsAtMs = ({ name, rate }: Channel): number => {
    if (rate === undefined) return Number.NEGATIVE_INFINITY;
    const last = used.get(name)?.at(-rate.max);
    return last === undefined ? Number.NEGATIVE_INFINITY : last + rate.perMs;
  };
  const takePlace = ({ name, rate }: Channel): void => {
    sending.set(name, (sending.get(name) ?? 0) + 1);
    if (rate !== undefined) used.set(name, [...(used.get(name) ?? []), ports.clock.monoMs()].slice(-rate.max));
  };

  /** Answers whether there is something to mark. */
  const settle = (attempt: Attempt, delivery: Delivery): boolean => {
    if (delivery.sent) {
      attempt.state = 'sent';
      return true;
    }
    attempt.because = delivery.because;
    attempt.failures += 1;
    if (!delivery.retry) {
      attempt.state = 'dead';
      return true;
    }
    attempt.state = 'waiting';
    attempt.dueAtMs = ports.clock.monoMs() + (delivery.afterMs ?? 0);
    return false;
  };

  const send = async (page: Page, channel: Channel, attempt: Attempt): Promise<boolean> => {
    attempt.state = 'sending';
    takePlace(channel);
    const delivery = await sender.send(page, channel, attempt.failures, signal);
    sending.set(channel.name, (sending.get(channel.name) ?? 1) - 1);
    return settle(attempt, delivery);
  };

  const hasPlace = (channel: Channel): boolean =>
    (sending.get(channel.name) ?? 0) < AT_ONCE_MAX && bearsAtMs(channel) <= ports.clock.monoMs();

  const begin = (page: Page, channel: Channel): Promise<boolean> | null => {
    const attempt = attemptOf(page, channel.name);
    const isDue = attempt.state === 'waiting' && attempt.dueAtMs <= ports.clock.monoMs();
    return isDue && hasPlace(channel) ? send(page, channel, attempt) : null;
  };
  const isOpen = (page: Page, name: string): boolean =>
    !page.delivered.includes(name) && page.dead?.[name] === undefined && stateOf(page, name) !== 'dead';
  const openFor = (page: Page): readonly Channel[] => channels.filter(({ name }) => isOpen(page, name));

  return {
    begin(page, name) {
      const channel = channels.find((each) => each.name === name);
      return channel === undefined || !isOpen(page, name) ? null : begin(page, channel);
    },
    beginAll: (page) => openFor(page).flatMap((channel) => begin(page, channel) ?? []),
    openFor: (page) => openFor(page).map(({ name }) => name),
    acceptedBy: (page) => named(page, 'sent'),
    deadFor: (page) =>
      Object.fromEntries(
        named(page, 'dead').map((name) => {
          const { because, failures } = attemptOf(page, name);
          return [name, { because, tries: failures }];
        }),
      ),
    giveUp(page, name, because) {
      Object.assign(attemptOf(page, name), { state: 'dead', because });
    },
    forget(page, name) {
      if (stateOf(page, name) !== 'sending') attempts.get(page.id)?.delete(name);
    },
    isSending: (page, name) => (name === undefined ? named(page, 'sending').length > 0 : stateOf(page, name) === 'sending'),
    hasPlace: (name) => channels.some((channel) => channel.name === name && hasPlace(channel)),
    failures: (page, name) => attempts.get(page.id)?.get(name)?.failures ?? 0,
    keepOnly(ids) {
      for (const id of attempts.keys()) if (!ids.has(id)) attempts.delete(id);
    },
    channels: sender.standing,
    nextInMs() {
      const now = ports.clock.monoMs();
      let next = Number.POSITIVE_INFINITY;
      for (const ofPage of attempts.values())
        for (const { state, dueAtMs } of ofPage.values()) if (state === 'waiting' && dueAtMs > now) next = Math.min(next, dueAtMs - now);
      for (const channel of channels) if (bearsAtMs(channel) > now) next = Math.min(next, bearsAtMs(channel) - now);
      return next;
    },
  };
};
