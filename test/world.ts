// A world on virtual time: regions with replicas of the production code, targets that can be made ill, one store with wires to it, one provider, and the
// people who give orders. Scenario files, the simulator and virtual-time benches stand on it. Deterministic for a seed. What goes wrong below the replicas
// is world/ground.ts (targets and ways), world/wire.ts (calls) and world/zone.ts (the provider); who acts is world/people.ts, what a process runs beside
// its core world/beside.ts.

import { createPrivateKey } from 'node:crypto';
import { gate as gateProvider } from '../providers/gate/index.ts';
import type { CanaryConfig } from '../src/config/canary.ts';
import { createConvergeDuties } from '../src/converge/duties.ts';
import { KEYS, placeOf } from '../src/coordinate/keys.ts';
import type { Sight } from '../src/coordinate/read.ts';
import { createSigner, type Signer } from '../src/coordinate/signing.ts';
import type { Reply } from '../src/dns/codec.ts';
import type { QueryOptions } from '../src/dns/exchange.ts';
import type { GateFile } from '../src/gate/file.ts';
import { type Gate, openGate } from '../src/gate/gate.ts';
import type { VantageInput } from '../src/health/vantage.ts';
import type { Log } from '../src/log.ts';
import type { Adopted, ClusterConfig, EndpointKey, EndpointName, Page, Proof, Routing } from '../src/model.ts';
import type { Random } from '../src/ports.ts';
import { createReplica, type Replica } from '../src/replica.ts';
import type { Query, Read, Store } from '../src/store/store.ts';
import type { Served } from './memory-provider.ts';
import { type Commit, createMemoryStore, type MemoryStore, type Snapshot } from './memory-store.ts';
import { asOld, isForSiblings } from './old-replica.ts';
import { createVirtual, seededRandom, type Virtual, type VirtualProcess } from './virtual.ts';
import { type Around, carryOut, equip, SINKS, type SinkMode } from './world/beside.ts';
import { type Author, clientOf } from './world/client.ts';
import { START_WALL_MS, silentLog } from './world/clusters.ts';
import { Ground, type Health } from './world/ground.ts';
import type { Landscape } from './world/landscape.ts';
import { NameServers } from './world/name-servers.ts';
import { createNotary } from './world/notary.ts';
import { type Acked, Hand, People } from './world/people.ts';
import type { Place } from './world/place.ts';
import { Thief } from './world/thief.ts';
import { type Cut, hearsNothing, type Weather, Wire } from './world/wire.ts';
import { type Writing, Zone } from './world/zone.ts';

export type { SinkMode } from './world/beside.ts';
export type { Author } from './world/client.ts';
export { clusterOf, poolOf, START_WALL_MS, serviceOf, silentLog } from './world/clusters.ts';
export type { Health } from './world/ground.ts';
export type { Acked, OrderExtras } from './world/people.ts';

export interface WorldOptions {
  cluster: ClusterConfig;
  /** Whoever changes a record that was read fails loudly. Absent: yes. It costs some percent of a world's time. */
  frozen?: boolean;
  seed?: string | number;
  /** What all processes log; absent: nowhere. */
  log?: Log;
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

/** What stops takes this long at most. */
const STOP_MS = 5000;
const STOP_STEP_MS = 10;
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
  readonly people: People;
  readonly hand: Hand;
  readonly landscape: Landscape | null;
  cluster: ClusterConfig;
  readonly #options: WorldOptions;
  readonly #events: Partial<WorldEvents>;
  readonly #log: Log;
  readonly #places = new Set<Place>();
  /** Names of replicas by region, as long as the configuration stands. */
  #placed: { of: ClusterConfig | null; names: Map<string, readonly string[]> } = { of: null, names: new Map() };
  /** Replicas that do not see their siblings' records. */
  readonly #unaware = new Set<string>();
  /** What a region reads as the cluster's configuration, when that is not what the store holds. */
  readonly #tampered = new Map<string, ClusterConfig>();
  readonly #sinks = new Map<string, SinkMode>(SINKS.map((name) => [name, 'ok']));
  readonly #around: Around;
  readonly #gateFiles = new Map<string, GateFile>();
  readonly #signers = new Map<string, Signer>();
  readonly #notary = createNotary((key, record) => this.store.holds(key, record));
  #author: Author | null = null;
  #backup: Snapshot | null = null;
  /** The record as the store holds it. */
  #adopted: Adopted | null = null;
  #boots = 0;

  constructor(options: WorldOptions, events: Partial<WorldEvents> = {}) {
    const seed = options.seed ?? 1;
    const delayMs = options.storeDelayMs ?? 20;
    this.#options = options;
    this.#log = options.log ?? silentLog;
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
    this.#around = {
      log: this.#log,
      ground: this.ground,
      spools: new Map(),
      modeOf: (sink) => this.#sinks.get(sink) ?? 'ok',
      delivered: (sink, page) => events.delivered?.(sink, page),
    };
    this.hand = new Hand(this.store, virtual);
    this.people = new People({
      placeAt: (where) => this.#placesAt(where)[0],
      cluster: () => this.cluster,
      completed: (wanted) => this.#withKeys(wanted),
      applied: (cluster) => {
        this.cluster = cluster;
      },
      storeFrom: (place) => this.#client(place),
      zone: (path) => this.zones.get(path) ?? this.zone,
      acked: (acked) => events.acked?.(acked),
      denied: (what, because) => events.denied?.(virtual.now(), what, because),
    });
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
    const carriers = this.landscape === null ? null : carryOut(place, this.landscape, this.#options.watched === true, this.#log);
    const duties = createConvergeDuties({
      log: this.#log,
      detection: () => undefined,
      convergence: () => undefined,
      missed: () => undefined,
    });
    const whole = this.#options.whole === true;
    let heardAtMs = Number.NEGATIVE_INFINITY;
    place.replica = createReplica({
      ports: { ...ports },
      store: place.store,
      log: this.#log,
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
    if (this.#options.whole === true) void equip(place, this.#around, () => ports.clock.monoMs() - heardAtMs);
  }

  async #openGate(place: Place): Promise<void> {
    const file = this.#gateFiles.get(place.name) ?? memoryGateFile();
    this.#gateFiles.set(place.name, file);
    const cluster = (): ClusterConfig | null => place.replica.coordinator.lastSight()?.cluster ?? null;
    place.gate = await openGate({ ports: place.process.ports, store: place.store, log: this.#log, file, who: place.name, cluster });
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
