// A route set by hand, without store and coordinator: read, judge, write once with a fence that says so, and read back what is served. Automation that sees
// the fence keeps its hands off the service until a human acknowledges it. Nothing is ever repeated here: what is in doubt is shown, and a human decides.
import { canFollow, fenceName, manualWriter, stateHash } from '../../providers/fence.ts';
import type { Applied, Fence, Provider, ProviderService, ReadBack } from '../../providers/provider.ts';
import { errorText, Fault } from '../errors.ts';
import type { Route, ServiceConfig } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { desiredOf, driftOf } from './plan.ts';

/** One provider call. Longer than automation allows itself: nobody else is waiting to do it better. */
const CALL_MS = 10_000;

/** `50` or `33.3%` in thousandths; null: no percentage from 0 to 100 with at most one decimal. */
const thousandths = (text: string): number | null => {
  const match = /^(\d{1,3}(?:\.\d)?)%?$/.exec(text);
  const value = match === null ? Number.NaN : Math.round(Number(match[1]) * 10);
  return value >= 0 && value <= 1000 ? value : null;
};

/**
 * In: `eu-west=50`, `us-east=50`; pools that are not named get nothing. Out: thousandths of every pool of the service.
 * Throws Fault ERR_USAGE for an unknown or repeated pool, a share that is none, or a sum other than 100.
 */
export const routeFrom = (service: ServiceConfig, shares: readonly string[]): Route => {
  const pools = service.pools.map((p) => p.name);
  const route: Record<string, number> = Object.fromEntries(pools.map((pool) => [pool, 0]));
  const named = new Set<string>();
  for (const text of shares) {
    const at = text.lastIndexOf('=');
    const [pool, share] = [text.slice(0, Math.max(0, at)), thousandths(text.slice(at + 1))];
    if (at < 1 || share === null)
      throw new Fault('ERR_USAGE', `--share ${text}: expected POOL=PERCENT from 0 to 100, at most one decimal; write it like eu-west=50`);
    if (!pools.includes(pool))
      throw new Fault('ERR_USAGE', `--share ${text}: ${service.name} has no pool "${pool}"; known: ${pools.join(', ')}`);
    if (named.has(pool)) throw new Fault('ERR_USAGE', `--share ${text}: the pool is named twice`);
    named.add(pool);
    route[pool] = share;
  }
  const sum = Object.values(route).reduce((a, b) => a + b, 0);
  if (sum !== 1000)
    throw new Fault('ERR_USAGE', `the shares of ${service.name} sum to ${sum / 10}, expected 100; pools that are not named get nothing`);
  return route;
};

/** The arguments of `tidegate route set` that ask for this route. */
export const shareArguments = (route: Route): string =>
  Object.entries(route)
    .map(([pool, share]) => `--share ${pool}=${share / 10}`)
    .join(' ');

export interface HandContext {
  ports: Ports;
  provider: Provider;
  /** The name the cluster uses. */
  name: string;
}

/** What the providers serve of these services now. Throws Fault ERR_PROVIDER. */
export const readServed = async (
  { ports, provider, name }: HandContext,
  services: readonly ProviderService[],
): Promise<ReadonlyMap<string, ReadBack>> => {
  const what = `reading from provider ${name}`;
  return withDeadline(ports.timers, CALL_MS, what, (signal) => provider.read(services, signal)).catch((error: unknown) => {
    throw new Fault('ERR_PROVIDER', `${what}: ${errorText(error)}; nothing was written`, { cause: error });
  });
};

/** A service as its provider should serve it, with the route that a human wants. */
export const byHand = (service: ServiceConfig, route: Route): ProviderService =>
  desiredOf(service, { fence: 0, sinceAtMs: 0, mode: service.mode, route, because: '', pools: {} });

export interface HandPlan {
  desired: ProviderService;
  before: ReadBack;
  fence: Fence;
  /** What will be served: a provider that serves a pool or does not rounds. */
  willServe: Readonly<Record<string, number>>;
}

/** A number that nothing can be counted on from: somebody who is no Tidegate wrote it. */
export const endless = (service: string, v: number): Fault =>
  new Fault(
    'ERR_PROVIDER',
    `${service} carries fence ${v}, and there is hardly a number above it; no Tidegate wrote that: delete the record ${fenceName(service)} by hand, then run this again`,
  );

/** What would be written. Throws Fault ERR_PROVIDER when the provider cannot be read, or its fence cannot be followed. */
export const planByHand = async (context: HandContext, service: ServiceConfig, route: Route, owner: string): Promise<HandPlan> => {
  const desired = byHand(service, route);
  const before = (await readServed(context, [desired])).get(service.name) ?? { fence: null, shares: null, foreign: [], token: null };
  const fence: Fence = {
    v: (before.fence?.v ?? 0) + 1,
    epoch: before.fence?.epoch ?? 0,
    writer: manualWriter(owner),
    nonce: context.ports.random.hex(8),
    hash: stateHash(desired),
  };
  if (!canFollow(fence.v)) throw endless(service.name, fence.v - 1);
  return { desired, before, fence, willServe: context.provider.quantise(desired) };
};

/** What is served after the write, as it is read back. */
export interface HandDone {
  after: ReadBack;
}

const carries = (back: ReadBack): string => {
  const served = Object.entries(back.shares ?? {}).map(([pool, share]) => `${pool} ${share / 10} %`);
  return `it serves ${served.length === 0 ? 'nothing' : served.join(', ')} with ${back.fence === null ? 'no fence' : `fence ${back.fence.v} by ${back.fence.writer}`}`;
};

const LOOK = 'look again (tidegate route show) before you repeat it';

/**
 * Writes once and reads back. Throws Fault ERR_STALE when somebody else wrote since the plan was made, ERR_PROVIDER when the provider refuses for good,
 * ERR_UNDECIDED when it cannot be told whether the write happened or will.
 */
export const setByHand = async (context: HandContext, { desired, before, fence }: HandPlan): Promise<HandDone> => {
  const { ports, provider, name } = context;
  const change = { desired, fence, previous: before };
  const result = await withDeadline(ports.timers, CALL_MS, `writing to provider ${name}`, (signal) =>
    provider.apply([change], signal),
  ).catch((error: unknown): Applied => ({ outcome: 'undecided', because: errorText(error) }));
  if (result.outcome === 'fatal') throw new Fault('ERR_PROVIDER', `provider ${name} refused: ${result.because}; nothing was written`);
  const doubt = (because: string): Fault =>
    new Fault('ERR_UNDECIDED', `provider ${name}: ${because}; it may have been written, or may be yet: ${LOOK}`);
  const after = await readServed(context, [desired])
    .then((read) => read.get(desired.service))
    .catch(() => undefined);
  if (after === undefined) throw doubt(result.outcome === 'applied' ? 'written, but it could not be read back' : result.because);
  const drift = driftOf(desired, after, provider.quantise);
  const isOurs = provider.can.fencing === 'none' || after.fence?.nonce === fence.nonce;
  if (isOurs && drift === null) return { after };
  if (result.outcome === 'conflict')
    throw new Fault('ERR_STALE', `somebody else wrote ${desired.service} meanwhile, so nothing was written: ${carries(after)}; ${LOOK}`);
  if (result.outcome === 'undecided') throw doubt(`${result.because}; now ${carries(after)}`);
  throw new Fault(
    'ERR_PROVIDER',
    `provider ${name} took the write, but ${carries(after)}; somebody may have written after you, or it rounds: ${LOOK}`,
  );
};
