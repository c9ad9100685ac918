// One region's database for real: an etcd, the members of a Patroni cluster on it, and a PgBouncer before whoever writes. It can be stopped, woken and killed
// as a whole. A region that follows another's address is a standby cluster of it.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { type EtcdCluster, startEtcd } from '../../etcd-server.ts';
import { freePort, type RunningServer, runServer, workDir } from '../server.ts';
import { until } from '../until.ts';
import { asOwner, family, give, signalAll, startedWith } from './patroni-user.ts';
import type { Member, Wire } from './patroni-wire.ts';

/** Another version's, in an environment of its own: `PATRONI=/srv/patroni-4/bin/patroni`. */
const PATRONI = process.env.PATRONI ?? '/usr/bin/patroni';
const REAPER = join(import.meta.dirname, 'reaper.py');
const BIN = '/usr/lib/postgresql/15/bin';
/** The keys of Patroni's rule: ttl is at least loop_wait + 2 * retry_timeout. */
export const [TTL_MS, LOOP_MS, RETRY_MS] = [8_000, 1_000, 3_000];
const CONNECT_MS = 2_000;

export const PASSWORDS = {
  rest: 'rest-of-the-tests',
  postgres: 'root-of-the-tests',
  tidegate: 'tidegate-of-the-tests',
  app: 'app-of-the-tests',
  console: 'console-of-the-tests',
};
export const REST_USER = 'tidegate';
export const CONSOLE_USER = 'tidegate';

export interface Region extends AsyncDisposable {
  name: string;
  members: readonly Member[];
  poolerPort: number;
  etcd: EtcdCluster;
  /** SQL as the superuser on that member, past every pooler. */
  sql(member: Member, text: string): Promise<readonly Record<string, unknown>[]>;
  /** Of its REST API; throws for a status that is no success. */
  rest(member: Member, method: 'GET' | 'PATCH' | 'POST', path: string, body?: unknown): Promise<unknown>;
  /** The member that leads, whatever it is the leader of. */
  leader(): Promise<Member>;
  /**
   * When Patroni of the writer has just ended a turn: it asks its etcd nothing until the next, a second later. Stopped amid one, it demotes itself when it wakes and
   * promotes itself again. Was another promoted meanwhile, then both are on timelines of one number: Patroni takes them for the same, rewinds nothing, and it never follows.
   */
  turned(): Promise<void>;
  /** SIGSTOP for Patroni and Postgres of these members; all unless said. */
  freeze(members?: readonly Member[]): void;
  thaw(): void;
  /** SIGKILL for Patroni and Postgres, at once. */
  killDatabase(): Promise<void>;
  /** SIGKILL for etcd and PgBouncer too. */
  killAll(): Promise<void>;
  /** The end of what its Patronis and Postgreses have logged. */
  said(): string;
}

export interface RegionOptions {
  name: string;
  members: number;
  /** What it follows. null: it writes. */
  follows: { port: number; slot: string | null } | null;
  /** Slots that it keeps for those who follow it. */
  slots: readonly string[];
  /** Where its pooler leads to. */
  entry: Wire;
}

export const connected = async (port: number, user: string, password: string, database: string): Promise<Client> => {
  const client = new Client({ host: '127.0.0.1', port, user, password, database, connectionTimeoutMillis: CONNECT_MS });
  // What ends a connection ends the query that waits for it; nobody else has to know.
  client.on('error', () => {});
  await client.connect();
  return client;
};

/** Ends a connection without a word to a server that may not listen. */
export const hangUp = (client: Client): void => {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
};

interface Place {
  region: string;
  /** Of the region: configuration, data, sockets. */
  dir: string;
  logDir: string;
  /** `host:port` of its etcd. */
  etcd: string;
}

const configOf = (member: Member, { region, dir, logDir, etcd }: Place, { follows, slots }: RegionOptions): object => ({
  scope: region,
  name: member.name,
  log: { dir: logDir, level: 'INFO' },
  restapi: {
    listen: member.restUrl.replace('http://', ''),
    connect_address: member.restUrl.replace('http://', ''),
    authentication: { username: REST_USER, password: PASSWORDS.rest },
  },
  etcd3: { host: etcd },
  bootstrap: {
    dcs: {
      ttl: TTL_MS / 1000,
      loop_wait: LOOP_MS / 1000,
      retry_timeout: RETRY_MS / 1000,
      ...(follows === null
        ? {}
        : {
            standby_cluster: {
              host: '127.0.0.1',
              port: follows.port,
              ...(follows.slot === null ? {} : { primary_slot_name: follows.slot }),
              create_replica_methods: ['basebackup'],
            },
          }),
      slots: Object.fromEntries(slots.map((slot) => [slot, { type: 'physical' }])),
      postgresql: {
        use_pg_rewind: true,
        use_slots: true,
        parameters: {
          fsync: 'off',
          shared_buffers: '16MB',
          max_connections: 60,
          wal_keep_size: '256MB',
          max_wal_size: '256MB',
          wal_receiver_status_interval: '1s',
          wal_retrieve_retry_interval: '500ms',
          max_parallel_workers: 0,
          logging_collector: 'on',
          log_directory: '..',
        },
      },
    },
    initdb: [{ encoding: 'UTF8' }, 'no-sync', { locale: 'C' }],
  },
  postgresql: {
    listen: `127.0.0.1:${member.pgPort}`,
    connect_address: `127.0.0.1:${member.pgPort}`,
    data_dir: join(dir, member.name),
    bin_dir: BIN,
    pgpass: join(dir, `${member.name}.pgpass`),
    basebackup: [{ checkpoint: 'fast' }, 'no-sync'],
    authentication: {
      superuser: { username: 'postgres', password: PASSWORDS.postgres },
      replication: { username: 'replicator', password: PASSWORDS.postgres },
    },
    parameters: { unix_socket_directories: dir, log_filename: `${member.name}.log` },
    pg_hba: ['local all all trust', 'host replication replicator 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 scram-sha-256'],
  },
});

const poolerText = (dir: string, port: number, entry: Wire): string =>
  [
    '[databases]',
    `app = host=127.0.0.1 port=${entry.port} dbname=app`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = plain',
    `auth_file = ${join(dir, 'users.txt')}`,
    `admin_users = ${CONSOLE_USER}`,
    'pool_mode = transaction',
    'default_pool_size = 20',
    'max_client_conn = 200',
    // By default it waits a quarter of a minute after a server that refused it, and its clients with it.
    'server_login_retry = 0.2',
    'server_connect_timeout = 2',
    'server_check_delay = 5',
    `logfile = ${join(dir, 'pgbouncer.log')}`,
    '',
  ].join('\n');

/** Of a writer that goes on as it is. */
const TURN_ENDED = 'the leader with the lock';
const SAID_CHARS = 12_000;
const tail = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').slice(-SAID_CHARS);
  } catch {
    return `(no log at ${file})`;
  }
};

class RealRegion implements Region {
  readonly name: string;
  readonly members: readonly Member[];
  readonly poolerPort: number;
  readonly etcd: EtcdCluster;
  readonly #dir: string;
  readonly #options: RegionOptions;
  readonly #patronis = new Map<string, RunningServer>();
  #pooler: RunningServer | null = null;

  constructor(options: RegionOptions, dir: string, members: readonly Member[], poolerPort: number, etcd: EtcdCluster) {
    this.name = options.name;
    this.#options = options;
    this.#dir = dir;
    this.members = members;
    this.poolerPort = poolerPort;
    this.etcd = etcd;
  }

  async #startMember(member: Member): Promise<void> {
    const file = this.#configOf(member);
    const dir = workDir(`patroni-${member.name}`);
    const place = { region: this.name, dir: this.#dir, logDir: dir, etcd: this.etcd.endpoints[0]!.replace('http://', '') };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(configOf(member, place, this.#options)));
    give(this.#dir);
    give(dir);
    const server = await runServer({
      ...asOwner('/usr/bin/python3', [REAPER, PATRONI, file]),
      dir,
      logFile: join(dir, 'patroni.log'),
      answers: async () => ((await this.rest(member, 'GET', '/patroni')) as { state: string }).state === 'running',
    });
    this.#patronis.set(member.name, server);
  }

  /** The first member makes the cluster; the others copy it. */
  async start(): Promise<void> {
    const [first, ...rest] = this.members;
    process.once('exit', this.#killWithUs);
    await this.#startMember(first!);
    await this.leader();
    for (const member of rest) await this.#startMember(member);
    await this.#startPooler();
  }

  async #startPooler(): Promise<void> {
    const dir = workDir(`pgbouncer-${this.name}`);
    const file = join(dir, 'pgbouncer.ini');
    const users = { app: PASSWORDS.app, [CONSOLE_USER]: PASSWORDS.console };
    writeFileSync(
      join(dir, 'users.txt'),
      Object.entries(users)
        .map(([user, password]) => `"${user}" "${password}"\n`)
        .join(''),
    );
    writeFileSync(file, poolerText(dir, this.poolerPort, this.#options.entry));
    give(dir);
    this.#pooler = await runServer({
      ...asOwner('/usr/sbin/pgbouncer', [file]),
      dir,
      logFile: join(dir, 'pgbouncer.log'),
      answers: async () => {
        const client = await connected(this.poolerPort, CONSOLE_USER, PASSWORDS.console, 'pgbouncer');
        await client.end();
        return true;
      },
    });
  }

  async sql(member: Member, text: string): Promise<readonly Record<string, unknown>[]> {
    const client = await connected(member.pgPort, 'postgres', PASSWORDS.postgres, 'postgres');
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  async rest({ restUrl }: Member, method: 'GET' | 'PATCH' | 'POST', path: string, body?: unknown): Promise<unknown> {
    const authorization = `Basic ${Buffer.from(`${REST_USER}:${PASSWORDS.rest}`).toString('base64')}`;
    const reply = await fetch(`${restUrl}${path}`, {
      method,
      headers: { authorization },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(CONNECT_MS),
    });
    const text = await reply.text();
    if (!reply.ok && method !== 'GET') throw new Error(`${method} ${path}: ${reply.status} ${text}`);
    return JSON.parse(text);
  }

  leader(): Promise<Member> {
    return until(
      () => `a leader in ${this.name}:\n${this.said()}`,
      async () => {
        for (const member of this.members) {
          const reply = await fetch(`${member.restUrl}/leader`, { signal: AbortSignal.timeout(CONNECT_MS) }).catch(() => null);
          await reply?.arrayBuffer();
          if (reply?.status === 200) return member;
        }
        return null;
      },
    );
  }

  #configOf(member: Member): string {
    return join(this.#dir, `${member.name}.yml`);
  }

  #dataOf(member: Member): string {
    return join(this.#dir, member.name);
  }

  async turned(): Promise<void> {
    const { name } = await this.leader();
    const file = join(this.#patronis.get(name)!.dir, 'patroni.log');
    const turns = (): number => readFileSync(file, 'utf8').split(TURN_ENDED).length;
    const before = turns();
    await until(`a turn of Patroni of ${name}`, () => turns() > before);
  }

  freeze(members: readonly Member[] = this.members): void {
    for (const member of members) {
      signalAll(startedWith(this.#configOf(member)), 'SIGSTOP');
      // The first stops before it is asked whom it has forked.
      const dir = this.#dataOf(member);
      signalAll(family(dir).slice(0, 1), 'SIGSTOP');
      signalAll(family(dir), 'SIGSTOP');
    }
  }

  thaw(): void {
    for (const member of this.members) {
      signalAll(family(this.#dataOf(member)), 'SIGCONT');
      signalAll(startedWith(this.#configOf(member)), 'SIGCONT');
    }
  }

  async killDatabase(): Promise<void> {
    const families = this.members.flatMap((member) => family(this.#dataOf(member)));
    for (const server of this.#patronis.values()) server.signal('SIGKILL');
    signalAll(families, 'SIGKILL');
    await Promise.all([...this.#patronis.values()].map((server) => server.kill()));
  }

  async killAll(): Promise<void> {
    this.#pooler?.signal('SIGKILL');
    await Promise.all([this.killDatabase(), this.etcd.kill(0), this.#pooler?.kill()]);
  }

  said(): string {
    return [...this.#patronis]
      .flatMap(([name, { dir }]) => [
        `Patroni of ${name}:\n${tail(join(dir, 'patroni.log'))}`,
        `Postgres of ${name}:\n${tail(join(this.#dir, `${name}.log`))}`,
      ])
      .join('\n');
  }

  readonly #killWithUs = (): void =>
    signalAll(
      this.members.flatMap((member) => family(this.#dataOf(member))),
      'SIGKILL',
    );

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killDatabase();
    process.removeListener('exit', this.#killWithUs);
    await Promise.all([...this.#patronis.values()].map((server) => server[Symbol.asyncDispose]()));
    await this.#pooler?.[Symbol.asyncDispose]();
    await this.etcd.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

export const startRegion = async (options: RegionOptions): Promise<Region> => {
  const members: Member[] = [];
  for (let at = 1; at <= options.members; at++)
    members.push({
      name: `${options.name}${at}`,
      region: options.name,
      pgPort: await freePort(),
      restUrl: `http://127.0.0.1:${await freePort()}`,
    });
  const region = new RealRegion(options, workDir(`region-${options.name}`), members, await freePort(), await startEtcd());
  try {
    await region.start();
    return region;
  } catch (error) {
    await region[Symbol.asyncDispose]();
    throw error;
  }
};
