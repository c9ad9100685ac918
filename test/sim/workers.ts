// The processes that play seeds: how many this machine has room for, with what they run, and what they say.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Line } from './worker.ts';

/** What a worker takes with the flags below, at most. */
const WORKER_BYTES = 700 * 2 ** 20;

export const workers = Math.max(1, Math.min(availableParallelism(), Math.floor(process.availableMemory() / WORKER_BYTES)));

/**
 * A worker lives for minutes beside as many others as there are cores: helpers for its garbage only take time from them. Nearly all that a world makes is soon
 * garbage, and what a collection costs is what is left of it: the rarer, the cheaper.
 */
export const WORKER_FLAGS = [
  '--single-threaded-gc',
  '--min-semi-space-size=128',
  '--max-semi-space-size=128',
  '--initial-old-space-size=400',
];

/** What a worker plays: worlds in which a guard is needed, with or without it. */
export interface Setting {
  like: string;
  mutated: boolean;
}

/** Runs a worker (worker.ts has its arguments); each line as it comes. Rejects when it ends badly. */
export const run = async (args: readonly (number | string)[], setting: Setting | null, onLine: (line: Line) => void): Promise<void> => {
  const imports = setting?.mutated === true ? ['--import', join(import.meta.dirname, 'mutate.ts')] : [];
  const child = spawn(process.execPath, [...WORKER_FLAGS, ...imports, join(import.meta.dirname, 'worker.ts'), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...(setting === null ? {} : { SIM_LIKE: setting.like }),
      ...(setting?.mutated === true ? { SIM_MUTATION: setting.like } : {}),
    },
  });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  for await (const text of createInterface({ input: child.stdout })) onLine(JSON.parse(text) as Line);
  const code = await ended;
  if (code !== 0) throw new Error(`a worker ended with ${code}`);
};
