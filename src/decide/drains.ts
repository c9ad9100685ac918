// Drains by automation: which of the pools that a quorum holds out may leave now. Service by service first (a receiver, the floor, a freeze), then over
// all services together, since pacing and blast radius count regions: everything of one region moves in one decision, one new region per span.
import { safetyOf } from '../../policies/index.ts';
import type { HoldName, Override, Policy, Route, Routing } from '../model.ts';
import { type Bench, carries, hasReserve, routeOf, setMemory, withReserve } from './bench.ts';
import { freezeOn } from './override.ts';
import { drainedByHealth, patch, type Seat } from './pool.ts';

interface Wish {
  service: string;
  pool: string;
  region: string;
  share: number;
  hold: HoldName | null;
}

/** Pools that a quorum holds out and that still carry traffic, each with what stands in the way within its own service. */
const wishesOf = (bench: Bench, active: readonly Override[], nowMs: number): readonly Wish[] => {
  const frozen = freezeOn(active, bench.service) !== undefined;
  let out = bench.seats.filter((s) => s.memory.state === 'out' && s.memory.by === 'health').length;
  return bench.seats
    .filter((s) => s.memory.state !== 'out' && s.tally.verdict === 'out')
    .map((seat) => {
      const hold: HoldName | null = frozen
        ? 'freeze'
        : (lacksReceiver(bench, seat, nowMs) ?? (out >= floorOf(bench) && !hasReserve(bench) ? 'floor' : null));
      if (hold === null) out++;
      return {
        service: bench.service.name,
        pool: seat.config.name,
        region: seat.config.region,
        share: bench.before?.route[seat.config.name] ?? 0,
        hold,
      };
    });
};

/** Automation drains at most half of the pools of a service, rounded up. By count, not by share: 100/0 must be able to fail over. */
const floorOf = (bench: Bench): number => Math.ceil(bench.seats.length / 2);

const lacksReceiver = (bench: Bench, seat: Seat, nowMs: number): HoldName | null => {
  const others = bench.seats.filter((s) => s.config.name !== seat.config.name);
  if (others.every((s) => s.tally.verdict === 'out')) return 'all-down';
  const receivers = others.filter((s) => s.tally.verdict === 'up');
  if (receivers.some((s) => !s.tally.suspectAtQuorum)) return null;
  // Everybody who could receive is in doubt too. One confirmation span tells a shared cause from a single one.
  if (nowMs - (seat.memory.outAtMs ?? nowMs) < bench.policy.receiverWaitMs) return 'confirming';
  return receivers.length > 0 ? null : 'receiver';
};

export interface Drained {
  benches: readonly Bench[];
  /** Regions newly drained by this decision. */
  regions: readonly string[];
  regionDrainsAtMs: Readonly<Record<string, number>>;
  /** Sentences of safety rules that refused, by `service/pool`. */
  refusals: Readonly<Record<string, string>>;
}

/** Grants the wishes that may be granted now and names the hold of every other. */
export const withDrains = (benches: readonly Bench[], active: readonly Override[], routing: Routing, nowMs: number): Drained => {
  const wishes = benches.flatMap((bench) => wishesOf(bench, active, nowMs));
  if (wishes.length === 0) return { benches, regions: [], regionDrainsAtMs: routing.regionDrainsAtMs, refusals: {} };
  const open = openRegions(benches, routing, nowMs);
  const wanted = [...new Set(wishes.filter((w) => w.hold === null).map((w) => w.region))];
  const fresh = pickRegion(
    wishes,
    wanted.filter((region) => !open.has(region)),
    routing,
    benches[0]?.policy,
    nowMs,
  );
  const granted = new Set([...wanted.filter((region) => open.has(region)), ...(fresh === null ? [] : [fresh])]);
  const refusals: Record<string, string> = {};
  const drained = new Set<string>();
  const next = benches.map((bench) => {
    const mine = wishes.filter((w) => w.service === bench.service.name);
    if (mine.length === 0) return bench;
    const paced = mine.map((w): Wish => (w.hold === null && !granted.has(w.region) ? { ...w, hold: 'pacing' } : w));
    const judged = judge(bench, paced, routing, refusals, nowMs);
    for (const w of judged) if (w.hold === null && bench.mode === 'auto' && !open.has(w.region)) drained.add(w.region);
    return grant(bench, judged, nowMs);
  });
  const stamped = Object.fromEntries([...drained].map((region) => [region, nowMs]));
  return {
    benches: next,
    regions: [...drained],
    regionDrainsAtMs: drained.size > 0 ? { ...routing.regionDrainsAtMs, ...stamped } : routing.regionDrainsAtMs,
    refusals,
  };
};

/** Regions that are drained already, or were newly drained within the span: more of the same region is not a new region. */
const openRegions = (benches: readonly Bench[], routing: Routing, nowMs: number): ReadonlySet<string> => {
  const pacingMs = benches[0]?.policy.pacingMs ?? 0;
  const recent = Object.entries(routing.regionDrainsAtMs).filter(([, atMs]) => nowMs - atMs < pacingMs);
  const out = benches
    .filter((b) => b.mode === 'auto')
    .flatMap((b) => b.seats.filter((s) => s.memory.state === 'out' && s.memory.by === 'health' && s.tally.verdict === 'out'));
  return new Set([...recent.map(([region]) => region), ...out.map((s) => s.config.region)]);
};

/** The one new region that may go now: most traffic at risk first, then by name. Null: another went too recently, or none asks. */
const pickRegion = (
  wishes: readonly Wish[],
  candidates: readonly string[],
  routing: Routing,
  policy: Policy | undefined,
  nowMs: number,
): string | null => {
  const pacingMs = policy?.pacingMs ?? 0;
  if (Object.values(routing.regionDrainsAtMs).some((atMs) => nowMs - atMs < pacingMs)) return null;
  const atRisk = (region: string): number =>
    wishes.filter((w) => w.region === region && w.hold === null).reduce((sum, w) => sum + w.share, 0);
  return candidates.toSorted((a, b) => atRisk(b) - atRisk(a) || (a < b ? -1 : 1))[0] ?? null;
};

const judge = (
  bench: Bench,
  wishes: readonly Wish[],
  routing: Routing,
  refusals: Record<string, string>,
  nowMs: number,
): readonly Wish[] => {
  const going = wishes.filter((w) => w.hold === null);
  if (going.length === 0) return wishes;
  const after = routeOf(grant(bench, wishes, nowMs));
  const before: Route = bench.before?.route ?? {};
  for (const [kind, settings] of Object.entries(bench.policy.safety)) {
    const rule = safetyOf(kind);
    if (rule === undefined) continue;
    const numbers = { ...rule.defaults, ...numbersOf(settings) };
    const ruling = rule.judge({ service: bench.service, before, after, drains: going.map((w) => w.region) }, routing, numbers, nowMs);
    if (ruling.allow) continue;
    for (const w of going) refusals[`${w.service}/${w.pool}`] = ruling.because;
    return wishes.map((w): Wish => (w.hold === null ? { ...w, hold: `rule:${kind}` } : w));
  }
  return wishes;
};

const numbersOf = (settings: Readonly<Record<string, unknown>>): Record<string, number> =>
  Object.fromEntries(Object.entries(settings).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));

const grant = (bench: Bench, wishes: readonly Wish[], nowMs: number): Bench => {
  let next = bench;
  for (const wish of wishes) {
    const seat = next.seats.find((s) => s.config.name === wish.pool);
    if (seat === undefined) continue;
    const memory = wish.hold === null ? drainedByHealth(seat.memory, bench.policy, nowMs) : patch(seat.memory, { hold: wish.hold });
    next = setMemory(next, wish.pool, memory);
  }
  const drained = next.seats.filter((s) => s.memory.state === 'out' && s.memory.by === 'health').length;
  // Nobody left, or more out than the floor allows although one of them is up again: the reserve comes back at once.
  return !carries(next) || (drained > floorOf(next) && hasReserve(next)) ? withReserve(next, nowMs) : next;
};
