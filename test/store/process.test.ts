// The embedded engine among real processes: one file, one server, whatever happens to it; nothing acknowledged is lost by a hard kill;
// a disk that fails writes is outlived.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Child, startChild } from './children.ts';

interface Line {
  opened?: true;
  acked?: number;
  code?: string;
  message?: string;
}

const SCRIPT = join(import.meta.dirname, 'store-child.ts');
let directory: string;
let file: string;
const children: Child<Line>[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tidegate-store-'));
  file = join(directory, 'store.sqlite');
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill('SIGKILL')));
  rmSync(directory, { recursive: true, force: true });
});

const start = (mode: 'hold' | 'stream', options: { uid?: number } = {}): Child<Line> => {
  const child = startChild<Line>(process.execPath, [SCRIPT, mode, file], options);
  children.push(child);
  return child;
};
const opened = (line: Line): boolean => line.opened === true;
const answered = (line: Line): boolean => line.opened === true || line.code !== undefined;

const expectLocked = async (holder: Child<Line>): Promise<void> => {
  const { code, message } = await start('hold').until(answered);
  expect(code).toBe('ERR_STORE_LOCKED');
  expect(message).toContain(file);
  expect(message).toContain(`process ${holder.process.pid}`);
  expect(message).toContain('kind remote');
};

test('a second instance refuses with a sentence while the first runs, while it is stopped, and after it goes on', async () => {
  const first = start('stream');
  await first.until(opened);
  await expectLocked(first);
  first.process.kill('SIGSTOP');
  await expectLocked(first);
  const before = first.lines.length;
  first.process.kill('SIGCONT');
  await first.until((line) => first.lines.length > before + 10 && line.acked !== undefined);
  await expectLocked(first);
}, 60_000);

test('a killed holder leaves nothing behind that keeps the next one out, even when it was stopped', async () => {
  const first = start('hold');
  await first.until(opened);
  first.process.kill('SIGSTOP');
  await first.kill('SIGKILL');
  expect(await start('hold').until(answered)).toEqual({ opened: true });
}, 60_000);

test('of instances that start at once on a new file, one serves it and the others refuse', async () => {
  for (let round = 0; round < 3; round++) {
    file = join(directory, `${round}.sqlite`);
    const group = Array.from({ length: 4 }, () => start('hold'));
    const answers = await Promise.all(group.map((child) => child.until(answered)));
    expect(answers.filter(opened)).toHaveLength(1);
    expect(answers.filter(({ code }) => code === 'ERR_STORE_LOCKED')).toHaveLength(3);
    await Promise.all(group.map((child) => child.kill('SIGKILL')));
  }
}, 60_000);

test('kill -9 in a stream of commits loses none that was acknowledged, and leaves no half transaction', async () => {
  let known = 0;
  for (let round = 0; round < 8; round++) {
    const child = start('stream');
    await child.until(opened);
    const enough = 1 + Math.floor(Math.random() * 400);
    await child.until(({ acked = 0 }) => acked >= known + enough);
    await child.kill('SIGKILL');
    const acked = child.lines.at(-1)?.acked ?? 0;
    expect(acked).toBeGreaterThan(known);
    const store = openEmbedded({ file, ports: realPorts() });
    const { rev, kvs } = await store.get({ keys: ['counter', 'twin'] });
    const counter = Number(kvs[0]?.value);
    expect(counter).toBeGreaterThanOrEqual(acked);
    // At most the one commit that was under way may have happened without an acknowledgement.
    expect(counter).toBeLessThanOrEqual(acked + 1);
    expect(rev).toBe(counter);
    expect(kvs).toMatchObject([{ mod: rev }, { mod: rev, value: { n: counter } }]);
    await store.close();
    known = counter;
  }
}, 120_000);

test('a file or directory that this user may not write is refused with what to do', async () => {
  const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {};
  await openEmbedded({ file, ports: realPorts() }).close();
  const refused = async (): Promise<void> => {
    const { code, message } = await start('hold', nobody).until(answered);
    expect(code).toBe('ERR_STORE_FILE');
    expect(message).toContain(file);
    expect(message).toMatch(/correct the owner or the mode/);
  };
  chmodSync(directory, 0o777);
  chmodSync(file, 0o000);
  await refused();
  chmodSync(file, 0o444);
  await refused();
  rmSync(file);
  chmodSync(directory, 0o555);
  await refused();
  chmodSync(directory, 0o755);
}, 60_000);

test('without a note of the holder the refusal still says what happened', async () => {
  const first = start('hold');
  await first.until(opened);
  writeFileSync(`${file}.pid`, 'not a pid');
  const { message } = await start('hold').until(answered);
  expect(message).toContain(`${file}: another process serves this store file`);
}, 60_000);
