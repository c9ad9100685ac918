// The shape of a replica's configuration file and what it becomes. Unknown keys are refused everywhere; secrets are named by file only.
// Judges each value by itself: relations between them are check.ts. The shared part is cluster.ts, the spellings of single values fields.ts.
import { resolve } from 'node:path';
import { z } from 'zod';
import type { ClusterConfig } from '../model.ts';
import { clusterSchema, few, type PathField } from './cluster.ts';
import { dnsName, type HostPort, hostPort, hostPortText, listen, name, present, storeUrl, webhookUrl } from './fields.ts';

export interface BuiltinConfig {
  kind: 'builtin';
  zone: string;
  /** Where fenced writes go. */
  control: HostPort;
  tokenFile: string;
  /** This replica runs the server. */
  serve?: { dns: HostPort };
}

export interface Rfc2136Config {
  kind: 'rfc2136';
  zone: string;
  server: HostPort;
  key: { name: string; algorithm: 'hmac-sha256' | 'hmac-sha512'; secretFile: string };
}

export type StoreConfig =
  | { kind: 'embedded'; file: string; serve?: HostPort & { tokenFile: string } }
  | { kind: 'remote'; url: string; tokenFile: string };

/** One replica's file. Paths are absolute, durations in ms. */
export interface ReplicaConfig {
  /** The file itself. */
  file: string;
  region: string;
  replica: string;
  api: HostPort & { tokenFile: string };
  store: StoreConfig;
  /** `host:port` of resolvers for names of targets; none: those of /etc/resolv.conf. */
  dns: { resolvers: readonly string[] };
  providers: Readonly<Record<string, BuiltinConfig | Rfc2136Config>>;
  paging: { webhooks: readonly { name: string; url: string; secretFile: string }[] };
  log: { level: 'debug' | 'info' | 'warn' | 'error' };
  /** null: a remote store has it. */
  cluster: ClusterConfig | null;
}

const FILE = 'the path of a file, relative to this one; write it like ../secrets/token';

/** A path relative to the configuration's own folder, made absolute. */
export const pathIn = (folder: string): PathField =>
  z
    .string({ error: FILE })
    .min(1, { error: FILE })
    .max(1024, { error: FILE })
    .transform((path) => resolve(folder, path));

const embedded = (path: PathField) =>
  z.strictObject({
    kind: z.literal('embedded'),
    file: path,
    serve: z
      .strictObject({ listen, tokenFile: path })
      .transform(({ listen, tokenFile }) => ({ ...listen, tokenFile }))
      .optional(),
  });

const remote = (path: PathField) => z.strictObject({ kind: z.literal('remote'), url: storeUrl, tokenFile: path });

const builtin = (path: PathField) =>
  z.strictObject({
    kind: z.literal('builtin'),
    zone: dnsName,
    control: listen,
    tokenFile: path,
    serve: z.strictObject({ dns: listen }).optional(),
  });

const KEY = 'a map with name, algorithm and secretFile; keep the secret itself in a file of its own';

const rfc2136 = (path: PathField) =>
  z.strictObject({
    kind: z.literal('rfc2136'),
    zone: dnsName,
    server: hostPort,
    key: z.strictObject(
      { name: dnsName, algorithm: z.enum(['hmac-sha256', 'hmac-sha512']), secretFile: path },
      { error: (issue) => (issue.code === 'invalid_type' ? KEY : undefined) },
    ),
  });

/** The shape of the file, key by key, so that its sound parts can still be checked when others are broken. `folder` is the file's own. */
export const replicaShape = (folder: string) => {
  const path = pathIn(folder);
  return {
    region: name,
    replica: name,
    api: z
      .strictObject({ listen: listen.default({ host: '127.0.0.1', port: 7700 }), tokenFile: path })
      .transform(({ listen, tokenFile }) => ({ ...listen, tokenFile })),
    store: z.discriminatedUnion('kind', [embedded(path), remote(path)]).transform((given): StoreConfig => present(given) as StoreConfig),
    dns: z.strictObject({ resolvers: few(hostPortText).default([]) }).default({ resolvers: [] }),
    providers: z
      .record(
        name,
        z.discriminatedUnion('kind', [builtin(path), rfc2136(path)]).transform((given) => present(given) as BuiltinConfig | Rfc2136Config),
      )
      .default({}),
    paging: z
      .strictObject({ webhooks: few(z.strictObject({ name, url: webhookUrl, secretFile: path })).default([]) })
      .default({ webhooks: [] }),
    log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).default({ level: 'info' }),
    cluster: clusterSchema(path).optional(),
  };
};

/** The whole file. */
export const replicaSchema = (folder: string) => z.strictObject(replicaShape(folder));
