// What processes cost, asked of the kernel and not of themselves: so a contender in C, in Go and in Node is measured alike.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** The kernel's ticks of a CPU's time per second; Linux has told user space 100 on every machine for decades. */
const TICKS_PER_S = 100;

/** User and system time of all threads of these processes since each began. */
export const cpuS = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    // After the name, which may hold anything, in brackets: fields 14 and 15 of the line are user and system time.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  }, 0);

/** Time for which the main thread could have run and was not let: others had the processors. What is late meanwhile is the machine's doing. */
export const waitedS = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e9;

export const rssMB = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024, 0);

export const pidOf = (child: ChildProcess): number => {
  if (child.pid === undefined) throw new Error('a process did not start');
  return child.pid;
};

export const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
};
