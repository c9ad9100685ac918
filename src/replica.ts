// One running replica: a vantage that votes, a candidate that may coordinate, a publisher that acts while it does. Wires rooms together and holds what they
// share; opens nothing itself, so that scenario files and the simulator run this very code on virtual time.
import type { Provider } from '../providers/provider.ts';
import { type Coordinator, createCoordinator, type Role, type Term } from './coordinate/coordinator.ts';
import type { Sight } from './coordinate/read.ts';
import { createVerifier, type Signer, type Verifier } from './coordinate/signing.ts';
import type { Decision } from './decide/snapshot.ts';
import type { SelfFacts } from './health/abstain.ts';
import type { VantageInput } from './health/vantage.ts';
import type { Log } from './log.ts';
import type { ClusterConfig, EndpointKey, Outcome, ProbeSpec, Route, Vote } from './model.ts';
import type { Ports } from './ports.ts';
import { createVantage, type Vantage } from './probe/vantage.ts';
import { createObserver } from './publish/observed.ts';
import { createPublisher } from './publish/publisher.ts';
import type { Store } from './store/store.ts';

export interface ReplicaOptions {
  ports: Ports;
  store: Store;
  log: Log;
  region: string;
  replica: string;
  /** Made anew at every start. */
  boot: string;
  /** Signs this region's votes and beats; without it they go unsigned. */
  signer?: Signer | null;
  /** Verifies what others have signed, for all who read here; absent: one of its own. */
  verifier?: Verifier;
  /** By the names the configuration uses. Without any, this replica votes but does not coordinate. */
  providers: ReadonlyMap<string, Provider>;
  look: (spec: ProbeSpec, cluster: ClusterConfig, signal: AbortSignal) => Promise<Outcome>;
  events?: Partial<ReplicaEvents>;
}

export interface ReplicaEvents {
  look(key: EndpointKey, spec: ProbeSpec, outcome: Outcome, lateByMs: number): void;
  /** Another process speaks under this region and replica: this one is mute and has no business to run. */
  nameTaken(because: string): void;
  /** The store has other content under the configuration version held here: this vantage abstains meanwhile. */
  configConflict(because: string): void;
  vote(vote: Vote): void;
  /** What the vantage takes in: for a recording. */
  input(input: VantageInput): void;
  sight(sight: Sight, nowMs: number): void;
  decision(next: NonNullable<Decision['next']>): void;
  role(role: Role): void;
  write(provider: string, outcome: string): void;
  /** A provider serves something else of a service that is not written; null: nothing, or it does not answer. */
  observed(provider: string, service: string, shares: Route | null): void;
  /** The coordinator's duties after each turn: measuring convergence, housekeeping. */
  turn(sight: Sight, nowMs: number, term: Term): Promise<void>;
}

export interface Replica {
  readonly coordinator: Coordinator;
  readonly vantage: Vantage;
  facts(facts: SelfFacts): void;
  /** Stops probing and publishing at once; gives the leader record up when `first` has ended, since that may be work of the coordinator. */
  stop(first?: Promise<unknown>): Promise<void>;
}

export const createReplica = (options: ReplicaOptions): Replica => {
  const { ports, store, log, region, replica, boot, providers, verifier = createVerifier(), events = {} } = options;
  const vantage = createVantage({
    ports,
    store,
    log,
    region,
    replica,
    boot,
    signer: options.signer ?? null,
    verifier,
    look: options.look,
    onLook: (key, spec, outcome, lateByMs) => events.look?.(key, spec, outcome, lateByMs),
    onVote: (vote) => events.vote?.(vote),
    onInput: (input) => events.input?.(input),
    onNameTaken: (because) => events.nameTaken?.(because),
    onConfigConflict: (because) => events.configConflict?.(because),
  });
  const mayCoordinate = (): boolean => {
    const cluster = coordinator.lastSight()?.cluster;
    return providers.size > 0 && cluster?.regions.some((r) => r.name === region && r.coordinator) === true;
  };
  const coordinator: Coordinator = createCoordinator({
    ports,
    store,
    log,
    region,
    replica,
    boot,
    verifier,
    candidate: mayCoordinate,
    onSight(sight, nowMs) {
      if (sight.cluster !== null) vantage.configure(sight.cluster, sight.rev);
      events.sight?.(sight, nowMs);
    },
    onDecision(next) {
      log.info('decision', { v: next.routing.v, because: next.routing.because, changes: next.audit.changes.map((c) => c.because) });
      publisher.publish(next.routing);
      events.decision?.(next);
    },
    onRole(role) {
      log.info('role', { ...role });
      const sight = coordinator.lastSight();
      if (role.role === 'coordinator' && sight?.routing != null) publisher.publish(sight.routing);
      events.role?.(role);
    },
    onTurn: (sight, nowMs, term) => events.turn?.(sight, nowMs, term) ?? Promise.resolve(),
  });
  const publisher = createPublisher({
    ports,
    log,
    writer: `${region}/${replica}/${boot}`,
    providers,
    sight: () => coordinator.lastSight(),
    term: () => coordinator.term(),
    onWrite: (provider, outcome) => events.write?.(provider, outcome),
    onApplied: (service, fence, atMs) => log.info('publish.acknowledged', { service, fence, atMs }),
    abdicate: (because) => coordinator.abdicate(because),
  });
  const observer = createObserver({
    ports,
    log,
    store,
    providers,
    sight: () => coordinator.lastSight(),
    term: () => coordinator.term(),
    onChange: (provider, service, shares) => events.observed?.(provider, service, shares),
  });
  return {
    coordinator,
    vantage,
    facts: (facts) => vantage.facts(facts),
    async stop(first) {
      const silent = Promise.all([vantage.stop(), publisher.stop(), observer.stop()]);
      await first;
      await coordinator.stop();
      await silent;
    },
  };
};
