// One tarball that npm can install: the command line and the service as JavaScript, since Node does not strip types inside node_modules. Holds what runs and
// nothing else: no tests, no source maps, no path of the machine that made it. The same commit makes the same tarball.
//
//     npm run pack [-- --out DIR]     writes DIR/tidegate-<version>.tgz (DIR: .tidegate) and prints its path
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const ROOMS = ['src', 'providers', 'policies'];
/** What browsers run has a library of its own. */
const PAGE = 'src/dashboard/page';

interface Manifest {
  name: string;
  version: string;
  description: string;
  license: string;
  engines: Record<string, string>;
  dependencies: Record<string, string>;
}

/** Emits every file of these folders, as their tsconfig has it; the compiler also turns `./x.ts` in imports into `./x.js`. */
const emit = (stage: string, out: string, tsconfig: string, folders: readonly string[]): void => {
  const config = join(stage, 'tsconfig.json');
  const compilerOptions = {
    noEmit: false,
    rewriteRelativeImportExtensions: true,
    rootDir: ROOT,
    outDir: out,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  };
  writeFileSync(
    config,
    JSON.stringify({ extends: join(ROOT, tsconfig), compilerOptions, include: folders.map((folder) => join(ROOT, folder)) }),
  );
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
};

/** What is read at run time and is no code. */
const copyAssets = (out: string): void => {
  for (const room of ROOMS)
    for (const file of readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })) {
      if (/\.(ts|md)$|(^|\/)tsconfig\.json$/.test(file) || !statSync(join(ROOT, room, file)).isFile()) continue;
      mkdirSync(dirname(join(out, room, file)), { recursive: true });
      cpSync(join(ROOT, room, file), join(out, room, file));
    }
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) if (existsSync(join(ROOT, file))) cpSync(join(ROOT, file), join(out, file));
};

const manifestOf = ({ name, version, description, license, engines, dependencies }: Manifest) => ({
  name,
  version,
  description,
  license,
  type: 'module',
  engines,
  bin: { [name]: 'src/main.js' },
  files: ROOMS,
  dependencies,
});

const read = (file: string): unknown => JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
const write = (file: string, content: object): void => writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);

const pack = (to: string): string => {
  const stage = mkdtempSync(join(tmpdir(), 'tidegate-pack-'));
  try {
    const out = join(stage, 'package');
    mkdirSync(out);
    emit(stage, out, 'tsconfig.json', ROOMS);
    emit(stage, out, `${PAGE}/tsconfig.json`, [PAGE]);
    copyAssets(out);
    const manifest = manifestOf(read('package.json') as Manifest);
    write(join(out, 'package.json'), manifest);
    mkdirSync(to, { recursive: true });
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', to], {
      cwd: out,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return join(to, `${manifest.name}-${manifest.version}.tgz`);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
};

const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, '.tidegate') } } });
process.stdout.write(`${pack(resolve(values.out))}\n`);
