// Which members of a configuration name files: those whose key ends in `File`, and the items of a list whose key ends in `Files`. What is called so holds a
// path, never the secret itself. Pure.
import type { Path } from './problem.ts';

export interface NamedFile {
  /** The way to it in the configuration. */
  path: Path;
  /** The last key on that way. */
  key: string;
  file: string;
}

/** Every file that is named in `value`, which stands at `path`. */
export const filesNamed = (value: unknown, path: Path): readonly NamedFile[] => {
  if (typeof value === 'string') {
    const key = String(path.findLast((step) => typeof step === 'string'));
    return /Files?$/.test(key) ? [{ path, key, file: value }] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const members: Iterable<readonly [string | number, unknown]> = Array.isArray(value) ? value.entries() : Object.entries(value);
  return [...members].flatMap(([step, inner]) => filesNamed(inner, [...path, step]));
};
