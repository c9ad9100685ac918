// How soon a gray failure is noticed, against how often nothing is called one: the production CUSUM and quorum on a seeded stream of looks, at the default
// schedule. References: what research computed (one statistic per target, fed by both endpoints' looks), and three faults in a row, which is what a plain
// health checker asks for. Time is counted to the vote that makes the quorum; writing it and deciding on it take less than a second more.
import { GRAY, policyOf } from '../../src/config/defaults.ts';
import { afterScheduledLook, type Gray, type GrayRule, grayRuleOf, NOT_GRAY } from '../../src/health/gray.ts';
import { tally } from '../../src/health/quorum.ts';
import { quorumOf } from '../../src/health/timing.ts';
import { newOwn, type Own, observe, type VantageInput } from '../../src/health/vantage.ts';
import { type ClusterConfig, type EndpointKey, endpointKey, type Outcome } from '../../src/model.ts';
import type { Random } from '../../src/ports.ts';
import { phaseMs } from '../../src/probe/schedule.ts';
import { rulesOf, watchedBy } from '../../src/probe/watching.ts';
import { heardFrom } from '../health/votes.ts';
import { seededRandom } from '../virtual.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { quantile } from './numbers.ts';

const RATES = [0.1, 0.2, 0.3, 0.5];
const ELECTORATES = [3, 5];
const RESEARCH_P50_S: Readonly<Record<number, number>> = { 0.1: 228, 0.2: 63, 0.3: 38, 0.5: 20 };
const INTERVAL_MS = policyOf({}).intervalMs;
const ENDPOINTS = ['healthz', 'readyz'] as const;
const YEAR_MS = 365.25 * 86_400_000;
const DAY_MS = 86_400_000;
/** No trial waits longer. */
const PATIENCE_MS = DAY_MS;
const GOAL_P50_S = 60;
const GOAL_FALSE_PER_YEAR = 0.01;

// ---- one target, and those who look at it ----

/** A turn of one vantage at one endpoint, every interval. */
interface Slot {
  atMs: number;
  vantage: number;
  endpoint: number;
}

/** The production schedule, seen from a fault that begins at any moment of it. */
const slotsOf = (vantages: number, random: Random): readonly Slot[] => {
  const beganMs = random.unit() * INTERVAL_MS;
  const place = { target: 'web/b/app', vantages, endpoints: 2, intervalMs: INTERVAL_MS };
  return Array.from({ length: vantages }, (_, vantage) =>
    ENDPOINTS.map((_, endpoint): Slot => {
      const phase = phaseMs({ ...place, vantageIndex: vantage, endpointIndex: endpoint });
      return { atMs: (phase - beganMs + INTERVAL_MS) % INTERVAL_MS, vantage, endpoint };
    }),
  )
    .flat()
    .sort((a, b) => a.atMs - b.atMs);
};

/** One target in region b, whose name stands for it. */
const clusterFor = (vantages: number): ClusterConfig => {
  const regions = Array.from({ length: vantages }, (_, i) => String.fromCharCode(97 + i));
  const cluster = clusterOf(regions, []);
  return { ...cluster, services: [serviceOf(regions, { pools: [poolOf('b', 1, 1)] })] };
};

const KEYS: readonly EndpointKey[] = ENDPOINTS.map((endpoint) => endpointKey('web/b/app', endpoint));

/** What the production quorum makes of who says gray of what. */
const counted = (cluster: ClusterConfig, says: readonly (readonly EndpointKey[])[]): { gray: boolean; near: boolean } => {
  const heard = cluster.regions.map((r, i) => heardFrom(cluster, r.name, { gray: says[i] ?? [] }));
  const pool = tally(cluster, heard, 0)[0];
  return { gray: (pool?.gray ?? 0) > 0, near: (pool?.nearGray ?? 0) > 0 };
};

// ---- the statistic alone ----

interface Setup {
  cluster: ClusterConfig;
  rule: GrayRule;
  /** As research fed it: one statistic per target and vantage. */
  merged?: boolean;
}

/** Rates of errors of both endpoints. */
type Rates = readonly [number, number];

/** Looks from 0 on; after each that changes what the quorum says, `onWord`, until it returns true or `untilMs` is reached. Out: when it ended. */
const watch = (
  { cluster, rule, merged = false }: Setup,
  rates: (atMs: number) => Rates,
  random: Random,
  untilMs: number,
  onWord: (word: { gray: boolean; near: boolean }, atMs: number) => boolean,
): number => {
  const slots = slotsOf(cluster.regions.length, random);
  const grays: Gray[][] = cluster.regions.map(() => [NOT_GRAY, NOT_GRAY]);
  for (let roundMs = 0; roundMs < untilMs; roundMs += INTERVAL_MS)
    for (const { atMs, vantage, endpoint } of slots) {
      const nowMs = roundMs + atMs;
      const held = grays[vantage] ?? [];
      const at = merged ? 0 : endpoint;
      const before = held[at] ?? NOT_GRAY;
      const next = afterScheduledLook(before, random.unit() < (rates(nowMs)[endpoint] ?? 0) ? 'fault' : 'ok', rule);
      held[at] = next;
      if (next.gray === before.gray) continue;
      const says = grays.map((list) => KEYS.filter((_, i) => list[i]?.gray === true));
      if (onWord(counted(cluster, says), nowMs)) return nowMs;
    }
  return untilMs;
};

const noticeMs = (setup: Setup, rates: Rates, random: Random): number =>
  watch(
    setup,
    () => rates,
    random,
    PATIENCE_MS,
    (w) => w.gray,
  );

const times = (n: number, trial: () => number): readonly number[] => Array.from({ length: n }, trial);
const p50S = (ms: readonly number[]): number => quantile(ms, 0.5) / 1000;
const p99S = (ms: readonly number[]): number => quantile(ms, 0.99) / 1000;

// ---- the whole vantage: bursts, spells of being down, warm-up ----

const OK: Outcome = { saw: 'ok', tookMs: 0 };
const FAULT: Outcome = { saw: 'fault', reason: 'status', tookMs: 0, detail: '503' };

/** The vantage machine of one region, whose looks fail with `rate` from `fromMs` on. Peers' hints are left out: all they cause is more looks that do not count. */
const machineOf = (cluster: ClusterConfig, region: string, random: Random, rate: (atMs: number) => number) => {
  let own: Own = newOwn('boot', 'a', rulesOf(cluster, watchedBy(cluster, region)), 0);
  let wakeAtMs = 0;
  const feed = (input: VantageInput, nowMs: number): void => {
    const step = observe(own, input, nowMs);
    own = step.own;
    wakeAtMs = step.wakeAtMs;
    for (const key of step.probes) look(key, nowMs, false);
  };
  const look = (key: EndpointKey, nowMs: number, scheduled: boolean): void => {
    const outcome = random.unit() < rate(nowMs) ? FAULT : OK;
    feed({ kind: 'look', observation: { key, startedAtMs: nowMs, outcome }, late: false, scheduled }, nowMs);
  };
  return {
    look(key: EndpointKey, nowMs: number): void {
      while (wakeAtMs <= nowMs) feed({ kind: 'tick' }, Math.max(wakeAtMs, 0));
      look(key, nowMs, true);
    },
    gray: (): readonly EndpointKey[] => own.vote.gray ?? [],
  };
};

/** Well for so long first: everybody speaks. */
const WARM_MS = 10 * INTERVAL_MS;

const wholeMs = (cluster: ClusterConfig, rate: number, random: Random): number => {
  const slots = slotsOf(cluster.regions.length, random);
  const machines = cluster.regions.map((r) => machineOf(cluster, r.name, random, (atMs) => (atMs < WARM_MS ? 0 : rate)));
  for (let roundMs = 0; roundMs < PATIENCE_MS; roundMs += INTERVAL_MS)
    for (const { atMs, vantage, endpoint } of slots) {
      const nowMs = roundMs + atMs;
      const machine = machines[vantage];
      const before = machine?.gray();
      machine?.look(KEYS[endpoint] ?? '', nowMs);
      if (machine?.gray() === before) continue;
      const says = machines.map((m) => m.gray());
      if (counted(cluster, says).gray) return nowMs - WARM_MS;
    }
  return PATIENCE_MS;
};

// ---- three faults in a row ----

const STRIKES = 3;

/** Until a quorum of vantages has `STRIKES` faults in a row of one endpoint at once, each by its own scheduled looks. */
const strikesMs = (vantages: number, rates: Rates, random: Random): number => {
  const slots = slotsOf(vantages, random);
  const rows = Array.from({ length: vantages }, () => [0, 0]);
  for (let roundMs = 0; roundMs < PATIENCE_MS; roundMs += INTERVAL_MS)
    for (const { atMs, vantage, endpoint } of slots) {
      const row = rows[vantage] ?? [];
      row[endpoint] = random.unit() < (rates[endpoint] ?? 0) ? (row[endpoint] ?? 0) + 1 : 0;
      if ((row[endpoint] ?? 0) < STRIKES) continue;
      if (rows.filter((r) => r.some((n) => n >= STRIKES)).length >= quorumOf(vantages)) return roundMs + atMs;
    }
  return PATIENCE_MS;
};

/** Beyond the patience of a trial all that is known is that it took longer. */
const orMore = (seconds: number): number | string => (seconds * 1000 >= PATIENCE_MS ? `>${PATIENCE_MS / 1000}` : seconds);

// ---- false alarms ----

interface Lull {
  /** Chance per look of an endpoint that the alarm begins with it. */
  alarmsPerLook: number;
  /** Looks from an alarm to its end. */
  lastsLooks: number;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * At a steady rate of errors, by renewal: the statistic starts anew whenever it is back at 0. The chance that an excursion from 0 ends in an alarm is far too
 * small to be met by chance, so excursions are drawn at the rejectable rate and weighed by how much rarer each is at `rate` (importance sampling).
 */
const lullOf = (rule: GrayRule, rate: number, drawRate: number, n: number, random: Random): Lull => {
  const first = afterScheduledLook(NOT_GRAY, 'fault', rule);
  const excursion = (p: number): { weight: number; looks: number; g: Gray } => {
    let [g, weight, looks] = [first, 1, 0];
    for (; g.evidence > 0 && !g.gray; looks++) {
      const isFault = random.unit() < p;
      weight *= isFault ? rate / p : (1 - rate) / (1 - p);
      g = afterScheduledLook(g, isFault ? 'fault' : 'ok', rule);
    }
    return { weight, looks, g };
  };
  const spell = (): number => {
    let g: Gray = { evidence: rule.alarmAt, gray: true };
    let looks = 0;
    for (; g.gray; looks++) g = afterScheduledLook(g, random.unit() < rate ? 'fault' : 'ok', rule);
    return looks;
  };
  const alarm = mean(Array.from({ length: n }, () => excursion(drawRate)).map(({ weight, g }) => (g.gray ? weight : 0)));
  const looks = mean(Array.from({ length: n }, () => excursion(rate).looks));
  return { alarmsPerLook: (rate * alarm) / (1 + rate * looks), lastsLooks: mean(Array.from({ length: n / 20 }, spell)) };
};

const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);

/** Per year, of `vantages` that err independently: the last of a quorum calls it gray while the others do. */
const falsePerYear = ({ alarmsPerLook, lastsLooks }: Lull, vantages: number, merged = false): number => {
  const q = quorumOf(vantages);
  const [endpoints, everyMs] = merged ? [1, INTERVAL_MS / 2] : [2, INTERVAL_MS];
  const alarmsPerMs = (endpoints * alarmsPerLook) / everyMs;
  return choose(vantages, q) * q * alarmsPerMs ** q * (lastsLooks * everyMs) ** (q - 1) * YEAR_MS;
};

const small = (value: number): string => value.toExponential(1);

// ---- the tables ----

const ruleFor = (more: Partial<typeof GRAY> = {}): GrayRule => {
  const rule = grayRuleOf(policyOf({ gray: { ...GRAY, ...more } }));
  if (rule === null) throw new Error('the default is not off');
  return rule;
};

const noticing = (trials: number, random: Random): readonly object[] =>
  ELECTORATES.flatMap((vantages) => {
    const cluster = clusterFor(vantages);
    const setup = { cluster, rule: ruleFor() };
    return RATES.map((rate) => {
      const both = times(trials, () => noticeMs(setup, [rate, rate], random));
      const whole = times(trials / 4, () => wholeMs(cluster, rate, random));
      const strikes = times(rate < 0.2 ? 40 : trials / 4, () => strikesMs(vantages, [rate, rate], random));
      return {
        noticed: `N=${vantages}, ${rate * 100} % of looks fail`,
        p50S: p50S(both),
        p99S: p99S(both),
        wholeVantageP50S: p50S(whole),
        wholeVantageP99S: p99S(whole),
        oneEndpointP50S: p50S(times(trials / 4, () => noticeMs(setup, [0, rate], random))),
        threeInARowP50S: orMore(p50S(strikes)),
        ...(vantages === 3
          ? {
              asResearchP50S: p50S(times(trials, () => noticeMs({ ...setup, merged: true }, [rate, rate], random))),
              researchP50S: RESEARCH_P50_S[rate] ?? '',
            }
          : {}),
      };
    });
  });

/** Alarms of a quorum that begin within `years`, counted. */
const alarmsIn = (setup: Setup, rate: number, years: number, random: Random): number => {
  let [n, was] = [0, false];
  watch(
    setup,
    () => [rate, rate],
    random,
    years * YEAR_MS,
    ({ gray }) => {
      if (gray && !was) n++;
      was = gray;
      return false;
    },
  );
  return n / years;
};

const quiet = (n: number, years: number, random: Random): readonly object[] => {
  const rule = ruleFor();
  return [0.001, 0.01, 0.02, 0.03, 0.04].map((rate) => {
    const lull = lullOf(rule, rate, GRAY.rejectable / 1000, n, random);
    const isCountable = rate >= 0.03;
    return {
      falseAlarms: `${rate * 100} % of looks fail`,
      vantagePerYear: small((2 * lull.alarmsPerLook * YEAR_MS) / INTERVAL_MS),
      perTargetYearN3: small(falsePerYear(lull, 3)),
      perTargetYearN5: small(falsePerYear(lull, 5)),
      countedN3: isCountable ? small(alarmsIn({ cluster: clusterFor(3), rule }, rate, years, random)) : '',
      asResearchN3: small(falsePerYear(lull, 3, true)),
      ...(rate === 0.01 ? { researchN3: small(8e-3 / 10) } : {}),
    };
  });
};

/** What is told of a target whose errors stay: pages per day, with the production rule that ends it two votes later than it begins. */
const pagesPerDay = (setup: Setup, rate: number, days: number, random: Random): number => {
  let [pages, told] = [0, false];
  watch(
    setup,
    () => [rate, rate],
    random,
    days * DAY_MS,
    ({ gray, near }) => {
      if (gray && !told) pages++;
      told = told ? near : gray;
      return false;
    },
  );
  return pages / days;
};

/** From the end of the errors to the end of the word, after ten minutes of them. */
const overS = (setup: Setup, random: Random, trials: number): readonly number[] =>
  times(trials, () => {
    const endMs = 600_000;
    let told = false;
    const atMs = watch(
      setup,
      (at): Rates => (at < endMs ? [0.3, 0.3] : [0.001, 0.001]),
      random,
      PATIENCE_MS,
      ({ gray, near }, at) => {
        told = told ? near : gray;
        return at >= endMs && !told;
      },
    );
    return atMs - endMs;
  });

const CANDIDATES: readonly Partial<typeof GRAY>[] = [
  { rejectable: 300, threshold: 8 },
  { rejectable: 300, threshold: 10 },
  { rejectable: 300, threshold: 12 },
  { rejectable: 300, threshold: 15 },
  { rejectable: 100, threshold: 12 },
  { rejectable: 200, threshold: 10 },
  { rejectable: 200, threshold: 12 },
  { rejectable: 500, threshold: 12 },
];

const tuning = (trials: number, n: number, days: number, random: Random): readonly object[] =>
  CANDIDATES.map((candidate) => {
    const rule = ruleFor(candidate);
    const setup = { cluster: clusterFor(3), rule };
    const rejectable = candidate.rejectable ?? GRAY.rejectable;
    const isDefault = rejectable === GRAY.rejectable && candidate.threshold === GRAY.threshold;
    const seconds = Object.fromEntries(
      RATES.map((rate) => [`at${rate * 100}P50S`, p50S(times(trials, () => noticeMs(setup, [rate, rate], random)))]),
    );
    return {
      tuned: `rejectable ${rejectable / 10} %, threshold ${candidate.threshold}${isDefault ? ' (default)' : ''}`,
      ...seconds,
      falsePerYearAt1: small(falsePerYear(lullOf(rule, 0.01, rejectable / 1000, n, random), 3)),
      pagesPerDayAt3: pagesPerDay(setup, 0.03, days, random),
      pagesPerDayAt5: pagesPerDay(setup, 0.05, days, random),
      pagesPerDayAt10: pagesPerDay(setup, 0.1, days, random),
      overP50S: p50S(overS(setup, random, trials / 4)),
    };
  });

export const benchGray = async ({ quick, trials: asked }: BenchOptions): Promise<Bench> => {
  const random = seededRandom('gray');
  const trials = asked ?? (quick ? 200 : 1000);
  const n = quick ? 4000 : 40_000;
  const rows = noticing(trials, random) as readonly { noticed: string; wholeVantageP50S: number }[];
  const lulls = quiet(n, quick ? 0.5 : 2, random);
  const at30 = rows.find(({ noticed }) => noticed === 'N=3, 30 % of looks fail');
  const falseRate = falsePerYear(lullOf(ruleFor(), 0.01, GRAY.rejectable / 1000, n, random), 3);
  return {
    goals: { wholeVantageP50SAt30: GOAL_P50_S, falsePerTargetYearAt1: GOAL_FALSE_PER_YEAR },
    met: at30 !== undefined && at30.wholeVantageP50S <= GOAL_P50_S && falseRate <= GOAL_FALSE_PER_YEAR,
    rows,
    tables: [lulls, tuning(trials / 2, n, quick ? 5 : 30, random)],
  };
};
