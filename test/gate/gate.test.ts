// A gate's life on virtual time: it follows the store, goes on without it, remembers over restarts, and says what it is worth.
import { describe, expect, test } from 'vitest';
import { gateKey } from '../../providers/gate/record.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import { GATE_LOOK_MS } from '../../src/gate/gate.ts';
import { REGIONS, WEB } from '../providers/gate.fixture.ts';
import { clusterOf } from '../world.ts';
import { createBench, fakeFile } from './gate.fixture.ts';

const NO_EU = { 'us-east': 500, 'ap-south': 500 };

describe('following the store', () => {
  test('a write is answered at once, by the watch', async () => {
    const bench = createBench();
    const gate = await bench.open();
    await bench.virtual.advance(100);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: false, fence: null });
    await bench.write(1);
    await bench.virtual.advance(20);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: false, fence: 1 });
    await bench.write(2, NO_EU);
    await bench.virtual.advance(20);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: true, fence: 2 });
    await gate.close();
    expect(bench.virtual.pendingTimers()).toBe(0);
  });

  test('a watch that is silent costs one look, never the truth', async () => {
    const bench = createBench();
    const gate = await bench.open();
    await bench.virtual.advance(100);
    bench.link.isWatching = false;
    await bench.write(1, NO_EU);
    expect(await bench.virtual.advanceUntil(() => gate.answer(WEB, 'eu-west').drain, 60_000)).toBeLessThanOrEqual(GATE_LOOK_MS);
    await gate.close();
  });

  test('a hundred writes at once are a few looks', async () => {
    const bench = createBench();
    const gate = await bench.open();
    await bench.virtual.advance(100);
    const before = bench.link.reads;
    for (let n = 1; n <= 100; n++) await bench.write(1, {}, `s${n}.example.test`);
    await bench.virtual.advance(100);
    expect(bench.link.reads - before).toBeLessThanOrEqual(3);
    expect(gate.status()).toMatchObject({ services: 100, fence: 1 });
    await gate.close();
  });

  test('what leaves the configuration is let go', async () => {
    const bench = createBench();
    bench.cluster = clusterOf([...REGIONS], [{ name: WEB }]);
    const gate = await bench.open();
    await bench.write(1, NO_EU);
    await bench.virtual.advance(20);
    expect(gate.status().drained).toEqual([{ service: WEB, pool: 'eu-west', fence: 1 }]);
    // A canary's record, which counts by itself.
    await bench.write(96, {}, 'canary.example.test');
    await bench.virtual.advance(20);
    expect(gate.status()).toMatchObject({ services: 1, fence: 1 });
    bench.cluster = clusterOf([...REGIONS], [{ name: 'other.example.test' }]);
    expect(gate.answer(WEB, 'eu-west').drain).toBe(false);
    expect(gate.status().drained).toEqual([]);
    await gate.close();
  });
});

describe('without the store', () => {
  test('the last answer stays, its age grows, and both end when the store is back', async () => {
    const bench = createBench();
    const gate = await bench.open();
    await bench.write(1, NO_EU);
    await bench.virtual.advance(20);
    expect(gate.age()).toMatchObject({ seesStore: true });
    bench.link.isUp = false;
    await bench.write(2);
    await bench.virtual.advance(3_600_000);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: true, fence: 1 });
    expect(gate.age().ageS).toBeGreaterThan(3590);
    expect(gate.age().ageS).toBeLessThan(3610);
    expect(gate.status()).toMatchObject({ seesStore: false, fromFile: false });
    expect(bench.log.of('gate.blind')).toHaveLength(1);
    bench.link.isUp = true;
    expect(await bench.virtual.advanceUntil(() => !gate.answer(WEB, 'eu-west').drain, 60_000)).toBeLessThanOrEqual(1000);
    expect(gate.age()).toMatchObject({ seesStore: true });
    expect(bench.log.of('gate.sees')).toHaveLength(1);
    await gate.close();
  });

  test('a gate that never saw one, and remembers nothing, drains nothing and says so', async () => {
    const bench = createBench();
    bench.link.isUp = false;
    const gate = await bench.open();
    await bench.virtual.advance(60_000);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: false, fence: null });
    expect(gate.status()).toEqual({
      seesStore: false,
      ageS: null,
      seenAtMs: null,
      fromFile: false,
      services: 0,
      fence: null,
      drained: [],
      refused: [],
      fileTrouble: null,
    });
    await gate.close();
  });
});

describe('a restart', () => {
  test('without a store answers as before from the first moment, with the age of what it says', async () => {
    const bench = createBench();
    const file = fakeFile();
    const first = await bench.open(file);
    await bench.write(1, NO_EU);
    await bench.virtual.advance(100);
    await first.close();
    bench.link.isUp = false;
    await bench.virtual.advance(600_000);
    const second = await bench.open(file);
    expect(second.answer(WEB, 'eu-west')).toEqual({ drain: true, fence: 1 });
    expect(second.status()).toMatchObject({ fromFile: true, seesStore: false, drained: [{ pool: 'eu-west' }] });
    expect(second.age().ageS).toBeGreaterThan(599);
    await bench.virtual.advance(600_000);
    expect(second.age().ageS).toBeGreaterThan(1199);
    await second.close();
    // What is only remembered is not written again as if it had been seen.
    const third = await bench.open(file);
    expect(third.age().ageS).toBeGreaterThan(1199);
    await third.close();
  });

  test('says when the store was last seen to within a minute, though nothing changes', async () => {
    const bench = createBench();
    const file = fakeFile();
    const first = await bench.open(file);
    await bench.write(1, NO_EU);
    await bench.virtual.advance(3_600_000);
    await first.close();
    bench.link.isUp = false;
    const second = await bench.open(file);
    // One look more, since that is how often it is seen.
    expect(second.age().ageS).toBeLessThan(66);
    expect(file.writes).toBeLessThan(70);
    await second.close();
  });

  test('with a store looks at once, and follows what changed meanwhile', async () => {
    const bench = createBench();
    const file = fakeFile();
    const first = await bench.open(file);
    await bench.write(1, NO_EU);
    await bench.virtual.advance(100);
    await first.close();
    await bench.write(2);
    const second = await bench.open(file);
    await bench.virtual.advance(10);
    expect(second.answer(WEB, 'eu-west')).toEqual({ drain: false, fence: 2 });
    expect(second.status()).toMatchObject({ fromFile: false, seesStore: true });
    await second.close();
  });

  test.each([
    ['half written', (text: string) => text.slice(0, text.length / 2)],
    ['changed', (text: string) => text.replace('true', 'false')],
    ['of another replica', (text: string) => text],
    ['of something else', () => 'region: eu-west\n'],
  ])('with a file that is %s drains nothing by it, keeps it beside, says so, and writes its own', async (what, damage) => {
    const bench = createBench();
    const file = fakeFile();
    const first = await bench.open(file);
    await bench.write(1, NO_EU);
    await bench.virtual.advance(100);
    await first.close();
    file.text = damage(file.text);
    const theirs = file.text;
    bench.link.isUp = false;
    const second = await bench.open(file, what === 'of another replica' ? 'us-east/b' : 'us-east/a');
    expect(second.status()).toMatchObject({ drained: [], fromFile: false, services: 0 });
    expect(file.aside).toBe(theirs);
    expect(bench.log.of('gate.file')).toHaveLength(1);
    expect(bench.troubles).toEqual([{ subject: 'file', because: expect.stringContaining('was not used') }]);
    bench.link.isUp = true;
    await bench.virtual.advance(2000);
    expect(second.answer(WEB, 'eu-west').drain).toBe(true);
    expect(file.text).toContain('tidegateGate');
    await second.close();
  });

  test('with a file that is not ours and cannot be moved leaves it as it is', async () => {
    const bench = createBench();
    const file = fakeFile('theirs');
    file.trouble = 'immovable';
    const gate = await bench.open(file);
    await bench.write(1, NO_EU);
    await bench.virtual.advance(200_000);
    expect(gate.answer(WEB, 'eu-west').drain).toBe(true);
    expect(file.text).toBe('theirs');
    expect(gate.status().fileTrouble).toContain('EPERM');
    await gate.close();
  });
});

describe('a disk', () => {
  test('that is full keeps no answer; it is said once, and made up for when there is space', async () => {
    const bench = createBench();
    const file = fakeFile();
    file.trouble = 'full';
    const gate = await bench.open(file);
    await bench.write(1, NO_EU);
    await bench.virtual.advance(60_000);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: true, fence: 1 });
    expect(gate.status().fileTrouble).toContain('ENOSPC');
    expect(bench.log.of('gate.file')).toHaveLength(1);
    expect(bench.troubles[0]).toEqual({ subject: 'file', because: expect.stringContaining('cannot be written: ENOSPC') });
    file.trouble = 'none';
    await bench.virtual.advance(10_000);
    expect(gate.status().fileTrouble).toBeNull();
    expect(file.text).toContain('eu-west');
    await gate.close();
  });

  test('that hangs keeps no answer, at the start neither, and no stop', async () => {
    const bench = createBench();
    const file = fakeFile();
    file.trouble = 'hang';
    const gate = await bench.open(file);
    expect(bench.virtual.now()).toBeLessThanOrEqual(2000);
    await bench.write(1, NO_EU);
    await bench.virtual.advance(20);
    expect(gate.answer(WEB, 'eu-west').drain).toBe(true);
    await bench.virtual.advance(5000);
    expect(gate.status().fileTrouble).toContain('no answer within 2000 ms');
    let isClosed = false;
    void gate.close().then(() => {
      isClosed = true;
    });
    await bench.virtual.advance(2500);
    expect(isClosed).toBe(true);
  });
});

describe('a store that lost history', () => {
  test('is not followed back, which is said, until a human adopts it', async () => {
    const bench = createBench();
    await bench.write(1);
    const backup = bench.store.snapshot();
    const gate = await bench.open();
    await bench.write(2, NO_EU);
    await bench.virtual.advance(100);
    bench.store.restore(backup, 'new');
    await bench.virtual.advance(10_000);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: true, fence: 2 });
    expect(gate.status().refused).toEqual([expect.stringContaining('it lost history')]);
    expect(bench.troubles).toEqual([{ subject: 'store', because: expect.stringContaining('it lost history') }]);
    const adopted = { nonce: 'n1', by: 'alice', reason: 'restored', atMs: 1, clusterId: '' };
    await bench.store.txn({ if: [], then: [{ put: KEYS.adopted, value: adopted }] });
    await bench.virtual.advance(10_000);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: false, fence: 1 });
    expect(gate.status().refused).toEqual([]);
    await gate.close();
  });

  test('all of it, by a new one in its place: a restart does not end the drain', async () => {
    const bench = createBench();
    const empty = bench.store.snapshot();
    const file = fakeFile();
    const before = await bench.open(file);
    await bench.write(2, NO_EU);
    await bench.virtual.advance(100);
    await before.close();
    bench.store.restore(empty, 'new');
    const gate = await bench.open(file);
    await bench.virtual.advance(10_000);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: true, fence: 2 });
    expect(bench.troubles).toEqual([{ subject: 'store', because: expect.stringContaining('another store took the place') }]);
    const adopted = { nonce: 'n1', by: 'alice', reason: 'new', atMs: 1 };
    await bench.store.txn({ if: [], then: [{ put: KEYS.adopted, value: adopted }] });
    await bench.virtual.advance(10_000);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: false, fence: null });
    await gate.close();
  });

  test('of many services is told in a few words, and with what to do', async () => {
    const bench = createBench();
    const empty = bench.store.snapshot();
    const file = fakeFile();
    const before = await bench.open(file);
    for (let n = 1; n <= 50; n++) await bench.write(1, NO_EU, `s${n}.example.test`);
    await bench.virtual.advance(100);
    await before.close();
    bench.store.restore(empty, 'new');
    const gate = await bench.open(file);
    await bench.virtual.advance(100);
    expect(bench.troubles[0]?.because).toMatch(/; and 47 more; answered as before until the store is adopted \(tidegate adopt\)$/);
    await gate.close();
  });

  test('and does not even have the record: the drain ends, since nobody knows why', async () => {
    const bench = createBench();
    const gate = await bench.open();
    await bench.write(1, NO_EU);
    await bench.virtual.advance(100);
    await bench.store.txn({ if: [], then: [{ del: gateKey(WEB) }] });
    await bench.virtual.advance(100);
    expect(gate.answer(WEB, 'eu-west')).toEqual({ drain: false, fence: null });
    await gate.close();
  });
});
