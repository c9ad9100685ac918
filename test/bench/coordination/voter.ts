// A replica inside the bench: the production code over a real client of the store, with looks that are simulated. It can die without a word, as a process does.
import { realPorts } from '../../../src/ports.ts';
import { createReplica, type Replica, type ReplicaOptions } from '../../../src/replica.ts';
import { type Store, StoreAmbiguousError } from '../../../src/store/store.ts';
import { memoryProvider } from '../../memory-provider.ts';
import { silentLog } from '../../world.ts';

export interface Calls {
  gets: number;
  txns: number;
  /** Events that reached a watcher. */
  events: number;
}

export interface Voter {
  region: string;
  replica: Replica;
  calls: Calls;
  /** From now on nothing leaves it and nothing reaches it. */
  die(): void;
  stop(): Promise<void>;
}

export interface VoterOptions extends Partial<Pick<ReplicaOptions, 'look' | 'events' | 'providers'>> {
  region: string;
  replica?: string;
  store: Store;
}

/** Dead, its calls are answered by nobody until it is stopped. */
const mortal = (store: Store, calls: Calls): { store: Store; die(): void; bury(): void } => {
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => undefined);
  let dead = false;
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) return end.promise;
    const done = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if (dead) return end.promise;
    if ('error' in done) throw done.error;
    return done.value;
  };
  return {
    store: {
      get clusterId() {
        return store.clusterId;
      },
      get(query, signal) {
        calls.gets++;
        return call(() => store.get(query, signal));
      },
      txn(txn, signal) {
        calls.txns++;
        return call(() => store.txn(txn, signal));
      },
      watch: (prefix, onEvent) =>
        store.watch(prefix, (event) => {
          if (dead) return;
          calls.events++;
          onEvent(event);
        }),
      close: () => store.close(),
    },
    die() {
      dead = true;
    },
    bury: () => end.reject(new StoreAmbiguousError('this process is dead')),
  };
};

export const startVoter = ({ region, replica: name = 'a', store, look, events, providers }: VoterOptions): Voter => {
  const ports = realPorts();
  const calls: Calls = { gets: 0, txns: 0, events: 0 };
  const seen = mortal(store, calls);
  const replica = createReplica({
    ports,
    store: seen.store,
    log: silentLog,
    region,
    replica: name,
    boot: ports.random.hex(4),
    providers: providers ?? new Map([['memory', memoryProvider({ services: new Map(), onServed: () => undefined })]]),
    look: look ?? (async () => ({ saw: 'ok', tookMs: 1 })),
    ...(events === undefined ? {} : { events }),
  });
  return {
    region,
    replica,
    calls,
    die: seen.die,
    async stop() {
      seen.bury();
      await replica.stop();
      await store.close();
    },
  };
};
