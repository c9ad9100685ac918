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
}

const EVERY = { defaultMs: 300_000, minMs: 10_000, maxMs: 86_400_000 } as const;
const POOLS_MAX = 16;
/** Of a range kept for documentation (RFC 5737): nobody is there. */
const NOBODY = '192.0.2.1';
const POOL: CanaryConfig['pools'] = [{ name: 'canary', weight: 1, answers: [NOBODY] }];

const pool = z.strictObject({ name, weight: whole(0, 10_000).default(1), answers: few(answer).default([]) });

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
  })
  .transform(({ for: path, every, ttl, pools = POOL, ...given }): CanaryConfig => {
    return { ...given, path: path ?? given.provider, everyMs: every, ttlS: ttl, pools };
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
