// The centre of the program: from one read of the store to the next decision. Pure and total. Everything it remembers is in the routing record, so
// a takeover forgets nothing; holds, freezes and latches are decisions whose route is unchanged. The shell turns `uses` into guards and commits.

import { VOTERS_MIN } from '../health/electorate.ts';
import { type Heard, isFresh, leastElectorate, tally, votesBehind } from '../health/quorum.ts';
import type { Audit, ClusterConfig, Incident, Mode, Overrides, Page, PoolTally, Routing, ServiceRouting } from '../model.ts';
import { type Bench, carries, isKnown, newBench, routeOf, setMemory, started, withOverrides, withReserve, withTime } from './bench.ts';
import { withDrains } from './drains.ts';
import { counterfactual, grouped, sentenceOf, shift } from './explain.ts';
import { hasOverdueNews, page, tell } from './incident.ts';
import { activeOverrides, drainOn, expiredOverrides } from './override.ts';
import { newMemory, patch } from './pool.ts';
import { happeningsOf, type ServiceStory } from './story.ts';

/** One linearizable read, as data. */
export interface Snapshot {
  cluster: ClusterConfig;
  routing: Routing | null;
  overrides: Overrides | null;
  heard: readonly Heard[];
  /** Open incidents. */
  incidents: readonly Incident[];
  epoch: number;
  /** `region/replica` of the coordinator. */
  by: string;
  /** Fresh randomness: identifies what this decision writes. */
  nonce: string;
}

export interface Decision {
  /** Absent: nothing to decide. */
  next?: {
    routing: Routing;
    /** Present when overrides expired: the document without them. */
    overrides?: Overrides;
    incidents: readonly Incident[];
    pages: readonly Page[];
    audit: Audit;
  };
  /** Keys of the votes this rests on; leader, routing, override and members are always guarded. */
  uses: readonly string[];
  tallies: readonly PoolTally[];
}

/** In: one snapshot, cluster time in ms. Out: the next decision, or none. Deterministic; throws only on broken invariants. */
export const decide = (snapshot: Snapshot, nowMs: number): Decision => {
  const { cluster, routing } = snapshot;
  const tallies = tally(cluster, snapshot.heard, nowMs);
  const before = routing ?? blank(cluster, nowMs);
  const active = activeOverrides(snapshot.overrides, nowMs);
  const benches = seatAll(snapshot, before, tallies, nowMs);
  const known = benches
    .filter((b) => isKnown(b, nowMs))
    .map((b) => withTold(withTime(withOverrides(started(b, nowMs), active, nowMs), active, nowMs), nowMs));
  const drained = withDrains(known, active, before, nowMs);
  const v = before.v + 1;
  const settled = new Map(drained.benches.map((b) => [b.service.name, carried(b, nowMs)]));
  const stories = benches.map((b) => storyOf(b, settled.get(b.service.name), active, nowMs));
  const expired = expiredOverrides(snapshot.overrides, nowMs);
  const changed =
    routing === null ||
    routing.membersVersion !== cluster.version ||
    expired.length > 0 ||
    stories.some((s) => s.moved || s.changed) ||
    Object.keys(before.services).some((name) => !benches.some((b) => b.service.name === name)) ||
    hasOverdueNews({ tallies, incidents: snapshot.incidents, open: before.open, stories });
  if (!changed) return { uses: [], tallies };
  return {
    next: compose({ snapshot, before, stories, tallies, expired, regionDrainsAtMs: drained.regionDrainsAtMs, v, nowMs }),
    uses: usesOf(snapshot, stories, tallies),
    tallies,
  };
};

const blank = (cluster: ClusterConfig, nowMs: number): Routing => ({
  v: 0,
  epoch: 0,
  nonce: '',
  atMs: nowMs,
  membersVersion: cluster.version,
  because: '',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: {},
});

/** With fewer than three voters the death of one region takes the majority along: such a service advises at most. */
const effectiveMode = (cluster: ClusterConfig, service: string, mode: Mode): Mode =>
  mode === 'auto' && leastElectorate(cluster, service) < VOTERS_MIN ? 'advise' : mode;

const seatAll = (snapshot: Snapshot, before: Routing, tallies: readonly PoolTally[], nowMs: number): readonly Bench[] => {
  const byService = Map.groupBy(tallies, (t) => t.service);
  return snapshot.cluster.services.map((service) =>
    newBench(
      service,
      snapshot.cluster.policy,
      effectiveMode(snapshot.cluster, service.name, service.mode),
      before.services[service.name] ?? null,
      byService.get(service.name) ?? [],
      nowMs,
    ),
  );
};

/** Causes that are told once: /healthz failing alone, and unready for too long. */
const withTold = (bench: Bench, nowMs: number): Bench => {
  let next = bench;
  for (const { config, memory, tally: t } of bench.seats) {
    const told = memory.told.filter((tag) => tag !== 'suspect' && tag !== 'unready-long');
    // During a real outage /readyz is only a moment behind: doubt about it is no proof that /healthz fails alone.
    const alone = t.targets.some((x) => x.verdict === 'suspect' && x.endpoints.readyz?.down === 0 && !x.endpoints.readyz.suspectAtQuorum);
    if (t.cause === 'suspect' && (alone || memory.told.includes('suspect'))) told.push('suspect');
    const unreadyMs = memory.outAtMs === null ? 0 : nowMs - memory.outAtMs;
    if (memory.state === 'out' && t.cause === 'unready' && unreadyMs >= bench.policy.unreadyPageMs) told.push('unready-long');
    if (told.join() !== memory.told.join()) next = setMemory(next, config.name, patch(memory, { told }));
  }
  return next;
};

/** Never empty: if nobody carries anything, the reserve comes back; without one, everything configured does. */
const carried = (bench: Bench, nowMs: number): Bench => {
  if (carries(bench)) return bench;
  const reserved = withReserve(bench, nowMs);
  if (carries(reserved)) return reserved;
  return {
    ...bench,
    seats: bench.seats.map((s) => ({ ...s, memory: { ...newMemory('in', nowMs), told: s.memory.told, drainsAtMs: s.memory.drainsAtMs } })),
  };
};

const storyOf = (bench: Bench, settled: Bench | undefined, active: ReturnType<typeof activeOverrides>, nowMs: number): ServiceStory => {
  const prior = bench.before;
  const final = settled ?? bench;
  const failOpen = settled !== undefined && bench.service.allDown === 'configured' && settled.seats.every((s) => s.tally.verdict === 'out');
  const after = settled === undefined || failOpen ? configuredRoute(bench, nowMs) : routeOf(settled);
  const before = prior?.route ?? {};
  const pools = bench.service.pools.map((p) => p.name);
  const isStart = settled !== undefined && (prior === null || prior.fence === 0);
  const memories = Object.fromEntries(final.seats.map((s) => [s.config.name, s.memory]));
  return {
    service: bench.service,
    mode: bench.mode,
    before,
    after,
    moved:
      isStart ||
      (prior !== null &&
        prior.fence > 0 &&
        (pools.some((p) => (before[p] ?? 0) !== (after[p] ?? 0)) || Object.keys(before).some((p) => !pools.includes(p)))),
    started: isStart,
    changed:
      prior === null ||
      prior.mode !== bench.mode ||
      Object.keys(prior.pools).length !== final.seats.length ||
      final.seats.some((s) => prior.pools[s.config.name] !== s.memory),
    memories,
    outAtMs: Object.fromEntries(final.seats.map((s) => [s.config.name, s.memory.outAtMs])),
    happenings: isStart
      ? []
      : final.seats.flatMap((s) => happeningsOf(final, prior?.pools[s.config.name], s, drainOn(active, bench.service, s.config), nowMs)),
  };
};

const configuredRoute = (bench: Bench, nowMs: number): ServiceRouting['route'] =>
  routeOf({ ...bench, seats: bench.seats.map((s) => ({ ...s, memory: newMemory('in', nowMs) })) });

interface Composing {
  snapshot: Snapshot;
  before: Routing;
  stories: readonly ServiceStory[];
  tallies: readonly PoolTally[];
  expired: ReturnType<typeof expiredOverrides>;
  regionDrainsAtMs: Routing['regionDrainsAtMs'];
  v: number;
  nowMs: number;
}

const compose = (c: Composing): NonNullable<Decision['next']> => {
  const { snapshot, before, stories, v, nowMs } = c;
  const { cluster, nonce, epoch } = snapshot;
  const witnesses = [...new Set(snapshot.heard.filter((h) => isFresh(h, cluster)).map((h) => h.region))].sort();
  const told = tell({
    cluster,
    stories,
    tallies: c.tallies,
    incidents: snapshot.incidents,
    open: before.open,
    witnesses,
    v,
    epoch,
    nonce,
    nowMs,
  });
  const because = becauseOf(c);
  const services = Object.fromEntries(
    stories.map((s) => [s.service.name, serviceRouting(s, before.services[s.service.name], because, v, nowMs)]),
  );
  const pages = [
    ...told.pages,
    ...c.expired.map((o) =>
      page(
        { cluster, v, nonce, nowMs },
        'override.expired',
        'info',
        `override ${o.id} (${o.kind}) of ${o.owner} expired: ${o.reason}`,
        `override-${o.id}`,
        { override: o },
      ),
    ),
  ];
  const overrides = c.expired.length === 0 ? null : withoutExpired(snapshot.overrides, c.expired, nonce);
  return {
    routing: {
      v,
      epoch,
      nonce,
      atMs: nowMs,
      membersVersion: cluster.version,
      because,
      regionDrainsAtMs: c.regionDrainsAtMs,
      auditHash: '',
      open: told.open,
      services,
    },
    ...(overrides === null ? {} : { overrides }),
    incidents: told.incidents,
    pages,
    audit: auditOf(c, because),
  };
};

const withoutExpired = (overrides: Overrides | null, expired: ReturnType<typeof expiredOverrides>, nonce: string): Overrides => ({
  version: (overrides?.version ?? 0) + 1,
  nonce,
  items: (overrides?.items ?? []).filter((o) => !expired.includes(o)),
});

const becauseOf = (c: Composing): string => {
  const { policy } = c.snapshot.cluster;
  const facts = grouped(c.stories.flatMap((s) => s.happenings)).map((g) => sentenceOf(g, policy.rampStepMs, policy.ramp, c.nowMs));
  const begun = c.stories.filter((s) => s.started).map((s) => s.service.name);
  const expired = c.expired.map((o) => `override ${o.id} expired`);
  const all = [...facts, ...expired];
  if (begun.length > 0) all.push(`first verdicts of ${begun.length <= 3 ? begun.join(', ') : `${begun.length} services`}: routes decided`);
  if (all.length > 0) return all.join('; ');
  if (c.before.v === 0) return `cluster ${c.snapshot.cluster.name} configured; waiting for first verdicts`;
  if (c.before.membersVersion !== c.snapshot.cluster.version) return `configuration ${c.snapshot.cluster.version} took effect`;
  return quietBecause(c);
};


/** A change of memory that moved nothing and held nothing: an outage mark, the start of a recovery hold. */
const quietBecause = (c: Composing): string => {
  for (const s of c.stories)
    for (const [pool, memory] of Object.entries(s.memories)) {
      const was = c.before.services[s.service.name]?.pools[pool];
      if (was === undefined || was === memory) continue;
      const region = s.service.pools.find((p) => p.name === pool)?.region ?? pool;
      if (was.upAtMs === null && memory.upAtMs !== null) return `${region} up again; traffic returns after the recovery hold`;
      if (was.upAtMs !== null && memory.upAtMs === null && memory.state === 'out')
        return `${region} in doubt again before its recovery hold ended`;
      if (was.outAtMs !== null && memory.outAtMs === null) return `${region} no longer held out by a quorum`;
    }
  const told = c.tallies.find((t) => t.verdict === 'out' && t.cause === 'down' && c.before.open[t.region] !== undefined);
  return told === undefined ? 'memory updated; nothing moves' : `${told.region} is down, not only unready; its traffic has left already`;
};

const serviceRouting = (s: ServiceStory, prior: ServiceRouting | undefined, because: string, v: number, nowMs: number): ServiceRouting => ({
  fence: s.moved ? v : (prior?.fence ?? 0),
  sinceAtMs: prior?.sinceAtMs ?? nowMs,
  mode: s.mode,
  route: s.after,
  because: s.moved ? because : (prior?.because ?? because),
  pools: s.memories,
});

/** Largest number of endpoints whose ballots an audit record repeats; the rest is in the votes. */
const BALLOTS_MAX = 32;

const auditOf = (c: Composing, because: string): Audit => {
  const happenings = c.stories.flatMap((s) => s.happenings);
  const ballots = happenings
    .flatMap((h) => h.tally.targets.flatMap((t) => Object.values(t.endpoints)))
    .slice(0, BALLOTS_MAX)
    .map((e) => [e.key, e.ballots]);
  return {
    v: c.v,
    epoch: c.snapshot.epoch,
    atMs: c.nowMs,
    by: c.snapshot.by,
    because,
    wouldChange: counterfactual(c.stories),
    changes: c.stories
      .filter((s) => s.moved)
      .map((s) => ({ service: s.service.name, before: s.before, after: s.after, because: shift(s) })),
    holds: happenings.flatMap((h) => (h.kind === 'held' ? [{ service: h.service, pool: h.pool, hold: h.hold, because: h.hold }] : [])),
    votes: {
      heard: c.snapshot.heard.map((h) => ({
        region: h.region,
        replica: h.replica,
        seq: h.vote.seq,
        self: h.vote.self,
        ageMs: Number.isFinite(h.ageMs) ? Math.round(h.ageMs) : null,
      })),
      ballots: Object.fromEntries(ballots),
    },
    prevHash: c.before.auditHash,
  };
};

/** Votes a decision rests on. A drain rests on DOWN votes; a return on everybody's, since none may be DOWN. */
const usesOf = (snapshot: Snapshot, stories: readonly ServiceStory[], tallies: readonly PoolTally[]): readonly string[] => {
  const moved = stories.filter((s) => s.moved && !s.started).flatMap((s) => s.happenings);
  const returning = moved.some((h) => h.kind === 'returning' || h.kind === 'stage' || h.kind === 'returned' || h.kind === 'released');
  if (returning) return snapshot.heard.filter((h) => isFresh(h, snapshot.cluster)).map((h) => h.key);
  const touched = tallies.filter((t) => moved.some((h) => h.service === t.service && h.pool === t.pool));
  return votesBehind(snapshot.cluster, snapshot.heard, touched, ['down']);
};
