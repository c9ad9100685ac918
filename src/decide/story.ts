// What a decision did, as facts: the difference between the memory before and after it. Sentences, incidents and pages are all told from this one list,
// so that they cannot disagree.
import { causeOf } from '../health/verdict.ts';
import type { HoldName, Mode, Override, PoolMemory, PoolTally, Refusal, Route, ServiceConfig, Verdict } from '../model.ts';
import { type Bench, FAIL_OPEN, type RuleRefusal, SERVICE, type Unmet } from './bench.ts';
import { cutOf } from './gray.ts';
import type { Ledger } from './ledger.ts';
import { drainOn, forceOn, pinsOn } from './override.ts';
import { FORCED, GRAY, OUT_IN_DRILL, REFUSED, type Seat, unreadyMs } from './pool.ts';

interface Subject {
  service: string;
  mode: Mode;
  pool: string;
  region: string;
  tally: PoolTally;
}

export type Happening = Subject &
  (
    | { kind: 'drained'; cause: Verdict; latched: boolean; drains: number }
    /** `passing`: it ends by itself so soon that nobody need hear of it. */
    | { kind: 'held'; hold: HoldName; failOpen: boolean; refusal: RuleRefusal | null; passing: boolean }
    | { kind: 'freed'; hold: HoldName }
    | { kind: 'returning'; holdMs: number }
    | { kind: 'stage'; stage: number; restarted: boolean }
    | { kind: 'returned'; early: boolean }
    /** `gray`: so many of its targets are gray, and cost it some of its share. */
    | { kind: 'scaled'; scale: number; raised: boolean; gray: number }
    | { kind: 'ordered'; override: Override }
    | { kind: 'released' }
    | { kind: 'set-aside' }
    | { kind: 'refused'; override: Override; why: Unmet['why'] }
    | { kind: 'forced'; override: Override }
    | { kind: 'force-over' }
    /** `instead`: pins that are older and still stand. */
    | { kind: 'pinned'; override: Override; instead: readonly string[] }
    | { kind: 'unpinned'; id: string }
    | { kind: 'pin-kept'; id: string; refusal: RuleRefusal }
    | { kind: 'pin-aside'; id: string }
    /** A drain that a rule let pass at a price. */
    | { kind: 'warned'; rule: string; because: string }
    | { kind: 'failed-open'; afterMs: number }
    /** `again`: it was a moment ago, so that everybody knows. */
    | { kind: 'suspect'; again: boolean }
    /** `acceptable`: errors in thousandths that would not have been told. */
    | { kind: 'gray'; acceptable: number; cut: boolean }
    | { kind: 'gray-over'; acceptable: number | null }
    | { kind: 'unready-long'; forMs: number }
    /** It went out while an exercise keeps its traffic away. */
    | { kind: 'out-in-drill'; override: Override }
  );

export interface ServiceStory {
  service: ServiceConfig;
  mode: Mode;
  before: Route;
  after: Route;
  /** The route differs, or is decided for the first time. */
  moved: boolean;
  started: boolean;
  /** Some pool's memory, or the mode, differs from the last record. */
  changed: boolean;
  memories: Readonly<Record<string, PoolMemory>>;
  /** Per pool: since when a quorum has held it out. */
  outAtMs: Readonly<Record<string, number | null>>;
  /** What it remembers beside its pools. */
  ledger: Ledger;
  /** Rules that stand in the way of something now. */
  refusals: readonly Refusal[];
  happenings: readonly Happening[];
}

/** A return that a rule holds for no longer than this is told in the audit only. */
const PASSING_MS = 10 * 60_000;

/** An endpoint that fails alone again within so long of the last time goes on failing now and then: that was told. */
const SUSPECT_AGAIN_MS = 5 * 60_000;

/** Facts about one pool. `refusal`: of the safety rule that holds its drain, if any. */
export const happeningsOf = (
  bench: Bench,
  before: PoolMemory | undefined,
  seat: Seat,
  active: readonly Override[],
  refusal: RuleRefusal | null,
  nowMs: number,
): readonly Happening[] => {
  const { memory: after, measured: tally, config } = seat;
  if (before === undefined || before === after) return [];
  const subject: Subject = { service: bench.service.name, mode: bench.mode, pool: config.name, region: config.region, tally };
  const list: Happening[] = [];
  const cut = cutOf(bench, seat, nowMs);
  const [isForced, wasForced] = [after, before].map(({ told }) => told.includes(FORCED));
  const order = drainOn(active, bench.service, config);
  const force = forceOn(active, bench.service, config);
  const unmet = bench.unmet[config.name];
  if (isForced === true && wasForced !== true) {
    if (force !== undefined) list.push({ ...subject, kind: 'forced', override: force });
  } else if (before.state !== after.state || before.by !== after.by) list.push(...moves(subject, before, after, tally, order, nowMs));
  else if (after.state === 'returning' && before.stageAtMs !== after.stageAtMs)
    list.push({ ...subject, kind: 'stage', stage: after.stage, restarted: after.stage <= before.stage });
  const raised = after.scale > before.scale;
  if (before.scale !== after.scale)
    list.push({ ...subject, kind: 'scaled', scale: after.scale, raised, gray: cut.now > 0 && !raised ? tally.gray : 0 });
  if (wasForced === true && isForced !== true && after.state !== 'out' && !after.told.includes(REFUSED))
    list.push({ ...subject, kind: 'force-over' });
  // That an order is refused is told by itself; that the same rule now holds what is dead is another matter.
  const isNewHold = before.hold !== after.hold || (refusal !== null && before.outAtMs === null && after.outAtMs !== null);
  if (isNewHold && after.hold !== null && (unmet?.order == null || refusal !== null)) {
    const rule = refusal ?? (unmet === undefined || typeof unmet.why === 'string' ? null : unmet.why);
    const passing = refusal === null && rule?.againAtMs != null && rule.againAtMs - nowMs <= PASSING_MS;
    list.push({ ...subject, kind: 'held', hold: after.hold, failOpen: bench.service.allDown === 'configured', refusal: rule, passing });
  }
  if (before.hold !== null && after.hold === null && after.state !== 'out') list.push({ ...subject, kind: 'freed', hold: before.hold });
  if (after.told.includes(REFUSED) && !before.told.includes(REFUSED) && unmet?.order != null)
    list.push({ ...subject, kind: 'refused', override: unmet.order, why: unmet.why });
  if (after.told.includes(FAIL_OPEN) && !before.told.includes(FAIL_OPEN))
    list.push({ ...subject, kind: 'failed-open', afterMs: bench.policy.pacingMs });
  if (after.told.includes('suspect') && !before.told.includes('suspect'))
    list.push({ ...subject, kind: 'suspect', again: nowMs - (before.suspectAtMs ?? Number.NEGATIVE_INFINITY) < SUSPECT_AGAIN_MS });
  if (after.told.includes(GRAY) && !before.told.includes(GRAY))
    list.push({ ...subject, kind: 'gray', acceptable: bench.policy.gray?.acceptable ?? 0, cut: after.scale < before.scale && cut.now > 0 });
  if (before.told.includes(GRAY) && !after.told.includes(GRAY))
    list.push({ ...subject, kind: 'gray-over', acceptable: bench.policy.gray?.acceptable ?? null });
  if (after.told.includes('unready-long') && !before.told.includes('unready-long'))
    list.push({ ...subject, kind: 'unready-long', forMs: unreadyMs(after, tally, nowMs) });
  if (after.told.includes(OUT_IN_DRILL) && !before.told.includes(OUT_IN_DRILL) && order !== undefined)
    list.push({ ...subject, kind: 'out-in-drill', override: order });
  return list;
};

const moves = (
  subject: Subject,
  before: PoolMemory,
  after: PoolMemory,
  tally: PoolTally,
  order: Override | undefined,
  nowMs: number,
): readonly Happening[] => {
  if (after.state === 'out' && after.by === 'override')
    return order === undefined ? [] : [{ ...subject, kind: 'ordered', override: order }];
  if (before.by === 'override' && after.state !== 'in') return [{ ...subject, kind: 'released' }];
  if (after.told.includes('set-aside') && !before.told.includes('set-aside')) return [{ ...subject, kind: 'set-aside' }];
  if (after.state === 'out')
    return [{ ...subject, kind: 'drained', cause: causeOf(tally), latched: after.latched, drains: after.drainsAtMs.length }];
  // It was in, without traffic: what a human had pinned ended, and tells itself.
  if (after.state === 'returning' && before.state === 'in') return [];
  if (after.state === 'returning') return [{ ...subject, kind: 'returning', holdMs: nowMs - (before.upAtMs ?? nowMs) }];
  return [{ ...subject, kind: 'returned', early: before.state === 'out' }];
};

/** Facts about the service as a whole, before and after. */
export const serviceHappeningsOf = (bench: Bench, before: Ledger, after: Ledger, active: readonly Override[]): readonly Happening[] => {
  const tally = bench.seats[0]?.measured;
  if (tally === undefined) return [];
  const subject: Subject = { service: bench.service.name, mode: bench.mode, pool: SERVICE, region: SERVICE, tally };
  const list: Happening[] = bench.warnings.map((w) => ({ ...subject, kind: 'warned', ...w }));
  const [was, is, unmet] = [before.pin, after.pin, bench.unmet[SERVICE]];
  const [first, ...others] = pinsOn(active, bench.service);
  if (is !== undefined && first !== undefined && JSON.stringify([is.id, is.weights]) !== JSON.stringify([was?.id, was?.weights]))
    list.push({ ...subject, kind: 'pinned', override: first, instead: others.map(({ id }) => id) });
  if (was !== undefined && is === undefined) list.push({ ...subject, kind: 'unpinned', id: was.id });
  if (is?.setAside === true && was?.setAside !== true) list.push({ ...subject, kind: 'pin-aside', id: is.id });
  if (unmet !== undefined && JSON.stringify(before.pinHeld) !== JSON.stringify(after.pinHeld)) {
    if (unmet.order !== null) list.push({ ...subject, kind: 'refused', override: unmet.order, why: unmet.why });
    else if (typeof unmet.why !== 'string' && is !== undefined) list.push({ ...subject, kind: 'pin-kept', id: is.id, refusal: unmet.why });
  }
  return list;
};
