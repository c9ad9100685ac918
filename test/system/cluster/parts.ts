// What a region is made of, each a thing that can be started, killed and started again with its disk: etcd member, servers of DNS, application, replicas.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type End, type ReplicaProcess, startReplica } from '../replica-process.ts';
import type { RunningServer } from '../server.ts';
import { APP_PORT, apiPort, PAGES_PORT, REGIONS, type Region, type ReplicaName, regionOf } from './files.ts';
import { HOST, type Place, startMember, startResolver, startSecondary } from './servers.ts';
import type { Order, Report } from './site.ts';

export interface Part {
  readonly alive: boolean;
  /** Nothing happens when it lives. */
  start(): Promise<void>;
  /** SIGKILL, and waits until it is gone. Nothing happens when it is gone already. */
  kill(): Promise<void>;
}

/** A server that is started by `open` each time. */
const serverPart = (open: () => Promise<RunningServer>): Part => {
  let server: RunningServer | null = null;
  return {
    get alive() {
      return server !== null;
    },
    async start() {
      server ??= await open();
    },
    async kill() {
      await server?.kill();
      server = null;
    },
  };
};

export const memberPart = (place: Place): Part => serverPart(() => startMember(place, REGIONS));
export const secondaryPart = (place: Place): Part => serverPart(() => startSecondary(place));
export const resolverPart = (place: Place): Part => serverPart(() => startResolver(place, REGIONS));

// ---- application and receiver ----

export interface Paged {
  atMs: number;
  /** Whose receiver took it. */
  region: string;
  /** The page's own, not the webhook's. */
  id: string;
  type: string;
  summary: string;
  detail: Readonly<Record<string, unknown>>;
}

export interface Site extends Part {
  /** `up` after `down` is well again, whatever it was before. */
  order(order: Order): Promise<void>;
}

const SITE = join(import.meta.dirname, 'site.ts');

export const sitePart = ({ wan, region }: Place, secret: string, onPage: (page: Paged) => void): Site => {
  let child: ChildProcess | null = null;
  const waiting: (() => void)[] = [];
  const done = (): Promise<void> => new Promise((resolve) => void waiting.push(resolve));
  const hear = (report: Report): void => {
    if (report.report === 'done') waiting.shift()?.();
    else onPage({ atMs: performance.now(), region, ...report.page });
  };
  return {
    get alive() {
      return child !== null;
    },
    async start() {
      if (child !== null) return;
      const at = [wan.address(region, HOST.app), String(APP_PORT), wan.address(region, HOST.main), String(PAGES_PORT)];
      const [first = '', ...args] = [...wan.inside(region), process.execPath, SITE, region, ...at, secret];
      child = spawn(first, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      child.on('message', hear);
      const ended = once(child, 'exit').then(([code, signal]) => {
        if (waiting.length > 0) throw new Error(`the site of ${region} ended with ${code ?? signal}`);
      });
      await Promise.race([done(), ended]);
    },
    async kill() {
      const dying = child;
      if (dying === null) return;
      child = null;
      waiting.length = 0;
      dying.kill('SIGKILL');
      if (dying.exitCode === null && dying.signalCode === null) await once(dying, 'exit');
    },
    async order(order) {
      const obeyed = done();
      child?.send(order);
      await obeyed;
    },
  };
};

// ---- replicas ----

export interface ReplicaPart extends Part {
  readonly name: ReplicaName;
  readonly region: Region;
  /** When the present process, or the last one, was started. */
  readonly startedAtMs: number;
  readonly process: ReplicaProcess;
  /** Every process that has run under this name, the present one last. */
  readonly lives: readonly ReplicaProcess[];
  /** SIGTERM, and waits for the end. */
  stop(): Promise<End>;
}

export const replicaPart = (place: Place, name: ReplicaName): ReplicaPart => {
  const { wan, folder } = place;
  const region = regionOf(name);
  const file = name.replace('/', '');
  const lives: ReplicaProcess[] = [];
  let alive = false;
  let startedAtMs = 0;
  const current = (): ReplicaProcess => {
    const found = lives.at(-1);
    if (found === undefined) throw new Error(`${name} was never started`);
    return found;
  };
  return {
    name,
    region,
    lives,
    get alive() {
      return alive;
    },
    get startedAtMs() {
      return startedAtMs;
    },
    get process() {
      return current();
    },
    async start() {
      if (alive) return;
      alive = true;
      startedAtMs = performance.now();
      const options = { configFile: join(folder, `${file}.yaml`), logFile: join(folder, `${file}-${lives.length + 1}.log`) };
      try {
        lives.push(
          await startReplica({ ...options, apiHost: wan.address(region, HOST.main), apiPort: apiPort(name), wrap: wan.inside(region) }),
        );
      } catch (error) {
        alive = false;
        throw error;
      }
    },
    async kill() {
      if (!alive) return;
      alive = false;
      await current().end('SIGKILL');
    },
    async stop() {
      alive = false;
      return await current().end('SIGTERM');
    },
  };
};
