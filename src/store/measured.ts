// A store whose requests are timed and whose failures are counted. Changes nothing else about it.
import type { Metrics } from '../metrics.ts';
import type { Clock } from '../ports.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError } from './store.ts';

export const measuredStore = (store: Store, metrics: Pick<Metrics, 'storeRequest' | 'storeError'>, clock: Clock): Store => {
  const timed = async <T>(op: 'get' | 'txn', work: () => Promise<T>): Promise<T> => {
    const startedAtMs = clock.monoMs();
    try {
      return await work();
    } catch (error) {
      metrics.storeError(
        op,
        error instanceof StoreAmbiguousError ? 'ambiguous' : error instanceof StoreDefiniteError ? 'definite' : 'timeout',
      );
      throw error;
    } finally {
      metrics.storeRequest(op, clock.monoMs() - startedAtMs);
    }
  };
  return {
    get clusterId() {
      return store.clusterId;
    },
    get: (query, signal) => timed('get', () => store.get(query, signal)),
    txn: (txn, signal) => timed('txn', () => store.txn(txn, signal)),
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: () => store.close(),
  };
};
