// Mode `capacity`: a pool is drained by setting capacityScaler 0 at its backends of one backend service, and comes back with its configured value.
// Capacity is not weight: how the balancer spreads over what has capacity is its own affair, so a pool is in or out. Pure.
import assert from 'node:assert';
import { z } from 'zod';
import type { Change, ProviderService, ReadBack } from '../provider.ts';
import { equalShares, namesIn } from '../rounding.ts';
import {
  type CapacityPlace,
  type Patch,
  patchFrom,
  pathIn,
  readBackFrom,
  type Seen,
  shortPath,
  type Token,
  understood,
  type VendorObject,
} from './convert.ts';

const shape = z.looseObject({
  loadBalancingScheme: z.string().optional(),
  backends: z.array(z.looseObject({ group: z.string().optional(), capacityScaler: z.number().optional() })).default([]),
});

type Backend = z.infer<typeof shape>['backends'][number];

/** An absent scaler is the vendor's default, 1. */
const isOn = ({ capacityScaler = 1 }: Backend): boolean => capacityScaler > 0;

export const describeCapacity = (project: string, { backendService }: CapacityPlace): string =>
  `backend service ${backendService} of project ${project}`;

/** Equal parts over the pools that are in: the vendor spreads by distance and capacity, not by shares. In: a route that is not empty. */
export const quantiseCapacity = (service: ProviderService): Readonly<Record<string, number>> => {
  const within = namesIn(service);
  const shares = equalShares(service.pools, (pool) => within.has(pool));
  assert(shares !== null, `${service.service}: no pool is in`);
  return shares;
};

/** A pool with only some of its backends on has less than its part, and then the sum falls short of 1000. null: nothing is on. */
const sharesOf = (
  service: ProviderService,
  poolOf: (backend: Backend) => string | null,
  place: CapacityPlace,
  backends: readonly Backend[],
) => {
  const part = new Map(
    service.pools.map(({ pool }) => {
      const on = backends.filter((backend) => poolOf(backend) === pool && isOn(backend)).length;
      return [pool, on / (place.pools[pool]?.groups.length ?? 1)];
    }),
  );
  const whole = equalShares(service.pools, (pool) => (part.get(pool) ?? 0) > 0);
  return whole === null
    ? null
    : Object.fromEntries([...part].map(([pool, of]) => [pool, Math.floor((whole[pool] ?? 0) * Math.min(1, of))]));
};

/** Which pool a backend belongs to; null: none. */
const ownerOf = (project: string, place: CapacityPlace): ((backend: Backend) => string | null) => {
  const owners = new Map(
    Object.entries(place.pools).flatMap(([pool, { groups }]) => groups.map((group) => [pathIn(project, group), pool] as const)),
  );
  return ({ group = '' }) => owners.get(pathIn(project, group)) ?? null;
};

export const readCapacity = (project: string, place: CapacityPlace, service: ProviderService, object: VendorObject | undefined): ReadBack =>
  readBackFrom(describeCapacity(project, place), object, (found): Seen => {
    const { loadBalancingScheme, backends } = understood(shape, describeCapacity(project, place), found);
    const poolOf = ownerOf(project, place);
    const unmanaged = new Set(place.unmanaged.map((group) => pathIn(project, group)));
    const strangers = backends.filter((each) => isOn(each) && poolOf(each) === null && !unmanaged.has(pathIn(project, each.group ?? '')));
    return {
      shares: sharesOf(service, poolOf, place, backends),
      foreign: strangers.map(({ group = 'a backend without a group' }) => shortPath(project, group)),
      unusable:
        loadBalancingScheme === 'INTERNAL'
          ? `${describeCapacity(project, place)} has scheme INTERNAL, where the vendor allows no capacityScaler; use failover policy or DNS for it`
          : null,
    };
  });

export const patchCapacity = (project: string, place: CapacityPlace, { desired, fence, previous }: Change): Patch => {
  const what = describeCapacity(project, place);
  const { object } = previous.token as Token & { object: VendorObject };
  const { backends } = understood(shape, what, object);
  const poolOf = ownerOf(project, place);
  const within = namesIn(desired);
  const wanted = backends.map((backend): Backend => {
    const pool = poolOf(backend);
    if (pool === null || within.has(pool) === isOn(backend)) return backend;
    return { ...backend, capacityScaler: within.has(pool) ? (place.pools[pool]?.capacityScaler ?? 1) : 0 };
  });
  if (!wanted.some((backend) => isOn(backend) && within.has(poolOf(backend) ?? ''))) {
    const groups = [...within].flatMap((pool) => place.pools[pool]?.groups ?? []);
    return {
      kind: 'refused',
      because: `${what} has none of the backends ${groups.join(', ')} that should serve; add one, or nobody would`,
    };
  }
  const isChanged = wanted.some((backend, at) => backend !== backends[at]);
  return patchFrom({ what, desired, fence, previous }, object, isChanged ? { backends: wanted } : {});
};
