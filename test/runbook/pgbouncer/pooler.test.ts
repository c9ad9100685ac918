// The kinds of steps of poolers beside their contract: order of orders, pauses that do not answer, refusals, what is taken back.
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { quotedName } from '../../../src/runbook/pgbouncer/console.ts';
import { startHarness, stepContract } from '../../contract/step.contract.ts';
import { until } from '../../system/until.ts';
import { DATABASE, startFenceWorld, startPauseWorld, startResumeWorld } from './world.ts';

// Taking one back is an act as every other: it begins where something is held.
stepContract('pgbouncer.pause', {
  lacks: [],
  start: async () => ({ ...(await startResumeWorld()), spec: { system: 'pool-eu', database: DATABASE, release: true } }),
});
stepContract('fence.pgbouncer', {
  lacks: [],
  start: async () => ({ ...(await startResumeWorld()), spec: { system: 'pool-eu', database: DATABASE, release: true } }),
});

const orders = (told: readonly string[]): readonly string[] =>
  told.filter((text) => !text.startsWith('SHOW')).map((text) => text.slice(0, text.indexOf(' ')));

describe('pgbouncer.pause', () => {
  test('is reached when it is paused and nothing is under way, and says who waits', async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    const { at } = h.world;
    expect(await h.read()).toMatchObject({ is: 'pending', facts: { isPaused: false, busy: 1 } });
    at.isPaused = true;
    at.waiting = 2;
    expect(await h.read()).toMatchObject({
      is: 'pending',
      because: expect.stringContaining('1 connection to the server is at work still'),
    });
    at.busy = 0;
    expect(await h.read()).toMatchObject({ is: 'reached', because: expect.stringContaining('2 clients wait, the first for 1001 ms') });
  });

  test('one that does not answer is looked at, and is not taken for lost', { timeout: 20_000 }, async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    h.world.console.isPatient = true;
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('is held, and 1 connection') });
    expect(h.systems.standing()[0]).toMatchObject({ failures: 0 });
    h.world.at.busy = 0;
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });

  test('one that is not heard of, and does not hold, is undecided', { timeout: 20_000 }, async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    h.world.console.isDeaf = true;
    expect(await h.apply()).toMatchObject({ took: 'undecided', because: expect.stringContaining('did not answer') });
  });

  test('what is held already is ordered nothing', async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    h.world.at.isPaused = true;
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('held already') });
    expect(orders(h.world.console.told)).toEqual([]);
  });

  test('a call that is ended leaves no connection', async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    h.world.console.isDeaf = true;
    const stop = new AbortController();
    const acting = h.apply({}, stop.signal);
    await until('it is ordered', () => orders(h.world.console.told).length > 0);
    stop.abort(new Error('the process ends'));
    expect(await acting).toMatchObject({ took: 'undecided' });
    await until('the connection has ended', () => h.world.console.connections() === 0, 2_000);
  });

  test('names are quoted, and only the database that is named is touched', async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    await h.apply();
    expect(h.world.console.told.at(-1)).toBe('PAUSE "orders ""eu""-1"');
    expect(h.world.console.databases.get('other')).toMatchObject({ isPaused: false });
    expect(quotedName('a"; KILL "b')).toBe('"a""; KILL ""b"');
  });

  test.each([
    [{ severity: 'ERROR', code: '08P01', message: 'already suspended/paused' }, 'refused'],
    [{ severity: 'ERROR', code: '08P01', message: 'admin access needed' }, 'fatal'],
    [{ severity: 'FATAL', code: '28P01', message: 'wrong word' }, 'fatal'],
    [{ severity: 'FATAL', code: '57P01', message: 'the pooler is shutting down' }, 'refused'],
  ])('what is refused with %o is %s', async (refusal, took) => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    h.world.console.refuses = refusal;
    expect(await h.apply()).toMatchObject({ took, because: expect.stringContaining(refusal.message) });
    expect(h.systems.standing()[0]).toMatchObject({ failures: 0 });
  });

  test('a database that is not there is never reached', async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    h.world.console.databases.delete(DATABASE);
    expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('[databases]') });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
  });

  test('taken back, its clients go on', async () => {
    await using h = await startHarness('pgbouncer.pause', startPauseWorld);
    await h.apply();
    h.world.spec = { ...h.world.spec, release: true };
    expect(await h.read()).toMatchObject({ is: 'pending' });
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(await h.read()).toMatchObject({ is: 'reached', because: expect.stringContaining('lets its clients through to 10.1.0.5') });
    expect(h.world.console.effects).toEqual(['PAUSE', 'RESUME']);
  });
});

describe('pgbouncer.resume', () => {
  test.each([
    [true, true, ['ENABLE', 'RECONNECT', 'RESUME']],
    [true, false, ['RECONNECT', 'RESUME']],
    [false, true, ['ENABLE', 'RECONNECT']],
    [false, false, []],
  ])('paused %s, disabled %s: nobody is let go before old connections are given up', async (isPaused, isDisabled, expected) => {
    await using h = await startHarness('pgbouncer.resume', startResumeWorld);
    Object.assign(h.world.at, { isPaused, isDisabled });
    expect((await h.read()).is).toBe(isPaused || isDisabled ? 'pending' : 'reached');
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(orders(h.world.console.told)).toEqual(expected);
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });
});

describe('fence.pgbouncer', () => {
  test.each([
    ['neither', false, false, 1, ['DISABLE', 'KILL'], 'pending'],
    ['disabled: who is in goes on', false, true, 0, ['KILL'], 'pending'],
    ['paused: others may come in', true, false, 0, ['DISABLE'], 'pending'],
    ['both, with a transaction under way', true, true, 1, ['KILL'], 'pending'],
    ['both', true, true, 0, [], 'reached'],
  ])('%s', async (_, isPaused, isDisabled, busy, expected, is) => {
    await using h = await startHarness('fence.pgbouncer', startFenceWorld);
    Object.assign(h.world.at, { isPaused, isDisabled, busy });
    expect(await h.read()).toMatchObject({ is });
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    expect(orders(h.world.console.told)).toEqual(expected);
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });
});

test('a password that is wrong is told without it', async () => {
  await using h = await startHarness('pgbouncer.pause', async () => ({
    ...(await startPauseWorld()),
    files: { '/secrets/pooler': 'pw-of-yesterday' },
    secrets: ['pw-of-yesterday'],
  }));
  expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('28P01') });
  expect(await h.apply()).toMatchObject({ took: 'fatal' });
});

test.each(['pooler.example.net', 'pooler:99999', 'a b:1'])('the address %s is refused before anything is asked', async (address) => {
  await using h = await startHarness('pgbouncer.pause', async () => {
    const world = await startPauseWorld();
    return { ...world, systems: { 'pool-eu': { kind: 'pgbouncer', address, user: 'x', passwordFile: '/secrets/pooler' } } as const };
  });
  expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('expected host:port') });
});

describe('TLS is asked for in words of the protocol', () => {
  /** A server that says this to whoever connects, and notes what it is sent. */
  const answering = async (says: string | null) => {
    const sent: Buffer[] = [];
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        sent.push(bytes);
        if (says === null) socket.destroy();
        else socket.write(says);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const h = await startHarness('pgbouncer.pause', async () => {
      const world = await startPauseWorld();
      const entry = { kind: 'pgbouncer', address, user: 'x', passwordFile: '/secrets/pooler', tls: {} } as const;
      return { ...world, systems: { 'pool-eu': entry } };
    });
    onTestFinished(() => h[Symbol.asyncDispose]());
    return { h, sent: () => Buffer.concat(sent) };
  };

  test.each([
    ['says that it has none', 'N', /speaks no TLS/],
    ['says more than it may before TLS', 'SR', /speaks no TLS/],
    ['refuses in another way', 'E', /speaks no TLS/],
    ['hangs up', null, /ended the connection/],
  ])('one that %s is told neither user nor password', async (_, says, because) => {
    const { h, sent } = await answering(says);
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringMatching(because) });
    expect(sent()).toEqual(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
  });

  test('a signal ends the wait for its answer', async () => {
    const { h, sent } = await answering('');
    const stop = new AbortController();
    const reading = h.read({}, stop.signal);
    while (sent().length === 0) await new Promise(setImmediate);
    stop.abort(new Error('the process ends'));
    expect(await reading).toMatchObject({ is: 'unknown', because: expect.stringContaining('the process ends') });
  });
});
