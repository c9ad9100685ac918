// What the fresh votes say, in a form that costs little to ask: the regions' says about an endpoint are one number in base 3, and like numbers are
// counted once. A region has one vote however many replicas it runs: about each target the word of its one owner (shares.ts). Silence and abstention are
// no evidence. Knows no targets and no pools; src/health/quorum.ts asks.
import type { Ballot, Beat, ClusterConfig, EndpointKey, EndpointName, EndpointTally, TargetId, Vote } from '../model.ts';
import { endpointKey } from '../model.ts';
import { configHash } from './config-hash.ts';
import { type Shares, sharesOf } from './shares.ts';
import { goneAfterMs, quorumOf } from './timing.ts';

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

/** Fresh: its beat is young enough and names the same boot, sequence and configuration. Replicas of 0.1 name neither boot number nor hash. */
export const isFresh = (heard: Pick<Heard, 'vote' | 'beat' | 'ageMs'>, cluster: ClusterConfig): boolean =>
  heard.ageMs <= cluster.policy.freshMs &&
  heard.beat !== null &&
  heard.beat.boot === heard.vote.boot &&
  heard.beat.bootN === heard.vote.bootN &&
  heard.beat.seq === heard.vote.seq &&
  heard.vote.configVersion === cluster.version &&
  (heard.vote.configHash === undefined || heard.vote.configHash === configHash(cluster));

/** Regions of which a replica's fresh vote speaks. */
export const speakersOf = (heard: readonly Heard[], cluster: ClusterConfig): ReadonlySet<string> =>
  new Set(heard.filter((h) => isFresh(h, cluster) && h.vote.self.state === 'ok').map((h) => h.region));

interface Speaker {
  replica: string;
  peers: readonly string[];
  /** A replica of 0.1: it knows no siblings and looks at everything. */
  old: boolean;
  ageMs: number;
  beat: Beat;
  healthz: ReadonlySet<TargetId>;
  readyz: ReadonlySet<TargetId>;
  unknown: ReadonlySet<TargetId>;
  gray: readonly EndpointKey[];
}

/** Most regions whose say fits one whole number exactly: 3 to this power is below 2 to the 53rd. The configuration holds to it. */
export const REGIONS_MAX = 32;

/** The replicas of a region that speak, and how they share its targets; null: each looks at everything. */
interface Voice {
  speakers: readonly Speaker[];
  shares: Shares | null;
}

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
  regions: ReadonlyMap<string, Voice>;
  /** Regions whose every replica is silent or abstains, with which of the two. */
  mute: ReadonlyMap<string, 'abstain' | 'silent'>;
  /** Place of each region in the numbers of `says`. */
  digits: ReadonlyMap<string, number>;
  /** Every target that any vote or beat mentions. */
  says: ReadonlyMap<TargetId, Says>;
  doubts: ReadonlyMap<EndpointKey, Doubt>;
  /** Which regions call which endpoints of a target gray; only of targets of which any does. */
  gray: ReadonlyMap<TargetId, ReadonlyMap<string, ReadonlySet<EndpointName>>>;
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

/** Votes change rarely and are looked at once a second and more: their lists are indexed once per vote. */
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
  const speaking = new Map<string, Speaker[]>();
  const mute = new Map<string, 'abstain' | 'silent'>();
  for (const h of heard) {
    if (!isFresh(h, cluster) || h.beat === null) continue;
    if (h.vote.self.state === 'abstain') {
      mute.set(h.region, 'abstain');
      continue;
    }
    const { peers, bootN } = h.vote;
    const { replica, ageMs, beat } = h;
    const speaker: Speaker = { replica, peers, old: bootN === undefined, ageMs, beat, gray: h.vote.gray ?? [], ...listsOf(h.vote) };
    const others = speaking.get(h.region);
    if (others === undefined) speaking.set(h.region, [speaker]);
    else others.push(speaker);
  }
  const regions = new Map([...speaking].map(([region, speakers]): [string, Voice] => [region, voiceOf(cluster, speakers)]));
  const digits = new Map(cluster.regions.map((r, i) => [r.name, 3 ** i]));
  const gray = grayOf(regions);
  return { nowMs, regions, mute, digits, says: saysOf(regions, digits, gray), doubts: doubtsOf(regions, nowMs), gray, counted: new Map() };
};

const voiceOf = (cluster: ClusterConfig, speakers: readonly Speaker[]): Voice => {
  const [only] = speakers;
  if (speakers.length === 1 && only?.peers.length === 1 && only.peers[0] === only.replica) return { speakers, shares: null };
  if (speakers.every((s) => s.old)) return { speakers, shares: null };
  const present = speakers.filter((s) => !isGone(s, speakers, goneAfterMs(cluster.policy)));
  return { speakers: present, shares: sharesOf(cluster, present) };
};

/**
 * Dead for its siblings although its last word still counts as fresh: a beat is missing, and a sibling that is heard no longer shares with it. Either
 * alone proves nothing: a store that stands still makes everybody look old, and who has just come is on nobody's list.
 */
const isGone = (one: Speaker, speakers: readonly Speaker[], goneMs: number): boolean =>
  one.ageMs > goneMs && speakers.some((s) => s.ageMs <= goneMs && !s.peers.includes(one.replica));

const saysOf = (
  regions: ReadonlyMap<string, Voice>,
  digits: ReadonlyMap<string, number>,
  gray: Chamber['gray'],
): ReadonlyMap<TargetId, Says> => {
  const says = new Map<TargetId, Says>();
  const of = (id: TargetId): Says => {
    let entry = says.get(id);
    if (entry === undefined) {
      entry = { healthz: 0, readyz: 0 };
      says.set(id, entry);
    }
    return entry;
  };
  for (const id of gray.keys()) of(id);
  for (const [region, { speakers, shares }] of regions) {
    const digit = digits.get(region) ?? 0;
    for (const speaker of speakers)
      for (const key in speaker.beat.suspects) {
        const id = targetOf(key);
        if (isHeard(shares, speaker, id)) of(id);
      }
    if (shares === null && speakers.length > 1) {
      for (const id of new Set(speakers.flatMap((s) => [...s.healthz, ...s.readyz, ...s.unknown]))) {
        of(id).healthz += digit * codeOf(speakers, id, 'healthz');
        of(id).readyz += digit * codeOf(speakers, id, 'readyz');
      }
      continue;
    }
    for (const speaker of speakers) {
      const { healthz, readyz, unknown } = speaker;
      for (const id of healthz) if (isHeard(shares, speaker, id)) of(id).healthz += digit * DOWN;
      for (const id of readyz) if (isHeard(shares, speaker, id)) of(id).readyz += digit * DOWN;
      for (const id of unknown) {
        if (!isHeard(shares, speaker, id)) continue;
        if (!healthz.has(id)) of(id).healthz += digit * UNKNOWN;
        if (!readyz.has(id)) of(id).readyz += digit * UNKNOWN;
      }
    }
    for (const id of shares?.orphans ?? []) {
      of(id).healthz += digit * UNKNOWN;
      of(id).readyz += digit * UNKNOWN;
    }
  }
  return says;
};

const targetOf = (key: EndpointKey): TargetId => key.slice(0, key.lastIndexOf('#'));
const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

const grayOf = (regions: ReadonlyMap<string, Voice>): Chamber['gray'] => {
  const gray = new Map<TargetId, Map<string, Set<EndpointName>>>();
  for (const [region, { speakers, shares }] of regions)
    for (const speaker of speakers)
      for (const key of speaker.gray) {
        const id = targetOf(key);
        const endpoint = ENDPOINTS.find((e) => key === endpointKey(id, e));
        if (endpoint === undefined || !isHeard(shares, speaker, id)) continue;
        const said = gray.get(id) ?? new Map<string, Set<EndpointName>>();
        gray.set(id, said.set(region, (said.get(region) ?? new Set()).add(endpoint)));
      }
  return gray;
};

/** A mention by who does not own the target is no say. */
const isHeard = (shares: Shares | null, { replica }: Speaker, id: TargetId): boolean =>
  shares === null || shares.speakerFor(id) === replica;

/** The say of a region whose replicas are all of 0.1, each looking at everything: any replica that looked and says up makes it up, all that looked must say down for down. */
const codeOf = (speakers: readonly Speaker[], id: TargetId, endpoint: EndpointName): number => {
  let informed = false;
  for (const s of speakers) {
    if (s[endpoint].has(id)) informed = true;
    else if (!s.unknown.has(id)) return 0;
  }
  return informed ? DOWN : UNKNOWN;
};

const doubtsOf = (regions: ReadonlyMap<string, Voice>, nowMs: number): ReadonlyMap<EndpointKey, Doubt> => {
  const doubts = new Map<EndpointKey, Doubt>();
  for (const [region, { speakers, shares }] of regions)
    for (const speaker of speakers)
      for (const [key, suspicion] of Object.entries(speaker.beat.suspects)) {
        if (!isHeard(shares, speaker, targetOf(key))) continue;
        const { ageMs } = speaker;
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
