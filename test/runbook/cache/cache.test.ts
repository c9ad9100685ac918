// The kinds of steps of caches beside their contract: what each refuses, in which dialect it asks whom, what it tells of two masters.
import { describe, expect, test } from 'vitest';
import { replicaAt } from '../../../src/runbook/cache/takeover.ts';
import { hostPortOf } from '../../../src/runbook/dial.ts';
import { startHarness, stepContract } from '../../contract/step.contract.ts';
import { until } from '../../system/until.ts';
import { startPromoteWorld, startRejoinWorld, startTakeoverWorld } from './world.ts';

stepContract('cache.takeover', { lacks: [], start: () => startTakeoverWorld('dragonfly') });

const orders = (told: readonly (readonly string[])[]): readonly string[] =>
  told.map((words) => words.join(' ')).filter((text) => !/^(AUTH|INFO|TIME)\b/.test(text));

describe('cache.takeover', () => {
  test('Dragonfly is asked at the replica, for as long as a call may last; its master is asked for nothing', async () => {
    await using h = await startHarness('cache.takeover', () => startTakeoverWorld('dragonfly'));
    h.world.spec = { ...h.world.spec, waitMs: 60_000 };
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(orders(h.world.b.told)).toEqual(['REPLTAKEOVER 8']);
    expect(orders(h.world.a.told)).toEqual([]);
  });

  test('Redis is asked at the master, for this replica and no other', async () => {
    await using h = await startHarness('cache.takeover', () => startTakeoverWorld());
    const { a, b } = h.world;
    a.replicas = ['ip=10.9.9.9,port=6379,state=online,offset=50,lag=0', ...a.replicas];
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(orders(a.told)).toEqual([`FAILOVER TO 127.0.0.1 ${b.port} TIMEOUT 5000`]);
    expect(orders(b.told)).toEqual([]);
    // Under way: not asked again.
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect(h.world.fakes.effects).toEqual(['failover']);
  });

  test.each([
    ['its link is down', 'isLinked', false],
    ['it makes its first copy', 'isSyncing', true],
  ] as const)('not while %s', async (_, field, value) => {
    for (const dialect of ['redis', 'dragonfly'] as const) {
      await using h = await startHarness('cache.takeover', () => startTakeoverWorld(dialect));
      h.world.b[field] = value;
      expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('not all that its master has') });
      expect(h.world.fakes.effects).toEqual([]);
    }
  });

  test('not from a master of another history, nor from one that is none', async () => {
    await using h = await startHarness('cache.takeover', () => startTakeoverWorld());
    h.world.a.history = '00';
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('histories differ') });
    h.world.a.follows = { host: '10.9.9.9', port: 6_379 };
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('nothing to hand over') });
    expect(h.world.fakes.effects).toEqual([]);
  });

  test('where it cannot be told from others nobody is chosen', async () => {
    await using h = await startHarness('cache.takeover', () => startTakeoverWorld());
    h.world.a.replicas = ['ip=10.9.9.9,port=6379,state=online,offset=50,lag=0'];
    expect(await h.apply()).toMatchObject({ took: 'fatal', because: expect.stringContaining('replica-announce-ip') });
    expect(h.world.fakes.effects).toEqual([]);
  });

  test('two masters are told, and so is an old one that does not answer', async () => {
    await using h = await startHarness('cache.takeover', () => startTakeoverWorld());
    const { a, b } = h.world;
    b.follows = null;
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('master already') });
    expect(await h.read()).toMatchObject({
      is: 'never',
      because: expect.stringContaining('cache-a is master too'),
      facts: { isSplit: true },
    });
    a.follows = { host: '127.0.0.1', port: b.port };
    expect(await h.read()).toMatchObject({ is: 'reached', facts: { isSplit: false } });
    const elsewhere = { ...h.world.spec, from: 'cache-gone' };
    h.world.spec = elsewhere;
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('cache-gone'), facts: { isSplit: null } });
  });

  test('where its own takeover was taken, an old master has a moment to give way, and may be silent after that', async () => {
    for (const dialect of ['redis', 'dragonfly'] as const) {
      await using h = await startHarness('cache.takeover', () => startTakeoverWorld(dialect));
      const effect = await h.apply();
      expect(effect).toMatchObject({ took: 'accepted', facts: { isTaken: true } });
      h.world.b.follows = null;
      expect(await h.read(effect.facts)).toMatchObject({ is: 'pending', facts: { isSplit: true } });
      h.world.spec = { ...h.world.spec, from: 'cache-gone' };
      expect(await h.read(effect.facts)).toMatchObject({ is: 'reached', facts: { isSplit: null } });
    }
  });

  test.each([
    ['ERR Full sync not done', 'refused'],
    ["ERR Couldn't execute takeover: Operation timed out", 'refused'],
    ['LOADING Dragonfly is loading the dataset in memory', 'refused'],
    ["ERR unknown command 'REPLTAKEOVER'", 'fatal'],
    ['NOPERM this user has no permissions', 'fatal'],
    ['ERR FAILOVER not allowed in cluster mode.', 'fatal'],
  ])('what is refused with %s is %s', async (reply, took) => {
    for (const dialect of ['redis', 'dragonfly'] as const) {
      await using h = await startHarness('cache.takeover', () => startTakeoverWorld(dialect));
      for (const cache of h.world.fakes.caches) cache.says = `-${reply}`;
      // Whoever was asked is named.
      const who = dialect === 'redis' ? 'cache-a' : 'cache-b';
      expect(await h.apply()).toMatchObject({ took, because: expect.stringMatching(`^cache ${who}: it answers: `) });
      // It has answered: nothing is wrong with the way to it.
      expect(h.systems.standing().map(({ failures }) => failures)).toEqual([0, 0]);
    }
  });
});

describe('which replica of the master it is', () => {
  const replica = (host: string, port: number) => ({ host, port, state: 'online', lag: 0 });
  const at = { host: 'cache-b.example.net', port: 6_379 };
  test.each([
    ['the only one on its port', [replica('10.9.0.1', 6_379), replica('10.9.0.2', 7_000)], ['cache-b.example.net'], '10.9.0.1'],
    ['by its address where several share a port', [replica('10.9.0.1', 6_379), replica('10.9.0.2', 6_379)], ['10.9.0.2'], '10.9.0.2'],
    ['nobody of several that share a port', [replica('10.9.0.1', 6_379), replica('10.9.0.2', 6_379)], ['10.8.0.1'], undefined],
    ['nobody on another port, though its address fits', [replica('10.9.0.1', 7_000)], ['10.9.0.1'], undefined],
  ])('%s', (_, replicas, addresses, host) => {
    expect(replicaAt({ replicas }, { port: null }, at, addresses)?.host).toBe(host);
  });

  test('its own word for its port counts as the configured one does', () => {
    expect(replicaAt({ replicas: [replica('10.9.0.1', 16_379)] }, { port: 16_379 }, at, [])?.port).toBe(16_379);
  });
});

describe('cache.promote', () => {
  test('a master is ordered nothing', async () => {
    await using h = await startHarness('cache.promote', startPromoteWorld);
    h.world.b.follows = null;
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect(orders(h.world.b.told)).toEqual([]);
  });

  test.each(['role:sentinel\r\n', 'role:slave\r\n', ''])('INFO that says %j is no answer', async (replication) => {
    await using h = await startHarness('cache.promote', startPromoteWorld);
    h.world.b.replication = replication;
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('nothing that is known here') });
    expect(await h.apply()).toMatchObject({ took: 'undecided' });
    expect(orders(h.world.b.told)).toEqual([]);
  });

  test('what is answered with something else than OK is undecided', async () => {
    await using h = await startHarness('cache.promote', startPromoteWorld);
    h.world.b.says = '+QUEUED';
    expect(await h.apply()).toMatchObject({ took: 'undecided' });
  });

  test('a call that is ended leaves no connection', async () => {
    await using h = await startHarness('cache.promote', startPromoteWorld);
    h.world.meets('silence');
    const stop = new AbortController();
    const reading = h.read({}, stop.signal);
    await h.world.asked();
    stop.abort(new Error('the process ends'));
    expect(await reading).toMatchObject({ is: 'unknown' });
    await until('the connection has ended', () => h.world.fakes.connections() === 0, 2_000);
  });

  test('a first copy that was not whole is told', async () => {
    await using h = await startHarness('cache.promote', startPromoteWorld);
    h.world.b.isSyncing = true;
    h.world.b.isLinked = false;
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('was not whole') });
  });

  test('where its data counts it stands for itself only with all of it', async () => {
    for (const field of ['isSyncing', 'isLoading'] as const) {
      await using h = await startHarness('cache.promote', startPromoteWorld);
      h.world.spec = { ...h.world.spec, whole: true };
      h.world.b[field] = true;
      expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('not whole') });
      expect(h.world.fakes.effects).toEqual([]);
      h.world.b[field] = false;
      expect(await h.apply()).toMatchObject({ took: 'accepted' });
    }
  });

  test('a master that still reads its data is not there yet', async () => {
    await using h = await startHarness('cache.promote', startPromoteWorld);
    h.world.b.follows = null;
    h.world.b.isLoading = true;
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('reads its data from disk') });
    h.world.b.isLoading = false;
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });

  test('a wrong password is told by its code', async () => {
    await using h = await startHarness('cache.promote', async () => ({
      ...(await startPromoteWorld()),
      files: { '/secrets/cache': 'pw-of-yesterday' },
    }));
    expect(await h.read()).toMatchObject({
      is: 'unknown',
      because: expect.stringContaining('refuses the user or the password (WRONGPASS)'),
    });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
  });

  test.each(['', '\n', 'two\nlines'])('a file that holds no password (%j) is a fault', async (text) => {
    await using h = await startHarness('cache.promote', async () => ({
      ...(await startPromoteWorld()),
      files: { '/secrets/cache': text },
    }));
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('/secrets/cache') });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
  });
});

describe('cache.rejoin', () => {
  test.each([
    ['that is up', ['ip=10.9.9.9,port=6379,state=online,offset=50,lag=0'], 0],
    ['that makes its first copy', ['ip=10.9.9.9,port=6379,state=wait_bgsave,offset=0,lag=0'], 0],
    ['of Dragonfly', ['ip=10.9.9.9,port=6379,state=stable_sync,lag=0'], 0],
    ['that is only counted', [], 1],
  ])('never with a replica %s', async (_, replicas, hidden) => {
    await using h = await startHarness('cache.rejoin', startRejoinWorld);
    h.world.b.replicas = replicas;
    h.world.b.hidden = hidden;
    expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('would lose what it has') });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
    expect(h.world.fakes.effects).toEqual([]);
  });

  test('one that Redis has not heard of for long is no reason, and records of Dragonfly are no seconds', async () => {
    await using h = await startHarness('cache.rejoin', startRejoinWorld);
    h.world.b.replicas = ['ip=10.9.9.9,port=6379,state=online,offset=50,lag=31'];
    expect(await h.read()).toMatchObject({ is: 'pending' });
    h.world.b.dialect = 'dragonfly';
    expect(await h.read()).toMatchObject({ is: 'never' });
  });

  test('never itself, by whichever name', async () => {
    await using h = await startHarness('cache.rejoin', startRejoinWorld);
    for (const host of ['127.0.0.1', 'cache-b.example.net']) {
      h.world.spec = { ...h.world.spec, address: `${host}:${h.world.b.port}` };
      expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('its own address') });
      expect(await h.apply()).toMatchObject({ took: 'fatal' });
    }
    expect(h.world.fakes.effects).toEqual([]);
  });

  test('a name and the address that it stands for are one master', async () => {
    await using h = await startHarness('cache.rejoin', startRejoinWorld);
    const { a, b } = h.world;
    b.follows = { host: '127.0.0.1', port: a.port };
    h.world.spec = { ...h.world.spec, address: `cache-a.example.net:${a.port}` };
    expect(await h.read()).toMatchObject({ is: 'reached' });
    b.isSyncing = true;
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('first copy') });
    // Where it is enough that it has begun.
    h.world.spec = { ...h.world.spec, begun: true };
    expect(await h.read()).toMatchObject({ is: 'reached' });
    b.follows = { host: '10.9.9.9', port: 6_379 };
    expect(await h.read()).toMatchObject({ is: 'pending' });
  });

  test('nobody follows one that is no master by its own word, or has not read its data yet', async () => {
    await using h = await startHarness('cache.rejoin', startRejoinWorld);
    const { a } = h.world;
    h.world.spec = { ...h.world.spec, master: 'cache-a' };
    a.follows = { host: '10.9.9.9', port: 6_379 };
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('cache-a follows 10.9.9.9') });
    [a.follows, a.isLoading] = [null, true];
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('reads its data') });
    h.world.spec = { ...h.world.spec, master: 'cache-gone' };
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('does not say') });
    expect(h.world.fakes.effects).toEqual([]);
    [h.world.spec, a.isLoading] = [{ ...h.world.spec, master: 'cache-a' }, false];
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
  });

  test('a replica of another one is told to follow this one', async () => {
    await using h = await startHarness('cache.rejoin', startRejoinWorld);
    h.world.b.follows = { host: '10.9.9.9', port: h.world.a.port };
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('follows 10.9.9.9') });
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(h.world.fakes.effects).toEqual(['follow']);
  });
});

describe('host and port', () => {
  test.each([
    ['cache.example.net:6379', { host: 'cache.example.net', port: 6_379 }],
    ['[2001:db8::1]:6379', { host: '2001:db8::1', port: 6_379 }],
    ['10.1.0.5:6379', { host: '10.1.0.5', port: 6_379 }],
    ['2001:db8::1:6379', null],
    ['cache.example.net', null],
    ['cache:0', null],
    ['cache:65536', null],
    ['cache/x:1', null],
    ['', null],
  ])('%s', (text, found) => {
    expect(hostPortOf(text)).toEqual(found);
  });
});
