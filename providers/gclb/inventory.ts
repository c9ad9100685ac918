// What balances load in a project before Tidegate: host names of URL maps, and the backends or weights that their users are spread over. Reads only.
import { z } from 'zod';
import type { FoundService, Inventory } from '../provider.ts';
import type { Collection } from './client.ts';
import { type CapacityPlace, shortPath, type UrlMapPlace, understood, type VendorObject } from './convert.ts';
import { isMachineText, readDescription } from './description.ts';
import type { GclbConfig } from './index.ts';
import { everyObject, type GclbContext, openCollection } from './objects.ts';

type Refused = Inventory['refused'][number];

/** In: an entry whose `services` may be empty; its mode says what is looked for. Throws Fault ERR_PROVIDER or ERR_SECRET, or the signal's reason. */
export const inventory = async (config: GclbConfig, context: GclbContext, signal: AbortSignal): Promise<Inventory> => {
  const urlMaps = await everyOf('urlMaps', config, context, signal);
  const backendServices = config.mode === 'capacity' ? await everyOf('backendServices', config, context, signal) : [];
  return inventoryOf(config, urlMaps, backendServices);
};

const everyOf = async (
  collection: Collection,
  config: GclbConfig,
  context: GclbContext,
  signal: AbortSignal,
): Promise<readonly VendorObject[]> => {
  const client = openCollection(collection, config, context);
  try {
    return await everyObject(client, `list of ${collection} in project ${config.project}`, context.ports, signal);
  } finally {
    await client.close();
  }
};

// ---- what it means (pure) ----

const weightedShape = z.looseObject({ backendService: z.string().default(''), weight: z.number().default(0) });
const holderFields = {
  defaultService: z.string().optional(),
  defaultRouteAction: z.looseObject({ weightedBackendServices: z.array(weightedShape).default([]) }).optional(),
};
const matcherShape = z.looseObject({
  name: z.string(),
  ...holderFields,
  pathRules: z.array(z.unknown()).default([]),
  routeRules: z.array(z.unknown()).default([]),
});
const urlMapShape = z.looseObject({
  ...holderFields,
  hostRules: z.array(z.looseObject({ hosts: z.array(z.string()).default([]), pathMatcher: z.string().default('') })).default([]),
  pathMatchers: z.array(matcherShape).default([]),
});
type Matcher = z.infer<typeof matcherShape>;

const backendServiceShape = z.looseObject({
  loadBalancingScheme: z.string().optional(),
  serviceLbPolicy: z.string().optional(),
  backends: z
    .array(z.looseObject({ group: z.string().default(''), capacityScaler: z.number().optional(), failover: z.boolean().optional() }))
    .default([]),
});

interface Host {
  host: string;
  map: VendorObject;
  matcher: Matcher;
}

/** In: all URL maps of a project and, for mode capacity, all of its backend services. Pure. */
export const inventoryOf = (
  { mode, project }: GclbConfig,
  urlMaps: readonly VendorObject[],
  backendServices: readonly VendorObject[],
): Inventory => {
  const services: FoundService[] = [];
  const refused: Refused[] = [];
  const owners = new Map<string, string>();
  const byName = new Map(backendServices.map((each) => [each.name, each]));
  for (const { hosts, unnamed } of urlMaps.map(hostsOf)) {
    refused.push(...unnamed);
    for (const host of hosts) {
      const found = mode === 'urlMap' ? weightedService(project, host) : capacityService(project, host, byName);
      const owner = 'because' in found ? undefined : owners.get(found.object);
      if ('because' in found) refused.push(found);
      else if (owner !== undefined)
        refused.push({ what: host.host, because: `${found.object} already carries ${owner}; an object carries one service` });
      else {
        owners.set(found.object, host.host);
        services.push(found.service);
      }
    }
  }
  return { services, refused };
};

/** A service is a host name; what answers for every other name has none. */
const hostsOf = (map: VendorObject): { hosts: readonly Host[]; unnamed: readonly Refused[] } => {
  const { hostRules, pathMatchers } = understood(urlMapShape, `URL map ${map.name}`, map);
  const pairs = hostRules.flatMap(({ hosts, pathMatcher }) =>
    hosts.flatMap((host) => {
      const matcher = pathMatchers.find(({ name }) => name === pathMatcher);
      return matcher === undefined ? [] : [{ host: host.toLowerCase(), map, matcher }];
    }),
  );
  const isName = ({ host }: Host): boolean => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(host);
  const others = pairs.filter((pair) => !isName(pair)).map(({ host }) => `host ${host}`);
  const because = 'it stands for no single name; give the service a host rule and a path matcher of its own';
  return {
    hosts: pairs.filter(isName),
    unnamed: [...others, 'what no host rule names'].map((which) => ({ what: `URL map ${map.name}: ${which}`, because })),
  };
};

interface Found {
  service: FoundService;
  /** Whose fence it is. */
  object: string;
}

const describedNotes = ({ description = '' }: VendorObject): readonly string[] => {
  const { fence, strange } = readDescription(description);
  if (fence !== null) return [`its description already carries fence ${fence.v} of ${fence.writer}`];
  return strange.length > 0 ? ['its description holds a fence that somebody edited; remove that text'] : [];
};

const bypassNotes = ({ name, pathRules, routeRules }: Matcher): readonly string[] => {
  const rules = pathRules.length + routeRules.length;
  return rules === 0 ? [] : [`path matcher ${name} has ${rules} rules of its own; what they route is not moved`];
};

const weightedService = (project: string, { host, map, matcher }: Host): Found | Refused => {
  const weighted = matcher.defaultRouteAction?.weightedBackendServices ?? [];
  const what = `URL map ${map.name}, path matcher ${matcher.name} (${host})`;
  if (weighted.length < 2) {
    const because =
      'it has no two weightedBackendServices to move users between; put one for each pool there, or use an entry of mode capacity';
    return { what, because };
  }
  if (isMachineText(map.description ?? ''))
    return { what, because: 'its description is the record of another controller, which manages it' };
  const nameOf = (path: string): string => path.split('/').at(-1) ?? '';
  const referenceOf = (path: string): string => shortPath(project, path).replace(/^global\/backendServices\//, '');
  const place: UrlMapPlace = {
    urlMap: map.name,
    pathMatcher: matcher.name,
    pools: Object.fromEntries(
      weighted.map(({ backendService }) => [nameOf(backendService), { backendService: referenceOf(backendService) }]),
    ),
    unmanaged: [],
  };
  const pools = weighted.map(({ backendService, weight }) => ({ pool: nameOf(backendService), weight, answers: [] }));
  const notes = [...describedNotes(map), ...bypassNotes(matcher), 'pools are named after their backend services; say the region of each'];
  return {
    object: `URL map ${map.name}`,
    service: { service: host, ttlS: null, pools, objects: place, notes, firstFence: firstFence(`URL map ${map.name}`) },
  };
};

const firstFence = (object: string): string =>
  `the first write puts the fence after the description of ${object}, and changes nothing else while the route is as configured`;

const capacityService = (project: string, { host, matcher }: Host, byName: ReadonlyMap<string, VendorObject>): Found | Refused => {
  const name = matcher.defaultService?.split('/').at(-1) ?? '';
  const object = byName.get(name);
  const what = `${name === '' ? `path matcher ${matcher.name}` : `backend service ${name}`} (${host})`;
  if (object === undefined || !matcher.defaultService?.includes('/global/backendServices/'))
    return {
      what,
      because: 'the default of its path matcher is no global backend service of this project; weights need an entry of mode urlMap',
    };
  const { loadBalancingScheme, serviceLbPolicy, backends } = understood(backendServiceShape, what, object);
  const regions = Map.groupBy(backends, ({ group }) => regionOf(group));
  if (loadBalancingScheme === 'INTERNAL') return { what, because: 'its scheme is INTERNAL, where the vendor allows no capacityScaler' };
  if (regions.has(null)) return { what, because: 'it has backends in no region (internet or serverless), which have no capacityScaler' };
  if (regions.size < 2) return { what, because: 'its backends lie in one region, so there is nowhere else to send users' };
  if (isMachineText(object.description ?? ''))
    return { what, because: 'its description is the record of another controller, which manages it' };
  const pools = [...regions].map(([region, own]) => ({ pool: region ?? '', own }));
  const drained = pools.filter(({ own }) => own.every(({ capacityScaler = 1 }) => capacityScaler === 0)).map(({ pool }) => pool);
  const place: CapacityPlace = {
    backendService: name,
    pools: Object.fromEntries(
      pools.map(({ pool, own }) => [
        pool,
        { groups: own.map(({ group }) => shortPath(project, group)), capacityScaler: Math.max(...own.map(scalerOf)) || 1 },
      ]),
    ),
    unmanaged: [],
  };
  const notes = [
    ...describedNotes(object),
    ...bypassNotes(matcher),
    'users go to the nearest region with capacity, whatever the weights here say; a pool is in or out',
    ...(serviceLbPolicy === undefined ? [] : [`a service policy spreads its load: ${serviceLbPolicy.split('/').at(-1)}`]),
    ...(drained.length === 0
      ? []
      : [`drained now (capacityScaler 0): ${drained.join(', ')}; the first write in auto brings it back unless it is drained here too`]),
    ...(backends.some(({ failover }) => failover === true) ? ['it has failover backends, which take over by rules of their own'] : []),
  ];
  return {
    object: `backend service ${name}`,
    service: {
      service: host,
      ttlS: null,
      pools: pools.map(({ pool }) => ({ pool, weight: drained.includes(pool) ? 0 : 1, answers: [] })),
      objects: place,
      notes,
      firstFence: firstFence(`backend service ${name}`),
    },
  };
};

const scalerOf = ({ capacityScaler = 1 }: { capacityScaler?: number | undefined }): number => capacityScaler;

/** `zones/europe-west1-b/…` and `regions/europe-west1/…`; null: neither. */
const regionOf = (group: string): string | null => {
  const zone = /\/zones\/([a-z0-9-]+)-[a-z]\//.exec(group)?.[1];
  return zone ?? /\/regions\/([a-z0-9-]+)\/instanceGroups\//.exec(group)?.[1] ?? null;
};
