// The section `cluster.platforms`: what moves together with the routes, and what it becomes. Judges each value by itself; relations between values are
// platform-checks.ts. What the words mean is in src/runbook/platform.ts and src/runbook/README.md.
import { z } from 'zod';
import { STEP_KINDS, type StepKindName } from '../runbook/model.ts';
import {
  BACKUP_VALUES,
  type BackupConfig,
  type CacheConfig,
  type CacheSiteConfig,
  type DatabaseConfig,
  type DatabaseSiteConfig,
  EXTERNAL_WHEN,
  type ExternalConfig,
  FENCE_RUNGS,
  FLEET_KINDS,
  type FleetConfig,
  type GateConfig,
  type ManagedConfig,
  MODEL_KINDS,
  type NamespacesConfig,
  type Persons,
  type PlatformConfig,
  type SiteConfig,
} from '../runbook/platform.ts';
import { SELECTORS_MAX, selectorsOf } from '../runbook/prometheus/selectors.ts';
import { byteSize, dnsName, duration, kubernetesName, matching, name, namedHostPort, present, regionName, whole } from './fields.ts';
import { llmSchema } from './llm.ts';
import { objectivesSchema } from './objectives.ts';
import { verifySchema } from './verify.ts';

// Limits of lists: a plan is one record of the store, and a platform has a handful of each.
export const PLATFORMS_MAX = 32;
const REGIONS_MAX = 8;
const SERVICES_MAX = 32;
const FLEETS_MAX = 16;
const ENTRIES_MAX = 8;
/** One per tenant. */
export const NAMESPACES_MAX = 500;
const QUEUES_MAX = 32;
const REPLICAS_MAX = 10_000;

const few = <T extends z.ZodType>(item: T, max: number) => z.array(item).max(max);

const PERSONS = 'a number of persons: 0, 1 or 2; write one';
const persons = z.union([z.literal(0), z.literal(1), z.literal(2)], { error: PERSONS }) as z.ZodType<Persons>;

const IDENTITY_MAX = 256;
const isPattern = (value: string): boolean => {
  if (value.length < 1 || value.length > IDENTITY_MAX) return false;
  try {
    new RegExp(value, 'u');
    return true;
  } catch {
    return false;
  }
};
const identity = matching(
  'a regular expression that the identities of this region match and others do not, at most 256 long; write it like @us-',
  isPattern,
);

const label = (what: string, like: string, max: number) =>
  matching(`${what} of 1 to ${max} printable characters; write it like ${like}`, (value) => value.length <= max && /^[!-~]+$/.test(value));

const temporalName = label('the name of a namespace', 'orders.a1b2c', 255);
const place = label('what Temporal calls the region', 'aws-us-east-1', 128);
const queue = label('the name of a task queue', 'orders', 255);

const site = z
  .strictObject({
    system: name,
    namespace: kubernetesName,
    deployment: kubernetesName,
    replicas: whole(1, REPLICAS_MAX),
    standby: whole(0, REPLICAS_MAX).default(0),
    check: name.optional(),
    canary: name.optional(),
    endpoint: z.enum(['regional', 'namespace']).optional(),
    identity: identity.optional(),
  })
  .transform((given): SiteConfig => present(given));

const fleet = z
  .strictObject({
    name,
    kind: z.enum(FLEET_KINDS),
    start: duration({ minMs: 1000, maxMs: 3_600_000 }).optional(),
    sites: z.record(regionName, site),
  })
  .transform(({ start, ...given }): FleetConfig => ({ ...given, ...present({ startMs: start }) }));

const SYSTEM = 'the name of an entry of systems, or a map from region to such a name; write it like temporal-cloud';
const FRONTEND =
  'the name of an entry of systems of kind temporal, or a map from region to such a name; leave it out, and nobody waits for dispatch';
const namespaces = z
  .strictObject({
    name,
    system: z.union([name, z.record(regionName, name)], { error: SYSTEM }),
    namespaces: few(temporalName, NAMESPACES_MAX).min(1),
    places: z.record(regionName, place),
    parallel: whole(1, 50).default(4),
    stopAfter: whole(1, NAMESPACES_MAX).default(3),
    queues: few(queue, QUEUES_MAX).default([]),
    frontend: z.union([name, z.record(regionName, name)], { error: FRONTEND }).optional(),
    home: regionName.optional(),
    fleets: few(name, FLEETS_MAX).optional(),
    services: few(dnsName, SERVICES_MAX).optional(),
    externals: few(name, ENTRIES_MAX).optional(),
    databases: few(name, ENTRIES_MAX).optional(),
    caches: few(name, ENTRIES_MAX).optional(),
  })
  .transform((given): NamespacesConfig => present(given));

// ---- data tiers ----

const POOLERS_MAX = 16;
const pooled = label('the name of a database as the pooler has it', 'orders', 63);
const SLOT = 'the name of a replication slot: a-z, 0-9 and "_", at most 63 long; write it like tidegate_standby';
const databaseSite = z
  .strictObject({
    system: name,
    sql: name,
    poolers: few(z.strictObject({ system: name, database: pooled }), POOLERS_MAX).default([]),
    address: namedHostPort('pg.eu-west.example.net:5432'),
    slot: matching(SLOT, (value) => /^[a-z0-9_]{1,63}$/.test(value)).optional(),
    stonith: name.optional(),
  })
  .transform((given): DatabaseSiteConfig => present(given));

const LAG = { maxMs: 30_000, maxBytes: 64 * 1024 ** 2, maxAgeMs: 30_000, onUnknown: 'ask' } as const;
const lag = z
  .strictObject({
    max: duration({ minMs: 0, maxMs: 24 * 3_600_000 }).default(LAG.maxMs),
    maxBytes: byteSize.default(LAG.maxBytes),
    maxAge: duration({ minMs: 1000, maxMs: 3_600_000 }).default(LAG.maxAgeMs),
    onUnknown: z.enum(['stop', 'ask', 'proceed']).default(LAG.onUnknown),
  })
  .transform(({ max, maxAge, ...given }): DatabaseConfig['lag'] => ({ maxMs: max, maxAgeMs: maxAge, ...given }));

const FENCE = { rung: 'acknowledged', graceMs: 60_000 } as const;
const fence = z
  .strictObject({
    rung: z.enum(FENCE_RUNGS).default(FENCE.rung),
    grace: duration({ minMs: 1000, maxMs: 3_600_000 }).default(FENCE.graceMs),
  })
  .transform(({ grace, rung }): DatabaseConfig['fence'] => ({ rung, graceMs: grace }));

const QUERY_CHARS_MAX = 2000;
const BACKUP_QUERY =
  'a PromQL query of 1 to 2000 characters that is made of one to sixteen metrics, since their samples tell how old its answer is; write it in quotes';
/** What is made of no series is as old as its answer: a constant would be good for ever. */
const isMeasured = (query: string): boolean => {
  const metrics = query.length > QUERY_CHARS_MAX ? 0 : selectorsOf(query).length;
  return metrics >= 1 && metrics <= SELECTORS_MAX;
};
const backup = z
  .strictObject({
    name,
    system: name,
    query: matching(BACKUP_QUERY, isMeasured),
    value: z.enum(BACKUP_VALUES),
    maxAge: duration({ minMs: 60_000, maxMs: 400 * 24 * 3_600_000 }),
    weight: z.enum(['must', 'should']).default('must'),
  })
  .transform(({ maxAge, ...given }): BackupConfig => ({ ...given, maxAgeMs: maxAge }));

const database = z
  .strictObject({
    name,
    sites: z.record(regionName, databaseSite),
    services: few(dnsName, SERVICES_MAX).default([]),
    lag: lag.default(LAG),
    fence: fence.default(FENCE),
    backups: few(backup, ENTRIES_MAX).optional(),
  })
  .transform((given): DatabaseConfig => present(given));

const MEMBER = 'the ARN of an Aurora cluster, or the name of a Cloud SQL instance; write it like orders-us-east';
const managed = z.strictObject({
  name,
  vendor: z.enum(['aurora', 'cloud-sql']),
  sites: z.record(
    regionName,
    z
      .strictObject({
        system: name,
        member: matching(MEMBER, (value) => /^[A-Za-z][A-Za-z0-9:-]{0,254}$/.test(value)),
        sql: name.optional(),
      })
      .transform((given): ManagedConfig['sites'][string] => present(given)),
  ),
});

const cache = z.strictObject({
  name,
  policy: z.enum(['cache', 'strict']),
  sites: z.record(
    regionName,
    z.strictObject({ system: name, address: namedHostPort('redis.eu-west.example.net:6379') }) satisfies z.ZodType<CacheSiteConfig>,
  ),
}) satisfies z.ZodType<CacheConfig>;

const WAIT = { minMs: 1000, maxMs: 4 * 3_600_000 } as const;
const external = z
  .strictObject({
    name,
    system: name,
    when: few(z.enum(EXTERNAL_WHEN), EXTERNAL_WHEN.length).min(1),
    timeout: duration(WAIT).default(60_000),
    onFail: z.enum(['stop', 'continue', 'ask']).default('ask'),
    waits: z.boolean().default(false),
  })
  .transform(({ timeout, ...given }): ExternalConfig => ({ ...given, timeoutMs: timeout }));

const BOUND = 'a number; write it like 30';
const bound = z.number({ error: BOUND });
const QUERY = 'a PromQL query of 1 to 2000 characters, with $from and $to for the regions; write it in quotes';
const NO_BOUND = 'max, min or both, or it holds whatever is measured; add one';
const gate = z
  .strictObject({
    name,
    system: name,
    query: z.string({ error: QUERY }).min(1, { error: QUERY }).max(QUERY_CHARS_MAX, { error: QUERY }),
    max: bound.optional(),
    min: bound.optional(),
    maxAge: duration({ minMs: 1000, maxMs: 3_600_000 }).default(60_000),
    onUnknown: z.enum(['stop', 'ask', 'proceed']).default('ask'),
    before: z.enum(['promote', 'route']).default('promote'),
    blocks: z.enum(['graceful', 'both']).default('graceful'),
  })
  .refine(({ max, min }) => max !== undefined || min !== undefined, { error: NO_BOUND })
  .transform(({ maxAge, ...given }): GateConfig => ({ ...present(given), maxAgeMs: maxAge }));

const APPROVALS = { start: 1, steps: {}, expireMs: 30 * 60_000 } as const;
const stepPersons = z
  .strictObject(
    Object.fromEntries(STEP_KINDS.map((kind) => [kind, persons.optional()])) as Record<StepKindName, z.ZodOptional<z.ZodType<Persons>>>,
  )
  .transform((given): PlatformConfig['approvals']['steps'] => present(given));
const approvals = z
  .strictObject({
    start: persons.default(APPROVALS.start),
    steps: stepPersons.default({}),
    expire: duration({ minMs: 60_000, maxMs: 24 * 3_600_000 }).default(APPROVALS.expireMs),
  })
  .transform(({ expire, ...given }): PlatformConfig['approvals'] => ({ ...given, expireMs: expire }));

const TRIGGER = { mode: 'propose', holdMs: 10_000, prearm: false } as const;
const TRIGGER_MAP = 'off, propose or auto, or a map with mode, hold and prearm; propose is right unless you have drilled it';
const mode = z.enum(['off', 'propose', 'auto']);
const trigger = z
  .preprocess(
    (given) => (typeof given === 'string' ? { mode: given } : given),
    z.strictObject(
      {
        mode: mode.default(TRIGGER.mode),
        hold: duration({ minMs: 0, maxMs: 3_600_000 }).default(TRIGGER.holdMs),
        prearm: z.boolean().default(TRIGGER.prearm),
      },
      { error: (issue) => (issue.code === 'invalid_type' ? TRIGGER_MAP : undefined) },
    ),
  )
  .transform(({ hold, ...given }): PlatformConfig['trigger'] => ({ ...given, holdMs: hold }));

const FAILBACK = 'manual, fail-forward, or a map with after; write it like manual, or like { after: 30m }';
const failback = z
  .union([z.enum(['manual', 'fail-forward']), z.strictObject({ after: duration({ minMs: 60_000, maxMs: 7 * 24 * 3_600_000 }) })], {
    error: FAILBACK,
  })
  .transform((given): PlatformConfig['failback'] =>
    typeof given === 'string' ? { kind: given } : { kind: 'automatic', afterMs: given.after },
  );

export const platformSchema = z
  .strictObject({
    name,
    model: z.enum(MODEL_KINDS),
    regions: few(regionName, REGIONS_MAX).min(2),
    services: few(dnsName, SERVICES_MAX).default([]),
    trigger: trigger.default(TRIGGER),
    gates: few(gate, ENTRIES_MAX).default([]),
    approvals: approvals.default(APPROVALS),
    failback: failback.default({ kind: 'manual' }),
    follow: z.boolean().default(false),
    fleets: few(fleet, FLEETS_MAX).default([]),
    namespaces: few(namespaces, ENTRIES_MAX).default([]),
    externals: few(external, ENTRIES_MAX).default([]),
    prearm: few(name, ENTRIES_MAX).default([]),
    databases: few(database, ENTRIES_MAX).optional(),
    managed: few(managed, ENTRIES_MAX).optional(),
    caches: few(cache, ENTRIES_MAX).optional(),
    objectives: objectivesSchema.optional(),
    verify: verifySchema.optional(),
    llm: llmSchema.optional(),
  })
  .transform(
    ({ follow, databases, managed, caches, ...given }): PlatformConfig => ({
      ...present(given),
      ...(follow ? { follow } : {}),
      // None is absent: records of before know no such key.
      ...(databases === undefined || databases.length === 0 ? {} : { databases }),
      ...(managed === undefined || managed.length === 0 ? {} : { managed }),
      ...(caches === undefined || caches.length === 0 ? {} : { caches }),
    }),
  );

export const platformsSchema = few(platformSchema, PLATFORMS_MAX);
