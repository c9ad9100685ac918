// The embedded engine beyond the contract: it equals a dumb model, survives restarts, refuses what is not its file, and lives on when space runs out.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { KeyValue, Store, Txn, TxnResult } from '../../src/store/store.ts';
import { StoreDefiniteError } from '../../src/store/store.ts';

// The machine that runs the tests may be busy.
vi.setConfig({ testTimeout: 60_000 });

const ports = realPorts();
let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tidegate-store-'));
  file = join(directory, 'store.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const put = (store: Store, key: string, value: unknown) => store.txn({ if: [], then: [{ put: key, value }] });

/** The fault that opening `path` throws. */
const faultOf = (path: string): Fault => {
  try {
    void openEmbedded({ file: path, ports }).close();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error(`${path} was opened`);
};

/** The port in the fewest words: one Map, one number. */
const dumbModel = () => {
  const records = new Map<string, KeyValue>();
  let rev = 0;
  const pick = (keys: readonly string[]) => [...new Set(keys)].sort().flatMap((key) => records.get(key) ?? []);
  return {
    txn({ if: conditions, then, else: others = [] }: Txn): TxnResult {
      if (conditions.some(({ key, mod }) => (records.get(key)?.mod ?? 0) !== mod)) return { ok: false, rev, kvs: pick(others) };
      const effective = then.filter((op) => 'put' in op || records.has(op.del));
      if (effective.length > 0) rev += 1;
      for (const op of effective)
        if ('put' in op) records.set(op.put, { key: op.put, value: op.value, mod: rev });
        else records.delete(op.del);
      return { ok: true, rev, kvs: [] };
    },
    get: (prefix: string, keys: readonly string[]) => ({
      rev,
      kvs: pick([...records.keys()].filter((key) => key.startsWith(prefix) || keys.includes(key))),
    }),
    mod: (key: string): number => records.get(key)?.mod ?? 0,
  };
};

const key = fc.constantFrom('a', 'a/', 'a/b', 'a/b/c', 'a0', 'b', 'A', '~', '!');
/** `guess` 0 asks for the revision as it is, so that a good part of the conditions hold. */
const condition = fc.record({ key, guess: fc.constantFrom(0, 0, 0, 1, 5) });
const op = fc.oneof(fc.record({ put: key, value: fc.jsonValue() }), fc.record({ del: key }));
const step = fc.record({
  conditions: fc.array(condition, { maxLength: 3 }),
  then: fc.uniqueArray(op, { maxLength: 4, selector: (one) => ('put' in one ? one.put : one.del) }),
  others: fc.array(key, { maxLength: 3 }),
  prefix: fc.constantFrom('', 'a', 'a/', 'a/b', '~'),
});
// JSON has no -0: what is written as such is read as 0, so the model compares texts.
const text = (value: unknown): string => JSON.stringify(value);

test('a copy is made while the store is written without a pause (it failed now and then: "not an error")', async () => {
  const store = openEmbedded({ file, ports });
  const keys = Array.from({ length: 120 }, (_, i) => `k/${i}`);
  let writing = true;
  let n = 0;
  const busy = (async () => {
    while (writing) {
      n++;
      await store.txn({ if: [], then: keys.map((key) => ({ put: key, value: 'x'.repeat(1000) + n })) });
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  try {
    for (let copies = 0, before = -1; copies < 100; copies++) {
      const { rev } = await store.copy();
      expect(rev).toBeGreaterThanOrEqual(before);
      before = rev;
    }
  } finally {
    writing = false;
    await busy;
    await store.close();
  }
});

describe('against a dumb model', () => {
  const sameAsModel = (open: () => Store, runs: number) =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const store = open();
        const model = dumbModel();
        for (const { conditions, then, others, prefix } of steps) {
          const txn: Txn = { if: conditions.map((one) => ({ key: one.key, mod: model.mod(one.key) + one.guess })), then, else: others };
          expect(text(await store.txn(txn))).toBe(text(model.txn(txn)));
          expect(text(await store.get({ prefixes: [prefix], keys: others }))).toBe(text(model.get(prefix, others)));
        }
        await store.close();
      }),
      { numRuns: runs },
    );

  test('any sequence of transactions gives the same results in memory', () =>
    sameAsModel(() => openEmbedded({ file: ':memory:', ports }), 300));

  test('and in a file', () => {
    let n = 0;
    return sameAsModel(() => openEmbedded({ file: join(directory, `${n++}.sqlite`), ports }), 20);
  });
});

describe('restart', () => {
  test('data, revision and identity stay; revisions go on from where they were', async () => {
    const first = openEmbedded({ file, ports });
    const { clusterId } = first;
    await put(first, 'a', { n: 1 });
    const { rev } = await put(first, 'b', 2);
    await first.close();
    const second = openEmbedded({ file, ports });
    expect(second.clusterId).toBe(clusterId);
    expect(await second.get({ prefixes: [''] })).toEqual({
      rev,
      kvs: [
        { key: 'a', value: { n: 1 }, mod: rev - 1 },
        { key: 'b', value: 2, mod: rev },
      ],
    });
    expect((await put(second, 'c', 3)).rev).toBe(rev + 1);
    await second.close();
  });

  test('each store created has an identity of its own', () => {
    const ids = ['1', '2', ':memory:', ':memory:'].map((name) => {
      const store = openEmbedded({ file: name === ':memory:' ? name : join(directory, name), ports });
      void store.close();
      return store.clusterId;
    });
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  test('the directory of a new file is created, but not a whole missing path', async () => {
    await openEmbedded({ file: join(directory, 'new', 'store.sqlite'), ports }).close();
    const fault = faultOf(join(directory, 'not', 'there', 'store.sqlite'));
    expect(fault.code).toBe('ERR_STORE_FILE');
    expect(fault.message).toContain('create it');
  });

  test('a second opener in the same process is refused too, and leaves the first one’s lock alone', async () => {
    const first = openEmbedded({ file, ports });
    for (let i = 0; i < 2; i++) {
      const fault = faultOf(file);
      expect(fault.code).toBe('ERR_STORE_LOCKED');
      expect(fault.message).toContain(file);
      expect(fault.message).toContain(`process ${process.pid}`);
    }
    expect((await put(first, 'a', 1)).ok).toBe(true);
    await first.close();
    expect(existsSync(`${file}.pid`)).toBe(false);
    await openEmbedded({ file, ports }).close();
  });
});

describe('files that are no store', () => {
  const expectRefused = (path: string, saying: RegExp): void => {
    const before = existsSync(path) && path !== directory ? readFileSync(path) : null;
    const fault = faultOf(path);
    expect(fault.code).toBe('ERR_STORE_FILE');
    expect(fault.message).toContain(path);
    expect(fault.message).toMatch(saying);
    if (before) expect(readFileSync(path).equals(before), 'the file was touched').toBe(true);
  };

  test('a directory', () => expectRefused(directory, /is a directory.*name a file/));

  test('a device', () => expectRefused('/dev/null', /not a regular file/));

  test('a path through a file', () => {
    writeFileSync(file, '');
    expectRefused(join(file, 'store.sqlite'), /director/);
  });

  test('a text file', () => {
    writeFileSync(file, 'services: {}\n'.repeat(1000));
    expectRefused(file, /not a SQLite file; name another/);
  });

  test('a SQLite file of another program, in either journal mode', () => {
    for (const mode of ['delete', 'wal']) {
      const foreign = join(directory, `${mode}.sqlite`);
      const db = new DatabaseSync(foreign);
      db.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)`);
      db.close();
      expectRefused(foreign, /belongs to another program; name another/);
    }
  });

  test('a store written by a newer version', async () => {
    await openEmbedded({ file, ports }).close();
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 2');
    db.close();
    expectRefused(file, /schema 2.*knows 1.*restore a backup/);
  });

  /** A closed store of some hundred pages. */
  const filled = async (): Promise<void> => {
    const store = openEmbedded({ file, ports });
    for (let i = 0; i < 100; i++) await put(store, `k${i}`, 'x'.repeat(5000));
    await store.close();
  };

  test('a store with damaged pages', async () => {
    await filled();
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 4096 * 3, 4096 * 8);
    writeFileSync(file, bytes);
    expectRefused(file, /damaged.*restore a backup/);
  });

  test('a store whose end is missing', async () => {
    await filled();
    writeFileSync(file, readFileSync(file).subarray(0, 4096 * 20));
    expectRefused(file, /damaged.*restore a backup/);
  });

  test('a store whose header is gone', async () => {
    await filled();
    const bytes = readFileSync(file);
    bytes.fill(0, 0, 100);
    writeFileSync(file, bytes);
    expectRefused(file, /not a SQLite file/);
  });
});

describe('no space', () => {
  test('a store at its largest size refuses writes for certain, goes on reading, and writes again after a delete', async () => {
    const store = openEmbedded({ file, ports, pagesMax: 64 });
    let written = 0;
    let refusal: unknown;
    while (refusal === undefined && written < 200)
      await put(store, `k${written}`, 'x'.repeat(4000)).then(
        () => {
          written += 1;
        },
        (error: unknown) => {
          refusal = error;
        },
      );
    expect(refusal).toBeInstanceOf(StoreDefiniteError);
    expect((refusal as Error).message).toMatch(/full.*make space/);
    expect(written).toBeGreaterThan(10);
    // A transaction of which a part would fit writes no part.
    const both = store.txn({
      if: [],
      then: [
        { put: 'small', value: 1 },
        { put: 'large', value: 'x'.repeat(100_000) },
      ],
    });
    await expect(both).rejects.toBeInstanceOf(StoreDefiniteError);
    const read = await store.get({ prefixes: [''] });
    expect(read.rev).toBe(written);
    expect(read.kvs).toHaveLength(written);
    expect((await store.txn({ if: [], then: [{ del: 'k0' }, { del: 'k1' }] })).ok).toBe(true);
    expect((await put(store, 'after', 'x'.repeat(4000))).rev).toBe(written + 2);
    await store.close();
  });
});

describe('what a copy shows', () => {
  test('an acknowledged transaction is in the files before anything is closed', async () => {
    const store = openEmbedded({ file, ports });
    await put(store, 'a', 'acknowledged');
    // The log beside the file holds it: a copy of both is what a crash would leave. (Copying drops this process's lock, so nothing follows.)
    const copy = join(directory, 'copy.sqlite');
    copyFileSync(file, copy);
    copyFileSync(`${file}-wal`, `${copy}-wal`);
    const reopened = openEmbedded({ file: copy, ports });
    expect((await reopened.get({ keys: ['a'] })).kvs).toMatchObject([{ value: 'acknowledged' }]);
    await reopened.close();
    await store.close();
  });

  test('keys survive in an existing empty file, as a supervisor may create one', async () => {
    mkdirSync(join(directory, 'd'));
    const empty = join(directory, 'd', 'empty');
    writeFileSync(empty, '');
    const store = openEmbedded({ file: empty, ports });
    await put(store, 'a', 1);
    await store.close();
    const again = openEmbedded({ file: empty, ports });
    expect((await again.get({ keys: ['a'] })).kvs).toHaveLength(1);
    await again.close();
  });
});
