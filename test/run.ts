// `npm test`, `npm run test:unit`, `npm run test:system [-- NAME]`, `npm run soak [-- --hours H]`: makes sure the servers that the tests talk to are there, runs vitest, and ends with one
// line `N passed, N failed`. Skips are printed with their reason and counted; with CI set there may be none. Suites that take many minutes run by name only.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');

/** What system tests run, and the Debian package that has it. */
const SERVERS: readonly { file: string; name: string }[] = [
  { file: '/usr/sbin/named', name: 'bind9' },
  { file: '/usr/bin/dig', name: 'bind9-dnsutils' },
  { file: '/usr/sbin/unbound', name: 'unbound' },
  { file: '/usr/sbin/nginx', name: 'nginx-light' },
  { file: '/usr/sbin/nft', name: 'nftables' },
  { file: '/sbin/ip', name: 'iproute2' },
  { file: '/usr/bin/openssl', name: 'openssl' },
  { file: '/usr/bin/python3', name: 'python3' },
  { file: '/usr/share/doc/python3-venv', name: 'python3-venv' },
  { file: '/usr/sbin/pdns_server', name: 'pdns-server' },
  { file: '/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql', name: 'pdns-backend-sqlite3' },
  { file: '/usr/bin/sqlite3', name: 'sqlite3' },
  { file: '/usr/bin/etcd', name: 'etcd-server' },
  { file: '/usr/bin/etcdctl', name: 'etcd-client' },
  { file: '/usr/bin/prometheus', name: 'prometheus' },
  { file: '/usr/bin/prometheus-alertmanager', name: 'prometheus-alertmanager' },
  { file: '/usr/lib/python3/dist-packages/aiosmtpd', name: 'python3-aiosmtpd' },
  { file: '/usr/bin/redis-server', name: 'redis-server' },
  { file: '/usr/lib/postgresql/15/bin/postgres', name: 'postgresql-15' },
  { file: '/usr/bin/patroni', name: 'patroni' },
  { file: '/usr/lib/python3/dist-packages/etcd', name: 'python3-etcd' },
  { file: '/usr/sbin/pgbouncer', name: 'pgbouncer' },
  { file: '/lib/systemd/systemd', name: 'systemd' },
  { file: '/usr/bin/chromium', name: 'chromium' },
  { file: '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf', name: 'fonts-dejavu-core' },
];

const SYSTEM = join('test', 'system');
const inFolder =
  (name: string) =>
  (file: string): boolean =>
    dirname(file) === join(SYSTEM, name);

/** Suites that run by name only, so that `npm test` stays within a quarter of an hour: `npm run test:system -- cluster`. */
const HEAVY: ReadonlyMap<string, (file: string) => boolean> = new Map([
  ['cluster', inFolder('cluster')],
  ['dashboard', inFolder('dashboard')],
  ['kubernetes', inFolder('kubernetes')],
  ['operators', inFolder('operators')],
  ['paging', inFolder('paging')],
  ['data', inFolder('data')],
  ['temporal', inFolder('temporal')],
  ['soak', inFolder('soak')],
  ['ship', inFolder('ship')],
  ['demo', (file: string): boolean => file.startsWith(join(SYSTEM, 'demo'))],
  ['process', (file: string): boolean => file.startsWith(join(SYSTEM, 'process.'))],
]);

/** Debian starts a daemon when it is installed, unless this file says no. */
const POLICY = '/usr/sbin/policy-rc.d';

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const quiet = (command: string, args: readonly string[]): boolean => {
  const result = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  if (result.status !== 0) say(`${command} ${args.join(' ')}: ${result.stderr ?? ''}`);
  return result.status === 0;
};

const install = (packages: readonly string[]): boolean => {
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return quiet('apt-get', ['update', '-q']) && quiet('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages]);
  } finally {
    if (ours) rmSync(POLICY);
  }
};

const prepareServers = (): void => {
  const missing = SERVERS.filter(({ file }) => !existsSync(file)).map(({ name }) => name);
  if (missing.length === 0) return;
  const canInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  say(`missing for the system tests: ${missing.join(', ')}${canInstall ? '; installing' : ''}`);
  if (canInstall && install(missing)) return;
  say(`install them (on Debian: apt-get install ${missing.join(' ')}), or run npm run test:unit, which needs none`);
  process.exit(1);
};

interface Assertion {
  status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo' | 'disabled';
  fullName: string;
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  success: boolean;
  testResults: readonly { name: string; status: string; message?: string; assertionResults: readonly Assertion[] }[];
}

interface Tally {
  passed: number;
  failed: number;
  skipped: readonly string[];
}

const vitest = (files: readonly string[], parallel: boolean): Tally => {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: [] };
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-test-'));
  const output = join(folder, 'report.json');
  const args = [
    'run',
    '--config',
    'test/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${output}`,
    ...(parallel ? [] : ['--no-file-parallelism']),
    ...files,
  ];
  const run = spawnSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  try {
    const report: Report = JSON.parse(readFileSync(output, 'utf8'));
    const all = report.testResults.flatMap((file) => file.assertionResults);
    // A file that could not even be loaded has no tests of its own to count.
    const broken = report.testResults.filter(
      (file) => file.status === 'failed' && !file.assertionResults.some((a) => a.status === 'failed'),
    ).length;
    const failed = all.filter((a) => a.status === 'failed').length + broken;
    return {
      passed: all.filter((a) => a.status === 'passed').length,
      failed: failed === 0 && run.status !== 0 ? 1 : failed,
      skipped: all.filter((a) => a.status !== 'passed' && a.status !== 'failed').map((a) => a.fullName),
    };
  } catch {
    say('vitest left no report');
    return { passed: 0, failed: 1, skipped: [] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const testFiles = (folder: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(folder, file))
    .sort();

/** The soak is a suite whose length is said. */
const asked = ([kind = 'all', ...rest]: readonly string[]): { kind: string; names: readonly string[] } => {
  if (kind !== 'soak') return { kind, names: rest };
  const { values } = parseArgs({ args: [...rest], options: { hours: { type: 'string', default: '1' } } });
  const hours = Number(values.hours);
  if (!(hours > 0)) {
    say(`--hours ${values.hours}: expected a number above 0, such as 1 or 0.05`);
    process.exit(2);
  }
  process.env.SOAK_HOURS = String(hours);
  return { kind: 'system', names: ['soak'] };
};

const main = (): void => {
  const { kind, names } = asked(process.argv.slice(2));
  const all = testFiles('test');
  const isSystem = (file: string): boolean => file.startsWith(SYSTEM);
  const isHeavy = (file: string): boolean => [...HEAVY.values()].some((isIn) => isIn(file));
  // A suite by its name; a file of one by the beginning of its own.
  const isNamed = (file: string, name: string): boolean =>
    HEAVY.get(name)?.(file) ?? (file.includes(name) && (!isHeavy(file) || basename(file).startsWith(name)));
  const chosen = all.filter((file) => (names.length === 0 ? !isHeavy(file) : names.some((name) => isNamed(file, name))));
  if (chosen.length === 0) {
    say(`no test file matches ${names.join(', ')}`);
    process.exit(2);
  }
  const unit = kind === 'system' ? [] : chosen.filter((file) => !isSystem(file));
  const system = kind === 'unit' ? [] : chosen.filter(isSystem);
  if (system.length > 0) prepareServers();
  const tallies = [vitest(unit, true), vitest(system, false)];
  const passed = tallies.reduce((sum, t) => sum + t.passed, 0);
  const failed = tallies.reduce((sum, t) => sum + t.failed, 0);
  const skipped = tallies.flatMap((t) => t.skipped);
  for (const name of skipped) process.stdout.write(`skipped: ${name}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}\n`);
  const forbidden = process.env.CI !== undefined && skipped.length > 0;
  if (forbidden) say('with CI set, nothing may be skipped');
  process.exitCode = failed > 0 || passed === 0 || forbidden ? 1 : 0;
};

main();
