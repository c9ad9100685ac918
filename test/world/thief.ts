// Somebody with the store's password and without a signing key: what signatures are there to keep out.
import type { Beat, ClusterConfig, Vote } from '../../src/model.ts';
import type { KeyValue, Store } from '../../src/store/store.ts';

export class Thief {
  readonly #store: Store;
  readonly #cluster: () => ClusterConfig;
  readonly #recorded = new Map<string, readonly KeyValue[]>();

  constructor(store: Store, cluster: () => ClusterConfig) {
    this.#store = store;
    this.#cluster = cluster;
  }

  /** Somebody with the store's password writes, in the name of a region's replicas, that all targets of `victim` are down; he has no key to sign with. */
  async forge(region: string, victim: string): Promise<void> {
    const { kvs } = await this.#store.get({ prefixes: [`vote/${region}/`, `beat/${region}/`] });
    const targets = this.#cluster().services.flatMap((s) =>
      s.pools.filter((p) => p.region === victim).flatMap((p) => p.targets.map((t) => `${s.name}/${p.name}/${t.name}`)),
    );
    const ops = kvs.map(({ key, value }) => {
      const record = value as Vote & Beat;
      const claims = key.startsWith('vote/')
        ? { self: { state: 'ok' }, down: targets, unready: targets, unknown: [] }
        : { n: record.n + 1 };
      return { put: key, value: { ...record, seq: record.seq + 1, ...claims } };
    });
    if (ops.length > 0) await this.#store.txn({ if: [], then: ops });
  }

  /** Keeps what a region's replicas say now, for somebody to write it again. */
  async record(region: string): Promise<void> {
    this.#recorded.set(region, (await this.#store.get({ prefixes: [`vote/${region}/`, `beat/${region}/`] })).kvs);
  }

  async replay(region: string): Promise<void> {
    const then = (this.#recorded.get(region) ?? []).map(({ key, value }) => ({ put: key, value }));
    if (then.length > 0) await this.#store.txn({ if: [], then });
  }
}
