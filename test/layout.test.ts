// The structure, held by a test: who may import whom, what only the ports may touch, no dead files, no undocumented error, a lockfile that installs
// everywhere. Reads imports as text: every import in this project is a plain literal.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../src/errors.ts';

const ROOT = join(import.meta.dirname, '..');

const filesUnder = (folder: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file))
    .sort();

const PRODUCTION = ['src', 'providers', 'policies'].flatMap(filesUnder);
const TESTS = filesUnder('test');

/** Each file is read once: some rules hold every file against every other. */
const texts = new Map<string, string>();
const textOf = (file: string): string => {
  const known = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8');
  texts.set(file, known);
  return known;
};

/** Source without comments; strings stay, since an import is one. */
const codeOf = (file: string): string =>
  textOf(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|[^:'"`])\/\/[^\n]*/g, '$1');

interface Import {
  from: string;
  /** Path within the project, or the name of a package or built-in. */
  to: string;
  typeOnly: boolean;
}

const importsOf = (file: string): readonly Import[] => {
  const code = codeOf(file);
  const resolve = (specifier: string): string => (specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier);
  const statics = [...code.matchAll(/(?:^|\n)\s*(?:import|export)\s+(type\s)?([^;'"]*?from\s+)?['"]([^'"]+)['"]/g)];
  const dynamics = [...code.matchAll(/import\(\s*['"]([^'"]+)['"]\s*\)/g)];
  return [
    ...statics.map((m) => ({ from: file, to: resolve(m[3] ?? ''), typeOnly: m[1] !== undefined || isAllTypes(m[2] ?? '') })),
    ...dynamics.map((m) => ({ from: file, to: resolve(m[1] ?? ''), typeOnly: false })),
  ];
};

/** `{ type A, type B } from`: nothing is left of it at run time. */
const isAllTypes = (clause: string): boolean => {
  const names =
    /\{([^}]*)\}/
      .exec(clause)?.[1]
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '') ?? [];
  return names.length > 0 && names.every((name) => name.startsWith('type '));
};

const GRAPH: readonly Import[] = PRODUCTION.flatMap(importsOf);

const show = (imports: readonly Import[]): readonly string[] => imports.map((i) => `${i.from} -> ${i.to}`);

// ---- the graph ----

/** No clock, no randomness, no IO, and nothing imported that has them. */
const PURE_ROOMS = ['src/health/', 'src/decide/', 'src/whatif/', 'policies/', 'src/doctor/checks/'];
const PURE_FILES = [
  'src/api/standing.ts',
  'src/model.ts',
  'src/api/dossier.ts',
  'src/api/doubts.ts',
  'src/api/matrix.ts',
  'src/api/region-card.ts',
  'src/api/vantage-card.ts',
  'src/api/health-detail.ts',
  'src/audit/canonical.ts',
  'src/audit/chain.ts',
  'src/audit/export-file.ts',
  'src/audit/journal.ts',
  'src/audit/lines.ts',
  'src/audit/verify.ts',
  'src/coordinate/keys.ts',
  'src/exposition.ts',
  'src/publish/batches.ts',
  'src/publish/paths.ts',
  'src/publish/plan.ts',
  'providers/addresses.ts',
  'providers/batch.ts',
  'providers/fence.ts',
  'providers/pool-names.ts',
  'providers/rounding.ts',
  'src/converge/landing.ts',
  'src/converge/measure.ts',
  'src/converge/timings.ts',
  'src/client/voice.ts',
  'src/command/desk/findings.ts',
  'src/command/desk/text.ts',
  'src/config/defaults.ts',
  'src/config/arithmetic.ts',
  'src/config/named-files.ts',
  'src/config/words.ts',
  'src/dashboard/page/incident.ts',
  'src/dns/address.ts',
  'src/dashboard/banner.ts',
  'src/dashboard/page/protocol.ts',
  'src/dashboard/page/acts.ts',
  'src/dashboard/page/records.ts',
  'src/dashboard/page/words.ts',
  'src/dashboard/markup.ts',
  'src/dashboard/plain.ts',
  'src/doctor/check.ts',
  'src/doctor/index.ts',
  'src/doctor/told.ts',
  'src/doctor/tools.ts',
  'src/paging/about.ts',
  'src/paging/alone.ts',
  'src/paging/belief.ts',
  'src/paging/break-glass.ts',
  'src/paging/fit.ts',
  'src/paging/incidents.ts',
  'src/paging/message.ts',
  'src/paging/page-types.ts',
  'src/paging/retention.ts',
  'src/paging/routing.ts',
  'src/paging/ways.ts',
  'src/paging/wording.ts',
  'src/probe/schedule.ts',
  'src/probe/watching.ts',
  'src/runbook/run.ts',
  'src/runbook/words.ts',
  'src/runbook/news.ts',
  'src/runbook/commit.ts',
  'src/runbook/starter.ts',
  'src/drill/backtest.ts',
  'src/drill/calm.ts',
  'src/drill/faults.ts',
  'src/drill/findings.ts',
  'src/drill/lose-region.ts',
  'src/drill/moves.ts',
  'src/drill/rerun.ts',
  'src/drill/run.ts',
  'src/drill/scorecard.ts',
  'src/drill/source.ts',
  'src/runbook/advise.ts',
  'src/runbook/audit.ts',
  'src/runbook/cache/info.ts',
  'src/runbook/estimate.ts',
  'src/runbook/facts.ts',
  'src/runbook/model.ts',
  'src/runbook/platform.ts',
  'src/runbook/plan.ts',
  'src/runbook/postgres/ladder.ts',
  'src/runbook/prometheus/selectors.ts',
  'src/runbook/seeds.ts',
  'src/runbook/managed/standing.ts',
  'src/runbook/temporal/codes.ts',
  'src/runbook/temporal/moves.ts',
  'src/runbook/temporal/mover.ts',
  'src/runbook/parallel.ts',
  'src/objectives/matrix.ts',
  'src/objectives/model.ts',
  'src/objectives/news.ts',
  'src/objectives/objective.ts',
  'src/objectives/window.ts',
  'src/verify/line.ts',
  'src/verify/plan.ts',
];
/** Packages that compute from what they are given alone, as they are used here. */
const PURE_PACKAGES = ['croner'];
const isPure = (file: string): boolean => PURE_ROOMS.some((room) => file.startsWith(room)) || PURE_FILES.includes(file);

test('pure modules import only pure modules', () => {
  const wrong = GRAPH.filter(
    (i) => isPure(i.from) && !i.typeOnly && !isPure(i.to) && !['node:assert', 'node:crypto', ...PURE_PACKAGES].includes(i.to),
  );
  expect(show(wrong)).toEqual([]);
});

test('the pure rooms and files are there', () => {
  for (const file of PURE_FILES) expect(existsSync(join(ROOT, file)), file).toBe(true);
  for (const room of PURE_ROOMS)
    expect(
      PRODUCTION.some((file) => file.startsWith(room)),
      room,
    ).toBe(true);
});

const pluginOf = (file: string): string | null => {
  const provider = /^providers\/([^/]+)\//.exec(file);
  if (provider !== null) return `providers/${provider[1]}`;
  const around = /^src\/runbook\/([^/]+)\//.exec(file);
  if (around !== null) return `src/runbook/${around[1]}`;
  const policy = /^policies\/(steering|safety|models)\/([^/]+)\.ts$/.exec(file);
  return policy === null ? null : `policies/${policy[1]}/${policy[2]}`;
};

test('plug-ins import their contract, never one another', () => {
  const wrong = GRAPH.filter((i) => pluginOf(i.from) !== null && pluginOf(i.to) !== null && pluginOf(i.from) !== pluginOf(i.to));
  expect(show(wrong)).toEqual([]);
});

/** `from` never imports `to`; why. */
const FORBIDDEN: readonly { from: RegExp; to: RegExp; why: string }[] = [
  { from: /^src\/decide\//, to: /^src\/publish\//, why: 'deciding knows nothing of publishing' },
  { from: /^src\/api\//, to: /^(providers\/|src\/publish\/)/, why: 'the API submits inputs and reads state; it never calls a provider' },
  {
    from: /^providers\//,
    to: /^src\/(decide|coordinate|publish|api|paging|probe|health|store|config)\//,
    why: 'an adapter converts and calls, nothing else',
  },
  {
    from: /^policies\//,
    to: /^(providers\/|src\/(?!model\.ts|runbook\/(model|platform|seeds)\.ts))/,
    why: 'a policy knows the vocabulary only',
  },
  {
    from: /^src\/(probe|store|dns)\//,
    to: /^src\/(decide|publish|api|paging|converge)\//,
    why: 'probing, storing and resolving serve the deciders, not the other way round',
  },
  { from: /^src\/(?!main\.ts)/, to: /^src\/main\.ts$/, why: 'the composition root is imported by nobody' },
];

test('rooms keep to their side of the walls', () => {
  for (const { from, to, why } of FORBIDDEN)
    expect(show(GRAPH.filter((i) => from.test(i.from) && to.test(i.to) && !i.typeOnly)), why).toEqual([]);
});

// ---- ambient things ----

/** What is banned outside the ports, and what to use instead. */
const AMBIENT: readonly { pattern: RegExp; instead: string }[] = [
  { pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)/, instead: 'ports.clock.wallMs()' },
  { pattern: /\bperformance\s*\./, instead: 'ports.clock.monoMs()' },
  { pattern: /\bprocess\.hrtime\b|\bprocess\.uptime\b/, instead: 'ports.clock.monoMs()' },
  // A socket's own limit of silence is no timer of ours.
  { pattern: /(?<!\bsocket\.)\b(setTimeout|setInterval|setImmediate)\s*\(/, instead: 'ports.timers.after' },
  { pattern: /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\brandomInt\b|\bgetRandomValues\b/, instead: 'ports.random' },
  { pattern: /\bAbortSignal\.timeout\b/, instead: 'withDeadline of src/ports.ts' },
  { pattern: /(^|[^.\w])fetch\s*\(/, instead: 'undici with ports.net' },
];
const SOCKET_MODULES = new Set([
  'node:net',
  'node:tls',
  'node:dgram',
  'node:http',
  'node:https',
  'node:http2',
  'node:dns',
  'node:dns/promises',
  'node:timers',
  'node:timers/promises',
  'node:perf_hooks',
]);
/** The page in a browser has a door of its own, and a composition root. */
const PAGE = 'src/dashboard/page/';
const PAGE_DOOR = `${PAGE}browser.ts`;
const PAGE_ROOT = `${PAGE}main.ts`;
const DOORS = ['src/ports.ts', 'src/main.ts', PAGE_DOOR];

test('time, randomness and sockets come in through the ports only', () => {
  const found = PRODUCTION.filter((file) => !DOORS.includes(file)).flatMap((file) =>
    AMBIENT.filter(({ pattern }) => pattern.test(codeOf(file))).map(
      ({ pattern, instead }) => `${file}: ${pattern.exec(codeOf(file))?.[0]?.trim()}: use ${instead}`,
    ),
  );
  expect(found).toEqual([]);
  expect(show(GRAPH.filter((i) => !DOORS.includes(i.from) && !i.typeOnly && SOCKET_MODULES.has(i.to)))).toEqual([]);
});

test('the ban sees what it bans', () => {
  const samples = [
    'Date.now()',
    'new Date()',
    'performance.now()',
    'setTimeout(f, 1)',
    'Math.random()',
    'randomBytes(4)',
    'AbortSignal.timeout(5)',
    ' fetch(url)',
  ];
  for (const sample of samples)
    expect(
      AMBIENT.some(({ pattern }) => pattern.test(sample)),
      sample,
    ).toBe(true);
  expect(AMBIENT.some(({ pattern }) => pattern.test('new Date(wallMs).toISOString(); timers.after(5)'))).toBe(false);
});

// ---- the page ----

const PAGE_PACKAGES = ['preact', 'preact/hooks', '@preact/signals', 'htm', 'uplot'];
const isOfPage = (file: string): boolean => file.startsWith(PAGE);

test('modules of the page import one another, what is served beside them, and types; the server imports none but pure ones', () => {
  const wrong = GRAPH.filter(
    ({ from, to, typeOnly }) =>
      isOfPage(from) &&
      !isOfPage(to) &&
      !PAGE_PACKAGES.includes(to) &&
      !(typeOnly && /^src\/(client\/schema|model|api\/[\w-]+)\.ts$/.test(to)),
  );
  expect(show(wrong)).toEqual([]);
  expect(show(GRAPH.filter(({ from, to }) => !isOfPage(from) && isOfPage(to) && !isPure(to)))).toEqual([]);
});

/** What a browser has beside the document, through the door only; and what turns text into markup or code, never. */
const OF_BROWSER =
  /\b(window|localStorage|sessionStorage|indexedDB|EventSource|WebSocket|XMLHttpRequest|requestAnimationFrame|requestIdleCallback|matchMedia)\b|(^|[^.\w'])(location|history|navigator|crypto)\s*\.|\bdocument\.cookie\b/m;
const MARKUP = /\b(innerHTML|outerHTML|dangerouslySetInnerHTML|insertAdjacentHTML|document\.write|eval|Function)\b\s*[(=:]/;

test('only the door of the page touches what a browser has, and nothing of it turns text into markup', () => {
  const modules = PRODUCTION.filter(isOfPage);
  expect(modules.length).toBeGreaterThan(0);
  expect(modules.filter((file) => file !== PAGE_DOOR && OF_BROWSER.test(codeOf(file)))).toEqual([]);
  expect(modules.filter((file) => MARKUP.test(codeOf(file)))).toEqual([]);
  for (const sample of ['window.open()', 'x = location.hash', 'new EventSource(url)', 'localStorage.a', 'document.cookie = 1'])
    expect(OF_BROWSER.test(sample), sample).toBe(true);
  for (const sample of ['a.innerHTML = b', '{ dangerouslySetInnerHTML: x }', 'eval(x)', 'new Function(x)'])
    expect(MARKUP.test(sample), sample).toBe(true);
});

// ---- nothing dead, nothing stray ----

const reachable = (starts: readonly string[], graph: readonly Import[]): ReadonlySet<string> => {
  const seen = new Set<string>(starts);
  const queue = [...starts];
  for (let file = queue.pop(); file !== undefined; file = queue.pop())
    for (const { to } of graph.filter((i) => i.from === file)) {
      if (seen.has(to)) continue;
      seen.add(to);
      queue.push(to);
    }
  return seen;
};

test('every production file is reached from the command line, or from the root of the page', () => {
  const alive = reachable(['src/main.ts', PAGE_ROOT], GRAPH);
  expect(PRODUCTION.filter((file) => !alive.has(file))).toEqual([]);
});

test('every file of the tests is a test, or used by one', () => {
  const graph = [...GRAPH, ...TESTS.flatMap(importsOf)];
  // What `npm run` starts.
  const scripts = TESTS.filter((file) => textOf('package.json').includes(` ${file}`));
  const starts = [...TESTS.filter((file) => file.endsWith('.test.ts')), ...scripts, 'test/vitest.config.ts'];
  // A test may start a file as a process of its own instead of importing it.
  const names = new Set(TESTS.flatMap((file) => [...textOf(file).matchAll(/([\w.-]+\.ts)'/g)].map((match) => `${file} ${match[1]}`)));
  const namedBy = new Map<string, string[]>();
  for (const each of names) {
    const [by = '', name = ''] = each.split(' ');
    namedBy.set(name, [...(namedBy.get(name) ?? []), by]);
  }
  const named = TESTS.filter((file) => namedBy.get(file.split('/').at(-1) ?? '')?.some((other) => other !== file) === true);
  const alive = reachable([...starts, ...named], graph);
  expect(TESTS.filter((file) => !alive.has(file))).toEqual([]);
});

test('the top level holds what the owner wants and nothing else', () => {
  const allowed = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'src',
    'providers',
    'policies',
    'deploy',
    'test',
    'Dockerfile',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'node_modules',
  ];
  const found = readdirSync(ROOT).filter((entry) => !entry.startsWith('.') && !allowed.includes(entry));
  expect(found).toEqual([]);
});

test('no default exports, no barrels: an index is a table', () => {
  const defaults = PRODUCTION.filter((file) => /\bexport default\b/.test(codeOf(file)));
  const barrels = PRODUCTION.filter((file) => /export \* from/.test(codeOf(file)));
  expect([...defaults, ...barrels]).toEqual([]);
});

// ---- documents ----

test('every error code is documented and used', () => {
  const manual = textOf('src/README.md');
  // The client's types name every code; that is no use of it.
  const code = PRODUCTION.filter((file) => !['src/errors.ts', 'src/client/schema.ts'].includes(file))
    .map(codeOf)
    .join('\n');
  expect(Object.keys(ERRORS).filter((name) => !manual.includes(`\`${name}\``))).toEqual([]);
  expect(Object.keys(ERRORS).filter((name) => !code.includes(`'${name}'`) && !code.includes(`ERRORS.${name}`))).toEqual([]);
});

test('every folder of the top level has a manual for its reader', () => {
  for (const folder of ['src', 'providers', 'policies', 'deploy', 'test'])
    expect(existsSync(join(ROOT, folder, 'README.md')), folder).toBe(true);
});

test('every npm script that a document names exists', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(textOf('package.json'));
  const documents = ['README.md', 'src/README.md', 'test/README.md', 'deploy/README.md', 'providers/README.md', 'policies/README.md'];
  const named = documents.flatMap((file) => [...textOf(file).matchAll(/npm run ([a-z:]+)/g)].map((m) => ({ file, script: m[1] ?? '' })));
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter(({ script }) => scripts[script] === undefined)).toEqual([]);
});

test('a row of a table in a document is one line with both of its ends', () => {
  const documents = ['.', 'src', 'deploy', 'deploy/etcd', 'test', 'policies', 'providers', ...providerFolders()].map((folder) =>
    join(folder, 'README.md'),
  );
  const broken = documents.flatMap((file) =>
    withoutCode(textOf(file)).flatMap((line, at) => (line.startsWith('|') && !line.trimEnd().endsWith('|') ? [`${file}:${at + 1}`] : [])),
  );
  expect(broken).toEqual([]);
});

const providerFolders = (): readonly string[] =>
  readdirSync(join(ROOT, 'providers'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `providers/${entry.name}`);

/** Lines, those within code fences emptied. */
const withoutCode = (text: string): readonly string[] => {
  let inside = false;
  return text.split('\n').map((line) => {
    const fence = line.startsWith('```');
    if (fence) inside = !inside;
    return inside || fence ? '' : line;
  });
};

test('every dependency has its line of why in the README', () => {
  const {
    dependencies,
    devDependencies,
    optionalDependencies,
  }: Record<string, Record<string, string>> = JSON.parse(textOf('package.json'));
  const readme = textOf('README.md');
  const names = [...Object.keys(dependencies ?? {}), ...Object.keys(devDependencies ?? {})];
  expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  expect(Object.keys(optionalDependencies ?? {}).length).toBe(4);
});

// ---- the lockfile ----

// npm drops optional packages that a registry lacks from the lockfile without a word, and `npm ci` elsewhere then refuses the whole file.
test('every optional dependency that the lockfile mentions has an entry of its own', () => {
  const { packages }: { packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }> } = JSON.parse(
    textOf('package-lock.json'),
  );
  const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)));
  const wanted = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).map((name) => ({ path, name })),
  );
  expect(wanted.length).toBeGreaterThan(10);
  expect(wanted.filter(({ name }) => !names.has(name))).toEqual([]);
});

test('the lockfile names no registry host', () => {
  expect(textOf('package-lock.json')).not.toMatch(/"resolved":\s*"https?:/);
});
