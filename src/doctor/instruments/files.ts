// Files that a configuration names: what ends in them, and who else may read them.
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseTokenFile, TOKEN_FILE_BYTES_MAX } from '../../auth/token-file.ts';
import type { ReplicaConfig } from '../../config/schema.ts';
import { errorText } from '../../errors.ts';
import { parseTime } from '../../ports.ts';
import type { Expiring, SecretFile } from '../tools.ts';

const PROBLEMS_MAX = 5;

export interface NamedFile {
  /** The way to it in the configuration. */
  key: string;
  path: string;
}

/** Every file that a configuration names, by the way to it: what ends in `File` names one, and nothing else does. */
const filesIn = (value: unknown, at = ''): readonly NamedFile[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = at === '' ? key : `${at}.${key}`;
    return typeof inner === 'string' && key.endsWith('File') ? [{ key: here, path: inner }] : filesIn(inner, here);
  });
};

/** Certificates and authorities are for everybody, and so are spools and journals that hold no secret. */
const IS_SECRET = /(token|tokens|secret|password|key|credentials)File$/i;

/** Of everything in it that has to do with who may do what. */
export const namedFiles = ({ api, store, providers, signing, paging }: ReplicaConfig): readonly NamedFile[] =>
  filesIn({ api, store, providers, signing, paging });

const certificatesOf = (text: string, key: string, path: string): readonly Expiring[] =>
  (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => {
    const { subject, validTo } = new X509Certificate(pem);
    return { what: `certificate ${subject.replaceAll('\n', ', ')} of ${key}`, where: path, untilMs: parseTime(validTo) };
  });

/** Every token of a file that has an end; what is wrong with the file, if it is not taken. */
const tokensOf = (text: string, key: string, path: string): readonly Expiring[] => {
  const file = parseTokenFile(text);
  if (!file.ok)
    return file.problems
      .slice(0, PROBLEMS_MAX)
      .map(({ line, message }) => ({ what: key, where: `${path}:${line}`, untilMs: null, because: message }));
  return file.entries.flatMap(({ name, expiresAtMs }) =>
    expiresAtMs === null ? [] : [{ what: `token ${name} of ${key}`, where: path, untilMs: expiresAtMs }],
  );
};

export const readText = (path: string): string => {
  const { size } = statSync(path);
  if (size > TOKEN_FILE_BYTES_MAX) throw new Error(`${size} bytes, which is no file of credentials`);
  return readFileSync(path, 'utf8');
};

const IS_TOKENS = /tokensFile$/;

/** What ends in these files. One that is not there is a finding where it must be there for anybody to get in, or to trust anybody. */
export const endsIn = (files: readonly NamedFile[]): readonly Expiring[] =>
  files.flatMap(({ key, path }): readonly Expiring[] => {
    try {
      const text = readText(path);
      return IS_TOKENS.test(key) ? tokensOf(text, key, path) : certificatesOf(text, key, path);
    } catch (error) {
      // Any other that is not there yet is another check's subject.
      return /cert|ca|tokensFile$/i.test(key) ? [{ what: key, where: path, untilMs: null, because: errorText(error) }] : [];
    }
  });

/** Who may read those of them that are secret. */
export const secretsAmong = (files: readonly NamedFile[]): readonly SecretFile[] =>
  files
    .filter(({ key }) => IS_SECRET.test(key))
    .map(({ key, path }): SecretFile => {
      try {
        return { key, path, mode: statSync(path).mode & 0o7777, folderMode: statSync(dirname(path)).mode & 0o7777 };
      } catch (error) {
        return { key, path, mode: null, folderMode: null, because: errorText(error) };
      }
    });
