// The shadow beside a live coordinator: it says where it would differ, writes nothing, and takes nobody down with it.
import { expect, test } from 'vitest';
import { createShadow, type Divergence, type Shadow } from '../../src/drill/shadow.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { recordingLog } from '../recording-log.ts';
import { clusterOf, World } from '../world.ts';

const REGIONS = ['a', 'b', 'c'];

const watched = (cluster: ClusterConfig, other: ClusterConfig) => {
  const log = recordingLog();
  const changes: (readonly Divergence[])[] = [];
  const moves: number[] = [];
  const shadows = new Map<string, Shadow>();
  const world = new World(
    { cluster },
    {
      sight(name, sight, nowMs, leads) {
        let shadow = shadows.get(name);
        if (shadow === undefined) {
          shadow = createShadow({ log, onChange: (d) => changes.push(d), onMoves: (n) => moves.push(n) });
          shadow.use({ file: 'other.yaml', cluster: other });
          shadows.set(name, shadow);
        }
        if (leads) shadow.turn(sight, nowMs);
      },
    },
  );
  return { world, log, changes, moves, status: () => shadows.get(world.coordinatorPlace() ?? '')?.status() ?? null };
};

const die = async (world: World): Promise<void> => {
  await world.start();
  await world.run(60_000);
  world.health('b', ['healthz', 'readyz'], 'refuse');
  await world.run(30_000);
};

test('the same policy never diverges, whatever happens', async () => {
  const cluster = clusterOf(REGIONS, [{}]);
  const { world, log, changes, moves, status } = watched(cluster, { ...cluster, name: 'other', version: 99 });
  await die(world);
  world.health('b', ['healthz', 'readyz'], 'ok');
  await world.run(400_000);
  expect(changes).toEqual([]);
  expect(log.lines).toEqual([]);
  expect(status()).toMatchObject({ state: 'asked', diverging: [] });
  expect(moves.length).toBeGreaterThan(3);
});

test('a policy that lets nobody go: which pools, since when, both sentences, and the end of it', async () => {
  const cluster = clusterOf(REGIONS, [{}]);
  const stiff = {
    ...cluster,
    policy: { ...cluster.policy, safety: { 'last-pool': {}, 'blast-radius': { regions: 0, windowMs: 60_000 } } },
  };
  const { world, log, changes, status } = watched(cluster, stiff);
  await die(world);
  const [divergence] = status()?.diverging ?? [];
  expect(divergence).toMatchObject({
    service: 'web',
    pools: [
      { pool: 'a', live: 500, shadow: 334 },
      { pool: 'b', live: 0, shadow: 333 },
      { pool: 'c', live: 500, shadow: 333 },
    ],
  });
  expect(divergence?.live).toMatch(/^b down: 2 of 3 vantages|^b down: 3 of 3 vantages/);
  expect(log.of('shadow.diverges')).toHaveLength(1);
  world.health('b', ['healthz', 'readyz'], 'ok');
  await world.run(500_000);
  expect(status()?.diverging).toEqual([]);
  expect(changes.at(-1)).toEqual([]);
  // Nothing of it is in the store.
  const { kvs } = await world.store.get({ prefixes: [''] });
  expect(JSON.stringify(kvs)).not.toContain('understudy');
});

test('a shadow that throws is told once and asked no more; the live policy decides on', async () => {
  const cluster = clusterOf(REGIONS, [{}]);
  const { world, log, status } = watched(cluster, { ...cluster, services: null as unknown as ClusterConfig['services'] });
  await die(world);
  expect((await world.routing())?.services.web?.route).toEqual({ a: 500, b: 0, c: 500 });
  expect(log.of('shadow.broken')).toHaveLength(1);
  expect(status()).toMatchObject({ state: 'broken', diverging: [] });
});

test('it rests while another coordinates, and begins anew from the live record', () => {
  const cluster = clusterOf(REGIONS, [{}]);
  const shadow = createShadow({ log: recordingLog(), onChange: () => undefined, onMoves: () => undefined });
  expect(shadow.status()).toBeNull();
  shadow.use({ file: 'other.yaml', cluster });
  expect(shadow.status()).toMatchObject({ file: 'other.yaml', state: 'idle', moves: 0 });
  shadow.use(null);
  expect(shadow.status()).toBeNull();
});
