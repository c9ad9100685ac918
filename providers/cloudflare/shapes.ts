// What is used of Cloudflare's objects. Anything else they hold is left as it is; it is sent back only where a PATCH replaces the whole of what it lies in
// (`looseObject`).
import { z } from 'zod';

const override = z.record(z.string(), z.unknown());

/** A rule or a pool set: both are looked at before, and instead of, the weights. */
const bypass = z.object({
  name: z.string().optional(),
  disabled: z.boolean().optional(),
  overrides: override.nullish(),
  fixed_response: override.nullish(),
});
export type Bypass = z.infer<typeof bypass>;

export const balancer = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  description: z.string().nullish(),
  enabled: z.boolean().optional(),
  proxied: z.boolean().optional(),
  ttl: z.number().nullish(),
  steering_policy: z.string().nullish(),
  default_pools: z.array(z.string()).nullish(),
  fallback_pool: z.string().nullish(),
  random_steering: z
    .looseObject({ default_weight: z.number().min(0).optional(), pool_weights: z.record(z.string(), z.number().min(0)).nullish() })
    .nullish(),
  rules: z.array(bypass).nullish(),
  /** Since 2026-08; read only, no request of the library may hold it. */
  pool_sets: z.array(bypass).nullish(),
  session_affinity: z.string().nullish(),
  adaptive_routing: z.object({ failover_across_pools: z.boolean().optional() }).nullish(),
});
export type Balancer = z.infer<typeof balancer>;

export const pool = z.object({
  id: z.string().min(1),
  name: z.string(),
  enabled: z.boolean().optional(),
  origins: z.array(z.object({ name: z.string().optional(), address: z.string().optional(), enabled: z.boolean().optional() })).nullish(),
  load_shedding: z.looseObject({ session_percent: z.number().optional(), session_policy: z.string().optional() }).nullish(),
});
export type Pool = z.infer<typeof pool>;

export const reference = z.object({
  reference_type: z.string().optional(),
  resource_id: z.string().optional(),
  resource_name: z.string().optional(),
  resource_type: z.string().optional(),
});

export const record = z.object({
  id: z.string().min(1),
  name: z.string(),
  type: z.string(),
  content: z.string().optional(),
  ttl: z.number(),
  proxied: z.boolean().optional(),
});
export type DnsRecord = z.infer<typeof record>;

const USED: readonly string[] = ['A', 'AAAA', 'CNAME', 'TXT'];

/** Of a list only the types that matter here: a record of a kind that is new to us is nobody's trouble. */
export const records = z
  .array(z.looseObject({ type: z.string() }))
  .transform((all) => all.filter(({ type }) => USED.includes(type)))
  .pipe(z.array(record));

export const batchReply = z.object({
  deletes: z.array(z.unknown()).nullish(),
  patches: z.array(record).nullish(),
  posts: z.array(record).nullish(),
});
