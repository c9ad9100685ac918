// The coordinator's watch of data tiers: every five seconds each database of each platform is asked, in every region that this replica reaches, whether it takes
// writes, and how far its standbys are behind. What is proved goes into the store, and the last known lags; two that take writes, and a lag that lasts, page.
import type { Term } from '../coordinate/coordinator.ts';
import { KEYS, lagKey, looksKey, outboxKey } from '../coordinate/keys.ts';
import type { Sight } from '../coordinate/read.ts';
import { page } from '../decide/incident.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterConfig, Page, Routing } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { LagRecord, LagSample, LooksRecord, TierState, Tiers as TiersRecord, Unproved } from '../runbook/facts.ts';
import type { StepContext, StepKind } from '../runbook/kind.ts';
import { withPatience } from '../runbook/patience.ts';
import type { ByRegion, DatabaseConfig, PlatformConfig } from '../runbook/platform.ts';
import type { Lag, SiteSays } from '../runbook/postgres/look.ts';
import type { PostgresSystem } from '../runbook/postgres/sql.ts';
import {
  type Answers,
  aboutSites,
  changed,
  isUntold,
  lagsAfter,
  looksAfter,
  NO_TIERS,
  replacedIn,
  stateIn,
  type TierChange,
  tierName,
  unprovedIn,
  withUnproved,
} from '../runbook/tiers/record.ts';
import { type Said, saidOf, saidOfLag, saidOfProved, saidOfUnproved, saidOfWordOver } from '../runbook/tiers/told.ts';
import { type Seen, type UnprovedNews, unprovedAfter, type Why, whyUnproved } from '../runbook/tiers/unproved.ts';
import { type LagNews, type Looks, lagEnded, lagNewsOf, type Memory, NO_MEMORY, newsOf, type SiteLook } from '../runbook/tiers/watch.ts';
import type { Store } from '../store/store.ts';

export interface TiersOptions {
  ports: Ports;
  log: Log;
  store: Pick<Store, 'get'>;
  context: StepContext;
  /** Of this replica, as `region/replica`. */
  by: string;
  /** Whether this replica's file names the system. */
  reaches: (system: string) => boolean;
  /** The kind by which a run proves a region: a first proof is made by the same. */
  canary: () => Promise<StepKind<'pg.canary'>>;
  /** Of src/runbook/postgres/look.ts. */
  siteSays: (sql: PostgresSystem, signal: AbortSignal) => Promise<SiteSays>;
  lagBetween: (primary: PostgresSystem | null, standby: PostgresSystem, signal: AbortSignal) => Promise<Lag>;
}

export interface Tiers {
  /** Once per turn of a term. Returns at once. */
  turn(sight: Sight, term: Pick<Term, 'commit'>): void;
  /** This replica does not coordinate any more: what it saw is forgotten. */
  rest(): void;
  /** The last known lags, by platform; empty where this replica does not watch. */
  lags(): ReadonlyMap<string, LagRecord>;
  /** Proofs that cannot be had, by `platform/database`, where the store does not take that either: nobody but this replica knows. */
  unproved(): ReadonlyMap<string, Unproved>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

const LOOK_EVERY_MS = 5_000;
/**
 * One question to one region: a region that is gone must not keep the others from being seen. Longer than one member of it is waited for (sql.ts), or one that
 * is silent would hide all others; the lag asks two regions, one after the other.
 */
const LOOK_MS = 4_500;
const LAG_MS = 7_500;
/** A row that is written and read back. */
const PROOF_MS = 6_000;
/** All three, and what is written of them. Looks never overlap. */
const PLATFORM_MS = 20_000;
const STORE_MS = 2_000;

const slug = (text: string): string => text.replaceAll(/[^A-Za-z0-9-]+/g, '-');

/** What one look at a database was answered. */
interface Found {
  database: DatabaseConfig;
  said: ReadonlyMap<string, SiteSays | null>;
  looks: Looks;
  /** When each region had answered, or was given up. */
  atMs: ByRegion<number>;
}

/** How far its standbys are behind. */
interface Measured {
  database: DatabaseConfig;
  lags: ByRegion<LagSample>;
}

/** A row that is due there, and the state by which it is. */
interface Due {
  region: string;
  judged: TierState | null;
}

/** What the looks before this one and this one say together. */
interface Judged extends Found {
  before: Looks | null;
  due: Due | null;
}

/** A region of which only some answer is neither a writer nor a standby. */
const lookOf = (said: SiteSays | null): SiteLook => (said === 'writes' || said === 'reads' ? said : 'silent');

const answersOf = ({ looks, atMs }: Found): Answers =>
  Object.fromEntries(Object.entries(looks).map(([region, is]) => [region, { is, atMs: atMs[region] ?? 0 }]));

/** Who said nothing for so long that its last word is written anew, although it is the same: whoever reads it has to know that it is fresh. */
const LOOKS_EVERY_MS = 12_000;

/** What one look is made for. */
interface Turn {
  cluster: ClusterConfig;
  v: number;
  routing: Routing | null;
  tiers: TiersRecord | null;
  term: Pick<Term, 'commit'>;
  began: number;
}

export const createTiers = (options: TiersOptions): Tiers => {
  const { ports, log, store, context, by, reaches, canary, siteSays, lagBetween } = options;
  let memories = new Map<string, Memory>();
  let known = new Map<string, LagRecord>();
  let local = new Map<string, Unproved>();
  let work: Promise<void> | null = null;
  let lookAtMs = Number.NEGATIVE_INFINITY;
  let watching = 0;

  const sqlOf = (database: DatabaseConfig, region: string): Promise<PostgresSystem> =>
    context.system<PostgresSystem>(database.sites[region]?.sql ?? '', 'postgres');

  /** null: nobody there answers. */
  const lookAt = async (database: DatabaseConfig, region: string, signal: AbortSignal): Promise<SiteSays | null> => {
    if (!reaches(database.sites[region]?.sql ?? '')) return null;
    try {
      const sql = await sqlOf(database, region);
      return await withPatience(ports.timers, LOOK_MS, `${database.name} in ${region}`, (within) => siteSays(sql, within), signal);
    } catch (error) {
      log.debug('tiers.silent', { database: database.name, region, because: errorText(error) });
      return null;
    }
  };

  /** Measured on both sides, or not at all: what a standby knows without its writer is no new value of what would be lost. */
  const lagOf = async (database: DatabaseConfig, writer: string | null, region: string, signal: AbortSignal): Promise<LagSample> => {
    const atMs = Math.round(context.nowMs());
    const untold: LagSample = { ms: null, bytes: null, atMs };
    if (writer === null) return untold;
    try {
      const [primary, standby] = await Promise.all([sqlOf(database, writer), sqlOf(database, region)]);
      const what = `the lag of ${database.name} in ${region}`;
      return { ...(await withPatience(ports.timers, LAG_MS, what, (within) => lagBetween(primary, standby, within), signal)), atMs };
    } catch (error) {
      log.debug('tiers.lag_untold', { database: database.name, region, because: errorText(error) });
      return untold;
    }
  };

  const find = async (database: DatabaseConfig, signal: AbortSignal): Promise<Found> => {
    const regions = Object.keys(database.sites);
    const each = await Promise.all(
      regions.map(async (region) => {
        const said = await lookAt(database, region, signal);
        return { region, said, atMs: Math.round(context.nowMs()) };
      }),
    );
    return {
      database,
      said: new Map(each.map(({ region, said }) => [region, said])),
      looks: Object.fromEntries(each.map(({ region, said }) => [region, lookOf(said)])),
      atMs: Object.fromEntries(each.map(({ region, atMs }) => [region, atMs])),
    };
  };

  const measure = async ({ database, said, looks }: Found, signal: AbortSignal): Promise<Measured> => {
    const regions = Object.keys(looks);
    const writers = regions.filter((region) => looks[region] === 'writes');
    const writer = writers.length === 1 ? (writers[0] ?? null) : null;
    const standbys = regions.filter((region) => !writers.includes(region));
    const lags = await Promise.all(
      standbys.map(
        async (region): Promise<[string, LagSample]> => [
          region,
          // Whoever answers there has a lag, whatever the others say.
          await lagOf(database, said.get(region) == null ? null : writer, region, signal),
        ],
      ),
    );
    return { database, lags: Object.fromEntries(lags) };
  };

  const pageOf = ({ cluster, v }: Turn, said: Said): Page => {
    const nonce = ports.random.hex(8);
    const about = { cluster, v, nonce, nowMs: Math.round(context.nowMs()) };
    const made = page(about, said.type, said.severity, said.summary, slug(said.subject), said.detail);
    return { ...made, id: `${made.id}-${nonce}` };
  };

  /**
   * What the looks change, by what stands in the record now and not by what stood there before they were made; the record and its page in one transaction, so
   * that nobody is told of what is not so, and everybody of what is. null: nothing is to be proved, or others have changed it meanwhile.
   */
  const write = async (turn: Turn, platform: string, { database, looks }: Found, before: Looks | null): Promise<Due | null> => {
    const { name } = database;
    const sites = Object.fromEntries(Object.entries(database.sites).map(([region, { sql }]) => [region, sql]));
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading the data tiers', (signal) =>
      store.get({ keys: [KEYS.tiers] }, signal),
    );
    const tiers = (kvs[0]?.value as TiersRecord | undefined) ?? NO_TIERS;
    const was = stateIn(tiers, platform, name);
    const noted = aboutSites(sites);
    // Of what is new in a region two looks are needed, as of all.
    const known = replacedIn(was, sites).length > 0 ? null : before;
    const { changes, prove: region } = newsOf(name, known, looks, noted(was), Math.round(context.nowMs()));
    const change: TierChange = (state) => [noted, ...changes].reduce((each, next) => next(each), state);
    const after = changed(tiers, tierName(platform, name), change, ports.random.hex(8));
    const is = stateIn(after, platform, name);
    const due = region === null ? null : { region, judged: is };
    if (after === tiers || is === null) return due;
    const said = saidOf(platform, name, was, is);
    const news = said === null ? null : pageOf(turn, said);
    const isWritten = await turn.term.commit(
      [{ key: KEYS.tiers, mod: kvs[0]?.mod ?? 0 }],
      [{ put: KEYS.tiers, value: after }, ...(news === null ? [] : [{ put: outboxKey(news.id), value: news }])],
    );
    if (!isWritten) return null;
    log.warn('tiers.changed', { platform, database: name, writer: is.writer, because: is.split?.because ?? is.because });
    return due;
  };

  /**
   * By the kind that runs prove a region by, so that a first proof is worth as much as any other: about the state that it was judged due by, or not taken.
   * Answers with what refused it; null: it was taken.
   */
  const prove = async (
    platform: PlatformConfig,
    { name, sites }: DatabaseConfig,
    { region, judged }: Due,
    signal: AbortSignal,
  ): Promise<Why | null> => {
    const kind = await canary();
    const tiers: StepContext['tiers'] = { ...context.tiers, state: async () => judged };
    const call = {
      key: `watch.${platform.name}.${name}.${region}`,
      run: { id: 'watch', platform: platform.name, from: region, to: region, mode: 'graceful' as const },
      facts: {},
      signal,
      context: { ...context, tiers },
    };
    const { took, because } = (await kind.apply?.({ database: name, region, sql: sites[region]?.sql ?? '' }, call)) ?? {
      took: 'refused',
      because: 'it has no effect',
    };
    log.info('tiers.proof', { platform: platform.name, database: name, region, took, because });
    return took === 'accepted' ? null : { region, because };
  };

  /** A row that takes too long is one that cannot be had now. */
  const proveInTime = (platform: PlatformConfig, database: DatabaseConfig, due: Due, signal: AbortSignal): Promise<Why | null> => {
    const what = `a row of ${database.name} in ${due.region}`;
    return withPatience(ports.timers, PROOF_MS, what, (within) => prove(platform, database, due, within), signal).catch(
      (error: unknown) => ({
        region: due.region,
        because: errorText(error),
      }),
    );
  };

  const putOf = (page: Page) => ({ put: outboxKey(page.id), value: page });

  /** What people are told of a proof that cannot be had, and of what ends that. */
  const newsOfProof = (
    turn: Turn,
    platform: PlatformConfig,
    { name, sites }: DatabaseConfig,
    tiers: TiersRecord,
    news: UnprovedNews,
  ): readonly Page[] => {
    const state = stateIn(tiers, platform.name, name);
    const { after, told, isWordOver } = news;
    const about = { sites: Object.keys(sites), nowMs: Math.round(context.nowMs()) };
    return [
      ...(told === 'unproved' && after !== null ? [saidOfUnproved(platform.name, name, after, about)] : []),
      ...(told === 'proved' && state !== null ? [saidOfProved(platform.name, name, state)] : []),
      ...(isWordOver ? [saidOfWordOver(platform.name, name, state)] : []),
    ].map((said) => pageOf(turn, said));
  };

  /** Users of the database wait for its proof now. */
  const isHeldIn = ({ routing }: Turn, { services }: DatabaseConfig): boolean =>
    services.some((service) => Object.values(routing?.services[service]?.pools ?? {}).some(({ hold }) => hold === 'rule:tier'));

  /** Writes down why there is no proof, and tells people in the same transaction. Where the store does not take it, this replica knows it, and tells them all the same. */
  const note = async (turn: Turn, platform: PlatformConfig, database: DatabaseConfig, seen: Seen): Promise<void> => {
    const key = tierName(platform.name, database.name);
    const known = stateIn(turn.tiers, platform.name, database.name);
    const isProved = known !== null && known.writer !== null && known.settled === undefined && known.split === undefined;
    // As nearly always.
    if (isProved && unprovedIn(turn.tiers, platform.name, database.name) === null && !local.has(key)) return;
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading the data tiers', (signal) =>
      store.get({ keys: [KEYS.tiers] }, signal),
    );
    const tiers = (kvs[0]?.value as TiersRecord | undefined) ?? NO_TIERS;
    const state = stateIn(tiers, platform.name, database.name);
    const about = { isHeld: isHeldIn(turn, database), isSettled: state?.settled !== undefined, nowMs: Math.round(context.nowMs()) };
    const before = unprovedIn(tiers, platform.name, database.name);
    const why = whyUnproved(database.name, state, seen);
    const news = unprovedAfter(before, why, about);
    if (news.after === before) {
      local.delete(key);
      return;
    }
    const isWritten = await turn.term.commit(
      [{ key: KEYS.tiers, mod: kvs[0]?.mod ?? 0 }],
      [
        { put: KEYS.tiers, value: withUnproved(tiers, key, news.after, ports.random.hex(8)) },
        ...newsOfProof(turn, platform, database, tiers, news).map(putOf),
      ],
    );
    if (isWritten) {
      local.delete(key);
      log.warn('tiers.unproved', { platform: platform.name, database: database.name, because: news.after?.because ?? 'it is proved' });
      return;
    }
    if (turn.began !== watching) return;
    const here = unprovedAfter(local.get(key) ?? before, why, about);
    if (here.after === null) local.delete(key);
    else local.set(key, here.after);
    const pages = newsOfProof(turn, platform, database, tiers, here);
    if (pages.length > 0) await turn.term.commit([], pages.map(putOf));
  };

  /** What two looks change is written at once; what takes longer comes later, so that no database waits for another one's row. */
  const judge = async (turn: Turn, platform: PlatformConfig, found: Found): Promise<Judged> => {
    const key = tierName(platform.name, found.database.name);
    const memory = memories.get(key) ?? NO_MEMORY;
    memories.set(key, { ...memory, looks: found.looks });
    return { ...found, before: memory.looks, due: await write(turn, platform.name, found, memory.looks) };
  };

  /** Rows are written side by side; why there is none is noted one after the other, since all of it is one record. */
  const proveAll = async (turn: Turn, platform: PlatformConfig, all: readonly Judged[], signal: AbortSignal): Promise<void> => {
    const refused = await Promise.all(all.map(({ database, due }) => (due === null ? null : proveInTime(platform, database, due, signal))));
    for (const [at, { database, looks, before }] of all.entries()) {
      const { sites } = database;
      const unreached = Object.fromEntries(Object.entries(sites).flatMap(([region, { sql }]) => (reaches(sql) ? [] : [[region, sql]])));
      const seen = { looks: before === null ? null : looks, refused: refused[at] ?? null, unreached, by };
      await note(turn, platform, database, seen);
    }
  };

  /** What each region said last, for whoever settles what cannot be proved: written when it changes, and before it grows old. */
  const keepLooks = async (turn: Turn, { name }: PlatformConfig, found: readonly Found[]): Promise<void> => {
    const key = looksKey(name);
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading what was seen of databases', (signal) =>
      store.get({ keys: [key] }, signal),
    );
    const before = (kvs[0]?.value as LooksRecord | undefined) ?? null;
    const seen = Object.fromEntries(found.map((each): [string, Answers] => [each.database.name, answersOf(each)]));
    const about = { atMs: Math.round(context.nowMs()), nonce: ports.random.hex(8) };
    const after = looksAfter(before, seen, about, LOOKS_EVERY_MS);
    if (after !== before && after !== null) await turn.term.commit([{ key, mod: kvs[0]?.mod ?? 0 }], [{ put: key, value: after }]);
  };

  /** What is told of lags, and the regions told of after it. */
  const lagNews = (
    tiers: TiersRecord | null,
    { name: platform, databases = [] }: PlatformConfig,
    found: readonly Measured[],
    before: LagRecord | null,
  ): { told: readonly string[]; said: readonly Said[] } => {
    const told = new Set(before?.told ?? []);
    const said: Said[] = [];
    const tell = (database: string, news: LagNews): void => {
      if (news.is === 'over') told.add(`${database}@${news.region}`);
      else told.delete(`${database}@${news.region}`);
      said.push(saidOfLag(platform, database, news));
    };
    for (const [database = '', region = ''] of [...told].map((each) => each.split('@'))) {
      const { sites = {} } = databases.find(({ name }) => name === database) ?? {};
      const ended = lagEnded(database, region, sites, stateIn(tiers, platform, database)?.writer ?? null);
      if (ended !== null) tell(database, ended);
    }
    for (const { database, lags } of found) {
      const key = tierName(platform, database.name);
      const memory = memories.get(key) ?? NO_MEMORY;
      const mine = Object.keys(database.sites).filter((region) => told.has(`${database.name}@${region}`));
      const { overSinceMs, news } = lagNewsOf(database, memory, lags, mine, Math.round(context.nowMs()));
      memories.set(key, { ...memory, overSinceMs });
      for (const each of news) tell(database.name, each);
    }
    return { told: [...told].toSorted(), said };
  };

  const keep = async (turn: Turn, platform: PlatformConfig, found: readonly Measured[]): Promise<void> => {
    const key = lagKey(platform.name);
    const { kvs } = await withDeadline(ports.timers, STORE_MS, 'reading the last known lags', (signal) =>
      store.get({ keys: [key] }, signal),
    );
    const before = (kvs[0]?.value as LagRecord | undefined) ?? null;
    const measured = Object.fromEntries(found.map(({ database, lags }) => [database.name, lags]));
    const { told, said } = lagNews(turn.tiers, platform, found, before);
    const after = lagsAfter(before, measured, { atMs: Math.round(context.nowMs()), nonce: ports.random.hex(8) });
    const value: LagRecord = told.length === 0 ? after : { ...after, told };
    known.set(platform.name, value);
    if (said.length === 0 && !found.some(({ lags }) => Object.values(lags).some((lag) => !isUntold(lag)))) return;
    const pages = said.map((each) => pageOf(turn, each));
    // Refused: others have written it meanwhile, or coordinate now. What is news still is at the next look.
    await turn.term.commit(
      [{ key, mod: kvs[0]?.mod ?? 0 }],
      [{ put: key, value }, ...pages.map((each) => ({ put: outboxKey(each.id), value: each }))],
    );
  };

  const look = async (turn: Turn, platform: PlatformConfig): Promise<void> => {
    await withPatience(ports.timers, PLATFORM_MS, `looking at the databases of ${platform.name}`, async (signal) => {
      const found = await Promise.all((platform.databases ?? []).map((database) => find(database, signal)));
      if (turn.began !== watching) return;
      // First: whoever settles something now has to know it.
      await keepLooks(turn, platform, found);
      const judged: Judged[] = [];
      for (const each of found) judged.push(await judge(turn, platform, each));
      await keep(turn, platform, await Promise.all(found.map((each) => measure(each, signal))));
      await proveAll(turn, platform, judged, signal);
    });
  };

  return {
    turn(sight, term) {
      const { cluster, routing, tiers } = sight;
      if (work !== null || cluster === null || ports.clock.monoMs() < lookAtMs) return;
      const platforms = (cluster.platforms ?? []).filter(({ databases = [] }) => databases.length > 0);
      if (platforms.length === 0) return;
      lookAtMs = ports.clock.monoMs() + LOOK_EVERY_MS;
      const turn: Turn = { cluster, v: routing?.v ?? 0, routing, tiers, term, began: watching };
      work = Promise.all(
        platforms.map((platform) =>
          look(turn, platform).catch((error: unknown) =>
            log.warn('tiers.look_failed', { platform: platform.name, because: errorText(error) }),
          ),
        ),
      )
        .then(() => undefined)
        .finally(() => {
          work = null;
        });
    },
    rest() {
      watching += 1;
      [memories, known, local] = [new Map(), new Map(), new Map()];
    },
    lags: () => known,
    unproved: () => local,
    idle: async () => {
      await work;
    },
  };
};
