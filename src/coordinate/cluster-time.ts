// Cluster time: what the coordinator stamps. At the start of a term the later of the last stamp and the median wall clock of those who speak;
// then only this process's monotonic clock, so that a stepped wall clock changes nothing. Never backwards.

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
