// Delivers the pages whose causes are committed: every record under `outbox/` goes to every channel, at least once, and is marked in the store when a
// channel accepted it. A crash between the two means that it is sent again with the same id. The store is the truth; what is in memory (failures, due
// times) may be lost at any moment. Normally only the coordinator delivers; when two do, receivers see a repeat of an id.
// Wakes on changes, when a retry is due, and every 5 s in any case. Ignores who is paged and why: that was decided before.
import assert from 'node:assert/strict';
import { outboxKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Page } from '../model.ts';
import { type Ports, sleep, type Timer, withDeadline } from '../ports.ts';
import { type KeyValue, type Store, StoreDefiniteError } from '../store/store.ts';
import type { Channel, Delivery } from './channel.ts';
import { byAge, EVERYBODY, isPage, isSettled, removals, retryDelayMs } from './retention.ts';

const OUTBOX_PREFIX = outboxKey('');
const SWEEP_MS = 5_000;
const STORE_MS = 5_000;
/** Behind the channel's own deadline: no channel can hold a place for ever. */
const DELIVER_MS = 15_000;
/** Per channel, so that one that hangs takes no place from another. */
const AT_ONCE_MAX = 4;
const MARK_TRIES_MAX = 5;
const GRACE_MS = 3_000;

export interface OutboxOptions {
  store: Store;
  ports: Ports;
  /** At least one; names must differ. Every replica that may coordinate should have the same: a page is done when the deliverer's channels have it. */
  channels: readonly Channel[];
  log: Log;
  metrics: Pick<Metrics, 'page'>;
  /** Asked before each round; absent: always. */
  isLeader?: () => boolean;
  /** Cluster time in ms; absent: the wall clock. */
  nowMs?: () => number;
}

export interface Outbox {
  /** Look now: call it when leadership was gained. */
  wake(): void;
  /** Begins nothing new, lets deliveries under way end for `graceMs`, then aborts them. */
  close(graceMs?: number): Promise<void>;
}

/** One page on its way through one channel, as this process remembers it. */
interface Attempt {
  /** `sent`: accepted by the channel, not yet marked in the store. `refused`: the channel wants no more of it. */
  state: 'waiting' | 'sending' | 'sent' | 'refused';
  failures: number;
  /** Monotonic. */
  dueAtMs: number;
}

/** A page as read, with the revision that guards its next write. */
interface Entry {
  key: string;
  mod: number;
  page: Page;
}

const entryOf = ({ key, mod, value }: KeyValue): Entry | null =>
  isPage(value) && key === outboxKey(value.id) ? { key, mod, page: value } : null;

export const createOutbox = (options: OutboxOptions): Outbox => {
  const { store, ports, channels, log, metrics, isLeader = () => true, nowMs = () => ports.clock.wallMs() } = options;
  assert(channels.length > 0, 'an outbox without a channel would call every page told');
  assert(new Set(channels.map((channel) => channel.name)).size === channels.length, 'two paging channels have the same name');
  /** By page, then channel; only pages that somebody is still to be told of. */
  const attempts = new Map<string, Map<string, Attempt>>();
  const marking = new Set<string>();
  const underWay = new Set<Promise<void>>();
  const unreadable = new Set<string>();
  const stopping = new AbortController();
  let state: 'idle' | 'looking' | 'look again' | 'closed' = 'idle';
  let timer: Timer | null = null;

  const attemptOf = (page: Page, channel: Channel): Attempt => {
    const ofPage = attempts.get(page.id) ?? new Map<string, Attempt>();
    attempts.set(page.id, ofPage);
    const attempt = ofPage.get(channel.name) ?? { state: 'waiting', failures: 0, dueAtMs: Number.NEGATIVE_INFINITY };
    ofPage.set(channel.name, attempt);
    return attempt;
  };
  const allAttempts = (): Attempt[] => [...attempts.values()].flatMap((ofPage) => [...ofPage.values()]);
  const openChannels = (page: Page): readonly Channel[] =>
    channels.filter((channel) => !page.delivered.includes(channel.name) && attemptOf(page, channel).state !== 'refused');

  // ---- the store's side ----

  const inStore = <T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, STORE_MS, what, work, stopping.signal);

  const read = async (): Promise<readonly Entry[]> => {
    const { kvs } = await inStore('reading the outbox', (signal) => store.get({ prefixes: [OUTBOX_PREFIX] }, signal));
    for (const kv of kvs) {
      if (entryOf(kv) !== null || unreadable.has(kv.key)) continue;
      unreadable.add(kv.key);
      log.error('page.unreadable', { record: kv.key, because: 'it is no page; it is left alone, remove it by hand' });
    }
    return kvs.flatMap((kv) => entryOf(kv) ?? []).sort((a, b) => byAge(a.page, b.page));
  };

  /** Records who has accepted a page, and that nobody is left once that is so. A write in doubt is read back: the mark itself is the evidence. */
  const mark = async (id: string): Promise<void> => {
    const key = outboxKey(id);
    for (let tries = 0; tries < MARK_TRIES_MAX; tries += 1) {
      const { kvs } = await inStore('reading a page', (signal) => store.get({ keys: [key] }, signal));
      const entry = kvs[0] === undefined ? null : entryOf(kvs[0]);
      if (entry === null) return;
      const { page, mod } = entry;
      const accepted = channels.filter((channel) => attemptOf(page, channel).state === 'sent');
      const names = accepted.map((channel) => channel.name);
      const left = openChannels(page).filter((channel) => !accepted.includes(channel));
      const delivered = [...new Set([...page.delivered, ...names, ...(left.length === 0 ? [EVERYBODY] : [])])];
      if (delivered.length === page.delivered.length) return;
      const value: Page = { ...page, delivered, nonce: ports.random.hex(12) };
      const written = await inStore('marking a page', (signal) =>
        store.txn({ if: [{ key, mod }], then: [{ put: key, value }] }, signal),
      ).catch((error: unknown) => {
        if (error instanceof StoreDefiniteError || stopping.signal.aborted) throw error;
        return { ok: false };
      });
      if (written.ok) return;
    }
    throw new Error(`the record changed in each of ${MARK_TRIES_MAX} tries`);
  };

  const remove = async (entries: readonly Entry[], pages: readonly Page[]): Promise<boolean> => {
    const doomed = entries.filter(({ page }) => pages.includes(page));
    if (doomed.length === 0) return false;
    const { ok } = await inStore('removing pages', (signal) =>
      store.txn({ if: doomed.map(({ key, mod }) => ({ key, mod })), then: doomed.map(({ key }) => ({ del: key })) }, signal),
    );
    return ok;
  };

  // ---- the channels' side ----

  /** Answers whether the store has something to be told. */
  const settle = (page: Page, channel: Channel, attempt: Attempt, delivery: Delivery): boolean => {
    const told = { page: page.id, channel: channel.name };
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

  const send = async (page: Page, channel: Channel, attempt: Attempt): Promise<void> => {
    const work = (signal: AbortSignal): Promise<Delivery> => channel.deliver(page, signal);
    const delivery = await withDeadline(ports.timers, DELIVER_MS, `channel ${channel.name}`, work, stopping.signal).catch(
      (error: unknown): Delivery => ({ sent: false, retry: true, because: errorText(error) }),
    );
    if (settle(page, channel, attempt, delivery)) await mark(page.id);
  };

  /** Runs beside the rounds. A page that was sent but not marked is marked in a later round, by the sweep: not at once, since the store is in trouble. */
  const beside = (page: Page, work: Promise<void>): Promise<void> => {
    const run = work.then(wake, (error: unknown) => log.warn('page.unmarked', { page: page.id, because: errorText(error) }));
    underWay.add(run);
    return run.finally(() => underWay.delete(run));
  };

  // ---- the rounds ----

  const advance = (page: Page, places: Map<Channel, number>): void => {
    const open = openChannels(page);
    for (const channel of open) {
      const attempt = attemptOf(page, channel);
      const free = places.get(channel) ?? 0;
      if (attempt.state !== 'waiting' || attempt.dueAtMs > ports.clock.monoMs() || free === 0) continue;
      attempt.state = 'sending';
      places.set(channel, free - 1);
      void beside(page, send(page, channel, attempt));
    }
    // Accepted or refused by all, but the store does not say so: an earlier mark failed, or a channel was removed from the configuration.
    if (marking.has(page.id) || !open.every((channel) => attemptOf(page, channel).state === 'sent')) return;
    marking.add(page.id);
    void beside(page, mark(page.id)).then(() => marking.delete(page.id));
  };

  const tidy = async (entries: readonly Entry[]): Promise<void> => {
    const failuresOf = (page: Page): number => Math.min(...openChannels(page).map((channel) => attemptOf(page, channel).failures));
    const { served, givenUp } = removals(
      entries.map(({ page }) => page),
      failuresOf,
      nowMs(),
    );
    await remove(entries, served);
    if (!(await remove(entries, givenUp))) return;
    for (const page of givenUp) {
      for (const channel of openChannels(page)) metrics.page(channel.name, 'given-up');
      log.error('page.given-up', { page: page.id, summary: page.summary, delivered: page.delivered });
    }
  };

  const look = async (): Promise<void> => {
    if (!isLeader()) return;
    const entries = await read();
    const unsettled = entries.map(({ page }) => page).filter((page) => !isSettled(page));
    const ids = new Set(unsettled.map((page) => page.id));
    for (const id of attempts.keys()) if (!ids.has(id)) attempts.delete(id);
    const places = new Map(channels.map((channel) => [channel, AT_ONCE_MAX - sendingBy(channel)]));
    for (const page of unsettled) advance(page, places);
    await tidy(entries);
  };

  const sendingBy = (channel: Channel): number =>
    [...attempts.values()].filter((ofPage) => ofPage.get(channel.name)?.state === 'sending').length;

  /** Until the next retry is due, at most until the sweep. What is due already waits for a free place or for the store, and those wake or are swept. */
  const nextInMs = (): number => {
    const now = ports.clock.monoMs();
    const waits = allAttempts().map(({ dueAtMs }) => dueAtMs - now);
    return Math.min(SWEEP_MS, ...waits.filter((ms) => ms > 0));
  };

  const wake = (): void => {
    if (state === 'closed') return;
    if (state !== 'idle') {
      state = 'look again';
      return;
    }
    state = 'looking';
    timer?.cancel();
    const round = look()
      .catch((error: unknown) => {
        if (state !== 'closed') log.warn('outbox.failed', { because: errorText(error) });
      })
      .then(() => {
        underWay.delete(round);
        if (state === 'closed') return;
        const again = state === 'look again';
        state = 'idle';
        if (again) wake();
        else timer = ports.timers.after(nextInMs(), wake);
      });
    underWay.add(round);
  };

  const watch = store.watch(OUTBOX_PREFIX, wake);
  wake();

  return {
    wake,
    async close(graceMs = GRACE_MS) {
      state = 'closed';
      watch.close();
      timer?.cancel();
      const patience = new AbortController();
      await Promise.race([Promise.all(underWay), sleep(ports.timers, graceMs, patience.signal).catch(() => undefined)]);
      patience.abort();
      stopping.abort(new Error('this process is stopping'));
      await Promise.all(underWay);
    },
  };
};
