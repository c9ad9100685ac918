// When to look: every endpoint of every target once per interval, at a fixed phase, for ever. Pure.
// The phase says where in the interval: a hash of the target spreads targets, the index of the vantage staggers the looks of all vantages at one target
// evenly, and a target's two endpoints lie half an interval apart. All vantages count rounds from the same wall clock multiple of the interval, so the
// stagger holds between machines as well as their clocks agree; nothing depends on it but how soon the first of them notices.
// Instants are absolute (origin + round x interval + phase): lateness of one look never moves the next.
import { createHash } from 'node:crypto';

/** Where an instant lies on a circle of `intervalMs`: [0, intervalMs). */
const onCircle = (ms: number, intervalMs: number): number => ((ms % intervalMs) + intervalMs) % intervalMs;

/** A fraction in [0, 1) that every vantage computes alike. */
const spread = (target: string): number => createHash('sha256').update(target).digest().readUInt32BE(0) / 2 ** 32;

/**
 * Place of a vantage's looks in units of the interval, for its first endpoint; the second lies 1/2 later. With one endpoint, or an odd number of
 * vantages, plain index/vantages already leaves equal gaps. With two endpoints and an even number, vantage i's second look would fall on vantage
 * i + n/2's first; the upper half therefore moves by half a gap.
 */
const stagger = (vantageIndex: number, vantages: number, endpoints: number): number => {
  const collides = endpoints === 2 && vantages % 2 === 0 && vantageIndex >= vantages / 2;
  return (vantageIndex + (collides ? 0.5 : 0)) / vantages;
};

export interface Place {
  /** Name of the target in the cluster, the same in all vantages. */
  target: string;
  /** Of this vantage among those that look at the target, 0-based, in configured order. */
  vantageIndex: number;
  vantages: number;
  /** 0-based; a target has one or two. */
  endpointIndex: number;
  endpoints: number;
  intervalMs: number;
}

/** Whole ms in [0, intervalMs) after the start of each round. Over all vantages, looks are at most intervalMs / (vantages * endpoints) + 1 apart. */
export const phaseMs = ({ target, vantageIndex, vantages, endpointIndex, endpoints, intervalMs }: Place): number => {
  const turn = spread(target) + stagger(vantageIndex, vantages, endpoints) + endpointIndex / endpoints;
  return onCircle(Math.floor(turn * intervalMs), intervalMs);
};

/** Monotonic instant, in whole ms, at which a round starts: the last multiple of the interval on the wall clock. */
export const originOf = (monoMs: number, wallMs: number, intervalMs: number): number => Math.round(monoMs - onCircle(wallMs, intervalMs));

export interface Scheduled {
  readonly phaseMs: number;
}

export interface Due<E> {
  readonly entry: E;
  readonly dueAtMs: number;
}

export interface Ring<E extends Scheduled> {
  /** Everything due after `afterMs` and not after `nowMs`, in due order; of an entry that is due more than once, the last time only. */
  due(afterMs: number, nowMs: number): readonly Due<E>[];
  /** The first instant after `nowMs` at which something is due; null if there are no entries. */
  nextDueMs(nowMs: number): number | null;
}

/** Index of the first entry whose phase is greater than `phase`. */
const firstAfter = (entries: readonly Scheduled[], phase: number): number => {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle]!.phaseMs > phase) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** Entries, each due once per interval at `originMs` + round x interval + its phase. Phases must lie in [0, intervalMs). */
export const createRing = <E extends Scheduled>(unsorted: readonly E[], intervalMs: number, originMs: number): Ring<E> => {
  const entries = unsorted.toSorted((a, b) => a.phaseMs - b.phaseMs);
  /** Position of the first due instant after `ms`, counted in entries since the origin: round x entries + index. */
  const positionAfter = (ms: number): number => {
    const round = Math.floor((ms - originMs) / intervalMs);
    return round * entries.length + firstAfter(entries, ms - originMs - round * intervalMs);
  };
  const at = (position: number): Due<E> => {
    const round = Math.floor(position / entries.length);
    const entry = entries[position - round * entries.length]!;
    return { entry, dueAtMs: originMs + round * intervalMs + entry.phaseMs };
  };
  return {
    due(afterMs, nowMs) {
      if (entries.length === 0) return [];
      const end = positionAfter(nowMs);
      const start = Math.max(positionAfter(afterMs), end - entries.length);
      const list: Due<E>[] = [];
      for (let position = start; position < end; position++) list.push(at(position));
      return list;
    },
    nextDueMs: (nowMs) => (entries.length === 0 ? null : at(positionAfter(nowMs)).dueAtMs),
  };
};
