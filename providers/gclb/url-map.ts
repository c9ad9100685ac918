// Mode `urlMap`: true shares as the weights of backend services at one place of a URL map. Weights apply to new sessions only. Pure.
import { z } from 'zod';
import type { Change, ProviderService, ReadBack } from '../provider.ts';
import { thousandthsOf, wholeUnits } from '../rounding.ts';
import {
  backendServicePath,
  type Patch,
  patchFrom,
  pathIn,
  readBackFrom,
  type Seen,
  shortPath,
  type Token,
  type UrlMapPlace,
  understood,
  type VendorObject,
} from './convert.ts';

/** The vendor's weights go to 1000, so thousandths are served as decided. */
const UNITS = 1000;

const weightedShape = z.looseObject({ backendService: z.string().optional(), weight: z.number().optional() });
const placeFields = {
  defaultService: z.string().optional(),
  defaultRouteAction: z.looseObject({ weightedBackendServices: z.array(weightedShape).default([]) }).optional(),
};
const shape = z.looseObject({ ...placeFields, pathMatchers: z.array(z.looseObject({ name: z.string(), ...placeFields })).default([]) });

type Weighted = z.infer<typeof weightedShape>;
type Holder = Pick<z.infer<typeof shape>, 'defaultService' | 'defaultRouteAction'>;

export const describeUrlMap = (project: string, { urlMap, pathMatcher }: UrlMapPlace): string =>
  `URL map ${urlMap} of project ${project}${pathMatcher === undefined ? '' : ` (path matcher ${pathMatcher})`}`;

export const quantiseUrlMap = (service: ProviderService): Readonly<Record<string, number>> =>
  thousandthsOf(wholeUnits(service.pools, UNITS)) ?? {};

const holderIn = (object: VendorObject, { urlMap, pathMatcher }: UrlMapPlace): Holder | undefined => {
  const map = understood(shape, `URL map ${urlMap}`, object);
  return pathMatcher === undefined ? map : map.pathMatchers.find(({ name }) => name === pathMatcher);
};

const weightedIn = (holder: Holder | undefined): readonly Weighted[] => holder?.defaultRouteAction?.weightedBackendServices ?? [];

/** What the place sends users to. Without weights the whole of it goes to its default service. */
const servedBy = (holder: Holder | undefined): readonly Weighted[] => {
  const weighted = weightedIn(holder);
  if (weighted.length > 0) return weighted;
  return holder?.defaultService === undefined ? [] : [{ backendService: holder.defaultService, weight: UNITS }];
};

export const readUrlMap = (project: string, place: UrlMapPlace, service: ProviderService, object: VendorObject | undefined): ReadBack =>
  readBackFrom(describeUrlMap(project, place), object, (found): Seen => {
    const holder = holderIn(found, place);
    const weights = new Map<string, number>();
    for (const { backendService = '', weight = 0 } of servedBy(holder)) {
      const path = pathIn(project, backendService);
      weights.set(path, (weights.get(path) ?? 0) + weight);
    }
    const pathOf = (pool: string): string => backendServicePath(project, place.pools[pool]?.backendService ?? '');
    const known = new Set([
      ...service.pools.map(({ pool }) => pathOf(pool)),
      ...place.unmanaged.map((name) => backendServicePath(project, name)),
    ]);
    return {
      shares: thousandthsOf(new Map(service.pools.map(({ pool }) => [pool, weights.get(pathOf(pool)) ?? 0]))),
      foreign: [...weights].filter(([path, weight]) => weight > 0 && !known.has(path)).map(([path]) => shortPath(project, path)),
      unusable: unusableText(describeUrlMap(project, place), holder),
    };
  });

const unusableText = (what: string, holder: Holder | undefined): string | null => {
  if (holder === undefined) return `there is no ${what}; correct the name of the path matcher`;
  if (weightedIn(holder).length > 0) return null;
  return `${what} has no weightedBackendServices at its default route action; put every pool's backend service there with a weight, in place of the default service`;
};

export const patchUrlMap = (project: string, place: UrlMapPlace, { desired, fence, previous }: Change): Patch => {
  const { object } = previous.token as Token & { object: VendorObject };
  const units = wholeUnits(desired.pools, UNITS);
  const weighted = weightedIn(holderIn(object, place));
  const wanted = reweighted(project, place, units, weighted);
  const isChanged = wanted.length !== weighted.length || wanted.some((each, at) => each !== weighted[at]);
  const intended = { what: describeUrlMap(project, place), desired, fence, previous };
  return patchFrom(intended, object, isChanged ? fieldsWith(object, place, wanted) : {});
};

/** Every entry keeps its other fields; a second entry of the same backend service gets nothing; a pool that carries users and has no entry gets one. */
const reweighted = (
  project: string,
  place: UrlMapPlace,
  units: ReadonlyMap<string, number>,
  weighted: readonly Weighted[],
): readonly Weighted[] => {
  const due = new Map([...units].map(([pool, unit]) => [backendServicePath(project, place.pools[pool]?.backendService ?? ''), unit]));
  const given = new Set<string>();
  const kept = weighted.map((each): Weighted => {
    const path = pathIn(project, each.backendService ?? '');
    const weight = given.has(path) ? 0 : due.get(path);
    if (weight === undefined) return each;
    given.add(path);
    return (each.weight ?? 0) === weight ? each : { ...each, weight };
  });
  const missing = [...due].filter(([path, unit]) => unit > 0 && !given.has(path));
  return [...kept, ...missing.map(([backendService, weight]): Weighted => ({ backendService, weight }))];
};

/** Objects are merged by the vendor, arrays replaced whole: so a path matcher goes back with all of its neighbours. */
const fieldsWith = (object: VendorObject, { pathMatcher }: UrlMapPlace, weightedBackendServices: readonly Weighted[]) => {
  if (pathMatcher === undefined) return { defaultRouteAction: { weightedBackendServices } };
  const pathMatchers = rawMatchers
    .parse(object)
    .pathMatchers.map((each) =>
      each.name === pathMatcher ? { ...each, defaultRouteAction: { ...each.defaultRouteAction, weightedBackendServices } } : each,
    );
  return { pathMatchers };
};

/** Without the defaults of `shape`: nothing is added to what is not ours. */
const rawMatchers = z.looseObject({
  pathMatchers: z.array(z.looseObject({ name: z.string(), defaultRouteAction: z.looseObject({}).optional() })),
});
