// Relations of platforms: regions and services that must exist, systems of the right kind, sites that each model needs, things that belong to one platform
// only. Pure.
import type { ClusterConfig } from '../model.ts';
import type { DatabaseConfig, FleetConfig, NamespacesConfig, PlatformConfig } from '../runbook/platform.ts';
import type { SystemKind } from '../runbook/systems.ts';
import { budgetFindings, budgetNamings } from './budget-checks.ts';
import type { Draft } from './check.ts';
import { duplicates, type Finding, finding, type Path } from './problem.ts';
import type { Systems } from './systems.ts';
import { didYouMean, list } from './words.ts';

const PLATFORMS: Path = ['cluster', 'platforms'];

const expected = (found: string, what: string, known: readonly string[], otherwise: string): string =>
  `found "${found}", expected ${what}: ${list(known)}; ${didYouMean(found, known, otherwise)}`;

/** A system that is named, where, and of which kinds it may be. */
interface Naming {
  at: Path;
  system: string;
  kinds: readonly SystemKind[];
}

/** One for all regions, or one for each. */
const named = (system: string | Readonly<Record<string, string>>, kind: SystemKind, at: Path): readonly Naming[] =>
  typeof system === 'string'
    ? [{ at, system, kinds: [kind] }]
    : Object.entries(system).map(([region, each]) => ({ at: [...at, region], system: each, kinds: [kind] }));

const CHECKS: Readonly<Record<FleetConfig['kind'], readonly SystemKind[]>> = {
  codec: ['codec'],
  proxy: ['grpc'],
  workers: ['http'],
  starters: ['http'],
};

const namingsOf = (platform: PlatformConfig, at: Path): readonly Naming[] => [
  ...budgetNamings(platform, at),
  ...platform.fleets.flatMap(({ kind, sites }, f) =>
    Object.entries(sites).flatMap(([region, site]): Naming[] => [
      { at: [...at, 'fleets', f, 'sites', region, 'system'], system: site.system, kinds: ['kubernetes'] },
      ...(site.check === undefined
        ? []
        : [{ at: [...at, 'fleets', f, 'sites', region, 'check'], system: site.check, kinds: CHECKS[kind] }]),
      ...(site.canary === undefined ? [] : named(site.canary, 'temporal', [...at, 'fleets', f, 'sites', region, 'canary'])),
    ]),
  ),
  ...platform.namespaces.flatMap(({ system, frontend }, n) => [
    ...named(system, typeof system === 'string' ? 'temporal-cloud' : 'temporal', [...at, 'namespaces', n, 'system']),
    ...(frontend === undefined ? [] : named(frontend, 'temporal', [...at, 'namespaces', n, 'frontend'])),
  ]),
  ...platform.externals.map(({ system }, e): Naming => ({ at: [...at, 'externals', e, 'system'], system, kinds: ['webhook'] })),
  ...platform.gates.map(({ system }, g): Naming => ({ at: [...at, 'gates', g, 'system'], system, kinds: ['prometheus'] })),
  ...platform.prearm.map((system, p): Naming => ({ at: [...at, 'prearm', p], system, kinds: ['webhook'] })),
  ...tierNamings(platform, at),
];

const tierNamings = ({ databases = [], managed = [], caches = [] }: PlatformConfig, at: Path): readonly Naming[] => [
  ...databases.flatMap(({ backups = [] }, d) =>
    backups.map(({ system }, b): Naming => ({ at: [...at, 'databases', d, 'backups', b, 'system'], system, kinds: ['prometheus'] })),
  ),
  ...databases.flatMap(({ sites }, d) =>
    Object.entries(sites).flatMap(([region, { system, sql, poolers, stonith }]): Naming[] => {
      const site = [...at, 'databases', d, 'sites', region];
      return [
        { at: [...site, 'system'], system, kinds: ['patroni'] },
        { at: [...site, 'sql'], system: sql, kinds: ['postgres'] },
        ...poolers.map((pooler, p): Naming => ({ at: [...site, 'poolers', p, 'system'], system: pooler.system, kinds: ['pgbouncer'] })),
        ...(stonith === undefined ? [] : [{ at: [...site, 'stonith'], system: stonith, kinds: ['webhook'] as const }]),
      ];
    }),
  ),
  ...managed.flatMap(({ vendor, sites }, m) =>
    Object.entries(sites).flatMap(([region, { system, sql }]): Naming[] => [
      { at: [...at, 'managed', m, 'sites', region, 'system'], system, kinds: [vendor] },
      ...(sql === undefined ? [] : named(sql, 'postgres', [...at, 'managed', m, 'sites', region, 'sql'])),
    ]),
  ),
  ...caches.flatMap(({ sites }, c) =>
    Object.entries(sites).map(
      ([region, { system }]): Naming => ({ at: [...at, 'caches', c, 'sites', region, 'system'], system, kinds: ['redis'] }),
    ),
  ),
];

/** Only a replica's file knows its systems; one that has none at all leaves runbooks to others. */
const systemFindings = (namings: readonly Naming[], systems: Systems): Finding[] => {
  const known = Object.keys(systems);
  return namings.flatMap(({ at, system, kinds }) => {
    const kind = Object.hasOwn(systems, system) ? systems[system]?.kind : undefined;
    if (kind === undefined) return [finding(at, expected(system, 'an entry of systems in this file', known, 'declare it under systems'))];
    if (kinds.includes(kind)) return [];
    return [finding(at, `found "${system}", which is of kind ${kind}, expected one of kind ${kinds.join(' or ')}; name another entry`)];
  });
};

/** A map by region has the platform's regions, all of them and no others. */
const mapFindings = (platform: PlatformConfig, what: string, map: Readonly<Record<string, unknown>>, at: Path): Finding[] => {
  const strays = Object.keys(map).filter((region) => !platform.regions.includes(region));
  const lacks = platform.regions.filter((region) => !Object.hasOwn(map, region));
  return [
    ...strays.map((region) => {
      const message = `found "${region}", no region of platform ${platform.name}, expected ${list(platform.regions)}; ${didYouMean(region, platform.regions, 'remove it')}`;
      return finding([...at, region], message, 'key');
    }),
    ...(lacks.length === 0
      ? []
      : [
          finding(
            at,
            `found no ${what} for ${list(lacks)}, expected one for each region of the platform; add it, or there is nothing to move to`,
          ),
        ]),
  ];
};

const fleetFindings = (platform: PlatformConfig, { name, kind, sites }: FleetConfig, at: Path): Finding[] => {
  const findings = mapFindings(platform, 'site', sites, [...at, 'sites']);
  for (const [region, { replicas, standby }] of Object.entries(sites)) {
    const place = [...at, 'sites', region, 'standby'];
    if (standby > replicas)
      findings.push(
        finding(place, `found ${standby}, expected at most replicas (${replicas}); a standby is no larger than the active fleet`),
      );
    if (platform.model === 'active-cold' && (kind === 'workers' || kind === 'starters') && standby > 0) {
      const message = `found ${standby}, expected 0: in active-cold ${name} run in one region only; write 0, or take active-hot`;
      findings.push(finding(place, message));
    }
    if (platform.model === 'active-hot' && standby === 0) {
      const message = `found 0, expected at least 1: in active-hot ${name} runs in every region, and nothing is scaled at a failover; raise it, or take active-cold`;
      findings.push(finding(place, message));
    }
  }
  return findings;
};

/** What moves with an entry of Dual Active: things of the platform, each with one entry. */
const ownFindings = (platform: PlatformConfig, entry: NamespacesConfig, at: Path): Finding[] =>
  (['fleets', 'services', 'externals', 'databases', 'caches'] as const).flatMap((what) => {
    const names = entry[what] ?? [];
    if (names.length > 0 && platform.model !== 'dual-active')
      return [
        finding(
          [...at, what],
          `found ${what} in ${platform.model}, expected them in dual-active only; remove them, everything moves together`,
        ),
      ];
    const kept = what === 'databases' ? (platform.managed ?? []) : [];
    const known = what === 'services' ? platform.services : [...(platform[what] ?? []), ...kept].map(({ name }) => name);
    return names.flatMap((name, i) => {
      const other = platform.namespaces.find((each) => each !== entry && each[what]?.includes(name) === true);
      const place = [...at, what, i];
      if (!known.includes(name))
        return [finding(place, expected(name, `one of ${what} of platform ${platform.name}`, known, 'declare it there'))];
      return other === undefined
        ? []
        : [finding(place, `found "${name}", which moves with "${other.name}" already, expected each with one entry; remove it`)];
    });
  });

const namespacesFindings = (platform: PlatformConfig, entry: NamespacesConfig, at: Path): Finding[] => {
  const { name, namespaces, places, system, home, frontend } = entry;
  if (frontend !== undefined && typeof system !== 'string')
    return [
      finding(
        [...at, 'frontend'],
        'found a frontend beside clusters of your own, expected it with Temporal Cloud only; remove it, they are asked themselves',
      ),
    ];
  const findings = [
    ...mapFindings(platform, 'place', places, [...at, 'places']),
    ...(typeof system === 'string' ? [] : mapFindings(platform, 'system', system, [...at, 'system'])),
    ...(frontend === undefined || typeof frontend === 'string' ? [] : mapFindings(platform, 'frontend', frontend, [...at, 'frontend'])),
    ...ownFindings(platform, entry, at),
    ...duplicates('namespace', namespaces, (i) => [...at, 'namespaces', i]),
    ...duplicates('place', Object.values(places), (i) => [...at, 'places', Object.keys(places)[i] ?? '']),
  ];
  if (home !== undefined && !platform.regions.includes(home))
    findings.push(finding([...at, 'home'], expected(home, `a region of platform ${platform.name}`, platform.regions, 'name one of them')));
  if (platform.model === 'dual-active' && home === undefined)
    findings.push(
      finding(at, `found no home of ${name}, expected one: in dual-active each has the region in which it is active; write home`),
    );
  if (platform.model !== 'dual-active' && home !== undefined)
    findings.push(
      finding(
        [...at, 'home'],
        `found a home in ${platform.model}, expected one in dual-active only; remove it, the first of regions is home`,
      ),
    );
  return findings;
};

/** A database's sites, and the services whose users write to it. */
const databaseFindings = (platform: PlatformConfig, { sites, services, backups = [] }: DatabaseConfig, at: Path): Finding[] => [
  ...mapFindings(platform, 'site', sites, [...at, 'sites']),
  ...duplicates('service', services, (i) => [...at, 'services', i]),
  ...duplicates(
    'backup',
    backups.map(({ name }) => name),
    (i) => [...at, 'backups', i, 'name'],
  ),
  ...services.flatMap((service, s) =>
    platform.services.includes(service)
      ? []
      : [
          finding(
            [...at, 'services', s],
            expected(service, `one of services of platform ${platform.name}`, platform.services, 'name it there too'),
          ),
        ],
  ),
  ...Object.entries(sites).flatMap(([region, { poolers }]) =>
    duplicates(
      'pooler',
      poolers.map(({ system, database }) => `${database} of ${system}`),
      (i) => [...at, 'sites', region, 'poolers', i],
    ),
  ),
];

const tierFindings = (platform: PlatformConfig, at: Path): Finding[] => {
  const { databases = [], managed = [], caches = [] } = platform;
  const namesOf = (tiers: readonly { name: string }[]): readonly string[] => tiers.map(({ name }) => name);
  return [
    // One name, whoever keeps it: entries of Dual Active name both alike.
    ...duplicates('database', namesOf([...databases, ...managed]), (i) =>
      i < databases.length ? [...at, 'databases', i, 'name'] : [...at, 'managed', i - databases.length, 'name'],
    ),
    ...duplicates('cache', namesOf(caches), (i) => [...at, 'caches', i, 'name']),
    ...databases.flatMap((database, d) => databaseFindings(platform, database, [...at, 'databases', d])),
    ...managed.flatMap(({ sites }, m) => mapFindings(platform, 'site', sites, [...at, 'managed', m, 'sites'])),
    ...caches.flatMap(({ sites }, c) => mapFindings(platform, 'site', sites, [...at, 'caches', c, 'sites'])),
  ];
};

const platformFindings = (platform: PlatformConfig, cluster: ClusterConfig, at: Path): Finding[] => {
  const regions = cluster.regions.map(({ name }) => name);
  const services = cluster.services.map(({ name }) => name);
  const names = (items: readonly { name: string }[]): readonly string[] => items.map(({ name }) => name);
  const findings = [
    ...platform.regions.flatMap((region, r) =>
      regions.includes(region)
        ? []
        : [finding([...at, 'regions', r], expected(region, 'a region of the cluster', regions, 'declare it under cluster.regions'))],
    ),
    ...platform.services.flatMap((service, s) =>
      services.includes(service)
        ? []
        : [finding([...at, 'services', s], expected(service, 'a service of the cluster', services, 'declare it under cluster.services'))],
    ),
    ...duplicates('region', platform.regions, (i) => [...at, 'regions', i]),
    ...duplicates('service', platform.services, (i) => [...at, 'services', i]),
    ...duplicates('fleet', names(platform.fleets), (i) => [...at, 'fleets', i, 'name']),
    ...duplicates('entry of namespaces', names(platform.namespaces), (i) => [...at, 'namespaces', i, 'name']),
    ...duplicates('external', names(platform.externals), (i) => [...at, 'externals', i, 'name']),
    ...duplicates('gate', names(platform.gates), (i) => [...at, 'gates', i, 'name']),
  ];
  // A region that is misspelt would be told again at every map.
  if (platform.regions.every((region) => regions.includes(region)))
    findings.push(
      ...platform.fleets.flatMap((fleet, f) => fleetFindings(platform, fleet, [...at, 'fleets', f])),
      ...platform.namespaces.flatMap((entry, n) => namespacesFindings(platform, entry, [...at, 'namespaces', n])),
      ...tierFindings(platform, at),
    );
  if (platform.trigger.mode !== 'off' && platform.services.length === 0) {
    const message = `found trigger ${platform.trigger.mode} without services, expected at least one: the health of their pools is what begins a run; name one, or write "trigger: off"`;
    findings.push(finding([...at, 'trigger'], message));
  }
  if (platform.follow && (platform.namespaces.length === 0 || (platform.model !== 'active-cold' && platform.model !== 'active-hot')))
    findings.push(
      finding(
        [...at, 'follow'],
        `found follow in ${platform.model} with ${platform.namespaces.length} entries of namespaces, expected it in active-cold or active-hot with at least one; remove it, there is nothing to follow`,
      ),
    );
  if (platform.trigger.prearm && platform.prearm.length === 0 && platform.model !== 'active-cold')
    findings.push(
      finding(
        [...at, 'trigger', 'prearm'],
        'found nothing that could be done ahead, expected entries in prearm; name the webhooks to call',
      ),
    );
  return findings;
};

/** What can belong to one platform only, with where it is named: two that move the same thing would fight. */
const ownedBy = (platform: PlatformConfig, at: Path): readonly { thing: string; at: Path }[] => [
  ...platform.services.map((service, s) => ({ thing: `service ${service}`, at: [...at, 'services', s] })),
  ...platform.namespaces.flatMap(({ namespaces }, n) =>
    namespaces.map((namespace, i) => ({ thing: `namespace ${namespace}`, at: [...at, 'namespaces', n, 'namespaces', i] })),
  ),
  ...platform.fleets.flatMap(({ sites }, f) =>
    Object.entries(sites).map(([region, { system, namespace, deployment }]) => ({
      thing: `deployment ${namespace}/${deployment} of ${system}`,
      at: [...at, 'fleets', f, 'sites', region, 'deployment'],
    })),
  ),
  ...(platform.databases ?? []).flatMap(({ sites }, d) =>
    Object.entries(sites).map(([region, { system }]) => ({
      thing: `Patroni cluster ${system}`,
      at: [...at, 'databases', d, 'sites', region, 'system'],
    })),
  ),
  ...(platform.managed ?? []).flatMap(({ sites }, m) =>
    Object.entries(sites).map(([region, { member }]) => ({
      thing: `database ${member}`,
      at: [...at, 'managed', m, 'sites', region, 'member'],
    })),
  ),
  ...(platform.caches ?? []).flatMap(({ sites }, c) =>
    Object.entries(sites).map(([region, { system }]) => ({
      thing: `Redis ${system}`,
      at: [...at, 'caches', c, 'sites', region, 'system'],
    })),
  ),
];

const sharedFindings = (platforms: readonly PlatformConfig[]): Finding[] => {
  const owners = new Map<string, string>();
  return platforms.flatMap((platform, p) =>
    ownedBy(platform, [...PLATFORMS, p]).flatMap(({ thing, at }) => {
      const owner = owners.get(thing);
      owners.set(thing, owner ?? platform.name);
      // Twice in one list is told there.
      if (owner === undefined || (owner === platform.name && /^(service|namespace) /.test(thing))) return [];
      return [finding(at, `found ${thing} a second time (${owner} has it), expected each once; remove it from one of them`)];
    }),
  );
};

/** Every relation of platforms that does not hold. */
export const platformsFindings = (draft: Draft, cluster: ClusterConfig): Finding[] => {
  const { platforms = [] } = cluster;
  if (platforms.length === 0 || draft.broken(PLATFORMS)) return [];
  const whole = !draft.broken(['cluster', 'regions']) && !draft.broken(['cluster', 'services']);
  const { systems = {} } = draft;
  const knows = Object.keys(systems).length > 0 && !draft.broken(['systems']);
  return [
    ...duplicates(
      'platform',
      platforms.map(({ name }) => name),
      (i) => [...PLATFORMS, i, 'name'],
    ),
    ...(whole ? platforms.flatMap((platform, p) => platformFindings(platform, cluster, [...PLATFORMS, p])) : []),
    ...(knows ? platforms.flatMap((platform, p) => systemFindings(namingsOf(platform, [...PLATFORMS, p]), systems)) : []),
    ...(whole ? platforms.flatMap((platform, p) => budgetFindings(platform, [...PLATFORMS, p])) : []),
    ...sharedFindings(platforms),
  ];
};
