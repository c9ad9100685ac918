// An entry of kind `gclb`.
import { z } from 'zod';
import { backendServicePath, type CapacityPlace, pathIn, type UrlMapPlace } from '../../../providers/gclb/convert.ts';
import type { GclbConfig } from '../../../providers/gclb/index.ts';
import type { ServiceConfig } from '../../model.ts';
import { dnsName, filePath, name, present } from '../fields.ts';
import { duplicates, type Path } from '../problem.ts';
import { list } from '../words.ts';
import type { ProviderShape } from './shape.ts';

/** One spelling per kind of name; the sentence says what was expected, then what to do. */
const spelt = (wanted: string, form: RegExp) => z.string({ error: wanted }).regex(form, { error: wanted });

const projectId = spelt('the id of a project; write it like my-project', /^(?:[a-z0-9.-]{1,63}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
const RESOURCE = '[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?';
const resource = (what: string, like: string) => spelt(`the name of ${what}; write it like ${like}`, new RegExp(`^${RESOURCE}$`));
const group = spelt(
  'the path of an instance group or network endpoint group; write it like zones/europe-west1-b/networkEndpointGroups/web',
  new RegExp(`^(?:projects/[a-z0-9.:-]+/)?(?:global|(?:zones|regions)/${RESOURCE})/(?:instanceGroups|networkEndpointGroups)/${RESOURCE}$`),
);
const backendService = spelt(
  'the name of a global backend service, or its path in another project; write it like web-eu or projects/other/global/backendServices/web-eu',
  new RegExp(`^(?:projects/[a-z0-9.:-]+/global/backendServices/)?${RESOURCE}$`),
);
const SCALER = 'a number from 0.1 to 1, which is what the vendor allows beside 0; write it like 0.8';
const scaler = z.number({ error: SCALER }).min(0.1, { error: SCALER }).max(1, { error: SCALER });

const LOOPBACK = /^http:\/\/(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])(?::\d{1,5})?$/;
const origin = z
  .string()
  .refine((value) => LOOPBACK.test(value) || (/^https:\/\/[a-z0-9.-]+(?::\d{1,5})?$/.test(value) && URL.canParse(value)), {
    error: 'https:// and a host without path (http:// for this machine only); leave it out for https://compute.googleapis.com',
  });

const unmanaged = <T extends z.ZodType<string>>(item: T) => z.array(item).default([]);

const capacityPlace = z.strictObject({
  backendService: resource('a backend service', 'web-backend'),
  pools: z.record(name, z.strictObject({ groups: z.array(group).min(1), capacityScaler: scaler.default(1) })),
  unmanaged: unmanaged(group),
});

const urlMapPlace = z
  .strictObject({
    urlMap: resource('a URL map', 'web-map'),
    pathMatcher: resource('a path matcher', 'api').optional(),
    pools: z.record(name, z.strictObject({ backendService })),
    unmanaged: unmanaged(backendService),
  })
  .transform((given): UrlMapPlace => present(given));

const common = {
  kind: z.literal('gclb'),
  project: projectId,
  credentialsFile: filePath.optional(),
  /** Said in so many words: an account of the machine is not to be used by accident. */
  credentials: z.literal('metadata').optional(),
  endpoint: origin.default('https://compute.googleapis.com'),
};

const CREDENTIALS =
  'credentialsFile or "credentials: metadata", one of them; name the file of a service account key or an external account, or say that the machine\'s own account is to be used';

/** Either mode's places, judged alike. */
interface Given {
  project: string;
  credentialsFile?: string | undefined;
  credentials?: 'metadata' | undefined;
  services: Readonly<Record<string, CapacityPlace | UrlMapPlace>>;
}

const objectOf = (place: CapacityPlace | UrlMapPlace): string => ('urlMap' in place ? place.urlMap : place.backendService);
/** Whichever way they are written, the same for the same. */
const partsOf = (project: string, place: CapacityPlace | UrlMapPlace): readonly (readonly [path: Path, part: string])[] =>
  'urlMap' in place
    ? Object.entries(place.pools).map(
        ([pool, { backendService }]) => [['pools', pool, 'backendService'], backendServicePath(project, backendService)] as const,
      )
    : Object.entries(place.pools).flatMap(([pool, { groups }]) =>
        groups.map((part, at) => [['pools', pool, 'groups', at], pathIn(project, part)] as const),
      );

/** One fingerprint and one fence belong to one service; one backend to one pool. */
const judge = (given: Given, context: z.RefinementCtx): void => {
  const refuse = (path: Path, message: string): void => context.addIssue({ code: 'custom', path: [...path], message });
  if ((given.credentialsFile === undefined) === (given.credentials === undefined))
    refuse([given.credentialsFile === undefined ? 'credentialsFile' : 'credentials'], CREDENTIALS);
  const owners = new Map<string, string>();
  for (const [service, place] of Object.entries(given.services)) {
    const object = objectOf(place);
    const owner = owners.get(object);
    if (owner !== undefined)
      refuse(
        ['services', service, 'urlMap' in place ? 'urlMap' : 'backendService'],
        `an object of its own, since ${owner} has "${object}" and an object carries one fence; give each service one`,
      );
    else owners.set(object, service);
    const pools = Object.keys(place.pools);
    if (pools.length < 2)
      refuse(['services', service, 'pools'], 'at least two pools, since the only backend can never be drained; add one');
    const parts = partsOf(given.project, place);
    for (const { path } of duplicates(
      'backend',
      parts.map(([, part]) => part),
      (at) => parts[at]![0],
    ))
      refuse(['services', service, ...path], 'each backend in one pool; remove one of the two');
  }
};

const capacity = z
  .strictObject({ ...common, mode: z.literal('capacity'), services: z.record(dnsName, capacityPlace) })
  .superRefine(judge)
  .transform(({ credentials: _, ...given }): GclbConfig => present(given) as GclbConfig);
const urlMap = z
  .strictObject({ ...common, mode: z.literal('urlMap'), services: z.record(dnsName, urlMapPlace) })
  .superRefine(judge)
  .transform(({ credentials: _, ...given }): GclbConfig => present(given) as GclbConfig);

/** The service needs a place, and a place for each of its pools. */
const misfit = ({ services, mode }: GclbConfig, service: ServiceConfig, called: string): { at: Path; message: string } | null => {
  const place: CapacityPlace | UrlMapPlace | undefined = services[service.name];
  if (place === undefined) {
    const message = `found "${service.name}", expected a service of provider "${called}": ${list(Object.keys(services))}; say where it lies under providers.${called}.services`;
    return { at: ['name'], message };
  }
  const at = service.pools.findIndex(({ name }) => place.pools[name] === undefined);
  if (at >= 0) {
    const what = mode === 'capacity' ? 'its groups' : 'its backend service';
    const message = `found "${service.pools[at]?.name}", expected a pool of providers.${called}.services.${service.name}: ${list(Object.keys(place.pools))}; name ${what} there`;
    return { at: ['pools', at, 'name'], message };
  }
  const known = new Set(service.pools.map(({ name }) => name));
  const extra = Object.keys(place.pools).find((pool) => !known.has(pool));
  if (extra === undefined) return null;
  const message = `found no pool "${extra}", expected all that provider "${called}" has for this service; add it, or move its backends to "unmanaged" there`;
  return { at: ['pools'], message };
};

/** The vendor documents no bound: it speaks of seconds to minutes. A minute is inferred. Proxied: users keep the address, no resolver has a part in it. */
const FRONT_ENDS = { visibleMs: 60_000, what: "spread to the vendor's front ends (inferred)", ttl: false } as const;

export const gclb: ProviderShape<GclbConfig> = {
  schema: z.discriminatedUnion('mode', [capacity, urlMap]) as unknown as z.ZodType<GclbConfig>,
  misfit,
  arrival: () => FRONT_ENDS,
  // Whatever the path matcher: its fence lies in the description of the object.
  objects: ({ project, services }, service) => {
    const place: CapacityPlace | UrlMapPlace | undefined = services[service];
    if (place === undefined) return [];
    return [`${'urlMap' in place ? 'URL map' : 'backend service'} ${objectOf(place)} of project ${project}`];
  },
};
