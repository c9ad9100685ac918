// The longest time that detection and convergence may take, worked out from the configuration, and whether the goals can be met. Pure.
// The case: a pool's region dies without a word at the worst moment, and its own vantage and the coordinator die with it. Probes are dropped, not
// refused, so every one of them runs into its timeout. The store survives. Hints between vantages are left out: they only make it faster.
// Not in it, since they are wanted delays: pacing of a second region, waiting for a receiver, an override.
import { electorateOf, VOTERS_MIN } from '../health/electorate.ts';
import { confirmEveryMs, faultsFor, quorumOf } from '../health/timing.ts';
import { type ClusterConfig, type Policy, type PoolConfig, pathsOf, type ServiceConfig, type TargetConfig } from '../model.ts';
import type { Finding } from './problem.ts';
import type { StoreConfig } from './schema.ts';
import { list, plural, say, spell } from './words.ts';

/** A probe that starts later than this counts as nothing, so a look that counts is at most this late. */
const LATE_MS = 250;

/** From a provider's acknowledgement until it answers so everywhere, at worst; `ttl`: whether resolvers keep the old answer after that. */
export interface Arrival {
  visibleMs: number;
  what: string;
  ttl: boolean;
}

/** How long what surrounds the cluster takes at worst. */
export interface Pace {
  /** One write or linearizable read of the store. */
  storeMs: number;
  /** Where that number comes from, in the printed sums. */
  of: string;
  /** By the names that services use. A provider that is not here takes as long as a zone with secondaries. */
  arrivals?: Readonly<Record<string, Arrival>>;
}

/** Over 250 ms round trips with 1 % loss, 99th percentile. */
export const USUAL_PACE: Pace = { storeMs: 1000, of: '' };

/** A call of etcd ends at its deadline, and what did not come through by then is done again. */
export const paceOf = (store: StoreConfig): Pace =>
  store.kind === 'etcd' ? { storeMs: store.timeoutMs, of: ' (store.timeout)' } : USUAL_PACE;

/** The coordinator and those who watch it read at least this often. */
const LOOP_MS = 500;
/** Random wait of a campaign, so that candidates do not collide. */
const CAMPAIGN_MS = 300;
/** Deadline of one write at a provider; a second attempt follows a conflict or a lost reply. */
const WRITE_MS = 3000;
/** Until every authoritative server of the zone answers what the first one was told. */
const SECONDARIES: Arrival = { visibleMs: 5000, what: "spread to the zone's other servers", ttl: true };

export interface Step {
  ms: number;
  what: string;
}

export interface Sum {
  totalMs: number;
  steps: readonly Step[];
}

/** Worst cases of one service. `detection` is null when nothing can be decided automatically; `never` says why a death goes unanswered. */
export interface WorstCase {
  service: string;
  detection: Sum | null;
  never: string | null;
  /** By the service's first path, which its goal is held against: the one its owner counts on. */
  convergence: Sum;
  /** By each path, should it be the only one that works; absent where there is one. */
  paths?: readonly { provider: string; sum: Sum }[];
}

const sum = (steps: readonly Step[]): Sum => ({ totalMs: steps.reduce((total, { ms }) => total + ms, 0), steps });

/** From the suspicion to the start of the probe that completes the opinion, in ms. The burst starts with the suspicion and looks at every endpoint. */
const confirmationMs = (policy: Policy, faults: number, endpoints: number): number => {
  const everyMs = confirmEveryMs(policy);
  // With one endpoint the suspicious probe is itself the first fault; with two it may have been the other endpoint's.
  if (endpoints > 1) return everyMs * Math.max(faults - 1, Math.ceil(policy.faultSpanMs / everyMs));
  return everyMs * Math.max(faults - 2, Math.ceil((policy.faultSpanMs - policy.suspectAfterMs) / everyMs), 0);
};

/** Until the votes of a quorum are in the store. Every surviving vantage has looked within one gap, whatever the stagger. */
const votesIn = (policy: Policy, target: TargetConfig, needs: number, { storeMs, of }: Pace): Sum => {
  const endpoints = target.healthz && target.readyz ? 2 : 1;
  const faults = faultsFor(policy, needs);
  return sum([
    {
      ms: policy.intervalMs / endpoints,
      what: `until the next look (interval ${say(policy.intervalMs)}, ${plural(endpoints, 'endpoint')})`,
    },
    { ms: LATE_MS, what: 'late start of a probe' },
    { ms: policy.suspectAfterMs, what: 'pending before suspicion' },
    {
      ms: confirmationMs(policy, faults, endpoints),
      what: `confirmation (${plural(faults, 'fault')}, one per ${say(confirmEveryMs(policy))}, over at least ${say(policy.faultSpanMs)})`,
    },
    { ms: policy.timeoutMs, what: 'timeout of the last probe' },
    { ms: storeMs, what: `write of the vote${of}` },
  ]);
};

/** Until another region coordinates. */
const takeoverIn = (policy: Policy, { storeMs, of }: Pace): Sum =>
  sum([
    { ms: LOOP_MS + storeMs, what: `sight of the last renewal${of === '' ? '' : ` (${say(LOOP_MS)} and store.timeout)`}` },
    { ms: policy.leaseMs, what: 'lease' },
    { ms: CAMPAIGN_MS, what: 'random wait of a candidate' },
    { ms: storeMs, what: `campaign${of}` },
  ]);

const commitIn = ({ storeMs, of }: Pace): readonly Step[] => [
  { ms: LOOP_MS, what: 'read of the votes' },
  { ms: storeMs, what: `commit of the decision${of}` },
];

const longest = (sums: readonly Sum[]): Sum | null =>
  sums.reduce<Sum | null>((worst, each) => (worst === null || each.totalMs > worst.totalMs ? each : worst), null);

/** Targets of a pool that a quorum can judge, with the votes they need. */
const judgedOf = (cluster: ClusterConfig, service: ServiceConfig, pool: PoolConfig): readonly { target: TargetConfig; needs: number }[] =>
  pool.targets.flatMap((target) => {
    const voters = electorateOf(cluster, service.name, pool.name, target.name).length;
    return voters < VOTERS_MIN ? [] : [{ target, needs: quorumOf(voters) }];
  });

const detectionOf = (cluster: ClusterConfig, service: ServiceConfig, pace: Pace): Sum | null => {
  const { policy } = cluster;
  const judged = service.pools.flatMap((pool) => judgedOf(cluster, service, pool));
  const votes = longest(judged.map(({ target, needs }) => votesIn(policy, target, needs, pace)));
  if (votes === null) return null;
  const ready = longest([votes, takeoverIn(policy, pace)]) ?? votes;
  return sum([...ready.steps, ...commitIn(pace)]);
};

/** A region that has a pool and the only coordinator cannot be answered for. */
const neverOf = (cluster: ClusterConfig, service: ServiceConfig): string | null => {
  const coordinators = cluster.regions.filter(({ coordinator }) => coordinator).map(({ name }) => name);
  const [only] = coordinators;
  if (coordinators.length !== 1 || !service.pools.some(({ region }) => region === only)) return null;
  return `${only} holds a pool and the only coordinator: when it dies nobody decides`;
};

const convergenceOf = (cluster: ClusterConfig, service: ServiceConfig, provider: string, { storeMs, of, arrivals = {} }: Pace): Sum => {
  const { visibleMs, what, ttl } = (Object.hasOwn(arrivals, provider) ? arrivals[provider] : undefined) ?? SECONDARIES;
  return sum([
    { ms: storeMs, what: `guard before the write${of}` },
    { ms: 2 * WRITE_MS, what: `provider (two attempts of ${say(WRITE_MS)})` },
    { ms: visibleMs, what },
    ...(ttl ? [{ ms: service.ttlS * 1000, what: TTL }] : []),
    { ms: cluster.policy.intervalMs, what: 'next look of the vantages' },
  ]);
};

const TTL = 'TTL in the resolvers';

export const worstCaseOf = (cluster: ClusterConfig, service: ServiceConfig, pace = USUAL_PACE): WorstCase => {
  const paths = pathsOf(service).map((provider) => ({ provider, sum: convergenceOf(cluster, service, provider, pace) }));
  return {
    service: service.name,
    detection: detectionOf(cluster, service, pace),
    never: neverOf(cluster, service),
    convergence: convergenceOf(cluster, service, service.provider, pace),
    ...(paths.length === 1 ? {} : { paths }),
  };
};

/** Worst cases with the same numbers as one, so that fifty services do not print fifty sums. In configured order. */
export const worstCaseGroups = (
  cluster: ClusterConfig,
  pace = USUAL_PACE,
): readonly { worst: WorstCase; services: readonly string[] }[] => {
  const worst = cluster.services.map((service) => worstCaseOf(cluster, service, pace));
  const groups = Map.groupBy(worst, ({ service: _, ...numbers }) => JSON.stringify(numbers));
  return [...groups.values()].flatMap((same) =>
    same[0] === undefined ? [] : [{ worst: same[0], services: same.map(({ service }) => service) }],
  );
};

const inWords = ({ steps }: Sum): string => `(${steps.map(({ ms, what }) => `${say(ms)} ${what}`).join(' + ')})`;

/** What to lower, and to what, so that the sum fits: the largest sensible step first. */
const detectionCure = (cluster: ClusterConfig, { totalMs, steps }: Sum): string => {
  const { policy, goals } = cluster;
  const raise = `raise goals.detection to ${spell(Math.ceil(totalMs / 1000) * 1000)}`;
  const overMs = totalMs - goals.detectionMs;
  if (steps.some(({ what }) => what === 'lease')) {
    const leaseMs = Math.floor((policy.leaseMs - overMs) / 100) * 100;
    return leaseMs >= 3 * policy.renewMs
      ? `lower policy.lease to ${spell(leaseMs)} or ${raise}`
      : `lower policy.renew and policy.lease, or ${raise}`;
  }
  const gapMs = steps[0]?.ms ?? 0;
  const intervalMs = Math.floor(((gapMs - overMs) * (policy.intervalMs / gapMs)) / 100) * 100;
  if (intervalMs >= policy.timeoutMs) return `lower policy.interval to ${spell(intervalMs)} or ${raise}`;
  return `lower policy.timeout, policy.faults or policy.faultSpan, or ${raise}`;
};

const convergenceCure = ({ policy, goals }: ClusterConfig, { totalMs, steps }: Sum): string => {
  const raise = `raise goals.convergence to ${spell(Math.ceil(totalMs / 1000) * 1000)}`;
  const overMs = totalMs - goals.convergenceMs;
  const ttlMs = Math.floor(((steps.find(({ what }) => what === TTL)?.ms ?? 0) - overMs) / 1000) * 1000;
  if (ttlMs >= 1000) return `lower ttl to ${spell(ttlMs)} or ${raise}`;
  return policy.intervalMs - overMs >= policy.timeoutMs
    ? `lower policy.interval to ${spell(policy.intervalMs - overMs)} or ${raise}`
    : raise;
};

/** Goals that cannot be met, with the numbers and what to change. */
export const goalFindings = (cluster: ClusterConfig, pace = USUAL_PACE): Finding[] => {
  const { goals } = cluster;
  return worstCaseGroups(cluster, pace).flatMap(({ worst, services }): Finding[] => {
    const findings: Finding[] = [];
    const at = cluster.services.findIndex(({ name }) => name === worst.service);
    const auto = cluster.services.some(({ name, mode }) => mode === 'auto' && services.includes(name));
    const who = list(services, 3);
    if (worst.never !== null && worst.detection !== null && auto) {
      const message = `found no bound for the detection of ${who} (${worst.never}), expected ${say(goals.detectionMs)} at worst; let a second region coordinate`;
      findings.push({ path: ['cluster', 'regions'], at: 'value', message });
    }
    if (worst.detection !== null && worst.detection.totalMs > goals.detectionMs) {
      const cure = detectionCure(cluster, worst.detection);
      const message = `found ${say(worst.detection.totalMs)} until a dead region of ${who} is detected ${inWords(worst.detection)}, expected ${say(goals.detectionMs)} at worst; ${cure}`;
      findings.push({ path: ['cluster', 'goals', 'detection'], at: 'value', message });
    }
    if (worst.convergence.totalMs > goals.convergenceMs) {
      const { totalMs } = worst.convergence;
      const cure = convergenceCure(cluster, worst.convergence);
      const by = worst.paths === undefined ? '' : ` by ${worst.paths[0]?.provider}`;
      const message = `found ${say(totalMs)} until users of ${who} have left${by} ${inWords(worst.convergence)}, expected ${say(goals.convergenceMs)} at worst; ${cure}`;
      findings.push({ path: ['cluster', 'services', at, 'ttl'], at: 'value', message });
    }
    return findings;
  });
};
