// Files that an operator replaces: whole ones, each in place of the one before in one step, so that nobody reads half of it.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** In: a folder. Out: writes a secret of that name there, mode 600, and gives its path. */
export const replacedIn =
  (folder: string) =>
  (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return path;
  };
