import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { electorateOf, standingText, vantagesOf, weakestOf } from '../../src/health/electorate.ts';
import { confirmEveryMs, faultsFor, quorumOf } from '../../src/health/timing.ts';
import type { ClusterConfig, TargetConfig } from '../../src/model.ts';
import { cluster as base } from '../api/fixture.ts';
import { accepted, fixture } from '../config/files.ts';

describe('electorate', () => {
  const { config } = accepted(fixture('full.yaml'));
  const cluster = config.cluster ?? expect.fail('full.yaml has no cluster');
  const [web] = cluster.services;
  const [blue] = web?.pools ?? [];
  const [front, back, disk] = blue?.targets ?? [];
  if (!blue || !front || !back || !disk) throw new Error('full.yaml has changed');

  test('all means every region with a vote, witnesses included, and never one without', () => {
    expect(electorateOf(cluster, 'web.example.test', 'blue', 'back')).toEqual(['eu-west', 'us-east', 'witness']);
    expect(vantagesOf(cluster, blue, back)).toEqual(['eu-west', 'us-east', 'witness']);
  });

  test('a region that is listed without a vote looks, and is not counted', () => {
    const target = { ...front, from: ['office', 'us-east'] };
    const listed = { ...cluster, services: [{ ...cluster.services[0]!, pools: [{ ...blue, targets: [target] }] }] };
    expect(electorateOf(listed, 'web.example.test', 'blue', 'front')).toEqual(['us-east']);
    expect(vantagesOf(listed, blue, target)).toEqual(['us-east', 'office']);
  });

  test("a local target is seen from its pool's region, not its pool's name, and has no electorate", () => {
    expect(electorateOf(cluster, 'web.example.test', 'blue', 'disk')).toEqual([]);
    expect(vantagesOf(cluster, blue, disk)).toEqual(['eu-west']);
  });

  test('nobody votes on what is not configured', () => {
    expect(electorateOf(cluster, 'web.example.test', 'blue', 'gone')).toEqual([]);
    expect(electorateOf(cluster, 'constructor', '__proto__', 'front')).toEqual([]);
  });
});

describe('the weakest electorate', () => {
  const regions = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => ({ name, vote: true, coordinator: true, anchors: [] }));
  /** A cluster of seven voters, with one target for each `from`. */
  const clusterOf = (...from: readonly TargetConfig['from'][]): ClusterConfig => ({
    ...base,
    regions,
    services: base.services.slice(0, 1).map((service) => ({
      ...service,
      pools: service.pools.slice(0, 1).map((pool) => ({
        ...pool,
        targets: from.map((each, i) => ({ name: `t${i}`, from: each, healthz: { kind: 'tcp', url: 'tcp://192.0.2.1:1' } })),
      })),
    })),
  });

  test('where all vote on everything it is all of them', () => {
    const cluster = clusterOf('all', 'all', 'local');
    for (const [speakers, spare] of [
      ['abcdefg', 3],
      ['abcd', 0],
      ['abc', -1],
    ] as const)
      expect(weakestOf(cluster, new Set(speakers)), speakers).toMatchObject({ target: null, speaking: speakers.length, spare });
  });

  test('voters of a target of its own can be too few while a majority of all speaks', () => {
    const cluster = clusterOf('all', ['a', 'b', 'c', 'd', 'e']);
    const weakest = weakestOf(cluster, new Set('abfg'));
    expect(weakest).toMatchObject({ voters: ['a', 'b', 'c', 'd', 'e'], speaking: 2, spare: -1 });
    expect(standingText(weakest)).toBe(`2 of 5 vantages of ${weakest.target}`);
    expect(weakest.target).toMatch(/t1$/);
    // As near to nothing as all: those who are asked are told of all.
    expect(weakestOf(cluster, new Set('abcfg'))).toMatchObject({ spare: 0, speaking: 3 });
    expect(weakestOf(cluster, new Set('abcd'))).toMatchObject({ target: null, spare: 0, speaking: 4 });
  });

  test('an electorate too small to move anything says nothing of the others; where there are no others all voters count', () => {
    expect(weakestOf(clusterOf('all', ['a', 'b']), new Set('cdefg'))).toMatchObject({ target: null, spare: 1 });
    expect(weakestOf(clusterOf(['a', 'b'], 'local'), new Set('cdefg'))).toMatchObject({ target: null, spare: 1 });
    expect(weakestOf(clusterOf('local'), new Set('abc'))).toMatchObject({ target: null, spare: -1 });
  });
});

describe('numbers that follow', () => {
  test('two quorums of one electorate always share a voter, and one fewer would not do', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), (voters) => {
        expect(2 * quorumOf(voters)).toBeGreaterThan(voters);
        expect(2 * (quorumOf(voters) - 1)).toBeLessThanOrEqual(voters);
      }),
    );
  });

  test('the fewer must agree, the more each must have seen; a number in the policy settles it', () => {
    expect([1, 2, 3, 11].map((quorum) => faultsFor({ faults: null }, quorum))).toEqual([5, 4, 3, 3]);
    expect(faultsFor({ faults: 2 }, 1)).toBe(2);
  });

  test('confirmation is each second at the default cadence, and leaves room between two looks at a fast one', () => {
    expect([60_000, 5000, 1000, 100].map((intervalMs) => confirmEveryMs({ intervalMs }))).toEqual([1000, 1000, 350, 35]);
  });
});
