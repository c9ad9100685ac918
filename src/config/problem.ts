// What is wrong with a configuration, and where. A problem names what was found, what was expected and what to do, at the place of the offending key or value.
// It never repeats a value that could be a secret.

/** Keys and indexes from the top of the file. */
export type Path = readonly (string | number)[];

export interface Problem {
  code: 'ERR_CONFIG' | 'ERR_CONFIG_READ';
  file: string;
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 units. */
  column: number;
  /** As in `cluster.services[0].ttl`; empty for the file as a whole. */
  path: string;
  /** `found …, expected …; what to do`. */
  message: string;
}

/** A problem before its place in the file is looked up. `key`: the name is wrong rather than what it holds. */
export interface Finding {
  path: Path;
  at: 'key' | 'value';
  message: string;
}

export const finding = (path: Path, message: string, at: Finding['at'] = 'value'): Finding => ({ path, at, message });

/** The second and later of equal names. */
export const duplicates = (what: string, names: readonly string[], pathOf: (index: number) => Path): Finding[] =>
  names.flatMap((name, i) =>
    names.indexOf(name) === i
      ? []
      : [finding(pathOf(i), `found a second ${what} "${name}", expected each once; rename or remove one of them`)],
  );

/** `file:line:column path: found …, expected …; what to do`. */
export const renderProblem = (problem: Problem): string => {
  const place = `${problem.file}:${problem.line}:${problem.column}`;
  return `${place}${problem.path === '' ? '' : ` ${problem.path}`}: ${problem.message}`;
};

export const showPath = (path: Path): string =>
  path
    .map((step, i) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w.-]+$/.test(step)) return `[${JSON.stringify(clip(step))}]`;
      return i === 0 ? step : `.${step}`;
    })
    .join('');

/** Longest piece of the file that a message repeats. */
const SHOWN_MAX = 60;
const clip = (text: string): string => (text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);

/** Does a key of this name hold a secret? `…File` names where a secret lies and is none. */
export const isSecretKey = (key: string): boolean => /(secret|token|password|passwd|passphrase|credential|apikey|key)s?$/i.test(key);

const isSecretPath = (path: Path): boolean => {
  const last = path.findLast((step) => typeof step === 'string');
  if (last === undefined) return false;
  // A webhook's URL often is its own password.
  return isSecretKey(last) || (path[0] === 'paging' && last === 'url');
};

/** What stands at this place, in a form that may be printed and logged. */
export const shown = (value: unknown, path: Path): string => {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a map';
  if (isSecretPath(path)) return 'a value (not shown)';
  if (typeof value !== 'string') return String(value);
  // Credentials travel before the @ and behind the ? of a URL.
  const safe = value.replace(/\/\/[^/]*@/g, '//…@').replace(/(:\/\/[^?]*)\?.*$/s, '$1?…');
  return JSON.stringify(clip(safe));
};

/** By place, then by text, each once. */
export const sorted = (problems: readonly Problem[]): Problem[] => {
  const unique = new Map(problems.map((problem) => [renderProblem(problem), problem]));
  return [...unique.values()].sort(
    (a, b) => a.line - b.line || a.column - b.column || (a.path < b.path ? -1 : 1) || (a.message < b.message ? -1 : 1),
  );
};
