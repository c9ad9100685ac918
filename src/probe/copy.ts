// A copy of records of the store: as they were last read, and as they were told to have changed since. News come late, overtake each other and the read, and
// may say too little; what was missed is found by the next read. Pure; decides nothing about what the records say.
import type { KeyValue, Read, WatchEvent } from '../store/store.ts';

type Changed = Extract<WatchEvent, { kind: 'changed' }>;

export interface Copy {
  /** By key, in no order. */
  readonly records: ReadonlyMap<string, KeyValue>;
  /** Was it read less than so long ago? */
  isYounger(ms: number, nowMs: number): boolean;
  /** These take the place of all there was. */
  read(rev: Read['rev'], kvs: readonly KeyValue[], nowMs: number): void;
  /** Takes the news of these keys: the records that are newer than the copy's. null: it says too little, or one is gone, and nothing was taken. */
  enter(news: Changed, keys: readonly string[]): readonly KeyValue[] | null;
  /** Something was missed: it is of no age until it is read again. */
  spoil(): void;
}

export const createCopy = (): Copy => {
  let records = new Map<string, KeyValue>();
  /** The last read; null: none, or something was missed since. */
  let last: { rev: number; atMs: number } | null = null;
  return {
    get records() {
      return records;
    },
    isYounger: (ms, nowMs) => last !== null && nowMs - last.atMs < ms,
    read(rev, kvs, nowMs) {
      records = new Map(kvs.map((kv) => [kv.key, kv]));
      last = { rev, atMs: nowMs };
    },
    enter({ rev, value }, keys) {
      if (last === null) return null;
      const told = keys.map((key) => ({ key, value: value?.(key), mod: rev }));
      if (told.some((kv) => kv.value === undefined)) return null;
      const readAt = last.rev;
      const newer = told.filter(({ key, mod }) => mod > Math.max(readAt, records.get(key)?.mod ?? 0));
      for (const kv of newer) records.set(kv.key, kv);
      return newer;
    },
    spoil() {
      last = null;
    },
  };
};
