import { expect, test } from 'vitest';
import { openEmbedded } from '../../src/store/embedded.ts';
import { measuredStore } from '../../src/store/measured.ts';
import { StoreAmbiguousError } from '../../src/store/store.ts';
import { seededRandom } from '../virtual.ts';

test('every request is timed, and a failure is counted by its kind and passed on', async () => {
  const seen: string[] = [];
  const inner = openEmbedded({ file: ':memory:', ports: { random: seededRandom('measured') } });
  let nowMs = 0;
  const metrics = {
    storeRequest: (op: string, tookMs: number) => void seen.push(`${op} ${tookMs}`),
    storeError: (op: string, kind: string) => void seen.push(`${op} ${kind}`),
  };
  const store = measuredStore(inner, metrics, { monoMs: () => (nowMs += 5), wallMs: () => 0 });
  expect((await store.txn({ if: [], then: [{ put: 'a', value: 1 }] })).ok).toBe(true);
  expect((await store.get({ keys: ['a'] })).kvs).toHaveLength(1);
  expect(seen).toEqual(['txn 5', 'get 5']);
  expect(store.clusterId).toBe(inner.clusterId);
  inner.txn = async () => {
    throw new StoreAmbiguousError('lost');
  };
  await expect(store.txn({ if: [], then: [] })).rejects.toThrow(StoreAmbiguousError);
  expect(seen.slice(2)).toEqual(['txn ambiguous', 'txn 5']);
  // What it complained of is remembered until that kind of request succeeds again.
  await store.get({ keys: ['a'] });
  expect(store.complaint()).toBe('lost');
  inner.txn = async () => ({ ok: true, rev: 1, kvs: [] });
  await store.txn({ if: [], then: [] });
  expect(store.complaint()).toBeNull();
  expect(store.lastTookMs()).toEqual({ get: 5, txn: 5 });
  await store.close();
});
