// One policy on recorded evidence: the moves it makes, and how a run that is set right by every recorded decision compares with those. Pure.
import { newUnderstudy, step, translator, type Understudy } from '../decide/understudy.ts';
import type { Heard } from '../health/chamber.ts';
import type { ClusterConfig, Routing } from '../model.ts';
import type { RecordLine } from '../record/lines.ts';
import { type Move, SAME_TIME_MS } from './moves.ts';
import type { Source } from './source.ts';

/** Decisions that are told of those not reproduced. */
const DIFFERENT_MAX = 50;

export interface TrustResult {
  /** Recorded decisions that were compared. */
  checked: number;
  /** Same routes and holds, at the same time. */
  same: number;
  /** Same routes and holds, but made later in life than the evidence allowed: nobody coordinated, or the store was slow. */
  late: number;
  lateMaxMs: number;
  /** Decisions that the recording skips. */
  unseen: number;
  /** The others. */
  differing: number;
  /** The first of them. */
  different: readonly { v: number; atMs: number; because: string; expected: string }[];
}

export interface Run {
  understudy: Understudy;
  translate: (heard: readonly Heard[]) => readonly Heard[];
  moves: Move[];
  holds: Record<string, number>;
}

export const newRun = (cluster: ClusterConfig, source: NonNullable<Source['config']>, start: Start): Run => ({
  understudy: newUnderstudy(cluster, start.routing, start.incidents),
  translate: translator(source, cluster),
  moves: [],
  holds: {},
});

export type Start = Pick<RecordLine & { kind: 'decision' }, 'routing' | 'incidents'> | { routing: null; incidents: readonly [] };

export const advance = (run: Run, heard: readonly Heard[], source: Source, nowMs: number): Routing | null => {
  const { overrides, frozen, reported, tiers } = source;
  const { understudy, next } = step(run.understudy, { heard, overrides, frozen, reported, tiers }, nowMs);
  const before = run.understudy.routing;
  run.understudy = understudy;
  if (next === null) return null;
  for (const { service, after, because } of next.audit.changes) {
    // The first route of a service is where it starts, no move.
    if ((before?.services[service]?.fence ?? 0) === 0) continue;
    run.moves.push({ atMs: nowMs, service, change: because, after, because: next.routing.because });
  }
  for (const { hold } of next.audit.holds) run.holds[hold] = (run.holds[hold] ?? 0) + 1;
  return next.routing;
};

// ---- trust ----

const substance = ({ services }: Routing): string =>
  JSON.stringify(
    Object.entries(services)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { route, pools }]) => [
        name,
        Object.entries(route).sort(([a], [b]) => (a < b ? -1 : 1)),
        Object.entries(pools)
          .map(([pool, { state, hold }]) => [pool, state, hold])
          .sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1)),
      ]),
  );

/** Follows what was really decided, and is set right by it. */
export const createChecker = (run: Run) => {
  const trust = {
    checked: 0,
    same: 0,
    late: 0,
    lateMaxMs: 0,
    unseen: 0,
    differing: 0,
    different: [] as TrustResult['different'][number][],
  };
  let predicted: Routing[] = [];
  let pending: (RecordLine & { kind: 'decision' }) | null = null;
  let lastV = run.understudy.routing?.v ?? 0;
  /** As the last recorded decision left it. */
  let anchor = run.understudy;

  const judge = ({ routing, incidents }: RecordLine & { kind: 'decision' }): void => {
    const isLike = (p: Routing): boolean => substance(p) === substance(routing);
    // A standby does not see what was refused: then two steps here are one in life, under the first one's number.
    const expected = predicted.findLast((p) => p.v === routing.v && isLike(p)) ?? predicted.findLast(isLike) ?? predicted.at(-1) ?? null;
    trust.checked += 1;
    trust.unseen += Math.max(0, routing.v - lastV - 1);
    lastV = routing.v;
    const lateMs = routing.atMs - (expected?.atMs ?? routing.atMs);
    if (expected === null || !isLike(expected)) {
      trust.differing += 1;
      const instead = expected?.because ?? 'nothing to decide';
      if (trust.different.length < DIFFERENT_MAX)
        trust.different.push({ v: routing.v, atMs: routing.atMs, because: routing.because, expected: instead });
    } else if (Math.abs(lateMs) <= SAME_TIME_MS) trust.same += 1;
    else {
      trust.late += 1;
      trust.lateMaxMs = Math.max(trust.lateMaxMs, Math.abs(lateMs));
    }
    run.understudy = {
      ...newUnderstudy(run.understudy.cluster, routing, incidents),
      expired: run.understudy.expired,
      told: run.understudy.told,
    };
    anchor = run.understudy;
    predicted = [];
  };

  return {
    trust,
    run,
    /** A recorded decision. One that the evidence so far does not lead to may rest on the very next look. */
    decided(line: RecordLine & { kind: 'decision' }): void {
      if (pending !== null) judge(pending);
      pending = null;
      if ((run.understudy.routing?.v ?? 0) >= line.routing.v) judge(line);
      else pending = line;
    },
    /** `leads`: a look of whoever coordinated. It shows every decision of before that was committed: what it does not show was refused, and never was. */
    tick(heard: readonly Heard[], source: Source, nowMs: number, leads: boolean): void {
      if (leads && predicted.length > 0 && pending === null) {
        run.understudy = { ...anchor, cluster: run.understudy.cluster };
        predicted = [];
      }
      const next = advance(run, run.translate(heard), source, nowMs);
      if (next !== null) predicted.push(next);
      // Between two looks of a standby there are steps from before whoever coordinated looked.
      if (pending === null || nowMs < pending.routing.atMs) return;
      judge(pending);
      pending = null;
    },
  };
};
