// What lies on the machine of a replica: where it keeps things, and the packages it is made of.
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ReplicaConfig } from '../../config/schema.ts';
import { errorText } from '../../errors.ts';
import type { Reader } from '../../secrets.ts';
import { NotLooked } from '../check.ts';
import type { PackagesLook, PlaceLook, ServingProcess } from '../tools.ts';

const ROOT = join(import.meta.dirname, '../../..');
const LOCK_BYTES_MAX = 16 * 1024 * 1024;

/** Users to whom a file of a replica may belong: who serves and root; who looks, unless root looks for somebody. null: anybody, since it is not known who serves. */
export const ownersOf = (processes: readonly ServingProcess[], own: number | undefined): ReadonlySet<number> | null => {
  const serving = processes.map(({ uid }) => uid);
  if (own === undefined || (own === 0 && serving.length === 0)) return null;
  return new Set([0, own, ...serving]);
};

/** Who reads the secrets of this file: who serves; while nobody does who looks, unless that is root, who may look for anybody. null: it is not known. */
export const readersOf = (processes: readonly ServingProcess[], own: Reader): readonly Reader[] | null =>
  processes.length > 0 ? processes.map(({ uid, groups }) => ({ uid, groups })) : own.uid === 0 ? null : [own];

export const isForeign = (owner: number, owners: ReadonlySet<number> | null): boolean => owners !== null && !owners.has(owner);

/** The file itself, and the folders and files in which this replica keeps something. */
const kept = ({ file, store, record, gate, paging }: ReplicaConfig): readonly { what: string; path: string }[] => [
  { what: 'the configuration', path: file },
  ...(store.kind === 'embedded'
    ? [
        { what: 'the folder of the store', path: dirname(store.file) },
        { what: 'the store', path: store.file },
      ]
    : []),
  ...(record === undefined ? [] : [{ what: 'the folder of recordings', path: record.folder }]),
  ...(gate === undefined ? [] : [{ what: 'the last decision of the gate', path: gate.file }]),
  ...(paging.spoolFile === undefined ? [] : [{ what: 'the spool of pages', path: paging.spoolFile }]),
];

export const placesOf = (config: ReplicaConfig, owners: ReadonlySet<number> | null): readonly PlaceLook[] =>
  kept(config).map(({ what, path }) => {
    try {
      const { mode, uid } = statSync(path);
      return { what, path, mode: mode & 0o7777, isForeign: isForeign(uid, owners) };
    } catch {
      return { what, path, mode: null, isForeign: false };
    }
  });

interface Installed {
  version?: string;
  integrity?: string;
  resolved?: string;
}

const packagesIn = (path: string): Readonly<Record<string, Installed>> => {
  try {
    if (statSync(path).size > LOCK_BYTES_MAX) throw new Error('far too large');
    return (JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Installed> }).packages;
  } catch (error) {
    throw new NotLooked(`${path}: ${errorText(error)}: what is installed cannot be compared with the lockfile`);
  }
};

/** Both by their folder below `node_modules`. */
export const strangeAmong = (
  installed: Readonly<Record<string, Installed>>,
  locked: Readonly<Record<string, Installed>>,
): readonly string[] =>
  Object.entries(installed)
    .filter(([folder, { version, integrity }]) => {
      const wanted = locked[folder];
      return wanted === undefined || wanted.version !== version || wanted.integrity === undefined || wanted.integrity !== integrity;
    })
    .map(([folder]) => folder.replace(/^.*node_modules\//, ''));

/** What npm noted when it installed, beside the lockfile. Throws NotLooked where there is one of them only. */
export const lookAtPackages = (root = ROOT): PackagesLook => {
  const installed = packagesIn(join(root, 'node_modules/.package-lock.json'));
  return { installed: Object.keys(installed).length, strange: strangeAmong(installed, packagesIn(join(root, 'package-lock.json'))) };
};
