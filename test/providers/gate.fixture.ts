// What tests of gates share: an entry of the configuration, services, fences, and the world of the contract suite. There another process's writer is another
// provider on the same store; a lost reply is a transaction that was carried out and is told as in doubt; a store that hangs, and one that denies, are what a
// client of etcd makes of them.
import { stateHash } from '../../providers/fence.ts';
import { type GateConfig, gate } from '../../providers/gate/index.ts';
import { GATE_PREFIX, gateKey } from '../../providers/gate/record.ts';
import type { Fence, ProviderService } from '../../providers/provider.ts';
import { Fault } from '../../src/errors.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError } from '../../src/store/store.ts';
import type { ProviderHarness } from '../contract/provider.contract.ts';

export const GATE: GateConfig = {
  kind: 'gate',
  form: 'survivor',
  checker: { kind: 'route53', intervalMs: 10_000, failures: 3, agree: 2, proxied: false },
};

export const REGIONS = ['eu-west', 'us-east', 'ap-south'] as const;
export const WEB = 'web.example.test';

/** A service with a pool per region; shares by pool, all equal when none are given. */
export const serviceOf = (service = WEB, shares: Readonly<Record<string, number>> = {}): ProviderService => ({
  service,
  ttlS: 30,
  pools: REGIONS.map((region, at) => ({
    pool: region,
    region,
    share: Object.keys(shares).length === 0 ? (at === 0 ? 334 : 333) : (shares[region] ?? 0),
    configuredShare: 333,
    answers: [],
  })),
});

export const fenceOf = (v: number, desired: ProviderService, writer = 'eu-west/a/boot'): Fence => ({
  v,
  epoch: 1,
  writer,
  nonce: `d${v}-1`,
  hash: stateHash(desired),
});

const SECRET = 'the-password-of-the-store';

/** Rights as etcd says that they are missing. */
const denied = (): Promise<never> => {
  const text = 'permission denied; user nobody lacks a grant to write gate/web.example.test';
  return Promise.reject(new StoreDefiniteError(text, { cause: new Fault('ERR_STORE_DENIED', text) }));
};

/** The store is closed at its end. */
export const gateHarness = (store: Store): ProviderHarness => {
  let [loses, hangs, refuses, changes, requests] = [false, false, false, 0, 0];
  const seen: Store = {
    ...store,
    clusterId: store.clusterId,
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: async () => undefined,
    get: (query, signal) => {
      requests++;
      return hangs ? new Promise(() => undefined) : store.get(query, signal);
    },
    async txn(txn, signal) {
      requests++;
      if (hangs) return new Promise(() => undefined);
      if (txn.then.length > 0) changes++;
      // One part that no store takes.
      const sent = refuses ? { ...txn, then: [...txn.then, { put: 'a key with spaces', value: 1 }] } : txn;
      const done = await store.txn(sent, signal);
      if (!loses) return done;
      loses = false;
      throw new StoreAmbiguousError('no answer within 1500 ms');
    },
  };
  return {
    can: gate.can,
    services: [serviceOf('web.example.test'), serviceOf('api.example.test')],
    provider: () => gate.open(GATE, { store: seen }),
    intruder: () => gate.open(GATE, { store: { ...seen, clusterId: '', txn: denied } }),
    requestId: null,
    secrets: [SECRET],
    snapshot: async () => JSON.stringify(await store.get({ prefixes: [GATE_PREFIX] })),
    async plant({ service }) {
      const [found] = (await store.get({ keys: [gateKey(service)] })).kvs;
      const record = found?.value as { pools: object };
      const value = { ...record, pools: { ...record.pools, 'by-hand': { open: true, region: 'nowhere' } } };
      await store.txn({ if: [], then: [{ put: gateKey(service), value }] });
      return 'by-hand';
    },
    faults: {
      loseNextReply: () => {
        loses = true;
      },
      refusePart: () => {
        refuses = true;
      },
      hang: () => {
        hangs = true;
      },
    },
    changes: () => changes,
    quota: {
      services: Array.from({ length: 200 }, (_, n) => serviceOf(`s${n}.example.test`)),
      // A store has none of its own; a look at two hundred gates is one request.
      perMinute: 10,
      requests: () => requests,
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
};
