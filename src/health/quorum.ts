// Quorum over vantages. Counts against the voters configured, never those heard, so a partition cannot lower the bar; silence and abstention are no evidence.
// Per endpoint first, then the verdict table, then the pool. What the votes say is chamber.ts. Ignores traffic and routes: src/decide does that.
import type {
  Ballot,
  ClusterConfig,
  EndpointKey,
  EndpointName,
  EndpointTally,
  GrayTally,
  PoolConfig,
  PoolTally,
  ServiceConfig,
  TargetConfig,
  TargetId,
  TargetTally,
  Verdict,
} from '../model.ts';
import { endpointKey, targetId } from '../model.ts';
import { assemble, type Chamber, count, earliest, type Heard, isFresh, latest, type Says } from './chamber.ts';
import { electorateOf } from './electorate.ts';
import { quorumOf } from './timing.ts';
import { counts, poolVerdict, targetVerdict, WORST } from './verdict.ts';

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

/** A target with what is asked about it at every turn: names are joined and electorates looked up once. */
interface Seen {
  id: TargetId;
  keys: Readonly<Partial<Record<EndpointName, EndpointKey>>>;
  voters: readonly string[];
}

interface Place {
  names: Pick<PoolTally, 'service' | 'pool' | 'region'>;
  pool: PoolConfig;
  voting: readonly Seen[];
  /** `local` targets: they gate and advise, never vote. */
  gates: readonly Seen[];
  /** How many targets have the same voters. */
  electorates: ReadonlyMap<readonly string[], number>;
}

interface Places {
  list: readonly Place[];
  /** Where a target votes. */
  of: ReadonlyMap<TargetId, Place>;
}

const places = new WeakMap<ClusterConfig, Places>();

/** Pools with their electorates, worked out once per configuration. */
const placesOf = (cluster: ClusterConfig): Places => {
  let known = places.get(cluster);
  if (known === undefined) {
    const list = cluster.services.flatMap((service) => service.pools.map((pool) => placeOf(cluster, service, pool)));
    known = { list, of: new Map(list.flatMap((place) => place.voting.map(({ id }) => [id, place]))) };
    places.set(cluster, known);
  }
  return known;
};

const placeOf = (cluster: ClusterConfig, service: ServiceConfig, pool: PoolConfig): Place => {
  const seen = (target: TargetConfig): Seen => {
    const id = targetId(service.name, pool.name, target.name);
    const keys = Object.fromEntries(ENDPOINTS.filter((e) => target[e] !== undefined).map((e) => [e, endpointKey(id, e)]));
    return { id, keys, voters: target.from === 'local' ? [pool.region] : electorateOf(cluster, service.name, pool.name, target.name) };
  };
  const voting = pool.targets.filter((t) => t.from !== 'local').map(seen);
  const gates = pool.targets.filter((t) => t.from === 'local').map(seen);
  const electorates = new Map([...Map.groupBy(voting, ({ voters }) => voters)].map(([voters, those]) => [voters, those.length]));
  return { names: { service: service.name, pool: pool.name, region: pool.region }, pool, voting, gates, electorates };
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
  const verdict = targetVerdict(endpoints.healthz?.verdict, endpoints.readyz?.verdict);
  const gray = counts(verdict) === 'out' ? null : tallyGray(chamber, id, voters);
  return { target: id, verdict, ...(gray === null ? {} : { gray }), endpoints };
};

/** What the target's own voters say of its errors; null when none of them minds. */
const tallyGray = (chamber: Chamber, id: TargetId, voters: readonly string[]): GrayTally | null => {
  const said = chamber.gray.get(id);
  const regions = said === undefined ? [] : voters.filter((region) => said.has(region));
  if (regions.length === 0) return null;
  const endpoints = ENDPOINTS.filter((endpoint) => regions.some((region) => said?.get(region)?.has(endpoint) === true));
  return { regions, endpoints, electorate: voters.length, needs: quorumOf(voters.length) };
};

/** By quorum, or with no more than one region missing from it. */
const isGray = ({ gray }: TargetTally): boolean => gray !== undefined && gray.regions.length >= gray.needs;
const isNearGray = ({ gray }: TargetTally): boolean => gray !== undefined && gray.regions.length >= gray.needs - 1;

/** A target nobody mentions: up if enough of its voters speak at all. */
const quietVerdict = (chamber: Chamber, voters: readonly string[]): 'up' | 'unknown' =>
  voters.reduce((n, region) => n + (chamber.regions.has(region) ? 1 : 0), 0) >= quorumOf(voters.length) ? 'up' : 'unknown';

/** A pool none of whose targets is mentioned: counted by electorate, however many targets it has. */
const tallyQuiet = (chamber: Chamber, place: Place): PoolTally => {
  let up = 0;
  for (const [voters, targets] of place.electorates) if (quietVerdict(chamber, voters) === 'up') up += targets;
  const { minUp } = place.pool;
  const total = place.voting.length;
  const unknown = total - up;
  return {
    ...place.names,
    verdict: poolVerdict(up, unknown, minUp),
    cause: unknown > 0 ? 'unknown' : 'up',
    up,
    unknown,
    total,
    minUp,
    gray: 0,
    nearGray: 0,
    suspectAtQuorum: total < minUp,
    anyDownVote: false,
    gate: gateOf(chamber, place),
    firstFaultAtMs: null,
    lastOkAtMs: null,
    targets: [],
  };
};

const tallyPool = (chamber: Chamber, place: Place, full: boolean): PoolTally => {
  const targets: TargetTally[] = [];
  const verdicts = new Set<Verdict>();
  const n = { up: 0, unknown: 0, suspects: 0, gray: 0, nearGray: 0 };
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
    if (isGray(tally)) n.gray++;
    if (isNearGray(tally)) n.nearGray++;
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
  return {
    ...place.names,
    verdict: poolVerdict(n.up, n.unknown, place.pool.minUp),
    cause: WORST.find((v) => verdicts.has(v)) ?? 'up',
    up: n.up,
    unknown: n.unknown,
    total: place.voting.length,
    minUp: place.pool.minUp,
    gray: n.gray,
    nearGray: n.nearGray,
    // The pool is suspect when it would be out if what is suspect at a quorum turned out to be down.
    suspectAtQuorum: place.voting.length - n.suspects < place.pool.minUp,
    anyDownVote,
    gate: gateOf(chamber, place),
    firstFaultAtMs,
    lastOkAtMs,
    targets,
  };
};

/** A `local` target that its own region holds down. It never votes; it keeps traffic from returning by itself. */
const gateClosed = (chamber: Chamber, seen: Seen): boolean =>
  chamber.says.has(seen.id) && Object.values(tallyTarget(chamber, seen).endpoints).some((e) => e.down > 0);

const gateOf = (chamber: Chamber, { gates }: Place): PoolTally['gate'] =>
  gates.some((seen) => gateClosed(chamber, seen)) ? 'closed' : 'open';

/** Pools with a target that any vote or beat mentions. */
const mentionedIn = ({ says }: Chamber, { of }: Places): ReadonlySet<Place> => {
  const mentioned = new Set<Place>();
  for (const id of says.keys()) {
    const place = of.get(id);
    if (place !== undefined) mentioned.add(place);
  }
  return mentioned;
};

/**
 * Tallies of every pool, in configured order. In: the votes of one read with bounds of their ages, cluster time in ms.
 * `full` also lists the targets nobody mentions (for people); without it they are only counted, and cost almost nothing.
 */
export const tally = (cluster: ClusterConfig, heard: readonly Heard[], nowMs: number, full = false): readonly PoolTally[] => {
  const chamber = assemble(cluster, heard, nowMs);
  const all = placesOf(cluster);
  const mentioned = mentionedIn(chamber, all);
  return all.list.map((place) => (full || mentioned.has(place) ? tallyPool(chamber, place, full) : tallyQuiet(chamber, place)));
};

const least = new WeakMap<ClusterConfig, ReadonlyMap<string, number>>();

/** Smallest electorate among a service's voting targets: automatic moves need at least three voters. Infinity for a service without targets. */
export const leastElectorate = (cluster: ClusterConfig, service: string): number => {
  let known = least.get(cluster);
  if (known === undefined) {
    const byService = Map.groupBy(placesOf(cluster).list, (p) => p.names.service);
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

/** Keys of the fresh votes that call any target of these tallies gray: what a decision that takes share from them must guard. */
export const votesCallingGray = (cluster: ClusterConfig, heard: readonly Heard[], tallies: readonly PoolTally[]): readonly string[] => {
  const regions = new Set(tallies.flatMap(({ targets }) => targets.flatMap(({ gray }) => gray?.regions ?? [])));
  return heard.filter((h) => regions.has(h.region) && isFresh(h, cluster)).map((h) => h.key);
};
