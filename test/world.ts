// A world on virtual time: regions with replicas of the production code, targets that can be made ill, one store with wires to it, one provider, and the
// people who give orders. Scenario files, the simulator and virtual-time benches stand on it. Deterministic for a seed. What goes wrong below the replicas
// is world/ground.ts (targets and ways), world/wire.ts (calls) and world/zone.ts (the provider).

import { createPrivateKey } from 'node:crypto';
import { gate as gateProvider } from '../providers/gate/index.ts';
import { createOverrideWriter } from '../src/api/overrides.ts';
import type { CanaryConfig } from '../src/config/canary.ts';
import { createConvergeDuties } from '../src/converge/duties.ts';
import { KEYS, placeOf } from '../src/coordinate/keys.ts';
import { applyMembers } from '../src/coordinate/members.ts';
import type { Sight } from '../src/coordinate/read.ts';
import { createSigner, type Signer } from '../src/coordinate/signing.ts';
import { memoryDisk } from '../src/disk.ts';
import type { Reply } from '../src/dns/codec.ts';
import type { QueryOptions } from '../src/dns/exchange.ts';
import { Fault } from '../src/errors.ts';
import type { GateFile } from '../src/gate/file.ts';
import { type Gate, openGate } from '../src/gate/gate.ts';
import { tally } from '../src/health/quorum.ts';
import type { VantageInput } from '../src/health/vantage.ts';
import { createLlmDuty } from '../src/llm/duty.ts';
import type {
  Adopted,
  ClusterConfig,
  EndpointKey,
  EndpointName,
  Override,
  OverrideScope,
  Overrides,
  Page,
  PoolTally,
  Proof,
  Reports,
  Route,
  Routing,
} from '../src/model.ts';
import type { Channel, Delivery } from '../src/paging/channel.ts';
import { createDirectPages } from '../src/paging/direct.ts';
import { createOutbox } from '../src/paging/outbox.ts';
import { openSpool, type Spool } from '../src/paging/spool.ts';
import type { Random } from '../src/ports.ts';
import { type AnchorWatch, startSelfCheck, watchAnchors } from '../src/probe/selfcheck.ts';
import { runAdoption } from '../src/publish/adoption.ts';
import { createReplica, type Replica } from '../src/replica.ts';
import { createExecutor } from '../src/runbook/executor.ts';
import type { Tiers } from '../src/runbook/facts.ts';
import { approval } from '../src/runbook/human/approval.ts';
import { sleep } from '../src/runbook/human/sleep.ts';
import type { KindOf, StepContext } from '../src/runbook/kind.ts';
import { chooseTarget, planOf } from '../src/runbook/plan.ts';
import { createRunOrders } from '../src/runbook/routing/orders.ts';
import { routeShift } from '../src/runbook/routing/shift.ts';
import { routeWait } from '../src/runbook/routing/wait.ts';
import { createStarter, type Starter } from '../src/runbook/starter-duty.ts';
import { createTierDesk } from '../src/runbook/tiers/desk.ts';
import { changed, provedIn, tierName } from '../src/runbook/tiers/record.ts';
import { createSettler, type Settler } from '../src/runbook/tiers/settler.ts';
import { createRunWriter, type RunWriter } from '../src/runbook/writer.ts';
import { createTiers, type Tiers as Watch } from '../src/serve/tiers.ts';
import type { Query, Read, Store } from '../src/store/store.ts';
import type { Served } from './memory-provider.ts';
import { type Commit, createMemoryStore, type MemoryStore, type Snapshot } from './memory-store.ts';
import { asOld, isForSiblings } from './old-replica.ts';
import { noticed } from './paging/fixture.ts';
import { createVirtual, seededRandom, type Virtual, type VirtualProcess } from './virtual.ts';
import { type Author, type Client, clientOf } from './world/client.ts';
import { START_WALL_MS, silentLog } from './world/clusters.ts';
import { Ground, type Health } from './world/ground.ts';
import { isFaked, type Landscape } from './world/landscape.ts';
import { NameServers } from './world/name-servers.ts';
import { createNotary } from './world/notary.ts';
import { Thief } from './world/thief.ts';
import { type Cut, hearsNothing, type Weather, Wire } from './world/wire.ts';
import { type Writing, Zone } from './world/zone.ts';

export type { Author } from './world/client.ts';
export { clusterOf, poolOf, START_WALL_MS, serviceOf, silentLog } from './world/clusters.ts';
export type { Health } from './world/ground.ts';

export interface WorldOptions {
  cluster: ClusterConfig;
  /** Whoever changes a record that was read fails loudly. Absent: yes. It costs some percent of a world's time. */
  frozen?: boolean;
  seed?: string | number;
  /** One way to the store and back, ms. */
  storeDelayMs?: number;
  /** A look at a healthy target takes this long. */
  lookMs?: number;
  /** How many replicas each region runs, in configured order; the last number stands for the rest. They are named a, b, c. */
  replicas?: readonly number[];
  /** Replicas (`region/replica`) that run as 0.1 did: they write none of the new fields and know no siblings. */
  old?: readonly string[];
  /** Loss and lateness of calls to the store; absent: each way takes `storeDelayMs` and nothing is lost. */
  weather?: Weather;
  fencing?: 'conditional' | 'marker' | 'none';
  /** One way to the provider, ms: from, to; absent: it answers at once, and does nothing wrong. */
  providerDelayMs?: readonly [number, number];
  /** Ways to the users of each service: 2 adds a provider `second`. */
  paths?: 1 | 2;
  /** Services that one call to a provider may change; absent: all. */
  batchMax?: number;
  /** Providers give receipts for what they acknowledge. */
  receipts?: boolean | 'late';
  /** A canary flies so often at each provider. */
  canaryMs?: number;
  /** It is failed over between two pools each time, and followed to its servers and a resolver. */
  drills?: boolean;
  /** Processes run all that the service runs beside its core: measuring, paging through two sinks, looks at their anchors. */
  whole?: boolean;
  /** Clocks differ: monotonic ones run up to this much too fast or too slow (0.05: 5 %), wall clocks are up to so many ms wrong. */
  clocks?: { rate: number; skewMs: number };
  /** Votes and beats are signed, and only signed ones count. */
  signed?: boolean;
  /** The systems around; with them processes carry out the runs of the cluster's platforms. */
  landscape?: (ports: VirtualProcess['ports']) => Landscape;
  /** The coordinator watches databases of platforms, and proves them; without it the story says where they were proved. */
  watched?: boolean;
  /** Processes have a provider `gates` as well, and serve a gate, whose file outlives them. */
  gates?: boolean;
}

/** A human's order that was answered with yes. */
export interface Acked {
  id: string;
  /** null: it was taken back. */
  override: Override | null;
  version: number;
}

export interface WorldEvents {
  decision(atMs: number, routing: Routing, changes: readonly string[]): void;
  page(atMs: number, page: Page): void;
  /** What is known of micro-drills of a path has changed. */
  proof(atMs: number, path: string, proof: Proof): void;
  served(atMs: number, service: string, shares: Readonly<Record<string, number>>, v: number, path: string): void;
  /** Every change of what the first provider serves of the cluster's services, whoever made it. */
  serving(service: string, before: Served | null, after: Served | null, how: 'write' | 'stranger'): void;
  /** A write leaves a process for the provider. */
  writing(writing: Writing): void;
  /** Two regions take writes of one database, and nobody's hand in the story made it so. */
  torn(because: string): void;
  /** Every transaction that changed the store, at its instant. */
  commit(commit: Commit, author: Author | null): void;
  /** The store is another, older one from now on. */
  rewound(): void;
  acked(acked: Acked): void;
  /** A sink has accepted a page, whether or not the sender heard of it. */
  delivered(sink: string, page: Page): void;
  /** `who`: the region, or `region/replica` where it runs several. */
  role(atMs: number, who: string, epoch: number): void;
  /** A finished look, by the replica `who` (`region/replica`). */
  look(atMs: number, who: string, key: EndpointKey): void;
  /** What the replica `who` reads of the store, in cluster time, and whether it coordinates. */
  sight(who: string, sight: Sight, nowMs: number, leads: boolean): void;
  input(who: string, input: VantageInput): void;
  nameTaken(atMs: number, who: string, because: string): void;
  configConflict(atMs: number, who: string, because: string): void;
  /** Something a human tried and was not told yes. */
  denied(atMs: number, what: string, because: string): void;
}

/** What an order may say beside who, what and how long. */
export interface OrderExtras extends Pick<Override, 'weights' | 'ticket' | 'breakGlass' | 'drill' | 'approval'> {
  startsInMs?: number;
}

/** What every order says at a region's API. */
type Ordered = Pick<Override, 'id' | 'kind' | 'scope' | 'owner' | 'reason'> & { ttlMs: number };

export type SinkMode = 'ok' | 'fail' | 'hang' | 'mute';

interface Place extends Client {
  replica: Replica;
  store: Store;
  egress: boolean;
  gate: Gate | null;
  anchors: AnchorWatch | null;
  ends: (() => Promise<unknown>)[];
}

/** What comes before the 32 bytes of an Ed25519 private key in DER (RFC 8410). */
const ED25519_DER = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A private key as PEM, the same for the same stream. */
const seededKey = (random: Random): string =>
  createPrivateKey({ key: Buffer.concat([ED25519_DER, Buffer.from(random.hex(32), 'hex')]), format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();

/** As written in the files of all replicas. */
const GATES = {
  kind: 'gate',
  form: 'survivor',
  checker: { kind: 'route53', intervalMs: 10_000, failures: 3, agree: 2, proxied: false },
} as const;

const memoryGateFile = (): GateFile => {
  let text = '';
  return {
    read: async () => text,
    replace: async (next) => {
      text = next;
    },
    setAside: async () => {
      text = '';
    },
  };
};

/** Imported beforehand: virtual time waits for no file. */
const OWN_KINDS = { 'route.shift': routeShift, 'route.wait': routeWait, approval, sleep } as const;

const ANCHOR_TIMEOUT_MS = 1500;
/** What stops takes this long at most. */
const STOP_MS = 5000;
const STOP_STEP_MS = 10;
const SINKS = ['one', 'two'] as const;
const FIRST = 'memory';
const CANARY = 'canary.test';
const DRILLED = [
  { name: 'a', weight: 1, answers: ['198.51.100.1'] },
  { name: 'b', weight: 1, answers: ['198.51.100.2'] },
];

export class World {
  readonly virtual: Virtual;
  readonly zone: Zone;
  /** By name: `memory`, which is `zone`, and `second`. */
  readonly zones: ReadonlyMap<string, Zone>;
  /** What answers the synthetic name of each path. */
  readonly nameServers: ReadonlyMap<string, NameServers>;
  readonly ground: Ground;
  readonly wire: Wire;
  readonly store: MemoryStore;
  readonly thief: Thief;
  readonly landscape: Landscape | null;
  cluster: ClusterConfig;
  readonly #options: WorldOptions;
  readonly #events: Partial<WorldEvents>;
  readonly #places = new Set<Place>();
  /** Names of replicas by region, as long as the configuration stands. */
  #placed: { of: ClusterConfig | null; names: Map<string, readonly string[]> } = { of: null, names: new Map() };
  /** Replicas that do not see their siblings' records. */
  readonly #unaware = new Set<string>();
  /** What a region reads as the cluster's configuration, when that is not what the store holds. */
  readonly #tampered = new Map<string, ClusterConfig>();
  readonly #sinks = new Map<string, SinkMode>(SINKS.map((name) => [name, 'ok']));
  readonly #spools = new Map<string, Spool>();
  readonly #gateFiles = new Map<string, GateFile>();
  readonly #signers = new Map<string, Signer>();
  readonly #notary = createNotary();
  #author: Author | null = null;
  #backup: Snapshot | null = null;
  /** The record as the store holds it. */
  #adopted: Adopted | null = null;
  #boots = 0;

  constructor(options: WorldOptions, events: Partial<WorldEvents> = {}) {
    const seed = options.seed ?? 1;
    const delayMs = options.storeDelayMs ?? 20;
    this.#options = options;
    this.#events = events;
    this.cluster = this.#withKeys(options.cluster);
    this.virtual = createVirtual({ startWallMs: START_WALL_MS, seed });
    const { virtual } = this;
    const random = (what: string) => seededRandom(`${what} ${seed}`);
    this.store = createMemoryStore({ random: random('store'), frozen: options.frozen ?? true });
    this.store.onCommit((commit) => {
      this.#adopted = (commit.after(KEYS.adopted)?.value as Adopted | undefined) ?? null;
      this.#events.commit?.(commit, this.#author);
    });
    this.ground = new Ground({ nowMs: () => virtual.now(), random: random('chance'), lookMs: options.lookMs ?? 20 });
    this.wire = new Wire({
      virtual,
      random: random('wire'),
      weather: options.weather ?? { delayMs: [delayMs, delayMs], lost: 0, late: 0 },
    });
    const zoneOf = (path: string): Zone =>
      new Zone({
        virtual,
        random: random(path === FIRST ? 'zone' : path),
        fencing: options.fencing ?? 'conditional',
        delayMs: options.providerDelayMs ?? null,
        ...(options.batchMax === undefined ? {} : { batchMax: options.batchMax }),
        ...(options.receipts === undefined ? {} : { receipts: options.receipts }),
        onWriting: (writing) => events.writing?.({ ...writing, path }),
        onServed: (service, before, after, how) => {
          if (service === CANARY) return this.nameServers.get(path)?.wrote();
          if (path === FIRST) events.serving?.(service, before, after, how);
          if (after !== null && how === 'write') events.served?.(virtual.now(), service, after.shares, after.fence.v, path);
        },
      });
    this.zones = new Map([FIRST, ...(options.paths === 2 ? ['second'] : [])].map((path) => [path, zoneOf(path)]));
    this.zone = this.zones.get(FIRST) as Zone;
    this.nameServers = new Map(
      [...this.zones].map(([path, zone]) => [path, new NameServers({ virtual, zone, name: CANARY, pools: DRILLED, ttlS: 10 })]),
    );
    this.landscape = options.landscape?.(virtual.ports) ?? null;
    this.thief = new Thief(this.store, () => this.cluster);
    this.#watchPages();
  }

  /** Ms since the start of the world. */
  now(): number {
    return this.virtual.now();
  }

  /** With the public keys of all regions, whose private ones are made when they are first needed. */
  #withKeys(cluster: ClusterConfig): ClusterConfig {
    if (this.#options.signed !== true) return cluster;
    const signerOf = (region: string): Signer => {
      const known = this.#signers.get(region);
      if (known !== undefined) return known;
      const signer = this.#notary.witness(createSigner(seededKey(seededRandom(`key ${region} ${this.#options.seed ?? 1}`))));
      this.#signers.set(region, signer);
      return signer;
    };
    return { ...cluster, regions: cluster.regions.map((r) => ({ ...r, keys: [signerOf(r.name).publicKey] })) };
  }

  #watchPages(): void {
    this.store.watch('proof/', () => {
      void this.store.get({ prefixes: ['proof/'] }).then(({ kvs }) => {
        for (const { key, value } of kvs) this.#events.proof?.(this.virtual.now(), key.slice('proof/'.length), value as Proof);
      });
    });
    const known = new Set<string>();
    this.store.watch('outbox/', () => {
      void this.store.get({ prefixes: ['outbox/'] }).then(({ kvs }) => {
        for (const { key, value } of kvs) {
          if (known.has(key)) continue;
          known.add(key);
          this.#events.page?.(this.virtual.now(), value as Page);
        }
      });
    });
  }

  /** Writes a configuration, by the hand of the test itself. */
  async apply(wanted: ClusterConfig): Promise<void> {
    const cluster = this.#withKeys(wanted);
    this.cluster = cluster;
    const { kvs } = await this.store.get({ keys: [KEYS.members] });
    await this.store.txn({ if: [{ key: KEYS.members, mod: kvs[0]?.mod ?? 0 }], then: [{ put: KEYS.members, value: cluster }] });
  }

  /** As the coordinator's watch does at first, which asks real databases. */
  async prove(platform: string, database: string, region: string): Promise<void> {
    const { kvs } = await this.store.get({ keys: [KEYS.tiers] });
    const because = 'a row was written and read back';
    const value = changed(
      (kvs[0]?.value as Tiers | undefined) ?? null,
      tierName(platform, database),
      provedIn(region, because, this.virtual.ports.clock.wallMs()),
      `proved-${region}`,
    );
    await this.store.txn({ if: [{ key: KEYS.tiers, mod: kvs[0]?.mod ?? 0 }], then: [{ put: KEYS.tiers, value }] });
  }

  /** Configures the cluster and starts the replicas of every region. */
  async start(): Promise<void> {
    await this.apply(this.cluster);
    for (const region of this.cluster.regions) this.boot(region.name);
  }

  /** Names of a region's replicas as `region/replica`. */
  placesOf(region: string): readonly string[] {
    if (this.#placed.of !== this.cluster) this.#placed = { of: this.cluster, names: new Map() };
    const { names } = this.#placed;
    const known = names.get(region);
    if (known !== undefined) return known;
    const { replicas = [1] } = this.#options;
    const index = this.cluster.regions.findIndex((r) => r.name === region);
    const count = replicas[Math.min(index, replicas.length - 1)] ?? 1;
    const made = Array.from({ length: count }, (_, i) => `${region}/${String.fromCharCode(97 + i)}`);
    names.set(region, made);
    return made;
  }

  /** The places that `where` names: one replica, or all of a region. */
  #at(where: string): readonly string[] {
    return where.includes('/') ? [where] : this.placesOf(where);
  }

  #placesAt(where: string): readonly Place[] {
    const names = this.#at(where);
    return [...this.#places].filter((place) => names.includes(place.name));
  }

  #label(name: string): string {
    const [region = ''] = name.split('/');
    return this.placesOf(region).length === 1 ? region : name;
  }

  // ---- processes ----

  /** Starts what does not run. */
  boot(where: string): void {
    for (const name of this.#at(where)) if (this.#placesAt(name).length === 0) this.#bootOne(name);
  }

  /** A second process under the same name. */
  twin(place: string): void {
    this.#bootOne(place);
  }

  #bootOne(name: string): void {
    const [region = '', replica = ''] = name.split('/');
    this.#boots++;
    const { clocks } = this.#options;
    const drawn = seededRandom(`clocks ${this.#options.seed ?? 1} ${this.#boots}`);
    const off = (most: number): number => (2 * drawn.unit() - 1) * most;
    const process = this.virtual.spawn(
      `${region} ${this.#boots}`,
      clocks === undefined ? {} : { rate: 1 + off(clocks.rate), wallSkewMs: Math.round(off(clocks.skewMs)) },
    );
    const place = {
      region,
      name,
      process,
      cut: 'no',
      egress: true,
      missed: false,
      watches: new Set(),
      gate: null,
      anchors: null,
      ends: [],
    } as unknown as Place;
    this.#places.add(place);
    const remote = this.#client(place);
    place.boot = process.ports.random.hex(4);
    place.store = this.#options.old?.includes(name) === true ? asOld(remote, region, replica) : remote;
    const { ports } = process;
    const carriers = this.#carryOut(place);
    const duties = createConvergeDuties({
      log: silentLog,
      detection: () => undefined,
      convergence: () => undefined,
      missed: () => undefined,
    });
    const whole = this.#options.whole === true;
    let heardAtMs = Number.NEGATIVE_INFINITY;
    place.replica = createReplica({
      ports: { ...ports },
      store: place.store,
      log: silentLog,
      region,
      replica,
      boot: place.boot,
      signer: this.#signers.get(region) ?? null,
      verifier: this.#notary.verifier,
      providers: new Map([
        ...[...this.zones].map(([path, zone]) => [path, zone.seenFrom(place)] as const),
        ...(this.#options.gates === true ? [['gates', gateProvider.open(GATES, { store: place.store })] as const] : []),
      ]),
      canaries: this.#canaries(),
      ...(this.#options.drills === true ? { dnsQuery: (options) => this.#ask(options) } : {}),
      look: (spec, cluster, signal) => this.ground.look(region, ports, spec, cluster, signal),
      events: {
        sight: (sight, nowMs) => {
          heardAtMs = ports.clock.monoMs();
          if (sight.cluster !== null) place.anchors?.follow(sight.cluster);
          this.#events.sight?.(name, sight, nowMs, place.replica?.coordinator.role().role === 'coordinator');
        },
        input: (input) => this.#events.input?.(name, input),
        turn(sight, nowMs, term) {
          carriers?.turn(sight, nowMs, term);
          return whole ? duties.turn(sight, nowMs, term) : Promise.resolve();
        },
        decision: (next) =>
          this.#events.decision?.(
            this.virtual.now(),
            next.routing,
            next.audit.changes.map((c) => c.because),
          ),
        role: (role) => {
          if (role.role !== 'coordinator') carriers?.rest();
          if (role.role === 'coordinator') this.#events.role?.(this.virtual.now(), this.#label(name), role.epoch);
        },
        look: (endpoint) => this.#events.look?.(this.virtual.now(), name, endpoint),
        nameTaken: (because) => {
          this.#events.nameTaken?.(this.virtual.now(), name, because);
          // As the service does: it has no business to run.
          if (this.#options.whole === true) this.#end(place);
        },
        configConflict: (because) => this.#events.configConflict?.(this.virtual.now(), this.#label(name), because),
      },
    });
    if (this.#options.gates === true) void this.#openGate(place);
    if (this.#options.whole === true) void this.#equip(place, () => ports.clock.monoMs() - heardAtMs);
  }

  /** What carries runs of platforms out in a process; what begins them while it coordinates, watches databases, and reads the chains of language models. */
  #carryOut(place: Place): (Pick<Starter, 'turn'> & { rest(): void }) | null {
    const { landscape } = this;
    if (landscape === null) return null;
    const { region, name, store, boot } = place;
    const { ports } = place.process;
    const replica = name.slice(region.length + 1);
    const cluster = (): ClusterConfig | null => place.replica?.coordinator.lastSight()?.cluster ?? null;
    const nowMs = (): number => place.replica?.coordinator.nowMs() ?? 0;
    const tallies = (): readonly PoolTally[] => {
      const sight = place.replica?.coordinator.lastSight() ?? null;
      return sight?.cluster == null ? [] : tally(sight.cluster, sight.heard, nowMs());
    };
    const orders = createRunOrders({ store, ports, cluster, clusterNowMs: nowMs, foresee: () => null });
    const context: StepContext = {
      ports,
      log: silentLog,
      system: () => Promise.reject(new Error('kinds of this world need no systems')),
      routing: orders,
      tiers: createTierDesk({ store, ports, clusterNowMs: nowMs, ageMs: () => null, tallies }),
      nowMs,
    };
    const common = { ports, store, log: silentLog, region, replica, planOf };
    const executor = createExecutor({
      ...common,
      boot,
      kindOf: async (kind) => (isFaked(kind) ? landscape.kindOf(kind) : OWN_KINDS[kind]) as ReturnType<KindOf>,
      context,
      cluster,
      nowMs,
      metrics: { runbookStep: () => undefined, runbookEnded: () => undefined, runbookWaiting: () => undefined },
    });
    place.ends.push(() => executor.stop());
    const followed = (): ReadonlyMap<string, string> => landscape.followed(cluster()?.platforms ?? []);
    const starter = createStarter({ ...common, choose: chooseTarget, orders, followed });
    const system = async (system: string) => ({ kind: 'http', document: () => landscape.document(system) }) as never;
    const llm = createLlmDuty({ ports, log: silentLog, store, system });
    const watch = this.#options.watched === true ? this.#watch(place, landscape, context) : null;
    return {
      turn(sight, now, term) {
        starter.turn(sight, now, term);
        watch?.turn(sight, term);
        llm.turn(sight, now, term);
      },
      rest: () => llm.rest(),
    };
  }

  /** Production's watch over databases of the landscape. A system is its name. */
  #watch({ process: { ports }, name: by, store }: Place, landscape: Landscape, context: StepContext): Watch {
    const system: StepContext['system'] = async (name, kind) => ({ kind, name, close: async () => undefined }) as never;
    return createTiers({
      ports,
      log: silentLog,
      store,
      context: { ...context, system },
      by,
      reaches: () => true,
      canary: () => landscape.kindOf('pg.canary'),
      siteSays: (sql) => landscape.tiers.says((sql as unknown as { name: string }).name),
      lagBetween: async () => ({ ms: 0, bytes: 0 }),
    });
  }

  /** A human's word about databases, at the API of a region. */
  settler(where: string): Settler {
    const [place] = this.#placesAt(where);
    if (place === undefined) throw new Error(`nobody answers in ${where}`);
    return createSettler({
      store: place.store,
      ports: place.process.ports,
      region: place.region,
      replica: place.name.slice(place.region.length + 1),
      clusterNowMs: () => place.replica.coordinator.nowMs(),
      ageMs: () => null,
    });
  }

  /** A human's act on runs, at the API of a region. */
  runs(where: string): RunWriter {
    const [place] = this.#placesAt(where);
    if (place === undefined) throw new Error(`nobody answers in ${where}`);
    return createRunWriter({
      store: place.store,
      ports: place.process.ports,
      region: place.region,
      replica: place.name.slice(place.region.length + 1),
      cluster: () => place.replica.coordinator.lastSight()?.cluster ?? null,
      clusterNowMs: () => place.replica.coordinator.nowMs(),
      planOf,
    });
  }

  async #openGate(place: Place): Promise<void> {
    const file = this.#gateFiles.get(place.name) ?? memoryGateFile();
    this.#gateFiles.set(place.name, file);
    const cluster = (): ClusterConfig | null => place.replica.coordinator.lastSight()?.cluster ?? null;
    place.gate = await openGate({ ports: place.process.ports, store: place.store, log: silentLog, file, who: place.name, cluster });
    place.ends.push(() => place.gate?.close() ?? Promise.resolve());
  }

  /** The gate of a region's first replica, or of the one named; undefined: nobody answers there. */
  gate(where: string): Gate | undefined {
    return this.#placesAt(where)[0]?.gate ?? undefined;
  }

  #canaries(): readonly CanaryConfig[] {
    const { canaryMs } = this.#options;
    const pools = [{ name: 'canary', weight: 1, answers: ['192.0.2.1'] }];
    const canary = { service: CANARY, everyMs: canaryMs ?? 0, ttlS: 10, pools, authoritative: [], resolvers: [] };
    if (canaryMs === undefined) return [];
    return [...this.zones.keys()].map((provider, i) => ({
      ...canary,
      provider,
      path: provider,
      ...(this.#options.drills !== true
        ? {}
        : { microDrill: true, pools: DRILLED, authoritative: [`192.0.2.${10 + i}:53`], resolvers: [`192.0.2.${20 + i}:53`] }),
    }));
  }

  /** By the last digit of its address: whose server it is. */
  #ask(options: QueryOptions): Promise<Reply> {
    const servers = [...this.nameServers.values()][Number(options.server.host.split('.')[3]) % 10];
    return servers?.answer(options) ?? Promise.reject(new Error('nobody answers there'));
  }

  /** What a process of the service runs beside its core. */
  async #equip(place: Place, storeAgeMs: () => number): Promise<void> {
    const { replica, region, name, store } = place;
    const { ports } = place.process;
    const { coordinator, vantage } = replica;
    const common = { ports, log: silentLog, store, channels: SINKS.map((sink) => this.#channel(place, sink)), noticeOf: noticed };
    const nowMs = (): number => coordinator.nowMs();
    const outbox = createOutbox({
      ...common,
      // One is asked first; two when it has not taken a page for 30 s.
      routes: [{ to: SINKS, also: [] }],
      metrics: { page: () => undefined },
      isLeader: () => coordinator.role().role === 'coordinator',
      nowMs,
    });
    // Its file outlives the process.
    const spool = this.#spools.get(name) ?? (await openSpool({ disk: memoryDisk(), ports, log: silentLog }));
    this.#spools.set(name, spool);
    const direct = createDirectPages({
      ...common,
      spool,
      region,
      replica: name.slice(region.length + 1),
      storeAgeMs,
      belief: () => vantage.vote(),
      cluster: () => coordinator.lastSight()?.cluster ?? null,
      routing: () => coordinator.lastSight()?.routing ?? null,
      nowMs,
    });
    const anchors = watchAnchors(region, (urls) =>
      startSelfCheck({
        ports,
        anchors: urls,
        context: { timeoutMs: ANCHOR_TIMEOUT_MS } as Parameters<typeof startSelfCheck>[0]['context'],
        onFacts: (facts) => replica.facts(facts),
        look: (_spec, context, signal) => this.ground.anchor(region, ports, context.timeoutMs, signal),
      }),
    );
    place.anchors = anchors;
    const known = coordinator.lastSight()?.cluster ?? null;
    if (known !== null) anchors.follow(known);
    place.ends.push(
      () => outbox.close(0),
      () => direct.close(0),
      () => anchors.stop(),
    );
  }

  #channel(place: Place, sink: (typeof SINKS)[number]): Channel {
    return {
      name: sink,
      places: [],
      deliver: async ({ page }): Promise<Delivery> => {
        const mode = this.#sinks.get(sink) ?? 'ok';
        if (mode === 'hang' || !place.egress) return new Promise(() => undefined);
        if (mode === 'fail') return { sent: false, retry: true, because: '500' };
        this.#events.delivered?.(sink, page);
        if (mode === 'mute') return new Promise(() => undefined);
        return { sent: true, receipt: 'ok' };
      },
    };
  }

  /** Accepts pages; refuses them for now; does not answer; or takes them and does not answer. */
  sink(name: string, mode: SinkMode): void {
    this.#sinks.set(name, mode);
  }

  #end(place: Place): void {
    place.process.kill();
    this.#places.delete(place);
  }

  /** The replica is gone without a word. */
  kill(where: string): void {
    for (const place of this.#placesAt(where)) this.#end(place);
  }

  /** The replica is gone right before the `n`-th thing that it would do from now on. */
  crash(where: string, n: number): void {
    for (const place of this.#placesAt(where)) place.process.crashAfter(n, () => this.#places.delete(place));
  }

  /** The replica stops in good order, or is killed if that takes too long. */
  async stop(where: string): Promise<void> {
    for (const place of this.#placesAt(where)) {
      let over = false;
      void Promise.all([place.replica.stop(), ...place.ends.map((end) => end())]).then(() => {
        over = true;
      });
      const untilMs = this.virtual.now() + STOP_MS;
      const isOver = (): boolean => over || !this.#places.has(place) || this.virtual.now() >= untilMs;
      while (!isOver()) await this.virtual.advance(STOP_STEP_MS);
      this.#end(place);
    }
  }

  /** A region's first replica, or the one named. */
  replica(where: string): Replica | undefined {
    return this.#placesAt(where)[0]?.replica;
  }

  process(where: string): VirtualProcess | undefined {
    return this.#placesAt(where)[0]?.process;
  }

  /** Cluster time as who coordinates has it; without one, as an exact clock would. */
  clusterNowMs(): number {
    return this.#holder()?.replica.coordinator.nowMs() ?? START_WALL_MS + this.virtual.now();
  }

  #holder(): Place | undefined {
    return [...this.#places].find((p) => p.replica.coordinator.role().role === 'coordinator');
  }

  /** Region of the replica that coordinates. */
  coordinator(): string | null {
    return this.#holder()?.region ?? null;
  }

  /** The replica that coordinates, as `region/replica`. */
  coordinatorPlace(): string | null {
    return this.#holder()?.name ?? null;
  }

  /** Who runs, as `region/replica`. */
  running(): readonly string[] {
    return [...this.#places].map(({ name }) => name);
  }

  // ---- what goes wrong ----

  cut(where: string, cut: boolean | Cut): void {
    for (const place of this.#placesAt(where)) {
      place.cut = cut === true ? 'both' : cut === false ? 'no' : cut;
      if (hearsNothing(place) || !place.missed) continue;
      place.missed = false;
      for (const tell of place.watches) this.wire.toCaller(place, () => tell({ kind: 'resync' }));
    }
  }

  /** Some process of the region runs, and its way to the store and back is open. */
  reaches(region: string): boolean {
    return this.#placesAt(region).some((place) => place.cut === 'no');
  }

  /** Whether a region's processes reach the provider and the sinks of pages. */
  egress(where: string, open: boolean): void {
    for (const place of this.#placesAt(where)) place.egress = open;
  }

  /** The store answers nobody for so long, as while it elects a leader; calls under way wait, for as long as a client does. */
  stall(ms: number): void {
    this.wire.stall(ms);
  }

  /** This region reads another configuration than the store holds; null: what it holds. */
  tamper(region: string, cluster: ClusterConfig | null): void {
    if (cluster === null) this.#tampered.delete(region);
    else this.#tampered.set(region, cluster);
  }

  /** The replica sees nothing of its siblings, as it would if it were wrong about who they are. */
  unaware(place: string, unaware: boolean): void {
    if (unaware) this.#unaware.add(place);
    else this.#unaware.delete(place);
  }

  blind(region: string, blind: boolean): void {
    this.ground.blind(region, blind);
  }

  /** How the endpoints of a region's targets answer. `target` 1-based; absent: all of them. */
  health(region: string, endpoints: readonly EndpointName[], health: Health, target?: number): void {
    this.ground.health(region, endpoints, health, target);
  }

  /** Keeps what the store holds now. */
  backup(): void {
    this.#backup = this.store.snapshot();
  }

  /** The store as it was kept last, with its older revision. Nothing happens before the first backup. */
  rewind(): void {
    if (this.#backup === null) return;
    this.store.restore(this.#backup, 'same');
    this.#adopted = (this.#backup.records.get(KEYS.adopted)?.kv.value as Adopted | undefined) ?? null;
    this.#events.rewound?.();
  }

  // ---- the store as a place sees it ----

  #client(place: Place): Store {
    return clientOf(place, {
      store: this.store,
      wire: this.wire,
      nowMs: () => this.virtual.now(),
      adopted: () => this.#adopted,
      seen: (query, read) => this.#read(place, query, read),
      writing: (author) => {
        this.#author = author;
      },
    });
  }

  /** What a place reads, with what was done to its sight. */
  #read(place: Place, query: Query, read: Read): Read {
    const other = this.#tampered.get(place.region);
    if (other === undefined && !this.#unaware.has(place.name)) return read;
    const isHidden = (key: string): boolean =>
      this.#unaware.has(place.name) && isForSiblings(query) && placeOf(key).region === place.region && !key.endsWith(`/${place.name}`);
    const kvs = read.kvs.filter((kv) => !isHidden(kv.key));
    return {
      ...read,
      kvs: kvs.map((kv) => (kv.key === KEYS.members && other !== undefined ? { ...kv, value: other, mod: kv.mod + 1 } : kv)),
    };
  }

  // ---- people ----

  /** Places an override as the API would: guarded, with cluster time. */
  async order(
    id: string,
    kind: Override['kind'],
    scope: OverrideScope,
    ttlMs: number,
    owner: string,
    reason: string,
    { startsInMs, ...more }: OrderExtras = {},
  ): Promise<void> {
    await this.#edit((items, nowMs) => {
      const beginsAtMs = nowMs + (startsInMs ?? 0);
      const start = startsInMs === undefined ? {} : { startsAtMs: beginsAtMs };
      return [
        ...items.filter((o) => o.id !== id),
        { id, kind, scope, reason, owner, createdAtMs: nowMs, expiresAtMs: beginsAtMs + ttlMs, ...start, ...more },
      ];
    });
  }

  async approve(id: string, by: string): Promise<void> {
    await this.#edit((items, nowMs) => items.map((o) => (o.id === id ? { ...o, approval: { by, atMs: nowMs } } : o)));
  }

  /** What somebody measured of a service. */
  async report(service: string, load: number, capacity: Route, ttlMs: number): Promise<void> {
    const { kvs } = await this.store.get({ keys: [KEYS.reported] });
    const current = kvs[0]?.value as Reports | undefined;
    const atMs = START_WALL_MS + this.virtual.now();
    const reported = { load, capacity, atMs, expiresAtMs: atMs + ttlMs, by: 'alice' };
    const next: Reports = {
      version: (current?.version ?? 0) + 1,
      nonce: this.virtual.ports.random.hex(4),
      services: { ...current?.services, [service]: reported },
    };
    await this.store.txn({ if: [{ key: KEYS.reported, mod: kvs[0]?.mod ?? 0 }], then: [{ put: KEYS.reported, value: next }] });
  }

  async revoke(id: string): Promise<void> {
    await this.#edit((items) => items.filter((o) => o.id !== id));
  }

  async #edit(change: (items: readonly Override[], nowMs: number) => readonly Override[]): Promise<void> {
    const { kvs } = await this.store.get({ keys: [KEYS.override, KEYS.routing] });
    const current = kvs.find((kv) => kv.key === KEYS.override);
    const doc = (current?.value as Overrides | undefined) ?? { version: 0, nonce: '', items: [] };
    const nowMs = START_WALL_MS + this.virtual.now();
    const next: Overrides = { version: doc.version + 1, nonce: this.virtual.ports.random.hex(4), items: change(doc.items, nowMs) };
    await this.store.txn({ if: [{ key: KEYS.override, mod: current?.mod ?? 0 }], then: [{ put: KEYS.override, value: next }] });
  }

  /** What a human tries at a region's API: whatever comes of it is told by the events, and nobody waits for it. */
  #human(via: string, what: string, work: (place: Place) => Promise<void>): void {
    const place = this.#placesAt(via)[0];
    const denied = (because: string): void => this.#events.denied?.(this.virtual.now(), what, because);
    if (place === undefined) denied(`nothing runs in ${via}`);
    else work(place).catch((error: unknown) => denied(error instanceof Fault ? `${error.code}: ${error.message}` : String(error)));
  }

  #writer({ store, process, replica }: Place): ReturnType<typeof createOverrideWriter> {
    return createOverrideWriter({ store, ports: process.ports, clusterNowMs: () => replica.coordinator.nowMs() });
  }

  #act(ifMatch: string | null): Parameters<ReturnType<typeof createOverrideWriter>['deleteOverride']>[1] {
    const principal = { name: 'alice', role: 'operator', services: null, how: 'token' } as const;
    return { principal, cluster: this.cluster, foresee: () => null, dryRun: false, ifMatch, ifNoneMatch: null };
  }

  /** An order at the API of a region. */
  orderVia(via: string, input: Ordered, { startsInMs, ...more }: OrderExtras = {}): void {
    this.#human(via, `order ${input.id}`, async (place) => {
      const startsAtMs = startsInMs === undefined ? {} : { startsAtMs: Math.round(place.replica.coordinator.nowMs()) + startsInMs };
      const order = { ...input, ...more, ...startsAtMs } as Parameters<ReturnType<typeof createOverrideWriter>['putOverride']>[0];
      const { override, version } = await this.#writer(place).putOverride(order, this.#act(null));
      this.#events.acked?.({ id: input.id, override, version });
    });
  }

  revokeVia(via: string, id: string): void {
    this.#human(via, `revoke ${id}`, async (place) => {
      const { version } = await this.#writer(place).deleteOverride(id, this.#act('*'));
      this.#events.acked?.({ id, override: null, version });
    });
  }

  /** A second person's word, at the API of a region. */
  approveVia(via: string, id: string): void {
    this.#human(via, `approve ${id}`, async (place) => {
      const act = this.#act('*');
      const { override, version } = await this.#writer(place).approveOverride(id, { ...act, principal: { ...act.principal, name: 'bob' } });
      this.#events.acked?.({ id, override, version });
    });
  }

  /** `tidegate apply` from a region's network. */
  applyVia(via: string, wanted: ClusterConfig): void {
    const cluster = this.#withKeys(wanted);
    this.#human(via, 'apply', async ({ store, process }) => {
      const applied = await applyMembers(store, cluster, { ports: process.ports, by: via, reason: 'simulated' });
      if (applied.outcome === 'refused') throw new Error(applied.because.join('; '));
      this.cluster = { ...cluster, version: applied.version };
    });
  }

  /** `tidegate adopt` from a region's network: what the provider serves becomes the route. */
  adoptVia(via: string): void {
    this.#human(via, 'adopt', async (place) => {
      await runAdoption(
        // A process of its own, which knew no other store.
        {
          ports: place.process.ports,
          store: this.#client(place),
          provider: async (name) => (this.zones.get(name) ?? this.zone).seenFrom(place),
        },
        { kind: 'adopt', services: [], owner: 'alice', reason: 'simulated', dryRun: false, holdMs: null, journal: [] },
      );
    });
  }

  async routing(): Promise<Routing | null> {
    const { kvs } = await this.store.get({ keys: [KEYS.routing] });
    return (kvs[0]?.value as Routing | undefined) ?? null;
  }

  async run(ms: number): Promise<void> {
    await this.virtual.advance(ms);
  }

  async close(): Promise<void> {
    for (const place of this.#places) place.process.kill();
    this.#places.clear();
    await this.store.close();
  }
}
