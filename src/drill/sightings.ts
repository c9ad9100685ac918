// What an onlooker can tell from two reads of the store, one after the other: who came to doubt, who voted, who abstains, who coordinates, what was
// decided and acknowledged. Pure. Each doubt is told once, when it begins; beats, renewals and memory without a decision are nothing to tell.
import type { AppliedRecord, Audit, Beat, EndpointName, FaultReason, Incident, Leader, Routing, TargetId, Vote } from '../model.ts';
import type { Query, Read } from '../store/store.ts';

/** The store as far as the story needs it. One replica per region, as in the demo. */
export interface View {
  leader: Leader | null;
  routing: Routing | null;
  votes: ReadonlyMap<string, Vote>;
  beats: ReadonlyMap<string, Beat>;
  audits: readonly Audit[];
  incidents: readonly Incident[];
  applied: readonly AppliedRecord[];
}

export type Sighting =
  | { kind: 'suspicion'; by: string; of: string; reason: FaultReason | 'pending' }
  /** `mute`: whoever says so abstains, so it does not count. */
  | { kind: 'vote'; by: string; of: string; endpoints: readonly EndpointName[]; mute: boolean }
  | { kind: 'withdrawal'; by: string; of: string }
  | { kind: 'abstention'; by: string; because: string }
  | { kind: 'voice'; by: string }
  | { kind: 'leader'; region: string; epoch: number }
  | { kind: 'decision'; audit: Audit }
  | { kind: 'acknowledged'; fence: number };

export const VIEW_QUERY = {
  keys: ['leader', 'routing'],
  prefixes: ['vote/', 'beat/', 'audit/', 'incident/', 'applied/'],
} as const satisfies Query;

export const viewOf = ({ kvs }: Pick<Read, 'kvs'>): View => {
  const one = <T>(key: string): T | null => (kvs.find((kv) => kv.key === key)?.value as T | undefined) ?? null;
  const all = <T>(prefix: string): readonly (readonly [string, T])[] =>
    kvs.filter((kv) => kv.key.startsWith(prefix)).map((kv) => [kv.key.split('/')[1] ?? '', kv.value as T] as const);
  return {
    leader: one<Leader>('leader'),
    routing: one<Routing>('routing'),
    votes: new Map(all<Vote>('vote/')),
    beats: new Map(all<Beat>('beat/')),
    // Beside the decisions lie the changes of the configuration, under names of their own.
    audits: all<Audit>('audit/').flatMap(([name, audit]) => (name.startsWith('config-') ? [] : [audit])),
    incidents: all<Incident>('incident/').map(([, incident]) => incident),
    applied: all<AppliedRecord>('applied/').map(([, applied]) => applied),
  };
};

export const NOTHING: View = viewOf({ kvs: [] });

/** Pools and regions share their names here. */
const poolOf = (target: TargetId): string => target.split('/')[1] ?? '';

/** Whom a vote holds down, with the endpoints that say so. */
export const heldDown = (vote: Vote | undefined): ReadonlyMap<string, readonly EndpointName[]> => {
  const held = new Map<string, EndpointName[]>();
  const add = (targets: readonly TargetId[], endpoint: EndpointName): void => {
    for (const pool of new Set(targets.map(poolOf))) held.set(pool, [...(held.get(pool) ?? []), endpoint]);
  };
  add(vote?.unready ?? [], 'readyz');
  add(vote?.down ?? [], 'healthz');
  return held;
};

/** Whom a beat doubts, with the first reason it names. */
const doubted = (beat: Beat | undefined): ReadonlyMap<string, FaultReason | 'pending'> =>
  new Map(
    Object.entries(beat?.suspects ?? {})
      .map(([key, { reason }]) => [poolOf(key), reason] as const)
      .reverse(),
  );

const isAbstaining = (vote: Vote | undefined): boolean => vote?.self.state === 'abstain';

const ofBeat = (by: string, before: Beat | undefined, after: Beat): readonly Sighting[] => {
  const known = doubted(before);
  return [...doubted(after)].filter(([of]) => !known.has(of)).map(([of, reason]) => ({ kind: 'suspicion', by, of, reason }));
};

const ofVote = (by: string, before: Vote | undefined, after: Vote): readonly Sighting[] => {
  const was = heldDown(before);
  const is = heldDown(after);
  const votes = [...is]
    .map(
      ([of, endpoints]): Sighting => ({
        kind: 'vote',
        by,
        of,
        endpoints: endpoints.filter((e) => !was.get(of)?.includes(e)),
        mute: isAbstaining(after),
      }),
    )
    .filter((sighting) => sighting.kind === 'vote' && sighting.endpoints.length > 0);
  const withdrawals = [...was.keys()].filter((of) => !is.has(of)).map((of): Sighting => ({ kind: 'withdrawal', by, of }));
  const self: readonly Sighting[] =
    after.self.state === 'abstain'
      ? isAbstaining(before)
        ? []
        : [{ kind: 'abstention', by, because: after.self.because }]
      : isAbstaining(before)
        ? [{ kind: 'voice', by }]
        : [];
  return [...votes, ...withdrawals, ...self];
};

const ofLeader = (before: Leader | null, after: Leader | null): readonly Sighting[] =>
  after === null || after.released || after.epoch === before?.epoch ? [] : [{ kind: 'leader', region: after.region, epoch: after.epoch }];

/** What is new in `after`, in the order in which it leads to one another. */
export const sightings = (before: View, after: View): readonly Sighting[] => {
  const acknowledged = after.applied.filter(
    ({ fence, outcome }) => outcome === 'applied' && !before.applied.some((known) => known.fence === fence && known.outcome === outcome),
  );
  return [
    ...[...after.beats].flatMap(([by, beat]) => ofBeat(by, before.beats.get(by), beat)),
    ...[...after.votes].flatMap(([by, vote]) => ofVote(by, before.votes.get(by), vote)),
    ...ofLeader(before.leader, after.leader),
    ...after.audits
      .filter(({ v }) => !before.audits.some((known) => known.v === v))
      .map((audit): Sighting => ({ kind: 'decision', audit })),
    ...acknowledged.map(({ fence }): Sighting => ({ kind: 'acknowledged', fence })),
  ];
};
