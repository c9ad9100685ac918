// One pool's memory and how it moves: in -> out -> returning (up the ramp) -> in. Pure; returns the same object when nothing changed, so that
// a step without news costs no decision. Whether a drain may happen is decided elsewhere (drains.ts); this file only remembers.

import type { HoldName, Policy, PoolConfig, PoolMemory, PoolTally } from '../model.ts';
import type { Cut } from './gray.ts';

/** A pool under consideration. */
export interface Seat {
  config: PoolConfig;
  /** As it counts: what was measured, or up by an order. */
  tally: PoolTally;
  /** As a quorum sees it, whatever was ordered. */
  measured: PoolTally;
  memory: PoolMemory;
}

/** Longest recovery hold that doubling leads to, unless the configured one is longer. */
const HOLD_MAX_MS = 30 * 60_000;

export const newMemory = (state: PoolMemory['state'], nowMs: number): PoolMemory => ({
  state,
  by: state === 'out' ? 'health' : null,
  sinceAtMs: nowMs,
  outAtMs: null,
  upAtMs: null,
  stage: 0,
  stageAtMs: nowMs,
  scale: 1000,
  scaleUpAtMs: null,
  drainsAtMs: [],
  latched: false,
  hold: null,
  told: [],
});

/** Tags of orders that are not obeyed: one set aside because nobody else is left, or one that would leave nobody. */
export const SET_ASIDE = 'set-aside';
export const REFUSED = 'refused';

/** Tag of pools that count as up because a human says so. */
export const FORCED = 'forced';

/** Tag of pools that went out while an exercise keeps their traffic away: nobody expects that, and no drain by health tells of it. */
export const OUT_IN_DRILL = 'out-in-drill';

/** Tag of pools with gray targets. */
export const GRAY = 'gray';

/** What stays told through a change of state: a refusal, as long as its order stands, and gray, until a quorum has seen it end. */
const stillTold = (memory: PoolMemory): readonly string[] => memory.told.filter((tag) => tag === REFUSED || tag === GRAY);

/** `memory` with `fields`, or `memory` itself when they change nothing. */
export const patch = (memory: PoolMemory, fields: Partial<PoolMemory>): PoolMemory => {
  for (const key in fields) if (memory[key as keyof PoolMemory] !== fields[key as keyof PoolMemory]) return { ...memory, ...fields };
  return memory;
};

/** The same content, whatever the objects. Both come from this file, so they have the same fields, but for one that may be absent. */
export const isSame = (a: PoolMemory, b: PoolMemory): boolean => {
  if (a === b) return true;
  if (a.suspectAtMs !== b.suspectAtMs) return false;
  const other: Readonly<Record<string, unknown>> = { ...b };
  return Object.entries(a).every(([key, value]) => {
    const there = other[key];
    return Array.isArray(value) && Array.isArray(there) ? value.join() === there.join() : value === there;
  });
};

/** Recovery hold in ms after `drains` automatic drains within the flap window: doubles with each. */
export const recoveryHoldMs = (policy: Policy, drains: number): number =>
  Math.min(policy.recoveryHoldMs * 2 ** Math.max(0, drains - 1), Math.max(HOLD_MAX_MS, policy.recoveryHoldMs));

/** Thousandths of its configured share that a pool may carry now. */
export const factorOf = (memory: PoolMemory, policy: Policy): number => {
  switch (memory.state) {
    case 'out':
      return 0;
    case 'in':
      return memory.scale;
    case 'returning':
      return Math.max(1, Math.round(((policy.ramp[memory.stage] ?? 1000) * memory.scale) / 1000));
  }
};

export const drainedByHealth = (memory: PoolMemory, policy: Policy, nowMs: number): PoolMemory => {
  const drainsAtMs = [...memory.drainsAtMs.filter((at) => nowMs - at < policy.flapWindowMs), nowMs];
  const latched = memory.latched || (policy.latchAfter > 0 && drainsAtMs.length >= policy.latchAfter);
  return {
    ...memory,
    state: 'out',
    by: 'health',
    sinceAtMs: nowMs,
    upAtMs: null,
    drainsAtMs,
    latched,
    hold: null,
    told: stillTold(memory),
  };
};

export const drainedByOverride = (memory: PoolMemory, nowMs: number): PoolMemory =>
  memory.state === 'out' && memory.by === 'override'
    ? patch(memory, { hold: null })
    : { ...memory, state: 'out', by: 'override', sinceAtMs: nowMs, upAtMs: null, hold: null };

/** Up, because a human says so: in at full share at once, and what was counted against it is forgotten. */
export const forcedIn = (memory: PoolMemory, nowMs: number): PoolMemory =>
  memory.told.includes(FORCED)
    ? memory
    : {
        ...newMemory('in', memory.state === 'in' ? memory.sinceAtMs : nowMs),
        stageAtMs: memory.stageAtMs,
        told: [...memory.told.filter((tag) => tag === GRAY), FORCED],
      };

/** Of a pool that is in, but not because its traffic went there: it comes up the ramp like one that returns. */
export const rampedUp = (memory: PoolMemory, nowMs: number): PoolMemory => ({
  ...memory,
  state: 'returning',
  by: null,
  sinceAtMs: nowMs,
  stage: 0,
  stageAtMs: nowMs,
});

/** Off the ramp, because a human gives it a share of its own. */
export const offRamp = (memory: PoolMemory, nowMs: number): PoolMemory => ({
  ...memory,
  state: 'in',
  by: null,
  sinceAtMs: nowMs,
  stage: 0,
  stageAtMs: nowMs,
  hold: null,
});

const stillGray = (memory: PoolMemory): readonly string[] => memory.told.filter((tag) => tag === GRAY);

/** A human acted on this pool, so flap counts and the latch are forgotten; traffic returns up the ramp, or after recovery if it is not up. */
export const releasedByOverride = (seat: Seat, nowMs: number): PoolMemory => {
  const clean: PoolMemory = { ...seat.memory, drainsAtMs: [], latched: false, hold: null, told: stillGray(seat.memory), sinceAtMs: nowMs };
  return isSound(seat)
    ? { ...clean, state: 'returning', by: null, stage: 0, stageAtMs: nowMs }
    : { ...clean, state: 'out', by: 'health', upAtMs: null };
};

/** Straight back at full share: the alternative is leaving traffic on a pool that is down. */
export const yielded = (memory: PoolMemory, nowMs: number): PoolMemory => ({
  ...memory,
  state: 'in',
  by: null,
  sinceAtMs: nowMs,
  outAtMs: null,
  upAtMs: null,
  hold: null,
  told: stillTold(memory),
});

/** Nothing speaks against traffic: up at quorum, no vantage in doubt for k probes, no closed gate. */
export const isSound = ({ tally }: Seat): boolean => tally.verdict === 'up' && !tally.anyDownVote && tally.gate === 'open';

/** First instant of the present outage by quorum; cleared once a quorum says up. */
export const withOutage = (seat: Seat, nowMs: number): PoolMemory => {
  const { memory, tally } = seat;
  if (tally.verdict === 'out') return patch(memory, { outAtMs: memory.outAtMs ?? nowMs });
  // The wish to drain ends with the verdict; a hold that stood in its way ends with it.
  if (tally.verdict === 'up' && memory.state !== 'out') return patch(memory, { outAtMs: null, hold: null });
  return memory;
};

/** For how long it has failed without a pause: what was up in between began anew, though its outage goes on. ms. */
export const unreadyMs = ({ outAtMs }: PoolMemory, { firstFaultAtMs }: PoolTally, nowMs: number): number =>
  outAtMs === null ? 0 : nowMs - Math.max(outAtMs, firstFaultAtMs ?? outAtMs);

/** Return of a drained pool and its climb up the ramp. `held`: automation is frozen, so nothing moves up. */
export const withRecovery = (seat: Seat, policy: Policy, held: HoldName | null, nowMs: number): PoolMemory => {
  const { memory } = seat;
  switch (memory.state) {
    case 'in':
      return memory;
    case 'out':
      return memory.by === 'health' ? awaitReturn(seat, policy, held, nowMs) : memory;
    case 'returning':
      return climb(seat, policy, held, nowMs);
  }
};

const awaitReturn = (seat: Seat, policy: Policy, held: HoldName | null, nowMs: number): PoolMemory => {
  const { memory } = seat;
  // A latch holds it whether it is up or not: what flaps on would otherwise be held anew, and told, each time it is up.
  if (!isSound(seat)) return patch(memory, { upAtMs: null, hold: memory.latched ? memory.hold : null });
  const upAtMs = memory.upAtMs ?? nowMs;
  if (memory.latched) return patch(memory, { upAtMs, hold: 'latched' });
  if (nowMs - upAtMs < recoveryHoldMs(policy, memory.drainsAtMs.length)) return patch(memory, { upAtMs });
  if (held !== null) return patch(memory, { upAtMs, hold: held });
  return {
    ...memory,
    state: 'returning',
    by: null,
    sinceAtMs: nowMs,
    outAtMs: null,
    upAtMs: null,
    stage: 0,
    stageAtMs: nowMs,
    hold: null,
    told: stillTold(memory),
  };
};

/** Some vantage says down while a majority speaks: without one nothing moves, not even back down the ramp. */
const isDoubted = ({ tally }: Seat): boolean =>
  tally.anyDownVote && tally.targets.some((t) => Object.values(t.endpoints).some((e) => e.down > 0 && e.down + e.up >= e.needs));

const climb = (seat: Seat, policy: Policy, held: HoldName | null, nowMs: number): PoolMemory => {
  const { memory, tally } = seat;
  // Any doubt starts the ramp again; while it lasts, the first stage's time does not run.
  if (isDoubted(seat)) {
    if (held !== null) return memory.stage > 0 ? patch(memory, { hold: held }) : memory;
    if (memory.stage === 0 && tally.verdict === 'out') return memory;
    return memory.stage === 0 && nowMs - memory.stageAtMs < policy.rampStepMs / 2 ? memory : patch(memory, { stage: 0, stageAtMs: nowMs });
  }
  if (!isSound(seat) || nowMs - memory.stageAtMs < policy.rampStepMs) return memory;
  if (held !== null) return patch(memory, { hold: held });
  const stage = memory.stage + 1;
  if (stage >= policy.ramp.length - 1)
    return { ...memory, state: 'in', by: null, sinceAtMs: nowMs, stage: 0, stageAtMs: nowMs, hold: null };
  return { ...memory, stage, stageAtMs: nowMs, hold: null };
};

/**
 * Share of the targets that are up, without what is cut for gray ones: lowered at once, raised only after it has been higher for
 * the recovery hold, so that flapping targets move no route. Never nothing: that would be a drain.
 */
export const withScale = (seat: Seat, policy: Policy, cut: Cut, nowMs: number): PoolMemory => {
  const { memory, tally } = seat;
  if (tally.verdict !== 'up' || tally.total === 0) return memory;
  // Targets of unknown health take nothing away and give nothing back.
  const scaleOf = (targets: number, less: number): number => Math.max(1, Math.round((targets * 1000 - less) / tally.total));
  const [most, scale] = [scaleOf(tally.up + tally.unknown, cut.now), scaleOf(tally.up, cut.still)];
  if (most < memory.scale) return patch(memory, { scale: most, scaleUpAtMs: null });
  if (scale <= memory.scale) return patch(memory, { scaleUpAtMs: null });
  const scaleUpAtMs = memory.scaleUpAtMs ?? nowMs;
  if (nowMs - scaleUpAtMs < policy.recoveryHoldMs) return patch(memory, { scaleUpAtMs });
  return patch(memory, { scale, scaleUpAtMs: null });
};
