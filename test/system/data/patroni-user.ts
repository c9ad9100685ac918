// Postgres and PgBouncer refuse to be root: where tests are root, they run as the user that Debian's packages made for them.
import { execFileSync } from 'node:child_process';
import { chownSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const OWNER = 'postgres';
const isRoot = process.getuid?.() === 0;

/** A command as their user runs it. What it starts is the child itself, so that signals reach it. */
export const asOwner = (command: string, args: readonly string[]): { command: string; args: readonly string[] } =>
  isRoot ? { command: 'setpriv', args: ['--reuid', OWNER, '--regid', OWNER, '--clear-groups', '--', command, ...args] } : { command, args };

const idOf = (flag: '-u' | '-g'): number => Number(execFileSync('id', [flag, OWNER], { encoding: 'utf8' }));

/** Gives them the folder and what is in it. */
export const give = (dir: string): void => {
  if (!isRoot) return;
  const [uid, gid] = [idOf('-u'), idOf('-g')];
  chownSync(dir, uid, gid);
  for (const each of readdirSync(dir)) chownSync(join(dir, each), uid, gid);
};

/** Process ids of a server and of what it has forked. Empty: it does not run. */
export const family = (dataDir: string): readonly number[] => {
  const postmaster = postmasterOf(dataDir);
  if (postmaster === null) return [];
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === postmaster);
  return [postmaster, ...children.map(Number)];
};

const postmasterOf = (dataDir: string): number | null => {
  try {
    const pid = Number(readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
    // A file that was left behind names a process that is gone, or somebody else's.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataDir) ? pid : null;
  } catch {
    return null;
  }
};

const parentOf = (pid: string): number | null => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
};

/** Process ids of whatever was started with this argument. */
export const startedWith = (argument: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && argumentsOf(name).includes(argument))
    .map(Number);

const argumentsOf = (pid: string): readonly string[] => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
};

/** One that has gone meanwhile is no trouble. */
export const signalAll = (pids: readonly number[], name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void => {
  for (const pid of pids)
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
};
