// False drains on paper, for the rule as it is: what has to fail, at what odds, how often it gets the chance. To leading order in the loss.
// The rule drains when a quorum holds /readyz down at one moment, whatever /healthz does. A fault of either endpoint starts looks at both, once per
// confirmation span, here at once and elsewhere when the hint arrives. A vantage holds /readyz down from the end of its kth fault, if the last started a
// span after the first, to the end of the next look that is well. A success is told at once, a loss only when its deadline has passed: with looks
// overlapping, one that started after the kth fault and is well speaks before it, so the slower a loss is to be known, the longer the path must be bad.
import { faultsFor, quorumOf } from '../../../src/health/timing.ts';
import type { ClusterConfig } from '../../../src/model.ts';
import { watchedBy } from '../../../src/probe/watching.ts';
import { seededRandom } from '../../virtual.ts';
import { setsOf } from './rare.ts';
import { HEAR_MS, OK_MS, type Range, WRITE_MS } from './vigil.ts';

/** Longest streak considered. */
const LOOKS_MAX = 40;
/** Delays differ from word to word; what depends on them is averaged over so many draws. */
const DRAWS = 400;

interface Rule {
  n: number;
  q: number;
  k: number;
  spanMs: number;
  everyMs: number;
  intervalMs: number;
  suspectMs: number;
  failMs: number;
  /** Phases of /healthz and /readyz by vantage. */
  phases: readonly (readonly [number, number])[];
}

export const ruleOf = (cluster: ClusterConfig, failMs: number): Rule => {
  const { policy } = cluster;
  const n = cluster.regions.length;
  const q = quorumOf(n);
  return {
    n,
    q,
    k: faultsFor(policy, q),
    spanMs: policy.faultSpanMs,
    everyMs: Math.min(1000, Math.round(0.35 * policy.intervalMs)),
    intervalMs: policy.intervalMs,
    suspectMs: Math.min(failMs, policy.suspectAfterMs),
    failMs,
    phases: cluster.regions.map(({ name }): [number, number] => {
      const watched = watchedBy(cluster, name);
      const phaseOf = (endpoint: string): number => watched.find((w) => w.endpoint === endpoint)?.phaseMs ?? 0;
      return [phaseOf('healthz'), phaseOf('readyz')];
    }),
  };
};

/** Looks at /readyz of a vantage whose burst starts at `burstMs`: those of the burst, and those of the schedule after `afterMs`. */
const readyLooks = (rule: Rule, phaseMs: number, burstMs: number, afterMs: number): readonly number[] => {
  const round = Math.floor((afterMs - phaseMs) / rule.intervalMs) + 1;
  const scheduled = Array.from({ length: LOOKS_MAX }, (_, i) => phaseMs + (round + i) * rule.intervalMs);
  return [...scheduled, ...Array.from({ length: LOOKS_MAX }, (_, i) => burstMs + i * rule.everyMs)]
    .sort((a, b) => a - b)
    .slice(0, LOOKS_MAX);
};

/** When a vantage all of whose looks fail is known to hold the endpoint down. */
const downAt = (rule: Rule, looks: readonly number[]): number => {
  const last = looks.find((at, i) => i + 1 >= rule.k && at - looks[0]! >= rule.spanMs);
  return (last ?? Number.POSITIVE_INFINITY) + rule.failMs;
};

/** Per ms, at independent loss `p`: every first fault, times every quorum's chance to see nothing else until all of it holds /readyz down. */
export const independentRate = (rule: Rule, p: number): number => {
  const quorums = setsOf(rule.n, rule.q);
  const random = seededRandom('delays');
  const within = ([leastMs, mostMs]: Range): number => leastMs + random.unit() * (mostMs - leastMs);
  let sum = 0;
  for (let draw = 0; draw < DRAWS; draw++)
    for (const [i, own] of rule.phases.entries())
      for (const [endpoint, atMs] of own.entries()) {
        const seats = rule.phases.map(([, readyMs], v) => {
          const burstMs = atMs + rule.suspectMs + (v === i ? 0 : within(WRITE_MS) + within(HEAR_MS));
          const more = readyLooks(rule, readyMs, burstMs, v === i ? atMs : burstMs);
          const looks = v === i && endpoint === 1 ? [atMs, ...more] : more;
          const downMs = downAt(rule, looks);
          return { looks, downMs, saidMs: downMs + within(WRITE_MS), clearedAfterMs: OK_MS + within(WRITE_MS) };
        });
        for (const quorum of quorums) {
          const togetherMs = Math.max(...quorum.map((v) => seats[v]!.saidMs));
          // The first fault is there already.
          let faults = quorum.includes(i) && endpoint === 1 ? -1 : 0;
          for (const v of quorum) {
            const { looks, downMs, saidMs, clearedAfterMs } = seats[v]!;
            // A look that is well spoils it when it is known before the last fault, or takes the vote back before the others have come to it.
            faults += looks.filter((at) => at + OK_MS <= downMs || Math.max(saidMs, at + clearedAfterMs) < togetherMs).length;
          }
          sum += p ** faults;
        }
      }
  return ((p / rule.intervalMs) * sum) / DRAWS;
};

/** Per ms, on paths that are bad for `badShare` of the time in spells of `badMeanMs`: each vantage finds out by itself, and a quorum of them overlaps. */
export const burstyRate = (rule: Rule, badShare: number, badMeanMs: number): number => {
  const spellsPerMs = badShare / badMeanMs;
  // Chance that a spell lasts from wherever in the schedule it began to the last look that must not be well.
  let chance = 0;
  for (const [endpoint, atMs] of (rule.phases[0] ?? []).entries()) {
    const readyMs = rule.phases[0]![1];
    const more = readyLooks(rule, readyMs, atMs + rule.suspectMs, atMs);
    const looks = endpoint === 1 ? [atMs, ...more] : more;
    const downMs = downAt(rule, looks);
    const lastMs = looks.filter((at) => at + OK_MS <= downMs).at(-1) ?? atMs;
    const gapMs = rule.intervalMs / 2;
    chance += (Math.exp(-(lastMs - atMs) / badMeanMs) * badMeanMs * (1 - Math.exp(-gapMs / badMeanMs))) / rule.intervalMs;
  }
  const downPerMs = spellsPerMs * chance;
  // Memoryless: from being held down, a spell lasts its mean once more, then half a confirmation until a look is well.
  const downShare = downPerMs * (badMeanMs + rule.everyMs / 2);
  return setsOf(rule.n, rule.q).length * rule.q * downPerMs * downShare ** (rule.q - 1);
};

/** The formula of the design's arithmetic, per ms: any endpoint of q vantages, k faults each, hints coupled or not. */
export const researchRate = ({ n, q, k, intervalMs }: Rule, p: number): number => {
  const choose = (m: number, r: number): number => setsOf(m, r).length;
  const coupled = ((n * 2 * p) / intervalMs) * choose(n - 1, q - 1) * p ** (k - 1) * p ** (k * (q - 1));
  return coupled + (q > 1 ? choose(n, q) * q * ((2 * p ** k) / intervalMs) ** q : 0);
};
