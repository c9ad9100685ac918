// Secrets live in files and nowhere else. Reading one registers it, so that no log line can carry it; errors name the file, never its content.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ErrorCode, errorText, Fault } from './errors.ts';
import { registerSecret } from './log.ts';
import type { Random } from './ports.ts';

const SECRET_BYTES_MAX = 8 * 1024;
const SECRET_CHARS_MIN = 8;
const TOKEN_BYTES = 24;

/**
 * The permission bits of a secret's file that count as open, or 0. Where root owns the file and this process is not root, its group may read it: only root can
 * have given it to that group, and it is how an orchestrator hands a secret to an unprivileged process (Kubernetes by fsGroup).
 */
export const exposureOf = ({ mode, uid }: { mode: number; uid: number }, ownUid: number | null = process.getuid?.() ?? null): number =>
  mode & (uid === 0 && ownUid !== 0 ? 0o037 : 0o077);

/** Content of a secret file, trimmed. Throws Fault ERR_SECRET when it cannot be read, is open to other users, is empty or far too long. */
export const readSecret = (path: string): string => {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new Fault('ERR_SECRET', `${path}: is a folder; name the file that holds only the secret`);
    const { mode, size } = stat;
    if (exposureOf(stat) !== 0)
      throw new Fault(
        'ERR_SECRET',
        `${path}: other users can read it (mode ${(mode & 0o777).toString(8)}), expected 600; run chmod 600 on it`,
      );
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
