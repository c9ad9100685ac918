// An operator's own command: run by the shell in a group of its own, so that ^C at a terminal does not reach it, with a limit on its time and on its words.
import { spawn } from 'node:child_process';
import { errorText } from '../errors.ts';
import type { Ports, Timer } from '../ports.ts';

export interface Hooked {
  ok: boolean;
  /** How it ended, when it did not end well. */
  because: string;
  /** The end of what it printed. */
  words: string;
}

export interface HookOptions {
  command: string;
  env: Readonly<Record<string, string | undefined>>;
  limitMs: number;
  /** It is ended with its whole group. */
  signal?: AbortSignal;
}

const WORDS_MAX = 4_000;
/** For its last words to arrive. */
const DRAIN_MS = 500;

const howItEnded = (code: number | null, sent: string | null): string =>
  sent === null ? `it ended with exit code ${code}` : `${sent} ended it`;

/** Never rejects. What it leaves in the background is left alone when it ends by itself: what it began may have to last. */
export const runHook = ({ timers }: Pick<Ports, 'timers'>, { command, env, limitMs, signal }: HookOptions): Promise<Hooked> =>
  new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env }, detached: true });
    let words = '';
    let because: string | null = null;
    let late: Timer | null = null;
    const hear = (chunk: Buffer): void => {
      words = (words + chunk.toString()).slice(-WORDS_MAX);
    };
    const end = (why: string): void => {
      because ??= why;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nobody of the group is left.
      }
    };
    const onAbort = (): void => end('it was told to stop');
    const timer = timers.after(limitMs, () => end(`it took longer than ${limitMs / 1000} s`));
    const settle = (ok: boolean, how: string): void => {
      timer.cancel();
      late?.cancel();
      signal?.removeEventListener('abort', onAbort);
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      resolve({ ok: ok && because === null, because: because ?? how, words });
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', hear);
    child.once('error', (error) => settle(false, errorText(error)));
    child.once('exit', (code, sent) => {
      const ended = (): void => settle(code === 0, code === 0 ? '' : howItEnded(code, sent));
      child.once('close', ended);
      // What it left in the background may hold its streams for ever.
      late = timers.after(DRAIN_MS, ended);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
