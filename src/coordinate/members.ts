// The cluster's configuration in the store: written by compare-and-write, counted up by every change, refused when it would take the ground from under
// the route that carries traffic now.
import { isDeepStrictEqual } from 'node:util';
import { checkTransition, renderRefusal } from '../config/transition.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig, Routing } from '../model.ts';
import { type Store, StoreAmbiguousError } from '../store/store.ts';
import { KEYS } from './keys.ts';

export type AppliedMembers =
  | { outcome: 'unchanged' | 'applied'; version: number }
  | { outcome: 'refused'; because: readonly string[]; version: number };

/** Tries before giving up to a concurrent writer. */
const ATTEMPTS_MAX = 3;

/** Makes `wanted` the cluster's configuration. Its own version number is ignored: the store counts. Throws what the store throws. */
export const applyMembers = async (store: Store, wanted: ClusterConfig): Promise<AppliedMembers> => {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { kvs } = await store.get({ keys: [KEYS.members, KEYS.routing] });
    const record = kvs.find((kv) => kv.key === KEYS.members);
    const current = record?.value as ClusterConfig | undefined;
    const routing = kvs.find((kv) => kv.key === KEYS.routing);
    const version = (current?.version ?? 0) + 1;
    // Compared as the store would give it back: optional fields that are absent and undefined are the same.
    const next = JSON.parse(JSON.stringify({ ...wanted, version })) as ClusterConfig;
    if (current !== undefined && isDeepStrictEqual({ ...next, version: current.version }, current))
      return { outcome: 'unchanged', version: current.version };
    const refusals = current === undefined ? [] : checkTransition(current, next, (routing?.value as Routing | undefined) ?? null);
    if (refusals.length > 0) return { outcome: 'refused', because: refusals.map(renderRefusal), version: current?.version ?? 0 };
    try {
      const conditions = [
        { key: KEYS.members, mod: record?.mod ?? 0 },
        { key: KEYS.routing, mod: routing?.mod ?? 0 },
      ];
      const result = await store.txn({ if: conditions, then: [{ put: KEYS.members, value: next }] });
      if (result.ok) return { outcome: 'applied', version };
    } catch (error) {
      // In doubt: the next read shows whether it happened, by its content.
      if (!(error instanceof StoreAmbiguousError)) throw error;
    }
  }
  throw new Fault(
    'ERR_STALE',
    `the cluster configuration changed ${ATTEMPTS_MAX} times while it was being written; look at what else applies one, and try again`,
  );
};
