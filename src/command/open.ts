// The store that a replica's file names, opened for a command that runs beside the service or without it. Starts nothing that serves.
import { showHostPort } from '../config/fields.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { Fault } from '../errors.ts';
import { createLog } from '../log.ts';
import { type Ends, lookContext, openEtcdStore } from '../open.ts';
import type { Ports } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import { openEmbedded } from '../store/embedded.ts';
import { connectStore } from '../store/remote.ts';
import { type Store, StoreDefiniteError } from '../store/store.ts';

/** Where a command says things: data on `out`, all else on `err`. */
export interface Saying {
  out(text: string): void;
  err(text: string): void;
}

/** Only one process can have the file: a serving one is asked by its own means. */
const openOwnFile = ({ file, serve }: Extract<ReplicaConfig['store'], { kind: 'embedded' }>, ports: Ports): Store => {
  try {
    return openEmbedded({ file, ports });
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'ERR_STORE_LOCKED') throw error;
    const joining =
      serve === undefined
        ? 'give it store.serve, and name here a file with a store of kind remote'
        : `name here a file that joins it: store: { kind: remote, url: http://${showHostPort(serve)}, tokenFile: ${serve.tokenFile} }`;
    const todo = `to change the cluster section, change it in its own file and send it SIGHUP; for all else ${joining}`;
    throw new Fault('ERR_STORE_LOCKED', `${file}: a running replica serves this store file; ${todo}`, { cause: error });
  }
};

/** A human waits longer than a replica may: connecting and an election fit in. */
const PATIENCE_MS = 5000;

/** Opens the store; whoever asked closes it. Throws Fault when the file or a secret cannot be used; a store out of reach shows at the first call. */
export const openCommandStore = async ({ store, ...config }: ReplicaConfig, ports: Ports): Promise<Store> => {
  if (store.kind === 'embedded') return openOwnFile(store, ports);
  if (store.kind === 'remote') return connectStore({ url: store.url, token: readSecret(store.tokenFile), ports });
  const ends: Ends = { working: [], open: [] };
  const log = createLog({ level: 'silent', clock: ports.clock });
  const looking = lookContext({ ...config, store }, { ports, log, version: '' }, ends);
  const opened = await openEtcdStore({ ...store, timeoutMs: Math.max(store.timeoutMs, PATIENCE_MS) }, { ports, log }, looking.resolve);
  return {
    get clusterId() {
      return opened.clusterId;
    },
    get: (query, signal) => opened.get(query, signal),
    txn: (txn, signal) => opened.txn(txn, signal),
    watch: (prefix, onEvent) => opened.watch(prefix, onEvent),
    async close() {
      await opened.close();
      for (const close of ends.open) await close();
    },
  };
};

const reading = (store: Store): Store => ({
  get clusterId() {
    return store.clusterId;
  },
  get: (query, signal) =>
    store.get(query, signal).catch((error: unknown) => {
      if (!(error instanceof StoreDefiniteError)) throw error;
      throw new Fault('ERR_STORE_UNREACHABLE', `${error.message}; is the store up, and does -c name the right one?`, { cause: error });
    }),
  txn: (txn, signal) => store.txn(txn, signal),
  watch: (prefix, onEvent) => store.watch(prefix, onEvent),
  close: () => store.close(),
});

/** For a command that only reads: a file that a running replica holds is read where that replica lends it. Reads that fail throw Fault ERR_STORE_UNREACHABLE. */
export const openStoreToRead = async (config: ReplicaConfig, ports: Ports): Promise<Store> => {
  const { store } = config;
  try {
    return reading(await openCommandStore(config, ports));
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'ERR_STORE_LOCKED' || store.kind !== 'embedded') throw error;
    const { serve } = store;
    if (serve === undefined)
      throw new Fault(
        'ERR_STORE_LOCKED',
        `${store.file}: a running replica holds this store file and lends it to nobody: give it store.serve, or look while it is stopped`,
        { cause: error },
      );
    return reading(connectStore({ url: `http://${urlHost(serve.host)}:${serve.port}`, token: readSecret(serve.tokenFile), ports }));
  }
};

const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);
