// What this replica saw of the store last, how old that is, and what can be said from it. Answers from memory; before the replica exists, that nothing is known.
// Everything that has to ask the replica asks here, so that what is opened before it needs no wires of its own.
import { type OverviewDocument, overviewDocument, type ServiceDocument, serviceDocument } from '../api/overview.ts';
import { type StatusDocument, type StatusInput, statusDocument } from '../api/status.ts';
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
  ports: Pick<Ports, 'clock'>;
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

export interface Seen {
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
  /** At most 100 ms old. null: no cluster configuration is known yet. */
  status(): StatusDocument | null;
  /** As `status`. */
  overview(): OverviewDocument | null;
  /** As `status`; null too: no such service is configured. */
  service(name: string): ServiceDocument | null;
  tallies(): readonly PoolTally[];
  fleet(): Fleet | null;
  /** What the core would decide on now. */
  snapshot(): Snapshot | null;
}

/** Two hundred askers a second cost as much as ten: a cluster of thousands of targets makes a large document. */
const LATELY_MS = 100;

/** What `make` made, at most 100 ms ago. */
export const lately = <T>(clock: Ports['clock'], make: () => T): (() => T) => {
  let made: { atMs: number; value: T } | null = null;
  return () => {
    const nowMs = clock.monoMs();
    if (made === null || nowMs - made.atMs >= LATELY_MS) made = { atMs: nowMs, value: make() };
    return made.value;
  };
};

export const createSeen = ({ ports: { clock }, region, replica: name, boot }: SeenOptions): Seen => {
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

  const input = lately(clock, () => viewed(inputNow));
  const document = <T>(make: (given: StatusInput) => T): T | null => {
    const given = input();
    return given === null ? null : make(given);
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
    status: lately(clock, () => document(statusDocument)),
    overview: lately(clock, () => document(overviewDocument)),
    service: (name) => document((input) => serviceDocument(input, name)),
    tallies: () => viewed(talliesNow) ?? [],
    fleet: () => viewed(fleetNow),
    snapshot: () => viewed(snapshotNow),
  };
};
