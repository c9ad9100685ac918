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

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

/** A target with what is asked about it at every turn: names are joined and electorates looked up once. */
interface Seen {
  id: TargetId;
  keys: Readonly<Partial<Record<EndpointName, EndpointKey>>>;
  voters: readonly string[];
}

interface Place {
  service: ServiceConfig;
  pool: PoolConfig;
  voting: readonly Seen[];
  /** `local` targets: they gate and advise, never vote. */
  gates: readonly Seen[];
}

const places = new WeakMap<ClusterConfig, readonly Place[]>();

/** Pools with their electorates, worked out once per configuration. */
const placesOf = (cluster: ClusterConfig): readonly Place[] => {
  let list = places.get(cluster);
  if (list === undefined) {
    list = cluster.services.flatMap((service) => service.pools.map((pool) => placeOf(cluster, service, pool)));
    places.set(cluster, list);
  }
  return list;
};

const placeOf = (cluster: ClusterConfig, service: ServiceConfig, pool: PoolConfig): Place => {
  const seen = (target: TargetConfig): Seen => {
    const id = targetId(service.name, pool.name, target.name);
    const keys = Object.fromEntries(ENDPOINTS.filter((e) => target[e] !== undefined).map((e) => [e, endpointKey(id, e)]));
    return { id, keys, voters: target.from === 'local' ? [pool.region] : electorateOf(cluster, service.name, pool.name, target.name) };
  };
  return {
    service,
    pool,
    voting: pool.targets.filter((t) => t.from !== 'local').map(seen),
    gates: pool.targets.filter((t) => t.from === 'local').map(seen),
  };
};

interface Speaker {
  ageMs: number;
  beat: Beat;
  healthz: ReadonlySet<TargetId>;
  readyz: ReadonlySet<TargetId>;
  unknown: ReadonlySet<TargetId>;
}

/** Most regions whose say fits one whole number exactly: 3 to this power is below 2 to the 53rd. The configuration holds to it. */
export const REGIONS_MAX = 32;

/** Codes of one region's say about one endpoint; `up` is 0, so that only what is mentioned has to be counted. */
const DOWN = 1;
const UNKNOWN = 2;

/** What the regions say of one target's endpoints: the codes of all regions as one number in base 3. Most targets share a handful of them. */
type Says = Record<EndpointName, number>;

/** What is known of one endpoint's doubts, from the beats. */
interface Doubt {
  regions: Set<string>;
  firstFaultAtMs: number;
  lastOkAtMs: number | null;
}

/** What the fresh votes say, indexed so that a quiet target costs one look and a mentioned one no more than a few. */
interface Chamber {
  nowMs: number;
  regions: ReadonlyMap<string, readonly Speaker[]>;
  /** Regions whose every replica is silent or abstains, with which of the two. */
  mute: ReadonlyMap<string, 'abstain' | 'silent'>;
  /** Place of each region in the numbers of `says`. */
  digits: ReadonlyMap<string, number>;
  /** Every target that any vote or beat mentions. */
  says: ReadonlyMap<TargetId, Says>;
  doubts: ReadonlyMap<EndpointKey, Doubt>;
  /** Counts per electorate and number, worked out once. */
  counted: Map<readonly string[], Map<number, Counted>>;
}

interface Counted {
  verdict: EndpointTally['verdict'];
  down: number;
  up: number;
  needs: number;
  ballots: Readonly<Record<string, Ballot>>;
}

/** Votes change rarely and are looked at twice a second: their lists are indexed once per vote. */
const lists = new WeakMap<Vote, Pick<Speaker, EndpointName | 'unknown'>>();

const listsOf = (vote: Vote): Pick<Speaker, EndpointName | 'unknown'> => {
  let made = lists.get(vote);
  if (made === undefined) {
    made = { healthz: new Set(vote.down), readyz: new Set(vote.unready), unknown: new Set(vote.unknown) };
    lists.set(vote, made);
  }
  return made;
};

const assemble = (cluster: ClusterConfig, heard: readonly Heard[], nowMs: number): Chamber => {
  const regions = new Map<string, Speaker[]>();
  const mute = new Map<string, 'abstain' | 'silent'>();
  for (const h of heard) {
    if (!isFresh(h, cluster) || h.beat === null) continue;
    if (h.vote.self.state === 'abstain') {
      mute.set(h.region, 'abstain');
      continue;
    }
    const speaker: Speaker = { ageMs: h.ageMs, beat: h.beat, ...listsOf(h.vote) };
    regions.set(h.region, [...(regions.get(h.region) ?? []), speaker]);
  }
  const digits = new Map(cluster.regions.map((r, i) => [r.name, 3 ** i]));
  return { nowMs, regions, mute, digits, says: saysOf(regions, digits), doubts: doubtsOf(regions, nowMs), counted: new Map() };
};

const saysOf = (regions: ReadonlyMap<string, readonly Speaker[]>, digits: ReadonlyMap<string, number>): ReadonlyMap<TargetId, Says> => {
  const says = new Map<TargetId, Says>();
  const of = (id: TargetId): Says => {
    let entry = says.get(id);
    if (entry === undefined) {
      entry = { healthz: 0, readyz: 0 };
      says.set(id, entry);
    }
    return entry;
  };
  for (const [region, speakers] of regions) {
    const digit = digits.get(region) ?? 0;
    for (const { beat } of speakers) for (const key in beat.suspects) of(key.slice(0, key.lastIndexOf('#')));
    const [only] = speakers;
    if (speakers.length === 1 && only !== undefined) {
      for (const id of only.healthz) of(id).healthz += digit * DOWN;
      for (const id of only.readyz) of(id).readyz += digit * DOWN;
      for (const id of only.unknown) {
        if (!only.healthz.has(id)) of(id).healthz += digit * UNKNOWN;
        if (!only.readyz.has(id)) of(id).readyz += digit * UNKNOWN;
      }
      continue;
    }
    for (const id of new Set(speakers.flatMap((s) => [...s.healthz, ...s.readyz, ...s.unknown]))) {
      of(id).healthz += digit * codeOf(speakers, id, 'healthz');
      of(id).readyz += digit * codeOf(speakers, id, 'readyz');
    }
  }
  return says;
};

/** One region's say: any replica that looked and says up makes it up, all that looked must say down for down. */
const codeOf = (speakers: readonly Speaker[], id: TargetId, endpoint: EndpointName): number => {
  let informed = false;
  for (const s of speakers) {
    if (s[endpoint].has(id)) informed = true;
    else if (!s.unknown.has(id)) return 0;
  }
  return informed ? DOWN : UNKNOWN;
};

const doubtsOf = (regions: ReadonlyMap<string, readonly Speaker[]>, nowMs: number): ReadonlyMap<EndpointKey, Doubt> => {
  const doubts = new Map<EndpointKey, Doubt>();
  for (const [region, speakers] of regions)
    for (const { beat, ageMs } of speakers)
      for (const [key, suspicion] of Object.entries(beat.suspects)) {
        // Ages grow by the time since the beat was written, of which only an upper bound is known: t0 errs towards earlier.
        const firstFaultAtMs = nowMs - suspicion.firstFaultAgeMs - ageMs;
        const lastOkAtMs = suspicion.lastOkAgeMs === null ? null : nowMs - suspicion.lastOkAgeMs - ageMs;
        const known = doubts.get(key);
        if (known === undefined) doubts.set(key, { regions: new Set([region]), firstFaultAtMs, lastOkAtMs });
        else {
          known.regions.add(region);
          known.firstFaultAtMs = Math.min(known.firstFaultAtMs, firstFaultAtMs);
          known.lastOkAtMs = latest(known.lastOkAtMs, lastOkAtMs);
        }
      }
  return doubts;
};

const latest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.max(a, b));
const earliest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b));

/** The ballots of an electorate when the regions say `code`. */
const count = (chamber: Chamber, voters: readonly string[], code: number): Counted => {
  let codes = chamber.counted.get(voters);
  if (codes === undefined) {
    codes = new Map();
    chamber.counted.set(voters, codes);
  }
  let counted = codes.get(code);
  if (counted === undefined) {
    counted = countAnew(chamber, voters, code);
    codes.set(code, counted);
  }
  return counted;
};

const countAnew = (chamber: Chamber, voters: readonly string[], code: number): Counted => {
  const ballots: Record<string, Ballot> = {};
  let down = 0;
  let up = 0;
  for (const region of voters) {
    const say = Math.floor(code / (chamber.digits.get(region) ?? 1)) % 3;
    const ballot: Ballot = chamber.regions.has(region)
      ? say === DOWN
        ? 'down'
        : say === UNKNOWN
          ? 'unknown'
          : 'up'
      : (chamber.mute.get(region) ?? 'silent');
    ballots[region] = ballot;
    if (ballot === 'down') down++;
    if (ballot === 'up') up++;
  }
  const needs = quorumOf(voters.length);
  return { verdict: down >= needs ? 'down' : up >= needs ? 'up' : 'unknown', down, up, needs, ballots };
};

const tallyEndpoint = (chamber: Chamber, key: EndpointKey, code: number, voters: readonly string[]): EndpointTally => {
  const { verdict, down, up, needs, ballots } = count(chamber, voters, code);
  const doubt = chamber.doubts.get(key);
  let suspecting = down;
  if (doubt !== undefined && down < needs)
    for (const region of voters) if (ballots[region] !== 'down' && doubt.regions.has(region)) suspecting++;
  return {
    key,
    verdict,
    down,
    up,
    electorate: voters.length,
    needs,
    ballots,
    suspectAtQuorum: suspecting >= needs,
    firstFaultAtMs: doubt?.firstFaultAtMs ?? null,
    lastOkAtMs: doubt?.lastOkAtMs ?? null,
  };
};

const ALL_UP: Says = { healthz: 0, readyz: 0 };

const tallyTarget = (chamber: Chamber, { id, keys, voters }: Seen): TargetTally => {
  const says = chamber.says.get(id) ?? ALL_UP;
  const endpoints: Partial<Record<EndpointName, EndpointTally>> = {};
  if (keys.healthz !== undefined) endpoints.healthz = tallyEndpoint(chamber, keys.healthz, says.healthz, voters);
  if (keys.readyz !== undefined) endpoints.readyz = tallyEndpoint(chamber, keys.readyz, says.readyz, voters);
  return { target: id, verdict: targetVerdict(endpoints.healthz?.verdict, endpoints.readyz?.verdict), endpoints };
};

/** A target nobody mentions: up if enough of its voters speak at all. */
const quietVerdict = (chamber: Chamber, voters: readonly string[]): 'up' | 'unknown' =>
  voters.reduce((n, region) => n + (chamber.regions.has(region) ? 1 : 0), 0) >= quorumOf(voters.length) ? 'up' : 'unknown';

const WORST: readonly Verdict[] = ['down', 'unready', 'unknown', 'suspect', 'up'];

const tallyPool = (chamber: Chamber, place: Place, full: boolean): PoolTally => {
  const targets: TargetTally[] = [];
  const verdicts = new Set<Verdict>();
  const n = { up: 0, unknown: 0, suspects: 0 };
  let anyDownVote = false;
  let firstFaultAtMs: number | null = null;
  let lastOkAtMs: number | null = null;
  for (const seen of place.voting) {
    if (!full && !chamber.says.has(seen.id)) {
      if (quietVerdict(chamber, seen.voters) === 'up') n.up++;
      else {
        n.unknown++;
        verdicts.add('unknown');
      }
      continue;
    }
    const tally = tallyTarget(chamber, seen);
    targets.push(tally);
    verdicts.add(tally.verdict);
    const side = counts(tally.verdict);
    if (side === 'up') n.up++;
    if (side === 'unknown') n.unknown++;
    let suspect = false;
    for (const endpoint of ENDPOINTS) {
      const e = tally.endpoints[endpoint];
      if (e === undefined) continue;
      suspect ||= e.suspectAtQuorum;
      anyDownVote ||= e.down > 0;
      firstFaultAtMs = earliest(firstFaultAtMs, e.firstFaultAtMs);
      lastOkAtMs = latest(lastOkAtMs, e.lastOkAtMs);
    }
    if (suspect) n.suspects++;
  }
  const total = place.voting.length;
  return {
    service: place.service.name,
    pool: place.pool.name,
    region: place.pool.region,
    verdict: poolVerdict(n.up, n.unknown, place.pool.minUp),
    cause: WORST.find((v) => verdicts.has(v)) ?? 'up',
    up: n.up,
    unknown: n.unknown,
    total,
    minUp: place.pool.minUp,
    // The pool is suspect when it would be out if what is suspect at a quorum turned out to be down.
    suspectAtQuorum: total - n.suspects < place.pool.minUp,
    anyDownVote,
    gate: place.gates.some((seen) => gateClosed(chamber, seen)) ? 'closed' : 'open',
    firstFaultAtMs,
    lastOkAtMs,
    targets,
  };
};

/** A `local` target that its own region holds down. It never votes; it keeps traffic from returning by itself. */
const gateClosed = (chamber: Chamber, seen: Seen): boolean =>
  chamber.says.has(seen.id) && Object.values(tallyTarget(chamber, seen).endpoints).some((e) => e.down > 0);

/**
 * Tallies of every pool, in configured order. In: the votes of one read with bounds of their ages, cluster time in ms.
 * `full` also lists the targets nobody mentions (for people); without it they are only counted, and cost almost nothing.
 */
export const tally = (cluster: ClusterConfig, heard: readonly Heard[], nowMs: number, full = false): readonly PoolTally[] => {
  const chamber = assemble(cluster, heard, nowMs);
  return placesOf(cluster).map((place) => tallyPool(chamber, place, full));
};

const least = new WeakMap<ClusterConfig, ReadonlyMap<string, number>>();

/** Smallest electorate among a service's voting targets: automatic moves need at least three voters. Infinity for a service without targets. */
export const leastElectorate = (cluster: ClusterConfig, service: string): number => {
  let known = least.get(cluster);
  if (known === undefined) {
    const byService = Map.groupBy(placesOf(cluster), (p) => p.service.name);
    known = new Map(
      [...byService].map(([name, list]) => [name, Math.min(...list.map((p) => Math.min(...p.voting.map((v) => v.voters.length))))]),
    );
    least.set(cluster, known);
  }
  return known.get(service) ?? Number.POSITIVE_INFINITY;
};

/** Keys of the fresh votes that any of these tallies counted with one of `ballots`: what a decision that rests on them must guard. */
export const votesBehind = (
  cluster: ClusterConfig,
  heard: readonly Heard[],
  tallies: readonly PoolTally[],
  ballots: readonly Ballot[],
): readonly string[] => {
  const regions = new Set<string>();
  // Like ballots are one object, so each is looked at once.
  const seen = new Set<EndpointTally['ballots']>();
  for (const { targets } of tallies)
    for (const { endpoints } of targets)
      for (const endpoint of ENDPOINTS) {
        const cast = endpoints[endpoint]?.ballots;
        if (cast === undefined || seen.has(cast)) continue;
        seen.add(cast);
        for (const [region, ballot] of Object.entries(cast)) if (ballots.includes(ballot)) regions.add(region);
      }
  return heard.filter((h) => regions.has(h.region) && isFresh(h, cluster)).map((h) => h.key);
};
