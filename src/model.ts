// The vocabulary. Types (with the few constructors and lists of names that belong to them), imported by everything, importing only types.
// Flow: schedule -> probe -> observation -> opinion -> vote -> quorum verdict -> desired route -> safety ruling -> decision -> publish -> convergence -> page.
// Units are in names: ...Ms is a duration, ...AtMs an instant of the clock its docstring names, share is thousandths of a service's traffic.

import type { PlatformConfig } from './runbook/platform.ts';

// ---- configuration of the cluster (what `members` in the store holds) ----

export type EndpointName = 'healthz' | 'readyz';

/** How one endpoint is looked at. `url` is `http://`, `https://`, `tcp://`, `grpc://` or `grpcs://`; host names are resolved by the prober's own resolver, never by getaddrinfo. */
export type ProbeSpec =
  | {
      kind: 'http';
      url: string;
      /** Inclusive ranges of acceptable status codes. */
      status: readonly (readonly [number, number])[];
      /** Text that the first 64 KiB of the body must contain. */
      bodyIncludes?: string;
      /** Name to verify and to send in SNI when the URL names an address. */
      serverName?: string;
      /** PEM file with the certificate authorities to trust instead of the system's. */
      caFile?: string;
    }
  | { kind: 'tcp'; url: string }
  | {
      kind: 'grpc';
      url: string;
      /** Whose health is asked for by grpc.health.v1; absent: the server's own. */
      service?: string;
      serverName?: string;
      caFile?: string;
    };

/** `all`: every voting region probes it. `local`: only its pool's own region; gates and advises, never votes. A list: those regions. */
export type From = 'all' | 'local' | readonly string[];

export interface TargetConfig {
  name: string;
  from: From;
  healthz?: ProbeSpec;
  readyz?: ProbeSpec;
}

export interface PoolConfig {
  name: string;
  /** The failure domain: everything of a region dies together. */
  region: string;
  /** Relative share when everything is healthy; 0 is a standby. */
  weight: number;
  /** Fewest targets that must be up; default half, rounded up. */
  minUp: number;
  /** What users are sent to: IPv4 or IPv6 addresses. Empty where the provider serves pools as objects of its own. */
  answers: readonly string[];
  targets: readonly TargetConfig[];
  /** Load that it bears, in the unit of its service's `load`. Absent: nobody said, unless somebody reports it. */
  capacity?: number;
}

export type Mode = 'observe' | 'advise' | 'auto';

export interface ConvergeConfig {
  /** `host:port` of every authoritative server. */
  authoritative: readonly string[];
  /** `host:port` of recursive resolvers that stand for users. */
  resolvers: readonly string[];
  /** A request made to each resolved address; its reply must name the region in header `x-region`. */
  request?: { port: number; path: string; tls?: true };
}

export interface ServiceConfig {
  /** The name users resolve, without the trailing dot. Also the service's identity. */
  name: string;
  mode: Mode;
  /** Name of an entry of `providers` in the replica's file: the first path by which a route reaches users. */
  provider: string;
  /** Further paths, in the order in which their owner trusts them. Each of them is always brought to the decided route. Absent: there is one. */
  also?: readonly string[];
  ttlS: number;
  steering: { kind: string };
  allDown: 'hold' | 'configured';
  pools: readonly PoolConfig[];
  /** Load at its worst hour, in a unit of its owner's choice (requests per second, say). Absent: nobody said, unless somebody reports it. */
  load?: number;
  converge: ConvergeConfig;
}

export interface RegionConfig {
  name: string;
  /** Has a vote. A region without targets that votes is a witness. */
  vote: boolean;
  /** May coordinate: holds provider credentials. */
  coordinator: boolean;
  /** URLs (`http`, `https`, `tcp`) that should answer while this region's own uplink works. */
  anchors: readonly string[];
  /** Ed25519 public keys (base64url of the 32 bytes), at most two so that they can be rotated. With any, only votes and beats signed by one of them count. */
  keys?: readonly string[];
}

/** When an endpoint that answers, but not always, is gray, and what follows. Rates and the cut are thousandths. */
export interface GrayPolicy {
  /** Errors that nobody minds. */
  acceptable: number;
  /** Errors that are to be noticed soonest. */
  rejectable: number;
  /** How much likelier the rejectable rate must be than the acceptable one, as a logarithm (nats). */
  threshold: number;
  /** Taken from the share of what is gray; 0: a page, and nothing moves. */
  cut: number;
}

export interface Policy {
  /** Each endpoint of each target is probed this often by every vantage. */
  intervalMs: number;
  timeoutMs: number;
  connectTimeoutMs: number;
  /** A probe pending this long raises suspicion before it fails. */
  suspectAfterMs: number;
  /** Consecutive faults for a DOWN opinion; null: 5, 4, 3 for a quorum of 1, 2, 3 or more. */
  faults: number | null;
  /** Least time between the first and the last of those faults. */
  faultSpanMs: number;
  /** Longest a burst of confirmation probes runs. */
  burstMs: number;
  /** Oldest evidence that still counts. */
  freshMs: number;
  beatMs: number;
  /** Up this long by majority, with no DOWN vote, before traffic returns. Doubles per drain. */
  recoveryHoldMs: number;
  /** Thousandths of the configured share at each stage of the return; the last is 1000. */
  ramp: readonly number[];
  rampStepMs: number;
  /** At most one new region is drained per this span. */
  pacingMs: number;
  /** One confirmation span: how long a drain waits for a receiver that is itself suspect. */
  receiverWaitMs: number;
  /** Drains within this window double the hold and lead to the latch. */
  flapWindowMs: number;
  /** This many drains within the window latch the pool out until a human acts. 0: never. */
  latchAfter: number;
  /** `unready` longer than this pages. */
  unreadyPageMs: number;
  leaseMs: number;
  renewMs: number;
  /** null: gray failures are not looked for. Absent from 0.1 records, and then it is off too. */
  gray?: GrayPolicy | null;
  /** Safety rules by kind, with their settings. */
  safety: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface ClusterConfig {
  name: string;
  /** Counted up by every apply; votes name the version they cover. */
  version: number;
  regions: readonly RegionConfig[];
  services: readonly ServiceConfig[];
  policy: Policy;
  goals: { detectionMs: number; convergenceMs: number };
  /** What moves together with the routes. Absent: nothing does. */
  platforms?: readonly PlatformConfig[];
}

// ---- names ----

/** `service/pool/target`, unique in the cluster. */
export type TargetId = string;
/** `service/pool/target#healthz`. */
export type EndpointKey = string;

export const targetId = (service: string, pool: string, target: string): TargetId => `${service}/${pool}/${target}`;
export const endpointKey = (target: TargetId, endpoint: EndpointName): EndpointKey => `${target}#${endpoint}`;
/** Names of a service's providers, in order. */
export const pathsOf = ({ provider, also = [] }: Pick<ServiceConfig, 'provider' | 'also'>): readonly string[] => [provider, ...also];
export const poolKey = (service: string, pool: string): string => `${service}/${pool}`;

// ---- the vantage's side ----

export type FaultReason = 'refused' | 'timeout' | 'reset' | 'dns' | 'tls' | 'status' | 'body' | 'protocol' | 'unreachable';

/** One look. `nothing` is our own trouble (late, paused, no address ever resolved) and never counts against the target. */
export type Outcome =
  | { saw: 'ok'; tookMs: number }
  | { saw: 'fault'; reason: FaultReason; tookMs: number; detail: string }
  | { saw: 'nothing'; detail: string };

export interface Observation {
  key: EndpointKey;
  /** Monotonic start of the probe. */
  startedAtMs: number;
  outcome: Outcome;
}

export type Self = { state: 'ok' } | { state: 'abstain'; because: string };

/** `vote/<region>/<replica>`: changes rarely; guarded by every decision that counts it. Lists are sorted. */
export interface Vote {
  boot: string;
  /** Taken by compare-and-write from `boot/<region>/<replica>`: rises with every start under this name. Absent from 0.1 replicas. */
  bootN?: number;
  /** Rises with every change of the content within a boot. */
  seq: number;
  configVersion: number;
  /** Hash of the configuration it covers: two of the same version never mix. Absent from 0.1 replicas. */
  configHash?: string;
  self: Self;
  /** Replicas among which this region shares its targets; absent means up only from the target's owner. */
  peers: readonly string[];
  /** Targets whose /healthz has k faults in a row. */
  down: readonly TargetId[];
  /** Targets whose /readyz has k faults in a row. */
  unready: readonly TargetId[];
  /** Targets still within warm-up. */
  unknown: readonly TargetId[];
  /** Endpoints that fail more often than is acceptable, whether or not they answer now. Absent when there are none, and from 0.1 replicas. */
  gray?: readonly EndpointKey[];
  /** Ed25519 by the region's key, base64url; over cluster, place and every other field. */
  signature?: string;
}

export interface Suspicion {
  /** Age, at the time of writing, of the start of the first failed probe of the current streak. */
  firstFaultAgeMs: number;
  /** Age of the start of the last good look; null if there was none since boot. */
  lastOkAgeMs: number | null;
  faults: number;
  reason: FaultReason | 'pending';
}

/** `beat/<region>/<replica>`: heartbeat and hints, never guarded. */
export interface Beat {
  boot: string;
  bootN?: number;
  /** The vote this beat keeps fresh. */
  seq: number;
  n: number;
  configVersion: number;
  configHash?: string;
  /** Newest revision of the store that the writer had seen: an old record that somebody writes again shows its age by it. */
  asOfRev?: number;
  suspects: Readonly<Record<EndpointKey, Suspicion>>;
  loopDelayMs: number;
  wallMs: number;
  /** The program's own version, so that operators see a rollout that stopped halfway. Absent from who runs 0.2 or older. */
  version?: string;
  signature?: string;
}

/** `boot/<region>/<replica>`: who speaks under this name, and the how manieth. */
export interface Boot {
  n: number;
  boot: string;
  nonce: string;
  /** It stopped in good order: the next one need not wait to see that it is gone. */
  stopped: boolean;
}

// ---- the coordinator's side ----

export type Verdict = 'up' | 'unready' | 'down' | 'suspect' | 'unknown';

/** What one region says of one endpoint. */
export type Ballot = 'up' | 'down' | 'unknown' | 'abstain' | 'silent';

export interface EndpointTally {
  key: EndpointKey;
  verdict: 'up' | 'down' | 'unknown';
  down: number;
  up: number;
  /** Configured voters of this target. */
  electorate: number;
  needs: number;
  ballots: Readonly<Record<string, Ballot>>;
  /** At least `needs` regions are in a streak of faults, whether or not it is k long yet. */
  suspectAtQuorum: boolean;
  /** Cluster time of the start of the first failed probe seen by any region now in a streak; null if none. */
  firstFaultAtMs: number | null;
  /** Cluster time of the last good look by any region that has doubts; null if none. */
  lastOkAtMs: number | null;
}

/** What the voters say of a target's error rate. */
export interface GrayTally {
  /** Regions that say gray of any of its endpoints, in configured order; at `needs` of them it is. */
  regions: readonly string[];
  endpoints: readonly EndpointName[];
  electorate: number;
  needs: number;
}

export interface TargetTally {
  target: TargetId;
  verdict: Verdict;
  /** Absent when nobody says so, and for a target that is out: it has its own verdict. */
  gray?: GrayTally;
  endpoints: Readonly<Partial<Record<EndpointName, EndpointTally>>>;
}

export interface PoolTally {
  service: string;
  pool: string;
  region: string;
  /** `out`: fewer than minUp targets can be up. `unknown` moves nothing. */
  verdict: 'up' | 'out' | 'unknown';
  /** Worst reason among the targets that count against it. */
  cause: Verdict;
  up: number;
  /** Targets of which no quorum says anything. */
  unknown: number;
  total: number;
  minUp: number;
  /** Targets that are gray by quorum, and those that are or lack no more than one region of it. */
  gray: number;
  nearGray: number;
  suspectAtQuorum: boolean;
  anyDownVote: boolean;
  /** A `local` target is down: traffic does not return here by itself. */
  gate: 'open' | 'closed';
  firstFaultAtMs: number | null;
  lastOkAtMs: number | null;
  targets: readonly TargetTally[];
}

/** Thousandths per pool; sums to 1000; never empty. */
export type Route = Readonly<Record<string, number>>;

/**
 * Why a wanted move is not made: every pool is down; every pool was down a moment ago; half of them are out; too soon after another region; who could
 * receive is being confirmed; nobody can receive; a freeze; latched out; a safety rule.
 */
export type HoldName =
  | 'all-down'
  | 'settling'
  | 'floor'
  | 'pacing'
  | 'confirming'
  | 'receiver'
  | 'freeze'
  /** Its provider carries a newer or a manual fence: nothing is decided for it until a human adopts or acknowledges what is served. */
  | 'frozen'
  | 'latched'
  | `rule:${string}`;

export interface PoolMemory {
  /** `in` carries its share; `out` none; `returning` climbs the ramp. */
  state: 'in' | 'out' | 'returning';
  /** What took it out. */
  by: 'health' | 'override' | null;
  /** Cluster time of the last change of state. */
  sinceAtMs: number;
  /** Cluster time at which a quorum first held it out, in the current outage. */
  outAtMs: number | null;
  /** Cluster time since which the conditions of return have held. */
  upAtMs: number | null;
  stage: number;
  stageAtMs: number;
  /** Thousandths of its targets that count as up: lowered at once, raised after the recovery hold. */
  scale: number;
  /** Cluster time since which more targets have been up than `scale` says. */
  scaleUpAtMs: number | null;
  /** Cluster times of the automatic drains within the flap window. */
  drainsAtMs: readonly number[];
  latched: boolean;
  /** The wanted move that is being held, by name; null when nothing is held. */
  hold: HoldName | null;
  /** Cause told in a page already, so that each is told once. */
  told: readonly string[];
  /** Cluster time at which /healthz last ended to fail alone. Absent: it has not since the last change of state. */
  suspectAtMs?: number;
}

export interface ServiceRouting {
  /** v of the decision that last changed the route: the fence of every provider write. 0: not decided yet, nothing is written. */
  fence: number;
  /** Nonce of that decision: tells it from another history's decision of the same number. Absent from 0.1 records. */
  nonce?: string;
  /** Cluster time at which this service was first configured. */
  sinceAtMs: number;
  mode: Mode;
  route: Route;
  because: string;
  pools: Readonly<Record<string, PoolMemory>>;
  /** Changes of the route within the window that safety rules look back on, oldest first: thousandths that moved. Absent: none. */
  moves?: readonly Moved[];
  /** Cluster time at which a drill or an outage last proved that its traffic moves. Absent: never. */
  provenAtMs?: number;
  /** Exercises that have moved its traffic and go on. Absent: none. */
  drills?: readonly string[];
  /** The pin that it follows. Absent: none. */
  pin?: Pinned;
  /** Of a pin that is not obeyed, what stands in its way; told already. Absent: none. */
  pinHeld?: { id: string; hold: HoldName };
  /** What safety rules have reminded of, as `rule:stage`. Absent: nothing. */
  reminded?: readonly string[];
}

export interface Moved {
  atMs: number;
  /** Thousandths. */
  moved: number;
  cause: 'health' | 'return' | 'order';
}

/** `setAside`: nothing that it gives traffic to can carry any, so the configured shares of the others are served. */
export interface Pinned {
  id: string;
  weights: Route;
  setAside?: true;
}

/** `routing`: all of the coordinator's memory. */
export interface Routing {
  /** Counted up by one with every decision; also its audit key. */
  v: number;
  epoch: number;
  nonce: string;
  /** Cluster time of the commit. Never goes backwards. */
  atMs: number;
  membersVersion: number;
  because: string;
  /** Cluster times at which each region was last newly drained by automation. */
  regionDrainsAtMs: Readonly<Record<string, number>>;
  /** SHA-256 of this decision's audit record, the link of the next one. */
  auditHash: string;
  /** Open incidents: subject (a region, or `hold/<name>`) to incident id. */
  open: Readonly<Record<string, string>>;
  /** Subjects whose incident ended a moment ago: one that begins again until then is told under the same thread. */
  ended?: Readonly<Record<string, { thread: string; untilMs: number }>>;
  services: Readonly<Record<string, ServiceRouting>>;
}

export interface Leader {
  region: string;
  replica: string;
  boot: string;
  epoch: number;
  /** Counted up by every renewal. */
  n: number;
  nonce: string;
  released: boolean;
}

export interface OverrideScope {
  region?: string;
  service?: string;
  pool?: string;
}

/**
 * `drain` sends no traffic; `force-in` takes a pool for up whatever the votes say; `pin` puts shares in place of the configured ones, from which health still
 * takes; `freeze` holds the route; `evacuate` drains a region in every service and keeps it from coordinating; `stop` ends every provider write while
 * detection goes on.
 */
export const OVERRIDE_KINDS = ['drain', 'force-in', 'pin', 'freeze', 'evacuate', 'stop'] as const;
export type OverrideKind = (typeof OVERRIDE_KINDS)[number];

export interface Override {
  id: string;
  kind: OverrideKind;
  scope: OverrideScope;
  /** Of a pin only: thousandths per pool of its service, together 1000. Pools that it does not name get nothing. */
  weights?: Route;
  reason: string;
  owner: string;
  /** Who was authenticated when it was ordered. Absent from 0.1 records. */
  by?: string;
  ticket?: string;
  createdAtMs: number;
  /** Not in force before. Absent: at once. */
  startsAtMs?: number;
  expiresAtMs: number;
  /** Passes the safety rules that would refuse it: those of low risk, and with `approval` those of high. `never-empty` is not one of them. */
  breakGlass?: true;
  /** A second person has to agree before it is in force; `by` null: nobody has. Absent: nobody needs to. */
  approval?: { by: string | null; atMs: number | null };
  /** An exercise: it wakes nobody, and that it went well is what `drill-fresh` asks for. */
  drill?: true;
  /** What has been told of it. Absent: nothing. */
  told?: readonly OverrideNews[];
}

/** News of an order that are told once: it began later than it was given, it ends soon, it passes safety rules, a newer one stands in its place. */
export type OverrideNews = 'started' | 'expiring' | 'break-glass' | 'replaced';

/** `override`: one document, so that no decision can miss one of them. */
export interface Overrides {
  version: number;
  nonce: string;
  items: readonly Override[];
}

/** What somebody measured of a service: its load, and what pools can bear, in one unit of their choice (requests per second, say). */
export interface Reported {
  load: number | null;
  capacity: Readonly<Record<string, number>>;
  /** Cluster time of the report. */
  atMs: number;
  /** Cluster time from which it no longer counts. */
  expiresAtMs: number;
  by: string;
}

/** `reported`: one document, by service. Advice to the rule `capacity`, which falls back to what is configured. */
export interface Reports {
  version: number;
  nonce: string;
  services: Readonly<Record<string, Reported>>;
}

/** How a drained service's new route reached its users. */
export interface Published {
  /** The decision that drained this service, when it came after the incident's own. */
  t3AtMs?: number;
  t4AtMs?: number;
  /** The provider that acknowledged first, where a service has several. */
  t4By?: string;
  t5AtMs?: number;
  t6AtMs?: number;
  /** The curve behind t6: when users were seen to land, by vantage. */
  landedAtMs?: Readonly<Record<string, number>>;
  /** Why the goal was missed; present once that has been paged. */
  because?: string;
  /** Why convergence is not measured: nothing is written, or nothing is configured that could see it. */
  unmeasured?: string;
}

/** `incident/<id>`: one region's outage or one service's hold, with the measured times. All instants are cluster time. */
export interface Incident {
  id: string;
  kind: 'region-down' | 'region-unready' | 'all-down' | 'held';
  region: string;
  services: readonly string[];
  because: string;
  /** v of the decision that opened it. */
  v: number;
  epoch: number;
  /** Start of the first failed probe. */
  t0AtMs: number | null;
  /** Last good look by any vantage: detection lies in [t3 - t0, t3 - t0Last]. */
  t0LastAtMs: number | null;
  /** First suspicion seen by the coordinator. */
  t1AtMs: number | null;
  t2AtMs: number | null;
  t3AtMs: number;
  /** Per service: provider acknowledged, all authoritative servers answer, users land on it. */
  published: Readonly<Record<string, Published>>;
  /** Regions whose vantage was alive at t3: the population of t6. */
  witnesses: readonly string[];
  closedAtMs: number | null;
  /** What its pages are keyed by when that is not its id: the thread of the last incident of the same subject, which ended a moment before. */
  thread?: string;
  /** Somebody was told of it: its end is told whatever has become of its services. */
  told?: true;
  nonce: string;
}

/** A phase of a micro-drill, from the commit of its decision (t3): t4, t5 and t6. */
export const PROOF_PHASES = ['acknowledged', 'authoritative', 'resolver'] as const;
export type ProofPhase = (typeof PROOF_PHASES)[number];

/** One failover of a name that nobody resolves. Instants in cluster time. */
export interface MicroDrill {
  /** v of its decision, and the fence of its writes. */
  v: number;
  from: string;
  to: string;
  /** The instant at which the pool that carried it was supposed dead. */
  t0AtMs: number;
  t3AtMs: number;
  /** From t3, in ms. A phase that was not reached, or is not measured here, is missing. */
  phasesMs: Readonly<Partial<Record<ProofPhase, number>>>;
  /** Null while it is under way. */
  ok: boolean | null;
  because: string;
  /** `region/replica/boot` of who flew it. */
  by: string;
}

/** `proof/<provider>`: that a failover by this path works, as its micro-drills have proved it. Written by the coordinator, so that a takeover forgets nothing. */
export interface Proof {
  /** The synthetic name. */
  service: string;
  everyMs: number;
  /** The newest; it may be under way, or its flyer may have died. */
  last: MicroDrill;
  /** t3 of the last that came through; null: none ever did. */
  provenAtMs: number | null;
  /** Those that came through, newest last. */
  proven: readonly MicroDrill[];
  /** Was told to be stale. */
  stale: boolean;
  nonce: string;
}

/** So many intervals without a proof, and it is stale. */
const STALE_INTERVALS = 3;
export const staleAfterMs = ({ everyMs }: { everyMs: number }): number => STALE_INTERVALS * everyMs;
export const isStale = (proof: Pick<Proof, 'provenAtMs' | 'everyMs'>, nowMs: number): boolean =>
  proof.provenAtMs === null || nowMs - proof.provenAtMs > staleAfterMs(proof);

/** `seen/<region>/<replica>`: what a vantage sees of convergence. Ages, not instants. */
export interface Seen {
  boot: string;
  configVersion: number;
  services: Readonly<
    Record<
      string,
      {
        fence: number;
        /** Age of the moment from which every authoritative server answered the route of this fence; null: not yet. */
        authoritativeAgeMs: number | null;
        /** Age of the moment from which resolvers and requests landed on it; null: not yet. */
        landedAgeMs: number | null;
        because: string;
      }
    >
  >;
}

export type Severity = 'critical' | 'warning' | 'info';

/** `outbox/<id>`: a page whose cause is committed. Delivered at least once; `dedupKey` is stable. */
export interface Page {
  id: string;
  dedupKey: string;
  type: string;
  severity: Severity;
  /** The one sentence. */
  summary: string;
  detail: Readonly<Record<string, unknown>>;
  /** Cluster time. */
  atMs: number;
  v: number;
  /** Cluster time before which nobody is told: an end that a new beginning may still take back. */
  notBeforeMs?: number;
  /** Channels that accepted it; `*` when nobody is left to tell. */
  delivered: readonly string[];
  /** Channels that will not take it, by name: refused for good, or tried too often. */
  dead?: Readonly<Record<string, DeadLetter>>;
  /** Channels that an operator wants told once more, whatever the routes say. `alone`: everybody had been told before, so nobody else is. */
  again?: { to: readonly string[]; alone: boolean };
  /** A human has it: nobody else is woken for it. `atMs` in cluster time. */
  acknowledged?: { by: string; atMs: number };
  nonce: string;
}

export interface DeadLetter {
  because: string;
  /** Cluster time. */
  atMs: number;
  tries: number;
}

/** Where a safety rule stood in the way of a wanted move. */
export interface Refusal {
  service: string;
  pool: string;
  /** The rule's kind. */
  rule: string;
  /** What may follow when it is passed: of an order that passes a `high` one by break-glass, a second person has to agree. */
  risk: 'low' | 'high';
  /** The sentence, with the numbers. */
  because: string;
  /** Cluster time from which it would pass if nothing else changes; null: time alone changes nothing. */
  againAtMs: number | null;
  /** What would have let it pass. */
  counterfactual: string;
  /** Id of the order that it stands in the way of; null: of a return, or of an order's end. Absent: of a drain by health, and from older records. */
  order?: string | null;
}

/** `audit/<v>`: what a decision rested on. */
export interface Audit {
  v: number;
  epoch: number;
  atMs: number;
  by: string;
  because: string;
  wouldChange: string;
  changes: readonly { service: string; before: Route; after: Route; because: string }[];
  /** `refusal`: of a safety rule; absent from other holds and from 0.1 records. */
  holds: readonly { service: string; pool: string; hold: HoldName; because: string; refusal?: Refusal }[];
  votes: Readonly<Record<string, unknown>>;
  /** Kinds of the safety rules that were in force. Absent from older records. */
  rules?: readonly string[];
  /** SHA-256 of the previous record's JSON; empty for the first. */
  prevHash: string;
}

/** How a service's route reached one of its providers. */
export interface TrailStep {
  /** Of the last try; `applied` is final, and later writes of the same decision are not told of. */
  outcome: 'applied' | 'conflict' | 'undecided' | 'fatal' | 'refused';
  /** Cluster time at which that try ended. */
  atMs: number;
  /** How long that try took. */
  tookMs: number;
  tries: number;
  /** Names that the vendor gave to requests and changes, oldest first: what its support asks for. */
  requests: readonly string[];
  /** Empty when it was applied. */
  because: string;
  /** `region/replica/boot` that wrote. */
  by: string;
  /** How what was acknowledged went on, where the provider says so. */
  settled?: { ended: 'settled' | 'failed' | 'given-up'; tookMs: number; because: string };
}

/** `trail/<v>`: how decision `v` reached its providers. Written after the fact, as far as that was possible: evidence for readers, nothing rests on it. */
export interface Trail {
  v: number;
  /** By service, then by provider. */
  services: Readonly<Record<string, Readonly<Record<string, TrailStep>>>>;
  /** So many more steps than a record holds. */
  omitted?: number;
  nonce: string;
}

/** `applied/<provider>/<service>`: what the provider last acknowledged. */
export interface AppliedRecord {
  fence: number;
  /** Nonce and hash of that fence as the provider carries it: which write it was. Absent from 0.1 records. */
  nonce?: string;
  hash?: string;
  atMs: number;
  /** `frozen`: the provider is ahead of the store; `manual`: a human wrote it by break-glass. Neither is written until adopted or acknowledged. */
  outcome: 'applied' | 'frozen' | 'manual' | 'failing' | 'drift';
  because: string;
}

/** What a provider was seen to serve of a service from one look on. `shares` null: nothing, or it did not answer, which `because` says. */
export interface ObservedChange {
  atMs: number;
  /** The look before, which still showed what was served then; null: there was none. */
  afterAtMs: number | null;
  shares: Route | null;
  because?: string;
}

/** `observed/<provider>/<service>`: what serves the users of a service that Tidegate decides and does not write. Cluster time. */
export interface Observed {
  sinceAtMs: number;
  /** The newest look that is known of; refreshed every ten minutes. */
  lookedAtMs: number;
  /** Oldest first, the newest fifty. */
  changes: readonly ObservedChange[];
}

/** `adopted`: a human has looked at a store that was replaced or restored, and taken what the providers serve as the truth. */
export interface Adopted {
  nonce: string;
  /** Rises with every adoption: the later of the wall clock and the last one plus 1. */
  atMs: number;
  by: string;
  reason: string;
}

/** `audit/config-<version>`: who changed the cluster's configuration, and how. */
export interface ConfigAudit {
  version: number;
  hash: string;
  atMs: number;
  by: string;
  reason: string;
  nonce: string;
  /** One line per changed value. */
  diff: readonly string[];
}
