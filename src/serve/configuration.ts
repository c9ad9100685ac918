// The file of a running replica: what is in force of it, how it gets into the store, and how it is taken anew.

import { rememberSecrets } from '../config/files.ts';
import { type Problem, renderProblem } from '../config/problem.ts';
import { reloadConfig } from '../config/reload.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { applyMembers } from '../coordinate/members.ts';
import type { Shadow } from '../drill/shadow.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig } from '../model.ts';
import type { Part } from './part.ts';

/** Sentences about what happened; `ok` false: nothing changed. */
export interface Said {
  ok: boolean;
  said: readonly string[];
}

export interface Configuration {
  /** What is in force. */
  current(): ReplicaConfig;
  /** Once, at the start: an embedded store takes the cluster of its file. */
  applyAtStart(): Promise<void>;
  /** Judges the file and takes it; one after the other, since of two at once the older file could come last. */
  reload(): Promise<Said>;
}

export interface ConfigurationOptions {
  shadow: Shadow;
  /** The coordinator looks again at once. */
  wake: () => void;
  /** Files that are looked at again whatever becomes of the configuration. Out: what is wrong with them. */
  reloadFiles: () => readonly string[];
}

/** What is lawful in a file but hardly meant. */
export const tellWarnings = (log: Log, warnings: readonly Problem[]): void => {
  for (const warning of warnings) log.warn('config.warning', { because: renderProblem(warning) });
};

export const shadowOf = ({ shadow }: ReplicaConfig): Parameters<Shadow['use']>[0] =>
  shadow === undefined || shadow.cluster === null ? null : { file: shadow.file, cluster: shadow.cluster };

export const createConfiguration = (
  { config: initial, context: { ports, log }, store, seen }: Part,
  { shadow, wake, reloadFiles }: ConfigurationOptions,
): Configuration => {
  let config = initial;
  const secretsOutdated = rememberSecrets(initial);
  const { region, replica } = initial;

  const apply = async (cluster: ClusterConfig): Promise<Said> => {
    const applied = await applyMembers(store, cluster, {
      ports,
      by: `${region}/${replica}`,
      reason: `file ${config.file}`,
      how: 'service',
    });
    if (applied.outcome === 'refused') return { ok: false, said: applied.because };
    wake();
    const what = applied.outcome === 'applied' ? 'applied' : 'unchanged';
    return { ok: true, said: [`configuration ${applied.version} ${what}`] };
  };

  const reload = async (): Promise<Said> => {
    // First of all: who is locked out by an old token file is not let in by a mended one that waits for the rest.
    const unread = reloadFiles();
    const judged = reloadConfig(config, seen.sight()?.routing ?? null);
    if (!judged.ok) return { ok: false, said: judged.because };
    tellWarnings(log, judged.warnings);
    const result =
      judged.config.cluster === null || judged.config.store.kind !== 'embedded'
        ? { ok: true, said: ['accepted'] }
        : await apply(judged.config.cluster);
    if (result.ok) {
      config = judged.config;
      shadow.use(shadowOf(config));
    }
    const outdated = secretsOutdated().map(
      (file) => `${file} holds another secret than at the start; it is used once this replica is restarted`,
    );
    for (const because of outdated) log.warn('secret.outdated', { because });
    return unread.length === 0 ? { ...result, said: [...result.said, ...outdated] } : { ok: false, said: [...unread, ...result.said] };
  };

  let reloading: Promise<unknown> = Promise.resolve();
  return {
    current: () => config,
    async applyAtStart() {
      if (config.cluster === null || config.store.kind !== 'embedded') return;
      const { ok, said } = await apply(config.cluster);
      // A file that was refused must not keep the service away in an outage: what the store holds goes on, and says so.
      if (ok) log.info('config.applied', { said });
      else log.error('config.refused', { because: said, running: 'the configuration in the store' });
    },
    reload() {
      const next = reloading.then(reload);
      reloading = next.catch(() => undefined);
      return next;
    },
  };
};
