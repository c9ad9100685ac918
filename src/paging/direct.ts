// Pages of a region without a store: when it has not answered for longer than an election takes, this region pages what it sees by itself, keeps every
// page in its spool until the outbox is known to have it, and takes back what it said once it is over. What to say is src/paging/alone.ts; how pages
// travel is the courier's. Every replica of a region does the same under the same keys; receivers make one incident of it.
// Decides nothing about routes, and adopts with compare-and-write: an adoption in doubt is read back, never repeated blindly.
import { outboxKey } from '../coordinate/keys.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ClusterConfig, EndpointKey, Page, Routing, Vote } from '../model.ts';
import { type Ports, sleep, type Timer, withDeadline } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { type News, newsOf, type StoreState, type Subject } from './alone.ts';
import type { Channel, Notice } from './channel.ts';
import { createCourier } from './courier.ts';
import { retryDelayMs } from './retention.ts';
import { createSender } from './sender.ts';
import type { Spool, SpooledPage } from './spool.ts';

const TICK_MS = 1_000;
/** Less is an election. */
const LOST_MS = 10_000;
/** A process that starts may find the store starting too. */
const LOST_AT_START_MS = 30_000;
/** A tick this late: the process stood still, and its silence was not the store's. */
const LATE_MS = 2_000;
const STORE_MS = 5_000;
const ADOPTED_AT_ONCE_MAX = 20;
/** What was taken back rests before it is said again: this long at first, twice as long each time, so that flapping does not page without end. */
const REST_MS = 60_000;
const REST_MAX_MS = 3_600_000;
const GRACE_MS = 2_000;

export interface DirectOptions {
  ports: Ports;
  log: Log;
  channels: readonly Channel[];
  /** What people are told of a page. */
  noticeOf: (page: Page) => Notice;
  spool: Spool;
  region: string;
  replica: string;
  store: Store;
  /** Since the last successful linearizable read of this process, in ms; Infinity before the first. */
  storeAgeMs: () => number;
  /** Why the store failed last; absent: nobody knows. */
  complaint?: () => string | null;
  /** This vantage's own vote. */
  belief: () => Vote | null;
  /** As last read. */
  cluster: () => ClusterConfig | null;
  routing: () => Routing | null;
  /** Cluster time as this process knows it. */
  nowMs: () => number;
  /** What the cluster is called before it was read, if the replica's file tells. */
  clusterName?: string;
  /** Age of the start of the endpoint's current streak of faults here; absent: pages do not say. */
  firstFaultAgeMs?: (key: EndpointKey) => number | null;
  metrics?: Pick<Metrics, 'page'>;
  /** Names of providers whose place is the store itself. */
  gates?: ReadonlySet<string>;
}

export interface DirectPages {
  /** Begins nothing new, lets deliveries under way end for `graceMs`, then aborts them. What is not adopted stays in the spool. */
  close(graceMs?: number): Promise<void>;
}

export const createDirectPages = (options: DirectOptions): DirectPages => {
  const { ports, log, spool, store, region, replica } = options;
  const stopping = new AbortController();
  const { channels, metrics = { page: () => undefined } } = options;
  const courier = createCourier({
    ports,
    channels,
    sender: createSender({ ports, channels, log, metrics, noticeOf: options.noticeOf }),
    signal: stopping.signal,
  });
  const underWay = new Set<Promise<void>>();
  const rests = new Map<Subject, { times: number; untilMs: number }>();
  const mono = (): number => ports.clock.monoMs();
  const startedAtMs = mono();
  let watchingSinceMs = startedAtMs;
  let adoption = { failures: 0, dueAtMs: Number.NEGATIVE_INFINITY };
  let saidFull = false;
  let closing = false;
  let timer: Timer | null = null;

  const storeState = (): StoreState => {
    const ageMs = options.storeAgeMs();
    const everAnswered = Number.isFinite(ageMs);
    if (ageMs < LOST_MS) return { state: 'answers', adopted: spool.adopted() };
    const watchedMs = mono() - watchingSinceMs;
    const isLost = watchedMs >= (everAnswered ? LOST_MS : LOST_AT_START_MS);
    return isLost
      ? { state: 'silent', forMs: everAnswered ? ageMs : mono() - startedAtMs, everAnswered, complaint: options.complaint?.() ?? null }
      : { state: 'unclear' };
  };

  // ---- saying ----

  const pageOf = (news: News): Page => ({
    id: `${region}.${replica}-${ports.random.hex(6)}-${news.type.replace('.', '_')}`,
    dedupKey: news.dedupKey,
    type: news.type,
    severity: news.severity,
    summary: news.summary,
    detail: news.detail,
    atMs: options.nowMs(),
    v: options.routing()?.v ?? 0,
    delivered: [],
    nonce: ports.random.hex(12),
  });

  const say = async (state: StoreState): Promise<void> => {
    const news = newsOf({
      region,
      replica,
      name: options.cluster()?.name ?? options.clusterName ?? null,
      cluster: options.cluster(),
      routing: options.routing(),
      vote: options.belief(),
      firstFaultAgeMs: options.firstFaultAgeMs ?? (() => null),
      store: state,
      ...(options.gates === undefined ? {} : { gates: options.gates }),
      open: spool.open(),
      mayOpen: (subject) => (rests.get(subject)?.untilMs ?? Number.NEGATIVE_INFINITY) <= mono(),
      nowMs: options.nowMs(),
    });
    const taken = news.filter(({ ends }) => ends || !spool.isFull());
    if (taken.length < news.length && !saidFull)
      log.error('direct.full', { because: 'too many pages wait; new ones are not written until some are adopted' });
    saidFull = taken.length < news.length;
    const entries = taken.map(
      (item): SpooledPage => ({ subject: item.subject, ends: item.ends, sinceAtMs: item.sinceAtMs, page: pageOf(item) }),
    );
    await spool.add(entries);
    for (const { subject, ends, page } of entries) {
      if (ends) rest(subject as Subject);
      log.warn('direct.page', { page: page.id, dedupKey: page.dedupKey, summary: page.summary });
    }
  };

  const rest = (subject: Subject): void => {
    const last = rests.get(subject);
    const times = last === undefined || mono() - last.untilMs > REST_MAX_MS ? 1 : last.times + 1;
    rests.set(subject, { times, untilMs: mono() + Math.min(REST_MAX_MS, REST_MS * 2 ** (times - 1)) });
  };

  // ---- sending ----

  const beside = (work: Promise<void>): void => {
    const run = work.catch((error: unknown) => log.warn('direct.unmarked', { because: errorText(error) }));
    underWay.add(run);
    void run.finally(() => underWay.delete(run));
  };

  /** What a channel accepted is marked as soon as it did: an adoption that follows knows it. */
  const markTold = async (page: Page): Promise<void> => {
    for (const channel of courier.acceptedBy(page)) if (!page.delivered.includes(channel)) await spool.told(page.id, channel);
  };

  const deliver = (): void => {
    const waiting = spool.pages();
    courier.keepOnly(new Set(waiting.map(({ page }) => page.id)));
    const begun = new Set<string>();
    for (const { page } of waiting)
      for (const name of courier.openFor(page)) {
        // A channel hears a thread in order, here too.
        const lane = `${name} ${page.dedupKey}`;
        if (courier.acceptedBy(page).includes(name) || begun.has(lane)) continue;
        begun.add(lane);
        const attempt = courier.begin(page, name);
        if (attempt !== null) beside(attempt.then((isNews) => (isNews ? markTold(page) : undefined)));
      }
  };

  // ---- adopting ----

  const inStore = <T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(ports.timers, STORE_MS, what, work, stopping.signal);

  /** Reads first: a commit whose reply was lost is found by its key, which nobody else writes. */
  const adoptBatch = async (batch: readonly Page[]): Promise<void> => {
    const { kvs } = await inStore('reading adopted pages', (signal) => store.get({ keys: batch.map(({ id }) => outboxKey(id)) }, signal));
    const missing = batch.filter(({ id }) => !kvs.some(({ key }) => key === outboxKey(id)));
    if (missing.length > 0) {
      const txn = {
        if: missing.map(({ id }) => ({ key: outboxKey(id), mod: 0 })),
        then: missing.map((page) => ({ put: outboxKey(page.id), value: page })),
      };
      const { ok } = await inStore('adopting pages', (signal) => store.txn(txn, signal));
      if (!ok) throw new Error('some of them appeared meanwhile');
    }
    await spool.adopt(batch.map(({ id }) => id));
  };

  /** Answers whether the spool holds nothing more that the outbox should have. Pages on their way to a channel are left for the next round. */
  const adopt = async (): Promise<boolean> => {
    if (mono() < adoption.dueAtMs) return spool.pages().length === 0;
    try {
      for (;;) {
        const batch = spool
          .pages()
          .filter(({ page }) => !courier.isSending(page))
          .slice(0, ADOPTED_AT_ONCE_MAX);
        if (batch.length === 0) break;
        await adoptBatch(batch.map(({ page }) => page));
      }
      adoption = { failures: 0, dueAtMs: Number.NEGATIVE_INFINITY };
    } catch (error) {
      const failures = adoption.failures + 1;
      adoption = { failures, dueAtMs: mono() + retryDelayMs(failures, 0, ports.random.unit()) };
      if (!stopping.signal.aborted) log.warn('direct.adopt', { failures, because: errorText(error) });
    }
    return spool.pages().length === 0;
  };

  // ---- the rounds ----

  const round = async (): Promise<void> => {
    const state = storeState();
    if (state.state !== 'answers') await say(state);
    else if (spool.pages().length > 0 || spool.open().size > 0) {
      // What was said is in the outbox before it is taken back, so that the history has it in order.
      if (await adopt()) {
        await say({ state: 'answers', adopted: spool.adopted() });
        await adopt();
      }
    }
    // While the store takes them, whoever coordinates delivers.
    if (!closing && (state.state !== 'answers' || adoption.failures > 0)) deliver();
  };

  const tick = (): void => {
    const run = round()
      .catch((error: unknown) => log.error('direct.failed', { because: errorText(error) }))
      .then(arm);
    underWay.add(run);
    void run.finally(() => underWay.delete(run));
  };
  const arm = (): void => {
    if (closing) return;
    const dueAtMs = mono() + TICK_MS;
    timer = ports.timers.after(TICK_MS, () => {
      if (mono() - dueAtMs > LATE_MS) watchingSinceMs = mono();
      tick();
    });
  };
  arm();

  return {
    async close(graceMs = GRACE_MS) {
      closing = true;
      timer?.cancel();
      const patience = new AbortController();
      await Promise.race([Promise.all(underWay), sleep(ports.timers, graceMs, patience.signal).catch(() => undefined)]);
      patience.abort();
      stopping.abort(new Error('this process is stopping'));
      await Promise.all(underWay);
    },
  };
};
