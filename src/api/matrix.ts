// The votes matrix: what each region says of each target, with the reason and the age. Pure.
// Where a tally exists its ballots are shown, since they are what decides; local targets and everything before the first count are read off the votes.
import { vantagesOf } from '../health/electorate.ts';
import type {
  Ballot,
  Beat,
  ClusterConfig,
  EndpointKey,
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

const cellBecause = (state: CellState, votes: readonly HeardVote[], target: TargetId, ageMs: number | null): string => {
  const doubts = (['healthz', 'readyz'] as const).flatMap((endpoint) => {
    const doubt = doubtOf(votes, endpointKey(target, endpoint));
    return doubt === null ? [] : [`/${endpoint} ${doubt}`];
  });
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

/** What each region that looks at it says of one target. */
export type Row = Readonly<Record<string, Cell>>;

/** Makes rows. `tallies` by `service/pool`. */
export const rowsFrom = (
  cluster: ClusterConfig,
  heard: readonly HeardVote[],
  tallies: ReadonlyMap<string, PoolTally>,
): ((service: string, pool: PoolConfig, target: TargetConfig) => Row) => {
  const byRegion = Map.groupBy(heard, (each) => each.region);
  return (service, pool, target) => {
    const id = targetId(service, pool.name, target.name);
    const tally = tallies.get(poolKey(service, pool.name))?.targets.find((each) => each.target === id);
    const cellOf = (region: string): Cell => {
      const votes = byRegion.get(region) ?? [];
      const ageMs = votes.length === 0 ? null : known(Math.min(...votes.map((heard) => heard.ageMs)));
      const fresh = votes.filter((each) => each.ageMs <= cluster.policy.freshMs);
      const state = (tally && stateByBallots(tally, region)) ?? stateByVotes(fresh, id);
      return { state, because: cellBecause(state, votes, id, ageMs), ageMs };
    };
    return Object.fromEntries(vantagesOf(cluster, pool, target).map((region) => [region, cellOf(region)]));
  };
};

/** Every target of these services, by default of all, by every region that looks at it. */
export const matrixOf = (
  cluster: ClusterConfig,
  heard: readonly HeardVote[],
  tallies: ReadonlyMap<string, PoolTally>,
  services: readonly ServiceConfig[] = cluster.services,
): Matrix => {
  const rowOf = rowsFrom(cluster, heard, tallies);
  return Object.fromEntries(
    services.flatMap((service) =>
      service.pools.flatMap((pool) =>
        pool.targets.map((target) => [targetId(service.name, pool.name, target.name), rowOf(service.name, pool, target)] as const),
      ),
    ),
  );
};
