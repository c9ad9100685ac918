// Cluster time: what the coordinator stamps. At the start of a term the later of the last stamp, with what has passed since it was seen, and the median
// wall clock of those who speak; then only this process's monotonic clock, so that a stepped wall clock changes nothing. Never backwards.
import { isFresh } from '../health/chamber.ts';
import type { Clock } from '../ports.ts';
import type { Sight } from './read.ts';

export interface ClusterTime {
  /** Starts a term. `lastStampAtMs`: the newest stamp in the store; `wallsMs`: wall stamps of fresh beats, own wall clock if there are none. */
  start(lastStampAtMs: number, wallsMs: readonly number[], monoMs: number): void;
  nowMs(monoMs: number): number;
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
};

export const createClusterTime = (): ClusterTime => {
  let base = { clusterMs: 0, monoMs: 0 };
  return {
    start(lastStampAtMs, wallsMs, monoMs) {
      base = { clusterMs: Math.max(lastStampAtMs, median(wallsMs)), monoMs };
    },
    nowMs: (monoMs) => Math.round(base.clusterMs + Math.max(0, monoMs - base.monoMs)),
  };
};

/** Fewer clocks than this have no majority of right ones when one is wrong. */
const CLOCKS_MIN = 3;

/** Cluster time as one process keeps it, in office and as a standby. */
export interface Timekeeper {
  /** A term begins. */
  begin(sight: Sight): void;
  /** What a standby has read: it shows the vantages' time as soon as it hears any, and is never behind the newest stamp. */
  keep(sight: Sight): void;
  /** What a holder has read. A human's adoption is stamped by another clock, and may be ahead of its own. */
  catchUp(sight: Sight): void;
  /** Wall clock before the first sight. */
  nowMs(): number;
}

export const createTimekeeper = (clock: Clock): Timekeeper => {
  const time = createClusterTime();
  /** What it rests on: nothing yet, this machine's wall clock alone, or those of all who speak. */
  let rests: 'no' | 'alone' | 'together' = 'no';
  /** The stamp in the store, and when this process first saw it: cluster time is that much later now, whatever wall clocks say. */
  let stamp = { atMs: 0, seenAtMs: clock.monoMs() };
  const note = ({ routing }: Sight): void => {
    const atMs = routing?.atMs ?? 0;
    if (atMs !== stamp.atMs) stamp = { atMs, seenAtMs: clock.monoMs() };
  };
  /** One clock per region, as it has one vote: many replicas of one must not set the time of all. */
  const wallsOf = ({ cluster, heard }: Sight): readonly number[] => {
    if (cluster === null) return [];
    const names = new Set(cluster.regions.map((r) => r.name));
    const fresh = heard.filter((h) => names.has(h.region) && isFresh(h, cluster));
    return [...Map.groupBy(fresh, (h) => h.region).values()].map((replicas) => median(replicas.map((h) => h.beat?.wallMs ?? 0)));
  };
  const nowMs = (): number => (rests === 'no' ? Math.round(clock.wallMs()) : time.nowMs(clock.monoMs()));
  const begin = (sight: Sight): void => {
    note(sight);
    const walls = wallsOf(sight);
    // Few clocks do not outvote one that is an hour behind: what this process has kept since it heard more of them counts as well.
    const kept = rests === 'together' && walls.length < CLOCKS_MIN ? nowMs() : 0;
    const stampedMs = stamp.atMs + clock.monoMs() - stamp.seenAtMs;
    time.start(Math.max(stampedMs, kept), walls.length > 0 ? walls : [clock.wallMs()], clock.monoMs());
    rests = walls.length > 0 ? 'together' : 'alone';
  };
  const isBehind = (sight: Sight): boolean => nowMs() < (sight.routing?.atMs ?? 0);
  return {
    begin,
    keep(sight) {
      note(sight);
      if (rests === 'no' || isBehind(sight) || (rests === 'alone' && wallsOf(sight).length > 0)) begin(sight);
    },
    catchUp(sight) {
      note(sight);
      if (isBehind(sight)) begin(sight);
    },
    nowMs,
  };
};
