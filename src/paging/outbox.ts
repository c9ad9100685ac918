// Delivers the pages whose causes are committed: every record under `outbox/` goes to every channel, at least once, and is marked in the store when a
// channel accepted it. A crash between the two means that it is sent again with the same id. The store is the truth; what is in memory (failures, due
// times) may be lost at any moment. Normally only the coordinator delivers; when two do, receivers see a repeat of an id.
// Wakes on changes, when a retry is due, and every 5 s in any case. Ignores who is paged and why: that was decided before.
import { outboxKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Page } from '../model.ts';
import { type Ports, sleep, type Timer, withDeadline } from '../ports.ts';
import { type KeyValue, type Store, StoreDefiniteError } from '../store/store.ts';
import type { Channel, Notice } from './channel.ts';
import { type ChannelStanding, createCourier } from './courier.ts';
import { byAge, EVERYBODY, isPage, isSettled, removals } from './retention.ts';

const OUTBOX_PREFIX = outboxKey('');
const SWEEP_MS = 5_000;
const STORE_MS = 5_000;
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
  /** What people are told of a page. */
  noticeOf: (page: Page) => Notice;
}

export interface Backlog {
  /** Pages that somebody is still to be told of, as of the last look; null: this replica does not look, another coordinates. */
  pages: number | null;
  /** Cluster time of the oldest of them. */
  oldestAtMs: number | null;
  channels: readonly ChannelStanding[];
}

export interface Outbox {
  /** Look now: call it when leadership was gained. */
  wake(): void;
  backlog(): Backlog;
  /** Begins nothing new, lets deliveries under way end for `graceMs`, then aborts them. */
  close(graceMs?: number): Promise<void>;
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
  const { store, ports, channels, log, metrics, noticeOf, isLeader = () => true, nowMs = () => ports.clock.wallMs() } = options;
  const marking = new Set<string>();
  const underWay = new Set<Promise<void>>();
  const unreadable = new Set<string>();
  const stopping = new AbortController();
  const courier = createCourier({ ports, channels, log, metrics, signal: stopping.signal, noticeOf });
  let state: 'idle' | 'looking' | 'look again' | 'closed' = 'idle';
  let timer: Timer | null = null;
  let waiting: readonly Page[] | null = null;

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
      const accepted = courier.acceptedBy(page);
      const left = courier.openFor(page).filter((channel) => !accepted.includes(channel.name));
      const delivered = [...new Set([...page.delivered, ...accepted, ...(left.length === 0 ? [EVERYBODY] : [])])];
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

  /** Runs beside the rounds. A page that was sent but not marked is marked in a later round, by the sweep: not at once, since the store is in trouble. */
  const beside = (page: Page, work: Promise<void>): Promise<void> => {
    const run = work.then(wake, (error: unknown) => log.warn('page.unmarked', { page: page.id, because: errorText(error) }));
    underWay.add(run);
    return run.finally(() => underWay.delete(run));
  };

  // ---- the rounds ----

  const advance = (page: Page): void => {
    for (const attempt of courier.begin(page))
      void beside(
        page,
        attempt.then((isNews) => (isNews ? mark(page.id) : undefined)),
      );
    // Accepted or refused by all, but the store does not say so: an earlier mark failed, or a channel was removed from the configuration.
    const accepted = courier.acceptedBy(page);
    if (marking.has(page.id) || !courier.openFor(page).every((channel) => accepted.includes(channel.name))) return;
    marking.add(page.id);
    void beside(page, mark(page.id)).then(() => marking.delete(page.id));
  };

  const tidy = async (entries: readonly Entry[]): Promise<void> => {
    const { served, givenUp } = removals(
      entries.map(({ page }) => page),
      courier.failuresOf,
      nowMs(),
    );
    await remove(entries, served);
    if (!(await remove(entries, givenUp))) return;
    for (const page of givenUp) {
      for (const channel of courier.openFor(page)) metrics.page(channel.name, 'given-up');
      log.error('page.given-up', { page: page.id, summary: page.summary, delivered: page.delivered });
    }
  };

  const look = async (): Promise<void> => {
    waiting = null;
    if (!isLeader()) return;
    const entries = await read();
    const unsettled = entries.map(({ page }) => page).filter((page) => !isSettled(page));
    waiting = unsettled;
    courier.keepOnly(new Set(unsettled.map((page) => page.id)));
    for (const page of unsettled) advance(page);
    await tidy(entries);
  };

  /** Until the next retry is due, at most until the sweep. What is due already waits for a free place or for the store, and those wake or are swept. */
  const nextInMs = (): number => Math.min(SWEEP_MS, courier.nextInMs());

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
    backlog: () => ({
      pages: waiting === null ? null : waiting.length,
      oldestAtMs: waiting === null || waiting.length === 0 ? null : Math.min(...waiting.map(({ atMs }) => atMs)),
      channels: courier.channels(),
    }),
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
