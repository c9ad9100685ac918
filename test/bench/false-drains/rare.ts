// What would take millions of years to happen: the rate of false drains at a small independent loss, by importance sampling over the production machines.
// From quiet, one scheduled look fails; from there until all is quiet again, looks of /readyz on the paths of one possible quorum fail far more often than
// they should, and the drains that follow count for as much less as they were made likelier. One quorum at a time: only drains by that very quorum count,
// so the sum over all quorums misses none and counts none twice.
import type { ClusterConfig, EndpointKey } from '../../../src/model.ts';
import type { Random } from '../../../src/ports.ts';
import type { Loss } from './loss.ts';
import { Vigil } from './vigil.ts';

/** Made up: how often a look of /readyz on a chosen path fails after the first. */
const FEIGNED = 0.7;
/** Before the next episode: hints count again, nothing is remembered. */
const CALM_MS = 70_000;

export interface Rare {
  perMs: number;
  /** Standard error over the rate. */
  relativeError: number;
  episodes: number;
  drains: number;
}

/** All sets of `size` of the numbers below `n`. */
export const setsOf = (n: number, size: number): readonly (readonly number[])[] =>
  size === 0
    ? [[]]
    : Array.from({ length: n }, (_, last) => last).flatMap((last) => setsOf(last, size - 1).map((smaller) => [...smaller, last]));

/** A cluster with one target that every region looks at. Valid while looks fail so rarely that it is mostly quiet. */
export const rareDrains = (options: {
  cluster: ClusterConfig;
  quorum: number;
  p: number;
  failMs: number;
  episodes: number;
  seed: number;
  random: Random;
}): Rare => {
  const { cluster, p, random, episodes } = options;
  const regions = cluster.regions.map((r) => r.name);
  const quorums = setsOf(regions.length, options.quorum);
  const likelier = { fail: p / FEIGNED, ok: (1 - p) / (1 - FEIGNED) };
  let weight = 0;
  let hot = false;
  let chosen: readonly number[] = [];
  let first = { path: -1, atMs: 0 };

  const fails = (path: number, atMs: number, key: EndpointKey): boolean => {
    if (!hot) {
      hot = path === first.path && atMs === first.atMs;
      return hot;
    }
    if (!chosen.includes(path) || !key.endsWith('#readyz')) return random.unit() < p;
    const failing = random.unit() < FEIGNED;
    weight *= failing ? likelier.fail : likelier.ok;
    return failing;
  };
  const pathOf = (path: number): Loss => ({
    fails: (atMs, key) => fails(path, atMs, key),
    firstFailing: () => (path === first.path ? first.atMs : Number.POSITIVE_INFINITY),
    passed: () => undefined,
  });

  const vigil = new Vigil({ cluster, seed: options.seed, failMs: options.failMs, loss: (region) => pathOf(regions.indexOf(region)) });
  let sum = 0;
  let squares = 0;
  let drains = 0;
  for (let episode = 0; episode < episodes; episode++) {
    const path = Math.floor(random.unit() * regions.length);
    const afterMs = vigil.nowMs + CALM_MS + Math.floor(random.unit() * 60) * cluster.policy.intervalMs;
    first = { path, atMs: vigil.looksOf(regions[path]!).nth(afterMs, random.unit() < 0.5 ? 1 : 2) };
    chosen = quorums[Math.floor(random.unit() * quorums.length)]!;
    weight = 1;
    const before = vigil.drains.length;
    vigil.run(Number.MAX_SAFE_INTEGER, () => hot && (vigil.drains.length > before || vigil.isQuiet()));
    hot = false;
    first = { path: -1, atMs: 0 };
    const drain = vigil.drains[before];
    if (drain === undefined || drain.by.join() !== chosen.map((i) => regions[i]).join()) continue;
    drains++;
    sum += weight;
    squares += weight * weight;
  }
  const mean = sum / episodes;
  const variance = squares / episodes - mean * mean;
  const triggersPerMs = (regions.length * 2 * p) / cluster.policy.intervalMs;
  return {
    perMs: triggersPerMs * quorums.length * mean,
    relativeError: mean === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(variance / episodes) / mean,
    episodes,
    drains,
  };
};
