// The cluster's configuration in the store: compare-and-write, counted once, refused when it would take the ground from under the route.
import { describe, expect, test } from 'vitest';
import { KEYS } from '../../src/coordinate/keys.ts';
import { type ApplyOrder, applyMembers } from '../../src/coordinate/members.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig, Routing } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Store, StoreAmbiguousError, StoreDefiniteError, type Txn } from '../../src/store/store.ts';
import { seededRandom } from '../virtual.ts';
import { clusterOf, poolOf } from '../world.ts';

const opened = (): Store => openEmbedded({ file: ':memory:', ports: { random: seededRandom('members') } });

const REGIONS = ['a', 'b', 'c'];
const { clock, timers } = realPorts();

/** Somebody who changes the configuration. */
const order = (by = 'alice', more: Partial<ApplyOrder> = {}): ApplyOrder => ({
  ports: { clock, timers, random: seededRandom(by) },
  by,
  reason: 'a test',
  ...more,
});

const base = clusterOf(REGIONS, [{}]);
const weighted = (weight: number): ClusterConfig =>
  clusterOf(REGIONS, [{ pools: REGIONS.map((r, i) => poolOf(r, i === 0 ? weight : 1, i)) }]);

const membersOf = async (store: Store): Promise<ClusterConfig | undefined> =>
  (await store.get({ keys: [KEYS.members] })).kvs[0]?.value as ClusterConfig | undefined;

/** The store with something happening at each of its transactions. */
const disturbed = (store: Store, txn: (txn: Txn, nth: number) => ReturnType<Store['txn']>): Store => {
  let n = 0;
  return {
    clusterId: store.clusterId,
    get: (query) => store.get(query),
    txn: (t) => txn(t, ++n),
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: () => store.close(),
  };
};

const routingWith = (route: Readonly<Record<string, number>>): Partial<Routing> => ({
  v: 1,
  services: { web: { fence: 1, sinceAtMs: 0, mode: 'auto', route, because: '', pools: {} } },
});

describe('applying a configuration', () => {
  test('the store counts its versions, whatever the file says', async () => {
    const store = opened();
    expect(await applyMembers(store, { ...base, version: 77 }, order())).toEqual({ outcome: 'applied', version: 1 });
    expect(await applyMembers(store, { ...weighted(2), version: 0 }, order())).toEqual({ outcome: 'applied', version: 2 });
    expect(await membersOf(store)).toEqual({ ...weighted(2), version: 2 });
    await store.close();
  });

  test('the same content again changes nothing and wakes nobody', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const { rev } = await store.get({ keys: [] });
    expect(await applyMembers(store, { ...base, version: 99 }, order())).toEqual({ outcome: 'unchanged', version: 1 });
    expect((await store.get({ keys: [] })).rev).toBe(rev);
    await store.close();
  });

  test('fields that are absent and undefined are the same', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const spelt = structuredClone(base) as unknown as { services: { converge: { request?: undefined } }[] };
    for (const s of spelt.services) s.converge.request = undefined;
    expect(await applyMembers(store, spelt as unknown as ClusterConfig, order())).toMatchObject({ outcome: 'unchanged' });
    await store.close();
  });

  test('two at once are both applied, one after the other, each counted', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const outcomes = await Promise.all([applyMembers(store, weighted(2), order()), applyMembers(store, weighted(3))]);
    expect(outcomes.map((o) => o.outcome)).toEqual(['applied', 'applied']);
    expect(new Set(outcomes.map((o) => o.version))).toEqual(new Set([2, 3]));
    expect((await membersOf(store))?.version).toBe(3);
    await store.close();
  });

  test('one that loses every race gives up and says so, having written nothing', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const rude = disturbed(store, async (txn, nth) => {
      await store.txn({ if: [], then: [{ put: KEYS.members, value: { ...weighted(10 + nth), version: 1 + nth } }] });
      return store.txn(txn);
    });
    await expect(applyMembers(rude, weighted(2), order())).rejects.toSatisfy(
      (error) => error instanceof Fault && error.code === 'ERR_STALE',
    );
    expect((await membersOf(store))?.services[0]?.pools[0]?.weight).toBe(14);
    await store.close();
  });

  test('a decision made meanwhile makes it look again before it writes', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const deciding = disturbed(store, async (txn, nth) => {
      if (nth === 1) await store.txn({ if: [], then: [{ put: KEYS.routing, value: routingWith({ a: 1000, b: 0, c: 0 }) }] });
      return store.txn(txn);
    });
    // At first b and c carry too; then everything lies on a, which this configuration removes.
    await store.txn({ if: [], then: [{ put: KEYS.routing, value: routingWith({ a: 334, b: 333, c: 333 }) }] });
    const without = clusterOf(REGIONS, [{ pools: ['b', 'c'].map((r, i) => poolOf(r, 1, i + 1)) }]);
    const result = await applyMembers(deciding, without, order());
    expect(result).toMatchObject({ outcome: 'refused', version: 1 });
    expect((await membersOf(store))?.version).toBe(1);
    await store.close();
  });

  test('in doubt, and it had happened: found, counted once', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const mute = disturbed(store, async (txn) => {
      await store.txn(txn);
      throw new StoreAmbiguousError('no answer');
    });
    expect(await applyMembers(mute, weighted(2), order())).toEqual({ outcome: 'applied', version: 2 });
    expect(await membersOf(store)).toEqual({ ...weighted(2), version: 2 });
    await store.close();
  });

  test('in doubt, and it had not: written again, counted once', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const lossy = disturbed(store, async (txn, nth) => {
      if (nth === 1) throw new StoreAmbiguousError('no answer');
      return store.txn(txn);
    });
    expect(await applyMembers(lossy, weighted(2), order())).toEqual({ outcome: 'applied', version: 2 });
    await store.close();
  });

  test('in doubt, and it happens later than the second try: refused by its own guard', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const late: Txn[] = [];
    const slow = disturbed(store, async (txn, nth) => {
      if (nth > 1) return store.txn(txn);
      late.push(txn);
      throw new StoreAmbiguousError('no answer');
    });
    await applyMembers(slow, weighted(2), order());
    await applyMembers(store, weighted(3), order());
    for (const txn of late) expect((await store.txn(txn)).ok).toBe(false);
    expect(await membersOf(store)).toEqual({ ...weighted(3), version: 3 });
    await store.close();
  });

  test('what the store refuses for good is thrown on', async () => {
    const store = opened();
    const full = disturbed(store, async () => {
      throw new StoreDefiniteError('disk full');
    });
    await expect(applyMembers(full, base, order())).rejects.toThrow('disk full');
    await store.close();
  });

  test('two voters at once are refused, with the way to do it; one is not', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const voting = (vote: readonly string[]): ClusterConfig => {
      const five = clusterOf(['a', 'b', 'c', 'd', 'e'], [{ pools: REGIONS.map((r, i) => poolOf(r, 1, i)) }]);
      return { ...five, regions: five.regions.map((r) => ({ ...r, vote: vote.includes(r.name) })) };
    };
    const refused = await applyMembers(store, voting(['a', 'b', 'c', 'd', 'e']), order());
    expect(refused.outcome).toBe('refused');
    expect(refused.outcome === 'refused' && refused.because.join()).toContain('one change at a time');
    expect(await applyMembers(store, voting(['a', 'b', 'c', 'd']), order())).toEqual({ outcome: 'applied', version: 2 });
    expect(await applyMembers(store, voting(['a', 'b', 'c', 'd', 'e']), order())).toEqual({ outcome: 'applied', version: 3 });
    await store.close();
  });
});
