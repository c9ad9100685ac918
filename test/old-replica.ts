// A stand-in for release 0.1, made of the present code: the store as a replica of it would use it. What 0.1 counted is not imitated; test/health/shares.test.ts
// asks its rule.
import { placeOf } from '../src/coordinate/keys.ts';
import type { Query, Store } from '../src/store/store.ts';

const isBoot = (key: string): boolean => key.startsWith('boot/');
/** A replica's look at its own region. */
export const isForSiblings = (query: Query): boolean => query.prefixes?.some((prefix) => /^beat\/./.test(prefix)) === true;

/** The store as a replica of 0.1 uses it: no boot records, none of the newer fields, no look at its own region's other replicas. */
export const asOld = (store: Store, region: string, replica: string): Store => {
  const isSibling = (key: string): boolean => placeOf(key).region === region && placeOf(key).replica !== replica;
  const plain = (value: unknown): object => {
    const { bootN, configHash, asOfRev, gray, ...rest } = value as Record<string, unknown>;
    return rest;
  };
  return {
    get clusterId() {
      return store.clusterId;
    },
    async get(query) {
      const { rev, kvs } = await store.get(query);
      const asksForName = query.keys?.some(isBoot) === true;
      const asksForSiblings = isForSiblings(query);
      return {
        rev,
        kvs: kvs.filter(({ key }) => !isBoot(key) && !(asksForName && query.keys?.length === 2) && !(asksForSiblings && isSibling(key))),
      };
    },
    async txn(txn) {
      const then = txn.then
        .filter((op) => !('put' in op && isBoot(op.put)))
        .map((op) => ('put' in op && /^(vote|beat)\//.test(op.put) ? { ...op, value: plain(op.value) } : op));
      if (then.length === 0) return { ok: true, rev: 0, kvs: [] };
      return store.txn({ ...txn, if: txn.if.filter(({ key }) => !isBoot(key)), then });
    },
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: () => store.close(),
  };
};
