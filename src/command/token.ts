// `tidegate token`: who may use the API with a token of their own. The file holds hashes; a token is printed once, when it is made, and is nowhere afterwards.
// A running replica takes up a change within seconds.
import { chmodSync, chownSync, closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { ROLES, type Role } from '../api/access.ts';
import { readGuarded } from '../auth/file.ts';
import {
  ENTRIES_MAX,
  hashOf,
  isServiceName,
  isTokenName,
  lineOf,
  NAME_WANTED,
  parseTokenFile,
  TOKEN_BYTES,
  TOKEN_FILE_BYTES_MAX,
  type TokenEntry,
  tokenOf,
  withoutEntry,
} from '../auth/token-file.ts';
import { parseSpan } from '../config/fields.ts';
import { errorText, Fault } from '../errors.ts';
import { isoTime, type Ports } from '../ports.ts';
import type { Saying } from './open.ts';

export interface TokenFileOptions {
  file: string;
}

export interface TokenNewOptions extends TokenFileOptions {
  name: string;
  role: string;
  service?: readonly string[];
  ttl?: string;
}

export interface TokenListOptions extends TokenFileOptions {
  json?: boolean;
}

const DAYS_MAX = 99_999;

export const roleOf = (text: string): Role => {
  if (!ROLES.includes(text as Role)) throw new Fault('ERR_USAGE', `--role ${text}: expected one of ${ROLES.join(', ')}`);
  return text as Role;
};

export const servicesOf = (given: readonly string[] | undefined): readonly string[] | null => {
  const wrong = given?.find((each) => !isServiceName(each));
  if (wrong !== undefined) throw new Fault('ERR_USAGE', `--service ${wrong}: expected the name of a service, like web.example.com`);
  return given ?? null;
};

const isMissing = (file: string): boolean => {
  try {
    statSync(file);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
};

/** The text of the file and its entries. Throws Fault ERR_CONFIG with every problem: what cannot be read whole is not written to. */
const readEntries = (file: string): { text: string; entries: readonly TokenEntry[] } => {
  const text = readGuarded(file, TOKEN_FILE_BYTES_MAX);
  const parsed = parseTokenFile(text);
  if (parsed.ok) return { text, entries: parsed.entries };
  throw new Fault('ERR_CONFIG', parsed.problems.map(({ line, message }) => `${file}:${line}: ${message}`).join('\n'));
};

const write = (path: string, flags: 'ax' | 'a' | 'wx', text: string): void => {
  const fd = openSync(path, flags, 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
};

const writing = (file: string, work: () => void): void => {
  try {
    work();
  } catch (error) {
    throw new Fault('ERR_SECRET', `${file}: ${errorText(error)}; nothing was changed`, { cause: error });
  }
};

/** Makes a token: its entry goes to the file, itself to stdout, once. Exit code 0. */
export const tokenNew = ({ file, name, ...given }: TokenNewOptions, { ports, out, err }: Saying & { ports: Ports }): number => {
  if (!isTokenName(name)) throw new Fault('ERR_USAGE', `--name ${name}: expected ${NAME_WANTED}`);
  const [role, services] = [roleOf(given.role), servicesOf(given.service)];
  const lifeMs = given.ttl === undefined ? null : parseSpan(given.ttl, DAYS_MAX);
  if (given.ttl !== undefined && (lifeMs === null || lifeMs <= 0))
    throw new Fault('ERR_USAGE', `--ttl ${given.ttl}: expected a duration like 90d or 12h`);
  const isNew = isMissing(file);
  const { text, entries } = isNew ? { text: '', entries: [] } : readEntries(file);
  if (entries.some((entry) => entry.name === name))
    throw new Fault('ERR_USAGE', `${file} has an entry ${name} already; revoke it first, or take another name`);
  if (entries.length >= ENTRIES_MAX)
    throw new Fault('ERR_LIMIT', `${file} has ${entries.length} entries (limit ${ENTRIES_MAX}); revoke some, or use OIDC`);
  const token = tokenOf(ports.random.hex(TOKEN_BYTES));
  const expiresAtMs = lifeMs === null ? null : Math.ceil(ports.clock.wallMs() + lifeMs);
  const line = lineOf({ name, hash: hashOf(token), role, services, expiresAtMs });
  // Whole lines are appended at once, so two who do this at the same time do not disturb each other.
  writing(file, () => write(file, isNew ? 'ax' : 'a', text === '' || text.endsWith('\n') ? line : `\n${line}`));
  const until = expiresAtMs === null ? 'without an end' : `until ${isoTime(expiresAtMs)}`;
  err(
    `${name}: ${role} ${services === null ? 'for all services' : `for ${services.join(', ')}`}, ${until}. The token is shown this once:\n`,
  );
  out(`${token}\n`);
  return 0;
};

/** Says who has a token; never the hashes, which help nobody to read. Exit code 0. */
export const tokenList = ({ file, json }: TokenListOptions, { ports, out }: Saying & { ports: Ports }): number => {
  const nowMs = ports.clock.wallMs();
  const rows = readEntries(file).entries.map(({ name, role, services, expiresAtMs }) => ({
    name,
    role,
    services,
    expiresAt: expiresAtMs === null ? null : isoTime(expiresAtMs),
    expired: expiresAtMs !== null && nowMs >= expiresAtMs,
  }));
  if (json === true) {
    out(`${JSON.stringify({ tokens: rows })}\n`);
    return 0;
  }
  const width = Math.max(4, ...rows.map(({ name }) => name.length));
  for (const { name, role, services, expiresAt, expired } of rows)
    out(
      `${name.padEnd(width)}  ${role.padEnd(8)}  ${services?.join(',') ?? 'all services'}  ${expired ? 'expired ' : ''}${expiresAt ?? 'no end'}\n`,
    );
  return 0;
};

/** Takes the entry out of the file; comments and the others stay as they are. Exit code 0, or ERR_NOT_FOUND. */
export const tokenRevoke = (name: string, { file }: TokenFileOptions, { err }: Saying): number => {
  const kept = withoutEntry(readEntries(file).text, name);
  if (kept === null) throw new Fault('ERR_NOT_FOUND', `${file} has no entry ${name}; tidegate token list shows those it has`);
  const { mode, uid, gid } = statSync(file);
  const beside = `${file}.new`;
  writing(file, () => {
    // Left by one that was interrupted.
    rmSync(beside, { force: true });
    write(beside, 'wx', kept);
    chmodSync(beside, mode & 0o777);
    // Another owner's service could not read it any more.
    chownSync(beside, uid, gid);
    renameSync(beside, file);
  });
  err(`${name} is revoked; running replicas notice within a few seconds\n`);
  return 0;
};
