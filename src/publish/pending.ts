// What publishing would do now, told and not done: each service's decided route against what its provider serves, by the same steps the publisher takes.
// A service that nobody writes yet (observe, advise) gets its first-fence plan: what the first write in auto would create or change. Pure.
import { stateHash } from '../../providers/fence.ts';
import type { Fence, Owned, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { activeOverrides, stopOn } from '../decide/override.ts';
import {
  type AppliedRecord,
  type ClusterConfig,
  type Mode,
  type Overrides,
  pathsOf,
  type Route,
  type Routing,
  type ServiceConfig,
  type ServiceRouting,
} from '../model.ts';
import { routeText, steered } from './adopt.ts';
import { desiredOf, nonceOf, type Step, stepAsRead } from './plan.ts';

/** A provider that can only be looked at. `readOnly` makes one; there is nothing in it that writes. */
export type ReadingProvider = Pick<Provider, 'can' | 'read' | 'quantise' | 'owns'>;

export const readOnly = (provider: Provider): ReadingProvider => ({
  can: provider.can,
  read: (services, signal) => provider.read(services, signal),
  quantise: (service) => provider.quantise(service),
  owns: (services) => provider.owns(services),
});

/** What the store says, or what takes its place. */
export interface Decided {
  cluster: ClusterConfig;
  routing: Routing | null;
  overrides: Overrides | null;
  /** By `placeOf`. */
  applied: ReadonlyMap<string, AppliedRecord>;
  /** Cluster time. */
  nowMs: number;
  /** Take every service as decided with its configured shares: for a cluster that has decided nothing yet. */
  asConfigured: boolean;
}

/** A service at one of its providers, as a key. */
export const placeOf = (provider: string, service: string): string => `${provider}/${service}`;

export type PendingState =
  /** What is served is what was decided. */
  | 'unchanged'
  /** The publisher would write. */
  | 'write'
  /** It would write again what somebody else changed. */
  | 'drift'
  /** The provider carries a fence that is not ours to write over. */
  | 'frozen'
  /** A stop is in force. */
  | 'stopped'
  /** No route that could be published was decided yet. */
  | 'undecided'
  /** In observe or advise: nothing is written; what the first fence would do is said. */
  | 'first-fence'
  /** It could not be read, or cannot be owned. */
  | 'unreadable';

export interface Pending {
  service: string;
  provider: string;
  mode: Mode;
  state: PendingState;
  /** As served now; null: nothing, or nobody knows. */
  served: Route | null;
  /** As it would be served after the write, rounded as the provider rounds. */
  planned: Route | null;
  fence: { from: number | null; to: number | null };
  /** Served values that belong to no pool. */
  foreign: readonly string[];
  /** One sentence. */
  says: string;
  /** What the first fence would take over; empty for a service that is written already. */
  takes: readonly Owned[];
}

/** What came of reading one service. */
export type Look = { provider: ReadingProvider; back: ReadBack | undefined } | { because: string };

/** The route of all pools well: what a first decision chooses. */
export const configuredRoute = (service: ServiceConfig): Route => steered(service, () => 1000);

const asConfigured = (service: ServiceConfig, fence: number, nowMs: number): ServiceRouting => ({
  fence,
  sinceAtMs: nowMs,
  mode: service.mode,
  route: configuredRoute(service),
  because: 'as configured',
  pools: {},
});

/** The route to hold against what is served; a sentence when there is none. */
const routingOf = (service: ServiceConfig, decided: Decided): ServiceRouting | string => {
  const { cluster, routing, nowMs } = decided;
  if (decided.asConfigured) return asConfigured(service, 1, nowMs);
  const known = routing?.services[service.name];
  if (known !== undefined && known.fence > 0) {
    if (routing !== null && service.mode === 'auto' && routing.membersVersion !== cluster.version)
      return `its route was decided for version ${routing.membersVersion} of the configuration, and version ${cluster.version} is in force; a coordinator decides anew first`;
    return known;
  }
  // What is not written is shown all the same, as it would begin.
  if (service.mode !== 'auto') return asConfigured(service, (routing?.v ?? 0) + 1, nowMs);
  return 'no route was decided yet; start a replica, or add --route-from-config to see the configured one';
};

/** What to ask the providers for: that route; empty where there is none. */
export const routeFor = (service: ServiceConfig, decided: Decided): Route => {
  const routing = routingOf(service, decided);
  return typeof routing === 'string' ? {} : routing.route;
};

// ---- sentences ----

const changesText = (served: Route | null, planned: Route): string => {
  if (served === null) return `nothing -> ${routeText(planned)}`;
  const parts = Object.entries(planned)
    .filter(([pool, share]) => (served[pool] ?? 0) !== share)
    .map(([pool, share]) => `${pool} ${served[pool] ?? 0} -> ${share}`);
  return parts.length === 0 ? `same shares, ${routeText(planned)}` : parts.join(', ');
};

const fenceText = (from: number | null, to: number): string => {
  if (from === null) return `no fence -> ${to}`;
  return from === to ? `fence ${to}` : `fence ${from} -> ${to}`;
};

const FOREIGN_SHOWN = 5;

const foreignText = (foreign: readonly string[]): string => {
  const more = foreign.length > FOREIGN_SHOWN ? ` and ${foreign.length - FOREIGN_SHOWN} more` : '';
  return foreign.length === 0 ? '' : `; also served, and no pool's: ${foreign.slice(0, FOREIGN_SHOWN).join(', ')}${more}`;
};

const leftOutText = (back: ReadBack | undefined): string => (back?.leftOut === undefined ? '' : `; left out: ${back.leftOut}`);

const WHY: Readonly<Record<(Step & { kind: 'write' })['why'], string>> = {
  behind: '',
  drift: ', drift',
  'fence-lost': ', its fence record is gone',
};

// ---- one service at one provider ----

/** What is known of it whatever comes of it. */
type About = Pick<Pending, 'service' | 'provider' | 'mode' | 'served' | 'foreign'> & { from: number | null };

const aboutOf = ({ name, mode }: ServiceConfig, provider: string, back: ReadBack | undefined): About => ({
  service: name,
  provider,
  mode,
  served: back?.shares ?? null,
  foreign: back?.foreign ?? [],
  from: back?.fence?.v ?? null,
});

const headOf = ({ service, provider }: About): string => `${service} at ${provider}`;

/** Nothing is written, for this reason. */
const still = ({ from, ...about }: About, state: PendingState, because: string): Pending => ({
  ...about,
  state,
  planned: null,
  fence: { from, to: from },
  says: `${about.service} at ${about.provider}: ${because}`,
  takes: [],
});

const stepOf = (
  service: ServiceConfig,
  routing: ServiceRouting,
  look: Extract<Look, { back: unknown }>,
  name: string,
  decided: Decided,
) => {
  const desired: ProviderService = desiredOf(service, routing);
  const fence: Fence = {
    v: routing.fence,
    epoch: decided.routing?.epoch ?? 0,
    writer: 'plan',
    nonce: nonceOf(routing.nonce, 'plan'),
    hash: stateHash(desired),
  };
  const applied = decided.applied.get(placeOf(name, service.name)) ?? null;
  return { desired, step: stepAsRead({ desired, fence, applied }, look.back, look.provider) };
};

const judged = (
  service: ServiceConfig,
  routing: ServiceRouting,
  look: Extract<Look, { back: unknown }>,
  name: string,
  decided: Decided,
): Pending => {
  const { provider, back } = look;
  const { desired, step } = stepOf(service, routing, look, name, decided);
  const about = aboutOf(service, name, back);
  const { from, ...known } = about;
  const strange = `${foreignText(about.foreign)}${leftOutText(back)}`;
  if (step.kind === 'ahead' || step.kind === 'manual') {
    const todo = step.kind === 'ahead' ? 'tidegate adopt' : 'tidegate ack';
    return still(about, 'frozen', `frozen: ${step.because}; nothing is written until a human runs ${todo}${strange}`);
  }
  const planned = provider.quantise(desired);
  if (service.mode !== 'auto') {
    const to = Math.max(routing.fence, from ?? 0);
    const would = `would write ${changesText(about.served, planned)} (${fenceText(from, to)})`;
    const says = `${headOf(about)}: in ${service.mode}, nothing is written; its first fence ${would}${strange}`;
    return { ...known, state: 'first-fence', planned, fence: { from, to }, says, takes: provider.owns([desired]) };
  }
  if (step.kind === 'done') {
    const says = `${headOf(about)}: nothing to do, ${routeText(planned)} (${from === null ? 'no fence' : `fence ${from}`})${strange}`;
    return { ...known, state: 'unchanged', planned, fence: { from, to: from }, says, takes: [] };
  }
  const says = `${headOf(about)}: ${changesText(about.served, planned)} (${fenceText(from, routing.fence)}${WHY[step.why]})${strange}`;
  const state = step.why === 'behind' ? 'write' : 'drift';
  return { ...known, state, planned, fence: { from, to: routing.fence }, says, takes: [] };
};

/** In: what reading gave, by `placeOf`; services that were not read are left out. Out: one entry per service and provider, in configured order. */
export const pendingOf = (decided: Decided, looks: ReadonlyMap<string, Look>): readonly Pending[] => {
  const active = activeOverrides(decided.overrides, decided.nowMs);
  const at = (service: ServiceConfig, provider: string): readonly Pending[] => {
    const look = looks.get(placeOf(provider, service.name));
    if (look === undefined) return [];
    if ('back' in look && look.back?.unread !== undefined)
      return [still(aboutOf(service, provider, undefined), 'unreadable', look.back.unread)];
    if ('because' in look) return [still(aboutOf(service, provider, undefined), 'unreadable', look.because)];
    const about = aboutOf(service, provider, look.back);
    const stop = stopOn(active, service);
    if (stop !== undefined) return [still(about, 'stopped', `nothing is written while stop ${stop.id} is in force (${stop.reason})`)];
    const routing = routingOf(service, decided);
    return [typeof routing === 'string' ? still(about, 'undecided', routing) : judged(service, routing, look, provider, decided)];
  };
  return decided.cluster.services.flatMap((service) => pathsOf(service).flatMap((provider) => at(service, provider)));
};
