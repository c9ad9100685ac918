// A real Redis (Debian's redis-server) as a region should run it for pages: every write in its log before it is answered, nothing ever evicted.
// Its own client stands beside the queue under test: it changes settings, counts, pauses, flushes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, type RunningServer, runServer, workDir } from '../server.ts';

export interface RedisServer extends RunningServer {
  port: number;
  url: string;
  /** As an operator would: by a connection of its own, made for the command. */
  command(...words: readonly (string | number)[]): Promise<unknown>;
  /** What it asks for now; empty: nothing. */
  readonly password: string;
  /** From now on it asks for this password, and all clients have to come again. */
  setPassword(text: string): Promise<void>;
  /** Runs it again on its files and its port after it was killed. */
  restart(): Promise<void>;
}

export interface RedisServerOptions {
  password?: string;
  /** A free one unless said. */
  port?: number;
  /** PEM files; with them it speaks TLS only. */
  tls?: { certFile: string; keyFile: string };
}

const COMMAND_MS = 5_000;

export const startRedis = async ({ password: asked = '', port: given, tls }: RedisServerOptions = {}): Promise<RedisServer> => {
  let password = asked;
  const dir = workDir('redis');
  const port = given ?? (await freePort());
  const logFile = join(dir, 'redis.log');
  const configFile = join(dir, 'redis.conf');
  // A name that only this server has tells it from any other that might have taken the port.
  const mark = `redis-${process.pid}-${port}`;
  writeFileSync(
    configFile,
    [
      `dir ${dir}`,
      'bind 127.0.0.1',
      ...(tls === undefined
        ? [`port ${port}`]
        : ['port 0', `tls-port ${port}`, `tls-cert-file ${tls.certFile}`, `tls-key-file ${tls.keyFile}`, 'tls-auth-clients no']),
      `logfile ${logFile}`,
      'daemonize no',
      'appendonly yes',
      'appendfsync always',
      'save ""',
      'maxmemory-policy noeviction',
      `syslog-ident ${mark}`,
      ...(password === '' ? [] : [`requirepass ${password}`]),
      '',
    ].join('\n'),
  );
  const command = async (...[word = '', ...rest]: readonly (string | number)[]): Promise<unknown> => {
    const client = new Redis({
      host: '127.0.0.1',
      port,
      lazyConnect: true,
      retryStrategy: () => null,
      enableOfflineQueue: false,
      commandTimeout: COMMAND_MS,
      ...(password === '' ? {} : { password }),
      ...(tls === undefined ? {} : { tls: { rejectUnauthorized: false } }),
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await client.call(String(word), ...rest.map(String));
    } finally {
      client.disconnect();
    }
  };
  const answers = async (): Promise<boolean> => String(await command('CONFIG', 'GET', 'syslog-ident')).includes(mark);
  const run = (): Promise<RunningServer> => runServer({ command: 'redis-server', args: [configFile], dir, logFile, answers });
  let server = await run();
  return {
    dir,
    port,
    url: `${tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}/0`,
    command,
    get password() {
      return password;
    },
    setPassword: async (text) => {
      await command('CONFIG', 'SET', 'requirepass', text);
      password = text;
      await command('CLIENT', 'KILL', 'TYPE', 'normal');
    },
    signal: (name) => server.signal(name),
    kill: () => server.kill(),
    restart: async () => {
      server = await run();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};
