// What micro-drills have proved, as `/v1/status` and the metrics say it: of each path when last, how long each phase took, and whether that is too long ago. Pure.
import type { CanaryConfig } from '../config/canary.ts';
import { isStale, type MicroDrill, PROOF_PHASES, type Proof, type ProofPhase } from '../model.ts';
import type { DrillState } from '../publish/canary.ts';

/** Percentiles in ms from the commit of the decision, of how many micro-drills that came through. */
export interface ProofSpread {
  p50Ms: number;
  p95Ms: number;
  count: number;
}

export interface MicroDrillStatus {
  provider: string;
  /** The name that is failed over. */
  service: string;
  everyMs: number;
  /** Cluster time of the decision of the last that came through; null: none ever did. */
  provenAtMs: number | null;
  /** None came through for three intervals, or ever. */
  stale: boolean;
  /** The newest; `ok` null: it is under way, or whoever flew it died. */
  last: MicroDrill;
  /** By phase: until t4, t5, t6. A phase that is not measured is missing. */
  phases: Readonly<Partial<Record<ProofPhase, ProofSpread>>>;
}

/** Nearest rank. */
const at = (sorted: readonly number[], percent: number): number => sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;

const spreadOf = (proven: readonly MicroDrill[], phase: ProofPhase): ProofSpread | null => {
  const sorted = proven.flatMap(({ phasesMs }) => phasesMs[phase] ?? []).toSorted((a, b) => a - b);
  return sorted.length === 0 ? null : { p50Ms: at(sorted, 50), p95Ms: at(sorted, 95), count: sorted.length };
};

export const microDrillsOf = (proofs: ReadonlyMap<string, Proof>, nowMs: number): readonly MicroDrillStatus[] =>
  [...proofs].map(([provider, proof]) => ({
    provider,
    service: proof.service,
    everyMs: proof.everyMs,
    provenAtMs: proof.provenAtMs,
    stale: isStale(proof, nowMs),
    last: proof.last,
    phases: Object.fromEntries(
      PROOF_PHASES.flatMap((phase) => {
        const spread = spreadOf(proof.proven, phase);
        return spread === null ? [] : [[phase, spread] as const];
      }),
    ),
  }));

/** As the metrics show it. `isHeld` null: this replica does not fly it, and cannot know. */
export interface MicroDrillGauge {
  provider: string;
  /** Cluster time; null: none ever came through. */
  provenAtMs: number | null;
  isStale: boolean;
  isHeld: boolean | null;
}

/**
 * Of those that this replica is configured with: a record of one that is no longer stays in the store, and is nobody's worry. `flown` is what the holder of the office
 * knows, empty elsewhere; others say of a proof that it is stale once that was told.
 */
export const microDrillGauges = (
  canaries: readonly Pick<CanaryConfig, 'path' | 'microDrill'>[],
  proofs: ReadonlyMap<string, Pick<Proof, 'provenAtMs' | 'stale'>>,
  flown: readonly DrillState[],
): readonly MicroDrillGauge[] =>
  canaries
    .filter(({ microDrill }) => microDrill === true)
    .map(({ path }) => {
      const proof = proofs.get(path);
      const own = flown.find(({ provider }) => provider === path);
      return {
        provider: path,
        provenAtMs: proof?.provenAtMs ?? null,
        isStale: own?.isStale ?? proof?.stale ?? false,
        isHeld: own?.isHeld ?? null,
      };
    });
