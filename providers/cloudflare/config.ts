// An entry of kind `cloudflare`, as the adapter takes it, and the limits that its configuration is checked by. Loads nothing of the vendor's. Pure.
import type { ClientConfig } from './client.ts';

interface Zone extends ClientConfig {
  kind: 'cloudflare';
  /** Services lie in it. */
  zone: string;
  zoneId: string;
}

/** One existing load balancer for each service; its pools exist too. */
export interface BalancerConfig extends Zone {
  mode: 'loadBalancer';
  /** As the load balancers are: what is proxied follows a change without waiting for a TTL. */
  proxied: boolean;
  /** The account of the pools. Named: they are looked at, too, and `sessions: shed` and the import of pools' names work. */
  accountId?: string;
  /** `shed`: a pool that loses its share also loses that part of its pinned sessions, by its load shedding. */
  sessions: 'keep' | 'shed';
  services: Readonly<Record<string, BalancerService>>;
}

export interface BalancerService {
  loadBalancerId: string;
  /** Cloudflare's id by our pool's name. */
  pools: Readonly<Record<string, string>>;
}

/** A and AAAA records of the zone. */
export interface RecordsConfig extends Zone {
  mode: 'dns';
  /** Of the records that are made where a service has none yet. */
  proxied: boolean;
  plan: 'free' | 'paid' | 'enterprise';
  /** `conditional` once the check of the README passed on a zone of this account. */
  fencing: 'marker' | 'conditional';
}

export type CloudflareConfig = BalancerConfig | RecordsConfig;

/** Calls of all tokens of a user together (developers.cloudflare.com/fundamentals/api/reference/limits, 2026-11-22); Enterprise may have more. */
export const CALLS_PER_5_MIN = 1200;
/** Seconds that a record which is not proxied is cached at least (OpenAPI of 2026-08-17). */
export const RECORD_TTL_FLOOR_S = { free: 60, paid: 60, enterprise: 30 } as const;
/** What a load balancer that is not proxied answers with, unless its owner said otherwise. */
export const BALANCER_TTL_S = 30;
/** `ttl: 1` is Cloudflare's word for automatic, the only one that proxied records take. */
export const AUTOMATIC_TTL = 1;
/** Records in one batch (developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes, 2026-11-22). */
export const BATCH_RECORDS = { free: 200, paid: 3500, enterprise: 3500 } as const;
