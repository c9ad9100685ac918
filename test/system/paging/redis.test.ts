// The region's queue on a real Redis that is killed, stopped, filled, flushed, demoted, cut off. What is asserted of every trouble: from its beginning no
// offer takes more than 2 s, within 5 s offers are answered "not held" (the caller then delivers in process), and when it is over they are held again.
// Nothing that was held is lost while the server keeps its data: it is tried, perhaps twice.
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue as Jobs } from 'bullmq';
import { describe, expect, test } from 'vitest';
import type { RedisConfig } from '../../../src/config/paging.ts';
import type { Errand, Queue, Try, Verdict } from '../../../src/paging/queue.ts';
import { jobIdOf, type QueueChannel } from '../../../src/paging/redis-lane.ts';
import { createRedisQueue } from '../../../src/paging/redis-queue.ts';
import { realPorts } from '../../../src/ports.ts';
import { startChaosProxy } from '../../chaos-proxy.ts';
import { createAuthority } from '../../etcd-certificates.ts';
import { type RecordingLog, recordingLog } from '../../recording-log.ts';
import { freePort, workDir } from '../server.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { until } from '../until.ts';
import { type RedisServer, startRedis } from './redis.ts';

const NOT_HELD_MS = 5_000;
/** Of the contract, and what a busy machine adds. */
const OFFER_MS = 2_000 + 500;
const SWEEP_MS = 250;
/** Above the patience of every wait, so that what fails ends as it should and leaves no server behind. */
const TEST_MS = 150_000;
const DONE: Verdict = { done: true };
const PASSWORD = 'correct-horse-battery';

interface Tried {
  page: string;
  channel: string;
  failures: number;
  atMs: number;
}

interface Opened extends AsyncDisposable {
  queue: Queue;
  tried: Tried[];
  log: RecordingLog;
  /** Tries of one page. */
  of(page: string): Tried[];
}

interface Given {
  url: string;
  channels?: readonly QueueChannel[];
  redis?: Partial<RedisConfig>;
  secret?: string;
  caPem?: string;
  addresses?: readonly string[];
  tryOne?: Try;
}

const open = async ({ url, channels = [{ name: 'oncall' }], redis, secret, caPem, addresses, tryOne }: Given): Promise<Opened> => {
  const tried: Tried[] = [];
  const log = recordingLog();
  const queue = await createRedisQueue({
    redis: { url, prefix: 'tidegate', ...redis },
    channels,
    ports: realPorts(),
    log,
    resolve: () => Promise.resolve({ addresses: addresses ?? [], stale: null, ageMs: 0 }),
    secret: () => secret ?? '',
    text: () => caPem ?? '',
    tryOne: (errand, failures, signal) => {
      tried.push({ page: errand.page, channel: errand.channel, failures, atMs: performance.now() });
      return tryOne === undefined ? Promise.resolve(DONE) : tryOne(errand, failures, signal);
    },
  });
  return {
    queue,
    tried,
    log,
    of: (page) => tried.filter((one) => one.page === page),
    [Symbol.asyncDispose]: () => queue.close(0),
  };
};

const errand = (page: string, given: Partial<Errand> = {}): Errand => ({ page, channel: 'oncall', severity: 'critical', ...given });
const LATER = { delayMs: 600_000 };
/** In 600 s: so that it is held during a whole test. */
const later = (page: string): Errand => errand(page, LATER);

let offers = 0;
let slowestMs = 0;
/** Offers what was offered before and something new, as a sweep does. Answers how many of the two are held. */
const sweep = async (queue: Queue, known: Errand): Promise<number> => {
  const startedAtMs = performance.now();
  const held = await queue.offer([known, errand(`fresh-${offers++}`)]);
  slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
  return held.length;
};
/** Ms until nothing is held any more: of what was held before, and of what is new. */
const untilNotHeld = async (queue: Queue, known: Errand): Promise<number> => {
  const startedAtMs = performance.now();
  await until('nothing is held', async () => (await sweep(queue, known)) === 0, NOT_HELD_MS);
  const tookMs = performance.now() - startedAtMs;
  expect(tookMs).toBeLessThan(NOT_HELD_MS);
  expect(slowestMs).toBeLessThan(OFFER_MS);
  return tookMs;
};
const untilHeld = async (queue: Queue, known: Errand): Promise<number> => {
  const startedAtMs = performance.now();
  await until('it is held', async () => (await sweep(queue, known)) === 2);
  expect(slowestMs).toBeLessThan(OFFER_MS);
  return performance.now() - startedAtMs;
};
const report = (what: string, facts: object): void =>
  console.log(
    `${what}: ${Object.entries(facts)
      .map(([name, value]) => `${name} ${typeof value === 'number' ? Math.round(value * 10) / 10 : value}`)
      .join(', ')}`,
  );

interface Trouble {
  begin(server: RedisServer): Promise<unknown>;
  end(server: RedisServer): Promise<unknown>;
  /** Part of the reason that is told. */
  because: RegExp;
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  'killed, started again': { begin: (server) => server.kill(), end: (server) => server.restart(), because: /ECONNREFUSED|connection/ },
  'stopped (SIGSTOP), woken': {
    begin: async (server) => server.signal('SIGSTOP'),
    end: async (server) => server.signal('SIGCONT'),
    because: /no answer in time|connection/,
  },
  'told to pause all clients': {
    // Nobody can unpause it before.
    begin: (server) => server.command('CLIENT', 'PAUSE', 12_000, 'ALL'),
    end: () => Promise.resolve(),
    because: /no answer in time|connection/,
  },
  'told to pause writes': {
    begin: (server) => server.command('CLIENT', 'PAUSE', 600_000, 'WRITE'),
    end: (server) => server.command('CLIENT', 'UNPAUSE'),
    because: /no answer in time|connection/,
  },
  'a replica that takes no writes': {
    begin: (server) => server.command('REPLICAOF', '127.0.0.1', 1),
    end: (server) => server.command('REPLICAOF', 'NO', 'ONE'),
    because: /takes no writes/,
  },
  'full (maxmemory, noeviction)': {
    begin: (server) => server.command('CONFIG', 'SET', 'maxmemory', 1),
    end: (server) => server.command('CONFIG', 'SET', 'maxmemory', 0),
    because: /memory is full/,
  },
  'given a password that is not ours': {
    begin: (server) => server.setPassword('another-password'),
    end: (server) => server.setPassword(PASSWORD),
    because: /password/,
  },
  'its queue paused by somebody': {
    begin: (server) => withJobs(server, (jobs) => jobs.pause()),
    end: (server) => withJobs(server, (jobs) => jobs.resume()),
    because: /oncall: somebody has paused its queue/,
  },
  'workers that may not wait for jobs (ACL)': {
    // What waits at that moment may still be taken: a wait ends after 2 s.
    begin: async (server) => {
      await server.command('ACL', 'SETUSER', 'default', '-bzpopmin');
      await delay(2_500);
    },
    end: (server) => server.command('ACL', 'SETUSER', 'default', '+bzpopmin'),
    because: /oncall: no worker takes its jobs/,
  },
  'a queue from which no worker may take': {
    begin: (server) => withJobs(server, (jobs) => jobs.setGlobalConcurrency(0)),
    end: (server) => withJobs(server, (jobs) => jobs.removeGlobalConcurrency()),
    because: /oncall: no worker takes its jobs/,
  },
};

/** Scripts run so far, those that failed too; 0 from a server that does not answer. */
const calls = async (server: RedisServer): Promise<number> => {
  const told = await server.command('INFO', 'commandstats').catch(() => '');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(String(told))?.[1] ?? 0);
};

/** As somebody else would reach into the queue. */
const withJobs = async <T>(server: RedisServer, work: (jobs: Jobs) => Promise<T>): Promise<T> => {
  const jobs = new Jobs('oncall', { connection: { host: '127.0.0.1', port: server.port, password: server.password }, prefix: 'tidegate' });
  try {
    return await work(jobs);
  } finally {
    await jobs.close();
  }
};

describe.each(Object.entries(TROUBLES))('Redis: %s', (name, { begin, end, because }) => {
  test('is noticed within 5 s, and held again afterwards', { timeout: TEST_MS }, async () => {
    await using server = await startRedis({ password: PASSWORD });
    await using opened = await open({ url: server.url, redis: { passwordFile: 'p' }, secret: PASSWORD });
    const { queue, log, of } = opened;
    expect(await queue.offer([later('before'), errand('first')])).toHaveLength(2);
    await until('the first try', () => of('first').length > 0);
    await begin(server);
    const notHeldMs = await untilNotHeld(queue, later('before'));
    await until(`it is told, with ${because}`, () => {
      const standing = queue.standing();
      return standing.state === 'away' && because.test(standing.because);
    });
    // It stays so.
    for (let i = 0; i < 4; i += 1) {
      expect(await sweep(queue, later('before'))).toBe(0);
      await delay(SWEEP_MS);
    }
    await end(server);
    const heldMs = await untilHeld(queue, later('before'));
    expect(await queue.offer([errand('after')])).toHaveLength(1);
    await until('a try afterwards', () => of('after').length > 0);
    await until('it is told', () => queue.standing().state === 'ok');
    expect(log.of('queue.away').length).toBeGreaterThan(0);
    expect(JSON.stringify(log.lines)).not.toContain(PASSWORD);
    report(name, { 'not held after ms': notHeldMs, 'held again after ms': heldMs });
  });
});

test('a worker that is refused while jobs wait does not ask in a loop without end, and goes on afterwards', {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url, tryOne: () => delay(300, DONE) });
  const errands = Array.from({ length: 100 }, (_, at) => errand(`page-${at}`));
  expect(await opened.queue.offer(errands)).toHaveLength(100);
  await until('the first tries', () => opened.tried.length > 0);
  await server.command('REPLICAOF', '127.0.0.1', 1);
  const before = await calls(server);
  // As long as a worker without rest would take for some 20,000.
  await delay(2_500);
  expect((await calls(server)) - before).toBeLessThan(300);
  await server.command('REPLICAOF', 'NO', 'ONE');
  await until('all are tried', () => errands.every(({ page }) => opened.of(page).length > 0));
});

test('a Redis that is not there: it opens within 2 s, holds nothing, and holds once Redis is there', { timeout: TEST_MS }, async () => {
  const port = await freePort();
  const startedAtMs = performance.now();
  await using opened = await open({ url: `redis://127.0.0.1:${port}/0` });
  const { queue, of } = opened;
  expect(performance.now() - startedAtMs).toBeLessThan(4_000);
  expect(await sweep(queue, errand('early'))).toBe(0);
  expect(queue.standing()).toMatchObject({ state: 'away', because: 'Redis: ECONNREFUSED' });
  await using _server = await startRedis({ port });
  await untilHeld(queue, errand('early'));
  await until('the try', () => of('early').length > 0);
});

test('settings under which jobs get lost are said once; those of the manual are not spoken of', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using good = await open({ url: server.url });
  await until('it is back', () => good.log.of('queue.back').length > 0);
  await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  await server.command('CONFIG', 'SET', 'appendfsync', 'everysec');
  await using bad = await open({ url: server.url });
  await until('it is said', () => bad.log.of('queue.settings').length > 0);
  expect(bad.log.of('queue.settings').map(({ fields }) => fields.because)).toEqual([
    'maxmemory-policy is allkeys-lru: jobs may be evicted; set noeviction; ' +
      'appendfsync is everysec: the last jobs may be gone when its machine dies; set always',
  ]);
  await server.command('CONFIG', 'SET', 'appendonly', 'no');
  await using worse = await open({ url: server.url });
  await until('it is said', () => worse.log.of('queue.settings').length > 0);
  expect(worse.log.of('queue.settings')[0]?.fields.because).toContain('appendonly is no');
  expect(good.log.of('queue.settings')).toEqual([]);
});

test('a connection that passes nothing any more is noticed, and replaced', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const proxy = await startChaosProxy(server.port);
  try {
    await using opened = await open({ url: `redis://127.0.0.1:${proxy.port}/0` });
    const { queue, of } = opened;
    expect(await queue.offer([later('before')])).toHaveLength(1);
    proxy.blackhole();
    const notHeldMs = await untilNotHeld(queue, later('before'));
    // Connections that were made meanwhile are as dead as the first.
    await delay(3_000);
    expect(await sweep(queue, later('before'))).toBe(0);
    await proxy.heal();
    const heldMs = await untilHeld(queue, later('before'));
    expect(await queue.offer([errand('after')])).toHaveLength(1);
    await until('a try afterwards', () => of('after').length > 0);
    report('half open', { 'not held after ms': notHeldMs, 'held again after ms': heldMs });
  } finally {
    await proxy.close();
  }
});

test('connections that died without a word while new ones pass: replaced, and nothing that is not tried is called held for long', {
  timeout: 90_000,
}, async () => {
  await using server = await startRedis();
  await using proxy = await startTcpProxy({ host: '127.0.0.1', port: server.port });
  await using opened = await open({ url: `redis://127.0.0.1:${proxy.port}/0` });
  const { queue, of } = opened;
  expect(await queue.offer([later('before'), errand('first')])).toHaveLength(2);
  await until('the first try', () => of('first').length > 0);
  proxy.strand();
  const startedAtMs = performance.now();
  const given = new Map<string, number>();
  /** Found not held: the caller has delivered it. */
  const delivered = new Set<string>();
  let longestMs = 0;
  // One page each half second, until one is tried that came after the connections had died.
  await until('pages are tried again', async () => {
    if (performance.now() - startedAtMs > given.size * 500) given.set(`page-${given.size}`, performance.now());
    const waiting = [...given.keys()].filter((page) => of(page).length === 0 && !delivered.has(page));
    const held = (await queue.offer(waiting.map((page) => errand(page)))).map(({ page }) => page);
    for (const page of waiting) {
      if (!held.includes(page)) delivered.add(page);
      else if (of(page).length === 0) longestMs = Math.max(longestMs, performance.now() - (given.get(page) ?? 0));
    }
    return [...given.keys()].some((page) => of(page).length > 0);
  });
  const tookMs = performance.now() - startedAtMs;
  report('stranded', { 'tried again after ms': tookMs, 'longest held without a try ms': longestMs });
  expect(longestMs).toBeLessThan(NOT_HELD_MS);
  expect(tookMs).toBeLessThan(10_000);
  expect(await queue.offer([errand('after')])).toHaveLength(1);
  await until('a try afterwards', () => of('after').length > 0);
});

test('a channel whose tries hang takes every place: what waits for one is held', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url, tryOne: () => new Promise(() => {}) });
  const { queue } = opened;
  // That is the channel's slowness, and no reason to try it in another way.
  const busy = Array.from({ length: 20 }, (_, at) => errand(`busy-${at}`));
  expect(await queue.offer(busy)).toHaveLength(20);
  await until('all places are taken', () => opened.tried.length === 20);
  expect(await queue.offer([errand('next')])).toHaveLength(1);
  for (const _ of Array.from({ length: 10 })) {
    await delay(500);
    expect(await queue.offer([errand('next')])).toHaveLength(1);
  }
});

test('everything flushed: what was held is not, and is held and tried when it is offered again', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url });
  const { queue, of } = opened;
  const errands = Array.from({ length: 50 }, (_, at) => errand(`page-${at}`, { delayMs: 3_000 }));
  expect(await queue.offer(errands)).toHaveLength(50);
  await server.command('FLUSHALL');
  expect(await queue.offer(errands.map(({ delayMs: _, ...rest }) => rest))).toHaveLength(50);
  await until('all are tried', () => errands.every(({ page }) => of(page).length === 1));
});

test('healthy: tried within milliseconds, never doubled, gone when done and welcome again', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const ends = new Map<string, () => void>();
  await using opened = await open({
    url: server.url,
    tryOne: ({ page }) => (page === 'slow' ? new Promise((resolve) => ends.set(page, () => resolve(DONE))) : Promise.resolve(DONE)),
  });
  const { queue, of } = opened;
  const waits: number[] = [];
  for (let at = 0; at < 200; at += 1) {
    const startedAtMs = performance.now();
    expect(await queue.offer([errand(`page-${at}`)])).toHaveLength(1);
    const [first] = await until('the try', () => (of(`page-${at}`).length > 0 ? of(`page-${at}`) : null), 5_000);
    waits.push((first?.atMs ?? 0) - startedAtMs);
  }
  waits.sort((a, b) => a - b);
  report('offer to try', { 'p50 ms': waits[100] ?? 0, 'p99 ms': waits[198] ?? 0 });
  expect(waits[198]).toBeLessThan(1_000);

  for (let again = 0; again < 5; again += 1) expect(await queue.offer([errand('slow')])).toHaveLength(1);
  await until('the slow try', () => ends.has('slow'));
  expect(await queue.offer([errand('slow')])).toHaveLength(1);
  ends.get('slow')?.();
  await until(
    'it is gone',
    async () => ((await server.command('KEYS', 'tidegate:oncall:e*')) as string[]).filter((key) => !key.endsWith('events')).length === 0,
  );
  expect(of('slow')).toHaveLength(1);
  expect(await queue.offer([errand('slow')])).toHaveLength(1);
  await until('it is tried anew', () => of('slow').length === 2);
  ends.get('slow')?.();
  expect(queue.standing()).toMatchObject({ state: 'ok' });
});

test('a page of two channels is two errands; one of a channel that is not here is not held', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url, channels: [{ name: 'oncall' }, { name: 'chat.2' }] });
  const both = [errand('page'), errand('page', { channel: 'chat.2' })];
  expect(await opened.queue.offer([...both, errand('page', { channel: 'nowhere' })])).toEqual(both);
  await until('both', () => opened.of('page').length === 2);
  expect(
    opened
      .of('page')
      .map(({ channel }) => channel)
      .sort(),
  ).toEqual(['chat.2', 'oncall']);
});

test('tried again when the try asked for it, with the count of failures, and never given up', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const asked = [400, 0, 1_500, 50, 20, 20, 20, 20, 20, 20, 20, 20];
  await using opened = await open({
    url: server.url,
    tryOne: (_errand, failures) => Promise.resolve(failures < asked.length ? { done: false, againAfterMs: asked[failures] ?? 0 } : DONE),
  });
  expect(await opened.queue.offer([errand('page')])).toHaveLength(1);
  await until('all tries', () => opened.of('page').length > asked.length);
  const tries = opened.of('page');
  expect(tries.map(({ failures }) => failures)).toEqual([...asked.keys(), asked.length]);
  const late = asked.map((ms, at) => (tries[at + 1]?.atMs ?? 0) - (tries[at]?.atMs ?? 0) - ms);
  report('retries', { 'latest ms': Math.max(...late), 'earliest ms': Math.min(...late) });
  // By the wall clock of a process, whose milliseconds are whole.
  for (const ms of late) expect(ms).toBeGreaterThan(-2);
  for (const ms of late) expect(ms).toBeLessThan(1_000);
});

test('what is critical goes first, however late it came', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url, channels: [{ name: 'oncall', rate: { max: 1, perMs: 200 } }] });
  const of = (severity: Errand['severity'], count: number): Errand[] =>
    Array.from({ length: count }, (_, at) => errand(`${severity}-${at}`, { severity }));
  expect(await opened.queue.offer([errand('opener')])).toHaveLength(1);
  await until('the rate is used up', () => opened.tried.length === 1);
  expect(await opened.queue.offer([...of('info', 2), ...of('warning', 2)])).toHaveLength(4);
  expect(await opened.queue.offer(of('critical', 2))).toHaveLength(2);
  await until('all', () => opened.tried.length === 7);
  expect(opened.tried.slice(1).map(({ page }) => page)).toEqual(['critical-0', 'critical-1', 'warning-0', 'warning-1', 'info-0', 'info-1']);
});

test('a channel gets no more than its rate, from all workers together, and waiting for it is no standstill', {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis();
  const channels = [{ name: 'oncall', rate: { max: 4, perMs: 4_000 } }];
  await using one = await open({ url: server.url, channels });
  await using two = await open({ url: server.url, channels });
  const errands = Array.from({ length: 12 }, (_, at) => errand(`page-${at}`));
  expect(await one.queue.offer(errands)).toHaveLength(12);
  const tried = (): Tried[] => [...one.tried, ...two.tried].sort((a, b) => a.atMs - b.atMs);
  let refused = 0;
  await until('all', async () => {
    const left = errands.filter(({ page }) => !tried().some((done) => done.page === page));
    const offered = left.slice(-1);
    if ((await one.queue.offer(offered)).length < offered.length) refused += 1;
    return tried().length >= 12;
  });
  expect(refused).toBe(0);
  const times = tried().map(({ atMs }) => atMs);
  for (let at = 4; at < 12; at += 1) expect((times[at] ?? 0) - (times[at - 4] ?? 0)).toBeGreaterThan(3_700);
});

test('a delayed errand is held, and tried when its time has come', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url });
  const startedAtMs = performance.now();
  expect(await opened.queue.offer([errand('page', { delayMs: 1_500 })])).toHaveLength(1);
  let refused = 0;
  await until('its time', async () => {
    if (opened.of('page').length > 0) return true;
    if ((await opened.queue.offer([errand('page', { delayMs: 1_500 })])).length === 0) refused += 1;
    return false;
  });
  expect(refused).toBe(0);
  const lateMs = (opened.of('page')[0]?.atMs ?? 0) - startedAtMs - 1_500;
  expect(lateMs).toBeGreaterThan(-2);
  expect(lateMs).toBeLessThan(1_500);
});

test('a due time that a clock set which was put back since is not waited for', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url });
  expect(await opened.queue.offer([errand('page', { delayMs: 30_000 })])).toHaveLength(1);
  const [job = ''] = (await server.command('ZRANGE', 'tidegate:oncall:delayed', 0, 0)) as string[];
  await server.command('ZADD', 'tidegate:oncall:delayed', (Date.now() + 3_600_000) * 4096, job);
  expect(await opened.queue.offer([errand('page')])).toHaveLength(0);
});

test('with Redis killed -9 nothing is lost that was held', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url });
  const errands = Array.from({ length: 300 }, (_, at) => errand(`page-${at}`, { delayMs: 2_000 }));
  expect(await opened.queue.offer(errands)).toHaveLength(300);
  await server.kill();
  await server.restart();
  await until('all are tried', () => errands.every(({ page }) => opened.of(page).length > 0));
});

test('a sweep over 2,000 errands that are held is a few questions to Redis', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url });
  const errands = Array.from({ length: 2_000 }, (_, at) => later(`page-${at}`));
  expect(await opened.queue.offer(errands)).toHaveLength(2_000);
  await server.command('CONFIG', 'RESETSTAT');
  const startedAtMs = performance.now();
  expect(await opened.queue.offer(errands)).toHaveLength(2_000);
  const tookMs = performance.now() - startedAtMs;
  const questions = await calls(server);
  report('sweep of 2,000', { ms: tookMs, questions });
  expect(questions).toBeLessThan(12);
  expect(tookMs).toBeLessThan(1_000);
});

test('a job that is no errand fails, is counted, and stops nobody', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  await using opened = await open({ url: server.url });
  await withJobs(server, (jobs) => jobs.add('page', { what: 'a stranger' }, { removeOnFail: false }));
  expect(await opened.queue.offer([errand('page')])).toHaveLength(1);
  await until('it is counted', () => opened.queue.standing().jobs.failed === 1);
  await until('the try', () => opened.of('page').length === 1);
});

// ---- the end of processes ----

interface Child {
  process: ChildProcess;
  lines: string[];
}

const startChild = (server: RedisServer, ...more: readonly string[]): Child => {
  const script = join(import.meta.dirname, 'redis-child.ts');
  const child = spawn(process.execPath, [script, server.url, 'oncall', ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { process: child, lines };
};

test('a process that is killed -9 during a try: another worker takes it over', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const child = startChild(server);
  try {
    await until('the child is open', () => child.lines.includes('open'));
    await withoutWorker(server, errand('page'));
    await until('the child tries', () => child.lines.includes('try page'));
    await using opened = await open({ url: server.url });
    expect(await opened.queue.offer([errand('page')])).toHaveLength(1);
    expect(opened.tried).toHaveLength(0);
    // As if it had killed its process nine times before: at the library's default the second time fails the job for good.
    await server.command('HSET', `tidegate:oncall:${jobIdOf(errand('page'))}`, 'stc', 9);
    const killedAtMs = performance.now();
    child.process.kill('SIGKILL');
    await until('its lock has expired', async () => (await opened.queue.offer([errand('page')])).length === 0);
    const notHeldMs = performance.now() - killedAtMs;
    expect(notHeldMs).toBeLessThan(11_000);
    await until('the other worker tries', () => opened.of('page').length > 0);
    const tookMs = performance.now() - killedAtMs;
    expect(opened.of('page')[0]?.failures).toBe(0);
    report('killed during a try', { 'not held after ms': notHeldMs, 'taken over after ms': tookMs });
    expect(tookMs).toBeLessThan(16_000);
  } finally {
    child.process.kill('SIGKILL');
  }
});

test('a process that is blocked for longer than its lock: tried twice, lost never', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const child = startChild(server, '15000');
  try {
    await until('the child is open', () => child.lines.includes('open'));
    await withoutWorker(server, errand('page'));
    await until('the child tries', () => child.lines.includes('try page'));
    await using opened = await open({ url: server.url });
    await until('the other worker tries', () => opened.of('page').length > 0);
    await until('the child has ended its try', () => child.lines.includes('done page'));
    // It works again, and so does the queue.
    expect(await opened.queue.offer([errand('after')])).toHaveLength(1);
    await until('somebody tries', () => opened.of('after').length > 0 || child.lines.includes('try after'));
    expect(opened.of('page')).toHaveLength(1);
  } finally {
    child.process.kill('SIGKILL');
  }
});

/** Added by a process that has no worker of its own, so that it is clear who takes it. */
const withoutWorker = (server: RedisServer, { page, channel, severity }: Errand): Promise<unknown> =>
  withJobs(server, (jobs) =>
    jobs.add(
      'page',
      { page, channel, severity },
      { jobId: jobIdOf({ page, channel }), priority: 1, attempts: 9, backoff: { type: 'asked' }, removeOnComplete: true },
    ),
  );

test('closing waits for tries under way, then aborts them, and leaves the rest to others', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  let aborted = 0;
  const slow: Try = ({ page }, _failures, signal) =>
    new Promise((resolve) => {
      if (page === 'quick') setTimeout(() => resolve(DONE), 500);
      else
        signal.addEventListener('abort', () => {
          aborted += 1;
          resolve({ done: false, againAfterMs: 0 });
        });
    });
  const first = await open({ url: server.url, tryOne: slow });
  expect(await first.queue.offer([errand('quick'), errand('endless'), later('waiting')])).toHaveLength(3);
  await until('both are tried', () => first.tried.length === 2);
  const startedAtMs = performance.now();
  await first.queue.close(1_500);
  expect(performance.now() - startedAtMs).toBeLessThan(4_000);
  expect(aborted).toBe(1);
  expect(await first.queue.offer([errand('late')])).toEqual([]);
  await using second = await open({ url: server.url });
  await until('another tries what was aborted', () => second.of('endless').length > 0);
  expect(second.of('endless')[0]?.failures).toBe(1);
  expect(second.of('quick')).toHaveLength(0);
  expect(await second.queue.offer([later('waiting')])).toHaveLength(1);
  expect(second.queue.standing().jobs.waiting).toBe(1);
});

test('closing ends in bounded time while Redis is stopped, and another worker takes what was under way', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const opened = await open({
    url: server.url,
    tryOne: (_errand, _failures, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve({ done: false, againAfterMs: 0 }))),
  });
  expect(await opened.queue.offer([errand('page')])).toHaveLength(1);
  await until('the try', () => opened.tried.length === 1);
  server.signal('SIGSTOP');
  const startedAtMs = performance.now();
  await opened.queue.close(500);
  expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  server.signal('SIGCONT');
  await using second = await open({ url: server.url });
  await until('another tries it', () => second.of('page').length > 0);
});

// ---- ways there ----

test('over TLS, to a name, with user and password; another authority is not trusted', { timeout: TEST_MS }, async () => {
  const folder = workDir('redis-tls');
  using _files = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const authority = createAuthority(folder);
  const certificate = authority.issue('redis.test', ['DNS:redis.test']);
  await using server = await startRedis({ tls: certificate });
  await server.command('ACL', 'SETUSER', 'pager', 'on', `>${PASSWORD}`, '~tidegate:*', '+@all', '-@dangerous', '+info');
  const url = `rediss://redis.test:${server.port}/0`;
  const given: Given = { url, redis: { user: 'pager', passwordFile: 'p', caFile: 'ca' }, secret: PASSWORD, addresses: ['127.0.0.1'] };
  {
    await using opened = await open({ ...given, caPem: authority.caPem });
    expect(await opened.queue.offer([errand('page')])).toHaveLength(1);
    await until('the try', () => opened.of('page').length > 0);
  }
  await using stranger = await open({ ...given, caPem: createAuthority(folder, 'other').caPem });
  expect(await sweep(stranger.queue, errand('page'))).toBe(0);
  expect(stranger.queue.standing()).toMatchObject({
    state: 'away',
    because: expect.stringMatching(/^Redis: [A-Z_]*(SIGNATURE|CERT|ISSUER)[A-Z_]*$/),
  });
});

test('no native add-on is loaded', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const child = startChild(server);
  try {
    await until('the child is open', () => child.lines.includes('open'));
    expect(child.lines.filter((line) => line.startsWith('add-on'))).toEqual([]);
  } finally {
    child.process.kill('SIGKILL');
  }
});

// ---- a storm ----

test('10,000 errands in a storm, two replicas: every one is tried, none is lost', { timeout: TEST_MS }, async () => {
  await using server = await startRedis();
  const flaky: Try = ({ page }, failures) =>
    Promise.resolve(failures === 0 && page.endsWith('7') ? { done: false, againAfterMs: 200 } : DONE);
  const channels = [{ name: 'oncall' }, { name: 'chat' }];
  await using one = await open({ url: server.url, channels, tryOne: flaky });
  await using two = await open({ url: server.url, channels, tryOne: flaky });
  const errands = Array.from({ length: 10_000 }, (_, at) =>
    errand(`page-${at}`, { channel: channels[at % 2]?.name ?? '', severity: 'warning' }),
  );
  const startedAtMs = performance.now();
  const held = new Set<string>();
  let heldMs = 0;
  await until('all are held once', async () => {
    const left = errands.filter(({ page }) => !held.has(page)).slice(0, 2_000);
    for (const { page } of await (held.size % 4_000 === 0 ? one : two).queue.offer(left)) held.add(page);
    heldMs = performance.now() - startedAtMs;
    return held.size === errands.length;
  });
  const ended = (): number => {
    const tries = new Map<string, number>();
    for (const { page, failures } of [...one.tried, ...two.tried]) tries.set(page, Math.max(tries.get(page) ?? 0, failures + 1));
    return [...tries].filter(([page, count]) => count >= (page.endsWith('7') ? 2 : 1)).length;
  };
  await until('all are tried, those that failed twice', () => ended() === errands.length);
  const tookS = (performance.now() - startedAtMs) / 1000;
  const tries = one.tried.length + two.tried.length;
  report('storm', {
    'held after ms': heldMs,
    'all tried after s': tookS,
    'tries per s': tries / tookS,
    tries,
    'by the first replica': one.tried.length,
  });
  expect(one.tried.length).toBeGreaterThan(0);
  expect(two.tried.length).toBeGreaterThan(0);
});
