// The contract of paging channels over every entry of the table, and what a typical notice looks like at each receiver.
//   UPDATE=1 npx vitest run test/paging/channels/contract.test.ts    writes fixtures/paging/<kind>-<action>.json anew
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHANNELS, openChannel } from '../../../src/paging/index.ts';
import { realPorts } from '../../../src/ports.ts';
import { channelContract } from '../../contract/channel.contract.ts';
import { recordingLog } from '../../recording-log.ts';
import { ENTRIES, FIXTURES, wholeOf } from './entries.ts';
import { noticeOf } from './notices.ts';
import { startHttpReceiver } from './receiver.ts';

test('every kind of the table is held to the contract, once', () => {
  expect(ENTRIES.map(({ kind }) => kind).sort()).toEqual(Object.keys(CHANNELS).sort());
});

for (const entry of ENTRIES) channelContract(entry);

const over = ENTRIES.filter(({ lacks }) => !lacks.includes('http'));

test.each(over.flatMap((entry) => (['trigger', 'resolve', 'change'] as const).map((action) => [entry.kind, action, entry] as const)))(
  'what %s is sent to %s is within the published limits and as its file has it',
  async (kind, action, entry) => {
    await using receiver = await startHttpReceiver();
    const { config, files } = entry.configure({ host: '127.0.0.1', port: receiver.port, tls: false, networks: ['127.0.0.0/8'] });
    const read = (path: string): string => files[path] ?? '';
    const resolve = () => Promise.reject(new Error('nothing to resolve'));
    const channel = await openChannel(config, { ports: realPorts(), log: recordingLog(), secret: read, text: read, resolve });
    expect(await channel.deliver(noticeOf(action), new AbortController().signal)).toMatchObject({ sent: true });
    await channel.close?.();
    const file = join(FIXTURES, `${kind}-${action}.json`);
    const [told] = receiver.told;
    expect(told === undefined).toBe(action === 'change' && entry.lacks.includes('change'));
    if (told === undefined) {
      expect(existsSync(file)).toBe(false);
      return;
    }
    entry.hold(told);
    const text = `${JSON.stringify(wholeOf(told), null, 2)}\n`;
    if (process.env.UPDATE === '1') writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  },
);
