// The reload of a running replica's file: load, check, compare with what runs, and only then hand out the new one. All or nothing.
import type { Routing } from '../model.ts';
import { loadServed } from './load.ts';
import { type Problem, renderProblem } from './problem.ts';
import type { ReplicaConfig } from './schema.ts';
import { checkTransition, needsRestart, renderRefusal } from './transition.ts';

export type Reloaded =
  | { ok: true; config: ReplicaConfig; warnings: readonly Problem[] }
  /** The running configuration stays. One sentence per reason. */
  | { ok: false; because: readonly string[] };

/** Judges the file that `current` came from anew. `routing`: the last committed record, null when there is none yet. Changes nothing; the caller swaps. */
export const reloadConfig = (current: ReplicaConfig, routing: Routing | null): Reloaded => {
  const loaded = loadServed(current.file, current.calledReplica);
  if (!loaded.ok) return { ok: false, because: loaded.problems.map(renderProblem) };
  const { config, warnings } = loaded;
  const refusals = [
    ...needsRestart(current, config),
    ...(current.cluster === null || config.cluster === null ? [] : checkTransition(current.cluster, config.cluster, routing)),
  ];
  if (refusals.length > 0) return { ok: false, because: refusals.map((refusal) => `${current.file}: ${renderRefusal(refusal)}`) };
  return { ok: true, config, warnings };
};
