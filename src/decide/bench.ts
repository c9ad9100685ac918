// A service on the bench: its pools with what is known of each, stepped through the rules that concern this service alone.
// Drains are wishes here; which of them happen is settled over all services (drains.ts), because pacing counts regions.
import { steeringOf } from '../../policies/index.ts';
import type { HoldName, Mode, Override, Policy, PoolMemory, PoolTally, Route, ServiceConfig, ServiceRouting } from '../model.ts';
import { drainOn, freezeOn } from './override.ts';
import {
  drainedByOverride,
  factorOf,
  newMemory,
  patch,
  releasedByOverride,
  type Seat,
  withOutage,
  withRecovery,
  withScale,
  yielded,
} from './pool.ts';

export interface Bench {
  service: ServiceConfig;
  policy: Policy;
  mode: Mode;
  /** What the last decision said; null for a service new to the configuration. */
  before: ServiceRouting | null;
  seats: readonly Seat[];
}

/** How long a new service waits for its first verdicts before it takes the unknown pools as in. */
export const FIRST_VERDICT_MS = 30_000;

export const newBench = (
  service: ServiceConfig,
  policy: Policy,
  mode: Mode,
  before: ServiceRouting | null,
  tallies: readonly PoolTally[],
  nowMs: number,
): Bench => ({
  service,
  policy,
  mode,
  before,
  seats: service.pools.flatMap((config): Seat[] => {
    const tally = tallies.find((t) => t.pool === config.name);
    if (tally === undefined) return [];
    // A pool that joins a running service comes in by the ramp, like one that returns.
    const memory = before?.pools[config.name] ?? newMemory(before === null || before.fence === 0 ? 'in' : 'out', nowMs);
    return [{ config, tally, memory }];
  }),
});

export const setMemory = (bench: Bench, pool: string, memory: PoolMemory): Bench => ({
  ...bench,
  seats: bench.seats.map((s) => (s.config.name === pool && s.memory !== memory ? { ...s, memory } : s)),
});

const eachSeat = (bench: Bench, step: (seat: Seat) => PoolMemory): Bench => ({
  ...bench,
  seats: bench.seats.map((seat) => {
    const memory = step(seat);
    return memory === seat.memory ? seat : { ...seat, memory };
  }),
});

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

/** Drains that humans ordered and drains that ended. The last pool that can serve stays, whoever orders otherwise. */
export const withOverrides = (bench: Bench, active: readonly Override[], nowMs: number): Bench => {
  let next = bench;
  for (const seat of bench.seats) {
    const order = drainOn(active, bench.service, seat.config);
    next = setMemory(next, seat.config.name, order === undefined ? unordered(seat, nowMs) : ordered(next, seat, nowMs));
  }
  return next;
};

/** Tags of orders that are not obeyed: one set aside because nobody else is left, or one that would leave nobody. */
const SET_ASIDE = 'set-aside';
const REFUSED = 'refused';

const unordered = (seat: Seat, nowMs: number): PoolMemory => {
  if (seat.memory.by === 'override') return releasedByOverride(seat, nowMs);
  const told = seat.memory.told.filter((tag) => tag !== SET_ASIDE && tag !== REFUSED);
  return told.length === seat.memory.told.length ? seat.memory : patch(seat.memory, { told });
};

const ordered = (bench: Bench, seat: Seat, nowMs: number): PoolMemory => {
  const { memory } = seat;
  if (memory.by === 'override') return drainedByOverride(memory, nowMs);
  // Once set aside it stays so until the order ends, instead of flapping with the health of the others.
  if (memory.told.includes(SET_ASIDE)) return memory;
  if (canSpare(bench, seat)) return drainedByOverride(memory, nowMs);
  return memory.told.includes(REFUSED) ? memory : patch(memory, { told: [...memory.told, REFUSED] });
};

/** Somebody else can serve: not known to be out, and not itself drained by a human. */
const canSpare = (bench: Bench, seat: Seat): boolean =>
  bench.seats.some((s) => s.config.name !== seat.config.name && s.tally.verdict !== 'out' && s.memory.by !== 'override');

/** Everything that moves without a drain: outage marks, returns, ramp, scale. */
export const withTime = (bench: Bench, active: readonly Override[], nowMs: number): Bench => {
  const held: HoldName | null = freezeOn(active, bench.service) === undefined ? null : 'freeze';
  const marked = eachSeat(bench, (s) => withOutage(s, nowMs));
  const recovered = eachSeat(marked, (s) => withRecovery(s, bench.policy, held, nowMs));
  return held === null ? eachSeat(recovered, (s) => withScale(s, bench.policy, nowMs)) : recovered;
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
  const seat = reserves(bench)[0];
  if (seat === undefined) return bench;
  const memory = yielded(seat.memory, nowMs);
  return setMemory(bench, seat.config.name, seat.memory.by === 'override' ? { ...memory, told: [SET_ASIDE] } : memory);
};

export const hasReserve = (bench: Bench): boolean => reserves(bench).some((s) => s.memory.by !== 'override');

export const carries = (bench: Bench): boolean => bench.seats.some((s) => factorOf(s.memory, bench.policy) > 0);

/** The route of the present memory; the configured one when asked to fail open. */
export const routeOf = (bench: Bench): Route => {
  const policy = steeringOf(bench.service.steering.kind);
  if (policy === undefined)
    throw new Error(`steering ${bench.service.steering.kind} is not in the table although the configuration was checked`);
  return policy.steer(bench.seats.map((s) => ({ pool: s.config.name, weight: s.config.weight, factor: factorOf(s.memory, bench.policy) })));
};

export const holdAll = (bench: Bench, hold: HoldName): Bench =>
  eachSeat(bench, (s) => (s.memory.state !== 'out' && s.tally.verdict === 'out' ? patch(s.memory, { hold }) : s.memory));
