// What a decision did, as facts: the difference between the memory before and after it. Sentences, incidents and pages are all told from this one list,
// so that they cannot disagree.
import { causeOf } from '../health/verdict.ts';
import type { HoldName, Mode, Override, PoolMemory, PoolTally, Refusal, Route, ServiceConfig, Verdict } from '../model.ts';
import { type Bench, FAIL_OPEN } from './bench.ts';
import { cutOf } from './gray.ts';
import { GRAY, type Seat } from './pool.ts';

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
    | { kind: 'held'; hold: HoldName; failOpen: boolean; refusal: Refusal | null }
    | { kind: 'freed'; hold: HoldName }
    | { kind: 'returning'; holdMs: number }
    | { kind: 'stage'; stage: number; restarted: boolean }
    | { kind: 'returned'; early: boolean }
    /** `gray`: so many of its targets are gray, and cost it some of its share. */
    | { kind: 'scaled'; scale: number; raised: boolean; gray: number }
    | { kind: 'ordered'; override: Override }
    | { kind: 'released' }
    | { kind: 'set-aside' }
    | { kind: 'refused'; override: Override; frozen: boolean }
    | { kind: 'failed-open'; afterMs: number }
    | { kind: 'suspect' }
    /** `acceptable`: errors in thousandths that would not have been told. */
    | { kind: 'gray'; acceptable: number; cut: boolean }
    | { kind: 'gray-over'; acceptable: number | null }
    | { kind: 'unready-long'; forMs: number }
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
  happenings: readonly Happening[];
}

/** Facts about one pool. `order` is the drain override on it, `refusal` that of the safety rule that held it, if any. */
export const happeningsOf = (
  bench: Bench,
  before: PoolMemory | undefined,
  seat: Seat,
  order: Override | undefined,
  refusal: Refusal | null,
  nowMs: number,
): readonly Happening[] => {
  const { memory: after, tally, config } = seat;
  const subject: Subject = { service: bench.service.name, mode: bench.mode, pool: config.name, region: config.region, tally };
  if (before === undefined || before === after) return [];
  const list: Happening[] = [];
  const cut = cutOf(bench, seat, nowMs);
  if (before.state !== after.state || before.by !== after.by) list.push(...moves(subject, before, after, tally, order, nowMs));
  else if (after.state === 'returning' && before.stageAtMs !== after.stageAtMs)
    list.push({ ...subject, kind: 'stage', stage: after.stage, restarted: after.stage <= before.stage });
  const raised = after.scale > before.scale;
  if (before.scale !== after.scale)
    list.push({ ...subject, kind: 'scaled', scale: after.scale, raised, gray: cut.now > 0 && !raised ? tally.gray : 0 });
  if (before.hold !== after.hold && after.hold !== null)
    list.push({ ...subject, kind: 'held', hold: after.hold, failOpen: bench.service.allDown === 'configured', refusal });
  if (before.hold !== null && after.hold === null && after.state !== 'out') list.push({ ...subject, kind: 'freed', hold: before.hold });
  if (after.told.includes('refused') && !before.told.includes('refused') && order !== undefined)
    list.push({ ...subject, kind: 'refused', override: order, frozen: bench.still === 'frozen' });
  if (after.told.includes(FAIL_OPEN) && !before.told.includes(FAIL_OPEN))
    list.push({ ...subject, kind: 'failed-open', afterMs: bench.policy.pacingMs });
  if (after.told.includes('suspect') && !before.told.includes('suspect')) list.push({ ...subject, kind: 'suspect' });
  if (after.told.includes(GRAY) && !before.told.includes(GRAY))
    list.push({ ...subject, kind: 'gray', acceptable: bench.policy.gray?.acceptable ?? 0, cut: after.scale < before.scale && cut.now > 0 });
  if (before.told.includes(GRAY) && !after.told.includes(GRAY))
    list.push({ ...subject, kind: 'gray-over', acceptable: bench.policy.gray?.acceptable ?? null });
  if (after.told.includes('unready-long') && !before.told.includes('unready-long'))
    list.push({ ...subject, kind: 'unready-long', forMs: nowMs - (after.outAtMs ?? nowMs) });
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
  if (after.state === 'returning') return [{ ...subject, kind: 'returning', holdMs: nowMs - (before.upAtMs ?? nowMs) }];
  return [{ ...subject, kind: 'returned', early: before.state === 'out' }];
};
