// A canary in a replica's file: a service of its own that no user resolves, written every few minutes through the very calls that a failover would use, so
// that a token, a quota or an API that would fail tonight is known today. Its shape, and the service it stands for.
import { z } from 'zod';
import type { ServiceConfig } from '../model.ts';
import { few } from './cluster.ts';
import { TTL_S } from './defaults.ts';
import { answer, dnsName, duration, hostPortText, name, ttlSeconds, whole } from './fields.ts';

export interface CanaryConfig {
  /** The entry of `providers` that it is written to: that of its path, or one of its own with a zone apart from the users'. */
  provider: string;
  /** The entry that it proves, which services name; `for` in the file. */
  path: string;
  /** Its own name: no service of the cluster. */
  service: string;
  everyMs: number;
  ttlS: number;
  pools: readonly { name: string; weight: number; answers: readonly string[] }[];
  /** `host:port` of the servers that must answer the new fence; none: not measured. */
  authoritative: readonly string[];
  /** `host:port` of recursive resolvers that must come to answer it. */
  resolvers: readonly string[];
  /** It is failed over from pool to pool each time, instead of only being written. */
  microDrill?: true;
}

const EVERY = { defaultMs: 300_000, minMs: 10_000, maxMs: 86_400_000 } as const;
const POOLS_MAX = 16;
/** Of a range kept for documentation (RFC 5737): nobody is there. */
const NOBODY = '192.0.2.1';
const POOL: CanaryConfig['pools'] = [{ name: 'canary', weight: 1, answers: [NOBODY] }];
/** A failover needs somewhere to go. */
const POOLS: CanaryConfig['pools'] = [
  { name: 'a', weight: 1, answers: [NOBODY] },
  { name: 'b', weight: 1, answers: ['192.0.2.2'] },
];
const APART =
  'at least two pools with a weight, whose answers differ, since a micro-drill fails over from one to another; leave pools out, or give it two';

const pool = z.strictObject({ name, weight: whole(0, 10_000).default(1), answers: few(answer).default([]) });

/** A failover between them shows: two at least, and no address of one is another's. Pools that are objects of their provider have none. */
const areApart = (pools: CanaryConfig['pools']): boolean => {
  const answers = pools.flatMap((each) => [...new Set(each.answers)]);
  const isMixed = answers.length > 0 && pools.some((each) => each.answers.length === 0);
  return pools.length >= 2 && pools.every(({ weight }) => weight > 0) && new Set(answers).size === answers.length && !isMixed;
};

export const canarySchema = z
  .strictObject({
    provider: name,
    for: name.optional(),
    service: dnsName,
    every: duration(EVERY).default(EVERY.defaultMs),
    ttl: ttlSeconds.default(TTL_S),
    pools: few(pool, POOLS_MAX).min(1).optional(),
    authoritative: few(hostPortText).default([]),
    resolvers: few(hostPortText).default([]),
    microDrill: z.boolean().optional(),
  })
  .refine(({ microDrill, pools }) => microDrill !== true || pools === undefined || areApart(pools), { path: ['pools'], error: APART })
  .transform(({ for: path, every, ttl, microDrill, pools = microDrill === true ? POOLS : POOL, ...given }): CanaryConfig => {
    return { ...given, path: path ?? given.provider, everyMs: every, ttlS: ttl, pools, ...(microDrill === true ? { microDrill } : {}) };
  });

/** The canary as the service that its provider sees. */
export const canaryService = ({ provider, service, ttlS, pools, authoritative, resolvers }: CanaryConfig): ServiceConfig => ({
  name: service,
  mode: 'auto',
  provider,
  ttlS,
  steering: { kind: 'weighted' },
  allDown: 'hold',
  pools: pools.map(({ name, weight, answers }) => ({ name, region: name, weight, minUp: 1, answers, targets: [] })),
  converge: { authoritative, resolvers },
});
