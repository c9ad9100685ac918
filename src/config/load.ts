// Reads a configuration file: text to values with places, and the verdict of judge.ts as problems, each at its line and column, all in one run.
// Only loadConfig and loadCluster touch the disk; parseConfig is what is done with the text.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errorText } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import { type Pace, USUAL_PACE } from './arithmetic.ts';
import { judgeCluster, judgeReplica, type Verdict } from './judge.ts';
import { type Finding, type Problem, showPath, sorted } from './problem.ts';
import { paceIn } from './providers/index.ts';
import type { ReplicaConfig } from './schema.ts';
import { readYaml, type Source } from './yaml.ts';

interface Refused {
  ok: false;
  problems: Problem[];
}

interface Accepted<T> {
  ok: true;
  value: T;
  warnings: Problem[];
  placed(finding: Finding): Problem;
}

export type Loaded =
  | {
      ok: true;
      config: ReplicaConfig;
      warnings: Problem[];
      /** Where something that was found later stands in the file. */
      placed(finding: Finding): Problem;
    }
  | Refused;

export type LoadedCluster = { ok: true; cluster: ClusterConfig; warnings: Problem[] } | Refused;

/** Largest file. Fifty services need about 50 KiB, 20,000 targets about 2 MiB: more than that fits in no cluster. */
export const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Most problems of one run: a file with more is no configuration. */
const PROBLEMS_MAX = 200;

const BOM = '\uFEFF';

const atStart = (file: string, message: string, code: Problem['code'] = 'ERR_CONFIG'): Problem => ({
  code,
  file,
  line: 1,
  column: 1,
  path: '',
  message,
});

const refused = (problems: readonly Problem[]): Refused => {
  const all = sorted(problems);
  if (all.length <= PROBLEMS_MAX) return { ok: false, problems: all };
  const shown = all.slice(0, PROBLEMS_MAX);
  const last = shown.at(-1) ?? atStart('', '');
  const message = `found ${all.length - PROBLEMS_MAX} more problems after this one, expected none; mend these first`;
  return { ok: false, problems: [...shown, { ...last, path: '', message }] };
};

/** What is wrong with the text before anybody tries to read it as YAML. */
const textProblem = (text: string): string | null => {
  if (text.startsWith(BOM)) return 'found a byte order mark, expected plain UTF-8; save the file without it';
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) return tooLarge;
  return null;
};

const tooLarge = `found more than ${FILE_BYTES_MAX} bytes, expected at most that; is this the right file? A cluster of so many targets does not fit in one: split it by service`;

const parsed = <T>(text: string, file: string, judge: (source: Source) => Verdict<T>): Accepted<T> | Refused => {
  const early = textProblem(text);
  if (early !== null) return refused([atStart(file, early)]);
  const { source, complaints } = readYaml(text);
  const problems = complaints.map((complaint): Problem => ({ code: 'ERR_CONFIG', file, ...complaint, path: showPath(complaint.path) }));
  if (source === null) return refused(problems);
  if (source.value === null && problems.length === 0) {
    return refused([atStart(file, 'found an empty file, expected a configuration; start from deploy/examples/local.yaml')]);
  }
  const placed = ({ path, at, message }: Finding): Problem => {
    const place = source.locate(path, at);
    return { code: 'ERR_CONFIG', file, line: place.line, column: place.column, path: showPath(place.path), message };
  };
  const { value, findings, warnings } = judge(source);
  // What the YAML reader refused reads as nothing here, and that needs no second complaint.
  const told = new Set(problems.map(({ path }) => path));
  problems.push(...findings.map(placed).filter(({ path, message }) => !told.has(path) || !message.startsWith('found nothing')));
  if (value === null || problems.length > 0) return refused(problems);
  return { ok: true, value, warnings: sorted(warnings.map(placed)), placed };
};

/** Judges the text of a replica's file. `file` names it in messages, and its folder is what relative paths start from. Throws nothing, does no IO. */
export const parseConfig = (text: string, file: string): Loaded => {
  const result = parsed(text, file, (source) => judgeReplica(source, file));
  if (!result.ok) return result;
  const { value: config, warnings, placed } = result;
  return { ok: true, config, warnings, placed };
};

/** Judges the cluster section of a text that holds only that, or a whole replica's file. `pace` is that of the store it is meant for. Throws nothing. */
export const parseCluster = (text: string, file: string, pace: Pace = USUAL_PACE): LoadedCluster => {
  const result = parsed(text, file, (source) => judgeCluster(source, pace));
  return result.ok ? { ok: true, cluster: result.value, warnings: result.warnings } : result;
};

/** At most one byte more than the limit; throws what the system says. Opened without blocking: a pipe without a writer would hang the process. */
const readFile = (path: string): Buffer | string => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) return 'found something that is no file, expected a configuration file; check the path';
    const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read)
      read = readSync(fd, buffer, length, buffer.length - length, null);
    return buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
};

/** The text of UTF-8 bytes, or the place of the first byte that is none. */
const decode = (bytes: Buffer): string | { line: number; column: number } => {
  const text = bytes.toString('utf8');
  if (Buffer.from(text).equals(bytes)) return text;
  const again = Buffer.from(text);
  let same = 0;
  while (same < bytes.length && bytes[same] === again[same]) same++;
  const lines = bytes.subarray(0, same).toString('utf8').split('\n');
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
};

/** The text of the file at `path`, or why there is none. */
const textOf = (path: string): string | Refused => {
  let bytes: Buffer | string;
  try {
    bytes = readFile(path);
  } catch (error) {
    const message = `found no readable file (${errorText(error)}), expected a configuration; check the path and the permissions`;
    return refused([atStart(path, message, 'ERR_CONFIG_READ')]);
  }
  if (typeof bytes === 'string') return refused([atStart(path, bytes, 'ERR_CONFIG_READ')]);
  if (bytes.length > FILE_BYTES_MAX) return refused([atStart(path, tooLarge)]);
  const text = decode(bytes);
  if (typeof text === 'string') return text;
  const message = 'found bytes that are not UTF-8, expected UTF-8 text; save the file as UTF-8';
  return refused([{ ...atStart(path, message), ...text }]);
};

/** Reads and judges a replica's file. Throws nothing: what cannot be read is a problem too. */
export const loadConfig = (path: string): Loaded => {
  const text = textOf(path);
  return typeof text === 'string' ? parseConfig(text, path) : text;
};

/**
 * As loadConfig, with its shadow's file: for who serves, reloads or checks it. What works without a running replica must not fail for want of that. `calledReplica`:
 * the name to run under instead of the file's.
 */
export const loadServed = (path: string, calledReplica?: string): Loaded => {
  const read = loadConfig(path);
  const loaded =
    read.ok && calledReplica !== undefined ? { ...read, config: { ...read.config, replica: calledReplica, calledReplica } } : read;
  if (!loaded.ok || loaded.config.shadow === undefined) return loaded;
  const { config, warnings, placed } = loaded;
  const shadow = loadCluster(loaded.config.shadow.file, paceIn(config));
  if (!shadow.ok) return shadow;
  return { ok: true, config: { ...config, shadow: { ...loaded.config.shadow, cluster: shadow.cluster } }, warnings, placed };
};

/** Reads a file and judges the cluster section in it, as `apply` writes it to a store of this pace. Throws nothing. */
export const loadCluster = (path: string, pace: Pace): LoadedCluster => {
  const text = textOf(path);
  return typeof text === 'string' ? parseCluster(text, path, pace) : text;
};
