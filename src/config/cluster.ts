// The part of the file that all replicas share, and what it becomes: regions, services, policy, goals.
// Judges each value by itself; relations between values are check.ts. Defaults of the policy are in defaults.ts.
import { z } from 'zod';
import { steering } from '../../policies/index.ts';
import { REGIONS_MAX } from '../health/chamber.ts';
import type { ClusterConfig, PoolConfig, ProbeSpec, RegionConfig, ServiceConfig, TargetConfig } from '../model.ts';
import { FAULTS, GOALS, GRAY_LIMITS, grayOf, LATCH_AFTER, policyOf, SPANS, type Span, TTL_S } from './defaults.ts';
import {
  anchorUrl,
  answer,
  dnsName,
  duration,
  filePath,
  hostPortText,
  matching,
  name,
  percent,
  percentOf,
  present,
  probeUrl,
  publicKey,
  regionName,
  statusRange,
  ttlSeconds,
  urlPath,
  whole,
} from './fields.ts';
import { platformsSchema } from './platforms.ts';
import { rules } from './safety.ts';

// Limits of lists: far above what one cluster needs, and low enough that a generated file gone wrong is refused rather than run.
export const SERVICES_MAX = 1000;
const POOLS_MAX = 64;
const TARGETS_MAX = 256;
const LIST_MAX = 64;

export const few = <T extends z.ZodType>(item: T, max = LIST_MAX) => z.array(item).max(max);
const some = <T extends z.ZodType>(item: T, max = LIST_MAX) => few(item, max).min(1);

// ---- cluster ----

const ENDPOINT = 'an address, or a map with url and what to expect there; write it like http://192.0.2.10:8080/healthz';
const SERVICE = 'the name of a service as grpc.health.v1 knows it, of 1 to 100 characters; write it like orders.v1.Orders';
const BODY = 'a text of 1 to 1024 characters that a good reply contains; write it in quotes';

/** What may be said of an endpoint, by the schemes that it means something with. */
const SCHEMES_OF: Readonly<Record<string, readonly string[]>> = {
  status: ['http', 'https'],
  bodyIncludes: ['http', 'https'],
  serverName: ['https', 'grpcs'],
  caFile: ['https', 'grpcs'],
  service: ['grpc', 'grpcs'],
};

const endpointObject = z
  .strictObject(
    {
      url: probeUrl,
      status: some(statusRange).optional(),
      bodyIncludes: z.string({ error: BODY }).min(1, { error: BODY }).max(1024, { error: BODY }).optional(),
      serverName: dnsName.optional(),
      caFile: filePath.optional(),
      service: matching(SERVICE, (value) => /^[\x21-\x7e]{1,100}$/.test(value)).optional(),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? ENDPOINT : undefined) },
  )
  .transform((given, context): ProbeSpec => {
    const { url, status, bodyIncludes, serverName, caFile, service } = given;
    const scheme = url.slice(0, url.indexOf(':'));
    for (const [key, schemes] of Object.entries(SCHEMES_OF)) {
      if (given[key as keyof typeof given] === undefined || schemes.includes(scheme)) continue;
      const wanted = schemes.map((each) => `${each}://`).join(' or ');
      context.addIssue({ code: 'custom', path: [key], message: `nothing here with this url; remove it, or use an ${wanted} url` });
    }
    if (scheme === 'tcp') return { kind: 'tcp', url };
    if (scheme.startsWith('grpc')) return { kind: 'grpc', url, ...present({ service, serverName, caFile }) };
    return { kind: 'http', url, status: status ?? [[200, 299]], ...present({ bodyIncludes, serverName, caFile }) };
  });

/** A URL alone is an endpoint with nothing else said. */
const endpoint = z.preprocess((given) => (typeof given === 'object' && given !== null ? given : { url: given }), endpointObject);

const FROM = 'all, local or a list of regions; write all when every region should vote';
const from = z.union([z.enum(['all', 'local']), some(name, REGIONS_MAX)], { error: FROM });

const target = z
  .strictObject({ name, from: from.default('all'), healthz: endpoint.optional(), readyz: endpoint.optional() })
  .transform((given): TargetConfig => present(given));

/** Load, or what bears it, in a unit of the owner's choice. */
const AMOUNT = 'a number from 0 to 1000000000, in one unit for load and capacity; write it like 1200';
const amount = z.number({ error: AMOUNT }).min(0, { error: AMOUNT }).max(1e9, { error: AMOUNT });

const pool = z
  .strictObject({
    name,
    region: name.optional(),
    weight: whole(0, 10_000).default(1),
    minUp: whole(1, TARGETS_MAX).optional(),
    capacity: amount.optional(),
    answers: few(answer).default([]),
    targets: some(target, TARGETS_MAX),
  })
  .transform(({ region, minUp, capacity, ...given }): PoolConfig => {
    // Local targets have no vote, so they are no part of the half either.
    const judged = given.targets.filter((each) => each.from !== 'local').length;
    return { ...given, region: region ?? given.name, minUp: minUp ?? Math.max(1, Math.ceil(judged / 2)), ...present({ capacity }) };
  });

/** More ways to the same users than this are a mistake. */
const PATHS_MAX = 4;
const PATHS = 'the name of an entry of providers, or a list of such names, the most trusted first; write it like dns or [gate, dns]';

const service = z
  .strictObject({
    name: dnsName,
    mode: z.enum(['observe', 'advise', 'auto']).default('observe'),
    provider: z.union([name, some(name, PATHS_MAX)], { error: PATHS }),
    ttl: ttlSeconds.default(TTL_S),
    steering: z.enum(Object.keys(steering) as [string, ...string[]]).default('weighted'),
    allDown: z.enum(['hold', 'configured']).default('hold'),
    pools: some(pool, POOLS_MAX),
    load: amount.optional(),
    converge: z
      .strictObject({
        authoritative: few(hostPortText).default([]),
        resolvers: few(hostPortText).default([]),
        request: z
          .strictObject({ port: whole(1, 65_535), path: urlPath, tls: z.boolean().optional() })
          .transform(({ tls, ...given }) => (tls === true ? { ...given, tls } : given))
          .optional(),
      })
      .default({ authoritative: [], resolvers: [] }),
  })
  .transform(({ ttl, steering, converge, load, ...given }): ServiceConfig => {
    const [provider = '', ...also] = typeof given.provider === 'string' ? [given.provider] : given.provider;
    return {
      ...given,
      provider,
      ...(also.length === 0 ? {} : { also }),
      ttlS: ttl,
      steering: { kind: steering },
      ...present({ load }),
      converge: present(converge),
    };
  });

/** The one in use and the next: a rotation needs no third. */
const KEYS_MAX = 2;

const region = z
  .strictObject({
    name: regionName,
    vote: z.boolean().default(true),
    coordinator: z.boolean().default(true),
    anchors: few(anchorUrl).default([]),
    keys: few(publicKey, KEYS_MAX).optional(),
  })
  .transform((given): RegionConfig => present(given));

const span = (given: Span) => duration(given).optional();

const AUTO = `auto, or a whole number from ${FAULTS.min} to ${FAULTS.max}; auto is right unless you measured otherwise`;

const GRAY_MAP = 'off, or a map with acceptable, rejectable, threshold and cut; leave it out for the defaults';

const grayMap = z
  .strictObject(
    {
      acceptable: percentOf(GRAY_LIMITS.acceptable, '1%').optional(),
      rejectable: percentOf(GRAY_LIMITS.rejectable, '30%').optional(),
      threshold: whole(GRAY_LIMITS.threshold.min, GRAY_LIMITS.threshold.max).optional(),
      cut: percentOf(GRAY_LIMITS.cut, '50%').optional(),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? GRAY_MAP : undefined) },
  )
  .nullable();

/** `off` is null; a key without a value is a mistake. */
const gray = z.preprocess((given) => (given === 'off' ? null : (given ?? 'nothing')), grayMap).transform(grayOf);

const policy = z
  .strictObject({
    interval: span(SPANS.interval),
    timeout: span(SPANS.timeout),
    connectTimeout: span(SPANS.connectTimeout),
    suspectAfter: span(SPANS.suspectAfter),
    faults: z.union([z.literal('auto').transform(() => null), whole(FAULTS.min, FAULTS.max)], { error: AUTO }).optional(),
    faultSpan: span(SPANS.faultSpan),
    burst: span(SPANS.burst),
    fresh: span(SPANS.fresh),
    beat: span(SPANS.beat),
    recoveryHold: span(SPANS.recoveryHold),
    ramp: some(percent, 20).optional(),
    rampStep: span(SPANS.rampStep),
    pacing: span(SPANS.pacing),
    receiverWait: span(SPANS.receiverWait),
    flapWindow: span(SPANS.flapWindow),
    latchAfter: whole(LATCH_AFTER.min, LATCH_AFTER.max).optional(),
    unreadyPage: span(SPANS.unreadyPage),
    lease: span(SPANS.lease),
    renew: span(SPANS.renew),
    gray: gray.optional(),
    safety: rules.optional(),
  })
  .transform(policyOf);

const goal = duration({ minMs: 1000, maxMs: 3_600_000 });

const goals = z.strictObject({ detection: goal.optional(), convergence: goal.optional() }).transform(({ detection, convergence }) => ({
  detectionMs: detection ?? GOALS.detectionMs,
  convergenceMs: convergence ?? GOALS.convergenceMs,
}));

/** The shape of `cluster`, key by key, so that its sound parts can still be checked when others are broken. */
export const clusterShape = {
  name,
  version: whole(0, Number.MAX_SAFE_INTEGER).default(0),
  goals: goals.default(GOALS),
  regions: some(region, REGIONS_MAX),
  policy: policy.default(policyOf({})),
  services: few(service, SERVICES_MAX),
  platforms: platformsSchema.optional(),
};

export const clusterSchema: z.ZodType<ClusterConfig> = z.strictObject(clusterShape).transform((given): ClusterConfig => present(given));
