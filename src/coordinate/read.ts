// From one linearizable read of the store to the snapshot that the core decides on. The only place that knows how records become evidence.

import type { Heard } from '../health/chamber.ts';
import type { Beat, ClusterConfig, Incident, Leader, Overrides, Routing, Vote } from '../model.ts';
import type { KeyValue, Read } from '../store/store.ts';
import { KEYS, placeOf } from './keys.ts';
import type { RevisionClock } from './revision-clock.ts';

/** What a coordinator sees at one revision. `mods` has every key read; a missing key has mod 0. */
export interface Sight {
  rev: number;
  cluster: ClusterConfig | null;
  leader: Leader | null;
  routing: Routing | null;
  overrides: Overrides | null;
  heard: readonly Heard[];
  incidents: readonly Incident[];
  mod(key: string): number;
  /** Upper bound of a record's age at this read in ms; Infinity when nothing bounds it. */
  ageMs(key: string): number;
  has(prefix: string): readonly KeyValue[];
}

export const SIGHT_QUERY = {
  keys: [KEYS.members, KEYS.leader, KEYS.routing, KEYS.override],
  prefixes: ['vote/', 'beat/', 'incident/', 'seen/', 'applied/'],
} as const;

/** The same object for the same revision of `members` and of each vote, so that what is worked out per configuration or vote is worked out once. */
export type RecordCache = Map<string, KeyValue>;

const isKept = (key: string): boolean => key === KEYS.members || key.startsWith('vote/');

/** The record as first read at this revision. */
const kept = (kv: KeyValue, cache: RecordCache): KeyValue => {
  if (!isKept(kv.key)) return kv;
  const known = cache.get(kv.key);
  if (known?.mod === kv.mod) return known;
  cache.set(kv.key, kv);
  return kv;
};

export const sightOf = (read: Read, clock: RevisionClock, nowMonoMs: number, cache: RecordCache): Sight => {
  const byKey = new Map(read.kvs.map((kv) => [kv.key, kept(kv, cache)]));
  const value = <T>(key: string): T | null => (byKey.get(key)?.value as T | undefined) ?? null;
  const votes = [...byKey.values()].filter((kv) => kv.key.startsWith('vote/'));
  const heard = votes.map((kv): Heard => {
    const { region, replica } = placeOf(kv.key);
    const beat = byKey.get(`beat/${region}/${replica}`);
    return {
      region,
      replica,
      key: kv.key,
      vote: kv.value as Vote,
      beat: (beat?.value as Beat | undefined) ?? null,
      ageMs: beat === undefined ? Number.POSITIVE_INFINITY : clock.ageMs(beat.mod, nowMonoMs),
    };
  });
  return {
    rev: read.rev,
    cluster: value<ClusterConfig>(KEYS.members),
    leader: value<Leader>(KEYS.leader),
    routing: value<Routing>(KEYS.routing),
    overrides: value<Overrides>(KEYS.override),
    heard,
    incidents: read.kvs.filter((kv) => kv.key.startsWith('incident/')).map((kv) => kv.value as Incident),
    mod: (key) => byKey.get(key)?.mod ?? 0,
    ageMs: (key) => {
      const found = byKey.get(key);
      return found === undefined ? Number.POSITIVE_INFINITY : clock.ageMs(found.mod, nowMonoMs);
    },
    has: (prefix) => read.kvs.filter((kv) => kv.key.startsWith(prefix)),
  };
};
