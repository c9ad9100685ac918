// A process with a worker of the region's queue, whose tries never end by themselves. It prints each native add-on that is
// loaded, `open`, then `try PAGE` for each try.
//   redis-child.ts URL CHANNEL [BLOCK_MS]
// BLOCK_MS: the first try blocks the whole process for so long, and then says it is done.

import { createRedisQueue } from '../../../src/paging/redis-queue.ts';
import { realPorts } from '../../../src/ports.ts';
import { recordingLog } from '../../recording-log.ts';

const [url = '', channel = '', blockMs = '0'] = process.argv.slice(2);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const block = (ms: number): void => {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
};

await createRedisQueue({
  redis: { url, prefix: 'tidegate' },
  channels: [{ name: channel }],
  ports: realPorts(),
  log: recordingLog(),
  resolve: () => Promise.resolve({ addresses: [], stale: null, ageMs: 0 }),
  secret: () => '',
  text: () => '',
  async tryOne({ page }) {
    say(`try ${page}`);
    if (Number(blockMs) === 0) await new Promise(() => {});
    // What it said has to leave first.
    await new Promise((resolve) => setTimeout(resolve, 50));
    block(Number(blockMs));
    say(`done ${page}`);
    return { done: true };
  },
});
const { sharedObjects } = process.report.getReport() as { sharedObjects: readonly string[] };
for (const file of sharedObjects.filter((name) => name.endsWith('.node'))) say(`add-on ${file}`);
say('open');
