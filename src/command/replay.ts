// `tidegate replay`: recordings of replicas through the production core, under the configuration of then and under that of a file. Says which moves would
// have been made, when, how that differs, and how far the recording can be trusted. Reads files only; neither a store nor a provider is asked.
import { USUAL_PACE } from '../config/arithmetic.ts';
import { loadCluster } from '../config/load.ts';
import { renderProblem } from '../config/problem.ts';
import { createBacktest } from '../drill/backtest.ts';
import { Fault } from '../errors.ts';
import { merged, recordFiles } from '../record/files.ts';
import type { Saying } from './open.ts';
import { sayProblems } from './problems.ts';
import { tellReplay } from './replay-text.ts';

export interface ReplayOptions {
  /** Recordings, or folders of them. */
  record: readonly string[];
  /** A file with a cluster section, as `apply -f` takes it; without one only the recorded configuration is replayed. */
  config?: string;
  /** One object on stdout instead of text. */
  json?: boolean;
}

/** Replays. Exit codes: 0, or 78 when the configuration is not accepted. Throws Fault ERR_RECORD for what is no recording, with file and line. */
export const replay = async (options: ReplayOptions, { out, err }: Saying): Promise<number> => {
  const wanted = options.config === undefined ? null : loadCluster(options.config, USUAL_PACE);
  if (wanted !== null && !wanted.ok) return sayProblems(wanted.problems, options.json, { out, err });
  const files = await recordFiles(options.record);
  const backtest = createBacktest(wanted?.cluster ?? null);
  for await (const { by, line } of merged(files)) backtest.take(by, line);
  const result = backtest.result();
  if (result === null)
    throw new Fault('ERR_RECORD', `${files[0]?.path ?? ''}: found no look at a store with a configuration in it, expected at least one`);
  const { text, data } = tellReplay({
    result,
    file: options.config ?? null,
    warnings: wanted?.warnings.map(renderProblem) ?? [],
    cut: files.filter((file) => file.isCut()).map((file) => file.path),
    files: files.length,
  });
  out(options.json === true ? data : text);
  return 0;
};
