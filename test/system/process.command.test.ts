// The commands of the README as they are typed: npm passes signals through to the service, npx finds the program, exit codes say what happened.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort, workDir } from './server.ts';
import { until } from './until.ts';

/** npm has warnings of its own. */
const env = { ...process.env, npm_config_loglevel: 'error' };
const ROOT = join(import.meta.dirname, '../..');
const PATIENCE = { timeout: 120_000 };

/** A small file of its own, with every port free and every path in `folder`. */
const exampleIn = async (folder: string): Promise<string> => {
  const example = readFileSync(join(ROOT, 'deploy/examples/local.yaml'), 'utf8');
  const [api, store, control, dns] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const file = join(folder, 'local.yaml');
  writeFileSync(
    file,
    example
      .replaceAll('../../.tidegate', folder)
      .replaceAll(':7700', `:${api}`)
      .replaceAll(':7710', `:${store}`)
      .replaceAll(':7720', `:${control}`)
      .replaceAll(':7753', `:${dns}`),
  );
  return file;
};

test.each(['SIGTERM', 'SIGINT'] as const)('%s to `npm start` reaches the service, which stops gracefully', PATIENCE, async (signal) => {
  const folder = workDir('command');
  const file = await exampleIn(folder);
  const npm = spawn('npm', ['start', '--', '--config', file], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  try {
    let said = '';
    npm.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until('the service', () => said.includes('"event":"serving"'));
    const closed = once(npm, 'close');
    npm.kill(signal);
    expect(await closed).toEqual([0, null]);
    expect(said).toContain(`"event":"stopping","signal":"${signal}"`);
    expect(said).toContain('"event":"stopped","inTime":true');
    // The store was closed, not dropped.
    expect(existsSync(join(folder, 'local.sqlite.pid'))).toBe(false);
  } finally {
    try {
      process.kill(-(npm.pid ?? 0), 'SIGKILL');
    } catch {
      // The whole group has ended, as it should.
    }
    rmSync(folder, { recursive: true, force: true });
  }
});

interface Ran {
  code: number | null;
  out: string;
  err: string;
}

const run = (command: string, args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const child = execFile(command, args, { cwd: ROOT, env }, (_error, out, err) => resolve({ code: child.exitCode, out, err }));
  });

const tidegate = (...args: readonly string[]): Promise<Ran> => run('npx', ['--no-install', 'tidegate', ...args]);

test('`npx tidegate check` prints the report of a good file, and ends a bad one with 78 and its place', PATIENCE, async () => {
  const good = await tidegate('check', '--config', 'deploy/examples/local.yaml');
  expect(good).toMatchObject({ code: 0, err: '' });
  expect(good.out).toContain('web.example.test');
  const bad = await tidegate('check', '--config', 'test/fixtures/config/bad-unknown-key.yaml');
  expect(bad).toMatchObject({ code: 78, out: '' });
  expect(bad.err).toMatch(/^test\/fixtures\/config\/bad-unknown-key\.yaml:\d+:\d+ /);
});

test(
  'a file that is not there, an unknown command and a missing option each end with their own code and a sentence',
  PATIENCE,
  async () => {
    expect(await tidegate('serve', '--config', 'nowhere.yaml')).toMatchObject({
      code: 78,
      err: expect.stringMatching(/^nowhere\.yaml:1:1: found no readable file/),
    });
    expect(await tidegate('sreve')).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean serve?') });
    expect(await tidegate('serve')).toMatchObject({ code: 2, err: expect.stringContaining('--config') });
  },
);
