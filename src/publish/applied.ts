// What the store knows of each service at its provider: the record `applied/<provider>/<service>`, written by the coordinator's term. It says which write
// the provider acknowledged, or why nothing is written; the core holds a service whose record says frozen or manual. Written only when it changes, and only
// over the record that was seen: a human may have adopted what is served since, and a freeze that comes late would undo that.
import type { Fence } from '../../providers/provider.ts';
import type { Term } from '../coordinate/coordinator.ts';
import { appliedKey, KEYS } from '../coordinate/keys.ts';
import type { Condition } from '../coordinate/office.ts';
import type { Sight } from '../coordinate/read.ts';
import type { AppliedRecord } from '../model.ts';
import type { Op } from '../store/store.ts';
import { isClosed, type Step } from './plan.ts';

/** What the store showed as a turn of the publisher began: all it writes down rests on that. */
export interface AppliedBook {
  of(seen: Sight, provider: string, service: string): AppliedRecord | null;
  /** Records what is served as decided: t4 of what was not recorded yet. What a human wrote meanwhile stays; the next turn sees it. */
  acknowledge(seen: Sight, provider: string, served: readonly { service: string; fence: Fence }[], term: Term): Promise<void>;
  /** The same for what is acknowledged bit by bit in one turn: what comes while a transaction is under way goes with the next one. */
  acknowledging(seen: Sight, provider: string, term: Term): Acknowledging;
  /** Records that the provider is not ours to write for now. */
  freeze(seen: Sight, provider: string, step: Step & { kind: 'ahead' | 'manual' }, term: Term): Promise<void>;
}

export interface Acknowledging {
  add(served: readonly { service: string; fence: Fence }[]): void;
  /** All of it is recorded, or will be found by the next turn. */
  written(): Promise<void>;
}

export interface AppliedBookOptions {
  /** t4: the provider acknowledged this fence. */
  onApplied: (service: string, fence: number, atMs: number, provider: string) => void;
}

/** A store takes so many operations in a transaction, conditions beside them. */
const RECORDS_EACH = 60;

const unchanged = (seen: Sight, key: string): Condition => ({ key, mod: seen.mod(key) });

export const createAppliedBook = ({ onApplied }: AppliedBookOptions): AppliedBook => {
  const of = (seen: Sight, provider: string, service: string): AppliedRecord | null => {
    const key = appliedKey(provider, service);
    return (seen.has(key).find((kv) => kv.key === key)?.value as AppliedRecord | undefined) ?? null;
  };
  const put = (provider: string, service: string, fence: Fence, fields: Pick<AppliedRecord, 'atMs' | 'outcome' | 'because'>): Op => ({
    put: appliedKey(provider, service),
    value: { fence: fence.v, nonce: fence.nonce, hash: fence.hash, ...fields } satisfies AppliedRecord,
  });
  const acknowledge: AppliedBook['acknowledge'] = async (seen, provider, served, term) => {
    const ops: Op[] = [];
    const conditions: Condition[] = [];
    for (const { service, fence } of served) {
      const known = of(seen, provider, service);
      const isNews = known?.fence !== fence.v || known.outcome !== 'applied';
      if (!isNews && known.nonce === fence.nonce) continue;
      const atMs = isNews ? term.nowMs() : known.atMs;
      const because = `fence ${fence.v} acknowledged${isClosed(known) ? `; no longer ${known?.outcome}` : ''}`;
      ops.push(put(provider, service, fence, { atMs, outcome: 'applied', because }));
      conditions.push(unchanged(seen, appliedKey(provider, service)));
      if (isNews) onApplied(service, fence.v, atMs, provider);
    }
    if (ops.length > 0) await term.commit(conditions, ops);
  };
  return {
    of,
    acknowledge,
    acknowledging(seen, provider, term) {
      const pending: { service: string; fence: Fence }[] = [];
      let writing: Promise<void> | null = null;
      let failure: { error: unknown } | null = null;
      const writeAll = async (): Promise<void> => {
        while (pending.length > 0) await acknowledge(seen, provider, pending.splice(0, RECORDS_EACH), term);
      };
      return {
        add(served) {
          pending.push(...served);
          writing ??= writeAll()
            .catch((error: unknown) => {
              failure ??= { error };
            })
            .then(() => {
              writing = null;
            });
        },
        async written() {
          while (writing !== null) await writing;
          if (failure !== null) throw (failure as { error: unknown }).error;
        },
      };
    },
    async freeze(seen, provider, { kind, service, fence, because }, term) {
      const outcome = kind === 'manual' ? 'manual' : 'frozen';
      const known = of(seen, provider, service);
      if (known?.outcome === outcome && known.fence === fence.v && known.nonce === fence.nonce) return;
      const conditions = [unchanged(seen, appliedKey(provider, service)), unchanged(seen, KEYS.adopted), unchanged(seen, KEYS.routing)];
      await term.commit(conditions, [put(provider, service, fence, { atMs: term.nowMs(), outcome, because })]);
    },
  };
};
