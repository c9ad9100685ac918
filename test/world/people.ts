// People of a simulated cluster. At the API of a region or from its network: as they would in life, by production code, and whatever comes of it is told by
// the events, since nobody waits for it. By the hand of the test itself: at once, in the store.
import { createOverrideWriter } from '../../src/api/overrides.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import { applyMembers } from '../../src/coordinate/members.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig, Override, OverrideScope, Overrides, Reports, Route } from '../../src/model.ts';
import { runAdoption } from '../../src/publish/adoption.ts';
import type { Tiers } from '../../src/runbook/facts.ts';
import { planOf } from '../../src/runbook/plan.ts';
import { changed, provedIn, tierName } from '../../src/runbook/tiers/record.ts';
import { createSettler, type Settler } from '../../src/runbook/tiers/settler.ts';
import { createRunWriter, type RunWriter } from '../../src/runbook/writer.ts';
import type { Store } from '../../src/store/store.ts';
import type { MemoryStore } from '../memory-store.ts';
import type { Virtual } from '../virtual.ts';
import { START_WALL_MS } from './clusters.ts';
import type { Place } from './place.ts';
import type { Zone } from './zone.ts';

/** What an order may say beside who, what and how long. */
export interface OrderExtras extends Pick<Override, 'weights' | 'ticket' | 'breakGlass' | 'drill' | 'approval'> {
  startsInMs?: number;
}

/** What every order says at a region's API. */
type Ordered = Pick<Override, 'id' | 'kind' | 'scope' | 'owner' | 'reason'> & { ttlMs: number };

/** A human's order that was answered with yes. */
export interface Acked {
  id: string;
  /** null: it was taken back. */
  override: Override | null;
  version: number;
}

type Orders = ReturnType<typeof createOverrideWriter>;

// ---- the hand of the test itself ----

export class Hand {
  readonly #store: MemoryStore;
  readonly #virtual: Virtual;

  constructor(store: MemoryStore, virtual: Virtual) {
    this.#store = store;
    this.#virtual = virtual;
  }

  #wallMs(): number {
    return START_WALL_MS + this.#virtual.now();
  }

  /** One record, over what is there. */
  async #edit<T>(key: string, change: (current: T | undefined, nonce: () => string) => T): Promise<void> {
    const { kvs } = await this.#store.get({ keys: [key] });
    const value = change(kvs[0]?.value as T | undefined, () => this.#virtual.ports.random.hex(4));
    await this.#store.txn({ if: [{ key, mod: kvs[0]?.mod ?? 0 }], then: [{ put: key, value }] });
  }

  #editOrders(change: (items: readonly Override[]) => readonly Override[]): Promise<void> {
    return this.#edit<Overrides>(KEYS.override, (doc, nonce) => ({
      version: (doc?.version ?? 0) + 1,
      nonce: nonce(),
      items: change(doc?.items ?? []),
    }));
  }

  /** Places an override as the API would. */
  order(
    id: string,
    kind: Override['kind'],
    scope: OverrideScope,
    ttlMs: number,
    owner: string,
    reason: string,
    { startsInMs, ...more }: OrderExtras = {},
  ): Promise<void> {
    const createdAtMs = this.#wallMs();
    const beginsAtMs = createdAtMs + (startsInMs ?? 0);
    const start = startsInMs === undefined ? {} : { startsAtMs: beginsAtMs };
    const order = { id, kind, scope, reason, owner, createdAtMs, expiresAtMs: beginsAtMs + ttlMs, ...start, ...more };
    return this.#editOrders((items) => [...items.filter((o) => o.id !== id), order]);
  }

  approve(id: string, by: string): Promise<void> {
    const approval = { by, atMs: this.#wallMs() };
    return this.#editOrders((items) => items.map((o) => (o.id === id ? { ...o, approval } : o)));
  }

  revoke(id: string): Promise<void> {
    return this.#editOrders((items) => items.filter((o) => o.id !== id));
  }

  /** What somebody measured of a service. */
  report(service: string, load: number, capacity: Route, ttlMs: number): Promise<void> {
    const atMs = this.#wallMs();
    const reported = { load, capacity, atMs, expiresAtMs: atMs + ttlMs, by: 'alice' };
    return this.#edit<Reports>(KEYS.reported, (current, nonce) => ({
      version: (current?.version ?? 0) + 1,
      nonce: nonce(),
      services: { ...current?.services, [service]: reported },
    }));
  }

  /** As the coordinator's watch does at first, which asks real databases. */
  prove(platform: string, database: string, region: string): Promise<void> {
    const proved = provedIn(region, 'a row was written and read back', this.#virtual.ports.clock.wallMs());
    return this.#edit<Tiers>(KEYS.tiers, (current) => changed(current ?? null, tierName(platform, database), proved, `proved-${region}`));
  }
}

// ---- people ----

export interface PeopleOptions {
  /** The first process of a region, or the one named; undefined: nobody answers there. */
  placeAt: (where: string) => Place | undefined;
  cluster: () => ClusterConfig;
  /** With what every configuration of this world has, which is taken for the cluster's once `applied`. */
  completed: (wanted: ClusterConfig) => ClusterConfig;
  applied: (cluster: ClusterConfig) => void;
  /** As a process of its own beside a place, which knew no other store. */
  storeFrom: (place: Place) => Store;
  zone: (path: string) => Zone;
  acked: (acked: Acked) => void;
  denied: (what: string, because: string) => void;
}

export class People {
  readonly #options: PeopleOptions;

  constructor(options: PeopleOptions) {
    this.#options = options;
  }

  /** Something is tried at a region's API. */
  #try(via: string, what: string, work: (place: Place) => Promise<void>): void {
    const { placeAt, denied } = this.#options;
    const place = placeAt(via);
    if (place === undefined) denied(what, `nothing runs in ${via}`);
    else work(place).catch((error: unknown) => denied(what, error instanceof Fault ? `${error.code}: ${error.message}` : String(error)));
  }

  #orders({ store, process, replica }: Place): Orders {
    return createOverrideWriter({ store, ports: process.ports, clusterNowMs: () => replica.coordinator.nowMs() });
  }

  #act(ifMatch: string | null): Parameters<Orders['deleteOverride']>[1] {
    const principal = { name: 'alice', role: 'operator', services: null, how: 'token' } as const;
    return { principal, cluster: this.#options.cluster(), foresee: () => null, dryRun: false, ifMatch, ifNoneMatch: null };
  }

  order(via: string, input: Ordered, { startsInMs, ...more }: OrderExtras = {}): void {
    this.#try(via, `order ${input.id}`, async (place) => {
      const startsAtMs = startsInMs === undefined ? {} : { startsAtMs: Math.round(place.replica.coordinator.nowMs()) + startsInMs };
      const order = { ...input, ...more, ...startsAtMs } as Parameters<Orders['putOverride']>[0];
      const { override, version } = await this.#orders(place).putOverride(order, this.#act(null));
      this.#options.acked({ id: input.id, override, version });
    });
  }

  revoke(via: string, id: string): void {
    this.#try(via, `revoke ${id}`, async (place) => {
      const { version } = await this.#orders(place).deleteOverride(id, this.#act('*'));
      this.#options.acked({ id, override: null, version });
    });
  }

  /** A second person's word. */
  approve(via: string, id: string): void {
    this.#try(via, `approve ${id}`, async (place) => {
      const act = this.#act('*');
      const { override, version } = await this.#orders(place).approveOverride(id, { ...act, principal: { ...act.principal, name: 'bob' } });
      this.#options.acked({ id, override, version });
    });
  }

  /** `tidegate apply`. */
  apply(via: string, wanted: ClusterConfig): void {
    const { completed, applied } = this.#options;
    const cluster = completed(wanted);
    this.#try(via, 'apply', async ({ store, process }) => {
      const answer = await applyMembers(store, cluster, { ports: process.ports, by: via, reason: 'simulated' });
      if (answer.outcome === 'refused') throw new Error(answer.because.join('; '));
      applied({ ...cluster, version: answer.version });
    });
  }

  /** `tidegate adopt`: what the provider serves becomes the route. */
  adopt(via: string): void {
    const { storeFrom, zone } = this.#options;
    this.#try(via, 'adopt', async (place) => {
      await runAdoption(
        { ports: place.process.ports, store: storeFrom(place), provider: async (name) => zone(name).seenFrom(place) },
        { kind: 'adopt', services: [], owner: 'alice', reason: 'simulated', dryRun: false, holdMs: null, journal: [] },
      );
    });
  }

  #desk(where: string) {
    const place = this.#options.placeAt(where);
    if (place === undefined) throw new Error(`nobody answers in ${where}`);
    const { store, region, replica, process } = place;
    return {
      store,
      ports: process.ports,
      region,
      replica: place.name.slice(region.length + 1),
      cluster: (): ClusterConfig | null => replica.coordinator.lastSight()?.cluster ?? null,
      clusterNowMs: (): number => replica.coordinator.nowMs(),
    };
  }

  /** A human's word about databases, at the API of a region. */
  settler(where: string): Settler {
    return createSettler({ ...this.#desk(where), ageMs: () => null });
  }

  /** A human's act on runs, at the API of a region. */
  runs(where: string): RunWriter {
    return createRunWriter({ ...this.#desk(where), planOf });
  }
}
