import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { paceOf } from '../../src/config/arithmetic.ts';
import { joinProblems } from '../../src/config/check.ts';
import { examineConfig } from '../../src/config/files.ts';
import { FILE_BYTES_MAX, loadCluster, loadConfig, parseConfig } from '../../src/config/load.ts';
import { renderProblem } from '../../src/config/problem.ts';
import { accepted, EXAMPLES, expectFile, FIXTURES, fixture, fixtures, goodWith, problemsOf } from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('one mistake per file', () => {
  test.each(fixtures(/^bad-.*\.yaml$/))('%s is refused with exactly the report beside it', (name) => {
    const loaded = loadConfig(join(FIXTURES, name));
    expect(loaded.ok).toBe(false);
    const text = problemsOf(loaded).map((problem) => `${renderProblem({ ...problem, file: name })}\n`);
    expectFile(name.replace('.yaml', '.txt'), text.join(''));
    expect(text.join('')).not.toContain('hunter2');
  });

  test('every report has its file, and the file they all start from is accepted without a warning', () => {
    expect(fixtures(/^bad-.*\.txt$/).map((name) => name.replace('.txt', '.yaml'))).toEqual(fixtures(/^bad-.*\.yaml$/));
    expect(accepted(fixture('good.yaml')).warnings).toEqual([]);
  });
});

describe('examples', () => {
  test.each(readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml')))('deploy/examples/%s loads without a warning', (name) => {
    const loaded = loadConfig(join(EXAMPLES, name));
    expect(problemsOf(loaded).map(renderProblem)).toEqual([]);
    expect(loaded.ok && loaded.warnings.map(renderProblem)).toEqual([]);
  });

  test('the replicas of one example agree about store, zone and tokens', () => {
    const [serving, ...joining] = ['local.yaml', 'local-b.yaml', 'local-c.yaml'].map((name) => {
      const loaded = loadConfig(join(EXAMPLES, name));
      if (!loaded.ok) throw new Error(name);
      return loaded.config;
    });
    if (serving?.store.kind !== 'embedded' || serving.store.serve === undefined) throw new Error('local.yaml serves no store');
    const { host, port, tokenFile } = serving.store.serve;
    for (const { store, providers, cluster } of joining) {
      expect(store).toEqual({ kind: 'remote', url: `http://${host}:${port}`, tokenFile });
      const { serve: _, ...written } = { serve: undefined, ...serving.providers.local };
      expect(providers.local).toEqual(written);
      expect(cluster).toBeNull();
    }
    expect(serving.cluster?.regions.map(({ name }) => name)).toEqual([serving, ...joining].map(({ region }) => region));
  });
});

describe('the example of many regions', () => {
  const ETCD = join(EXAMPLES, 'etcd');
  const replicas = ['eu-west', 'us-east', 'witness'].map((name) => {
    const loaded = loadConfig(join(ETCD, `${name}.yaml`));
    if (!loaded.ok) throw new Error(loaded.problems.map(renderProblem).join('\n'));
    return { name, ...loaded };
  });
  const loaded = loadCluster(join(ETCD, 'cluster.yaml'), paceOf(replicas[0]?.config.store ?? expect.fail('no replica')));
  const cluster = loaded.ok ? loaded.cluster : expect.fail('no cluster');

  test('every file is accepted without a warning, and it has a file per region and the shared part', () => {
    expect([...replicas.flatMap(({ warnings }) => warnings), ...(loaded.ok ? loaded.warnings : [])].map(renderProblem)).toEqual([]);
    expect(cluster.regions.map(({ name }) => name)).toEqual(replicas.map(({ name }) => name));
    expect(readdirSync(ETCD).sort()).toEqual(['cluster.yaml', ...replicas.map(({ name }) => `${name}.yaml`)].sort());
  });

  test('each replica fits the cluster, finds the same store, and asks its own region first', () => {
    for (const { name, config } of replicas) {
      expect(joinProblems(config, cluster)).toEqual([]);
      const { store } = config;
      if (store.kind !== 'etcd') throw new Error(name);
      expect(store).toMatchObject({ prefix: '/tidegate/prod/', timeoutMs: 1500 });
      expect(store.endpoints[0]).toContain(name);
      expect(store.endpoints.toSorted()).toEqual(replicas.map((each) => `https://etcd-${each.name}.example.net:2379`).sort());
    }
  });

  test('the witness votes, and holds no credentials', () => {
    const witness = replicas.find(({ name }) => name === 'witness');
    expect(witness?.config.providers).toEqual({});
    expect(cluster.regions.find(({ name }) => name === 'witness')).toMatchObject({ vote: true, coordinator: false });
    expect(cluster.services.flatMap(({ pools }) => pools).some(({ region }) => region === 'witness')).toBe(false);
  });

  test('files that are not there yet refuse nothing', () => {
    for (const { name } of replicas) {
      const examined = examineConfig(join(ETCD, `${name}.yaml`));
      expect(problemsOf(examined)).toEqual([]);
      for (const { message } of examined.ok ? examined.warnings : []) expect(message).toContain('expected it before the replica starts');
    }
  });
});

describe('what a file becomes', () => {
  test('defaults are those the model documents', () => {
    const { config } = accepted(fixture('good.yaml'), '/etc/tidegate/site.yaml');
    const service = config.cluster?.services[0];
    expect(service).toMatchObject({ mode: 'observe', ttlS: 30, steering: { kind: 'weighted' }, allDown: 'hold' });
    expect(service?.converge).toEqual({ authoritative: [], resolvers: [] });
    expect(service?.pools[0]).toMatchObject({ region: 'eu-west', weight: 1, minUp: 1 });
    expect(service?.pools[0]?.targets[0]).toEqual({
      name: 'app',
      from: 'all',
      healthz: { kind: 'http', url: 'http://192.0.2.10/healthz', status: [[200, 299]] },
      readyz: { kind: 'http', url: 'http://192.0.2.10/readyz', status: [[200, 299]] },
    });
    expect(config.cluster?.regions[0]).toMatchObject({ vote: true, coordinator: true });
    expect(config.cluster).toMatchObject({ version: 0, goals: { detectionMs: 30_000, convergenceMs: 60_000 } });
    expect(config).toMatchObject({ dns: { resolvers: [] }, paging: { channels: [], routes: [] }, log: { level: 'info' } });
  });

  test('every key can be given, and each arrives in the unit its name says', () => {
    const { config } = accepted(fixture('full.yaml'), '/etc/tidegate/site.yaml');
    expectFile('full.json', `${JSON.stringify(config, null, 2)}\n`);
  });

  test('paths start from the folder of the file, not from where the process runs', () => {
    const { config } = accepted(fixture('good.yaml'), '/etc/tidegate/site.yaml');
    expect(config.api.tokenFile).toBe('/etc/tidegate/operator.token');
    expect(config.store).toMatchObject({ file: '/etc/tidegate/store.sqlite' });
  });

  test('half of the targets that have a vote must be up, rounded up; local ones are no part of the half', () => {
    const [target] = /- \{ name: app.*192\.0\.2\.10.*\}/.exec(fixture('good.yaml')) ?? [''];
    const named = (name: string, from: string): string => target.replace('name: app', `name: ${name}, from: ${from}`);
    const minUp = (...targets: string[]): number | undefined =>
      accepted(goodWith(target, targets.join('\n            '))).config.cluster?.services[0]?.pools[0]?.minUp;
    expect(minUp(named('a', 'all'), named('b', 'all'), named('c', 'all'))).toBe(2);
    expect(minUp(named('a', 'all'), named('b', 'local'), named('c', 'local'))).toBe(1);
    expect(minUp(named('a', 'all'), named('b', 'all'))).toBe(1);
  });

  test('a file of a remote store may leave out the cluster; one that has it is told that it is not used', () => {
    const remote = goodWith('kind: embedded\n  file: ./store.sqlite', 'kind: remote\n  url: http://127.0.0.1:7710/\n  tokenFile: t');
    const [said] = accepted(remote).warnings;
    expect(said?.message).toContain('it is not used');
    const { config, warnings } = accepted(remote.slice(0, remote.indexOf('cluster:')));
    expect(config.cluster).toBeNull();
    expect(config.store).toMatchObject({ url: 'http://127.0.0.1:7710' });
    expect(warnings).toEqual([]);
  });

  test('an alias is what its anchor says, and a mistake in it is placed at the anchor', () => {
    const shared = (code: string): string =>
      goodWith(
        'healthz: http://192.0.2.10/healthz, readyz: http://192.0.2.10/readyz',
        `healthz: &look { url: http://192.0.2.10/up, status: [${code}] }, readyz: *look`,
      );
    expect(accepted(shared('204')).config.cluster?.services[0]?.pools[0]?.targets[0]?.readyz).toMatchObject({ status: [[204, 204]] });
    const places = problemsOf(parseConfig(shared('9'), 'f')).map(({ line, column }) => `${line}:${column}`);
    expect(places).toHaveLength(2);
    expect(new Set(places).size).toBe(1);
  });
});

// Hostile texts are long, and the machine may be busy.
describe('what cannot be read', { timeout: 60_000 }, () => {
  test.each([
    ['a missing file', join(folder, 'absent.yaml')],
    ['a folder', folder],
    ['a pipe that nobody writes', join(folder, 'pipe')],
  ])('%s is a problem, not an exception and not a wait', (_, path) => {
    if (path.endsWith('pipe')) execFileSync('mkfifo', [path]);
    const [problem, ...more] = problemsOf(loadConfig(path));
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ code: 'ERR_CONFIG_READ', file: path, line: 1, column: 1 });
  });

  test('a file above the limit is refused without being parsed; one at the limit is not refused for its size', () => {
    const path = join(folder, 'large.yaml');
    writeFileSync(path, `# ${'x'.repeat(FILE_BYTES_MAX)}`);
    expect(problemsOf(loadConfig(path)).map(({ message }) => message)).toEqual([
      expect.stringContaining(`more than ${FILE_BYTES_MAX} bytes, expected at most that; is this the right file?`),
    ]);
    const good = fixture('good.yaml');
    writeFileSync(path, `${good}# ${'x'.repeat(FILE_BYTES_MAX - good.length - 2)}`);
    expect(loadConfig(path).ok).toBe(true);
  });

  test('UTF-16 is told from UTF-8 at its first byte', () => {
    const path = join(folder, 'utf16.yaml');
    writeFileSync(path, Buffer.from(`\uFEFF${fixture('good.yaml')}`, 'utf16le'));
    expect(problemsOf(loadConfig(path)).map(renderProblem)).toEqual([
      `${path}:1:1: ${'found bytes that are not UTF-8, expected UTF-8 text; save the file as UTF-8'}`,
    ]);
  });

  test('a symbolic link is followed, and relative paths start from the link', () => {
    const target = join(folder, 'data');
    mkdirSync(target);
    writeFileSync(join(target, 'real.yaml'), fixture('good.yaml'));
    execFileSync('ln', ['-s', 'data/real.yaml', join(folder, 'link.yaml')]);
    const loaded = loadConfig(join(folder, 'link.yaml'));
    expect(loaded.ok && loaded.config.api.tokenFile).toBe(join(folder, 'operator.token'));
  });

  test.each([
    ['brackets', '['.repeat(100_000)],
    ['braces', '{a: '.repeat(30_000)],
    ['closed and opened brackets in quotes', '["]",'.repeat(20_000)],
    ['dashes', `${'- '.repeat(50_000)}a`],
    ['questions', '? '.repeat(50_000)],
    ['indentation', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['commas', `[${','.repeat(50_000)}`],
    ['quotes', '"'.repeat(50_000)],
    ['anchors', '&a '.repeat(20_000)],
    ['stars', '*a '.repeat(20_000)],
    ['documents', '---\n'.repeat(20_000)],
    ['directives', '%\n'.repeat(20_000)],
    ['old version', '%YAML 1.1\n---\nregion: yes\n'],
    ['prototype', '__proto__: { region: a }\nconstructor: 1\n'],
    ['number keys', '1: a\n[a]: b\n'],
  ])('hostile text of %s ends in a handful of placed problems', (_, text) => {
    const problems = problemsOf(parseConfig(text, 'f'));
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.length).toBeLessThan(30);
    for (const { line, column } of problems) expect(Math.min(line, column)).toBeGreaterThanOrEqual(1);
  });

  test('sixty thousand keys are read in linear time and the report of them is cut with its count', () => {
    const problems = problemsOf(parseConfig(Array.from({ length: 60_000 }, (_, i) => `k${i}: 1`).join('\n'), 'f'));
    expect(problems).toHaveLength(201);
    expect(problems.at(-1)?.message).toMatch(/^found 59\d{3} more problems/);
  });
});
