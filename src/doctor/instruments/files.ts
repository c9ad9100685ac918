// Files that a configuration names: what ends in them, and who else may read them.
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseTokenFile, TOKEN_FILE_BYTES_MAX } from '../../auth/token-file.ts';
import { filesNamed, type NamedFile } from '../../config/named-files.ts';
import { showPath } from '../../config/problem.ts';
import type { ReplicaConfig } from '../../config/schema.ts';
import { errorText } from '../../errors.ts';
import { parseTime } from '../../ports.ts';
import { exposureOf, type Ownership, type Reader } from '../../secrets.ts';
import type { Expiring, SecretFile, TokensLook } from '../tools.ts';
import { isForeign } from './host.ts';

const PROBLEMS_MAX = 5;

/** Certificates and authorities are for everybody, and so are spools and journals that hold no secret. An address that has a file of its own is one. */
const IS_SECRET = /(token|tokens|secret|password|key|credentials|url)Files?$/i;

/** Of everything in it that has to do with who may do what. */
export const namedFiles = ({ api, store, providers, signing, paging, systems }: ReplicaConfig): readonly NamedFile[] =>
  filesNamed({ api, store, providers, signing, paging, systems }, []);

const certificatesOf = (text: string, at: string, file: string): readonly Expiring[] =>
  (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => {
    const { subject, validTo } = new X509Certificate(pem);
    return { what: `certificate ${subject.replaceAll('\n', ', ')} of ${at}`, where: file, untilMs: parseTime(validTo) };
  });

/** Every token of a file that has an end; what is wrong with the file, if it is not taken. */
const tokensOf = (text: string, at: string, file: string): readonly Expiring[] => {
  const parsed = parseTokenFile(text);
  if (!parsed.ok)
    return parsed.problems
      .slice(0, PROBLEMS_MAX)
      .map(({ line, message }) => ({ what: at, where: `${file}:${line}`, untilMs: null, because: message }));
  return parsed.entries.flatMap(({ name, expiresAtMs }) =>
    expiresAtMs === null ? [] : [{ what: `token ${name} of ${at}`, where: file, untilMs: expiresAtMs }],
  );
};

export const readText = (path: string): string => {
  const { size } = statSync(path);
  if (size > TOKEN_FILE_BYTES_MAX) throw new Error(`${size} bytes, which is no file of credentials`);
  return readFileSync(path, 'utf8');
};

/** Nobody gets in without them, or nobody is trusted. */
const IS_NEEDED = /(cert|ca|tokens)File$/i;

/** Authorities that are trusted. */
const IS_TRUST = /caFile$/i;

/** A bundle trusts until its last authority ends: while one replaces another the old one stays in it, ended or not. */
const lastOf = (all: readonly Expiring[]): readonly Expiring[] => all.toSorted((a, b) => (b.untilMs ?? 0) - (a.untilMs ?? 0)).slice(0, 1);

/** What ends in these files. One that is not there is a finding where it must be there; any other that is not there yet is another check's subject. */
export const endsIn = (files: readonly NamedFile[]): readonly Expiring[] =>
  files.flatMap(({ path, key, file }): readonly Expiring[] => {
    const at = showPath(path);
    try {
      const text = readText(file);
      if (key === 'tokensFile') return tokensOf(text, at, file);
      const certificates = certificatesOf(text, at, file);
      return IS_TRUST.test(key) ? lastOf(certificates) : certificates;
    } catch (error) {
      return IS_NEEDED.test(key) ? [{ what: at, where: file, untilMs: null, because: errorText(error) }] : [];
    }
  });

/** Those of whom nothing is known: any group that root gave a file to may be theirs. */
const anybodyOf = ({ gid }: Ownership): Reader => ({ uid: null, groups: [gid] });

const lookAtSecret = (
  file: string,
  owners: ReadonlySet<number> | null,
  readers: readonly Reader[] | null,
): Omit<SecretFile, 'key' | 'path'> => {
  const stat = statSync(file);
  // What counts as open is decided in one place.
  const exposed = (readers ?? [anybodyOf(stat)]).reduce((bits, reader) => bits | exposureOf(stat, reader), 0);
  const byGroup = (stat.mode & 0o040 & ~exposed) !== 0;
  return {
    mode: stat.mode & 0o7777,
    folderMode: statSync(dirname(file)).mode & 0o7777,
    isForeign: isForeign(stat.uid, owners),
    exposed,
    ...(byGroup ? { readBy: { gid: stat.gid, isSure: readers !== null } } : {}),
  };
};

/** Who may read and who owns those of them that are secret. `owners`: whose they may be; null: anybody's. `readers`: who serves; null: nobody knows. */
export const secretsAmong = (
  files: readonly NamedFile[],
  owners: ReadonlySet<number> | null = null,
  readers: readonly Reader[] | null = null,
): readonly SecretFile[] =>
  files
    .filter(({ key }) => IS_SECRET.test(key))
    .map(({ path, file }): SecretFile => {
      const named = { key: showPath(path), path: file };
      try {
        return { ...named, ...lookAtSecret(file, owners, readers) };
      } catch (error) {
        return { ...named, mode: null, folderMode: null, because: errorText(error) };
      }
    });

/** Who has tokens of these files, and how old the one of the first steps is. */
export const tokensIn = ({ tokenFile, auth }: ReplicaConfig['api']): TokensLook => {
  const bootstrapAtMs = statSync(tokenFile, { throwIfNoEntry: false })?.mtimeMs ?? null;
  if (auth?.tokensFile === undefined) return { bootstrapAtMs, entries: null };
  try {
    const parsed = parseTokenFile(readText(auth.tokensFile));
    if (!parsed.ok)
      return { bootstrapAtMs, entries: null, because: `${auth.tokensFile}:${parsed.problems[0]?.line}: ${parsed.problems[0]?.message}` };
    return {
      bootstrapAtMs,
      entries: parsed.entries.map(({ name, role, expiresAtMs }) => ({ name, role, untilMs: expiresAtMs })),
    };
  } catch (error) {
    return { bootstrapAtMs, entries: null, because: `${auth.tokensFile}: ${errorText(error)}` };
  }
};
