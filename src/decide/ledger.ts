// What a service remembers beside its pools: the pin that it follows, what moved lately, when its traffic was last proved to move. Pure.
import type { Moved, Override, Pinned, Route, ServiceRouting } from '../model.ts';
import { type Bench, isPinSetAside, SERVICE } from './bench.ts';

export type Ledger = Pick<ServiceRouting, 'pin' | 'pinHeld' | 'moves' | 'provenAtMs' | 'drills' | 'reminded'>;

/** A service's route after each part of a decision; equal objects where a part moved nothing. */
export interface Marks {
  ordered: Route;
  returned: Route;
  final: Route;
}

export const ledgerOf = (prior: ServiceRouting | null): Ledger => {
  if (prior === null) return {};
  return present(prior);
};

type Given = { readonly [name in keyof Ledger]?: Ledger[name] | undefined };

const PARTS = ['pin', 'pinHeld', 'moves', 'provenAtMs', 'drills', 'reminded'] as const;

/** Always in the same order: two ledgers are compared as text. */
const present = (given: Given): Ledger => {
  const ledger: Record<string, unknown> = {};
  for (const name of PARTS) if (given[name] !== undefined) ledger[name] = given[name];
  return ledger as Ledger;
};

// ---- the pin ----

const pinAfter = (bench: Bench): Pinned | undefined => {
  if (bench.pin === null) return undefined;
  const { id, weights } = bench.pin;
  return isPinSetAside(bench) ? { id, weights, setAside: true } : { id, weights };
};

const pinHeldAfter = (bench: Bench): ServiceRouting['pinHeld'] => {
  const unmet = bench.unmet[SERVICE];
  const id = unmet?.order?.id ?? bench.pin?.id;
  if (unmet === undefined || id === undefined || unmet.why === 'never-empty') return undefined;
  return { id, hold: unmet.why === 'frozen' ? 'frozen' : `rule:${unmet.why.rule}` };
};

// ---- what moved ----

export const movedBetween = (before: Route, after: Route): number =>
  Object.entries(after).reduce((sum, [pool, share]) => sum + Math.max(0, share - (before[pool] ?? 0)), 0);

/** Older records and hand-made ones may leave it out. */
const VELOCITY_WINDOW_MS = 60_000;

/** More moves than this are told as fewer: the oldest two as one, of like cause, at the later instant, which counts for longer. */
const MOVES_MAX = 32;

/** Only a cluster with a rule that looks back on it keeps it. */
const movesAfter = (bench: Bench, { ordered, returned, final }: Marks, nowMs: number): readonly Moved[] | undefined => {
  const settings = bench.policy.safety.velocity;
  const before = bench.before;
  if (settings === undefined || before === null || before.fence === 0) return undefined;
  // A route that is kept to the last thousandth may differ from what its pools' memory would lead to.
  if (movedBetween(before.route, final) === 0) return before.moves;
  const windowMs = Number(settings.windowMs ?? VELOCITY_WINDOW_MS);
  const fresh: readonly Moved[] = [
    { atMs: nowMs, moved: movedBetween(before.route, ordered), cause: 'order' },
    { atMs: nowMs, moved: movedBetween(ordered, returned), cause: 'return' },
    { atMs: nowMs, moved: movedBetween(returned, final), cause: 'health' },
  ];
  const news = fresh.filter(({ moved }) => moved > 0);
  // What is over is forgotten with the next move: that it is over is no news.
  if (news.length === 0) return before.moves;
  const list = [...(before.moves ?? []).filter(({ atMs }) => nowMs - atMs < windowMs), ...news];
  while (list.length > MOVES_MAX) {
    const oldest = list.shift();
    const like = list.findIndex((m) => m.cause === oldest?.cause);
    const next = list[like];
    if (oldest !== undefined && next !== undefined) list[like] = { ...next, moved: oldest.moved + next.moved };
  }
  return list;
};

// ---- what is proved ----

interface Proofs {
  drills: readonly string[] | undefined;
  provenAtMs: number | undefined;
}

/** An exercise that moved traffic proves something once it is over; so does an outage whose traffic comes back. Only what was written proves anything. */
const proofsAfter = (bench: Bench, prior: Ledger, { marks, active, obeyed, hasReturned, nowMs }: Booking): Proofs => {
  const known = prior.drills ?? [];
  const isGoing = (id: string): boolean => active.some((o) => o.id === id);
  const isOver = !known.every(isGoing);
  const hasMoved = movedBetween(bench.before?.route ?? {}, marks.final) > 0;
  const begun = hasMoved && bench.mode === 'auto' ? obeyed.filter((o) => o.drill === true).map(({ id }) => id) : [];
  const going = [...new Set([...known.filter(isGoing), ...begun])];
  return {
    drills: going.length === 0 ? undefined : going.join() === known.join() ? known : going,
    provenAtMs: bench.mode === 'auto' && (isOver || hasReturned) ? nowMs : prior.provenAtMs,
  };
};

export interface Booking {
  marks: Marks;
  active: readonly Override[];
  /** Orders that this decision newly obeys on this service. */
  obeyed: readonly Override[];
  /** Some pool that an outage had drained begins to return. */
  hasReturned: boolean;
  reminded: readonly string[] | undefined;
  nowMs: number;
}

/** The ledger after this decision; the same object when nothing in it is different. */
export const booked = (bench: Bench, prior: Ledger, booking: Booking): Ledger => {
  const next = present({
    pin: pinAfter(bench),
    pinHeld: pinHeldAfter(bench),
    moves: movesAfter(bench, booking.marks, booking.nowMs),
    ...proofsAfter(bench, prior, booking),
    reminded: booking.reminded,
  });
  const isSame = PARTS.every((name) => next[name] === prior[name]) || JSON.stringify(next) === JSON.stringify(prior);
  return isSame ? prior : next;
};
