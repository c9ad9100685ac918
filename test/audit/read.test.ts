// The audit read out of a store: in blocks, across the gap of an adoption, with whatever does not belong there.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { append } from '../../src/audit/append.ts';
import { type AuditLine, decisionHash } from '../../src/audit/lines.ts';
import { AuditMoved, newestLines, readAuditLines, readBlocks, strayPrefixes } from '../../src/audit/read.ts';
import { verifyChain } from '../../src/audit/verify.ts';
import { anchorKey, auditKey, journalKey, KEYS } from '../../src/coordinate/keys.ts';
import type { Audit } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Store, StoreDefiniteError } from '../../src/store/store.ts';
import { decisionsOf } from './chains.ts';

const ports = realPorts();
let store: Store;
beforeEach(() => {
  store = openEmbedded({ file: ':memory:', ports });
});
afterEach(() => store.close());

const put = async (chain: readonly Audit[]): Promise<void> => {
  const last = chain.at(-1)!;
  const ops = chain.map((audit) => ({ put: auditKey(audit.v), value: audit }));
  await store.txn({ if: [], then: [...ops, { put: KEYS.routing, value: { v: last.v, auditHash: decisionHash(last) } }] });
};
const all = async (from: AsyncIterable<AuditLine>): Promise<readonly AuditLine[]> => {
  const found: AuditLine[] = [];
  for await (const line of from) found.push(line);
  return found;
};
const lines = async (sinceMs: number | null = null): Promise<readonly AuditLine[]> => all(readAuditLines(store, { nowMs: 1, sinceMs }));
const entry = (nonce: string) =>
  append(store, ports, { kind: 'override.put', by: 'ana', how: 'token', because: '', detail: {}, atMs: 250_000, nonce });

test('a store with nothing in it', async () => {
  expect(verifyChain(await lines())).toMatchObject({ ok: true, configurations: 0 });
});

test('every record once and in order, over blocks and over the gap that an adoption leaves', async () => {
  const before = decisionsOf(250);
  const after = decisionsOf(120, 7_654_321, decisionHash(before.at(-1)!));
  await put([...before, ...after]);
  await entry('n1');
  let reads = 0;
  const counted = {
    get: (...args: Parameters<Store['get']>) => {
      reads += 1;
      return store.get(...args);
    },
  };
  const found: number[] = [];
  for await (const kvs of readBlocks(counted, 'decisions', 1, 7_654_440)) found.push(...kvs.map(({ value }) => (value as Audit).v));
  expect(found).toEqual([...before, ...after].map(({ v }) => v));
  expect(reads).toBeLessThan(60);
  expect(verifyChain(await lines())).toMatchObject({ ok: true, findings: [] });
});

test('a block that is more than one read may return is read in parts', async () => {
  await put(decisionsOf(250));
  const narrow = {
    get: async (...args: Parameters<Store['get']>) => {
      const read = await store.get(...args);
      if (read.kvs.length > 10) throw new StoreDefiniteError('more than that match');
      return read;
    },
  };
  let count = 0;
  for await (const kvs of readBlocks(narrow, 'decisions', 1, 250)) count += kvs.length;
  expect(count).toBe(250);
});

test('only what is younger, as if the chain had been cut there', async () => {
  await put(decisionsOf(250));
  await entry('n1');
  const some = await lines(200_000);
  expect(some.filter(({ kind }) => kind === 'decision')).toHaveLength(51);
  expect(verifyChain(some)).toMatchObject({ ok: true, chains: { decisions: { from: 200, trustedFrom: 200 }, journal: { count: 1 } } });
  const none = await lines(900_000);
  expect(none.filter(({ kind }) => kind === 'decision' || kind === 'journal')).toHaveLength(0);
  expect(verifyChain(none).ok).toBe(true);
});

describe('what does not belong there', () => {
  test.each([
    'audit/0000000099',
    'audit/9999999999',
    'audit/0000000000',
    'audit/x',
    'audit/0000000003x',
    'journal/0000000002',
    'journal/9',
    'journal/~',
  ])('%s', async (key) => {
    await put(decisionsOf(12));
    await entry('n1');
    expect(verifyChain(await lines()).ok).toBe(true);
    await store.txn({ if: [], then: [{ put: key, value: { v: 3 } }] });
    expect(verifyChain(await lines()).ok).toBe(false);
  });

  test('no key of a chain is a stray', () => {
    const strays = strayPrefixes('decisions', 38, 1204);
    for (let v = 38; v <= 1204; v += 1) expect(strays.some((prefix) => auditKey(v).startsWith(prefix))).toBe(false);
    for (const v of [1, 37, 1205, 1300, 2000, 99_999_999]) expect(strays.some((prefix) => auditKey(v).startsWith(prefix))).toBe(true);
  });
});

test('what is decided and entered while it is read makes no finding', async () => {
  const chain = decisionsOf(40);
  await put(chain.slice(0, 30));
  await entry('n1');
  let reads = 0;
  const busy = {
    get: async (...args: Parameters<Store['get']>) => {
      reads += 1;
      if (reads % 2 === 0 && reads <= 20) {
        await put(chain.slice(0, 30 + reads / 2));
        await entry(`more-${reads}`);
      }
      return store.get(...args);
    },
  };
  const read = await all(readAuditLines(busy, { nowMs: 1, sinceMs: null }));
  expect(verifyChain(read)).toMatchObject({ ok: true, findings: [] });
});

test('old records that go while it is read: begin again', async () => {
  await put(decisionsOf(30));
  let reads = 0;
  const cutting = {
    get: async (...args: Parameters<Store['get']>) => {
      reads += 1;
      if (reads === 8)
        await store.txn({ if: [], then: [{ put: anchorKey('decisions'), value: { n: 1, hash: '', count: 1, cutAtMs: 1 } }] });
      return store.get(...args);
    },
  };
  await expect(all(readAuditLines(cutting, { nowMs: 1, sinceMs: null }))).rejects.toBeInstanceOf(AuditMoved);
  expect(journalKey(1)).toBe('journal/0000000001');
});

test('the newest part alone is verified as the whole is, and says nothing of what is older', async () => {
  const before = decisionsOf(250);
  await put([...before, ...decisionsOf(120, 7_654_321, decisionHash(before.at(-1)!))]);
  for (const nonce of ['n1', 'n2', 'n3']) await entry(nonce);
  const newest = async (count: number) => {
    const { lines: read, end } = await newestLines(store, count);
    expect(end).toBe('whole');
    return verifyChain(read);
  };
  const forge = async (v: number): Promise<void> => {
    const [kv] = (await store.get({ keys: [auditKey(v)] })).kvs;
    await store.txn({ if: [], then: [{ put: auditKey(v), value: { ...(kv?.value as Audit), because: 'forged' } }] });
  };
  expect(await newest(50)).toMatchObject({ ok: true, chains: { decisions: { count: 50 }, journal: { count: 3 } } });
  expect(await newest(1)).toMatchObject({ ok: true, chains: { decisions: { count: 1 }, journal: { count: 1 } } });
  // More than there are, and a part that begins in the gap.
  expect(await newest(10_000_000)).toMatchObject({ ok: true, chains: { decisions: { count: 370 } } });
  expect(await newest(5_000)).toMatchObject({ ok: true, chains: { decisions: { count: 119 } } });
  await forge(7_654_350);
  expect(await newest(50)).toMatchObject({ ok: true });
  expect(await newest(100)).toMatchObject({ ok: false, findings: [{ chain: 'decisions', n: 7_654_350, what: 'changed' }] });
});
