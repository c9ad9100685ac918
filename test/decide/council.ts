// decide() driven step by step: votes made by hand, each result fed back as the next routing record, every snapshot frozen so that nothing may be changed in it.
import { decide } from '../../src/decide/decide.ts';
import type { Decision, Snapshot } from '../../src/decide/snapshot.ts';
import type { Heard } from '../../src/health/chamber.ts';
import type {
  Audit,
  ClusterConfig,
  Incident,
  Override,
  OverrideScope,
  Overrides,
  Page,
  PoolMemory,
  Route,
  Routing,
} from '../../src/model.ts';
import { endpointKey, targetId } from '../../src/model.ts';
import type { Tiers } from '../../src/runbook/facts.ts';
import { heardFrom, type Says, suspicion } from '../health/votes.ts';

export const START = 1_800_000_000_000;

export const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};

/** What the vantages see. Names of pools stand for all their targets, in every service. */
export interface Scene {
  /** Both endpoints fail. */
  dead?: readonly string[];
  /** /readyz alone fails. */
  unready?: readonly string[];
  /** /healthz alone fails. */
  suspect?: readonly string[];
  /** In a streak that is not long enough yet. */
  doubted?: readonly string[];
  unknown?: readonly string[];
  /** /readyz fails now and then. */
  gray?: readonly string[];
  /** The regions that see this; all by default. The others see everything well. */
  by?: readonly string[];
  silent?: readonly string[];
  /** Beside the above: whole votes of single regions. */
  says?: Readonly<Record<string, Says>>;
  /** Only the first so many targets of each pool, not all. */
  targets?: number;
}

export class Council {
  cluster: ClusterConfig;
  nowMs = START;
  routing: Routing | null = null;
  overrides: Overrides | null = null;
  /** Services whose provider is at odds with the store. */
  frozen: readonly string[] = [];
  tiers: Tiers | null = null;
  readonly incidents = new Map<string, Incident>();
  readonly audits: Audit[] = [];
  readonly pages: Page[] = [];
  epoch = 1;
  #n = 0;

  constructor(cluster: ClusterConfig) {
    this.cluster = cluster;
  }

  heard(scene: Scene): readonly Heard[] {
    const of = (pools: readonly string[] | undefined): readonly string[] =>
      this.cluster.services.flatMap((s) =>
        s.pools
          .filter((p) => pools?.includes(p.name))
          .flatMap((p) => p.targets.slice(0, scene.targets ?? p.targets.length).map((t) => targetId(s.name, p.name, t.name))),
      );
    return this.cluster.regions
      .filter((r) => !scene.silent?.includes(r.name))
      .map((r) => {
        if (scene.says?.[r.name] !== undefined) return heardFrom(this.cluster, r.name, scene.says[r.name]);
        if (scene.by !== undefined && !scene.by.includes(r.name)) return heardFrom(this.cluster, r.name);
        return heardFrom(this.cluster, r.name, {
          down: [...of(scene.dead), ...of(scene.suspect)],
          unready: [...of(scene.dead), ...of(scene.unready)],
          unknown: of(scene.unknown),
          gray: of(scene.gray).map((t) => endpointKey(t, 'readyz')),
          suspects: Object.fromEntries(
            of(scene.doubted).flatMap((t) => [
              [endpointKey(t, 'healthz'), suspicion({ faults: 1 })],
              [endpointKey(t, 'readyz'), suspicion({ faults: 1 })],
            ]),
          ),
        });
      });
  }

  snapshot(heard: readonly Heard[]): Snapshot {
    return deepFreeze({
      cluster: this.cluster,
      routing: this.routing,
      overrides: this.overrides,
      heard,
      frozen: this.frozen,
      tiers: this.tiers,
      incidents: [...this.incidents.values()].filter((i) => i.closedAtMs === null),
      epoch: this.epoch,
      by: 'a/a',
      nonce: `n${this.#n}`,
    });
  }

  /** Decides on what is heard, and commits. */
  decide(heard: readonly Heard[]): Decision {
    const decision = decide(this.snapshot(heard), this.nowMs);
    const { next } = decision;
    if (next === undefined) return decision;
    this.#n++;
    this.routing = next.routing;
    if (next.overrides !== undefined) this.overrides = next.overrides;
    for (const incident of next.incidents) this.incidents.set(incident.id, incident);
    this.audits.push(next.audit);
    this.pages.push(...next.pages);
    return decision;
  }

  /** One step: `waitMs` pass, then the vantages see `scene`. */
  see(scene: Scene, waitMs = 0): Decision {
    this.nowMs += waitMs;
    return this.decide(this.heard(scene));
  }

  /** The same sight twice a second, for `ms`. */
  watch(scene: Scene, ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) this.see(scene, Math.min(500, endMs - this.nowMs));
  }

  route(service = 'web'): Route {
    return this.routing?.services[service]?.route ?? {};
  }

  memory(pool: string, service = 'web'): PoolMemory {
    const memory = this.routing?.services[service]?.pools[pool];
    if (memory === undefined) throw new Error(`${service} has no pool ${pool}`);
    return memory;
  }

  hold(pool: string, service = 'web'): string | null {
    return this.memory(pool, service).hold;
  }

  order(id: string, kind: Override['kind'], scope: OverrideScope, ttlMs = 3_600_000, more: Partial<Override> = {}): void {
    const items = (this.overrides?.items ?? []).filter((o) => o.id !== id);
    const order: Override = {
      id,
      kind,
      scope,
      reason: 'works',
      owner: 'alice',
      createdAtMs: this.nowMs,
      expiresAtMs: this.nowMs + ttlMs,
      ...more,
    };
    this.overrides = { version: (this.overrides?.version ?? 0) + 1, nonce: id, items: [...items, order] };
  }

  revoke(id: string): void {
    const items = (this.overrides?.items ?? []).filter((o) => o.id !== id);
    this.overrides = { version: (this.overrides?.version ?? 0) + 1, nonce: id, items };
  }

  /** Pages since the last call, by type. */
  told(): readonly string[] {
    return this.pages.splice(0).map((p) => p.type);
  }
}

/** A council whose services have started: everything up, everything in. */
export const seated = (cluster: ClusterConfig): Council => {
  const council = new Council(cluster);
  council.see({});
  council.see({}, 500);
  council.pages.length = 0;
  return council;
};
