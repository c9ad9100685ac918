// What must be true of a store's path before SQLite sees it, the sentences for what SQLite refuses, and the note that names the holder.
// The lock itself is SQLite's, held on the file by the operating system: it outlives a stopped holder and dies with a killed one.
// Nothing here opens a store file that is there: closing any descriptor of it would drop this process's POSIX locks on it.
import { accessSync, closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorText, Fault } from '../errors.ts';

/** SQLite result codes that need a decision (sqlite.org/rescode.html). */
export const SQLITE = { busy: 5, ioerr: 10, corrupt: 11, full: 13, notadb: 26 } as const;
/** Extended code: a write, not a flush, failed. */
export const SQLITE_IOERR_WRITE = 778;

/** SQLite's extended result code of anything thrown; null when it did not come from SQLite. */
export const sqliteCode = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null;

const pidFile = (file: string): string => `${file}.pid`;

const holder = (file: string): string => {
  try {
    const pid = readFileSync(pidFile(file), 'utf8').trim();
    return /^\d{1,10}$/.test(pid) ? `process ${pid} (according to ${pidFile(file)})` : 'another process';
  } catch {
    return 'another process';
  }
};

/** Notes who holds the lock. A hint for people: not being able to write it must not stop the service. */
export const noteHolder = (file: string): void => {
  try {
    writeFileSync(pidFile(file), `${process.pid}\n`);
  } catch {
    // Lost: the refusal of a second instance will say "another process".
  }
};

export const forgetHolder = (file: string): void => {
  try {
    rmSync(pidFile(file), { force: true });
  } catch {
    // Lost: a stale note, overwritten by the next holder and read only while somebody holds the lock.
  }
};

export const DAMAGED = 'it is damaged; keep a copy, then restore a backup or move it away and adopt what the providers serve';
const NO_ACCESS = 'this process must be able to read and write the file and to create files beside it; correct the owner or the mode';

const REMEDY: Readonly<Record<number, string>> = {
  [SQLITE.notadb]: 'it is not a SQLite file; name another file, or move this one away to start an empty store',
  [SQLITE.corrupt]: DAMAGED,
  [SQLITE.full]: 'its disk is full; make space and start again',
  [SQLITE.ioerr]: 'its disk reports an error; look at the log of the kernel and at free space, then start again',
};

/** The fault for what went wrong while opening `file`. */
export const openFault = (file: string, error: unknown): Fault => {
  if (error instanceof Fault) return error;
  const code = sqliteCode(error);
  if (code === null) return new Fault('ERR_STORE_FILE', `${file}: ${errorText(error)}`, { cause: error });
  const primary = code & 0xff;
  if (primary === SQLITE.busy)
    return new Fault(
      'ERR_STORE_LOCKED',
      `${file}: ${holder(file)} serves this store file, and only one process can; stop it first, or join it with a store of kind remote`,
      { cause: error },
    );
  return new Fault('ERR_STORE_FILE', `${file}: ${REMEDY[primary] ?? NO_ACCESS} (SQLite: ${errorText(error)}, code ${code})`, {
    cause: error,
  });
};

/** SQLite would make it as the umask says; who is paged and for what is nobody else's to read. The files beside it get its mode. */
const createPrivate = (file: string): void => {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch {
    // Somebody else made it at the same moment, or it cannot be made: SQLite says which.
  }
};

/** Creates the directory of a new store file (the last level only: more missing levels are rather a missing mount) and refuses what is no file. */
export const preparePath = (file: string): void => {
  const directory = dirname(file);
  const refuse = (sentence: string, cause?: unknown): never => {
    throw new Fault('ERR_STORE_FILE', `${file}: ${sentence}`, { cause });
  };
  try {
    if (!statSync(directory, { throwIfNoEntry: false })) mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    refuse(`its directory cannot be created (${errorText(error)}); create it for this user first`, error);
  }
  if (!statSync(directory).isDirectory()) refuse(`${directory} is not a directory; name another file`);
  let found: Stats | undefined;
  try {
    found = statSync(file, { throwIfNoEntry: false });
    // SQLite would open a file it cannot write for reading, and fail later with less to say.
    if (found?.isFile()) accessSync(file, constants.R_OK | constants.W_OK);
  } catch (error) {
    refuse(`${NO_ACCESS} (${errorText(error)})`, error);
  }
  if (found && !found.isFile())
    refuse(`this is ${found.isDirectory() ? 'a directory' : 'not a regular file'}; name a file inside a directory`);
  if (found === undefined) createPrivate(file);
};
