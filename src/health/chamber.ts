// What the fresh votes say, in a form that costs little to ask: the regions' says about an endpoint are one number in base 3, and like numbers are
// counted once. A region has one vote however many replicas it runs: any replica that looked and says up makes it up, all that looked must say down
// for down. Silence and abstention are no evidence. Knows no targets and no pools; src/health/quorum.ts asks.
import type { Ballot, Beat, ClusterConfig, EndpointKey, EndpointName, EndpointTally, TargetId, Vote } from '../model.ts';
import { quorumOf } from './timing.ts';

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
export type Says = Record<EndpointName, number>;

/** What is known of one endpoint's doubts, from the beats. */
interface Doubt {
  regions: Set<string>;
  firstFaultAtMs: number;
  lastOkAtMs: number | null;
}

/** What the fresh votes say, indexed so that a quiet target costs one look and a mentioned one no more than a few. */
export interface Chamber {
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

export interface Counted {
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

export const assemble = (cluster: ClusterConfig, heard: readonly Heard[], nowMs: number): Chamber => {
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

export const latest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.max(a, b));
export const earliest = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b));

/** The ballots of an electorate when the regions say `code`. */
export const count = (chamber: Chamber, voters: readonly string[], code: number): Counted => {
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
