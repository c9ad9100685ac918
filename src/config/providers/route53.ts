// An entry of kind `route53`: one of four modes, each with the objects of the account that it drives.
import { z } from 'zod';
import type {
  HealthChecksConfig,
  PoolRecords,
  RecordsConfig,
  Route53Config,
  RoutingControlsConfig,
} from '../../../providers/route53/config.ts';
import type { ServiceConfig } from '../../model.ts';
import { awsArn, awsId, dnsName, filePath, name, present, serviceUrl, setIdentifier } from '../fields.ts';
import type { Path } from '../problem.ts';
import { inZone, type ProviderShape } from './shape.ts';

const entry = { kind: z.literal('route53'), zone: dnsName, credentialsFile: filePath };
const control = { hostedZoneId: awsId, endpoint: serviceUrl.optional() };
const byPool = <T extends z.ZodType>(pool: T) => z.record(dnsName, z.strictObject({ pools: z.record(name, pool) }));

const alias = z.strictObject({
  name: dnsName,
  hostedZoneId: awsId,
  evaluateTargetHealth: z.boolean(),
  types: z
    .array(z.enum(['A', 'AAAA']))
    .min(1)
    .max(2)
    .default(['A']),
});

const poolRecords = z
  .strictObject({
    setIdentifier: setIdentifier.optional(),
    cname: dnsName.optional(),
    alias: alias.optional(),
    healthCheckId: awsId.optional(),
  })
  .refine(({ cname, alias }) => cname === undefined || alias === undefined, { error: 'either cname or alias; remove one of them' })
  .transform((given): PoolRecords => present(given));

const records = z
  .strictObject({ ...entry, ...control, mode: z.enum(['weighted', 'failover']), services: byPool(poolRecords).default({}) })
  .transform((given) => present(given));

/** One switch moves one pool of one service, or a decision about one would move the other's users. */
const ownSwitches = (services: Readonly<Record<string, { pools: Readonly<Record<string, object>> }>>, context: z.RefinementCtx): void => {
  const owners = new Map<unknown, string>();
  for (const [service, { pools }] of Object.entries(services))
    for (const [pool, said] of Object.entries(pools)) {
      const [[field, value] = ['', null]] = Object.entries(said);
      const owner = owners.get(value);
      if (owner !== undefined)
        context.addIssue({
          code: 'custom',
          path: [service, 'pools', pool, field],
          message: `a switch of its own, since ${owner} has this one; make one for each pool of each service`,
        });
      else owners.set(value, `${service} ${pool}`);
    }
};

const healthChecks = z
  .strictObject({
    ...entry,
    ...control,
    mode: z.literal('healthChecks'),
    services: byPool(z.strictObject({ healthCheckId: awsId })).superRefine(ownSwitches),
  })
  .transform((given) => present(given));

/** ARC gives every cluster five. */
const ENDPOINTS_MAX = 5;

const routingControls = z.strictObject({
  ...entry,
  mode: z.literal('routingControls'),
  endpoints: z
    .array(z.strictObject({ region: name, url: serviceUrl }))
    .min(1)
    .max(ENDPOINTS_MAX),
  services: byPool(z.strictObject({ routingControlArn: awsArn })).superRefine(ownSwitches),
});

/** AWS says of changes of records that they reach all of its servers "generally within 60 seconds", and promises no bound. */
const RECORDS_MS = 60_000;
/** Of switches AWS says no number; the checkers' own path into DNS is meant for failing over, and takes seconds. */
const SWITCH_MS = 30_000;
/** One call to ARC sets at most so many; all pools of a service must fit in. */
const CONTROLS_MAX = 10;
const WEIGHTED_SETS_MAX = 100;

type Misfit = { at: Path; message: string } | null;

export const route53: ProviderShape<Route53Config> = {
  schema: z.discriminatedUnion('mode', [records, healthChecks, routingControls]) as unknown as z.ZodType<Route53Config>,
  misfit(config, service, called) {
    const outside = inZone(config.zone, service, called);
    if (outside !== null) return outside;
    return config.mode === 'healthChecks' || config.mode === 'routingControls'
      ? switchMisfit(config, service, called)
      : recordsMisfit(config, service, called);
  },
  arrival: ({ mode }) =>
    mode === 'routingControls' || mode === 'healthChecks'
      ? { visibleMs: SWITCH_MS, what: "reach Route 53's answers through the health check", ttl: true }
      : { visibleMs: RECORDS_MS, what: "spread to all of Route 53's servers (INSYNC)", ttl: true },
};

const strangePool = (config: Route53Config, service: ServiceConfig, called: string): Misfit => {
  const pools = service.pools.map((pool) => pool.name);
  const strange = Object.keys(config.services[service.name]?.pools ?? {}).find((pool) => !pools.includes(pool));
  if (strange === undefined) return null;
  const message = `found no pool "${strange}", expected one, since provider "${called}" has objects for it; add the pool or remove it there`;
  return { at: ['pools'], message };
};

const recordsMisfit = (config: RecordsConfig, service: ServiceConfig, called: string): Misfit => {
  const said = config.services[service.name]?.pools ?? {};
  const pools = service.pools.map((pool, at) => ({ ...pool, at, said: said[pool.name] ?? {} }));
  const cnames = pools.filter((pool) => pool.said.cname !== undefined).length;
  const bare = pools.find(({ answers, said: { cname, alias } }) => answers.length === 0 && cname === undefined && alias === undefined);
  if (bare !== undefined) {
    const message = `found no answers, expected at least one address, since provider "${called}" has neither cname nor alias for this pool; add one of them`;
    return { at: ['pools', bare.at, 'answers'], message };
  }
  if (cnames > 0 && cnames < pools.length) {
    const message = `found ${cnames} of ${pools.length} pools with a cname at provider "${called}", expected all or none, since a CNAME stands alone; make them alike`;
    return { at: ['pools'], message };
  }
  if (cnames > 0 && service.name === config.zone) {
    const message = `found the zone's own name with a cname at provider "${called}", expected alias or addresses, since a zone's apex cannot be a CNAME; write alias`;
    return { at: ['name'], message };
  }
  if (config.mode === 'failover' && pools.length !== 2) {
    const message = `found ${pools.length} pools, expected 2, since provider "${called}" has mode failover: a primary and a secondary; use mode weighted`;
    return { at: ['pools'], message };
  }
  const deaf = config.mode === 'failover' ? pools.find((pool) => pool.said.alias?.evaluateTargetHealth === false) : undefined;
  if (deaf !== undefined) {
    const message = `found the alias of pool "${deaf.name}" at provider "${called}" without evaluateTargetHealth, expected true, since Route 53 asks for it in failover; write true`;
    return { at: ['pools'], message };
  }
  return sameIdentifier(pools, called) ?? tooManySets(pools, called) ?? strangePool(config, service, called);
};

type Judged = readonly { name: string; answers: readonly string[]; said: PoolRecords }[];

const sameIdentifier = (pools: Judged, called: string): Misfit => {
  const identifiers = pools.map(({ name: pool, said }) => said.setIdentifier ?? pool);
  const twice = identifiers.find((identifier, at) => identifiers.indexOf(identifier) !== at);
  if (twice === undefined) return null;
  const message = `found two pools with the set identifier "${twice}" at provider "${called}", expected one for each; change setIdentifier`;
  return { at: ['pools'], message };
};

const tooManySets = (pools: Judged, called: string): Misfit => {
  const count = (isV6: boolean): number =>
    pools.reduce(
      (sum, { answers, said }) => sum + (said.alias === undefined ? answers.filter((each) => each.includes(':') === isV6).length : 1),
      0,
    );
  const most = Math.max(count(false), count(true));
  if (most <= WEIGHTED_SETS_MAX) return null;
  const message = `found ${most} addresses of one family, expected at most ${WEIGHTED_SETS_MAX}, since provider "${called}" has a set for each; put a load balancer in front`;
  return { at: ['pools'], message };
};

const switchMisfit = (config: HealthChecksConfig | RoutingControlsConfig, service: ServiceConfig, called: string): Misfit => {
  const said: Readonly<Record<string, unknown>> = config.services[service.name]?.pools ?? {};
  const what = config.mode === 'routingControls' ? 'routingControlArn' : 'healthCheckId';
  const without = service.pools.find((pool) => said[pool.name] === undefined);
  if (without !== undefined) {
    const message = `found no ${what} for pool "${without.name}" at provider "${called}", expected one; add it under services.${service.name}.pools there`;
    return { at: ['name'], message };
  }
  if (config.mode === 'routingControls' && service.pools.length > CONTROLS_MAX) {
    const message = `found ${service.pools.length} pools, expected at most ${CONTROLS_MAX}, since provider "${called}" sets no more routing controls in one call; split the service`;
    return { at: ['pools'], message };
  }
  return strangePool(config, service, called);
};
