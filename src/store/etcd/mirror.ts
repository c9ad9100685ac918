// What was read of etcd over one connection, so that a later read over it has to carry only what has changed since. etcd still says what there is now: each
// range comes with the number of its records, and whatever does not add up (something was deleted) is read anew. A connection has one process at its other
// end, and a process has one history, so nothing here outlives a store that was replaced. Pure.
import { READ_BYTES_MAX } from '../limits.ts';
import type { KeyValue } from '../store.ts';
import type { Part, RangeReply, RawRecord } from './protocol.ts';
import { jsonOf, recordsOf } from './protocol.ts';

/** A record as it is kept: one whose value is undefined is not JSON, and nobody is shown it. */
interface Kept {
  record: KeyValue;
  bytes: number;
}

/** All of a range at one revision. */
interface Content {
  rev: number;
  records: ReadonlyMap<string, Kept>;
  bytes: number;
}

/** Ranges kept: far more than are read again and again. */
const RANGES_MAX = 512;

type Wanted = Pick<Part, 'kind' | 'name'>;

/** A read under way: what it asks, and what its reply will be laid upon. */
export interface Asked {
  parts: readonly Part[];
  /** The records at `rev`; null: something kept is gone, and all has to be asked anew. `keep`: later reads build on this one. */
  read(prefix: string, replies: readonly (RangeReply | undefined)[], rev: number): (Answer & { keep: () => void }) | null;
}

export interface Answer {
  /** Each once, in the order of keys. */
  kvs: readonly KeyValue[];
  bytes: number;
  /** Records that are no JSON. */
  strange: readonly KeyValue[];
}

export interface Mirror {
  ask(wanted: readonly Wanted[]): Asked;
}

/** Many readers are handed the same record: none can change it for the others. */
const frozen = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
};

const keptOf = (raw: RawRecord): Kept => ({
  record: { key: raw.key, value: frozen(jsonOf(raw)), mod: raw.mod },
  bytes: raw.json.length,
});

const contentOf = (fresh: readonly RawRecord[], rev: number, before?: Content['records']): Content => {
  const records = new Map(before);
  for (const raw of fresh) records.set(raw.key, keptOf(raw));
  let bytes = 0;
  for (const kept of records.values()) bytes += kept.bytes;
  return { rev, records, bytes };
};

/** `base` after what was written since; null when records of it are gone and nobody knows which. `count`: of all that are there now. */
const laid = (base: Content, fresh: readonly RawRecord[], count: number, rev: number): Content | null => {
  if (fresh.length === count) return contentOf(fresh, rev);
  const content = fresh.length === 0 ? { ...base, rev } : contentOf(fresh, rev, base.records);
  return content.records.size === count ? content : null;
};

const answerOf = (contents: readonly Content[]): Answer => {
  const all = new Map(contents.flatMap(({ records }) => [...records]));
  const records = [...all.values()].map(({ record }) => record).sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    kvs: records.filter(({ value }) => value !== undefined),
    bytes: all.values().reduce((sum, { bytes }) => sum + bytes, 0),
    strange: records.filter(({ value }) => value === undefined),
  };
};

/** What these replies say, and nothing else. */
export const plainAnswer = (prefix: string, replies: readonly (RangeReply | undefined)[]): Answer =>
  answerOf(replies.map((reply) => contentOf(recordsOf(prefix, reply), 0)));

export const createMirror = (): Mirror => {
  const kept = new Map<string, Content>();
  const nameOf = ({ kind, name }: Wanted): string => `${kind} ${name}`;

  const keep = (wanted: readonly Wanted[], contents: readonly Content[]): void => {
    for (const [i, content] of contents.entries()) {
      const name = nameOf(wanted[i] as Wanted);
      // Replies overtake each other.
      if (content.rev > (kept.get(name)?.rev ?? 0)) kept.set(name, content);
    }
    const bytes = [...kept.values()].reduce((sum, content) => sum + content.bytes, 0);
    if (kept.size > RANGES_MAX || bytes > READ_BYTES_MAX) kept.clear();
  };

  return {
    ask(wanted) {
      const bases = wanted.map((one) => kept.get(nameOf(one)));
      return {
        parts: wanted.map(({ kind, name }, i) => ({ kind, name, fromRev: (bases[i]?.rev ?? -1) + 1 })),
        read(prefix, replies, rev) {
          const contents: Content[] = [];
          for (const [i, reply] of replies.entries()) {
            const [base, fresh] = [bases[i], recordsOf(prefix, reply)];
            const content = base === undefined ? contentOf(fresh, rev) : laid(base, fresh, Number(reply?.count ?? 0), rev);
            if (content === null) return null;
            contents.push(content);
          }
          return { ...answerOf(contents), keep: () => keep(wanted, contents) };
        },
      };
    },
  };
};
