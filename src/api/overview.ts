// The document behind GET /v1/overview: what an eye needs first, of a cluster of any size. Regions and services whole, but without their targets; of the
// targets only those that somebody doubts; lists that an outage makes long are cut, and say by how much. Pure; plain data in, JSON out.
import {
  type ConvergenceTiming,
  convergenceInShort,
  type DetectionTiming,
  detectionOf,
  type ServiceTiming,
  serviceTiming,
  slowest,
} from '../converge/timings.ts';
import { type Banner, bannerOf } from '../dashboard/banner.ts';
import type { ShadowStatus } from '../drill/shadow.ts';
import type { GateStatus } from '../gate/gate.ts';
import type { AppliedRecord, ClusterConfig, HoldName, Incident, Override } from '../model.ts';
import { type DoubtCard, doubtCard, doubtsIn, worse } from './doubts.ts';
import { type Matrix, matrixFrom, rowsFrom } from './matrix.ts';
import { type RegionCard, regionCards } from './region-card.ts';
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
  serviceStatus,
  servicesIn,
  talliesIn,
} from './status.ts';

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

export interface IncidentCard
  extends Pick<Incident, 'id' | 'kind' | 'region' | 'because' | 'v' | 'epoch' | 't0AtMs' | 't1AtMs' | 't2AtMs' | 't3AtMs' | 'closedAtMs'> {
  /** At most ten. */
  services: readonly string[];
  servicesOmitted: number;
  /** Of the slowest service; null: not yet, or not to be seen. */
  t4AtMs: number | null;
  t5AtMs: number | null;
  t6AtMs: number | null;
  detection: DetectionTiming;
  /** `waitingFor`: at most ten. */
  convergence: Omit<ConvergenceTiming, 'services'> & { waitingOmitted: number };
}

export interface OverviewDocument extends StatusHead, Omit<StatusParts, 'shadow' | 'gate'> {
  /** What a human should read first. */
  banner: Banner;
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
    t4AtMs: slowest(incident, 't4AtMs'),
    t5AtMs: slowest(incident, 't5AtMs'),
    t6AtMs: slowest(incident, 't6AtMs'),
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
  const services = servicesIn(input, tallies);
  const doubted = doubtsIn(input, tallies);
  const doubts = first(doubted.toSorted(worse), LISTED_MAX);
  const holds = first(holdsOf(services), LISTED_MAX);
  const reminders = first(remindersNow(input), LISTED_MAX);
  const rowOf = rowsFrom(cluster, votes, tallies);
  const facts: Omit<OverviewDocument, 'banner'> = {
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
  return { ...facts, banner: bannerOf({ ...facts, nowMs: facts.clusterTimeMs }) };
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
    matrix: Object.fromEntries(matrixFrom(cluster, input.votes, tallies)(service)),
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
