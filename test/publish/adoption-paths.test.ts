// Adoption and acknowledgement where a service has several paths: which of them is taken as the truth, and what becomes of the others.
import { describe, expect, test } from 'vitest';
import type { Provider } from '../../providers/provider.ts';
import { appliedKey, KEYS } from '../../src/coordinate/keys.ts';
import type { AppliedRecord, Page } from '../../src/model.ts';
import { type AdoptionRequest, type AdoptionResult, runAdoption } from '../../src/publish/adoption.ts';
import { planByHand, setByHand } from '../../src/publish/break-glass.ts';
import { memoryProvider } from '../memory-provider.ts';
import { clusterOf, poolOf, World } from '../world.ts';

const POOLS = ['a', 'b'].map((r, i) => poolOf(r, 1, i));
const cluster = clusterOf(['a', 'b', 'c'], [{ pools: POOLS, also: ['second'] }]);

const dead: Provider = {
  ...memoryProvider({ services: new Map(), onServed: () => undefined }),
  read: () => Promise.reject(new Error('reset')),
};

const town = async () => {
  const world = new World({ cluster, paths: 2 });
  await world.start();
  await world.run(20_000);
  const zone = (path: string) => world.zones.get(path) ?? expect.fail(path);
  const finished = async <T>(work: Promise<T>): Promise<T> => {
    let over = false;
    const done = work.finally(() => {
      over = true;
    });
    done.catch(() => undefined);
    await world.virtual.advanceUntil(() => over, 60_000);
    return done;
  };
  const served = (path: string) => zone(path).services.get('web') ?? expect.fail(`not served by ${path}`);
  return {
    world,
    zone,
    served,
    async byHand(path: string, route: Readonly<Record<string, number>>): Promise<void> {
      const service = world.cluster.services[0] ?? expect.fail('no service');
      const hand = { ports: world.virtual.ports, provider: memoryProvider(zone(path)), name: path };
      await finished(setByHand(hand, await finished(planByHand(hand, service, route, 'bob'))));
    },
    adopt: (fields: Partial<AdoptionRequest>, unreachable: string | null = null): Promise<AdoptionResult> =>
      finished(
        runAdoption(
          {
            ports: world.virtual.ports,
            store: world.store,
            provider: async (name) => (name === unreachable ? dead : memoryProvider(zone(name))),
          },
          { kind: 'adopt', services: [], owner: 'alice', reason: 'looked', dryRun: false, holdMs: 600_000, journal: [], ...fields },
        ),
      ),
    recordOf: async (path: string): Promise<AppliedRecord | undefined> =>
      (await world.store.get({ keys: [appliedKey(path, 'web')] })).kvs[0]?.value as AppliedRecord | undefined,
    pagesOf: async (type: string): Promise<readonly Page[]> =>
      (await world.store.get({ prefixes: ['outbox/'] })).kvs.map(({ value }) => value as Page).filter((page) => page.type === type),
  };
};

describe('one path of two set by hand', () => {
  test('freezes the service; acknowledged, its route goes to the other path too', { timeout: 60_000 }, async () => {
    const { world, byHand, adopt, served, recordOf, pagesOf } = await town();
    await byHand('second', { a: 900, b: 100 });
    await world.run(35_000);
    expect([(await recordOf('memory'))?.outcome, (await recordOf('second'))?.outcome]).toEqual(['applied', 'manual']);
    world.health('a', ['healthz', 'readyz'], 'refuse');
    await world.run(30_000);
    expect(served('memory').shares).toEqual({ a: 500, b: 500 });
    const { v, services } = await adopt({ kind: 'ack', services: ['web'] });
    expect(services).toMatchObject([{ service: 'web', provider: 'second', after: { a: 900, b: 100 }, others: [{ provider: 'memory' }] }]);
    await world.run(20_000);
    for (const path of ['memory', 'second']) expect(served(path)).toMatchObject({ shares: { a: 900, b: 100 }, fence: { v } });
    expect((await pagesOf('provider.acknowledged')).map(({ dedupKey }) => dedupKey)).toEqual([
      expect.stringContaining('provider-second-web'),
    ]);
  });

  test('can be acknowledged while the other does not answer; that one is brought to it later', { timeout: 60_000 }, async () => {
    const { world, byHand, adopt, served } = await town();
    await byHand('second', { a: 900, b: 100 });
    await world.run(35_000);
    const { v, services } = await adopt({ kind: 'ack', services: ['web'] }, 'memory');
    expect(services).toMatchObject([{ provider: 'second', others: [] }]);
    await world.run(20_000);
    expect(served('memory')).toMatchObject({ shares: { a: 900, b: 100 }, fence: { v } });
  });
});

test('both set by hand: the newer one counts, of equals the first in order', { timeout: 60_000 }, async () => {
  const { world, byHand, adopt, served, recordOf, pagesOf } = await town();
  await byHand('memory', { a: 1000, b: 0 });
  await byHand('second', { a: 900, b: 100 });
  await byHand('second', { a: 800, b: 200 });
  await world.run(35_000);
  const { services } = await adopt({ kind: 'ack', services: ['web'] });
  expect(services).toMatchObject([{ provider: 'second', after: { a: 800, b: 200 } }]);
  await world.run(20_000);
  for (const path of ['memory', 'second']) {
    expect(served(path).shares).toEqual({ a: 800, b: 200 });
    expect((await recordOf(path))?.outcome).toBe('applied');
  }
  // Each alarm ends under its own key.
  expect((await pagesOf('provider.acknowledged')).length).toBe(2);
});

test('a store that lost history takes the path that is ahead of it, and wants to see all of them', { timeout: 60_000 }, async () => {
  const { world, zone, adopt, served } = await town();
  const lost = { ...served('second').fence, v: 700, nonce: 'lost700-1' };
  zone('second').services.set('web', { fence: lost, shares: { a: 0, b: 1000 } });
  await world.run(35_000);
  await expect(adopt({}, 'memory')).rejects.toMatchObject({
    code: 'ERR_PROVIDER',
    message: expect.stringContaining('reading from memory'),
  });
  const { v, services } = await adopt({});
  expect(v).toBeGreaterThan(700);
  expect(services).toMatchObject([{ provider: 'second', served: { a: 0, b: 1000 } }]);
  await world.run(20_000);
  for (const path of ['memory', 'second']) expect(served(path)).toMatchObject({ shares: { a: 0, b: 1000 }, fence: { v } });
  expect((await world.store.get({ keys: [KEYS.adopted] })).kvs).toHaveLength(1);
});
