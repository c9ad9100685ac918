// `tidegate backup`: a copy of the embedded store in one file, of one moment, while a replica serves it or while none does. That replica makes it beside its
// store and proves it whole; this command puts it where it was asked for. etcd has its own snapshots: deploy/README.md, "Backup and restore".
import { chmodSync, closeSync, constants, copyFileSync, fsyncSync, openSync, rmSync, statSync } from 'node:fs';
import { loadConfig } from '../config/load.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { errorText, Fault } from '../errors.ts';
import { createHttp } from '../http.ts';
import { type Ports, withDeadline } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import { type Copied, openEmbedded } from '../store/embedded.ts';
import { COPY_PATH, copyReply, problemReply } from '../store/wire.ts';
import type { Saying } from './open.ts';
import { sayProblems } from './problems.ts';

export interface BackupOptions {
  config: string;
  /** Where the copy goes; never over a file that is there. */
  out: string;
  json?: boolean;
}

/** A store of the largest size on a slow disk. */
const COPY_MS = 120_000;
/** A human who hears nothing for longer takes it for stuck. */
const QUIET_MS = 3_000;

type Embedded = Extract<ReplicaConfig['store'], { kind: 'embedded' }>;

const askReplica = async ({ file, serve }: Embedded, ports: Ports, err: Saying['err']): Promise<Copied> => {
  if (serve === undefined)
    throw new Fault(
      'ERR_STORE_LOCKED',
      `${file}: a running replica holds this store file and lends it to nobody: give it store.serve, or stop it and copy then`,
    );
  const http = createHttp({ ports, resolve: () => Promise.reject(new Error('only addresses')) });
  const host = serve.host.includes(':') ? `[${serve.host}]` : serve.host;
  const url = `http://${host}:${serve.port}${COPY_PATH}`;
  const waiting = ports.timers.after(QUIET_MS, () => err(`${url}: waiting for the copy, for ${COPY_MS / 1000} s at most\n`));
  try {
    const headers = { authorization: `Bearer ${readSecret(serve.tokenFile)}` };
    const body = await withDeadline(ports.timers, COPY_MS, url, async (signal) =>
      (await http.fetch(url, { method: 'POST', headers, signal })).json(),
    );
    const copied = copyReply.safeParse(body).data;
    if (copied !== undefined) return copied;
    const problem = problemReply.safeParse(body).data;
    if (problem?.code === 'ERR_UNAUTHORIZED')
      throw new Fault('ERR_UNAUTHORIZED', `${url}: the token in ${serve.tokenFile} is not the one that the replica there was started with`);
    throw new Fault('ERR_STORE_FILE', `${url}: ${problem?.detail ?? 'what answers there makes no copies: it is older'}`);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('ERR_STORE_UNREACHABLE', `${url}: ${errorText(error)}; does the replica that holds ${file} run here?`, {
      cause: error,
    });
  } finally {
    waiting.cancel();
    await http.close();
  }
};

const copyOf = async (store: Embedded, ports: Ports, err: Saying['err']): Promise<Copied> => {
  if (statSync(store.file, { throwIfNoEntry: false }) === undefined)
    throw new Fault('ERR_STORE_FILE', `${store.file}: there is no store to copy; does -c name the replica that holds it?`);
  try {
    const own = openEmbedded({ file: store.file, ports });
    try {
      return await own.copy();
    } finally {
      await own.close();
    }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'ERR_STORE_LOCKED') throw error;
    return askReplica(store, ports, err);
  }
};

/** What to do when a copy cannot be put in its place, by the system's code. */
const CURES: Readonly<Record<string, string>> = {
  EEXIST: 'this file is there already, and a backup goes over none; name another file',
  ENOENT: 'there is no such folder; make it first',
  ENOSPC: 'there is no room for it; name a file on another disk',
  EACCES: 'this user may not write there',
  EROFS: 'this disk can only be read',
};

/** On the disk, for its owner alone, or not there at all; what it was made as is gone in any case. */
const place = (from: string, out: string): void => {
  try {
    copyFileSync(from, out, constants.COPYFILE_EXCL);
  } catch (error) {
    rmSync(from, { force: true });
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Fault('ERR_STORE_FILE', `${out}: ${CURES[code] ?? errorText(error)}`, { cause: error });
  }
  chmodSync(out, 0o600);
  const fd = openSync(out, 'r');
  fsyncSync(fd);
  closeSync(fd);
  rmSync(from, { force: true });
};

/** Exit codes: 0, 1 for a store that cannot be copied, 78 for a file that is not accepted. */
export const backup = async ({ config: path, out, json }: BackupOptions, { ports, ...say }: Saying & { ports: Ports }): Promise<number> => {
  const loaded = loadConfig(path);
  if (!loaded.ok) return sayProblems(loaded.problems, json, say);
  const { store } = loaded.config;
  if (store.kind !== 'embedded')
    throw new Fault(
      'ERR_USAGE',
      `the store of ${path} is ${store.kind}: ${store.kind === 'etcd' ? 'etcdctl snapshot save' : 'name the file of the replica that holds it'}`,
    );
  if (statSync(out, { throwIfNoEntry: false }) !== undefined)
    throw new Fault('ERR_STORE_FILE', `${out}: this file is there already, and a backup goes over none; name another file`);
  const { file, rev } = await copyOf(store, ports, say.err);
  place(file, out);
  const { size } = statSync(out);
  if (json === true) say.out(`${JSON.stringify({ outcome: 'ok', file: out, revision: rev, bytes: size })}\n`);
  else say.out(`${out}: the store at revision ${rev}, ${size} bytes, read through and whole\n`);
  return 0;
};
