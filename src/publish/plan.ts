// The plan: decided routes against what the provider serves now -> what to write, what to leave, what to be alarmed by. Pure.
// Only the fence orders writers. A provider that is ahead of the store is never "corrected": either this process is stale or the store lost history.
import type { Change, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import type { ClusterConfig, ServiceConfig, ServiceRouting, Severity } from '../model.ts';

/** A decided service as its provider should serve it. */
export const desiredOf = (service: ServiceConfig, routing: ServiceRouting): ProviderService => {
  const weights = service.pools.reduce((sum, p) => sum + p.weight, 0);
  return {
    service: service.name,
    ttlS: service.ttlS,
    pools: service.pools.map((p) => ({
      pool: p.name,
      region: p.region,
      share: routing.route[p.name] ?? 0,
      configuredShare: weights === 0 ? 0 : Math.round((p.weight * 1000) / weights),
      answers: p.answers,
    })),
  };
};

export type Step =
  | { kind: 'write'; service: string; change: Change; why: 'behind' | 'drift' | 'fence-lost'; because: string }
  | { kind: 'done'; service: string; fence: number }
  /** The provider carries a newer fence than the store knows. */
  | { kind: 'ahead'; service: string; fence: number; because: string };

export interface Wanted {
  desired: ProviderService;
  fence: Fence;
  /** Fence that the provider acknowledged last, as the store knows it; null: never written. */
  acknowledged: number | null;
}

/** What to do about one service. `back` is what the provider serves; undefined if it did not say. */
export const stepFor = (wanted: Wanted, back: ReadBack | undefined, quantise: Provider['quantise']): Step => {
  const { desired, fence } = wanted;
  const service = desired.service;
  const previous: ReadBack = back ?? { fence: null, shares: null, foreign: [], token: null };
  const change: Change = { desired, fence, previous };
  if (previous.fence === null) {
    return wanted.acknowledged === null
      ? { kind: 'write', service, change, why: 'behind', because: 'first write' }
      : {
          kind: 'write',
          service,
          change,
          why: 'fence-lost',
          because: `the fence record of ${service} is gone (last written ${wanted.acknowledged}); it is created anew`,
        };
  }
  if (previous.fence.v > fence.v)
    return {
      kind: 'ahead',
      service,
      fence: previous.fence.v,
      because: `the provider carries fence ${previous.fence.v} of ${service}, the store knows ${fence.v}`,
    };
  if (previous.fence.v < fence.v)
    return { kind: 'write', service, change, why: 'behind', because: `fence ${previous.fence.v} -> ${fence.v}` };
  const drift = driftOf(desired, previous, quantise);
  return drift === null ? { kind: 'done', service, fence: fence.v } : { kind: 'write', service, change, why: 'drift', because: drift };
};

/** What a human should hear of a step; null: nothing out of the ordinary. */
export interface News {
  type: string;
  severity: Severity;
  summary: string;
}

export const newsOf = (step: Step): News | null => {
  if (step.kind === 'ahead') {
    // Only the coordinator can commit a page, so whoever tells this knows the newest route there is: the store has lost history.
    const summary = `frozen: ${step.because}; nothing is written for it until a human adopts the provider's state`;
    return { type: 'provider.ahead', severity: 'critical', summary };
  }
  if (step.kind === 'done' || step.why === 'behind') return null;
  return step.why === 'drift'
    ? { type: 'provider.drift', severity: 'warning', summary: `drift: ${step.because}; re-asserted` }
    : { type: 'provider.fence_lost', severity: 'warning', summary: step.because };
};

/** How what is served differs from what was decided, after the rounding this provider does; null: it does not. */
export const driftOf = (desired: ProviderService, back: ReadBack, quantise: Provider['quantise']): string | null => {
  const expected = quantise(desired);
  const served = back.shares ?? {};
  const wrong = Object.entries(expected).filter(([pool, share]) => (served[pool] ?? 0) !== share);
  const parts = wrong.map(([pool, share]) => `${pool} serves ${served[pool] ?? 0} instead of ${share}`);
  if (back.foreign.length > 0) parts.push(`strange answers ${back.foreign.slice(0, 5).join(', ')}`);
  return parts.length === 0 ? null : `${desired.service}: ${parts.join(', ')}`;
};

/** The last door: a route that none of the configured pools has a share of would leave the name without answers. */
const isServed = (service: ServiceConfig, routing: ServiceRouting): boolean =>
  service.pools.some((pool) => (routing.route[pool.name] ?? 0) > 0);

/** Services of one provider that are to be written at all: decided, in auto, and served by somebody. */
export const writable = (
  cluster: ClusterConfig,
  services: Readonly<Record<string, ServiceRouting>>,
  provider: string,
): readonly { service: ServiceConfig; routing: ServiceRouting }[] =>
  cluster.services.flatMap((service) => {
    const routing = services[service.name];
    return service.provider === provider &&
      routing !== undefined &&
      routing.fence > 0 &&
      routing.mode === 'auto' &&
      isServed(service, routing)
      ? [{ service, routing }]
      : [];
  });
