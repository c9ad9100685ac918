// The two files that a command without a store works from: a replica's, for the way to the providers, and the cluster section, in it or beside it.
import { loadCluster, loadConfig } from '../config/load.ts';
import { paceIn } from '../config/providers/index.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { list } from '../config/words.ts';
import { Fault } from '../errors.ts';
import type { ClusterConfig, ServiceConfig } from '../model.ts';
import type { Saying } from './open.ts';
import { sayProblems } from './problems.ts';

export interface Files {
  config: ReplicaConfig;
  cluster: ClusterConfig;
}

/** Both files, or the exit code of having said what is wrong with them. */
export const filesOf = (options: { config: string; file?: string; json?: boolean }, context: Saying): Files | number => {
  const loaded = loadConfig(options.config);
  if (!loaded.ok) return sayProblems(loaded.problems, options.json, context);
  const { config } = loaded;
  if (options.file !== undefined) {
    const wanted = loadCluster(options.file, paceIn(config));
    return wanted.ok ? { config, cluster: wanted.cluster } : sayProblems(wanted.problems, options.json, context);
  }
  if (config.cluster === null)
    throw new Fault('ERR_USAGE', `${config.file} has no cluster section; name the file that was applied with --file`);
  return { config, cluster: config.cluster };
};

export const serviceOf = ({ services }: ClusterConfig, name: string): ServiceConfig => {
  const service = services.find((s) => s.name === name);
  if (service === undefined) throw new Fault('ERR_USAGE', `--service ${name}: the file configures ${list(services.map((s) => s.name))}`);
  return service;
};
