// Runs a real server of the system under a test: starts it in a directory of its own, waits until it answers, and leaves nothing behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const START_MS_MAX = 20_000;
const POLL_MS = 25;

export interface RunningServer extends AsyncDisposable {
  /** Where its files are; removed at the end. */
  dir: string;
  /** SIGSTOP, SIGCONT, SIGHUP to read its files again, or a way to die. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGHUP' | 'SIGTERM' | 'SIGKILL'): void;
  /** Kills it and waits until it is gone. Its files stay until disposal. */
  kill(): Promise<void>;
}

export const workDir = (name: string): string => mkdtempSync(join(tmpdir(), `tidegate-${name}-`));

// Below the range that outgoing connections take their ports from: a port found there could be taken by any probe before the server listens on it.
const PORT_MIN = 12_000;
const PORT_MAX = 31_999;
const given = new Set<number>();

const isFree = async (port: number): Promise<boolean> => {
  const tcp = createServer();
  const udp = createSocket('udp4');
  const bound = (bind: (done: () => void) => void, socket: { once(event: 'error', listener: () => void): unknown }): Promise<boolean> =>
    new Promise((resolve) => {
      socket.once('error', () => resolve(false));
      bind(() => resolve(true));
    });
  const [tcpFree, udpFree] = [
    await bound((done) => tcp.listen(port, '127.0.0.1', done), tcp),
    await bound((done) => udp.bind(port, '127.0.0.1', done), udp),
  ];
  udp.close();
  if (tcpFree) {
    tcp.close();
    await once(tcp, 'close');
  }
  return tcpFree && udpFree;
};

/** A port of 127.0.0.1 that was free for both TCP and UDP a moment ago, and that this process has not given out before. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
};

/** `answers` must tell this server from another that took its port. Rejects with the end of the log when the server dies or never answers. */
export const runServer = async (options: {
  command: string;
  args: readonly string[];
  dir: string;
  logFile: string;
  answers: () => Promise<boolean>;
}): Promise<RunningServer> => {
  const { command, args, dir, logFile, answers } = options;
  // Debian keeps servers where a plain user's PATH does not look.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin` };
  const child = spawn(command, args, { cwd: dir, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const gone = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`ended with ${code ?? signal}`));
  });
  const killWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
    process.removeListener('exit', killWithUs);
  };
  const dispose = async (): Promise<void> => {
    await kill();
    rmSync(dir, { recursive: true, force: true });
  };
  const failure = await answering(child, gone, answers);
  if (failure !== null) {
    const text = `${command} ${args.join(' ')}: ${failure}\n${said}\n${tail(logFile)}`;
    await dispose();
    throw new Error(text);
  }
  return { dir, signal: (name) => void child.kill(name), kill, [Symbol.asyncDispose]: dispose };
};

/** null once it answers; otherwise what happened instead. */
const answering = async (child: ChildProcess, gone: Promise<string>, answers: () => Promise<boolean>): Promise<string | null> => {
  const giveUpAtMs = performance.now() + START_MS_MAX;
  while (performance.now() < giveUpAtMs) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return await gone;
    if (await answers().catch(() => false)) return null;
    await delay(POLL_MS);
  }
  return `no answer within ${START_MS_MAX} ms`;
};

const tail = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').slice(-4000);
  } catch {
    return `(no log at ${file})`;
  }
};
