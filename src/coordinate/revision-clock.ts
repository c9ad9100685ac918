// Freshness without wall clocks: a record with revision m was certainly written after any read that was sent before and still saw a revision below m.
// So its age is at most "now minus the sending of the latest such read". Notices nothing itself; who reads the store feeds it one sample per read.
// Suspends, and history that the store lost, only ever make it know less.

/** The same moment by both clocks of this machine. */
export interface Instant {
  monoMs: number;
  wallMs: number;
}

interface Sample {
  rev: number;
  /** Latest sending of a read that saw this revision: every later one was written after it. */
  sentAtMs: number;
  /** First arrival of a read that saw this revision: it and every earlier one was written before it. */
  knownAtMs: number;
  /** How far the wall clock was ahead of the monotonic one at the sending. */
  leadMs: number;
}

/** Reads slower than this say too little about time. */
const SLOW_READ_MS = 2000;
/** The newest samples are kept as they come; of those before only one per span: a busy store must not shorten what is remembered. */
const EXACT = 64;
const SPACING_MS = 250;
/** With the spacing: at least 48 s, more than any freshness limit in use. */
const SAMPLES_MAX = 256;
/** Wall and monotonic clock apart by more than this since a sample: the machine was suspended, once or in many small bits. */
const SUSPEND_MS = 2000;

export interface RevisionClock {
  /** One linearizable read: the instants of sending and arrival, and the revision it saw. */
  sample(sent: Instant, arrived: Instant, rev: number): void;
  /** Upper bound of the age in ms of what was written at revision `rev`; Infinity when no sample bounds it. Own monotonic clock. */
  ageMs(rev: number, nowMs: number): number;
  /** Lower bound of the same; 0 when no sample bounds it. */
  leastAgeMs(rev: number, nowMs: number): number;
  clear(): void;
}

/** Of no sample. */
const NO_LEADS = { leastMs: Number.POSITIVE_INFINITY, mostMs: Number.NEGATIVE_INFINITY };

const leadOf = ({ monoMs, wallMs }: Instant): number => wallMs - monoMs;

export const createRevisionClock = (): RevisionClock => {
  let samples: Sample[] = [];
  /** The leads of all samples lie between these: mostly there is nothing to forget, and that is seen without asking each. */
  let leads = NO_LEADS;

  const reckon = (leadMs: number): void => {
    if (leadMs < leads.leastMs || leadMs > leads.mostMs)
      leads = { leastMs: Math.min(leads.leastMs, leadMs), mostMs: Math.max(leads.mostMs, leadMs) };
  };

  /** A stepped wall clock looks the same as a suspend; both only cost a few seconds of silence. */
  const forgetBefore = (leadMs: number): void => {
    if (leadMs - leads.leastMs <= SUSPEND_MS && leads.mostMs - leadMs <= SUSPEND_MS) return;
    const kept: Sample[] = [];
    leads = NO_LEADS;
    for (const s of samples) {
      if (Math.abs(s.leadMs - leadMs) > SUSPEND_MS) continue;
      kept.push(s);
      reckon(s.leadMs);
    }
    samples = kept;
  };

  const push = (sample: Sample): void => {
    samples.push(sample);
    const [before, leaving] = [samples.at(-EXACT - 2), samples.at(-EXACT - 1)];
    if (before !== undefined && leaving !== undefined && leaving.sentAtMs - before.sentAtMs < SPACING_MS) samples.splice(-EXACT - 1, 1);
    if (samples.length > SAMPLES_MAX) samples.shift();
  };

  return {
    sample(sent, arrived, rev) {
      // The store lost history: the same revisions will be given out again.
      if (rev < (samples.at(-1)?.rev ?? 0)) samples = [];
      const newest = samples.at(-1);
      if (arrived.monoMs - sent.monoMs <= SLOW_READ_MS) {
        // Nothing was written since the last sample: it can be moved forward in time, which bounds later writes more tightly.
        if (newest?.rev === rev) {
          newest.sentAtMs = Math.max(newest.sentAtMs, sent.monoMs);
          newest.leadMs = leadOf(sent);
        } else push({ rev, sentAtMs: sent.monoMs, knownAtMs: arrived.monoMs, leadMs: leadOf(sent) });
        reckon(leadOf(sent));
      }
      // This one too, if the machine stood still while it was under way: it was sent longer ago than the monotonic clock says.
      forgetBefore(leadOf(arrived));
    },
    ageMs(rev, nowMs) {
      // Asked of every record at every read, mostly of the newest.
      let at = samples.length - 1;
      while (at >= 0 && (samples[at]?.rev ?? 0) >= rev) at--;
      return nowMs - (samples[at]?.sentAtMs ?? Number.NEGATIVE_INFINITY);
    },
    leastAgeMs(rev, nowMs) {
      const first = samples.find((s) => s.rev >= rev);
      return first === undefined ? 0 : Math.max(0, nowMs - first.knownAtMs);
    },
    clear() {
      samples = [];
    },
  };
};
