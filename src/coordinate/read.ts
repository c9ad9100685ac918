// From one linearizable read of the store to the snapshot that the core decides on. The only place that knows how records become evidence; which of them
// count is trust.ts.

import { isHead, type JournalHead } from '../audit/journal.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import type { Heard } from '../health/chamber.ts';
import {
  type Adopted,
  type AppliedRecord,
  type ClusterConfig,
  type Incident,
  type Leader,
  type Overrides,
  type Proof,
  pathsOf,
  type Reports,
  type Routing,
} from '../model.ts';
import type { Tiers } from '../runbook/facts.ts';
import type { KeyValue, Read } from '../store/store.ts';
import { appliedKey, beatKey, KEYS, placeOf, proofKey, voteKey } from './keys.ts';
import type { RevisionClock } from './revision-clock.ts';
import { keysOf, UNSIGNED } from './signing.ts';
import { createTrust, type Refusal, type Trust } from './trust.ts';

/** What a coordinator sees at one revision. `mods` has every key read; a missing key has mod 0. */
export interface Sight {
  rev: number;
  cluster: ClusterConfig | null;
  leader: Leader | null;
  routing: Routing | null;
  overrides: Overrides | null;
  adopted: Adopted | null;
  reported: Reports | null;
  tiers: Tiers | null;
  /** Where the journal ends; null: nothing was entered yet. */
  journal: JournalHead | null;
  heard: readonly Heard[];
  /** Votes and beats that are not counted, and why. A vote that is not is missing from `heard`; a beat that is not makes its vote silent. */
  refused: readonly Refusal[];
  incidents: readonly Incident[];
  /** Services whose provider carries a newer or a manual fence, sorted. */
  frozen: readonly string[];
  mod(key: string): number;
  /** Upper bound of a record's age at this read in ms; Infinity when nothing bounds it. */
  ageMs(key: string): number;
  has(prefix: string): readonly KeyValue[];
}

export const SIGHT_QUERY = {
  keys: [KEYS.members, KEYS.leader, KEYS.routing, KEYS.override, KEYS.adopted, KEYS.reported, KEYS.tiers, KEYS.journal],
  prefixes: ['vote/', 'beat/', 'incident/', 'seen/', 'applied/', 'lag/', 'llm/', 'budgets/', 'proof/'],
} as const;

/** The records of a read, in order. Which of them are kept from an earlier read, and which count, is the reader's own. */
interface Contents {
  byKey: ReadonlyMap<string, KeyValue>;
  votes: readonly { kv: KeyValue; region: string; replica: string; beat: KeyValue | undefined; hasPlace: boolean }[];
  incidents: readonly Incident[];
}

const contentsOf = (kvs: readonly KeyValue[]): Contents => {
  const byKey = new Map<string, KeyValue>();
  for (const kv of kvs) byKey.set(kv.key, kv);
  const [votes, incidents]: [Contents['votes'][number][], Incident[]] = [[], []];
  for (const kv of kvs) {
    if (kv.key.startsWith('incident/')) incidents.push(kv.value as Incident);
    if (!kv.key.startsWith('vote/')) continue;
    const { region, replica } = placeOf(kv.key);
    votes.push({ kv, region, replica, beat: byKey.get(beatKey(region, replica)), hasPlace: kv.key === voteKey(region, replica) });
  }
  return { byKey, votes, incidents };
};

/** Asked twice of each read, and a store may hand out the same list as long as nothing in it has changed: the last one stays in order. */
let last: { kvs: readonly KeyValue[]; contents: Contents } | null = null;

const contents = ({ kvs }: Read): Contents => {
  if (last?.kvs !== kvs) last = { kvs, contents: contentsOf(kvs) };
  return last.contents;
};

/** One record of a read of `SIGHT_QUERY`; null: there is none. */
export const valueIn = <T>(read: Read, key: string): T | null => (contents(read).byKey.get(key)?.value as T | undefined) ?? null;

/** The same object for the same revision of `members` and of each vote, so that what is worked out per configuration or vote is worked out once. */
export type RecordCache = Map<string, KeyValue>;

/** The record as first read at this revision. */
const kept = (kv: KeyValue, cache: RecordCache): KeyValue => {
  const before = cache.get(kv.key);
  if (before?.mod === kv.mod) return before;
  cache.set(kv.key, kv);
  return kv;
};

/** What the replicas say, as far as it counts. */
const hear = (
  votes: Contents['votes'],
  cache: RecordCache,
  cluster: ClusterConfig | null,
  clock: RevisionClock,
  nowMonoMs: number,
  trust: Trust,
): Pick<Sight, 'heard' | 'refused'> => {
  const { freshMs = 0, beatMs = 0 } = cluster?.policy ?? {};
  const heard: Heard[] = [];
  const refused: Refusal[] = [];
  for (const { kv, region, replica, beat, hasPlace } of votes) {
    if (!hasPlace) {
      refused.push({ key: kv.key, because: 'its key names no region and replica', isForged: true });
      continue;
    }
    const vote = kept(kv, cache);
    const place = { cluster: cluster?.name ?? '', region, replica };
    const keys = cluster === null ? UNSIGNED : keysOf(cluster, region);
    const credible = trust.weigh({ place, keys, vote, beat, knowledgeMaxMs: freshMs + beatMs }, clock, nowMonoMs);
    if (credible.refused.length > 0) refused.push(...credible.refused);
    if (credible.vote === null) continue;
    const ageMs = credible.beat === null || beat === undefined ? Number.POSITIVE_INFINITY : clock.ageMs(beat.mod, nowMonoMs);
    heard.push({ region, replica, key: kv.key, vote: credible.vote, beat: credible.beat, ageMs });
  }
  return { heard, refused };
};

/** Services that must not be decided: one of their providers, as configured now, serves what this store does not know, or what a human wrote. */
const frozenOf = (byKey: ReadonlyMap<string, KeyValue>, cluster: ClusterConfig | null): readonly string[] =>
  (cluster?.services ?? [])
    .filter((service) =>
      pathsOf(service).some((provider) => {
        const outcome = (byKey.get(appliedKey(provider, service.name))?.value as AppliedRecord | undefined)?.outcome;
        return outcome === 'frozen' || outcome === 'manual';
      }),
    )
    .map(({ name }) => name)
    .sort();

/** What micro-drills have proved, by provider. */
export const proofsIn = (sight: Pick<Sight, 'has'>): ReadonlyMap<string, Proof> => {
  const prefix = proofKey('');
  return new Map(sight.has(prefix).map(({ key, value }) => [key.slice(prefix.length), value as Proof]));
};

const headIn = (value: unknown): JournalHead | null => (isHead(value) ? { n: value.n, hash: value.hash } : null);

/** `cache` and `trust` belong to one reader of one store; both may be new at each call, which only costs time and the memory of what was heard before. */
export const sightOf = (read: Read, clock: RevisionClock, nowMonoMs: number, cache: RecordCache, trust: Trust = createTrust()): Sight => {
  const { byKey, votes, incidents } = contents(read);
  for (const key of cache.keys()) if (!byKey.has(key)) cache.delete(key);
  const value = <T>(key: string): T | null => (byKey.get(key)?.value as T | undefined) ?? null;
  const members = byKey.get(KEYS.members);
  const cluster = members === undefined ? null : (kept(members, cache).value as ClusterConfig);
  const { heard, refused } = hear(votes, cache, cluster, clock, nowMonoMs, trust);
  return {
    rev: read.rev,
    cluster,
    leader: value<Leader>(KEYS.leader),
    routing: value<Routing>(KEYS.routing),
    overrides: value<Overrides>(KEYS.override),
    adopted: value<Adopted>(KEYS.adopted),
    reported: value<Reports>(KEYS.reported),
    tiers: value<Tiers>(KEYS.tiers),
    journal: headIn(byKey.get(KEYS.journal)?.value),
    heard,
    refused,
    incidents,
    frozen: frozenOf(byKey, cluster),
    mod: (key) => byKey.get(key)?.mod ?? 0,
    ageMs: (key) => {
      const found = byKey.get(key);
      return found === undefined ? Number.POSITIVE_INFINITY : clock.ageMs(found.mod, nowMonoMs);
    },
    has: (prefix) => read.kvs.filter((kv) => kv.key.startsWith(prefix)),
  };
};

/** What the core would decide on now; null: no cluster is known. `heard`: in place of what was heard at the time of the read. */
export const snapshotOf = (
  sight: Sight,
  who: Pick<Snapshot, 'epoch' | 'by' | 'nonce'>,
  heard: readonly Heard[] = sight.heard,
): Snapshot | null =>
  sight.cluster === null
    ? null
    : {
        cluster: sight.cluster,
        routing: sight.routing,
        overrides: sight.overrides,
        reported: sight.reported,
        tiers: sight.tiers,
        heard,
        frozen: sight.frozen,
        incidents: sight.incidents.filter(({ closedAtMs }) => closedAtMs === null),
        ...who,
      };
