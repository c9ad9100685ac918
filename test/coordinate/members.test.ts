// The cluster's configuration in the store: compare-and-write, counted once, refused when it would take the ground from under the route.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { configAuditKey, KEYS } from '../../src/coordinate/keys.ts';
import { type AppliedMembers, type ApplyOrder, applyMembers, readConfigAudit, readMembers } from '../../src/coordinate/members.ts';
import { Fault } from '../../src/errors.ts';
import { configHash } from '../../src/health/config-hash.ts';
import type { ClusterConfig, ConfigAudit, Routing } from '../../src/model.ts';
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
    const outcomes = await Promise.all([applyMembers(store, weighted(2), order('alice')), applyMembers(store, weighted(3), order('bob'))]);
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
    expect((await membersOf(store))?.services[0]?.pools[0]?.weight).toBe(16);
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

/** Every record of a change, in order, with what the store holds. */
const chainOf = async (store: Store): Promise<{ cluster: ClusterConfig | undefined; audits: readonly ConfigAudit[] }> => {
  const { kvs } = await store.get({ keys: [KEYS.members], prefixes: ['audit/'] });
  const audits = kvs.filter(({ key }) => key.startsWith('audit/')).map(({ value }) => value as ConfigAudit);
  return { cluster: kvs.find(({ key }) => key === KEYS.members)?.value as ClusterConfig | undefined, audits };
};

describe('the record of a change', () => {
  test('each version has one: who, why, when, what changed, and the hash by which votes name it', async () => {
    const store = opened();
    await applyMembers(store, base, order('alice', { reason: 'a start' }));
    await applyMembers(store, weighted(2), order('bob', { reason: 'more for a' }));
    const { cluster, audits } = await chainOf(store);
    expect(audits.map(({ version, by, reason }) => ({ version, by, reason }))).toEqual([
      { version: 1, by: 'alice', reason: 'a start' },
      { version: 2, by: 'bob', reason: 'more for a' },
    ]);
    expect(audits[1]?.diff).toEqual(['/services/web/pools/a/weight: 1 -> 2']);
    expect(audits[1]?.hash).toBe(configHash(cluster as ClusterConfig));
    expect(Math.abs((audits[1]?.atMs ?? 0) - clock.wallMs())).toBeLessThan(60_000);
    expect((await store.get({ keys: [configAuditKey(2)] })).kvs).toHaveLength(1);
    expect(await readConfigAudit(store, 2)).toEqual(audits[1]);
    expect(await readConfigAudit(store, 3)).toBeNull();
    await store.close();
  });

  test('what is unchanged or refused leaves none', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    await applyMembers(store, base, order('bob'));
    await applyMembers(store, { ...base, name: 'other' }, order('bob', { allow: { adviseOnly: false, rename: false } }));
    expect((await chainOf(store)).audits).toHaveLength(1);
    await store.close();
  });

  test('going back to an older file is a version of its own, and the record says what it undid', async () => {
    const store = opened();
    for (const wanted of [base, weighted(2), base]) await applyMembers(store, wanted, order());
    const { cluster, audits } = await chainOf(store);
    expect(cluster).toEqual({ ...base, version: 3 });
    expect(audits.map(({ diff }) => diff).slice(1)).toEqual([
      ['/services/web/pools/a/weight: 1 -> 2'],
      ['/services/web/pools/a/weight: 2 -> 1'],
    ]);
    await store.close();
  });
});

describe('one who has looked at a version', () => {
  const looked = async (store: Store, by: string) => order(by, { seen: await readMembers(store) });

  test('does not write over another one, and is told which it is', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const [first, second] = [await looked(store, 'alice'), await looked(store, 'bob')];
    expect(await applyMembers(store, weighted(2), first)).toEqual({ outcome: 'applied', version: 2 });
    expect(await applyMembers(store, weighted(3), second)).toEqual({ outcome: 'overtaken', version: 2 });
    expect(await membersOf(store)).toEqual({ ...weighted(2), version: 2 });
    await store.close();
  });

  test('is content when the other one says the same', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const second = await looked(store, 'bob');
    await applyMembers(store, weighted(2), order('alice'));
    expect(await applyMembers(store, weighted(2), second)).toEqual({ outcome: 'unchanged', version: 2 });
    await store.close();
  });

  test('tries again when only the route changed', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const given = await looked(store, 'alice');
    for (const a of [900, 800]) await store.txn({ if: [], then: [{ put: KEYS.routing, value: routingWith({ a, b: 1000 - a }) }] });
    expect(await applyMembers(store, weighted(2), given)).toEqual({ outcome: 'applied', version: 2 });
    await store.close();
  });

  test('finds the store empty, and so does another: one first configuration', async () => {
    const store = opened();
    const orders = [await looked(store, 'alice'), await looked(store, 'bob')];
    const results = await Promise.all(orders.map((given, i) => applyMembers(store, weighted(i + 2), given)));
    expect(results.map(({ outcome }) => outcome).sort()).toEqual(['applied', 'overtaken']);
    await store.close();
  });
});

describe('a store that gives no answer', () => {
  const AMBIGUOUS = new StoreAmbiguousError('no answer');

  test('and another version comes over ours: still found by its record', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const mute = disturbed(store, async (txn, nth) => {
      await store.txn(txn);
      if (nth === 1) await applyMembers(store, weighted(9), order('bob'));
      throw AMBIGUOUS;
    });
    expect(await applyMembers(mute, weighted(2), order('alice'))).toEqual({ outcome: 'applied', version: 2 });
    expect(await membersOf(store)).toEqual({ ...weighted(9), version: 3 });
    await store.close();
  });

  test('and another one wins that version: ours is not taken for it, though both say the same', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const mute = disturbed(store, async () => {
      await applyMembers(store, weighted(2), order('bob'));
      throw AMBIGUOUS;
    });
    expect(await applyMembers(mute, weighted(2), order('alice', { seen: await readMembers(store) }))).toEqual({
      outcome: 'unchanged',
      version: 2,
    });
    expect((await readConfigAudit(store, 2))?.by).toBe('bob');
    await store.close();
  });

  test('to any attempt: nobody knows, and that is what is said', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const dead = disturbed(store, async () => {
      throw AMBIGUOUS;
    });
    await expect(applyMembers(dead, weighted(2), order())).rejects.toSatisfy(
      (error) => error instanceof Fault && error.code === 'ERR_UNDECIDED',
    );
    await store.close();
  });

  test('and then cannot be read either: nobody knows; a definite refusal of a later attempt does not make the first one certain', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    let broken = false;
    const failing: Store = {
      ...disturbed(store, async (_, nth) => {
        broken = nth === 1;
        throw nth === 1 ? AMBIGUOUS : new StoreDefiniteError('no leader');
      }),
      get: async (query) => {
        if (!broken) return store.get(query);
        broken = false;
        throw new StoreDefiniteError('no leader');
      },
    };
    await expect(applyMembers(failing, weighted(2), order())).rejects.toSatisfy(
      (error) => error instanceof Fault && error.code === 'ERR_UNDECIDED',
    );
    await store.close();
  });

  test('once, and others come first ever after: ours can happen no more, so that is a lost race and no doubt', async () => {
    const store = opened();
    await applyMembers(store, base, order());
    const rude = disturbed(store, async (txn, nth) => {
      await store.txn({ if: [], then: [{ put: KEYS.members, value: { ...weighted(10 + nth), version: 1 + nth } }] });
      if (nth === 1) throw AMBIGUOUS;
      return store.txn(txn);
    });
    await expect(applyMembers(rude, weighted(2), order())).rejects.toSatisfy(
      (error) => error instanceof Fault && error.code === 'ERR_STALE',
    );
    await store.close();
  });

  test('before anything was sent: that is certain, and thrown as it is', async () => {
    const store = opened();
    const unreachable: Store = {
      ...disturbed(store, async () => expect.fail('nothing may be sent')),
      get: async () => {
        throw new StoreDefiniteError('no connection');
      },
    };
    await expect(applyMembers(unreachable, base, order())).rejects.toThrow('no connection');
    await store.close();
  });
});

// Pauses after lost replies are real time.
describe('racing writers over a store that loses replies', { timeout: 120_000 }, () => {
  /** Instant sleeps: the pause before a doubtful write is looked for is not what is tested here. */
  const hasty: ApplyOrder['ports']['timers'] = {
    after: (_ms, fn) => {
      setImmediate(fn);
      return { cancel: () => undefined };
    },
  };

  type Mishap = 'fine' | 'lost reply' | 'lost request' | 'late';
  const mishap = fc.constantFrom<Mishap>('fine', 'fine', 'fine', 'lost reply', 'lost request', 'late');
  const writer = fc.record({
    weights: fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 }),
    mishaps: fc.array(mishap, { maxLength: 6 }),
    careful: fc.boolean(),
  });

  /** `late` requests arrive after `lag` more steps of the event loop. */
  const lossy = (store: Store, mishaps: readonly Mishap[], pending: Promise<unknown>[]): Store =>
    disturbed(store, async (txn, nth) => {
      const what = mishaps[nth - 1] ?? 'fine';
      if (what === 'fine') return store.txn(txn);
      if (what === 'lost reply') await store.txn(txn);
      if (what === 'late') pending.push(new Promise((done) => setImmediate(() => setImmediate(() => done(store.txn(txn))))));
      throw new StoreAmbiguousError(what);
    });

  test('each version is written once, by the one who is told so, and its record fits', async () => {
    let raced = 0;
    let found = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(writer, { minLength: 2, maxLength: 4 }), async (writers) => {
        const store = opened();
        const pending: Promise<unknown>[] = [];
        await applyMembers(store, base, order('first'));
        const told = await Promise.all(
          writers.map(async ({ weights, mishaps, careful }, w) => {
            const mine = lossy(store, mishaps, pending);
            const results: { by: string; weight: number; result: AppliedMembers | string }[] = [];
            for (const [i, weight] of weights.entries()) {
              const by = `${w}-${i}`;
              const seen = careful ? { seen: await readMembers(mine) } : {};
              const given: ApplyOrder = { ports: { clock, timers: hasty, random: seededRandom(by) }, by, reason: 'a race', ...seen };
              const result = await applyMembers(mine, weighted(weight), given).catch((error: unknown) =>
                error instanceof Fault ? error.code : expect.fail(String(error)),
              );
              results.push({ by, weight, result });
            }
            return results;
          }),
        );
        await Promise.all(pending);
        const { cluster, audits } = await chainOf(store);
        // Versions without a gap, each with the one record it was written with.
        expect(audits.map(({ version }) => version)).toEqual(audits.map((_, i) => i + 1));
        expect(cluster?.version).toBe(audits.length);
        expect(audits.at(-1)?.hash).toBe(configHash(cluster as ClusterConfig));
        for (const { by, weight, result } of told.flat()) {
          const own = audits.filter((audit) => audit.by === by);
          expect(own.length).toBeLessThanOrEqual(1);
          if (typeof result === 'string') {
            if (result === 'ERR_STALE') expect(own).toEqual([]);
            else expect(result).toBe('ERR_UNDECIDED');
          } else if (result.outcome === 'applied') {
            expect(own.map(({ version }) => version)).toEqual([result.version]);
            if (pending.length > 0) found++;
          } else {
            expect(own).toEqual([]);
            if (result.outcome === 'overtaken') raced++;
            if (result.outcome === 'unchanged')
              expect(audits[result.version - 1]?.diff.join() ?? '').toMatch(result.version === 1 ? /./ : new RegExp(`-> ${weight}$`));
          }
        }
        await store.close();
      }),
      { numRuns: 150 },
    );
    // The generator does what its name says.
    expect(raced).toBeGreaterThan(0);
    expect(found).toBeGreaterThan(0);
  });
});
