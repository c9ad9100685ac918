// The document behind GET /v1/overview: what an eye needs first, of a cluster of any size. Regions and services whole, but without their targets; of the
// targets only those that somebody doubts; lists that an outage makes long are cut, and say by how much. Pure; plain data in, JSON out.
// A vantage that is silent, abstains or has just started says nothing of any target: it is shown once, with its region, and doubts nothing.
import {
  type ConvergenceTiming,
  convergenceInShort,
  type DetectionTiming,
  detectionOf,
  type ServiceTiming,
  serviceTiming,
} from '../converge/timings.ts';
import { activeOverrides, evacuationOf } from '../decide/override.ts';
import type { ShadowStatus } from '../drill/shadow.ts';
import type { GateStatus } from '../gate/gate.ts';
import { isFresh } from '../health/chamber.ts';
import { vantagesOf } from '../health/electorate.ts';
import { WORST } from '../health/verdict.ts';
import type {
  AppliedRecord,
  ClusterConfig,
  EndpointTally,
  HoldName,
  Incident,
  Override,
  PoolConfig,
  TargetConfig,
  TargetTally,
  Verdict,
} from '../model.ts';
import { poolKey, targetId } from '../model.ts';
import { type HeardVote, known, type Matrix, matrixOf, type Row, rowsFrom } from './matrix.ts';
import { type Standing, type StandingInShort, standingInShort, standingOf } from './standing.ts';
import {
  headOf,
  holdsOf,
  newest,
  type PoolFacts,
  partsOf,
  remindersNow,
  type ServiceFacts,
  type ServiceStatus,
  type StatusDocument,
  type StatusHead,
  type StatusInput,
  type StatusParts,
  serviceFacts,
  serviceStatus,
  type Tallies,
  talliesIn,
} from './status.ts';

/** What a vantage says of itself, as far as its word counts. */
export type Voice = 'ok' | 'abstain' | 'silent';

export interface VantageCard {
  replica: string;
  state: Voice;
  /** Why it does not speak, or of how much it cannot speak yet. Empty when all is well. */
  because: string;
  /** Since it was last heard; null: nobody can say. */
  ageMs: number | null;
  /** The program that it runs; null: it does not say, or is not heard. */
  version: string | null;
  /** Of the configuration that its vote covers. */
  configVersion: number;
}

export interface RegionCard {
  name: string;
  /** Has a vote. */
  vote: boolean;
  /** Of the region as one voter: the best of its replicas. */
  state: Voice;
  vantages: readonly VantageCard[];
  /** Pools there by what they are; one that is up with some targets out is up. */
  pools: Readonly<Record<Verdict, number>>;
  /** Services that are configured to have traffic there, by how much of that it carries. `unknown`: nothing has been decided yet. */
  share: { fully: number; partly: number; not: number; unknown: number };
  /** Thousandths, over all services. */
  sharesSum: { actual: number; configured: number };
  /** Holds the office now. */
  coordinates: boolean;
  /** Ids of the orders in force that take all traffic from it. */
  evacuated: string | null;
  drained: string | null;
  /** What keeps moves of its pools back, each name once. */
  holds: readonly HoldName[];
  /** Its targets that somebody doubts, whether or not `doubts` has room for them. */
  doubts: number;
}

export interface AppliedCard {
  fence: number;
  atMs: number;
  /** It was acknowledged, and nothing is the matter. */
  ok: boolean;
  outcome: AppliedRecord['outcome'];
  because: string;
}

export interface PoolCard
  extends Pick<PoolFacts, 'name' | 'region' | 'verdict' | 'cause' | 'share' | 'configuredShare' | 'up' | 'total' | 'gray'> {
  hold: HoldName | null;
}

export interface ServiceCard
  extends Pick<ServiceFacts, 'name' | 'mode' | 'provider' | 'ttlS' | 'fence' | 'because' | 'provenAtMs' | 'arrived'> {
  /** The route in force is not the configured one. */
  moved: boolean;
  applied: AppliedCard | null;
  /** Every path, in configured order. Absent: there is one. */
  paths?: readonly { provider: string; applied: AppliedCard | null }[];
  pools: readonly PoolCard[];
}

export interface DoubtCard {
  target: string;
  service: string;
  pool: string;
  region: string;
  verdict: Verdict;
  /** Regions that see more errors than are acceptable. */
  gray: readonly string[];
  /** `3 of 4 down, needs 3`, of the endpoint that most speak against. */
  tally: string;
  /** Of every vantage that looks at it, also those that see it well. */
  cells: Row;
}

export interface IncidentCard
  extends Pick<Incident, 'id' | 'kind' | 'region' | 'because' | 'v' | 'epoch' | 't0AtMs' | 't1AtMs' | 't2AtMs' | 't3AtMs' | 'closedAtMs'> {
  /** At most ten. */
  services: readonly string[];
  servicesOmitted: number;
  detection: DetectionTiming;
  /** `waitingFor`: at most ten. */
  convergence: Omit<ConvergenceTiming, 'services'> & { waitingOmitted: number };
}

export interface OverviewDocument extends StatusHead, Omit<StatusParts, 'shadow' | 'gate'> {
  /** `diverging`: at most a hundred. */
  shadow?: ShadowStatus & { divergingOmitted: number };
  /** `drained`: at most a hundred. */
  gate?: GateStatus & { drainedOmitted: number };
  regions: readonly RegionCard[];
  services: readonly ServiceCard[];
  /** Worst first, at most a hundred. */
  doubts: readonly DoubtCard[];
  doubtsOmitted: number;
  /** At most a hundred; every pool has its own. */
  holds: StatusDocument['holds'];
  holdsOmitted: number;
  /** At most a hundred. */
  reminders: StatusDocument['reminders'];
  remindersOmitted: number;
  overrides: { version: number; items: readonly (Override & StandingInShort)[] };
  /** Newest first, at most twenty. */
  incidents: readonly IncidentCard[];
}

/** What there is to know of one service. */
export interface ServiceDocument extends Pick<StatusHead, 'cluster' | 'clusterTimeMs' | 'decision'> {
  service: ServiceStatus;
  /** Target, then region. */
  matrix: Matrix;
  holds: StatusDocument['holds'];
  reminders: StatusDocument['reminders'];
  /** That touch it; whether each is obeyed here, and what is measured here. */
  overrides: { version: number; items: readonly (Override & Standing)[] };
  /** That touch it, newest first, at most twenty; `timing`: how this service followed. */
  incidents: readonly (IncidentCard & { timing: ServiceTiming })[];
}

const LISTED_MAX = 100;
const INCIDENTS_MAX = 20;
const NAMED_MAX = 10;

/** The first of a list, and how many more there are. */
const first = <T>(all: readonly T[], most: number): { some: readonly T[]; omitted: number } => ({
  some: all.slice(0, most),
  omitted: Math.max(0, all.length - most),
});

// ---- vantages ----

const lookedAt = new WeakMap<ClusterConfig, ReadonlyMap<string, number>>();

/** How many targets each region looks at; worked out once per configuration. */
const targetsOf = (cluster: ClusterConfig): ReadonlyMap<string, number> => {
  const counted = lookedAt.get(cluster) ?? new Map<string, number>();
  if (lookedAt.has(cluster)) return counted;
  for (const pool of cluster.services.flatMap(({ pools }) => pools))
    for (const target of pool.targets)
      for (const region of vantagesOf(cluster, pool, target)) (counted as Map<string, number>).set(region, (counted.get(region) ?? 0) + 1);
  lookedAt.set(cluster, counted);
  return counted;
};

const voiceOf = ({ vote, beat, ageMs }: HeardVote, cluster: ClusterConfig): Voice =>
  isFresh({ vote, beat: beat ?? null, ageMs }, cluster) ? vote.self.state : 'silent';

const vantageBecause = ({ vote, ageMs }: HeardVote, state: Voice, cluster: ClusterConfig, targets: number): string => {
  if (state === 'silent' && ageMs <= cluster.policy.freshMs && vote.configVersion !== cluster.version)
    return `its vote covers configuration ${vote.configVersion}, the cluster is at ${cluster.version}`;
  if (state === 'silent')
    return Number.isFinite(ageMs) ? `last heard ${(ageMs / 1000).toFixed(1)} s ago` : 'nobody can say when it was last heard';
  if (vote.self.state === 'abstain') return vote.self.because;
  return vote.unknown.length === 0 ? '' : `has not looked often enough yet at ${vote.unknown.length} of ${targets} targets`;
};

const vantageCard = (heard: HeardVote, cluster: ClusterConfig): VantageCard => {
  const { region, replica, vote, beat, ageMs } = heard;
  const state = voiceOf(heard, cluster);
  const because = vantageBecause(heard, state, cluster, targetsOf(cluster).get(region) ?? 0);
  return { replica, state, because, ageMs: known(ageMs), version: beat?.version ?? null, configVersion: vote.configVersion };
};

/** Regions that cannot speak of at least half of what they look at yet. */
const startingIn = ({ cluster, votes }: StatusInput): ReadonlySet<string> => {
  const unknown = new Map<string, number>();
  for (const { region, vote } of votes) unknown.set(region, (unknown.get(region) ?? 0) + vote.unknown.length);
  const targets = targetsOf(cluster);
  return new Set([...unknown].filter(([region, n]) => n > 0 && 2 * n >= (targets.get(region) ?? 0)).map(([region]) => region));
};

// ---- services ----

const appliedCard = (record: AppliedRecord | null): AppliedCard | null =>
  record && { fence: record.fence, atMs: record.atMs, ok: record.outcome === 'applied', outcome: record.outcome, because: record.because };

const poolCard = ({ name, region, verdict, cause, share, configuredShare, up, total, gray, memory }: PoolFacts): PoolCard => ({
  name,
  region,
  verdict,
  cause,
  share,
  configuredShare,
  up,
  total,
  gray,
  hold: memory?.hold ?? null,
});

/** Shares are rounded so that they sum to 1000. */
const isAsConfigured = ({ share, configuredShare }: PoolFacts): boolean => Math.abs((share ?? configuredShare) - configuredShare) <= 1;

const serviceCard = (facts: ServiceFacts): ServiceCard => {
  const { name, mode, provider, ttlS, fence, because, provenAtMs, arrived, pools, paths } = facts;
  return {
    name,
    mode,
    provider,
    ttlS,
    fence,
    because,
    moved: !pools.every(isAsConfigured),
    applied: appliedCard(facts.applied),
    ...(paths.length < 2 ? {} : { paths: paths.map((path) => ({ provider: path.provider, applied: appliedCard(path.applied) })) }),
    provenAtMs,
    ...(arrived === undefined ? {} : { arrived }),
    pools: pools.map(poolCard),
  };
};

// ---- regions ----

/** One that is up with some targets out is up; what it lacks stands with its service. */
const standOf = ({ verdict, cause }: PoolFacts): Verdict =>
  verdict === 'up' && cause !== 'suspect' ? 'up' : verdict === 'unknown' ? 'unknown' : cause;

const carriedOf = (pools: readonly PoolFacts[]): keyof RegionCard['share'] => {
  if (pools.some(({ share }) => share === null)) return 'unknown';
  if (pools.every(({ share, configuredShare }) => (share ?? 0) >= configuredShare - 1)) return 'fully';
  return pools.some(({ share }) => (share ?? 0) > 0) ? 'partly' : 'not';
};

const shareOf = (services: readonly (readonly PoolFacts[])[]): RegionCard['share'] => {
  const counted = { fully: 0, partly: 0, not: 0, unknown: 0 };
  for (const pools of services) {
    const wanted = pools.filter(({ configuredShare }) => configuredShare > 0);
    if (wanted.length > 0) counted[carriedOf(wanted)] += 1;
  }
  return counted;
};

const poolsOf = (pools: readonly PoolFacts[]): RegionCard['pools'] => {
  const counted = { up: 0, unready: 0, suspect: 0, down: 0, unknown: 0 };
  for (const pool of pools) counted[standOf(pool)] += 1;
  return counted;
};

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const VOICES: readonly Voice[] = ['ok', 'abstain', 'silent'];

const voiceOfRegion = (vantages: readonly VantageCard[]): Voice =>
  VOICES.find((voice) => vantages.some(({ state }) => state === voice)) ?? 'silent';

const drainOf = (active: readonly Override[], region: string): Override | undefined =>
  active.find(({ kind, scope }) => kind === 'drain' && scope.region === region && scope.service === undefined && scope.pool === undefined);

const regionCards = (input: StatusInput, services: readonly ServiceFacts[], doubted: readonly Doubted[]): readonly RegionCard[] => {
  const { cluster, leader, nowMs } = input;
  const active = activeOverrides(input.overrides, nowMs);
  const heard = Map.groupBy(input.votes, ({ region }) => region);
  const doubts = Map.groupBy(doubted, ({ pool }) => pool.region);
  const pools = Map.groupBy(
    services.flatMap((service) => service.pools.map((pool) => ({ service, pool }))),
    ({ pool }) => pool.region,
  );
  const voters = new Map(cluster.regions.map(({ name, vote }) => [name, vote]));
  return [...new Set([...voters.keys(), ...pools.keys()])].map((name) => {
    const here = pools.get(name) ?? [];
    const those = here.map(({ pool }) => pool);
    const byService = [...Map.groupBy(here, ({ service }) => service).values()].map((each) => each.map(({ pool }) => pool));
    const vantages = (heard.get(name) ?? []).map((each) => vantageCard(each, cluster));
    return {
      name,
      vote: voters.get(name) ?? false,
      state: voiceOfRegion(vantages),
      vantages,
      pools: poolsOf(those),
      share: shareOf(byService),
      sharesSum: {
        actual: sum(those.map(({ share }) => share ?? 0)),
        configured: sum(those.map(({ configuredShare }) => configuredShare)),
      },
      coordinates: leader !== null && !leader.released && leader.region === name,
      evacuated: evacuationOf(active, name)?.id ?? null,
      drained: drainOf(active, name)?.id ?? null,
      holds: [...new Set(those.flatMap(({ memory }) => memory?.hold ?? []))].toSorted(),
      doubts: doubts.get(name)?.length ?? 0,
    };
  });
};

// ---- doubts ----

interface Doubted {
  service: string;
  pool: PoolConfig;
  target: TargetConfig;
  tally: TargetTally | undefined;
}

/** Every target that a speaking vantage mentions. */
const mentionedIn = ({ cluster, votes }: StatusInput): ReadonlySet<string> => {
  const ids = new Set<string>();
  for (const heard of votes) {
    if (voiceOf(heard, cluster) !== 'ok') continue;
    for (const list of [heard.vote.down, heard.vote.unready, heard.vote.unknown]) for (const id of list) ids.add(id);
    for (const key of Object.keys(heard.beat?.suspects ?? {})) ids.add(key.slice(0, key.lastIndexOf('#')));
  }
  return ids;
};

/** Says whether anybody who can speak of a target says anything but that all is well. */
const doubtsIn = (input: StatusInput, tallies: Tallies): readonly Doubted[] => {
  const starting = startingIn(input);
  const rowOf = rowsFrom(input.cluster, input.votes, tallies);
  let mentioned: ReadonlySet<string> | null = null;
  // Like ballots are one object, so each is looked at once.
  const uncertain = new Map<EndpointTally['ballots'], boolean>();
  const isUncertain = (ballots: EndpointTally['ballots']): boolean => {
    const is = uncertain.get(ballots) ?? Object.entries(ballots).some(([region, ballot]) => ballot === 'unknown' && !starting.has(region));
    uncertain.set(ballots, is);
    return is;
  };
  const isDoubtedBy = ({ gray, endpoints }: TargetTally): boolean =>
    gray !== undefined ||
    Object.values(endpoints).some(({ down, firstFaultAtMs, ballots }) => down > 0 || firstFaultAtMs !== null || isUncertain(ballots));
  /** Of targets that no tally lists: those of their own region alone, and all before the first count. */
  const isDoubtedInVotes = (id: string, service: string, pool: PoolConfig, target: TargetConfig): boolean => {
    mentioned ??= mentionedIn(input);
    return (
      mentioned.has(id) &&
      Object.entries(rowOf(service, pool, target)).some(
        ([region, { state }]) => state === 'down' || state === 'unready' || (state === 'unknown' && !starting.has(region)),
      )
    );
  };
  return input.cluster.services.flatMap(({ name: service, pools }) =>
    pools.flatMap((pool) => {
      const counted = tallies.get(poolKey(service, pool.name))?.targets ?? [];
      return pool.targets.flatMap((target): Doubted[] => {
        const id = targetId(service, pool.name, target.name);
        const tally = counted.find((each) => each.target === id);
        const is = tally === undefined ? isDoubtedInVotes(id, service, pool, target) : isDoubtedBy(tally);
        return is ? [{ service, pool, target, tally }] : [];
      });
    }),
  );
};

const loudest = (tally: TargetTally | undefined): EndpointTally | undefined =>
  Object.values(tally?.endpoints ?? {}).toSorted((a, b) => b.down - a.down || a.up - b.up)[0];

/** Worst first: by verdict, then by how many say so. */
const worse = (a: Doubted, b: Doubted): number =>
  WORST.indexOf(a.tally?.verdict ?? 'unknown') - WORST.indexOf(b.tally?.verdict ?? 'unknown') ||
  (loudest(b.tally)?.down ?? 0) - (loudest(a.tally)?.down ?? 0) ||
  (b.tally?.gray?.regions.length ?? 0) - (a.tally?.gray?.regions.length ?? 0);

const tallyText = (tally: TargetTally | undefined): string => {
  const most = loudest(tally);
  if (tally === undefined || most === undefined) return 'not counted';
  const { down, up, electorate, needs } = most;
  if (down > 0) return `${down} of ${electorate} down, needs ${needs}`;
  if (tally.gray !== undefined) return `${tally.gray.regions.length} of ${tally.gray.electorate} gray, needs ${tally.gray.needs}`;
  return `${up} of ${electorate} up, needs ${needs}`;
};

const doubtCard = ({ service, pool, target, tally }: Doubted, rowOf: ReturnType<typeof rowsFrom>): DoubtCard => ({
  target: targetId(service, pool.name, target.name),
  service,
  pool: pool.name,
  region: pool.region,
  verdict: tally?.verdict ?? 'unknown',
  gray: tally?.gray?.regions ?? [],
  tally: tallyText(tally),
  cells: rowOf(service, pool, target),
});

// ---- incidents ----

const incidentCard = (incident: Incident, { goals }: ClusterConfig, nowMs: number): IncidentCard => {
  const { id, kind, region, because, v, epoch, t0AtMs, t1AtMs, t2AtMs, t3AtMs, closedAtMs } = incident;
  const services = first(incident.services, NAMED_MAX);
  const convergence = convergenceInShort(incident, goals, nowMs);
  const waiting = first(convergence.waitingFor, NAMED_MAX);
  return {
    id,
    kind,
    region,
    because,
    v,
    epoch,
    t0AtMs,
    t1AtMs,
    t2AtMs,
    t3AtMs,
    closedAtMs,
    services: services.some,
    servicesOmitted: services.omitted,
    detection: detectionOf(incident, goals),
    convergence: { ...convergence, waitingFor: waiting.some, waitingOmitted: waiting.omitted },
  };
};

// ---- the documents ----

const shortParts = ({ shadow, gate, ...parts }: StatusParts): Pick<OverviewDocument, keyof StatusParts> => {
  const diverging = first(shadow?.diverging ?? [], LISTED_MAX);
  const drained = first(gate?.drained ?? [], LISTED_MAX);
  return {
    ...parts,
    ...(shadow === undefined ? {} : { shadow: { ...shadow, diverging: diverging.some, divergingOmitted: diverging.omitted } }),
    ...(gate === undefined ? {} : { gate: { ...gate, drained: drained.some, drainedOmitted: drained.omitted } }),
  };
};

/** Total: an answer for every input, of JSON types only. */
export const overviewDocument = (input: StatusInput): OverviewDocument => {
  const { cluster, overrides, votes, nowMs } = input;
  const tallies = talliesIn(input);
  const services = cluster.services.map((service) => serviceFacts(input, tallies, service));
  const doubted = doubtsIn(input, tallies);
  const doubts = first(doubted.toSorted(worse), LISTED_MAX);
  const holds = first(holdsOf(services), LISTED_MAX);
  const reminders = first(remindersNow(input), LISTED_MAX);
  const rowOf = rowsFrom(cluster, votes, tallies);
  return {
    ...headOf(input),
    ...shortParts(partsOf(input)),
    regions: regionCards(input, services, doubted),
    services: services.map(serviceCard),
    doubts: doubts.some.map((each) => doubtCard(each, rowOf)),
    doubtsOmitted: doubts.omitted,
    holds: holds.some,
    holdsOmitted: holds.omitted,
    reminders: reminders.some,
    remindersOmitted: reminders.omitted,
    overrides: {
      version: overrides?.version ?? 0,
      items: (overrides?.items ?? []).map((item) => ({ ...item, ...standingInShort(item, services, nowMs) })),
    },
    incidents: newest(input.incidents, INCIDENTS_MAX).map((incident) => incidentCard(incident, cluster, nowMs)),
  };
};

/** null: no service of this name is configured. */
export const serviceDocument = (input: StatusInput, name: string): ServiceDocument | null => {
  const { cluster, overrides, nowMs } = input;
  const service = cluster.services.find((each) => each.name === name);
  if (service === undefined) return null;
  const tallies = talliesIn(input);
  const status = serviceStatus(input, tallies, service);
  const { clusterTimeMs, decision, cluster: whose } = headOf(input);
  const regions = new Set(service.pools.map(({ region }) => region));
  const touches = ({ scope }: Override): boolean =>
    (scope.service === undefined || scope.service === name) && (scope.region === undefined || regions.has(scope.region));
  const incidents = input.incidents.filter(({ services }) => services.includes(name));
  return {
    cluster: whose,
    clusterTimeMs,
    decision,
    service: status,
    matrix: matrixOf(cluster, input.votes, tallies, [service]),
    holds: holdsOf([status]),
    reminders: remindersNow(input, [service]),
    overrides: {
      version: overrides?.version ?? 0,
      items: (overrides?.items ?? []).filter(touches).map((item) => ({ ...item, ...standingOf(item, [status], nowMs) })),
    },
    incidents: newest(incidents, INCIDENTS_MAX).map((incident) => ({
      ...incidentCard(incident, cluster, nowMs),
      timing: serviceTiming(incident, name),
    })),
  };
};
