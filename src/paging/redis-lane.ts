// One channel's queue in Redis with this process's worker of it (BullMQ): adds errands, has them tried, and looks whether they move. A lane of its own per
// channel, since a rate is a queue's. The settings and the traps they avoid were measured (BullMQ 6.7, ioredis 6, Redis 7.0); the suite of test/system holds
// them. The library uses timers of its own; they stay behind this file.
import type { Job, Queue as Jobs, Worker } from 'bullmq';
import { sha256 } from '../audit/canonical.ts';
import type { Log } from '../log.ts';
import type { Severity } from '../model.ts';
import type { Clock } from '../ports.ts';
import type { Errand, QueueJobs, Try, Verdict } from './queue.ts';
import { becauseOf, type Links } from './redis-link.ts';
import { LOOK, type Look, lookOf } from './redis-look.ts';

/** The same head for so long, over so many looks: nobody takes jobs. Before the caller's next sweep (5 s), which so finds that it has to deliver. */
const STUCK_MS = 2_500;
const STUCK_LOOKS_MIN = 3;
/** Tries at once per worker. They wait for receivers, not for this process. */
const PLACES = 20;
/**
 * A lock is renewed while its try runs, every 2.5 to 5 s: a try may be longer than its lock. So the lock is not as long as the longest try (15 s of a
 * channel, and its marks) but as short as a busy process can bear: a try whose process died is taken over 10 to 13 s later. One that lost its lock while
 * it ran is tried twice, no more.
 */
const LOCK_MS = 10_000;
const STALLED_EVERY_MS = 3_000;
/** Stalls are no failures of the page, however often the process died: at the library's default the second one would fail it for good. */
const STALLS_MAX = 1_000;
/** Whoever tries decides when a page is given up, never the count. */
const TRIES_MAX = 1_000_000;
/** A wait for the next job ends after it (with delayed jobs there, after up to 10 s): a wake-up that was lost with a connection costs no more. */
const BLOCK_S = 2;
/** After a lost connection; the library's default is 15 s. */
const WORKER_RETRY_MS = 500;
/** The library writes a stream of what it does, which nobody reads here. */
const EVENTS_KEPT = 100;
/** After a try that broke its contract. */
const BROKEN: Verdict = { done: false, againAfterMs: 5_000 };
/** Lower is sooner. None may be 0: that would be sooner than all others. */
const PRIORITY: Readonly<Record<Severity, number>> = { critical: 1, warning: 2, info: 3 };

export interface QueueChannel {
  name: string;
  /** What its receiver bears, of all workers together. */
  rate?: { max: number; perMs: number };
}

export type Library = typeof import('bullmq');

export interface LaneOptions {
  library: Library;
  links: Links;
  /** Before every key. */
  prefix: string;
  channel: QueueChannel;
  tryOne: Try;
  /** For every try; aborted at the end. */
  signal: AbortSignal;
  log: Log;
  clock: Clock;
}

export interface Found extends Look {
  /** Why nothing in it moves; null: it does. */
  still: string | null;
}

export interface Lane {
  readonly channel: QueueChannel;
  /** As of the last look that was answered. */
  jobs(): QueueJobs;
  /** What is there, and which of these errands are held (one letter each). Rejects when the server does not answer, or takes no writes. */
  look(errands: readonly Errand[]): Promise<Found>;
  /** Puts them in; answers whether that is done. Rejects when the server refuses, or does not answer: they may be in all the same. */
  add(errands: readonly Errand[]): Promise<boolean>;
  /** Opens, starts or wakes its worker: to be called when the server has just taken a write. Resolves once there is one, or could not be one now. */
  keepWorking(): Promise<void>;
  isWorking(): boolean;
  /** Waits for the tries under way; without a server for ever. */
  close(): Promise<void>;
}

/** What a job carries. */
type Task = Omit<Errand, 'delayMs'>;

/** The queue and this process's worker of it. */
interface Line {
  jobs: Jobs<Task>;
  worker: Worker<Task>;
}

/** A try that has to be repeated, as the library wants to hear it. The text is kept in Redis. */
class TryAgain extends Error {
  readonly againAfterMs: number;
  constructor(againAfterMs: number) {
    super('to be tried again');
    this.name = 'TryAgain';
    this.againAfterMs = againAfterMs;
  }
}

/** Same errand, same job: whoever adds it. No integer and no colon, which the library refuses. */
export const jobIdOf = ({ page, channel }: Pick<Errand, 'page' | 'channel'>): string =>
  `e${sha256(JSON.stringify([page, channel])).slice(0, 40)}`;

const isTask = (data: unknown): data is Task =>
  typeof data === 'object' &&
  data !== null &&
  'page' in data &&
  typeof data.page === 'string' &&
  'channel' in data &&
  typeof data.channel === 'string' &&
  'severity' in data &&
  typeof data.severity === 'string' &&
  data.severity in PRIORITY;

const taskOf = ({ page, channel, severity, unlessTaken }: Task): Task => ({
  page,
  channel,
  severity,
  ...(unlessTaken === true ? { unlessTaken } : {}),
});

const jobOf = (errand: Errand) => ({
  name: 'page',
  data: taskOf(errand),
  opts: {
    jobId: jobIdOf(errand),
    priority: PRIORITY[errand.severity],
    delay: Math.max(0, Math.round(errand.delayMs ?? 0)),
    attempts: TRIES_MAX,
    backoff: { type: 'asked' },
    // Done is marked in the store, and that mark absorbs repeats. A job that stayed would absorb a replay, or a page whose mark was lost.
    removeOnComplete: true,
    removeOnFail: false,
    stackTraceLimit: 0,
    keepLogs: 0,
  },
});

/** Its worker does not run yet: before its connections have been set up it would ask in a loop without end. */
const lineOf = ({ library, links, prefix, channel, tryOne, signal }: LaneOptions): Line => {
  const tryJob = async ({ data, attemptsMade }: Job<Task>): Promise<void> => {
    if (!isTask(data)) throw new library.UnrecoverableError('this is no errand');
    const errand: Errand = taskOf(data);
    // The text of an error would be kept in Redis, and nobody knows what it holds.
    const verdict = await tryOne(errand, attemptsMade, signal).catch(() => BROKEN);
    if (!verdict.done) throw new TryAgain(Math.max(0, Math.round(verdict.againAfterMs)));
  };
  return {
    jobs: new library.Queue<Task>(channel.name, { connection: links.producer, prefix, streams: { events: { maxLen: EVENTS_KEPT } } }),
    worker: new library.Worker<Task>(channel.name, tryJob, {
      connection: links.worker,
      prefix,
      autorun: false,
      concurrency: PLACES,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_EVERY_MS,
      maxStalledCount: STALLS_MAX,
      drainDelay: BLOCK_S,
      runRetryDelay: WORKER_RETRY_MS,
      settings: {
        backoffStrategy: (_failures, _type, error) => (error instanceof TryAgain ? error.againAfterMs : WORKER_RETRY_MS),
      },
      ...(channel.rate === undefined ? {} : { limiter: { max: channel.rate.max, duration: channel.rate.perMs } }),
    }),
  };
};

/** Does nothing yet: Redis may be away. */
export const createLane = (options: LaneOptions): Lane => {
  const { links, prefix, channel, log, clock } = options;
  /** null: there is none yet, or it could not be set up and is set up anew. */
  let line: Line | null = null;
  let opening: Promise<void> | null = null;
  let isClosed = false;
  /** The job at the head, since when (monotonic) and over how many looks. */
  let head = { id: '', sinceMs: 0, looks: 0 };
  let jobs: QueueJobs = { waiting: 0, failed: 0 };
  /** The head for whose sake the workers' connections were renewed. */
  let renewedFor = '';
  /** What its worker last complained of; not told again until it has changed. */
  let complaint: string | null = null;

  const complain = (error: Error): void => {
    // A worker that is refused asks again at once and for ever: it rests until a look has found that the server takes what it is told.
    if (error.name === 'ReplyError') void line?.worker.pause(true);
    const because = becauseOf(error, links.failure());
    if (complaint !== because) log.warn('queue.worker', { channel: channel.name, because });
    complaint = because;
  };

  /** A line that cannot be set up never works: it is discarded, and the next good look begins another. */
  const openLine = async (): Promise<void> => {
    const made = lineOf(options);
    made.jobs.on('error', complain);
    made.worker.on('error', complain);
    made.worker.on('completed', () => {
      complaint = null;
    });
    made.worker.on('stalled', (job: string) => log.warn('queue.stalled', { channel: channel.name, job }));
    try {
      await Promise.all([made.jobs.waitUntilReady(), made.worker.waitUntilReady()]);
      line = made;
    } catch (error) {
      complain(error instanceof Error ? error : new Error(String(error)));
      await Promise.allSettled([made.jobs.close(), made.worker.close()]);
    }
  };
  const keepWorking = async (): Promise<void> => {
    if (line === null) {
      opening ??= openLine().finally(() => {
        opening = null;
      });
      await opening;
    }
    if (isClosed || line === null || (line.worker.isRunning() && !line.worker.isPaused())) return;
    await line.worker.resume();
  };

  const ask = links.producer as unknown as { tidegateLook?: (...given: readonly (string | number)[]) => Promise<unknown> };
  if (ask.tidegateLook === undefined) links.producer.defineCommand('tidegateLook', { lua: LOOK, numberOfKeys: 1 });
  const rate = channel.rate ?? { max: 0, perMs: 0 };
  const at = `${prefix}:${channel.name}:`;
  const look = async (errands: readonly Errand[]): Promise<Found> => {
    const given = [at, clock.wallMs(), PLACES, rate.max, rate.perMs, ...errands.map(jobIdOf)];
    const found = lookOf(await ask.tidegateLook?.(`${at}looked`, ...given));
    const waits = found.slowed ? '' : found.head;
    head = waits !== '' && waits === head.id ? { ...head, looks: head.looks + 1 } : { id: waits, sinceMs: clock.monoMs(), looks: 1 };
    jobs = { waiting: found.waiting, failed: found.failed };
    if (found.paused) return { ...found, still: `${channel.name}: somebody has paused its queue` };
    const isStuck = waits !== '' && head.looks >= STUCK_LOOKS_MIN && clock.monoMs() - head.sinceMs >= STUCK_MS;
    if (isStuck) renew();
    return { ...found, still: isStuck ? `${channel.name}: no worker takes its jobs` : null };
  };
  /** Once for each head that stays: its worker may wait on connections that are dead, which the library's own watchdog finds out after 11 s. */
  const renew = (): void => {
    if (head.id === renewedFor) return;
    renewedFor = head.id;
    links.renewWorkers();
  };

  return {
    channel,
    jobs: () => jobs,
    look,
    keepWorking,
    isWorking: () => line !== null,
    async add(errands) {
      if (line === null) return false;
      await line.jobs.addBulk(errands.map(jobOf));
      return true;
    },
    async close() {
      isClosed = true;
      // Never by force, which drops what is under way.
      await line?.worker.close();
    },
  };
};
