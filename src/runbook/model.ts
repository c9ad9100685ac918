// The vocabulary of runbooks, beside src/model.ts: which steps move a platform, and what a run of them remembers. Types, with the lists of names that belong to
// them and what a mode means; everything of a record is JSON. `...Ms` is a duration, `...AtMs` an instant of cluster time.
import type { ExternalWhen, FenceRung, ModelKind, OnFail, OnUnknown, Persons, RunMode } from './platform.ts';

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
