// The section `systems` of a replica's file: the systems around that runbooks act on, by name. Endpoints and credentials are this replica's own; what is
// done with them is in `cluster.platforms`. Loads no library.
import { z } from 'zod';
import type { SystemConfig, TlsConfig } from '../runbook/systems.ts';
import { few } from './cluster.ts';
import {
  duration,
  filePath,
  isClear,
  isLoopbackHost,
  kubernetesName,
  matching,
  name,
  namedHostPort,
  plainUrl,
  present,
  serviceUrl,
  statusRange,
  userName,
} from './fields.ts';

const address = namedHostPort('temporal.example.net:7233');

const PAIR = 'certFile and keyFile together, since one proves nothing without the other; add the other, or remove this';
const tls = z
  .strictObject({
    caFile: filePath.optional(),
    certFile: filePath.optional(),
    keyFile: filePath.optional(),
    serverName: kubernetesName.optional(),
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), { error: PAIR })
  .transform((given): TlsConfig => present(given));

const CLEAR = 'https:// where a token is sent, since everybody on the way could read it; write https://, or remove tokenFile';
const read = { url: plainUrl, tokenFile: filePath.optional(), caFile: filePath.optional() };
const isTold = ({ url, tokenFile }: { url: string; tokenFile?: string | undefined }): boolean => tokenFile !== undefined && isClear(url);
/** Read with a token, or in the clear without one. */
const unlessTold = { error: CLEAR, path: ['url'] };
const CLOUD_URL = 'https://saas-api.tmprl.cloud';
const WEEK_MS = 7 * 24 * 3_600_000;

const CLUSTER = 'how to reach the cluster; write kubeconfigFile: FILE, or inCluster: true for the one this runs in';
const kubernetes = z
  .strictObject({ kind: z.literal('kubernetes'), kubeconfigFile: filePath.optional(), inCluster: z.literal(true).optional() })
  .refine(({ kubeconfigFile, inCluster }) => (kubeconfigFile === undefined) !== (inCluster === undefined), { error: CLUSTER });

const MEMBERS_MAX = 16;
const PASSWORD = 'user and passwordFile together, since one opens nothing without the other; add the other, or remove this';
const isPair = ({ user, passwordFile }: { user?: string | undefined; passwordFile?: string | undefined }): boolean =>
  (user === undefined) === (passwordFile === undefined);
const CLEAR_PASSWORD =
  'https:// where a password is sent, since everybody on the way could read it; write https://, or remove user and passwordFile';
const patroni = z
  .strictObject({
    kind: z.literal('patroni'),
    urls: few(plainUrl, MEMBERS_MAX).min(1),
    user: userName.optional(),
    passwordFile: filePath.optional(),
    tls: tls.optional(),
  })
  .refine(isPair, { error: PASSWORD, path: ['user'] })
  .refine(({ urls, passwordFile }) => passwordFile === undefined || !urls.some(isClear), { error: CLEAR_PASSWORD, path: ['urls'] });

const databaseName = matching('the name of a database, at most 63 printable characters without spaces; write it like orders', (value) =>
  /^[!-~]{1,63}$/.test(value),
);
const postgres = z.strictObject({
  kind: z.literal('postgres'),
  addresses: few(namedHostPort('pg-1.example.net:5432'), MEMBERS_MAX).min(1),
  user: userName,
  passwordFile: filePath,
  database: databaseName,
  tls: tls.optional(),
});

const pgbouncer = z.strictObject({
  kind: z.literal('pgbouncer'),
  address: namedHostPort('pooler.example.net:6432'),
  user: userName,
  passwordFile: filePath,
  tls: tls.optional(),
});

const NAMED_ALONE = 'a user with its passwordFile, since a name alone opens nothing; add passwordFile, or remove this';
const CLEAR_AUTH = 'tls where a password is sent, since Redis sends it as it is; add tls (an empty map will do), or remove passwordFile';
const isNear = (address: string): boolean => isLoopbackHost(address.slice(0, address.lastIndexOf(':')));
const redis = z
  .strictObject({
    kind: z.literal('redis'),
    address: namedHostPort('redis.example.net:6379'),
    user: userName.optional(),
    passwordFile: filePath.optional(),
    tls: tls.optional(),
  })
  .refine(({ user, passwordFile }) => user === undefined || passwordFile !== undefined, { error: NAMED_ALONE, path: ['user'] })
  .refine(({ address, passwordFile, tls: own }) => passwordFile === undefined || own !== undefined || isNear(address), {
    error: CLEAR_AUTH,
    path: ['passwordFile'],
  });

const entry = z.discriminatedUnion('kind', [
  kubernetes,
  z.strictObject({
    kind: z.literal('temporal-cloud'),
    url: serviceUrl.default(CLOUD_URL),
    tokenFile: filePath,
    caFile: filePath.optional(),
  }),
  z.strictObject({ kind: z.literal('temporal'), address, tls: tls.optional(), apiKeyFile: filePath.optional() }),
  z.strictObject({ kind: z.literal('prometheus'), ...read }).refine((given) => !isTold(given), unlessTold),
  z.strictObject({ kind: z.literal('codec'), ...read }).refine((given) => !isTold(given), unlessTold),
  z.strictObject({
    kind: z.literal('grpc'),
    address,
    service: matching('the name of a gRPC service, or an empty text for the server itself', (value) =>
      /^[\w.]{0,255}$/.test(value),
    ).default(''),
    tls: tls.optional(),
    certificateMin: duration({ minMs: 0, maxMs: 365 * 24 * 3_600_000 }).default(WEEK_MS),
  }),
  z
    .strictObject({
      kind: z.literal('http'),
      ...read,
      status: few(statusRange)
        .min(1)
        .default([[200, 299]]),
    })
    .refine((given) => !isTold(given), unlessTold),
  z.strictObject({ kind: z.literal('webhook'), url: serviceUrl, secretFile: filePath, caFile: filePath.optional() }),
  patroni,
  postgres,
  pgbouncer,
  redis,
]);

export const systemEntry = entry.transform((given): SystemConfig => {
  if (given.kind !== 'grpc') return present(given) as SystemConfig;
  const { certificateMin, ...rest } = given;
  return { ...present(rest), certificateMinMs: certificateMin };
});

/** Which entries a replica names; absent in files that name none. */
export type Systems = Readonly<Record<string, SystemConfig>>;

export const systemsSchema = z.record(name, systemEntry);
