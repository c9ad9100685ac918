// The centre of the program: from one read of the store to the next decision. Pure and total. Everything it remembers is in the routing record, so
// a takeover forgets nothing; holds, freezes and latches are decisions whose route is unchanged. The shell turns `uses` into guards and commits.

import type { World } from '../../policies/policy.ts';
import { isFresh } from '../health/chamber.ts';
import { VOTERS_MIN } from '../health/electorate.ts';
import { leastElectorate, tally, votesBehind, votesCallingGray } from '../health/quorum.ts';
import {
  type ClusterConfig,
  type Mode,
  type Override,
  type PoolConfig,
  type PoolMemory,
  type PoolTally,
  poolKey,
  type Refusal,
  type Routing,
  type ServiceConfig,
  type ServiceRouting,
} from '../model.ts';
import { newsOf } from './announce.ts';
import {
  type Bench,
  carries,
  eachSeat,
  isFailOpen,
  isKnown,
  newBench,
  relieved,
  routeOf,
  type Still,
  setMemory,
  started,
  withFailOpen,
  withReserve,
  withTime,
} from './bench.ts';
import { withDrains } from './drains.ts';
import { isStillGray } from './gray.ts';
import { hasOverdueNews } from './incident.ts';
import { type Booking, booked, ledgerOf } from './ledger.ts';
import { withOrders } from './orders.ts';
import { activeOverrides, drainOn, forceOn, freezeOn, passOf, pinsOn, stopOn } from './override.ts';
import { factorOf, GRAY, isSame, newMemory, OUT_IN_DRILL, patch, SET_ASIDE, unreadyMs } from './pool.ts';
import { compose } from './record.ts';
import { type Ask, askOf, judged, remindedOf, rulesOn, worldOf } from './safety.ts';
import { blankRouting, type Decision, type Snapshot } from './snapshot.ts';
import { type Happening, happeningsOf, type ServiceStory, serviceHappeningsOf } from './story.ts';

/** In: one snapshot, cluster time in ms. Out: the next decision, or none. Deterministic; throws only on broken invariants. */
export const decide = (snapshot: Snapshot, nowMs: number): Decision => {
  const { cluster, routing } = snapshot;
  const tallies = tally(cluster, snapshot.heard, nowMs);
  const before = routing ?? blankRouting(cluster, nowMs);
  const active = activeOverrides(snapshot.overrides, nowMs);
  const benches = seatAll(snapshot, before, tallies, active, nowMs);
  const world = worldOf(snapshot, before, tallies);
  const ask = askOf(world, nowMs);
  const known = benches
    .filter((b) => isKnown(b, nowMs))
    .map((b) => {
      const next = stepped(b, active, ask, nowMs);
      // Rules over several services see what the others just became.
      if (next.seats !== b.seats || next.pin !== b.pin) world.routes.set(b.service.name, routeOf(next));
      return next;
    });
  const drained = withDrains(known, world, nowMs);
  const held = (bench: Bench): Bench => withTier(bench, world, active, nowMs);
  const v = before.v + 1;
  const configured = new Set(cluster.services.map((service) => service.name));
  const settled = new Map(drained.benches.map((b) => [b.service.name, remembered(withTold(held(withFailOpen(b, nowMs)), active, nowMs))]));

  const stories = benches.map((b) => storyOf(b, settled.get(b.service.name), active, drained.refusals, nowMs));
  const orders = newsOf(snapshot.overrides, stories, nowMs);
  const changed =
    routing === null ||
    routing.membersVersion !== cluster.version ||
    orders.length > 0 ||
    stories.some((s) => s.moved || s.changed) ||
    Object.keys(before.services).some((name) => !configured.has(name)) ||
    hasOverdueNews({ tallies, incidents: snapshot.incidents, open: before.open, stories });
  const refusals = stories.flatMap((s) => s.refusals);
  if (!changed) return { uses: [], tallies, refusals };
  return {
    next: compose({ snapshot, before, stories, tallies, orders, regionDrainsAtMs: drained.regionDrainsAtMs, v, nowMs }),
    uses: usesOf(snapshot, stories, tallies),
    tallies,
    refusals,
  };
};

/** With fewer than three voters the death of one region takes the majority along: such a service advises at most. So does one that a human stopped. */
const effectiveMode = (cluster: ClusterConfig, service: ServiceConfig, active: readonly Override[]): Mode =>
  service.mode === 'auto' && (leastElectorate(cluster, service.name) < VOTERS_MIN || stopOn(active, service) !== undefined)
    ? 'advise'
    : service.mode;

const seatAll = (
  snapshot: Snapshot,
  before: Routing,
  tallies: readonly PoolTally[],
  active: readonly Override[],
  nowMs: number,
): readonly Bench[] => {
  const byService = Map.groupBy(tallies, (t) => t.service);
  return snapshot.cluster.services.map((service) => {
    const mode = effectiveMode(snapshot.cluster, service, active);
    const still = stillOf(snapshot, service, mode, active);
    const known = before.services[service.name] ?? null;
    return newBench(service, snapshot.cluster.policy, mode, still, known, byService.get(service.name) ?? [], nowMs);
  });
};

/** Whoever writes nothing cannot be at odds with its provider: advice goes on whatever is served. */
const stillOf = (snapshot: Snapshot, service: ServiceConfig, mode: Mode, active: readonly Override[]): Still | null => {
  if (mode === 'auto' && snapshot.frozen?.includes(service.name) === true) return 'frozen';
  return freezeOn(active, service) === undefined ? null : 'freeze';
};

/** A service through everything that concerns it alone. */
const stepped = (bench: Bench, active: readonly Override[], ask: Ask, nowMs: number): Bench => {
  const ordered = carried(withOrders(started(bench, nowMs), { active, ask, nowMs }), nowMs);
  const returned = withTime(ordered, ask, nowMs);
  const marks = bench.policy.safety.velocity === undefined ? {} : { marks: { ordered: routeOf(ordered), returned: routeOf(returned) } };
  return relieved({ ...withUnmetHolds(returned), ...marks }, ask, nowMs);
};

/** A rule that keeps an order from being obeyed is its pool's hold, unless that waits for something else. */
const withUnmetHolds = (bench: Bench): Bench =>
  eachSeat(bench, ({ memory, config }) => {
    const why = bench.unmet[config.name]?.why;
    return why === undefined || typeof why === 'string' || memory.hold !== null ? memory : patch(memory, { hold: `rule:${why.rule}` });
  });

/** Causes that are told once: /healthz failing alone, errors now and then, unready for too long (once while it is out), and out during an exercise. */
const withTold = (bench: Bench, active: readonly Override[], nowMs: number): Bench => {
  let next = bench;
  for (const seat of bench.seats) {
    const { config, memory, tally: t } = seat;
    const told = memory.told.filter((tag) => tag !== 'suspect' && tag !== GRAY && tag !== 'unready-long' && tag !== OUT_IN_DRILL);
    // During a real outage /readyz is only a moment behind: doubt about it is no proof that /healthz fails alone.
    const alone = t.targets.some((x) => x.verdict === 'suspect' && x.endpoints.readyz?.down === 0 && !x.endpoints.readyz.suspectAtQuorum);
    const wasSuspect = memory.told.includes('suspect');
    const isSuspect = t.cause === 'suspect' && (alone || wasSuspect);
    if (isSuspect) told.push('suspect');
    if (isStillGray(seat)) told.push(GRAY);
    const isLong = t.cause === 'unready' && unreadyMs(memory, t, nowMs) >= bench.policy.unreadyPageMs;
    if (memory.state === 'out' && (isLong || memory.told.includes('unready-long'))) told.push('unready-long');
    if (memory.by === 'override' && t.verdict !== 'up' && (t.verdict === 'out' || memory.told.includes(OUT_IN_DRILL)))
      if (drainOn(active, bench.service, config)?.drill === true) told.push(OUT_IN_DRILL);
    const ended = wasSuspect && !isSuspect ? { suspectAtMs: nowMs } : {};
    if (told.join() !== memory.told.join()) next = setMemory(next, config.name, patch(memory, { told, ...ended }));
  }
  return next;
};

/** Never empty: if nobody carries anything, the reserve comes back; without one, everything that no human drained; if that is nothing, everything. */
const carried = (bench: Bench, nowMs: number): Bench => {
  if (carries(bench)) return bench;
  const reserved = withReserve(bench, nowMs);
  if (carries(reserved)) return reserved;
  const free = bench.seats.some((s) => s.memory.by !== 'override');
  const back = (memory: PoolMemory): PoolMemory => ({ ...newMemory('in', nowMs), told: memory.told, drainsAtMs: memory.drainsAtMs });
  return {
    ...bench,
    seats: bench.seats.map((s) => {
      if (s.memory.by !== 'override') return { ...s, memory: back(s.memory) };
      return free ? s : { ...s, memory: { ...back(s.memory), told: [SET_ASIDE] } };
    }),
  };
};

/** The memory of before wherever nothing is different after all: what is cleared and set again in one step is no news. */
const remembered = (bench: Bench): Bench => {
  const { before } = bench;
  if (before === null) return bench;
  return bench.seats.reduce((next, { config, memory }) => {
    const known = before.pools[config.name];
    return known !== undefined && known !== memory && isSame(known, memory) ? setMemory(next, config.name, known) : next;
  }, bench);
};

const storyOf = (
  bench: Bench,
  settled: Bench | undefined,
  active: readonly Override[],
  refusals: Readonly<Record<string, Refusal>>,
  nowMs: number,
): ServiceStory => {
  const prior = bench.before;
  const final = settled ?? bench;
  const after = settled === undefined ? configuredRoute(final, nowMs) : servedRoute(settled, nowMs);
  const before = prior?.route ?? {};
  const pools = bench.service.pools.map((p) => p.name);
  const isStart = settled !== undefined && (prior === null || prior.fence === 0);
  const memories = Object.fromEntries(final.seats.map((s) => [s.config.name, s.memory]));
  const isAnyRefused = Object.keys(refusals).length > 0;
  const refusalOf = (pool: string): Refusal | null => (isAnyRefused ? (refusals[poolKey(bench.service.name, pool)] ?? null) : null);
  const pooled = isStart
    ? []
    : final.seats.flatMap((s) => happeningsOf(final, prior?.pools[s.config.name], s, active, refusalOf(s.config.name), nowMs));
  const known = ledgerOf(prior);
  const ledger = settled === undefined ? known : booked(settled, known, bookingOf(settled, after, pooled, active, nowMs));
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
      ledger !== known ||
      Object.keys(prior.pools).length !== final.seats.length ||
      final.seats.some((s) => prior.pools[s.config.name] !== s.memory),
    memories,
    outAtMs: Object.fromEntries(final.seats.map((s) => [s.config.name, s.memory.outAtMs])),
    ledger,
    refusals: [...refusedIn(final), ...pools.map(refusalOf).filter((r) => r !== null)],
    happenings: isStart ? [] : [...pooled, ...serviceHappeningsOf(final, known, ledger, active)],
  };
};

/** What is served from now on. */
const servedRoute = (bench: Bench, nowMs: number): ServiceRouting['route'] => {
  if (bench.stays === true && bench.before !== null) return bench.before.route;
  return keptRoute(bench) ?? (isFailOpen(bench) ? configuredRoute(bench, nowMs) : routeOf(bench));
};

/**
 * Whatever moves it, and the rules are asked of most of that already: writers go nowhere that was not proved. What no rule is asked of (a share that falls with
 * its targets, a reserve that is called, a changed weight, failing open) ends here, and the route stays.
 */
const withTier = (bench: Bench, world: World, active: readonly Override[], nowMs: number): Bench => {
  const { before, service, seats } = bench;
  if (before === null || before.fence === 0 || seats.length !== Object.keys(before.route).length) return bench;
  if (!Object.hasOwn(rulesOn(world.cluster, service.name), 'tier')) return bench;
  const after = servedRoute(bench, nowMs);
  if (isPassed(bench, after, active)) return bench;
  const refusal = judged({ service, before: before.route, after, drains: [], cause: 'return' }, world, nowMs, { only: 'tier' }).refusal;
  if (refusal === null) return bench;
  const grows = seats.filter(({ config: { name } }) => (after[name] ?? 0) > (before.route[name] ?? 0));
  return grows.reduce(
    (next: Bench, { config: { name }, memory }) => {
      const marked = setMemory(next, name, memory.hold === null ? patch(memory, { hold: 'rule:tier' }) : memory);
      return { ...marked, unmet: { [name]: { order: null, why: refusal }, ...marked.unmet } };
    },
    { ...bench, stays: true },
  );
};

/**
 * Humans' orders that pass the rules account for all of it: whatever falls is drained by one, or whatever grows is forced in or pinned by one. What moves beside
 * them by itself nobody has agreed to.
 */
const isPassed = ({ before, service, seats }: Bench, after: ServiceRouting['route'], active: readonly Override[]): boolean => {
  const passing = active.filter((order) => passOf(order) === 'all');
  const moved = (way: 1 | -1): readonly PoolConfig[] =>
    seats.map(({ config }) => config).filter(({ name }) => Math.sign((after[name] ?? 0) - (before?.route[name] ?? 0)) === way);
  return (
    moved(-1).every((pool) => drainOn(passing, service, pool) !== undefined) ||
    moved(1).every((pool) => forceOn(passing, service, pool) !== undefined || (pinsOn(passing, service)[0]?.weights?.[pool.name] ?? 0) > 0)
  );
};

/** What the ledger has to know of this decision. */
const bookingOf = (
  bench: Bench,
  final: ServiceRouting['route'],
  happenings: readonly Happening[],
  active: readonly Override[],
  nowMs: number,
): Booking => {
  const pin = bench.pin === null ? undefined : active.find((o) => o.id === bench.pin?.id && bench.before?.pin?.id !== o.id);
  const { before, policy, service } = bench;
  return {
    marks: { ordered: final, returned: final, ...bench.marks, final },
    active,
    obeyed: [
      ...happenings.flatMap((h) => (h.kind === 'ordered' || h.kind === 'forced' ? [h.override] : [])),
      ...(pin === undefined ? [] : [pin]),
    ],
    hasReturned: happenings.some((h) => h.kind === 'returning' && (before?.pools[h.pool]?.drainsAtMs.length ?? 0) > 0),
    reminded:
      before === null || before.fence === 0 ? undefined : remindedOf(service, { ...before, mode: bench.mode }, policy.safety, nowMs),
    nowMs,
  };
};

/** Rules in the way of orders and returns, as they stand now. */
const refusedIn = (bench: Bench): readonly Refusal[] =>
  Object.entries(bench.unmet).flatMap(([pool, { order, why }]) => {
    if (why === 'frozen') return [];
    return [{ service: bench.service.name, pool, ...(why === 'never-empty' ? neverEmpty(bench.service) : why), order: order?.id ?? null }];
  });

/** Not a rule of the table: nobody can leave it out, and nothing passes it. */
const neverEmpty = (service: ServiceConfig): Omit<Refusal, 'service' | 'pool'> => ({
  rule: 'never-empty',
  risk: 'high',
  because: `no pool of ${service.name} would be left that can serve`,
  againAtMs: null,
  counterfactual: 'with another pool up, and not drained by a human, it would be obeyed',
});

/**
 * Held still, what is served stays to the last thousandth while no share of it was ordered elsewhere: a human may have adopted a route that no memory of
 * pools would lead to. A pool that is configured meanwhile waits without a share; one that is configured no more is missed only if it carried something.
 * null: the route follows from the memory.
 */
const keptRoute = ({ before, still, seats, policy, pin }: Bench): ServiceRouting['route'] | null => {
  if (still === null || before === null || before.fence === 0) return null;
  if (pin !== null && JSON.stringify([pin.id, pin.weights]) !== JSON.stringify([before.pin?.id, before.pin?.weights])) return null;
  const isKept = ({ config, memory }: Bench['seats'][number]): boolean => {
    const known = before.pools[config.name];
    return factorOf(memory, policy) === (known === undefined ? 0 : factorOf(known, policy));
  };
  const route = Object.fromEntries(seats.map(({ config: { name } }) => [name, before.route[name] ?? 0]));
  const isMissed = Object.entries(before.route).some(([pool, share]) => share > 0 && route[pool] === undefined);
  return !isMissed && seats.every(isKept) ? route : null;
};

/** The route with every pool in, except those a human drained, as long as that leaves any. */
const configuredRoute = (bench: Bench, nowMs: number): ServiceRouting['route'] => {
  const free = bench.seats.some((s) => s.memory.by !== 'override');
  const seats = bench.seats.map((s) => (free && s.memory.by === 'override' ? s : { ...s, memory: newMemory('in', nowMs) }));
  return routeOf({ ...bench, seats });
};

const RETURNS: ReadonlySet<string> = new Set<Happening['kind']>(['returning', 'stage', 'returned', 'released']);

const isMove = ({ kind }: Happening): boolean => kind === 'drained' || RETURNS.has(kind);

/**
 * Votes a decision rests on. A drain rests on DOWN votes, a cut on those that say gray; a return on everybody's, since none may be DOWN. Also that of a
 * standby, whose share stays 0: it is counted, paced and latched like any other.
 */
const usesOf = (snapshot: Snapshot, stories: readonly ServiceStory[], tallies: readonly PoolTally[]): readonly string[] => {
  const moved = stories.filter((s) => !s.started).flatMap((s) => (s.moved ? s.happenings : s.happenings.filter(isMove)));
  const returning = moved.some((h) => RETURNS.has(h.kind) || (h.kind === 'scaled' && h.raised));
  if (returning) return snapshot.heard.filter((h) => isFresh(h, snapshot.cluster)).map((h) => h.key);
  const touched = tallies.filter((t) => moved.some((h) => h.service === t.service && h.pool === t.pool));
  const down = votesBehind(snapshot.cluster, snapshot.heard, touched, ['down']);
  const gray = moved.some((h) => h.kind === 'scaled' && h.gray > 0) ? votesCallingGray(snapshot.cluster, snapshot.heard, touched) : [];
  return [...new Set([...down, ...gray])];
};
