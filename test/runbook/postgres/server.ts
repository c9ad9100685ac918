// A real PostgreSQL 15 on loopback, in a directory of its own: a primary, or a standby that streams from another one.
import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, type RunningServer, runServer, workDir } from '../../system/server.ts';

const BIN = '/usr/lib/postgresql/15/bin';
export const PASSWORD = 'a-password-of-postgres';

export interface RunningPostgres extends RunningServer {
  port: number;
  /** `host:port`. */
  address: string;
  /** Of a standby: it becomes a primary. */
  promote(): void;
  /** Runs this as the superuser. */
  sql(text: string): string;
}

/** Postgres refuses to run as root. */
const isRoot = process.getuid?.() === 0;
const asPostgres = (command: string, args: readonly string[]): readonly [string, readonly string[]] =>
  isRoot ? ['runuser', ['-u', 'postgres', '--', command, ...args]] : [command, args];

const run = (name: string, args: readonly string[], input = ''): string => {
  const [command, all] = asPostgres(join(BIN, name), args);
  const { status, stdout, stderr } = spawnSync(command, [...all], {
    encoding: 'utf8',
    input,
    env: { ...process.env, PGPASSWORD: PASSWORD },
  });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}`);
  return stdout;
};

const idOf = (flag: '-u' | '-g'): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
const given = (path: string): void => {
  if (isRoot) chownSync(path, idOf('-u'), idOf('-g'));
};

/** `from`: the port of who it streams from; absent: a new primary. `settings`: lines of its configuration. */
export const startPostgres = async (options: { from?: number; settings?: readonly string[] } = {}): Promise<RunningPostgres> => {
  const { from, settings = [] } = options;
  const dir = workDir('postgres');
  given(dir);
  const data = join(dir, 'data');
  const port = await freePort();
  if (from === undefined) {
    const secret = join(dir, 'password');
    writeFileSync(secret, PASSWORD);
    given(secret);
    run('initdb', ['--no-sync', '-D', data, '-U', 'tidegate', '-A', 'scram-sha-256', '--pwfile', secret]);
  } else
    run('pg_basebackup', ['--no-sync', '-D', data, '-R', '-c', 'fast', '-X', 'stream', '-d', `host=127.0.0.1 port=${from} user=tidegate`]);
  const lines = [
    'fsync=off',
    "unix_socket_directories=''",
    "listen_addresses='127.0.0.1'",
    `port=${port}`,
    'shared_buffers=16MB',
    'wal_keep_size=64MB',
    'log_min_messages=fatal',
    ...(from === undefined
      ? []
      : [`primary_conninfo='host=127.0.0.1 port=${from} user=tidegate password=${PASSWORD} application_name=standby'`]),
    ...settings,
  ];
  appendFileSync(join(data, 'postgresql.conf'), `${lines.join('\n')}\n`);
  if (from !== undefined) writeFileSync(join(data, 'postgresql.auto.conf'), '');
  chmodSync(data, 0o700);
  const sql = (text: string): string =>
    run('psql', ['-h', '127.0.0.1', '-p', String(port), '-U', 'tidegate', '-d', 'postgres', '-qAtX', '-v', 'ON_ERROR_STOP=1'], text).trim();
  const [command, args] = asPostgres(join(BIN, 'postgres'), ['-D', data]);
  const server = await runServer({
    command,
    args,
    dir,
    logFile: join(dir, 'log'),
    answers: async () => (await listens(port)) && sql('SELECT 1') === '1',
  });
  const pid = (): number => Number(spawnSync('head', ['-1', join(data, 'postmaster.pid')], { encoding: 'utf8' }).stdout);
  const signal = (name: Parameters<RunningServer['signal']>[0]): void => {
    // The processes that serve connections too: the first of them alone would go on answering.
    const children = spawnSync('pgrep', ['-P', String(pid())], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter(Boolean);
    for (const one of [pid(), ...children.map(Number)]) process.kill(one, name);
  };
  const kill = async (): Promise<void> => {
    // What runs as another user is not reached through the one that was started.
    spawnSync(...killing(data));
    await server.kill();
  };
  return {
    ...server,
    port,
    address: `127.0.0.1:${port}`,
    promote: () => void run('pg_ctl', ['-D', data, '-w', 'promote']),
    sql,
    signal,
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      await server[Symbol.asyncDispose]();
    },
  };
};

const killing = (data: string): [string, string[]] => {
  const [command, args] = asPostgres(join(BIN, 'pg_ctl'), ['-D', data, '-m', 'immediate', '-t', '5', 'stop']);
  return [command, [...args]];
};

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
