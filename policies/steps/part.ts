// What moves together: a platform as a whole, or what one of its entries takes with it. Pure.
import type {
  CacheConfig,
  DatabaseConfig,
  ExternalConfig,
  FleetConfig,
  ManagedConfig,
  NamespacesConfig,
  PlatformConfig,
} from '../../src/runbook/platform.ts';

/** What moves together: all of a platform, or what one of its entries takes with it. */
export interface Part {
  /** Before the ids of its steps; empty: it is the whole platform. */
  prefix: string;
  platform: PlatformConfig;
  fleets: readonly FleetConfig[];
  namespaces: readonly NamespacesConfig[];
  externals: readonly ExternalConfig[];
  services: readonly string[];
  databases: readonly DatabaseConfig[];
  managed: readonly ManagedConfig[];
  caches: readonly CacheConfig[];
  /** Graceful: one namespace after the other, whatever `parallel` says. */
  oneByOne: boolean;
}

export const wholeOf = (platform: PlatformConfig): Part => ({
  prefix: '',
  platform,
  fleets: platform.fleets,
  namespaces: platform.namespaces,
  externals: platform.externals,
  services: platform.services,
  databases: platform.databases ?? [],
  managed: platform.managed ?? [],
  caches: platform.caches ?? [],
  oneByOne: false,
});

/** What several entries name: to move it for one of them would move it under the others. */
export const coupledOf = ({ namespaces }: PlatformConfig): readonly string[] => {
  const named = namespaces.flatMap(({ fleets = [], services = [], externals = [], databases = [], caches = [] }) => [
    ...new Set(fleets.map((name) => `fleet ${name}`)),
    ...new Set(services.map((name) => `service ${name}`)),
    ...new Set(externals.map((name) => `external ${name}`)),
    ...new Set(databases.map((name) => `database ${name}`)),
    ...new Set(caches.map((name) => `cache ${name}`)),
  ]);
  return [...new Set(named.filter((name, at) => named.indexOf(name) !== at))];
};

/** Each entry of namespaces with what it alone takes with it: what is coupled goes with nobody. */
export const partsOf = (platform: PlatformConfig): readonly { entry: NamespacesConfig; part: Part }[] => {
  const coupled = coupledOf(platform);
  return platform.namespaces.map((entry) => {
    const isOwn = (kind: string, names: readonly string[] | undefined, name: string): boolean =>
      names?.includes(name) === true && !coupled.includes(`${kind} ${name}`);
    const part: Part = {
      prefix: `${entry.name}.`,
      platform,
      fleets: platform.fleets.filter(({ name }) => isOwn('fleet', entry.fleets, name)),
      namespaces: [entry],
      externals: platform.externals.filter(({ name }) => isOwn('external', entry.externals, name)),
      services: platform.services.filter((name) => isOwn('service', entry.services, name)),
      databases: (platform.databases ?? []).filter(({ name }) => isOwn('database', entry.databases, name)),
      managed: (platform.managed ?? []).filter(({ name }) => isOwn('database', entry.databases, name)),
      caches: (platform.caches ?? []).filter(({ name }) => isOwn('cache', entry.caches, name)),
      oneByOne: true,
    };
    return { entry, part };
  });
};
