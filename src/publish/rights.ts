// The right to write, proved anew right before each call towards a provider: a renewal of the leader record, guarded on the orders of humans as they were
// read last, so that nothing is written any more once a stop is in the store. Calls of one group that begin within a second of its proof share it.
import type { Term } from '../coordinate/coordinator.ts';
import { KEYS } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { activeOverrides, stopOn } from '../decide/override.ts';
import type { Ports } from '../ports.ts';

/** A renewal proves the right to write to calls that begin within this span of it. */
export const PROOF_MS = 1000;
/** Renewals tried for one call; a store that answers so slowly is no ground to act from. */
const PROOFS_MAX = 2;
/** What was read is no longer so: no failure, and soon read again. */
export const CHANGED = 'the leader record or the orders of humans have changed since they were read';

export interface Rights {
  /** Do the orders of humans, as they were read last, allow it to write these? No proof. */
  allows(services: readonly string[], term: Term): boolean;
  /** Proofs for calls that belong together: each is null when the right is proved, else why nothing may leave. */
  group(term: Term): (services: readonly string[]) => Promise<string | null>;
}

export interface RightsOptions {
  ports: Ports;
  sight: () => Sight | null;
  /** Names that are no services of the cluster, and are stopped by whatever stops more than one service. */
  others: ReadonlySet<string>;
}

export const createRights = ({ ports, sight, others }: RightsOptions): Rights => {
  /** The revision of the orders that allow it to write these; null: they do not, or nobody knows. */
  const allowedAt = (services: readonly string[], term: Term): number | null => {
    const seen = sight();
    if (seen?.cluster == null) return null;
    const active = activeOverrides(seen.overrides, term.nowMs());
    // What no decision speaks of is stopped until the order is out of the store: its end is a decision, however late that comes.
    const ordered = seen.overrides?.items ?? [];
    const isStopped =
      seen.cluster.services.some((service) => services.includes(service.name) && stopOn(active, service) !== undefined) ||
      (services.some((name) => others.has(name)) && ordered.some(({ kind, scope }) => kind === 'stop' && scope.service === undefined));
    return isStopped ? null : seen.mod(KEYS.override);
  };

  const proveAt = async (mod: number, term: Term): Promise<{ begunAtMs: number } | string> => {
    for (let n = 0; n < PROOFS_MAX; n++) {
      const begunAtMs = ports.clock.monoMs();
      if (!(await term.commit([{ key: KEYS.override, mod }], []))) return CHANGED;
      // A renewal that took longer, or a process that slept after it, proves nothing about now.
      if (ports.clock.monoMs() - begunAtMs <= PROOF_MS) return { begunAtMs };
    }
    return `the leader record could not be renewed within ${PROOF_MS} ms, ${PROOFS_MAX} times in a row`;
  };

  return {
    allows: (services, term) => allowedAt(services, term) !== null,
    group(term) {
      let proof: { mod: number; epoch: number; begunAtMs: number } | null = null;
      let proving: Promise<string | null> | null = null;
      const isGood = (mod: number): boolean =>
        proof !== null && proof.mod === mod && proof.epoch === term.epoch && ports.clock.monoMs() - proof.begunAtMs <= PROOF_MS;
      const prove = async (mod: number): Promise<string | null> => {
        const proved = await proveAt(mod, term);
        proof = typeof proved === 'string' ? null : { mod, epoch: term.epoch, begunAtMs: proved.begunAtMs };
        return typeof proved === 'string' ? proved : null;
      };
      return async (services) => {
        // Whoever waited for another's proof may find it too old already.
        for (let n = 0; n <= PROOFS_MAX; n++) {
          const mod = allowedAt(services, term);
          if (mod === null) return CHANGED;
          if (isGood(mod)) return null;
          proving ??= prove(mod).finally(() => {
            proving = null;
          });
          const refusal = await proving;
          if (refusal !== null) return refusal;
        }
        return CHANGED;
      };
    },
  };
};
