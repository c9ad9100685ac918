// A small engine for one Dockerfile, for machines that have none: it plays the instructions in clean directories and runs the result as `docker run` would,
// with kernel features only: mount, process and network namespaces, a root of its own, no capabilities, no new privileges. What it does not have is what an
// image gets from its base: the stage that installs borrows this machine's system, read-only; the last one gets Node, the libraries it is linked to, and
// certificates, which is what distroless has. No shell, so that whatever wants one is found out. Needs root, as an engine does.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { until } from '../until.ts';
import { type Copy, parseDockerfile, type Stage, type Step, sentToBuild } from './dockerfile.ts';

const NODE = realpathSync(process.execPath);
/** Who builds here: nobody in particular. */
const BUILDER = 65533;
const BUILD_MS = 240_000;

export interface Image {
  /** What the container sees as `/`. */
  root: string;
  entrypoint: readonly string[];
  command: readonly string[];
  health: { words: readonly string[]; options: Readonly<Record<string, string>> };
  env: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  user: { uid: number; gid: number };
  workdir: string;
  stopSignal: NodeJS.Signals;
  volumes: readonly string[];
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const sh = (script: string, env: NodeJS.ProcessEnv = process.env): string =>
  execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-euc', script], {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: BUILD_MS,
  });

const filesOf = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));

/** What the build may see of the source tree, copied to where nobody but root writes. */
const sendContext = (source: string, to: string): void => {
  // Whatever lies there is offered, as the client does; only the two folders that are large and that the file must leave out are not walked for nothing.
  const offered = readdirSync(source, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === '.git' || entry.name === 'node_modules') return [join(entry.name, 'x')];
    return entry.isDirectory() ? filesOf(join(source, entry.name)).map((path) => join(entry.name, path)) : [entry.name];
  });
  const sent = sentToBuild(readFileSync(join(source, '.dockerignore'), 'utf8'), offered);
  for (const path of sent) {
    mkdirSync(join(to, dirname(path)), { recursive: true });
    copyFileSync(join(source, path), join(to, path));
  }
};

const own = (path: string, uid: number, gid: number): void => {
  lchownSync(path, uid, gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { recursive: true, encoding: 'utf8' })) lchownSync(join(path, entry), uid, gid);
};

const copyInto = ({ sources, target, owner }: Copy, from: string, root: string, workdir: string, unless: number): void => {
  const [uid = unless, gid = unless] = owner?.split(':').map(Number) ?? [];
  for (const source of sources) {
    const found = join(from, source);
    const folder = join(root, target.startsWith('/') ? target : join(workdir, target));
    // A folder's content goes into the target, a file goes under its name where the target ends with a slash.
    const to = statSync(found).isDirectory() || !target.endsWith('/') ? folder : join(folder, basename(source));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(found, to, { recursive: true, verbatimSymlinks: true });
    own(to, uid, gid);
  }
};

/** A stage that installs: this machine's system read-only, Node as the image's tag promises, and a root whose owner is nobody. */
const borrowSystem = (root: string): string => {
  for (const folder of ['usr', 'etc', 'proc', 'dev', 'nodejs', 'tmp', 'home']) mkdirSync(join(root, folder), { recursive: true });
  for (const name of ['bin', 'lib', 'lib64', 'sbin'])
    if (existsSync(`/${name}`)) execFileSync('ln', ['-s', `usr/${name}`, join(root, name)]);
  own(join(root, 'home'), BUILDER, BUILDER);
  chmodSync(join(root, 'tmp'), 0o1777);
  mkdirSync(join(root, 'nodejs/bin'));
  writeFileSync(join(root, 'nodejs/bin/node'), '');
  return [
    ...['usr', 'etc', 'dev'].map(
      (folder) => `mount --rbind /${folder} ${quoted(join(root, folder))}; mount -o remount,bind,ro ${quoted(join(root, folder))}`,
    ),
    `mount --bind ${quoted(NODE)} ${quoted(join(root, 'nodejs/bin/node'))}`,
    `mount -t proc proc ${quoted(join(root, 'proc'))}`,
  ].join('\n');
};

const buildTree = (stage: Stage, context: string, root: string): void => {
  const system = borrowSystem(root);
  chownSync(root, BUILDER, BUILDER);
  let workdir = '/';
  for (const step of stage.steps) {
    if (step.kind === 'WORKDIR') {
      workdir = step.value;
      mkdirSync(join(root, workdir), { recursive: true });
      own(join(root, workdir), BUILDER, BUILDER);
    } else if (step.kind === 'COPY') copyInto(step, context, root, workdir, BUILDER);
    else if (step.kind === 'RUN')
      sh(
        `${system}\nexec setpriv --no-new-privs unshare --root ${quoted(root)} --setgid ${BUILDER} --setuid ${BUILDER} /bin/sh -euc ${quoted(`cd ${workdir}; ${step.command}`)}`,
        { ...registryOf(), PATH: '/nodejs/bin:/usr/local/bin:/usr/bin:/bin', HOME: '/home' },
      );
    else throw new Error(`${step.kind} in a stage that installs: not understood`);
  }
};

/** How this machine reaches the registry; nothing else of its environment. */
const registryOf = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(npm_config_(registry|cafile|.*proxy)|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name),
    ),
  );

/** What distroless has: Node, what it is linked to, certificates, two users. */
const layBase = (root: string): void => {
  const linked = execFileSync('ldd', [NODE], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const library of linked) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(realpathSync(library), join(root, library));
    chmodSync(join(root, library), 0o755);
  }
  for (const folder of ['nodejs/bin', 'proc', 'dev', 'tmp', 'etc/ssl/certs', 'var/lib', 'run/secrets'])
    mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(NODE, join(root, 'nodejs/bin/node'));
  chmodSync(join(root, 'nodejs/bin/node'), 0o755);
  copyFileSync('/etc/ssl/certs/ca-certificates.crt', join(root, 'etc/ssl/certs/ca-certificates.crt'));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
  );
  writeFileSync(join(root, 'etc/resolv.conf'), '');
  for (const device of ['null', 'zero', 'urandom', 'random']) writeFileSync(join(root, 'dev', device), '');
};

/** The member of Step that a kind is, where one member stands for several kinds. */
type StepOf<K extends Step['kind']> = Step extends infer S ? (S extends { kind: infer Q } ? (K extends Q ? S : never) : never) : never;

const only = <K extends Step['kind']>(steps: readonly Step[], kind: K): StepOf<K> => {
  const found = steps.filter((step) => step.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} times ${kind} in the last stage, expected once`);
  return found[0] as StepOf<K>;
};

/** Plays the Dockerfile of `source` in `folder`, which has to be empty. */
export const buildImage = (source: string, folder: string): Image => {
  const [context, tree, root] = [join(folder, 'context'), join(folder, 'tree'), join(folder, 'root')] as const;
  for (const each of [context, tree, root]) mkdirSync(each, { mode: 0o755 });
  const [first, last, ...more] = parseDockerfile(readFileSync(join(source, 'Dockerfile'), 'utf8'));
  if (first === undefined || last === undefined || more.length > 0) throw new Error('expected two stages');
  sendContext(source, context);
  buildTree(first, context, tree);
  layBase(root);
  for (const step of last.steps) {
    if (step.kind === 'WORKDIR') mkdirSync(join(root, step.value), { recursive: true });
    if (step.kind === 'COPY') {
      if (step.from !== first.name) throw new Error(`COPY from ${step.from ?? 'the context'} in the last stage: not understood`);
      copyInto(step, tree, root, '/', 0);
    }
    if (step.kind === 'RUN') throw new Error(`RUN ${step.command}: there is no shell in the last stage`);
  }
  const [uid = Number.NaN, gid = Number.NaN] = only(last.steps, 'USER').value.split(':').map(Number);
  const { words, options } = only(last.steps, 'HEALTHCHECK');
  return {
    root,
    entrypoint: only(last.steps, 'ENTRYPOINT').words,
    command: only(last.steps, 'CMD').words,
    health: { words, options },
    env: only(last.steps, 'ENV').values,
    labels: only(last.steps, 'LABEL').values,
    user: { uid, gid },
    workdir: only(last.steps, 'WORKDIR').value,
    stopSignal: only(last.steps, 'STOPSIGNAL').value as NodeJS.Signals,
    volumes: only(last.steps, 'VOLUME').words,
  };
};

/** What a service that is not ours is played by: the same program as this machine has it, with a root of its own that has nothing else to read. */
export const borrowedImage = (root: string, user: Image['user'], env: Image['env']): Image => {
  for (const folder of ['usr', 'etc', 'proc', 'dev', 'tmp', 'run/secrets', 'var/lib']) mkdirSync(join(root, folder), { recursive: true });
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) execFileSync('ln', ['-s', `usr/${name}`, join(root, name)]);
  for (const name of ['passwd', 'group', 'ld.so.cache']) copyFileSync(`/etc/${name}`, join(root, 'etc', name));
  for (const device of ['null', 'zero', 'urandom', 'random']) writeFileSync(join(root, 'dev', device), '');
  return {
    ...{ root, user, env: { PATH: '/usr/sbin:/usr/bin', ...env }, workdir: '/', entrypoint: [], command: [] },
    ...{ health: { words: [], options: {} }, labels: {}, stopSignal: 'SIGTERM', volumes: [] },
  };
};

export const filesIn = (image: Image, folder: string): readonly string[] => filesOf(join(image.root, folder));

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Container {
  /** As this machine sees it; 1 inside. */
  pid: number;
  ended: Promise<Ended>;
  stdout(): string;
  stderr(): string;
  /** Runs something in it, as `docker exec` and health checks do. */
  exec(words: readonly string[]): Promise<{ code: number | null; said: string }>;
  /** As `docker stop`: the stop signal, then SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<Ended & { tookMs: number }>;
  kill(): Promise<Ended>;
}

export interface RunOptions {
  /** Mounted read-only: folder or file here, by its place inside. */
  reads?: Readonly<Record<string, string>>;
  /** Mounted for writing. */
  writes?: Readonly<Record<string, string>>;
  /** Folders in memory, for anybody. */
  tmpfs?: readonly string[];
  /** Instead of CMD. */
  command?: readonly string[];
  /** Network namespace to run in; one of its own, with only itself to reach, unless said. */
  network?: string;
}

const mountScript = ({ root }: Image, { reads = {}, writes = {}, tmpfs = [] }: RunOptions): string => {
  const at = (inside: string): string => quoted(join(root, inside));
  const bind = (inside: string, outside: string, mode: 'ro' | 'rw'): string =>
    `mount --bind ${quoted(outside)} ${at(inside)}; mount -o remount,bind,${mode},nosuid,nodev ${at(inside)}`;
  for (const [inside, outside] of Object.entries({ ...reads, ...writes }))
    if (statSync(outside).isDirectory()) mkdirSync(join(root, inside), { recursive: true });
    else if (!existsSync(join(root, inside))) {
      mkdirSync(join(root, dirname(inside)), { recursive: true });
      writeFileSync(join(root, inside), '');
    }
  return [
    `mount --bind ${quoted(root)} ${quoted(root)}`,
    ...['null', 'zero', 'urandom', 'random'].map((device) => `mount --bind /dev/${device} ${at(`dev/${device}`)}`),
    ...Object.entries(reads).map(([inside, outside]) => bind(inside, outside, 'ro')),
    ...Object.entries(writes).map(([inside, outside]) => bind(inside, outside, 'rw')),
    ...tmpfs.map((inside) => `mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs ${at(inside)}`),
    `mount -t proc -o nosuid,nodev,noexec proc ${at('proc')}`,
    `mount -o remount,bind,ro ${quoted(root)}`,
  ].join('\n');
};

const asUser = ({ root, user, workdir }: Image): readonly string[] => [
  ...['setpriv', '--no-new-privs', 'unshare', '--root', root, '--wd', workdir],
  ...['--setgid', String(user.gid), '--setuid', String(user.uid), '--'],
];

const gathered = (child: ChildProcess): { stdout(): string; stderr(): string } => {
  let [out, err] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return { stdout: () => out, stderr: () => err };
};

const endOf = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });

/** Process 1 of a namespace that `unshare` made: its only child. */
const childOf = (pid: number): number | null => {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  return child === undefined || child === '' ? null : Number(child);
};

/** Starts it and returns once its first process is the program. */
export const runContainer = async (image: Image, options: RunOptions = {}): Promise<Container> => {
  const { command = image.command, network } = options;
  const words = [...image.entrypoint, ...command];
  const script = [
    mountScript(image, options),
    ...(network === undefined ? ['ip link set lo up'] : []),
    `exec ${asUser(image).map(quoted).join(' ')} ${words.map(quoted).join(' ')}`,
  ].join('\n');
  const [file = '', ...args] = [
    ...(network === undefined ? ['unshare', '--net'] : ['nsenter', `--net=/run/netns/${network}`, 'unshare']),
    ...['--mount', '--propagation', 'private', '--pid', '--ipc', '--uts', '--fork', 'sh', '-euc', script],
  ];
  const child = spawn(file, args, { env: { PATH: process.env.PATH, ...image.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = gathered(child);
  const ended = endOf(child);
  let over: Ended | null = null;
  void ended.then((how) => {
    over = how;
  });
  const pid = await until(`${words.join(' ')} to be process 1`, () => {
    if (over !== null) return -1;
    const first = childOf(child.pid ?? 0);
    return first !== null && readFileSync(`/proc/${first}/cmdline`, 'utf8').startsWith(words[0] ?? '?') ? first : null;
  });
  const kill = (): Promise<Ended> => {
    if (over === null && pid > 0) process.kill(pid, 'SIGKILL');
    return ended;
  };
  return {
    pid,
    ended,
    ...said,
    kill,
    async exec(inside) {
      const { uid, gid } = image.user;
      const entered = spawn(
        'nsenter',
        [
          '--target',
          String(pid),
          '--mount',
          '--pid',
          '--net',
          '--ipc',
          '--root',
          '--setuid',
          String(uid),
          '--setgid',
          String(gid),
          ...inside,
        ],
        { env: { ...image.env }, stdio: ['ignore', 'pipe', 'pipe'] },
      );
      const heard = gathered(entered);
      const { code } = await endOf(entered);
      return { code, said: heard.stdout() + heard.stderr() };
    },
    async stop(graceMs) {
      const startedAtMs = performance.now();
      process.kill(pid, image.stopSignal);
      const killer = setTimeout(() => void kill(), graceMs);
      const how = await ended;
      clearTimeout(killer);
      return { ...how, tookMs: performance.now() - startedAtMs };
    },
  };
};
