// One replica as its users run it: `node src/main.ts serve -c FILE`, a process of its own whose log goes to a file. Killed, stopped, ended, asked.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusDocument } from '../../src/api/status.ts';
import { until } from './until.ts';

export const MAIN = join(import.meta.dirname, '../../src/main.ts');
const ANSWER_MS = 5000;

export interface LogLine {
  level: string;
  event: string;
  [field: string]: unknown;
}

export interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ReplicaProcess {
  readonly pid: number;
  readonly ended: Promise<End>;
  signal(name: NodeJS.Signals): void;
  /** Sends the signal and waits for the end. */
  end(name: NodeJS.Signals): Promise<End>;
  /** Everything this process has logged so far, of one event if it is named. */
  lines(event?: string): LogLine[];
  stderr(): string;
  /** Rejects when it does not answer in time; null before it knows a cluster. */
  status(): Promise<StatusDocument | null>;
  get(path: string): Promise<Response>;
}

export interface StartOptions {
  configFile: string;
  logFile: string;
  apiPort: number;
  /** 127.0.0.1 unless said. */
  apiHost?: string;
  /** The program; the one of this tree unless said. */
  main?: string;
  /** Runs it inside something else: command and arguments that go before node's. */
  wrap?: readonly string[];
}

const parsed = (text: string): LogLine[] =>
  text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as LogLine];
    } catch {
      // The last line may be half written, or cut by a kill.
      return [];
    }
  });

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts it and returns at once. */
export const spawnReplica = ({
  configFile,
  logFile,
  apiPort,
  apiHost = '127.0.0.1',
  main = MAIN,
  wrap = [],
}: StartOptions): ReplicaProcess => {
  const [out, err] = [openSync(logFile, 'w'), openSync(`${logFile}.err`, 'w')];
  const [command = '', ...args] = [...wrap, process.execPath, main, 'serve', '--config', configFile];
  const child = spawn(command, args, { stdio: ['ignore', out, err] });
  closeSync(out);
  closeSync(err);
  running.add(child);
  const ended = new Promise<End>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  void ended.then(
    () => running.delete(child),
    () => running.delete(child),
  );
  const get = (path: string): Promise<Response> => fetch(`http://${apiHost}:${apiPort}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
  return {
    pid: child.pid ?? 0,
    ended,
    signal: (name) => void child.kill(name),
    end: (name) => {
      child.kill(name);
      return ended;
    },
    lines: (event) => parsed(readFileSync(logFile, 'utf8')).filter((line) => event === undefined || line.event === event),
    stderr: () => readFileSync(`${logFile}.err`, 'utf8'),
    async status() {
      const reply = await get('/v1/status');
      return reply.status === 200 ? ((await reply.json()) as StatusDocument) : null;
    },
    get,
  };
};

/** Starts it and waits until it serves. Rejects with its last words when it ends instead. */
export const startReplica = async (options: StartOptions): Promise<ReplicaProcess> => {
  const replica = spawnReplica(options);
  let end: End | null = null;
  void replica.ended.then((how) => {
    end = how;
  });
  const serving = await until(`${options.configFile} serving`, () => {
    if (end !== null) return 'ended' as const;
    return replica.lines('serving').length > 0 && ('serving' as const);
  });
  if (serving === 'ended') throw new Error(`${options.configFile} ended with ${JSON.stringify(end)}: ${replica.stderr()}`);
  return replica;
};
