// A service on gates in the virtual world: a region dies with the coordinator in it, the gates of the others say so, and the checkers that poll them move the
// users, with no vendor's API in between. Then the store is lost, and the gates go on.
import { expect, test } from 'vitest';
import { gate as shape } from '../../src/config/providers/gate.ts';
import { type HealthChecker, startHealthChecker } from '../../src/drill/stand-ins/health-checker.ts';
import { GATE } from '../providers/gate.fixture.ts';
import { clusterOf, World } from '../world.ts';

const REGIONS = ['a', 'b', 'c'] as const;
const WEB = 'web.example.test';
const { checker: CHECKER } = GATE;

interface Story {
  world: World;
  checker: HealthChecker;
  /** Instants, ms since the start of the world. */
  decidedAtMs: number[];
  /** When users were first served so. */
  servedAtMs: Map<string, number>;
  pages: string[];
  drains(pool: string): readonly string[];
  users(): string;
}

const begin = async (): Promise<Story> => {
  const decidedAtMs: number[] = [];
  const servedAtMs = new Map<string, number>();
  const pages: string[] = [];
  const world = new World(
    { cluster: clusterOf(REGIONS, [{ name: WEB, provider: 'gates' }]), gates: true, seed: 5 },
    {
      decision: (atMs, _routing, changes) => void (changes.length > 0 && decidedAtMs.push(atMs)),
      page: (_atMs, page) => void pages.push(page.type),
    },
  );
  await world.start();
  const textOf = (weights: Readonly<Record<string, number>>): string =>
    Object.keys(weights)
      .filter((to) => (weights[to] ?? 0) > 0)
      .join();
  const checker = startHealthChecker({
    ports: world.virtual.ports,
    form: 'survivor',
    name: WEB,
    pools: REGIONS.map((pool) => ({ pool, address: pool, weight: 1, gates: REGIONS.filter((r) => r !== pool).map((r) => `${r} ${pool}`) })),
    intervalMs: CHECKER.intervalMs,
    timeoutMs: 2000,
    failures: CHECKER.failures,
    agree: CHECKER.agree,
    async ask(url) {
      const [region = '', pool = ''] = url.split(' ');
      const asked = world.gate(region);
      if (asked === undefined) throw new Error('no answer');
      return asked.answer(WEB, pool).drain ? 200 : 404;
    },
    onServed: ({ weights }) => void (servedAtMs.has(textOf(weights)) || servedAtMs.set(textOf(weights), world.now())),
  });
  return {
    world,
    checker,
    decidedAtMs,
    servedAtMs,
    pages,
    drains: (pool) => REGIONS.filter((region) => world.gate(region)?.answer(WEB, pool).drain === true),
    users: () => textOf(checker.served().weights),
  };
};

/** From the acknowledged write until users are served by it, as `check` promises. */
const ARRIVAL = shape.arrival(GATE);

test('a region dies with the coordinator in it: detection and convergence are within what check says', async () => {
  const { world, checker, decidedAtMs, servedAtMs, pages, drains, users } = await begin();
  await world.run(60_000);
  expect([drains('a'), users()]).toEqual([[], 'a,b,c']);
  const dead = world.coordinator() ?? expect.fail('nobody coordinates');
  const others = REGIONS.filter((region) => region !== dead);
  const diedAtMs = world.now();
  world.health(dead, ['healthz', 'readyz'], 'hang');
  world.kill(dead);
  await world.virtual.advanceUntil(() => drains(dead).length === 2, 60_000);
  const flippedAtMs = world.now();
  await world.virtual.advanceUntil(() => users() === others.join(), 120_000);
  const t3 = decidedAtMs.at(-1) ?? expect.fail('nothing was decided');
  const t5 = servedAtMs.get(others.join()) ?? Number.NaN;
  // Story and bounds: detection by the goals, the gates at once after the commit, users after the checker's polls.
  expect(t3 - diedAtMs).toBeLessThan(30_000);
  expect(flippedAtMs - t3).toBeLessThan(1000);
  expect(t5 - t3).toBeLessThanOrEqual(ARRIVAL.visibleMs);
  expect(pages.filter((type) => type.startsWith('provider'))).toEqual([]);

  world.health(dead, ['healthz', 'readyz'], 'ok');
  world.boot(dead);
  await world.virtual.advanceUntil(() => users() === 'a,b,c', 1_200_000);
  checker.close();
  await world.close();
});

test('the store is lost while a region is out: gates keep it out, over restarts too, and let it back when the store is there again', async () => {
  const { world, checker, drains, users } = await begin();
  await world.run(60_000);
  world.health('c', ['healthz', 'readyz'], 'hang');
  await world.virtual.advanceUntil(() => users() === 'a,b', 120_000);
  for (const region of REGIONS) world.cut(region, true);
  await world.run(60_000);
  world.health('c', ['healthz', 'readyz'], 'ok');
  world.kill('a');
  world.boot('a');
  world.cut('a', true);
  await world.run(600_000);
  expect(drains('c')).toEqual(['a', 'b', 'c']);
  expect(users()).toBe('a,b');
  expect(world.gate('a')?.status()).toMatchObject({ fromFile: true, seesStore: false });
  expect(world.gate('b')?.age().ageS).toBeGreaterThan(600);
  for (const region of REGIONS) world.cut(region, false);
  await world.virtual.advanceUntil(() => users() === 'a,b,c', 1_200_000);
  expect(world.gate('a')?.status()).toMatchObject({ fromFile: false, seesStore: true });
  checker.close();
  await world.close();
});

test('a region in a minority keeps what it said last, and cannot drain anybody alone', async () => {
  const { world, checker, drains, users } = await begin();
  await world.run(60_000);
  world.cut('a', true);
  world.health('c', ['healthz', 'readyz'], 'hang');
  await world.run(120_000);
  // c's others are a, which heard of nothing, and b: two must agree, and do not. Fail static; a second path is what helps here.
  expect(drains('c')).toEqual(['b', 'c']);
  expect(users()).toBe('a,b,c');
  world.cut('a', false);
  await world.virtual.advanceUntil(() => users() === 'a,b', 60_000);
  checker.close();
  await world.close();
});

test('a stop of a human ends every change of the gates, while detection goes on', async () => {
  const { world, checker, drains, users } = await begin();
  await world.run(60_000);
  await world.hand.order('quiet', 'stop', {}, 600_000, 'alice', 'not now');
  await world.run(2000);
  world.health('b', ['healthz', 'readyz'], 'hang');
  await world.run(120_000);
  expect((await world.routing())?.services[WEB]?.route.b).toBe(0);
  expect(drains('b')).toEqual([]);
  expect(users()).toBe('a,b,c');
  await world.hand.revoke('quiet');
  await world.virtual.advanceUntil(() => users() === 'a,c', 120_000);
  checker.close();
  await world.close();
});
