// Freshness without wall clocks: a record with revision m was certainly written after any read that was sent before and still saw a revision below m.
// So its age is at most "now minus the sending of the latest such read". Notices nothing itself; the coordinator feeds it one sample per read.

interface Sample {
  sentAtMs: number;
  rev: number;
}

/** Reads slower than this say too little about time. */
const SLOW_READ_MS = 2000;
/** At two reads a second this spans more than any freshness limit in use. */
const SAMPLES_MAX = 64;
/** Wall and monotonic clock apart by more than this between two samples: the machine was suspended. */
const SUSPEND_MS = 2000;

export interface RevisionClock {
  /** One linearizable read: own monotonic instants of sending and arrival, the revision it saw, and the wall clock at arrival. */
  sample(sentAtMs: number, arrivedAtMs: number, rev: number, wallMs: number): void;
  /** Upper bound of the age in ms of a record whose last write has revision `mod`; Infinity when no sample bounds it. */
  ageMs(mod: number, nowMs: number): number;
  clear(): void;
}

export const createRevisionClock = (): RevisionClock => {
  let samples: Sample[] = [];
  let last: { monoMs: number; wallMs: number } | null = null;
  return {
    sample(sentAtMs, arrivedAtMs, rev, wallMs) {
      const slipMs = last === null ? 0 : Math.abs(wallMs - last.wallMs - (arrivedAtMs - last.monoMs));
      last = { monoMs: arrivedAtMs, wallMs };
      // A stepped wall clock looks the same as a suspend; both only cost a few seconds of silence. This read may have been under way meanwhile, so that
      // it was sent longer ago than the monotonic clock says: it goes too.
      if (slipMs > SUSPEND_MS) {
        samples = [];
        return;
      }
      if (arrivedAtMs - sentAtMs > SLOW_READ_MS) return;
      const newest = samples.at(-1);
      // Nothing was written since the last sample: it can be moved forward in time, which bounds later writes more tightly.
      if (newest !== undefined && newest.rev === rev) newest.sentAtMs = Math.max(newest.sentAtMs, sentAtMs);
      else samples.push({ sentAtMs, rev });
      if (samples.length > SAMPLES_MAX) samples.shift();
    },
    ageMs(mod, nowMs) {
      for (let i = samples.length - 1; i >= 0; i--) {
        const s = samples[i];
        if (s !== undefined && s.rev < mod) return nowMs - s.sentAtMs;
      }
      return Number.POSITIVE_INFINITY;
    },
    clear() {
      samples = [];
      last = null;
    },
  };
};
