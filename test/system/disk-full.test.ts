// A real disk that fills up, and one that fails writes, under the embedded store. The disk is a tmpfs of 1 MiB in a mount namespace of the child's
// own (as root, or in a user namespace), so nothing stays mounted whatever happens. Linux only, as are all system tests.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Child, startChild } from '../store/children.ts';

interface Line {
  step: string;
  error?: string | null;
  again?: (string | null)[];
  rev?: number;
  records?: number;
  written?: number;
  clusterId?: boolean;
  code?: string;
  message?: string;
}

const SCRIPT = join(import.meta.dirname, 'disk-full-child.ts');
let directory: string;
let child: Child<Line> | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tidegate-disk-'));
});
afterEach(async () => {
  await child?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const step = (name: string): Promise<Line> => {
  if (!child) throw new Error('no child');
  return child.until((line) => line.step === name);
};
/** What was acknowledged, and nothing else, is there. */
const expectWhole = ({ rev, records, written }: Line): void => {
  expect(records).toBe(written);
  expect(rev).toBe(written);
};
const expectRefusedThenServed = async (refusal: RegExp): Promise<void> => {
  const full = await step('full');
  expect(full.written).toBeGreaterThan(5);
  for (const error of [full.error, ...(full.again ?? [])]) expect(error).toMatch(refusal);
  expectWhole(full);
  const space = await step('space');
  expect(space.error).toBeNull();
  expectWhole(space);
};

test('a full disk refuses writes for certain, keeps what it has, and writes go on when there is space, across restarts', async () => {
  const namespaces = process.getuid?.() === 0 ? ['-m'] : ['-U', '-r', '-m'];
  const command = 'mount -t tmpfs -o size=1m,mode=700 tidegate "$1" && exec "$2" "$3" "$1" ballast';
  child = startChild<Line>('unshare', [...namespaces, 'sh', '-c', command, 'sh', directory, process.execPath, SCRIPT]);
  await expectRefusedThenServed(/^StoreDefiniteError: .*full.*make space/);

  const opened = await step('opened full');
  expect(opened.clusterId).toBe(true);
  expect(opened.error).toMatch(/^StoreDefiniteError: .*full/);
  expectWhole(opened);
  expect(await step('created full')).toMatchObject({
    code: 'ERR_STORE_FILE',
    message: expect.stringContaining('disk is full; make space'),
  });

  const space = await step('space again');
  expect(space.error).toBeNull();
  expectWhole(space);
  expectWhole(await step('reopened'));
}, 60_000);

test('a disk that fails writes half-way refuses for certain, and writes go on when it works again', async () => {
  child = startChild<Line>('prlimit', ['--fsize=400000:unlimited', process.execPath, SCRIPT, directory, 'limit']);
  await expectRefusedThenServed(/^StoreDefiniteError: .*I\/O/);
  expectWhole(await step('reopened'));
}, 60_000);

test('a commit that is written but cannot be flushed leaves doubt: a crash might still find it', async () => {
  child = startChild<Line>(process.execPath, [SCRIPT, directory, 'flush']);
  const { error, written } = await step('flush');
  expect(error).toMatch(/^StoreAmbiguousError: .*I\/O/);
  await child.ended;
  const store = openEmbedded({ file: join(directory, 'store.sqlite'), ports: realPorts() });
  expect(await store.get({ prefixes: ['k'] })).toMatchObject({ rev: written, kvs: { length: written } });
  await store.close();
}, 60_000);
