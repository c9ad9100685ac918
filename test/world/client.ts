// The store as a process of a simulated cluster sees it, which is as a client of etcd shows it: with delays, in doubt, told of changes as long as it hears
// them, and frozen once it proves to be another or an older one, until a human adopts it.
import { Fault } from '../../src/errors.ts';
import type { Adopted } from '../../src/model.ts';
import { type Before, createIdentity, type Identity } from '../../src/store/identity.ts';
import {
  type Query,
  type Read,
  type Store,
  StoreAmbiguousError,
  StoreDefiniteError,
  type Watch,
  type WatchEvent,
} from '../../src/store/store.ts';
import type { MemoryStore } from '../memory-store.ts';
import { type Caller, hearsNothing, type Wire } from './wire.ts';

/** Who made a change of the store: a process and when it sent it, or nobody (the hand of the test itself). */
export interface Author {
  /** `region/replica`. */
  place: string;
  region: string;
  boot: string;
  sentAtMs: number;
}

/** The process, and what it has missed. */
export interface Client extends Caller {
  name: string;
  region: string;
  boot: string;
  /** Events of the store were lost on their way: its watches begin anew when it is heard again. */
  missed: boolean;
  watches: Set<(event: WatchEvent) => void>;
}

export interface ClientOptions {
  store: MemoryStore;
  wire: Wire;
  nowMs: () => number;
  /** The record as the store holds it. */
  adopted: () => Adopted | null;
  /** What the process sees of a read. */
  seen: (query: Query, read: Read) => Read;
  /** Who writes now; null: nobody any more. */
  writing: (author: Author | null) => void;
}

/** A client of the store gives up after so long. */
const PATIENCE_MS = 1500;

/** What a process watches comes to it on one wire, as from any server: one message for each change that one of its watches wants, in which each finds its own. */
const createWatches = (client: Client, identity: Identity, { store, wire }: ClientOptions) => {
  const watches = new Set<{ prefix: string; onEvent: (event: WatchEvent) => void }>();
  /** A store that is replaced ends the stream: what was under way in it does not arrive. */
  let stream = 0;
  const tell = (event: WatchEvent): void => {
    if (hearsNothing(client)) {
      client.missed = true;
      return;
    }
    for (const watch of [...watches]) {
      const { prefix, onEvent } = watch;
      // Closed by one before it.
      if (!watches.has(watch)) continue;
      if (event.kind === 'resync' || prefix === '') onEvent(event);
      else {
        const keys = event.keys.filter((key) => key.startsWith(prefix));
        if (keys.length > 0) onEvent({ ...event, keys });
      }
    }
  };
  const wanted = (event: WatchEvent): boolean =>
    event.kind === 'resync' || [...watches].some(({ prefix }) => event.keys.some((key) => key.startsWith(prefix)));
  client.watches.add(tell);
  store.watch('', (event) => {
    if (event.kind === 'resync') stream++;
    if (!wanted(event)) return;
    if (hearsNothing(client)) {
      client.missed = true;
      return;
    }
    const [from, clusterId] = [stream, store.clusterId];
    wire.toCaller(client, () => {
      if (from !== stream) return;
      const isBelieved = event.kind === 'resync' || (identity.frozen() === null && identity.clusterId() === clusterId);
      tell(isBelieved ? event : { kind: event.kind, rev: event.rev, keys: event.keys });
    });
  });
  return {
    watch(prefix: string, onEvent: (event: WatchEvent) => void): Watch {
      const watch = { prefix, onEvent };
      watches.add(watch);
      return { close: () => void watches.delete(watch) };
    },
  };
};

export const clientOf = (client: Client, options: ClientOptions): Store => {
  const { store, wire } = options;
  const identity = createIdentity();
  const watches = createWatches(client, identity, options);
  const checkFrozen = (): void => {
    const because = identity.frozen();
    if (because !== null) throw new Fault('ERR_STORE_REPLACED', because);
  };
  const learn = (rev: number, before: Before, adopted: Adopted | null | undefined): void => {
    const judged = identity.learn({ clusterId: store.clusterId, rev }, before, adopted);
    if (judged === 'late') throw new StoreDefiniteError('answered before the store was adopted');
    if (judged === 'frozen') checkFrozen();
    if (judged === 'adopted') for (const tell of client.watches) wire.toCaller(client, () => tell({ kind: 'resync' }));
  };
  return {
    get clusterId() {
      return identity.clusterId();
    },
    get: (query) => {
      const before = identity.before();
      let adopted: Adopted | null = null;
      return wire.call(
        client,
        PATIENCE_MS,
        () => {
          adopted = options.adopted();
          return options.seen(query, store.read(query));
        },
        () => new StoreDefiniteError('cut off'),
        (read) => {
          learn(read.rev, before, adopted);
          return read;
        },
      );
    },
    txn: async (txn) => {
      checkFrozen();
      const before = identity.before();
      const author = { place: client.name, region: client.region, boot: client.boot, sentAtMs: options.nowMs() };
      const result = await wire.call(
        client,
        PATIENCE_MS,
        () => {
          options.writing(author);
          const done = store.txn(txn);
          options.writing(null);
          return done;
        },
        () => new StoreAmbiguousError('cut off'),
      );
      learn(result.rev, before, undefined);
      return result;
    },
    watch: watches.watch,
    close: async () => undefined,
  };
};
