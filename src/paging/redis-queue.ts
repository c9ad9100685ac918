// A region's queue in Redis: it spreads tries over the region's replicas, remembers failures and due times, keeps each channel's rate and takes what is
// critical first. Nothing here is the only copy of anything, so every doubt is answered with "not held": the caller then delivers by itself, and a job that
// is tried later all the same finds its page marked. Duplicates are possible, losses are not.
// Once a second, and at every offer, it looks at each channel's queue itself (redis-look.ts) instead of believing what was once added: a job counts as held
// while it is there and the queue's head changes.
import assert from 'node:assert/strict';
import type { Log } from '../log.ts';
import { type Timer, withDeadline } from '../ports.ts';
import type { Errand, Queue, QueueStanding, Try } from './queue.ts';
import { createLane, type Lane, type Library, type QueueChannel } from './redis-lane.ts';
import { becauseOf, type LinkOptions, openLinks } from './redis-link.ts';
import { settingsAgainst } from './redis-look.ts';

/** Of the contract's 2 s. */
const OFFER_MS = 1_900;
const READY_MS = 2_000;
const LOOK_EVERY_MS = 1_000;
/** Errands in one look and in one add: so that one call never holds the server for long. */
const AT_ONCE_MAX = 250;
/** For tries to come back after they were aborted. */
const ABORTED_MS = 1_000;

export interface RedisQueueOptions extends LinkOptions {
  /** Names must differ. An errand of another channel is never held. */
  channels: readonly QueueChannel[];
  tryOne: Try;
  log: Log;
}

const loadLibrary = (): Promise<Library> => {
  // The library's codec would load a native add-on where one is installed; this project loads none. It asks for this name while it is imported.
  process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED = 'true';
  return import('bullmq');
};

/** Those of one channel that are held and move are put into `held`, as soon as that is known. Rejects when the server refuses or does not answer. */
const offerTo = async (lane: Lane, errands: readonly Errand[], held: Errand[], signal: AbortSignal): Promise<void> => {
  for (let from = 0; from < errands.length && !signal.aborted; from += AT_ONCE_MAX) {
    const some = errands.slice(from, from + AT_ONCE_MAX);
    const found = await lane.look(some);
    if (found.still !== null) return;
    held.push(...some.filter((_, at) => found.held[at] === 'y'));
    const missing = some.filter((_, at) => found.held[at] === 'n');
    if (missing.length > 0 && (await lane.add(missing))) held.push(...missing);
  }
};

/** Opens it, and waits at most 2 s for Redis: a queue whose Redis is away holds nothing until it is back. Throws Fault ERR_SECRET for a secret that cannot be used. */
export const createRedisQueue = async (options: RedisQueueOptions): Promise<Queue> => {
  const { redis, channels, tryOne, ports, log } = options;
  assert(new Set(channels.map(({ name }) => name)).size === channels.length, 'two channels of a queue have the same name');
  const library = await loadLibrary();
  const links = await openLinks(options);
  const stopping = new AbortController();
  const common = { library, links, prefix: redis.prefix, tryOne, signal: stopping.signal, log, clock: ports.clock };
  const lanes = channels.map((channel) => createLane({ ...common, channel }));
  const ready = Promise.withResolvers<void>();
  let state: 'open' | 'closed' = 'open';
  let away: { because: string; atMs: number } | null = { because: 'Redis: it has not answered yet', atMs: ports.clock.monoMs() };
  let timer: Timer | null = null;

  let advised = '';
  /** Settings under which jobs get lost, once until they change. A server that does not tell, or may not be asked, is left alone. */
  const advise = async (): Promise<void> => {
    try {
      const info = await links.producer.info();
      const [, fsync = null] = await links.producer.config('GET', 'appendfsync').then(
        (told) => told as string[],
        () => [],
      );
      const because = settingsAgainst(info, fsync).join('; ');
      if (because !== advised && because !== '') log.warn('queue.settings', { because });
      advised = because;
    } catch {
      // The next time that it is back.
    }
  };

  const stands = (because: string | null): void => {
    if (state === 'closed') return;
    if (because === null) {
      if (away !== null) {
        log.info('queue.back', { awayMs: Math.round(ports.clock.monoMs() - away.atMs) });
        void advise();
      }
      away = null;
      return;
    }
    if (away?.because !== because) log.warn('queue.away', { because });
    away = { because, atMs: away?.atMs ?? ports.clock.monoMs() };
  };
  const fails = (error: unknown): void => stands(`Redis: ${becauseOf(error, links.failure())}`);

  const lookAt = async (lane: Lane): Promise<string | null> => {
    const { still } = await lane.look([]);
    if (state === 'open')
      void lane.keepWorking().then(() => {
        if (lanes.every((one) => one.isWorking())) ready.resolve();
      });
    return still;
  };
  const watch = (): void => {
    if (state === 'closed') return;
    timer?.cancel();
    timer = null;
    withDeadline(ports.timers, OFFER_MS, 'Redis', () => Promise.all(lanes.map(lookAt)))
      .then((found) => stands(found.find((still) => still !== null) ?? null), fails)
      .then(() => {
        if (state === 'open' && timer === null) timer = ports.timers.after(LOOK_EVERY_MS, watch);
      });
  };

  // A connection that is back is looked at at once.
  links.producer.on('ready', watch);
  watch();
  await withDeadline(ports.timers, READY_MS, 'Redis', () => ready.promise).catch(() => undefined);

  return {
    async offer(errands) {
      if (state === 'closed' || errands.length === 0) return [];
      const held: Errand[] = [];
      const parts = lanes.map((lane) => ({ lane, of: errands.filter(({ channel }) => channel === lane.channel.name) }));
      try {
        // Each for itself: what is wrong with one channel's queue is nothing to the others.
        const ends = await withDeadline(ports.timers, OFFER_MS, 'Redis', (signal) =>
          Promise.allSettled(parts.filter(({ of }) => of.length > 0).map(({ lane, of }) => offerTo(lane, of, held, signal))),
        );
        for (const end of ends) if (end.status === 'rejected') fails(end.reason);
      } catch (error) {
        fails(error);
      }
      return [...held];
    },
    standing(): QueueStanding {
      const all = lanes.map((lane) => lane.jobs());
      const jobs = {
        waiting: all.reduce((sum, { waiting }) => sum + waiting, 0),
        failed: all.reduce((sum, { failed }) => sum + failed, 0),
      };
      if (away === null) return { state: 'ok', jobs };
      return { state: 'away', because: away.because, sinceMs: Math.round(ports.clock.monoMs() - away.atMs), jobs };
    },
    async close(graceMs) {
      if (state === 'closed') return;
      state = 'closed';
      timer?.cancel();
      // Without a server it would not end: so it is waited for with patience only.
      const ended = Promise.allSettled(lanes.map((lane) => lane.close()));
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
    },
  };
};
