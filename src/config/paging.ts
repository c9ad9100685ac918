// The section of paging: which channels there are, who is told of what, the region's Redis, the dead man's switch. What it means is src/paging.
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import type { ChannelConfig, ChannelKind } from '../paging/index.ts';
import type { PageRoute } from '../paging/routing.ts';
import { few } from './cluster.ts';
import {
  dnsName,
  duration,
  filePath,
  isCron,
  isLoopbackHost,
  isTimezone,
  matching,
  name,
  present,
  regionName,
  serviceUrl,
  userName,
  webhookUrl,
  whole,
} from './fields.ts';
import { isSecretKey } from './problem.ts';

export interface RedisConfig {
  /** `redis://host:port/db`, or `rediss://` with TLS. */
  url: string;
  user?: string;
  passwordFile?: string;
  caFile?: string;
  /** Before every key, so that two clusters can share a server. */
  prefix: string;
}

export interface HeartbeatConfig {
  /** An address that may be a secret, in a file. */
  urlFile: string;
  everyMs: number;
}

export interface PagingConfig {
  channels: readonly ChannelConfig[];
  /** In order: the first that matches says who is told. Where none does every channel is told at once. */
  routes: readonly PageRoute[];
  /** Where people open the API; links in pages begin with it. */
  baseUrl?: string;
  redis?: RedisConfig;
  heartbeat?: HeartbeatConfig;
  /** What signs what a receiver sends back: acknowledgements, holds. Absent: nothing is taken. The newest first. */
  callbacks?: { secretFiles: readonly string[] };
  /** Pages that this replica tells by itself while the store does not answer. */
  spoolFile?: string;
}

export const NO_PAGING: PagingConfig = { channels: [], routes: [] };

const CHANNELS_MAX = 32;
const LIST_MAX = 64;
const SECRETS_MAX = 3;

/** As post.ts reads it. */
const network = matching(
  'a block of addresses; write it like 10.0.0.0/8 or fd00::/8',
  (value) => !value.includes('%') && (ipaddr.IPv4.isValidCIDRFourPartDecimal(value) || ipaddr.IPv6.isValidCIDR(value)),
);
const overHttp = { name, caFile: filePath.optional(), networks: few(network, LIST_MAX).optional() };
const secretFiles = z.array(filePath).min(1).max(SECRETS_MAX);
const user = z.strictObject({ name: userName, passwordFile: filePath });

/** One address, or a file that holds it. */
const ONE_ADDRESS = 'either url or urlFile; write the address, or name the file that holds it';
const ONE_SECRET = 'either secretFile or secretFiles; name the file of the secret, or a list of files while it is being replaced';

const webhook = z
  .strictObject({
    kind: z.literal('webhook'),
    ...overHttp,
    url: webhookUrl.optional(),
    urlFile: filePath.optional(),
    secretFile: filePath.optional(),
    secretFiles: secretFiles.optional(),
  })
  .refine(({ url, urlFile }) => (url === undefined) !== (urlFile === undefined), { error: ONE_ADDRESS, path: ['url'] })
  .refine((given) => (given.secretFile === undefined) !== (given.secretFiles === undefined), { error: ONE_SECRET, path: ['secretFile'] })
  .transform(({ secretFile, secretFiles, url, urlFile, ...rest }) => {
    const secrets = secretFiles ?? (secretFile === undefined ? [] : [secretFile]);
    return { ...rest, secretFiles: secrets, ...(urlFile === undefined ? { url: url ?? '' } : { urlFile }) };
  });

/** The part of the path that is the API's own is added by us. */
const apiBase = serviceUrl.refine((url) => !/\/v2(\/|$)/.test(new URL(url).pathname), {
  error: 'the address without the path of the API (/v2/…), which is added to it; write it like https://events.eu.pagerduty.com',
});

const alerts = <K extends 'opsgenie' | 'jsm'>(kind: K, url: string) =>
  z.strictObject({ kind: z.literal(kind), ...overHttp, keyFile: filePath, url: apiBase.default(url) });

const SLOT = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const labelName = matching(
  'a label of a-z, A-Z, 0-9 and "_" that is neither one of ours (alertname, cluster, key, severity) nor called like a secret; write it like team',
  (value) => SLOT.test(value) && !isSecretKey(value) && !['alertname', 'cluster', 'key', 'severity'].includes(value),
);
const labelValue = matching('a text of at most 256 characters', (value) => value.length >= 1 && value.length <= 256);
const mailbox = matching('an address of mail; write it like oncall@example.net', (value) =>
  /^[^\s@<>,;:"'()[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(value),
);
const host = matching('the name or address of a mail server, without port; write it like smtp.example.net', (value) =>
  /^(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-fA-F:]+)$/.test(value),
);
const PORTS = { implicit: 465, starttls: 587, none: 25 } as const;

const email = z
  .strictObject({
    kind: z.literal('email'),
    name,
    host,
    port: whole(1, 65_535).optional(),
    tls: z.enum(['implicit', 'starttls', 'none']).default('implicit'),
    caFile: filePath.optional(),
    user: user.optional(),
    from: mailbox,
    to: z.array(mailbox).min(1).max(LIST_MAX),
  })
  .refine(({ tls, host }) => tls !== 'none' || isLoopbackHost(host), {
    error: 'implicit or starttls (none is for a server on this machine only); mail without TLS can be read and changed on its way',
    path: ['tls'],
  })
  .transform(({ port, ...rest }) => ({ ...rest, port: port ?? PORTS[rest.tls] }));

const shapes: { readonly [K in ChannelKind]: z.ZodType } = {
  webhook,
  pagerduty: z.strictObject({
    kind: z.literal('pagerduty'),
    ...overHttp,
    routingKeyFile: filePath,
    url: apiBase.default('https://events.pagerduty.com'),
  }),
  opsgenie: alerts('opsgenie', 'https://api.opsgenie.com'),
  jsm: alerts('jsm', 'https://api.atlassian.com/jsm/ops/integration'),
  slack: z.strictObject({ kind: z.literal('slack'), ...overHttp, urlFile: filePath }),
  teams: z.strictObject({ kind: z.literal('teams'), ...overHttp, urlFile: filePath }),
  alertmanager: z
    .strictObject({
      kind: z.literal('alertmanager'),
      name,
      urls: z.array(webhookUrl).min(1).max(LIST_MAX),
      labels: z.record(labelName, labelValue).default({}),
      caFile: filePath.optional(),
      user: user.optional(),
    })
    .refine(
      ({ urls, user }) => user === undefined || urls.every((url) => url.startsWith('https:') || isLoopbackHost(new URL(url).hostname)),
      {
        error: 'https:// addresses, since a password goes along (http:// for this machine only)',
        path: ['urls'],
      },
    ),
  email,
};

const channel = z
  .discriminatedUnion('kind', Object.values(shapes) as unknown as [z.core.$ZodTypeDiscriminable])
  .transform((given) => present(given as object)) as unknown as z.ZodType<ChannelConfig>;

const hours = z.strictObject({
  cron: matching('five fields of cron that match the minutes in question; write it like "* 8-17 * * 1-5"', isCron),
  timezone: matching('a time zone of the IANA list; write it like Europe/Berlin', isTimezone),
});

const route = z
  .strictObject({
    severity: few(z.enum(['critical', 'warning', 'info']))
      .min(1)
      .optional(),
    service: few(dnsName, LIST_MAX).min(1).optional(),
    region: few(regionName, LIST_MAX).min(1).optional(),
    hours: hours.optional(),
    to: few(name, LIST_MAX).default([]),
    also: few(name, LIST_MAX).default([]),
  })
  .transform(present) as unknown as z.ZodType<PageRoute>;

/** Within a region's own network: an address of RFC 1918 or 4193, or a name without a public suffix. */
const isPrivateHost = (hostname: string): boolean => {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.IPv4.isValidFourPartDecimal(host) || ipaddr.IPv6.isValid(host))
    return ['private', 'uniqueLocal'].includes(ipaddr.parse(host).range());
  return !host.includes('.') || /\.(svc|local|internal)$/.test(host);
};

const redisUrl = matching(
  'redis://host:port/number without user or password, or rediss:// with TLS; write it like redis://127.0.0.1:6379/0',
  (value) => /^rediss?:\/\/[a-zA-Z0-9.[\]:-]+:\d{1,5}(\/\d{1,2})?$/.test(value) && URL.canParse(value),
);
const REDIS_PREFIX = 'tidegate';

const redis = z
  .strictObject({
    url: redisUrl,
    user: userName.optional(),
    passwordFile: filePath.optional(),
    caFile: filePath.optional(),
    prefix: matching('a text of a-z, 0-9, "-" and "_", at most 64 long', (value) => /^[a-z0-9_-]{1,64}$/.test(value)).default(REDIS_PREFIX),
  })
  .refine(({ url }) => url.startsWith('rediss:') || isLoopbackHost(new URL(url).hostname) || isPrivateHost(new URL(url).hostname), {
    error: 'rediss:// for a server that is not in this network; a password would pass in the clear',
    path: ['url'],
  })
  .transform(present) as unknown as z.ZodType<RedisConfig>;

export const pagingSchema = z
  .strictObject({
    channels: few(channel, CHANNELS_MAX).default([]),
    routes: few(route, LIST_MAX).default([]),
    baseUrl: serviceUrl.optional(),
    redis: redis.optional(),
    heartbeat: z
      .strictObject({ urlFile: filePath, every: duration({ minMs: 10_000, maxMs: 3_600_000 }).default(60_000) })
      .transform(({ urlFile, every }) => ({ urlFile, everyMs: every }))
      .optional(),
    callbacks: z.strictObject({ secretFiles }).optional(),
    spoolFile: filePath.optional(),
  })
  .transform(present) as unknown as z.ZodType<PagingConfig>;
