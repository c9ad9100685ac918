// Plays a plan under the eyes of all checkers: first everything goes wrong and nothing bad may happen (safety), then everything is mended and what is good
// must happen in time (liveness). One plan plays the same way every time, bit by bit.
import { createHash } from 'node:crypto';
import { KEYS } from '../../src/coordinate/keys.ts';
import { type ClusterConfig, type Overrides, type PoolMemory, pathsOf, type Routing, type ServiceConfig } from '../../src/model.ts';
import { Player } from '../scenario.ts';
import type { World, WorldEvents } from '../world.ts';
import { type Checker, decidedIn, type Kept, type Scene, type Watch } from './checker.ts';
import { CHECKERS } from './checkers.ts';
import { linesOf, type Plan } from './plan.ts';

export interface Violation {
  invariant: string;
  atMs: number;
  because: string;
}

export interface Played {
  violations: readonly Violation[];
  /** Hash of everything that was committed and served: equal for equal runs. */
  digest: string;
  simulatedMs: number;
  regionHours: number;
  faults: number;
  decisions: number;
  takeovers: number;
  commits: number;
  /** Of the world, that have run. */
  timers: number;
  /** From the last death to the decision that drains it, ms; null: there was none. */
  detectionMs: number | null;
  /** The lines that made it happen and, if wished, everything that happened, as a story tells it. */
  told: readonly string[];
}

/** Violations kept of one plan: what follows the first is mostly its consequence. */
const KEPT_MAX = 20;
/** After everything was mended, until what must happen has happened: fresh votes, an election, retries of the provider and of pages. */
const RECOVER_MS = 90_000;
/** Of the goal to converge, what caches and the next looks take: the rest is the provider's and ours. */
const CACHES_MS = 15_000;
/** For the last pages to leave. */
const PAGES_MS = 20_000;
const STEP_MS = 250;

/** All checkers on one world: hand its `events` to the player, read its `violations`. */
export class Watching {
  readonly violations: Violation[] = [];
  readonly records = new Map<string, Kept>();
  readonly watches: readonly Watch[];
  /** What the digest is of. */
  readonly #notes: string[] = [];
  #backup: ReadonlyMap<string, Kept> = new Map();
  readonly #world: () => World;
  readonly counts = { decisions: 0, takeovers: 0, commits: 0 };

  constructor(world: () => World, checkers: readonly Checker[]) {
    this.#world = world;
    const { records } = this;
    const scene: Scene = {
      get world() {
        return world();
      },
      nowMs: () => world().now(),
      records,
      cluster: () => records.get(KEYS.members)?.value as ClusterConfig,
    };
    this.watches = checkers.map(({ name, watch }) => watch(scene, (because) => this.blame(name, because)));
  }

  blame(invariant: string, because: string): void {
    if (this.violations.length < KEPT_MAX) this.violations.push({ invariant, atMs: this.#world().now(), because });
  }

  digest(): string {
    return createHash('sha256').update(this.#notes.join('')).digest('hex').slice(0, 16);
  }

  #note(what: string): void {
    this.#notes.push(`${this.#world().now()} ${what}\n`);
  }

  events(): Partial<WorldEvents> {
    const each = (tell: (watch: Watch) => void): void => this.watches.forEach(tell);
    const ofCommits = this.watches.filter((w) => w.commit !== undefined);
    return {
      commit: (commit, author) => {
        const atMs = this.#world().now();
        this.counts.commits++;
        this.#note(`${commit.rev} ${author?.place} ${author?.sentAtMs} ${commit.txn.then.length}`);
        for (const op of commit.txn.then) {
          const key = 'put' in op ? op.put : op.del;
          const now = commit.after(key);
          if (now === undefined) this.records.delete(key);
          else this.records.set(key, { value: now.value, mod: now.mod, atMs });
        }
        for (const w of ofCommits) w.commit?.(commit, author);
        const decided = decidedIn(commit, author);
        if (decided === null) return;
        this.counts.decisions++;
        this.#note(`decided ${decided.after.v} ${decided.after.auditHash}`);
        each((w) => w.decided?.(decided));
      },
      serving: (service, before, after, how) => {
        this.#note(`serving ${service} ${after?.fence.v} ${JSON.stringify(after?.shares)}`);
        each((w) => w.serving?.(service, before, after, how));
      },
      writing: (writing) => each((w) => w.writing?.(writing)),
      acked: (acked) => each((w) => w.acked?.(acked)),
      torn: (because) => each((w) => w.torn?.(because)),
      delivered: (_sink, page) => each((w) => w.delivered?.(page.id)),
      role: () => this.counts.takeovers++,
      rewound: () => {
        this.records.clear();
        for (const [key, kept] of this.#backup) this.records.set(key, kept);
        each((w) => w.rewound?.());
      },
    };
  }

  /** The store is kept as it is now, with the true age of everything in it. */
  backedUp(): void {
    this.#backup = new Map(this.records);
  }

  revoking(id: string): void {
    for (const w of this.watches) w.revoking?.(id);
  }

  end(): void {
    for (const w of this.watches) w.end?.();
  }
}

export interface PlayOptions {
  checkers?: readonly Checker[];
  /** What follows the first violation is of no interest. */
  untilFirst?: boolean;
  /** What happens is told; absent: only what was ordered is. */
  tells?: boolean;
}

export const play = async (plan: Plan, { checkers = CHECKERS, untilFirst = false, tells = false }: PlayOptions = {}): Promise<Played> => {
  let watching: Watching | null = null;
  const observe = (world: () => World): Partial<WorldEvents> => {
    watching = new Watching(world, checkers);
    return watching.events();
  };
  const player = new Player(observe, { frozen: false, mute: !tells });
  const told: string[] = [];
  const eyes = (): Watching => watching as unknown as Watching;
  const say = async (line: string): Promise<void> => {
    told.push(...player.told(), `> ${line}`);
    if (line === 'backup') eyes().backedUp();
    if (line.startsWith('revoke ')) eyes().revoking(line.split(' ')[1] ?? '');
    await player.command(line);
  };
  try {
    const isOver = (): boolean => untilFirst && eyes().violations.length > 0;
    for (const line of linesOf(plan)) if (watching === null || !isOver()) await say(line);
    const detectionMs = isOver() ? null : await recover(plan, player.world, eyes(), say);
    told.push(...player.told());
    for (const key of player.world.store.changed()) eyes().blame('untouched', `${key} is not what was written: a reader has changed it`);
    const { violations, counts } = eyes();
    const simulatedMs = player.world.now();
    return {
      violations,
      digest: eyes().digest(),
      simulatedMs,
      regionHours: (simulatedMs * plan.site.regions.length) / 3_600_000,
      faults: plan.items.length,
      ...counts,
      timers: player.world.virtual.timersRun(),
      detectionMs,
      told,
    };
  } finally {
    await player.close();
  }
};

// ---- liveness ----

const recover = async (plan: Plan, world: World, eyes: Watching, say: (line: string) => Promise<void>): Promise<number | null> => {
  const live = (because: string): void => eyes.blame('live', because);
  await say(`run ${RECOVER_MS}ms`);
  await judgeAgreement(world, eyes, live);
  const detectionMs = plan.lastDeath === null ? null : await judgeDeath(plan.lastDeath, world, eyes, say, live);
  if (plan.lastDeath !== null) await judgeAgreement(world, eyes, live);
  await say(`run ${PAGES_MS}ms`);
  eyes.end();
  return detectionMs;
};

const routingOf = (eyes: Watching): Routing | null => (eyes.records.get(KEYS.routing)?.value as Routing | undefined) ?? null;
const clusterOf = (eyes: Watching): ClusterConfig => eyes.records.get(KEYS.members)?.value as ClusterConfig;

/** Time passes until it is so, or for as long as it may take. */
const within = async (world: World, limitMs: number, isSo: () => boolean): Promise<boolean> => {
  const endMs = world.now() + limitMs;
  while (!isSo() && world.now() < endMs) await world.run(STEP_MS);
  return isSo();
};

/** How what is served differs from what was decided. */
const differences = (world: World, eyes: Watching): readonly string[] => {
  const routing = routingOf(eyes);
  if (routing === null) return ['nothing was decided'];
  return clusterOf(eyes).services.flatMap((service) => {
    const decided = routing.services[service.name];
    if (decided === undefined || decided.mode !== 'auto') return [];
    return pathsOf(service).flatMap((path) => {
      const served = world.zones.get(path)?.services.get(service.name);
      if (served === undefined) return [`${service.name} is not served by ${path}`];
      return service.pools.every((p) => (served.shares[p.name] ?? 0) === (decided.route[p.name] ?? 0))
        ? []
        : [`${service.name} is served by ${path} as ${JSON.stringify(served.shares)}, decided is ${JSON.stringify(decided.route)}`];
    });
  });
};

/** Somebody coordinates, and what is served is what was decided. */
const judgeAgreement = async (world: World, eyes: Watching, live: (because: string) => void): Promise<void> => {
  const limitMs = clusterOf(eyes).goals.convergenceMs - CACHES_MS;
  if (!(await within(world, limitMs, () => world.coordinator() !== null))) live('nobody coordinates');
  if (!(await within(world, limitMs, () => differences(world, eyes).length === 0)))
    for (const each of differences(world, eyes)) live(`${each}, for ${limitMs / 1000} s`);
};

const isHeldBy = (eyes: Watching, kinds: readonly string[]): boolean => {
  const items = (eyes.records.get(KEYS.override)?.value as Overrides | undefined)?.items ?? [];
  return items.some((o) => kinds.includes(o.kind));
};

/** Could take traffic if another region of the service died: is up, and nobody ordered otherwise. */
const canReceive = (memory: PoolMemory | undefined): boolean => memory !== undefined && memory.by !== 'override';

/** Rules that hold a drain by health, where they are so set. */
const HOLDING = ['capacity', 'velocity', 'freeze-windows', 'assertion', 'gating'];

/** A region dies, its replicas with it; its traffic must leave within the goals, and the pacing if somebody has just left. */
const judgeDeath = async (
  region: string,
  world: World,
  eyes: Watching,
  say: (line: string) => Promise<void>,
  live: (because: string) => void,
): Promise<number | null> => {
  const { goals, policy, services } = clusterOf(eyes);
  const isLatched = services.some((s) => Object.values(routingOf(eyes)?.services[s.name]?.pools ?? {}).some((m) => m.latched));
  const before = routingOf(eyes);
  const carries = (s: ServiceConfig, routing: Routing | null): boolean => (routing?.services[s.name]?.route[region] ?? 0) > 0;
  const concerned = services.filter(
    (s) =>
      before?.services[s.name]?.mode === 'auto' &&
      carries(s, before) &&
      s.pools.some((p) => p.region !== region && canReceive(before.services[s.name]?.pools[p.name])),
  );
  if (isHeldBy(eyes, ['freeze', 'stop', 'drain', 'evacuate', 'force-in', 'pin'])) return null;
  const diedAtMs = world.now();
  await say(`lose ${region}`);
  /** A rule that may hold what health wants, and says that it does. */
  const isRuled = (s: ServiceConfig): boolean => {
    const hold = routingOf(eyes)?.services[s.name]?.pools[region]?.hold ?? '';
    return hold.startsWith('rule:') && HOLDING.includes(hold.slice('rule:'.length));
  };
  const left = (): readonly ServiceConfig[] => concerned.filter((s) => carries(s, routingOf(eyes)) && !isRuled(s));
  await within(world, goals.detectionMs + policy.pacingMs, () => left().length === 0);
  const detectionMs = world.now() - diedAtMs;
  for (const s of left())
    live(`${region} is dead and ${s.name} is still sent there after ${detectionMs} ms${isLatched ? ' (something is latched)' : ''}`);
  const served = (): readonly ServiceConfig[] =>
    concerned.filter((s) => !isRuled(s) && (world.zone.services.get(s.name)?.shares[region] ?? 0) > 0);
  if (!(await within(world, goals.convergenceMs - CACHES_MS, () => served().length === 0)))
    for (const s of served()) live(`${s.name} is still served from ${region}, which is dead`);
  return concerned.length === 0 || left().length > 0 || concerned.some(isRuled) ? null : detectionMs;
};
