// The kinds of steps of poolers on a real PgBouncer before a real PostgreSQL: who waits, who is dropped, who gets on, and what is found by whoever comes after
// an executor that died.
import { rmSync } from 'node:fs';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { PgbouncerSystem } from '../../../src/runbook/pgbouncer/system.ts';
import type { PgbouncerConfig } from '../../../src/runbook/systems.ts';
import { startChaosProxy } from '../../chaos-proxy.ts';
import { createAuthority } from '../../etcd-certificates.ts';
import { workDir } from '../server.ts';
import { until } from '../until.ts';
import { ADMIN, ADMIN_PASSWORD, DATABASE, type Pooler, type Postgres, startPooler, startPostgres } from './pooler.ts';
import { type Stepper, stepperOf } from './steps.ts';

const TEST_MS = 90_000;
const FILE = '/secrets/pooler';
const NEVER = new AbortController().signal;
const SPEC = { system: 'pool', database: DATABASE };

const entryOf = (port: number, more: Partial<PgbouncerConfig> = {}): PgbouncerConfig => ({
  kind: 'pgbouncer',
  address: `127.0.0.1:${port}`,
  user: ADMIN,
  passwordFile: FILE,
  ...more,
});

/** Whether a promise has ended, without waiting for it. */
const endedOf = (work: Promise<unknown>): (() => boolean) => {
  let isOver = false;
  const onEnd = (): void => {
    isOver = true;
  };
  work.then(onEnd, onEnd);
  return () => isOver;
};

const pidOf = async (client: Client): Promise<unknown> => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;

describe('a pooler on a real PgBouncer', { timeout: TEST_MS }, () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  }, TEST_MS);
  afterAll(() => postgres[Symbol.asyncDispose]());

  /** Its own pooler, with a client of the application and what steps see. */
  const start = async (): Promise<AsyncDisposable & { pooler: Pooler; client: Client; steps: Stepper; files: Record<string, string> }> => {
    const pooler = await startPooler({ postgres });
    const client = await pooler.client();
    const files = { [FILE]: `${ADMIN_PASSWORD}\n` };
    const steps = stepperOf({ pool: entryOf(pooler.port) }, files);
    return {
      pooler,
      client,
      files,
      steps,
      async [Symbol.asyncDispose]() {
        await steps[Symbol.asyncDispose]();
        await client.end().catch(() => undefined);
        await pooler[Symbol.asyncDispose]();
      },
    };
  };

  test('a pause holds a query and a resume lets it go, without an error', async () => {
    await using at = await start();
    const { client, steps } = at;
    await client.query('SELECT 1');
    expect(await steps.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'pending' });
    await steps.reach('pgbouncer.pause', SPEC);
    const held = client.query('SELECT 42 AS found');
    const isOver = endedOf(held);
    await until('somebody waits', async () => (await steps.read('pgbouncer.pause', SPEC)).facts?.waiting === 1);
    expect(isOver()).toBe(false);
    expect(await steps.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'reached', because: expect.stringContaining('1 client waits') });
    expect(await steps.read('pgbouncer.resume', SPEC)).toMatchObject({ is: 'pending', because: expect.stringContaining('is paused') });
    await steps.reach('pgbouncer.resume', SPEC);
    expect((await held).rows).toEqual([{ found: 42 }]);
    expect(await steps.apply('pgbouncer.resume', SPEC)).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
  });

  test('a pause is reached only when a transaction that had begun has ended, though the pooler calls it paused at once', async () => {
    await using at = await start();
    const { client, steps } = at;
    await client.query('BEGIN');
    await client.query('CREATE TABLE IF NOT EXISTS held (id int)');
    expect(await steps.apply('pgbouncer.pause', SPEC)).toMatchObject({ took: 'accepted' });
    for (let time = 0; time < 3; time++)
      expect(await steps.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'pending', facts: { isPaused: true, busy: 1 } });
    // Again: it is held, and told so.
    expect(await steps.apply('pgbouncer.pause', SPEC)).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    await client.query('INSERT INTO held VALUES (1)');
    await client.query('COMMIT');
    expect(await steps.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'reached', facts: { busy: 0 } });
    await steps.reach('pgbouncer.pause', { ...SPEC, release: true });
    expect((await client.query('SELECT id FROM held')).rows).toEqual([{ id: 1 }]);
    await client.query('DROP TABLE held');
  });

  test('an answer to PAUSE is no proof: after a WAIT_CLOSE it comes while a transaction is open, and the step waits all the same', async () => {
    await using at = await start();
    const { client, steps } = at;
    const system = await steps.system<PgbouncerSystem>('pool', 'pgbouncer');
    await system.order('WAIT_CLOSE', DATABASE, NEVER);
    await client.query('BEGIN');
    await client.query('SELECT 1');
    expect(await system.order('PAUSE', DATABASE, NEVER)).toBe(true);
    expect(await steps.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'pending', facts: { busy: 1 } });
    await client.query('COMMIT');
    expect(await steps.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'reached' });
  });

  test('an executor that dies while a pause waits leaves it, and the next one reads it and goes on', async () => {
    await using at = await start();
    const { client, pooler, steps, files } = at;
    await client.query('BEGIN');
    await client.query('SELECT 1');
    const stop = new AbortController();
    const acting = steps.apply('pgbouncer.pause', SPEC, stop.signal);
    await using next = stepperOf({ pool: entryOf(pooler.port) }, files);
    await until('the pause has arrived', async () => (await next.read('pgbouncer.pause', SPEC)).facts?.isPaused === true);
    stop.abort(new Error('the process ends'));
    // On a machine that is very busy it may have looked already.
    expect(['undecided', 'accepted']).toContain((await acting).took);
    await steps[Symbol.asyncDispose]();
    expect(await next.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'pending', facts: { isPaused: true, busy: 1 } });
    await client.query('COMMIT');
    expect(await next.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'reached' });
    expect(await next.apply('pgbouncer.pause', SPEC)).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    await next.reach('pgbouncer.resume', SPEC);
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('a pause whose answer is lost is undecided, and found by reading', async () => {
    await using at = await start();
    const { client, pooler, files } = at;
    await client.query('SELECT 1');
    const proxy = await startChaosProxy(pooler.port);
    onTestFinished(() => proxy.close());
    await using steps = stepperOf({ pool: entryOf(proxy.port) }, files);
    proxy.loseReplies('PAUSE "');
    expect(await steps.apply('pgbouncer.pause', SPEC)).toMatchObject({ took: 'undecided' });
    expect(await steps.read('pgbouncer.pause', SPEC)).toMatchObject({ is: 'reached' });
    await steps.reach('pgbouncer.resume', SPEC);
  });

  test('a fence drops who is in, lets nobody in, and touches no other database; it is taken back', async () => {
    await using at = await start();
    const { client, pooler, steps } = at;
    await client.query('BEGIN');
    await client.query('SELECT 1');
    await using other = stepperOf({ pool: entryOf(pooler.port) }, at.files);
    expect(await steps.read('fence.pgbouncer', SPEC)).toMatchObject({ is: 'pending', facts: { busy: 1 } });
    const reached = await steps.reach('fence.pgbouncer', SPEC);
    expect(reached.facts).toMatchObject({ isPaused: true, isDisabled: true, busy: 0, clients: 0 });
    await expect(client.query('SELECT 1')).rejects.toThrow();
    await expect(pooler.client()).rejects.toThrow(/disabled/);
    expect(await other.read('pgbouncer.resume', { ...SPEC, database: 'other' })).toMatchObject({ is: 'reached' });
    expect(await steps.apply('fence.pgbouncer', SPEC)).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect(await steps.read('pgbouncer.resume', SPEC)).toMatchObject({
      is: 'pending',
      because: expect.stringContaining('paused and disabled'),
    });
    await steps.reach('fence.pgbouncer', { ...SPEC, release: true });
    const back = await pooler.client();
    expect((await back.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await back.end();
  });

  test('a statement that had reached the server ends there all the same: a fence of a pooler holds clients, not the server', async () => {
    await using at = await start();
    const { client, steps } = at;
    await postgres.sql('CREATE TABLE late (id int)');
    await postgres.sql('CREATE TABLE go ()');
    // It ends when it is told to, however long what comes before that takes.
    const late = client.query(
      'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.02); END LOOP; INSERT INTO late VALUES (1); END $$',
    );
    const isOver = endedOf(late);
    await until(
      'it runs on the server',
      async () => (await postgres.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DO %late%' AND state = 'active'")).length > 0,
    );
    await steps.reach('fence.pgbouncer', SPEC);
    await until('its client was dropped', isOver);
    await expect(late).rejects.toThrow();
    expect(await postgres.sql('SELECT id FROM late')).toEqual([]);
    await postgres.sql('INSERT INTO go DEFAULT VALUES');
    expect(await until('the row is there', async () => (await postgres.sql('SELECT id FROM late'))[0])).toEqual({ id: 1 });
    await postgres.sql('DROP TABLE late, go');
  });

  test('disabled alone is no fence: who was in goes on', async () => {
    await using at = await start();
    const { client, steps } = at;
    await client.query('SELECT 1');
    const system = await steps.system<PgbouncerSystem>('pool', 'pgbouncer');
    await system.order('DISABLE', DATABASE, NEVER);
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(await steps.read('fence.pgbouncer', SPEC)).toMatchObject({ is: 'pending', facts: { isDisabled: true, busy: 0 } });
  });

  test('who is let go goes on over a new connection to the server', async () => {
    await using at = await start();
    const { client, steps } = at;
    const system = await steps.system<PgbouncerSystem>('pool', 'pgbouncer');
    const first = await pidOf(client);
    expect(await pidOf(client)).toBe(first);
    await system.order('RECONNECT', DATABASE, NEVER);
    await system.order('WAIT_CLOSE', DATABASE, NEVER);
    const second = await pidOf(client);
    expect(second).not.toBe(first);
    await steps.reach('pgbouncer.pause', SPEC);
    await steps.reach('pgbouncer.resume', SPEC);
    expect(await pidOf(client)).not.toBe(second);
  });

  test('a database that it does not have is never reached, and a pooler that stands still is unknown and not taken for done', async () => {
    await using at = await start();
    const { pooler, steps } = at;
    for (const database of ['nowhere', 'orders-eu"; SHUTDOWN; "', '*']) {
      expect(await steps.read('pgbouncer.pause', { ...SPEC, database })).toMatchObject({ is: 'never' });
      expect(await steps.apply('fence.pgbouncer', { ...SPEC, database })).toMatchObject({ took: 'fatal' });
      const system = await steps.system<PgbouncerSystem>('pool', 'pgbouncer');
      await expect(system.order('KILL', database, NEVER)).rejects.toThrow(/no such database/);
    }
    pooler.signal('SIGSTOP');
    const stop = new AbortController();
    const reading = steps.read('pgbouncer.pause', SPEC, stop.signal);
    stop.abort(new Error('the process ends'));
    expect(await reading).toMatchObject({ is: 'unknown' });
    pooler.signal('SIGCONT');
    expect(await steps.read('pgbouncer.resume', SPEC)).toMatchObject({ is: 'reached' });
  });

  test('a password that is wrong is told without it, and a new one is taken from its file at the next call', async () => {
    await using at = await start();
    const { steps, files } = at;
    files[FILE] = 'not-the-right-password';
    expect(await steps.read('pgbouncer.resume', SPEC)).toMatchObject({
      is: 'unknown',
      because: expect.stringContaining('authentication failed'),
    });
    expect(await steps.apply('pgbouncer.pause', SPEC)).toMatchObject({ took: 'fatal' });
    files[FILE] = ADMIN_PASSWORD;
    expect(await steps.read('pgbouncer.resume', SPEC)).toMatchObject({ is: 'reached' });
    expect(steps.said()).not.toContain('not-the-right-password');
    expect(steps.said()).not.toContain(ADMIN_PASSWORD);
  });

  test('TLS is asked for and verified where it is configured, and nothing is sent where there is none', async () => {
    const dir = workDir('pgbouncer-tls');
    try {
      const [ours, other] = [createAuthority(dir), createAuthority(dir, 'other')];
      const certificate = ours.issue('pooler', ['IP:127.0.0.1', 'DNS:pooler.example.net']);
      await using secured = await startPooler({ postgres, tls: certificate });
      await using plain = await startPooler({ postgres });
      const files = { [FILE]: ADMIN_PASSWORD, '/ca': ours.caPem, '/other': other.caPem };
      await using steps = stepperOf(
        {
          good: entryOf(secured.port, { tls: { caFile: '/ca' } }),
          named: entryOf(secured.port, { tls: { caFile: '/ca', serverName: 'pooler.example.net' } }),
          misnamed: entryOf(secured.port, { tls: { caFile: '/ca', serverName: 'elsewhere.example.net' } }),
          strange: entryOf(secured.port, { tls: { caFile: '/other' } }),
          clear: entryOf(secured.port),
          none: entryOf(plain.port, { tls: { caFile: '/ca' } }),
        },
        files,
      );
      for (const system of ['good', 'named'])
        expect(await steps.read('pgbouncer.resume', { ...SPEC, system })).toMatchObject({ is: 'reached' });
      const why = { misnamed: /elsewhere/, strange: /certificate|issuer/, clear: /TLS|SSL|08P01/i, none: /no TLS/ };
      for (const [system, because] of Object.entries(why))
        expect(await steps.read('pgbouncer.resume', { ...SPEC, system })).toMatchObject({
          is: 'unknown',
          because: expect.stringMatching(because),
        });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
