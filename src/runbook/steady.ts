// What is so of a platform while nothing happens: asked of the systems around, all at once and a few of each at a time. What does not answer was not seen,
// and says why; nothing here judges.
import { errorText } from '../errors.ts';
import type { BackupFacts, CacheFacts, DatabaseFacts, NamespaceFacts, SiteFacts, Steady, Unseen } from './facts.ts';
import type { StepContext, StepKind, System } from './kind.ts';
import type { StepKindName } from './model.ts';
import { inParallel } from './parallel.ts';
import type { BackupConfig, ByRegion, NamespacesConfig, PlatformConfig } from './platform.ts';
import { backupFacts } from './prometheus/backup.ts';

/** What of a cluster is asked for here. */
interface SiteSystem extends System {
  readonly kind: 'kubernetes';
  site(namespace: string, deployment: string, signal: AbortSignal): Promise<SiteFacts>;
}

/** What of either kind of Temporal is asked for here. */
interface NamespaceSystem extends System {
  readonly kind: 'temporal' | 'temporal-cloud';
  readonly forced: {
    look(
      namespace: string,
      signal: AbortSignal,
    ): Promise<{ is: 'seen'; place: NamespaceFacts } | { is: 'never' | 'unknown'; because: string }>;
  };
}

/** What of a region's database, and of a cache, is asked for here: looks that others know, by systems that are opened here. */
export interface TierLooks {
  database(systems: { patroni: System; sql: System }, signal: AbortSignal): Promise<DatabaseFacts>;
  cache(redis: System, signal: AbortSignal): Promise<CacheFacts>;
}

export interface SteadyOptions {
  /** Absent: databases and caches are not looked at, and say so. */
  tiers?: TierLooks;
  context: StepContext;
  kindOf: <K extends StepKindName>(kind: K) => Promise<StepKind<K>>;
  /** Of an entry of this replica's file. */
  systemKind: (name: string) => string | undefined;
}

/** Older than that is not what is so now; Prometheus itself forgets a series after so long. */
const SAMPLE_MS = 5 * 60_000;

/** Tenants of one entry that are asked for at once. */
const AT_ONCE = 8;

const unseen = (error: unknown): Unseen => ({ unseen: errorText(error).slice(0, 300) });

const failed = (error: unknown): NonNullable<SiteFacts['check']> => ({ ok: false, because: unseen(error).unseen });

/** By the kind of its system, the kind of step that asks whether a fleet works. */
const CHECKS: Readonly<Record<string, 'codec.canary' | 'grpc.check' | 'http.check'>> = {
  codec: 'codec.canary',
  grpc: 'grpc.check',
  http: 'http.check',
};

/** Whether a fleet works, as the system of its site's check says. */
const checkOf = async (
  { context, kindOf, systemKind }: SteadyOptions,
  platform: PlatformConfig,
  check: string,
  signal: AbortSignal,
): Promise<NonNullable<SiteFacts['check']>> => {
  const kind = CHECKS[systemKind(check) ?? ''];
  if (kind === undefined) return { ok: false, because: `no system "${check}" that could be asked is named in this replica's file` };
  const [from = '', to = ''] = platform.regions;
  const call = {
    key: `audit.${platform.name}`,
    run: { id: 'audit', platform: platform.name, from, to, mode: 'graceful' as const },
    facts: {},
    signal,
    context,
  };
  const namespace = platform.namespaces[0]?.namespaces[0] ?? 'default';
  const reading =
    kind === 'codec.canary'
      ? await (await kindOf(kind)).read({ system: check, namespace }, call)
      : await (await kindOf(kind)).read({ system: check }, call);
  return { ok: reading.is === 'reached', because: reading.because };
};

const sitesOf = async (
  options: SteadyOptions,
  platform: PlatformConfig,
  signal: AbortSignal,
): Promise<readonly (readonly [string, SiteFacts | Unseen])[]> =>
  Promise.all(
    platform.fleets.flatMap((fleet) =>
      Object.entries(fleet.sites).map(async ([region, { system, namespace, deployment, check, standby }]) => {
        const name = `${fleet.name}@${region}`;
        try {
          const cluster = await options.context.system<SiteSystem>(system, 'kubernetes');
          const facts = await cluster.site(namespace, deployment, signal);
          // What is not there by intent answers nothing.
          const isAsked = check !== undefined && (facts.ready > 0 || standby > 0);
          return [name, isAsked ? { ...facts, check: await checkOf(options, platform, check, signal).catch(failed) } : facts] as const;
        } catch (error) {
          return [name, unseen(error)] as const;
        }
      }),
    ),
  );

/** Names of systems by which the namespaces can be seen, whoever is not active first: that is who has to answer in an outage. */
const systemsOf = (
  { system }: NamespacesConfig,
  regions: readonly string[],
  active: string,
): readonly { name: string; kind: NamespaceSystem['kind'] }[] => {
  if (typeof system === 'string') return [{ name: system, kind: 'temporal-cloud' }];
  const byRegion: ByRegion<string> = system;
  return [...regions.filter((region) => region !== active), active].flatMap((region) => {
    const name = byRegion[region];
    return name === undefined ? [] : [{ name, kind: 'temporal' as const }];
  });
};

const namespaceOf = async (
  { context }: SteadyOptions,
  systems: ReturnType<typeof systemsOf>,
  namespace: string,
  signal: AbortSignal,
): Promise<NamespaceFacts | Unseen> => {
  let why: Unseen = { unseen: 'no system is named for it' };
  for (const { name, kind } of systems) {
    try {
      const look = await (await context.system<NamespaceSystem>(name, kind)).forced.look(namespace, signal);
      if (look.is === 'seen') return look.place;
      why = { unseen: look.because };
    } catch (error) {
      why = unseen(error);
    }
  }
  return why;
};

/** What no look is worth outside a run is opened: that takes its file, its address and its secret. */
const doorsOf = async (
  { context }: SteadyOptions,
  { externals, prearm, gates, databases = [] }: PlatformConfig,
): Promise<readonly (readonly [string, string | null])[]> => {
  const sites = databases.flatMap((database) => Object.values(database.sites));
  const named = [
    ...sites.flatMap(({ poolers }) => poolers.map(({ system }) => [system, 'pgbouncer'] as const)),
    ...sites.flatMap(({ stonith }) => (stonith === undefined ? [] : [[stonith, 'webhook'] as const])),
    ...[...externals.map(({ system }) => system), ...prearm].map((name) => [name, 'webhook'] as const),
    ...gates.map(({ system }) => [system, 'prometheus'] as const),
  ];
  return Promise.all(
    [...new Map(named)].map(async ([name, kind]) => {
      try {
        await context.system(name, kind);
        return [name, null] as const;
      } catch (error) {
        return [name, unseen(error).unseen] as const;
      }
    }),
  );
};

/** By `database/backup`, a few at a time. */
const backupsOf = async (
  { context, kindOf }: SteadyOptions,
  { name: platform, regions, databases = [] }: PlatformConfig,
  signal: AbortSignal,
): Promise<Pick<Steady, 'backups'>> => {
  const all = databases.flatMap(({ name, backups = [] }) => backups.map((backup) => [`${name}/${backup.name}`, backup] as const));
  if (all.length === 0) return {};
  const [from = '', to = ''] = regions;
  const run = { id: 'audit', platform, from, to, mode: 'graceful' as const };
  const look = async ({ system, query, value }: BackupConfig): Promise<BackupFacts | Unseen> => {
    const gate = await kindOf('gate.promql');
    // No bound here: how old it may be is judged by the age that is made of it.
    const spec = { system, query, max: Number.MAX_VALUE, maxAgeMs: SAMPLE_MS };
    const reading = await gate.read(spec, { key: `audit.${platform}`, run, facts: {}, signal, context });
    return backupFacts(value, reading, context.ports.clock.wallMs());
  };
  const seen = await inParallel(all, AT_ONCE, async ([of, backup]) => [of, await look(backup).catch(unseen)] as const);
  return { backups: Object.fromEntries(seen) };
};

const NO_LOOKS = 'databases and caches are not looked at here';

/** Each region by itself: what does not answer hides no other. */
const looks = <S, T>(
  tiers: readonly { name: string; sites: ByRegion<S> }[],
  look: (site: S) => Promise<T>,
): Promise<readonly (readonly [string, T | Unseen])[]> =>
  Promise.all(
    tiers.flatMap(({ name, sites }) =>
      Object.entries(sites).map(async ([region, site]) => {
        const of = `${name}@${region}`;
        return [of, await look(site).catch(unseen)] as const;
      }),
    ),
  );

const tiersOf = async (
  { context, tiers }: SteadyOptions,
  { databases = [], caches = [] }: PlatformConfig,
  signal: AbortSignal,
): Promise<Pick<Steady, 'databases' | 'caches'>> => {
  const [seen, stores] = await Promise.all([
    looks(databases, async ({ system, sql }) => {
      if (tiers === undefined) throw new Error(NO_LOOKS);
      const [patroni, postgres] = await Promise.all([context.system(system, 'patroni'), context.system(sql, 'postgres')]);
      return tiers.database({ patroni, sql: postgres }, signal);
    }),
    looks(caches, async ({ system }) => {
      if (tiers === undefined) throw new Error(NO_LOOKS);
      return tiers.cache(await context.system(system, 'redis'), signal);
    }),
  ]);
  return {
    ...(databases.length === 0 ? {} : { databases: Object.fromEntries(seen) }),
    ...(caches.length === 0 ? {} : { caches: Object.fromEntries(stores) }),
  };
};

export const createSee =
  (options: SteadyOptions) =>
  async (platform: PlatformConfig, active: string, signal: AbortSignal): Promise<Steady> => {
    const namespaces = platform.namespaces.map(async (entry) => {
      const systems = systemsOf(entry, platform.regions, active);
      return inParallel(
        entry.namespaces,
        AT_ONCE,
        async (namespace) => [namespace, await namespaceOf(options, systems, namespace, signal)] as const,
      );
    });
    const [sites, doors, tiers, backups, ...seen] = await Promise.all([
      sitesOf(options, platform, signal),
      doorsOf(options, platform),
      tiersOf(options, platform, signal),
      backupsOf(options, platform, signal),
      ...namespaces,
    ]);
    return {
      ...tiers,
      ...backups,
      atMs: options.context.nowMs(),
      active,
      sites: Object.fromEntries(sites),
      namespaces: Object.fromEntries(seen.flat()),
      doors: Object.fromEntries(doors),
    };
  };
