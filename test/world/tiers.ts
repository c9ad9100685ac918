// The data tiers around, on virtual time: a fake, behind the contract of steps' kinds. A database of each region with one writer, poolers that hold or let go,
// caches that follow. What is lost with its region answers nothing, and writes nothing until it is back: then it is what it was. Two writers at once are told.
import type { Ports } from '../../src/ports.ts';
import type { Call, Effect, Reading, StepKind } from '../../src/runbook/kind.ts';
import type { StepKindName, StepSpecs } from '../../src/runbook/model.ts';
import type { CacheConfig, DatabaseConfig } from '../../src/runbook/platform.ts';

const DEMOTE_MS = 2_000;
const PROMOTE_MS = 300;
const SWITCH_MS = 200;

export const TIER_KINDS = [
  'gate.lag',
  'fence.patroni',
  'fence.pgbouncer',
  'pgbouncer.pause',
  'pgbouncer.resume',
  'pg.switchover',
  'pg.demote',
  'pg.caughtup',
  'pg.promote',
  'pg.canary',
  'cache.takeover',
  'cache.promote',
  'cache.rejoin',
  'verify.objectives',
] as const satisfies readonly StepKindName[];
export type TierKind = (typeof TIER_KINDS)[number];

export interface TiersAroundOptions {
  ports: Pick<Ports, 'timers' | 'clock'>;
  /** Resolves when the system has answered, rejects when it does not. */
  reach: (system: string) => Promise<void>;
  /** Since when, by the clock; null: it is well. */
  lostSinceMs: (region: string) => number | null;
  /** false: it has taken place with this key. */
  once: (kind: TierKind, key: string, what: string) => boolean;
  /** Seconds by which a database's standbys are behind; NaN: not known. */
  lagS: (database: string) => number;
}

interface Site {
  database: string;
  region: string;
  isWriter: boolean;
}

interface Node {
  cache: string;
  region: string;
  address: string;
  /** Address that it follows; null: it is a master. */
  follows: string | null;
}

const reached = (because: string): Reading => ({ is: 'reached', because });
const pending = (because: string): Reading => ({ is: 'pending', because });
const accepted = (because: string): Effect => ({ took: 'accepted', because });

export class TiersAround {
  readonly #options: TiersAroundOptions;
  /** By its systems of kind `patroni` and `postgres`. */
  readonly #sites = new Map<string, Site>();
  readonly #caches = new Map<string, Node>();
  /** Of poolers: clients wait, or are kept out. */
  readonly #held = new Map<string, 'paused' | 'cut'>();
  readonly #rows = new Set<string>();
  /** Databases of which the story itself made two writers: nobody of ours did. */
  readonly #torn = new Set<string>();
  /** Sites, as `database@region`, whose table of the canary may not be written. */
  readonly #denied = new Set<string>();
  /** What must never be: two writers of one database at once. */
  onWrong: (text: string) => void = (text) => {
    throw new Error(text);
  };

  constructor(options: TiersAroundOptions) {
    this.#options = options;
  }

  database({ name, sites }: DatabaseConfig, writer: string): void {
    for (const [region, { system, sql }] of Object.entries(sites)) {
      const site = { database: name, region, isWriter: region === writer };
      this.#sites.set(system, site);
      this.#sites.set(sql, site);
    }
  }

  cache({ name, sites }: CacheConfig, master: string): void {
    for (const [region, { system, address }] of Object.entries(sites))
      this.#caches.set(system, { cache: name, region, address, follows: region === master ? null : (sites[master]?.address ?? null) });
  }

  /** Regions that take writes of the database. */
  writersOf(database: string): readonly string[] {
    const sites = [...new Set(this.#sites.values())];
    return sites.filter((site) => site.database === database && this.#writes(site)).map(({ region }) => region);
  }

  /** Poolers whose clients wait or are kept out. */
  heldPoolers(): readonly string[] {
    return [...this.#held.keys()].sort();
  }

  mastersOf(cache: string): readonly string[] {
    return [...this.#caches.values()].filter((node) => node.cache === cache && node.follows === null).map(({ region }) => region);
  }

  /** After something has changed. */
  look(): void {
    for (const database of new Set([...this.#sites.values()].map((site) => site.database))) {
      const writers = this.writersOf(database);
      if (writers.length > 1 && !this.#torn.has(database)) this.onWrong(`two writers of ${database}: ${writers.join(', ')}`);
    }
  }

  /** By somebody's hand, past every run: it takes writes, follows, may not have a row of ours, may have one. */
  byHand(database: string, region: string, is: 'writes' | 'follows' | 'denied' | 'granted'): void {
    const site = [...this.#sites.values()].find((each) => each.database === database && each.region === region);
    if (site === undefined) throw new Error(`${database} has no site in ${region}`);
    const name = `${database}@${region}`;
    if (is === 'denied') this.#denied.add(name);
    if (is === 'granted') this.#denied.delete(name);
    if (is === 'writes' || is === 'follows') {
      this.#torn.add(database);
      site.isWriter = is === 'writes';
    }
  }

  /** As all members of the site say together. */
  async says(sql: string): Promise<'writes' | 'reads'> {
    await this.#options.reach(sql);
    return this.#site(sql).isWriter ? 'writes' : 'reads';
  }

  #writes({ region, isWriter }: Site): boolean {
    return isWriter && this.#options.lostSinceMs(region) === null;
  }

  #site(system: string): Site {
    const found = this.#sites.get(system);
    if (found === undefined) throw new Error(`no database at ${system}`);
    return found;
  }

  #node(system: string): Node {
    const found = this.#caches.get(system);
    if (found === undefined) throw new Error(`no cache at ${system}`);
    return found;
  }

  #later(ms: number, change: () => void): void {
    this.#options.ports.timers.after(ms, () => {
      change();
      this.look();
    });
  }

  #turn(ms: number, site: Site, isWriter: boolean): void {
    this.#later(ms, () => {
      site.isWriter = isWriter;
    });
  }

  #lag({ database, region, maxMs }: StepSpecs['gate.lag'], { run }: Call): Reading {
    const s = this.#options.lagS(database);
    if (Number.isNaN(s)) return { is: 'unknown', because: `nobody knows how far ${region} is behind` };
    const told = `${region} is ${s} s behind, ${maxMs / 1000} s are allowed`;
    if (s * 1000 <= maxMs) return reached(told);
    return run.mode === 'graceful' ? pending(told) : { is: 'never', because: `${told}: so much of ${database} would be lost` };
  }

  async #rungs({ region, system, rung, graceMs }: StepSpecs['fence.patroni']): Promise<Reading> {
    const lostSinceMs = this.#options.lostSinceMs(region);
    const goneMs = lostSinceMs === null ? -1 : this.#options.ports.clock.monoMs() - lostSinceMs;
    const rungs = [...(goneMs >= 0 ? ['witness'] : []), ...(goneMs >= graceMs ? ['grace'] : [])];
    const told = `rungs reached: ${rungs.join(', ') || 'none'}`;
    if (rungs.includes(rung)) return reached(told);
    try {
      await this.#options.reach(system);
    } catch {
      return pending(`${told}; wanted: ${rung}; ${system} does not answer, so neither its lease nor its word is known`);
    }
    return this.#site(system).isWriter ? pending(`${told}; ${region} says that it is the primary`) : reached('rungs reached: acknowledged');
  }

  async #demote(kind: 'fence.patroni' | 'pg.demote', system: string, { key }: Call): Promise<Effect> {
    await this.#options.reach(system);
    const site = this.#site(system);
    if (this.#options.once(kind, key, `${site.database} of ${site.region}`)) this.#turn(DEMOTE_MS, site, false);
    return accepted(`${site.region} is told to follow`);
  }

  async #promoted({ system, from }: StepSpecs['pg.promote']): Promise<Reading> {
    await this.#options.reach(system);
    if (this.#site(system).isWriter) return reached('it is the primary');
    if (from !== null && this.#writes(this.#site(from.sql))) return { is: 'never', because: `${from.region} still is the primary` };
    return pending('it follows');
  }

  async #promote({ system }: StepSpecs['pg.promote'], { key }: Call): Promise<Effect> {
    await this.#options.reach(system);
    const site = this.#site(system);
    if (this.#options.once('pg.promote', key, `${site.database} of ${site.region}`)) this.#turn(PROMOTE_MS, site, true);
    return accepted('it is told to lead');
  }

  async #write({ database, region, sql }: StepSpecs['pg.canary'], { key, run, context }: Call): Promise<Effect> {
    const seen = await context.tiers.state(run.platform, database);
    await this.#options.reach(sql);
    if (!this.#site(sql).isWriter) return { took: 'refused', because: `${region} takes no writes` };
    if (this.#denied.has(`${database}@${region}`))
      return { took: 'refused', because: `canary of ${database} in ${region}: permission denied for table tidegate_canary` };
    await context.tiers.proved(run.platform, database, region, 'a row was written and read back', seen);
    this.#options.once('pg.canary', key, `${database} of ${region}`);
    this.#rows.add(key);
    return accepted('a row was written');
  }

  readonly #pooler = {
    read: async ({ system, release }: StepSpecs['pgbouncer.pause'], as: 'paused' | 'cut' | null): Promise<Reading> => {
      await this.#options.reach(system);
      const wanted = release === true ? undefined : (as ?? undefined);
      const is = this.#held.get(system);
      return is === wanted
        ? reached(`clients ${is === undefined ? 'go on' : is === 'paused' ? 'wait' : 'are kept out'}`)
        : pending(`clients are ${is ?? 'let in'}`);
    },
    act: async (
      kind: TierKind,
      { system, release }: StepSpecs['pgbouncer.pause'],
      as: 'paused' | 'cut' | null,
      { key }: Call,
    ): Promise<Effect> => {
      await this.#options.reach(system);
      this.#options.once(kind, key, system);
      if (as === null || release === true) this.#held.delete(system);
      else this.#held.set(system, as);
      return accepted('told');
    },
  };

  #poolerKind<K extends 'fence.pgbouncer' | 'pgbouncer.pause' | 'pgbouncer.resume'>(kind: K, as: 'paused' | 'cut' | null): StepKind<K> {
    return {
      kind,
      signal: 'target',
      read: (spec) => this.#pooler.read(spec, as),
      apply: (spec, call) => this.#pooler.act(kind, spec, as, call),
    };
  }

  async #isMaster(system: string): Promise<Reading> {
    await this.#options.reach(system);
    const { follows } = this.#node(system);
    return follows === null ? reached('it is a master') : pending(`it follows ${follows}`);
  }

  readonly kinds: { readonly [K in TierKind]: StepKind<K> } = {
    'gate.lag': { kind: 'gate.lag', signal: 'gate', read: async (spec, call) => this.#lag(spec, call) },
    'fence.patroni': {
      kind: 'fence.patroni',
      signal: 'target',
      read: (spec) => this.#rungs(spec),
      apply: (spec, call) => this.#demote('fence.patroni', spec.system, call),
    },
    'fence.pgbouncer': this.#poolerKind('fence.pgbouncer', 'cut'),
    'pgbouncer.pause': this.#poolerKind('pgbouncer.pause', 'paused'),
    'pgbouncer.resume': this.#poolerKind('pgbouncer.resume', null),
    'pg.switchover': { kind: 'pg.switchover', signal: 'target', read: async () => reached('another member leads') },
    'pg.demote': {
      kind: 'pg.demote',
      signal: 'target',
      read: async ({ system }) => {
        await this.#options.reach(system);
        return this.#site(system).isWriter ? pending('it is the primary') : reached('it follows');
      },
      apply: ({ system }, call) => this.#demote('pg.demote', system, call),
    },
    'pg.caughtup': {
      kind: 'pg.caughtup',
      signal: 'gate',
      read: async ({ from, to }) => {
        await Promise.all([this.#options.reach(from), this.#options.reach(to)]);
        return this.#site(from).isWriter ? pending('the old one still writes') : reached('all of it has arrived');
      },
    },
    'pg.promote': {
      kind: 'pg.promote',
      signal: 'target',
      read: (spec) => this.#promoted(spec),
      apply: (spec, call) => this.#promote(spec, call),
    },
    'pg.canary': {
      kind: 'pg.canary',
      signal: 'target',
      read: async ({ sql }, { key }) => {
        await this.#options.reach(sql);
        return this.#rows.has(key) ? reached('a row was written and read back') : pending('no row was written');
      },
      apply: (spec, call) => this.#write(spec, call),
    },
    'cache.takeover': {
      kind: 'cache.takeover',
      signal: 'target',
      read: ({ system }) => this.#isMaster(system),
      apply: async ({ system, from }, { key }) => {
        await Promise.all([this.#options.reach(system), this.#options.reach(from)]);
        const [node, old] = [this.#node(system), this.#node(from)];
        if (node.follows !== old.address) return { took: 'fatal', because: `it does not follow ${old.address}` };
        if (this.#options.once('cache.takeover', key, system))
          this.#later(SWITCH_MS, () => {
            node.follows = null;
            old.follows = node.address;
          });
        return accepted('told');
      },
    },
    'cache.promote': {
      kind: 'cache.promote',
      signal: 'target',
      read: ({ system }) => this.#isMaster(system),
      apply: async ({ system }, { key }) => {
        await this.#options.reach(system);
        this.#options.once('cache.promote', key, system);
        this.#node(system).follows = null;
        return accepted('told');
      },
    },
    'cache.rejoin': {
      kind: 'cache.rejoin',
      signal: 'target',
      read: async ({ system, address }) => {
        await this.#options.reach(system);
        const { follows } = this.#node(system);
        return follows === address ? reached(`it follows ${address}`) : pending(`it follows ${follows ?? 'nobody'}`);
      },
      apply: async ({ system, address }, { key }) => {
        await this.#options.reach(system);
        this.#options.once('cache.rejoin', key, system);
        this.#node(system).follows = address;
        return accepted('told');
      },
    },
    'verify.objectives': {
      kind: 'verify.objectives',
      signal: 'gate',
      read: async ({ region, maxAgeMs }, { run, context }) => {
        const { gaps } = await context.tiers.objectives(run.platform, region, maxAgeMs);
        return gaps.length === 0 ? reached('all of them hold') : pending(gaps.join('; '));
      },
    },
  };
}
