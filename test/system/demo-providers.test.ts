// The demo's story as users run it: on a real server, and on a vendor's stand-in that stands between users and regions, through the vendor's own client. All
// the others are played by the continuous integration as a command line, and their rooms by test/drill/provider-rooms.test.ts: each story takes most of a minute.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { providerRooms, type RoomName } from '../../src/drill/provider-room.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const RUN_MS = 180_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-demo-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const play = (provider: string): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, 'demo', '--fast', '--json', '--provider', provider], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (chunk: Buffer) => {
        said[stream] += chunk.toString();
      });
    child.once('close', (code) => resolve({ code, ...said }));
  });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

// Without one it is demo.test.ts.
const PLAYED: readonly RoomName[] = ['rfc2136', 'cloudflare'];

test.each(PLAYED)('%s: goals met, nothing false moved, and no process and no file is left', { timeout: RUN_MS }, async (provider) => {
  const { says, behind } = providerRooms[provider];
  const { code, stdout, stderr } = await play(provider);
  const object: Record<string, unknown> = JSON.parse(stdout);
  expect(object, stderr).toMatchObject({ ok: true, failed: [], falseDrains: 0, provider, behind });
  expect(code).toBe(0);
  expect(object.convergenceMs).toBeLessThanOrEqual(60_000);
  // Folded to the width of the paper.
  expect(stderr.replaceAll(/\s+/g, ' ')).toContain(says);
  expect(stderr).toMatch(/acknowledged fence \d+/);
  // Tidegate saw for itself that users left, with whatever stands between them and the regions.
  expect(stderr.replaceAll(/\s+/g, ' ')).toMatch(/own figures: detection .*, convergence [\d.]+ m?s/);
  expect(stderr).toMatch(/carries its full share again/);
  const pids = [...stderr.matchAll(/pid (\d+)/g)].map((match) => Number(match[1]));
  expect(pids.length).toBeGreaterThanOrEqual(4);
  expect(pids.filter(isAlive)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test('a name that is none is refused with those that are', async () => {
  const { code, stderr } = await play('bind');
  expect(code).toBe(2);
  expect(stderr).toContain('--provider bind: expected one of builtin, rfc2136');
});
