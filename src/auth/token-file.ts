// Tokens of machines and people, and the file that knows them by their hash. A token has 160 bits of randomness, so its plain SHA-256 tells nobody anything
// and finds it in a map: no comparison depends on how much of a guess was right. `tg_` and a checksum let scanners and typists see what it is. Pure.
import { createHash } from 'node:crypto';
import { ROLES, type Role } from '../api/access.ts';
import { isoTime, parseTime } from '../ports.ts';

export interface TokenEntry {
  name: string;
  /** SHA-256 of the token, lower-case hex. */
  hash: string;
  role: Role;
  /** null: all. */
  services: readonly string[] | null;
  /** null: never. */
  expiresAtMs: number | null;
}

export interface LineProblem {
  /** From 1. */
  line: number;
  /** `found …, expected …; what to do`. */
  message: string;
}

export type TokenFile = { ok: true; entries: readonly TokenEntry[] } | { ok: false; problems: readonly LineProblem[] };

/** 160 bits. */
export const TOKEN_BYTES = 20;
export const ENTRIES_MAX = 1_000;
export const SERVICES_MAX = 100;
/** A thousand entries of a hundred services. */
export const TOKEN_FILE_BYTES_MAX = 1024 * 1024;
const TOKEN = /^tg_([0-9a-f]{40})([0-9a-f]{8})$/;
const CHECKSUM_DIGITS = 8;
const NAME = /^[A-Za-z0-9][A-Za-z0-9@._+-]{0,63}$/;
const SERVICE = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$/;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const checksumOf = (random: string): string => sha256(`tg_${random}`).slice(0, CHECKSUM_DIGITS);

/** `random`: TOKEN_BYTES as hex. */
export const tokenOf = (random: string): string => `tg_${random}${checksumOf(random)}`;

export const looksLikeToken = (text: string): boolean => text.startsWith('tg_');

/** A token as it was printed; anything else was cut or mistyped. */
export const isWhole = (text: string): boolean => {
  const [, random, checksum] = TOKEN.exec(text) ?? [];
  return random !== undefined && checksum === checksumOf(random);
};

export const hashOf = (token: string): string => sha256(token);

export const isTokenName = (text: string): boolean => NAME.test(text);
export const NAME_WANTED = 'a name of letters, digits and @ . _ + -, at most 64 long; write one like alice or deploy-bot';

/** Names that services have: `web.example.com`. */
export const isServiceName = (text: string): boolean => SERVICE.test(text);

const KEYS = ['name', 'hash', 'role', 'services', 'expires'];

const asObject = (line: string): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
};

/** A list of them, as credentials hold one. */
export const isServices = (value: unknown): value is readonly string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= SERVICES_MAX &&
  value.every((each) => typeof each === 'string' && isServiceName(each));

/** What one line says, or everything that is wrong with it. */
const entryOf = (line: string): TokenEntry | readonly string[] => {
  const given = asObject(line);
  // The line is not repeated: who mistook the file may have written a token into it.
  if (given === null) return ['found something that is no JSON object, expected one entry a line; make entries with tidegate token new'];
  const { name, hash, role, services = null, expires = null } = given;
  const problems: string[] = [];
  const unknown = Object.keys(given).filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) problems.push(`found ${unknown.length} unknown keys, expected only ${KEYS.join(', ')}; remove them`);
  if (typeof name !== 'string' || !isTokenName(name)) problems.push(`found no such name, expected ${NAME_WANTED}`);
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash))
    problems.push('found no such hash, expected the SHA-256 of the token as 64 hex digits; make it with tidegate token new');
  if (!ROLES.includes(role as Role)) problems.push(`found no such role, expected one of ${ROLES.join(', ')}; write one of them`);
  if (services !== null && !isServices(services))
    problems.push(`found no such services, expected a list of 1 to ${SERVICES_MAX} names of services; leave it out for all`);
  const expiresAtMs = expires === null ? null : typeof expires === 'string' && INSTANT.test(expires) ? parseTime(expires) : undefined;
  if (expiresAtMs === undefined || (expires !== null && expiresAtMs === null))
    problems.push('found no such expires, expected an instant like 2027-01-31T00:00:00Z; leave it out for a token that does not end');
  if (problems.length > 0) return problems;
  return { name, hash, role, services, expiresAtMs } as TokenEntry;
};

/** Judges the text of a token file: one JSON object a line; empty lines and those that start with # are passed over. Every problem at once. */
export const parseTokenFile = (text: string): TokenFile => {
  const entries: TokenEntry[] = [];
  const problems: LineProblem[] = [];
  const [names, hashes] = [new Set<string>(), new Set<string>()];
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const told = (message: string): void => void problems.push({ line: at + 1, message });
    const entry = entryOf(line);
    if (!('name' in entry)) {
      for (const message of entry) told(message);
      continue;
    }
    if (names.has(entry.name)) told(`found a second entry "${entry.name}", expected each name once; revoke one of them`);
    if (hashes.has(entry.hash)) told('found the hash of an entry above, expected each token once; remove one of them');
    names.add(entry.name);
    hashes.add(entry.hash);
    entries.push(entry);
  }
  if (entries.length > ENTRIES_MAX)
    problems.push({ line: 1, message: `found ${entries.length} entries, expected at most ${ENTRIES_MAX}; use OIDC for so many` });
  return problems.length > 0 ? { ok: false, problems } : { ok: true, entries };
};

/** An entry as a line of the file, with its end. */
export const lineOf = ({ name, hash, role, services, expiresAtMs }: TokenEntry): string =>
  `${JSON.stringify({
    name,
    hash,
    role,
    ...(services === null ? {} : { services }),
    ...(expiresAtMs === null ? {} : { expires: isoTime(expiresAtMs) }),
  })}\n`;

/** The text without the entry of this name; null: there is none. Comments stay. */
export const withoutEntry = (text: string, name: string): string | null => {
  const lines = text.split('\n');
  const kept = lines.filter((line) => asObject(line.trim())?.name !== name);
  return kept.length === lines.length ? null : kept.join('\n');
};
