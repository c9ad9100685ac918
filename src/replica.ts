// One running replica: a vantage that votes, a candidate that may coordinate, a publisher that acts while it does. Wires rooms together and holds what they
// share; opens nothing itself, so that scenario files and the simulator run this very code on virtual time.
import type { Provider } from '../providers/provider.ts';
import type { Arrival } from './config/arithmetic.ts';
import type { CanaryConfig } from './config/canary.ts';
import { candidacyOf, whyHandOver } from './coordinate/candidacy.ts';
import { type Coordinator, createCoordinator, type Role, type Term } from './coordinate/coordinator.ts';
import { runKey } from './coordinate/keys.ts';
import type { Candidacy } from './coordinate/office.ts';
import type { Sight } from './coordinate/read.ts';
import { createVerifier, type Signer, type Verifier } from './coordinate/signing.ts';
import type { Decision } from './decide/snapshot.ts';
import type { query } from './dns/exchange.ts';
import type { SelfFacts } from './health/abstain.ts';
import type { VantageInput } from './health/vantage.ts';
import type { Log } from './log.ts';
import type { ClusterConfig, EndpointKey, Outcome, ProbeSpec, Route, Vote } from './model.ts';
import type { Ports } from './ports.ts';
import { createVantage, type Vantage } from './probe/vantage.ts';
import { type CanaryState, createCanaries, type DrillState } from './publish/canary.ts';
import { createObserver } from './publish/observed.ts';
import { createPublisher } from './publish/publisher.ts';
import type { Spread, Standing } from './publish/standing.ts';
import type { Run } from './runbook/model.ts';
import { isEnded } from './runbook/run.ts';
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
  /** The program's own, told in beats; absent: they do not say. */
  version?: string;
  /** Verifies what others have signed, for all who read here; absent: one of its own. */
  verifier?: Verifier;
  /** By the names the configuration uses. Without any, this replica votes but does not coordinate. */
  providers: ReadonlyMap<string, Provider>;
  /** Where it is written down how decisions reached their providers; absent: nowhere. */
  trail?: Pick<Store, 'get' | 'txn'>;
  /** What is written now and then to know that each provider can be. */
  canaries?: readonly CanaryConfig[];
  /** For tests in virtual time. */
  dnsQuery?: typeof query;
  /** How users follow each provider, as far as that is known. */
  arrivals?: Readonly<Record<string, Arrival>>;
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
  write(provider: string, outcome: string, tookMs: number): void;
  /** How an acknowledged write went on, `tookMs` after its acknowledgement. */
  settled(provider: string, ended: string, tookMs: number): void;
  /** A canary reached a stage, `tookMs` after its write began. */
  canary(provider: string, stage: string, tookMs: number): void;
  canaryFailed(provider: string, stage: string): void;
  /** A micro-drill came through: a phase of it, in ms from the commit of its decision. */
  proven(provider: string, phase: string, tookMs: number): void;
  /** A provider serves something else of a service that is not written; null: nothing, or it does not answer. */
  observed(provider: string, service: string, shares: Route | null): void;
  /** The coordinator's duties after each turn: measuring convergence, housekeeping. */
  turn(sight: Sight, nowMs: number, term: Term): Promise<void>;
}

/** What the holder of the office knows of its ways out. */
export interface Paths {
  ranked: Standing['ranked'];
  providers(): readonly {
    name: string;
    failing: boolean;
    provenAgoMs: number | null;
    writes: Spread | null;
    canary: CanaryState | null;
  }[];
  drills(): readonly DrillState[];
}

export interface Replica {
  readonly coordinator: Coordinator;
  readonly vantage: Vantage;
  facts(facts: SelfFacts): void;
  /** How the providers stand; null while another replica coordinates. */
  paths(): Paths | null;
  /** Stops probing and publishing at once; gives the leader record up when `first` has ended, since that may be work of the coordinator. */
  stop(first?: Promise<unknown>): Promise<void>;
}

/** Who took the office back because nobody else did keeps it for a while. */
const HAND_OVER_EVERY_MS = 60_000;

export const createReplica = (options: ReplicaOptions): Replica => {
  const { ports, store, log, region, replica, boot, providers, verifier = createVerifier(), events = {} } = options;
  const { canaries = [] } = options;
  const writer = `${region}/${replica}/${boot}`;
  const vantage = createVantage({
    ports,
    store,
    log,
    region,
    replica,
    boot,
    signer: options.signer ?? null,
    ...(options.version === undefined ? {} : { version: options.version }),
    verifier,
    look: options.look,
    onLook: (key, spec, outcome, lateByMs) => events.look?.(key, spec, outcome, lateByMs),
    onVote: (vote) => events.vote?.(vote),
    onInput: (input) => events.input?.(input),
    onNameTaken: (because) => events.nameTaken?.(because),
    onConfigConflict: (because) => events.configConflict?.(because),
  });
  const candidacy = (): Candidacy => (providers.size === 0 ? 'no' : candidacyOf(coordinator.lastSight(), region, coordinator.nowMs()));
  let handedOver = { order: '', atMs: Number.NEGATIVE_INFINITY };
  /** An evacuated region lets another one coordinate, in good order: when what it decided is written. */
  const handOver = async (sight: Sight, nowMs: number): Promise<void> => {
    const why = whyHandOver(sight, region, nowMs);
    const atMs = ports.clock.monoMs();
    if (why === null || (why.order === handedOver.order && atMs - handedOver.atMs < HAND_OVER_EVERY_MS)) return;
    handedOver = { order: why.order, atMs };
    await coordinator.abdicate(why.because);
  };
  const coordinator: Coordinator = createCoordinator({
    ports,
    store,
    log,
    region,
    replica,
    boot,
    verifier,
    candidate: candidacy,
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
    async onTurn(sight, nowMs, term) {
      await events.turn?.(sight, nowMs, term);
      await handOver(sight, nowMs);
    },
  });
  const publisher = createPublisher({
    ports,
    log,
    writer,
    providers,
    ...(options.trail === undefined ? {} : { trail: options.trail }),
    ...(options.arrivals === undefined ? {} : { arrivals: options.arrivals }),
    others: new Set(canaries.map(({ service }) => service)),
    sight: () => coordinator.lastSight(),
    term: () => coordinator.term(),
    onWrite: (provider, outcome, tookMs) => events.write?.(provider, outcome, tookMs),
    onSettled: (provider, ended, tookMs) => events.settled?.(provider, ended, tookMs),
    onApplied: (service, fence, atMs, provider) => log.info('publish.acknowledged', { service, fence, atMs, provider }),
    abdicate: (because) => coordinator.abdicate(because),
  });
  const birds = createCanaries({
    ports,
    log,
    writer,
    providers,
    canaries,
    sight: () => coordinator.lastSight(),
    term: () => coordinator.term(),
    publisher,
    onStage: (provider, stage, tookMs) => events.canary?.(provider, stage, tookMs),
    onFailure: (provider, stage) => events.canaryFailed?.(provider, stage),
    onProven: (provider, phase, tookMs) => events.proven?.(provider, phase, tookMs),
    isRunning: async (signal) => (await store.get({ prefixes: [runKey('')] }, signal)).kvs.some(({ value }) => !isEnded(value as Run)),
    ...(options.dnsQuery === undefined ? {} : { dnsQuery: options.dnsQuery }),
  });
  const paths: Paths = {
    ranked: publisher.standing.ranked,
    drills: birds.drills,
    providers: () =>
      [...providers.keys()].map((name) => ({
        name,
        failing: publisher.standing.isFailing(name),
        provenAgoMs: publisher.standing.provenAgoMs(name),
        writes: publisher.standing.spread(name),
        canary: birds.states().find(({ provider }) => provider === name) ?? null,
      })),
  };
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
    paths: () => (coordinator.term() === null ? null : paths),
    async stop(first) {
      const silent = Promise.all([vantage.stop(), birds.stop(), publisher.stop(), observer.stop()]);
      await first;
      await coordinator.stop();
      await silent;
    },
  };
};
