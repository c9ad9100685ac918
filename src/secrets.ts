// Secrets live in files and nowhere else. Reading one registers it, so that no log line can carry it; errors name the file, never its content.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ErrorCode, errorText, Fault } from './errors.ts';
import { registerSecret } from './log.ts';
import type { Random } from './ports.ts';

const SECRET_BYTES_MAX = 8 * 1024;
const SECRET_CHARS_MIN = 8;
const TOKEN_BYTES = 24;

/** Who would read a secret: `uid` null where a system has none. */
export interface Reader {
  uid: number | null;
  /** The first and all others. */
  groups: readonly number[];
}

export interface Ownership {
  mode: number;
  uid: number;
  gid: number;
}

export const thisProcess = (): Reader => ({
  uid: process.getuid?.() ?? null,
  groups: [...(process.getgid === undefined ? [] : [process.getgid()]), ...(process.getgroups?.() ?? [])],
});

/**
 * The permission bits of a secret's file that count as open, or 0. Where root owns the file and the reader is not root, a group of the reader's own may read
 * it: only root can have given it to that group, and it is how an orchestrator hands a secret to an unprivileged process (Kubernetes by fsGroup). So may
 * root's group, which has root alone in it: systemd gives a credential by an access list, whose mask shows in place of the group's bits. Who else is in a
 * group cannot be known from here.
 */
export const exposureOf = ({ mode, uid, gid }: Ownership, reader: Reader = thisProcess()): number =>
  mode & (uid === 0 && reader.uid !== 0 && (gid === 0 || reader.groups.includes(gid)) ? 0o037 : 0o077);

/** What is wrong with an open file, and what to do about it: a mode of 600 would take root's file from who is not root. */
export const exposureText = (file: Ownership, reader: Reader = thisProcess()): { found: string; expected: string } => {
  const mode = (file.mode & 0o777).toString(8);
  const group = `group ${file.gid} can read it (mode ${mode})`;
  const byGroup = file.uid === 0 && file.gid !== 0 && exposureOf(file, reader) === 0o040;
  if (byGroup && reader.uid === 0)
    return {
      found: group,
      expected: `a process of that group, and this one is root; run this as the user that serves, or chmod 600 it where root serves`,
    };
  if (byGroup) return { found: group, expected: 'a group of this process; run chgrp on it' };
  return {
    found: `other users can read it (mode ${mode})`,
    expected: file.uid === 0 && reader.uid !== 0 ? '440 and a group of this process; run chmod 440 on it' : '600; run chmod 600 on it',
  };
};

/** Content of a secret file, trimmed. Throws Fault ERR_SECRET when it cannot be read, is open to other users, is empty or far too long. */
export const readSecret = (path: string): string => {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new Fault('ERR_SECRET', `${path}: is a folder; name the file that holds only the secret`);
    const { size } = stat;
    if (exposureOf(stat) !== 0) {
      const { found, expected } = exposureText(stat);
      throw new Fault('ERR_SECRET', `${path}: ${found}, expected ${expected}`);
    }
    if (size > SECRET_BYTES_MAX)
      throw new Fault(
        'ERR_SECRET',
        `${path}: ${size} bytes, expected at most ${SECRET_BYTES_MAX}; name the file that holds only the secret`,
      );
    const text = readFileSync(path, 'utf8').trim();
    if (text.length < SECRET_CHARS_MIN)
      throw new Fault('ERR_SECRET', `${path}: ${text.length} characters, expected at least ${SECRET_CHARS_MIN}; write the secret into it`);
    registerSecret(text);
    return text;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('ERR_SECRET', `${path}: ${errorText(error)}; create the file with mode 600`, { cause: error });
  }
};

/** A file that is no secret. Throws a Fault of this code; `expected`: what should have been there. */
export const readPublic =
  (code: ErrorCode, expected: string) =>
  (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new Fault(code, `${path}: ${errorText(error)}; expected ${expected}`);
    }
  };

/** What clients of systems around are given to trust and to show. */
export const readPem = readPublic('ERR_SYSTEM', 'the PEM that the system needs');

/** Like readSecret, but a file that is missing is made with fresh randomness: for tokens that only this cluster's own parts share. */
export const ensureSecret = (path: string, random: Random): string => {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, `${random.hex(TOKEN_BYTES)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST'))
      throw new Fault('ERR_SECRET', `${path}: ${errorText(error)}; the folder must be writable`, { cause: error });
  }
  return readSecret(path);
};
