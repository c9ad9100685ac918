// A region as a process of its own: started, blinded, killed without a word. Its log goes to a file, its readiness comes over IPC.
// Knows nothing of the story; whoever starts a region says what its end means.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { errorText, Fault } from '../errors.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { fromRegion, type ToRegion } from './region.ts';

export interface ChildOptions {
  ports: Pick<Ports, 'timers'>;
  region: string;
  configFile: string;
  logFile: string;
  app: { host: string; port: number };
  /** Longest time until it is up. */
  startMs: number;
  /** The process is gone; `asked`: by `kill`. Not told of one that never came up. */
  onEnd(how: string, asked: boolean): void;
}

export interface Child {
  region: string;
  pid: number;
  apiPort: number;
  /** Breaks or mends the uplink of its vantage. */
  blind(blind: boolean): void;
  /** SIGKILL: nothing in it can react. Resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Beside this file, whether that is TypeScript or what was packed of it. */
const MAIN = join(import.meta.dirname, `../main${extname(import.meta.filename)}`);
/** Last lines of a log worth showing when its process ended. */
const LOG_LINES = 3;
const LOG_CHARS_MAX = 300;

/** Resolves when the region is up. Rejects with Fault ERR_DEMO, with the process gone, when it ends before or takes too long. */
export const startChild = async (options: ChildOptions): Promise<Child> => {
  const { ports, region, configFile, logFile, app, startMs, onEnd } = options;
  const log = openSync(logFile, 'a', 0o600);
  const args = [MAIN, 'demo-region', '--config', configFile, '--app-host', app.host, '--app-port', String(app.port)];
  // In a group of its own, so that Ctrl-C in a terminal reaches the parent alone, which ends its regions itself.
  const child = spawn(process.execPath, args, { stdio: ['ignore', log, log, 'ipc'], detached: true });
  closeSync(log);
  let asked = false;
  const gone = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(errorText(error)));
    child.once('exit', (code, signal) => resolve(signal ?? `exit ${code}`));
  });
  const kill = async (): Promise<void> => {
    asked = true;
    child.kill('SIGKILL');
    await gone;
  };
  void gone.then(mortal(kill));
  try {
    const apiPort = await withDeadline(ports.timers, startMs, `${region} starting`, () => Promise.race([readiness(child), dying(gone)]));
    void gone.then((how) => onEnd(how, asked));
    const tell = (message: ToRegion): void => void child.send(message, () => {});
    return { region, pid: child.pid ?? 0, apiPort, blind: (blind) => tell({ blind }), kill };
  } catch (error) {
    await kill();
    throw new Fault('ERR_DEMO', `${region} did not start: ${errorText(error)}${lastWords(logFile)}`, { cause: error });
  }
};

const readiness = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    child.on('message', (message) => {
      const heard = fromRegion.safeParse(message);
      if (heard.success) resolve(heard.data.ready.apiPort);
    });
  });

const dying = async (gone: Promise<string>): Promise<never> => {
  throw new Error(`its process ended (${await gone})`);
};

/** The end of a log, as the tail of a sentence. */
export const lastWords = (logFile: string): string => {
  try {
    const lines = readFileSync(logFile, 'utf8').trim().split('\n').slice(-LOG_LINES);
    return lines.join('') === '' ? '' : `; its log ends: ${lines.map((line) => line.slice(0, LOG_CHARS_MAX)).join(' | ')}`;
  } catch {
    return '';
  }
};

/** How to kill each process that was started and is not gone, whether or not it came up. */
const alive = new Set<() => Promise<void>>();

/** From now on `killAll` reaches this process too. Out: to be called when it is gone. */
export const mortal = (kill: () => Promise<void>): (() => void) => {
  alive.add(kill);
  return () => void alive.delete(kill);
};

/** Kills every process of the demo, also those still starting. The signals are sent before this returns, so it serves at the very end of this process too. */
export const killAll = async (): Promise<void> => {
  await Promise.all([...alive].map((kill) => kill()));
};
