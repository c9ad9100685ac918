// From the schema's issues to sentences, and from a broken file to the parts of it that are sound, so that one run finds every problem.
// A schema's own messages are the rest of a sentence (fields.ts); the messages for everything it leaves unsaid are here.
import type { z } from 'zod';
import { type Finding, isSecretKey, type Path, shown } from './problem.ts';
import { didYouMean, list, nearest } from './words.ts';

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

const TYPES: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
};

const oneOf = (values: readonly unknown[], input: unknown): string => {
  const names = values.map(String);
  return `${names.length === 1 ? '' : 'one of '}${list(names)}; ${didYouMean(typeof input === 'string' ? input : '', names, names.length === 1 ? 'write it' : 'write one of them')}`;
};

/** Names a map may hold: those of its schema. Only a raw issue still knows its schema. */
const knownKeys = (issue: RawIssue): readonly string[] => {
  const def: unknown = issue.inst?._zod.def;
  return typeof def === 'object' && def !== null && 'shape' in def ? Object.keys(def.shape as object) : [];
};

/** The error map of every parse: `expected …; what to do` for issues whose schema says nothing itself. For unknown keys it is the list of known ones. */
export const wanted = (issue: RawIssue): string => {
  const count = (n: unknown): string => `${n} ${n === 1 ? 'entry' : 'entries'}`;
  if (issue.code === 'unrecognized_keys') return knownKeys(issue).join(' ');
  if (issue.code === 'invalid_type') {
    const type = TYPES[issue.expected] ?? issue.expected;
    return `${type}; ${issue.input === undefined ? 'add it' : 'write one'}`;
  }
  if (issue.code === 'invalid_value') return oneOf(issue.values, issue.input);
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options)) {
    // A union tells its members apart by one of their keys: kind, mode.
    const key = 'discriminator' in issue && typeof issue.discriminator === 'string' ? issue.discriminator : 'kind';
    return oneOf(issue.options, (issue.input as Readonly<Record<string, unknown>> | null)?.[key]);
  }
  if (issue.code === 'too_small') return `at least ${count(issue.minimum)}; add ${issue.minimum === 1 ? 'one' : 'more'}`;
  if (issue.code === 'too_big') return `at most ${count(issue.maximum)}; remove some`;
  return 'something else; see the annotated example';
};

/** An issue at its full path, with unions and keys of records resolved to what actually went wrong. */
interface Flat {
  path: Path;
  message: string;
  /** Unknown keys of the map at `path`. */
  keys: readonly string[];
  /** The name at the end of `path` is wrong, not its value. */
  named: boolean;
}

const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>((value, step) => {
    // A value written short stands for the map that the schema sees.
    if (typeof value !== 'object' || value === null) return value;
    if (!Object.hasOwn(value, step)) return undefined;
    return (value as Record<string | number, unknown>)[step];
  }, root);

const flatten = (issue: Issue, prefix: Path): Flat[] => {
  const path = [...prefix, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
  if (issue.code === 'unrecognized_keys') return [{ path, message: issue.message, keys: issue.keys, named: false }];
  if (issue.code === 'invalid_key') return [{ path, message: issue.issues[0]?.message ?? issue.message, keys: [], named: true }];
  if (issue.code === 'invalid_union') {
    // The alternative that was meant is the one whose own type fits, so that all its complaints lie deeper.
    const meant = issue.errors.find((errors) => errors.length > 0 && errors.every((error) => error.path.length > 0));
    if (meant) return meant.flatMap((error) => flatten(error, path));
  }
  return [{ path, message: issue.message, keys: [], named: false }];
};

/** Known keys that a wrong one may stand for: the nearest spellings, or the file instead of the secret itself. */
const meantBy = (key: string, known: readonly string[]): { secret: boolean; names: readonly string[] } => {
  const names = nearest(key, known);
  if (names.length > 0) return { secret: false, names };
  if (known.includes(`${key}File`)) return { secret: isSecretKey(key), names: [`${key}File`] };
  return isSecretKey(key) ? { secret: true, names: known.filter((name) => name.endsWith('File')) } : { secret: false, names };
};

const unknownKey = (path: Path, key: string, known: readonly string[]): Finding => {
  const { secret, names } = meantBy(key, known);
  const message = secret
    ? `found the secret ${shown(key, [])} in the file itself, expected none; give a file: ${names[0] ?? `${key}File`}`
    : `found the unknown key ${shown(key, [])}, expected ${known.length > 1 ? 'one of ' : ''}${list(known, 30)}; ${didYouMean(key, known, names[0] === undefined ? 'remove it' : `did you mean "${names[0]}"?`)}`;
  return { path: [...path, key], at: 'key', message };
};

/** Where `kind` is missing the schema cannot tell which keys are known, so a misspelt `kind` is looked for here. */
const misspeltKind = (flat: Flat, root: unknown): Flat[] => {
  const map = flat.path.slice(0, -1);
  if (flat.path.at(-1) !== 'kind' || valueAt(root, flat.path) !== undefined) return [flat];
  const keys = nearest('kind', Object.keys(Object(valueAt(root, map))));
  return keys.length === 0 ? [flat] : [flat, { path: map, message: 'kind', keys, named: false }];
};

/** Issues as sentences, and the places from which nothing can be concluded. */
export interface Judged {
  findings: Finding[];
  broken: Path[];
}

/** Of several about one value the first: a text where a list belongs is not too long a list as well. Unknown keys of one map are all told. */
const firsts = (flat: readonly Flat[]): readonly Flat[] => {
  const seen = new Set<string>();
  return flat.filter(({ path, keys }) => {
    const place = JSON.stringify(path);
    if (keys.length > 0) return true;
    const first = !seen.has(place);
    seen.add(place);
    return first;
  });
};

/** Every issue as a sentence at its place. A missing key whose misspelling is reported beside it is not reported again. */
export const judged = (error: z.core.$ZodError, root: unknown): Judged => {
  const flat = firsts(error.issues.flatMap((issue) => flatten(issue, []))).flatMap((each) => misspeltKind(each, root));
  const known = (message: string): string[] => message.split(' ').filter((key) => key !== '');
  const findings = flat.flatMap(({ path, message, keys, named }): Finding[] => {
    if (keys.length > 0) return keys.map((key) => unknownKey(path, key, known(message)));
    const value = named ? path.at(-1) : valueAt(root, path);
    return [{ path, at: named ? 'key' : 'value', message: `found ${shown(value, named ? [] : path)}, expected ${message}` }];
  });
  const meant = flat.flatMap(({ path, keys, message }) =>
    keys.flatMap((key) => meantBy(key, known(message)).names.map((name): Path => [...path, name])),
  );
  const misspelt = new Set(meant.map((path) => JSON.stringify(path)));
  return {
    findings: findings.filter(({ path, message }) => !message.startsWith('found nothing') || !misspelt.has(JSON.stringify(path))),
    broken: [...meant, ...flat.filter(({ keys }) => keys.length === 0).map(({ path }) => path)],
  };
};

/** What is left of a value without the parts its schema refuses. `origin` leads from a place in `value` back to the file. */
export interface Salvage<T> {
  value: T;
  origin(path: Path): Path;
}

/** Deepest chain of parents that may fall with a part. */
const ROUNDS_MAX = 16;

const GONE = Symbol('gone');

/** Without the parts at `bad`; a map that lacks something, and a value that is wrong itself, go as a whole. Notes where each kept list entry was. */
const without = (value: unknown, bad: readonly Path[], origins: WeakMap<object, readonly number[]>): unknown => {
  if (bad.length === 0) return value;
  if (bad.some((path) => path.length === 0) || typeof value !== 'object' || value === null) return GONE;
  const inner = Map.groupBy(bad, (path) => path[0]);
  const under = (step: string | number): Path[] => (inner.get(step) ?? []).map((path) => path.slice(1));
  if (Array.isArray(value)) {
    const kept = value.map((item, i) => ({ item: without(item, under(i), origins), from: origins.get(value)?.[i] ?? i }));
    const sound = kept.filter(({ item }) => item !== GONE);
    const next = sound.map(({ item }) => item);
    origins.set(
      next,
      sound.map(({ from }) => from),
    );
    return next;
  }
  if (bad.some((path) => !Object.hasOwn(value, path[0] ?? ''))) return GONE;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, without(item, under(key), origins)] as const)
      .filter(([, item]) => item !== GONE),
  );
};

/** The sound part of `value`, or null when nothing of it is. */
export const salvage = <T>(schema: z.ZodType<T>, value: unknown): Salvage<T> | null => {
  const origins = new WeakMap<object, readonly number[]>();
  let rest = value;
  for (let round = 0; round < ROUNDS_MAX && rest !== GONE; round++) {
    const parsed = schema.safeParse(rest, { error: wanted });
    if (parsed.success) return { value: parsed.data, origin: (path) => originOf(rest, path, origins) };
    const bad = parsed.error.issues
      .flatMap((issue) => flatten(issue, []))
      .flatMap(({ path, keys }) => (keys.length > 0 ? keys.map((key) => [...path, key]) : [path]));
    rest = without(rest, bad, origins);
  }
  return null;
};

const originOf = (root: unknown, path: Path, origins: WeakMap<object, readonly number[]>): Path => {
  let value = root;
  return path.map((step) => {
    const from = Array.isArray(value) && typeof step === 'number' ? origins.get(value)?.[step] : undefined;
    value = typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[step] : undefined;
    return from ?? step;
  });
};
