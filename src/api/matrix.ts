// The votes matrix: what each region says of each target, with the reason and the age. Pure.
// Where a tally exists its ballots are shown, since they are what decides; local targets and everything before the first count are read off the votes.
import { vantagesOf } from '../health/electorate.ts';
import type {
  Ballot,
  Beat,
  ClusterConfig,
  EndpointKey,
  EndpointTally,
  PoolConfig,
  PoolTally,
  ServiceConfig,
  TargetConfig,
  TargetId,
  TargetTally,
  Vote,
} from '../model.ts';
import { endpointKey, poolKey, targetId } from '../model.ts';

export interface HeardVote {
  region: string;
  replica: string;
  vote: Vote;
  /** Its heartbeat, which knows the reasons. */
  beat?: Beat;
  /** Upper bound of the vote's age in ms; Infinity when nothing bounds it. */
  ageMs: number;
}

export type CellState = Ballot | 'unready';

export interface Cell {
  state: CellState;
  because: string;
  /** Age of the region's freshest vote; null when there is none. */
  ageMs: number | null;
}

/** Target, then region. */
export type Matrix = Readonly<Record<string, Row>>;

/** A name from the configuration may be that of a member every object inherits. */
export const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;
/** JSON has no Infinity; an age that nothing bounds is not known. */
export const known = (ms: number): number | null => (Number.isFinite(ms) ? Math.round(ms) : null);

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const counts = new WeakMap<PoolTally, ReadonlyMap<TargetId, TargetTally>>();

/** What the count of a pool says of one of its targets, however many there are. */
export const countedIn = (pool: PoolTally | undefined, id: TargetId): TargetTally | undefined => {
  if (pool === undefined) return undefined;
  const known = counts.get(pool) ?? new Map(pool.targets.map((tally) => [tally.target, tally]));
  counts.set(pool, known);
  return known.get(id);
};

/** What the region's own fresh votes say of a target that no tally counts: local targets, and everything before the first count. */
const stateByVotes = (votes: readonly HeardVote[], target: string): CellState => {
  const speaking = votes.filter(({ vote }) => vote.self.state === 'ok').map(({ vote }) => vote);
  if (votes.length === 0) return 'silent';
  if (speaking.length === 0) return 'abstain';
  const informed = speaking.filter((vote) => !vote.unknown.includes(target));
  if (informed.length === 0) return 'unknown';
  if (informed.every((vote) => vote.down.includes(target))) return 'down';
  return informed.every((vote) => vote.unready.includes(target)) ? 'unready' : 'up';
};

/** The worst ballot of the two endpoints, except that what a region cannot say at all comes first. */
const stateByBallots = (tally: TargetTally, region: string): CellState | null => {
  const health = tally.endpoints.healthz && own(tally.endpoints.healthz.ballots, region);
  const ready = tally.endpoints.readyz && own(tally.endpoints.readyz.ballots, region);
  if (health === undefined && ready === undefined) return null;
  for (const mute of ['abstain', 'silent'] as const) if (health === mute || ready === mute) return mute;
  if (health === 'down') return 'down';
  if (ready === 'down') return 'unready';
  return health === 'unknown' || ready === 'unknown' ? 'unknown' : 'up';
};

/** A region's votes, and what of them is the same for every target. */
interface Voice {
  votes: readonly HeardVote[];
  /** Those that count. */
  fresh: readonly HeardVote[];
  ageMs: number | null;
  /** By state, the cell of a target that nobody has doubts about: of thousands of targets nearly all have one of these. */
  plain: Map<CellState, Cell>;
}

const voiceOf = (votes: readonly HeardVote[], freshMs: number): Voice => ({
  votes,
  fresh: votes.filter((each) => each.ageMs <= freshMs),
  ageMs: known(Math.min(...votes.map((heard) => heard.ageMs))),
  plain: new Map(),
});

/** What the region's heartbeats say against one endpoint: `refused, 4 faults, first 6.1 s ago`; null when nothing. */
const doubtOf = (votes: readonly HeardVote[], key: EndpointKey): string | null => {
  for (const { beat, ageMs } of votes) {
    const doubt = beat && own(beat.suspects, key);
    if (doubt && Number.isFinite(ageMs)) {
      const faults = `${doubt.faults} fault${doubt.faults === 1 ? '' : 's'}`;
      return `${doubt.reason}, ${faults}, first ${seconds(doubt.firstFaultAgeMs + ageMs)} ago`;
    }
  }
  return null;
};

const cellBecause = (state: CellState, { votes, ageMs }: Voice, doubts: readonly string[]): string => {
  switch (state) {
    case 'up':
      return doubts.length === 0 ? 'answers' : `answers, but ${doubts.join('; ')}`;
    case 'down':
    case 'unready':
      return doubts.join('; ') || `consecutive faults of ${state === 'down' ? '/healthz' : '/readyz'}`;
    case 'unknown':
      return ['has not looked often enough since it started', ...doubts].join('; ');
    case 'abstain':
      for (const { vote } of votes) if (vote.self.state === 'abstain') return vote.self.because;
      return 'abstains';
    case 'silent':
      return ageMs === null ? 'no vote from this region' : `no vote that counts; last heard ${seconds(ageMs)} ago`;
  }
};

/** One object for all that are alike. */
const plainCell = (state: CellState, voice: Voice): Cell => {
  const cell = voice.plain.get(state) ?? { state, because: cellBecause(state, voice, []), ageMs: voice.ageMs };
  voice.plain.set(state, cell);
  return cell;
};

/** What each region that looks at it says of one target. */
export type Row = Readonly<Record<string, Cell>>;

const ENDPOINTS = ['healthz', 'readyz'] as const;

/** What is worked out once for all rows. */
interface Hall {
  cluster: ClusterConfig;
  voices: ReadonlyMap<string, Voice>;
  silent: Voice;
  /** Endpoints that any heartbeat has something against. */
  doubted: ReadonlySet<EndpointKey>;
}

const hallOf = (cluster: ClusterConfig, heard: readonly HeardVote[]): Hall => ({
  cluster,
  voices: new Map(
    [...Map.groupBy(heard, ({ region }) => region)].map(([region, votes]) => [region, voiceOf(votes, cluster.policy.freshMs)]),
  ),
  silent: voiceOf([], cluster.policy.freshMs),
  doubted: new Set(heard.flatMap(({ beat }) => (beat === undefined ? [] : Object.keys(beat.suspects)))),
});

const rowOf = (
  { cluster, voices, silent, doubted }: Hall,
  pool: PoolConfig,
  target: TargetConfig,
  id: TargetId,
  tally?: TargetTally,
): Row => {
  const keys = ENDPOINTS.map((endpoint) => ({ endpoint, key: endpointKey(id, endpoint) })).filter(({ key }) => doubted.has(key));
  const cellOf = (region: string): Cell => {
    const voice = voices.get(region) ?? silent;
    const state = (tally && stateByBallots(tally, region)) ?? stateByVotes(voice.fresh, id);
    const doubts = keys.flatMap(({ endpoint, key }) => {
      const doubt = doubtOf(voice.votes, key);
      return doubt === null ? [] : [`/${endpoint} ${doubt}`];
    });
    return doubts.length === 0 ? plainCell(state, voice) : { state, because: cellBecause(state, voice, doubts), ageMs: voice.ageMs };
  };
  return Object.fromEntries(vantagesOf(cluster, pool, target).map((region) => [region, cellOf(region)]));
};

type Ballots = EndpointTally['ballots'] | undefined;

/** Makes rows, one for all targets that are alike. `tallies` by `service/pool`. */
export const rowsFrom = (
  cluster: ClusterConfig,
  heard: readonly HeardVote[],
  tallies: ReadonlyMap<string, PoolTally>,
): ((service: string, pool: PoolConfig, target: TargetConfig) => Row) => {
  const hall = hallOf(cluster, heard);
  // Like ballots are one object. Of targets that everybody looks at and nobody doubts, they are all that a row says.
  const alike = new Map<Ballots, Map<Ballots, Row>>();
  return (service, pool, target) => {
    const id = targetId(service, pool.name, target.name);
    const tally = countedIn(tallies.get(poolKey(service, pool.name)), id);
    const row = (): Row => rowOf(hall, pool, target, id, tally);
    if (tally === undefined || target.from !== 'all' || ENDPOINTS.some((each) => hall.doubted.has(endpointKey(id, each)))) return row();
    const { healthz, readyz } = tally.endpoints;
    const same = alike.get(healthz?.ballots) ?? new Map<Ballots, Row>();
    alike.set(healthz?.ballots, same);
    const known = same.get(readyz?.ballots) ?? row();
    same.set(readyz?.ballots, known);
    return known;
  };
};

/** Makes the rows of a service, by target. */
export const matrixFrom = (
  cluster: ClusterConfig,
  heard: readonly HeardVote[],
  tallies: ReadonlyMap<string, PoolTally>,
): ((service: ServiceConfig) => readonly (readonly [TargetId, Row])[]) => {
  const row = rowsFrom(cluster, heard, tallies);
  return ({ name, pools }) =>
    pools.flatMap((pool) => pool.targets.map((target) => [targetId(name, pool.name, target.name), row(name, pool, target)] as const));
};
