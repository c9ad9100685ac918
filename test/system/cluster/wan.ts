// The regions' network: one namespace each, joined by the router wan.py, which this starts and steers. Needs root and /dev/net/tun.
// The router ends, and takes every namespace, all that runs in them and the files of the run with it, when this process does, however it ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Cut {
  from: string;
  to: string;
}

export interface Matrix {
  /** Between any two namespaces, one way. */
  delayMs: number;
  jitterMs: number;
  /** Part of all packets between any two that is lost; 0 unless said. */
  loss?: number;
  /** One way each. */
  cuts: readonly Cut[];
  /** Only packets of up to so many bytes pass: a path whose smallest link nobody tells the sender of. */
  narrow?: readonly (Cut & { bytes: number })[];
}

export interface Wan extends AsyncDisposable {
  /** First two octets of the network. */
  readonly net: string;
  /** Address `last` of a namespace's own /24; 1 is its first. */
  address(name: string, last: number): string;
  /** What to put before a command so that it runs in there. */
  inside(name: string): readonly string[];
  /** Resolves when the router has taken it. */
  shape(matrix: Matrix): Promise<void>;
  /** Packets lost for their size since the start. */
  readonly oversize: number;
  /** How late the worst packet of each second was, since the last call. */
  lateMs(): readonly number[];
}

/** Why this machine cannot emulate a network, or null. */
export const whyNoWan = (): string | null => {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun; load the module tun, or give the container that device';
  return null;
};

const LATE_SECONDS_KEPT = 3600;
const END_MS_MAX = 10_000;

/** `folder`: removed at the end as well; null: none is. */
export const startWan = async (names: readonly string[], folder: string | null): Promise<Wan> => {
  const router = spawn('/usr/bin/python3', [join(import.meta.dirname, 'wan.py'), folder ?? '-', ...names], {
    // Of its own session, so that what ends the tests from a terminal does not end it before it has cleaned up.
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: router.stdout });
  const waiting: (() => void)[] = [];
  let late: number[] = [];
  let oversize = 0;
  const ready = new Promise<readonly string[]>((resolve, reject) => {
    router.once('error', reject);
    router.once('exit', (code) => reject(new Error(`wan.py ended with ${code}`)));
    lines.on('line', (line) => {
      const [word, ...rest] = line.split(' ');
      if (word === 'ready') resolve(rest);
      else if (word === 'set') waiting.shift()?.();
      else if (word === 'oversize') oversize += 1;
      else if (word === 'late') late = [...late, Number(rest[0])].slice(-LATE_SECONDS_KEPT);
    });
  });
  const [run = '', net = ''] = await ready;
  const number = (name: string): number => {
    const at = names.indexOf(name);
    if (at === -1) throw new Error(`no namespace ${name}`);
    return at + 1;
  };
  return {
    net,
    address: (name, last) => `${net}.${number(name)}.${last}`,
    inside: (name) => ['/sbin/ip', 'netns', 'exec', `${run}-${name}`],
    get oversize() {
      return oversize;
    },
    async shape({ delayMs, jitterMs, loss = 0, cuts, narrow = [] }) {
      const pair = ({ from, to }: Cut): string => `${number(from)}-${number(to)}`;
      const pairs = Object.fromEntries([
        ...cuts.map((each) => [pair(each), { cut: true }]),
        ...narrow.map((each) => [pair(each), { delay: delayMs, over: each.bytes }]),
      ]);
      const taken = new Promise<void>((resolve) => void waiting.push(resolve));
      router.stdin.write(`${JSON.stringify({ delay: delayMs, jitter: jitterMs, loss, pairs })}\n`);
      await taken;
    },
    lateMs() {
      const told = late;
      late = [];
      return told;
    },
    [Symbol.asyncDispose]: () => end(router),
  };
};

const end = async (router: ChildProcess): Promise<void> => {
  if (router.exitCode !== null) return;
  router.stdin?.end();
  await once(router, 'exit', { signal: AbortSignal.timeout(END_MS_MAX) });
};
