// Adoption: what the providers serve becomes the route of the store, for a store that lost history or a route that a human set by hand. The new decision
// is numbered above every fence seen, so that normal fencing goes on from it. Pure; who may do it, and the transaction, are adoption.ts.

import { steeringOf } from '../../policies/index.ts';
import { toShares } from '../../policies/shares.ts';
import type { Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { decisionHash } from '../audit/lines.ts';
import { factorOf, newMemory } from '../decide/pool.ts';
import { blankRouting } from '../decide/snapshot.ts';
import type { AppliedRecord, Audit, ClusterConfig, Policy, PoolConfig, PoolMemory, Route, Routing, ServiceConfig } from '../model.ts';
import { barrier, desiredOf, nonceOf } from './plan.ts';

/** What a provider of a service serves now, and how it rounds. */
export interface Served {
  back: ReadBack;
  provider: Pick<Provider, 'can' | 'quantise'>;
  /** Its name; absent: the service's first. */
  path?: string;
  /** What the service's other paths serve, as far as they could be read: they are brought to what is adopted from this one. */
  others?: readonly Served[];
}

export interface Adopting {
  cluster: ClusterConfig;
  /** null: the store has not decided anything yet. */
  routing: Routing | null;
  /** The services to adopt. */
  served: ReadonlyMap<string, Served>;
  /** Fences of services that are left as they are: numbers go on above them too. */
  otherFences?: readonly number[];
  /** Cluster time. */
  nowMs: number;
  by: string;
  /** What a human did it for, and what else belongs in the audit. */
  because: string;
  evidence: Readonly<Record<string, unknown>>;
  nonce: string;
}

export interface AdoptedService {
  service: string;
  /** The path whose route is adopted. */
  provider: string;
  before: Route | null;
  served: ReadBack['shares'];
  carried: Fence | null;
  after: Route;
  /** null: nothing is served, and the store knew nothing either: it is decided as a new one. */
  fence: number | null;
  /** Paths that will be brought to it; `applied` is what ends their frozen state. Empty where there is one path. */
  others: readonly { provider: string; served: ReadBack['shares']; carried: Fence | null; applied: AppliedRecord | null }[];
}

export interface AdoptedRouting {
  routing: Routing;
  audit: Audit;
  /** By service: what the provider has acknowledged, which ends its frozen state; null: no fence is there, so there is nothing to record. */
  applied: ReadonlyMap<string, AppliedRecord | null>;
  services: readonly AdoptedService[];
}

/** The share a pool has of the configured one may differ by this much, in thousandths, from what its memory says: rounding. */
const ROUNDING = 10;

/** Shares by the steering policy of the service. `factor`: thousandths of its weight that a pool carries. */
export const steered = (service: ServiceConfig, factor: (pool: PoolConfig) => number): Route => {
  const policy = steeringOf(service.steering.kind);
  if (policy === undefined) throw new Error(`steering ${service.steering.kind} is not in the table although the configuration was checked`);
  return policy.steer(service.pools.map((p) => ({ pool: p.name, weight: p.weight, factor: factor(p) })));
};

/** Thousandths of its configured share that a pool serves; null: it has none, so nothing can be told from that. */
const servedFactor = (share: number, configured: number, exact: boolean): number | null => {
  if (share === 0) return configured === 0 ? null : 0;
  return configured === 0 || !exact ? 1000 : Math.min(1000, Math.round((share * 1000) / configured));
};

/** The memory that leads to what is served: out by health where nothing is, so that it returns by hold and ramp; else at the nearest stage of the ramp. */
const memoryOf = (prior: PoolMemory | undefined, factor: number | null, policy: Policy, nowMs: number): PoolMemory => {
  const known = prior === undefined ? undefined : { ...prior, hold: null };
  if (known !== undefined && (factor === null || Math.abs(factorOf(known, policy) - factor) <= ROUNDING)) return known;
  const kept = known === undefined ? {} : { drainsAtMs: known.drainsAtMs, latched: known.latched };
  if (factor === 0) return { ...newMemory('out', nowMs), ...kept };
  const distances = policy.ramp.map((stage) => Math.abs(stage - (factor ?? 1000)));
  const stage = distances.indexOf(Math.min(...distances));
  return stage < 0 || stage >= policy.ramp.length - 1
    ? { ...newMemory('in', nowMs), ...kept }
    : { ...newMemory('returning', nowMs), ...kept, by: null, stage };
};

const sameShares = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].every((pool) => (a[pool] ?? 0) === (b[pool] ?? 0));

/** Route and memory of one service as it is served; null: nothing of it is served by any configured pool. */
const takenFrom = (
  service: ServiceConfig,
  prior: Routing['services'][string] | undefined,
  { back, provider }: Served,
  policy: Policy,
  nowMs: number,
): { route: Route; pools: Readonly<Record<string, PoolMemory>> } | null => {
  const shares = Object.fromEntries(service.pools.map((p) => [p.name, back.shares?.[p.name] ?? 0]));
  if (service.pools.every((p) => shares[p.name] === 0)) return null;
  const configured = steered(service, () => 1000);
  const exact = provider.can.weights === 'exact';
  const pools = Object.fromEntries(
    service.pools.map((p) => {
      const factor = servedFactor(shares[p.name] ?? 0, configured[p.name] ?? 0, exact);
      return [p.name, memoryOf(prior?.pools[p.name], factor, policy, nowMs)];
    }),
  );
  const factor = (p: PoolConfig): number => {
    const memory = pools[p.name];
    return memory === undefined ? 0 : factorOf(memory, policy);
  };
  // A provider that rounds serves the same for many routes: the one that its memory leads to, if that is among them.
  const led = service.pools.some((p) => factor(p) > 0) ? steered(service, factor) : null;
  const as = (route: Route): ProviderService => desiredOf(service, { ...blankService(nowMs), route });
  if (led !== null && sameShares(provider.quantise(as(led)), shares)) return { route: led, pools };
  // Where a pool is served or not, any share that keeps those in that are: their configured one, or a sliver of a standby.
  const amounts = as({}).pools.map(({ pool, configuredShare }): [string, number] => {
    const share = shares[pool] ?? 0;
    return [pool, exact || share === 0 ? share : Math.max(1, configuredShare)];
  });
  return { route: toShares(new Map(amounts)), pools };
};

const blankService = (nowMs: number): Routing['services'][string] => ({
  fence: 0,
  sinceAtMs: nowMs,
  mode: 'auto',
  route: {},
  because: '',
  pools: {},
});

/** Is there anything about this service that the store does not know? What its provider is merely behind with, normal publishing brings. */
export const isAstray = (
  service: ServiceConfig,
  prior: Routing['services'][string] | undefined,
  applied: AppliedRecord | null,
  { back }: Served,
): boolean => {
  if (prior === undefined || prior.fence === 0) return back.fence !== null || back.shares !== null;
  if (back.fence === null) return false;
  const fence: Fence = { v: prior.fence, epoch: 0, writer: '', nonce: nonceOf(prior.nonce, '0'), hash: '' };
  return barrier({ desired: desiredOf(service, prior), fence, applied }, back.fence) !== null;
};

/** `a 500, b 500`. */
export const routeText = (route: Readonly<Record<string, number>> | null): string => {
  const shares = Object.entries(route ?? {});
  return shares.length === 0 ? 'nothing' : shares.map(([pool, share]) => `${pool} ${share}`).join(', ');
};

/**
 * In: the store's routing and what is served. Out: the records of one decision. Services that are not named stay as they are. Every adopted route names the
 * configured pools and sums to 1000; where nothing is served the store's own route stays, and what neither knows is left to be decided as new.
 */
export const adoptRouting = (adopting: Adopting): AdoptedRouting => {
  const { cluster, served, nowMs, by, because, nonce } = adopting;
  const before = adopting.routing ?? blankRouting(cluster, nowMs);
  const paths = [...served.values()].flatMap((source) => [source, ...(source.others ?? [])]);
  const fences = [...(adopting.otherFences ?? []), ...paths.map(({ back }) => back.fence?.v ?? 0)];
  const v = Math.max(before.v, ...Object.values(before.services).map((s) => s.fence), ...fences) + 1;
  const services: Record<string, Routing['services'][string]> = { ...before.services };
  const applied = new Map<string, AppliedRecord | null>();
  const list = cluster.services.flatMap((service): AdoptedService[] => {
    const found = served.get(service.name);
    if (found === undefined) return [];
    const prior = before.services[service.name];
    const { fence, shares } = found.back;
    const recorded = (carried: Fence | null): AppliedRecord | null => (carried === null ? null : acknowledged(carried, because, nowMs));
    const about = {
      service: service.name,
      provider: found.path ?? service.provider,
      before: prior?.route ?? null,
      served: shares,
      carried: fence,
      others: (found.others ?? []).map(({ path = service.provider, back }) => ({
        provider: path,
        served: back.shares,
        carried: back.fence,
        applied: recorded(back.fence),
      })),
    };
    const taken = takenFrom(service, prior, found, cluster.policy, nowMs);
    applied.set(service.name, recorded(fence));
    if (taken === null && (prior === undefined || prior.fence === 0)) return [{ ...about, after: prior?.route ?? {}, fence: null }];
    const kept = prior ?? blankService(nowMs);
    const next = { ...kept, ...(taken ?? {}), fence: v, nonce, because, mode: prior?.mode ?? service.mode };
    services[service.name] = next;
    return [{ ...about, after: next.route, fence: v }];
  });
  const audit: Audit = {
    v,
    epoch: before.epoch,
    atMs: nowMs,
    by,
    because,
    wouldChange: '',
    changes: list.flatMap((s) => (s.fence === null ? [] : [changeOf(s)])),
    holds: [],
    votes: { ...adopting.evidence, served: Object.fromEntries(list.map((s) => [s.service, { shares: s.served, fence: s.carried }])) },
    prevHash: before.auditHash,
  };
  return {
    routing: { ...before, v, nonce, atMs: nowMs, because, auditHash: decisionHash(audit), services },
    audit,
    applied,
    services: list,
  };
};

const changeOf = ({ service, before, after, carried }: AdoptedService): Audit['changes'][number] => ({
  service,
  before: before ?? {},
  after,
  because: `${service}: ${routeText(before)} -> ${routeText(after)}, as served with ${carried === null ? 'no fence' : `fence ${carried.v} by ${carried.writer}`}`,
});

const acknowledged = (fence: Fence, because: string, atMs: number): AppliedRecord => ({
  fence: fence.v,
  nonce: fence.nonce,
  hash: fence.hash,
  atMs,
  outcome: 'applied',
  because,
});
