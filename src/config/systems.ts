// The section `systems` of a replica's file: the systems around that runbooks act on, by name. Endpoints and credentials are this replica's own; what is
// done with them is in `cluster.platforms`. Loads no library.
import { z } from 'zod';
import type { SystemConfig, TlsConfig } from '../runbook/systems.ts';
import { few } from './cluster.ts';
import {
  duration,
  filePath,
  isClear,
  kubernetesName,
  matching,
  name,
  parseHostPort,
  plainUrl,
  present,
  serviceUrl,
  statusRange,
} from './fields.ts';

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const isAddress = (value: string): boolean => {
  const port = Number(/:(\d{1,5})$/.exec(value)?.[1]);
  if (!(port >= 1 && port <= 65_535)) return false;
  return parseHostPort(value) !== null || HOST.test(value.slice(0, value.lastIndexOf(':')));
};
const address = matching('a name or an IP address with its port; write it like temporal.example.net:7233', isAddress);

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
]);

export const systemEntry = entry.transform((given): SystemConfig => {
  if (given.kind !== 'grpc') return present(given) as SystemConfig;
  const { certificateMin, ...rest } = given;
  return { ...present(rest), certificateMinMs: certificateMin };
});

/** Which entries a replica names; absent in files that name none. */
export type Systems = Readonly<Record<string, SystemConfig>>;

export const systemsSchema = z.record(name, systemEntry);
