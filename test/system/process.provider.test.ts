// The provider out of reach while regions die: decisions go on, writes are retried and handed to a region that can, and no write is made twice.
import { expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { until } from './until.ts';

const BEHIND_A_WIRE = ['us-east', 'ap-south'] as const;
const otherOf = (region: Region): Region => (region === 'us-east' ? 'ap-south' : 'us-east');

/** Fences that the provider acknowledged, by whoever wrote them; each may be there once. */
const acknowledged = (cluster: Cluster): unknown[] =>
  REGIONS.flatMap((region) => cluster.replica(region).lines('publish.write'))
    .filter(({ outcome }) => outcome === 'applied')
    .map(({ fence }) => fence);

const untilDecided = (cluster: Cluster, what: string, wanted: (share: number) => boolean, withinMs?: number): Promise<boolean> =>
  until(what, async () => wanted((await cluster.route())['eu-west'] ?? 0), withinMs);

test('a coordinator that cannot reach the provider decides, retries, and hands over; replies that are lost lead to no second write', {
  timeout: 240_000,
}, async () => {
  await using cluster = await startCluster({ coordinators: BEHIND_A_WIRE });
  const first = await cluster.coordinator();
  const second = otherOf(first);
  cluster.wire(first).control.blackhole();
  await cluster.killApp('eu-west');
  await untilDecided(cluster, 'the decision', (share) => share === 0);
  expect((await cluster.fence())?.v).toBeLessThan((await cluster.routing()).v);
  await cluster.untilServed('the drain, written by the other region', (route) => route['eu-west'] === 0);
  expect(await cluster.coordinator()).toBe(second);
  expect((await cluster.fence())?.writer).toMatch(new RegExp(`^${second}/`));
  expect(cluster.replica(first).lines('publish.failed').length).toBeGreaterThanOrEqual(3);
  expect(cluster.replica(first).lines('coordinator.abdicated')).toHaveLength(1);
  expect(acknowledged(cluster)).toEqual([...new Set(acknowledged(cluster))]);

  // What the second writes arrives, but nobody hears of it: each time it reads back, finds its own fence, and leaves it at that.
  cluster.wire(second).control.loseReplies('POST /zone/v1/swap');
  const changes = (): number => cluster.replica('eu-west').lines('zone.changed').length;
  const [before, since] = [changes(), await cluster.routing()];
  await cluster.startApp('eu-west');
  await cluster.untilServed('the return', (route) => (route['eu-west'] ?? 0) > 300);
  const decided = (await cluster.audits()).filter((audit) => audit.v > since.v && audit.changes.length > 0);
  expect(decided.length).toBeGreaterThan(0);
  expect(changes() - before).toBeLessThanOrEqual(decided.length);
  const doubts = cluster
    .replica(second)
    .lines('publish.write')
    .filter(({ outcome }) => outcome === 'undecided');
  expect(doubts.length).toBe(changes() - before);
  expect(acknowledged(cluster)).toEqual([...new Set(acknowledged(cluster))]);
  await cluster.expectSound();
});

test('nobody reaches the provider: regions that gave up come back, decisions go on all the while, and the newest is served when it heals', {
  timeout: 240_000,
}, async () => {
  await using cluster = await startCluster({ coordinators: BEHIND_A_WIRE });
  const served = await cluster.fence();
  await Promise.all(BEHIND_A_WIRE.map((region) => cluster.wire(region).control.cut()));
  await cluster.killApp('eu-west');
  await untilDecided(cluster, 'the drain decided', (share) => share === 0);
  await until('both gave up', () => BEHIND_A_WIRE.every((region) => cluster.replica(region).lines('coordinator.abdicated').length > 0));
  await cluster.startApp('eu-west');
  // Well within the minute that a region stays out after it gave up: nobody else wants to, so it decides all the same.
  await untilDecided(cluster, 'the return decided', (share) => share > 300, 30_000);
  expect(await cluster.fence()).toEqual(served);
  expect(await cluster.answers()).toEqual(REGIONS);
  for (const region of BEHIND_A_WIRE) await cluster.wire(region).control.heal();
  await cluster.untilServed('the newest route', (route) => (route['eu-west'] ?? 0) > 300);
  expect((await cluster.fence())?.v).toBeGreaterThan(served?.v ?? 0);
  expect(acknowledged(cluster)).toEqual([...new Set(acknowledged(cluster))]);
  await cluster.expectSound();
});
