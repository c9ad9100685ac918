// The plan: decided routes against what the provider serves now -> what to write, what to leave, what to be alarmed by. Pure.
// Only the fence orders writers. A provider that is ahead of the store is never "corrected": either this process is stale or the store lost history.
// What a human wrote by hand stays until a human acknowledges it, whatever its number.
import { isManual } from '../../providers/fence.ts';
import type { Change, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { type AppliedRecord, type ClusterConfig, pathsOf, type ServiceConfig, type ServiceRouting, type Severity } from '../model.ts';

/** A decided service as its provider should serve it. */
export const desiredOf = (service: ServiceConfig, routing: Partial<ServiceRouting> & Pick<ServiceRouting, 'route'>): ProviderService => {
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

interface Write {
  kind: 'write';
  service: string;
  change: Change;
  why: 'behind' | 'drift' | 'fence-lost';
  because: string;
  /** An earlier write may still be under way, of the same route or of another: that this one cannot pass now is nobody's fault. */
  after?: 'same' | 'other';
}

export type Step =
  | Write
  | { kind: 'done'; service: string; fence: Fence }
  /** Acknowledged as decided, and still being carried out: what is read may be the state before it. */
  | { kind: 'settling'; service: string; because: string }
  /** The provider carries a fence that this store's history did not make. */
  | { kind: 'ahead'; service: string; fence: Fence; because: string }
  /** The provider carries the fence of a human that nobody has acknowledged yet. */
  | { kind: 'manual'; service: string; fence: Fence; because: string };

export type StepAsRead = Exclude<Step, { kind: 'settling' }>;

/** A write that was acknowledged and may not show yet. */
export interface Unsettled extends Pick<AppliedRecord, 'nonce' | 'hash'> {
  fence: number;
  /** Its receipt is asked after here. Otherwise an earlier coordinator had it, and how it ended is not heard. */
  isWatched: boolean;
}

export interface Wanted {
  desired: ProviderService;
  fence: Fence;
  /** What the store last recorded of this service at this provider; null: never written. */
  applied: AppliedRecord | null;
  /** The last write there, as long as it may not show. Absent: whatever was acknowledged shows. */
  unsettled?: Unsettled | null;
}

/** Nonce of a fence: whose decision it is, and which write of it. In: the decision's nonce, if its record has one, and fresh randomness. */
export const nonceOf = (decision: string | undefined, fresh: string): string =>
  decision !== undefined && /^\w{1,24}$/.test(decision) ? `${decision}-${fresh}` : fresh;

/** The decision a fence names; null: it was written by a release that did not say. */
const decisionOf = (fence: Fence): string | null => {
  const end = fence.nonce.lastIndexOf('-');
  return end < 0 ? null : fence.nonce.slice(0, end);
};

/** Equal numbers of two histories: a store that was restored and counted up to what the provider carries. */
const isOtherDecision = (a: Fence, b: Fence): boolean => {
  const [one, other] = [decisionOf(a), decisionOf(b)];
  return one !== null && other !== null && one !== other;
};

/** The record speaks of this very write. Records of 0.1 have no nonce. */
const isAbout = (applied: AppliedRecord | null, fence: Fence): applied is AppliedRecord =>
  applied !== null && applied.fence === fence.v && (applied.nonce === undefined || applied.nonce === fence.nonce);

const isSettled = (applied: AppliedRecord | null, fence: Fence): boolean =>
  isAbout(applied, fence) && applied.nonce !== undefined && applied.outcome === 'applied';

/** Nothing is written there until a human has looked. */
export const isClosed = (applied: AppliedRecord | null | undefined): boolean =>
  applied?.outcome === 'frozen' || applied?.outcome === 'manual';

/** Why the fence that the provider carries must not be written over; null: it may. */
export const barrier = ({ desired: { service }, fence, applied }: Wanted, carried: Fence): (Step & { kind: 'ahead' | 'manual' }) | null => {
  if (isManual(carried) && !isSettled(applied, carried)) {
    const because = `${carried.writer} wrote ${service} by hand (fence ${carried.v})`;
    return { kind: 'manual', service, fence: carried, because };
  }
  const ahead = (because: string): Step & { kind: 'ahead' } => ({ kind: 'ahead', service, fence: carried, because });
  if (carried.v > fence.v) return ahead(`the provider carries fence ${carried.v} of ${service}, the store knows ${fence.v}`);
  if (carried.v === fence.v && isOtherDecision(carried, fence))
    return ahead(`the provider carries fence ${carried.v} of ${service}, but of another decision than the store's: the store lost history`);
  // Once frozen it stays so, even if a decision that was under way has passed its number since.
  if (isAbout(applied, carried) && isClosed(applied))
    return ahead(`the provider still carries fence ${carried.v} of ${service}, which the store did not make`);
  return null;
};

/** What to do about one service. `back` is what the provider serves; undefined if it did not say. */
export const stepFor = (wanted: Wanted, back: ReadBack | undefined, provider: Pick<Provider, 'can' | 'quantise'>): Step => {
  const step = stepAsRead(wanted, back, provider);
  return step.kind === 'write' && wanted.unsettled != null ? untilSettled(wanted, wanted.unsettled, step) : step;
};

/**
 * A write that may not show yet explains why the state before it is read: that is nobody's doing and nothing to tell. The same is not written again while its
 * receipt is asked after; whoever has no receipt writes it, since the write that it took over from may have failed unheard.
 */
const untilSettled = ({ fence }: Wanted, unsettled: Unsettled, step: Write): Step => {
  const carried = step.change.previous.fence;
  // It shows: what differs came after it.
  if (carried?.v === unsettled.fence && (unsettled.nonce === undefined || carried.nonce === unsettled.nonce)) return step;
  const isSame = unsettled.fence === fence.v && unsettled.hash === fence.hash;
  if (!unsettled.isWatched || !isSame) return { ...step, why: 'behind', after: isSame ? 'same' : 'other' };
  return { kind: 'settling', service: step.service, because: `fence ${fence.v} is acknowledged and still being carried out` };
};

/** The same, taking what is read for what is so. */
export const stepAsRead = (wanted: Wanted, back: ReadBack | undefined, provider: Pick<Provider, 'can' | 'quantise'>): StepAsRead => {
  const { desired, fence, applied } = wanted;
  const service = desired.service;
  const previous: ReadBack = back ?? { fence: null, shares: null, foreign: [], token: null };
  const write = (why: Write['why'], because: string): Write => ({
    kind: 'write',
    service,
    change: { desired, fence, previous },
    why,
    because,
  });
  // Nothing is known of its fence: the provider will not write, and says why.
  if (previous.unread !== undefined) return write('behind', previous.unread);
  const drift = driftOf(desired, previous, provider.quantise);
  if (provider.can.fencing === 'none') {
    // Nothing there says whose it is: what is served is all there is to compare.
    const known = applied?.outcome === 'applied' && applied.fence === fence.v ? applied : null;
    if (drift === null) return { kind: 'done', service, fence: { ...fence, nonce: known?.nonce ?? fence.nonce } };
    return known === null ? write('behind', `fence ${fence.v}`) : write('drift', drift);
  }
  const carried = previous.fence;
  if (carried === null) {
    return applied === null
      ? write('behind', 'first write')
      : write('fence-lost', `the fence record of ${service} is gone (last written ${applied.fence}); it is created anew`);
  }
  const barred = barrier(wanted, carried);
  if (barred !== null) return barred;
  if (carried.v < fence.v) {
    return applied?.outcome === 'applied' && carried.v < applied.fence
      ? write('drift', `${service} went back to fence ${carried.v} after ${applied.fence} was acknowledged`)
      : write('behind', `fence ${carried.v} -> ${fence.v}`);
  }
  if (drift !== null) return write('drift', drift);
  // The same decision with another content that read-back does not show: a configured TTL, say.
  return carried.hash === fence.hash ? { kind: 'done', service, fence: carried } : write('behind', `${service} was configured anew`);
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
    const summary = `frozen: ${step.because}; nothing is written for it until a human adopts the provider's state (tidegate adopt)`;
    return { type: 'provider.ahead', severity: 'critical', summary };
  }
  if (step.kind === 'manual') {
    const summary = `frozen: ${step.because}; automation leaves it alone until a human acknowledges that (tidegate ack)`;
    return { type: 'provider.manual', severity: 'critical', summary };
  }
  if (step.kind !== 'write' || step.why === 'behind') return null;
  return step.why === 'drift'
    ? { type: 'provider.drift', severity: 'warning', summary: `drift: ${step.because}; re-asserted` }
    : { type: 'provider.fence_lost', severity: 'warning', summary: step.because };
};

/** `leftOut`: as it was read. Beside whatever else is to be told of the service. */
export const leftOutNews = (service: string, leftOut: string): News => ({
  type: 'provider.left_out',
  severity: 'warning',
  summary: `${service}: ${leftOut}; nothing is to be sent there, so the rest is written without it, and it is brought into line when it can be read again`,
});

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
    return pathsOf(service).includes(provider) &&
      routing !== undefined &&
      routing.fence > 0 &&
      routing.mode === 'auto' &&
      isServed(service, routing)
      ? [{ service, routing }]
      : [];
  });
