// Replicas of a region on virtual time, with the production code: each looks at its own share, a death is made good within 5 s whenever it comes, and a
// store that stands still moves nothing.
import { describe, expect, test } from 'vitest';
import { voteKey } from '../../src/coordinate/keys.ts';
import { ownerOf } from '../../src/health/owner.ts';
import type { Vote } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf, World, type WorldOptions } from '../world.ts';

const REGIONS = ['a', 'b', 'c'];
const clusterWith = (targets: number): WorldOptions['cluster'] => ({
  ...clusterOf(REGIONS, []),
  services: [serviceOf(REGIONS, { pools: REGIONS.map((r, i) => poolOf(r, 1, i, targets)) })],
});

const voteAt = async (world: World, place: string): Promise<Vote | undefined> => {
  const [region = '', replica = ''] = place.split('/');
  return (await world.store.get({ keys: [voteKey(region, replica)] })).kvs[0]?.value as Vote | undefined;
};

/** Ms until `place` speaks for everything of its region. */
const untilItSpeaksForAll = async (world: World, place: string, limitMs: number): Promise<number> => {
  const startMs = world.now();
  for (;;) {
    const vote = await voteAt(world, place);
    if (vote?.peers.length === 1 && vote.unknown.length === 0 && vote.self.state === 'ok') return world.now() - startMs;
    if (world.now() - startMs >= limitMs) throw new Error(`${place} does not speak for all after ${limitMs} ms: ${JSON.stringify(vote)}`);
    await world.run(50);
  }
};

describe('replicas of one region', () => {
  test('look at each endpoint once per interval between them, and each only at what it owns', async () => {
    const looks: { atMs: number; who: string; key: string }[] = [];
    const world = new World(
      { cluster: clusterWith(8), replicas: [3, 1] },
      { look: (atMs, who, key) => void looks.push({ atMs, who, key }) },
    );
    await world.start();
    await world.run(60_000);
    const late = looks.filter(({ atMs, who }) => who.startsWith('a/') && atMs >= 30_000);
    const peers = (await voteAt(world, 'a/a'))?.peers ?? [];
    expect(peers).toEqual(['a', 'b', 'c']);
    for (const { who, key } of late) expect(who, key).toBe(`a/${ownerOf(key.slice(0, key.lastIndexOf('#')), peers)}`);
    const perEndpoint = [...Map.groupBy(late, (l) => l.key).values()].map((list) => list.length);
    expect(perEndpoint).toHaveLength(48);
    for (const n of perEndpoint) expect(n).toBe(6);
    expect(new Set(late.map((l) => l.who)).size).toBeGreaterThan(1);
    await world.close();
  });

  test('take a dead sibling over within 5 s, whenever between two beats it dies', { timeout: 120_000 }, async () => {
    const tookMs: number[] = [];
    for (let offsetMs = 0; offsetMs < 2500; offsetMs += 250) {
      const world = new World({ cluster: clusterWith(4), replicas: [2], seed: offsetMs });
      await world.start();
      await world.run(30_000 + offsetMs);
      world.kill('b/a');
      tookMs.push(await untilItSpeaksForAll(world, 'b/b', 6000));
      await world.close();
    }
    expect(Math.max(...tookMs)).toBeLessThanOrEqual(5000);
    // It was not gone before it had missed a beat.
    expect(Math.min(...tookMs)).toBeGreaterThan(1000);
  });

  test('take two hundred targets of a dead one over within 5 s', { timeout: 120_000 }, async () => {
    const world = new World({ cluster: clusterWith(67), replicas: [2] });
    await world.start();
    await world.run(30_000);
    world.kill('b/b');
    expect(await untilItSpeaksForAll(world, 'b/a', 6000)).toBeLessThanOrEqual(5000);
    await world.close();
  });

  test('take one that stops in good order over at once', async () => {
    const world = new World({ cluster: clusterWith(4), replicas: [2] });
    await world.start();
    await world.run(30_000);
    await world.stop('b/a');
    expect(await untilItSpeaksForAll(world, 'b/b', 3000)).toBeLessThanOrEqual(1500);
    await world.close();
  });

  test('keep their shares while the store elects a leader, whenever it does', { timeout: 120_000 }, async () => {
    for (let offsetMs = 0; offsetMs < 2500; offsetMs += 700) {
      for (const stallMs of [700, 1400, 2500, 4000]) {
        const world = new World({ cluster: clusterWith(1), replicas: [2], seed: offsetMs });
        await world.start();
        await world.run(20_000 + offsetMs);
        const before = await voteAt(world, 'b/a');
        world.stall(stallMs);
        await world.run(stallMs + 8000);
        for (const region of REGIONS)
          for (const replica of ['a', 'b'])
            expect(await voteAt(world, `${region}/${replica}`)).toMatchObject({ peers: ['a', 'b'], unknown: [] });
        // Nobody gave its targets up in between, either: not one vote was written.
        expect((await voteAt(world, 'b/a'))?.seq, `${stallMs} ms at ${offsetMs}`).toBe(before?.seq);
        await world.close();
      }
    }
  });
});
