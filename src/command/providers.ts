// The providers that a replica's file names, opened for a command: only those that are asked for, and none of the servers that a replica would start.
import { openProvider } from '../../providers/index.ts';
import type { Provider } from '../../providers/provider.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { list } from '../config/words.ts';
import { Fault } from '../errors.ts';
import { createHttp } from '../http.ts';
import { openResolver } from '../open.ts';
import type { Ports } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import type { Store } from '../store/store.ts';

export interface OpenedProviders {
  /** Throws Fault ERR_CONFIG when the file does not name it, ERR_SECRET when its credentials cannot be used. */
  provider(name: string): Promise<Provider>;
  close(): Promise<void>;
}

/** `store`: for what is published through it; a function is asked when a provider needs one, and what it opens is closed here. */
export const openedProviders = (
  config: Pick<ReplicaConfig, 'file' | 'providers' | 'dns'>,
  ports: Ports,
  store?: Store | (() => Promise<Store>),
): OpenedProviders => {
  let ours: Promise<Store> | null = null;
  const storeFor = async (kind: string): Promise<Store | undefined> => {
    if (typeof store !== 'function') return store;
    if (kind !== 'gate') return undefined;
    ours ??= store();
    return ours;
  };
  const opened = new Map<string, Provider>();
  const resolver = openResolver(config, ports);
  const reaching = { ports, resolve: resolver.resolve };
  const http = createHttp(reaching);
  return {
    async provider(name) {
      const known = opened.get(name);
      if (known !== undefined) return known;
      const entry = config.providers[name];
      if (entry === undefined) {
        const names = list(Object.keys(config.providers));
        throw new Fault(
          'ERR_CONFIG',
          `${config.file}: found the providers ${names}, expected ${name} among them; use the file of a region that writes there, with an operator's certificate in its store`,
        );
      }
      const lent = await storeFor(entry.kind);
      const provider = await openProvider(entry, {
        ports,
        secret: readSecret,
        fetch: http.fetch,
        httpTrusting: (caPem) => createHttp({ ...reaching, caPem }),
        ...(lent === undefined ? {} : { store: lent }),
      });
      opened.set(name, provider);
      return provider;
    },
    async close() {
      await Promise.all([...opened.values()].map((provider) => provider.close()));
      await http.close();
      resolver.close();
      // One that could not be opened has said so.
      await ours?.then((opened) => opened.close()).catch(() => undefined);
    },
  };
};

/** Longest text that is shown in one line. */
const WORDS_MAX = 500;

/** A sentence of a human as it is recorded and paged. Throws Fault ERR_USAGE for one that is empty, too long or not one line. */
export const oneLine = (option: string, given: string): string => {
  const text = given.trim();
  if (text.length >= 1 && text.length <= WORDS_MAX && !/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text)) return text;
  throw new Fault('ERR_USAGE', `${option}: expected 1 to ${WORDS_MAX} characters in one line`);
};
