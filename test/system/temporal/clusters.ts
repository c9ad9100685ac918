// Two real Temporal clusters that replicate to one another, each one process with its data in memory (SQLite), built from the released Go module and kept in the
// system's folder for temporary files. One shard, no authorizer, no TLS: what is tested here is what a namespace does.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { freePort, type RunningServer, runServer, workDir } from '../server.ts';
import { until } from '../until.ts';

const SOURCE = join(import.meta.dirname, 'build');
const VERSION = /go\.temporal\.io\/server (v\S+)/.exec(readFileSync(join(SOURCE, 'go.mod'), 'utf8'))?.[1] ?? 'unknown';
const BUILD_MS_MAX = 30 * 60_000;

/** The program; takes some five minutes of two cores the first time. */
const built = (): string => {
  const program = join(tmpdir(), `tidegate-temporal-server-${VERSION}`);
  if (existsSync(program)) return program;
  process.stderr.write(`building the Temporal server ${VERSION}, once\n`);
  const dir = mkdtempSync(join(tmpdir(), 'tidegate-temporal-build-'));
  try {
    copyFileSync(join(SOURCE, 'go.mod'), join(dir, 'go.mod'));
    const go = (...args: string[]): void =>
      void execFileSync('go', args, { cwd: dir, timeout: BUILD_MS_MAX, stdio: ['ignore', 'ignore', 'pipe'] });
    go('mod', 'tidy');
    go('build', '-trimpath', '-ldflags', '-s -w', '-o', 'temporal-server', 'go.temporal.io/server/cmd/server');
    // At once, so that a build which is broken off leaves nothing that looks like a program.
    renameSync(join(dir, 'temporal-server'), program);
    return program;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

const SERVICES = ['frontend', 'history', 'matching', 'worker'] as const;

interface Ports {
  rpc: Readonly<Record<(typeof SERVICES)[number], number>>;
  membership: Readonly<Record<(typeof SERVICES)[number], number>>;
}

const portsOf = async (): Promise<Ports> => {
  const eight = await Promise.all(SERVICES.map(async (service) => [service, await freePort(), await freePort()] as const));
  const pick = (at: 1 | 2) => Object.fromEntries(eight.map((one) => [one[0], one[at]])) as Ports['rpc'];
  return { rpc: pick(1), membership: pick(2) };
};

/** YAML reads JSON. */
const configOf = (name: string, version: number, { rpc, membership }: Ports, dynamicFile: string): string => {
  const attributes = { mode: 'memory', cache: 'private' };
  const sql = { pluginName: 'sqlite', databaseName: name, connectAddr: 'localhost', connectProtocol: 'tcp', connectAttributes: attributes };
  return JSON.stringify({
    log: { stdout: false, level: 'error', outputFile: join(dynamicFile, '../server.log') },
    persistence: {
      defaultStore: 'main',
      visibilityStore: 'main',
      numHistoryShards: 1,
      datastores: { main: { sql: { ...sql, user: '', password: '', maxConns: 1, maxIdleConns: 1, maxConnLifetime: '1h' } } },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: Object.fromEntries(
      SERVICES.map((service) => [service, { rpc: { grpcPort: rpc[service], membershipPort: membership[service], bindOnLocalHost: true } }]),
    ),
    clusterMetadata: {
      enableGlobalNamespace: true,
      failoverVersionIncrement: 100,
      masterClusterName: name,
      currentClusterName: name,
      clusterInformation: {
        [name]: { enabled: true, initialFailoverVersion: version, rpcName: 'frontend', rpcAddress: `127.0.0.1:${rpc.frontend}` },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: dynamicFile, pollInterval: '10s' },
  });
};

export interface Cluster extends AsyncDisposable {
  name: string;
  address: string;
  /** The library as anybody would use it, with its retries. */
  raw: Connection;
  signal: RunningServer['signal'];
  kill(): Promise<void>;
}

const startCluster = async (program: string, name: string, version: number): Promise<Cluster> => {
  const dir = workDir(`temporal-${name}`);
  const ports = await portsOf();
  mkdirSync(join(dir, 'config'));
  const dynamicFile = join(dir, 'dynamic.yaml');
  // Otherwise each learns of the other within a minute.
  writeFileSync(dynamicFile, 'system.clusterMetadataRefreshInterval: [{value: 1s}]\n');
  writeFileSync(join(dir, 'config', 'base.yaml'), configOf(name, version, ports, dynamicFile));
  const address = `127.0.0.1:${ports.rpc.frontend}`;
  const raw = Connection.lazy({ address });
  const server = await runServer({
    command: program,
    args: ['--root', dir, '--config', 'config', '--env', 'none', 'start'],
    dir,
    logFile: join(dir, 'server.log'),
    answers: async () => (await raw.workflowService.getClusterInfo({})).clusterName === name,
  });
  return {
    name,
    address,
    raw,
    signal: server.signal,
    kill: server.kill,
    async [Symbol.asyncDispose]() {
      await raw.close();
      await server[Symbol.asyncDispose]();
    },
  };
};

export interface Clusters extends AsyncDisposable {
  a: Cluster;
  b: Cluster;
  /** A namespace of both, active in `a`, known to both when this resolves. */
  register(namespace: string): Promise<void>;
}

const join2 = async (one: Cluster, other: Cluster): Promise<void> => {
  await one.raw.operatorService.addOrUpdateRemoteCluster({
    frontendAddress: other.address,
    enableRemoteClusterConnection: true,
    enableReplication: true,
  });
};

export const startClusters = async (): Promise<Clusters> => {
  const program = built();
  const a = await startCluster(program, 'cluster-a', 1);
  const b = await startCluster(program, 'cluster-b', 2);
  await join2(a, b);
  await join2(b, a);
  const register = async (namespace: string): Promise<void> => {
    await until(`${namespace} is registered`, () =>
      a.raw.workflowService
        .registerNamespace({
          namespace,
          isGlobalNamespace: true,
          clusters: [{ clusterName: 'cluster-a' }, { clusterName: 'cluster-b' }],
          activeClusterName: 'cluster-a',
          workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
        })
        .then(() => true),
    );
    for (const { raw } of [a, b]) await until(`${namespace} is known`, () => raw.workflowService.describeNamespace({ namespace }));
  };
  return {
    a,
    b,
    register,
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    },
  };
};
