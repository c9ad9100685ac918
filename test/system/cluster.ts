// A whole cluster on one machine: three regions, each with a small real application and a replica in a process of its own. The first serves the store
// and the builtin DNS zone; the others reach both through a wire each that can be cut. Starts in order, waits until the first route is served.
// Its audit and the fences that users could see are judged at the end of every story.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { fenceName, parseFence } from '../../providers/fence.ts';
import type { Fence } from '../../providers/provider.ts';
import { query } from '../../src/dns/exchange.ts';
import { type App, serveApp } from '../../src/drill/app.ts';
import type { Audit, Route, Routing } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { connectStore } from '../../src/store/remote.ts';
import type { Store } from '../../src/store/store.ts';
import { type ChaosProxy, startChaosProxy } from '../chaos-proxy.ts';
import { ADDRESS, type ClusterOptions, clusterText, FIRST, type Places, REGIONS, type Region, replicaText, WEB } from './cluster-config.ts';
import { expectExplained, watchFence } from './judge.ts';
import { type End, MAIN, type ReplicaProcess, startReplica } from './replica-process.ts';
import { workDir } from './server.ts';
import { PATIENCE_MS, until } from './until.ts';

export interface Wire {
  store: ChaosProxy;
  control: ChaosProxy;
}

export interface Cluster extends AsyncDisposable {
  readonly folder: string;
  readonly doors: Places;
  /** The store, asked directly. */
  readonly store: Store;
  readonly operatorToken: string;
  readonly webhookSecret: string;
  replica(region: Region): ReplicaProcess;
  wire(region: Region): Wire;
  configFile(region: Region): string;
  /** A replica's file. */
  read(region: Region): string;
  /** Rewrites it. */
  edit(region: Region, change: (text: string) => string): void;
  /** Starts a replica that has ended. */
  start(region: Region): Promise<ReplicaProcess>;
  stop(region: Region): Promise<End>;
  setHealth(region: Region, well: boolean): void;
  killApp(region: Region): Promise<void>;
  startApp(region: Region): Promise<void>;
  /** Application and replica at once, without a word. */
  killRegion(region: Region): Promise<void>;
  /** The region that coordinates, as the store says. */
  coordinator(): Promise<Region>;
  routing(): Promise<Routing>;
  route(): Promise<Route>;
  audits(): Promise<Audit[]>;
  /** The regions whose addresses `asked` questions in a row were answered with, in configured order; nothing when nothing answers. */
  answers(asked?: number): Promise<Region[]>;
  /** The fence that users can see; null: none. */
  fence(): Promise<Fence | null>;
  /** Waits until the route in the store is as wanted and is what users are told. */
  untilServed(what: string, wanted: (route: Route) => boolean, withinMs?: number): Promise<void>;
  /** The audit explains every change from the first on, and what users saw never went backwards. */
  expectSound(): Promise<void>;
}

/** Below the range that the system takes outgoing ports from: a replica that restarts must find its ports free. */
const PORT_FIRST = 20_000;
const PORTS = 12_000;
const taken = new Set<number>();

const isFree = async (host: string, port: number): Promise<boolean> => {
  const tcp = createServer();
  const udp = createSocket('udp4');
  try {
    await Promise.all([once(tcp.listen(port, host), 'listening'), once(udp.bind(port, host), 'listening')]);
    return true;
  } catch {
    return false;
  } finally {
    tcp.close();
    udp.close();
  }
};

const lastingPort = async (hosts: readonly string[] = ['127.0.0.1']): Promise<number> => {
  for (;;) {
    const port = PORT_FIRST + (randomBytes(4).readUInt32BE() % PORTS);
    if (taken.has(port)) continue;
    const free = await Promise.all(hosts.map((host) => isFree(host, port)));
    if (!free.every(Boolean)) continue;
    taken.add(port);
    return port;
  }
};

const placesOf = async (): Promise<Places> => ({
  api: Object.fromEntries(await Promise.all(REGIONS.map(async (region) => [region, await lastingPort()]))) as Record<Region, number>,
  store: await lastingPort(),
  control: await lastingPort(),
  dns: await lastingPort(),
  app: await lastingPort(Object.values(ADDRESS)),
});

const secretFile = (path: string, text: string): string => {
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return text;
};

/** Runs a command of the program; resolves with its stdout, rejects with its stderr. */
export const tidegate = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [MAIN, ...args], { timeout: PATIENCE_MS })).stdout;

export const startCluster = async (options: ClusterOptions = {}): Promise<Cluster> => {
  const stack = new AsyncDisposableStack();
  try {
    return await start(options, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
};

const start = async (options: ClusterOptions, stack: AsyncDisposableStack): Promise<Cluster> => {
  const ports = realPorts();
  const folder = workDir('cluster');
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const doors = { ...(await placesOf()), ...(options.provider === undefined ? {} : { dns: options.provider.dns }) };
  const operatorToken = secretFile(join(folder, 'operator.token'), randomBytes(20).toString('hex'));
  const storeToken = secretFile(join(folder, 'store.token'), randomBytes(20).toString('hex'));
  secretFile(join(folder, 'dns.token'), randomBytes(20).toString('hex'));
  const webhookSecret = secretFile(join(folder, 'webhook.secret'), `whsec_${randomBytes(32).toString('base64')}`);

  const apps = new Map<Region, App>();
  const startApp = async (region: Region): Promise<void> => {
    apps.set(region, await serveApp({ host: ADDRESS[region], port: doors.app, region }));
  };
  const killApp = async (region: Region): Promise<void> => {
    await apps.get(region)?.close();
    apps.delete(region);
  };
  stack.defer(() => Promise.all(REGIONS.map(killApp)).then(() => undefined));
  for (const region of REGIONS) await startApp(region);

  const wires = new Map<Region, Wire>();
  for (const region of REGIONS) {
    if (region === FIRST) continue;
    const wire = { store: await startChaosProxy(doors.store), control: await startChaosProxy(doors.control) };
    wires.set(region, wire);
    stack.defer(() => Promise.all([wire.store.close(), wire.control.close()]).then(() => undefined));
  }

  const configFile = (region: Region): string => join(folder, `${region}.yaml`);
  const read = (region: Region): string => readFileSync(configFile(region), 'utf8');
  for (const region of REGIONS) {
    const wire = wires.get(region);
    const cluster = region === FIRST && options.etcd === undefined ? clusterText(options, doors) : '';
    const own = replicaText(region, doors, options, wire && { store: wire.store.port, control: wire.control.port });
    writeFileSync(configFile(region), `${own}${cluster}`);
  }

  if (options.etcd !== undefined) {
    writeFileSync(join(folder, 'cluster.yaml'), clusterText(options, doors));
    await tidegate('apply', '-c', configFile(FIRST), '-f', join(folder, 'cluster.yaml'));
  }

  const replicas = new Map<Region, ReplicaProcess>();
  const startOne = async (region: Region): Promise<ReplicaProcess> => {
    const wrap = region === FIRST ? options.wrapFirst : undefined;
    const replica = await startReplica({
      configFile: configFile(region),
      logFile: join(folder, `${region}-${++starts}.log`),
      apiPort: doors.api[region],
      ...(wrap === undefined ? {} : { wrap }),
    });
    replicas.set(region, replica);
    return replica;
  };
  let starts = 0;
  stack.defer(() => Promise.all([...replicas.values()].map((replica) => replica.end('SIGKILL'))).then(() => undefined));
  await startOne(FIRST);
  await Promise.all(REGIONS.filter((region) => region !== FIRST).map(startOne));

  const store = options.etcd?.store ?? connectStore({ url: `http://127.0.0.1:${doors.store}`, token: storeToken, ports, timeoutMs: 5000 });
  stack.defer(() => store.close());

  const replica = (region: Region): ReplicaProcess => {
    const found = replicas.get(region);
    if (found === undefined) throw new Error(`${region} was not started`);
    return found;
  };
  const value = async <T>(key: string): Promise<T | null> => ((await store.get({ keys: [key] })).kvs[0]?.value as T | undefined) ?? null;
  const asked = { ports, server: { host: '127.0.0.1', port: doors.dns }, timeoutMs: 2000, recursionDesired: false };
  const routing = (): Promise<Routing> => until('a routing record', () => value<Routing>('routing'));
  const route = async (): Promise<Route> => (await routing()).services[WEB]?.route ?? {};
  const answers = async (n = 20): Promise<Region[]> => {
    const found = new Set<unknown>();
    for (let i = 0; i < n; i++) for (const { data } of (await query({ ...asked, name: WEB, type: 'A' })).answers) found.add(data);
    return REGIONS.filter((region) => found.has(ADDRESS[region]));
  };
  const fence = async (): Promise<Fence | null> => {
    const reply = await query({ ...asked, name: fenceName(WEB), type: 'TXT' });
    const text = reply.answers.flatMap((answer) => (answer.type === 'TXT' ? [answer.data.join('')] : []))[0];
    return text === undefined ? null : parseFence(text);
  };
  const audits = async (): Promise<Audit[]> =>
    (await store.get({ prefixes: ['audit/'] })).kvs.filter(({ key }) => !key.startsWith('audit/config-')).map((kv) => kv.value as Audit);

  const seen = watchFence(fence);
  stack.defer(() => seen.stop());

  const cluster: Cluster = {
    folder,
    doors,
    store,
    operatorToken,
    webhookSecret,
    replica,
    wire(region) {
      const wire = wires.get(region);
      if (wire === undefined) throw new Error(`${region} has no wire`);
      return wire;
    },
    configFile,
    read,
    edit: (region, change) => writeFileSync(configFile(region), change(read(region))),
    start: startOne,
    stop: (region) => replica(region).end('SIGTERM'),
    setHealth: (region, well) => apps.get(region)?.setHealth({ healthz: well, readyz: well }),
    killApp,
    startApp,
    async killRegion(region) {
      await Promise.all([killApp(region), replica(region).end('SIGKILL')]);
    },
    coordinator: () =>
      until('a coordinator', async () => {
        const leader = await value<{ region: Region; released: boolean }>('leader');
        return leader !== null && !leader.released && leader.region;
      }),
    routing,
    route,
    audits,
    answers,
    fence,
    async untilServed(what, wanted, withinMs = PATIENCE_MS) {
      await until(
        what,
        async () => {
          const { fence: decided, route: now }: { fence: number; route: Route } = (await routing()).services[WEB] ?? {
            fence: 0,
            route: {},
          };
          if (!wanted(now) || (await fence())?.v !== decided) return false;
          const carrying = REGIONS.filter((region) => (now[region] ?? 0) > 0);
          return (await answers()).join() === carrying.join();
        },
        withinMs,
      );
    },
    async expectSound() {
      expectExplained(await audits(), await routing());
      expect(seen.backwards()).toEqual([]);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
  const third = 1000 / REGIONS.length;
  const even = options.weights === undefined;
  await cluster.untilServed('the first route', (now) => !even || REGIONS.every((region) => Math.abs((now[region] ?? 0) - third) <= 1));
  return cluster;
};
