// The desk of one replica: everything that pages, through the same channels. The outbox delivers what decisions committed, while this replica coordinates;
// reports are what it has to tell by itself; direct pages are for when the store does not answer.

import type { PagingConfig } from '../config/paging.ts';
import { fileDisk, memoryDisk } from '../disk.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ClusterConfig, EndpointKey, Page, Routing, Vote } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { MeasuredStore } from '../store/measured.ts';
import type { Notice } from './channel.ts';
import { openLog } from './channels/log.ts';
import { createDirectPages } from './direct.ts';
import { createHeartbeat } from './heartbeat.ts';
import { type Thread, threadsOf } from './incidents.ts';
import { openChannel } from './index.ts';
import { noticeOf } from './message.ts';
import { type Backlog, createOutbox } from './outbox.ts';
import { createRepeater } from './repeater.ts';
import { createReporter, type Report } from './report.ts';
import { LOG_CHANNEL } from './routing.ts';
import type { Standing } from './sender.ts';
import { openSpool, type Spool } from './spool.ts';

export interface DeskOptions {
  paging: PagingConfig;
  ports: Ports;
  log: Log;
  metrics: Metrics;
  store: MeasuredStore;
  region: string;
  replica: string;
  /** Reads a secret's file. */
  secret: (path: string) => string;
  /** Reads a file that is no secret. */
  text: (path: string) => string;
  resolve: Resolver['resolve'];
  /** Where pages of a region alone are kept. */
  spool: Spool;
  /** Names of providers whose place is the store itself: nobody can write there by hand while it is lost. */
  gates: ReadonlySet<string>;
  /** What the cluster is called before the store has told, if this replica's file does. */
  clusterName?: string;
  /** What this replica knows now; asked each time. */
  knows: {
    cluster(): ClusterConfig | null;
    routing(): Routing | null;
    vote(): Vote | null;
    isCoordinator(): boolean;
    /** Cluster time. */
    nowMs(): number;
    /** Since the store last answered and took what this replica writes; Infinity: never. */
    storeAgeMs(): number;
    /** Age in ms of the start of the endpoint's current streak of faults here; null: none. Absent: pages do not say. */
    /** Of this vantage's own looks. */
    firstFaultAgeMs(key: EndpointKey): number | null;
  };
}

export interface Desk {
  report(report: Report): void;
  /** This replica coordinates now: look at the outbox at once. */
  inOffice(): void;
  /** How paging stands: what waits in the outbox, and how each channel did last. */
  backlog(): Backlog;
  /** Lets deliveries under way end for `graceMs`; what is left stays in the outbox or the spool. */
  close(graceMs: number): Promise<void>;
}

/** A store that has not answered for so long: somebody outside has to know, since nothing can be decided. */
const STORE_SILENT_MS = 30_000;

/** A coordinator that has not read the outbox for so long delivers nothing. */
const UNREAD_MS = 60_000;

/** Some channel besides the log took the last page that it was given, or there is none. */
const canPage = (channels: readonly Standing[]): boolean => {
  const real = channels.filter(({ name }) => name !== LOG_CHANNEL);
  return real.length === 0 || real.some(({ failing }) => failing === null);
};

/** The spool of a replica's file; in memory only when none is configured. */
export const spoolOf = ({ spoolFile }: DeskOptions['paging'], ports: Ports, log: Log): Promise<Spool> =>
  openSpool({ disk: spoolFile === undefined ? memoryDisk() : fileDisk(spoolFile), ports, log });

/** What it `knows` is asked from now on. Throws Fault ERR_SECRET for a channel's secret that cannot be used. */
export const createDesk = async ({ paging, knows, spool, ...options }: DeskOptions): Promise<Desk> => {
  const { ports, log, metrics, store, region, replica } = options;
  const channels = [openLog(options), ...(await Promise.all(paging.channels.map((channel) => openChannel(channel, options))))];
  const tell = (page: Page): Notice =>
    noticeOf(page, { cluster: knows.cluster()?.name ?? options.clusterName ?? region, baseUrl: paging.baseUrl ?? null });
  const reporter = createReporter({ store, ports, log, region, replica, cluster: knows.cluster, nowMs: knows.nowMs });
  const outbox = createOutbox({
    store,
    ports,
    channels,
    routes: paging.routes,
    noticeOf: tell,
    log,
    metrics,
    isLeader: knows.isCoordinator,
    nowMs: knows.nowMs,
    report: (report) => void reporter.tell(report),
  });
  // The library behind it is loaded by those who have a Redis.
  const queue =
    paging.redis === undefined
      ? null
      : await (await import('./redis-queue.ts')).createRedisQueue({ ...options, redis: paging.redis, channels, tryOne: outbox.tryOne });
  if (queue !== null) outbox.carryBy(queue);
  const heartbeat =
    paging.heartbeat === undefined
      ? null
      : createHeartbeat({
          ...paging.heartbeat,
          context: options,
          isWell: () => {
            const { channels: standing, lookedAgoMs } = outbox.backlog();
            const delivers = !knows.isCoordinator() || lookedAgoMs < UNREAD_MS;
            return knows.storeAgeMs() < STORE_SILENT_MS && delivers && canPage(standing);
          },
          log,
        });
  /** What is open as far as this replica is to say it again: as coordinator, or when nobody can be; and what it told alone. */
  const openThreads = (): ReadonlyMap<string, Thread> => {
    const own = threadsOf(
      spool.pages().map(({ page }) => page),
      knows.nowMs(),
    );
    const speaks = knows.isCoordinator() || knows.storeAgeMs() >= STORE_SILENT_MS;
    return new Map([...(speaks ? outbox.threads() : []), ...own]);
  };
  const repeater = createRepeater({ ports, channels, log, noticeOf: tell, threads: openThreads, nowMs: knows.nowMs });
  const direct = createDirectPages({
    ports,
    log,
    channels,
    noticeOf: tell,
    spool,
    region,
    replica,
    store,
    metrics,
    storeAgeMs: knows.storeAgeMs,
    complaint: () => store.complaint(),
    belief: knows.vote,
    cluster: knows.cluster,
    routing: knows.routing,
    nowMs: knows.nowMs,
    firstFaultAgeMs: knows.firstFaultAgeMs,
    gates: options.gates,
    ...(options.clusterName === undefined ? {} : { clusterName: options.clusterName }),
  });
  return {
    report: (report) => void reporter.tell(report),
    inOffice: () => outbox.wake(),
    backlog: () => outbox.backlog(),
    async close(graceMs) {
      reporter.stop();
      await Promise.all([queue?.close(graceMs), outbox.close(graceMs), direct.close(graceMs), repeater.close(), heartbeat?.close()]);
      await Promise.all(channels.map((channel) => channel.close?.()));
    },
  };
};
