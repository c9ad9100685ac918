// Random histories for decide(): clusters, what their vantages see and say, what humans order, and the player that feeds each result back.
import fc from 'fast-check';
import { GRAY } from '../../src/config/defaults.ts';
import type { decide } from '../../src/decide/decide.ts';
import type { Heard } from '../../src/health/chamber.ts';
import { tally } from '../../src/health/quorum.ts';
import type { ClusterConfig, Mode, Policy, PoolTally, Route, Routing, ServiceConfig } from '../../src/model.ts';
import type { Says } from '../health/votes.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import { Council, type Scene } from './council.ts';

export const REGIONS = ['a', 'b', 'c', 'd', 'e', 'f'];
export const PACING_MS = 20_000;
export const WAIT_MAX_MS = 8000;

/** The defaults, shortened alike, so that a history of minutes holds many drains, returns and latches. */
const policy: Partial<Policy> = {
  intervalMs: 1000,
  recoveryHoldMs: 15_000,
  rampStepMs: 5000,
  pacingMs: PACING_MS,
  receiverWaitMs: 2000,
  unreadyPageMs: 30_000,
  flapWindowMs: 600_000,
  safety: { 'last-pool': {}, 'blast-radius': { regions: 1, windowMs: PACING_MS } },
};

interface Shape {
  pools: number;
  weights: readonly number[];
  steering: 'weighted' | 'priority';
  mode: Mode;
  allDown: 'hold' | 'configured';
  targets: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  pools: fc.integer({ min: 1, max: 6 }),
  weights: fc.array(fc.constantFrom(0, 1, 1, 2, 100), { minLength: 6, maxLength: 6 }),
  steering: fc.constantFrom('weighted', 'priority'),
  mode: fc.constantFrom<Mode>('auto', 'auto', 'auto', 'advise', 'observe'),
  allDown: fc.constantFrom('hold', 'configured'),
  targets: fc.constantFrom(1, 1, 3),
});

const serviceFrom = (name: string, s: Shape): ServiceConfig =>
  serviceOf(REGIONS, {
    name,
    mode: s.mode,
    steering: { kind: s.steering },
    allDown: s.allDown,
    pools: REGIONS.slice(0, s.pools).map((r, i) =>
      poolOf(r, s.weights.slice(0, s.pools).every((w) => w === 0) ? 1 : (s.weights[i] ?? 1), i, s.targets),
    ),
  });

export const clusters: fc.Arbitrary<ClusterConfig> = fc
  .record({
    voters: fc.integer({ min: 3, max: 6 }),
    services: fc.array(shapes, { minLength: 1, maxLength: 3 }),
    cut: fc.constantFrom(0, 0, 500, 900),
  })
  .map(({ voters, services, cut }) => {
    const base = clusterOf(REGIONS, [], { ...policy, gray: { ...GRAY, cut } });
    return {
      ...base,
      regions: base.regions.map((r, i) => ({ ...r, vote: i < voters })),
      services: services.map((s, i) => serviceFrom(`s${i}`, s)),
    };
  });

type Health = 'ok' | 'dead' | 'unready' | 'suspect' | 'gray' | 'doubted' | 'unknown';

type Event =
  | { kind: 'health'; pool: string; health: Health; by: readonly string[] }
  | { kind: 'voice'; region: string; voice: 'speaks' | 'silent' | 'abstains' }
  | { kind: 'order'; order: 'drain' | 'freeze' | 'stop' | 'force-in' | 'evacuate'; pool: string | null; ttlMs: number }
  | { kind: 'pin'; service: string; weights: Route; ttlMs: number }
  | { kind: 'revoke'; n: number }
  | { kind: 'provider'; frozen: readonly string[] }
  | { kind: 'apply'; weight: number; pool: string };

export interface Moment {
  waitMs: number;
  events: readonly Event[];
}

const someRegions = fc.oneof(
  { weight: 3, arbitrary: fc.constant<readonly string[]>(REGIONS) },
  { weight: 2, arbitrary: fc.subarray(REGIONS, { minLength: 1 }) },
);

export const health: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant('health' as const),
  pool: fc.constantFrom(...REGIONS),
  health: fc.constantFrom<Health>('ok', 'ok', 'ok', 'dead', 'dead', 'unready', 'suspect', 'gray', 'doubted', 'unknown'),
  by: someRegions,
});

const voice: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant('voice' as const),
  region: fc.constantFrom(...REGIONS),
  voice: fc.constantFrom('speaks', 'speaks', 'speaks', 'silent', 'abstains'),
});

const orders: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant('order' as const),
    order: fc.constantFrom('drain', 'drain', 'freeze', 'stop', 'force-in', 'evacuate'),
    pool: fc.option(fc.constantFrom(...REGIONS)),
    ttlMs: fc.integer({ min: 1000, max: 60_000 }),
  }),
  fc.record({
    kind: fc.constant('pin' as const),
    service: fc.constantFrom('s0', 's1', 's2'),
    weights: fc.dictionary(fc.constantFrom(...REGIONS), fc.constantFrom(0, 1, 300, 1000), { minKeys: 1, maxKeys: 4 }),
    ttlMs: fc.integer({ min: 1000, max: 60_000 }),
  }),
  fc.record({ kind: fc.constant('revoke' as const), n: fc.nat(9) }),
);

const provider: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant('provider' as const),
  frozen: fc.oneof(fc.constant<string[]>([]), fc.subarray(['s0', 's1', 's2'])),
});

const applies: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant('apply' as const),
  weight: fc.constantFrom(0, 1, 5),
  pool: fc.constantFrom(...REGIONS),
});

export const momentsOf = (event: fc.Arbitrary<Event>): fc.Arbitrary<readonly Moment[]> =>
  fc.array(
    fc.record({ waitMs: fc.oneof(fc.constant(500), fc.integer({ min: 0, max: WAIT_MAX_MS })), events: fc.array(event, { maxLength: 3 }) }),
    { minLength: 50, maxLength: 200 },
  );

export const quiet = momentsOf(fc.oneof({ weight: 6, arbitrary: health }, { weight: 2, arbitrary: voice }));
export const busy = momentsOf(
  fc.oneof(
    { weight: 10, arbitrary: health },
    { weight: 4, arbitrary: voice },
    { weight: 2, arbitrary: orders },
    { weight: 1, arbitrary: applies },
  ),
);

/** Everything at once, with providers that get ahead of the store and are adopted again. */
export const frozen = momentsOf(
  fc.oneof(
    { weight: 10, arbitrary: health },
    { weight: 3, arbitrary: voice },
    { weight: 2, arbitrary: orders },
    { weight: 3, arbitrary: provider },
    { weight: 1, arbitrary: applies },
  ),
);

/** The world as events have left it, and how every vantage votes on it. */
export class Stage {
  readonly council: Council;
  readonly #health = new Map<string, { health: Health; by: readonly string[] }>();
  readonly #voices = new Map<string, 'speaks' | 'silent' | 'abstains'>();
  #orders = 0;
  /** A human has had a hand in the present step. */
  touched = false;

  constructor(cluster: ClusterConfig) {
    this.council = new Council(cluster);
  }

  apply(event: Event): void {
    const { council } = this;
    switch (event.kind) {
      case 'health':
        this.#health.set(event.pool, { health: event.health, by: event.by });
        return;
      case 'voice':
        this.#voices.set(event.region, event.voice);
        return;
      case 'order':
        this.touched = true;
        council.order(
          `o${this.#orders++ % 10}`,
          event.order,
          event.order === 'evacuate' ? { region: event.pool ?? 'a' } : event.pool === null ? {} : { pool: event.pool },
          event.ttlMs,
        );
        return;
      case 'pin':
        this.touched = true;
        council.order(`o${this.#orders++ % 10}`, 'pin', { service: event.service }, event.ttlMs, { weights: event.weights });
        return;
      case 'revoke':
        this.touched = true;
        council.revoke(`o${event.n}`);
        return;
      case 'provider':
        council.frozen = event.frozen;
        return;
      case 'apply':
        this.touched = true;
        council.cluster = reshaped(council.cluster, event);
    }
  }

  heard(): readonly Heard[] {
    const lists = (region: string): Says => {
      const of = (...healths: readonly Health[]): string[] =>
        this.council.cluster.services.flatMap((s) =>
          s.pools
            .filter((p) => {
              const h = this.#health.get(p.name);
              return h?.by.includes(region) && healths.includes(h.health);
            })
            .flatMap((p) => p.targets.map((t) => `${s.name}/${p.name}/${t.name}`)),
        );
      const doubts = of('doubted').flatMap((t) => [`${t}#healthz`, `${t}#readyz`]);
      return {
        down: of('dead', 'suspect'),
        unready: of('dead', 'unready'),
        unknown: of('unknown'),
        gray: of('gray').map((t) => `${t}#readyz`),
        suspects: Object.fromEntries(
          doubts.map((k) => [k, { firstFaultAgeMs: 900, lastOkAgeMs: 1900, faults: 1, reason: 'timeout' as const }]),
        ),
        self: this.#voices.get(region) === 'abstains' ? { state: 'abstain', because: 'uplink' } : { state: 'ok' },
      };
    };
    const scene: Scene = {
      silent: REGIONS.filter((r) => this.#voices.get(r) === 'silent'),
      says: Object.fromEntries(REGIONS.map((r) => [r, lists(r)])),
    };
    return this.council.heard(scene);
  }
}

/** The same cluster with one pool of every service weighed anew; weight 5 takes it out or puts it back in. */
const reshaped = (cluster: ClusterConfig, event: Event & { kind: 'apply' }): ClusterConfig => ({
  ...cluster,
  version: cluster.version + 1,
  services: cluster.services.map((s) => {
    const has = s.pools.some((p) => p.name === event.pool);
    if (event.weight === 5 && has && s.pools.length > 1) return { ...s, pools: s.pools.filter((p) => p.name !== event.pool) };
    if (event.weight === 5 && !has) return { ...s, pools: [...s.pools, poolOf(event.pool, 1, REGIONS.indexOf(event.pool))] };
    return { ...s, pools: s.pools.map((p) => (p.name === event.pool ? { ...p, weight: event.weight } : p)) };
  }),
});

export interface Step {
  stage: Stage;
  heard: readonly Heard[];
  tallies: readonly PoolTally[];
  before: Routing | null;
  after: Routing;
  decided: boolean;
  decision: ReturnType<typeof decide>;
}

/** Plays a history and hands every step to `check`. */
export const play = (cluster: ClusterConfig, moments: readonly Moment[], check: (step: Step) => void): Council => {
  const stage = new Stage(cluster);
  const { council } = stage;
  for (const moment of moments) {
    stage.touched = false;
    for (const event of moment.events) stage.apply(event);
    council.nowMs += moment.waitMs;
    if (council.overrides?.items.some((o) => o.expiresAtMs <= council.nowMs)) stage.touched = true;
    const heard = stage.heard();
    const before = council.routing;
    const decision = council.decide(heard);
    if (council.routing === null) throw new Error('the first decision makes a record');
    const tallies = tally(council.cluster, heard, council.nowMs, true);
    check({ stage, heard, tallies, before, after: council.routing, decided: decision.next !== undefined, decision });
  }
  return council;
};
