// The gate: a decision is published where the vendors' health checkers read it, at every replica of every region (src/gate), so that no vendor's API is
// needed to fail over. Its place is our own store: one transaction writes the records of a whole batch, each guarded on the revision at which it was read.
import { isDeepStrictEqual } from 'node:util';
import { errorText, Fault } from '../../src/errors.ts';
import type { Store, TxnResult } from '../../src/store/store.ts';
import { assertBatch, behindIn } from '../batch.ts';
import type { Applied, Capabilities, Change, Provider, ProviderContext, ProviderModule, ProviderService, ReadBack } from '../provider.ts';
import { type Found, quantise, readBackOf, recordOf, tokenOf } from './convert.ts';
import { GATE_PREFIX, gateKey, serviceOfKey } from './record.ts';

export type CheckerKind = 'route53' | 'ns1' | 'cloudflare' | 'gclb' | 'traffic-manager' | 'front-door' | 'other';

export interface GateConfig {
  kind: 'gate';
  /** `survivor`: the other regions' gates are polled, and answer 200 when the pool is to be drained. `origin`: its own, which then answers 503. */
  form: 'survivor' | 'origin';
  /** What polls. Only `check` looks at it: for what fits, and for how long users take to follow. */
  checker: {
    kind: CheckerKind;
    intervalMs: number;
    /** Polls in a row until it believes what it sees. */
    failures: number;
    /** Survivor gates that must say the same. */
    agree: number;
    /** Users are served through the vendor, and not by DNS answers that resolvers keep. */
    proxied: boolean;
  };
}

/** etcd takes 128 conditions and 128 operations of one transaction unless told otherwise, and 1.5 MiB. */
const BATCH_MAX = 100;

const can: Capabilities = {
  fencing: 'conditional',
  weights: 'onOff',
  batchMax: BATCH_MAX,
  servesAnswers: false,
  ttlFloorS: 0,
  checkedOn: '2026-11-26',
};

export const gate = {
  kind: 'gate',
  can,
  open(_config: GateConfig, { store }: Pick<ProviderContext, 'store'>): Provider {
    return {
      can,
      quantise,
      read: (services, signal) => readAll(store, services, signal),
      apply: (changes, signal) => applyAll(store, changes, signal),
      owns: (services) =>
        services.map(({ service }) => ({ object: `record ${gateKey(service)} of our own store`, fields: ['the whole record'] })),
      close: async () => undefined,
    };
  },
} satisfies ProviderModule<GateConfig>;

const NO_STORE = 'gate: it is written into the store and read from there, and this command has none';

/** Ends with the signal even when the store does not look at it. */
const within = async <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  signal.throwIfAborted();
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work(signal)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
};

/** All gates in one range read: they are small, and a publisher asks for all of its services anyway. Throws Fault ERR_PROVIDER. */
const readAll = async (
  store: Store | undefined,
  services: readonly ProviderService[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadBack>> => {
  if (store === undefined) throw new Fault('ERR_PROVIDER', NO_STORE);
  const read = await within(signal, (signal) => store.get({ prefixes: [GATE_PREFIX] }, signal)).catch((error: unknown) => {
    throw new Fault('ERR_PROVIDER', `gate: the store was not read: ${errorText(error)}`, { cause: error });
  });
  const found = new Map(read.kvs.map(({ key, value, mod }): [string, Found] => [serviceOfKey(key), { value, mod }]));
  return new Map(services.map((service) => [service.service, readBackOf(service, found.get(service.service))]));
};

const applyAll = async (store: Store | undefined, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assertBatch(changes);
  const writes = changes.map((change) => ({
    key: gateKey(change.desired.service),
    record: recordOf(change),
    token: tokenOf(change.previous),
  }));
  if (store === undefined) return { outcome: 'fatal', because: NO_STORE };
  if (changes.length > BATCH_MAX)
    return { outcome: 'fatal', because: `gate: ${changes.length} services in one transaction: at most ${BATCH_MAX}` };
  const behind = behindIn(changes);
  if (behind !== null) return behind;
  const news = writes.filter(({ record, token }) => !isDeepStrictEqual(record, token.record));
  // Compared even where nothing is written: what is said to be there has to be there.
  const txn = {
    if: writes.map(({ key, token }) => ({ key, mod: token.mod })),
    then: news.map(({ key, record }) => ({ put: key, value: record })),
  };
  return within(signal, (signal) => store.txn(txn, signal)).then(outcomeOf, refusalOf);
};

const outcomeOf = ({ ok }: TxnResult): Applied =>
  ok ? { outcome: 'applied' } : { outcome: 'conflict', because: 'gate: a record has changed since it was read; nothing was written' };

/** Missing rights end only when somebody grants them. Everything else is read back, even what the store calls certain: that costs one read. */
const refusalOf = (error: unknown): Applied => {
  const because = `gate: the store did not take it: ${errorText(error)}`;
  const causes = [error, error instanceof Error ? error.cause : null];
  const isDenied = causes.some((each) => each instanceof Fault && each.code === 'ERR_STORE_DENIED');
  return { outcome: isDenied ? 'fatal' : 'undecided', because };
};
