// The document behind GET /v1/status: what this replica knows, said so that a human can see why. Pure; plain data in, JSON out.
// Everything configured appears, also what nobody has looked at yet; what is known of things no longer configured does not.
// Ballots come from the tallies that decide; the votes themselves add the reason and the age. Ignores freshness rules: whoever tallies owns them.

import type { Arrived } from '../converge/measure.ts';
import { type ConvergenceTiming, convergenceOf, type DetectionTiming, detectionOf } from '../converge/timings.ts';
import { appliedKey } from '../coordinate/keys.ts';
import { whyGray, whyOut } from '../decide/explain.ts';
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
import { type HeardVote, known, type Matrix, matrixOf, own } from './matrix.ts';
import type { PlatformStatus } from './platform-status.ts';
import { type MicroDrillStatus, microDrillsOf } from './proofs.ts';
import { type Standing, standingOf } from './standing.ts';

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

export interface PoolStatus {
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
  targets: readonly TargetStatus[];
}

export interface ServiceStatus {
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
  pools: readonly PoolStatus[];
}

export interface StatusDocument {
  cluster: { name: string; version: number; goals: ClusterConfig['goals'] };
  clusterTimeMs: number;
  self: SelfStatus;
  /** Who coordinates, as far as this replica has seen. */
  coordinator: { region: string; replica: string; epoch: number; released: boolean } | null;
  decision: { v: number; epoch: number; atMs: number; because: string } | null;
  services: readonly ServiceStatus[];
  /** How the providers stand; absent from who does not write. */
  providers?: readonly ProviderStatus[];
  /** What micro-drills have proved of each path, whoever coordinates. Absent: there are none. */
  microDrills?: readonly MicroDrillStatus[];
  holds: readonly { service: string; pool: string; hold: HoldName; because: string }[];
  /** What safety rules have to say although nothing changes, such as a drill that is due. */
  reminders: readonly { service: string; rule: string; stage: string; because: string }[];
  votes: {
    vantages: readonly {
      region: string;
      replica: string;
      boot: string;
      ageMs: number | null;
      configVersion: number;
      /** The program that it runs; null: it does not say, or is not heard. */
      version: string | null;
      self: Vote['self'];
    }[];
    matrix: Matrix;
    refused: readonly { key: string; because: string }[];
  };
  /** Absent: this replica has none. */
  shadow?: ShadowStatus;
  /** Absent: this replica serves no gate. */
  gate?: GateStatus;
  /** What moves with the routes, as far as it is known without asking anybody: data, language models, budgets. Absent: no platform is configured. */
  platforms?: readonly PlatformStatus[];
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

const poolStatus = (
  service: ServiceConfig,
  pool: PoolConfig,
  tally: PoolTally | undefined,
  routing: ServiceRouting | undefined,
  acceptable: number,
  nowMs: number,
): PoolStatus => {
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
    targets: pool.targets.map((target) =>
      targetStatus(
        service.name,
        pool.name,
        target,
        tally?.targets.find((each) => each.target === targetId(service.name, pool.name, target.name)),
      ),
    ),
  };
};

const serviceStatus = (input: StatusInput, tallies: ReadonlyMap<string, PoolTally>, service: ServiceConfig): ServiceStatus => {
  const routing = input.routing === null ? undefined : own(input.routing.services, service.name);
  const acceptable = input.cluster.policy.gray?.acceptable ?? 0;
  return {
    name: service.name,
    mode: service.mode,
    provider: service.provider,
    paths: pathsOf(service).map((provider) => ({
      provider,
      applied: input.records?.get(appliedKey(provider, service.name)) ?? null,
    })),
    ...(input.paths == null || service.also === undefined ? {} : { through: input.paths.ranked(service) }),
    ttlS: service.ttlS,
    route: routing?.route ?? null,
    fence: routing?.fence ?? null,
    because: routing?.because ?? 'nothing has been decided yet',
    applied: own(input.applied, service.name) ?? null,
    provenAtMs: routing?.provenAtMs ?? null,
    ...(input.arrived === undefined ? {} : { arrived: input.arrived(service) }),
    pools: service.pools.map((pool) =>
      poolStatus(service, pool, tallies.get(poolKey(service.name, pool.name)), routing, acceptable, input.nowMs),
    ),
  };
};

const holdsOf = (services: readonly ServiceStatus[]): StatusDocument['holds'] =>
  services.flatMap((service) =>
    service.pools.flatMap(({ name, memory }) =>
      memory === null || memory.hold === null
        ? []
        : [{ service: service.name, pool: name, hold: memory.hold, because: holdMeans(memory.hold) }],
    ),
  );

const remindersNow = ({ cluster, routing, nowMs }: StatusInput): StatusDocument['reminders'] =>
  cluster.services.flatMap((service) => {
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

/** Total: an answer for every input, of JSON types only. */
export const statusDocument = (input: StatusInput): StatusDocument => {
  const { cluster, routing, overrides, leader, nowMs } = input;
  const tallies = new Map(input.tallies.map((tally) => [poolKey(tally.service, tally.pool), tally]));
  const services = cluster.services.map((service) => serviceStatus(input, tallies, service));
  return {
    cluster: { name: cluster.name, version: cluster.version, goals: cluster.goals },
    clusterTimeMs: nowMs,
    self: input.self,
    coordinator: leader && { region: leader.region, replica: leader.replica, epoch: leader.epoch, released: leader.released },
    decision: routing && { v: routing.v, epoch: routing.epoch, atMs: routing.atMs, because: routing.because },
    services,
    ...(input.paths == null ? {} : { providers: input.paths.providers() }),
    ...(input.proofs === undefined || input.proofs.size === 0 ? {} : { microDrills: microDrillsOf(input.proofs, nowMs) }),
    holds: holdsOf(services),
    reminders: remindersNow(input),
    votes: {
      vantages: input.votes.map(({ region, replica, vote, beat, ageMs }) => ({
        region,
        replica,
        boot: vote.boot,
        ageMs: known(ageMs),
        configVersion: vote.configVersion,
        version: beat?.version ?? null,
        self: vote.self,
      })),
      matrix: matrixOf(cluster, input.votes, tallies),
      refused: input.refused ?? [],
    },
    ...(input.shadow == null ? {} : { shadow: input.shadow }),
    ...(input.gate == null ? {} : { gate: input.gate }),
    ...(input.platforms === undefined || input.platforms.length === 0 ? {} : { platforms: input.platforms }),
    overrides: {
      version: overrides?.version ?? 0,
      items: (overrides?.items ?? []).map((item) => ({ ...item, ...standingOf(item, services, nowMs) })),
    },
    incidents: input.incidents
      .toSorted((a, b) => b.t3AtMs - a.t3AtMs)
      .slice(0, INCIDENTS_MAX)
      .map((incident) => ({
        ...incident,
        detection: detectionOf(incident, cluster.goals),
        convergence: convergenceOf(incident, cluster.goals, nowMs),
      })),
  };
};
