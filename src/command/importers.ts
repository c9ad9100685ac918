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

export const importers = { zonefile } as const satisfies Record<string, Importer>;

export type ImporterKind = keyof typeof importers;
