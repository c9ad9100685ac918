// What a vantage writes while it has more to say than the store takes.
import { expect, test } from 'vitest';
import type { Beat, Vote } from '../../src/model.ts';
import { createVoice } from '../../src/probe/voice.ts';
import type { Store } from '../../src/store/store.ts';
import { createMemoryStore } from '../memory-store.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual } from '../virtual.ts';

const VOTE: Vote = { boot: 'b1', seq: 1, configVersion: 1, self: { state: 'ok' }, peers: ['a'], down: [], unready: [], unknown: [] };
const beatOf = (n: number): Beat => ({ boot: 'b1', seq: n, n, configVersion: 1, suspects: {}, loopDelayMs: 0, wallMs: 0 });

test('a thousand things said while one write is under way are one write more, and the beat is made for what is written alone', async () => {
  const virtual = createVirtual({ startWallMs: 0, seed: 1 });
  const { ports } = virtual.spawn('a');
  const inner = createMemoryStore({ random: ports.random });
  const written: number[] = [];
  const store: Store = {
    clusterId: inner.clusterId,
    get: (query) => inner.get(query),
    async txn(txn) {
      for (const op of txn.then) if ('put' in op && op.put.startsWith('beat/')) written.push((op.value as Beat).n);
      await new Promise<void>((resolve) => ports.timers.after(20, resolve));
      return inner.txn(txn);
    },
    watch: (prefix, onEvent) => inner.watch(prefix, onEvent),
    close: () => inner.close(),
  };
  const voice = createVoice({
    ports,
    store,
    log: recordingLog(),
    region: 'eu',
    replica: 'a',
    boot: 'b1',
    goneMs: () => 3000,
    cluster: () => 'test',
    signer: null,
    saw: () => undefined,
    seenRev: () => 0,
    onWriting: () => undefined,
    onNameTaken: () => undefined,
  });
  voice.open();
  await virtual.advance(100);
  const made: number[] = [];
  for (let n = 1; n <= 1000; n++)
    voice.say({ ...VOTE, seq: n }, () => {
      made.push(n);
      return beatOf(n);
    });
  await virtual.advance(1000);
  expect(written).toEqual(made);
  expect(written.length).toBeLessThanOrEqual(2);
  expect(written.at(-1)).toBe(1000);
  expect(inner.read({ keys: ['vote/eu/a'] }).kvs[0]?.value).toMatchObject({ seq: 1000 });
  const stopped = voice.stop();
  await virtual.advance(2000);
  await stopped;
});
