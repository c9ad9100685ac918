// `tidegate import`: looks at what a vendor serves today, read only, and writes a configuration of it that `check` accepts: every service in observe, guesses
// marked as guesses, the arithmetic of what was found, and what cannot be taken over. Writes one file, never over another one unless told to.
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import type { Inventory, ProviderContext } from '../../providers/provider.ts';
import { SERVICES_MAX } from '../config/cluster.ts';
import { parseHostPort } from '../config/fields.ts';
import { providerEntry } from '../config/providers/index.ts';
import { withPaths } from '../config/schema.ts';
import { plural } from '../config/words.ts';
import { ERRORS, errorText, Fault } from '../errors.ts';
import { REGIONS_MAX } from '../health/chamber.ts';
import { createHttp } from '../http.ts';
import { openResolver } from '../open.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import { type Draft, draftOf } from './draft.ts';
import type { Given, Importer } from './importers.ts';
import type { Saying } from './open.ts';
import { sayProblems } from './problems.ts';

export interface ImportOptions {
  /** Where the configuration goes; on stdout unless said. */
  out?: string;
  /** Over a file that is there. */
  force?: boolean;
  /** `a=eu-west,b=eu-west,*=us-east`: region by pool. */
  regions?: string;
  /** `https`, `http`, `http:8080`: how targets are guessed. */
  probe?: string;
  /** Only these names. */
  service?: readonly string[];
  json?: boolean;
}

export interface ImportContext extends Saying {
  ports: Ports;
}

/** A vendor with thousands of records lists them page by page. */
const LOOK_MS = 120_000;
const DEFAULT_FILE = 'tidegate.yaml';

// ---- options ----

/** Throws Fault ERR_USAGE. */
const regionsOf = (given: string | undefined): ReadonlyMap<string, string> => {
  const pairs = (given ?? '').split(',').filter((text) => text !== '');
  const map = new Map<string, string>();
  for (const text of pairs) {
    const [pool = '', region = '', ...more] = text.split('=');
    if (pool === '' || region === '' || more.length > 0)
      throw new Fault('ERR_USAGE', `--regions ${text}: expected POOL=REGION, several with commas; * stands for all other pools`);
    if (map.has(pool)) throw new Fault('ERR_USAGE', `--regions ${text}: the pool ${pool} is named twice`);
    map.set(pool, region);
  }
  return map;
};

/** Throws Fault ERR_USAGE. */
const probeOf = (given = 'https'): { scheme: 'http' | 'https'; port: number | null } => {
  const [, scheme, port] = /^(https?)(?::(\d{1,5}))?$/.exec(given) ?? [];
  const parsed = port === undefined ? null : (parseHostPort(`127.0.0.1:${port}`)?.port ?? 0);
  if (scheme !== undefined && parsed !== 0) return { scheme: scheme as 'http' | 'https', port: parsed };
  throw new Fault('ERR_USAGE', `--probe ${given}: expected http or https, with a port if it is not the usual one; write it like http:8080`);
};

/** Paths as they are given are of this process's folder; in the file they are of its own, as guessed ones are already. */
const pathsFor = (
  entry: Readonly<Record<string, unknown>>,
  guesses: Readonly<Record<string, string>>,
  folder: string,
): Record<string, unknown> => {
  const walk = (value: unknown, key: string): unknown => {
    if (typeof value === 'string' && key.endsWith('File') && !isAbsolute(value)) {
      const path = relative(folder, resolve(value));
      return path.startsWith('.') ? path : `./${path}`;
    }
    if (Array.isArray(value)) return value.map((item) => walk(item, ''));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, name)]));
  };
  return Object.fromEntries(Object.entries(entry).map(([name, value]) => [name, name in guesses ? value : walk(value, name)]));
};

// ---- reading ----

const look = async (importer: Importer, given: Given, entry: unknown, { ports }: ImportContext): Promise<Inventory> => {
  const resolver = openResolver({ dns: { resolvers: [] } }, ports);
  const http = createHttp({ ports, resolve: (host, signal) => resolver.resolve(host, signal) });
  const context: ProviderContext = { ports, secret: readSecret, fetch: http.fetch };
  const what = `reading ${importer.source(given)}`;
  try {
    return await withDeadline(ports.timers, LOOK_MS, what, (signal) => importer.look(given, entry, context, signal));
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('ERR_PROVIDER', `${what}: ${errorText(error)}; nothing was written`, { cause: error });
  } finally {
    await http.close();
    resolver.close();
  }
};

/** Throws Fault ERR_USAGE for a name that was not found. */
const only = (inventory: Inventory, names: readonly string[] | undefined): Inventory => {
  if (names === undefined || names.length === 0) return inventory;
  const missing = names.find((name) => !inventory.services.some(({ service }) => service === name));
  const refused = inventory.refused.find(({ what }) => missing !== undefined && what.includes(missing));
  if (missing !== undefined) {
    const why = refused === undefined ? 'nothing of that name was found' : `it cannot be owned: ${refused.because}`;
    throw new Fault('ERR_USAGE', `--service ${missing}: ${why}`);
  }
  return { ...inventory, services: inventory.services.filter(({ service }) => names.includes(service)) };
};

// ---- what is said ----

/** Names are the vendor's, or of a file that anybody may have written: a terminal must not obey them. */
const plain = (line: string): string => line.replace(/\p{Cc}/gu, '?');

const leftLines = (left: Draft['left']): readonly string[] =>
  left.length === 0 ? [] : ['left out', ...left.map(({ what, because }) => plain(`  ${what}: ${because}`))];

const takenLines = ({ taken }: Draft): readonly string[] => [
  'taken, in observe',
  ...taken.flatMap(({ service, pools, firstFence }) => [
    plain(`  ${service}: ${pools.map(({ pool, weight }) => `${pool} ${weight}`).join(', ')}`),
    plain(`    first fence: ${firstFence}`),
  ]),
];

const told = (draft: Draft, source: string, where: string): string =>
  `${[
    ...takenLines(draft),
    ...leftLines(draft.left),
    `${plural(draft.taken.length, 'service')} of ${source} ${where}, ${draft.left.length} left out; nothing was written at the vendor's`,
    '',
  ].join('\n')}`;

/** Throws Fault ERR_USAGE when the file is there, or cannot be written. */
const write = (path: string, text: string, force: boolean): void => {
  try {
    writeFileSync(path, text, { flag: force ? 'w' : 'wx', mode: 0o600 });
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw new Fault('ERR_USAGE', isThere ? overwrites(path) : `--out ${path}: ${errorText(error)}; choose another path`, { cause: error });
  }
};

const overwrites = (path: string): string => `--out ${path}: the file is there; choose another path, or add --force to write over it`;

const tooManyServices = (found: number): Fault =>
  new Fault(
    'ERR_USAGE',
    `${found} names were found that could be services, at most ${SERVICES_MAX} fit into one cluster; name some with --service`,
  );

const tooManyRegions = (found: number): Fault =>
  new Fault(
    'ERR_USAGE',
    `the pools that were found would make ${found} regions, at most ${REGIONS_MAX} are possible; name theirs with --regions (a=eu-west,*=us-east), or some services with --service`,
  );

/**
 * Imports. Exit codes: 0 written (or printed); 1 when nothing that was found can be configured; 78 when what was found makes no configuration, with every
 * problem and nothing written. Throws Fault ERR_USAGE, ERR_SECRET, ERR_PROVIDER.
 */
export const importFrom = async (importer: Importer, given: Given, options: ImportOptions, context: ImportContext): Promise<number> => {
  const { out } = options;
  if (out !== undefined && options.force !== true && existsSync(out)) throw new Fault('ERR_USAGE', overwrites(out));
  const [regions, probe] = [regionsOf(options.regions), probeOf(options.probe)];
  const { entry, guesses } = importer.entry(given);
  const parsed = providerEntry.safeParse(withPaths(entry, process.cwd()));
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: expected ${message}`);
    throw new Fault('ERR_USAGE', wrong.join('; '));
  }
  const inventory = only(await look(importer, given, parsed.data, context), options.service);
  if (inventory.services.length > SERVICES_MAX) throw tooManyServices(inventory.services.length);
  const source = importer.source(given);
  const file = resolve(out ?? DEFAULT_FILE);
  const named = new Set(inventory.services.flatMap(({ pools }) => pools.map(({ pool }) => regions.get(pool) ?? regions.get('*') ?? pool)));
  if (named.size > REGIONS_MAX) throw tooManyRegions(named.size);
  const spelled = pathsFor(entry, guesses, dirname(file));
  const drafted = draftOf(inventory, { source, provider: importer.called, entry: spelled, guesses, regions, probe, file });
  if (!drafted.ok) {
    context.err([...leftLines(drafted.left), ''].join('\n'));
    if (drafted.problems.length > 0) return sayProblems(drafted.problems, options.json, context);
    context.err(`nothing of ${source} can be configured; nothing was written\n`);
    return ERRORS.ERR_NOT_FOUND.exit;
  }
  const { draft } = drafted;
  if (out !== undefined) write(out, draft.text, options.force === true);
  if (options.json === true) {
    const services = draft.taken.map(({ service, ttlS, pools, notes, firstFence }) => ({ service, ttlS, pools, notes, firstFence }));
    context.out(
      `${JSON.stringify({ outcome: out === undefined ? 'drafted' : 'written', file: out ?? null, services, left: draft.left, text: draft.text })}\n`,
    );
    return 0;
  }
  if (out === undefined) {
    context.out(draft.text);
    context.err(told(draft, source, 'printed'));
    return 0;
  }
  context.out(told(draft, source, `written to ${out}`));
  context.err(`next: tidegate check -c ${out}, then put the real health endpoints in place of the guesses\n`);
  return 0;
};
