// An entry of kind `cloudflare`, in either mode.
import { z } from 'zod';
import {
  BALANCER_TTL_S,
  type BalancerConfig,
  CALLS_PER_5_MIN,
  type CloudflareConfig,
  RECORD_TTL_FLOOR_S,
  type RecordsConfig,
} from '../../../providers/cloudflare/config.ts';
import type { ServiceConfig } from '../../model.ts';
import { dnsName, filePath, isLocalEndpoint, name, present, whole } from '../fields.ts';
import type { Path } from '../problem.ts';
import { hasAnswers, inZone, type ProviderShape } from './shape.ts';

const ID = 'an id of Cloudflare as 32 digits of 0-9 and a-f; copy it from the dashboard';
const id = z.string({ error: ID }).regex(/^[0-9a-f]{32}$/, { error: ID });

const ENDPOINT =
  'the address of the API as https://host/path without a final slash (http:// for this machine only); leave it out for Cloudflare itself';
const isEndpoint = (value: string): boolean => {
  if (!/^https?:\/\/[^\s\\?#@]{1,500}[^\s\\?#@/]$/.test(value) || !URL.canParse(value)) return false;
  return new URL(value).protocol === 'https:' || isLocalEndpoint(value);
};
const endpoint = z.string({ error: ENDPOINT }).refine(isEndpoint, { error: ENDPOINT });

const zone = {
  kind: z.literal('cloudflare'),
  zone: dnsName,
  zoneId: id,
  endpoint: endpoint.optional(),
  tokenFile: filePath,
  callsPer5Min: whole(60, 100_000).default(CALLS_PER_5_MIN),
};

const balancerService = z.strictObject({ loadBalancerId: id, pools: z.record(name, id) });

/** No two services share an object, or the decision for one would move the other's users. */
const shared = (services: Readonly<Record<string, z.infer<typeof balancerService>>>, context: z.RefinementCtx): void => {
  const owners = new Map<string, string>();
  for (const [service, { loadBalancerId, pools }] of Object.entries(services)) {
    const owner = owners.get(loadBalancerId);
    if (owner !== undefined)
      context.addIssue({
        code: 'custom',
        path: [service, 'loadBalancerId'],
        message: `a load balancer of its own ("${owner}" has this one); each service has one, with the service's name`,
      });
    owners.set(loadBalancerId, service);
    const names = Object.keys(pools);
    for (const [at, pool] of names.entries()) {
      const twin = names.slice(0, at).find((other) => pools[other] === pools[pool]);
      if (twin !== undefined)
        context.addIssue({
          code: 'custom',
          path: [service, 'pools', pool],
          message: `another id than that of pool "${twin}"; name the pool that this one is`,
        });
    }
  }
};

const loadBalancer = z
  .strictObject({
    ...zone,
    mode: z.literal('loadBalancer'),
    proxied: z.boolean().default(true),
    accountId: id.optional(),
    sessions: z.enum(['keep', 'shed']).default('keep'),
    services: z.record(dnsName, balancerService).default({}).superRefine(shared),
  })
  .superRefine(({ sessions, accountId }, context) => {
    if (sessions === 'shed' && accountId === undefined)
      context.addIssue({
        code: 'custom',
        path: ['sessions'],
        message: 'accountId beside sessions: shed, since pools belong to an account; add it',
      });
  })
  .transform((given): BalancerConfig => present(given));

const dns = z
  .strictObject({
    ...zone,
    mode: z.literal('dns'),
    proxied: z.boolean().default(false),
    plan: z.enum(['free', 'paid', 'enterprise']).default('free'),
    fencing: z.enum(['marker', 'conditional']).default('marker'),
  })
  .transform((given): RecordsConfig => present(given));

export const cloudflare: ProviderShape<CloudflareConfig> = {
  schema: z.discriminatedUnion('mode', [loadBalancer, dns]),
  misfit: (entry, service, called) =>
    inZone(entry.zone, service, called) ??
    (entry.mode === 'loadBalancer' ? unmapped(entry, service, called) : (hasAnswers(service, called) ?? tooFast(entry, service, called))),
  arrival: ({ proxied, mode }) => ({
    visibleMs: 5000,
    what: mode === 'dns' ? "spread over Cloudflare's name servers" : "spread over Cloudflare's network",
    ttl: !proxied,
  }),
  objects: (entry, service) => {
    if (entry.mode === 'dns') return [`the records of ${service} in zone ${entry.zoneId}`];
    const target = entry.services[service];
    return target === undefined ? [] : [`load balancer ${target.loadBalancerId}`];
  },
};

type Misfit = { at: Path; message: string } | null;

const unmapped = (entry: BalancerConfig, service: ServiceConfig, called: string): Misfit => {
  const target = entry.services[service.name];
  if (target === undefined) {
    const message = `found no load balancer for "${service.name}", expected its id and those of its pools under services of provider "${called}"; add them`;
    return { at: ['name'], message };
  }
  const at = service.pools.findIndex((pool) => target.pools[pool.name] === undefined);
  if (at >= 0) {
    const message = `found no id for "${service.pools[at]?.name}", expected one under services.${service.name}.pools of provider "${called}"; add Cloudflare's id of that pool`;
    return { at: ['pools', at, 'name'], message };
  }
  if (entry.proxied || service.ttlS >= BALANCER_TTL_S) return null;
  return { at: ['ttl'], message: floor(service.ttlS, BALANCER_TTL_S, called, 'load balancers that are not proxied') };
};

const tooFast = (entry: RecordsConfig, service: ServiceConfig, called: string): Misfit => {
  const floorS = RECORD_TTL_FLOOR_S[entry.plan];
  if (entry.proxied || service.ttlS >= floorS) return null;
  return { at: ['ttl'], message: floor(service.ttlS, floorS, called, `records with plan "${entry.plan}" that are not proxied`) };
};

const floor = (foundS: number, floorS: number, called: string, what: string): string =>
  `found ${foundS}s, expected at least ${floorS}s, the least that provider "${called}" has for ${what}; write ttl: ${floorS}s`;
