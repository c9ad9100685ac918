// The table of importers: which vendors can be looked at before Tidegate is, what their reader must be told, and how that becomes an entry of `providers`.
// Loads no vendor's library: each reader is imported when it is asked for.
import { readFileSync, statSync } from 'node:fs';
import type { Inventory, ProviderContext } from '../../providers/provider.ts';
import { canonicalIp, parseHostPort, showHostPort } from '../config/fields.ts';
import { errorText, Fault } from '../errors.ts';

/** Options of one run, by their long names in camel case. */
export type Given = Readonly<Record<string, string | undefined>>;

export interface ImportOption {
  /** As commander takes it: `--origin <name>`. */
  flags: string;
  says: string;
  required?: boolean;
}

export interface Importer {
  says: string;
  options: readonly ImportOption[];
  /** Name of the entry in the file. */
  called: string;
  /** What was read, as the end of a sentence. */
  source(given: Given): string;
  /** The entry as the file spells it, with paths as they were given, and which of its keys are guesses, whose paths start from the file. Throws Fault ERR_USAGE. */
  entry(given: Given): { entry: Readonly<Record<string, unknown>>; guesses: Readonly<Record<string, string>> };
  /** Reads and changes nothing. `entry` has been validated; paths in it are absolute. Throws Fault. */
  look(given: Given, entry: unknown, context: ProviderContext, signal: AbortSignal): Promise<Inventory>;
}

/** A zone of a few hundred thousand records. */
const ZONE_BYTES_MAX = 32 * 1024 * 1024;

/** Text of a file that a human named. Throws Fault ERR_USAGE. */
const textOf = (path: string): string => {
  try {
    const { size } = statSync(path);
    if (size > ZONE_BYTES_MAX) throw new Error(`${size} bytes, expected at most ${ZONE_BYTES_MAX}`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Fault('ERR_USAGE', `${path}: ${errorText(error)}; name the file of the zone`, { cause: error });
  }
};

const DNS_PORT = 53;

/** `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`. */
const serverText = (given: string): string => {
  const ip = canonicalIp(given);
  const parsed = ip === null ? parseHostPort(given) : { host: ip, port: DNS_PORT };
  if (parsed !== null && parsed.port > 0) return showHostPort(parsed);
  throw new Fault(
    'ERR_USAGE',
    `--server ${given}: expected the IP address of the zone's primary server; write it like 192.0.2.53 or 192.0.2.53:5353`,
  );
};

const PROBLEMS_MAX = 20;

const joined = (problems: readonly string[]): string => {
  const shown = problems.slice(0, PROBLEMS_MAX).join('\n');
  return problems.length > PROBLEMS_MAX ? `${shown}\nand ${problems.length - PROBLEMS_MAX} more` : shown;
};

const zonefile: Importer = {
  says: 'a zone in the format of RFC 1035, to be written by dynamic update (RFC 2136)',
  options: [
    { flags: '--zone-file <file>', says: 'the zone, as its server loads or transfers it', required: true },
    { flags: '--origin <name>', says: 'the name of the zone', required: true },
    { flags: '--server <address>', says: 'its primary server, to write to later' },
    { flags: '--key <name>', says: 'the name of the TSIG key that may update it' },
    { flags: '--key-file <file>', says: "the key's secret, in base64" },
    { flags: '--algorithm <name>', says: 'hmac-sha256 or hmac-sha512' },
  ],
  called: 'dns',
  source: ({ zoneFile, origin }) => `the zone ${origin} in the file ${zoneFile}`,
  entry({ origin = '', server, key, keyFile, algorithm }) {
    const name = origin.toLowerCase().replace(/\.$/, '');
    if ((key === undefined) !== (keyFile === undefined))
      throw new Fault('ERR_USAGE', '--key and --key-file: found one of them, expected both or neither; a key is its name and its secret');
    const guesses = {
      ...(server === undefined ? { server: "a guess: put the address of the zone's primary server here" } : {}),
      ...(key === undefined ? { key: 'a guess: put the key that may update the zone here' } : {}),
    };
    return {
      entry: {
        kind: 'rfc2136',
        zone: name,
        server: serverText(server ?? '127.0.0.1'),
        key: { name: key ?? 'tidegate', algorithm: algorithm ?? 'hmac-sha256', secretFile: keyFile ?? './dns.key' },
      },
      guesses,
    };
  },
  async look({ zoneFile = '', origin = '' }) {
    const { zoneInventory } = await import('../../providers/rfc2136/inventory.ts');
    const read = zoneInventory(textOf(zoneFile), origin.toLowerCase().replace(/\.$/, ''));
    if (read.ok) return read.inventory;
    throw new Fault('ERR_USAGE', joined(read.problems.map(({ line, column, message }) => `${zoneFile}:${line}:${column} ${message}`)));
  },
};

/** Without what was not given. */
const said = (given: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));

const ENDPOINT: ImportOption = { flags: '--endpoint <url>', says: "instead of the vendor's own, for an emulator" };

const route53: Importer = {
  says: 'weighted or failover sets of a hosted zone of Amazon Route 53',
  options: [
    { flags: '--zone <name>', says: 'the name of the zone', required: true },
    { flags: '--hosted-zone-id <id>', says: 'its id, Z and letters', required: true },
    { flags: '--credentials-file <file>', says: 'an AWS ini file; reading needs ListResourceRecordSets', required: true },
    { flags: '--mode <mode>', says: 'weighted (unless said) or failover' },
    ENDPOINT,
  ],
  called: 'route53',
  source: ({ zone, hostedZoneId }) => `the hosted zone ${zone} (${hostedZoneId}) of Route 53`,
  entry: ({ zone, hostedZoneId, credentialsFile, mode = 'weighted', endpoint }) => ({
    entry: said({ kind: 'route53', mode, zone, hostedZoneId, endpoint, credentialsFile, services: {} }),
    guesses: {},
  }),
  async look(_given, entry, context, signal) {
    const { route53Inventory } = await import('../../providers/route53/inventory.ts');
    return route53Inventory(entry as Parameters<typeof route53Inventory>[0], context, signal);
  },
};

const cloudflare: Importer = {
  says: 'load balancers or records of a zone at Cloudflare',
  options: [
    { flags: '--zone <name>', says: 'the name of the zone', required: true },
    { flags: '--zone-id <id>', says: 'its id, 32 digits', required: true },
    { flags: '--token-file <file>', says: 'an API token; reading needs the scopes of reading only', required: true },
    { flags: '--mode <mode>', says: 'loadBalancer (unless said) or dns' },
    { flags: '--account-id <id>', says: 'of the pools; with it their names and other users are known' },
    { flags: '--plan <plan>', says: 'with dns: free, paid or enterprise' },
    ENDPOINT,
  ],
  called: 'cloudflare',
  source: ({ zone }) => `the zone ${zone} at Cloudflare`,
  entry: ({ zone, zoneId, tokenFile, mode = 'loadBalancer', accountId, plan, endpoint }) => ({
    entry: said({ kind: 'cloudflare', mode, zone, zoneId, accountId, plan, endpoint, tokenFile }),
    guesses: {},
  }),
  async look(_given, entry, context, signal) {
    const { inventory } = await import('../../providers/cloudflare/inventory.ts');
    return inventory(entry as Parameters<typeof inventory>[0], context, signal);
  },
};

const gclb: Importer = {
  says: 'global load balancing of a Google Cloud project',
  options: [
    { flags: '--project <id>', says: 'the project', required: true },
    { flags: '--credentials-file <file>', says: 'the key of a service account, or an external account' },
    { flags: '--credentials <kind>', says: "metadata: the machine's own account" },
    { flags: '--mode <mode>', says: 'capacity (unless said) or urlMap' },
    ENDPOINT,
  ],
  called: 'gclb',
  source: ({ project }) => `the project ${project} of Google Cloud`,
  entry: ({ project, credentialsFile, credentials, mode = 'capacity', endpoint }) => ({
    entry: said({ kind: 'gclb', mode, project, endpoint, credentialsFile, credentials, services: {} }),
    guesses: {},
  }),
  async look(_given, entry, context, signal) {
    const { inventory } = await import('../../providers/gclb/inventory.ts');
    return inventory(entry as Parameters<typeof inventory>[0], context, signal);
  },
};

export const importers = { route53, cloudflare, gclb, zonefile } as const satisfies Record<string, Importer>;

export type ImporterKind = keyof typeof importers;
