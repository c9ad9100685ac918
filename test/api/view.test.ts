// What a replica says of itself and of the votes when its last read of the store grows old, and when its own vote is not among those that count.
import { expect, test } from 'vitest';
import { statusNow, talliesNow, type Viewing } from '../../src/api/view.ts';
import { type Sight, sightOf } from '../../src/coordinate/read.ts';
import type { Beat, ClusterConfig, Vote } from '../../src/model.ts';
import { cluster, NOW_MS, REGIONS } from './fixture.ts';

const BOOT = 'b1';
const vote: Vote = {
  boot: BOOT,
  seq: 1,
  configVersion: cluster.version,
  self: { state: 'ok' },
  peers: ['a'],
  down: [],
  unready: [],
  unknown: [],
};
const beat: Beat = { boot: BOOT, seq: 1, n: 1, configVersion: cluster.version, suspects: {}, loopDelayMs: 0, wallMs: NOW_MS };

const sightAt = (members: ClusterConfig, speaking: readonly string[], written: Partial<Vote> = {}): Sight => {
  const kvs = [
    { key: 'members', value: members, mod: 1 },
    ...speaking.flatMap((region) => [
      { key: `vote/${region}/a`, value: { ...vote, ...(region === 'eu-west' ? written : {}) }, mod: 2 },
      { key: `beat/${region}/a`, value: beat, mod: 2 },
    ]),
  ];
  const clock = { sample: () => undefined, ageMs: () => 500, leastAgeMs: () => 0, clear: () => undefined };
  return sightOf({ rev: 2, kvs }, clock, 0, new Map());
};

const viewing = (given: Partial<Viewing> & { speaking?: readonly string[]; written?: Partial<Vote> } = {}): Viewing => {
  const { speaking = REGIONS, written = {}, ...more } = given;
  return {
    sight: sightAt(cluster, speaking, written),
    seenAgoMs: 0,
    region: 'eu-west',
    replica: 'a',
    boot: BOOT,
    role: { role: 'standby', epoch: 1 },
    vote,
    nowMs: NOW_MS,
    wallMs: NOW_MS,
    ...more,
  };
};

const selfOf = (given: Parameters<typeof viewing>[0] = {}) => statusNow(viewing(given))?.self;

test('while the store answers and everybody speaks there is nothing to explain', () => {
  expect(selfOf()).toMatchObject({ canVote: true, canDecide: true, because: '' });
  expect(talliesNow(viewing()).map(({ verdict }) => verdict)).toEqual(Array.from({ length: 6 }, () => 'up'));
});

test('a store that does not answer makes every vote old, and the replica says so', () => {
  const seenAgoMs = cluster.policy.freshMs + 1000;
  expect(selfOf({ seenAgoMs })).toMatchObject({
    canVote: false,
    canDecide: false,
    because: 'the store has not answered for 9.0 s: from here nothing can be voted or decided',
  });
  expect(new Set(talliesNow(viewing({ seenAgoMs })).map(({ verdict }) => verdict))).toEqual(new Set(['unknown']));
  expect(statusNow(viewing({ seenAgoMs }))?.votes.vantages[0]).toMatchObject({ ageMs: 9500 });
  expect(selfOf({ seenAgoMs: cluster.policy.freshMs - 1000 })).toMatchObject({ canVote: true, canDecide: true });
});

test('a majority counts voters, and the minority says how many are missing', () => {
  expect(selfOf({ speaking: ['eu-west', 'us-east'] })).toMatchObject({ canVote: true, canDecide: true });
  expect(selfOf({ speaking: ['eu-west'] })).toMatchObject({
    canVote: true,
    canDecide: false,
    because: '1 of 3 vantages speak, a majority is needed',
  });
});

test('a target with voters of its own can be undecided while a majority of all voters speaks', () => {
  const regions = [...REGIONS, 'sa-east', 'af-south'].map((name) => ({ name, vote: true, coordinator: true, anchors: [] }));
  const of = (from: 'all' | readonly string[]): ClusterConfig => ({
    ...cluster,
    regions,
    services: cluster.services.map((service, s) => ({
      ...service,
      pools: service.pools.map((pool) => ({
        ...pool,
        targets: pool.targets.map((target) => ({ ...target, from: s === 0 ? from : 'all' })),
      })),
    })),
  });
  const speaking = ['eu-west', 'sa-east', 'af-south'];
  expect(selfOf({ speaking, sight: sightAt(of('all'), speaking) })).toMatchObject({ canDecide: true, because: '' });
  expect(selfOf({ speaking, sight: sightAt(of(REGIONS), speaking) })).toMatchObject({
    canVote: true,
    canDecide: false,
    because: expect.stringMatching(/^1 of 3 vantages of web\.example\.test.* speak, a majority is needed$/),
  });
});

test('that this replica doubts itself is not told as the reason why nothing can be decided; that the store is silent is', () => {
  const doubtful = { ...vote, self: { state: 'abstain' as const, because: 'late' } };
  expect(selfOf({ speaking: ['us-east'], vote: doubtful })?.because).toBe(
    '1 of 3 vantages speak, a majority is needed; this replica is silent too: late',
  );
  expect(selfOf({ speaking: ['us-east'], boot: 'b2' })?.because).toMatch(/^the store has no vote/);
});

test('why the own vote does not count', () => {
  expect(selfOf({ vote: { ...vote, self: { state: 'abstain', because: 'late' } } })).toMatchObject({ canVote: false, because: 'late' });
  expect(selfOf({ speaking: ['us-east', 'ap-south'] })).toMatchObject({
    canVote: false,
    canDecide: true,
    because: expect.stringContaining('no vote'),
  });
  expect(selfOf({ boot: 'b2' })).toMatchObject({ canVote: false, because: 'the store has no vote of this replica since it started' });
  expect(selfOf({ written: { configVersion: 2 } })).toMatchObject({
    canVote: false,
    because: 'its vote covers configuration 2, the cluster is at 3',
  });
  expect(selfOf({ written: { seq: 2 } })).toMatchObject({ canVote: false, because: 'the store has not taken its vote for 0.5 s' });
  expect(selfOf({ region: 'witness' })).toMatchObject({ canVote: false, because: 'witness has no vote in this cluster' });
});
