// What orders leave beside themselves goes when it is worth nothing any more, and never sooner: tables for the rule, and the duty on a store.
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ASKED_MS } from '../../src/api/asked.ts';
import { AT_ONCE, answersToRemove, createSpentDuty, SKEW_MS, usesToRemove } from '../../src/api/spent.ts';
import { usedKey, usedOps } from '../../src/auth/once.ts';
import { askedKey, KEYS } from '../../src/coordinate/keys.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Op, Store } from '../../src/store/store.ts';
import { recordingLog } from '../recording-log.ts';
import { accessOf, DRAIN, NOW_MS, openApi, principal } from './fixture.ts';

const ports = realPorts();
const use = (id: string, value: unknown) => ({ key: usedKey(id), value, mod: 1 });

describe('uses of one-time credentials', () => {
  test.each<[string, number, boolean]>([
    ['while the credential is good', -1, false],
    ['when it has just ended', 0, false],
    ['while a clock may be behind', SKEW_MS - 1, false],
    ['beyond that', SKEW_MS, true],
  ])('%s', (_, sinceEndMs, goes) => {
    const uses = [use('a', { by: 'ann', atMs: 1, expiresAtMs: NOW_MS })];
    expect(usesToRemove(uses, NOW_MS + sinceEndMs)).toEqual(goes ? uses : []);
  });

  test('what is none of ours stays for ever', () => {
    const strange = [null, 7, 'x', {}, { expiresAtMs: '1' }, { expiresAtMs: null }].map((value, at) => use(`s${at}`, value));
    expect(usesToRemove(strange, Number.MAX_SAFE_INTEGER)).toEqual([]);
  });

  test('first expired first, so many at once, and none that counts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 4 * SKEW_MS }), { maxLength: 120 }),
        fc.integer({ min: 0, max: 6 * SKEW_MS }),
        (ends, now) => {
          const gone = usesToRemove(
            ends.map((expiresAtMs, at) => use(String(at), { expiresAtMs })),
            now,
          ).map(({ value }) => (value as { expiresAtMs: number }).expiresAtMs);
          const due = ends.filter((end) => end + SKEW_MS <= now).sort((a, b) => a - b);
          expect(gone).toEqual(due.slice(0, AT_ONCE));
        },
      ),
    );
  });
});

test('answers to keys go after a day', () => {
  const items = [0, 1, 2].map((atMs) => ({ hash: `h${atMs}`, atMs }));
  expect(answersToRemove({ items }, ASKED_MS - 1)).toEqual([]);
  expect(answersToRemove({ items }, ASKED_MS + 1)).toEqual(items.slice(0, 2));
  expect(answersToRemove({ items: Array.from({ length: 90 }, (_, at) => ({ hash: `${at}`, atMs: 0 })) }, ASKED_MS)).toHaveLength(AT_ONCE);
});

describe('the duty', () => {
  const open: Store[] = [];
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
  });

  const stage = async (uses: number, answers: number) => {
    const store = openEmbedded({ file: ':memory:', ports });
    open.push(store);
    const items = Array.from({ length: answers }, (_, at) => ({ hash: `h${at}`, atMs: NOW_MS + at }));
    const ops: Op[] = [
      ...Array.from({ length: uses }, (_, at) => usedOps({ id: `u${at}`, expiresAtMs: NOW_MS + at }, { by: 'ann', atMs: 1 }).ops).flat(),
      ...items.map(({ hash, atMs }): Op => ({ put: askedKey(hash), value: { fingerprint: hash, atMs, answer: {} } })),
      { put: KEYS.asked, value: { items } },
    ];
    await store.txn({ if: [], then: ops });
    const sizes: number[] = [];
    let before: (() => Promise<unknown>) | null = null;
    const term = {
      commit: async (conditions: readonly { key: string; mod: number }[], then: readonly Op[]) => {
        await before?.();
        sizes.push(then.length + conditions.length);
        return (await store.txn({ if: conditions, then })).ok;
      },
    };
    const log = recordingLog();
    const duty = createSpentDuty({ store, ports, log });
    const turn = async (nowMs: number): Promise<void> => {
      duty.turn(nowMs, term);
      await duty.idle();
    };
    const keys = async (prefix: string): Promise<number> => (await store.get({ prefixes: [prefix] })).kvs.length;
    const listed = async (): Promise<readonly { hash: string }[]> =>
      ((await store.get({ keys: [KEYS.asked] })).kvs[0]?.value as { items: { hash: string }[] } | undefined)?.items ?? [];
    const interfere = (what: () => Promise<unknown>): void => {
      before = what;
    };
    return { store, log, turn, keys, listed, sizes, interfere };
  };

  test('removes all that is spent in small transactions, and keeps the rest', async () => {
    const { turn, keys, listed, sizes } = await stage(130, 130);
    const nowMs = NOW_MS + ASKED_MS + 99;
    for (let at = 0; at < 4; at += 1) await turn(nowMs + at / 10);
    expect([await keys('used/'), await keys('asked/'), (await listed()).length]).toEqual([0, 30, 30]);
    expect((await listed())[0]).toMatchObject({ hash: 'h100' });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * AT_ONCE);
  });

  test('nothing goes before its time, and the store is looked at every ten minutes', async () => {
    const { turn, keys, store, sizes } = await stage(3, 3);
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (query, signal) => {
      reads += 1;
      return get(query, signal);
    };
    for (let ms = 0; ms < SKEW_MS; ms += 10_000) await turn(NOW_MS + ms);
    expect(reads).toBe(12);
    expect(sizes).toEqual([]);
    expect([await keys('used/'), await keys('asked/')]).toEqual([3, 3]);
  });

  test('an order that comes in between is not lost: the list is left as that order made it', async () => {
    const { turn, listed, interfere, store, keys } = await stage(0, 3);
    const written = { items: [{ hash: 'new', atMs: NOW_MS + ASKED_MS }] };
    interfere(() => store.txn({ if: [], then: [{ put: KEYS.asked, value: written }] }));
    await turn(NOW_MS + ASKED_MS + 10);
    expect(await listed()).toEqual(written.items);
    expect(await keys('asked/')).toBe(3);
  });

  test('a use that was recorded anew in between stays', async () => {
    const { turn, interfere, store, keys } = await stage(1, 0);
    interfere(() => store.txn({ if: [], then: [{ put: usedKey('u0'), value: { expiresAtMs: NOW_MS * 2 } }] }));
    await turn(NOW_MS + SKEW_MS);
    expect(await keys('used/')).toBe(1);
  });

  test('a store that refuses is told, and nothing else happens', async () => {
    const { turn, log, store } = await stage(1, 1);
    store.get = () => Promise.reject(new Error('gone'));
    await turn(NOW_MS * 2);
    expect(log.of('spent.unremoved')).toHaveLength(2);
  });

  test('what an order really left is what goes', async () => {
    const once = { id: 'f'.repeat(32), expiresAtMs: NOW_MS + 60_000 };
    const api = openApi({ access: accessOf(principal('ann', { how: 'break-glass', once })) });
    try {
      const headers = { authorization: 'Bearer ann', 'idempotency-key': 'k'.repeat(20) };
      expect((await api.app.inject({ method: 'POST', url: '/v1/overrides', headers, payload: DRAIN })).statusCode).toBe(201);
      const keys = async () => (await api.store.get({ prefixes: ['used/', 'asked/'] })).kvs.length;
      expect(await keys()).toBe(2);
      const duty = createSpentDuty({ store: api.store, ports, log: api.log });
      duty.turn(NOW_MS + ASKED_MS, { commit: async (conditions, then) => (await api.store.txn({ if: conditions, then })).ok });
      await duty.idle();
      expect(await keys()).toBe(0);
    } finally {
      await api.close();
    }
  });
});
