// The systems around, on virtual time: a fake, behind the contract of steps' kinds. Deployments that take their time to start, namespaces that take theirs to
// move, doors that work while somebody is behind them, users' own systems that are drained or caught up after a while. A region that is lost takes its
// clusters along: they answer nothing. Counts each effect by its key, so that a test can hold executors to one.
import type { Ports } from '../../src/ports.ts';
import type { Call, Effect, Reading, StepKind } from '../../src/runbook/kind.ts';
import type { StepKindName, StepSpecs } from '../../src/runbook/model.ts';
import type { PlatformConfig } from '../../src/runbook/platform.ts';
import { TIER_KINDS, type TierKind, TiersAround } from './tiers.ts';

/** These are the program's own. */
const REAL = ['route.shift', 'route.wait', 'approval', 'sleep'] as const;
type FakeKind = Exclude<StepKindName, (typeof REAL)[number]>;

export const isFaked = (kind: StepKindName): kind is FakeKind => !(REAL as readonly StepKindName[]).includes(kind);

type OwnKind = Exclude<FakeKind, TierKind>;
const isOfTiers = (kind: FakeKind): kind is TierKind => (TIER_KINDS as readonly FakeKind[]).includes(kind);

export interface LandscapeOptions {
  ports: Pick<Ports, 'timers' | 'clock'>;
  /** Region that each system stands in; one that is not here is in none, like a vendor's API. */
  regionOf: Readonly<Record<string, string>>;
  /** A namespace from asked to moved. */
  moveMs: number;
  /** A call to a system that is lost ends after so long; one that is well at once. */
  silenceMs: number;
}

interface Deployment {
  region: string;
  wanted: number;
  ready: number;
}

const reached = (because: string): Reading => ({ is: 'reached', because });
const pending = (because: string): Reading => ({ is: 'pending', because });

export class Landscape {
  readonly #options: LandscapeOptions;
  /** By region, since when. */
  readonly #lost = new Map<string, number>();
  /** Systems that answer nothing although their region is well. */
  readonly #dead = new Set<string>();
  readonly #standing = new Map<string, string>();
  readonly tiers: TiersAround;
  readonly #deployments = new Map<string, Deployment>();
  /** Where each namespace is active, in Temporal's words. */
  readonly #active = new Map<string, string>();
  /** Region of the cluster for a place of Temporal. */
  readonly #regions = new Map<string, string>();
  /** What each gate's query answers; absent: 0. */
  readonly values = new Map<string, number>();
  /** Provider of language models that a health document names, by its system. */
  readonly models = new Map<string, string>();
  /** How often each effect was asked for: `kind key`. */
  readonly asked = new Map<string, number>();
  /** How often each effect took place: `kind what`. */
  readonly took: string[] = [];
  /** Webhooks that were told, in order: `external when`. */
  readonly told: string[] = [];
  /** Members of vendors' databases that were made the writer. */
  readonly #kept = new Set<string>();
  readonly #startMs = new Map<string, number>();
  readonly #done = new Set<string>();

  constructor(options: LandscapeOptions) {
    this.#options = options;
    this.tiers = new TiersAround({
      ports: options.ports,
      reach: (system) => this.#reach(system),
      lostSinceMs: (region) => this.#lost.get(region) ?? null,
      once: (kind, key, what) => this.#once(kind, key, what),
      lagS: (database) => this.values.get(`${database}.lag`) ?? 0,
    });
  }

  /** The system stands in this region. */
  stands(system: string, region: string): void {
    this.#standing.set(system, region);
  }

  /** A region's health document, whose one interesting section is the chain of language models. */
  async document(system: string): Promise<unknown> {
    await this.#reach(system);
    return { status: 'pass', llm: { active: this.models.get(system) } };
  }

  /** It answers nothing any more, or again. */
  kill(system: string, isDead: boolean): void {
    if (isDead) this.#dead.add(system);
    else this.#dead.delete(system);
  }

  #regionOf(system: string): string | undefined {
    return this.#standing.get(system) ?? this.#options.regionOf[system];
  }

  deploy(system: string, namespace: string, deployment: string, replicas: number): void {
    const region = this.#regionOf(system) ?? '';
    this.#deployments.set(`${system}/${namespace}/${deployment}`, { region, wanted: replicas, ready: replicas });
  }

  /** From scaled to ready. */
  starts(deployment: string, startMs: number): void {
    this.#startMs.set(deployment, startMs);
  }

  namespace(name: string, place: string): void {
    this.#active.set(name, place);
  }

  place(name: string, region: string): void {
    this.#regions.set(name, region);
  }

  lose(region: string): void {
    this.#lost.set(region, this.#options.ports.clock.monoMs());
    for (const each of this.#deployments.values()) if (each.region === region) each.ready = 0;
  }

  heal(region: string): void {
    this.#lost.delete(region);
    for (const each of this.#deployments.values()) if (each.region === region) each.ready = each.wanted;
    this.tiers.look();
  }

  activeOf(namespace: string): string | undefined {
    return this.#active.get(namespace);
  }

  /** By platform, the region in which all its namespaces are active. */
  followed(platforms: readonly PlatformConfig[]): ReadonlyMap<string, string> {
    return new Map(
      platforms.flatMap(({ name, namespaces }) => {
        const regions = new Set(namespaces.flatMap((each) => each.namespaces.map((one) => this.#regions.get(this.#active.get(one) ?? ''))));
        const [region] = regions;
        return regions.size === 1 && region !== undefined ? [[name, region] as const] : [];
      }),
    );
  }

  /** By nobody's run. */
  moved(namespace: string, region: string): void {
    const place = [...this.#regions].find(([, each]) => each === region)?.[0];
    if (place === undefined) throw new Error(`Temporal has no place in ${region}`);
    this.#active.set(namespace, place);
  }

  readyOf(system: string, namespace: string, deployment: string): number {
    return this.#deployments.get(`${system}/${namespace}/${deployment}`)?.ready ?? 0;
  }

  /** Whether anything of these runs in the region. */
  runsIn(region: string): boolean {
    return [...this.#deployments.values()].some((each) => each.region === region && each.ready > 0);
  }

  readonly kindOf = async <K extends FakeKind>(kind: K): Promise<StepKind<K>> =>
    (isOfTiers(kind) ? this.tiers.kinds[kind] : this.#kinds[kind as OwnKind]) as unknown as StepKind<K>;

  async #reach(system: string): Promise<void> {
    const region = this.#regionOf(system);
    const isLost = this.#dead.has(system) || (region !== undefined && this.#lost.has(region));
    await new Promise<void>((resolve) => this.#options.ports.timers.after(isLost ? this.#options.silenceMs : 1, resolve));
    if (isLost) throw new Error(`${system} does not answer`);
  }

  #once(kind: string, key: string, what: string): boolean {
    const name = `${kind} ${key}`;
    this.asked.set(name, (this.asked.get(name) ?? 0) + 1);
    if (this.#done.has(name)) return false;
    this.#done.add(name);
    this.took.push(`${kind} ${what}`);
    return true;
  }

  #deployment(spec: { system: string; namespace: string; deployment: string }): Deployment {
    const found = this.#deployments.get(`${spec.system}/${spec.namespace}/${spec.deployment}`);
    if (found === undefined) throw new Error(`no Deployment ${spec.namespace}/${spec.deployment}`);
    return found;
  }

  #scale(spec: StepSpecs['k8s.scale'], call: Call): Effect {
    const found = this.#deployment(spec);
    const before = found.wanted;
    found.wanted = spec.replicas;
    this.#once('k8s.scale', call.key, `${spec.system}/${spec.deployment} ${before} -> ${spec.replicas}`);
    if (spec.replicas <= found.ready) found.ready = spec.replicas;
    else
      this.#options.ports.timers.after(this.#startMs.get(spec.deployment) ?? 0, () => {
        if (!this.#lost.has(found.region)) found.ready = found.wanted;
      });
    return { took: 'accepted', because: `${before} -> ${spec.replicas}` };
  }

  #move(spec: StepSpecs['temporal.failover'], call: Call): Effect {
    for (const namespace of spec.namespaces) {
      if (this.#active.get(namespace) === spec.to || !this.#once('temporal', `${call.key} ${namespace}`, `${namespace} -> ${spec.to}`))
        continue;
      this.#options.ports.timers.after(this.#options.moveMs, () => this.#active.set(namespace, spec.to));
    }
    return { took: 'accepted', because: `asked for ${spec.namespaces.length}` };
  }

  async #whereabouts(spec: StepSpecs['temporal.failover']): Promise<Reading> {
    await this.#reach(spec.system);
    const left = spec.namespaces.filter((name) => this.#active.get(name) !== spec.to);
    return left.length === 0 ? reached(`all are active in ${spec.to}`) : pending(`${left.length} are not in ${spec.to}`);
  }

  async #door(spec: { system: string }): Promise<Reading> {
    await this.#reach(spec.system);
    return this.runsIn(this.#regionOf(spec.system) ?? '') ? reached('it works') : pending('nobody is behind it');
  }

  readonly #kinds: { readonly [K in OwnKind]: StepKind<K> } = {
    // A vendor keeps its regions' databases together, and answers wherever it is asked from.
    'managed.failover': {
      kind: 'managed.failover',
      signal: 'target',
      read: async ({ to }) => (this.#kept.has(to) ? reached(`${to} writes`) : pending(`${to} follows`)),
      apply: async ({ to }, { key }) => {
        if (this.#once('managed.failover', key, to)) this.#options.ports.timers.after(this.#options.moveMs, () => this.#kept.add(to));
        return { took: 'accepted', because: `asked for ${to}` };
      },
    },
    'k8s.scale': {
      kind: 'k8s.scale',
      signal: 'target',
      read: async (spec) => {
        await this.#reach(spec.system);
        const { wanted } = this.#deployment(spec);
        return wanted === spec.replicas || (spec.atLeast && wanted > spec.replicas)
          ? reached(`${wanted} are wanted`)
          : pending(`${wanted} are wanted`);
      },
      apply: async (spec, call) => {
        await this.#reach(spec.system);
        return this.#scale(spec, call);
      },
    },
    'k8s.wait': {
      kind: 'k8s.wait',
      signal: 'gate',
      read: async (spec) => {
        await this.#reach(spec.system);
        const { ready } = this.#deployment(spec);
        return ready >= spec.ready ? reached(`${ready} are ready`) : pending(`${ready} of ${spec.ready} are ready`);
      },
    },
    'http.check': { kind: 'http.check', signal: 'gate', read: (spec) => this.#door(spec) },
    'grpc.check': { kind: 'grpc.check', signal: 'gate', read: (spec) => this.#door(spec) },
    'codec.canary': { kind: 'codec.canary', signal: 'gate', read: (spec) => this.#door(spec) },
    'temporal.failover': {
      kind: 'temporal.failover',
      signal: 'target',
      read: (spec) => this.#whereabouts(spec),
      apply: async (spec, call) => {
        await this.#reach(spec.system);
        return this.#move(spec, call);
      },
    },
    'temporal.handover': {
      kind: 'temporal.handover',
      signal: 'target',
      read: (spec) => this.#whereabouts(spec),
      apply: async (spec, call) => {
        await this.#reach(spec.system);
        return this.#move(spec, call);
      },
    },
    'temporal.canary': { kind: 'temporal.canary', signal: 'gate', read: (spec) => this.#door(spec) },
    'temporal.wait': {
      kind: 'temporal.wait',
      signal: 'gate',
      read: async (spec, { run }) => {
        await this.#reach(spec.system);
        const there = spec.namespaces.every((name) => this.#regions.get(this.#active.get(name) ?? '') === run.to);
        return there && this.runsIn(run.to) ? reached('tasks are dispatched') : pending('no tasks are dispatched');
      },
    },
    'gate.promql': {
      kind: 'gate.promql',
      signal: 'gate',
      read: async (spec) => {
        await this.#reach(spec.system);
        const value = this.values.get(spec.query) ?? 0;
        if (Number.isNaN(value)) return { is: 'unknown', because: 'nothing was measured' };
        const fits = value <= (spec.max ?? Number.POSITIVE_INFINITY) && value >= (spec.min ?? Number.NEGATIVE_INFINITY);
        return fits ? reached(`${value}`) : { is: 'never', because: `${value} is out of bounds` };
      },
    },
    'webhook.call': {
      kind: 'webhook.call',
      signal: 'target',
      read: async (spec, { key }) => {
        await this.#reach(spec.system);
        return this.#done.has(`webhook.call ${key}`) ? reached('it said that it is done') : pending('it was not told');
      },
      apply: async (spec, { key }) => {
        await this.#reach(spec.system);
        if (this.#once('webhook.call', key, `${spec.external} ${spec.when}`)) this.told.push(`${spec.external} ${spec.when}`);
        return { took: 'accepted', because: 'told' };
      },
    },
  };
}
