// A real PgBouncer before a real PostgreSQL, both as the user `postgres` where the tests run as root, since neither runs as root.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort, type RunningServer, runServer, workDir } from '../server.ts';

const BIN = '/usr/lib/postgresql/15/bin';
export const ADMIN = 'tidegate';
export const ADMIN_PASSWORD = 'correct-horse-pooler';
const APP = 'app';
const APP_PASSWORD = 'app-of-the-test';
/** Not a plain identifier, so that what is sent has to be quoted. */
export const DATABASE = 'orders-eu';

const isRoot = process.getuid?.() === 0;
const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));

/** The command as `postgres`. It replaces itself, so that what is killed is the server. */
const asPostgres = (command: string, args: readonly string[]): { command: string; args: readonly string[] } =>
  isRoot
    ? { command: 'setpriv', args: ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', command, ...args] }
    : { command, args };

const ownDir = (name: string): string => {
  const dir = workDir(name);
  if (isRoot) chownSync(dir, idOf('-u'), idOf('-g'));
  return dir;
};

const write = (file: string, text: string): void => {
  writeFileSync(file, text);
  chmodSync(file, 0o644);
};

export interface Postgres extends RunningServer {
  port: number;
  /** Past every pooler. */
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
}

/** One database that anybody on this machine may enter. */
export const startPostgres = async (): Promise<Postgres> => {
  const dir = ownDir('postgres');
  const [data, port] = [join(dir, 'data'), await freePort()];
  const init = asPostgres(join(BIN, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync']);
  execFileSync(init.command, init.args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${dir}`,
    'fsync=off',
    `cluster_name=test-${port}`,
  ];
  const answers = async (): Promise<boolean> => {
    const [row] = await query(port, 'SHOW cluster_name', { user: 'postgres', database: 'postgres' });
    return row?.cluster_name === `test-${port}`;
  };
  const run = asPostgres(join(BIN, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])]);
  const server = await runServer({ ...run, dir, logFile: join(dir, 'none'), answers });
  const sql = (text: string) => query(port, text, { user: 'postgres', database: 'postgres' });
  await sql(`CREATE ROLE ${APP} LOGIN SUPERUSER`);
  return { ...server, port, sql };
};

export interface Pooler extends RunningServer {
  port: number;
  /** A client of the application, connected through it. */
  client(): Promise<Client>;
}

export interface PoolerOptions {
  postgres: Postgres;
  /** Certificate and key by which it speaks TLS to whoever asks for it. */
  tls?: { certPem: string; keyPem: string };
}

export const startPooler = async ({ postgres, tls }: PoolerOptions): Promise<Pooler> => {
  const dir = ownDir('pgbouncer');
  const port = await freePort();
  const file = (name: string): string => join(dir, name);
  write(file('users'), `"${ADMIN}" "${ADMIN_PASSWORD}"\n"${APP}" "${APP_PASSWORD}"\n`);
  if (tls !== undefined) {
    write(file('cert.pem'), tls.certPem);
    write(file('key.pem'), tls.keyPem);
  }
  const config = file('pgbouncer.ini');
  write(
    config,
    [
      '[databases]',
      `${DATABASE} = host=127.0.0.1 port=${postgres.port} dbname=postgres`,
      `other = host=127.0.0.1 port=${postgres.port} dbname=postgres`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${file('users')}`,
      `admin_users = ${ADMIN}`,
      'pool_mode = transaction',
      'default_pool_size = 5',
      `logfile = ${file('log')}`,
      ...(tls === undefined
        ? []
        : ['client_tls_sslmode = require', `client_tls_cert_file = ${file('cert.pem')}`, `client_tls_key_file = ${file('key.pem')}`]),
      '',
    ].join('\n'),
  );
  const answers = async (): Promise<boolean> => {
    const login = {
      user: ADMIN,
      password: ADMIN_PASSWORD,
      database: 'pgbouncer',
      ...(tls === undefined ? {} : { ssl: { rejectUnauthorized: false } }),
    };
    const rows = await query(port, 'SHOW CONFIG', login);
    return rows.some(({ value }) => value === file('users'));
  };
  const run = asPostgres('/usr/sbin/pgbouncer', ['-q', config]);
  const server = await runServer({ ...run, dir, logFile: file('log'), answers });
  return {
    ...server,
    port,
    client: () => connected(port, { user: APP, password: APP_PASSWORD, database: DATABASE }),
  };
};

type Login = { user: string; password?: string; database: string; ssl?: { rejectUnauthorized: boolean } };

const connected = async (port: number, login: Login): Promise<Client> => {
  const client = new Client({ host: '127.0.0.1', port, connectionTimeoutMillis: 10_000, ...login });
  // A connection that is cut tells so when nobody asks it anything.
  client.on('error', () => undefined);
  await client.connect();
  return client;
};

const query = async (port: number, text: string, login: Login): Promise<readonly Record<string, unknown>[]> => {
  const client = await connected(port, login);
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
};
