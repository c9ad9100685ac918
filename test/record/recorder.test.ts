// The recorder: rotation, cap, crash, full disk; and that nothing of it ever holds up what is recorded.
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { fileRecordDisk, merged, recordFiles } from '../../src/record/files.ts';
import { parseLine, type RecordLine, withoutQueries } from '../../src/record/lines.ts';
import { clusterOf } from '../world.ts';
import { linesIn, linesOn, tapedWorld } from './tape.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-record-'));
afterAll(() => rmSync(folder, { recursive: true }));

const REGIONS = ['a', 'b', 'c'];
const header: RecordLine = { atMs: 1, kind: 'header', format: 1, tidegate: '0', region: 'a', replica: 'a', boot: 'x' };
const late: RecordLine = { atMs: 2, kind: 'late' };
const textOf = (...lines: readonly RecordLine[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

const read = async (...paths: readonly string[]): Promise<readonly RecordLine[]> => {
  const lines: RecordLine[] = [];
  for await (const { line } of merged(await recordFiles(paths))) lines.push(line);
  return lines;
};
const refusal = async (...paths: readonly string[]): Promise<string> => {
  const error: unknown = await read(...paths).catch((e: unknown) => e);
  if (!(error instanceof Fault)) throw new Error('nothing was refused');
  expect(error.code).toBe('ERR_RECORD');
  return error.message.replaceAll(`${folder}/`, '');
};

describe('on disk', () => {
  test('every file begins with the whole state, files stay small, and the oldest go', async () => {
    const tape = tapedWorld({ cluster: clusterOf(REGIONS, [{}]) }, ['a/a'], { fileBytes: 3000, maxBytes: 12_000 });
    await tape.world.start();
    await tape.world.run(600_000);
    await tape.stop();
    const files = tape.disks.get('a/a')!.files;
    expect(files.size).toBeGreaterThan(1);
    expect([...files.values()].reduce((sum, bytes) => sum + bytes.length, 0)).toBeLessThan(12_000 + 1500);
    for (const bytes of files.values()) {
      expect(bytes.length).toBeLessThan(3000 + 1500);
      const kinds = linesIn(bytes).map((line) => line.kind);
      expect(kinds.slice(0, 2)).toEqual(['header', 'config']);
      expect(kinds).toContain('sight');
    }
    expect([...files.keys()].every((name) => /^a\+a\+\d{8}T\d{9}Z\.ndjson\.gz$/.test(name))).toBe(true);
    // The oldest are gone: the first kept one is not from the start.
    expect([...files.keys()].sort()[0]! > 'a+a+20261122T031205').toBe(true);
  });

  test('a full disk turns it off with one line in the log; a minute later a new file begins and says what is missing', async () => {
    const dropped: number[] = [];
    const tape = tapedWorld({ cluster: clusterOf(REGIONS, [{}]) }, ['a/a'], { onDropped: (n) => dropped.push(n) });
    const disk = tape.disks.get('a/a')!;
    await tape.world.start();
    await tape.world.run(30_000);
    disk.trouble = new Error('ENOSPC: no space left on device');
    await tape.world.run(100_000);
    expect(tape.log.of('record.off')).toHaveLength(1);
    disk.trouble = null;
    await tape.world.run(60_000);
    await tape.stop();
    expect(tape.log.of('record.on')).toHaveLength(1);
    expect(disk.files.size).toBe(2);
    const said = linesOn(disk).flatMap((line) => (line.kind === 'dropped' ? [line.lines] : []));
    expect(said).toHaveLength(1);
    expect(said[0]).toBe(dropped.reduce((a, b) => a + b, 0));
    expect(said[0]).toBeGreaterThan(50);
    // Meanwhile everything went on.
    expect((await tape.world.routing())?.v).toBeGreaterThan(1);
  });

  test('more than the queue holds is dropped, counted and said once; and what breaks the recorder breaks nothing else', async () => {
    let dropped = 0;
    const tape = tapedWorld({ cluster: clusterOf(REGIONS, [{}]) }, ['a/a'], { onDropped: (n) => (dropped += n) });
    await tape.world.start();
    await tape.world.run(10_000);
    const recorder = tape.recorder('a/a')!;
    const fact = { kind: 'conflict' as const, because: 'x'.repeat(4000) };
    for (let i = 0; i < 2500; i++) recorder.note(fact);
    expect(dropped).toBeGreaterThan(100);
    expect(tape.log.of('record.dropping')).toHaveLength(1);
    const endless: Record<string, unknown> = {};
    endless.self = endless;
    recorder.note(endless as never);
    recorder.note(endless as never);
    expect(tape.log.of('record.broken')).toHaveLength(1);
    await tape.world.run(10_000);
    expect(tape.world.coordinator()).not.toBeNull();
  });

  test('real files are their owner’s, and a piece cut off by a crash costs only itself', async () => {
    const disk = fileRecordDisk(join(folder, 'crash'), 'a', 'a');
    expect(await disk.list()).toEqual([]);
    await disk.append('a+a+1.ndjson.gz', textOf(header, late));
    await disk.append('a+a+1.ndjson.gz', textOf({ ...late, atMs: 3 }, { ...late, atMs: 4 }));
    const path = join(folder, 'crash/a+a+1.ndjson.gz');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await read(path)).map((line) => line.atMs)).toEqual([1, 2, 3, 4]);
    for (let bytes = statSync(path).size - 1; bytes > 120; bytes -= 7) {
      truncateSync(path, bytes);
      const lines = await read(path);
      expect(lines.slice(0, 2)).toEqual([header, late]);
    }
    await disk.append('a+b+1.ndjson.gz', textOf(header));
    expect((await disk.list()).map(({ name }) => name)).toEqual(['a+a+1.ndjson.gz']);
    await disk.remove('a+a+1.ndjson.gz');
    expect(readdirSync(join(folder, 'crash'))).toEqual(['a+b+1.ndjson.gz']);
  });
});

describe('reading', () => {
  const put = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  test('what is no recording is refused with its place', async () => {
    expect(await refusal(join(folder, 'nowhere'))).toContain('nowhere: found nothing readable');
    expect(await refusal(put('text.ndjson.gz', 'hello'))).toMatch(/^text\.ndjson\.gz:1: found bytes that cannot be unpacked/);
    expect(await refusal(put('empty.ndjson', ''))).toBe('empty.ndjson: found nothing in it, expected a recording');
    expect(await refusal(put('no.ndjson', 'nonsense\n'))).toBe('no.ndjson:1: found "nonsense", expected one JSON object per line');
    expect(await refusal(put('late.ndjson', textOf(late)))).toBe('late.ndjson:1: found a line of kind late, expected the header first');
    expect(await refusal(put('new.ndjson', textOf({ ...header, format: 9 })))).toBe(
      'new.ndjson:1: found format 9, expected 1; read it with the release that wrote it',
    );
    expect(await refusal(put('mid.ndjson', `${textOf(header)}{"atMs":3,"kind":"look","key":1}\n${textOf(late)}`))).toMatch(
      /^mid\.ndjson:2: found key that does not fit .*expected a line of kind "look"$/,
    );
    const damaged = gzipSync(textOf(header, late));
    damaged[damaged.length - 6]! ^= 0xff;
    expect(await refusal(put('crc.ndjson.gz', damaged))).toMatch(/^crc\.ndjson\.gz:\d: found bytes that cannot be unpacked/);
    expect(await refusal(put('long.ndjson', `${textOf(header)}${'x'.repeat(9 * 1024 * 1024)}`))).toMatch(
      /^long\.ndjson:2: found a line of more than/,
    );
  });

  test('kinds of a later release are passed over, an unfinished last line is a cut', async () => {
    const path = put('later.ndjson', `${textOf(header)}{"atMs":2,"kind":"tomorrow"}\n${textOf(late)}{"atMs":3,"ki`);
    const [file] = await recordFiles([path]);
    const lines: RecordLine[] = [];
    for await (const line of file!.lines()) lines.push(line);
    expect(lines).toEqual([header, late]);
    expect(file!.isCut()).toBe(true);
  });

  test('files of several recorders are merged by time', async () => {
    const of = (region: string, ...at: readonly number[]): string =>
      textOf({ ...header, region, atMs: at[0]! }, ...at.slice(1).map((atMs): RecordLine => ({ ...late, atMs })));
    const two = mkdtempSync(join(folder, 'two-'));
    writeFileSync(join(two, 'a+a+1.ndjson.gz'), gzipSync(of('a', 1, 4)));
    writeFileSync(join(two, 'a+a+2.ndjson.gz'), gzipSync(of('a', 5, 9)));
    writeFileSync(join(two, 'b+a+1.ndjson'), of('b', 2, 7));
    const seen: [string, number][] = [];
    for await (const { by, line } of merged(await recordFiles([two]))) seen.push([by, line.atMs]);
    expect(seen).toEqual([
      ['a/a', 1],
      ['b/a', 2],
      ['a/a', 4],
      ['a/a', 5],
      ['b/a', 7],
      ['a/a', 9],
    ]);
  });
});

test('no secret gets in: signatures, details of replies, what follows the ? of an address', async () => {
  const cluster = clusterOf(REGIONS, [{}]);
  const hiding = JSON.parse(JSON.stringify(cluster).replaceAll('/healthz"', '/healthz?token=hunter2"')) as typeof cluster;
  const tape = tapedWorld({ cluster: hiding }, ['a/a']);
  await tape.world.start();
  await tape.world.run(30_000);
  await tape.stop();
  const text = [...tape.disks.get('a/a')!.files.values()].map((bytes) => gunzipSync(bytes).toString()).join('');
  expect(text).toContain('"kind":"look"');
  expect(text).not.toContain('hunter2');
  expect(text).not.toContain('signature');
  expect(withoutQueries({ a: ['https://x.example/y?z=1', 'what? no'] })).toEqual({ a: ['https://x.example/y', 'what? no'] });
  expect(parseLine('[]')).toEqual({ problem: 'found no kind, expected a line of a recording' });
});
