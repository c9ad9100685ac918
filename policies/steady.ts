// What has to be so while nothing happens, judged from facts: of fleets in a region, of namespaces, of a platform. A model says which of it it asks. What could
// not be told is unknown, with a sentence, and never good. Pure.
import type { AuditLine, BackupFacts, CacheFacts, DatabaseFacts, NamespaceFacts, SiteFacts, Steady, Unseen } from '../src/runbook/facts.ts';
import type { FleetConfig, FleetKind, NamespacesConfig, PlatformConfig, SiteConfig } from '../src/runbook/platform.ts';
import { isCold, PROCESSING } from './steps/fleets.ts';
import { frontendOf } from './steps/namespaces.ts';
import { coupledOf, type Part, partsOf } from './steps/part.ts';

type Judgement = Pick<AuditLine, 'is' | 'because' | 'fix'>;

const good = (because: string): Judgement => ({ is: 'good', because, fix: '' });
const bad = (because: string, fix: string): Judgement => ({ is: 'bad', because, fix });
const unknown = (because: string, fix: string): Judgement => ({ is: 'unknown', because, fix });

type Asked = Pick<AuditLine, 'check' | 'weight'>;

const RANK = { bad: 0, unknown: 1, good: 2 } as const;
const rank = ({ is, weight }: AuditLine): number => (is === 'good' ? 4 : 0) + (weight === 'must' ? 0 : 2) + (RANK[is] === 1 ? 1 : 0);

/** What breaks the model's promise first, then what might, then what should be better; what is good comes last. */
export const inOrder = (lines: readonly AuditLine[]): readonly AuditLine[] => lines.toSorted((a, b) => rank(a) - rank(b));

// ---- fleets ----

interface Site {
  fleet: FleetConfig;
  region: string;
  site: SiteConfig;
}

const sitesIn = ({ platform, fleets }: Part, regions: readonly string[], kinds?: readonly FleetKind[]): readonly Site[] =>
  platform.regions
    .filter((region) => regions.includes(region))
    .flatMap((region) =>
      fleets.flatMap((fleet): readonly Site[] => {
        const site = fleet.sites[region];
        return site === undefined || kinds?.includes(fleet.kind) === false ? [] : [{ fleet, region, site }];
      }),
    );

const factsOf = <T>(facts: Readonly<Record<string, T | Unseen>>, of: string): T | Unseen =>
  (Object.hasOwn(facts, of) ? facts[of] : undefined) ?? { unseen: 'nobody has looked yet' };

const isUnseen = (facts: object): facts is Unseen => 'unseen' in facts;

const siteLine = (steady: Steady, asked: Asked, { fleet, region }: Site, judge: (facts: SiteFacts) => Judgement): AuditLine => {
  const of = `${fleet.name}@${region}`;
  const facts = factsOf(steady.sites, of);
  const judged = isUnseen(facts) ? unknown(facts.unseen, `see why ${of} cannot be looked at`) : judge(facts);
  return { ...asked, of, ...judged };
};

const others = ({ platform }: Part, active: string): readonly string[] => platform.regions.filter((region) => region !== active);

/** Which endpoint of Temporal: not a fact, but what the configuration says of the fleet. */
const endpointLines = (part: Part, asked: Asked, wanted: 'regional' | 'namespace', why: string): readonly AuditLine[] =>
  part.namespaces.length === 0
    ? []
    : sitesIn(part, part.platform.regions, PROCESSING).map(({ fleet, region, site }) => {
        const name = wanted === 'regional' ? 'Regional Endpoint' : 'Namespace Endpoint';
        const judged =
          site.endpoint === undefined
            ? unknown(
                `nobody said which endpoint of Temporal ${fleet.name} uses in ${region}`,
                `look at its configuration, and say so as \`endpoint\` of the fleet`,
              )
            : site.endpoint === wanted
              ? good(`it uses the ${name}`)
              : bad(
                  `it uses the ${wanted === 'regional' ? 'Namespace Endpoint' : 'Regional Endpoint'}: ${why}`,
                  `configure ${fleet.name} of ${region} with the ${name}${wanted === 'regional' ? ` of ${region}` : ''}`,
                );
        return { ...asked, of: `${fleet.name}@${region}`, ...judged };
      });

const imageLine = (steady: Steady, at: Site): AuditLine => {
  const line = siteLine(steady, { check: 'image-pullable', weight: 'must' }, at, ({ unpulled, replicas }) => {
    if (unpulled.length > 0)
      return bad(`could not pull ${unpulled.join(', ')}`, 'make the image available to that region, by a mirror there if need be');
    if (replicas === 0) return unknown('no pod has pulled it there while it is at zero', 'a drill shows it, or a job there that pulls it');
    return good('every image was pulled');
  });
  // That nothing was pulled at zero is how Active/Cold is: it counts, but it breaks no promise by itself.
  return line.is === 'unknown' ? { ...line, weight: 'should' } : line;
};

// ---- namespaces ----

const namespaceLines = (
  part: Part,
  steady: Steady,
  asked: Asked,
  judge: (facts: NamespaceFacts, entry: NamespacesConfig) => Judgement | null,
): readonly AuditLine[] =>
  part.namespaces.flatMap((entry) =>
    entry.namespaces.flatMap((of): readonly AuditLine[] => {
      const facts = factsOf(steady.namespaces, of);
      const judged = isUnseen(facts) ? unknown(facts.unseen, `see why namespace ${of} cannot be looked at`) : judge(facts, entry);
      return judged === null ? [] : [{ ...asked, of, ...judged }];
    }),
  );

const SAYS_NOT =
  'this Temporal does not say whether polls in a passive region are forwarded; a cluster of your own forwards none unless its dcRedirectionPolicy says so';

const forwardingLines = (part: Part, steady: Steady, isWanted: boolean, why: string): readonly AuditLine[] =>
  namespaceLines(
    part,
    steady,
    { check: isWanted ? 'forwarding-enabled' : 'forwarding-disabled', weight: 'must' },
    ({ forwardingDisabled }) => {
      if (forwardingDisabled === null) return unknown(SAYS_NOT, 'look at dcRedirectionPolicy in the configuration of each cluster');
      const found = `passive pollers are ${forwardingDisabled ? 'not forwarded' : 'forwarded'}`;
      return forwardingDisabled === !isWanted ? good(found) : bad(`${found}: ${why}`, `set disablePassivePollerForwarding to ${!isWanted}`);
    },
  );

const replicaLines = (part: Part, steady: Steady): readonly AuditLine[] =>
  namespaceLines(part, steady, { check: 'replica-ready', weight: 'must' }, ({ active, replicas }, { places }) => {
    const wanted = part.platform.regions.flatMap((region) => places[region] ?? []).filter((place) => place !== active);
    const absent = wanted.flatMap((place) => {
      const replica = replicas.find((each) => each.place === place);
      if (replica === undefined) return [`none in ${place}`];
      return replica.ready ? [] : [`the one in ${place} is ${replica.state}`];
    });
    return absent.length === 0
      ? good(`active in ${active}, and could be in ${wanted.join(', ')}`)
      : bad(`it could not be activated elsewhere: ${absent.join(', ')}`, 'add the replica, or wait until it has caught up');
  });

/** Whether anybody could say after a move that tasks are dispatched: not a fact, but what the configuration names. */
const dispatchLines = ({ namespaces, platform }: Part): readonly AuditLine[] =>
  namespaces.map((entry) => {
    const asked = { check: 'dispatch-seen', weight: 'should', of: entry.namespaces[0] ?? entry.name } as const;
    if (entry.queues.length === 0)
      return { ...asked, ...bad(`no task queue of ${entry.name} is named, so nobody waits until tasks are dispatched`, 'name its queues') };
    const blind = platform.regions.filter((region) => frontendOf(entry, region) === null);
    return blind.length === 0
      ? { ...asked, ...good(`after a move somebody waits until ${entry.queues.join(', ')} are worked on`) }
      : {
          ...asked,
          ...bad(
            `nobody can be asked for pollers and dispatch of ${entry.name} in ${blind.join(', ')}: the API of Temporal Cloud does not tell`,
            'name a `frontend`: an entry of systems of kind temporal, by region',
          ),
        };
  });

const managedLines = (part: Part, steady: Steady): readonly AuditLine[] =>
  namespaceLines(part, steady, { check: 'managed-failover', weight: 'should' }, ({ managedFailoverDisabled }) => {
    if (managedFailoverDisabled === null) return null;
    return managedFailoverDisabled
      ? bad(
          "Temporal's own failover is switched off: without Tidegate nobody moves it",
          'set disableManagedFailover to false, and be earlier',
        )
      : good("Temporal's own failover stands behind Tidegate");
  });

// ---- data tiers ----

/** Older than that, what was lost with the region could not be had back from the archive. */
const ARCHIVE_MS = 5 * 60_000;

interface TierAt<T> {
  /** `database@region`. */
  of: string;
  region: string;
  facts: T | Unseen;
}

const tiersAt = <T>(
  tiers: readonly { name: string; sites: Readonly<Record<string, unknown>> }[],
  { regions }: PlatformConfig,
  seen: Readonly<Record<string, T | Unseen>> = {},
): readonly TierAt<T>[] =>
  tiers.flatMap(({ name, sites }) =>
    regions
      .filter((region) => Object.hasOwn(sites, region))
      .map((region) => ({ of: `${name}@${region}`, region, facts: factsOf(seen, `${name}@${region}`) })),
  );

const tierLine = <T extends object>(asked: Asked, { of, facts }: TierAt<T>, judge: (facts: T) => Judgement): AuditLine => ({
  ...asked,
  of,
  ...(isUnseen(facts) ? unknown(facts.unseen, `see why ${of} cannot be looked at`) : judge(facts)),
});

const writerLine = (active: string, at: TierAt<DatabaseFacts>): AuditLine =>
  tierLine({ check: 'writer-where-active', weight: 'must' }, at, ({ role }) => {
    if (at.region === active)
      return role === 'primary'
        ? good('it is the writer')
        : bad(
            `it follows, while ${active} is active`,
            `see which region writes, and move the platform or the database so that both are in one`,
          );
    return role === 'standby'
      ? good('it follows')
      : bad(
          `it is a primary beside ${active}: what is written to one of both is lost`,
          `fence one of both at once, then let it follow the other`,
        );
  });

const lagText = ({ lagMs, lagBytes }: DatabaseFacts): string =>
  [...(lagMs === null ? [] : [`${lagMs / 1000} s`]), ...(lagBytes === null ? [] : [`${lagBytes} bytes`])].join(', ');

const lagLine = (part: Part, at: TierAt<DatabaseFacts>): AuditLine =>
  tierLine({ check: 'standby-streams', weight: 'must' }, at, (facts) => {
    const limit = part.databases.find(({ name }) => at.of === `${name}@${at.region}`)?.lag;
    if (facts.role === 'primary') return bad('it follows nobody', 'let it follow the writer as a standby cluster');
    if (limit === undefined || (facts.lagMs === null && facts.lagBytes === null))
      return unknown('how far it is behind could not be told', 'see whether it streams from the writer, and whether both can be asked');
    const isOver = (facts.lagMs ?? 0) > limit.maxMs || (facts.lagBytes ?? 0) > limit.maxBytes;
    return isOver
      ? bad(
          `${lagText(facts)} behind, of ${limit.maxMs / 1000} s and ${limit.maxBytes} bytes`,
          'see what it waits for: the line, its disks, a long query',
        )
      : good(`${lagText(facts)} behind`);
  });

const archiveLine = (at: TierAt<DatabaseFacts>): AuditLine =>
  tierLine({ check: 'archive', weight: 'should' }, at, ({ archive }) => {
    if (archive === null) return bad('no WAL is archived', 'set archive_command, or say why not');
    if (archive.failing) return bad('archiving fails', 'see the log of its archive_command before its disk is full');
    const said = `archived ${Math.round(archive.agoMs / 1000)} s ago`;
    return archive.agoMs > ARCHIVE_MS ? bad(said, 'set archive_timeout, or see why nothing is archived') : good(said);
  });

const databaseLines = (part: Part, steady: Steady, active: string): readonly AuditLine[] =>
  tiersAt(part.databases, part.platform, steady.databases).flatMap((at) => [
    writerLine(active, at),
    ...(at.region === active ? [] : [lagLine(part, at)]),
    tierLine({ check: 'patroni-paused', weight: 'must' }, at, ({ paused }) =>
      paused
        ? bad('Patroni is paused: nothing is promoted or demoted there', `patronictl resume in ${at.region}`)
        : good('Patroni is at work'),
    ),
    tierLine({ check: 'sync-standby', weight: 'should' }, at, ({ syncStandbys }) =>
      syncStandbys > 0
        ? good(`${syncStandbys} within the region would take over without loss`)
        : bad('no member within the region would take over without loss', 'set synchronous_mode in Patroni, with a second member'),
    ),
    // A standby archives only where it is told to.
    ...(at.region === active ? [archiveLine(at)] : []),
  ]);

const DAY_MS = 24 * 3_600_000;

const oldText = (ms: number): string => {
  if (!Number.isFinite(ms)) return 'never made';
  if (ms < 120 * 60_000) return `${Math.round(ms / 60_000)} min old`;
  return ms < 3 * DAY_MS ? `${Number((ms / 3_600_000).toFixed(1))} h old` : `${Number((ms / DAY_MS).toFixed(1))} d old`;
};

/** Base backups and dumps: what is left when a promotion went wrong. Series that disagree leave it open which of them is meant. */
const backupLines = (part: Part, { backups = {} }: Steady): readonly AuditLine[] =>
  part.databases.flatMap(({ name: database, backups: asked = [] }) =>
    asked.map(({ name, system, maxAgeMs, weight }): AuditLine => {
      const of = `${database}/${name}`;
      const facts = factsOf<BackupFacts>(backups, of);
      const judge = ({ youngestMs, oldestMs, series }: BackupFacts): Judgement => {
        const bound = `at most ${oldText(maxAgeMs)} is wanted`;
        const said = youngestMs === oldestMs ? oldText(oldestMs) : `${oldText(youngestMs)} to ${oldText(oldestMs)} over ${series} series`;
        if (oldestMs <= maxAgeMs) return good(said);
        if (youngestMs > maxAgeMs) return bad(`${said}, ${bound}`, 'see the log of the job that makes it, and make one now');
        return unknown(`${said}, ${bound}: which of them is meant is not known`, 'let the query choose one, by min(), max() or a label');
      };
      const fix = `see what ${system} answers to its query, and whether its exporter is scraped`;
      return { check: 'backup', weight, of, ...(isUnseen(facts) ? unknown(facts.unseen, fix) : judge(facts)) };
    }),
  );

const cacheLines = (part: Part, steady: Steady, active: string): readonly AuditLine[] =>
  part.caches.flatMap((cache) => {
    const weight = cache.policy === 'strict' ? 'must' : 'should';
    return tiersAt([cache], part.platform, steady.caches).flatMap((at): readonly AuditLine[] => [
      tierLine<CacheFacts>({ check: 'cache-linked', weight }, at, ({ role, linked, heardAgoMs }) => {
        if (at.region === active)
          return role === 'master'
            ? good('it is the master')
            : bad(`it follows, while ${active} is active`, 'promote it, or let the platform be where its master is');
        if (role === 'master') return bad('it follows nobody', `let it follow ${active}: it loses what it has`);
        if (linked === null) return unknown('whether its link is up could not be told', 'look at its replication');
        return linked
          ? good(`it follows${heardAgoMs === null ? '' : `, heard of its master ${Math.round(heardAgoMs / 1000)} s ago`}`)
          : bad('its link to the master is down, or its first copy is not whole', 'see why it does not reach its master');
      }),
      ...(weight === 'must'
        ? [
            tierLine<CacheFacts>({ check: 'cache-saved', weight: 'should' }, at, ({ savedAgoMs }) =>
              savedAgoMs === null
                ? bad('it is never saved: what it has ends with its process', 'configure snapshots')
                : good(`saved ${Math.round(savedAgoMs / 1000)} s ago`),
            ),
          ]
        : []),
    ]);
  });

/** Who moves together speaks one dialect: a takeover is asked for in the words of both. */
const dialectLines = (part: Part, steady: Steady): readonly AuditLine[] =>
  part.caches.flatMap((cache) => {
    const seen = tiersAt<CacheFacts>([cache], part.platform, steady.caches).flatMap(({ facts }) =>
      isUnseen(facts) ? [] : [facts.dialect],
    );
    const dialects = [...new Set(seen)];
    if (seen.length < 2) return [];
    const asked = { check: 'cache-dialect', weight: cache.policy === 'strict' ? 'must' : 'should', of: cache.name } as const;
    return [
      dialects.length === 1
        ? { ...asked, ...good(`${dialects[0]} in every region`) }
        : {
            ...asked,
            ...bad(`${dialects.join(' and ')} beside one another: one cannot take the place of the other`, 'run the same in every region'),
          },
    ];
  });

/** Databases and caches; poolers are among what only a run needs. `active`: where their writer is. */
const tierLines = (part: Part, steady: Steady, active: string): readonly AuditLine[] => [
  ...databaseLines(part, steady, active),
  ...backupLines(part, steady),
  ...cacheLines(part, steady, active),
  ...dialectLines(part, steady),
];

// ---- what each model asks ----

export const coldLines = (part: Part, steady: Steady, active: string): readonly AuditLine[] => {
  const idle = sitesIn(part, others(part, active), PROCESSING);
  return [
    ...idle.map((at) =>
      siteLine(steady, { check: 'standby-at-zero', weight: 'must' }, at, ({ replicas, ready }) =>
        replicas === 0 && ready === 0
          ? good('nothing runs there')
          : bad(
              `${replicas} wanted and ${ready} ready in ${at.region} while ${active} is active: both regions work on the same tasks`,
              `scale ${at.site.namespace}/${at.site.deployment} in ${at.region} to 0`,
            ),
      ),
    ),
    ...idle.map((at) =>
      siteLine(steady, { check: 'autoscaler-parked', weight: 'must' }, at, ({ autoscaler }) => {
        if (autoscaler === null) return good('no autoscaler holds it');
        return autoscaler.min > 0
          ? good(`autoscaler ${autoscaler.name} rests while there are no replicas`)
          : bad(`autoscaler ${autoscaler.name} may go from zero by itself, since its minimum is 0`, 'give it a minimum of 1 or more');
      }),
    ),
    ...endpointLines(
      part,
      { check: 'namespace-endpoint', weight: 'should' },
      'namespace',
      'it stays with its region, although with one fleet it could follow the namespace',
    ),
  ];
};

export const hotLines = (part: Part, steady: Steady, active: string): readonly AuditLine[] => {
  const idle = sitesIn(part, others(part, active));
  const least = ({ site }: Site): number => Math.max(1, site.standby);
  return [
    ...endpointLines(
      part,
      { check: 'regional-endpoint', weight: 'must' },
      'regional',
      'it follows the namespace out of its region, and a failover waits for DNS and new connections',
    ),
    ...forwardingLines(part, steady, false, 'the standby takes work across regions while it should be idle'),
    ...idle.map((at) =>
      siteLine(steady, { check: 'standby-warm', weight: 'must' }, at, ({ ready }) =>
        ready >= least(at)
          ? good(`${ready} ready`)
          : bad(
              `${ready} of ${least(at)} ready in ${at.region}`,
              `keep ${least(at)} of ${at.site.namespace}/${at.site.deployment} ready: this model never scales`,
            ),
      ),
    ),
    ...idle.map((at) =>
      siteLine(steady, { check: 'autoscaler-minimum', weight: 'must' }, at, ({ autoscaler }) => {
        if (autoscaler === null) return good('no autoscaler holds it');
        return autoscaler.min >= least(at)
          ? good(`autoscaler ${autoscaler.name} keeps ${autoscaler.min} or more`)
          : bad(
              `autoscaler ${autoscaler.name} may go down to ${autoscaler.min} of ${least(at)} while it idles`,
              `give it a minimum of ${least(at)}`,
            );
      }),
    ),
    ...idle.map((at) =>
      siteLine(steady, { check: 'headroom', weight: 'should' }, at, ({ ready, autoscaler }) => {
        const wanted = at.fleet.sites[active]?.replicas ?? at.site.replicas;
        const most = Math.max(ready, autoscaler?.max ?? 0);
        return most >= wanted
          ? good(`${ready} ready${most > ready ? `, up to ${most} by its autoscaler` : ''}, where ${active} has ${wanted}`)
          : bad(
              `${ready} ready where ${active} has ${wanted}: this model never scales`,
              `keep ${wanted}, or let an autoscaler reach so many`,
            );
      }),
    ),
  ];
};

export const activeLines = (part: Part, steady: Steady): readonly AuditLine[] => {
  const { regions } = part.platform;
  const all = sitesIn(part, regions);
  return [
    ...all.map((at) =>
      siteLine(steady, { check: 'region-ready', weight: 'must' }, at, ({ ready, replicas }) => {
        const wanted = Math.max(1, Math.min(at.site.replicas, replicas));
        return ready >= wanted
          ? good(`${ready} ready`)
          : bad(`${ready} of ${wanted} ready in ${at.region}`, `see why ${at.site.namespace}/${at.site.deployment} is short there`);
      }),
    ),
    ...forwardingLines(part, steady, true, 'workers of the region in which it is passive get nothing to do'),
    ...all.map((at) =>
      siteLine(steady, { check: 'headroom', weight: 'must' }, at, ({ autoscaler }) => {
        const lost = Math.max(
          0,
          ...regions.filter((region) => region !== at.region).map((region) => at.fleet.sites[region]?.replicas ?? 0),
        );
        const wanted = at.site.replicas + lost;
        if (autoscaler === null) return good(`no autoscaler holds it below ${wanted}, which it needs when another region is lost`);
        return autoscaler.max >= wanted
          ? good(`autoscaler ${autoscaler.name} allows ${autoscaler.max} of ${wanted}`)
          : bad(
              `autoscaler ${autoscaler.name} would take it back to ${autoscaler.max} of the ${wanted} it needs when another region is lost`,
              `give it a maximum of ${wanted} or more`,
            );
      }),
    ),
  ];
};

/** What only a run needs: that it can be opened, with its address and its secret, is known before. */
const doorLines = ({ externals, databases, platform }: Part, { doors = {} }: Steady): readonly AuditLine[] => {
  const sites = databases.flatMap((database) => Object.values(database.sites));
  const poolers = sites.flatMap((site) => [
    ...site.poolers.map(({ system }) => system),
    ...(site.stonith === undefined ? [] : [site.stonith]),
  ]);
  const names = [...poolers, ...externals.map(({ system }) => system), ...platform.prearm, ...platform.gates.map(({ system }) => system)];
  return [...new Set(names)]
    .filter((name) => Object.hasOwn(doors, name))
    .map((name) => {
      const why = doors[name] ?? null;
      const is =
        why === null
          ? good('it can be opened; what it answers, only a run or a drill shows')
          : bad(why, `mend ${name} under systems of the replicas`);
      return { check: 'system-opens', of: name, weight: 'must', ...is };
    });
};

/** What every model asks. `running`: regions in which fleets are to be up. */
export const generalLines = (
  part: Part,
  steady: Steady,
  running: readonly string[],
  active: string = steady.active,
): readonly AuditLine[] => {
  const all = sitesIn(part, part.platform.regions);
  const up = sitesIn(part, running);
  return [
    ...tierLines(part, steady, active),
    ...replicaLines(part, steady),
    ...up
      .filter(({ site }) => site.check !== undefined)
      .map((at) =>
        siteLine(steady, { check: 'fleet-check', weight: 'must' }, at, ({ check }) => {
          if (check === null)
            return unknown(`${at.site.check} was not asked`, `see whether a replica names ${at.site.check} under systems`);
          return check.ok ? good(check.because) : bad(check.because, `see why ${at.fleet.name} does not work in ${at.region}`);
        }),
      ),
    ...all.map((at) => imageLine(steady, at)),
    ...doorLines(part, steady),
    ...managedLines(part, steady),
    ...dispatchLines(part),
    ...up
      .filter(({ site }) => site.replicas > 1)
      .map((at) =>
        siteLine(steady, { check: 'zones', weight: 'should' }, at, ({ zones }) => {
          if (zones === null) return unknown('in which zones its pods are could not be told', 'let Tidegate read nodes, or look yourself');
          return zones.length > 1
            ? good(`spread over ${zones.join(', ')}`)
            : bad(`all of it is in ${zones[0] ?? 'no zone at all'}`, 'spread it over zones by topologySpreadConstraints');
        }),
      ),
    ...all.map((at) =>
      siteLine(steady, { check: 'limits', weight: 'should' }, at, ({ limited }) =>
        limited
          ? good('every container says what it may use')
          : bad('a container does not say what it may use, so one that grows takes its neighbours with it', 'give every container limits'),
      ),
    ),
  ];
};

// ---- Dual Active ----

/** Where the entry is active: as its namespaces were seen, else its home. */
const activeOf = ({ entry, platform, steady }: { entry: NamespacesConfig; platform: PlatformConfig; steady: Steady }): string => {
  const seen = entry.namespaces.map((name) => factsOf(steady.namespaces, name)).find((facts) => !isUnseen(facts));
  const region = platform.regions.find((each) => seen !== undefined && !isUnseen(seen) && entry.places[each] === seen.active);
  return region ?? entry.home ?? steady.active;
};

const platformLine = ({ name }: PlatformConfig, asked: Asked, judged: Judgement): AuditLine => ({ ...asked, of: name, ...judged });

const unownedOf = ({ namespaces, fleets, services, externals, databases = [], caches = [] }: PlatformConfig): readonly string[] => [
  ...fleets.filter(({ name }) => !namespaces.some((entry) => entry.fleets?.includes(name))).map(({ name }) => `fleet ${name}`),
  ...services.filter((name) => !namespaces.some((entry) => entry.services?.includes(name))).map((name) => `service ${name}`),
  ...externals.filter(({ name }) => !namespaces.some((entry) => entry.externals?.includes(name))).map(({ name }) => `external ${name}`),
  ...databases.filter(({ name }) => !namespaces.some((entry) => entry.databases?.includes(name))).map(({ name }) => `database ${name}`),
  ...caches.filter(({ name }) => !namespaces.some((entry) => entry.caches?.includes(name))).map(({ name }) => `cache ${name}`),
];

const structureLines = (platform: PlatformConfig): readonly AuditLine[] => {
  const homes = new Set(platform.namespaces.map(({ home }) => home).filter((home) => home !== undefined));
  const homeless = platform.namespaces.filter(({ home }) => home === undefined).map(({ name }) => name);
  const coupled = coupledOf(platform);
  const unowned = unownedOf(platform);
  return [
    platformLine(
      platform,
      { check: 'coupled', weight: 'must' },
      coupled.length === 0
        ? good('nothing is shared between entries')
        : bad(`${coupled.length} shared between entries, and moved with none: ${coupled.join(', ')}`, 'give each entry its own'),
    ),
    platformLine(
      platform,
      { check: 'crossed', weight: 'must' },
      homes.size > 1
        ? good(`homes in ${[...homes].join(', ')}`)
        : bad(`all homes are in ${[...homes][0] ?? 'no region'}`, 'that is Active/Passive: say so, as active-hot or active-cold'),
    ),
    ...(homeless.length === 0
      ? []
      : [
          platformLine(
            platform,
            { check: 'home-said', weight: 'must' },
            bad(`no home is said for ${homeless.join(', ')}, so it is never moved`, 'give each entry a home'),
          ),
        ]),
    platformLine(
      platform,
      { check: 'unowned', weight: 'should' },
      unowned.length === 0
        ? good('every fleet, service and external goes with an entry')
        : bad(`never moved, since no entry names it: ${unowned.join(', ')}`, 'name it in one entry, or leave it out'),
    ),
  ];
};

/** Each entry is asked what its own form of Active/Passive asks, and the whole whether it is really several. */
export const dualLines = (platform: PlatformConfig, steady: Steady): readonly AuditLine[] => [
  ...structureLines(platform),
  ...partsOf(platform).flatMap(({ entry, part }): readonly AuditLine[] => {
    const active = activeOf({ entry, platform, steady });
    const cold = others(part, active).some((region) => isCold(part, region));
    return [
      ...namespaceLines(part, steady, { check: 'at-home', weight: 'should' }, (facts, { home, places }) => {
        if (home === undefined) return null;
        return facts.active === places[home]
          ? good(`active in ${facts.active}, its home`)
          : bad(
              `active in ${facts.active}, while its home is ${places[home] ?? home}`,
              'move it back when its home is well, or make this its home',
            );
      }),
      ...(cold ? coldLines : hotLines)(part, steady, active),
      ...generalLines(part, steady, cold ? [active] : platform.regions, active),
    ];
  }),
];
