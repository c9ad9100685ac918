// The whole way, production code on virtual time: a provider that got ahead of the store or was set by hand, frozen services, adoption and acknowledgement
// beside a coordinator at work, and automation that goes on. And the transaction by itself: lost replies, lost races, many services.
import { describe, expect, test } from 'vitest';
import { parseFence } from '../../providers/fence.ts';
import { appliedKey, auditKey, KEYS } from '../../src/coordinate/keys.ts';
import type { Adopted, AppliedRecord, Audit, ClusterConfig, Overrides, Page, Routing } from '../../src/model.ts';
import { type AdoptionRequest, type AdoptionResult, runAdoption } from '../../src/publish/adoption.ts';
import { planByHand, setByHand } from '../../src/publish/break-glass.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { type Store, StoreAmbiguousError } from '../../src/store/store.ts';
import { type MemoryZone, memoryProvider } from '../memory-provider.ts';
import { createVirtual, seededRandom } from '../virtual.ts';
import { clusterOf, poolOf, World } from '../world.ts';

const REGIONS = ['a', 'b', 'c'];
const POOLS = ['a', 'b'].map((r, i) => poolOf(r, 1, i));
const cluster = clusterOf(REGIONS, [{ pools: POOLS }, { name: 'api', pools: POOLS }]);

const request = (fields: Partial<AdoptionRequest> = {}): AdoptionRequest => ({
  kind: 'adopt',
  services: [],
  owner: 'alice',
  reason: 'restored from last night',
  dryRun: false,
  holdMs: null,
  journal: [],
  ...fields,
});

const recordOf = async <T>(store: Store, key: string): Promise<T | null> =>
  ((await store.get({ keys: [key] })).kvs[0]?.value as T | undefined) ?? null;

const pagesIn = async (store: Store): Promise<readonly string[]> =>
  (await store.get({ prefixes: ['outbox/'] })).kvs.map((kv) => (kv.value as Page).type);

/** A world, and the same commands a human has. */
class Town extends World {
  async finished<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const done = work.finally(() => {
      over = true;
    });
    done.catch(() => undefined);
    await this.virtual.advanceUntil(() => over, 60_000);
    return done;
  }

  adopt(fields: Partial<AdoptionRequest> = {}): Promise<AdoptionResult> {
    const provider = async () => memoryProvider(this.zone);
    return this.finished(runAdoption({ ports: this.virtual.ports, store: this.store, provider }, request(fields)));
  }

  async byHand(service: string, route: Readonly<Record<string, number>>): Promise<void> {
    const config = this.cluster.services.find((s) => s.name === service) ?? expect.fail(service);
    const hand = { ports: this.virtual.ports, provider: memoryProvider(this.zone), name: 'memory' };
    const plan = await this.finished(planByHand(hand, config, route, 'bob'));
    await this.finished(setByHand(hand, plan));
  }

  served(service: string) {
    return this.zone.services.get(service) ?? expect.fail(`${service} is not served`);
  }

  routing(): Promise<Routing | null> {
    return recordOf<Routing>(this.store, KEYS.routing);
  }
}

const town = async (config = cluster): Promise<Town> => {
  const world = new Town({ cluster: config });
  await world.start();
  await world.virtual.advance(20_000);
  expect(world.served('web').shares).toEqual({ a: 500, b: 500 });
  return world;
};

describe('a route set by hand while the cluster is at work', () => {
  test('stays through an outage of what it serves, until it is acknowledged; then automation goes on', { timeout: 60_000 }, async () => {
    const world = await town();
    await world.byHand('web', { a: 900, b: 100 });
    await world.virtual.advance(35_000);
    expect(await recordOf<AppliedRecord>(world.store, appliedKey('memory', 'web'))).toMatchObject({ outcome: 'manual' });
    world.health('a', ['healthz', 'readyz'], 'refuse');
    await world.virtual.advance(60_000);
    expect(world.served('web')).toMatchObject({ shares: { a: 900, b: 100 }, fence: { writer: 'manual/bob' } });
    expect(world.served('api').shares).toEqual({ a: 0, b: 1000 });
    expect((await world.routing())?.services.web?.pools.a?.hold).toBe('frozen');
    expect(await pagesIn(world.store)).toEqual(expect.arrayContaining(['provider.manual', 'service.hold_frozen']));

    const manual = world.served('web').fence;
    const { v, services } = await world.adopt({ kind: 'ack', services: ['web'] });
    expect(services).toMatchObject([{ service: 'web', after: { a: 900, b: 100 }, fence: v }]);
    expect(v).toBeGreaterThan(manual.v);
    await world.virtual.advance(20_000);
    expect(world.served('web')).toMatchObject({ shares: { a: 0, b: 1000 } });
    expect(world.served('web').fence.v).toBeGreaterThan(v);
    expect(world.served('web').fence.writer).not.toMatch(/^manual/);
    expect(await recordOf<AppliedRecord>(world.store, appliedKey('memory', 'web'))).toMatchObject({ outcome: 'applied' });
    expect(await pagesIn(world.store)).toContain('provider.acknowledged');
    expect(await recordOf<Audit>(world.store, auditKey(v))).toMatchObject({
      by: 'ack/alice',
      because: expect.stringContaining('restored'),
    });
  });

  test('held by the acknowledgement, it is published as it is and stays for that long', { timeout: 60_000 }, async () => {
    const world = await town();
    await world.byHand('web', { a: 900, b: 100 });
    await world.virtual.advance(35_000);
    const { v, holds } = await world.adopt({ kind: 'ack', services: ['web'], holdMs: 120_000 });
    expect(holds).toMatchObject([{ id: 'ack-web', kind: 'freeze', scope: { service: 'web' }, owner: 'alice' }]);
    await world.virtual.advance(20_000);
    expect(world.served('web')).toMatchObject({ shares: { a: 900, b: 100 }, fence: { v } });
    expect(world.served('web').fence.writer).not.toMatch(/^manual/);
    await world.virtual.advance(80_000);
    expect(world.served('web').shares).toEqual({ a: 900, b: 100 });
    await world.virtual.advance(100_000);
    expect(world.served('web').shares).toEqual({ a: 500, b: 500 });
    expect((await recordOf<Overrides>(world.store, KEYS.override))?.items).toEqual([]);
  });
});

describe('a store that lost history', () => {
  test('is frozen for what the providers have beyond it; adopted, it goes on above their fences', { timeout: 60_000 }, async () => {
    const world = await town();
    const lost = { ...world.served('web').fence, v: 700, nonce: 'lost700-1' };
    world.zone.services.set('web', { fence: lost, shares: { a: 0, b: 1000 } });
    await world.virtual.advance(35_000);
    expect(await pagesIn(world.store)).toContain('provider.ahead');
    const { v, services } = await world.adopt();
    expect(services.map((s) => s.service)).toEqual(['web']);
    expect(v).toBe(701);
    await world.virtual.advance(10_000);
    expect(world.served('web')).toMatchObject({ fence: { v: 701 }, shares: { a: 0, b: 1000 } });
    // What was out returns by hold and ramp, as after any drain.
    await world.virtual.advance(70_000);
    expect(world.served('web').shares).toEqual({ a: 50, b: 950 });
    expect(world.served('api').fence.v).toBeLessThan(700);
    expect(await recordOf<Adopted>(world.store, KEYS.adopted)).toMatchObject({ by: 'alice', reason: 'restored from last night' });
  });

  test('is adopted also for a service that was taken out of auto meanwhile: back in auto it is ours (found by the simulator)', {
    timeout: 60_000,
  }, async () => {
    const world = await town();
    world.zone.services.set('web', { fence: { ...world.served('web').fence, v: 700, nonce: 'lost700-1' }, shares: { a: 0, b: 1000 } });
    await world.virtual.advance(35_000);
    expect(await recordOf<AppliedRecord>(world.store, appliedKey('memory', 'web'))).toMatchObject({ outcome: 'frozen' });
    const turn = async (mode: 'advise' | 'auto'): Promise<void> => {
      const { version, services } = world.cluster;
      await world.apply({ ...world.cluster, version: version + 1, services: services.map((s) => (s.name === 'web' ? { ...s, mode } : s)) });
      await world.virtual.advance(10_000);
    };
    await turn('advise');
    expect((await world.adopt()).services.map((s) => s.service)).toEqual(['web']);
    // What was never frozen and is not ours to write is left alone.
    expect((await world.adopt()).services).toEqual([]);
    await turn('auto');
    await world.virtual.advance(100_000);
    expect(world.served('web').fence.v).toBeGreaterThan(701);
    expect(await recordOf<AppliedRecord>(world.store, appliedKey('memory', 'web'))).toMatchObject({ outcome: 'applied' });
  });

  test('and is empty takes over what is served, without moving anybody', { timeout: 60_000 }, async () => {
    const old = await town();
    for (const name of ['web', 'api']) {
      const now = old.served(name);
      old.zone.services.set(name, { ...now, fence: { ...now.fence, v: 90, nonce: 'x-1' }, shares: { a: 0, b: 1000 } });
    }
    const world = new Town({ cluster, seed: 'anew' });
    for (const [name, now] of old.zone.services) world.zone.services.set(name, now);
    await world.start();
    await world.virtual.advance(40_000);
    expect(world.served('web')).toMatchObject({ fence: { v: 90 }, shares: { a: 0, b: 1000 } });
    await world.adopt();
    await world.virtual.advance(10_000);
    expect(world.served('web')).toMatchObject({ shares: { a: 0, b: 1000 } });
    expect(world.served('api').fence.v).toBeGreaterThan(90);
  });
});

// ---- the transaction by itself ----

/** A store with a cluster, and a provider that is ahead of it. */
const desk = async (names: readonly string[] = ['web', 'api']) => {
  const virtual = createVirtual({ startWallMs: 1_800_000_000_000, seed: 'desk' });
  const store = openEmbedded({ file: ':memory:', ports: { random: seededRandom('desk store') } });
  const config: ClusterConfig = clusterOf(
    REGIONS,
    names.map((name) => ({ name, pools: POOLS })),
  );
  const zone: MemoryZone = { services: new Map(), onServed: () => undefined };
  for (const name of names)
    zone.services.set(name, {
      fence: parseFence(`v=1;fence=70;epoch=3;writer=b/a/lost;nonce=lost-${name};hash=ab`) ?? expect.fail('fence'),
      shares: { a: 0, b: 1000 },
    });
  await store.txn({ if: [], then: [{ put: KEYS.members, value: config }] });
  let over = false;
  const run = async (fields: Partial<AdoptionRequest> = {}, through: Store = store): Promise<AdoptionResult> => {
    over = false;
    const provider = async () => memoryProvider(zone);
    const work = runAdoption({ ports: virtual.ports, store: through, provider }, request(fields)).finally(() => {
      over = true;
    });
    work.catch(() => undefined);
    await virtual.advanceUntil(() => over, 600_000);
    return work;
  };
  const audits = async () => (await store.get({ prefixes: ['audit/'] })).kvs.length;
  return { virtual, store, zone, run, audits };
};

const wrapped = (store: Store, fields: Partial<Store>): Store => ({
  clusterId: store.clusterId,
  get: (query) => store.get(query),
  txn: (txn) => store.txn(txn),
  watch: (prefix, onEvent) => store.watch(prefix, onEvent),
  close: () => store.close(),
  ...fields,
});

describe('one adoption', () => {
  test('looked at only, writes nothing', async () => {
    const { store, run } = await desk();
    const { rev } = await store.get({ keys: [KEYS.members] });
    expect(await run({ dryRun: true })).toMatchObject({ written: false, v: 71, services: [{ service: 'web' }, { service: 'api' }] });
    expect((await store.get({ keys: [KEYS.members] })).rev).toBe(rev);
  });

  test('whose reply was lost is found by its nonce and not made twice', async () => {
    const { store, run, audits } = await desk();
    let lost = 0;
    const through = wrapped(store, {
      async txn(txn) {
        const result = await store.txn(txn);
        if (lost++ === 0) throw new StoreAmbiguousError('the line broke');
        return result;
      },
    });
    expect(await run({}, through)).toMatchObject({ written: true, v: 71 });
    expect([lost, await audits()]).toEqual([1, 1]);
  });

  test('that nobody can tell of is undecided, and says that it may be run again', async () => {
    const { store, run, audits } = await desk();
    const through = wrapped(store, {
      txn: () => Promise.reject(new StoreAmbiguousError('the line broke')),
    });
    await expect(run({}, through)).rejects.toMatchObject({ code: 'ERR_UNDECIDED' });
    await run();
    expect(await audits()).toBe(1);
  });

  test('is made on what it has looked at: whoever comes in between is not overwritten', async () => {
    const { store, run } = await desk();
    let races = 3;
    const through = wrapped(store, {
      async txn(txn) {
        if (races-- > 0) await store.txn({ if: [], then: [{ put: KEYS.leader, value: { n: races } }] });
        return store.txn(txn);
      },
    });
    await run({}, through);
    expect(await recordOf(store, KEYS.leader)).toEqual({ n: 0 });
    const always = wrapped(store, {
      async txn(txn) {
        await store.txn({ if: [], then: [{ put: KEYS.override, value: { version: 1, nonce: '', items: [] } }] });
        return store.txn(txn);
      },
    });
    await expect(run({ services: ['web'] }, always)).rejects.toMatchObject({ code: 'ERR_STALE' });
  });

  test('sees that a decision came in between, and looks at the providers again', async () => {
    const { store, zone, run } = await desk(['web']);
    let reads = 0;
    const through = wrapped(store, {
      async get(query) {
        // Between the two looks of the first try, somebody decides and publishes.
        if (++reads === 2) {
          await store.txn({ if: [], then: [{ put: KEYS.routing, value: { v: 80, services: {}, open: {}, atMs: 0, auditHash: '' } }] });
          const web = zone.services.get('web') ?? expect.fail('web');
          zone.services.set('web', { fence: { ...web.fence, v: 80 }, shares: { a: 1000, b: 0 } });
        }
        return store.get(query);
      },
    });
    expect(await run({}, through)).toMatchObject({ v: 81, services: [{ after: { a: 1000, b: 0 } }] });
  });

  test('of more services than one transaction holds records each of them', async () => {
    const names = Array.from({ length: 150 }, (_, i) => `svc-${i}`);
    const { store, run } = await desk(names);
    let most = 0;
    const through = wrapped(store, {
      txn(txn) {
        most = Math.max(most, txn.then.length);
        return store.txn(txn);
      },
    });
    const { services } = await run({}, through);
    expect(services).toHaveLength(150);
    expect(most).toBeLessThanOrEqual(100);
    const applied = (await store.get({ prefixes: ['applied/'] })).kvs.map((kv) => kv.value as AppliedRecord);
    expect(applied.filter((a) => a.fence === 70 && a.outcome === 'applied')).toHaveLength(150);
  });

  test('tells of each service under the key of the alarm that it ends', async () => {
    const { store, run } = await desk();
    await run();
    const pages = (await store.get({ prefixes: ['outbox/'] })).kvs.map((kv) => kv.value as Page);
    expect(pages.map((p) => [p.type, p.severity, p.dedupKey]).sort()).toEqual([
      ['provider.adopted', 'info', 'tidegate/test/provider-memory-api'],
      ['provider.adopted', 'info', 'tidegate/test/provider-memory-web'],
    ]);
  });

  test('each is later than the one before, whatever the wall clock says', async () => {
    const { store, run } = await desk();
    await store.txn({ if: [], then: [{ put: KEYS.adopted, value: { nonce: 'n', atMs: 2e12, by: 'x', reason: 'x' } }] });
    await run();
    const first = await recordOf<Adopted>(store, KEYS.adopted);
    expect(first?.atMs).toBe(2e12 + 1);
    // Nothing is astray any more, and still the store is vouched for.
    expect(await run()).toMatchObject({ services: [] });
    const second = await recordOf<Adopted>(store, KEYS.adopted);
    expect(second?.atMs).toBe(2e12 + 2);
    expect(second?.nonce).not.toBe(first?.nonce);
  });

  test('is refused for what is not there', async () => {
    const { store, zone, run } = await desk();
    await expect(run({ services: ['nope'] })).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringContaining('known: web, api'),
    });
    await expect(run({ kind: 'ack', services: ['web'] })).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringContaining('fence 70 by b/a/lost, which no human set by hand'),
    });
    const web = zone.services.get('web') ?? expect.fail('web');
    zone.services.set('web', { ...web, fence: { ...web.fence, v: Number.MAX_SAFE_INTEGER } });
    await expect(run()).rejects.toMatchObject({
      code: 'ERR_PROVIDER',
      message: expect.stringContaining('delete the record _tidegate.web'),
    });
    await store.txn({ if: [], then: [{ del: KEYS.members }] });
    await expect(run()).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });
});
