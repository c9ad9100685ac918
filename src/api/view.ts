// What this replica can say now, from the last read of the store that succeeded. While the store is out of reach that read grows old: so do all votes
// in it, until none counts. Decides nothing; whether a vote counts is src/health's rule. Pure.
import { acknowledgements } from '../converge/acknowledged.ts';
import { evidenceOf } from '../converge/duties.ts';
import { arrivedOf } from '../converge/measure.ts';
import type { Role } from '../coordinate/coordinator.ts';
import { proofsIn, type Sight, snapshotOf } from '../coordinate/read.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import type { ShadowStatus } from '../drill/shadow.ts';
import type { GateStatus } from '../gate/gate.ts';
import { type Heard, isFresh, speakersOf } from '../health/chamber.ts';
import { configHash } from '../health/config-hash.ts';
import { standingText, weakestOf } from '../health/electorate.ts';
import { type Fleet, fleetOf } from '../health/fleet.ts';
import { tally } from '../health/quorum.ts';
import type { AppliedRecord, ClusterConfig, PoolTally, Vote } from '../model.ts';
import { platformsNow } from './platform-status.ts';
import { type PathsView, type SelfStatus, type StatusDocument, type StatusInput, statusDocument } from './status.ts';

export interface Viewing {
  sight: Sight;
  /** Since that read, by this process's own clock. */
  seenAgoMs: number;
  region: string;
  replica: string;
  boot: string;
  role: Role;
  /** As this replica means it now, whether or not it could be written. */
  vote: Vote | null;
  shadow?: ShadowStatus | null;
  gate?: GateStatus | null;
  /** How the providers stand, if this replica writes to them. */
  paths?: PathsView | null;
  /** Cluster time. */
  nowMs: number;
  /** What this machine's own clock shows. */
  wallMs: number;
}

const aged = ({ sight, seenAgoMs }: Viewing): readonly Heard[] =>
  seenAgoMs <= 0 ? sight.heard : sight.heard.map((h) => ({ ...h, ageMs: h.ageMs + seenAgoMs }));

/** Every target's count as it stands now; empty before a cluster is known. */
export const talliesNow = (viewing: Viewing): readonly PoolTally[] =>
  viewing.sight.cluster === null ? [] : tally(viewing.sight.cluster, aged(viewing), viewing.nowMs, true);

/** What the core would decide on now, whoever coordinates; null before a cluster is known. Votes grow old with the read. */
export const snapshotNow = (viewing: Viewing): Snapshot | null => {
  const { sight, region, replica, role } = viewing;
  const { leader } = sight;
  const by = leader === null ? `${region}/${replica}` : `${leader.region}/${leader.replica}`;
  return snapshotOf(sight, { epoch: role.epoch, by, nonce: 'seen' }, aged(viewing));
};
/** What the replicas that are heard say of themselves; nobody is, before a cluster is known. */
export const fleetNow = (viewing: Viewing): Fleet =>
  // The beats' clocks are compared with ours as it was when they were read.
  fleetOf(viewing.sight.heard, viewing.wallMs - viewing.seenAgoMs, (viewing.sight.cluster?.policy.freshMs ?? 0) - viewing.seenAgoMs);

const seconds = (ms: number): string => (Number.isFinite(ms) ? `${(ms / 1000).toFixed(1)} s` : 'longer than anybody here remembers');

/** Why this replica's vote does not count, as a sentence; empty when it does. */
const whyMute = (viewing: Viewing, cluster: ClusterConfig, heard: readonly Heard[]): string => {
  const { region, replica, boot, vote, seenAgoMs } = viewing;
  if (seenAgoMs > cluster.policy.freshMs)
    return `the store has not answered for ${seconds(seenAgoMs)}: from here nothing can be voted or decided`;
  if (vote?.self.state === 'abstain') return vote.self.because;
  if (!cluster.regions.some((r) => r.name === region && r.vote)) return `${region} has no vote in this cluster`;
  const written = heard.find((h) => h.region === region && h.replica === replica);
  if (written === undefined || written.vote.boot !== boot) return 'the store has no vote of this replica since it started';
  if (written.vote.configVersion !== cluster.version)
    return `its vote covers configuration ${written.vote.configVersion}, the cluster is at ${cluster.version}`;
  if (written.vote.configHash !== undefined && written.vote.configHash !== configHash(cluster))
    return `its vote covers another configuration ${cluster.version} (${written.vote.configHash}) than the store has (${configHash(cluster)})`;
  return isFresh(written, cluster) ? '' : `the store has not taken its vote for ${seconds(written.ageMs)}`;
};

const selfOf = (viewing: Viewing, cluster: ClusterConfig, heard: readonly Heard[]): SelfStatus => {
  const { region, replica, boot, role } = viewing;
  const mute = whyMute(viewing, cluster, heard);
  const weakest = weakestOf(cluster, speakersOf(heard, cluster));
  const canDecide = weakest.spare >= 0;
  const lacking = canDecide ? '' : `${standingText(weakest)} speak, a majority is needed`;
  // That this one doubts itself is no reason why the others decide nothing.
  const isDoubtful = viewing.vote?.self.state === 'abstain' && viewing.seenAgoMs <= cluster.policy.freshMs;
  const because = mute === '' ? lacking : lacking !== '' && isDoubtful ? `${lacking}; this replica is silent too: ${mute}` : mute;
  return { region, replica, boot, role: role.role, epoch: role.epoch, canVote: mute === '', canDecide, because };
};

/** Where users are on their way to the route in force. Ages grow with the read. */
const arrivedIn = ({ sight, seenAgoMs, nowMs }: Viewing): Pick<StatusInput, 'arrived'> => {
  const evidence = evidenceOf(sight);
  if (evidence === null) return {};
  const spokeAgeMs = Object.fromEntries(Object.entries(evidence.spokeAgeMs).map(([region, ageMs]) => [region, ageMs + seenAgoMs]));
  const seen = evidence.seen.map((report) => ({ ...report, ageMs: report.ageMs + seenAgoMs }));
  return { arrived: (service) => arrivedOf({ ...evidence, seen, spokeAgeMs }, service, nowMs) };
};

/** What the documents are made of. null: no cluster configuration is known yet. */
export const inputNow = (viewing: Viewing): StatusInput | null => {
  const { sight, nowMs } = viewing;
  const { cluster } = sight;
  if (cluster === null) return null;
  const heard = aged(viewing);
  const records = new Map(sight.has('applied/').map((kv) => [kv.key, kv.value as AppliedRecord]));
  return {
    cluster,
    routing: sight.routing,
    overrides: sight.overrides,
    votes: heard.map((h) => ({
      region: h.region,
      replica: h.replica,
      vote: h.vote,
      ageMs: h.ageMs,
      ...(h.beat === null ? {} : { beat: h.beat }),
    })),
    refused: sight.refused,
    tallies: talliesNow(viewing),
    incidents: sight.incidents,
    applied: acknowledgements(cluster, sight.routing, records),
    records,
    paths: viewing.paths ?? null,
    proofs: proofsIn(sight),
    ...arrivedIn(viewing),
    leader: sight.leader,
    self: selfOf(viewing, cluster, heard),
    shadow: viewing.shadow ?? null,
    gate: viewing.gate ?? null,
    platforms: platformsNow(cluster, sight, nowMs),
    nowMs,
  };
};

/** null: no cluster configuration is known yet. */
export const statusNow = (viewing: Viewing): StatusDocument | null => {
  const input = inputNow(viewing);
  return input && statusDocument(input);
};
