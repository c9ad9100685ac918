// A service on the bench: its pools with what is known of each, stepped through the rules that concern this service alone.
// Drains are wishes here; which of them happen is settled over all services (drains.ts), because pacing counts regions.
import { steering, steeringOf } from '../../policies/index.ts';
import type { SteerPool } from '../../policies/policy.ts';
import type {
  HoldName,
  Mode,
  Override,
  Pinned,
  Policy,
  PoolMemory,
  PoolTally,
  Refusal,
  Route,
  ServiceConfig,
  ServiceRouting,
} from '../model.ts';
import { cutOf } from './gray.ts';
import { FORCED, factorOf, newMemory, patch, SET_ASIDE, type Seat, withOutage, withRecovery, withScale, yielded } from './pool.ts';
import type { Ask } from './safety.ts';

export interface Bench {
  service: ServiceConfig;
  policy: Policy;
  mode: Mode;
  /** Why nothing of it may move by itself; null: nothing stands in the way. */
  still: Still | null;
  /** What the last decision said; null for a service new to the configuration. */
  before: ServiceRouting | null;
  seats: readonly Seat[];
  /** The pin that its route follows. */
  pin: Pinned | null;
  /** What is ordered, or wanted after an order, and not done: by pool, or `*` for the service. */
  unmet: Readonly<Record<string, Unmet>>;
  /** Its route after the orders, and after the returns. Absent: nobody looks back on what moved. */
  marks?: { ordered: Route; returned: Route };
  /** Safety rules that let its drains pass at a price. */
  warnings: readonly { rule: string; because: string }[];
  /** Its route stays as it was, whatever the memory of its pools leads to. */
  stays?: true;
}

/** In place of a pool's name: the service as a whole. */
export const SERVICE = '*';

/** `order` null: the end of one, or a return. `why`: nobody else could serve; its provider is not ours to write; a safety rule. */
export interface Unmet {
  order: Override | null;
  why: 'never-empty' | 'frozen' | RuleRefusal;
}

/** A refusal before it is known whose pools it holds. */
export type RuleRefusal = Omit<Refusal, 'service' | 'pool'>;

/** `freeze`: a human ordered it. `frozen`: its provider is not ours to write, so not even orders move it. */
export type Still = 'freeze' | 'frozen';

/** How long a new service waits for its first verdicts before it takes the unknown pools as in. */
export const FIRST_VERDICT_MS = 30_000;

export const newBench = (
  service: ServiceConfig,
  policy: Policy,
  mode: Mode,
  still: Still | null,
  before: ServiceRouting | null,
  tallies: readonly PoolTally[],
  nowMs: number,
): Bench => ({
  service,
  policy,
  mode,
  still,
  before,
  pin: before?.pin ?? null,
  unmet: {},
  warnings: [],
  seats: service.pools.flatMap((config): Seat[] => {
    const tally = tallies.find((t) => t.pool === config.name);
    if (tally === undefined) return [];
    // A pool that joins a running service comes in by the ramp, like one that returns.
    const memory = before?.pools[config.name] ?? newMemory(before === null || before.fence === 0 ? 'in' : 'out', nowMs);
    return [{ config, tally, measured: tally, memory }];
  }),
});

/** `bench` itself when that is its memory already. */
export const setMemory = (bench: Bench, pool: string, memory: PoolMemory): Bench => {
  const at = bench.seats.findIndex((s) => s.config.name === pool);
  const seat = bench.seats[at];
  return seat === undefined || seat.memory === memory ? bench : { ...bench, seats: bench.seats.with(at, { ...seat, memory }) };
};

/** `bench` itself when no memory changes: most steps of most turns change none. */
export const eachSeat = (bench: Bench, step: (seat: Seat) => PoolMemory): Bench => {
  const seats = bench.seats.map((seat) => {
    const memory = step(seat);
    return memory === seat.memory ? seat : { ...seat, memory };
  });
  return seats.every((seat, i) => seat === bench.seats[i]) ? bench : { ...bench, seats };
};

/** Its first verdicts are in, or have been waited for long enough. Until then the service has no route of its own (fence 0). */
export const isKnown = (bench: Bench, nowMs: number): boolean =>
  (bench.before !== null && bench.before.fence > 0) ||
  bench.seats.every((s) => s.tally.verdict !== 'unknown') ||
  (bench.before !== null && nowMs - bench.before.sinceAtMs >= FIRST_VERDICT_MS);

/** A service whose first verdicts have just come in starts with what is up; if nothing is, with everything configured. */
export const started = (bench: Bench, nowMs: number): Bench => {
  if (bench.before !== null && bench.before.fence > 0) return bench;
  const anyUp = bench.seats.some((s) => s.tally.verdict !== 'out');
  return eachSeat(bench, (s) =>
    anyUp && s.tally.verdict === 'out' ? { ...newMemory('out', nowMs), outAtMs: nowMs } : newMemory('in', nowMs),
  );
};

/** Somebody else can serve and is not itself drained by a human: up by quorum, or carrying and not known to be out. */
export const canSpare = (bench: Bench, seat: Seat): boolean =>
  bench.seats.some(
    (s) =>
      s.config.name !== seat.config.name &&
      s.memory.by !== 'override' &&
      (s.tally.verdict === 'up' || (s.tally.verdict === 'unknown' && s.memory.state !== 'out')),
  );

/** Everything that moves without a drain: outage marks, returns, ramp, scale. What moves up is put before the safety rules. */
export const withTime = (bench: Bench, ask: Ask, nowMs: number): Bench => {
  const { still, policy } = bench;
  const marked = eachSeat(bench, (s) => withOutage(s, nowMs));
  const recovered = marked.seats.reduce(
    (next, seat) => raised(next, seat, withRecovery(seat, policy, still, nowMs), (hold) => withRecovery(seat, policy, hold, nowMs), ask),
    marked,
  );
  if (still !== null) return recovered;
  return recovered.seats.reduce((next, seat) => {
    // A human's word that it is up is about the whole of it.
    if (seat.memory.told.includes(FORCED)) return next;
    const memory = withScale(seat, policy, cutOf(recovered, seat, nowMs), nowMs);
    return raised(next, seat, memory, (hold) => patch(seat.memory, { hold }), ask);
  }, recovered);
};

/** A seat with its next memory, or, where that moves it up and a rule refuses, with the one that `held` leads to. */
const raised = (bench: Bench, seat: Seat, memory: PoolMemory, held: (hold: HoldName) => PoolMemory, ask: Ask): Bench => {
  if (memory === seat.memory) return bench;
  const { name } = seat.config;
  const next = setMemory(bench, name, memory);
  if (factorOf(memory, bench.policy) <= factorOf(seat.memory, bench.policy)) return next;
  const refusal = ask(next, 'return');
  if (refusal === null) return next;
  return { ...setMemory(bench, name, held(`rule:${refusal.rule}`)), unmet: { ...bench.unmet, [name]: { order: null, why: refusal } } };
};

/** Pools that hold back although a quorum says up: the least doubtful first. Those a human drained come last of all. */
const reserves = (bench: Bench): readonly Seat[] => {
  const rank = (s: Seat): number => (s.memory.by === 'override' ? 2 : s.memory.latched ? 1 : 0);
  return bench.seats
    .filter((s) => s.memory.state === 'out' && s.tally.verdict === 'up')
    .sort((a, b) => rank(a) - rank(b) || (a.memory.upAtMs ?? Number.POSITIVE_INFINITY) - (b.memory.upAtMs ?? Number.POSITIVE_INFINITY));
};

/** Calls one reserve back at full share: hold-down, ramp and latch yield when the alternative is traffic on a pool that is down. */
export const withReserve = (bench: Bench, nowMs: number): Bench => {
  const back = ({ memory, config }: Seat): Bench => {
    const next = yielded(memory, nowMs);
    return setMemory(bench, config.name, memory.by === 'override' ? { ...next, told: [SET_ASIDE] } : next);
  };
  const all = reserves(bench);
  // One that has no share relieves nobody: of those that automation may call back the first that takes any traffic, if there is one.
  const taking = all.find((s) => s.memory.by !== 'override' && (routeOf(back(s))[s.config.name] ?? 0) > 0);
  const seat = taking ?? all[0];
  return seat === undefined ? bench : back(seat);
};

/** Reserves that automation may call back: not those a human drained. */
export const reservesLeft = (bench: Bench): number => reserves(bench).filter((s) => s.memory.by !== 'override').length;

/** Pools that may carry something now. */
const carriersOf = (bench: Bench): readonly Seat[] => bench.seats.filter((s) => factorOf(s.memory, bench.policy) > 0);

export const carries = (bench: Bench): boolean => carriersOf(bench).length > 0;

/** With all traffic on pools that a quorum holds out, one that is up stops waiting; to bring it back takes nobody's turn, but may be worse than to wait. */
export const relieved = (bench: Bench, ask: Ask, nowMs: number): Bench => {
  if (bench.still !== null || reservesLeft(bench) === 0 || !carriersOf(bench).every((s) => s.measured.verdict === 'out')) return bench;
  const next = withReserve(bench, nowMs);
  // As it will be once the dead have left.
  const left = eachSeat(next, ({ measured, memory }) => (measured.verdict === 'out' ? patch(memory, { state: 'out' }) : memory));
  return ask(left, 'return', 'none', true)?.rule === 'tier' ? bench : next;
};

/** All traffic is on pools that a quorum holds out, whatever was ordered, although another one that no human drained is up. */
export const isOnTheDead = (bench: Bench): boolean => {
  if (!carries(bench)) return false;
  const route = routeOf(bench);
  const [carrying, others] = [true, false].map((does) => bench.seats.filter((s) => (route[s.config.name] ?? 0) > 0 === does));
  return (
    carrying?.every((s) => s.measured.verdict === 'out') === true &&
    others?.some((s) => s.measured.verdict === 'up' && s.memory.by !== 'override') === true
  );
};

/** All traffic is on pools that a quorum holds out, and another one is up, be it one that a human drained: that one is called back, the last of all. */
export const isStranded = (bench: Bench): boolean =>
  carries(bench) && reserves(bench).length > 0 && carriersOf(bench).every((s) => s.measured.verdict === 'out');

/** Tag of pools that are served as configured because none of them has been up for long. */
export const FAIL_OPEN = 'fail-open';

export const isFailOpen = (bench: Bench): boolean =>
  bench.service.allDown === 'configured' && bench.seats.some((s) => s.memory.told.includes(FAIL_OPEN));

/**
 * Fails open after a pacing span without any pool up, and ends it as soon as a quorum says one is: silence is no reason for either. The span keeps
 * targets that flap from moving the route faster than anything else may.
 */
export const withFailOpen = (bench: Bench, nowMs: number): Bench => {
  if (bench.still !== null) return bench;
  const isOver = bench.service.allDown !== 'configured' || bench.seats.some((s) => s.tally.verdict === 'up');
  const isDue =
    bench.seats.every((s) => s.tally.verdict === 'out') &&
    carriersOf(bench).every((s) => s.memory.outAtMs !== null && nowMs - s.memory.outAtMs >= bench.policy.pacingMs);
  const open = !isOver && (isFailOpen(bench) || isDue);
  return eachSeat(bench, ({ memory }) => {
    if (memory.told.includes(FAIL_OPEN) === open) return memory;
    return patch(memory, { told: open ? [...memory.told, FAIL_OPEN] : memory.told.filter((tag) => tag !== FAIL_OPEN) });
  });
};

const steer = (service: ServiceConfig, pools: readonly SteerPool[]): Route => {
  const policy = steeringOf(service.steering.kind);
  if (policy === undefined) throw new Error(`steering ${service.steering.kind} is not in the table although the configuration was checked`);
  return policy.steer(pools);
};

/** Of these very seats under this pin: what asks for a route in a decision mostly asks for one that was asked for already. */
const routes = new WeakMap<Bench['seats'], { pin: Pinned | null; route: Route }>();

/** The route of the present memory. */
export const routeOf = (bench: Bench): Route => {
  const known = routes.get(bench.seats);
  if (known !== undefined && known.pin === bench.pin) return known.route;
  const route = steered(bench);
  routes.set(bench.seats, { pin: bench.pin, route });
  return route;
};

const steered = ({ service, seats, policy, pin }: Bench): Route => {
  const pools = seats.map(({ config, memory }) => ({ pool: config.name, weight: config.weight, factor: factorOf(memory, policy) }));
  if (pin === null) return steer(service, pools);
  // Pinned shares are weights, whatever steers otherwise; configured ones say who takes what none of the pinned pools can carry.
  return steering.weighted.steer(pools.map((p) => ({ ...p, weight: pin.weights[p.pool] ?? 0, spare: p.weight })));
};

/** None of the pools that the pin gives traffic to can carry any. */
export const isPinSetAside = ({ seats, policy, pin }: Bench): boolean =>
  pin !== null && seats.every(({ config, memory }) => (pin.weights[config.name] ?? 0) === 0 || factorOf(memory, policy) === 0);

/** The route with every pool whole. */
export const configuredRouteOf = (service: ServiceConfig): Route =>
  steer(
    service,
    service.pools.map(({ name, weight }) => ({ pool: name, weight, factor: 1000 })),
  );
