// Files of this room: read with a bound, refused when anybody else may write them, and looked at again when they change. Whoever can write a file of
// hashes, keys or certificates decides who gets in, so that is what is checked; reading them helps nobody.
import { readFileSync, statSync } from 'node:fs';
import { errorText, Fault } from '../errors.ts';

/** The text of a file that only its owner may write. Throws Fault ERR_SECRET. */
export const readGuarded = (path: string, bytesMax: number): string => {
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o022) !== 0)
      throw new Fault(
        'ERR_SECRET',
        `${path}: other users can write it (mode ${(mode & 0o777).toString(8)}), expected 600; run chmod go-w on it`,
      );
    if (size > bytesMax)
      throw new Fault('ERR_SECRET', `${path}: ${size} bytes, expected at most ${bytesMax}; this is hardly the right file`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('ERR_SECRET', `${path}: ${errorText(error)}; check the path and its permissions`, { cause: error });
  }
};

/** Changes whenever the file does: who replaces a file within the same millisecond also changes its inode. Empty: it cannot be looked at. */
export const stampOf = (path: string): string => {
  try {
    const { mtimeMs, ctimeMs, ino, size } = statSync(path);
    return `${mtimeMs}/${ctimeMs}/${ino}/${size}`;
  } catch {
    return '';
  }
};
