// Orders that humans gave, obeyed on one service: drains and evacuations, pools that count as up whatever the votes say, pinned shares. An order is judged by
// the safety rules until it is obeyed, and not again; never-empty yields to none of them.
import type { Override, Pinned, PoolMemory, PoolTally } from '../model.ts';
import { type Bench, canSpare, eachSeat, isOnTheDead, routeOf, SERVICE, setMemory, type Unmet, withReserve } from './bench.ts';
import { drainOn, forceOn, passOf, pinsOn } from './override.ts';
import {
  drainedByOverride,
  FORCED,
  forcedIn,
  offRamp,
  patch,
  REFUSED,
  rampedUp,
  releasedByOverride,
  SET_ASIDE,
  type Seat,
} from './pool.ts';
import type { Ask } from './safety.ts';

interface Ordering {
  active: readonly Override[];
  ask: Ask;
  nowMs: number;
}

/** By pool. Mostly nothing is ordered of anybody. */
const ordersOf = ({ seats, service }: Bench, { active }: Ordering, orderOn: typeof drainOn): ReadonlyMap<string, Override | undefined> =>
  active.length === 0 ? NO_ORDERS : new Map(seats.map(({ config }) => [config.name, orderOn(active, service, config)]));

const NO_ORDERS: ReadonlyMap<string, Override | undefined> = new Map();

/** What is ordered of one service, done as far as it may be. The last pool that can serve stays, whoever orders otherwise. */
export const withOrders = (bench: Bench, ordering: Ordering): Bench => {
  const drains = ordersOf(bench, ordering, drainOn);
  const forces = ordersOf(bench, ordering, forceOn);
  let next = bench;
  // Those set free first: one of them may be what lets another order be obeyed.
  for (const seat of bench.seats)
    if (drains.get(seat.config.name) === undefined) next = released(next, seat, forces.get(seat.config.name) !== undefined, ordering);
  for (const seat of bench.seats) {
    const order = drains.get(seat.config.name);
    if (order !== undefined) next = drained(next, seat, order, ordering);
  }
  const wanted = (seat: Seat): Override | undefined =>
    drains.get(seat.config.name) === undefined ? forces.get(seat.config.name) : undefined;
  return withPin(withForced(next, wanted, ordering), ordering);
};

const without = (memory: PoolMemory, ...tags: readonly string[]): PoolMemory => {
  if (memory.told.length === 0 || !memory.told.some((tag) => tags.includes(tag))) return memory;
  return patch(memory, { told: memory.told.filter((tag) => !tags.includes(tag)) });
};

const withTag = (memory: PoolMemory, tag: string): PoolMemory =>
  memory.told.includes(tag) ? memory : patch(memory, { told: [...memory.told, tag] });

const unmetBy = (bench: Bench, pool: string, unmet: Unmet): Bench => ({ ...bench, unmet: { ...bench.unmet, [pool]: unmet } });

/** Not obeyed, and said so once. */
const refused = (bench: Bench, seat: Seat, order: Override, why: Unmet['why']): Bench =>
  unmetBy(setMemory(bench, seat.config.name, withTag(seat.memory, REFUSED)), seat.config.name, { order, why });

// ---- drains ----

const released = (bench: Bench, seat: Seat, isForced: boolean, { ask, nowMs }: Ordering): Bench => {
  const { memory, config } = seat;
  if (memory.by !== 'override') {
    if (memory.told.length === 0) return bench;
    const clean = without(memory, SET_ASIDE, ...(isForced ? [] : [REFUSED]));
    // The hold was the order's.
    const isOver = clean !== memory && memory.told.includes(REFUSED) && memory.hold?.startsWith('rule:') === true;
    return setMemory(bench, config.name, isOver ? patch(clean, { hold: null }) : clean);
  }
  // An order that runs out under a freeze would move the route; it ends with the freeze.
  if (bench.still !== null) return setMemory(bench, config.name, patch(memory, { hold: bench.still }));
  const free = setMemory(bench, config.name, releasedByOverride(seat, nowMs));
  const refusal = ask(free, 'return');
  if (refusal === null) return free;
  const kept = setMemory(bench, config.name, patch(memory, { hold: `rule:${refusal.rule}` }));
  return unmetBy(kept, config.name, { order: null, why: refusal });
};

const drained = (bench: Bench, seat: Seat, order: Override, { ask, nowMs }: Ordering): Bench => {
  const { memory, config } = seat;
  if (memory.by === 'override') return setMemory(bench, config.name, drainedByOverride(memory, nowMs));
  // Once set aside it stays so until the order ends, instead of flapping with the health of the others.
  if (memory.told.includes(SET_ASIDE)) return bench;
  if (bench.still === 'frozen') return refused(bench, seat, order, 'frozen');
  if (!canSpare(bench, seat)) return refused(bench, seat, order, 'never-empty');
  const done = setMemory(bench, config.name, drainedByOverride(without(memory, REFUSED), nowMs));
  const refusal = ask(done, 'order', passOf(order));
  return refusal === null ? done : refused(bench, seat, order, refusal);
};

// ---- pools that count as up ----

/** As if every vantage had nothing against it. */
const upBy = (measured: PoolTally): PoolTally => ({
  ...measured,
  verdict: 'up',
  cause: 'up',
  up: measured.total,
  unknown: 0,
  suspectAtQuorum: false,
  anyDownVote: false,
  gate: 'open',
});

const setForced = (bench: Bench, pool: string, nowMs: number): Bench => ({
  ...bench,
  seats: bench.seats.map((s) => (s.config.name === pool ? { ...s, tally: upBy(s.measured), memory: forcedIn(s.memory, nowMs) } : s)),
});

const withForced = (bench: Bench, wanted: (seat: Seat) => Override | undefined, ordering: Ordering): Bench => {
  const { ask, nowMs } = ordering;
  let next = eachSeat(bench, (seat) => (wanted(seat) === undefined ? without(seat.memory, FORCED) : seat.memory));
  const orders = next.seats.flatMap((seat) => {
    const order = wanted(seat);
    return order === undefined ? [] : [{ seat, order }];
  });
  if (orders.length === 0) return next;
  const plain = next;
  for (const { seat, order } of orders) {
    const done = setForced(next, seat.config.name, nowMs);
    if (seat.memory.told.includes(FORCED)) next = done;
    else if (bench.still === 'frozen') next = refused(next, seat, order, 'frozen');
    else {
      const refusal = ask(done, 'order', passOf(order));
      next = refusal === null ? done : refused(next, seat, order, refusal);
    }
  }
  // As it will be served: a pin that begins or ends in the same decision moves it too.
  const isDeadEnd = (served: Bench): boolean => isOnTheDead(withPin(served, ordering));
  if (!isDeadEnd(next)) return next;
  // Never empty: with everything on pools that a quorum holds out, one that is up comes first.
  const relieved = bench.still === null ? withReserve(next, nowMs) : next;
  if (!isDeadEnd(relieved)) return relieved;
  return orders.reduce((back, { seat, order }) => {
    if (next.unmet[seat.config.name] !== undefined) return refused(back, seat, order, next.unmet[seat.config.name]?.why ?? 'never-empty');
    return refused(back, { ...seat, memory: without(seat.memory, FORCED) }, order, 'never-empty');
  }, plain);
};

// ---- pins ----

const pinOf = ({ id, weights = {} }: Override): Pinned => ({ id, weights });

const isSamePin = (a: Pinned, b: Pinned): boolean =>
  a.id === b.id &&
  [...new Set([...Object.keys(a.weights), ...Object.keys(b.weights)])].every((pool) => (a.weights[pool] ?? 0) === (b.weights[pool] ?? 0));

const withPin = (bench: Bench, { active, ask, nowMs }: Ordering): Bench => {
  const pins = pinsOn(active, bench.service);
  const order = pins[0];
  if (order === undefined) return bench.pin === null ? bench : unpinned(bench, ask, nowMs);
  const wanted = pinOf(order);
  if (bench.pin !== null && isSamePin(bench.pin, wanted)) return bench;
  if (bench.still === 'frozen') return unmetBy(bench, SERVICE, { order, why: 'frozen' });
  const done = eachSeat({ ...bench, pin: wanted }, ({ memory, tally, config }) =>
    (wanted.weights[config.name] ?? 0) > 0 && tally.verdict === 'up' && memory.state === 'returning' ? offRamp(memory, nowMs) : memory,
  );
  const refusal = ask(done, 'order', passOf(order));
  if (refusal === null) return done;
  // The pin that is followed until then goes on only as long as it stands itself.
  const isOver = bench.pin !== null && !pins.some(({ id }) => id === bench.pin?.id);
  return unmetBy(isOver ? unpinned(bench, ask, nowMs) : bench, SERVICE, { order, why: refusal });
};

/** Pools that the pin kept without traffic come up the ramp; the others go to their configured shares. */
const unpinned = (bench: Bench, ask: Ask, nowMs: number): Bench => {
  const { pin, still, before } = bench;
  // A pin that runs out under a freeze would move the route; it ends with the freeze.
  if (pin === null || still !== null) return bench;
  const free = eachSeat({ ...bench, pin: null }, ({ memory, config }) =>
    memory.state === 'in' &&
    (pin.weights[config.name] ?? 0) === 0 &&
    (before?.route[config.name] ?? 0) === 0 &&
    !memory.told.includes(FORCED)
      ? rampedUp(memory, nowMs)
      : memory,
  );
  const route = routeOf(free);
  // What has no share of its own has nothing to climb to.
  const done = eachSeat(free, ({ memory, config }) => {
    const was = bench.seats.find((s) => s.config.name === config.name)?.memory ?? memory;
    return was !== memory && (route[config.name] ?? 0) === 0 ? was : memory;
  });
  const refusal = ask(done, 'return');
  return refusal === null ? done : unmetBy(bench, SERVICE, { order: null, why: refusal });
};
