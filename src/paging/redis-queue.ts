// A region's queue in Redis (BullMQ): it spreads tries over the region's replicas, remembers failures and due times, keeps each channel's rate and takes
// what is critical first. Nothing here is the only copy of anything, so every doubt is answered with "not held": the caller then delivers by itself, and a
// job that is tried later all the same finds its page marked. Duplicates are possible, losses are not.
// Once a second, and at every offer, it looks at each channel's queue itself (redis-look.ts) instead of believing what was once added: a job counts as held
// while it is there and the queue's head changes. Settings and their traps were measured (BullMQ 6.7, ioredis 6, Redis 7.0); the suite of test/system holds
// them. The libraries use timers and sockets of their own; they stay behind this file and redis-link.ts.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Job, Queue as Jobs, Worker } from 'bullmq';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Severity } from '../model.ts';
import { DeadlineError, type Timer, withDeadline } from '../ports.ts';
import type { Errand, Queue, QueueJobs, QueueStanding, Try } from './queue.ts';
import { type LinkOptions, type Links, openLinks } from './redis-link.ts';
import { LOOK, type Look, lookOf } from './redis-look.ts';

/** Of the contract's 2 s. */
const OFFER_MS = 1_900;
const READY_MS = 2_000;
const LOOK_EVERY_MS = 1_000;
/** The same head for so long, over so many looks: nobody takes jobs. Before the caller's next sweep (5 s), which so finds that it has to deliver. */
const STUCK_MS = 2_500;
const STUCK_LOOKS_MIN = 3;
/** Ids in one look, jobs in one add: so that one call never holds the server for long. */
const AT_ONCE_MAX = 250;
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
/** After an answer that broke the contract. */
const BROKEN_AGAIN_MS = 5_000;
/** For tries to come back after they were aborted. */
const ABORTED_MS = 1_000;
/** Lower is sooner. None may be 0: that would be sooner than all others. */
const PRIORITY: Readonly<Record<Severity, number>> = { critical: 1, warning: 2, info: 3 };

export interface QueueChannel {
  name: string;
  /** What its receiver bears, of all workers together. */
  rate?: { max: number; perMs: number };
}

export interface RedisQueueOptions extends LinkOptions {
  /** Names must differ. An errand of another channel is never held. */
  channels: readonly QueueChannel[];
  tryOne: Try;
  log: Log;
}

type Library = typeof import('bullmq');

/** What a job carries. */
type Task = Pick<Errand, 'page' | 'channel' | 'severity'>;

/** One channel's queue and this process's worker of it. */
interface Line {
  jobs: Jobs<Task>;
  worker: Worker<Task>;
}

/** A channel's side of things. */
interface Lane {
  channel: QueueChannel;
  /** null: there is none yet, or it could not be set up and is set up anew. */
  line: Line | null;
  isOpening: boolean;
  /** The job at the head, since when (monotonic) and over how many looks. */
  head: { id: string; sinceMs: number; looks: number };
  /** The head for whose sake the workers' connections were renewed. */
  renewedFor: string;
  jobs: QueueJobs;
  /** What its worker last complained of; not told again until it has changed. */
  complaint: string | null;
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
  `e${createHash('sha256')
    .update(JSON.stringify([page, channel]))
    .digest('hex')
    .slice(0, 40)}`;

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

const laneOf = (channel: QueueChannel): Lane => ({
  channel,
  line: null,
  isOpening: false,
  head: { id: '', sinceMs: 0, looks: 0 },
  renewedFor: '',
  jobs: { waiting: 0, failed: 0 },
  complaint: null,
});

const jobOf = (errand: Errand) => ({
  name: 'page',
  data: { page: errand.page, channel: errand.channel, severity: errand.severity },
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
const lineOf = (
  { Queue: JobQueue, Worker: JobWorker }: Library,
  { producer, worker: connection }: Links,
  prefix: string,
  { name, rate }: QueueChannel,
  tryJob: (job: Job<Task>) => Promise<void>,
): Line => ({
  jobs: new JobQueue<Task>(name, { connection: producer, prefix, streams: { events: { maxLen: EVENTS_KEPT } } }),
  worker: new JobWorker<Task>(name, tryJob, {
    connection,
    prefix,
    autorun: false,
    concurrency: PLACES,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_EVERY_MS,
    maxStalledCount: STALLS_MAX,
    drainDelay: BLOCK_S,
    runRetryDelay: WORKER_RETRY_MS,
    settings: {
      backoffStrategy: (_failures, _type, error) => (error instanceof TryAgain ? error.againAfterMs : BROKEN_AGAIN_MS),
    },
    ...(rate === undefined ? {} : { limiter: { max: rate.max, duration: rate.perMs } }),
  }),
});

const REPLIES: readonly (readonly [code: RegExp, because: string])[] = [
  [/\bREADONLY\b/, 'it is a replica that takes no writes'],
  [/\bOOM\b/, 'its memory is full'],
  [/\b(NOAUTH|WRONGPASS|NOPERM)\b/, 'it refuses the user, the password or the command'],
  [/\bLOADING\b/, 'it is loading its data'],
  [/\bMISCONF\b/, 'it cannot write to its disk'],
  [/Missing (lock|key) for job|could not renew lock/, 'a job was taken over or removed while it was tried'],
];

/** Why, in our own words: of what a server says only the code is repeated. */
const becauseOf = (error: unknown, failure: Error | null): string => {
  const text = errorText(error);
  if (error instanceof DeadlineError || text.includes('timed out') || text.includes('Socket timeout')) return 'no answer in time';
  const known = REPLIES.find(([code]) => code.test(text));
  if (known !== undefined) return known[1];
  if (text.includes("isn't writeable") || text.includes('is closed'))
    return failure === null ? 'there is no connection' : becauseOf(failure, null);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : /^[A-Z]{3,20}\b/.exec(text)?.[0];
  return code ?? 'an error that is not known here';
};

const loadLibrary = (): Promise<Library> => {
  // The library's codec would load a native add-on where one is installed; this project loads none. It asks for this name while it is imported.
  process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED = 'true';
  return import('bullmq');
};

/** Opens it, and waits at most 2 s for Redis: a queue whose Redis is away holds nothing until it is back. Throws Fault ERR_SECRET for a secret that cannot be used. */
export const createRedisQueue = async (options: RedisQueueOptions): Promise<Queue> => {
  const { redis, channels, tryOne, ports, log } = options;
  const library = await loadLibrary();
  const links = await openLinks(options);
  links.producer.defineCommand('tidegateLook', { lua: LOOK, numberOfKeys: 1 });
  const lanes = new Map(channels.map((channel) => [channel.name, laneOf(channel)]));
  const stopping = new AbortController();
  let state: 'open' | 'closed' = 'open';
  let away: { because: string; atMs: number } | null = { because: 'Redis: it has not answered yet', atMs: ports.clock.monoMs() };
  let timer: Timer | null = null;
  const ready = Promise.withResolvers<void>();
  assert(lanes.size === channels.length, 'two channels of a queue have the same name');

  // ---- the workers ----

  const tryJob = async ({ data, attemptsMade }: Job<Task>): Promise<void> => {
    if (!isTask(data)) throw new library.UnrecoverableError('this is no errand');
    const errand: Errand = { page: data.page, channel: data.channel, severity: data.severity };
    // The text of an error would be kept in Redis, and nobody knows what it holds.
    const verdict = await tryOne(errand, attemptsMade, stopping.signal).catch(
      () => ({ done: false, againAfterMs: BROKEN_AGAIN_MS }) as const,
    );
    if (!verdict.done) throw new TryAgain(Math.max(0, Math.round(verdict.againAfterMs)));
  };

  const complain = (lane: Lane, error: Error): void => {
    // A worker that is refused asks again at once and for ever: it rests until a look has found that the server takes what it is told.
    if (error.name === 'ReplyError') void lane.line?.worker.pause(true);
    const because = becauseOf(error, links.failure());
    if (lane.complaint === because) return;
    lane.complaint = because;
    log.warn('queue.worker', { channel: lane.channel.name, because });
  };

  /** A line that cannot be set up never works: it is discarded, and the next good look begins another. */
  const openLine = async (lane: Lane): Promise<void> => {
    const line = lineOf(library, links, redis.prefix, lane.channel, tryJob);
    line.jobs.on('error', (error) => complain(lane, error));
    line.worker.on('error', (error) => complain(lane, error));
    line.worker.on('completed', () => {
      lane.complaint = null;
    });
    line.worker.on('stalled', (job: string) => log.warn('queue.stalled', { channel: lane.channel.name, job }));
    try {
      await Promise.all([line.jobs.waitUntilReady(), line.worker.waitUntilReady()]);
      lane.line = line;
      if ([...lanes.values()].every((one) => one.line !== null)) ready.resolve();
    } catch (error) {
      log.warn('queue.worker', { channel: lane.channel.name, because: becauseOf(error, links.failure()) });
      await Promise.allSettled([line.jobs.close(), line.worker.close()]);
    }
  };

  /** Opens, starts or wakes its worker: called when the server has just taken a write. */
  const keepWorking = (lane: Lane): void => {
    if (state === 'closed') return;
    if (lane.line === null) {
      if (lane.isOpening) return;
      lane.isOpening = true;
      void openLine(lane).finally(() => {
        lane.isOpening = false;
        if (lane.line !== null) keepWorking(lane);
      });
      return;
    }
    const { worker } = lane.line;
    if (worker.isRunning() && !worker.isPaused()) return;
    void worker.resume();
  };

  // ---- looking ----

  const ask = links.producer as unknown as { tidegateLook(...given: readonly (string | number)[]): Promise<unknown> };
  const look = async (lane: Lane, ids: readonly string[]): Promise<Look> => {
    const { name, rate = { max: 0, perMs: 0 } } = lane.channel;
    const at = `${redis.prefix}:${name}:`;
    const found = lookOf(await ask.tidegateLook(`${at}looked`, at, ports.clock.wallMs(), PLACES, rate.max, rate.perMs, ...ids));
    const nowMs = ports.clock.monoMs();
    const isSame = found.head !== '' && !found.slowed && found.head === lane.head.id;
    lane.head = isSame ? { ...lane.head, looks: lane.head.looks + 1 } : { id: found.slowed ? '' : found.head, sinceMs: nowMs, looks: 1 };
    lane.jobs = { waiting: found.waiting, failed: found.failed };
    return found;
  };
  /** Why nothing in it moves; null: it does. */
  const stillness = ({ channel, head }: Lane, { paused }: Look): string | null => {
    if (paused) return `${channel.name}: somebody has paused its queue`;
    const sameMs = ports.clock.monoMs() - head.sinceMs;
    return head.id !== '' && head.looks >= STUCK_LOOKS_MIN && sameMs >= STUCK_MS
      ? `${channel.name}: no worker has taken a job for ${Math.round(sameMs / 1000)} s`
      : null;
  };

  /** Once for each head that stays: its worker may wait on connections that are dead, which the library's own watchdog finds out after 11 s. */
  const renew = (lane: Lane): void => {
    if (lane.head.id === lane.renewedFor) return;
    lane.renewedFor = lane.head.id;
    links.renewWorkers();
  };

  const stands = (because: string | null): void => {
    if (because === null) {
      if (away !== null) log.info('queue.back', { awayMs: Math.round(ports.clock.monoMs() - away.atMs) });
      away = null;
      return;
    }
    if (away?.because !== because) log.warn('queue.away', { because });
    away = { because, atMs: away?.atMs ?? ports.clock.monoMs() };
  };

  /** One look at every channel. Never rejects. */
  const lookAround = async (): Promise<void> => {
    try {
      const found = await withDeadline(ports.timers, OFFER_MS, 'Redis', () =>
        Promise.all(
          [...lanes.values()].map(async (lane) => {
            const because = stillness(lane, await look(lane, []));
            if (because !== null) renew(lane);
            keepWorking(lane);
            return because;
          }),
        ),
      );
      if (state === 'open') stands(found.find((because) => because !== null) ?? null);
    } catch (error) {
      if (state === 'open') stands(`Redis: ${becauseOf(error, links.failure())}`);
    }
  };
  const watch = (): void => {
    if (state === 'closed') return;
    timer?.cancel();
    timer = null;
    void lookAround().then(() => {
      if (state === 'open' && timer === null) timer = ports.timers.after(LOOK_EVERY_MS, watch);
    });
  };

  // ---- offers ----

  const add = async (lane: Lane, errands: readonly Errand[]): Promise<boolean> => {
    if (lane.line === null) return false;
    await lane.line.jobs.addBulk(errands.map(jobOf));
    return true;
  };

  /** Those of one channel that are held and move are put into `held`, as soon as that is known. */
  const offerTo = async (lane: Lane, errands: readonly Errand[], held: Errand[], signal: AbortSignal): Promise<void> => {
    for (let from = 0; from < errands.length && !signal.aborted; from += AT_ONCE_MAX) {
      const some = errands.slice(from, from + AT_ONCE_MAX);
      const found = await look(lane, some.map(jobIdOf));
      if (stillness(lane, found) !== null) return;
      held.push(...some.filter((_, at) => found.held[at] === 'y'));
      const missing = some.filter((_, at) => found.held[at] === 'n');
      if (missing.length > 0 && (await add(lane, missing))) held.push(...missing);
    }
  };

  const offer = async (errands: readonly Errand[]): Promise<readonly Errand[]> => {
    if (state === 'closed' || errands.length === 0) return [];
    const held: Errand[] = [];
    const parts = [...lanes.values()].map((lane) => ({ lane, of: errands.filter(({ channel }) => channel === lane.channel.name) }));
    try {
      // Each for itself: what is wrong with one channel's queue is nothing to the others.
      const ends = await withDeadline(ports.timers, OFFER_MS, 'Redis', (signal) =>
        Promise.allSettled(parts.filter(({ of }) => of.length > 0).map(({ lane, of }) => offerTo(lane, of, held, signal))),
      );
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    } catch (error) {
      stands(`Redis: ${becauseOf(error, links.failure())}`);
    }
    return [...held];
  };

  // ---- the end ----

  const close = async (graceMs: number): Promise<void> => {
    if (state === 'closed') return;
    state = 'closed';
    timer?.cancel();
    // Never by force, which drops what is under way. It waits for the tries, and without a server for ever: so it is waited for with patience only.
    const ended = Promise.allSettled([...lanes.values()].map(({ line }) => line?.worker.close()));
    const within = (ms: number): Promise<boolean> =>
      withDeadline(ports.timers, ms, 'closing', () => ended).then(
        () => true,
        () => false,
      );
    if (!(await within(graceMs))) {
      stopping.abort(new Error('this process is stopping'));
      await within(ABORTED_MS);
    }
    links.close();
    await within(ABORTED_MS);
  };

  const standing = (): QueueStanding => {
    const all = [...lanes.values()].map(({ jobs }) => jobs);
    const jobs = { waiting: all.reduce((sum, { waiting }) => sum + waiting, 0), failed: all.reduce((sum, { failed }) => sum + failed, 0) };
    return away === null
      ? { state: 'ok', jobs }
      : { state: 'away', because: away.because, sinceMs: Math.round(ports.clock.monoMs() - away.atMs), jobs };
  };

  // A connection that is back is looked at at once.
  links.producer.on('ready', watch);
  watch();
  await withDeadline(ports.timers, READY_MS, 'Redis', () => ready.promise).catch(() => undefined);
  return { offer, close, standing };
};
