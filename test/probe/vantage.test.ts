// A vantage as it runs, on virtual time: what it writes to the store when its process stood still.
import { expect, test } from 'vitest';
import type { Beat, Outcome, ProbeSpec, Vote } from '../../src/model.ts';
import { createVantage } from '../../src/probe/vantage.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { cluster } from '../api/fixture.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual } from '../virtual.ts';
import { clusterOf, poolOf, serviceOf } from '../world/clusters.ts';

/** A beat that was written, with the vote it keeps fresh. */
interface Word {
  beat: Beat;
  vote: Vote;
}

/** Everything that was said, in order. */
const overheard = (store: Store): { store: Store; words: Word[] } => {
  const words: Word[] = [];
  let vote: Vote | undefined;
  const listening: Store = {
    clusterId: store.clusterId,
    get: (query) => store.get(query),
    async txn(txn) {
      const result = await store.txn(txn);
      for (const op of result.ok ? txn.then : []) {
        if ('put' in op && op.put.startsWith('vote/')) vote = op.value as Vote;
        if ('put' in op && op.put.startsWith('beat/') && vote !== undefined) words.push({ beat: op.value as Beat, vote });
      }
      return result;
    },
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: () => store.close(),
  };
  return { store: listening, words };
};

const start = async (version?: string) => {
  const virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 7 });
  const process = virtual.spawn('eu-west');
  const { store, words } = overheard(openEmbedded({ file: ':memory:', ports: virtual.ports }));
  let outcome: Outcome = { saw: 'ok', tookMs: 5 };
  const vantage = createVantage({
    ports: process.ports,
    store,
    log: recordingLog(),
    region: 'eu-west',
    replica: 'a',
    boot: 'b1',
    ...(version === undefined ? {} : { version }),
    look: () => new Promise((resolve) => process.ports.timers.after(5, () => resolve(outcome))),
    onLook: () => undefined,
    onVote: () => undefined,
  });
  // It beats ten times as often as it looks: what wakes it is nearly always a beat.
  vantage.configure({ ...cluster, policy: { ...cluster.policy, beatMs: 500 } });
  await virtual.advanceUntil(() => words.at(-1)?.vote.unknown.length === 0, 30_000);
  return {
    virtual,
    process,
    words,
    see: (next: Outcome) => {
      outcome = next;
    },
    async [Symbol.asyncDispose]() {
      const stopped = vantage.stop();
      await virtual.advance(1000);
      await stopped;
      await store.close();
    },
  };
};

test.each([1000, 5000, 60_000])(
  'after standing still for %i ms it never repeats its old vote, and abstains for one interval',
  async (stillMs) => {
    await using it = await start();
    const { virtual, process, words, see } = it;
    for (let offsetMs = 0; offsetMs < 5; offsetMs++) {
      await virtual.advance(20_000 + 97 * offsetMs);
      const old = words.at(-1);
      const heard = words.length;
      expect(old?.vote.self).toEqual({ state: 'ok' });
      process.pause();
      await virtual.advance(stillMs);
      expect(words.length).toBe(heard);
      process.resume();
      await virtual.advance(cluster.policy.intervalMs - 10);
      const first = words.slice(heard);
      expect(first.length).toBeGreaterThan(5);
      for (const { beat, vote } of first) {
        expect(beat.seq).toBeGreaterThan(old?.vote.seq ?? 0);
        expect(vote.self).toMatchObject({ state: 'abstain', because: expect.stringContaining('paused') });
      }
    }
    // What changed while it stood still is in its first vote afterwards.
    process.pause();
    see({ saw: 'fault', reason: 'refused', tookMs: 1, detail: '' });
    await virtual.advance(stillMs);
    process.resume();
    await virtual.advanceUntil(() => words.at(-1)?.vote.self.state === 'ok', 30_000);
    expect(words.at(-1)?.vote.down).toHaveLength(6);
  },
);

test('a timer that is a little late is no pause', async () => {
  await using it = await start();
  const { virtual, process, words } = it;
  for (let i = 0; i < 20; i++) {
    process.pause();
    await virtual.advance(200);
    process.resume();
    await virtual.advance(1000);
  }
  expect(words.every(({ vote }) => vote.self.state === 'ok')).toBe(true);
});

test('every beat says which version of the program wrote it, also the last; without one it says nothing', async () => {
  const words = await (async () => {
    await using it = await start('1.2.3');
    await it.virtual.advance(5000);
    return it.words;
  })();
  expect(words.length).toBeGreaterThan(5);
  expect(new Set(words.map(({ beat }) => beat.version))).toEqual(new Set(['1.2.3']));
  expect(words.at(-1)?.vote.self).toMatchObject({ because: 'stopped in good order' });
  await using silent = await start();
  expect(silent.words.every(({ beat }) => !('version' in beat))).toBe(true);
});

test('a process that stood still while a write was under way abstains in the next one, whatever was to be written before', async () => {
  const virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 7 });
  const process = virtual.spawn('eu-west');
  const { store, words } = overheard(openEmbedded({ file: ':memory:', ports: virtual.ports }));
  const slow: Store = {
    clusterId: store.clusterId,
    get: (query) => store.get(query),
    async txn(txn) {
      const result = await store.txn(txn);
      await new Promise<void>((resolve) => process.ports.timers.after(900, resolve));
      return result;
    },
    watch: () => ({ close: () => undefined }),
    close: () => store.close(),
  };
  const vantage = createVantage({
    ports: process.ports,
    store: slow,
    log: recordingLog(),
    region: 'eu-west',
    replica: 'a',
    boot: 'b1',
    look: () => new Promise((resolve) => process.ports.timers.after(5, () => resolve({ saw: 'ok', tookMs: 5 }))),
    onLook: () => undefined,
    onVote: () => undefined,
  });
  vantage.configure({ ...cluster, policy: { ...cluster.policy, beatMs: 500 } });
  await virtual.advanceUntil(() => words.at(-1)?.vote.unknown.length === 0, 30_000);
  await virtual.advance(20_000);
  for (let offsetMs = 0; offsetMs < 10; offsetMs++) {
    await virtual.advanceUntil(() => words.at(-1)?.vote.self.state === 'ok', 20_000);
    await virtual.advance(10_000 + 97 * offsetMs);
    const heard = words.length;
    process.pause();
    await virtual.advance(30_000);
    process.resume();
    await virtual.advance(cluster.policy.intervalMs - 1000);
    const first = words.slice(heard);
    expect(first.length).toBeGreaterThan(2);
    expect(first.filter(({ vote }) => vote.self.state === 'ok')).toEqual([]);
  }
  const stopped = vantage.stop();
  await virtual.advance(2000);
  await stopped;
  await store.close();
});

test('a region of a thousand targets hangs: all are held down within two intervals, in few long words that say how old each fault is when they are written', async () => {
  const virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 7 });
  const { ports } = virtual.spawn('here');
  const { store, words } = overheard(openEmbedded({ file: ':memory:', ports: virtual.ports }));
  const delayed = async <T>(value: T): Promise<T> => new Promise((resolve) => ports.timers.after(50, () => resolve(value)));
  const regions = ['here', 'there', 'dying'];
  const pools = regions.map((region, i) => poolOf(region, 1, i, 1000));
  let diedAtMs = Number.POSITIVE_INFINITY;
  const firstFaultAtMs = new Map<string, number>();
  const wrong: string[] = [];
  const vantage = createVantage({
    ports,
    store: {
      clusterId: store.clusterId,
      get: async (query) => delayed(await store.get(query)),
      async txn(txn) {
        for (const op of txn.then) {
          if (!('put' in op) || !op.put.startsWith('beat/')) continue;
          for (const [key, { firstFaultAgeMs }] of Object.entries((op.value as Beat).suspects)) {
            const saidAtMs = virtual.now() - firstFaultAgeMs;
            if (Math.abs(saidAtMs - (firstFaultAtMs.get(key) ?? 0)) > 1) wrong.push(`${key}: ${saidAtMs}, not ${firstFaultAtMs.get(key)}`);
          }
        }
        return delayed(await store.txn(txn));
      },
      watch: () => ({ close: () => undefined }),
      close: () => store.close(),
    },
    log: recordingLog(),
    region: 'here',
    replica: 'a',
    boot: 'b1',
    look: (spec: ProbeSpec) => {
      const outcome: Outcome =
        virtual.now() >= diedAtMs && spec.url.includes('dying')
          ? { saw: 'fault', reason: 'timeout', tookMs: 2000, detail: '' }
          : { saw: 'ok', tookMs: 20 };
      const key = spec.url.replace(/^http:\/\/(\w+)-(\d+)\//, 'web/$1/app-$2#');
      if (outcome.saw === 'fault' && !firstFaultAtMs.has(key)) firstFaultAtMs.set(key, virtual.now());
      return new Promise((resolve) => ports.timers.after(outcome.tookMs, () => resolve(outcome)));
    },
    onLook: () => undefined,
    onVote: () => undefined,
  });
  vantage.configure({ ...clusterOf(regions, []), services: [serviceOf(regions, { pools })] });
  await virtual.advance(20_000);
  expect(words.at(-1)?.vote).toMatchObject({ unknown: [], down: [] });
  diedAtMs = virtual.now();
  const before = words.length;
  await virtual.advance(10_000);
  expect(words.at(-1)?.vote).toMatchObject({ self: { state: 'ok' }, down: { length: 1000 }, unready: { length: 1000 } });
  // Each change by itself would be two thousand.
  expect(words.length - before).toBeLessThan(60);
  expect(wrong).toEqual([]);
  const stopped = vantage.stop();
  await virtual.advance(3000);
  await stopped;
  await store.close();
});
