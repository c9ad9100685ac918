// What becomes of committed pages, through the real outbox, channel and signatures, to real receivers that fail as receivers do: how many were committed,
// accepted, accepted more than once under the same id, or lost, and how long after its commit each was first accepted. The storm is also carried by a real
// Redis that is killed in the middle, where there is one on this machine. The reference posts the same bodies to the same receiver, and nothing else.
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMetrics } from '../../src/metrics.ts';
import type { Page } from '../../src/model.ts';
import type { Channel } from '../../src/paging/channel.ts';
import { bodyOf, openWebhook } from '../../src/paging/channels/webhook.ts';
import { noticeOf } from '../../src/paging/message.ts';
import { createOutbox } from '../../src/paging/outbox.ts';
import { createPoster } from '../../src/paging/post.ts';
import type { Queue } from '../../src/paging/queue.ts';
import { createRedisQueue } from '../../src/paging/redis-queue.ts';
import type { PageRoute } from '../../src/paging/routing.ts';
import { realPorts, sleep } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type RedisServer, startRedis } from '../system/paging/redis.ts';
import { silentLog } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { quantile } from './numbers.ts';

const HEALTHY_P99_MS = 2_000;
const FIRST_DEAD_P99_MS = 35_000;
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const STORM = 10_000;
/** Pages of one commit, as a decision that takes many services along has. */
const COMMITTED_AT_ONCE = 50;
const SETTLED_MS = 10 * 60_000;

const ports = realPorts();
const context = {
  ports,
  log: silentLog,
  secret: () => SECRET,
  text: () => '',
  resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
};

type Mood = 'well' | 'dead' | 'moody';

interface Receiver extends AsyncDisposable {
  url: string;
  /** Instants at which each id was accepted. */
  accepted: ReadonlyMap<string, readonly number[]>;
}

/** `dead`: answers 500. `moody`: of every hundred requests one is answered 500, one is never answered, one is accepted and its connection cut. */
const startReceiver = async (mood: Mood): Promise<Receiver> => {
  const accepted = new Map<string, number[]>();
  let asked = 0;
  const server = http.createServer((request, reply) => {
    request.resume().on('end', () => {
      asked += 1;
      const turn = mood === 'moody' ? asked % 100 : -1;
      if (mood === 'dead' || turn === 0) return void reply.writeHead(500).end();
      if (turn === 1) return void request.socket.destroy();
      const id = String(request.headers['webhook-id']);
      accepted.set(id, [...(accepted.get(id) ?? []), performance.now()]);
      if (turn === 2) return void request.socket.destroy();
      reply.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    accepted,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const pageOf = (n: number): Page => ({
  id: `${n}-region_drained-bench`,
  dedupKey: `tidegate/bench/${n}`,
  type: 'region.drained',
  severity: 'critical',
  summary: `eu-west down: 3 of 4 vantages (needs 3), first fault 6.1 s ago; traffic leaves; web: eu-west 500 -> 0, us-east 500 -> 1000`,
  detail: { services: ['web'], region: 'eu-west', changes: ['web: eu-west 500 -> 0, us-east 500 -> 1000'] },
  atMs: ports.clock.wallMs(),
  v: n,
  delivered: [],
  nonce: 'bench',
});
const tell = (page: Page) => noticeOf(page, { cluster: 'bench', baseUrl: null });
const channelTo = (name: string, url: string): Channel =>
  openWebhook({ kind: 'webhook', name, url, secretFiles: ['bench'], networks: ['127.0.0.0/8'] }, context);

export interface PagingRow {
  what: string;
  committed: number;
  delivered: number;
  duplicated: number;
  lost: number;
  p50Ms: number;
  p99Ms: number;
  perSecond: number;
}

interface Run {
  what: string;
  pages: number;
  /** Between commits; 0: as fast as they go. */
  everyMs: number;
  receivers: readonly Receiver[];
  routes?: readonly PageRoute[];
  redis?: RedisServer;
  /** Once a third of the pages was accepted. */
  midway?: () => Promise<void>;
}

const queueOf = (
  redis: RedisServer,
  channels: readonly Channel[],
  tryOne: Parameters<typeof createRedisQueue>[0]['tryOne'],
): Promise<Queue> => createRedisQueue({ redis: { url: redis.url, prefix: 'bench' }, channels, tryOne, ...context });

const run = async ({ what, pages, everyMs, receivers, routes = [], redis, midway }: Run): Promise<PagingRow> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const store = openEmbedded({ file: join(folder, 'store.sqlite'), ports });
  const channels = receivers.map(({ url }, i) => channelTo(`sink-${i + 1}`, url));
  const outbox = createOutbox({ store, ports, channels, routes, noticeOf: tell, log: silentLog, metrics: createMetrics() });
  const queue = redis === undefined ? null : await queueOf(redis, channels, outbox.tryOne);
  if (queue !== null) outbox.carryBy(queue);
  const committedAtMs = new Map<string, number>();
  const startedAtMs = performance.now();
  for (let n = 0; n < pages; ) {
    const batch = Array.from({ length: Math.min(everyMs > 0 ? 1 : COMMITTED_AT_ONCE, pages - n) }, (_, i) => pageOf(n + i + 1));
    await store.txn({ if: [], then: batch.map((page) => ({ put: `outbox/${page.id}`, value: page })) });
    for (const { id } of batch) committedAtMs.set(id, performance.now());
    n += batch.length;
    if (everyMs > 0) await sleep(ports.timers, everyMs);
  }
  const firstOf = (id: string): number | undefined =>
    receivers.flatMap(({ accepted }) => accepted.get(id)?.[0] ?? []).toSorted((a, b) => a - b)[0];
  const reached = (): number => [...committedAtMs.keys()].filter((id) => firstOf(id) !== undefined).length;
  let hasTurned = midway === undefined;
  const untilMs = performance.now() + SETTLED_MS;
  // Accepted by somebody; that the store says so too is what the tests look at.
  while (reached() < pages && performance.now() < untilMs) {
    if (!hasTurned && reached() > pages / 3) {
      hasTurned = true;
      await midway?.();
    }
    await sleep(ports.timers, 100);
  }
  const tookMs = performance.now() - startedAtMs;
  await queue?.close(3_000);
  await outbox.close();
  await store.close();
  rmSync(folder, { recursive: true });
  const waits = [...committedAtMs].flatMap(([id, atMs]) => {
    const firstAtMs = firstOf(id);
    return firstAtMs === undefined ? [] : [firstAtMs - atMs];
  });
  const delivered = reached();
  return {
    what,
    committed: pages,
    delivered,
    duplicated: receivers.reduce((sum, { accepted }) => sum + [...accepted.values()].filter((times) => times.length > 1).length, 0),
    lost: pages - delivered,
    p50Ms: quantile(waits, 0.5),
    p99Ms: quantile(waits, 0.99),
    perSecond: delivered / (tookMs / 1000),
  };
};

/** The same bodies, four at a time, each on a connection of its own, as the channel sends them. */
const floor = async (pages: number): Promise<PagingRow> => {
  await using receiver = await startReceiver('well');
  const post = createPoster({ name: 'floor', networks: ['127.0.0.0/8'] }, context);
  const never = new AbortController().signal;
  const waits: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < pages) {
      next += 1;
      const page = pageOf(next);
      const atMs = performance.now();
      await post({ url: new URL(receiver.url), headers: { 'webhook-id': page.id }, body: bodyOf(tell(page)) }, never);
      waits.push(performance.now() - atMs);
    }
  };
  const startedAtMs = performance.now();
  await Promise.all([worker(), worker(), worker(), worker()]);
  const perSecond = pages / ((performance.now() - startedAtMs) / 1000);
  const [p50Ms, p99Ms] = [quantile(waits, 0.5), quantile(waits, 0.99)];
  return {
    what: 'reference: posted, no outbox',
    committed: pages,
    delivered: receiver.accepted.size,
    duplicated: 0,
    lost: 0,
    p50Ms,
    p99Ms,
    perSecond,
  };
};

const withRedis = async (what: string, work: (redis: RedisServer) => Promise<PagingRow>): Promise<readonly PagingRow[]> => {
  if (!existsSync('/usr/bin/redis-server')) return [];
  process.stderr.write(`  ${what}\n`);
  await using redis = await startRedis();
  return [await work(redis)];
};

export const benchPaging = async ({ quick }: BenchOptions): Promise<Bench> => {
  const storm = quick ? STORM / 10 : STORM;
  const calm = quick ? 50 : 300;
  const alone = async (given: Omit<Run, 'receivers'>, moods: readonly Mood[]): Promise<PagingRow> => {
    process.stderr.write(`  ${given.what}\n`);
    const receivers = await Promise.all(moods.map(startReceiver));
    try {
      return await run({ ...given, receivers });
    } finally {
      await Promise.all(receivers.map((receiver) => receiver[Symbol.asyncDispose]()));
    }
  };
  const ladder: readonly PageRoute[] = [{ to: ['sink-1', 'sink-2'], also: [] }];
  const healthy = await alone({ what: 'one by one, all well', pages: calm, everyMs: 30 }, ['well']);
  const healthyRedis = await withRedis('one by one by Redis', (redis) =>
    alone({ what: 'one by one, by Redis', pages: calm, everyMs: 30, redis }, ['well']),
  );
  const dead = await alone({ what: 'the first of two sinks dead', pages: 20, everyMs: 50, routes: ladder }, ['dead', 'well']);
  const stormy = await alone({ what: `storm, 3 % of tries fail`, pages: storm, everyMs: 0 }, ['moody']);
  const stormyRedis = await withRedis('storm by Redis, killed in the middle', (redis) =>
    alone(
      {
        what: 'storm by Redis, killed -9 midway',
        pages: storm,
        everyMs: 0,
        redis,
        midway: async () => {
          await redis.kill();
          await sleep(ports.timers, 3_000);
          await redis.restart();
        },
      },
      ['moody'],
    ),
  );
  const rows = [await floor(quick ? 500 : 3_000), healthy, ...healthyRedis, dead, stormy, ...stormyRedis];
  const measured = rows.slice(1);
  const total = (key: 'committed' | 'delivered' | 'duplicated' | 'lost'): number => measured.reduce((sum, row) => sum + row[key], 0);
  const healthyP99Ms = Math.max(...[healthy, ...healthyRedis].map(({ p99Ms }) => p99Ms));
  return {
    goals: { healthyP99Ms: HEALTHY_P99_MS, firstDeadP99Ms: FIRST_DEAD_P99_MS, lost: 0 },
    met: healthyP99Ms <= HEALTHY_P99_MS && dead.p99Ms <= FIRST_DEAD_P99_MS && total('lost') === 0,
    rows,
    totals: {
      committed: total('committed'),
      delivered: total('delivered'),
      duplicatedWithTheSameKey: total('duplicated'),
      lost: total('lost'),
      healthyP99Ms,
      firstDeadP99Ms: dead.p99Ms,
    },
    ...(healthyRedis.length > 0 ? {} : { notes: ['redis-server is not on this machine: the rows with Redis were left out'] }),
  };
};
