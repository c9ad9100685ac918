// What this project takes from others, held by a test: pinned, with integrity, from the public registry alone, under licences that are named here, without
// install scripts or native add-ons, and nothing that is not imported. deploy/ops/security-posture.md has the policy in words.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { strangeAmong } from '../src/doctor/instruments/host.ts';

const ROOT = join(import.meta.dirname, '..');

interface Locked {
  version?: string;
  resolved?: string;
  integrity?: string;
  license?: string;
  link?: boolean;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
  hasInstallScript?: boolean;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(textOf('package.json')) as Locked & { scripts: Record<string, string> };
const { '': root = {}, ...packages } = (JSON.parse(textOf('package-lock.json')) as { packages: Record<string, Locked> }).packages;
const all = Object.entries(packages);
const production = all.filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true);
const nameOf = (folder: string): string => folder.replace(/^.*node_modules\//, '');
const namesWhere = (some: typeof all, is: (locked: Locked) => boolean): readonly string[] =>
  some.filter(([, locked]) => is(locked)).map(([folder]) => nameOf(folder));

test('every package of the lockfile has an integrity, and comes from the public registry or from wherever npm is told, never from elsewhere', () => {
  expect(all.length).toBeGreaterThan(100);
  expect(namesWhere(all, ({ integrity }) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''))).toEqual([]);
  expect(namesWhere(all, ({ link }) => link === true)).toEqual([]);
  expect(namesWhere(all, ({ resolved }) => resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/'))).toEqual([]);
});

test('versions are pinned exactly, and the lockfile is of this manifest', () => {
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'] as const) {
    const wanted = manifest[kind] ?? {};
    expect(Object.entries(wanted).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
    expect(root[kind]).toEqual(wanted);
    for (const [name, version] of Object.entries(wanted)) expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
  }
});

/** Licences that ask for nothing but their own text. */
const ALLOWED = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'MIT-0'];
/** Production packages under another licence, and why that is well. */
const EXCEPTIONS: Readonly<Record<string, { license: string; why: string }>> = {
  argparse: { license: 'PSF-2.0', why: "a port of Python's module under Python's own licence, which asks for its text only" },
  'fast-sha256': { license: 'Unlicense', why: 'given to the public domain' },
  'stream-buffers': { license: 'Unlicense', why: 'given to the public domain' },
};

test('what runs in production has a licence of the list, or is named with the reason', () => {
  const others = production.filter(([, { license }]) => !ALLOWED.includes(license ?? ''));
  expect(Object.fromEntries(others.map(([folder, { license }]) => [nameOf(folder), license]))).toEqual(
    Object.fromEntries(Object.entries(EXCEPTIONS).map(([name, { license }]) => [name, license])),
  );
});

test('the licence of an installed package is the one of the lockfile', () => {
  const installed = production.filter(([folder]) => existsSync(join(ROOT, folder, 'package.json')));
  expect(installed.length).toBeGreaterThan(100);
  for (const [folder, { license, version }] of installed) {
    const own = JSON.parse(textOf(join(folder, 'package.json'))) as { license?: string; version?: string };
    expect({ folder, license: own.license, version: own.version }).toEqual({ folder, license, version });
  }
});

test('no install script runs: npm is told so everywhere, and these are the packages that have one', () => {
  expect(namesWhere(production, ({ hasInstallScript }) => hasInstallScript === true)).toEqual(['msgpackr-extract', 'protobufjs']);
  expect(textOf('.npmrc').split('\n')).toContain('ignore-scripts=true');
  const places = [
    ...Object.values(manifest.scripts),
    ...['.ci/run', 'Dockerfile', 'README.md', 'deploy/README.md']
      .filter((file) => existsSync(join(ROOT, file)))
      .flatMap((file) => textOf(file).split('\n')),
  ];
  const installs = places.filter((line) => /\bnpm (ci|install|i)\b/.test(line));
  expect(installs.length).toBeGreaterThan(0);
  expect(installs.filter((line) => /\bnpm ci\b/.test(line) && !line.includes('--ignore-scripts'))).toEqual([]);
});

const sources = ['src', 'providers', 'policies'].flatMap((room) =>
  readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => textOf(join(room, file))),
);
/** `@scope/name/deep` -> `@scope/name`. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
const imported = (pattern: RegExp): ReadonlySet<string> =>
  new Set(
    sources
      .flatMap((text) => [...text.matchAll(pattern)].map((match) => packageOf(match[1] ?? '')))
      .filter((name) => !/^(\.|node:)/.test(name)),
  );

test('production imports what the manifest names, and the manifest names nothing that is not imported', () => {
  const used = imported(/(?:^|\n)\s*(?:import|export)\s+(?!type\s)[^;'"]*?from\s+'([^']+)'/g);
  const late = imported(/import\(\s*'([^']+)'\s*\)/g);
  const required = imported(/\brequire(?:\.resolve)?\(\s*'([^']+)'\s*\)/g);
  expect([...new Set([...used, ...late, ...required])].sort()).toEqual(Object.keys(manifest.dependencies ?? {}).sort());
});

test('the only native add-on that lies there is the one of the codec of the queue, and it is not loaded', { timeout: 120_000 }, () => {
  const native = production
    .filter(([folder]) => existsSync(join(ROOT, folder)))
    .filter(([folder]) => readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).some((file) => file.endsWith('.node')))
    .map(([folder]) => nameOf(folder));
  expect(native.filter((name) => !name.startsWith('@msgpackr-extract/'))).toEqual([]);
  const load = (program: string): unknown =>
    JSON.parse(
      execFileSync(
        process.execPath,
        [
          '--no-warnings',
          '--input-type=module',
          '-e',
          `${program}; console.log(JSON.stringify(process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node')).length))`,
        ],
        { cwd: ROOT, encoding: 'utf8' },
      ),
    );
  // Without our loader it is, where one fits this machine: so this test can tell.
  if (native.length > 0) expect(load("await import('bullmq')")).toBeGreaterThan(0);
  expect(
    load(
      "await (await import('./src/paging/redis-queue.ts')).createRedisQueue({ channels: [], redis: null }).catch(() => undefined); await import('bullmq')",
    ),
  ).toBe(0);
});

test('what is installed is what the lockfile says, and what is not would be told', () => {
  const installed = (JSON.parse(textOf('node_modules/.package-lock.json')) as { packages: Record<string, Locked> }).packages;
  expect(strangeAmong(installed, packages)).toEqual([]);
  const [[folder, locked] = ['', {}]] = all;
  expect(strangeAmong({ [folder]: { ...locked, integrity: `sha512-${'A'.repeat(86)}==` } }, packages)).toEqual([nameOf(folder)]);
  expect(strangeAmong({ 'node_modules/left-pad': { version: '1.3.0', integrity: 'sha512-x' } }, packages)).toEqual(['left-pad']);
});
