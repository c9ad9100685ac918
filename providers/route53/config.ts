// What an entry of kind `route53` says once it was judged (src/config/providers/route53.ts). Each mode drives other objects of the same account.

/** When the facts in the capabilities of any mode were last checked. */
export const CHECKED_ON = '2026-11-26';

export type Route53Config = RecordsConfig | HealthChecksConfig | RoutingControlsConfig;

interface Entry {
  kind: 'route53';
  /** Domain of the services, lower case without the final dot. */
  zone: string;
  /** AWS ini file; read anew for every request. */
  credentialsFile: string;
}

/** How a pool is said in the zone. Nothing given: by its answers, under its own name. */
export interface PoolRecords {
  /** `SetIdentifier` of its first set; further addresses take `#2`, `#3`, … after it. */
  setIdentifier?: string;
  cname?: string;
  alias?: { name: string; hostedZoneId: string; evaluateTargetHealth: boolean; types: readonly ('A' | 'AAAA')[] };
  /** Attached to the pool's sets. Absent: what is attached there already stays. */
  healthCheckId?: string;
}

export interface RecordsConfig extends Entry {
  mode: 'weighted' | 'failover';
  hostedZoneId: string;
  /** Instead of AWS's own, for tests and emulators. */
  endpoint?: string;
  services: Readonly<Record<string, { pools: Readonly<Record<string, PoolRecords>> }>>;
}

export interface HealthChecksConfig extends Entry {
  mode: 'healthChecks';
  /** Where the fences lie. */
  hostedZoneId: string;
  endpoint?: string;
  services: Readonly<Record<string, { pools: Readonly<Record<string, { healthCheckId: string }>> }>>;
}

export interface RoutingControlsConfig extends Entry {
  mode: 'routingControls';
  /** The regional endpoints of the cluster, as ARC lists them. */
  endpoints: readonly { region: string; url: string }[];
  services: Readonly<Record<string, { pools: Readonly<Record<string, { routingControlArn: string }>> }>>;
}
