// The demo as users run it: a process of its own, with its regions as processes below it. The fast run, and its early ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
/** The fast run takes about 35 s on an idle machine. */
const RUN_MS = 150_000;

interface Run {
  process: ChildProcess;
  /** Exit code, or the signal's name. */
  ended: Promise<number | string | null>;
  stdout(): string;
  stderr(): string;
  /** Resolves when `pattern` has matched the progress so often. */
  saw(pattern: RegExp, times: number): Promise<void>;
}

let folder: string;
let run: Run | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-demo-test-'));
});
afterEach(async () => {
  run?.process.kill('SIGKILL');
  await run?.ended;
  run = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const start = (...args: string[]): Run => {
  const child = spawn(process.execPath, [MAIN, 'demo', ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const waiting = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    for (const look of waiting) look();
  });
  const ended = new Promise<number | string | null>((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  run = {
    process: child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    saw: (pattern, times) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if ((stderr.match(new RegExp(pattern, 'g')) ?? []).length >= times) resolve();
        };
        waiting.add(look);
        look();
        void ended.then((how) => reject(new Error(`ended (${how}) before ${pattern} was said ${times} times:\n${stderr}`)));
      }),
  };
  return run;
};

const UP = /: pid (\d+)/g;
const pidsIn = (text: string): readonly number[] => [...text.matchAll(UP)].map((match) => Number(match[1]));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('the fast demo meets its goals, says so in one object, and leaves no process and no file', { timeout: RUN_MS }, async () => {
  const demo = start('--fast', '--json');
  const code = await demo.ended;
  const lines = demo.stdout().split('\n');
  expect(lines.length, demo.stdout()).toBe(2);
  expect(lines[1]).toBe('');
  const object: Record<string, unknown> = JSON.parse(lines[0] ?? '');
  expect(object, demo.stderr()).toEqual({
    ok: true,
    failed: [],
    provider: 'builtin',
    behind: 'real',
    detectionMs: expect.any(Number),
    detectionUpperMs: expect.any(Number),
    takeoverMs: expect.any(Number),
    convergenceMs: expect.any(Number),
    falseDrains: 0,
    goals: { detectionMs: 30_000, convergenceMs: 60_000 },
  });
  expect(code).toBe(0);
  // The coordinator died, so somebody had to take over first; no lease is that short.
  expect(object.takeoverMs).toBeGreaterThan(1000);
  expect(object.detectionMs).toBeGreaterThanOrEqual(Number(object.takeoverMs));
  expect(object.detectionMs).toBeLessThanOrEqual(30_000);
  expect(object.convergenceMs).toBeLessThanOrEqual(60_000);
  const story = demo.stderr();
  for (const told of [
    /kill -9 \d+/,
    /suspects/,
    /votes .* down/,
    /coordinates now \(epoch 2\)/,
    /traffic leaves/,
    /returns with 10 %/,
    /: 50 %/,
  ])
    expect(story).toMatch(told);
  for (const told of [/carries its full share again/, /abstains: /, /nothing moved for three intervals/, /t6 +\d/])
    expect(story).toMatch(told);
  expect(pidsIn(story).length).toBe(4);
  expect(pidsIn(story).filter(isAlive)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

const MEMBER = /\(pid (\d+)\)/g;
const membersIn = (text: string): readonly number[] => [...text.matchAll(MEMBER)].map((match) => Number(match[1]));

test('on a real etcd the coordinator dies with the member that leads the store; the same object, and nothing stays', {
  timeout: RUN_MS,
}, async () => {
  const demo = start('--fast', '--json', '--cluster');
  const code = await demo.ended;
  const story = demo.stderr();
  const object: Record<string, unknown> = JSON.parse(demo.stdout());
  expect(object, story).toMatchObject({ ok: true, failed: [], falseDrains: 0 });
  expect(code).toBe(0);
  expect(Object.keys(object)).toEqual([
    'ok',
    'failed',
    'provider',
    'behind',
    'detectionMs',
    'detectionUpperMs',
    'takeoverMs',
    'convergenceMs',
    'falseDrains',
    'goals',
  ]);
  expect(object.takeoverMs).toBeGreaterThan(1000);
  expect(object.detectionMs).toBeGreaterThanOrEqual(Number(object.takeoverMs));
  // One signal for the region and one for its member, and both start again.
  const [, dead = '', region = '', member = ''] = /(\S+) +kill -9 (\d+) (\d+)/.exec(story) ?? [];
  expect(story).toMatch(new RegExp(`${dead} +up: pid ${region}, .*\\(pid ${member}\\)`));
  expect(story).toMatch(new RegExp(`Act one: ${dead} dies, its app, the etcd member that leads`));
  expect(story).toMatch(/its etcd member leads the store now/);
  expect(story).toMatch(/its etcd member is back on the data it left/);
  for (const pids of [pidsIn(story), membersIn(story)]) {
    expect(new Set(pids).size).toBe(4);
    expect(pids.filter(isAlive)).toEqual([]);
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('killed itself, it takes the members of its etcd along', { timeout: RUN_MS }, async () => {
  const demo = start('--fast', '--json', '--cluster');
  await demo.saw(UP, 3);
  const members = membersIn(demo.stderr());
  expect(members.length).toBe(3);
  expect(members.filter(isAlive)).toEqual(members);
  demo.process.kill('SIGKILL');
  await demo.ended;
  await expect.poll(() => members.filter(isAlive), { timeout: 30_000 }).toEqual([]);
});

test('interrupted, it ends at once with the object of a failure, no process and no file', { timeout: RUN_MS }, async () => {
  const demo = start('--fast', '--json');
  await demo.saw(UP, 1);
  demo.process.kill('SIGINT');
  expect(await demo.ended).toBe(130);
  expect(JSON.parse(demo.stdout())).toEqual({
    ok: false,
    failed: ['interrupted by SIGINT'],
    provider: 'builtin',
    behind: 'real',
    detectionMs: null,
    detectionUpperMs: null,
    takeoverMs: null,
    convergenceMs: null,
    falseDrains: 0,
    goals: { detectionMs: 30_000, convergenceMs: 60_000 },
  });
  expect(pidsIn(demo.stderr()).filter(isAlive)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test('when it is killed itself its regions die with it', { timeout: RUN_MS }, async () => {
  const demo = start('--fast', '--json');
  await demo.saw(UP, 3);
  const regions = pidsIn(demo.stderr());
  expect(regions.filter(isAlive)).toEqual(regions);
  demo.process.kill('SIGKILL');
  await demo.ended;
  await expect.poll(() => regions.filter(isAlive), { timeout: 30_000 }).toEqual([]);
});

test('a region that ends by itself ends the demo, with its name and the end of its log', { timeout: RUN_MS }, async () => {
  const demo = start('--fast', '--json');
  await demo.saw(UP, 3);
  const [first = 0] = pidsIn(demo.stderr());
  process.kill(first, 'SIGTERM');
  expect(await demo.ended).toBe(1);
  const { ok, failed }: { ok: boolean; failed: string[] } = JSON.parse(demo.stdout());
  expect(ok).toBe(false);
  expect(failed.length).toBe(1);
  expect(failed[0]).toMatch(/^[a-z-]+ ended by itself \(SIGTERM\); its log ends: /);
  expect(pidsIn(demo.stderr()).filter(isAlive)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});
