// The shape of a replica's configuration file and what it becomes. Unknown keys are refused everywhere; secrets are named by file only.
// Judges each value by itself: relations between them are check.ts. The shared part is cluster.ts, the spellings of single values fields.ts.
import { resolve } from 'node:path';
import { z } from 'zod';
import type { ProviderConfig } from '../../providers/index.ts';
import type { ClusterConfig } from '../model.ts';
import { type ApiConfig, apiSchema } from './api.ts';
import { type CanaryConfig, canarySchema } from './canary.ts';
import { clusterSchema, few } from './cluster.ts';
import {
  apiUrl,
  duration,
  etcdEndpoint,
  filePath,
  type HostPort,
  hostPortText,
  listen,
  name,
  present,
  regionName,
  storePrefix,
  storeUrl,
  userName,
  whole,
} from './fields.ts';
import { NO_PAGING, type PagingConfig, pagingSchema } from './paging.ts';
import { providerEntry } from './providers/index.ts';
import { type Systems, systemsSchema } from './systems.ts';

export type StoreConfig =
  | { kind: 'embedded'; file: string; serve?: HostPort & { tokenFile: string } }
  | { kind: 'remote'; url: string; tokenFile: string }
  | {
      kind: 'etcd';
      /** `scheme://host:port` of members, the nearest first. */
      endpoints: readonly string[];
      /** Starts and ends with a slash. */
      prefix: string;
      tls?: { caFile: string; certFile?: string; keyFile?: string };
      user?: { name: string; passwordFile: string };
      /** Deadline of one call. */
      timeoutMs: number;
    };

export interface DashboardConfig {
  /** By region, the origin of its API: `https://…`, without a path. */
  peers: Readonly<Record<string, string>>;
}

export interface RecordConfig {
  folder: string;
  /** All files together. */
  maxBytes: number;
  /** One file. */
  fileBytes: number;
  /** Every look of this vantage too, without which a replay cannot try other thresholds. */
  observations: boolean;
}

/** One replica's file. Paths are absolute, durations in ms. */
export interface ReplicaConfig {
  /** The file itself. */
  file: string;
  region: string;
  replica: string;
  /** Its name as the command line gave it, which holds over reloads. Absent: the file's own holds. */
  calledReplica?: string;
  api: ApiConfig;
  store: StoreConfig;
  /** `host:port` of resolvers for names of targets; none: those of /etc/resolv.conf. */
  dns: { resolvers: readonly string[] };
  providers: Readonly<Record<string, ProviderConfig>>;
  /** What runbooks act on, by the names that platforms use. Absent: this replica executes none that need one. */
  systems?: Systems;
  /** Where the page can go on when this region is lost. Absent: nowhere. */
  dashboard?: DashboardConfig;
  /** Serves the gates: what decisions say of pools, to the vendors' checkers. Absent: this replica serves none. */
  gate?: HostPort & { file: string };
  /** What is written now and then to know that each provider can be. Absent: nothing is. */
  canaries?: readonly CanaryConfig[];
  /** What signs this region's votes. Without it they are unsigned. */
  signing?: { keyFile: string };
  paging: PagingConfig;
  log: { level: 'debug' | 'info' | 'warn' | 'error' };
  /** What this replica sees and decides, as files for `tidegate replay`. Absent: nothing is recorded. */
  record?: RecordConfig;
  /** A second policy that is asked beside the live one and never obeyed. `cluster` null: its file was not read yet. */
  shadow?: { file: string; cluster: ClusterConfig | null };
  /** null: the store has it. */
  cluster: ClusterConfig | null;
}

/**
 * A value of the schema with the paths in it made absolute, from `folder`. What ends in `File` names a file (`Files` several, `folder` a folder), and nothing else does:
 * the rule by which secrets are told from their files as well.
 */
export const withPaths = <T>(value: T, folder: string): T => {
  const walk = (each: unknown, key: string): unknown => {
    if (typeof each === 'string') return key === 'file' || key === 'folder' || key.endsWith('File') ? resolve(folder, each) : each;
    if (Array.isArray(each)) return each.map((item) => walk(item, key.endsWith('Files') ? 'file' : ''));
    if (typeof each !== 'object' || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([name, item]) => [name, walk(item, name)]));
  };
  return walk(value, '') as T;
};

const embedded = z.strictObject({
  kind: z.literal('embedded'),
  file: filePath,
  serve: z
    .strictObject({ listen, tokenFile: filePath })
    .transform(({ listen, tokenFile }) => ({ ...listen, tokenFile }))
    .optional(),
});

const remote = z.strictObject({ kind: z.literal('remote'), url: storeUrl, tokenFile: filePath });

/** Members of one cluster are three or five; more endpoints than this is a list gone wrong. */
const ENDPOINTS_MAX = 16;
/** The same for every replica whatever else its file says: a prefix guessed from another section would split a cluster in two. */
const PREFIX = '/tidegate/default/';
const ETCD_TIMEOUT = { defaultMs: 1500, minMs: 200, maxMs: 10_000 } as const;

const etcd = z.strictObject({
  kind: z.literal('etcd'),
  endpoints: few(etcdEndpoint, ENDPOINTS_MAX).min(1),
  prefix: storePrefix.default(PREFIX),
  tls: z
    .strictObject({ caFile: filePath, certFile: filePath.optional(), keyFile: filePath.optional() })
    .transform((given, context) => {
      const pair = (has: 'certFile' | 'keyFile', lacks: 'certFile' | 'keyFile'): void => {
        if (given[has] === undefined || given[lacks] !== undefined) return;
        const message = `${lacks} beside it, since one proves nothing without the other; add ${lacks}, or remove this`;
        context.addIssue({ code: 'custom', path: [has], message });
      };
      pair('certFile', 'keyFile');
      pair('keyFile', 'certFile');
      return present(given);
    })
    .optional(),
  user: z.strictObject({ name: userName, passwordFile: filePath }).optional(),
  timeout: duration(ETCD_TIMEOUT).default(ETCD_TIMEOUT.defaultMs),
});

const MIB = 1024 * 1024;

const record = z.strictObject({
  folder: filePath,
  maxBytes: whole(MIB, 1024 * 1024 * MIB).default(256 * MIB),
  fileBytes: whole(64 * 1024, 1024 * MIB).default(8 * MIB),
  observations: z.boolean().default(true),
});

/** The shape of the file, key by key, so that its sound parts can still be checked when others are broken. */
export const replicaShape = {
  region: regionName,
  replica: name,
  api: apiSchema,
  store: z.discriminatedUnion('kind', [embedded, remote, etcd]).transform((given): StoreConfig => {
    if (given.kind !== 'etcd') return present(given) as StoreConfig;
    const { timeout, ...rest } = given;
    return present({ ...rest, timeoutMs: timeout });
  }),
  dns: z.strictObject({ resolvers: few(hostPortText).default([]) }).default({ resolvers: [] }),
  providers: z.record(name, providerEntry).default({}),
  systems: systemsSchema.optional(),
  dashboard: z.strictObject({ peers: z.record(regionName, apiUrl).default({}) }).optional(),
  gate: z
    .strictObject({ listen, file: filePath })
    .transform(({ listen, file }): NonNullable<ReplicaConfig['gate']> => ({ ...listen, file }))
    .optional(),
  canaries: few(canarySchema).optional(),
  signing: z.strictObject({ keyFile: filePath }).optional(),
  paging: pagingSchema.default(NO_PAGING),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).default({ level: 'info' }),
  record: record.optional(),
  shadow: z
    .strictObject({ file: filePath })
    .transform(({ file }): NonNullable<ReplicaConfig['shadow']> => ({ file, cluster: null }))
    .optional(),
  cluster: clusterSchema.optional(),
};

/** The whole file, with paths as they are written. */
export const replicaSchema = z.strictObject(replicaShape);
