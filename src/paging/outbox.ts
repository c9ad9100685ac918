// Delivers the pages whose causes are committed: every record under `outbox/` goes to every channel that its route names, at least once, and is marked in
// the store when a channel accepted it or never will. A crash between the two means that it is sent again with the same id. The store is the truth; what
// is in memory (failures, due times) may be lost at any moment.
// Whoever coordinates delivers: by the region's queue where there is one that moves, else in process. A page that nobody has taken for long is delivered by
// any other replica too, since the coordinator's region may have no way out. When two do, receivers see a repeat of an id.
// Of one thread a channel hears in order: an end never overtakes its beginning. Who is told, and when, is routing.ts; what a thread is, incidents.ts.
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Page } from '../model.ts';
import { type Ports, sleep, type Timer } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { createTrouble } from '../trouble.ts';
import type { Channel, Notice } from './channel.ts';
import { createComplaints } from './complaints.ts';
import { createCourier } from './courier.ts';
import { actionOf, type Thread } from './incidents.ts';
import { createMarks, type Outcome } from './marks.ts';
import type { Errand, Queue, QueueStanding, Try } from './queue.ts';
import { createPageRecords, type Entry, OUTBOX_PREFIX } from './records.ts';
import type { Report } from './report.ts';
import { isSettled, removals } from './retention.ts';
import { LOG_CHANNEL, type PageRoute, type Plan } from './routing.ts';
import { createSender, type Standing } from './sender.ts';
import { createSight } from './sight.ts';
import { createWorker } from './worker.ts';

const SWEEP_MS = 5_000;
const GRACE_MS = 3_000;
/** A look may take a third of the time at most, however much there is to read. */
const REST_PER_LOOK = 2;
/** Others than the coordinator look this often for pages that nobody took, and take them over so late. */
const RELIEF_EVERY_MS = 30_000;
const RELIEF_AFTER_MS = 45_000;
const RELIEF_SPREAD_MS = 15_000;
/** One offer to the queue. */
const OFFERED_MAX = 2_000;

export interface OutboxOptions {
  store: Store;
  ports: Ports;
  /** At least one; names must differ. Every replica that may coordinate should have the same: a page is done when the deliverer's channels have it. */
  channels: readonly Channel[];
  /** Who is told of what; none: every channel of everything. */
  routes?: readonly PageRoute[];
  /** What people are told of a page. */
  noticeOf: (page: Page) => Notice;
  log: Log;
  metrics: Pick<Metrics, 'page'>;
  /** Asked before each round; absent: always. */
  isLeader?: () => boolean;
  /** Cluster time in ms; absent: the wall clock. */
  nowMs?: () => number;
  /** Takes what is to be told of a channel itself; it is told through the others. */
  report?: (report: Report) => void;
}

export interface Backlog {
  /** Pages that somebody should have been told of by the last look; null: this replica does not look, another coordinates. */
  pages: number | null;
  /** Cluster time since which the oldest of them waits. */
  oldestAtMs: number | null;
  channels: readonly Standing[];
  /** The region's queue; null: there is none. */
  queue: QueueStanding | null;
  /** Since this process last read the outbox, ms; Infinity: never. */
  lookedAgoMs: number;
}

export interface Outbox {
  /** Look now: call it when leadership was gained. */
  wake(): void;
  backlog(): Backlog;
  /** What is open, as of the last look: half a minute ago where another coordinates, longer where the store is silent. */
  threads(): ReadonlyMap<string, Thread>;
  /** From now on errands go by this queue as long as it moves them. */
  carryBy(queue: Queue): void;
  /** One try for a queue's worker, of this process or another of the region: reads the page, sends it, marks it. Never rejects. */
  tryOne: Try;
  /** Begins nothing new, lets deliveries under way end for `graceMs`, then aborts them. */
  close(graceMs?: number): Promise<void>;
}

/** Cluster time from which somebody should know. */
const dueAtMs = ({ atMs, notBeforeMs = atMs }: Page): number => Math.max(atMs, notBeforeMs);

const URGENCY = { critical: 0, warning: 1, info: 2 };

export const createOutbox = (options: OutboxOptions): Outbox => {
  const { store, ports, channels, routes = [], log, metrics, noticeOf, report = () => undefined } = options;
  const { isLeader = () => true, nowMs = () => ports.clock.wallMs() } = options;
  const names = channels.map(({ name }) => name);
  const marking = new Set<string>();
  const underWay = new Set<Promise<void>>();
  const stopping = new AbortController();
  const trouble = createTrouble(log, 'outbox.failed');
  const records = createPageRecords({ store, ports, log, signal: stopping.signal });
  const sender = createSender({ ports, channels, log, metrics, noticeOf });
  const courier = createCourier({ ports, channels, sender, signal: stopping.signal });
  const sight = createSight({ routes, names, courier, nowMs });
  const complaints = createComplaints({ ports, report });
  let state: 'idle' | 'looking' | 'look again' | 'closed' = 'idle';
  let timer: Timer | null = null;
  let queue: Queue | null = null;
  /** This process has read the outbox since it came into office. */
  let hasLooked = false;
  /** Monotonic. */
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let waiting: readonly Page[] | null = null;
  /** What is to be sent in process, by channel, oldest first. */
  let ready = new Map<string, Page[]>();
  let againAtMs: number | null = null;
  /** Rungs that are due later, as of the last look. */
  const ladders: Errand[] = [];
  let restUntilMs = Number.NEGATIVE_INFINITY;
  /** So that not all others take over at once; drawn when it is needed first. */
  let reliefSpreadMs: number | null = null;
  let reliefAtMs = ports.clock.monoMs() + RELIEF_EVERY_MS;

  // ---- marking ----

  const mark = createMarks({ records, sight, complaints, maySettle: () => isLeader() && hasLooked, nowMs });
  /** Something happened here that the store does not say: an earlier mark failed. */
  const hasNews = (page: Page): boolean =>
    courier.acceptedBy(page).some((name) => !page.delivered.includes(name)) ||
    Object.keys(courier.deadFor(page)).some((name) => page.dead?.[name] === undefined);
  /** What was refused here to another than the coordinator may be its own mistake. */
  const here = (page: Page): Outcome => ({ accepted: courier.acceptedBy(page), dead: isLeader() ? courier.deadFor(page) : {} });

  /** Runs beside the rounds. A page that was sent but not marked is marked in a later round, by the sweep: not at once, since the store is in trouble. */
  const beside = (what: string, work: Promise<void>): Promise<void> => {
    const run = work.then(pump).then(wake, (error: unknown) => log.warn('page.unmarked', { page: what, because: errorText(error) }));
    underWay.add(run);
    return run.finally(() => underWay.delete(run));
  };

  // ---- sending in process ----

  const begin = (page: Page, channel: string): boolean => {
    const attempt = courier.begin(page, channel);
    if (attempt === null) return false;
    void beside(
      page.id,
      attempt.then((isNews) => (isNews ? mark(page.id, here) : undefined)),
    );
    return true;
  };

  /** Fills the places that are free with what is ready. What is not due again yet is left to the look that follows its time. */
  const pump = (): void => {
    if (state === 'closed') return;
    for (const [channel, pages] of ready) while (pages.length > 0 && courier.hasPlace(channel)) begin(pages.shift()!, channel);
  };

  // ---- the rounds ----

  /** What may be sent now, oldest first: of a thread a channel gets nothing while something older of it is still open there. */
  const errandsOf = (pages: readonly Page[]): readonly { page: Page; channel: string }[] => {
    const begun = new Set<string>();
    return pages.flatMap((page) => {
      if (sight.isOvertaken(page)) return [];
      const plan = sight.planFor(page);
      if (plan.nextAtMs !== null) againAtMs = Math.min(againAtMs ?? Number.POSITIVE_INFINITY, plan.nextAtMs);
      ladders.push(...laterOf(page, plan));
      return sight.openFor(page, plan).flatMap((channel) => {
        const lane = `${channel} ${page.dedupKey}`;
        if (begun.has(lane)) return [];
        begun.add(lane);
        return courier.isSending(page, channel) ? [] : [{ page, channel }];
      });
    });
  };

  /** The next rung of a page's ladder, for a queue to climb when it is time. */
  const laterOf = (page: Page, { next, nextAtMs }: Plan): readonly Errand[] =>
    next === null || nextAtMs === null
      ? []
      : [{ page: page.id, channel: next, severity: page.severity, delayMs: Math.max(0, nextAtMs - nowMs()), unlessTaken: true }];

  /** Accepted or refused by all, but the store does not say so: an earlier mark failed, a worker marked its part, or a channel was removed. */
  const settle = (pages: readonly Page[]): void => {
    for (const page of pages) {
      if (marking.has(page.id) || courier.isSending(page) || !(hasNews(page) || sight.isDone(page))) continue;
      if (sight.isOvertaken(page)) log.info('page.overtaken', { page: page.id, dedupKey: page.dedupKey });
      marking.add(page.id);
      void beside(page.id, mark(page.id, here)).then(() => marking.delete(page.id));
    }
  };

  const byQueue = async (errands: readonly { page: Page; channel: string }[]): Promise<ReadonlySet<string>> => {
    if (queue === null || errands.length === 0) return new Set();
    const now = errands.map(({ page, channel }): Errand => ({ page: page.id, channel, severity: page.severity }));
    const offered = [...now, ...ladders].slice(0, OFFERED_MAX);
    return new Set((await queue.offer(offered)).map(({ page, channel }) => `${channel} ${page}`));
  };

  const send = async (pages: readonly Page[]): Promise<void> => {
    againAtMs = null;
    ladders.length = 0;
    const errands = errandsOf(pages);
    const held = await byQueue(errands);
    ready = new Map(names.map((name) => [name, []]));
    for (const { page, channel } of errands) if (!held.has(`${channel} ${page.id}`)) ready.get(channel)?.push(page);
    // What is critical goes first; of one thread there is one page at most.
    for (const list of ready.values()) list.sort((a, b) => URGENCY[a.severity] - URGENCY[b.severity]);
    pump();
  };

  const tidy = async (entries: readonly Entry[]): Promise<void> => {
    const pages = entries.map(({ page }) => page);
    const failuresOf = (page: Page): number => Math.min(...sight.openFor(page).map((name) => courier.failures(page, name)));
    const isOpen = (page: Page): boolean => {
      const thread = sight.threads().get(page.dedupKey);
      if (thread?.state === 'firing') return page.detail.incident !== undefined;
      // Until its end is told, who heard of the beginning has to be found.
      return thread?.ended != null && !isSettled(thread.ended);
    };
    const { served, givenUp } = removals({ pages, failuresOf, isOpen, nowMs: nowMs() });
    await records.remove(entries.filter(({ page }) => served.includes(page)));
    for (const page of givenUp) {
      for (const channel of sight.openFor(page)) {
        courier.giveUp(page, channel, 'given up: tried too often, for too long');
        metrics.page(channel, 'given-up');
      }
      log.error('page.given-up', { page: page.id, summary: page.summary, delivered: page.delivered });
    }
    settle(givenUp);
  };

  /** False: there was nothing to ask the store yet. */
  const look = async (): Promise<boolean> => {
    waiting = null;
    // A rung that is due has waited for this look. If it fails, or another is in office now, the sweep is soon enough.
    if (againAtMs !== null && againAtMs <= nowMs()) againAtMs = null;
    if (!isLeader()) {
      // What was to be sent in office is another's now.
      if (hasLooked) ready = new Map();
      hasLooked = false;
      return relieve();
    }
    const entries = await records.read();
    sight.take(entries);
    const unsettled = entries.map(({ page }) => page).filter((page) => !isSettled(page));
    lookedAtMs = ports.clock.monoMs();
    hasLooked = true;
    waiting = unsettled.filter((page) => dueAtMs(page) <= nowMs());
    courier.keepOnly(new Set(unsettled.map((page) => page.id)));
    await send(unsettled);
    settle(unsettled);
    await tidy(entries);
    return true;
  };

  /** Pages that ask for somebody and that only a log has taken for long: the coordinator may have no way out. */
  const relieve = async (): Promise<boolean> => {
    if (ports.clock.monoMs() < reliefAtMs) return false;
    reliefAtMs = ports.clock.monoMs() + RELIEF_EVERY_MS;
    const entries = await records.read();
    sight.take(entries);
    const alone = entries
      .map(({ page }) => page)
      .filter((page) => !isSettled(page) && actionOf(page) === 'trigger' && page.delivered.every((name) => name === LOG_CHANNEL));
    const untaken = alone.filter((page) => nowMs() - page.atMs > RELIEF_AFTER_MS);
    if (untaken.length > 0) reliefSpreadMs ??= ports.random.unit() * RELIEF_SPREAD_MS;
    const lateAtMs = (page: Page): number => page.atMs + RELIEF_AFTER_MS + (reliefSpreadMs ?? 0);
    const late = untaken.filter((page) => nowMs() > lateAtMs(page));
    // The next look comes when one of the others is due, if that is sooner.
    const soonestMs = Math.min(...alone.filter((page) => !late.includes(page)).map((page) => lateAtMs(page) - nowMs()));
    reliefAtMs = Math.min(reliefAtMs, ports.clock.monoMs() + Math.max(SWEEP_MS, soonestMs));
    courier.keepOnly(new Set(late.map((page) => page.id)));
    ready = new Map();
    for (const page of late)
      for (const name of sight.openFor(page)) if (name !== LOG_CHANNEL) ready.set(name, [...(ready.get(name) ?? []), page]);
    pump();
    return true;
  };

  /** Until the next retry or the next rung is due, at most until the sweep. What is due already waits for a free place or for the store, and those wake or are swept. */
  const nextInMs = (): number => {
    const rung = againAtMs === null ? Number.POSITIVE_INFINITY : Math.max(0, againAtMs - nowMs());
    return Math.min(SWEEP_MS, courier.nextInMs(), rung);
  };

  const round = async (): Promise<void> => {
    const startedAtMs = ports.clock.monoMs();
    try {
      if (await look()) trouble.over();
    } catch (error) {
      if (state !== 'closed') trouble.tell(error);
    }
    complaints.look(sender.standing());
    const endedAtMs = ports.clock.monoMs();
    restUntilMs = endedAtMs + REST_PER_LOOK * (endedAtMs - startedAtMs);
    if (state === 'closed') return;
    const again = state === 'look again';
    state = 'idle';
    if (again) wake();
    else timer = ports.timers.after(nextInMs(), wake);
  };

  const wake = (): void => {
    if (state === 'closed') return;
    if (state !== 'idle') {
      state = 'look again';
      return;
    }
    timer?.cancel();
    const restMs = restUntilMs - ports.clock.monoMs();
    if (restMs > 0) {
      timer = ports.timers.after(restMs, wake);
      return;
    }
    state = 'looking';
    const run = round().finally(() => underWay.delete(run));
    underWay.add(run);
  };

  const watch = store.watch(OUTBOX_PREFIX, wake);
  wake();

  return {
    wake,
    tryOne: createWorker({ channels, routes, records, sender, sight, mark, log, nowMs, isClosed: () => state === 'closed' }),
    carryBy(given) {
      queue = given;
    },
    threads: sight.threads,
    backlog: () => ({
      pages: waiting === null ? null : waiting.length,
      oldestAtMs: waiting === null || waiting.length === 0 ? null : Math.min(...waiting.map(dueAtMs)),
      channels: courier.channels(),
      queue: queue?.standing() ?? null,
      lookedAgoMs: ports.clock.monoMs() - lookedAtMs,
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
