// What the operator's page is made of, read into memory once: an upgrade that changes the files under a running process never mixes two versions. A file is
// served as a file: modules small (shrink.ts) and each by itself, bare names resolved by the import map in the page. A fixed table: what is not in it cannot be
// asked for. Shrinking and zipping happen when a file is first asked for, so that a start costs nothing, and in other threads than the probes'.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, extname, join, posix } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { errorText, Fault } from '../errors.ts';
import { type Small, shrinker, stripped } from './shrink.ts';

export interface Asset {
  /** Its content type. */
  type: string;
  /** Of a module: what it imports before it runs, as it is written there. */
  imports: readonly string[];
  made(): Promise<MadeAsset>;
}

export interface MadeAsset {
  plain: Buffer;
  zipped: Buffer;
  /** In quotes, of the plain bytes. */
  etag: string;
  /** Of a module: its source map, zipped. */
  map: Buffer | null;
}

export interface PageAssets {
  page: Asset;
  /** By path under /assets/. */
  files: ReadonlyMap<string, Asset>;
  /** Of the import map that stands in the page, as `script-src` names it. */
  importMapHash: string;
}

/** Modules of others. uPlot's own module is twice as large as its minified script, which one line turns into a module. */
const VENDOR: readonly { specifier: string; of?: string; within?: string; file: string; name: string; ending?: string }[] = [
  { specifier: 'preact', file: 'dist/preact.mjs', name: 'preact.js' },
  { specifier: 'preact/hooks', of: 'preact', file: 'hooks/dist/hooks.mjs', name: 'preact-hooks.js' },
  { specifier: '@preact/signals', file: 'dist/signals.mjs', name: 'signals.js' },
  { specifier: '@preact/signals-core', within: '@preact/signals', file: 'dist/signals-core.mjs', name: 'signals-core.js' },
  { specifier: 'htm', file: 'dist/htm.module.js', name: 'htm.js' },
  { specifier: 'uplot', file: 'dist/uPlot.iife.min.js', name: 'uplot.js', ending: '\nexport default uPlot;\n' },
];

const TYPES: Readonly<Record<string, string>> = {
  '.ts': 'text/javascript; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.html': 'text/html; charset=utf-8',
};

const notWhole = (what: string, cause?: unknown): Fault =>
  new Fault('ERR_INSTALL', `the operator's page is not whole: ${what}; install the same release again`, { cause });

/** Where a package lies, seen from another one or from here. Throws Fault ERR_INSTALL where it is not installed. */
const packageFolder = (name: string, from: string = import.meta.filename): string => {
  const manifest = findPackageJSON(name, from);
  if (manifest === undefined) throw notWhole(`the package ${name} is not installed`);
  return dirname(manifest);
};

/** Without comments, and without blanks that only readers need. */
const smallStyle = (source: string): string =>
  source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,]) ?/g, '$1')
    .replace(/: /g, ':')
    .trim();

const zip = promisify(gzip);
/** Smaller blocks suit files of a few kB. */
const ZIP = { level: 9, memLevel: 7 };

/** `import … from '…'`, also where nothing stands between the words; `import type` is nothing at run time, and `import()` comes later. */
const importsIn = (source: string): readonly string[] =>
  [...source.matchAll(/(?:^|[;}\n])\s*(?:import|export)\b(?!\s*type\b)[^;'"`()]*?['"]([^'"]+)['"]/g)].map(
    ([, specifier = '']) => specifier,
  );

/** Made once; what could not be made is tried again when it is next asked for. */
export const assetOf = (type: string, text: () => string | Promise<Small>, imports: readonly string[] = []): Asset => {
  const make = async (): Promise<MadeAsset> => {
    const found = await text();
    const { code, map } = typeof found === 'string' ? { code: found, map: null } : found;
    const plain = Buffer.from(code);
    const hash = createHash('sha256').update(plain).digest('base64url').slice(0, 22);
    return { plain, zipped: await zip(plain, ZIP), etag: `"${hash}"`, map: map === null ? null : await zip(map) };
  };
  let made: Promise<MadeAsset> | null = null;
  return {
    type,
    imports,
    made: () =>
      (made ??= make().catch((error: unknown) => {
        made = null;
        throw error;
      })),
  };
};

const isModule = (name: string): boolean => TYPES[extname(name)] === TYPES['.js'];

type Shrink = ReturnType<typeof shrinker>;

/** Where no thread can be had a module that weighs more is better than none. */
export const moduleText = (name: string, source: string, shrink: Shrink): Promise<Small> =>
  shrink(name, source).catch(() => ({ code: name.endsWith('.ts') ? stripped(source) : source, map: null }));

const fileAsset = (name: string, source: string, shrink: Shrink): Asset => {
  const type = TYPES[extname(name)] ?? '';
  if (isModule(name)) return assetOf(type, () => moduleText(name, source, shrink), importsIn(source));
  return assetOf(type, () => (extname(name) === '.css' ? smallStyle(source) : source.replace(/<!--[\s\S]*?-->/g, '')));
};

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw notWhole(errorText(error), error);
  }
};

/** `[path under /assets/, asset]` */
const vendorAssets = (): readonly [string, Asset][] =>
  VENDOR.map(({ specifier, of = specifier, within, file, name, ending = '' }): [string, Asset] => {
    const folder = within === undefined ? packageFolder(of) : packageFolder(of, join(packageFolder(within), 'package.json'));
    const source = read(join(folder, file)).replace(/\/\/# sourceMappingURL=\S+\s*$/, '');
    return [`vendor/${name}`, assetOf(TYPES['.js'] ?? '', () => source + ending, importsIn(source))];
  });

const pageNames = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => extname(name) in TYPES && !name.endsWith('.html'))
    .map((name) => name.replaceAll('\\', '/'))
    .sort();

const IMPORT_MAP = JSON.stringify({
  imports: Object.fromEntries(VENDOR.map(({ specifier, name }) => [specifier, `/assets/vendor/${name}`])),
});

/** What a module calls so is called so under /assets/. */
const neighbour = (name: string, specifier: string): string => posix.join(posix.dirname(name), specifier);

/** Throws Fault ERR_INSTALL for the first file that a module imports, now or later, and that is not there. */
const assertWhole = (sources: readonly (readonly [string, string])[], files: ReadonlyMap<string, Asset>): void => {
  for (const [name, source] of sources.filter(([each]) => isModule(each)))
    for (const specifier of [...importsIn(source), ...[...source.matchAll(/\bimport\('([^']+)'\)/g)].map(([, later = '']) => later)]) {
      const file = neighbour(name, specifier);
      if (specifier.startsWith('.') && !files.has(file)) throw notWhole(`${file}, which ${name} imports, is missing`);
    }
};

/** The module and all that has to be here before it runs, by name. */
const neededBy = (entry: string, files: ReadonlyMap<string, Asset>): readonly string[] => {
  const needed = new Set<string>();
  const follow = (name: string): void => {
    const asset = files.get(name);
    if (asset === undefined || needed.has(name)) return;
    needed.add(name);
    for (const specifier of asset.imports) {
      const vendor = VENDOR.find((each) => each.specifier === specifier)?.name;
      follow(vendor === undefined ? neighbour(name, specifier) : `vendor/${vendor}`);
    }
  };
  follow(entry);
  return [...needed].sort();
};

/**
 * The page with what the browser has to know before its first module: the import map, and every module that this one needs by name, since a browser that learns
 * of each from the one before would cross an ocean as often as they are deep. Names of modules end as the files do, `.ts` here and `.js` in a packed release.
 */
const pageOf = (html: string, files: ReadonlyMap<string, Asset>): string => {
  const named = html.replace(/\/assets\/([\w/-]+)\.ts"/g, (as, stem: string) => (files.has(`${stem}.js`) ? `/assets/${stem}.js"` : as));
  const [, entry = ''] = /<script type="module" src="\/assets\/([^"]+)"/.exec(named) ?? [];
  const preloads = neededBy(entry, files).map((name) => `<link rel="modulepreload" href="/assets/${name}">\n`);
  return named.replace('<script', `<script type="importmap">${IMPORT_MAP}</script>\n${preloads.join('')}<script`);
};

/** Reads everything that the page is made of. Throws Fault ERR_INSTALL where a file of it is missing. */
export const openAssets = (folder: string = join(import.meta.dirname, 'page')): PageAssets => {
  const shrink = shrinker();
  const sources = pageNames(folder).map((name) => [name, read(join(folder, name))] as const);
  const own = sources.map(([name, source]): [string, Asset] => [name, fileAsset(name, source, shrink)]);
  const files = new Map([...own, ...vendorAssets()]);
  assertWhole(sources, files);
  const html = pageOf(read(join(folder, 'index.html')), files);
  return {
    page: assetOf(TYPES['.html'] ?? '', () => html),
    files,
    importMapHash: `sha256-${createHash('sha256').update(IMPORT_MAP).digest('base64')}`,
  };
};
