// What the fake store adds to the contract: cheap frozen reads, the store of a backup, every commit told. The contract itself: test/store/contract.test.ts.
import { beforeEach, expect, test } from 'vitest';
import type { WatchEvent } from '../src/store/store.ts';
import { type Commit, createMemoryStore, type MemoryStore } from './memory-store.ts';
import { seededRandom } from './virtual.ts';

let store: MemoryStore;
beforeEach(() => {
  store = createMemoryStore({ random: seededRandom('a store') });
});

const put = (key: string, value: unknown) => store.txn({ if: [], then: [{ put: key, value }] });
const storedAt = async (key: string) => (await store.get({ keys: [key] })).kvs[0]?.value;

test('a reader that changes a record fails, at any depth', async () => {
  await put('a', { list: [{ n: 1 }] });
  const { kvs } = await store.get({ keys: ['a'] });
  const value = kvs[0]?.value as { list: { n: number }[] };
  expect(() => value.list.push({ n: 2 })).toThrow(TypeError);
  expect(() => Object.assign(value.list[0] ?? {}, { n: 2 })).toThrow(TypeError);
  expect(() => (kvs as unknown[]).pop()).toThrow(TypeError);
});

test('a reader that changes a record is found out where none are frozen, as long as the record stands', async () => {
  store = createMemoryStore({ random: seededRandom('a store'), frozen: false });
  await put('a', { list: [{ n: 1 }], 2: 'b', 10: 'c' });
  await put('b', null);
  const found = (await storedAt('a')) as { list: { n: number }[] };
  expect(store.changed()).toEqual([]);
  found.list.push({ n: 2 });
  expect(store.changed()).toEqual(['a']);
  await put('a', 1);
  expect(store.changed()).toEqual([]);
});

test('what it hands out for a key is told from what is only like it, and from what it handed out before', async () => {
  await put('a', { n: 1 });
  const first = await storedAt('a');
  expect([store.holds('a', first), store.holds('a', { n: 1 }), store.holds('b', first)]).toEqual([true, false, false]);
  await put('a', { n: 1 });
  expect([store.holds('a', first), store.holds('a', await storedAt('a'))]).toEqual([false, true]);
});

test('one query object gets the same answer until something it matches is written', async () => {
  const query = { keys: ['leader'], prefixes: ['vote/', 'beat/a'] };
  await store.txn({ if: [], then: ['leader', 'vote/a', 'beat/a', 'beat/b', 'other'].map((key) => ({ put: key, value: 1 })) });
  const first = await store.get(query);
  expect(await store.get(query)).toBe(first);
  await put('other', 2);
  const second = await store.get(query);
  expect(second.rev).toBe(first.rev + 1);
  expect(second.kvs).toBe(first.kvs);
  for (const key of ['leader', 'vote/b', 'beat/aa']) {
    const before = await store.get(query);
    const { rev } = await put(key, 2);
    const after = await store.get(query);
    expect(after.rev).toBe(rev);
    expect(after.kvs).toEqual(
      [...before.kvs.filter((kv) => kv.key !== key), { key, value: 2, mod: rev }].sort((a, b) => (a.key < b.key ? -1 : 1)),
    );
  }
  await store.txn({ if: [], then: [{ del: 'vote/b' }] });
  expect((await store.get(query)).kvs.map((kv) => kv.key)).toEqual(['beat/a', 'beat/aa', 'leader', 'vote/a']);
});

test('a restored store is as it was, revisions too, and its watchers are told to look again', async () => {
  await put('a', 1);
  await put('vote/x', 1);
  const snapshot = store.snapshot();
  const query = { prefixes: [''] };
  const then = await store.get(query);
  await put('a', 2);
  await store.txn({ if: [], then: [{ del: 'vote/x' }, { put: 'b', value: 1 }] });
  await store.get(query);
  const heard: WatchEvent[] = [];
  store.watch('none/', (event) => heard.push(event));
  store.restore(snapshot, 'same');
  expect(heard).toEqual([]);
  expect(await store.get(query)).toEqual(then);
  expect(heard).toEqual([{ kind: 'resync' }]);
  expect(store.clusterId).toBe(snapshot.clusterId);
  // The same revisions are given out again, and what was kept is not touched by what follows.
  expect((await put('a', 3)).rev).toBe(then.rev + 1);
  expect(await storedAt('a')).toBe(3);
  store.restore(snapshot, 'new');
  expect(await storedAt('a')).toBe(1);
  expect(store.clusterId).not.toBe(snapshot.clusterId);
});

test('every transaction that changes something is told inside its call, with what was before and after', async () => {
  const told: unknown[] = [];
  const tell = ({ rev, before, after }: Commit) =>
    told.push([rev, ...['a', 'b', 'c'].map((key) => [before(key)?.value, after(key)?.value])]);
  store.onCommit(tell);
  const writing = put('a', 1);
  expect(told).toHaveLength(1);
  await writing;
  await put('b', 1);
  await store.txn({ if: [{ key: 'a', mod: 1 }], then: [{ put: 'a', value: 2 }, { del: 'b' }, { del: 'c' }] });
  await store.txn({ if: [{ key: 'a', mod: 1 }], then: [{ put: 'a', value: 3 }] });
  await store.txn({ if: [], then: [{ del: 'c' }] });
  const none = [undefined, undefined];
  expect(told).toEqual([
    [1, [undefined, 1], none, none],
    [2, [1, 1], [undefined, 1], none],
    [3, [1, 2], [1, undefined], none],
  ]);
});
