// The spool on real files: what it keeps over a restart, what it makes of a file that was torn, and who may read it.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileDisk, memoryDisk } from '../../src/disk.ts';
import { openSpool, type Spool, type SpooledPage } from '../../src/paging/spool.ts';
import { realPorts } from '../../src/ports.ts';
import { type RecordingLog, recordingLog } from '../recording-log.ts';
import { pageOf } from './fixture.ts';
import { paper } from './region-alone.ts';

const ports = realPorts();
let folder: string;
let path: string;
let log: RecordingLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-spool-'));
  path = join(folder, 'deep', 'spool.ndjson');
  log = recordingLog();
});
afterEach(() => rmSync(folder, { recursive: true }));

const reopen = (): Promise<Spool> => openSpool({ disk: fileDisk(path), ports, log });
const entry = (id: string, subject = 'store', ends = false): SpooledPage => ({ subject, ends, sinceAtMs: 5, page: pageOf(id) });
const ids = (spool: Spool): string[] => spool.pages().map(({ page }) => page.id);

test('pages, marks and open subjects survive a restart; what is adopted stays open until it ends; then the file is empty', async () => {
  const first = await reopen();
  await first.add([entry('ap.1'), entry('ap.2', 'down/eu')]);
  await first.told('ap.1', 'oncall');
  await first.told('ap.1', 'oncall');
  const second = await reopen();
  expect(ids(second)).toEqual(['ap.1', 'ap.2']);
  expect(second.pages()[0]?.page.delivered).toEqual(['oncall']);
  expect([...second.open()]).toEqual([
    ['store', { dedupKey: 'tidegate/test/ap.1', sinceAtMs: 5 }],
    ['down/eu', { dedupKey: 'tidegate/test/ap.2', sinceAtMs: 5 }],
  ]);
  await second.adopt(['ap.1', 'ap.2']);
  for (let restart = 0; restart < 3; restart += 1) {
    const third = await reopen();
    expect([ids(third), [...third.open().keys()], third.adopted()]).toEqual([[], ['store', 'down/eu'], 2]);
  }
  const fourth = await reopen();
  await fourth.add([entry('ap.3', 'store', true), entry('ap.4', 'down/eu', true)]);
  expect([...fourth.open()]).toEqual([]);
  await fourth.adopt(['ap.3', 'ap.4']);
  expect(readFileSync(path, 'utf8')).toBe('');
  expect(log.lines).toEqual([]);
});

test("the file is its owner's only, also when it was not before", async () => {
  const spool = await reopen();
  await spool.add([entry('ap.1')]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  chmodSync(path, 0o644);
  writeFileSync(`${path}.new`, '', { mode: 0o644 });
  await reopen();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('half a line at the end is skipped and said, and nothing is appended to it', async () => {
  await (await reopen()).add([entry('ap.1'), entry('ap.2')]);
  const text = readFileSync(path, 'utf8');
  for (let bytes = 1; bytes < text.length; bytes += 37) {
    writeFileSync(path, text.slice(0, bytes));
    const spool = await reopen();
    await spool.add([entry('ap.9', 'down/us')]);
    expect(ids(await reopen())).toContain('ap.9');
  }
  expect(log.of('spool.unreadable').length).toBeGreaterThan(5);
});

test.each([
  'null',
  '7',
  '"x"',
  '{}',
  '{"kind":"page","subject":"store"}',
  '{"kind":"told","id":1}',
  '{"kind":"adopted"}',
  '{"kind":"count"}',
  '\u0000\u0000',
  '{"kind":"other"}',
])('a line that is no record (%s) costs no other line', async (junk) => {
  await (await reopen()).add([entry('ap.1')]);
  writeFileSync(path, `${junk}\n${readFileSync(path, 'utf8')}${junk}\n`);
  const spool = await reopen();
  expect(ids(spool)).toEqual(['ap.1']);
  expect(log.of('spool.unreadable')[0]?.fields).toMatchObject({ lines: 2 });
  expect(readFileSync(path, 'utf8')).not.toContain(junk);
});

test('a line that is there twice, late or not, changes nothing', async () => {
  const first = await reopen();
  await first.add([entry('ap.1')]);
  const line = readFileSync(path, 'utf8');
  await first.told('ap.1', 'oncall');
  writeFileSync(path, `${readFileSync(path, 'utf8')}${line}`);
  expect((await reopen()).pages()[0]?.page.delivered).toEqual(['oncall']);
});

test('each loss of the store counts its own pages', async () => {
  const spool = await reopen();
  await spool.add([entry('ap.1'), entry('ap.2', 'down/eu')]);
  await spool.adopt(['ap.1', 'ap.2']);
  expect(spool.adopted()).toBe(2);
  await spool.add([entry('ap.3', 'store', true), entry('ap.4')]);
  await spool.adopt(['ap.3', 'ap.4']);
  expect(spool.adopted()).toBe(2);
  expect((await reopen()).adopted()).toBe(2);
});

test('a folder that cannot be written is said, and pages are kept in memory', async () => {
  writeFileSync(join(folder, 'deep'), 'a file, not a folder');
  const spool = await reopen();
  await spool.add([entry('ap.1')]);
  expect(ids(spool)).toEqual(['ap.1']);
  expect(log.of('spool.failed').length).toBeGreaterThan(0);
  expect(existsSync(path)).toBe(false);
});

test('two hundred pages fill it; what ends a subject is still taken', async () => {
  const spool = await openSpool({ disk: memoryDisk(), ports, log });
  await spool.add(Array.from({ length: 199 }, (_, i) => entry(`ap.${i}`, `down/r${i}`)));
  expect(spool.isFull()).toBe(false);
  await spool.add([entry('ap.199', 'down/last')]);
  expect(spool.isFull()).toBe(true);
  await spool.add([entry('ap.end', 'down/last', true)]);
  expect(spool.open().has('down/last')).toBe(false);
});

test('the file does not grow without end: it is written anew with what is left', async () => {
  const disk = paper();
  let longest = 0;
  const { append } = disk;
  disk.append = async (text) => {
    await append(text);
    longest = Math.max(longest, disk.text.length);
  };
  const spool = await openSpool({ disk, ports, log });
  const filler = 'x'.repeat(20_000);
  await spool.add([entry('ap.open')]);
  for (let i = 0; i < 300; i += 1) {
    await spool.add([{ ...entry(`ap.${i}`, 'down/eu', i % 2 === 1), page: pageOf(`ap.${i}`, { summary: filler }) }]);
    await spool.adopt([`ap.${i}`]);
  }
  expect(longest).toBeGreaterThan(1_000_000);
  expect(longest).toBeLessThan(2_200_000);
  const again = await openSpool({ disk, ports, log });
  expect([ids(again), again.adopted(), [...again.open().keys()]]).toEqual([['ap.open'], 300, ['store']]);
});
