// Real etcd members on loopback for tests and benches: started, paused, killed and started again, one by one. Data lives in a folder that close() removes.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ETCD = '/usr/bin/etcd';
export const ETCDCTL = '/usr/bin/etcdctl';

const START_MS = 30_000;
const TRY_EVERY_MS = 50;

export interface EtcdOptions {
  members?: 1 | 3 | 5;
  heartbeatMs?: number;
  electionMs?: number;
  /** More flags for every member. */
  flags?: readonly string[];
}

export interface EtcdCluster {
  /** Client URLs, by member. */
  readonly endpoints: readonly string[];
  readonly folder: string;
  /** SIGKILL; resolves when it has gone. */
  kill(member: number): Promise<void>;
  /** SIGSTOP. */
  stop(member: number): void;
  /** SIGCONT. */
  cont(member: number): void;
  /** Starts a member that was killed on its old data, and waits for it to serve. */
  restart(member: number): Promise<void>;
  /** The member that leads, asked of those that run; waits for one. */
  leader(): Promise<number>;
  /** Runs etcdctl against the members that run; resolves with its output. */
  ctl(...args: string[]): Promise<string>;
  /** The last lines that a member said. */
  said(member: number): string;
  close(): Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Ports nobody listens on now. */
const freePorts = async (count: number): Promise<readonly number[]> => {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
};

const run = (file: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(file, args, { env: { PATH: process.env.PATH, ETCDCTL_API: '3' }, timeout: 20_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file} ${args.join(' ')}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });

/** Starts a cluster and waits until each member serves linearizable reads. */
export const startEtcd = async (options: EtcdOptions = {}): Promise<EtcdCluster> => {
  const { members: count = 1, heartbeatMs = 100, electionMs = 1000, flags = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-etcd-'));
  const ports = await freePorts(2 * count);
  const clientUrl = (i: number): string => `http://127.0.0.1:${ports[2 * i]}`;
  const peerUrl = (i: number): string => `http://127.0.0.1:${ports[2 * i + 1]}`;
  const indexes = Array.from({ length: count }, (_, i) => i);
  const processes = new Map<number, ChildProcess>();
  const logFile = (i: number): string => join(folder, `m${i}.log`);

  const spawnMember = (i: number, state: 'new' | 'existing'): void => {
    mkdirSync(join(folder, `m${i}`), { recursive: true, mode: 0o700 });
    const args = [
      ...['--name', `m${i}`, '--data-dir', join(folder, `m${i}`)],
      ...['--listen-client-urls', clientUrl(i), '--advertise-client-urls', clientUrl(i)],
      ...['--listen-peer-urls', peerUrl(i), '--initial-advertise-peer-urls', peerUrl(i)],
      ...['--initial-cluster', indexes.map((m) => `m${m}=${peerUrl(m)}`).join(','), '--initial-cluster-state', state],
      ...['--initial-cluster-token', folder, '--heartbeat-interval', String(heartbeatMs), '--election-timeout', String(electionMs)],
      ...['--pre-vote', '--max-txn-ops=1024', '--max-request-bytes=8388608', '--logger=zap', '--log-level=warn'],
      ...flags,
    ];
    const child = spawn(ETCD, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH } });
    const log = createWriteStream(logFile(i), { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('close', () => log.end());
    processes.set(i, child);
  };

  const gone = (i: number): boolean => {
    const child = processes.get(i);
    return child === undefined || child.exitCode !== null || child.signalCode !== null;
  };
  const said = (i: number): string => readFileSync(logFile(i), 'utf8').trim().split('\n').slice(-10).join('\n');

  const untilHealthy = async (i: number): Promise<void> => {
    const deadline = performance.now() + START_MS;
    for (;;) {
      if (gone(i)) throw new Error(`etcd member ${i} ended by itself:\n${said(i)}`);
      // Answers true only when a linearizable read went through.
      const healthy = await fetch(`${clientUrl(i)}/health`, { signal: AbortSignal.timeout(2000) }).then(
        (reply) => reply.ok,
        () => false,
      );
      if (healthy) return;
      if (performance.now() > deadline) throw new Error(`etcd member ${i} does not serve within ${START_MS} ms:\n${said(i)}`);
      await pause(TRY_EVERY_MS);
    }
  };

  const end = async (i: number): Promise<void> => {
    const child = processes.get(i);
    if (child === undefined || gone(i)) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  };
  const close = async (): Promise<void> => {
    await Promise.all(indexes.map(end));
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    for (const i of indexes) spawnMember(i, 'new');
    await Promise.all(indexes.map(untilHealthy));
  } catch (error) {
    await close();
    throw error;
  }

  const running = (): readonly number[] => indexes.filter((i) => !gone(i));
  const ctl = (...args: string[]): Promise<string> => run(ETCDCTL, ['--endpoints', running().map(clientUrl).join(','), ...args]);
  const leader = async (): Promise<number> => {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const found = await Promise.all(running().map((i) => leads(i)));
      const index = found.findIndex((leads) => leads);
      if (index >= 0) return running()[index]!;
      if (performance.now() > deadline) throw new Error('no etcd member leads');
      await pause(TRY_EVERY_MS);
    }
  };
  const leads = async (i: number): Promise<boolean> => {
    try {
      const out = await run(ETCDCTL, ['--endpoints', clientUrl(i), '--command-timeout=1s', 'endpoint', 'status', '--write-out=json']);
      const [{ Status: found }] = JSON.parse(out) as [{ Status: { header: { member_id: number }; leader: number } }];
      return found.leader !== 0 && found.header.member_id === found.leader;
    } catch {
      return false;
    }
  };

  return {
    endpoints: indexes.map(clientUrl),
    folder,
    kill: end,
    stop: (i) => void processes.get(i)?.kill('SIGSTOP'),
    cont: (i) => void processes.get(i)?.kill('SIGCONT'),
    async restart(i) {
      await end(i);
      spawnMember(i, 'existing');
      await untilHealthy(i);
    },
    leader,
    ctl,
    said,
    close,
  };
};
