// A whole cluster of the production code on virtual time: what users are sent to is only ever what was decided, in order, soon, and by whoever may.
import { describe, expect, test } from 'vitest';
import { auditKey, KEYS, voteKey } from '../src/coordinate/keys.ts';
import type { Audit, Leader, Route, Vote } from '../src/model.ts';
import { recordingLog } from './recording-log.ts';
import { seededRandom } from './virtual.ts';
import { clusterOf, World } from './world.ts';

interface Served {
  atMs: number;
  service: string;
  shares: Route;
  v: number;
}

const watched = (options: ConstructorParameters<typeof World>[0]) => {
  const served: Served[] = [];
  const decided: { atMs: number; v: number; changes: number }[] = [];
  const world = new World(options, {
    served: (atMs, service, shares, v) => served.push({ atMs, service, shares, v }),
    decision: (atMs, routing, changes) => decided.push({ atMs, v: routing.v, changes: changes.length }),
  });
  return { world, served, decided };
};

const read = async <T>(world: World, key: string): Promise<T | null> =>
  ((await world.store.get({ keys: [key] })).kvs[0]?.value as T | undefined) ?? null;

describe('a replica', () => {
  test('publishes a decision within a tenth of a second of its commit, with two store round trips on the way', async () => {
    const { world, served, decided } = watched({ cluster: clusterOf(['a', 'b', 'c'], [{}]), storeDelayMs: 20 });
    await world.start();
    await world.run(30_000);
    world.health('b', ['healthz', 'readyz'], 'refuse');
    await world.run(20_000);
    const drain = decided.findLast((d) => d.changes > 0) ?? expect.fail('nothing was decided');
    const write = served.find((s) => s.v === drain.v) ?? expect.fail('nothing was served');
    expect(write.shares.b).toBe(0);
    expect(write.atMs - drain.atMs).toBeLessThanOrEqual(100);
    await world.close();
  });

  test('that is cut off from its store says so once, not at every try', async () => {
    const log = recordingLog();
    const { world } = watched({ cluster: clusterOf(['a', 'b', 'c'], [{}]), whole: true, log });
    await world.start();
    await world.run(20_000);
    world.cut('b', true);
    await world.run(10 * 60_000);
    const told = Map.groupBy(
      log.lines.filter(({ level }) => level === 'warn' || level === 'error'),
      ({ event, fields }) => `${event}: ${fields.because ?? ''}`,
    );
    expect([...told.keys()]).toEqual(expect.arrayContaining(['store.get: cut off', 'vantage.write: cut off']));
    expect([...told].map(([name, lines]) => [name, lines.length]).filter(([, n]) => Number(n) > 1)).toEqual([]);
    await world.close();
  });

  test('in a region that may not coordinate votes, and never takes office', async () => {
    const base = clusterOf(['a', 'b', 'c'], [{}]);
    const cluster = { ...base, regions: base.regions.map((r) => ({ ...r, coordinator: r.name === 'b' })) };
    const { world } = watched({ cluster });
    await world.start();
    await world.run(20_000);
    expect(world.coordinator()).toBe('b');
    world.kill('b');
    await world.run(60_000);
    expect(world.coordinator()).toBeNull();
    expect((await read<Vote>(world, voteKey('a', 'a')))?.unknown).toEqual([]);
    await world.close();
  });

  test('that stops leaves no timer behind and hands over at once', async () => {
    const { world } = watched({ cluster: clusterOf(['a', 'b', 'c'], [{}]) });
    await world.start();
    await world.run(20_000);
    const region = world.coordinator() ?? expect.fail('nobody coordinates');
    let over = false;
    void world
      .replica(region)
      ?.stop()
      .then(() => (over = true));
    await world.virtual.advanceUntil(() => over, 5000);
    expect((await read<Leader>(world, KEYS.leader))?.region === region).toBe((await read<Leader>(world, KEYS.leader))?.released === true);
    await world.run(3000);
    expect(world.coordinator()).not.toBe(region);
    for (const { name } of world.cluster.regions) if (name !== region) world.kill(name);
    expect(world.virtual.pendingTimers()).toBeGreaterThan(0);
    await world.run(60_000);
    expect(world.virtual.pendingTimers()).toBe(0);
    await world.close();
  });

  test('takes a new configuration up by itself: votes, route and provider follow', async () => {
    const { world, served } = watched({ cluster: clusterOf(['a', 'b', 'c'], [{}]) });
    await world.start();
    await world.run(20_000);
    const [web] = world.cluster.services;
    if (web === undefined) throw new Error('no service');
    const pools = web.pools.map((p) => (p.name === 'a' ? { ...p, weight: 2 } : p));
    await world.apply({ ...world.cluster, version: 2, services: [{ ...web, pools }] });
    await world.run(10_000);
    expect(served.at(-1)?.shares).toEqual({ a: 500, b: 250, c: 250 });
    for (const region of ['a', 'b', 'c']) expect((await read<Vote>(world, voteKey(region, 'a')))?.configVersion).toBe(2);
    await world.close();
  });

  test('paused while it coordinates, it writes nothing when it wakes', async () => {
    const { world, served } = watched({ cluster: clusterOf(['a', 'b', 'c'], [{}]) });
    await world.start();
    await world.run(30_000);
    const old = world.coordinator() ?? expect.fail('nobody coordinates');
    world.process(old)?.pause();
    const victim = ['a', 'b', 'c'].find((r) => r !== old) ?? 'a';
    world.health(victim, ['healthz', 'readyz'], 'refuse');
    await world.run(60_000);
    const writer = (): string | undefined => world.zone.services.get('web')?.fence.writer.split('/')[0];
    const before = { served: served.length, writer: writer() };
    world.process(old)?.resume();
    await world.run(500);
    expect(served).toHaveLength(before.served);
    expect(writer()).toBe(before.writer);
    await world.close();
  });
});

describe('whatever is killed, cut, paused and blinded', () => {
  const story = async (seed: number): Promise<number> => {
    const regions = ['a', 'b', 'c', 'd', 'e'];
    const policy = { recoveryHoldMs: 10_000, rampStepMs: 3000, pacingMs: 10_000 };
    const cluster = clusterOf(regions, [{}, { name: 'api', steering: { kind: 'priority' } }], policy);
    // Every other story has regions with several replicas, of which some are hit alone.
    const { world, served } = watched({ cluster, seed, replicas: seed % 2 === 1 ? [1] : [2, 1, 3, 1] });
    const random = seededRandom(`story ${seed}`);
    const pick = (): string => regions[Math.floor(random.unit() * regions.length)] ?? 'a';
    const placeIn = (region: string): string => {
      const places = world.placesOf(region);
      return places.length === 1 || random.unit() < 0.4 ? region : (places[Math.floor(random.unit() * places.length)] ?? region);
    };
    await world.start();
    await world.run(15_000);
    for (let n = 0; n < 25; n++) {
      const region = pick();
      const act = random.unit();
      if (act < 0.3) world.health(region, ['healthz', 'readyz'], random.unit() < 0.5 ? 'hang' : 'refuse');
      else if (act < 0.5) world.health(region, ['healthz', 'readyz'], 'ok');
      else if (act < 0.6) {
        const place = placeIn(region);
        world.kill(place);
        world.boot(place);
      } else if (act < 0.75) world.cut(placeIn(region), random.unit() < 0.5);
      else if (act < 0.85) world.blind(region, random.unit() < 0.5);
      else {
        const process = world.process(placeIn(region));
        process?.pause();
        world.virtual.ports.timers.after(random.unit() * 20_000, () => process?.resume());
      }
      await world.run(random.unit() * 10_000);
    }
    for (const region of regions) {
      world.cut(region, false);
      world.blind(region, false);
      for (const place of world.placesOf(region)) world.process(place)?.resume();
      world.health(region, ['healthz', 'readyz'], 'ok');
    }
    await world.run(120_000);
    const fences = new Map<string, number>();
    for (const s of served) {
      // One writer: the fence at the provider only grows. Never empty: somebody serves.
      expect(s.v).toBeGreaterThanOrEqual(fences.get(s.service) ?? 0);
      fences.set(s.service, s.v);
      expect(Object.values(s.shares).reduce((a, b) => a + b, 0)).toBe(1000);
      // Explained: what is served is what the decision of that number made of this service.
      const audit = await read<Audit>(world, auditKey(s.v));
      expect(audit?.changes.find((c) => c.service === s.service)?.after).toEqual(s.shares);
    }
    // Live: with everybody well again, the provider serves the decided route of every service.
    const routing = await world.routing();
    for (const [name, decided] of Object.entries(routing?.services ?? {}))
      expect(world.zone.services.get(name)).toMatchObject({ fence: { v: decided.fence }, shares: decided.route });
    await world.close();
    return served.length;
  };

  test('the provider carries decided routes only, in order, never empty, and the newest in the end', { timeout: 120_000 }, async () => {
    let writes = 0;
    for (let seed = 1; seed <= 4; seed++) writes += await story(seed);
    expect(writes).toBeGreaterThan(40);
  });
});
