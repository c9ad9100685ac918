// The vocabulary of runbooks, beside src/model.ts: what a platform is, which steps move it, and what a run of them remembers. Types, with the lists of
// names that belong to them and what a mode means; everything of a record is JSON. `...Ms` is a duration, `...AtMs` an instant of cluster time.

// ---- what moves together: `cluster.platforms` ----

export const MODEL_KINDS = ['active-cold', 'active-hot', 'active-active', 'dual-active'] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** `graceful`: nothing is lost, and it takes what that takes; needs a region that still works. `ungraceful`: the region is gone, or counts as gone. */
export type RunMode = 'graceful' | 'ungraceful';

/** By region of the cluster. */
export type ByRegion<T> = Readonly<Record<string, T>>;

/** A Deployment that a fleet is in one region. */
export interface SiteConfig {
  /** Entry of `systems`, of kind `kubernetes`. */
  system: string;
  namespace: string;
  deployment: string;
  /** While the region is active. */
  replicas: number;
  /** While it is not: 0 for Active/Cold. */
  standby: number;
  /** Entry of `systems` by which the fleet is asked whether it works: `codec`, `grpc` or `http` by the fleet's kind. Absent: ready replicas have to do. */
  check?: string;
  /** Entry of `systems` of kind `temporal` at the very endpoint that the fleet here is configured with: a namespace is described through it. Absent: nobody asks. */
  canary?: string;
  /** Which endpoint of Temporal the fleet of this region is configured with. Absent: nobody said. */
  endpoint?: 'regional' | 'namespace';
  /** Pods of this region in pollers' identities: a regular expression. Absent: pollers of it cannot be told from others. */
  identity?: string;
}

export const FLEET_KINDS = ['codec', 'proxy', 'workers', 'starters'] as const;
/** In the order in which they are needed: workers need codec servers and proxies, starters need workers. */
export type FleetKind = (typeof FLEET_KINDS)[number];

export interface FleetConfig {
  name: string;
  kind: FleetKind;
  /** From nothing to ready on a warm node: what is started first is what takes longest. Absent: the seeds of its kind. */
  startMs?: number;
  sites: ByRegion<SiteConfig>;
}

/** Temporal namespaces that move together. */
export interface NamespacesConfig {
  name: string;
  /** Entry of `systems`: one of kind `temporal-cloud`, or by region those of kind `temporal`, each the cluster of that region. */
  system: string | ByRegion<string>;
  /** One, or one per tenant. */
  namespaces: readonly string[];
  /** What Temporal calls the regions: `aws-us-east-1`, or the name of a cluster. */
  places: ByRegion<string>;
  /** So many at a time. */
  parallel: number;
  /** So many failures end the step; what was not begun is left alone. */
  stopAfter: number;
  /** Task queues whose pollers and dispatch prove that a region works. */
  queues: readonly string[];
  /**
   * Of Temporal Cloud: entry of `systems` of kind `temporal`, or by region such entries, by which pollers and dispatch are asked for, since the API that
   * moves namespaces tells nothing of them. Absent: nobody waits for dispatch. One's own clusters are asked themselves.
   */
  frontend?: string | ByRegion<string>;
  /** Dual Active only: the region in which they are active when all is well. */
  home?: string;
  /** Dual Active only: what moves with them, by name, and with no other entry. What no entry names is never moved. */
  fleets?: readonly string[];
  services?: readonly string[];
  externals?: readonly string[];
  databases?: readonly string[];
  caches?: readonly string[];
}

// ---- data tiers ----

/** A Postgres of one region: a Patroni cluster, which is the writer, or a standby cluster that streams from the writer's. */
export interface DatabaseSiteConfig {
  /** Entry of `systems` of kind `patroni`. */
  system: string;
  /** Entry of `systems` of kind `postgres`: SQL on this region's leader, past every pooler. */
  sql: string;
  /** Entries of `systems` of kind `pgbouncer`, with the database that is held or let go there. */
  poolers: readonly { system: string; database: string }[];
  /** `host:port` that standby clusters of the other regions stream from while this region writes. */
  address: string;
  /** Replication slot that they use here. Absent: none. */
  slot?: string;
  /** Entry of `systems` of kind `webhook` that makes sure that nothing of this region's database runs, and says `drained` when that is so. Absent: there is none. */
  stonith?: string;
}

/**
 * How sure it is that the old writer writes no more, weakest first. `witness`: a quorum of vantages holds its region down. `grace`: they have for so long that
 * by its owner's word it has fenced itself. `lease`: its own Patroni says that nobody holds its leader's lock. `acknowledged`: it answered that it is no
 * primary. `stonith`: whoever can cut its power says that it has.
 */
export const FENCE_RUNGS = ['witness', 'grace', 'lease', 'acknowledged', 'stonith'] as const;
export type FenceRung = (typeof FENCE_RUNGS)[number];

/** One writer at a time: it moves with what is active. */
export interface DatabaseConfig {
  name: string;
  sites: ByRegion<DatabaseSiteConfig>;
  /** Services of the platform whose users write to it: their route goes to no region in which it was not proved writable. */
  services: readonly string[];
  /** What may be lost, by the last known lag: a graceful move waits for it; a forced one that would cost more asks a human. */
  lag: { maxMs: number; maxBytes: number; maxAgeMs: number; onUnknown: OnUnknown };
  /** The lowest rung on which a forced promotion needs no human's word, and how long `grace` is. */
  fence: { rung: FenceRung; graceMs: number };
  /** How old each of them may be. Absent: nobody is asked. */
  backups?: readonly BackupConfig[];
}

/** What a backup's query says, in seconds: how old the last good one is, or when it was made, since 1970; 0: there is none. */
export const BACKUP_VALUES = ['age', 'timestamp'] as const;

/** A base backup or a dump, as whoever watches it tells Prometheus. */
export interface BackupConfig {
  name: string;
  /** Entry of `systems` of kind `prometheus`. */
  system: string;
  query: string;
  value: (typeof BACKUP_VALUES)[number];
  maxAgeMs: number;
  /** Of its line in the audit. */
  weight: AuditLine['weight'];
}

/** A database that a vendor keeps in several regions: Aurora Global Database, or Cloud SQL with replicas. */
export interface ManagedConfig {
  name: string;
  vendor: 'aurora' | 'cloud-sql';
  /** `system`: entry of `systems` of the vendor's kind, that of the region's own API. `member`: as the vendor calls the cluster or instance there. `sql`: entry of kind `postgres`, by which a row is written once it has moved. */
  sites: ByRegion<{ system: string; member: string; sql?: string }>;
}

export interface CacheSiteConfig {
  /** Entry of `systems` of kind `redis`. */
  system: string;
  /** `host:port` that replicas in other regions stream from. */
  address: string;
}

export interface CacheConfig {
  name: string;
  /** `cache`: it can be filled anew, so nothing ever waits for it. `strict`: its data counts. */
  policy: 'cache' | 'strict';
  sites: ByRegion<CacheSiteConfig>;
}

/** When a user's own system is called: each of them is a phase of the plan. */
export const EXTERNAL_WHEN = ['fence', 'scale', 'promote', 'ready', 'after'] as const;
export type ExternalWhen = (typeof EXTERNAL_WHEN)[number];

/** A system of the user's own that joins by signed webhooks. */
export interface ExternalConfig {
  name: string;
  /** Entry of `systems`, of kind `webhook`. */
  system: string;
  when: readonly ExternalWhen[];
  timeoutMs: number;
  onFail: OnFail;
  /** It has to say that it is drained (of `fence`) or caught up (of the others) before the plan goes on. */
  waits: boolean;
}

/** What has to hold before it goes on, asked of Prometheus. */
export interface GateConfig {
  name: string;
  /** Entry of `systems`, of kind `prometheus`. */
  system: string;
  /** `$from` and `$to` stand for the regions. */
  query: string;
  /** Inclusive; at least one of both. */
  max?: number;
  min?: number;
  /** Older samples are unknown. */
  maxAgeMs: number;
  /** Empty, NaN, stale or no answer. */
  onUnknown: OnUnknown;
  /** What waits for it: promotion of data and namespaces, or the route. */
  before: 'promote' | 'route';
  /** A graceful run waits for it; an ungraceful one is only told, unless this says `both`. */
  blocks: 'graceful' | 'both';
}

export type OnUnknown = 'stop' | 'ask' | 'proceed';
/** `ask`: a human says whether to try again, to go on without it, or to stop. */
export type OnFail = 'stop' | 'continue' | 'ask';

/** How many persons: they have to be different ones. */
export type Persons = 0 | 1 | 2;

export interface ApprovalsConfig {
  /** To begin a run that Tidegate proposes. A run that a human orders has that human's. */
  start: Persons;
  /** By kind of step, for steps of it whenever they come. */
  steps: Readonly<Partial<Record<StepKindName, Persons>>>;
  /** Asked for so long; then the run, or the step, has failed. */
  expireMs: number;
}

/** `manual`: a human orders it. `automatic`: after home has been well for so long. `fail-forward`: never, the region that was activated is home now. */
export type FailbackConfig = { kind: 'manual' } | { kind: 'automatic'; afterMs: number } | { kind: 'fail-forward' };

export interface PlatformConfig {
  name: string;
  model: ModelKind;
  /** Failover priorities: the first is home. Two or more. */
  regions: readonly string[];
  /** Services of the cluster that users reach it by; may be none. */
  services: readonly string[];
  /** `off`: only humans begin runs. `propose`: a run waits for approval. `auto`: it begins. */
  trigger: { mode: 'off' | 'propose' | 'auto'; holdMs: number; prearm: boolean };
  gates: readonly GateConfig[];
  approvals: ApprovalsConfig;
  failback: FailbackConfig;
  /** Where one region is active: when all namespaces were moved to another of its regions by others, the rest follows by a run. */
  follow?: true;
  fleets: readonly FleetConfig[];
  namespaces: readonly NamespacesConfig[];
  externals: readonly ExternalConfig[];
  /** Absent: none. */
  databases?: readonly DatabaseConfig[];
  managed?: readonly ManagedConfig[];
  caches?: readonly CacheConfig[];
  /** What is different here from policies/objectives.yaml, by name. Absent: nothing is. */
  objectives?: readonly ObjectiveConfig[];
  /** What `tidegate verify` looks at beside fleets, services and namespaces. Absent: nothing. */
  verify?: VerifyConfig;
  /** Advice: it is shown and told, and no route and no vote rests on it. */
  llm?: LlmConfig;
  /** Called at suspicion, before anything is decided, and again when it was nothing: entries of `systems`, of kind `webhook`. */
  prearm: readonly string[];
}

// ---- what things may take: policies/objectives.yaml, and `objectives` of a platform ----

/**
 * What waits for it. `advice`: nothing; it is shown and told. `gate`: a recovery waits while it is seen to be over its bound. `recovery`: a recovery waits
 * until it is seen to hold, so that what nobody measures holds it up as well.
 */
export const OBJECTIVE_ROLES = ['advice', 'gate', 'recovery'] as const;
export type ObjectiveRole = (typeof OBJECTIVE_ROLES)[number];

/** `temporal`: round trips to a frontend. `postgres`: a SELECT on a region's leader. `promql`: what a query says, in the region itself. */
export const OBJECTIVE_KINDS = ['temporal', 'postgres', 'promql'] as const;
export type ObjectiveKind = (typeof OBJECTIVE_KINDS)[number];

export const OBJECTIVE_UNITS = ['s', 'ms'] as const;
/** `unit`: of the number that is answered. */
export interface ObjectiveQuery {
  query: string;
  unit: (typeof OBJECTIVE_UNITS)[number];
}

/** One objective as a file has it: a platform says only what is different from the shipped one of that name. */
export interface ObjectiveConfig {
  name: string;
  /** The shipped one does not count here. */
  off?: true;
  kind?: ObjectiveKind;
  /** For people: what is measured. */
  says?: string;
  /** It holds below that. */
  maxMs?: number;
  /** Of the samples of `temporal` and `postgres`; a query chooses its own. */
  quantile?: number;
  role?: ObjectiveRole;
  /** What helps when it is over its bound between regions. */
  remedies?: readonly string[];
  /** Of `promql`: entry of `systems` of kind `prometheus`, or one by region. Absent: nobody measures it. */
  system?: string | ByRegion<string>;
  /** Which of `presets` is asked, unless there is a `query`. `$region` stands for the region. */
  preset?: string;
  presets?: Readonly<Record<string, ObjectiveQuery>>;
  query?: string;
  unit?: ObjectiveQuery['unit'];
  /** Of `promql`: older samples are unknown. */
  maxAgeMs?: number;
}

// ---- what `tidegate verify` looks at ----

/** Which provider of language models a region is on, as its own health document says. */
export interface LlmConfig {
  /** By region: entry of kind `http` that answers the document. */
  systems: ByRegion<string>;
  /** Where in it the chain is, and in that the name of the provider that is used; by dots. */
  section: string;
  active: string;
  /** The first is the wanted one. */
  chain: readonly string[];
  /** More switches of a region than that within the window are told. */
  churn: { switches: number; windowMs: number };
}

export interface VerifyConfig {
  /** A Job that has to have succeeded, in the cluster of each of `regions`; none: of every region that has fleets or Deployments. */
  migration?: { namespace: string; job: string; regions: readonly string[] };
  /** Deployments beside the fleets: the user interface. */
  deployments: readonly { name: string; sites: ByRegion<{ system: string; namespace: string; deployment: string }> }[];
  /** By region: entries of `systems` of kind `http` whose status has to be good. */
  checks: ByRegion<readonly string[]>;
  /** By region: entry of kind `http` that answers the health document; `section`: where in it, by dots, the chain of providers is. */
  health?: { systems: ByRegion<string>; section: string };
}

// ---- steps ----

/** What each kind of step is given. Kinds that only read are gates. */
export interface StepSpecs {
  /**
   * No share for the pools of `from`, by an order of this run; orders of earlier runs of the platform that drain `to` end first. `from` null: nobody is
   * drained, and every order of the platform's runs, this one's too, that drains `to` ends.
   */
  'route.shift': { services: readonly string[]; from: string | null; to: string };
  /** The route has left `from`, and users with it as far as that is measured. */
  'route.wait': { services: readonly string[]; from: string };
  /** `atLeast`: a fleet that is larger already stays as it is; else exactly so many. */
  'k8s.scale': { system: string; namespace: string; deployment: string; replicas: number; atLeast: boolean };
  'k8s.wait': { system: string; namespace: string; deployment: string; ready: number };
  'http.check': { system: string };
  'grpc.check': { system: string };
  /** Encode, decode, compare. */
  'codec.canary': { system: string; namespace: string };
  /** `to` is what Temporal calls the region. `system`: of the cloud, or of the cluster that is activated. */
  'temporal.failover': { system: string; namespaces: readonly string[]; to: string; parallel: number; stopAfter: number };
  /** Of one's own clusters: without loss, from the cluster that is active now. */
  'temporal.handover': { system: string; namespaces: readonly string[]; to: string; parallel: number; stopAfter: number };
  /** A namespace described through the endpoint that a fleet uses. */
  'temporal.canary': { system: string; namespace: string };
  /** Pollers of the region, and tasks that are dispatched. `identity` null: whoever polls. */
  'temporal.wait': { system: string; namespaces: readonly string[]; queues: readonly string[]; identity: string | null; pollers: number };
  /** The last known lag of the region that is promoted. */
  'gate.lag': { database: string; region: string; maxMs: number; maxBytes: number; maxAgeMs: number };
  /** The old writer writes no more, up to the rung that is asked for: it is told to follow, its power is cut where somebody can, and each rung is recorded. */
  'fence.patroni': {
    database: string;
    region: string;
    system: string;
    sql: string;
    follow: PostgresAddress;
    stonith: string | null;
    rung: FenceRung;
    graceMs: number;
  };
  /** No client of the pooler reaches the old writer any more. `release`: takes that back, as `pgbouncer.resume` does. */
  'fence.pgbouncer': { system: string; database: string; release?: true };
  /** Clients wait; what they have begun ends first. `release`: takes that back, as `pgbouncer.resume` does. */
  'pgbouncer.pause': { system: string; database: string; release?: true };
  /** Clients go on, on new connections. */
  'pgbouncer.resume': { system: string; database: string };
  /** Within one region: another member of the same Patroni cluster leads. `candidate` null: whichever Patroni takes. */
  'pg.switchover': { system: string; candidate: string | null };
  /** The writer becomes a standby cluster of `follow`. */
  'pg.demote': { system: string; sql: string; follow: PostgresAddress };
  /**
   * All that the old writer wrote is replayed where it is wanted. `from`, `to`: entries of kind `postgres`; the others: of kind `patroni`. `toSystem`: says who is
   * promoted there, and that one has to have it too; absent: who has most counts.
   */
  'pg.caughtup': { from: string; fromSystem: string; to: string; toSystem?: string };
  /** The standby cluster becomes the writer, unless the old one (null: there is none to ask) still is. */
  'pg.promote': { database: string; region: string; system: string; sql: string; from: { region: string; sql: string } | null };
  /** A row is written and read back: the region's tier is active from then on. */
  'pg.canary': { database: string; region: string; sql: string };
  /** Of a database that a vendor keeps: `to`, as the vendor calls it, becomes the writer. `lossy`: by force, without what it had not received. */
  'managed.failover': { system: string; vendor: 'aurora' | 'cloud-sql'; to: string; lossy: boolean };
  /** The replica takes its master's place without loss. `from`: entry of the master. */
  'cache.takeover': { system: string; from: string; waitMs: number };
  /** The replica stands for itself with what it has. `whole`: not while it makes its first copy or reads its data from disk. */
  'cache.promote': { system: string; whole?: true };
  /** It follows that address, and loses what it has. `master`: entry of whom it follows, who has to be one by its own word. `begun`: its first copy need not be whole. */
  'cache.rejoin': { system: string; address: string; master?: string; begun?: true };
  /** The objectives of recovery hold in the region, as it was measured there lately. */
  'verify.objectives': { region: string; maxAgeMs: number };
  'gate.promql': { system: string; query: string; max?: number; min?: number; maxAgeMs: number };
  /** Told of the phase, signed; with `waits` asked until it says that it is done. */
  'webhook.call': { system: string; external: string; when: ExternalWhen | 'prearm' | 'calm'; waits: boolean };
  /** A human, or two of them, and nothing else. */
  approval: { why: string };
  /** Work in flight gets so long. */
  sleep: { ms: number };
}

export interface PostgresAddress {
  host: string;
  port: number;
  slot: string | null;
}

export type StepKindName = keyof StepSpecs;

export const STEP_KINDS = [
  'route.shift',
  'route.wait',
  'k8s.scale',
  'k8s.wait',
  'http.check',
  'grpc.check',
  'codec.canary',
  'temporal.failover',
  'temporal.handover',
  'temporal.canary',
  'temporal.wait',
  'gate.promql',
  'gate.lag',
  'fence.patroni',
  'fence.pgbouncer',
  'pgbouncer.pause',
  'pgbouncer.resume',
  'pg.switchover',
  'pg.demote',
  'pg.caughtup',
  'pg.promote',
  'pg.canary',
  'managed.failover',
  'cache.takeover',
  'cache.promote',
  'cache.rejoin',
  'verify.objectives',
  'webhook.call',
  'approval',
  'sleep',
] as const satisfies readonly StepKindName[];

export const PHASES = ['gate', 'fence', 'drain', 'scale', 'promote', 'namespaces', 'ready', 'route', 'after', 'verify'] as const;
/** What a step is for. Its order among the others is `needs`, and nothing else. */
export type Phase = (typeof PHASES)[number];

export interface Span {
  p50Ms: number;
  p95Ms: number;
}

/** What a kind of step is asked to do. */
export type Act = { [K in StepKindName]: { kind: K; spec: StepSpecs[K] } }[StepKindName];

export interface StepOf<K extends StepKindName> {
  /** Unique in the plan, and the same whenever the same platform is planned: `workers.scale@eu-west`. Letters, digits, dot, dash, @. */
  id: string;
  kind: K;
  phase: Phase;
  /** For people: `Deployment app/worker in eu-west`. */
  target: string;
  spec: StepSpecs[K];
  /** Of which runs it is. A graceful run that is forced leaves out what is `graceful` and takes in what is `ungraceful`. */
  mode: RunMode | 'both';
  /** Ids of steps that have to have ended, well or passed over. */
  needs: readonly string[];
  /** From its first try to its end; waiting for a human does not count. */
  timeoutMs: number;
  /** Tries of its effect. How it is read is not limited by it. */
  retry: { tries: number; everyMs: number };
  onFail: OnFail;
  onUnknown: OnUnknown;
  /** What it means when the run goes on although this one has failed. One sentence, said with it. */
  ifPassed?: string;
  approvals: Persons;
  /**
   * What takes it back: the same kind with this, or another kind; or why nothing does. `bars`: ids of steps that are not taken back either once this one may have
   * happened.
   */
  undo: { spec: StepSpecs[K] } | Act | { no: string; bars?: readonly string[] };
  /** `seed`: from research. `runs`: measured here, three times at least. */
  estimate: Span & { source: 'seed' | 'runs' };
}

/** One step of a plan. */
export type Step = { [K in StepKindName]: StepOf<K> }[StepKindName];

/** Whether a run of this mode takes the step. */
export const isOfMode = (step: Pick<Step, 'mode'>, mode: RunMode): boolean => step.mode === mode || step.mode === 'both';

// ---- runs: `run/<id>` ----

/** `prearm`: harmless and reversible, at suspicion. `drill`: a failover that is an exercise. */
export type Purpose = 'failover' | 'failback' | 'prearm' | 'drill';

export type StepState =
  /** Not begun. */
  | 'pending'
  /** Waits for persons, or for an answer to a question. */
  | 'asking'
  /** Intended: from here on its effect may have happened. */
  | 'acting'
  | 'done'
  /** Passed over: of the other mode, by `continue`, or by a human. `because` says which. */
  | 'skipped'
  | 'failed'
  /** Being taken back, and taken back. */
  | 'undoing'
  | 'undone';

export interface StepRun {
  state: StepState;
  /** Of its effect, since it was begun or begun anew. One that nobody knows the fate of is tried again under the same number. */
  tries: number;
  /** When it was tried last, and what that was told; no `took`: nobody knows, so it is read, then tried again. */
  triedAtMs?: number;
  took?: 'accepted' | 'undecided' | 'refused';
  /** Its effect may have happened by this run: to be taken back when the run is. */
  touched?: true;
  /** How often a human had it begun anew: its key is another one then. Absent: never. */
  again?: number;
  /** Readings in a row that said nothing. */
  unknowns?: number;
  /** When all that it needs had ended. */
  dueAtMs?: number;
  /** When it was first intended, and when it ended. */
  startedAtMs?: number;
  endedAtMs?: number;
  /** When it was first intended to be taken back. */
  undoAtMs?: number;
  /** What was seen last, or why it ended so. One sentence. */
  because: string;
  /** What the kind wants to find again: names of operations, states of tenants. JSON. */
  facts?: Readonly<Record<string, unknown>>;
  /** Persons who agreed; and when the last of them did, where that ages. */
  approvedBy?: readonly string[];
  approvedAtMs?: number;
  /** Until when they may. */
  askedUntilMs?: number;
  /** It asks since its time ran out, or it could not be told, and is still read: when it becomes so, nobody has to answer. */
  isLate?: true;
}

export type RunState =
  /** Waits for persons to begin. */
  | 'proposed'
  | 'running'
  /** Nothing new begins; what is under way ends. */
  | 'stopping'
  /** What can be taken back is being taken back. */
  | 'undoing'
  | 'done'
  | 'failed'
  | 'aborted'
  | 'undone'
  /** Nobody agreed in time, or it was moot before it began. */
  | 'dropped';

export interface Executor {
  region: string;
  replica: string;
  boot: string;
  /** Rises with every renewal: another takes over when it has not for a while, by its own clock. */
  n: number;
}

/** `run/<id>`: one record, written by compare-and-write on its revision; every change of it is one transaction. */
export interface Run {
  id: string;
  platform: string;
  model: ModelKind;
  purpose: Purpose;
  mode: RunMode;
  from: string;
  to: string;
  /** Who or what began it: an incident, or a person with a reason. */
  cause:
    | { kind: 'incident'; incident: string; because: string }
    | { kind: 'order'; by: string; reason: string; ticket?: string }
    /** What is no incident: a region is suspect, home has been well for so long. */
    | { kind: 'seen'; because: string };
  state: RunState;
  because: string;
  createdAtMs: number;
  startedAtMs?: number;
  endedAtMs?: number;
  /** To begin: how many, who, until when. */
  approval?: { persons: Persons; by: readonly string[]; untilMs: number };
  /** So long a human is asked: for a word about a step, or for an answer. */
  askMs: number;
  /** A graceful run goes on as an ungraceful one when it has not ended so long after it began. Absent: only when a human says so. */
  forceAfterMs?: number;
  /** Who ordered that it stops. */
  aborted?: { by: string; reason: string; atMs: number };
  /** How it ends as soon as clients that it made wait are let go: nothing else is taken back meanwhile. */
  ends?: { state: 'failed' | 'aborted'; because: string };
  /** As it was when it was made: a change of configuration changes runs to come. */
  plan: readonly Step[];
  steps: Readonly<Record<string, StepRun>>;
  executor: Executor | null;
  nonce: string;
}

/** `platform/<name>`: where it is active, and since when; written by the runs that moved it. Absent: where its configuration says. */
export interface PlatformRecord {
  active: string;
  sinceAtMs: number;
  /** Run that moved it; null: what was seen without a run (a namespace that somebody else moved), which `because` says. */
  run: string | null;
  because: string;
  /** Times of ended runs, newest last, at most 20: what estimates are measured from. */
  history: readonly {
    run: string;
    purpose: Purpose;
    mode: RunMode;
    tookMs: number;
    steps: Readonly<Record<string, number>>;
    atMs: number;
  }[];
  /** Runs whose failure was paged and that nothing has taken back: the next one that moves the platform ends those pages. Absent: none. */
  failed?: readonly string[];
  nonce: string;
}

// ---- data tiers as they are: `tiers`, `lag/<platform>` ----

/** What is decided by: written when it changes, and only then. */
export interface Tiers {
  version: number;
  nonce: string;
  /** By `platform/database`. */
  databases: Readonly<Record<string, TierState>>;
  /** Why no row could be written where one is wanted, by the same names. Absent: nothing waits for one. */
  unproved?: Readonly<Record<string, Unproved>>;
}

/** A proof that is wanted and cannot be had. */
export interface Unproved {
  /** Where a row was tried; null: nowhere, since nobody is seen to take writes, or nobody can be asked. */
  region: string | null;
  /** What it was refused with last, or what is missing. */
  because: string;
  /** Since when there is none. */
  sinceMs: number;
  /** When `because` was written: a text that differs at every look is not written at each. */
  atMs: number;
  /** How loudly people were told. null: not yet. */
  told: 'warning' | 'critical' | null;
  /** People were told that a human's word stands in place of a row, and not yet that it does no more. */
  word?: true;
}

/** A human's word for where the writer is, in place of a row. */
export interface Settled {
  by: string;
  reason: string;
  atMs: number;
  /** What stood before the first word; null: nothing did. Of it an alarm comes back when the word is taken back. */
  before: Omit<TierState, 'settled'> | null;
}

export interface TierState {
  /** The region in which a row was written and read back last; null: in none that is known. */
  writer: string | null;
  provedAtMs: number;
  because: string;
  /** Where it was proved last, while that is lost. Absent: it is not. */
  lastWriter?: string;
  /** Two regions that were both seen to take writes: nothing is promoted or routed until a human has said which one stays. */
  split?: { regions: readonly string[]; atMs: number; because: string };
  /** The writer stands on a human's word. Absent: on a row. */
  settled?: Settled;
  /** What all of it is about: the `sql` of each region's site, as it was configured last, also of regions that have none any more. Absent: not noted yet. */
  sites?: ByRegion<string>;
  /** Regions that a human said take no writes: one that is seen to is a second writer, also while the writer is silent. Absent: none. */
  fenced?: readonly string[];
}

/** What the watch was answered last: by database and region. Who is silent keeps what it said, which grows old. */
export interface LooksRecord {
  atMs: number;
  nonce: string;
  databases: Readonly<Record<string, Readonly<Record<string, { is: 'writes' | 'reads'; atMs: number }>>>>;
}

/** How far a standby is behind. null: it could not be told. */
export interface LagSample {
  ms: number | null;
  bytes: number | null;
  /** When it was measured, on both sides of the link. */
  atMs: number;
}

/** `lag/<platform>`: the last known values, since the writer is gone when they matter. */
export interface LagRecord {
  atMs: number;
  nonce: string;
  /** By database, then by region of the standby. */
  databases: Readonly<Record<string, Readonly<Record<string, LagSample>>>>;
  /** Standbys, as `database@region`, that were told to be too far behind and have not been back since. Absent: none. */
  told?: readonly string[];
}

// ---- what is so while nothing happens: audits judge it ----

/** A fleet in one region. null: it could not be told. */
export interface SiteFacts {
  replicas: number;
  ready: number;
  /** The autoscaler that holds it. null: none. */
  autoscaler: { name: string; min: number; max: number } | null;
  /** Zones over which its ready pods are spread. */
  zones: readonly string[] | null;
  /** Names of images that could not be pulled. */
  unpulled: readonly string[];
  /** Does every container say what it may use? */
  limited: boolean;
  /** What its own check said; null: none is configured. */
  check: { ok: boolean; because: string } | null;
}

export interface NamespaceFacts {
  /** What Temporal calls the region that is active. */
  active: string;
  /** Where it could be: `state` in Temporal's own word; `ready`: it could be activated now. */
  replicas: readonly { place: string; ready: boolean; state: string }[];
  /** null: this kind of Temporal does not say. */
  forwardingDisabled: boolean | null;
  managedFailoverDisabled: boolean | null;
}

/** A database in one region. null: it could not be told. */
export interface DatabaseFacts {
  role: 'primary' | 'standby';
  timeline: number | null;
  /** Of a standby. */
  lagMs: number | null;
  lagBytes: number | null;
  /** Members that would take over within the region without loss: `sync` or of the quorum. */
  syncStandbys: number;
  paused: boolean;
  /** Since WAL was archived last, and how often that failed since; null: nothing is archived. */
  archive: { agoMs: number; failing: boolean } | null;
}

export interface CacheFacts {
  role: 'master' | 'replica';
  dialect: 'redis' | 'dragonfly';
  /** Of a replica: its link is up and its first copy is whole. */
  linked: boolean | null;
  /** Since its master was heard of. */
  heardAgoMs: number | null;
  /** Since it was saved last; null: it never is. */
  savedAgoMs: number | null;
}

export interface Unseen {
  unseen: string;
}

/** How old a backup is, over all series that its query gave; Infinity: there is none. */
export interface BackupFacts {
  youngestMs: number;
  oldestMs: number;
  series: number;
}

export interface Steady {
  atMs: number;
  active: string;
  /** By `fleet@region`. */
  sites: Readonly<Record<string, SiteFacts | Unseen>>;
  /** By namespace. */
  namespaces: Readonly<Record<string, NamespaceFacts | Unseen>>;
  /** By `database@region`, and `cache@region`. Absent: nobody has looked. */
  databases?: Readonly<Record<string, DatabaseFacts | Unseen>>;
  caches?: Readonly<Record<string, CacheFacts | Unseen>>;
  /** By `database/backup`. Absent: none is configured, or nobody has looked. */
  backups?: Readonly<Record<string, BackupFacts | Unseen>>;
  /** Systems that are only told or asked in a run (externals, pre-arm, gates), by name: why the audit could not open one; null: it could. */
  doors?: Readonly<Record<string, string | null>>;
}

/** One line of an audit. */
export interface AuditLine {
  /** Stable: `standby-at-zero`, `forwarding-disabled`, `regional-endpoint`, … */
  check: string;
  /** `fleet@region`, a namespace, or the platform. */
  of: string;
  is: 'good' | 'bad' | 'unknown';
  /** A bad one of weight `must` means that a failover would not do what the model promises. */
  weight: 'must' | 'should';
  because: string;
  /** What to do; empty when it is good. */
  fix: string;
}

export interface Readiness {
  platform: string;
  atMs: number;
  /** 0 to 100: of what is asked, by weight (must 3, should 1); unknown counts as bad. */
  score: number;
  lines: readonly AuditLine[];
}
