// What this replica saw of the store last, how old that is, and what can be said from it. Answers from memory; before the replica exists, that nothing is known.
// Everything that has to ask the replica asks here, so that what is opened before it needs no wires of its own.
import { createDocuments, type Documents } from '../api/documents.ts';
import { fleetNow, inputNow, snapshotNow, talliesNow, type Viewing } from '../api/view.ts';
import { beatKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import type { Shadow } from '../drill/shadow.ts';
import type { Gate } from '../gate/gate.ts';
import type { Fleet } from '../health/fleet.ts';
import type { ClusterConfig, EndpointKey, PoolTally, Vote } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Paths, Replica } from '../replica.ts';

export interface SeenOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  region: string;
  replica: string;
  boot: string;
}

/** Who is asked. */
export interface Sources {
  replica: Replica;
  shadow: Shadow;
  gate: Gate | null;
}

export interface Seen extends Documents {
  /** From now on there is somebody to ask. */
  attach(sources: Sources): void;
  /** The store answered just now. */
  answered(): void;
  /** Since it last did; Infinity: it never did. */
  answeredAgoMs(): number;
  /** Since the store last answered and took what this replica writes; Infinity: never. */
  storeAgeMs(): number;
  /** Of the record of that key, at most; null: nothing was seen yet. */
  ageMs(key: string): number | null;
  sight(): Sight | null;
  cluster(): ClusterConfig | null;
  /** Cluster time; 0 while there is none. */
  nowMs(): number;
  vote(): Vote | null;
  /** Of this vantage's own looks: age of the start of the endpoint's current streak of faults; null: none. */
  firstFaultAgeMs(key: EndpointKey): number | null;
  isCoordinator(): boolean;
  paths(): Paths | null;
  tallies(): readonly PoolTally[];
  fleet(): Fleet | null;
  /** What the core would decide on now. */
  snapshot(): Snapshot | null;
}

export const createSeen = ({ ports, region, replica: name, boot }: SeenOptions): Seen => {
  const { clock } = ports;
  let sources: Sources | null = null;
  let answeredAtMs = Number.NEGATIVE_INFINITY;

  const sight = (): Sight | null => sources?.replica.coordinator.lastSight() ?? null;
  const answeredAgoMs = (): number => clock.monoMs() - answeredAtMs;
  const viewed = <T>(view: (viewing: Viewing) => T): T | null => {
    const last = sight();
    if (sources === null || last === null) return null;
    const { replica, shadow, gate } = sources;
    return view({
      sight: last,
      seenAgoMs: answeredAgoMs(),
      region,
      replica: name,
      boot,
      role: replica.coordinator.role(),
      vote: replica.vantage.vote(),
      shadow: shadow.status(),
      gate: gate?.status() ?? null,
      paths: replica.paths(),
      nowMs: replica.coordinator.nowMs(),
      wallMs: clock.wallMs(),
    });
  };

  return {
    attach(given) {
      sources = given;
    },
    answered() {
      answeredAtMs = clock.monoMs();
    },
    answeredAgoMs,
    storeAgeMs() {
      // A store that answers but takes nothing (it is full, say) is as good as lost: then this replica's own beat grows old in it.
      const beatAgeMs = sight()?.ageMs(beatKey(region, name)) ?? 0;
      return Math.max(answeredAgoMs(), Number.isFinite(beatAgeMs) ? beatAgeMs : 0);
    },
    ageMs(key) {
      const last = sight();
      return last === null ? null : last.ageMs(key) + answeredAgoMs();
    },
    sight,
    cluster: () => sight()?.cluster ?? null,
    nowMs: () => sources?.replica.coordinator.nowMs() ?? 0,
    vote: () => sources?.replica.vantage.vote() ?? null,
    firstFaultAgeMs: (key) => sources?.replica.vantage.firstFaultAgeMs(key) ?? null,
    isCoordinator: () => sources?.replica.coordinator.role().role === 'coordinator',
    paths: () => sources?.replica.paths() ?? null,
    ...createDocuments(ports, () => viewed(inputNow)),
    tallies: () => viewed(talliesNow) ?? [],
    fleet: () => viewed(fleetNow),
    snapshot: () => viewed(snapshotNow),
  };
};
