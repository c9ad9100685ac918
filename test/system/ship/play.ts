// deploy/compose.yaml, played without an engine: a network namespace for every service and a bridge for every network, with the file's own addresses, mounts,
// command lines and health checks. Tidegate runs from the image that was built; etcd, Redis, BIND and nginx are this machine's, in place of their images.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { until } from '../until.ts';
import { borrowedImage, type Container, type Image, runContainer } from './engine.ts';

interface Granted {
  source: string;
  target: string;
}
interface Service {
  image: string;
  user: string;
  entrypoint?: readonly string[];
  command?: readonly string[];
  environment?: Readonly<Record<string, string>>;
  healthcheck?: { test?: readonly string[] };
  configs?: readonly Granted[];
  secrets?: readonly Granted[];
  volumes?: readonly Granted[];
  tmpfs?: readonly string[];
  sysctls?: Readonly<Record<string, string>>;
  networks: Readonly<Record<string, { ipv4_address: string }>>;
}
interface Compose {
  services: Readonly<Record<string, Service>>;
  networks: Readonly<Record<string, object>>;
  configs: Readonly<Record<string, { file: string }>>;
  secrets: Readonly<Record<string, { file: string }>>;
}

export interface Play {
  /** `docker compose up`, for these: starts them and waits until their health checks pass, or until they answer at all. */
  up(...names: readonly string[]): Promise<void>;
  /** `docker compose run`: to its end. */
  run(name: string): Promise<{ code: number | null; said: string }>;
  exec(name: string, ...words: readonly string[]): Promise<{ code: number | null; said: string }>;
  /** `docker compose kill`. */
  kill(...names: readonly string[]): Promise<void>;
  container(name: string): Container;
  close(): Promise<void>;
}

const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
/** An engine's own patience is without end; ours is that of a machine that is busy with other things. */
const HEALTHY_MS = 180_000;
const CHECK_EVERY_MS = 2000;
const NAME = `tgc${process.pid % 10_000}`;

/** A bridge for each network, and for each service a namespace with a leg on each of its networks. Out: the namespace by service. */
const lay = ({ services, networks }: Compose): { spaces: ReadonlyMap<string, string>; close(): void } => {
  const bridges = new Map(Object.keys(networks).map((network, i) => [network, `${NAME}b${i}`]));
  const spaces = new Map(Object.keys(services).map((service, i) => [service, `${NAME}s${i}`]));
  const close = (): void => {
    for (const space of spaces.values()) ip('netns', 'del', space);
    for (const bridge of bridges.values()) ip('link', 'del', bridge);
  };
  for (const bridge of bridges.values()) {
    ip('link', 'add', bridge, 'type', 'bridge');
    ip('link', 'set', bridge, 'up');
  }
  for (const [service, space] of spaces) {
    ip('netns', 'add', space);
    ip('-n', space, 'link', 'set', 'lo', 'up');
    for (const [i, [network, { ipv4_address }]] of Object.entries(services[service]?.networks ?? {}).entries()) {
      const leg = `${space}v${i}`;
      ip('link', 'add', leg, 'type', 'veth', 'peer', 'name', `eth${i}`, 'netns', space);
      ip('link', 'set', leg, 'master', bridges.get(network) ?? '', 'up');
      ip('-n', space, 'addr', 'add', `${ipv4_address}/24`, 'dev', `eth${i}`);
      ip('-n', space, 'link', 'set', `eth${i}`, 'up');
    }
    for (const [name, value] of Object.entries(services[service]?.sysctls ?? {}))
      execFileSync('ip', ['netns', 'exec', space, 'sh', '-c', `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`]);
  }
  return { spaces, close };
};

/** `deploy`: a copy of the folder, in which keys are made as a first run makes them, with `tidegate` for the program. */
export const playCompose = (source: string, folder: string, image: Image, tidegate: string): Play => {
  const deploy = join(folder, 'deploy');
  cpSync(join(source, 'deploy'), deploy, { recursive: true, filter: (path) => !/\/(secrets|state|\.env)$/.test(path) });
  execFileSync(join(deploy, 'compose/first-run.sh'), [], {
    env: { ...process.env, TIDEGATE: tidegate },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const user = /^TIDEGATE_USER=(\d+):(\d+)$/m.exec(readFileSync(join(deploy, '.env'), 'utf8'));
  if (user === null) throw new Error('first-run.sh left no TIDEGATE_USER');
  const as = { uid: Number(user[1]), gid: Number(user[2]) };
  const compose = parse(readFileSync(join(deploy, 'compose.yaml'), 'utf8'), { merge: true }) as Compose;
  const { spaces, close } = lay(compose);
  const running = new Map<string, Container>();

  const serviceOf = (name: string): Service => {
    const service = compose.services[name];
    if (service === undefined) throw new Error(`compose.yaml has no ${name}`);
    return service;
  };
  const imageOf = (name: string): Image => {
    const { image: its, entrypoint, environment = {} } = serviceOf(name);
    if (its === 'tidegate:local') return { ...image, user: as };
    const root = join(folder, `root-${name}-${running.size}-${Date.now()}`);
    mkdirSync(root, { mode: 0o755 });
    return { ...borrowedImage(root, as, environment), entrypoint: entrypoint ?? [] };
  };
  const start = async (name: string): Promise<Container> => {
    const { command, configs = [], secrets = [], volumes = [], tmpfs = [] } = serviceOf(name);
    const its = imageOf(name);
    const files = (granted: readonly Granted[], of: Readonly<Record<string, { file: string }>>, at: (target: string) => string) =>
      granted.map(({ source, target }) => [at(target), join(deploy, of[source]?.file ?? '')] as const);
    const container = await runContainer(its, {
      reads: Object.fromEntries([
        ...(its.root === image.root ? [] : [['/usr', '/usr'] as const]),
        ...files(configs, compose.configs, (target) => target),
        ...files(secrets, compose.secrets, (target) => `/run/secrets/${target}`),
      ]),
      writes: Object.fromEntries(volumes.map(({ source, target }) => [target, join(deploy, source)])),
      tmpfs,
      network: spaces.get(name) ?? '',
      ...(command === undefined ? {} : { command }),
    });
    running.set(name, container);
    return container;
  };
  const container = (name: string): Container => {
    const found = running.get(name);
    if (found === undefined) throw new Error(`${name} does not run`);
    return found;
  };
  const healthy = async (name: string): Promise<void> => {
    const words = serviceOf(name).healthcheck?.test?.slice(1) ?? (serviceOf(name).image === 'tidegate:local' ? image.health.words : []);
    const its = container(name);
    let over: string | null = null;
    void its.ended.then(({ code, signal }) => {
      over = `${name} ended with ${code ?? signal}: ${its.stdout().slice(-2000)}${its.stderr().slice(-2000)}`;
    });
    const asked = async (): Promise<string | boolean> => {
      if (over !== null || words.length === 0) return over ?? true;
      if ((await its.exec(words)).code === 0) return true;
      // A check is a process: at the pace of an engine, or the checks themselves keep a small machine busy.
      await delay(CHECK_EVERY_MS);
      return false;
    };
    const said = await until(`${name} to be healthy`, asked, HEALTHY_MS);
    if (typeof said === 'string') throw new Error(said);
  };
  return {
    async up(...names) {
      await Promise.all(names.map(start));
      await Promise.all(names.map(healthy));
    },
    async run(name) {
      const its = await start(name);
      const { code } = await its.ended;
      return { code, said: its.stdout() + its.stderr() };
    },
    exec: (name, ...words) => container(name).exec(words),
    async kill(...names) {
      await Promise.all(names.map((name) => container(name).kill()));
    },
    container,
    async close() {
      await Promise.all([...running.values()].map((each) => each.kill()));
      close();
    },
  };
};
