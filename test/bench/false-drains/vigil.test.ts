// The bench's own loop: what it leaps over would not have mattered, it sees drains where there must be some, and none where there can be none.
import { expect, test } from 'vitest';
import { policyOf } from '../../../src/config/defaults.ts';
import type { ClusterConfig } from '../../../src/model.ts';
import { seededRandom } from '../../virtual.ts';
import { clusterOf } from '../../world.ts';
import { burstyDrains, independentDrains, oneTarget } from '../false-drains.ts';
import { independent, Looks, lossless, lostFrom } from './loss.ts';
import { rareDrains, setsOf } from './rare.ts';
import { reactionMs } from './reaction.ts';
import { Vigil } from './vigil.ts';

const KNOWN = [20, 1000, 2000];

test.each(KNOWN)('at bursty loss, known after %i ms, leaping changes no drain', (failMs) => {
  const bursty = { n: 3, faults: 3, badShare: 0.02, badMeanMs: 4000, failMs, years: 0.004 };
  const leaping = burstyDrains(bursty, 1, { leap: true, screen: false });
  const walking = burstyDrains(bursty, 1, { leap: false, screen: false });
  expect(leaping.drains.length).toBeGreaterThan(1);
  expect(leaping.drains).toEqual(walking.drains);
  expect(leaping.looks).toBeLessThan(walking.looks / 2);
});

test('at independent loss leaping changes no drain', () => {
  const lossy = { n: 3, faults: 3, p: 0.2, failMs: 20, years: 0.005 };
  const leaping = independentDrains(lossy, 3);
  const walking = independentDrains(lossy, 3, false);
  expect(leaping.drains.length).toBeGreaterThan(0);
  expect(leaping.drains).toEqual(walking.drains);
  expect(leaping.looks).toBeLessThan(walking.looks);
});

test.each([3, 5])('bad weather that is left out as harmless, with %i vantages, would have drained nothing', (n) => {
  const bursty = {
    n,
    faults: 3,
    badShare: n === 3 ? 0.01 : 0.03,
    badMeanMs: n === 3 ? 2000 : 8000,
    failMs: 20,
    years: n === 3 ? 0.03 : 0.012,
  };
  const screened = burstyDrains(bursty, 5, { leap: true, screen: true });
  const all = burstyDrains(bursty, 5, { leap: true, screen: false });
  expect(all.drains.length).toBeGreaterThan(3);
  expect(screened.drains.length).toBe(all.drains.length);
  expect(screened.looks).toBeLessThan(all.looks);
});

test('without loss a year passes without a drain, and every vantage calls the target up', () => {
  const vigil = new Vigil({ cluster: oneTarget(3), seed: 1, failMs: 20, loss: () => lossless });
  vigil.run(365 * 24 * 3600 * 1000);
  expect(vigil.drains).toEqual([]);
  for (const region of ['r01', 'r02', 'r03']) expect(vigil.own(region).vote).toMatchObject({ down: [], unready: [], unknown: [] });
});

test('what fails for everybody is drained once, within the time the rule needs', () => {
  const vigil = new Vigil({ cluster: oneTarget(3), seed: 1, failMs: 2000, loss: () => lostFrom(30_000) });
  vigil.run(150_000);
  expect(vigil.drains.map((d) => d.pool)).toEqual(['r01']);
  expect(vigil.drains[0]?.by).toHaveLength(2);
  expect(vigil.drains[0]?.atMs).toBeGreaterThan(30_000 + 5000);
  expect(vigil.drains[0]?.atMs).toBeLessThan(30_000 + 10_000);
});

test('a path that is lost alone is outvoted', () => {
  const vigil = new Vigil({
    cluster: oneTarget(3),
    seed: 1,
    failMs: 1000,
    loss: (region) => (region === 'r02' ? lostFrom(30_000) : lossless),
  });
  vigil.run(600_000);
  expect(vigil.own('r02').vote.unready).toHaveLength(1);
  expect(vigil.drains).toEqual([]);
});

/** Three pools, one per region: two of them are elsewhere for everybody. */
const threePools = (): ClusterConfig => clusterOf(['a', 'b', 'c'], [{}], policyOf({}));

test('a vantage that is blind on all its paths doubts itself, and drains nothing', () => {
  const vigil = new Vigil({
    cluster: threePools(),
    seed: 1,
    failMs: 1000,
    loss: (region) => (region === 'b' ? lostFrom(30_000) : lossless),
  });
  vigil.run(600_000);
  expect(vigil.own('b').vote.self).toMatchObject({ state: 'abstain', because: expect.stringContaining('down from here only') });
  expect(vigil.own('a').vote.self).toEqual({ state: 'ok' });
  expect(vigil.drains).toEqual([]);
});

test('two of three vantages that are blind drain the others without anchors, and nothing with them', () => {
  const blind = (anchors: boolean): Vigil => {
    const vigil = new Vigil({
      cluster: threePools(),
      seed: 1,
      failMs: 1000,
      loss: (region) => (region === 'a' ? lossless : lostFrom(30_000)),
    });
    vigil.run(31_000);
    for (const region of anchors ? ['b', 'c'] : [])
      vigil.facts(region, { anchorsConfigured: 3, anchorsUnreachable: ['x', 'y'], loopDelayP99Ms: 0 });
    vigil.run(300_000);
    return vigil;
  };
  expect(new Set(blind(false).drains.map((d) => d.pool))).toEqual(new Set(['a', 'b', 'c']));
  expect(blind(true).drains).toEqual([]);
});

// The sample takes every episode to begin in quiet, with no hint spent: at higher loss it says more than is seen.
test('a rare drain weighs what it is worth: sampled and counted agree where both can see', () => {
  const [p, failMs, ms] = [0.02, 20, 0.03 * 365.25 * 24 * 3600 * 1000];
  const base = oneTarget(3, 1);
  const cluster = { ...base, policy: { ...base.policy, faultSpanMs: 0 } };
  const rare = rareDrains({ cluster, quorum: 2, p, failMs, episodes: 2000, seed: 1, random: seededRandom('rare') });
  const vigil = new Vigil({ cluster, seed: 1, failMs, loss: (region) => independent(p, seededRandom(region), 25_000) });
  vigil.run(ms);
  expect(vigil.drains.length).toBeGreaterThan(30);
  expect((rare.perMs * ms) / vigil.drains.length).toBeGreaterThan(0.8);
  expect((rare.perMs * ms) / vigil.drains.length).toBeLessThan(1.6);
});

test('the schedule of a path counts and finds its looks', () => {
  const looks = new Looks([3700, 1200], 5000);
  expect([0, 1199, 1200, 3700, 6200].map((ms) => looks.count(ms))).toEqual([0, 0, 1, 2, 3]);
  expect([1, 2, 3].map((n) => looks.nth(1200, n))).toEqual([3700, 6200, 8700]);
});

test('sets of a size', () => {
  expect(setsOf(4, 2)).toEqual([
    [0, 1],
    [0, 2],
    [1, 2],
    [0, 3],
    [1, 3],
    [2, 3],
  ]);
});

test('a region that dies with its prober is counted out by the others', () => {
  const ms = reactionMs({ cluster: oneTarget(3), failMs: 2000, proberDies: true, seed: 1, random: seededRandom('reaction') });
  expect(ms).toBeGreaterThan(5000);
  expect(ms).toBeLessThan(10_000);
});
