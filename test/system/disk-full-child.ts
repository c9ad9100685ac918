// Fills the disk under a store, makes space again, and prints what the store said at each step, one JSON object per line.
//   disk-full-child.ts DIRECTORY MEANS
// MEANS: `ballast` frees a file on the same disk; `limit` lifts this process's limit on file sizes; `flush` makes no space, but has writes of the
// log succeed and their flush fail, by putting a device that cannot be flushed in the place of the log's descriptor.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorText, Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';

const [directory = '', means = ''] = process.argv.slice(2);
const file = join(directory, 'store.sqlite');
const ballast = join(directory, 'ballast');
const ports = realPorts();
const say = (step: string, facts: object): void => void process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);

const makeSpace = (): void => {
  if (means === 'ballast') rmSync(ballast);
  else spawnSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
};
/** Takes what is left of the disk, to the last byte. */
const takeSpace = (): void => {
  for (let bytes = 1 << 20; bytes >= 1; bytes = bytes === 4096 ? 1 : bytes >> 1)
    try {
      for (;;) writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      // This size does not fit any more: on with a smaller one.
    }
};

let written = 0;
/** Null when the write was acknowledged; else the error's name. */
const write = async (store: Store, bytes: number): Promise<string | null> => {
  try {
    await store.txn({ if: [], then: [{ put: `k${written}`, value: 'x'.repeat(bytes) }] });
    written += 1;
    return null;
  } catch (error) {
    return `${error instanceof Error ? error.name : ''}: ${errorText(error)}`;
  }
};
const state = async (store: Store) => {
  const { rev, kvs } = await store.get({ prefixes: ['k'] });
  return { rev, records: kvs.length, written };
};

const breakFlush = (): void => {
  const links = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [{ fd: Number(fd), to: readlinkSync(`/proc/self/fd/${fd}`) }];
    } catch {
      // The descriptor that listed the directory is gone.
      return [];
    }
  });
  const log = links.find(({ to }) => to.endsWith('store.sqlite-wal'))?.fd ?? -1;
  closeSync(log);
  for (let fd = -1; fd !== log; fd = openSync('/dev/null', 'r+'));
};

if (means === 'ballast') writeFileSync(ballast, Buffer.alloc(200 * 1024));
const first = openEmbedded({ file, ports });
if (means === 'flush') {
  for (let i = 0; i < 5; i++) await write(first, 3000);
  breakFlush();
  say('flush', { error: await write(first, 3000), written });
  process.exit();
}
let error: string | null = null;
while (error === null && written < 2000) error = await write(first, 3000);
const again = [await write(first, 3000), await write(first, 9000), await write(first, 3000)];
say('full', { error, again, ...(await state(first)) });
makeSpace();
say('space', { error: await write(first, 3000), ...(await state(first)) });

if (means === 'ballast') {
  takeSpace();
  // Closing cannot move the log into the file now: nothing may be lost by that.
  await first.close();
  const second = openEmbedded({ file, ports });
  say('opened full', { clusterId: second.clusterId === first.clusterId, error: await write(second, 9000), ...(await state(second)) });
  try {
    await openEmbedded({ file: join(directory, 'new.sqlite'), ports }).close();
    say('created full', {});
  } catch (fault) {
    say('created full', { code: fault instanceof Fault ? fault.code : '', message: errorText(fault) });
  }
  makeSpace();
  say('space again', { error: await write(second, 9000), ...(await state(second)) });
  await second.close();
} else {
  await first.close();
}
const last = openEmbedded({ file, ports });
say('reopened', await state(last));
await last.close();
