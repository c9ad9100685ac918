// Two processes never speak under one name: who takes it, who waits, who is told that it is another's, and what happens when replies are lost or the
// store forgets.
import { describe, expect, test } from 'vitest';
import { beatKey, bootKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import { createSigner, createVerifier, newKeyPair } from '../../src/coordinate/signing.ts';
import { configHash } from '../../src/health/config-hash.ts';
import type { Beat, Boot, ClusterConfig, Vote } from '../../src/model.ts';
import { createVantage, type Vantage, type VantageOptions } from '../../src/probe/vantage.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError, type Txn, type WatchEvent } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { createVirtual, type VirtualProcess } from '../virtual.ts';
import { clusterOf } from '../world.ts';

const [REGION, REPLICA] = ['eu', 'a'];
const [BOOT, VOTE, BEAT] = [bootKey(REGION, REPLICA), voteKey(REGION, REPLICA), beatKey(REGION, REPLICA)];
const cluster: ClusterConfig = clusterOf(['eu', 'us', 'ap'], [{}]);

interface Started {
  vantage: Vantage;
  /** Its store's watch tells it this. */
  tell: (event: WatchEvent) => void;
  process: VirtualProcess;
  taken: string[];
  conflicts: string[];
}

/** A store of its own on virtual time, and processes that start under one name. `bend` changes what a process's transactions meet. */
const world = async () => {
  const virtual = createVirtual({ startWallMs: Date.UTC(2026, 10, 22), seed: 3 });
  const store = openEmbedded({ file: ':memory:', ports: virtual.ports });
  await store.txn({ if: [], then: [{ put: KEYS.members, value: cluster }] });
  const started: Started[] = [];
  let boots = 0;

  const start = (more: Partial<VantageOptions> = {}, bend?: (txn: Txn, really: Store['txn']) => ReturnType<Store['txn']>): Started => {
    boots++;
    const process = virtual.spawn(`start ${boots}`);
    const after = <T>(value: T): Promise<T> => new Promise((resolve) => process.ports.timers.after(10, () => resolve(value)));
    const txn: Store['txn'] = async (wanted) => {
      await after(null);
      return after(await (bend === undefined ? store.txn(wanted) : bend(wanted, (txn) => store.txn(txn))));
    };
    const one: Started = { process, taken: [], conflicts: [], tell: () => undefined, vantage: undefined as unknown as Vantage };
    const remote: Store = {
      clusterId: store.clusterId,
      get: async (query) => after(await store.get(query)),
      txn,
      watch(prefix, onEvent) {
        one.tell = onEvent;
        return store.watch(prefix, (event) => process.ports.timers.after(5, () => onEvent(event)));
      },
      close: async () => undefined,
    };
    one.vantage = createVantage({
      ports: process.ports,
      store: remote,
      log: recordingLog(),
      region: REGION,
      replica: REPLICA,
      boot: `boot-${boots}`,
      look: () => after({ saw: 'ok', tookMs: 5 }),
      onLook: () => undefined,
      onVote: () => undefined,
      onNameTaken: (because) => one.taken.push(because),
      onConfigConflict: (because) => one.conflicts.push(because),
      ...more,
    });
    started.push(one);
    return one;
  };

  const read = async <T>(key: string): Promise<T | undefined> => (await store.get({ keys: [key] })).kvs[0]?.value as T | undefined;
  const until = async (done: () => Promise<boolean>, limitMs: number): Promise<number> => {
    const startMs = virtual.now();
    while (!(await done())) {
      if (virtual.now() - startMs >= limitMs) throw new Error(`not so within ${limitMs} ms`);
      await virtual.advance(50);
    }
    return virtual.now() - startMs;
  };
  const speaks = (boot: string) => async () => (await read<Beat>(BEAT))?.boot === boot;
  return {
    virtual,
    store,
    start,
    read,
    until,
    speaks,
    kill: (one: Started) => one.process.kill(),
    async [Symbol.asyncDispose]() {
      for (const { process } of started) process.kill();
      await store.close();
    },
  };
};

describe('a name', () => {
  test('that nobody has is taken at once, with number 1, and vote and beat carry it', async () => {
    await using w = await world();
    w.start();
    expect(await w.until(w.speaks('boot-1'), 1000)).toBeLessThan(500);
    expect(await w.read<Boot>(BOOT)).toMatchObject({ n: 1, boot: 'boot-1', stopped: false });
    expect(await w.read<Vote>(VOTE)).toMatchObject({ bootN: 1, configHash: configHash(cluster), peers: ['a'] });
    const beat = await w.read<Beat>(BEAT);
    const { rev } = await w.store.get({ keys: [BEAT] });
    expect(beat).toMatchObject({ bootN: 1, configHash: configHash(cluster) });
    expect(beat?.asOfRev).toBeGreaterThan(0);
    expect(beat?.asOfRev).toBeLessThan(rev);
  });

  test('left in good order is taken at once; the last word claims nothing', async () => {
    await using w = await world();
    const first = w.start();
    await w.virtual.advance(20_000);
    let over = false;
    void first.vantage.stop().then(() => {
      over = true;
    });
    await w.virtual.advanceUntil(() => over, 2000);
    expect(await w.read<Boot>(BOOT)).toMatchObject({ n: 1, stopped: true });
    const last = await w.read<Vote>(VOTE);
    expect(last).toMatchObject({ self: { state: 'abstain' }, bootN: 1 });
    expect(await w.read<Beat>(BEAT)).toMatchObject({ seq: last?.seq, bootN: 1 });
    w.start();
    expect(await w.until(w.speaks('boot-2'), 1000)).toBeLessThan(500);
    expect(await w.read<Boot>(BOOT)).toMatchObject({ n: 2, boot: 'boot-2', stopped: false });
  });

  test('of a process that died is taken when a beat and a fifth have passed in silence; meanwhile it looks', async () => {
    await using w = await world();
    const first = w.start();
    await w.virtual.advance(20_000);
    w.kill(first);
    const second = w.start();
    const tookMs = await w.until(w.speaks('boot-2'), 10_000);
    expect(tookMs).toBeGreaterThan(2900);
    expect(tookMs).toBeLessThan(4500);
    expect(second.vantage.vote()?.seq).toBeGreaterThan(0);
    expect(second.taken).toEqual([]);
    await w.virtual.advance(10_000);
    expect(await w.read<Vote>(VOTE)).toMatchObject({ bootN: 2, unknown: [] });
  });

  test('of a process that runs is refused to the second, which stays mute; the first goes on', async () => {
    await using w = await world();
    const first = w.start();
    await w.virtual.advance(20_000);
    const second = w.start();
    await w.virtual.advance(30_000);
    expect(second.taken).toHaveLength(1);
    expect(second.taken[0]).toContain('eu/a is the name of a process that runs: boot boot-1');
    expect(first.taken).toEqual([]);
    expect(await w.speaks('boot-1')()).toBe(true);
    expect(await w.read<Boot>(BOOT)).toMatchObject({ n: 1, boot: 'boot-1' });
    // The last beat of a process that was just killed may still come; a living one is known by its second.
    await w.virtual.advance(60_000);
    expect(second.taken).toHaveLength(1);
  });

  test('is not refused because of the last beat of a process that has just been killed', async () => {
    await using w = await world();
    const first = w.start();
    await w.virtual.advance(20_000);
    w.kill(first);
    const second = w.start();
    await w.virtual.advance(1000);
    const { kvs } = await w.store.get({ keys: [BEAT] });
    const beat = kvs[0]?.value as Beat;
    await w.store.txn({ if: [], then: [{ put: BEAT, value: { ...beat, n: beat.n + 1 } }] });
    await w.until(w.speaks('boot-2'), 10_000);
    expect(second.taken).toEqual([]);
  });

  test('that two processes start under at once goes to one of them', async () => {
    await using w = await world();
    const both = [w.start(), w.start()];
    await w.virtual.advance(20_000);
    expect(both.map((one) => one.taken.length).sort()).toEqual([0, 1]);
    const winner = both.find((one) => one.taken.length === 0);
    expect((await w.read<Boot>(BOOT))?.boot).toBe(`boot-${both.indexOf(winner ?? both[0]!) + 1}`);
  });

  test('is lost by a process that was paused and replaced: when it wakes it writes nothing, ever', async () => {
    await using w = await world();
    const first = w.start();
    await w.virtual.advance(20_000);
    first.process.pause();
    w.start();
    await w.virtual.advance(60_000);
    expect(await w.speaks('boot-2')()).toBe(true);
    first.process.resume();
    for (let i = 0; i < 200; i++) {
      await w.virtual.advance(100);
      expect(await w.speaks('boot-2')()).toBe(true);
    }
    expect(first.taken).toHaveLength(1);
    expect(first.taken[0]).toContain('boot boot-2 is start 2');
  });

  test('is lost as soon as another has taken it, before that one has said a word', async () => {
    await using w = await world();
    const one = w.start();
    await w.virtual.advance(20_000);
    const { kvs } = await w.store.get({ keys: [BEAT] });
    await w.store.txn({ if: [], then: [{ put: BOOT, value: { n: 2, boot: 'another', nonce: 'x', stopped: false } }] });
    await w.virtual.advance(10_000);
    expect((await w.store.get({ keys: [BEAT] })).kvs[0]?.mod).toBe(kvs[0]?.mod);
    expect(one.taken).toHaveLength(1);
  });

  test('taken in doubt is found by reading it back', async () => {
    await using w = await world();
    let lost = 0;
    const one = w.start({}, async (txn, really) => {
      const result = await really(txn);
      if (lost === 0 && txn.then.some((op) => 'put' in op && op.put === BOOT)) {
        lost++;
        throw new StoreAmbiguousError('the reply was lost');
      }
      return result;
    });
    await w.until(w.speaks('boot-1'), 2000);
    expect(lost).toBe(1);
    expect(await w.read<Boot>(BOOT)).toMatchObject({ n: 1, boot: 'boot-1' });
    expect(one.taken).toEqual([]);
  });

  test.each([true, false])(
    'that a restored store gives to an earlier start (stopped: %s) is taken anew, with a higher number',
    async (stopped) => {
      await using w = await world();
      await w.store.txn({ if: [], then: [{ put: BOOT, value: { n: 6, boot: 'earlier', nonce: 'x', stopped: true } }] });
      const one = w.start();
      await w.virtual.advance(20_000);
      expect(await w.read<Boot>(BOOT)).toMatchObject({ n: 7, boot: 'boot-1' });
      const then = [
        { put: BOOT, value: { n: 6, boot: 'earlier', nonce: 'x', stopped } },
        { put: BEAT, value: { boot: 'earlier', bootN: 6, n: 40, seq: 2, suspects: {} } },
        { del: VOTE },
      ];
      await w.store.txn({ if: [], then });
      await w.until(w.speaks('boot-1'), 10_000);
      expect(await w.read<Boot>(BOOT)).toMatchObject({ n: 8, boot: 'boot-1' });
      expect(await w.read<Vote>(VOTE)).toMatchObject({ bootN: 8 });
      expect(one.taken).toEqual([]);
    },
  );

  test('of a process of 0.1 that runs, which writes no boot record, is refused too', async () => {
    await using w = await world();
    await w.store.txn({ if: [], then: [{ put: BEAT, value: { boot: 'old', n: 1 } }] });
    const one = w.start();
    for (let n = 2; n < 6; n++) {
      await w.virtual.advance(2500);
      await w.store.txn({ if: [], then: [{ put: BEAT, value: { boot: 'old', n, suspects: {} } }] });
    }
    expect(one.taken).toHaveLength(1);
    expect(await w.read<Boot>(BOOT)).toBeUndefined();
  });
});

describe('what is written', () => {
  test('is signed over every field, boot number included', async () => {
    await using w = await world();
    const { privatePem, publicKey } = newKeyPair();
    w.start({ signer: createSigner(privatePem) });
    await w.virtual.advance(20_000);
    const place = { cluster: cluster.name, region: REGION, replica: REPLICA };
    const verifier = createVerifier();
    const vote = await w.read<Vote>(VOTE);
    expect(verifier.isGenuine('vote', place, vote, [publicKey])).toBe(true);
    expect(verifier.isGenuine('beat', place, await w.read(BEAT), [publicKey])).toBe(true);
    expect(verifier.isGenuine('vote', place, { ...vote, bootN: 2 }, [publicKey])).toBe(false);
  });

  test('by a sibling counts in a region with keys only when one of them signed it', async () => {
    const { privatePem, publicKey } = newKeyPair();
    const keyed = { ...cluster, version: 2, regions: cluster.regions.map((r) => (r.name === REGION ? { ...r, keys: [publicKey] } : r)) };
    await using w = await world();
    await w.store.txn({ if: [], then: [{ put: KEYS.members, value: keyed }] });
    const signer = createSigner(privatePem);
    w.start({ signer });
    w.start({ replica: 'b', signer });
    w.start({ replica: 'c', signer: createSigner(newKeyPair().privatePem) });
    w.start({ replica: 'd' });
    await w.virtual.advance(20_000);
    for (const replica of ['a', 'b']) expect((await w.read<Vote>(voteKey(REGION, replica)))?.peers).toEqual(['a', 'b']);
  });

  test('is stopped within its limit by a store that does not answer', async () => {
    await using w = await world();
    let deaf = false;
    const one = w.start({}, (txn, really) => (deaf ? new Promise(() => undefined) : really(txn)));
    await w.virtual.advance(10_000);
    deaf = true;
    let over = false;
    void one.vantage.stop().then(() => {
      over = true;
    });
    await w.virtual.advanceUntil(() => over, 1500);
    expect(over).toBe(true);
  });
});

describe('a configuration', () => {
  const other = { ...cluster, goals: { ...cluster.goals, detectionMs: 1 } };
  const put = async (w: Awaited<ReturnType<typeof world>>, value: ClusterConfig): Promise<void> => {
    await w.store.txn({ if: [], then: [{ put: KEYS.members, value }] });
    await w.virtual.advance(3000);
  };

  test('with other content under the version held is refused, once and with both hashes; the vote covers what is held, and abstains', async () => {
    await using w = await world();
    const one = w.start();
    await w.virtual.advance(20_000);
    await put(w, other);
    const first = one.conflicts[0];
    await put(w, { ...other, goals: { ...other.goals, detectionMs: 2 } });
    expect(one.conflicts).toEqual([first]);
    expect(first).toContain(configHash(cluster));
    expect(first).toContain(configHash(other));
    expect(await w.read<Vote>(VOTE)).toMatchObject({
      configHash: configHash(cluster),
      self: { state: 'abstain' },
    });
    await put(w, { ...other, version: 2 });
    expect(await w.read<Vote>(VOTE)).toMatchObject({ configVersion: 2, self: { state: 'ok' } });
  });

  test('with a lower version is refused until the one held is back', async () => {
    await using w = await world();
    await put(w, { ...cluster, version: 5 });
    const one = w.start();
    await w.virtual.advance(20_000);
    await put(w, cluster);
    expect(one.conflicts).toHaveLength(1);
    expect(await w.read<Vote>(VOTE)).toMatchObject({ configVersion: 5, self: { state: 'abstain' } });
    await put(w, { ...cluster, version: 5 });
    expect(await w.read<Vote>(VOTE)).toMatchObject({ configVersion: 5, self: { state: 'ok' } });
  });

  test('with a lower version is taken when a human has adopted the store it is in', async () => {
    await using w = await world();
    await put(w, { ...cluster, version: 5 });
    const one = w.start();
    await w.virtual.advance(20_000);
    const adopted = { nonce: 'n1', atMs: 1, by: 'alice', reason: 'restored from a snapshot' };
    await w.store.txn({
      if: [],
      then: [
        { put: KEYS.members, value: cluster },
        { put: KEYS.adopted, value: adopted },
      ],
    });
    await w.virtual.advance(5000);
    expect(one.conflicts).toEqual([]);
    expect(await w.read<Vote>(VOTE)).toMatchObject({ configVersion: 1, self: { state: 'ok' } });
  });

  test('that contradicts the one held is not judged before its own look, when the store may be another', async () => {
    await using w = await world();
    await put(w, { ...cluster, version: 5 });
    const one = w.start();
    await w.virtual.advance(20_000);
    const then = [
      { put: KEYS.members, value: cluster },
      { put: KEYS.adopted, value: { nonce: 'n2', atMs: 2, by: 'alice', reason: 'restored' } },
    ];
    const { rev } = await w.store.txn({ if: [], then });
    one.tell({ kind: 'resync' });
    // The coordinator beside it has read first.
    one.vantage.configure(cluster, rev);
    expect(one.conflicts).toEqual([]);
    await w.virtual.advance(5000);
    expect(one.conflicts).toEqual([]);
    expect(await w.read<Vote>(VOTE)).toMatchObject({ configVersion: 1, self: { state: 'ok' } });
  });

  test('that was read before the one held and arrives after it changes nothing', async () => {
    await using w = await world();
    const one = w.start();
    await w.virtual.advance(20_000);
    const { rev } = await w.store.get({ keys: [KEYS.members] });
    await put(w, { ...cluster, version: 2 });
    one.vantage.configure(cluster, rev);
    await w.virtual.advance(3000);
    expect(one.conflicts).toEqual([]);
    expect(await w.read<Vote>(VOTE)).toMatchObject({ configVersion: 2, self: { state: 'ok' } });
  });
});

test('a store that is full for a minute is asked no more often than one retry and the due beats come to, and heard again at once when it is not', async () => {
  await using w = await world();
  let full = false;
  let asked = 0;
  w.start({}, async (txn, really) => {
    if (!full) return really(txn);
    asked++;
    throw new StoreDefiniteError('no space');
  });
  await w.virtual.advance(5000);
  full = true;
  await w.virtual.advance(60_000);
  // Two retries a second, and a beat every 2.5 s: each write that fails must not begin a row of retries of its own.
  expect(asked).toBeGreaterThan(60);
  expect(asked).toBeLessThan(160);
  full = false;
  const before = (await w.read<Beat>(BEAT))?.n ?? 0;
  expect(await w.until(async () => ((await w.read<Beat>(BEAT))?.n ?? 0) > before, 5000)).toBeLessThan(1000);
});
