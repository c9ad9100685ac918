// A world on virtual time: regions with replicas of the production code, targets that can be made ill, one store with delays, one provider.
// Scenario files, virtual-time benches and, later, the simulator's faults stand on it. Deterministic for a seed.
import { policyOf } from '../src/config/defaults.ts';
import { KEYS, placeOf } from '../src/coordinate/keys.ts';
import type { Sight } from '../src/coordinate/read.ts';
import type { VantageInput } from '../src/health/vantage.ts';
import type { Log } from '../src/log.ts';
import type {
  ClusterConfig,
  EndpointKey,
  EndpointName,
  Outcome,
  Override,
  OverrideScope,
  Overrides,
  Page,
  PoolConfig,
  ProbeSpec,
  Routing,
  ServiceConfig,
} from '../src/model.ts';
import { type Ports, sleep } from '../src/ports.ts';
import { createReplica, type Replica } from '../src/replica.ts';
import { openEmbedded } from '../src/store/embedded.ts';
import { type Query, type Read, type Store, StoreAmbiguousError, StoreDefiniteError } from '../src/store/store.ts';
import { type MemoryZone, memoryProvider } from './memory-provider.ts';
import { asOld, isForSiblings } from './old-replica.ts';
import { createVirtual, seededRandom, type Virtual, type VirtualProcess } from './virtual.ts';

export type Health = 'ok' | 'refuse' | 'hang' | 'error';

export interface WorldOptions {
  cluster: ClusterConfig;
  seed?: string | number;
  /** One way to the store and back, ms. */
  storeDelayMs?: number;
  /** A look at a healthy target takes this long. */
  lookMs?: number;
  /** How many replicas each region runs, in configured order; the last number stands for the rest. They are named a, b, c. */
  replicas?: readonly number[];
  /** Replicas (`region/replica`) that run as 0.1 did: they write none of the new fields and know no siblings. */
  old?: readonly string[];
}

export interface WorldEvents {
  decision(atMs: number, routing: Routing, changes: readonly string[]): void;
  page(atMs: number, page: Page): void;
  served(atMs: number, service: string, shares: Readonly<Record<string, number>>, v: number): void;
  /** `who`: the region, or `region/replica` where it runs several. */
  role(atMs: number, who: string, epoch: number): void;
  /** A finished look, by the replica `who` (`region/replica`). */
  look(atMs: number, who: string, key: EndpointKey): void;
  /** What the replica `who` reads of the store, in cluster time, and whether it coordinates. */
  sight(who: string, sight: Sight, nowMs: number, leads: boolean): void;
  input(who: string, input: VantageInput): void;
  nameTaken(atMs: number, who: string, because: string): void;
  configConflict(atMs: number, who: string, because: string): void;
}

interface Place {
  region: string;
  name: string;
  process: VirtualProcess;
  replica: Replica;
  cut: boolean;
}

export const START_WALL_MS = Date.UTC(2026, 10, 22, 3, 12);

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** A cluster in which every pool has one target with both endpoints, in the region of the same name. */
export const clusterOf = (
  regions: readonly string[],
  services: readonly Partial<ServiceConfig>[],
  policy: Partial<ClusterConfig['policy']> = {},
): ClusterConfig => ({
  name: 'test',
  version: 1,
  regions: regions.map((name) => ({ name, vote: true, coordinator: true, anchors: [] })),
  services: services.map((s) => serviceOf(regions, s)),
  policy: { ...policyOf({}), ...policy },
  goals: { detectionMs: 30_000, convergenceMs: 60_000 },
});

export const serviceOf = (regions: readonly string[], s: Partial<ServiceConfig>): ServiceConfig => ({
  name: 'web',
  mode: 'auto',
  provider: 'memory',
  ttlS: 10,
  steering: { kind: 'weighted' },
  allDown: 'hold',
  pools: regions.map((region, i) => poolOf(region, 1, i)),
  converge: { authoritative: [], resolvers: [] },
  ...s,
});

export const poolOf = (region: string, weight: number, index: number, targets = 1): PoolConfig => ({
  name: region,
  region,
  weight,
  minUp: Math.ceil(targets / 2),
  answers: [`192.0.2.${index + 1}`],
  targets: Array.from({ length: targets }, (_, i) => ({
    name: targets === 1 ? 'app' : `app-${i + 1}`,
    from: 'all' as const,
    healthz: { kind: 'http' as const, url: `http://${region}-${i + 1}/healthz`, status: [[200, 299]] as const },
    readyz: { kind: 'http' as const, url: `http://${region}-${i + 1}/readyz`, status: [[200, 299]] as const },
  })),
});

/** A client of the store gives up after so long. */
const CLIENT_PATIENCE_MS = 1500;

export class World {
  readonly virtual: Virtual;
  readonly zone: MemoryZone;
  readonly store: Store;
  cluster: ClusterConfig;
  readonly #options: Required<Omit<WorldOptions, 'cluster'>>;
  readonly #events: Partial<WorldEvents>;
  readonly #places = new Map<string, Place>();
  /** `region-1 healthz` -> how it answers. */
  readonly #health = new Map<string, Health>();
  readonly #blind = new Set<string>();
  /** Replicas that do not see their siblings' records. */
  readonly #unaware = new Set<string>();
  /** What a region reads as the cluster's configuration, when that is not what the store holds. */
  readonly #tampered = new Map<string, ClusterConfig>();
  #stalledUntilMs = 0;
  #boots = 0;

  constructor(options: WorldOptions, events: Partial<WorldEvents> = {}) {
    this.#options = {
      seed: options.seed ?? 1,
      storeDelayMs: options.storeDelayMs ?? 20,
      lookMs: options.lookMs ?? 20,
      replicas: options.replicas ?? [1],
      old: options.old ?? [],
    };
    this.#events = events;
    this.cluster = options.cluster;
    this.virtual = createVirtual({ startWallMs: START_WALL_MS, seed: this.#options.seed });
    this.store = openEmbedded({ file: ':memory:', ports: { random: seededRandom(`store ${this.#options.seed}`) } });
    this.zone = {
      services: new Map(),
      onServed: (service, served) => events.served?.(this.virtual.now(), service, served.shares, served.fence.v),
    };
    this.#watchPages();
  }

  /** Ms since the start of the world. */
  now(): number {
    return this.virtual.now();
  }

  #watchPages(): void {
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

  async apply(cluster: ClusterConfig): Promise<void> {
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
    const { replicas } = this.#options;
    const index = this.cluster.regions.findIndex((r) => r.name === region);
    const count = replicas[Math.min(index, replicas.length - 1)] ?? 1;
    return Array.from({ length: count }, (_, i) => `${region}/${String.fromCharCode(97 + i)}`);
  }

  /** The places that `where` names: one replica, or all of a region. */
  #at(where: string): readonly string[] {
    return where.includes('/') ? [where] : this.placesOf(where);
  }

  #label(name: string): string {
    const [region = ''] = name.split('/');
    return this.placesOf(region).length === 1 ? region : name;
  }

  boot(where: string): void {
    for (const name of this.#at(where)) this.#bootOne(name);
  }

  #bootOne(name: string): void {
    const [region = '', replica = ''] = name.split('/');
    this.#boots++;
    const process = this.virtual.spawn(`${region} ${this.#boots}`);
    const place: Place = { region, name, process, cut: false, replica: undefined as unknown as Replica };
    this.#places.set(name, place);
    const remote = this.#remote(place);
    place.replica = createReplica({
      ports: { ...process.ports },
      store: this.#options.old.includes(name) ? asOld(remote, region, replica) : remote,
      log: silentLog,
      region,
      replica,
      boot: process.ports.random.hex(4),
      providers: new Map([['memory', memoryProvider(this.zone)]]),
      look: (spec, cluster, signal) => this.#look(region, process.ports, spec, cluster, signal),
      events: {
        decision: (next) =>
          this.#events.decision?.(
            this.virtual.now(),
            next.routing,
            next.audit.changes.map((c) => c.because),
          ),
        role: (role) => {
          if (role.role === 'coordinator') this.#events.role?.(this.virtual.now(), this.#label(name), role.epoch);
        },
        look: (key) => this.#events.look?.(this.virtual.now(), name, key),
        sight: (sight, nowMs) => this.#events.sight?.(name, sight, nowMs, place.replica?.coordinator.role().role === 'coordinator'),
        input: (input) => this.#events.input?.(name, input),
        nameTaken: (because) => this.#events.nameTaken?.(this.virtual.now(), name, because),
        configConflict: (because) => this.#events.configConflict?.(this.virtual.now(), this.#label(name), because),
      },
    });
  }

  /** The replica is gone without a word. */
  kill(where: string): void {
    for (const name of this.#at(where)) {
      this.#places.get(name)?.process.kill();
      this.#places.delete(name);
    }
  }

  /** The replica stops in good order. */
  async stop(where: string): Promise<void> {
    for (const name of this.#at(where)) {
      const place = this.#places.get(name);
      if (place === undefined) continue;
      let over = false;
      void place.replica.stop().then(() => {
        over = true;
      });
      await this.virtual.advanceUntil(() => over, 10_000);
      this.kill(name);
    }
  }

  /** A region's first replica, or the one named. */
  replica(where: string): Replica | undefined {
    return this.#places.get(this.#at(where)[0] ?? '')?.replica;
  }

  process(where: string): VirtualProcess | undefined {
    return this.#places.get(this.#at(where)[0] ?? '')?.process;
  }

  /** Region of the replica that coordinates. */
  coordinator(): string | null {
    return [...this.#places.values()].find((p) => p.replica.coordinator.role().role === 'coordinator')?.region ?? null;
  }

  /** The replica that coordinates, as `region/replica`. */
  coordinatorPlace(): string | null {
    return [...this.#places.values()].find((p) => p.replica.coordinator.role().role === 'coordinator')?.name ?? null;
  }

  cut(where: string, cut: boolean): void {
    for (const name of this.#at(where)) {
      const place = this.#places.get(name);
      if (place !== undefined) place.cut = cut;
    }
  }

  /** The store answers nobody for so long, as while it elects a leader; calls under way wait, for as long as a client does. */
  stall(ms: number): void {
    this.#stalledUntilMs = this.virtual.now() + ms;
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
    if (blind) this.#blind.add(region);
    else this.#blind.delete(region);
  }

  /** How the endpoints of a region's targets answer. `target` 1-based; absent: all of them. */
  health(region: string, endpoints: readonly EndpointName[], health: Health, target?: number): void {
    for (const endpoint of endpoints) this.#health.set(`${region}${target === undefined ? '' : `-${target}`} ${endpoint}`, health);
    if (target === undefined)
      for (const key of this.#health.keys())
        if (key.startsWith(`${region}-`) && endpoints.some((e) => key.endsWith(e))) this.#health.delete(key);
  }

  async #look(from: string, ports: Ports, spec: ProbeSpec, cluster: ClusterConfig, signal: AbortSignal): Promise<Outcome> {
    const url = new URL(spec.url);
    const endpoint = url.pathname.slice(1);
    const region = url.hostname.slice(0, url.hostname.lastIndexOf('-'));
    const health =
      this.#blind.has(from) && region !== from
        ? 'hang'
        : (this.#health.get(`${url.hostname} ${endpoint}`) ?? this.#health.get(`${region} ${endpoint}`) ?? 'ok');
    const tookMs = health === 'hang' ? cluster.policy.timeoutMs : this.#options.lookMs;
    await sleep(ports.timers, tookMs, signal).catch(() => undefined);
    switch (health) {
      case 'ok':
        return { saw: 'ok', tookMs };
      case 'refuse':
        return { saw: 'fault', reason: 'refused', tookMs, detail: 'refused' };
      case 'hang':
        return { saw: 'fault', reason: 'timeout', tookMs, detail: 'no answer' };
      case 'error':
        return { saw: 'fault', reason: 'status', tookMs, detail: '503' };
    }
  }

  /** The store as seen from a place: with delays, and silent when the place is cut off. */
  #remote(place: Place): Store {
    const { store, virtual } = this;
    const delayMs = this.#options.storeDelayMs;
    const call = async <T>(work: () => Promise<T>, lost: () => Error): Promise<T> => {
      const ports = place.process.ports;
      if (place.cut) {
        await sleep(ports.timers, 1500);
        throw lost();
      }
      await sleep(virtual.ports.timers, delayMs);
      const stalledMs = this.#stalledUntilMs - virtual.now();
      if (stalledMs > 0) {
        await sleep(virtual.ports.timers, Math.min(stalledMs, CLIENT_PATIENCE_MS));
        if (stalledMs > CLIENT_PATIENCE_MS) throw lost();
      }
      const result = await work().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      await sleep(ports.timers, place.cut ? 1500 : delayMs);
      if (place.cut) throw lost();
      if ('error' in result) throw result.error;
      return result.value;
    };
    return {
      get clusterId() {
        return store.clusterId;
      },
      get: (query) =>
        call(
          async () => this.#read(place, query, await store.get(query)),
          () => new StoreDefiniteError('cut off'),
        ),
      txn: (txn) =>
        call(
          () => store.txn(txn),
          () => new StoreAmbiguousError('cut off'),
        ),
      watch: (prefix, onEvent) => {
        let open = true;
        const watch = store.watch(prefix, (event) => {
          place.process.ports.timers.after(delayMs, () => {
            if (open && !place.cut) onEvent(event);
          });
        });
        return {
          close() {
            open = false;
            watch.close();
          },
        };
      },
      close: async () => undefined,
    };
  }

  /** What a place reads, with what was done to its sight. */
  #read(place: Place, query: Query, read: Read): Read {
    const other = this.#tampered.get(place.region);
    const isHidden = (key: string): boolean =>
      this.#unaware.has(place.name) && isForSiblings(query) && placeOf(key).region === place.region && !key.endsWith(`/${place.name}`);
    if (other === undefined && !this.#unaware.has(place.name)) return read;
    const kvs = read.kvs.filter((kv) => !isHidden(kv.key));
    return {
      ...read,
      kvs: kvs.map((kv) => (kv.key === KEYS.members && other !== undefined ? { ...kv, value: other, mod: kv.mod + 1 } : kv)),
    };
  }

  /** Places an override as the API would: guarded, with cluster time. */
  async order(id: string, kind: Override['kind'], scope: OverrideScope, ttlMs: number, owner: string, reason: string): Promise<void> {
    await this.#edit((items, nowMs) => [
      ...items.filter((o) => o.id !== id),
      { id, kind, scope, reason, owner, createdAtMs: nowMs, expiresAtMs: nowMs + ttlMs },
    ]);
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

  async routing(): Promise<Routing | null> {
    const { kvs } = await this.store.get({ keys: [KEYS.routing] });
    return (kvs[0]?.value as Routing | undefined) ?? null;
  }

  async run(ms: number): Promise<void> {
    await this.virtual.advance(ms);
  }

  async close(): Promise<void> {
    for (const place of this.#places.values()) place.process.kill();
    this.#places.clear();
    await this.store.close();
  }
}
