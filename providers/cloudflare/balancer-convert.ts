// Between a decided route and a Cloudflare load balancer: shares are `random_steering.pool_weights` in steps of 0.01, the fence is the end of `description`.
// Weights are relative among the pools in `default_pools`; a pool there that is none of ours is given weight 0, as a foreign address would be taken out. Pure.
import { isDeepStrictEqual } from 'node:util';
import { formatFence, parseFence } from '../fence.ts';
import type { Change, Fence, ProviderService, ReadBack } from '../provider.ts';
import { thousandthsOf, wholeUnits } from '../rounding.ts';
import type { BalancerService } from './config.ts';
import type { Balancer, Bypass } from './shapes.ts';

/** Steps of 0.01, the finest that Cloudflare documents for a weight. */
const UNITS = 100;

/** Policies that look at the weights. The last two divide load by them; weight 0 takes no new traffic with any. */
const WEIGHING: readonly string[] = ['random', 'least_outstanding_requests', 'least_connections'];

/** What a change may rely on of what was read. */
export interface BalancerToken {
  /** Why weights would not do what they say, each with what to change; empty: they would. */
  obstacles: readonly string[];
}

/** Thousandths per pool as the weights will split them. In: a route that is not empty. */
export const quantise = (service: ProviderService): Readonly<Record<string, number>> =>
  thousandthsOf(wholeUnits(service.pools, UNITS)) ?? {};

export const readBackOf = (service: ProviderService, target: BalancerService, found: Balancer | null): ReadBack => {
  if (found === null) {
    const gone = `load balancer ${target.loadBalancerId} is not there`;
    return { fence: null, shares: null, foreign: [gone], token: { obstacles: [`${gone}; compare its id with the dashboard`] } };
  }
  const { fence, broken } = splitDescription(found.description ?? '');
  const obstacles = obstaclesOf(service, found);
  const token: BalancerToken = { obstacles: obstacles.map(({ because }) => because) };
  const strangers = strangersOf(service, target, found).map((id) => `pool ${id}`);
  const foreign = [...strangers, ...obstacles.map(({ seen }) => seen), ...(broken ? ['an edited fence'] : [])];
  return { fence, shares: found.enabled === false ? null : sharesOf(service, target, found), foreign, token };
};

/** Thousandths per pool as served by weight; null: no pool of the service is. */
const sharesOf = (service: ProviderService, target: BalancerService, found: Balancer): Readonly<Record<string, number>> | null => {
  // Whole numbers, so that a sum has no dust of binary fractions.
  const weight = (id: string): number => Math.round(weightOf(found, id) * 1e6);
  const ours = service.pools.map(({ pool }): [string, number] => [pool, weight(target.pools[pool] ?? '')]);
  const others = strangersOf(service, target, found).map((id): [string, number] => [`\0${id}`, weight(id)]);
  if (ours.every(([, each]) => each === 0)) return null;
  const all = thousandthsOf(new Map([...ours, ...others])) ?? {};
  return Object.fromEntries(ours.map(([pool]) => [pool, all[pool] ?? 0]));
};

/** What a pool's id has of the traffic, relative to the others. */
const weightOf = ({ default_pools, random_steering }: Balancer, id: string): number =>
  (default_pools ?? []).includes(id) ? (random_steering?.pool_weights?.[id] ?? random_steering?.default_weight ?? 1) : 0;

/** Pools that take traffic and are none of ours. */
const strangersOf = ({ pools }: ProviderService, target: BalancerService, found: Balancer): readonly string[] => {
  const own = pools.map(({ pool }) => target.pools[pool]);
  return [...new Set(found.default_pools ?? [])].filter((id) => !own.includes(id) && weightOf(found, id) > 0);
};

// ---- what would make the weights mean nothing ----

interface Obstacle {
  because: string;
  /** As what is foreign. */
  seen: string;
}

const obstaclesOf = ({ service }: ProviderService, found: Balancer): readonly Obstacle[] => {
  const obstacles: Obstacle[] = [];
  const add = (because: string, seen: string): void => void obstacles.push({ because, seen });
  if (found.name !== service) add(`it serves "${found.name}"; give the service the id of its own load balancer`, `the name ${found.name}`);
  if (found.enabled === false) add('it is disabled; enable it', 'disabled');
  const policy = found.steering_policy ?? '';
  if (!WEIGHING.includes(policy))
    add(`its steering_policy is "${policy}", which does not look at weights; set it to "random"`, `steering_policy "${policy}"`);
  for (const rule of (found.rules ?? []).filter(steers))
    add(`its rule "${nameOf(rule)}" sends requests past the weights; remove or disable the rule`, `rule "${nameOf(rule)}"`);
  for (const set of (found.pool_sets ?? []).filter(({ disabled }) => disabled !== true))
    add(`its pool set "${nameOf(set)}" is used instead of the weights; remove or disable the pool set`, `pool set "${nameOf(set)}"`);
  return obstacles;
};

/** Pools that this route sends somebody to, and this load balancer nobody. */
const unreachable = ({ pools }: ProviderService, target: BalancerService, { default_pools }: Balancer): string | null => {
  for (const { pool, share } of pools) {
    const id = target.pools[pool];
    if (id === undefined) return `pool "${pool}" has no id in the configuration; add it under services`;
    if (share > 0 && !(default_pools ?? []).includes(id)) return `pool "${pool}" (${id}) is not among its default_pools; add it there`;
  }
  return null;
};

/** Overrides that leave the choice of a pool as it is. */
const HARMLESS: readonly string[] = [
  'session_affinity',
  'session_affinity_attributes',
  'session_affinity_ttl',
  'ttl',
  'location_strategy',
  'adaptive_routing',
];

const steers = ({ disabled, overrides, fixed_response }: Bypass): boolean =>
  disabled !== true && (fixed_response != null || Object.keys(overrides ?? {}).some((field) => !HARMLESS.includes(field)));

const nameOf = ({ name }: Bypass): string => name ?? 'without a name';

// ---- the fence in the description ----

const OPEN = '[tidegate v=1;';

/**
 * A description is the human's text, then `[tidegate v=1;…]`. `broken`: something begins like our part and is none, or does not end the text, so nobody knows
 * who wrote last.
 */
export const splitDescription = (text: string): { human: string; fence: Fence | null; broken: boolean } => {
  const at = text.lastIndexOf(OPEN);
  if (at < 0) return { human: text, fence: null, broken: false };
  const fence = text.endsWith(']') ? parseFence(text.slice(at + '[tidegate '.length, -1)) : null;
  const human = text.slice(0, at).replace(/ $/, '');
  return fence === null || human.includes(OPEN) ? { human: text, fence: null, broken: true } : { human, fence, broken: false };
};

export const joinDescription = (human: string, fence: Fence): string =>
  `${human === '' ? '' : `${human} `}[tidegate ${formatFence(fence)}]`;

// ---- writing ----

/** The part of a PATCH that changes something. */
export interface BalancerBody {
  description?: string;
  random_steering?: { default_weight?: number; pool_weights: Record<string, number> };
}

export type Edit =
  | { kind: 'send'; body: BalancerBody }
  | { kind: 'nothing' }
  | { kind: 'conflict'; because: string }
  | { kind: 'fatal'; because: string };

/** What has to be sent to `found`, read a moment ago, so that it serves the change. In: a route that is not empty. */
export const editOf = ({ desired, fence, previous }: Change, target: BalancerService, found: Balancer | null): Edit => {
  const units = wholeUnits(desired.pools, UNITS);
  const now = readBackOf(desired, target, found);
  const description = splitDescription(found?.description ?? '');
  const [obstacle] = (now.token as BalancerToken).obstacles;
  if (found === null || obstacle !== undefined) return { kind: 'fatal', because: obstacle ?? 'it is not there' };
  const nowhere = unreachable(desired, target, found);
  if (nowhere !== null) return { kind: 'fatal', because: nowhere };
  if (description.broken)
    return { kind: 'fatal', because: 'somebody edited our part of its description; remove all of "[tidegate …]" there' };
  if (!isDeepStrictEqual(now.fence, previous.fence) && !isDeepStrictEqual(now.fence, fence))
    return { kind: 'conflict', because: `it carries ${fenceText(now.fence)}, and ${fenceText(previous.fence)} was read` };
  const body: BalancerBody = {};
  if (!isDeepStrictEqual(now.fence, fence)) body.description = joinDescription(description.human, fence);
  if (!isDeepStrictEqual(now.shares, quantise(desired)) || strangersOf(desired, target, found).length > 0)
    body.random_steering = steeringOf(target, found, units);
  return Object.keys(body).length === 0 ? { kind: 'nothing' } : { kind: 'send', body };
};

/** A PATCH replaces `random_steering` whole: all pools of the balancer are in it, and all else as it was. */
const steeringOf = (
  target: BalancerService,
  found: Balancer,
  units: ReadonlyMap<string, number>,
): NonNullable<BalancerBody['random_steering']> => {
  const ours = [...units].map(([pool, each]): [string, number] => [target.pools[pool] ?? '', each / UNITS]);
  const others = [...new Set(found.default_pools ?? [])]
    .filter((id) => !ours.some(([own]) => own === id))
    .map((id): [string, number] => [id, 0]);
  return {
    ...found.random_steering,
    pool_weights: { ...found.random_steering?.pool_weights, ...Object.fromEntries([...ours, ...others]) },
  } as NonNullable<BalancerBody['random_steering']>;
};

const fenceText = (fence: Fence | null): string => (fence === null ? 'no fence' : `fence ${fence.v} of ${fence.writer}`);
