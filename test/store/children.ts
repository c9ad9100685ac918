// Starts test children under this process's own Node and hands over what they print, line by line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Child<Line> {
  readonly process: ChildProcess;
  readonly lines: readonly Line[];
  /** The first line, of those already here or to come, that `wanted` accepts. Rejects when the child ends without one. */
  until(wanted: (line: Line) => boolean): Promise<Line>;
  /** Sends the signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  ended: Promise<void>;
}

export const startChild = <Line>(command: string, args: readonly string[], options: { uid?: number } = {}): Child<Line> => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options });
  const lines: Line[] = [];
  let over = false;
  const waiters = new Set<() => void>();
  const wake = (): void => {
    for (const waiter of waiters) waiter();
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line) as Line);
    wake();
  });
  // 'close' comes after the last line, 'exit' may not.
  const ended = once(child, 'close').then(() => {
    over = true;
    wake();
  });
  const until = (wanted: (line: Line) => boolean): Promise<Line> =>
    new Promise((resolve, reject) => {
      // A child may print tens of thousands of lines: each is looked at once.
      let looked = 0;
      const look = (): void => {
        let line: Line | undefined;
        for (; looked < lines.length && line === undefined; looked++) if (wanted(lines[looked] as Line)) line = lines[looked];
        if (line === undefined && !over) return;
        waiters.delete(look);
        if (line === undefined) reject(new Error(`the child ended after ${JSON.stringify(lines.slice(-3))}`));
        else resolve(line);
      };
      waiters.add(look);
      look();
    });
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  return { process: child, lines, until, kill, ended };
};
