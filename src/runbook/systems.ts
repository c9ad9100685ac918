// The table of systems around: one line each, imported only when a replica's file names one, so that an unused library costs nothing.
import type { System, SystemContext } from './kind.ts';

export interface TlsConfig {
  /** PEM file of the authorities to trust instead of the system's. */
  caFile?: string;
  /** What this side shows of itself; both or none. */
  certFile?: string;
  keyFile?: string;
  /** Name to verify and to send in SNI when it is not the address's. */
  serverName?: string;
}

export type KubernetesSystemConfig = { kind: 'kubernetes' } & ({ kubeconfigFile: string } | { inCluster: true });
/** Cloud Ops API. `url` has no path. */
export interface TemporalCloudConfig {
  kind: 'temporal-cloud';
  url: string;
  tokenFile: string;
  caFile?: string;
}
/** The frontend of one cluster. `address`: `host:port`. */
export interface TemporalConfig {
  kind: 'temporal';
  address: string;
  tls?: TlsConfig;
  apiKeyFile?: string;
}
export interface PrometheusConfig {
  kind: 'prometheus';
  url: string;
  tokenFile?: string;
  caFile?: string;
}
/** A codec server: `url` is what `/encode` and `/decode` are appended to. */
export interface CodecConfig {
  kind: 'codec';
  url: string;
  tokenFile?: string;
  caFile?: string;
}
/** A server of gRPC health, looked at through whatever stands before it. */
export interface GrpcConfig {
  kind: 'grpc';
  address: string;
  /** Name of the service that is asked for; empty: the server. */
  service: string;
  tls?: TlsConfig;
  /** A certificate that ends sooner is no longer good. */
  certificateMinMs: number;
}
export interface HttpCheckConfig {
  kind: 'http';
  url: string;
  status: readonly (readonly [number, number])[];
  tokenFile?: string;
  caFile?: string;
}
/** A user's own system, called by Standard Webhooks. */
export interface WebhookSystemConfig {
  kind: 'webhook';
  url: string;
  /** `whsec_…`. */
  secretFile: string;
  caFile?: string;
}

/** The REST API of one Patroni cluster: `urls` of its members, in any order; unsafe verbs go to the leader. */
export interface PatroniConfig {
  kind: 'patroni';
  urls: readonly string[];
  user?: string;
  /** Password of `user`. */
  passwordFile?: string;
  tls?: TlsConfig;
}
/** SQL of one region's Postgres: whichever of `addresses` (`host:port`, the members) is leader there. */
export interface PostgresConfig {
  kind: 'postgres';
  addresses: readonly string[];
  user: string;
  passwordFile: string;
  database: string;
  /** Absent: in the clear, which only a private line may be. */
  tls?: TlsConfig;
}
/** The admin console of one pooler. */
export interface PgbouncerConfig {
  kind: 'pgbouncer';
  address: string;
  user: string;
  passwordFile: string;
  tls?: TlsConfig;
}
/** Redis, Valkey or Dragonfly: which of them, its answers tell. */
export interface RedisSystemConfig {
  kind: 'redis';
  address: string;
  user?: string;
  passwordFile?: string;
  tls?: TlsConfig;
}

/** Amazon Aurora Global Database, by the API of one region: that of the cluster which is activated there. */
export interface AuroraConfig {
  kind: 'aurora';
  region: string;
  /** Its identifier. */
  globalCluster: string;
  /** In the ini form of AWS's own tools. */
  credentialsFile: string;
  /** Origin of the API. Absent: AWS's own of the region. */
  endpoint?: string;
  caFile?: string;
}
/** The Admin API of Cloud SQL. `url`: its origin. */
export interface CloudSqlConfig {
  kind: 'cloud-sql';
  project: string;
  url: string;
  /** JSON of a service account's key. */
  credentialsFile: string;
  caFile?: string;
}

/** One entry of `systems` in a replica's file. */
export type SystemConfig =
  | KubernetesSystemConfig
  | TemporalCloudConfig
  | TemporalConfig
  | PrometheusConfig
  | CodecConfig
  | GrpcConfig
  | HttpCheckConfig
  | WebhookSystemConfig
  | PatroniConfig
  | PostgresConfig
  | PgbouncerConfig
  | RedisSystemConfig
  | AuroraConfig
  | CloudSqlConfig;

export type SystemKind = SystemConfig['kind'];

export interface SystemModule<C extends SystemConfig> {
  /** Throws a Fault about its configuration or its secrets. Connects to nothing. */
  open(config: C, context: SystemContext): Promise<System>;
}

type Table = { readonly [K in SystemKind]: () => Promise<SystemModule<Extract<SystemConfig, { kind: K }>>> };

export const systems: Table = {
  kubernetes: async () => (await import('./kubernetes/system.ts')).kubernetes,
  'temporal-cloud': async () => (await import('./temporal/cloud.ts')).temporalCloud,
  temporal: async () => (await import('./temporal/cluster.ts')).temporal,
  prometheus: async () => (await import('./prometheus/system.ts')).prometheus,
  codec: async () => (await import('./codec/system.ts')).codec,
  grpc: async () => (await import('./grpc/system.ts')).grpc,
  http: async () => (await import('./http/system.ts')).http,
  webhook: async () => (await import('./webhook/system.ts')).webhook,
  patroni: async () => (await import('./postgres/patroni.ts')).patroni,
  postgres: async () => (await import('./postgres/sql.ts')).postgres,
  pgbouncer: async () => (await import('./pgbouncer/system.ts')).pgbouncer,
  redis: async () => (await import('./cache/system.ts')).redis,
  aurora: async () => (await import('./managed/aurora.ts')).aurora,
  'cloud-sql': async () => (await import('./managed/cloud-sql.ts')).cloudSql,
};
