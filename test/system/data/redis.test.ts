// The kinds of steps of caches on two real Redis servers: what a takeover keeps while somebody writes, what a promotion keeps when the master is dead, what
// rejoining discards and refuses, and what is told of two masters.
import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { cacheFacts } from '../../../src/runbook/cache/look.ts';
import type { RedisSystem } from '../../../src/runbook/cache/system.ts';
import type { RedisSystemConfig } from '../../../src/runbook/systems.ts';
import { createAuthority } from '../../etcd-certificates.ts';
import { type RedisServer, type RedisServerOptions, startRedis } from '../paging/redis.ts';
import { workDir } from '../server.ts';
import { until } from '../until.ts';
import { type Stepper, stepperOf } from './steps.ts';

const TEST_MS = 90_000;
const PASSWORD = 'correct-horse-battery';
const FILE = '/secrets/cache';
const NEVER = new AbortController().signal;
/** So long a master that hands over waits for its replica, and its writers with it. */
const HELD_MS = 500;
/** Of a writer that follows its route as soon as it is refused. */
const INTERRUPTED_MS_MAX = 5_000;

const entryOf = ({ port }: { port: number }): RedisSystemConfig => ({ kind: 'redis', address: `127.0.0.1:${port}`, passwordFile: FILE });

interface Pair extends AsyncDisposable {
  a: RedisServer;
  b: RedisServer;
  files: Record<string, string>;
  steps: Stepper;
}

const startOne = async (options: RedisServerOptions = {}): Promise<RedisServer> => {
  const server = await startRedis({ password: PASSWORD, ...options });
  await server.command('CONFIG', 'SET', 'masterauth', PASSWORD);
  // The first copy begins at once.
  await server.command('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
  return server;
};

const infoOf = async (server: RedisServer, field: string): Promise<string | undefined> =>
  new RegExp(`^${field}:(.*)\r$`, 'm').exec(String(await server.command('INFO', 'replication')))?.[1];

/** `b` follows `a` and has all of it. */
const startPair = async (): Promise<Pair> => {
  const [a, b] = await Promise.all([startOne(), startOne()]);
  await b.command('REPLICAOF', '127.0.0.1', a.port);
  // Its own word that the link is up comes before its master knows that the copy has arrived.
  await until('the replica follows', async () => (await infoOf(a, 'slave0'))?.includes('state=online'));
  const files = { [FILE]: `${PASSWORD}\n` };
  const steps = stepperOf({ 'cache-a': entryOf(a), 'cache-b': entryOf(b) }, files);
  return {
    a,
    b,
    files,
    steps,
    async [Symbol.asyncDispose]() {
      await steps[Symbol.asyncDispose]();
      await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
    },
  };
};

interface Writer extends AsyncDisposable {
  /** Numbers whose writing was answered. */
  readonly acknowledged: readonly number[];
  /** The longest time between two answers. */
  longestMs(): number;
}

const clientOf = ({ port }: RedisServer): Redis => {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    password: PASSWORD,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: true,
    retryStrategy: () => 20,
    commandTimeout: 15_000,
  });
  client.on('error', () => undefined);
  return client;
};

/** Writes one number after the other, to whichever of both takes it: as users do whose route follows. */
const startWriter = (pair: Pair): Writer => {
  const clients = [clientOf(pair.a), clientOf(pair.b)];
  const acknowledged: number[] = [];
  let [isOver, turn, last, longest] = [false, 0, performance.now(), 0];
  const run = async (): Promise<void> => {
    for (let number = 0; !isOver; number++) {
      try {
        await clients[turn]?.set(`n:${number}`, 'x');
        acknowledged.push(number);
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      } catch {
        turn = 1 - turn;
      }
    }
  };
  const running = run();
  return {
    acknowledged,
    longestMs: () => longest,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await running;
      for (const client of clients) client.disconnect();
    },
  };
};

const missingOf = async (server: RedisServer, numbers: readonly number[]): Promise<readonly number[]> => {
  const client = clientOf(server);
  try {
    const found = await client.mget(numbers.map((number) => `n:${number}`));
    return numbers.filter((_, at) => found[at] === null);
  } finally {
    client.disconnect();
  }
};

describe('caches on a real Redis', { timeout: TEST_MS }, () => {
  const takeover = { system: 'cache-b', from: 'cache-a', waitMs: 5_000 };

  test('a takeover under a writer loses nothing, and the old master follows the new one', async () => {
    await using pair = await startPair();
    const { a, b, steps } = pair;
    expect(await steps.read('cache.takeover', takeover)).toMatchObject({ is: 'pending', facts: { dialect: 'redis', isLinked: true } });
    const writer = startWriter(pair);
    await until('the writer writes', () => writer.acknowledged.length > 200);
    const reached = await steps.reach('cache.takeover', takeover);
    const then = writer.acknowledged.length;
    await until('it writes to the new one', () => writer.acknowledged.length > then + 200);
    await writer[Symbol.asyncDispose]();
    expect(reached.facts).toMatchObject({ role: 'master', isSplit: false });
    expect(await missingOf(b, writer.acknowledged)).toEqual([]);
    expect(await infoOf(a, 'role')).toBe('slave');
    expect(await infoOf(a, 'master_port')).toBe(String(b.port));
    expect(writer.longestMs()).toBeLessThan(INTERRUPTED_MS_MAX);
    // Once more: nothing happens.
    expect(await steps.apply('cache.takeover', takeover)).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect(await infoOf(b, 'role')).toBe('master');
    // The old master, which follows already, has nothing to rejoin.
    const rejoined = await steps.reach('cache.rejoin', { system: 'cache-a', address: `127.0.0.1:${b.port}` });
    expect(rejoined.facts).toMatchObject({ role: 'replica', isLinked: true });
    console.log(`takeover: ${writer.acknowledged.length} acknowledged, none lost, longest pause ${Math.round(writer.longestMs())} ms`);
  });

  test('a replica that does not catch up takes nothing over, and the master takes writes again', async () => {
    await using pair = await startPair();
    const { a, b, steps } = pair;
    const client = clientOf(a);
    // It answers nobody, and the step has looked before: what is asked of the master is what counts here.
    const system = await steps.system<RedisSystem>('cache-a', 'redis');
    b.signal('SIGSTOP');
    await client.set('n:0', 'x');
    const before = performance.now();
    await system.handOver({ host: '127.0.0.1', port: b.port }, HELD_MS, NEVER);
    await client.set('n:1', 'x');
    // Since the master was told, whatever of that this machine took to ask it next.
    expect(performance.now() - before).toBeGreaterThan(HELD_MS * 0.9);
    expect(await infoOf(a, 'role')).toBe('master');
    expect(await infoOf(a, 'master_failover_state')).toBe('no-failover');
    b.signal('SIGCONT');
    await until('the replica has it', async () => (await missingOf(b, [0, 1])).length === 0);
    expect(await steps.read('cache.takeover', takeover)).toMatchObject({ is: 'pending' });
    client.disconnect();
  });

  test('of two replicas the right one takes over', async () => {
    await using pair = await startPair();
    const { a, b, steps } = pair;
    await using c = await startOne();
    await c.command('REPLICAOF', '127.0.0.1', a.port);
    await until('both follow', async () => (await infoOf(a, 'slave1'))?.includes('state=online'));
    await steps.reach('cache.takeover', takeover);
    expect(await infoOf(b, 'role')).toBe('master');
    expect(await infoOf(c, 'role')).toBe('slave');
  });

  test('a replica of another master is not handed over to', async () => {
    await using pair = await startPair();
    await using c = await startOne();
    await using steps = stepperOf({ 'cache-b': entryOf(pair.b), 'cache-c': entryOf(c) }, pair.files);
    const effect = await steps.apply('cache.takeover', { system: 'cache-b', from: 'cache-c', waitMs: 1_000 });
    expect(effect).toMatchObject({ took: 'refused', because: expect.stringContaining('histories differ') });
    expect(await infoOf(pair.b, 'role')).toBe('slave');
  });

  test('when the master is killed its replica stands for itself with what it has; the old one rejoins and loses what only it had', async () => {
    await using pair = await startPair();
    const { a, b, steps } = pair;
    await a.command('SET', 'n:0', 'x');
    await until('the replica has it', async () => (await missingOf(b, [0])).length === 0);
    await a.kill();
    await until('it has noticed', async () => (await infoOf(b, 'master_link_status')) === 'down');
    expect(await steps.read('cache.promote', { system: 'cache-b' })).toMatchObject({ is: 'pending', facts: { isLinked: false } });
    // What would lose nothing is not to be had any more, and is not tried.
    expect(await steps.apply('cache.takeover', takeover)).toMatchObject({ took: 'refused' });
    await steps.reach('cache.promote', { system: 'cache-b' });
    await b.command('SET', 'n:1', 'x');
    expect(await missingOf(b, [0, 1])).toEqual([]);
    // It comes back and believes that it is the master: two of them, and a takeover is never reached then.
    await a.restart();
    await a.command('CONFIG', 'SET', 'masterauth', PASSWORD);
    await a.command('SET', 'n:2', 'x');
    const split = await steps.read('cache.takeover', takeover);
    expect(split).toMatchObject({ is: 'never', facts: { isSplit: true }, because: expect.stringContaining('cache-a is master too') });
    const rejoin = { system: 'cache-a', address: `localhost:${b.port}` };
    expect(await steps.read('cache.rejoin', rejoin)).toMatchObject({ is: 'pending' });
    await steps.reach('cache.rejoin', rejoin);
    expect(await missingOf(a, [0, 1])).toEqual([]);
    expect(await missingOf(a, [2])).toEqual([2]);
    expect(await steps.read('cache.takeover', takeover)).toMatchObject({ is: 'reached', facts: { isSplit: false } });
  });

  test('a master that replicas follow never rejoins, nor does one follow itself', async () => {
    await using pair = await startPair();
    const { a, b, steps } = pair;
    const rejoin = { system: 'cache-a', address: `127.0.0.1:${b.port}` };
    expect(await steps.read('cache.rejoin', rejoin)).toMatchObject({ is: 'never', because: expect.stringContaining('would lose') });
    expect(await steps.apply('cache.rejoin', rejoin)).toMatchObject({ took: 'fatal' });
    await b.command('REPLICAOF', 'NO', 'ONE');
    for (const host of ['127.0.0.1', 'localhost']) {
      const own = { system: 'cache-b', address: `${host}:${b.port}` };
      expect(await steps.read('cache.rejoin', own)).toMatchObject({ is: 'never', because: expect.stringContaining('its own address') });
      expect(await steps.apply('cache.rejoin', own)).toMatchObject({ took: 'fatal' });
    }
    expect(await infoOf(a, 'role')).toBe('master');
    expect(await infoOf(b, 'role')).toBe('master');
  });

  test('audits are told its role, its link and its saves', async () => {
    await using pair = await startPair();
    const { a, b, steps } = pair;
    const [ofA, ofB] = [await steps.system<RedisSystem>('cache-a', 'redis'), await steps.system<RedisSystem>('cache-b', 'redis')];
    expect(await cacheFacts(ofA, NEVER)).toEqual({ role: 'master', dialect: 'redis', linked: null, heardAgoMs: null, savedAgoMs: 0 });
    expect(await cacheFacts(ofB, NEVER)).toMatchObject({ role: 'replica', linked: true, savedAgoMs: 0 });
    await a.command('CONFIG', 'SET', 'appendonly', 'no');
    expect(await cacheFacts(ofA, NEVER)).toMatchObject({ savedAgoMs: expect.toSatisfy((ms: number | null) => ms === null || ms < 60_000) });
    await a.command('SAVE');
    expect((await cacheFacts(ofA, NEVER)).savedAgoMs).toBeLessThan(60_000);
    await a.kill();
    await until('the link is down', async () => (await cacheFacts(ofB, NEVER)).linked === false);
    expect((await cacheFacts(ofB, NEVER)).heardAgoMs).toBeLessThan(60_000);
    await expect(cacheFacts(ofA, NEVER)).rejects.toThrow();
    expect(await infoOf(b, 'role')).toBe('slave');
  });

  test('a password that is wrong is told without it, and a new one is taken from its file at the next call', async () => {
    await using pair = await startPair();
    const { a, files, steps } = pair;
    await a.setPassword('another-horse-battery');
    const refused = await steps.read('cache.promote', { system: 'cache-a' });
    expect(refused).toMatchObject({ is: 'unknown', because: expect.stringContaining('WRONGPASS') });
    files[FILE] = 'another-horse-battery';
    expect(await steps.read('cache.promote', { system: 'cache-a' })).toMatchObject({ is: 'reached' });
    expect(steps.said()).not.toContain(PASSWORD);
    expect(steps.said()).not.toContain('another-horse-battery');
  });

  test('TLS is verified against the authority that is configured', async () => {
    const dir = workDir('redis-tls');
    try {
      const [ours, other] = [createAuthority(dir), createAuthority(dir, 'other')];
      const certificate = ours.issue('cache', ['IP:127.0.0.1', 'DNS:cache.example.net']);
      await using server = await startRedis({ password: PASSWORD, tls: certificate });
      const files = { [FILE]: PASSWORD, '/ca': ours.caPem, '/other': other.caPem };
      const tls = (more: RedisSystemConfig['tls']): RedisSystemConfig => ({ ...entryOf(server), tls: more ?? {} });
      await using steps = stepperOf(
        {
          good: tls({ caFile: '/ca' }),
          named: tls({ caFile: '/ca', serverName: 'cache.example.net' }),
          misnamed: tls({ caFile: '/ca', serverName: 'elsewhere.example.net' }),
          strange: tls({ caFile: '/other' }),
          clear: entryOf(server),
        },
        files,
      );
      for (const system of ['good', 'named']) expect(await steps.read('cache.promote', { system })).toMatchObject({ is: 'reached' });
      for (const system of ['misnamed', 'strange', 'clear'])
        expect(await steps.read('cache.promote', { system })).toMatchObject({ is: 'unknown' });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
