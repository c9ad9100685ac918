// Quorum over vantages. Counts against the voters configured, never those heard, so a partition cannot lower the bar; silence and abstention are no evidence.
// Per endpoint first, then the verdict table, then the pool. A region has one vote however many replicas it runs: any replica that looked and says up
// makes it up, all that looked must say down for down. Ignores traffic and routes: src/decide does that.
import type {
  Ballot,
  Beat,
  ClusterConfig,
  EndpointKey,
  EndpointName,
  EndpointTally,
  PoolConfig,
  PoolTally,
  ServiceConfig,
  TargetConfig,
  TargetId,
  TargetTally,
  Verdict,
  Vote,
} from '../model.ts';
import { endpointKey, targetId } from '../model.ts';
import { electorateOf } from './electorate.ts';
import { quorumOf } from './timing.ts';
import { counts, poolVerdict, targetVerdict } from './verdict.ts';

/** A replica's vote as one read of the store shows it. */
export interface Heard {
  region: string;
  replica: string;
  /** Key of the vote in the store. */
  key: string;
  vote: Vote;
  beat: Beat | null;
  /** Upper bound of the age of the beat that keeps this vote fresh; Infinity when nothing bounds it. */
  ageMs: number;
}

/** Fresh: its beat is young enough and names the same boot, sequence and configuration. */
export const isFresh = (heard: Heard, cluster: ClusterConfig): boolean =>
  heard.ageMs <= cluster.policy.freshMs &&
  heard.beat !== null &&
  heard.beat.boot === heard.vote.boot &&
  heard.beat.seq === heard.vote.seq &&
  heard.vote.configVersion === cluster.version;

interface Place {
  service: ServiceConfig;
  pool: PoolConfig;
  voting: readonly { target: TargetConfig; id: TargetId; voters: readonly string[] }[];
  gates: readonly { target: TargetConfig; id: TargetId }[];
}

const places = new WeakMap<ClusterConfig, readonly Place[]>();

/** Pools with their electorates, worked out once per configuration. */
const placesOf = (cluster: ClusterConfig): readonly Place[] => {
  let list = places.get(cluster);
  if (list === undefined) {
    list = cluster.services.flatMap((service) =>
      service.pools.map((pool): Place => {
        const named = pool.targets.map((target) => ({ target, id: targetId(service.name, pool.name, target.name) }));
        return {
          service,
          pool,
          voting: named
            .filter(({ target }) => target.from !== 'local')
            .map((n) => ({ ...n, voters: electorateOf(cluster, service.name, pool.name, n.target.name) })),
          gates: named.filter(({ target }) => target.from === 'local'),
        };
      }),
    );
    places.set(cluster, list);
  }
  return list;
};

/** What the fresh votes say, indexed so that a quiet target costs one look. */
interface Chamber {
  nowMs: number;
  regions: ReadonlyMap<string, readonly Speaker[]>;
  /** Regions whose every replica is silent or abstains, with which of the two. */
  mute: ReadonlyMap<string, 'abstain' | 'silent'>;
  /** Every target that any vote or beat mentions. */
  mentioned: ReadonlySet<TargetId>;
}

interface Speaker {
  ageMs: number;
  beat: Beat;
  healthz: ReadonlySet<TargetId>;
  readyz: ReadonlySet<TargetId>;
  unknown: ReadonlySet<TargetId>;
}

const assemble = (cluster: ClusterConfig, heard: readonly Heard[], nowMs: number): Chamber => {
  const regions = new Map<string, Speaker[]>();
  const mute = new Map<string, 'abstain' | 'silent'>();
  const mentioned = new Set<TargetId>();
  for (const h of heard) {
    if (!isFresh(h, cluster) || h.beat === null) continue;
    if (h.vote.self.state === 'abstain') {
      mute.set(h.region, 'abstain');
      continue;
    }
    const speaker: Speaker = {
      ageMs: h.ageMs,
      beat: h.beat,
      healthz: new Set(h.vote.down),
      readyz: new Set(h.vote.unready),
      unknown: new Set(h.vote.unknown),
    };
    for (const id of [...h.vote.down, ...h.vote.unready, ...h.vote.unknown]) mentioned.add(id);
    for (const key of Object.keys(h.beat.suspects)) mentioned.add(key.slice(0, key.lastIndexOf('#')));
    regions.set(h.region, [...(regions.get(h.region) ?? []), speaker]);
  }
  return { nowMs, regions, mute, mentioned };
};

const ballotOf = (chamber: Chamber, region: string, id: TargetId, endpoint: EndpointName): Ballot => {
  const speakers = chamber.regions.get(region);
  if (speakers === undefined) return chamber.mute.get(region) ?? 'silent';
  const informed = speakers.filter((s) => !s.unknown.has(id) || s[endpoint].has(id));
  if (informed.length === 0) return 'unknown';
  return informed.every((s) => s[endpoint].has(id)) ? 'down' : 'up';
};

const latest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.max(a, b));
const earliest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b));

const tallyEndpoint = (chamber: Chamber, id: TargetId, endpoint: EndpointName, voters: readonly string[]): EndpointTally => {
  const key: EndpointKey = endpointKey(id, endpoint);
  const ballots: Record<string, Ballot> = {};
  const tally = { down: 0, up: 0, suspecting: 0 };
  let firstFaultAtMs: number | null = null;
  let lastOkAtMs: number | null = null;
  for (const region of voters) {
    const ballot = ballotOf(chamber, region, id, endpoint);
    ballots[region] = ballot;
    if (ballot === 'down') tally.down++;
    if (ballot === 'up') tally.up++;
    let suspecting = ballot === 'down';
    for (const { beat, ageMs } of chamber.regions.get(region) ?? []) {
      const suspicion = beat.suspects[key];
      if (suspicion === undefined) continue;
      suspecting = true;
      // Ages grow by the time since the beat was written, of which only an upper bound is known: t0 errs towards earlier.
      firstFaultAtMs = earliest(firstFaultAtMs, chamber.nowMs - suspicion.firstFaultAgeMs - ageMs);
      if (suspicion.lastOkAgeMs !== null) lastOkAtMs = latest(lastOkAtMs, chamber.nowMs - suspicion.lastOkAgeMs - ageMs);
    }
    if (suspecting) tally.suspecting++;
  }
  const needs = quorumOf(voters.length);
  const verdict = tally.down >= needs ? 'down' : tally.up >= needs ? 'up' : 'unknown';
  return {
    key,
    verdict,
    down: tally.down,
    up: tally.up,
    electorate: voters.length,
    needs,
    ballots,
    suspectAtQuorum: tally.suspecting >= needs,
    firstFaultAtMs,
    lastOkAtMs,
  };
};

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

const tallyTarget = (chamber: Chamber, target: TargetConfig, id: TargetId, voters: readonly string[]): TargetTally => {
  const endpoints: Partial<Record<EndpointName, EndpointTally>> = {};
  for (const endpoint of ENDPOINTS) if (target[endpoint] !== undefined) endpoints[endpoint] = tallyEndpoint(chamber, id, endpoint, voters);
  return { target: id, verdict: targetVerdict(endpoints.healthz?.verdict, endpoints.readyz?.verdict), endpoints };
};

/** A target nobody mentions: up if enough of its voters speak at all. */
const quietVerdict = (chamber: Chamber, voters: readonly string[]): 'up' | 'unknown' =>
  voters.reduce((n, region) => n + (chamber.regions.has(region) ? 1 : 0), 0) >= quorumOf(voters.length) ? 'up' : 'unknown';

const WORST: readonly Verdict[] = ['down', 'unready', 'unknown', 'suspect', 'up'];

const tallyPool = (chamber: Chamber, place: Place, full: boolean): PoolTally => {
  const targets: TargetTally[] = [];
  let up = 0;
  let unknown = 0;
  for (const { target, id, voters } of place.voting) {
    if (!full && !chamber.mentioned.has(id)) {
      if (quietVerdict(chamber, voters) === 'up') up++;
      else unknown++;
      continue;
    }
    const tally = tallyTarget(chamber, target, id, voters);
    targets.push(tally);
    const side = counts(tally.verdict);
    if (side === 'up') up++;
    if (side === 'unknown') unknown++;
  }
  const endpoints = targets.flatMap((t) => Object.values(t.endpoints));
  const total = place.voting.length;
  const verdicts = new Set<Verdict>(targets.map((t) => t.verdict));
  const suspects = targets.filter((t) => Object.values(t.endpoints).some((e) => e.suspectAtQuorum)).length;
  return {
    service: place.service.name,
    pool: place.pool.name,
    region: place.pool.region,
    verdict: poolVerdict(up, unknown, place.pool.minUp),
    cause: WORST.find((v) => verdicts.has(v)) ?? (unknown > 0 ? 'unknown' : 'up'),
    up,
    unknown,
    total,
    minUp: place.pool.minUp,
    // The pool is suspect when it would be out if what is suspect at a quorum turned out to be down.
    suspectAtQuorum: total - suspects < place.pool.minUp,
    anyDownVote: endpoints.some((e) => e.down > 0),
    gate: place.gates.some(({ target, id }) => gateClosed(chamber, place.pool.region, target, id)) ? 'closed' : 'open',
    firstFaultAtMs: endpoints.reduce<number | null>((at, e) => earliest(at, e.firstFaultAtMs), null),
    lastOkAtMs: endpoints.reduce<number | null>((at, e) => latest(at, e.lastOkAtMs), null),
    targets,
  };
};

const gateClosed = (chamber: Chamber, region: string, target: TargetConfig, id: TargetId): boolean =>
  chamber.mentioned.has(id) &&
  ENDPOINTS.some((endpoint) => target[endpoint] !== undefined && ballotOf(chamber, region, id, endpoint) === 'down');

/**
 * Tallies of every pool, in configured order. In: the votes of one read with bounds of their ages, cluster time in ms.
 * `full` also lists the targets nobody mentions (for people); without it they are only counted, and cost almost nothing.
 */
export const tally = (cluster: ClusterConfig, heard: readonly Heard[], nowMs: number, full = false): readonly PoolTally[] => {
  const chamber = assemble(cluster, heard, nowMs);
  return placesOf(cluster).map((place) => tallyPool(chamber, place, full));
};

/** Smallest electorate among a pool's voting targets: automatic moves need at least three voters. */
export const leastElectorate = (cluster: ClusterConfig, service: string): number =>
  placesOf(cluster)
    .filter((p) => p.service.name === service)
    .flatMap((p) => p.voting.map((v) => v.voters.length))
    .reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);

/** Keys of the fresh votes that any of these tallies counted with one of `ballots`: what a decision that rests on them must guard. */
export const votesBehind = (
  cluster: ClusterConfig,
  heard: readonly Heard[],
  tallies: readonly PoolTally[],
  ballots: readonly Ballot[],
): readonly string[] => {
  const regions = new Set<string>();
  for (const t of tallies)
    for (const target of t.targets)
      for (const e of Object.values(target.endpoints))
        for (const [region, ballot] of Object.entries(e.ballots)) if (ballots.includes(ballot)) regions.add(region);
  return heard.filter((h) => regions.has(h.region) && isFresh(h, cluster)).map((h) => h.key);
};
