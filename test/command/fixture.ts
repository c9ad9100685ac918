// A folder with a replica's file and a cluster's, a store in memory, and what a command said.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApplyOptions, apply } from '../../src/command/apply.ts';
import type { Saying } from '../../src/command/open.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { seededRandom } from '../virtual.ts';

export const CONFIGS = join(import.meta.dirname, '../fixtures/config');
const GOOD = readFileSync(join(CONFIGS, 'good.yaml'), 'utf8');

/** The cluster section of good.yaml with pieces of text replaced, which must be there. */
export const section = (...pairs: readonly (readonly [string, string])[]): string =>
  pairs.reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`good.yaml has no ${from}`);
      return text.replaceAll(from, () => to);
    },
    GOOD.slice(GOOD.indexOf('cluster:')),
  );

export interface Said extends Saying {
  stdout: string;
  stderr: string;
}

export const listening = (): Said => {
  const said: Said = {
    stdout: '',
    stderr: '',
    out(text) {
      said.stdout += text;
    },
    err(text) {
      said.stderr += text;
    },
  };
  return said;
};

export interface Desk extends Disposable {
  folder: string;
  /** The store that survives each command. */
  store: Store;
  path(name: string): string;
  put(name: string, text: string): string;
  /** Applies a text; `through`: the store as this command sees it. */
  apply(text: string, options?: Partial<ApplyOptions>, through?: Store): Promise<{ exit: number; stdout: string; stderr: string }>;
  members(): Promise<ClusterConfig | null>;
}

/** The replica's file is good-etcd.yaml, whose store is replaced by one in memory. */
export const openDesk = (replica = readFileSync(join(CONFIGS, 'good-etcd.yaml'), 'utf8')): Desk => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-command-'));
  const ports = { ...realPorts(), random: seededRandom(folder) };
  const store = openEmbedded({ file: ':memory:', ports });
  const path = (name: string): string => join(folder, name);
  const put = (name: string, text: string): string => {
    writeFileSync(path(name), text);
    return path(name);
  };
  const config = put('replica.yaml', replica);
  const get: Store['get'] = (query) => store.get(query);
  return {
    folder,
    store,
    path,
    put,
    async apply(text, options = {}, through = store) {
      const said = listening();
      const file = put('cluster.yaml', text);
      const lasting: Store = {
        clusterId: through.clusterId,
        get: (query) => through.get(query),
        txn: (txn) => through.txn(txn),
        watch: (prefix, onEvent) => through.watch(prefix, onEvent),
        close: async () => undefined,
      };
      const exit = await apply({ config, file, owner: 'alice', ...options }, { ports, ...said, open: async () => lasting });
      // Paths differ from run to run.
      const plain = (out: string): string => out.replaceAll(`${folder}/`, '');
      return { exit, stdout: plain(said.stdout), stderr: plain(said.stderr) };
    },
    members: async () => ((await get({ keys: ['members'] })).kvs[0]?.value as ClusterConfig | undefined) ?? null,
    [Symbol.dispose]() {
      void store.close();
      rmSync(folder, { recursive: true });
    },
  };
};
