// The journal's chain: canonical JSON, what an entry holds, what makes it one transaction with its act, and what happens when others append at once.
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ATTEMPTS_MAX, append } from '../../src/audit/append.ts';
import { canonicalJson } from '../../src/audit/canonical.ts';
import {
  appendOps,
  DETAIL_BYTES_MAX,
  type Draft,
  entryHash,
  type Head,
  headOf,
  type JournalEntry,
  readHead,
} from '../../src/audit/journal.ts';
import { journalKey, KEYS } from '../../src/coordinate/keys.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Store, StoreAmbiguousError } from '../../src/store/store.ts';
import { type Trouble, troubled } from '../api/fixture.ts';

const ports = realPorts();
const draft = (given: Partial<Draft> = {}): Draft => ({
  kind: 'override.put',
  by: 'ana',
  how: 'token',
  because: 'drain eu-west: maintenance',
  detail: { id: 'ov1' },
  atMs: 1000,
  nonce: 'n1',
  ...given,
});
const NOTHING: Head = { n: 0, hash: '', mod: 0, v: 0, decisionHash: '' };

describe('canonical JSON', () => {
  test.each([
    [{ b: 1, a: [2, { d: null, c: 'x' }] }, '{"a":[2,{"c":"x","d":null}],"b":1}'],
    [{ 10: 1, 9: 2, a: 3 }, '{"10":1,"9":2,"a":3}'],
    [{ gone: undefined, kept: 0 }, '{"kept":0}'],
    ['\u2028"é', '"\u2028\\"é"'],
    [1e21, '1e+21'],
  ])('%j', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  test('says the same of a value whatever the order of its members, and can be read back', () => {
    const shuffled = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(shuffled)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([name, member]) => [name, shuffled(member)]),
            )
          : value;
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(canonicalJson(shuffled(plain))).toBe(canonicalJson(plain));
        expect(JSON.parse(canonicalJson(plain))).toEqual(plain);
      }),
    );
  });
});

describe('an entry', () => {
  test('follows its head, carries the last decision, and becomes the head', () => {
    const head: Head = { n: 4, hash: 'h4', mod: 17, v: 31, decisionHash: 'd31' };
    const { entries, conditions, ops } = appendOps(head, draft());
    expect(entries).toEqual([{ ...draft(), n: 5, v: 31, decisionHash: 'd31', prevHash: 'h4' }]);
    expect(conditions).toEqual([{ key: 'journal', mod: 17 }]);
    expect(ops).toEqual([
      { put: 'journal', value: { n: 5, hash: entryHash(entries[0]!) } },
      { put: 'journal/0000000005', value: entries[0] },
    ]);
  });

  test('several of one act are linked among themselves and write the head once', () => {
    const { entries, ops } = appendOps(NOTHING, draft({ kind: 'token.used' }), draft());
    expect(entries.map(({ n }) => n)).toEqual([1, 2]);
    expect(entries[1]?.prevHash).toBe(entryHash(entries[0]!));
    expect(ops).toHaveLength(3);
    expect(ops[0]).toEqual({ put: 'journal', value: { n: 2, hash: entryHash(entries[1]!) } });
  });

  test('a detail that is too large is told by its size and hash, and never keeps an order from being written', () => {
    const [entry] = appendOps(NOTHING, draft({ detail: { diff: 'x'.repeat(DETAIL_BYTES_MAX) }, because: 'y'.repeat(5000) })).entries;
    expect(entry?.detail).toEqual({ leftOut: 'too large', bytes: DETAIL_BYTES_MAX + 11, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(JSON.stringify(entry).length).toBeLessThan(2_000);
  });

  test.each([undefined, 7, 'x', {}, { n: -1, hash: '' }, { n: 1.5, hash: '' }, { n: 1 }])('a damaged head counts as none: %j', (value) => {
    expect(headOf(value === undefined ? [] : [{ key: KEYS.journal, value, mod: 3 }])).toMatchObject({ n: 0, hash: '' });
  });
});

describe('appending', () => {
  const open: Store[] = [];
  const openStore = (troubles: Trouble[] = []): Store => {
    const store = openEmbedded({ file: ':memory:', ports });
    open.push(store);
    return troubled(store, troubles);
  };
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
  });
  const entriesOf = async (store: Store): Promise<readonly JournalEntry[]> =>
    (await store.get({ prefixes: ['journal/'] })).kvs.map(({ value }) => value as JournalEntry);

  test('what the store gives back has the hash that the head names', async () => {
    const store = openStore();
    await append(store, ports, draft({ detail: { z: undefined, a: [1, { y: 1, b: 2 }] } }));
    await append(store, ports, draft({ nonce: 'n2' }));
    const [first, second] = await entriesOf(store);
    expect(second?.prevHash).toBe(entryHash(first!));
    expect(await readHead(store)).toMatchObject({ n: 2, hash: entryHash(second!) });
  });

  test('forty at once make a chain without a gap', async () => {
    const store = openStore();
    const all = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => append(store, ports, draft({ nonce: `n${i}` }))));
    const written = all.filter(({ status }) => status === 'fulfilled').length;
    const entries = await entriesOf(store);
    expect(written).toBeGreaterThanOrEqual(ATTEMPTS_MAX);
    expect(entries.map(({ n }) => n)).toEqual(Array.from({ length: written }, (_, i) => i + 1));
    for (const [i, entry] of entries.entries()) if (i > 0) expect(entry.prevHash).toBe(entryHash(entries[i - 1]!));
    for (const each of all) if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'ERR_STALE' });
  });

  test('a write whose reply was lost is recorded once', async () => {
    const lost: Trouble = async (run) => {
      await run();
      throw new StoreAmbiguousError('the reply was lost');
    };
    const store = openStore([lost]);
    await append(store, ports, draft());
    expect(await entriesOf(store)).toHaveLength(1);
  });

  test('a write that never happened is made again', async () => {
    const store = openStore([() => Promise.reject(new StoreAmbiguousError('gone'))]);
    await append(store, ports, draft());
    expect((await store.get({ keys: [journalKey(1)] })).kvs).toHaveLength(1);
  });

  test('a store that never says is undecided, within its tries', async () => {
    const store = openStore(Array.from({ length: ATTEMPTS_MAX }, () => () => Promise.reject(new StoreAmbiguousError('gone'))));
    await expect(append(store, ports, draft())).rejects.toMatchObject({ code: 'ERR_UNDECIDED' });
  });
});
