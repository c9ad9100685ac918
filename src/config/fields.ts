// The kinds of single values in the file: how each is spelt, what it becomes, and the sentence for a value that is none.
// Every message of a schema is the rest of a sentence that starts with `found …, expected `: what was expected, then what to do.
import { Cron } from 'croner';
import { z } from 'zod';
import { isPublicKey } from '../coordinate/signing.ts';
import { spell } from './words.ts';

/** `host` is an IP literal. */
export interface HostPort {
  host: string;
  port: number;
}

/** A text that `parse` turns into something, or refuses by returning null. */
const text = <T>(wanted: string, parse: (text: string) => T | null) =>
  z.string({ error: wanted }).transform((value, context): T => {
    const parsed = parse(value);
    if (parsed !== null) return parsed;
    context.addIssue({ code: 'custom', message: wanted });
    return z.NEVER;
  });

/** A text that `fits`, as it is. */
export const matching = (wanted: string, fits: (text: string) => boolean) => text(wanted, (value) => (fits(value) ? value : null));

/** Without the keys that are undefined: an absent key stays absent. */
export const present = <T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

// ---- names ----

const NAME = /^(?=.*[a-z])[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;

/** Regions, replicas, pools, targets, providers: parts of store keys, so no slash and no `#`. `constructor` would name a method of every JavaScript map. */
export const name = matching(
  'a name of a-z, 0-9, ".", "_" and "-", at most 63 long, with a letter in it; write one like eu-west',
  (value) => NAME.test(value) && value !== 'constructor',
);

/** A dot ends a region's name in the store's keys (`outbox/eu.…`), and what a region may write there is granted by prefix: so none within. */
export const regionName = matching(
  'a name of a-z, 0-9, "_" and "-", at most 63 long, with a letter in it and without dots; write one like eu-west',
  (value) => NAME.test(value) && value !== 'constructor' && !value.includes('.'),
);

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** The fence record lies at `_tidegate.<name>`, which must fit a DNS name of 253 characters too. */
const DNS_NAME_MAX = 253 - '_tidegate.'.length;

export const dnsName = matching(
  'a DNS name in lower case without the final dot; write it like web.example.com',
  (value) => value.length <= DNS_NAME_MAX && value.split('.').every((label) => LABEL.test(label)),
);

export const kubernetesName = matching(
  'a name as Kubernetes has them: a-z, 0-9, "-" and ".", at most 253 long; write one like web-eu',
  (value) => value.length <= 253 && value.split('.').every((label) => LABEL.test(label)),
);

/** A TSIG key's name: a DNS name that by custom may hold underscores. */
export const keyName = matching(
  "the key's name in lower case without the final dot, as the server has it; write it like tidegate-key",
  (value) => value.length <= 253 && /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/.test(value) && !value.includes('..'),
);

// ---- numbers ----

/** A whole number in a range. */
export const whole = (min: number, max: number) => {
  const wanted = `a whole number from ${min} to ${max}; write one`;
  return z.number({ error: wanted }).int({ error: wanted }).min(min, { error: wanted }).max(max, { error: wanted });
};

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `500ms`, `2.5s`, `10m`, `4h` in ms; null when it is no such text or no whole number of milliseconds. */
export const parseDuration = (value: string): number | null => {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(value);
  if (match === null) return null;
  const ms = Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN);
  const rounded = Math.round(ms);
  return Math.abs(ms - rounded) < 1e-6 ? rounded : null;
};

const BYTES: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** So many bytes, up to 1 TiB. */
export const byteSize = text('a size from 1KiB to 1024GiB; write a whole number with its unit: 512KiB, 64MiB or 1GiB', (value) => {
  const match = /^([1-9]\d{0,6})(KiB|MiB|GiB)$/.exec(value);
  const bytes = Number(match?.[1]) * (BYTES[match?.[2] ?? ''] ?? Number.NaN);
  return bytes <= 1024 * 1024 ** 3 ? bytes : null;
});

const DAY_MS = 86_400_000;

/** As `parseDuration`, or whole days up to a number of them, which commands and requests take and no file does: `90d`. */
export const parseSpan = (value: string, daysMax: number): number | null => {
  const days = /^(\d{1,5})d$/.exec(value)?.[1];
  if (days === undefined) return parseDuration(value);
  return Number(days) <= daysMax ? Number(days) * DAY_MS : null;
};

/** A duration in ms within a range. */
export const duration = ({ minMs, maxMs }: { minMs: number; maxMs: number }) =>
  text(`a duration from ${spell(minMs)} to ${spell(maxMs)}; write a number with its unit: 500ms, 5s, 10m or 4h`, (value) => {
    const ms = parseDuration(value);
    return ms !== null && ms >= minMs && ms <= maxMs ? ms : null;
  });

const TTL_MAX_S = 3600;

/** A duration in whole seconds, as DNS counts. */
export const ttlSeconds = text(`a duration in whole seconds from 1s to ${spell(TTL_MAX_S * 1000)}; write it like 30s`, (value) => {
  const ms = parseDuration(value);
  return ms !== null && ms % 1000 === 0 && ms >= 1000 && ms <= TTL_MAX_S * 1000 ? ms / 1000 : null;
});

/** `50%` in thousandths, from `min` to `max` of them. `like`: the example in the sentence. */
export const percentOf = ({ min, max }: { min: number; max: number }, like: string) =>
  text(`a percentage from ${min / 10}% to ${max / 10}%; write it like ${like}`, (value) => {
    const match = /^(\d{1,3}(?:\.\d)?)%$/.exec(value);
    const thousandths = match === null ? -1 : Math.round(Number(match[1]) * 10);
    return thousandths >= min && thousandths <= max ? thousandths : null;
  });

/** A share. */
export const percent = percentOf({ min: 1, max: 1000 }, '50%');

// ---- addresses ----

const isIpv4 = (value: string): boolean =>
  /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(value) && value.split('.').every((part) => Number(part) <= 255);

/** The canonical text of an IP address (RFC 5952 for IPv6), or null. */
export const canonicalIp = (value: string): string | null => {
  if (isIpv4(value)) return value;
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(value) || !URL.canParse(`http://[${value}]/`)) return null;
  return new URL(`http://[${value}]/`).hostname.slice(1, -1);
};

/** An address that users can be sent to. */
export const answer = text('an IPv4 or IPv6 address that users can reach; write it like 192.0.2.10', (value) => {
  const ip = canonicalIp(value);
  return ip === '0.0.0.0' || ip === '::' ? null : ip;
});

export const parseHostPort = (value: string): HostPort | null => {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value);
  const host = canonicalIp(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3]);
  // Brackets are for IPv6 and IPv6 only.
  if (host === null || port > 65_535 || host.includes(':') !== (match?.[1] !== undefined)) return null;
  return { host, port };
};

const ADDRESS = 'an IP address and a port; write it like 127.0.0.1:7700 or [::1]:7700';

/** Where this process listens: port 0 lets the system choose. */
export const listen = text(ADDRESS, parseHostPort);

const reachable = (value: string): HostPort | null => {
  const parsed = parseHostPort(value);
  return parsed?.port === 0 ? null : parsed;
};

/** Where somebody else listens. */
export const hostPort = text(ADDRESS, reachable);

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const isNamedHostPort = (value: string): boolean => {
  const port = Number(/:(\d{1,5})$/.exec(value)?.[1]);
  if (!(port >= 1 && port <= 65_535)) return false;
  return parseHostPort(value) !== null || HOST.test(value.slice(0, value.lastIndexOf(':')));
};

/** Where somebody else listens, by name or by address, as written. */
export const namedHostPort = (like: string) => matching(`a name or an IP address with its port; write it like ${like}`, isNamedHostPort);

export const showHostPort = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** The same, kept as canonical text. */
export const hostPortText = text(ADDRESS, (value) => {
  const parsed = reachable(value);
  return parsed === null ? null : showHostPort(parsed);
});

const parseUrl = (value: string, schemes: readonly string[]): URL | null => {
  // Others are parsed by the rules of `http:`, which validate the host.
  const scheme = schemes.find((candidate) => value.startsWith(`${candidate}://`));
  if (scheme === undefined || value.length > 2048 || /[\s\\]/.test(value)) return null;
  const isWeb = scheme.startsWith('http');
  const webText = isWeb ? value : value.replace(scheme, scheme.endsWith('s') ? 'https' : 'http');
  if (!URL.canParse(webText)) return null;
  const url = new URL(webText);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return null;
  const bare = url.pathname === '/' && url.search === '';
  if (!isWeb && (!bare || !/:\d+\/?$/.test(value))) return null;
  return url;
};

/** What a probe looks at, as written. */
export const probeUrl = matching(
  'an http://, https://, tcp://host:port, grpc://host:port or grpcs://host:port address without user, password or fragment; write it like http://192.0.2.10:8080/healthz',
  (value) => parseUrl(value, ['http', 'https', 'tcp', 'grpc', 'grpcs']) !== null,
);

/** What shows that the region's own uplink works, as written. */
export const anchorUrl = matching(
  'an http://, https:// or tcp://host:port address without user, password or fragment; write it like http://192.0.2.10:8080/healthz',
  (value) => parseUrl(value, ['http', 'https', 'tcp']) !== null,
);

/** The other end of a replica's store: scheme, host and port only. */
export const storeUrl = text('the address of a serving replica, without path; write it like http://127.0.0.1:7710', (value) => {
  const url = parseUrl(value, ['http', 'https']);
  return url !== null && url.pathname === '/' && url.search === '' ? url.origin : null;
});

export const isLoopbackHost = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

/** One member of etcd as `scheme://host:port`. Plain http reaches this machine only, since whoever listens in between could read and write the store. */
export const etcdEndpoint = text(
  'the client address of an etcd member as https://name:port without path; write it like https://etcd-1.example.net:2379 (http:// for this machine only)',
  (value) => {
    const url = parseUrl(value, ['http', 'https']);
    // The parser drops a port that is the scheme's own, and a member's port is never left unsaid.
    const port = /:(\d+)\/?$/.exec(value)?.[1];
    if (url === null || url.pathname !== '/' || url.search !== '' || port === undefined || Number(port) === 0) return null;
    if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) return null;
    return `${url.protocol}//${url.hostname}:${Number(port)}`;
  },
);

/** Is this endpoint on the machine itself? */
export const isLocalEndpoint = (endpoint: string): boolean => isLoopbackHost(new URL(endpoint).hostname);

/** Every key of the store starts with it; the longest key and it must fit the store's limit together. */
export const storePrefix = matching(
  'a text of printable characters that starts and ends with "/", at most 128 long; write it like /tidegate/prod/',
  (value) => value.length <= 128 && /^\/(?:[!-~]*\/)?$/.test(value) && !value.includes('//'),
);

/**
 * An API that takes a secret with each request: https, or plain http on this machine, where nobody listens in between. Of one host: what stands in a policy for
 * browsers must be no pattern there (`*.example.net`), and end no directive (`;`).
 */
export const apiUrl = text(
  'an https:// address without path, or http:// for this machine only; write it like http://127.0.0.1:8081',
  (value) => {
    const url = parseUrl(value, ['http', 'https']);
    if (url === null || url.pathname !== '/' || url.search !== '' || !/^[\w.:[\]-]+$/.test(url.host)) return null;
    return url.protocol === 'https:' || isLoopbackHost(url.hostname) ? url.origin : null;
  },
);

export const userName = matching('a user name of printable characters without spaces, at most 128 long; write it like eu-west', (value) =>
  /^[!-~]{1,128}$/.test(value),
);

export const publicKey = matching(
  'an Ed25519 public key as 43 characters of base64url; write the line that tidegate keygen prints',
  isPublicKey,
);

export const webhookUrl = matching(
  'an http:// or https:// address without user or password; a signature made with secretFile is what proves who sent it',
  (value) => parseUrl(value, ['http', 'https']) !== null,
);

/** An address in somebody's own network that is read without a secret. */
export const plainUrl = text('an http:// or https:// address without query or user; write it like http://prometheus:9090', (value) => {
  const url = parseUrl(value, ['http', 'https']);
  return url === null || url.search !== '' ? null : value.replace(/\/+$/, '');
});

/** Whether what is sent there can be read on the way. */
export const isClear = (url: string): boolean => url.startsWith('http:') && !isLoopbackHost(new URL(url).hostname);

/** Another address of a vendor's API. Plain http reaches this machine only: credentials and routes pass there. */
export const serviceUrl = text(
  'an https:// address without query or user (http:// for this machine only); write it like https://api.example.net',
  (value) => {
    const url = parseUrl(value, ['http', 'https']);
    if (url === null || url.search !== '' || (url.protocol === 'http:' && !isLoopbackHost(url.hostname))) return null;
    return value.replace(/\/+$/, '');
  },
);

/** What AWS names a hosted zone or a health check by. */
export const awsId = matching('the id that AWS gave, of letters, digits and hyphens; copy it from there', (value) =>
  /^[A-Za-z0-9-]{1,64}$/.test(value),
);

export const awsArn = matching('an ARN; copy it from AWS, it begins with arn:', (value) => /^arn:[A-Za-z0-9:./_-]{1,250}$/.test(value));

/** `#` and a number after it is how further sets of the same pool are called. */
export const setIdentifier = matching(
  'a set identifier of 1 to 120 printable characters that does not end in # and a number; write it as Route 53 has it',
  (value) => /^[ -~]{1,120}$/.test(value) && !/#\d+$/.test(value),
);

/** The path of a request, with its query. */
export const urlPath = matching('a path; write it like /healthz', (value) => /^\/[\x21-\x7e]{0,1023}$/.test(value));

const FILE = 'the path of a file, relative to this one; write it like ../secrets/token';

/** As written; withPaths of schema.ts makes it absolute. */
export const filePath = matching(FILE, (value) => value.length >= 1 && value.length <= 1024 && !value.includes('\0'));

// ---- keys of DNS servers ----

const TSIG_KEY = 'a map with name, algorithm and secretFile; keep the secret itself in a file of its own';

export const tsigKey = z.strictObject(
  { name: keyName, algorithm: z.enum(['hmac-sha256', 'hmac-sha512']), secretFile: filePath },
  { error: (issue) => (issue.code === 'invalid_type' ? TSIG_KEY : undefined) },
);

// ---- status codes ----

const STATUS = 'status codes from 100 to 599; write a number like 204 or a range like 200-299';
const code = whole(100, 599);

/** `204` or `200-299` as an inclusive range. */
export const statusRange = z.union(
  [
    code.transform((status): [number, number] => [status, status]),
    text(STATUS, (value): [number, number] | null => {
      const match = /^(\d{3})-(\d{3})$/.exec(value);
      const [from, to] = [Number(match?.[1]), Number(match?.[2])];
      return from >= 100 && to <= 599 && from <= to ? [from, to] : null;
    }),
  ],
  { error: STATUS },
);

/** Five fields that come to pass. */
export const isCron = (value: string): boolean => {
  if (value.length > 128 || value.trim().split(/\s+/).length !== 5) return false;
  try {
    return new Cron(value, { paused: true }).nextRun(new Date(0)) !== null;
  } catch {
    return false;
  }
};

export const isTimezone = (value: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return value.length <= 64;
  } catch {
    return false;
  }
};
