// `tidegate promote`: lets a service do more (observe, advise, auto), if its report is clean. The change goes the way of `apply`: shown, checked, written only
// over the version that was looked at, with a record of who and why. Whoever knows better says so with `--despite`, and that is recorded, too.
import { loadConfig } from '../config/load.ts';
import { paceIn } from '../config/providers/index.ts';
import { plural } from '../config/words.ts';
import { applyMembers, planMembers, readMembers } from '../coordinate/members.ts';
import type { Findings } from '../drill/findings.ts';
import { ERRORS, Fault } from '../errors.ts';
import type { ClusterConfig, Mode } from '../model.ts';
import type { Store } from '../store/store.ts';
import { ownFileWarning, userName } from './apply.ts';
import { type Told, tell } from './apply-text.ts';
import { openCommandStore } from './open.ts';
import { sayProblems } from './problems.ts';
import { oneLine } from './providers.ts';
import { type ReportContext, reportOn, serviceNamed, sinceMs } from './report.ts';
import { findingsLines } from './report-text.ts';

export interface PromoteOptions {
  config: string;
  service: string;
  to: string;
  since?: string;
  /** Why it is promoted although the report is not clean. */
  despite?: string;
  reason?: string;
  owner?: string;
  /** Do not ask. */
  yes?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export interface PromoteContext extends ReportContext {
  /** Asks the human; null: there is nobody to ask. */
  confirm: ((question: string) => Promise<boolean>) | null;
}

const ORDER: readonly Mode[] = ['observe', 'advise', 'auto'];

const modeOf = (given: string): Mode => {
  const mode = ORDER.find((each) => each === given);
  if (mode === undefined || mode === 'observe')
    throw new Fault('ERR_USAGE', `--to ${given}: expected advise or auto; to go back, apply a file`);
  return mode;
};

const withMode = (cluster: ClusterConfig, name: string, mode: Mode): ClusterConfig => ({
  ...cluster,
  services: cluster.services.map((s) => (s.name === name ? { ...s, mode } : s)),
});

interface Work {
  options: PromoteOptions;
  context: PromoteContext;
  to: Mode;
  by: string;
  despite: string | null;
  warnings: readonly string[];
  pace: Told['pace'];
}

/** Recorded with the change. */
const reasonOf = ({ options, to, despite }: Work, { against }: Findings): string => {
  const why = options.reason === undefined ? '' : `: ${oneLine('--reason', options.reason)}`;
  const known =
    despite === null || against.length === 0 ? '' : `; despite ${against.length} against it (${against.join('; ')}): ${despite}`;
  return `promoted ${options.service} to ${to}${why}${known}`;
};

const refused = (f: Findings, { options, context }: Work): number => {
  const todo = 'wait, mend what the list names, or say why it should be so nevertheless with --despite';
  const lines = [
    ...findingsLines(f),
    '',
    `refused: ${plural(f.against.length, 'thing stands', 'things stand')} against it, nothing was written; ${todo}`,
  ];
  if (options.json === true) context.out(`${JSON.stringify({ outcome: 'not-clean', service: f.service, against: f.against })}\n`);
  else context.err(`${lines.join('\n')}\n`);
  return ERRORS.ERR_NOT_CLEAN.exit;
};

const isWanted = async ({ options, context }: Work, question: string): Promise<boolean> => {
  if (options.yes === true || options.dryRun === true) return true;
  if (context.confirm === null) throw new Fault('ERR_USAGE', 'nobody to ask; add --yes to write it, or --dry-run to look only');
  return context.confirm(question);
};

const promoteIn = async (store: Store, work: Work): Promise<number> => {
  const { options, context, to, by, warnings, pace } = work;
  const { ports } = context;
  const seen = await readMembers(store);
  if (seen.cluster === null) throw new Fault('ERR_NOT_FOUND', 'the store holds no configuration yet; run tidegate apply first');
  const { mode } = serviceNamed(seen.cluster, options.service);
  if (ORDER.indexOf(to) <= ORDER.indexOf(mode))
    throw new Fault('ERR_USAGE', `${options.service} is in ${mode} already; to go back, apply a file`);
  const { findings } = await reportOn(store, ports.clock.wallMs(), options.service, sinceMs(options.since));
  const [found] = findings;
  if (found === undefined) throw new Fault('ERR_NOT_FOUND', `nothing is known of ${options.service}`);
  if (found.against.length > 0 && work.despite === null) return refused(found, work);

  const wanted = withMode(seen.cluster, options.service, to);
  const plan = planMembers(seen, wanted);
  const told = (outcome: Told['outcome'], version: number, because: readonly string[] = plan.because): number => {
    const said: Told = {
      outcome,
      cluster: wanted.name,
      version,
      author: '',
      before: seen.cluster,
      after: plan.next,
      diff: plan.diff,
      because,
      warnings,
      pace,
    };
    const { text, data, to: channel } = tell(said, options.service);
    if (options.json === true) context.out(data);
    else context[channel](text);
    return outcome === 'refused' ? ERRORS.ERR_CONFIG.exit : outcome === 'overtaken' ? ERRORS.ERR_STALE.exit : 0;
  };
  if (plan.kind === 'refused') return told('refused', seen.cluster.version);
  if (options.json !== true) context.err(`${findingsLines(found).join('\n')}\n\n`);
  if (options.dryRun === true) return told('planned', seen.cluster.version);
  if (!(await isWanted(work, `Let ${options.service} go from ${mode} to ${to}?`))) {
    context.err('nothing was written\n');
    return ERRORS.ERR_USAGE.exit;
  }
  const result = await applyMembers(store, wanted, { ports, by, reason: reasonOf(work, found), seen });
  return told(result.outcome, result.version, result.outcome === 'refused' ? result.because : []);
};

/**
 * Promotes. Exit codes: 0 promoted or only planned; 1 the report is not clean, with the list; 2 not wanted after all; 78 a file or the change is not
 * accepted; 4 another version came in between. Throws Fault and what the store throws.
 */
export const promote = async (options: PromoteOptions, context: PromoteContext): Promise<number> => {
  const to = modeOf(options.to);
  const by = oneLine('--owner', options.owner ?? userName());
  const despite = options.despite === undefined ? null : oneLine('--despite', options.despite);
  const loaded = loadConfig(options.config);
  if (!loaded.ok) return sayProblems(loaded.problems, options.json, context);
  const { config } = loaded;
  const store = await (context.open ?? openCommandStore)(config, context.ports);
  try {
    return await promoteIn(store, { options, context, to, by, despite, warnings: ownFileWarning(config), pace: paceIn(config) });
  } finally {
    await store.close();
  }
};
