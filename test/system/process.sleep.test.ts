// Processes that stand still and go on: SIGSTOP and SIGCONT. What they believed and what they meant to write is old by then, and must count for nothing.
import { expect, test } from 'vitest';
import { beatKey, voteKey } from '../../src/coordinate/keys.ts';
import type { Beat, Vote } from '../../src/model.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS, type Region, WEB } from './cluster-config.ts';
import { until } from './until.ts';

/** A minute as in the worst stories told of virtual machines, or a third of it when time is short: ten leases either way. */
const STOPPED_MS = process.env.LONG === '1' ? 60_000 : 20_000;

const asleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The vote of a region and the beat that keeps it fresh, of one read. */
const voice = async (cluster: Cluster, region: Region): Promise<{ vote: Vote; beat: Beat }> => {
  const { kvs } = await cluster.store.get({ keys: [voteKey(region, 'a'), beatKey(region, 'a')] });
  return {
    vote: kvs.find(({ key }) => key.startsWith('vote/'))?.value as Vote,
    beat: kvs.find(({ key }) => key.startsWith('beat/'))?.value as Beat,
  };
};

/** Stops it once it was heard again; answers what it said last. */
const stopped = async (cluster: Cluster, region: Region): Promise<{ vote: Vote; beat: Beat }> => {
  const before = await voice(cluster, region);
  await until('a beat', async () => (await voice(cluster, region)).beat.n > before.beat.n);
  cluster.replica(region).signal('SIGSTOP');
  return voice(cluster, region);
};

/** The first time that it abstains after it went on. */
const doubting = (cluster: Cluster, region: Region, last: Beat): Promise<{ vote: Vote; beat: Beat }> =>
  until('its abstention', async () => {
    const now = await voice(cluster, region);
    return now.beat.n > last.n && now.beat.seq === now.vote.seq && now.vote.self.state === 'abstain' && now;
  });

test('a coordinator that was stopped is superseded, cannot move anything back, and votes again only after it has looked afresh', {
  timeout: 240_000,
}, async () => {
  await using cluster = await startCluster({ coordinators: ['us-east', 'ap-south'] });
  const sleeper = await cluster.coordinator();
  const epoch = (await cluster.routing()).epoch;
  const last = await stopped(cluster, sleeper);
  const sinceMs = performance.now();
  const written = cluster.replica(sleeper).lines('publish.write').length;
  expect(last.vote).toMatchObject({ self: { state: 'ok' }, down: [], unready: [] });

  // Meanwhile the first region fails, and the other coordinator drains it.
  cluster.setHealth('eu-west', false);
  await cluster.untilServed('eu-west drained by another', (route) => route['eu-west'] === 0);
  const heir = await cluster.coordinator();
  expect(heir).not.toBe(sleeper);
  const drained = await cluster.routing();
  expect(drained.epoch).toBeGreaterThan(epoch);
  await asleep(Math.max(0, STOPPED_MS - (performance.now() - sinceMs)));

  cluster.replica(sleeper).signal('SIGCONT');
  const woken = await doubting(cluster, sleeper, last.beat);
  expect(woken.vote.self).toEqual({ state: 'abstain', because: expect.stringContaining('paused') });
  const awake = await until('its vote', async () => {
    const now = await voice(cluster, sleeper);
    return now.vote.self.state === 'ok' && now;
  });
  expect([...awake.vote.down, ...awake.vote.unready]).toContain(`${WEB}/eu-west/app`);

  await until('it knows that it does not coordinate', async () => (await cluster.replica(sleeper).status())?.self.role === 'standby');
  expect(cluster.replica(sleeper).lines('coordinator.lost')).toHaveLength(1);
  const after = (await cluster.audits()).filter(({ v }) => v > drained.v);
  expect(after.filter(({ by }) => by === `${sleeper}/a`)).toEqual([]);
  expect((await cluster.route())['eu-west']).toBe(0);
  // Nor did it write to the provider.
  expect(cluster.replica(sleeper).lines('publish.write')).toHaveLength(written);
  await cluster.expectSound();
});

test('a vantage that stood still for five seconds falls silent, then abstains until it has looked again, and nothing moves', {
  timeout: 120_000,
}, async () => {
  await using cluster = await startCluster({ policy: { interval: '3s', beat: '500ms' } });
  const before = await cluster.routing();
  const last = await stopped(cluster, 'ap-south');
  const sinceMs = performance.now();
  const ballot = async (): Promise<string | undefined> =>
    (await cluster.replica('us-east').status())?.services[0]?.pools[0]?.targets[0]?.endpoints.healthz?.ballots['ap-south'];
  await until('its silence', async () => (await ballot()) === 'silent');
  await asleep(Math.max(0, 5000 - (performance.now() - sinceMs)));

  cluster.replica('ap-south').signal('SIGCONT');
  expect((await doubting(cluster, 'ap-south', last.beat)).vote).toMatchObject({ down: [], unready: [] });
  await until('its ballot', async () => (await ballot()) === 'up');
  const after = await cluster.routing();
  expect(after.services[WEB]?.route).toEqual(before.services[WEB]?.route);
  expect(await cluster.answers()).toEqual(REGIONS);
  expect((await cluster.audits()).filter(({ v }) => v > before.v).flatMap(({ changes }) => changes)).toEqual([]);
  await cluster.expectSound();
});
