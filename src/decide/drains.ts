// Drains by automation: which of the pools that a quorum holds out may leave now. Service by service first (a receiver, the floor, a freeze), then over
// all services together, since pacing and blast radius count regions: everything of one region moves in one decision, one new region per span.
import type { RouteChange, World } from '../../policies/policy.ts';
import { type HoldName, type Policy, type PoolMemory, poolKey, type Refusal, type Route } from '../model.ts';
import { type Bench, carries, isOnTheDead, isStranded, reservesLeft, routeOf, setMemory, withReserve } from './bench.ts';
import { drainedByHealth, patch, type Seat } from './pool.ts';
import { judged as judgedByRules } from './safety.ts';

interface Wish {
  service: string;
  pool: string;
  region: string;
  share: number;
  hold: HoldName | null;
}

/** Pools that a quorum holds out and that still carry traffic, the largest share first, each with what stands in the way within its own service. */
const wishesOf = (bench: Bench, nowMs: number): readonly Wish[] => {
  const asking = bench.seats.filter((s) => s.memory.state !== 'out' && s.tally.verdict === 'out');
  if (asking.length === 0) return [];
  const route: Route = carries(bench) ? routeOf(bench) : {};
  const shareOf = (seat: Seat): number => route[seat.config.name] ?? 0;
  // The service as it would be if every wish so far were granted.
  let granted = bench;
  return asking
    .sort((a, b) => shareOf(b) - shareOf(a))
    .map((seat) => {
      const hold: HoldName | null =
        bench.still ?? lacksReceiver(bench, seat, nowMs) ?? (isAtFloor(granted) && isServed(granted) ? 'floor' : null);
      if (hold === null)
        granted = withReserves(setMemory(granted, seat.config.name, drainedByHealth(seat.memory, bench.policy, nowMs)), nowMs);
      return { service: bench.service.name, pool: seat.config.name, region: seat.config.region, share: shareOf(seat), hold };
    });
};

/** Automation drains at most half of the pools of a service, rounded up. By count, not by share: 100/0 must be able to fail over. */
const floorOf = (bench: Bench): number => Math.ceil(bench.seats.length / 2);

const drainedIn = (bench: Bench): number => bench.seats.filter((s) => s.memory.state === 'out' && s.memory.by === 'health').length;

/** Each reserve that can be called back makes room for one more. */
const isAtFloor = (bench: Bench): boolean => drainedIn(bench) - reservesLeft(bench) >= floorOf(bench);

/** Somebody who is not held out carries some of the traffic. The floor yields where nobody does: it must not keep all of it on the dead. */
const isServed = (bench: Bench): boolean => {
  const route: Route = carries(bench) ? routeOf(bench) : {};
  return bench.seats.some((s) => s.tally.verdict !== 'out' && (route[s.config.name] ?? 0) > 0);
};

const lacksReceiver = (bench: Bench, seat: Seat, nowMs: number): HoldName | null => {
  const others = bench.seats.filter((s) => s.config.name !== seat.config.name);
  if (others.every((s) => s.tally.verdict === 'out')) return 'all-down';
  const outMs = nowMs - (seat.memory.outAtMs ?? nowMs);
  if (seat.memory.hold === 'all-down' || (seat.memory.hold === 'settling' && outMs < settleMs(bench.policy))) return 'settling';
  const receivers = others.filter((s) => s.tally.verdict === 'up');
  if (receivers.some((s) => !s.tally.suspectAtQuorum)) return null;
  // Everybody who could receive is in doubt too. One confirmation span tells a shared cause from a single one.
  if (outMs < bench.policy.receiverWaitMs) return 'confirming';
  return receivers.length > 0 ? null : 'receiver';
};

/** When a shared cause ends, one pool is seen up before the others. Long enough for every vantage to look at everything once more. */
const settleMs = (policy: Policy): number => policy.intervalMs + policy.receiverWaitMs;

export interface Drained {
  benches: readonly Bench[];
  /** Regions newly drained by this decision. */
  regions: readonly string[];
  regionDrainsAtMs: Readonly<Record<string, number>>;
  /** Safety rules that refused, by `service/pool`. */
  refusals: Readonly<Record<string, Refusal>>;
}

/** Grants the wishes that may be granted now and names the hold of every other. */
export const withDrains = (benches: readonly Bench[], world: World & { routes: Map<string, Route> }, nowMs: number): Drained => {
  const { routing } = world;
  const wishes = new Map(benches.map((bench) => [bench, wishesOf(bench, nowMs)]));
  if ([...wishes.values()].every((w) => w.length === 0))
    return { benches, regions: [], regionDrainsAtMs: routing.regionDrainsAtMs, refusals: {} };
  const acting = benches.filter((b) => b.mode === 'auto');
  const together = paceOf(
    acting,
    [...wishes].flatMap(([bench, w]) => (bench.mode === 'auto' ? w : [])),
    routing.regionDrainsAtMs,
    nowMs,
  );
  const refusals: Record<string, Refusal> = {};
  const drained = new Set<string>();
  const next = benches.map((bench) => {
    const mine = wishes.get(bench) ?? [];
    if (mine.length === 0) return bench;
    // A service that only advises keeps to the same rules by itself: its advice is what would have happened, and it takes nobody's turn.
    const pace = bench.mode === 'auto' ? together : paceOf([bench], mine, lastDrains(bench), nowMs);
    const paced = withoutEarlyFloor(
      bench,
      mine.map((w): Wish => (w.hold === null && !pace.granted.has(w.region) ? { ...w, hold: 'pacing' } : w)),
      nowMs,
    );
    const { wishes: judged, warnings } = judge(bench, paced, pace, pacedWorld(world, pace), refusals, nowMs);
    for (const w of judged) if (w.hold === null && bench.mode === 'auto' && !pace.out.has(w.region)) drained.add(w.region);
    const granted = grant(bench, judged, nowMs);
    if (carries(granted)) world.routes.set(bench.service.name, routeOf(granted));
    return warnings.length === 0 ? granted : { ...granted, warnings };
  });
  const stamped = Object.fromEntries([...drained].map((region) => [region, nowMs]));
  return {
    benches: next,
    regions: [...drained],
    regionDrainsAtMs: drained.size > 0 ? { ...routing.regionDrainsAtMs, ...stamped } : routing.regionDrainsAtMs,
    refusals,
  };
};

/** A wish that only others would bring to the floor waits as they do: which of them goes first is open until one of them has. */
const withoutEarlyFloor = (bench: Bench, wishes: readonly Wish[], nowMs: number): readonly Wish[] =>
  wishes.some(({ hold }) => hold === 'floor') && !isAtFloor(grant(bench, wishes, nowMs))
    ? wishes.map((wish): Wish => (wish.hold === 'floor' ? { ...wish, hold: 'pacing' } : wish))
    : wishes;

/** Which regions may move now. */
interface Pace {
  /** Drained already and still held out: more of such a region is no new drain. */
  out: ReadonlySet<string>;
  /** Those among them that ask, a region drained within the span whose pools have come back, and the one new region whose turn it is. */
  granted: ReadonlySet<string>;
  drainsAtMs: Readonly<Record<string, number>>;
}

/** With the drains that count for this service. Pools are worked out only for a rule that looks at them. */
const pacedWorld = (world: World, pace: Pace): World => ({
  cluster: world.cluster,
  routing: { ...world.routing, regionDrainsAtMs: pace.drainsAtMs },
  routes: world.routes,
  reported: world.reported,
  tiers: world.tiers,
  get pools() {
    return world.pools;
  },
});

const paceOf = (benches: readonly Bench[], wishes: readonly Wish[], drainsAtMs: Readonly<Record<string, number>>, nowMs: number): Pace => {
  const pacingMs = benches[0]?.policy.pacingMs ?? 0;
  const recent = Object.keys(drainsAtMs).filter((region) => nowMs - (drainsAtMs[region] ?? 0) < pacingMs);
  const out = benches.flatMap((b) => b.seats.filter(isStillOut).map((s) => s.config.region));
  const open = new Set([...recent, ...out]);
  const asking = wishes.filter((w) => w.hold === null);
  const turn = recent.length > 0 ? [] : mostAtRisk(asking.filter((w) => !open.has(w.region)));
  return {
    out: new Set(out),
    granted: new Set([...asking.map((w) => w.region).filter((region) => open.has(region)), ...turn]),
    drainsAtMs,
  };
};

/** Drained by automation and still held out. A pool that its service started without is no drain of its region, and opens nothing. */
const isStillOut = ({ memory, tally }: Seat): boolean =>
  memory.state === 'out' && memory.by === 'health' && tally.verdict === 'out' && memory.drainsAtMs.length > 0;

/** The one new region that goes first: most traffic at risk, then by name. None if nobody asks. */
const mostAtRisk = (asking: readonly Wish[]): readonly string[] => {
  const shares = new Map<string, number>();
  for (const w of asking) shares.set(w.region, (shares.get(w.region) ?? 0) + w.share);
  return [...shares]
    .sort(([a, atRiskA], [b, atRiskB]) => atRiskB - atRiskA || (a < b ? -1 : 1))
    .slice(0, 1)
    .map(([region]) => region);
};

/** When each region was last drained in this service alone. */
const lastDrains = (bench: Bench): Readonly<Record<string, number>> => {
  const last: Record<string, number> = {};
  for (const { config, memory } of bench.seats) {
    const atMs = memory.drainsAtMs.at(-1);
    if (atMs !== undefined) last[config.region] = Math.max(last[config.region] ?? 0, atMs);
  }
  return last;
};

const judge = (
  bench: Bench,
  wishes: readonly Wish[],
  pace: Pace,
  world: World,
  refusals: Record<string, Refusal>,
  nowMs: number,
): { wishes: readonly Wish[]; warnings: Bench['warnings'] } => {
  const going = wishes.filter((w) => w.hold === null);
  if (going.length === 0) return { wishes, warnings: [] };
  const after = routeOf(grant(bench, wishes, nowMs));
  const before: Route = bench.before?.route ?? {};
  const drains = [...new Set(going.map((w) => w.region).filter((region) => !pace.out.has(region)))];
  const change: RouteChange = { service: bench.service, before, after, drains, cause: 'health' };
  const { refusal, warnings } = judgedByRules(change, world, nowMs, {
    onTheDead: isOnTheDead(bench) || isStranded(bench),
  });
  if (refusal === null) return { wishes, warnings };
  for (const { service, pool } of going) refusals[poolKey(service, pool)] = { service, pool, ...refusal };
  return { wishes: wishes.map((w): Wish => (w.hold === null ? { ...w, hold: `rule:${refusal.rule}` } : w)), warnings: [] };
};

const grant = (bench: Bench, wishes: readonly Wish[], nowMs: number): Bench => {
  let next = bench;
  for (const wish of wishes) {
    const seat = next.seats.find((s) => s.config.name === wish.pool);
    if (seat === undefined) continue;
    const memory = wish.hold === null ? drainedByHealth(seat.memory, bench.policy, nowMs) : held(seat.memory, wish.hold, nowMs);
    next = setMemory(next, wish.pool, memory);
  }
  return wishes.every((w) => w.hold !== null) ? next : withReserves(next, nowMs);
};

/** After a drain: a reserve if nobody is left, and if more are out than the floor allows, as many of those that are up again as there are. */
const withReserves = (bench: Bench, nowMs: number): Bench => {
  let next = carries(bench) ? bench : withReserve(bench, nowMs);
  while (drainedIn(next) > floorOf(next) && reservesLeft(next) > 0) next = withReserve(next, nowMs);
  return next;
};

/** The outage is counted anew once not everybody is down: while everybody was, nobody believed it. */
const held = (memory: PoolMemory, hold: HoldName, nowMs: number): PoolMemory =>
  patch(memory, hold === 'settling' && memory.hold !== 'settling' ? { hold, outAtMs: nowMs } : { hold });
