// Reads a configuration file: text, then shape, then relations, then whether it can meet its own goals. Every problem in one run, each at its place.
// Only loadConfig touches the disk; parseConfig is what it does with the text.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { errorText } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import { goalFindings } from './arithmetic.ts';
import { checkDraft, type Draft } from './check.ts';
import { clusterShape } from './cluster.ts';
import { GOALS, policyOf } from './defaults.ts';
import { present } from './fields.ts';
import { judged, salvage, wanted } from './issues.ts';
import { type Finding, type Path, type Problem, showPath, sorted } from './problem.ts';
import { type ReplicaConfig, replicaSchema, replicaShape, withPaths } from './schema.ts';
import { warningsOf } from './warnings.ts';
import { readYaml, type Source } from './yaml.ts';

export type Loaded = { ok: true; config: ReplicaConfig; warnings: Problem[] } | { ok: false; problems: Problem[] };

/** Largest file. Fifty services need about 50 KiB. */
export const FILE_BYTES_MAX = 1024 * 1024;
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

const refused = (problems: readonly Problem[]): Loaded => {
  const all = sorted(problems);
  if (all.length <= PROBLEMS_MAX) return { ok: false, problems: all };
  const shown = all.slice(0, PROBLEMS_MAX);
  const last = shown.at(-1) ?? atStart('', '');
  const message = `found ${all.length - PROBLEMS_MAX} more problems after this one, expected none; mend these first`;
  return { ok: false, problems: [...shown, { ...last, path: '', message }] };
};

// ---- the sound parts of a broken file ----

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const within = (outer: Path, inner: Path): boolean => outer.length <= inner.length && outer.every((step, i) => step === inner[i]);

/** The draft of a file that the schema refused: section by section, each without its broken parts. */
const draftOf = (root: unknown, broken: readonly Path[]): { draft: Draft; origin: (path: Path) => Path } => {
  const origins: { at: Path; origin: (path: Path) => Path }[] = [];
  const part = <T>(schema: z.ZodType<T>, value: unknown, at: Path, otherwise: T): T => {
    const sound = value === undefined ? null : salvage(schema, value);
    if (sound === null) return otherwise;
    origins.push({ at, origin: sound.origin });
    return sound.value;
  };
  const origin = (path: Path): Path => {
    const owner = origins.find(({ at }) => within(at, path));
    return owner === undefined ? path : [...owner.at, ...owner.origin(path.slice(owner.at.length))];
  };
  const map = isMap(root) ? root : {};
  const draft: Draft = {
    region: part<string | null>(replicaShape.region, map.region, ['region'], null),
    providers: part<ReplicaConfig['providers']>(replicaShape.providers, map.providers, ['providers'], {}),
    paging: part<ReplicaConfig['paging']>(replicaShape.paging, map.paging, ['paging'], { webhooks: [] }),
    cluster: isMap(map.cluster) ? clusterOf(map.cluster, part) : null,
    broken: (path) => broken.some((place) => within(origin(path), place) || within(place, origin(path))),
  };
  return { draft, origin };
};

type Part = <T>(schema: z.ZodType<T>, value: unknown, at: Path, otherwise: T) => T;

const clusterOf = (map: Record<string, unknown>, part: Part): ClusterConfig => {
  const shape = clusterShape;
  return {
    name: part(shape.name, map.name, ['cluster', 'name'], ''),
    version: 0,
    goals: part(shape.goals, map.goals, ['cluster', 'goals'], GOALS),
    regions: part<ClusterConfig['regions']>(shape.regions, map.regions, ['cluster', 'regions'], []),
    policy: part(shape.policy, map.policy, ['cluster', 'policy'], policyOf({})),
    services: part<ClusterConfig['services']>(shape.services, map.services, ['cluster', 'services'], []),
  };
};

// ---- the whole ----

const judge = (source: Source, file: string): { config: ReplicaConfig | null; findings: readonly Finding[] } => {
  const parsed = replicaSchema.safeParse(source.value, { error: wanted });
  if (!parsed.success) {
    const { findings, broken } = judged(parsed.error, source.value);
    const { draft, origin } = draftOf(source.value, broken);
    return { config: null, findings: [...findings, ...checkDraft(draft).map((found) => ({ ...found, path: origin(found.path) }))] };
  }
  const { cluster = null, ...rest } = withPaths(parsed.data, dirname(resolve(file)));
  const config: ReplicaConfig = { file: resolve(file), ...present(rest), cluster };
  const findings = checkDraft({ ...config, broken: () => false });
  if (cluster === null && config.store.kind === 'embedded') {
    const message = 'found nothing, expected the cluster section, which the embedded store takes from this file; add it';
    findings.push({ path: ['cluster'], at: 'key', message });
  }
  // The arithmetic of a configuration that contradicts itself would only confuse.
  return { config, findings: findings.length > 0 || cluster === null ? findings : goalFindings(cluster) };
};

/** What is wrong with the text before anybody tries to read it as YAML. */
const textProblem = (text: string): string | null => {
  if (text.startsWith(BOM)) return 'found a byte order mark, expected plain UTF-8; save the file without it';
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) return tooLarge;
  return null;
};

const tooLarge = `found more than ${FILE_BYTES_MAX} bytes, expected at most that; this is hardly the right file`;

/** Judges the text of a configuration file. `file` names it in messages, and its folder is what relative paths start from. Throws nothing, does no IO. */
export const parseConfig = (text: string, file: string): Loaded => {
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
  const { config, findings } = judge(source, file);
  // What the YAML reader refused reads as nothing here, and that needs no second complaint.
  const told = new Set(problems.map(({ path }) => path));
  problems.push(...findings.map(placed).filter(({ path, message }) => !told.has(path) || !message.startsWith('found nothing')));
  if (config === null || problems.length > 0) return refused(problems);
  return { ok: true, config, warnings: sorted(warningsOf(config).map(placed)) };
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

/** Reads and judges a configuration file. Throws nothing: what cannot be read is a problem too. */
export const loadConfig = (path: string): Loaded => {
  let bytes: Buffer | string;
  try {
    bytes = readFile(path);
  } catch (error) {
    const message = `found no readable file (${errorText(error)}), expected a configuration; check --config and the permissions`;
    return refused([atStart(path, message, 'ERR_CONFIG_READ')]);
  }
  if (typeof bytes === 'string') return refused([atStart(path, bytes, 'ERR_CONFIG_READ')]);
  if (bytes.length > FILE_BYTES_MAX) return refused([atStart(path, tooLarge)]);
  const text = decode(bytes);
  if (typeof text === 'string') return parseConfig(text, path);
  const message = 'found bytes that are not UTF-8, expected UTF-8 text; save the file as UTF-8';
  return refused([{ ...atStart(path, message), ...text }]);
};
