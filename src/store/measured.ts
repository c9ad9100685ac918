// A store whose requests are timed and whose failures are counted, and which remembers what it complained of last. Changes nothing else about it.
import { errorText } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Clock } from '../ports.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError } from './store.ts';

export interface MeasuredStore extends Store {
  /** Why the last write failed, or else the last read; null when neither did. */
  complaint(): string | null;
  /** How long the last read and the last write that were answered took, ms; null: none was yet. */
  lastTookMs(): { get: number | null; txn: number | null };
}

export const measuredStore = (store: Store, metrics: Pick<Metrics, 'storeRequest' | 'storeError'>, clock: Clock): MeasuredStore => {
  const complaints: { get: string | null; txn: string | null } = { get: null, txn: null };
  const tookMs: { get: number | null; txn: number | null } = { get: null, txn: null };
  const timed = async <T>(op: 'get' | 'txn', work: () => Promise<T>): Promise<T> => {
    const startedAtMs = clock.monoMs();
    let isAnswered = false;
    try {
      const result = await work();
      complaints[op] = null;
      isAnswered = true;
      return result;
    } catch (error) {
      complaints[op] = errorText(error);
      metrics.storeError(
        op,
        error instanceof StoreAmbiguousError ? 'ambiguous' : error instanceof StoreDefiniteError ? 'definite' : 'timeout',
      );
      throw error;
    } finally {
      const ms = clock.monoMs() - startedAtMs;
      metrics.storeRequest(op, ms);
      if (isAnswered) tookMs[op] = ms;
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
    complaint: () => complaints.txn ?? complaints.get,
    lastTookMs: () => ({ ...tookMs }),
  };
};
