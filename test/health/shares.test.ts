// Replicas of a region are one vote: about each target the word of its one agreed owner, and nobody's when they do not agree. Against a twin that asks
// every replica about every target, and over histories of deaths, joins and views that differ.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Heard, isFresh } from '../../src/health/chamber.ts';
import { configHash } from '../../src/health/config-hash.ts';
import { ownerOf } from '../../src/health/owner.ts';
import { tally, votesBehind } from '../../src/health/quorum.ts';
import { type Ballot, endpointKey, type TargetId, targetId } from '../../src/model.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { heardFrom, type Says, suspicion } from './votes.ts';

const NOW = 1_800_000_000_000;
const REGIONS = ['eu', 'us', 'ap'];
const cluster = { ...clusterOf(REGIONS, []), services: [serviceOf(REGIONS, { pools: REGIONS.map((r, i) => poolOf(r, 1, i, 8)) })] };
const IDS: readonly TargetId[] = REGIONS.flatMap((pool) => Array.from({ length: 8 }, (_, i) => targetId('web', pool, `app-${i + 1}`)));
const ownedBy = (owner: string, peers: readonly string[]): readonly TargetId[] => IDS.filter((id) => ownerOf(id, peers) === owner);

/** A new replica of `eu`. */
const eu = (replica: string, peers: readonly string[], says: Says = {}): Heard =>
  heardFrom(cluster, 'eu', { bootN: 1, ...says, replica, peers });

/** What `eu` says of each target's /healthz. */
const ballots = (heard: readonly Heard[]): ReadonlyMap<TargetId, Ballot | undefined> =>
  new Map(
    tally(cluster, heard, NOW, true).flatMap((pool) => pool.targets.map((t) => [t.target, t.endpoints.healthz?.ballots.eu] as const)),
  );

/** How many targets `eu` says each thing of. */
const counted = (heard: readonly Heard[]): Readonly<Record<string, number>> =>
  Object.fromEntries([...Map.groupBy(ballots(heard).values(), (b) => b ?? 'nothing')].map(([ballot, list]) => [ballot, list.length]));

const AB = ['a', 'b'];
const [ofA, ofB] = [ownedBy('a', AB), ownedBy('b', AB)];

describe('replicas that share', () => {
  test('speak each for what it owns', () => {
    const heard = [eu('a', AB, { down: ofA }), eu('b', AB)];
    expect(ofA.length).toBeGreaterThan(3);
    expect(ofB.length).toBeGreaterThan(3);
    for (const [id, ballot] of ballots(heard)) expect(ballot, id).toBe(ofA.includes(id) ? 'down' : 'up');
  });

  test('are not heard about what a sibling owns', () => {
    expect(counted([eu('a', AB, { down: ofB, unknown: ofB }), eu('b', AB)])).toEqual({ up: 24 });
    const doubt = Object.fromEntries(ofB.map((id) => [endpointKey(id, 'healthz'), suspicion()]));
    const told = tally(cluster, [eu('a', AB, { suspects: doubt }), eu('b', AB)], NOW, true);
    expect(told.every((t) => t.firstFaultAtMs === null && !t.suspectAtQuorum)).toBe(true);
  });

  test('leave unknown what its owner has not looked at yet', () => {
    expect(counted([eu('a', AB), eu('b', AB, { unknown: ofB })])).toEqual({ up: ofA.length, unknown: ofB.length });
  });

  test.each([
    ['is silent', []],
    ['is stale', [eu('b', AB, { ageMs: 9000 })]],
    ['abstains', [eu('b', AB, { self: { state: 'abstain', because: 'uplink' } })]],
  ])('say nothing of the targets of one that %s', (_, other) => {
    const heard = [eu('a', AB, { down: IDS }), ...other];
    for (const [id, ballot] of ballots(heard)) expect(ballot, id).toBe(ofA.includes(id) ? 'down' : 'unknown');
  });

  test('that do not agree about an owner say nothing of its target, whatever each of them sees', () => {
    const heard = [eu('a', ['a'], { down: IDS }), eu('b', AB, { down: IDS })];
    for (const [id, ballot] of ballots(heard)) expect(ballot, id).toBe(ofA.includes(id) ? 'down' : 'unknown');
    expect(counted([eu('a', ['a'], { down: IDS }), eu('b', ['b'], { down: IDS })])).toEqual({ unknown: 24 });
  });

  test('that all name somebody who is not there say nothing of its targets', () => {
    const ABC = ['a', 'b', 'c'];
    const heard = [eu('a', ABC), eu('b', ABC)];
    expect(counted(heard)).toEqual({ up: 24 - ownedBy('c', ABC).length, unknown: ownedBy('c', ABC).length });
  });

  test('name no peers at all: nobody is heard', () => {
    expect(counted([eu('a', [])])).toEqual({ unknown: 24 });
  });

  test('are all behind a decision that counts their region, also those that own nothing of it', () => {
    const heard = [eu('a', AB, { down: ofA }), eu('b', AB), heardFrom(cluster, 'us', { down: ofA })];
    const touched = tally(cluster, heard, NOW);
    expect([...votesBehind(cluster, heard, touched, ['down'])].sort()).toEqual(['vote/eu/a', 'vote/eu/b', 'vote/us/a']);
  });

  test('twenty regions of three replicas are guarded within what a transaction of etcd compares', () => {
    const names = Array.from({ length: 20 }, (_, i) => `r${i}`);
    const big = clusterOf(names, [{}]);
    const id = targetId('web', 'r0', 'app');
    const peers = ['a', 'b', 'c'];
    const heard = names.flatMap((region) => peers.map((replica) => heardFrom(big, region, { replica, peers, bootN: 1, down: [id] })));
    const keys = votesBehind(big, heard, tally(big, heard, NOW), ['down']);
    expect(keys).toHaveLength(60);
    expect(keys.length).toBeLessThan(128 - 20);
  });
});

describe('a dead sibling', () => {
  const beatsOld = { ageMs: 3500 };

  test('whose last word is still fresh no longer counts, once it has missed a beat and its siblings share without it', () => {
    expect(counted([eu('a', ['a'], { down: ofB }), eu('b', AB, beatsOld)])).toEqual({ up: ofA.length, down: ofB.length });
  });

  test('counts as long as its siblings still share with it: a store that stands still makes everybody look old', () => {
    expect(counted([eu('a', AB, beatsOld), eu('b', AB, beatsOld)])).toEqual({ up: 24 });
  });

  test('is not outvoted by one that is as old: nobody knows who of them is dead', () => {
    expect(counted([eu('a', ['a'], beatsOld), eu('b', AB, beatsOld)])).toEqual({ up: ofA.length, unknown: ofB.length });
  });

  test('that beats is not dead, whatever its siblings say', () => {
    expect(counted([eu('a', ['a']), eu('b', AB, { ageMs: 2900 })])).toEqual({ up: ofA.length, unknown: ofB.length });
  });
});

describe('beside replicas of 0.1', () => {
  const old = (replica: string, says: Says = {}): Heard => heardFrom(cluster, 'eu', { ...says, replica });

  test('two of 0.1 look at everything: any that says up makes it up, all must say down', () => {
    expect(counted([old('a', { down: IDS }), old('b', { down: ofB })])).toEqual({ up: ofA.length, down: ofB.length });
    expect(counted([old('a', { down: IDS }), old('b', { unknown: IDS })])).toEqual({ down: 24 });
  });

  test('one that shares with one of 0.1 is heard on nothing that both claim: unknown, never a wrong down', () => {
    const heard = [old('a', { down: ofA }), eu('b', AB, { down: IDS })];
    for (const [id, ballot] of ballots(heard)) expect(ballot, id).toBe(ofA.includes(id) ? 'down' : 'unknown');
  });

  test('replicas that share and spell out what they do not own are counted right by the rule of 0.1', () => {
    const heard = [old('a', { peers: AB, down: ofA, unknown: ofB }), old('b', { peers: AB, unknown: ofA })];
    expect(counted(heard)).toEqual({ down: ofA.length, up: ofB.length });
    // Without it, 0.1 would take the silence of who does not look for a good word.
    expect(counted([old('a', { peers: AB, down: ofA }), old('b', { peers: AB })])).toEqual({ up: 24 });
  });

  test('one that abstains leaves everything to the one of 0.1', () => {
    expect(counted([old('a', { down: ofB }), eu('b', ['b'], { self: { state: 'abstain', because: 'elder' } })])).toEqual({
      up: ofA.length,
      down: ofB.length,
    });
  });
});

describe('fresh', () => {
  test.each([
    ['it names the same content', { bootN: 3, configHash: configHash(cluster) }, true],
    ['it names another content of the same version', { bootN: 3, configHash: 'ffffffffffffffff' }, false],
    ['it names no content, as 0.1 does not', {}, true],
    ['its beat is of an earlier start', { bootN: 3, beatBootN: 2 }, false],
    ['its beat names a start and the vote none', { beatBootN: 2 }, false],
  ] as const)('%s: %s', (_, says, fresh) => {
    expect(isFresh(heardFrom(cluster, 'eu', says), cluster)).toBe(fresh);
  });
});

// ---- histories ----

interface Replica {
  alive: boolean;
  peers: readonly string[];
  /** What it believes of every target, whether or not it owns it. */
  down: readonly TargetId[];
  ageMs: number;
}

const NAMES = ['a', 'b', 'c'];

const moments = fc.array(
  fc.record({
    who: fc.constantFrom(...NAMES),
    what: fc.constantFrom('dies', 'starts', 'sees', 'sees', 'shares', 'shares', 'beats'),
    peers: fc.subarray(NAMES, { minLength: 1 }),
    down: fc.subarray([...IDS]),
    waitMs: fc.integer({ min: 0, max: 3000 }),
  }),
  { maxLength: 40 },
);

/** The rule, asked in the dumbest way. */
const twin = (replicas: ReadonlyMap<string, Replica>, id: TargetId): Ballot => {
  const fresh = [...replicas].filter(([, r]) => r.ageMs <= cluster.policy.freshMs);
  if (fresh.length === 0) return 'silent';
  const goneMs = 1.2 * cluster.policy.beatMs;
  const present = fresh.filter(
    ([name, r]) => fresh.length === 1 || r.ageMs <= goneMs || !fresh.some(([, s]) => s.ageMs <= goneMs && !s.peers.includes(name)),
  );
  const owners = new Set(present.map(([, r]) => ownerOf(id, r.peers)));
  const [owner] = owners;
  const speaker = present.find(([name]) => name === owner)?.[1];
  if (owners.size !== 1 || speaker === undefined) return 'unknown';
  return speaker.down.includes(id) ? 'down' : 'up';
};

describe('whatever replicas see of one another', () => {
  test('their region says of each target what its one agreed owner says, and has one vote', () => {
    fc.assert(
      fc.property(moments, (history) => {
        const replicas = new Map<string, Replica>(NAMES.map((n) => [n, { alive: true, peers: NAMES, down: [], ageMs: 0 }]));
        for (const { who, what, peers, down, waitMs } of history) {
          for (const r of replicas.values()) r.ageMs = r.alive ? Math.min(r.ageMs + waitMs, 2500) : r.ageMs + waitMs;
          const one = replicas.get(who) ?? expect.fail(who);
          if (what === 'dies') one.alive = false;
          if (what === 'starts') Object.assign(one, { alive: true, ageMs: 0, peers: [...new Set([...peers, who])].sort() });
          if (one.alive && what === 'sees') Object.assign(one, { down, ageMs: 0 });
          if (one.alive && what === 'shares') Object.assign(one, { peers: [...new Set([...peers, who])].sort(), ageMs: 0 });
          if (one.alive && what === 'beats') one.ageMs = 0;
          const heard = [...replicas].map(([name, r]) => eu(name, r.peers, { down: r.down, unready: r.down, ageMs: r.ageMs }));
          const told = tally(cluster, heard, NOW, true);
          for (const { targets } of told)
            for (const t of targets) {
              expect(t.endpoints.healthz?.ballots.eu).toBe(twin(replicas, t.target));
              expect(t.endpoints.healthz?.down ?? 0).toBeLessThanOrEqual(1);
              expect((t.endpoints.healthz?.down ?? 0) + (t.endpoints.healthz?.up ?? 0)).toBeLessThanOrEqual(1);
            }
          // What is asked about the mentioned targets alone comes to the same.
          const lean = tally(cluster, heard, NOW);
          for (const [i, pool] of told.entries())
            expect(lean[i]).toMatchObject({ verdict: pool.verdict, up: pool.up, unknown: pool.unknown });
        }
      }),
      { numRuns: 150 },
    );
  });
});
