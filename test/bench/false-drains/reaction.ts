// How soon a region that is really gone is counted out, by the same loop and under the same assumptions as the arithmetic that the rule was chosen by.
import type { ClusterConfig } from '../../../src/model.ts';
import type { Random } from '../../../src/ports.ts';
import { lostFrom } from './loss.ts';
import { HEAR_MS, type Range, Vigil, WRITE_MS } from './vigil.ts';

/** Every endpoint has had its warm-up looks, at any k a bench uses. */
const WARM_MS = 25_000;
const LIMIT_MS = 60_000;

/** From the fault to the committed decision, in ms; NaN: none within a minute. The cluster has one target, in its first region. */
export const reactionMs = (options: {
  cluster: ClusterConfig;
  failMs: number;
  proberDies: boolean;
  seed: number;
  random: Random;
}): number => {
  const { cluster, random } = options;
  const faultAtMs = WARM_MS + Math.floor(random.unit() * cluster.policy.intervalMs);
  const vigil = new Vigil({ cluster, seed: options.seed, failMs: options.failMs, loss: () => lostFrom(faultAtMs), leap: false });
  vigil.run(faultAtMs - 1);
  if (options.proberDies) vigil.kill(cluster.regions[0]!.name);
  vigil.run(faultAtMs + LIMIT_MS, () => vigil.drains.length > 0);
  const within = ([leastMs, mostMs]: Range): number => leastMs + random.unit() * (mostMs - leastMs);
  // The coordinator hears of the last vote, and writes.
  return (vigil.drains[0]?.atMs ?? Number.NaN) + within(HEAR_MS) + within(WRITE_MS) - faultAtMs;
};
