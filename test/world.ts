// A world on virtual time: regions with replicas of the production code, targets that can be made ill, one store with delays, one provider.
// Scenario files, virtual-time benches and, later, the simulator's faults stand on it. Deterministic for a seed.
import { policyOf } from '../src/config/defaults.ts';
import { KEYS } from '../src/coordinate/keys.ts';
import type { Log } from '../src/log.ts';
import type {
  ClusterConfig,
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
import { type Store, StoreAmbiguousError, StoreDefiniteError } from '../src/store/store.ts';
import { type MemoryZone, memoryProvider } from './memory-provider.ts';
import { createVirtual, seededRandom, type Virtual, type VirtualProcess } from './virtual.ts';

export type Health = 'ok' | 'refuse' | 'hang' | 'error';

export interface WorldOptions {
  cluster: ClusterConfig;
  seed?: string | number;
  /** One way to the store and back, ms. */
  storeDelayMs?: number;
  /** A look at a healthy target takes this long. */
  lookMs?: number;
}

export interface WorldEvents {
  decision(atMs: number, routing: Routing, changes: readonly string[]): void;
  page(atMs: number, page: Page): void;
  served(atMs: number, service: string, shares: Readonly<Record<string, number>>, v: number): void;
  role(atMs: number, region: string, epoch: number): void;
}

interface Place {
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
  #boots = 0;

  constructor(options: WorldOptions, events: Partial<WorldEvents> = {}) {
    this.#options = { seed: options.seed ?? 1, storeDelayMs: options.storeDelayMs ?? 20, lookMs: options.lookMs ?? 20 };
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

  /** Configures the cluster and starts a replica in every region. */
  async start(): Promise<void> {
    await this.apply(this.cluster);
    for (const region of this.cluster.regions) this.boot(region.name);
  }

  boot(region: string): void {
    this.#boots++;
    const process = this.virtual.spawn(`${region} ${this.#boots}`);
    const place: Place = { process, cut: false, replica: undefined as unknown as Replica };
    this.#places.set(region, place);
    place.replica = createReplica({
      ports: { ...process.ports },
      store: this.#remote(place),
      log: silentLog,
      region,
      replica: 'a',
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
          if (role.role === 'coordinator') this.#events.role?.(this.virtual.now(), region, role.epoch);
        },
      },
    });
  }

  /** The replica is gone without a word. */
  kill(region: string): void {
    this.#places.get(region)?.process.kill();
    this.#places.delete(region);
  }

  replica(region: string): Replica | undefined {
    return this.#places.get(region)?.replica;
  }

  process(region: string): VirtualProcess | undefined {
    return this.#places.get(region)?.process;
  }

  coordinator(): string | null {
    return [...this.#places].find(([, p]) => p.replica.coordinator.role().role === 'coordinator')?.[0] ?? null;
  }

  cut(region: string, cut: boolean): void {
    const place = this.#places.get(region);
    if (place !== undefined) place.cut = cut;
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
          () => store.get(query),
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
