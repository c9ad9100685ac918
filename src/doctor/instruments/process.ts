// The processes that serve a file, as Linux tells of them under /proc: only those that whoever looks may see. Elsewhere nothing is told.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { NotLooked } from '../check.ts';
import type { ServingProcess } from '../tools.ts';

const PROC = '/proc';
/** What changes how node runs; the rest of an environment is nobody's business here. */
const VARIABLES = ['NODE_OPTIONS', 'NODE_TLS_REJECT_UNAUTHORIZED', 'SSLKEYLOGFILE'];

const quietly = <T>(read: () => T): T | null => {
  try {
    return read();
  } catch {
    // It ended meanwhile, or is another user's.
    return null;
  }
};

const partsOf = (path: string): readonly string[] =>
  readFileSync(path, 'utf8')
    .split('\0')
    .filter((part) => part !== '');

/** The file that a command line serves, from the folder it was started in; null: it serves none. */
export const servedBy = (command: readonly string[], folder: string): string | null => {
  const at = command.indexOf('serve');
  if (at < 1 || !command.slice(0, at).some((word) => /(^|\/)(main\.[jt]s|tidegate)$/.test(word))) return null;
  const rest = command.slice(at + 1);
  const flag = rest.findIndex((word) => word === '-c' || word === '--config');
  const file = flag < 0 ? rest.find((word) => word.startsWith('--config='))?.slice('--config='.length) : rest[flag + 1];
  return file === undefined ? null : resolve(folder, file);
};

const variablesOf = (parts: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    parts
      .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)] as const)
      .filter(([name]) => VARIABLES.includes(name)),
  );

/** `ro` of the mount at `/`, by mountinfo: of several on top of each other the last. */
export const isRootReadOnly = (mountinfo: string): boolean | null => {
  const root = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .findLast(([, , , , point]) => point === '/');
  if (root === undefined) return null;
  const options = root[5] ?? '';
  return options.split(',').includes('ro') || (root.at(-1) ?? '').split(',').includes('ro');
};

/** The soft limit of `Max core file size`. */
export const coreBytesOf = (limits: string): number | null => {
  const [, soft] = /^Max core file size\s+(\S+)/m.exec(limits) ?? [];
  return soft === undefined ? null : soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
};

const statusOf = (text: string, name: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1] ?? '';

const processOf = (pid: number, command: readonly string[]): ServingProcess | null => {
  const at = `${PROC}/${pid}`;
  const status = quietly(() => readFileSync(`${at}/status`, 'utf8'));
  if (status === null) return null;
  return {
    pid,
    // Real, effective, saved, of the file system.
    uid: Number(statusOf(status, 'Uid').split(/\s+/)[1]),
    groups: [statusOf(status, 'Gid').split(/\s+/)[1], ...statusOf(status, 'Groups').split(/\s+/)].filter(Boolean).map(Number),
    hasCapabilities: /[1-9a-f]/.test(statusOf(status, 'CapEff')),
    command,
    environment: quietly(() => variablesOf(partsOf(`${at}/environ`))),
    isRootReadOnly: quietly(() => isRootReadOnly(readFileSync(`${at}/mountinfo`, 'utf8'))),
    coreBytesMax: quietly(() => coreBytesOf(readFileSync(`${at}/limits`, 'utf8'))),
  };
};

/** Those that serve `file`. Throws NotLooked when there is none to be seen. */
export const processesOf = (file: string): readonly ServingProcess[] => {
  const pids = quietly(() => readdirSync(PROC))?.filter((name) => /^\d+$/.test(name));
  if (pids === undefined) throw new NotLooked('this system tells nothing of processes: look there by hand');
  const found = pids.flatMap((name): ServingProcess[] => {
    const command = quietly(() => partsOf(`${PROC}/${name}/cmdline`)) ?? [];
    const folder = command.includes('serve') ? quietly(() => readlinkSync(`${PROC}/${name}/cwd`)) : null;
    // Of another user neither folder nor environment can be read; an absolute path can be told all the same.
    if (servedBy(command, folder ?? '/') !== file) return [];
    const one = processOf(Number(name), command);
    return one === null ? [] : [one];
  });
  if (found.length === 0) throw new NotLooked('no process that serves this file is to be seen here');
  return found;
};
