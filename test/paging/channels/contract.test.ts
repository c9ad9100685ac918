// The contract of paging channels over every entry of the table, and what a typical notice looks like at each receiver.
//   UPDATE=1 npx vitest run test/paging/channels/contract.test.ts    writes fixtures/paging/<kind>-<action>.json anew
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHANNELS } from '../../../src/paging/index.ts';
import { realPorts } from '../../../src/ports.ts';
import { ACTIONS, channelContract } from '../../contract/channel.contract.ts';
import { deliver, ENTRIES, FIXTURES, openAt, wholeOf } from './entries.ts';
import { noticeOf } from './notices.ts';
import { startHttpReceiver } from './receiver.ts';

test('every kind of the table is held to the contract, once', () => {
  expect(ENTRIES.map(({ kind }) => kind).sort()).toEqual(Object.keys(CHANNELS).sort());
});

test('every fixture is of a kind of the table', () => {
  const kinds = new Set(
    readdirSync(FIXTURES).map((file) => file.replace(/(-(trigger|acknowledge|resolve|change)\.(json|eml)|\.schema\.json)$/, '')),
  );
  expect([...kinds].filter((kind) => !(kind in CHANNELS))).toEqual([]);
});

for (const entry of ENTRIES) channelContract(entry);

/** The wall clock stands, a little after the typical notice: what is sent by it is the same at every run. */
const real = realPorts();
const standing = { ...real, clock: { ...real.clock, wallMs: () => noticeOf('trigger').page.atMs + 2_000 } };

const over = ENTRIES.filter(({ lacks }) => !lacks.includes('http'));

test.each(over.flatMap((entry) => ACTIONS.map((action) => [entry.kind, action, entry] as const)))(
  'what %s is sent to %s is within the published limits and as its file has it',
  async (kind, action, entry) => {
    await using receiver = await startHttpReceiver();
    const channel = await openAt(kind, receiver, { context: { ports: standing } });
    expect(await deliver(channel, noticeOf(action))).toMatchObject({ sent: true });
    await channel.close?.();
    const file = join(FIXTURES, `${kind}-${action}.json`);
    const [told] = receiver.told;
    expect(told === undefined).toBe(entry.lacks.some((lack) => lack === action));
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
