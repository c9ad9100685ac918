// What a platform is, as `cluster.platforms` says it: fleets, namespaces, databases and caches that move together, what they may take, and what a deployment of
// them is verified by. Types, with the lists of names that belong to them. `...Ms` is a duration.

import type { AuditLine } from './facts.ts';
import type { StepKindName } from './model.ts';

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
