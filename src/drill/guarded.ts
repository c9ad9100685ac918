// A program of somebody else's as a process of the demo: in a group of its own, with its words in a file, and gone with the process that started it, however
// that one ends.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { errorText } from '../errors.ts';
import { mortal } from './child.ts';

export interface GuardedOptions {
  /** Path of the program. */
  program: string;
  args: readonly string[];
  logFile: string;
  env?: NodeJS.ProcessEnv;
  /** The process is gone; `asked`: by `kill`. */
  onEnd(how: string, asked: boolean): void;
}

export interface Guarded {
  pid: number;
  /** SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Becomes the program; what it leaves in the background ends it when the process that holds the other end of descriptor 3 is gone. */
const GUARDED = '( read _ <&3; kill -9 $$ ) & exec "$@" 3<&-';

export const startGuarded = ({ program, args, logFile, env = process.env, onEnd }: GuardedOptions): Guarded => {
  const log = openSync(logFile, 'a', 0o600);
  // In a group of its own: Ctrl-C in a terminal reaches the parent alone, and one signal ends the program with its guard.
  const child = spawn('/bin/sh', ['-c', GUARDED, 'sh', program, ...args], { stdio: ['ignore', log, log, 'pipe'], env, detached: true });
  closeSync(log);
  let asked = false;
  const signal = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nobody of the group is left.
    }
  };
  const gone = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(errorText(error)));
    child.once('exit', (code, sent) => resolve(sent ?? `exit ${code}`));
  });
  const kill = async (): Promise<void> => {
    asked = true;
    signal();
    await gone;
  };
  const forget = mortal(kill);
  void gone.then((how) => {
    // The guard outlives a program that ends by itself.
    signal();
    forget();
    onEnd(how, asked);
  });
  return { pid: child.pid ?? 0, kill };
};
