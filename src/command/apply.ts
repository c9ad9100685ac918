// `tidegate apply`: makes a file's cluster section the configuration of a cluster. Says first what would change, refuses what is wrong or unsafe with
// every reason, and writes only over the version it has looked at: who comes second looks again. Rolling back is applying the older file.
import { userInfo } from 'node:os';
import type { Pace } from '../config/arithmetic.ts';
import { joinProblems } from '../config/check.ts';
import { loadCluster, loadConfig } from '../config/load.ts';
import { renderProblem } from '../config/problem.ts';
import { paceIn } from '../config/providers/index.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import type { Allowance } from '../config/transition.ts';
import { applyMembers, type Members, type Plan, planMembers, readConfigAudit, readMembers } from '../coordinate/members.ts';
import { publicKeyOf } from '../coordinate/signing.ts';
import { ERRORS, Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import { isoTime, type Ports } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import { type Store, StoreDefiniteError } from '../store/store.ts';
import { type Told, tell } from './apply-text.ts';
import { openCommandStore, type Saying } from './open.ts';
import { sayProblems } from './problems.ts';

export interface ApplyOptions {
  /** A replica's file: which store, and how to reach it. */
  config: string;
  /** A file with a cluster section. */
  file: string;
  /** Say what would change and write nothing. */
  dryRun?: boolean;
  /** Recorded beside the change; which file it was unless said. */
  reason?: string;
  /** Recorded as its author; the user of this process unless said. */
  owner?: string;
  /** One object on stdout instead of text. */
  json?: boolean;
  /** Let a cluster that can decide become one that only advises. */
  allowAdviseOnly?: boolean;
}

export interface ApplyContext extends Saying {
  ports: Ports;
  /** How the store is opened; as the replica's file says unless said. */
  open?: (config: ReplicaConfig, ports: Ports) => Promise<Store>;
}

/** A sentence, not a document: it is shown in one line. */
const WORDS_MAX = 500;

const words = (option: string, given: string): string => {
  if (given.length <= WORDS_MAX && !/\p{Cc}/u.test(given) && given.trim() !== '') return given;
  throw new Fault('ERR_USAGE', `${option}: expected 1 to ${WORDS_MAX} characters in one line; write it shorter`);
};

export const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
};

/** Why the replica whose file shows the way to the store would not fit into what is applied. A file without key and credentials is that of a desk. */
const misfits = (config: ReplicaConfig, cluster: ClusterConfig): readonly string[] =>
  config.signing === undefined && Object.keys(config.providers).length === 0
    ? []
    : joinProblems({ ...config, ...publicKeyOfReplica(config) }, cluster).map(
        (problem) => `${config.file}: this replica would not fit: ${problem}`,
      );

const publicKeyOfReplica = ({ signing }: ReplicaConfig): { publicKey?: string } => {
  try {
    return signing === undefined ? {} : { publicKey: publicKeyOf(readSecret(signing.keyFile), signing.keyFile) };
  } catch {
    // Whoever applies need not be able to read the region's key.
    return {};
  }
};

export const ownFileWarning = ({ store, file }: ReplicaConfig): readonly string[] =>
  store.kind === 'embedded'
    ? [`${file}: found an embedded store; the replica that serves it takes its cluster section from its own file again when it starts`]
    : [];

/** Who made the version that the store holds, as a clause. */
const authorOf = async (store: Store, version: number): Promise<string> => {
  const audit = version === 0 ? null : await readConfigAudit(store, version);
  return audit === null ? '' : `applied by ${audit.by} at ${isoTime(audit.atMs)}: ${audit.reason}`;
};

const EXIT = { applied: 0, unchanged: 0, planned: 0, refused: ERRORS.ERR_CONFIG.exit, overtaken: ERRORS.ERR_STALE.exit } as const;

interface Work {
  ports: Ports;
  pace: Pace;
  cluster: ClusterConfig;
  warnings: readonly string[];
  dryRun: boolean;
  by: string;
  reason: string;
  allow: Allowance;
}

/** What came of it, from the plan that was made and what the store then said. */
const told = async (
  store: Store,
  { pace, cluster, warnings }: Work,
  seen: Members,
  plan: Plan,
  outcome: Told['outcome'],
): Promise<Told> => ({
  outcome,
  cluster: seen.cluster?.name ?? cluster.name,
  version: seen.cluster?.version ?? 0,
  author: await authorOf(store, seen.cluster?.version ?? 0),
  before: seen.cluster,
  after: plan.next,
  diff: plan.diff,
  because: plan.because,
  warnings,
  pace,
});

const work = async (store: Store, given: Work): Promise<Told> => {
  const { ports, cluster, allow, by, reason } = given;
  const seen = await readMembers(store);
  const plan = planMembers(seen, cluster, allow);
  if (plan.kind !== 'change') return told(store, given, seen, plan, plan.kind);
  const planned = await told(store, given, seen, plan, 'planned');
  if (given.dryRun) return planned;
  const result = await applyMembers(store, cluster, { ports, by, reason, allow, seen });
  if (result.outcome === 'applied') return { ...planned, outcome: 'applied', version: result.version };
  // Somebody else came first, or a decision changed what is safe: what is true now, not what was true before.
  const now = await readMembers(store);
  const then = await told(store, given, now, planMembers(now, cluster, allow), result.outcome);
  return result.outcome === 'refused' ? { ...then, because: result.because } : then;
};

/** What the store refuses or does not answer, with what that means here. */
const certain = async (working: Promise<Told>): Promise<Told> => {
  try {
    return await working;
  } catch (error) {
    if (!(error instanceof StoreDefiniteError)) throw error;
    // A store that names its reason, such as credentials that lack a grant, gives it as the cause.
    const code = error.cause instanceof Fault ? error.cause.code : 'ERR_STORE_UNREACHABLE';
    throw new Fault(code, `${error.message}; nothing was written`, { cause: error });
  }
};

/**
 * Applies a file. Exit codes: 0 applied, unchanged or only planned; 78 when the file or the change is not accepted; 4 when another version came in
 * between, with nothing written. Throws Fault and what the store throws.
 */
export const apply = async (options: ApplyOptions, context: ApplyContext): Promise<number> => {
  const { ports } = context;
  const by = words('--owner', options.owner ?? userName());
  const reason = words('--reason', options.reason ?? `file ${options.file}`);
  const replica = loadConfig(options.config);
  if (!replica.ok) return sayProblems(replica.problems, options.json, context);
  const { config } = replica;
  const pace = paceIn(config);
  const wanted = loadCluster(options.file, pace);
  if (!wanted.ok) return sayProblems(wanted.problems, options.json, context);
  const { cluster } = wanted;
  const warnings = [...wanted.warnings.map(renderProblem), ...misfits(config, cluster), ...ownFileWarning(config)];
  const allow: Allowance = { adviseOnly: options.allowAdviseOnly === true, rename: false };
  const store = await (context.open ?? openCommandStore)(config, ports);
  try {
    const result = await certain(work(store, { ports, pace, cluster, warnings, dryRun: options.dryRun === true, by, reason, allow }));
    const { text, data, to } = tell(result, options.file);
    if (options.json === true) context.out(data);
    else context[to](text);
    return EXIT[result.outcome];
  } finally {
    await store.close();
  }
};
