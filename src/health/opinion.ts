// Opinion: what one vantage believes of one endpoint. k faults in a row, started over at least a span, make it down; one success clears it.
// Results of pipelined probes arrive out of order, so everything is ordered by when a probe started, never by when it ended.
// Ignores slow degradation (gray failure): that is gray.ts.
import type { FaultReason, Outcome } from '../model.ts';

export interface Opinion {
  /** Monotonic starts of the faults since the last success, ascending; at most FAULTS_KEPT newest, the first is kept apart. */
  faultsAtMs: readonly number[];
  faults: number;
  firstFaultAtMs: number | null;
  reason: FaultReason | 'pending' | null;
  lastOkAtMs: number | null;
  /** Start of a probe that has been pending for too long. */
  pendingAtMs: number | null;
  /** Valid looks since boot, counted up to the warm-up. */
  looks: number;
  state: 'unknown' | 'up' | 'down';
}

export interface OpinionRule {
  /** Least faults in a row that make it down. Also the warm-up: fewer looks than this claim nothing. */
  k: number;
  /** Least time between the starts of the first and the last fault of the streak. */
  spanMs: number;
}

/** More than any k that a configuration may ask for; bounds the memory of a streak that lasts for days. */
const FAULTS_KEPT = 32;

export const freshOpinion: Opinion = {
  faultsAtMs: [],
  faults: 0,
  firstFaultAtMs: null,
  reason: null,
  lastOkAtMs: null,
  pendingAtMs: null,
  looks: 0,
  state: 'unknown',
};

/** In a streak of faults, or with a probe pending for too long. */
export const isSuspect = (o: Opinion): boolean => o.faults > 0 || o.pendingAtMs !== null;

/** Judged by the whole streak, not by its last k: a fault more, from a scheduled look amid a burst, must never make it less down. */
const settle = (o: Opinion, rule: OpinionRule): Opinion => {
  const newest = o.faultsAtMs.at(-1);
  const spanMs = newest === undefined || o.firstFaultAtMs === null ? 0 : newest - o.firstFaultAtMs;
  const down = o.faults > 0 && (o.state === 'down' || (o.faults >= rule.k && spanMs >= rule.spanMs));
  // Nobody is called up who has never been seen well, however many looks there were.
  const state = down ? 'down' : o.looks >= rule.k && o.lastOkAtMs !== null ? 'up' : 'unknown';
  return state === o.state ? o : { ...o, state };
};

/** The opinion after one look that started at `startedAtMs` (this vantage's monotonic clock). `nothing` leaves it as it was. */
export const afterLook = (o: Opinion, startedAtMs: number, outcome: Outcome, rule: OpinionRule): Opinion => {
  const pendingAtMs = o.pendingAtMs !== null && o.pendingAtMs <= startedAtMs ? null : o.pendingAtMs;
  switch (outcome.saw) {
    case 'nothing':
      return pendingAtMs === o.pendingAtMs ? o : { ...o, pendingAtMs };
    case 'ok': {
      const later = o.faultsAtMs.filter((at) => at > startedAtMs);
      const looks = Math.min(o.looks + 1, rule.k);
      const lastOkAtMs = Math.max(o.lastOkAtMs ?? startedAtMs, startedAtMs);
      const next: Opinion = {
        faultsAtMs: later,
        faults: later.length,
        firstFaultAtMs: later[0] ?? null,
        reason: later.length > 0 ? o.reason : null,
        lastOkAtMs,
        pendingAtMs,
        looks,
        // A success clears: what was down is up again unless enough later faults stand on their own.
        state: o.state === 'down' ? 'up' : o.state,
      };
      return settle(next, rule);
    }
    case 'fault': {
      const looks = Math.min(o.looks + 1, rule.k);
      // Seen well since: a look all the same, but no doubt.
      if (o.lastOkAtMs !== null && startedAtMs <= o.lastOkAtMs) return settle({ ...o, pendingAtMs, looks }, rule);
      const faultsAtMs = [...o.faultsAtMs, startedAtMs].sort((a, b) => a - b).slice(-FAULTS_KEPT);
      const firstFaultAtMs = Math.min(o.firstFaultAtMs ?? startedAtMs, startedAtMs);
      return settle(
        {
          ...o,
          pendingAtMs,
          looks,
          faultsAtMs,
          faults: o.faults + 1,
          firstFaultAtMs,
          reason: outcome.reason,
        },
        rule,
      );
    }
  }
};

/** The opinion once a probe that started at `startedAtMs` has been pending for longer than the suspicion threshold. */
export const afterPending = (o: Opinion, startedAtMs: number): Opinion => {
  if (o.lastOkAtMs !== null && startedAtMs <= o.lastOkAtMs) return o;
  return { ...o, pendingAtMs: Math.min(o.pendingAtMs ?? startedAtMs, startedAtMs), reason: o.reason ?? 'pending' };
};
