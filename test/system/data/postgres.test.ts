// SQL against a real PostgreSQL: how members stand, how far a standby is behind, a row that is written and read back, and who is trusted with the password.
import { chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttp } from '../../../src/http.ts';
import { realPorts } from '../../../src/ports.ts';
import { openSystems } from '../../../src/runbook/open.ts';
import { caughtUp } from '../../../src/runbook/postgres/caughtup.ts';
import { lagBetween, siteSays } from '../../../src/runbook/postgres/look.ts';
import type { PostgresSystem } from '../../../src/runbook/postgres/sql.ts';
import type { PostgresConfig } from '../../../src/runbook/systems.ts';
import { type Authority, createAuthority } from '../../etcd-certificates.ts';
import { recordingLog } from '../../recording-log.ts';
import { PASSWORD, type RunningPostgres, startPostgres } from '../../runbook/postgres/server.ts';
import { freePort, workDir } from '../server.ts';

const NEVER = new AbortController().signal;
const UNTIL_MS = 25_000;
/** Of one member; a signal has to end a question before that does. */
const MEMBER_MS = 3_000;

const until = async (what: () => Promise<boolean>): Promise<void> => {
  const endAtMs = performance.now() + UNTIL_MS;
  while (!(await what())) {
    if (performance.now() > endAtMs) throw new Error('it did not become so in time');
    await delay(20);
  }
};

let [primary, standby] = [null as unknown as RunningPostgres, null as unknown as RunningPostgres];
let [certificates, authority, other] = ['', {} as Authority, {} as Authority];
let password = PASSWORD;
const opened: { close(): Promise<void> }[] = [];

const opening = (addresses: readonly string[], more: Partial<PostgresConfig> = {}): Promise<PostgresSystem> => {
  const ports = realPorts();
  const resolve = async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 });
  const config: PostgresConfig = { kind: 'postgres', addresses, user: 'tidegate', passwordFile: 'password', database: 'postgres', ...more };
  const systems = openSystems(
    { pg: config },
    {
      ports,
      log: recordingLog(),
      secret: (path) => (path === 'password' ? password : readFileSync(path, 'utf8')),
      text: (path) => readFileSync(path, 'utf8'),
      resolve,
      httpTrusting: (trust) => createHttp({ ports, resolve, ...trust }),
    },
  );
  opened.push(systems);
  return systems.system<PostgresSystem>('pg', 'postgres');
};

beforeAll(async () => {
  certificates = workDir('postgres-tls');
  [authority, other] = [createAuthority(certificates, 'ca'), createAuthority(certificates, 'other')];
  primary = await startPostgres({ settings: ['archive_mode=on', "archive_command='true'"] });
  standby = await startPostgres({ from: primary.port });
}, 60_000);

afterAll(async () => {
  for (const one of opened) await one.close();
  await standby?.[Symbol.asyncDispose]();
  await primary?.[Symbol.asyncDispose]();
  rmSync(certificates, { recursive: true, force: true });
}, 60_000);

describe('how members stand', () => {
  test('a primary and its standby, of one system and timeline', async () => {
    const following = await opening([standby.address]);
    // Just started, nobody has told it where the end is, and nobody does until something is written.
    primary.sql('CREATE TABLE first (i int);');
    await until(async () => (await following.state(NEVER)).upstream?.endLsn != null);
    const [one, two] = [await (await opening([primary.address])).state(NEVER), await following.state(NEVER)];
    expect(one).toMatchObject({
      at: primary.address,
      inRecovery: false,
      timeline: 1,
      receivedLsn: null,
      replayedLsn: null,
      upstream: null,
    });
    expect(two).toMatchObject({ at: standby.address, inRecovery: true, timeline: 1, currentLsn: null, systemId: one.systemId });
    expect(two.replayedLsn).toBeGreaterThan(0);
    expect(two.upstream?.endLsn).toBeGreaterThan(0);
  });

  test('the member that takes writes is found wherever it stands in the file, beside one that is gone', async () => {
    const gone = `127.0.0.1:${await freePort()}`;
    const sql = await opening([gone, standby.address, primary.address]);
    expect((await sql.state(NEVER)).at).toBe(primary.address);
    expect(await siteSays(sql, NEVER)).toBe('writes');
    expect(await siteSays(await opening([gone, standby.address]), NEVER)).toBe('partly');
    expect(await siteSays(await opening([standby.address]), NEVER)).toBe('reads');
    await expect(siteSays(await opening([gone]), NEVER)).rejects.toThrow(/ECONNREFUSED/);
    // Refused is answered: a server that restarts is waited for, not left alone.
    const restarting = await opening([gone]);
    for (let time = 0; time < 8; time++) await expect(restarting.state(NEVER)).rejects.toThrow(/ECONNREFUSED/);
    const members = await sql.members(NEVER);
    expect(members.map(({ state }) => state?.inRecovery ?? null)).toEqual([null, true, false]);
  });

  test('who streams from it, and that WAL is archived', async () => {
    const sql = await opening([primary.address]);
    expect(await sql.replicas(NEVER)).toMatchObject([{ name: 'standby', state: 'streaming', sync: 'async' }]);
    primary.sql('SELECT pg_switch_wal();');
    await until(async () => (await sql.archive(NEVER)).archivedAtMs !== null);
    expect(await sql.archive(NEVER)).toMatchObject({ isOn: true, failures: 0, failedAtMs: null });
  });
});

describe('how far the standby is behind', () => {
  test('by nothing while nothing is written, however old its last commit is; by bytes and time while it does not replay', async () => {
    const [one, two] = [await opening([primary.address]), await opening([standby.address])];
    primary.sql('CREATE TABLE filler (text text);');
    await until(async () => (await lagBetween(one, two, NEVER)).bytes === 0);
    await delay(300);
    await until(async () => {
      const { ms, bytes } = await lagBetween(one, two, NEVER);
      return ms === 0 && bytes === 0;
    });
    standby.sql('SELECT pg_wal_replay_pause();');
    await until(async () => standby.sql("SELECT pg_get_wal_replay_pause_state() = 'paused';") === 't');
    primary.sql("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 100);");
    const behind = await lagBetween(one, two, NEVER);
    expect(behind.bytes).toBeGreaterThan(100_000);
    expect(behind.ms).toBeGreaterThan(250);
    expect(behind.ms).toBeLessThan(60_000);
    const alone = await lagBetween(null, two, NEVER);
    expect(alone.bytes).toBeGreaterThan(100_000);
    const members = await two.members(NEVER);
    const wanted = { ...(await one.state(NEVER)) };
    // As if the standby had to have what the primary has.
    expect(caughtUp({ from: 'a', to: 'b' }, { standbyOf: { host: 'x', port: 1, slot: null }, ttlMs: null }, members, wanted).is).toBe(
      'reached',
    );
    standby.sql('SELECT pg_wal_replay_resume();');
    await until(async () => (await lagBetween(one, two, NEVER)).bytes === 0);
    expect((await lagBetween(null, two, NEVER)).bytes).toBe(0);
  });

  test('it cannot be told of another database', async () => {
    await using stranger = await startPostgres();
    expect(await lagBetween(await opening([stranger.address]), await opening([standby.address]), NEVER)).toEqual({ ms: null, bytes: null });
  });
});

describe('a row', () => {
  test('is written and read back, one per key however often; a standby refuses', async () => {
    const sql = await opening([standby.address, primary.address]);
    for (let time = 0; time < 3; time++) expect(await sql.canary('orders/main/eu-west', `nonce-${time}`, NEVER)).toBe(primary.address);
    await sql.canary('orders/main/us-east', 'other', NEVER);
    expect(primary.sql('SELECT key, nonce FROM tidegate_canary ORDER BY 1;')).toBe(
      'orders/main/eu-west|nonce-2\norders/main/us-east|other',
    );
    await expect((await opening([standby.address])).canary('k', 'n', NEVER)).rejects.toMatchObject({ code: 409 });
  });

  test('needs no right to create a table that is there, and says what right it lacks', async () => {
    primary.sql(`CREATE ROLE plain LOGIN PASSWORD '${PASSWORD}';`);
    const sql = await opening([primary.address], { user: 'plain' });
    await expect(sql.canary('plain', 'n', NEVER)).rejects.toThrow(/permission denied for table tidegate_canary \(42501\)/);
    primary.sql('GRANT SELECT, INSERT, UPDATE ON tidegate_canary TO plain;');
    expect(await sql.canary('plain', 'n', NEVER)).toBe(primary.address);
    // What it is asked of its state needs no rights at all.
    expect(await sql.state(NEVER)).toMatchObject({ inRecovery: false, timeline: 1 });
  });
});

describe('waits and secrets', () => {
  test('a server that stands still ends with the signal, and answers when it goes on', async () => {
    await using still = await startPostgres();
    const sql = await opening([still.address]);
    still.signal('SIGSTOP');
    const stop = new AbortController();
    const asked = sql.state(stop.signal);
    const endedAtMs = asked.catch(() => performance.now());
    await delay(100);
    const stoppedAtMs = performance.now();
    stop.abort(new Error('stopping'));
    expect(Number(await endedAtMs) - stoppedAtMs).toBeLessThan(MEMBER_MS / 2);
    await expect(sql.state(NEVER)).rejects.toThrow(`no answer within ${MEMBER_MS} ms`);
    still.signal('SIGCONT');
    expect(await sql.state(NEVER)).toMatchObject({ inRecovery: false });
  });

  test('a password that is wrong is told without it, and the file is read anew', async () => {
    const sql = await opening([primary.address]);
    password = 'another-password';
    const refused: unknown = await sql.state(NEVER).catch((error: unknown) => error);
    expect(String(refused)).toMatch(/password authentication failed for user "tidegate" \(28P01\)/);
    expect(String(refused)).not.toContain('another-password');
    password = PASSWORD;
    expect(await sql.state(NEVER)).toMatchObject({ inRecovery: false });
  });

  test('TLS is verified by authority and name; a server without it is told nothing', async () => {
    const { certPem, keyPem } = authority.issue('postgres', ['DNS:db.example']);
    const [cert, key] = [join(certificates, 'server.pem'), join(certificates, 'server.key')];
    writeFileSync(cert, certPem);
    writeFileSync(key, keyPem, { mode: 0o600 });
    if (process.getuid?.() === 0) {
      const [, , uid = '0', gid = '0'] = readFileSync('/etc/passwd', 'utf8')
        .match(/^postgres:.*$/m)![0]
        .split(':');
      for (const path of [certificates, cert, key]) chownSync(path, Number(uid), Number(gid));
    }
    await using secured = await startPostgres({ settings: ['ssl=on', `ssl_cert_file='${cert}'`, `ssl_key_file='${key}'`] });
    const [ours, theirs] = [join(certificates, 'ours.pem'), join(certificates, 'theirs.pem')];
    writeFileSync(ours, authority.caPem);
    writeFileSync(theirs, other.caPem);
    const state = async (address: string, tls: NonNullable<PostgresConfig['tls']>) => (await opening([address], { tls })).state(NEVER);
    expect(await state(secured.address, { caFile: ours, serverName: 'db.example' })).toMatchObject({ inRecovery: false });
    await expect(state(secured.address, { caFile: ours })).rejects.toThrow(/does not match|IP: 127\.0\.0\.1 is not in/);
    await expect(state(secured.address, { caFile: ours, serverName: 'other.example' })).rejects.toThrow(/does not match/);
    await expect(state(secured.address, { caFile: theirs, serverName: 'db.example' })).rejects.toThrow(/certificate/);
    await expect(state(primary.address, { caFile: ours })).rejects.toThrow(/speaks no TLS/);
  });
});

test('a round trip is timed, of a writer and of a standby', async () => {
  await using second = await startPostgres({ from: primary.port });
  for (const { address } of [primary, second]) {
    const sql = await opening([address]);
    const startMs = performance.now();
    const tookMs = await sql.roundTripMs(NEVER);
    expect(tookMs).toBeGreaterThan(0);
    // With what comes before it it took longer than it alone.
    expect(tookMs).toBeLessThan(performance.now() - startMs);
  }
});

test('a switch of timelines shows on a standby whose link is gone, by the segments that it has', async () => {
  await using first = await startPostgres();
  await using second = await startPostgres({ from: first.port });
  await using third = await startPostgres({ from: second.port });
  const [two, three] = [await opening([second.address]), await opening([third.address])];
  second.promote();
  second.sql('CREATE TABLE after_it (i int);');
  await until(async () => (await lagBetween(two, three, NEVER)).bytes === 0);
  await second.kill();
  await until(async () => (await three.state(NEVER)).upstream === null);
  expect(await three.state(NEVER)).toMatchObject({ inRecovery: true, timeline: 2 });
}, 60_000);

test('after a promotion it is on a timeline of its own at once, and the lag of one timeline is not told by the other', async () => {
  await using second = await startPostgres({ from: primary.port });
  const [one, two] = [await opening([primary.address]), await opening([second.address])];
  await until(async () => (await lagBetween(one, two, NEVER)).bytes === 0);
  second.promote();
  expect(await two.state(NEVER)).toMatchObject({ inRecovery: false, timeline: 2 });
  expect(await siteSays(two, NEVER)).toBe('writes');
  expect(await lagBetween(one, two, NEVER)).toEqual({ ms: null, bytes: null });
});

test('two that were promoted apart are on timelines of one number: who has what only one of them wrote is no standby of the other, and has no lag', async () => {
  await using one = await startPostgres({ from: primary.port });
  await using other = await startPostgres({ from: primary.port });
  for (const each of [one, other]) each.promote();
  other.sql('CREATE TABLE apart (i int);');
  await using standby = await startPostgres({ from: other.port });
  const [ours, theirs, its] = [await opening([one.address]), await opening([other.address]), await opening([standby.address])];
  await until(async () => (await lagBetween(theirs, its, NEVER)).bytes === 0);
  await other.kill();
  await until(async () => (await its.state(NEVER)).upstream === null);
  const [state, behind] = [await ours.state(NEVER), await its.state(NEVER)];
  expect(behind).toMatchObject({ timeline: state.timeline, systemId: state.systemId });
  expect(behind.replayedLsn).toBeGreaterThan(state.currentLsn!);
  expect(await lagBetween(ours, its, NEVER)).toEqual({ ms: null, bytes: null });
}, 60_000);
