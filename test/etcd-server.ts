// Real etcd members for tests and benches: started, paused, killed and started again one by one, with or without TLS and users. Data lives in a folder that
// close() removes. By default all members are on loopback; `hosts` and `exec` put each into a network namespace of its own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, type Certificate, createAuthority } from './etcd-certificates.ts';

const ETCD = '/usr/bin/etcd';
const ETCDCTL = '/usr/bin/etcdctl';
const START_MS = 30_000;
const TRY_EVERY_MS = 50;
export const ROOT_PASSWORD = 'root-of-the-tests';

export interface EtcdOptions {
  members?: 1 | 3 | 5;
  heartbeatMs?: number;
  electionMs?: number;
  /** Clients speak TLS and show a certificate of `authority`. Members among themselves do not. */
  tls?: boolean;
  /** Users and roles count; root is there, with ROOT_PASSWORD. */
  auth?: boolean;
  /** Address of each member; ports are 2379 and 2380 then. */
  hosts?: readonly string[];
  /** What to put before the command of a member, such as `ip netns exec r1`. */
  exec?: (member: number) => readonly string[];
  /** More flags for every member; the last of a kind counts. */
  flags?: readonly string[];
}

/** What the restore of one member has to be told. */
export interface RestoreTarget {
  name: string;
  dataDir: string;
  peer: string;
  /** `name=peer,…` of all members. */
  initialCluster: string;
  token: string;
}

export interface EtcdCluster {
  /** Client URLs, by member. */
  readonly endpoints: readonly string[];
  readonly folder: string;
  /** With `tls` only. */
  readonly authority: Authority;
  /** Process ids, by member; undefined while one does not run. */
  pid(member: number): number | undefined;
  /** SIGKILL; resolves when it has gone. */
  kill(member: number): Promise<void>;
  /** SIGSTOP. */
  stop(member: number): void;
  /** SIGCONT. */
  cont(member: number): void;
  /** Starts a member on its old data, and waits until it serves: that needs a majority. */
  restart(member: number): Promise<void>;
  /** The member that leads, asked of those that run; waits for one. */
  leader(): Promise<number>;
  /** Runs etcdctl, as root, against the members that run; resolves with its output. */
  ctl(...args: string[]): Promise<string>;
  /** What etcdctl needs in its environment to speak to this cluster as root by certificate. */
  ctlEnv(): Readonly<Record<string, string>>;
  /** Saves the data of the first running member into a file. */
  save(file: string): Promise<void>;
  /** Kills all members and starts them anew on the data of that file, at the same addresses. With another token it is another cluster. */
  restore(file: string, token?: string, how?: (target: RestoreTarget) => Promise<unknown>): Promise<void>;
  /** The last lines that a member said. */
  said(member: number): string;
  close(): Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Below the range that the system takes outgoing ports from: a member that starts again must find its own free. */
const PORT_FIRST = 20_000;
const PORTS = 12_000;

const isFree = async (port: number): Promise<boolean> => {
  const server = net.createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
};

/** Ports nobody listens on now. */
const freePorts = async (count: number): Promise<readonly number[]> => {
  const found = new Set<number>();
  while (found.size < count) {
    const port = PORT_FIRST + Math.floor(Math.random() * PORTS);
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  return [...found];
};

const run = ([file = '', ...args]: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(file, args, { env: { PATH: process.env.PATH, ETCDCTL_API: '3' }, timeout: 20_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file} ${args.join(' ')}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });

/** Tries until `work` gives something but null. */
const until = async <T>(what: () => string, work: () => Promise<T | null>): Promise<T> => {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const found = await work();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(what());
    await pause(TRY_EVERY_MS);
  }
};

interface Place {
  client: string;
  peer: string;
}

const placesFor = async ({ members = 1, tls = false, hosts }: EtcdOptions): Promise<readonly Place[]> => {
  const scheme = tls ? 'https' : 'http';
  if (hosts !== undefined) return hosts.map((host) => ({ client: `${scheme}://${host}:2379`, peer: `http://${host}:2380` }));
  const ports = await freePorts(2 * members);
  return Array.from({ length: members }, (_, i) => ({
    client: `${scheme}://127.0.0.1:${ports[2 * i]}`,
    peer: `http://127.0.0.1:${ports[2 * i + 1]}`,
  }));
};

const tlsFlags = (authority: Authority, server: Certificate): readonly string[] => [
  ...['--cert-file', server.certFile, '--key-file', server.keyFile],
  ...['--client-cert-auth', '--trusted-ca-file', authority.caFile],
];

class Cluster implements EtcdCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'tidegate-etcd-'));
  readonly #options: EtcdOptions;
  readonly #places: readonly Place[];
  readonly #processes = new Map<number, ChildProcess>();
  readonly #tls: { authority: Authority; server: Certificate; root: Certificate } | null;
  /** Whether root has to prove himself already. */
  #isGuarded = false;
  #restores = 0;
  #token = 'tests';

  constructor(options: EtcdOptions, places: readonly Place[]) {
    this.#options = options;
    this.#places = places;
    this.#tls = options.tls === true ? this.#certify() : null;
  }

  get endpoints(): readonly string[] {
    return this.#places.map(({ client }) => client);
  }

  get authority(): Authority {
    if (this.#tls === null) throw new Error('started without tls');
    return this.#tls.authority;
  }

  #certify() {
    const authority = createAuthority(this.folder);
    const names = ['IP:127.0.0.1', 'DNS:localhost', 'DNS:etcd.test', ...(this.#options.hosts ?? []).map((host) => `IP:${host}`)];
    return { authority, server: authority.issue('etcd', names), root: authority.issue('root') };
  }

  #members(): readonly number[] {
    return this.#places.map((_, i) => i);
  }

  #dataOf(i: number): string {
    return join(this.folder, `m${i}-${this.#restores}`);
  }

  #initial(): readonly string[] {
    const all = this.#places.map(({ peer }, m) => `m${m}=${peer}`).join(',');
    return ['--initial-cluster', all, '--initial-cluster-token', this.#token];
  }

  #spawn(i: number): void {
    const { client, peer } = this.#places[i]!;
    const { heartbeatMs = 100, electionMs = 1000, flags = [], exec } = this.#options;
    mkdirSync(this.#dataOf(i), { recursive: true, mode: 0o700 });
    const [file = '', ...args] = [
      ...(exec?.(i) ?? []),
      ...[ETCD, '--name', `m${i}`, '--data-dir', this.#dataOf(i), '--logger=zap', '--log-level=warn'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, ...this.#initial()],
      ...['--heartbeat-interval', String(heartbeatMs), '--election-timeout', String(electionMs), '--pre-vote'],
      ...['--max-txn-ops=1024', '--max-request-bytes=8388608'],
      ...(this.#tls === null ? [] : tlsFlags(this.#tls.authority, this.#tls.server)),
      ...flags,
    ];
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH } });
    const log = createWriteStream(join(this.folder, `m${i}.log`), { flags: 'a' });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.once('close', () => log.end());
    this.#processes.set(i, child);
  }

  #runs(i: number): boolean {
    const child = this.#processes.get(i);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  #ctl(members: readonly number[], args: readonly string[]): Promise<string> {
    const { exec, auth } = this.#options;
    return run([
      ...(members[0] === undefined ? [] : (exec?.(members[0]) ?? [])),
      ...[ETCDCTL, '--endpoints', members.map((i) => this.endpoints[i]).join(',')],
      ...(this.#tls === null
        ? []
        : ['--cacert', this.#tls.authority.caFile, '--cert', this.#tls.root.certFile, '--key', this.#tls.root.keyFile]),
      ...(auth === true && this.#isGuarded ? ['--user', `root:${ROOT_PASSWORD}`] : []),
      ...args,
    ]);
  }

  /** Healthy means that a linearizable read went through. */
  async #untilHealthy(i: number): Promise<void> {
    await until(
      () => `etcd member ${i} does not serve within ${START_MS} ms:\n${this.said(i)}`,
      () => {
        if (!this.#runs(i)) throw new Error(`etcd member ${i} ended by itself:\n${this.said(i)}`);
        return this.#ctl([i], ['--command-timeout=2s', 'endpoint', 'health']).catch(() => null);
      },
    );
  }

  async #leads(i: number): Promise<boolean> {
    try {
      const out = await this.#ctl([i], ['--command-timeout=1s', 'endpoint', 'status', '--write-out=json']);
      const [found] = JSON.parse(out) as [{ Status: { header: { member_id: number }; leader: number } }];
      return found.Status.leader !== 0 && found.Status.header.member_id === found.Status.leader;
    } catch {
      return false;
    }
  }

  async start(): Promise<void> {
    for (const i of this.#members()) this.#spawn(i);
    await Promise.all(this.#members().map((i) => this.#untilHealthy(i)));
    if (this.#options.auth !== true || this.#isGuarded) return;
    await this.ctl('user', 'add', `root:${ROOT_PASSWORD}`);
    await this.ctl('user', 'grant-role', 'root', 'root');
    await this.ctl('auth', 'enable');
    this.#isGuarded = true;
  }

  pid(i: number): number | undefined {
    return this.#runs(i) ? this.#processes.get(i)?.pid : undefined;
  }

  async kill(i: number): Promise<void> {
    const child = this.#processes.get(i);
    if (child === undefined || !this.#runs(i)) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  stop(i: number): void {
    this.#processes.get(i)?.kill('SIGSTOP');
  }

  cont(i: number): void {
    this.#processes.get(i)?.kill('SIGCONT');
  }

  async restart(i: number): Promise<void> {
    await this.kill(i);
    this.#spawn(i);
    await this.#untilHealthy(i);
  }

  leader(): Promise<number> {
    return until(
      () => 'no etcd member leads',
      async () => {
        const running = this.#members().filter((i) => this.#runs(i));
        const leads = await Promise.all(running.map((i) => this.#leads(i)));
        return running.find((_, at) => leads[at]) ?? null;
      },
    );
  }

  ctl(...args: string[]): Promise<string> {
    return this.#ctl(
      this.#members().filter((i) => this.#runs(i)),
      args,
    );
  }

  ctlEnv(): Readonly<Record<string, string>> {
    const endpoints = { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: this.endpoints.join(',') };
    if (this.#tls === null) return endpoints;
    const { authority, root } = this.#tls;
    return { ...endpoints, ETCDCTL_CACERT: authority.caFile, ETCDCTL_CERT: root.certFile, ETCDCTL_KEY: root.keyFile };
  }

  async save(file: string): Promise<void> {
    await this.#ctl(
      this.#members()
        .filter((i) => this.#runs(i))
        .slice(0, 1),
      ['snapshot', 'save', file],
    );
  }

  async restore(file: string, token = this.#token, how?: (target: RestoreTarget) => Promise<unknown>): Promise<void> {
    this.#token = token;
    await Promise.all(this.#members().map((i) => this.kill(i)));
    this.#restores += 1;
    for (const i of this.#members()) {
      const { peer } = this.#places[i]!;
      const [, initialCluster = ''] = this.#initial();
      if (how !== undefined) {
        await how({ name: `m${i}`, dataDir: this.#dataOf(i), peer, initialCluster, token });
        continue;
      }
      const target = ['--name', `m${i}`, '--data-dir', this.#dataOf(i), '--initial-advertise-peer-urls', peer];
      await run([ETCDCTL, 'snapshot', 'restore', file, ...target, ...this.#initial()]);
    }
    await this.start();
  }

  said(i: number): string {
    return readFileSync(join(this.folder, `m${i}.log`), 'utf8')
      .trim()
      .split('\n')
      .slice(-10)
      .join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.#members().map((i) => this.kill(i)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts a cluster and waits until each member serves linearizable reads. */
export const startEtcd = async (options: EtcdOptions = {}): Promise<EtcdCluster> => {
  const cluster = new Cluster(options, await placesFor(options));
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
};
