// The document behind GET /v1/status: what this replica knows, said so that a human can see why. Pure; plain data in, JSON out.
// Everything configured appears, also what nobody has looked at yet; what is known of things no longer configured does not.
// Ballots come from the tallies that decide; the votes themselves add the reason and the age. Ignores freshness rules: whoever tallies owns them.

import type { Arrived } from '../converge/measure.ts';
import { type ConvergenceTiming, convergenceOf, type DetectionTiming, detectionOf } from '../converge/timings.ts';
import { appliedKey } from '../coordinate/keys.ts';
import { whyGray, whyOut } from '../decide/explain.ts';
import { isInForce } from '../decide/override.ts';
import { remindersOf } from '../decide/safety.ts';
import type { ShadowStatus } from '../drill/shadow.ts';
import type { GateStatus } from '../gate/gate.ts';
import type {
  AppliedRecord,
  ClusterConfig,
  EndpointTally,
  GrayTally,
  HoldName,
  Incident,
  Leader,
  Override,
  Overrides,
  PoolConfig,
  PoolMemory,
  PoolTally,
  Proof,
  Routing,
  ServiceConfig,
  ServiceRouting,
  TargetConfig,
  TargetTally,
  Verdict,
  Vote,
} from '../model.ts';
import { pathsOf, poolKey, targetId } from '../model.ts';
import { countedIn, type HeardVote, type Matrix, matrixFrom, own, type Row } from './matrix.ts';
import type { PlatformStatus } from './platform-status.ts';
import { type MicroDrillStatus, microDrillsOf } from './proofs.ts';
import { atOnce, type Steps } from './slices.ts';
import { type Standing, standingOf } from './standing.ts';
import { type Voice, vantageCard } from './vantage-card.ts';

export interface SelfStatus {
  region: string;
  replica: string;
  boot: string;
  role: 'coordinator' | 'standby';
  epoch: number;
  canVote: boolean;
  canDecide: boolean;
  /** Why, in a sentence, when one of them is false. */
  because: string;
}

/** What a replica that writes knows of its ways out. */
export interface PathsView {
  ranked(service: ServiceConfig): { order: readonly string[]; because: string };
  providers(): readonly ProviderStatus[];
}

/** How one provider stands, as the coordinator has seen it in its term. Spreads are null while there is too little to say. */
export interface ProviderStatus {
  name: string;
  /** Something that it should serve could not be written for a while. */
  failing: boolean;
  /** Since a write was acknowledged, or a canary came through. */
  provenAgoMs: number | null;
  /** Of writes until they were acknowledged. */
  writes: { p50Ms: number; p99Ms: number; count: number } | null;
  canary: CanaryStatus | null;
}

export interface CanaryStatus {
  service: string;
  /** Cluster time of the last one that ended. */
  atMs: number | null;
  ok: boolean | null;
  because: string;
  /** From the start of the write: acknowledged, served by the provider's own servers, by resolvers. */
  stages: Readonly<Record<string, { p50Ms: number; p99Ms: number; count: number } | null>>;
}

export interface PathStatus {
  provider: string;
  applied: AppliedRecord | null;
}

export interface StatusInput {
  cluster: ClusterConfig;
  routing: Routing | null;
  overrides: Overrides | null;
  votes: readonly HeardVote[];
  /** Records that are not counted, and why: unsigned, forged, replayed. */
  refused?: readonly { key: string; because: string }[];
  /** With every target listed, also those nobody mentions. */
  tallies: readonly PoolTally[];
  incidents: readonly Incident[];
  /** By service, of the path whose acknowledgement counts. */
  applied: Readonly<Record<string, AppliedRecord>>;
  /** Of every path, by key. */
  records?: ReadonlyMap<string, AppliedRecord>;
  paths?: PathsView | null;
  /** What micro-drills have proved, by provider. Absent: nothing. */
  proofs?: ReadonlyMap<string, Proof>;
  /** Of each service, since when the route in force is seen to be served. Absent: nobody reports. */
  arrived?: (service: ServiceConfig) => Arrived;
  leader: Leader | null;
  self: SelfStatus;
  /** The second policy, if this replica has one. */
  shadow?: ShadowStatus | null;
  /** What this replica's gate answers, if it has one. */
  gate?: GateStatus | null;
  /** In configured order. Absent: none is configured. */
  platforms?: readonly PlatformStatus[];
  /** Cluster time. */
  nowMs: number;
}

export interface TargetStatus {
  id: string;
  name: string;
  verdict: Verdict;
  /** What its voters say of its error rate; null when none of them minds. */
  gray: GrayTally | null;
  endpoints: Readonly<Record<string, Pick<EndpointTally, 'verdict' | 'down' | 'up' | 'electorate' | 'needs' | 'ballots'>>>;
}

/** A pool without its targets. */
export interface PoolFacts {
  name: string;
  region: string;
  /** Thousandths now and when all is well; null before the first decision. */
  share: number | null;
  configuredShare: number;
  verdict: PoolTally['verdict'];
  cause: Verdict;
  up: number;
  /** Targets that nobody can speak for. */
  unknown: number;
  total: number;
  minUp: number;
  /** Targets that are gray by quorum. */
  gray: number;
  gate: PoolTally['gate'];
  memory: PoolMemory | null;
  because: string;
}

export interface PoolStatus extends PoolFacts {
  targets: readonly TargetStatus[];
}

export interface ServiceFacts<P extends PoolFacts = PoolFacts> {
  name: string;
  mode: ServiceConfig['mode'];
  provider: string;
  /** Every path, in configured order. */
  paths: readonly PathStatus[];
  /** Which of several it acts through and why; absent from who does not write, and where there is one. */
  through?: { order: readonly string[]; because: string };
  ttlS: number;
  route: ServiceRouting['route'] | null;
  fence: number | null;
  because: string;
  applied: AppliedRecord | null;
  /** Cluster time at which a drill or an outage last proved that its traffic moves; null: never. */
  provenAtMs: number | null;
  /** Cluster times from which all servers were seen to answer the route in force (t5), and users to land on it (t6); null: not yet. Absent: not measured. */
  arrived?: Arrived;
  pools: readonly P[];
}

export type ServiceStatus = ServiceFacts<PoolStatus>;

/** What a document begins with: whose it is, of when, and who decides. */
export interface StatusHead {
  cluster: { name: string; version: number; goals: ClusterConfig['goals'] };
  clusterTimeMs: number;
  self: SelfStatus;
  /** Who coordinates, as far as this replica has seen. */
  coordinator: { region: string; replica: string; epoch: number; released: boolean } | null;
  decision: { v: number; epoch: number; atMs: number; because: string } | null;
}

/** What is there on some replicas, or in some clusters. */
export interface StatusParts {
  /** How the providers stand; absent from who does not write. */
  providers?: readonly ProviderStatus[];
  /** What micro-drills have proved of each path, whoever coordinates. Absent: there are none. */
  microDrills?: readonly MicroDrillStatus[];
  /** Absent: this replica has none. */
  shadow?: ShadowStatus;
  /** Absent: this replica serves no gate. */
  gate?: GateStatus;
  /** What moves with the routes, as far as it is known without asking anybody: data, language models, budgets. Absent: no platform is configured. */
  platforms?: readonly PlatformStatus[];
}

export interface VotesHeard {
  vantages: readonly {
    region: string;
    replica: string;
    boot: string;
    ageMs: number | null;
    configVersion: number;
    /** The program that it runs; null: it does not say, or is not heard. */
    version: string | null;
    /** Whether its word counts now, and why not. Absent: of a replica of 0.1. */
    state?: Voice;
    because?: string;
    /** What it said last, however long ago. */
    self: Vote['self'];
  }[];
  refused: readonly { key: string; because: string }[];
}

export interface StatusDocument extends StatusHead, StatusParts {
  services: readonly ServiceStatus[];
  holds: readonly { service: string; pool: string; hold: HoldName; because: string }[];
  /** What safety rules have to say although nothing changes, such as a drill that is due. */
  reminders: readonly { service: string; rule: string; stage: string; because: string }[];
  votes: VotesHeard & { matrix: Matrix };
  overrides: { version: number; items: readonly (Override & Standing)[] };
  /** Newest first, at most 50. */
  incidents: readonly (Incident & { detection: DetectionTiming; convergence: ConvergenceTiming })[];
}

const INCIDENTS_MAX = 50;

/** What a hold means, for readers who meet its name for the first time; the sentence with the numbers is the service's `because`. */
const holdMeans = (hold: HoldName): string => {
  switch (hold) {
    case 'all-down':
      return 'every pool looks down; our probes or a shared cause are suspect, so the last route stays';
    case 'settling':
      return 'every pool looked down a moment ago; one more look at everything decides';
    case 'confirming':
      return 'whoever could take its traffic is in doubt too; one confirmation span decides';
    case 'floor':
      return 'automation has drained as many pools of this service as it may';
    case 'pacing':
      return 'another region was drained a moment ago; one new region at a time';
    case 'receiver':
      return 'nobody who could take its traffic is beyond doubt';
    case 'freeze':
      return 'an operator froze the route';
    case 'frozen':
      return 'its provider carries a fence that is newer than the store, or set by hand; tidegate adopt or tidegate ack ends that';
    case 'latched':
      return 'it was drained too often; an operator must release it';
    default:
      return `safety rule ${hold.slice('rule:'.length)} refused the move`;
  }
};

const targetStatus = (service: string, pool: string, target: TargetConfig, tally: TargetTally | undefined): TargetStatus => ({
  id: targetId(service, pool, target.name),
  name: target.name,
  verdict: tally?.verdict ?? 'unknown',
  gray: tally?.gray ?? null,
  endpoints: Object.fromEntries(
    Object.entries(tally?.endpoints ?? {}).map(([name, { verdict, down, up, electorate, needs, ballots }]) => [
      name,
      { verdict, down, up, electorate, needs, ballots },
    ]),
  ),
});

const poolBecause = (tally: PoolTally | undefined, hold: HoldName | null, acceptable: number, nowMs: number): string => {
  const held = hold === null ? '' : `; held (${hold}): ${holdMeans(hold)}`;
  if (tally === undefined) return `not counted yet${held}`;
  const gate = tally.gate === 'closed' ? '; its region says a local target is down' : '';
  const count = `${tally.up} of ${tally.total} targets up (needs ${tally.minUp})`;
  const gray = tally.gray === 0 ? '' : `; ${whyGray(tally.region, [tally], acceptable)}`;
  return `${tally.cause === 'up' ? count : whyOut(tally.region, tally.cause, tally, nowMs)}${gray}${gate}${held}`;
};

const poolFacts = (
  service: ServiceConfig,
  pool: PoolConfig,
  tally: PoolTally | undefined,
  routing: ServiceRouting | undefined,
  acceptable: number,
  nowMs: number,
): PoolFacts => {
  const weights = service.pools.reduce((sum, each) => sum + each.weight, 0);
  const memory = (routing && own(routing.pools, pool.name)) ?? null;
  return {
    name: pool.name,
    region: pool.region,
    share: (routing && own(routing.route, pool.name)) ?? null,
    configuredShare: weights > 0 ? Math.round((1000 * pool.weight) / weights) : 0,
    verdict: tally?.verdict ?? 'unknown',
    cause: tally?.cause ?? 'unknown',
    up: tally?.up ?? 0,
    unknown: tally?.unknown ?? pool.targets.length,
    total: tally?.total ?? pool.targets.length,
    minUp: pool.minUp,
    gray: tally?.gray ?? 0,
    gate: tally?.gate ?? 'open',
    memory,
    because: poolBecause(tally, memory?.hold ?? null, acceptable, nowMs),
  };
};

const targetsOf = (service: string, pool: PoolConfig, tally: PoolTally | undefined): readonly TargetStatus[] =>
  pool.targets.map((target) => targetStatus(service, pool.name, target, countedIn(tally, targetId(service, pool.name, target.name))));

/** By `service/pool`. */
export type Tallies = ReadonlyMap<string, PoolTally>;
export const talliesIn = ({ tallies }: Pick<StatusInput, 'tallies'>): Tallies =>
  new Map(tallies.map((tally) => [poolKey(tally.service, tally.pool), tally]));

const pathStatuses = ({ records }: StatusInput, service: ServiceConfig): readonly PathStatus[] =>
  pathsOf(service).map((provider) => ({ provider, applied: records?.get(appliedKey(provider, service.name)) ?? null }));

/** A service with its pools, but not their targets. */
export const serviceFacts = (input: StatusInput, tallies: Tallies, service: ServiceConfig): ServiceFacts => {
  const routing = input.routing === null ? undefined : own(input.routing.services, service.name);
  const acceptable = input.cluster.policy.gray?.acceptable ?? 0;
  return {
    name: service.name,
    mode: service.mode,
    provider: service.provider,
    paths: pathStatuses(input, service),
    ...(input.paths == null || service.also === undefined ? {} : { through: input.paths.ranked(service) }),
    ttlS: service.ttlS,
    route: routing?.route ?? null,
    fence: routing?.fence ?? null,
    because: routing?.because ?? 'nothing has been decided yet',
    applied: own(input.applied, service.name) ?? null,
    provenAtMs: routing?.provenAtMs ?? null,
    ...(input.arrived === undefined ? {} : { arrived: input.arrived(service) }),
    pools: service.pools.map((pool) =>
      poolFacts(service, pool, tallies.get(poolKey(service.name, pool.name)), routing, acceptable, input.nowMs),
    ),
  };
};

/** In configured order. */
export const servicesIn = (input: StatusInput, tallies: Tallies = talliesIn(input)): readonly ServiceFacts[] =>
  input.cluster.services.map((service) => serviceFacts(input, tallies, service));

export const serviceStatus = (input: StatusInput, tallies: Tallies, service: ServiceConfig): ServiceStatus => {
  const facts = serviceFacts(input, tallies, service);
  const pools = facts.pools.flatMap((pool, at): PoolStatus[] => {
    const config = service.pools[at];
    return config === undefined
      ? []
      : [{ ...pool, targets: targetsOf(service.name, config, tallies.get(poolKey(service.name, pool.name))) }];
  });
  return { ...facts, pools };
};

export const holdsOf = (services: readonly ServiceFacts[]): StatusDocument['holds'] =>
  services.flatMap((service) =>
    service.pools.flatMap(({ name, memory }) =>
      memory === null || memory.hold === null
        ? []
        : [{ service: service.name, pool: name, hold: memory.hold, because: holdMeans(memory.hold) }],
    ),
  );

/** `services`: of the cluster; all, or those that are asked about. */
export const remindersNow = (
  { cluster, routing, nowMs }: StatusInput,
  services: readonly ServiceConfig[] = cluster.services,
): StatusDocument['reminders'] =>
  services.flatMap((service) => {
    const memory = routing === null ? undefined : own(routing.services, service.name);
    return memory === undefined
      ? []
      : remindersOf(service, memory, cluster.policy.safety, nowMs).map(({ rule, stage, because }) => ({
          service: service.name,
          rule,
          stage,
          because,
        }));
  });

export const headOf = ({ cluster, routing, leader, self, nowMs }: StatusInput): StatusHead => ({
  cluster: { name: cluster.name, version: cluster.version, goals: cluster.goals },
  clusterTimeMs: nowMs,
  self,
  coordinator: leader && { region: leader.region, replica: leader.replica, epoch: leader.epoch, released: leader.released },
  decision: routing && { v: routing.v, epoch: routing.epoch, atMs: routing.atMs, because: routing.because },
});

export const partsOf = ({ paths, proofs, shadow, gate, platforms, nowMs }: StatusInput): StatusParts => ({
  ...(paths == null ? {} : { providers: paths.providers() }),
  ...(proofs === undefined || proofs.size === 0 ? {} : { microDrills: microDrillsOf(proofs, nowMs) }),
  ...(shadow == null ? {} : { shadow }),
  ...(gate == null ? {} : { gate }),
  ...(platforms === undefined || platforms.length === 0 ? {} : { platforms }),
});

/** Newest first. */
export const newest = (incidents: readonly Incident[], most: number): readonly Incident[] =>
  incidents.toSorted((a, b) => b.t3AtMs - a.t3AtMs).slice(0, most);

const votesOf = ({ cluster, votes, refused = [] }: StatusInput): VotesHeard => ({
  vantages: votes.map((heard) => {
    const { boot, self } = heard.vote;
    return { region: heard.region, boot, ...vantageCard(heard, cluster), self };
  }),
  refused,
});

/** What is asked about this replica's health, without anything that grows with the number of targets. */
export interface StatusInShort extends StatusHead, StatusParts {
  services: readonly Pick<ServiceFacts, 'name' | 'mode' | 'paths'>[];
  votes: VotesHeard;
  overrides: { items: readonly Pick<Override & Standing, 'id' | 'kind' | 'reason' | 'active'>[] };
}

/** The same facts as in `statusDocument`. */
export const statusInShort = (input: StatusInput): StatusInShort => ({
  ...headOf(input),
  services: input.cluster.services.map((service) => ({ name: service.name, mode: service.mode, paths: pathStatuses(input, service) })),
  ...partsOf(input),
  votes: votesOf(input),
  overrides: {
    items: (input.overrides?.items ?? []).map((order) => ({
      id: order.id,
      kind: order.kind,
      reason: order.reason,
      active: isInForce(order, input.nowMs),
    })),
  },
});

/** As many services or rows of the matrix as take a millisecond or so. */
const AT_ONCE = 8;

/** What `make` makes of each, step by step. */
function* each<In, Out>(items: readonly In[], make: (item: In) => Out): Steps<Out[]> {
  const made: Out[] = [];
  for (const item of items) {
    made.push(make(item));
    if (made.length % AT_ONCE === 0) yield;
  }
  return made;
}

/** The whole, step by step: of a large cluster it takes a tenth of a second, and the loop that makes it probes as well. */
export function* makingStatus(input: StatusInput): Steps<StatusDocument> {
  const { cluster, overrides, nowMs } = input;
  const tallies = talliesIn(input);
  const services = yield* each(cluster.services, (service) => serviceStatus(input, tallies, service));
  const rowsOf = matrixFrom(cluster, input.votes, tallies);
  const matrix: Record<string, Row> = {};
  yield* each(cluster.services, (service) => {
    for (const [target, row] of rowsOf(service)) matrix[target] = row;
  });
  const orders = yield* each(overrides?.items ?? [], (item) => ({ ...item, ...standingOf(item, services, nowMs) }));
  const incidents = yield* each(newest(input.incidents, INCIDENTS_MAX), (incident) => ({
    ...incident,
    detection: detectionOf(incident, cluster.goals),
    convergence: convergenceOf(incident, cluster.goals, nowMs),
  }));
  return {
    ...headOf(input),
    services,
    ...partsOf(input),
    holds: holdsOf(services),
    reminders: remindersNow(input),
    votes: { ...votesOf(input), matrix },
    overrides: { version: overrides?.version ?? 0, items: orders },
    incidents,
  };
}

/** Total: an answer for every input, of JSON types only. */
export const statusDocument = (input: StatusInput): StatusDocument => atOnce(makingStatus(input));
