// What a service in observe or advise would have done, and what stands against letting it: its would-have moves from the audit, laid beside what its
// provider really served. Everything that cannot be known stands against it, too. Pure; cluster time throughout.
import { VOTERS_MIN } from '../health/electorate.ts';
import { leastElectorate } from '../health/quorum.ts';
import { quorumOf } from '../health/timing.ts';
import type { Audit, Ballot, ClusterConfig, Incident, Observed, ObservedChange, Route, Routing, ServiceConfig } from '../model.ts';

/** A drain that is over within this much, beside the recovery hold, was none that anybody had to make; unless something else speaks for it. */
export const BRIEF_MS = 300_000;
/** What a provider does so long before or after a would-have drain is about the same outage. */
export const BEFORE_MS = 900_000;
export const AFTER_MS = 1_800_000;
/** A look at a provider that is older is no observation. */
const LOOK_OLD_MS = 1_800_000;

/** Why a would-have drain is believed or not. */
export type Belief =
  /** The provider took the pool out, too. */
  | 'provider'
  /** The pool's own region voted it down. */
  | 'own region'
  /** It lasted. */
  | 'lasting'
  /** A human's order, or a change of the configuration. */
  | 'ordered'
  | 'false'
  /** As a false one, but the provider was not observed. */
  | 'unproved';

export interface WouldDrain {
  atMs: number;
  v: number;
  pool: string;
  belief: Belief;
  /** First share again; null: not yet. */
  backAtMs: number | null;
  /** t3 - t0; null: no incident of it is left. */
  detectionMs: number | null;
  /** When the provider took it out: after the first and not later than the second; null: it did not, or nobody knows. */
  provider: { afterAtMs: number | null; atMs: number } | null;
}

export interface WouldMove {
  atMs: number;
  v: number;
  /** `web: eu-west 500 -> 0, us-east 500 -> 1000`. */
  change: string;
  because: string;
  drains: readonly WouldDrain[];
}

export interface Findings {
  service: string;
  mode: ServiceConfig['mode'];
  /** What is covered, and why not more. */
  fromAtMs: number;
  toAtMs: number;
  fromBecause: string;
  moves: readonly WouldMove[];
  /** What the provider did that Tidegate would not have done. */
  unforeseen: readonly { pool: string; afterAtMs: number | null; atMs: number }[];
  observed: { looks: boolean; because: string };
  route: Route;
  served: Route | null;
  /** What stands against it; empty: clean. */
  against: readonly string[];
}

export interface History {
  cluster: ClusterConfig;
  routing: Routing;
  /** Oldest first. */
  audits: readonly Audit[];
  /** Since when audit records are there, and why not longer. */
  auditsFrom: { atMs: number; because: string };
  incidents: readonly Incident[];
  /** By service, of the provider it has now. */
  observed: Readonly<Record<string, Observed>>;
  /** Instant of the last change of each service's mode, as far as it is known. */
  modeSinceAtMs: Readonly<Record<string, number>>;
  nowMs: number;
}

const day = (ms: number): string =>
  ms >= 86_400_000
    ? `${Math.round(ms / 8_640_000) / 10} d`
    : ms >= 3_600_000
      ? `${Math.round(ms / 360_000) / 10} h`
      : `${Math.round(ms / 60_000)} min`;

// ---- what the provider did ----

const shareOf = (change: ObservedChange | undefined, pool: string): number | null =>
  change === undefined || change.because !== undefined ? null : (change.shares?.[pool] ?? 0);

/** Falls of a pool's share; to nothing, or at all. */
const falls = (observed: Observed | undefined, pool: string, toNothing: boolean): readonly ObservedChange[] =>
  (observed?.changes ?? []).filter((change, i, all) => {
    const [before, after] = [shareOf(all[i - 1], pool), shareOf(change, pool)];
    return before !== null && after !== null && after < before && (!toNothing || after === 0);
  });

/** Was it looked at, and did it answer, throughout? */
const isWatched = (observed: Observed | undefined, fromAtMs: number, toAtMs: number): boolean => {
  if (observed === undefined || observed.sinceAtMs > fromAtMs || observed.lookedAtMs + LOOK_OLD_MS < toAtMs) return false;
  const { changes } = observed;
  const known = changes[0]?.atMs ?? Number.POSITIVE_INFINITY;
  const silent = changes.some(
    (c, i) => c.because !== undefined && c.atMs < toAtMs && (changes[i + 1]?.atMs ?? Number.POSITIVE_INFINITY) > fromAtMs,
  );
  return known <= fromAtMs && !silent;
};

// ---- what Tidegate would have done ----

const ballotsFor = ({ votes }: Audit, service: string, pool: string): readonly Readonly<Record<string, Ballot>>[] => {
  const all = votes.ballots;
  if (typeof all !== 'object' || all === null) return [];
  return Object.entries(all as Readonly<Record<string, Readonly<Record<string, Ballot>>>>)
    .filter(([key]) => key.startsWith(`${service}/${pool}/`))
    .map(([, ballots]) => ballots);
};

const isMajority = (ballots: Readonly<Record<string, Ballot>>): boolean => {
  const cast = Object.values(ballots);
  return cast.filter((ballot) => ballot === 'down').length >= quorumOf(cast.length);
};

const detectionOf = ({ incidents }: History, service: string, region: string, audit: Audit): number | null => {
  const incident = incidents.find(
    (i) =>
      i.region === region &&
      i.services.includes(service) &&
      i.t0AtMs !== null &&
      (i.v === audit.v || i.published[service]?.t3AtMs === audit.atMs),
  );
  return incident?.t0AtMs == null ? null : audit.atMs - incident.t0AtMs;
};

const backAtMs = (audits: readonly Audit[], service: string, pool: string, fromAtMs: number): number | null =>
  audits.find(
    (a) => a.atMs > fromAtMs && a.changes.some((c) => c.service === service && (c.before[pool] ?? 0) === 0 && (c.after[pool] ?? 0) > 0),
  )?.atMs ?? null;

const drainOf = (history: History, service: ServiceConfig, pool: string, audit: Audit): WouldDrain => {
  const observed = history.observed[service.name];
  const region = service.pools.find((p) => p.name === pool)?.region ?? pool;
  const ballots = ballotsFor(audit, service.name, pool);
  const back = backAtMs(history.audits, service.name, pool, audit.atMs);
  const out = falls(observed, pool, true).find((c) => c.atMs >= audit.atMs - BEFORE_MS && c.atMs <= audit.atMs + AFTER_MS);
  const untilMs = back ?? history.nowMs;
  const fell = falls(observed, pool, false).some((c) => c.atMs >= audit.atMs - BEFORE_MS && c.atMs <= untilMs);
  const belief = (): Belief => {
    if (!ballots.some(isMajority)) return 'ordered';
    if (out !== undefined || fell) return 'provider';
    if (ballots.some((b) => b[region] === 'down')) return 'own region';
    if (untilMs - audit.atMs > BRIEF_MS + history.cluster.policy.recoveryHoldMs) return 'lasting';
    return isWatched(observed, audit.atMs, untilMs) ? 'false' : 'unproved';
  };
  return {
    atMs: audit.atMs,
    v: audit.v,
    pool,
    belief: belief(),
    backAtMs: back,
    detectionMs: detectionOf(history, service.name, region, audit),
    provider: out === undefined ? null : { afterAtMs: out.afterAtMs, atMs: out.atMs },
  };
};

const movesOf = (history: History, service: ServiceConfig, fromAtMs: number): readonly WouldMove[] =>
  history.audits
    .filter((audit) => audit.atMs >= fromAtMs)
    .flatMap((audit) =>
      audit.changes
        .filter((c) => c.service === service.name)
        .flatMap(({ before, after, because }): WouldMove[] => {
          const pools = [...new Set([...Object.keys(before), ...Object.keys(after)])];
          // The first route of a service is where it starts, no move.
          if (pools.every((pool) => (before[pool] ?? 0) === (after[pool] ?? 0))) return [];
          const drained = pools.filter((pool) => (before[pool] ?? 0) > 0 && (after[pool] ?? 0) === 0);
          const drains = drained.map((pool) => drainOf(history, service, pool, audit));
          return [{ atMs: audit.atMs, v: audit.v, change: because, because: audit.because, drains }];
        }),
    );

// ---- what stands against it ----

const abstentions = (audits: readonly Audit[]): readonly string[] => {
  const counts = new Map<string, number>();
  for (const { votes } of audits) {
    const heard = Array.isArray(votes.heard) ? (votes.heard as readonly { region: string; self: { state: string } }[]) : [];
    for (const region of new Set(heard.filter((h) => h.self.state === 'abstain').map((h) => h.region)))
      counts.set(region, (counts.get(region) ?? 0) + 1);
  }
  return [...counts].map(([region, n]) => `${region} abstained in ${n} of ${audits.length} decisions: find out what its vantage doubts`);
};

const observationOf = (observed: Observed | undefined, fromAtMs: number, nowMs: number): Findings['observed'] => {
  if (observed === undefined) return { looks: false, because: 'what its provider serves was never read, so nothing could be compared' };
  if (nowMs - observed.lookedAtMs > LOOK_OLD_MS)
    return { looks: false, because: `what its provider serves was last read ${day(nowMs - observed.lookedAtMs)} ago` };
  if (!isWatched(observed, Math.max(fromAtMs, observed.sinceAtMs), nowMs))
    return {
      looks: false,
      because: 'its provider did not answer for a part of the time, or changed too often for its history to reach back',
    };
  if (observed.sinceAtMs > fromAtMs + LOOK_OLD_MS)
    return { looks: false, because: `what its provider serves is read only since ${day(nowMs - observed.sinceAtMs)}` };
  const last = observed.changes.at(-1);
  if (last?.shares === null)
    return { looks: false, because: 'its provider serves nothing of this service, so there was nothing to compare with' };
  return { looks: true, because: '' };
};

const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`;

const drainsAgainst = (drains: readonly WouldDrain[], goalMs: number): readonly string[] => {
  const count = (belief: Belief): number => drains.filter((d) => d.belief === belief).length;
  const slow = drains.filter((d) => d.detectionMs !== null && d.detectionMs > goalMs).length;
  return [
    ...(count('false') > 0 ? [`${plural(count('false'), 'false drain')}`] : []),
    ...(count('unproved') > 0
      ? [`${plural(count('unproved'), 'brief drain')} that nothing else speaks for, while the provider was not observed`]
      : []),
    ...(slow > 0 ? [`${plural(slow, 'outage')} detected later than the goal`] : []),
  ];
};

const restless = ({ routing }: History, service: ServiceConfig, served: Route | null): readonly string[] => {
  const now = routing.services[service.name];
  if (now === undefined || now.fence === 0) return ['it has not been decided yet: no first verdicts'];
  const odd = Object.entries(now.pools).filter(([, m]) => m.state !== 'in' || m.hold !== null || m.latched);
  const out = served === null ? [] : Object.entries(served).filter(([pool, share]) => share > 0 !== (now.route[pool] ?? 0) > 0);
  return [
    ...odd.map(
      ([pool, m]) =>
        `${pool} is ${m.latched ? 'latched out' : m.state === 'in' ? `held (${m.hold})` : m.state} right now: wait until it is at rest`,
    ),
    ...(out.length === 0
      ? []
      : [`what is decided differs from what is served (${out.map(([pool]) => pool).join(', ')}): auto would move it at once`]),
  ];
};

/** Everything about one service since `sinceAtMs`. */
export const findingsOf = (history: History, service: ServiceConfig, sinceAtMs: number): Findings => {
  const { cluster, routing, auditsFrom, nowMs } = history;
  const observed = history.observed[service.name];
  const modeSince = history.modeSinceAtMs[service.name] ?? routing.services[service.name]?.sinceAtMs ?? nowMs;
  const starts = [{ atMs: sinceAtMs, because: '' }, auditsFrom, { atMs: modeSince, because: `it is in ${service.mode} only since then` }];
  const from = starts.reduce((latest, each) => (each.atMs > latest.atMs ? each : latest));
  const moves = movesOf(history, service, from.atMs);
  const drains = moves.flatMap((move) => move.drains);
  const isMatched = (pool: string, atMs: number): boolean =>
    drains.some((d) => d.pool === pool && d.provider?.atMs === atMs) ||
    // Out already, as it would have been.
    drains.some((d) => d.pool === pool && d.atMs <= atMs && (d.backAtMs ?? nowMs) >= atMs);
  const unforeseen = service.pools.flatMap(({ name: pool }) =>
    falls(observed, pool, true)
      .filter(({ atMs }) => atMs >= from.atMs && !isMatched(pool, atMs))
      .map(({ atMs, afterAtMs }) => ({ pool, atMs, afterAtMs })),
  );
  const observation = observationOf(observed, from.atMs, nowMs);
  const last = observed?.changes.at(-1);
  const served = last === undefined || last.because !== undefined ? null : last.shares;
  const missingMs = from.atMs - sinceAtMs;
  const within = history.audits.filter((a) => a.atMs >= from.atMs);
  const voters = leastElectorate(cluster, service.name);
  return {
    service: service.name,
    mode: service.mode,
    fromAtMs: from.atMs,
    toAtMs: nowMs,
    fromBecause: from.because,
    moves,
    unforeseen,
    observed: observation,
    route: routing.services[service.name]?.route ?? {},
    served,
    against: [
      ...(missingMs > 0 ? [`only ${day(nowMs - from.atMs)} of ${day(nowMs - sinceAtMs)} are covered: ${from.because}`] : []),
      ...drainsAgainst(drains, cluster.goals.detectionMs),
      ...unforeseen.map(({ pool }) => `the provider took ${pool} out, which Tidegate would have left in`),
      ...(observation.looks ? [] : [observation.because]),
      ...abstentions(within),
      ...restless(history, service, served),
      ...(voters < VOTERS_MIN
        ? [`only ${plural(voters, 'voter')} for some of its targets: with fewer than ${VOTERS_MIN} nothing moves by itself`]
        : []),
    ],
  };
};
