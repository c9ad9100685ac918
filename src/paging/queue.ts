// The contract of a region's queue: where pages wait for their next try through a channel while the processes that try come and go. It carries errands,
// not pages: what is said, whether it is still wanted and who has accepted it is in the store, and whoever tries reads it there. So nothing is lost with a
// queue; what it does not hold, or holds without moving it, the caller delivers by itself.
import type { Severity } from '../model.ts';

/** One page on its way through one channel. */
export interface Errand {
  /** The page's id. */
  page: string;
  channel: string;
  severity: Severity;
  /** Not before this much later. */
  delayMs?: number;
  /** A rung of a ladder that is told only if nobody before it has taken the page by then: so it is climbed in time whoever coordinates. */
  unlessTaken?: true;
}

/** What one try came to. `done`: delivered, refused for good or no longer wanted; whoever tried has marked it. */
export type Verdict = { done: true } | { done: false; againAfterMs: number };

/** One try. `failures`: tries before this one that failed. Never rejects. */
export type Try = (errand: Errand, failures: number, signal: AbortSignal) => Promise<Verdict>;

/** Jobs as of the last look that was answered. */
export interface QueueJobs {
  /** For a worker, or for their time to come. */
  waiting: number;
  /** What no worker will try again: somebody has to look at it. */
  failed: number;
}

export type QueueStanding = { state: 'ok'; jobs: QueueJobs } | { state: 'away'; because: string; sinceMs: number; jobs: QueueJobs };

export interface Queue {
  /**
   * Hands errands over, again if it likes: one that is held already is not doubled. Answers those that are held AND move: a worker of this region will try
   * them, or is trying. The rest is the caller's: it delivers them itself, and the queue may still try them later. Never rejects; takes at most 2 s.
   */
  offer(errands: readonly Errand[]): Promise<readonly Errand[]>;
  /** How it stands, for status and metrics. `sinceMs`: for how long it has been away. */
  standing(): QueueStanding;
  /** Takes nothing more, lets tries under way end for `graceMs`, then aborts them. What is left stays for other workers. */
  close(graceMs: number): Promise<void>;
}
