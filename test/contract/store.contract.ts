// What every engine behind the store port must do. Each claim is checked through two clients of the same data, which an engine that lives in one
// process may make the same object.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KEY_BYTES_MAX, READ_BYTES_MAX } from '../../src/store/limits.ts';
import type { Op, Store, WatchEvent } from '../../src/store/store.ts';
import { StoreDefiniteError, TXN_ITEMS_MAX, VALUE_BYTES_MAX } from '../../src/store/store.ts';

export interface OpenedStore {
  store: Store;
  /** Another client of the same data. */
  store2: Store;
  close(): Promise<void>;
}

const modOf = async (store: Store, key: string): Promise<number> => (await store.get({ keys: [key] })).kvs[0]?.mod ?? 0;
const put = (store: Store, key: string, value: unknown) => store.txn({ if: [], then: [{ put: key, value }] });
const keysUnder = async (store: Store, ...prefixes: string[]) => (await store.get({ prefixes })).kvs.map(({ key }) => key);

/** Data that what serves it may leave and find again. */
export interface RestartableStore extends OpenedStore {
  /** Ends what serves the data, harshly where it is a process, and starts it again; resolves with clients of it, which may be the same ones. */
  restart(): Promise<{ store: Store; store2: Store }>;
}

/** Resolves with the first event that `wanted` accepts; `seen` holds all so far. */
const listen = (store: Store, prefix: string) => {
  const seen: WatchEvent[] = [];
  let wake = (): void => {};
  const watch = store.watch(prefix, (event) => {
    seen.push(event);
    wake();
  });
  const until = async (wanted: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await wanted())) {
      const before = seen.length;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (seen.length > before) resolve();
      });
    }
  };
  return { seen, until, close: () => watch.close() };
};

const sawRev = (seen: readonly WatchEvent[], rev: number): boolean => seen.some((event) => event.kind === 'changed' && event.rev === rev);

/** Writes `key` until the listener hears of it as a change: from then on its stream is up. */
const established = async (writer: Store, listener: ReturnType<typeof listen>, key: string): Promise<void> => {
  let stop = false;
  const writing = (async () => {
    while (!stop) {
      await put(writer, key, 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  await listener.until(() => listener.seen.some((event) => event.kind === 'changed'));
  stop = true;
  await writing;
};

export const storeContract = (name: string, open: () => Promise<OpenedStore>): void => {
  describe(`store contract: ${name}`, () => {
    let opened: OpenedStore;
    let store: Store;
    let store2: Store;
    beforeEach(async () => {
      opened = await open();
      ({ store, store2 } = opened);
    });
    afterEach(() => opened.close());

    describe('conditions', () => {
      test('mod 0 holds only while the key does not exist', async () => {
        expect(await store.txn({ if: [{ key: 'a', mod: 0 }], then: [{ put: 'a', value: 1 }] })).toMatchObject({ ok: true });
        expect(await store2.txn({ if: [{ key: 'a', mod: 0 }], then: [{ put: 'a', value: 2 }] })).toMatchObject({ ok: false });
        expect((await store2.get({ keys: ['a'] })).kvs).toMatchObject([{ key: 'a', value: 1 }]);
      });

      test('a write passes on the revision of the last write and on no other', async () => {
        const { rev } = await put(store, 'a', 1);
        for (const mod of [rev - 1, rev + 1])
          expect((await store2.txn({ if: [{ key: 'a', mod }], then: [{ put: 'a', value: 2 }] })).ok).toBe(false);
        expect((await store2.txn({ if: [{ key: 'a', mod: rev }], then: [{ put: 'a', value: 2 }] })).ok).toBe(true);
      });

      test('one failing condition among many writes nothing and returns the keys of else, sorted, as they are', async () => {
        const { rev } = await store.txn({
          if: [],
          then: [
            { put: 'b', value: 'b' },
            { put: 'a', value: 'a' },
          ],
        });
        const refused = await store2.txn({
          if: [
            { key: 'a', mod: rev },
            { key: 'b', mod: rev },
            { key: 'c', mod: 7 },
          ],
          then: [{ put: 'a', value: 'changed' }, { del: 'b' }, { put: 'c', value: 'new' }],
          else: ['c', 'b', 'a', 'b'],
        });
        expect(refused).toEqual({
          ok: false,
          rev,
          kvs: [
            { key: 'a', value: 'a', mod: rev },
            { key: 'b', value: 'b', mod: rev },
          ],
        });
        expect((await store.get({ prefixes: [''] })).kvs).toEqual(refused.kvs);
      });

      test('records come back from a refused transaction only, and only those of else', async () => {
        const { rev } = await put(store, 'a', 1);
        const conditions = [{ key: 'a', mod: rev }];
        expect((await store2.txn({ if: conditions, then: [], else: ['a'] })).kvs).toEqual([]);
        expect((await store2.txn({ if: conditions, then: [{ put: 'b', value: 1 }], else: ['a', 'b'] })).kvs).toEqual([]);
        const refused = [{ key: 'a', mod: 0 }];
        expect((await store2.txn({ if: refused, then: [{ put: 'b', value: 2 }] })).kvs).toEqual([]);
        expect((await store2.txn({ if: refused, then: [], else: [] })).kvs).toEqual([]);
        expect((await store2.txn({ if: refused, then: [], else: ['none'] })).kvs).toEqual([]);
        expect((await store2.txn({ if: refused, then: [], else: ['a'] })).kvs).toEqual([{ key: 'a', value: 1, mod: rev }]);
      });

      test('a transaction of conditions alone says whether they hold now, whoever asks', async () => {
        for (let i = 0; i < 20; i++) {
          const [writer, asker] = i % 2 === 0 ? [store, store2] : [store2, store];
          const { rev } = await put(writer, 'a', i);
          expect(await asker.txn({ if: [{ key: 'a', mod: rev }], then: [] })).toMatchObject({ ok: true, rev });
          expect(await asker.txn({ if: [{ key: 'a', mod: rev - 1 }], then: [] })).toMatchObject({ ok: false, rev });
          expect((await asker.get({})).rev).toBe(rev);
        }
      });

      test('as many conditions as a transaction may have are all looked at', async () => {
        const conditions = Array.from({ length: TXN_ITEMS_MAX - 1 }, (_, i) => ({ key: `k${i}`, mod: 0 }));
        const claim = () => store.txn({ if: conditions, then: [{ put: 'claimed', value: 1 }] });
        expect((await claim()).ok).toBe(true);
        await put(store2, `k${TXN_ITEMS_MAX - 2}`, 1);
        expect((await claim()).ok).toBe(false);
      });

      test('conditions may cover keys that the transaction does not write', async () => {
        const { rev } = await put(store, 'guard', 1);
        const guarded = (value: number) => store2.txn({ if: [{ key: 'guard', mod: rev }], then: [{ put: 'a', value }] });
        expect((await guarded(1)).ok).toBe(true);
        await put(store, 'guard', 2);
        expect((await guarded(2)).ok).toBe(false);
      });

      test('a key that was deleted and created again has another revision: the old condition fails', async () => {
        const first = await put(store, 'a', 'same');
        await store.txn({ if: [], then: [{ del: 'a' }] });
        expect(await modOf(store2, 'a')).toBe(0);
        const second = await store2.txn({ if: [{ key: 'a', mod: 0 }], then: [{ put: 'a', value: 'same' }] });
        expect(second.ok).toBe(true);
        expect(second.rev).toBeGreaterThan(first.rev + 1);
        expect((await store.txn({ if: [{ key: 'a', mod: first.rev }], then: [{ put: 'a', value: 'late' }] })).ok).toBe(false);
      });
    });

    describe('revisions', () => {
      test('each writing transaction raises the revision by one, whoever writes, and stamps all its keys with it', async () => {
        let last = (await store.get({})).rev;
        for (let i = 0; i < 10; i++) {
          const then: Op[] = [
            { put: `k${i}`, value: i },
            { put: `l${i}`, value: i },
          ];
          const { rev } = await (i % 2 === 0 ? store : store2).txn({ if: [], then });
          expect(rev).toBe(last + 1);
          expect(await modOf(store, `k${i}`)).toBe(rev);
          expect(await modOf(store2, `l${i}`)).toBe(rev);
          last = rev;
        }
      });

      test('reads, refused transactions and deletes of missing keys leave the revision', async () => {
        const { rev } = await put(store, 'a', 1);
        await store.get({ keys: ['a'] });
        expect((await store2.txn({ if: [{ key: 'a', mod: rev + 1 }], then: [{ put: 'a', value: 2 }] })).rev).toBe(rev);
        expect(await store2.txn({ if: [], then: [{ del: 'missing' }] })).toMatchObject({ ok: true, rev });
        expect(await store.txn({ if: [{ key: 'a', mod: rev }], then: [] })).toMatchObject({ ok: true, rev });
        expect((await store2.get({})).rev).toBe(rev);
      });

      test('writing the same value again is a write', async () => {
        const { rev } = await put(store, 'a', 1);
        await put(store, 'a', 1);
        expect(await modOf(store, 'a')).toBe(rev + 1);
      });

      test('what one client was told is written, the other reads at once', async () => {
        for (let i = 0; i < 50; i++) {
          const [writer, reader] = i % 2 === 0 ? [store, store2] : [store2, store];
          const { rev } = await put(writer, 'a', i);
          const read = await reader.get({ keys: ['a'] });
          expect(read).toEqual({ rev, kvs: [{ key: 'a', value: i, mod: rev }] });
        }
      });
    });

    describe('reads', () => {
      test('a prefix read is complete and sorted, and keys and prefixes that overlap return each record once', async () => {
        const names = Array.from({ length: 300 }, (_, i) => `vote/r${(i * 7) % 300}/x`);
        for (let i = 0; i < 300; i += 100)
          await store.txn({ if: [], then: names.slice(i, i + 100).map((key) => ({ put: key, value: key })) });
        expect(await keysUnder(store2, 'vote/')).toEqual([...names].sort());
        const overlap = await store2.get({ keys: ['vote/r1/x', 'none'], prefixes: ['vote/r1', 'vote/r10'] });
        expect(overlap.kvs.map(({ key }) => key)).toEqual(names.filter((key) => key.startsWith('vote/r1')).sort());
      });

      test('a prefix ends where it ends: neighbours in the order of keys are not part of it', async () => {
        const keys = ['vote', 'vote-', 'vote.', 'vote/', 'vote/a', 'vote/a/b', 'vote/a0', 'vote/b', 'vote0', 'Vote/a', 'vote/~', 'vote/~~'];
        await store.txn({ if: [], then: keys.map((key) => ({ put: key, value: null })) });
        for (const prefix of ['', 'vote', 'vote/', 'vote/a', 'vote/a/', 'vote/~', 'vote0', 'x', 'V'])
          expect(await keysUnder(store2, prefix), prefix).toEqual(keys.filter((key) => key.startsWith(prefix)).sort());
      });

      test('characters that patterns give a meaning to are plain in keys and prefixes', async () => {
        const keys = ['a%b', 'a_b', 'a*b', 'a?b', 'a[b', "a'b", 'a"b', 'a\\b', 'aXb'];
        await store.txn({ if: [], then: keys.map((key) => ({ put: key, value: key })) });
        for (const key of keys) expect((await store2.get({ keys: [key], prefixes: [key] })).kvs).toMatchObject([{ key, value: key }]);
      });

      test('any JSON value comes back as it was', async () => {
        const values = [
          null,
          0,
          -1.5e300,
          '',
          'grüße, 東京 🌊 \u0000\u2028\ufffd',
          '\ud800 alone',
          true,
          [],
          {},
          [[null], { deep: { er: [1, 'x'] } }],
          JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":2}}'),
        ];
        for (const [i, value] of values.entries()) {
          await put(store, `v${i}`, value);
          const found = (await store2.get({ keys: [`v${i}`] })).kvs[0]?.value;
          expect(JSON.stringify(found)).toBe(JSON.stringify(value));
        }
      });

      test('changing what a read returned does not change the store', async () => {
        const value = { list: [1] };
        await put(store, 'a', value);
        value.list.push(2);
        const read = (await store.get({ keys: ['a'] })).kvs[0]?.value as typeof value;
        // An engine may also hand out what nobody can change.
        if (!Object.isFrozen(read.list)) read.list.push(3);
        expect((await store.get({ keys: ['a'] })).kvs[0]?.value).toEqual({ list: [1] });
      });
    });

    describe('races', () => {
      test('sixteen writers on one counter lose no increment', async () => {
        const increments = 8;
        const increment = async (client: Store): Promise<void> => {
          for (;;) {
            const [now] = (await client.get({ keys: ['counter'] })).kvs;
            const next = { put: 'counter', value: Number(now?.value ?? 0) + 1 };
            if ((await client.txn({ if: [{ key: 'counter', mod: now?.mod ?? 0 }], then: [next] })).ok) return;
          }
        };
        const writer = async (client: Store): Promise<void> => {
          for (let i = 0; i < increments; i++) await increment(client);
        };
        const before = (await store.get({})).rev;
        await Promise.all(Array.from({ length: 16 }, (_, i) => writer(i % 2 === 0 ? store : store2)));
        expect(await store.get({ keys: ['counter'] })).toMatchObject({ rev: before + 16 * increments, kvs: [{ value: 16 * increments }] });
      });

      test('of writers that race to create one key exactly one wins, and its value stays', async () => {
        const results = await Promise.all(
          Array.from({ length: 16 }, async (_, i) => {
            const client = i % 2 === 0 ? store : store2;
            return { i, ...(await client.txn({ if: [{ key: 'leader', mod: 0 }], then: [{ put: 'leader', value: i }], else: ['leader'] })) };
          }),
        );
        const winners = results.filter(({ ok }) => ok);
        expect(winners).toHaveLength(1);
        for (const { ok, kvs } of results) if (!ok) expect(kvs).toMatchObject([{ key: 'leader', value: winners[0]?.i }]);
      });
    });

    describe('limits', () => {
      const json = (bytes: number) => 'x'.repeat(bytes - 2);
      const twoPuts: Op[] = [
        { put: 'a', value: 1 },
        { put: 'a', value: 2 },
      ];
      const cyclic: unknown[] = [];
      cyclic.push(cyclic);
      const cases: [string, Op[]][] = [
        ['a value one byte too big', [{ put: 'big', value: json(VALUE_BYTES_MAX + 1) }]],
        ['a value that is undefined', [{ put: 'undefined', value: undefined }]],
        ['a value that is no JSON', [{ put: 'cyclic', value: cyclic }]],
        ['a key that is empty', [{ put: '', value: 1 }]],
        ['a key that is too long', [{ put: 'k'.repeat(KEY_BYTES_MAX + 1), value: 1 }]],
        ['a key with a space', [{ put: 'a b', value: 1 }]],
        ['a key beyond ASCII', [{ del: 'é' }]],
        ['the same key twice', twoPuts],
        ['a key put and deleted at once', [{ put: 'a', value: 1 }, { del: 'a' }]],
        ['one operation too many', Array.from({ length: TXN_ITEMS_MAX + 1 }, (_, i) => ({ put: `k${i}`, value: i }))],
        ['more bytes than a transaction may have', Array.from({ length: 5 }, (_, i) => ({ put: `k${i}`, value: json(VALUE_BYTES_MAX) }))],
      ];
      test.each(cases)('%s is refused for certain, and with it the rest of the transaction', async (_, then) => {
        await expect(store.txn({ if: [], then: [{ put: 'good', value: 1 }, ...then] })).rejects.toBeInstanceOf(StoreDefiniteError);
        await expect(store2.txn({ if: [], then })).rejects.toBeInstanceOf(StoreDefiniteError);
        expect((await store.get({ prefixes: [''] })).kvs).toEqual([]);
      });

      test('a condition on a revision that is none is refused for certain', async () => {
        for (const mod of [-1, 0.5, Number.NaN])
          await expect(store2.txn({ if: [{ key: 'a', mod }], then: [] })).rejects.toBeInstanceOf(StoreDefiniteError);
      });

      test('a query of too many keys is refused', async () => {
        const keys = Array.from({ length: TXN_ITEMS_MAX + 1 }, (_, i) => `k${i}`);
        await expect(store2.get({ keys })).rejects.toBeInstanceOf(StoreDefiniteError);
      });

      test('a read of more than the most bytes is refused, as a read and as the answer to a refused transaction, and harms nothing after it', async () => {
        const keys = Array.from({ length: READ_BYTES_MAX / VALUE_BYTES_MAX + 1 }, (_, i) => `big${i}`);
        for (const key of keys) await put(store, key, json(VALUE_BYTES_MAX));
        await expect(store2.get({ prefixes: ['big'] })).rejects.toBeInstanceOf(StoreDefiniteError);
        const refused = store2.txn({ if: [{ key: 'big0', mod: 0 }], then: [{ put: 'a', value: 1 }], else: keys });
        await expect(refused).rejects.toBeInstanceOf(StoreDefiniteError);
        expect((await store2.get({ keys: keys.slice(1) })).kvs).toHaveLength(keys.length - 1);
        expect((await put(store2, 'after', 1)).rev).toBe(keys.length + (await modOf(store, 'big0')));
      });

      test('the largest value, the longest key and the most operations are accepted', async () => {
        const key = 'k'.repeat(KEY_BYTES_MAX);
        await put(store2, key, json(VALUE_BYTES_MAX));
        expect((await store.get({ keys: [key] })).kvs[0]?.value).toHaveLength(VALUE_BYTES_MAX - 2);
        const most = Array.from({ length: TXN_ITEMS_MAX }, (_, i) => ({ put: `n${i}`, value: i }));
        expect((await store2.txn({ if: [], then: most })).ok).toBe(true);
        expect(await keysUnder(store, 'n')).toHaveLength(TXN_ITEMS_MAX);
      });
    });

    describe('watch', () => {
      test('every change under the prefix by another client is told, or a resync covers it', async () => {
        const uncovered = new Set<number>();
        const listener = listen(store2, 'w/');
        const told = (): number => listener.seen.length;
        for (let i = 0; i < 50; i++) uncovered.add((await put(store, `w/${i % 5}`, i)).rev);
        const last = (await put(store, 'w/last', 'last')).rev;
        uncovered.add(last);
        let looked = 0;
        await listener.until(async () => {
          for (; looked < told(); looked++) {
            const event = listener.seen[looked];
            if (event?.kind === 'changed') uncovered.delete(event.rev);
            if (event?.kind !== 'resync') continue;
            const { rev } = await store2.get({});
            for (const missed of uncovered) if (missed <= rev) uncovered.delete(missed);
          }
          return uncovered.size === 0;
        });
        listener.close();
      });

      test('a change tells its revision and only the keys under the prefix, deleted ones too', async () => {
        const listener = listen(store2, 'w/');
        await established(store, listener, 'w/first');
        const { rev } = await store.txn({
          if: [],
          then: [{ put: 'w/a', value: 1 }, { del: 'w/first' }, { put: 'w0', value: 1 }, { put: 'v', value: 1 }],
        });
        await listener.until(() => sawRev(listener.seen, rev));
        const event = listener.seen.find((seen) => seen.kind === 'changed' && seen.rev === rev);
        expect(event).toMatchObject({ kind: 'changed' });
        expect([...(event?.kind === 'changed' ? event.keys : [])].sort()).toEqual(['w/a', 'w/first']);
        // What was written comes along or has to be read; what is gone is never told as something.
        if (event?.kind === 'changed' && event.value !== undefined)
          expect([event.value('w/a'), event.value('w/first')]).toEqual([1, undefined]);
        listener.close();
      });

      test('changes elsewhere, and transactions that were refused, are not told', async () => {
        const listener = listen(store2, 'w/');
        await established(store, listener, 'w/a');
        const elsewhere = await put(store, 'x', 1);
        await store.txn({ if: [{ key: 'w/a', mod: 0 }], then: [{ put: 'w/a', value: 1 }] });
        const { rev } = await put(store, 'w/a', 2);
        await listener.until(() => sawRev(listener.seen, rev));
        expect(rev).toBe(elsewhere.rev + 1);
        expect(sawRev(listener.seen, elsewhere.rev)).toBe(false);
        listener.close();
      });

      test('nobody is told inside the writer’s call', async () => {
        let inside = false;
        let heardInside = false;
        const listener = listen(store, 'w/');
        const spy = store.watch('w/', () => {
          heardInside ||= inside;
        });
        await established(store, listener, 'w/a');
        inside = true;
        const writing = put(store, 'w/a', 1);
        inside = false;
        const { rev } = await writing;
        await listener.until(() => sawRev(listener.seen, rev));
        expect(heardInside).toBe(false);
        spy.close();
        listener.close();
      });

      test('a closed watch hears nothing more', async () => {
        const closed = listen(store2, 'w/');
        const other = listen(store2, 'w/');
        await Promise.all([established(store, closed, 'w/a'), established(store, other, 'w/b')]);
        // What is under way while it is closed is not told either.
        const heard = closed.seen.length;
        const writing = put(store2, 'w/a', 1);
        closed.close();
        closed.close();
        await writing;
        const { rev } = await put(store, 'w/a', 2);
        await other.until(() => sawRev(other.seen, rev));
        expect(closed.seen).toHaveLength(heard);
        other.close();
      });
    });

    describe('endings', () => {
      test('a call whose signal is aborted already certainly does nothing', async () => {
        const gone = AbortSignal.abort(new Error('gone'));
        await expect(store.txn({ if: [], then: [{ put: 'a', value: 1 }] }, gone)).rejects.toBeInstanceOf(StoreDefiniteError);
        await expect(store.get({ keys: ['a'] }, gone)).rejects.toBeInstanceOf(StoreDefiniteError);
        expect(await modOf(store2, 'a')).toBe(0);
      });

      test('a closed store refuses every call for certain; closing twice is fine', async () => {
        await put(store2, 'a', 1);
        await store2.close();
        await store2.close();
        await expect(put(store2, 'a', 2)).rejects.toBeInstanceOf(StoreDefiniteError);
        await expect(store2.get({ keys: ['a'] })).rejects.toBeInstanceOf(StoreDefiniteError);
      });

      test('both clients name the same data', async () => {
        await Promise.all([store.get({}), store2.get({})]);
        expect(store.clusterId).not.toBe('');
        expect(store2.clusterId).toBe(store.clusterId);
      });
    });
  });
};

/** What an engine keeps over the end of its process. */
export const restartContract = (name: string, open: () => Promise<RestartableStore>): void => {
  describe(`store contract: ${name}`, () => {
    test('what was acknowledged survives the end of what serves it, under the same name and revisions', async () => {
      const opened = await open();
      const { store } = opened;
      const { rev } = await store.txn({
        if: [],
        then: [
          { put: 'a', value: { nonce: 'n' } },
          { put: 'b', value: 1 },
        ],
      });
      const known = store.clusterId;
      const again = await opened.restart();
      expect(await again.store.get({ keys: ['a', 'b'] })).toEqual({
        rev,
        kvs: [
          { key: 'a', value: { nonce: 'n' }, mod: rev },
          { key: 'b', value: 1, mod: rev },
        ],
      });
      expect(again.store.clusterId).toBe(known);
      expect(await again.store2.txn({ if: [{ key: 'a', mod: rev }], then: [{ put: 'a', value: 2 }] })).toMatchObject({
        ok: true,
        rev: rev + 1,
      });
      await opened.close();
    });
  });
};
