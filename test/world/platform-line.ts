// What a `platform` line of a story means: the platform, the systems around that it names, and what runs there at first.
import type { FleetKind, NamespacesConfig, PlatformConfig } from '../../src/runbook/model.ts';
import type { VirtualProcess } from '../virtual.ts';
import { Landscape } from './landscape.ts';
import { duration, type Named } from './line.ts';

const REPLICAS = 4;
const MOVE_MS = 3_000;
const SILENCE_MS = 5_000;
const SYSTEMS = ['kube', 'codec'] as const;
/** Of fleets whose line says none. */
const START = '5s';

/** `a:300,b` as pairs. */
const pairs = (text = ''): readonly (readonly [string, string | undefined])[] =>
  text.split(',').flatMap((each) => {
    const [name = '', value] = each.split(':');
    return name === '' ? [] : [[name, value] as const];
  });

const FLEETS: Readonly<Record<string, FleetKind>> = { codec: 'codec', proxy: 'proxy', workers: 'workers', starters: 'starters' };

/** The systems around of a world of these regions. */
export const landscapeOf =
  (regions: readonly string[]) =>
  (ports: VirtualProcess['ports']): Landscape =>
    new Landscape({
      ports,
      regionOf: Object.fromEntries(regions.flatMap((region) => SYSTEMS.map((system) => [`${system}-${region}`, region]))),
      moveMs: MOVE_MS,
      silenceMs: SILENCE_MS,
    });

const placesOf = (regions: readonly string[]) => Object.fromEntries(regions.map((region) => [region, `aws-${region}`]));

/** `orders,tenants`, or `east@a,west@b` where each has a home of its own. */
const namespacesOf = (text: string | undefined, regions: readonly string[]): readonly NamespacesConfig[] => {
  const base = { system: 'cloud', frontend: 'cloud', places: placesOf(regions), parallel: 4, stopAfter: 3, queues: ['work'] };
  const names = pairs(text).map(([name]) => name);
  const homed = names.filter((name) => name.includes('@'));
  const rest = names.filter((name) => !name.includes('@'));
  return [
    ...(rest.length === 0 ? [] : [{ ...base, name: 'namespaces', namespaces: rest }]),
    ...homed.map((each) => {
      const [name = '', home = ''] = each.split('@');
      return { ...base, name, namespaces: [name], home };
    }),
  ];
};

export const platformFrom = (name: string, named: Named): PlatformConfig => {
  const model = named.model as PlatformConfig['model'];
  const regions = (named.regions ?? 'a,b').split(',');
  const failback = named.failback ?? 'manual';
  return {
    name,
    model,
    regions,
    services: (named.services ?? 'web').split(','),
    trigger: {
      mode: (named.trigger ?? 'auto') as PlatformConfig['trigger']['mode'],
      holdMs: duration(named.hold ?? '10s'),
      prearm: named.prearm === 'yes',
    },
    gates: pairs(named.gate).map(([gate, max]) => ({
      name: gate,
      system: 'metrics',
      query: gate,
      max: Number(max ?? 30),
      maxAgeMs: 60_000,
      onUnknown: 'ask',
      before: 'promote',
      blocks: 'graceful',
    })),
    approvals: { start: Number(named.persons ?? 1) as 0 | 1 | 2, steps: {}, expireMs: duration(named.expire ?? '30m') },
    failback:
      failback === 'manual' || failback === 'fail-forward' ? { kind: failback } : { kind: 'automatic', afterMs: duration(failback) },
    ...(named.follow === 'yes' ? { follow: true as const } : {}),
    fleets: pairs(named.fleets).map(([fleet, start]) => ({
      name: fleet,
      kind: FLEETS[fleet] ?? 'workers',
      startMs: duration(start ?? START),
      sites: Object.fromEntries(
        regions.map((region) => [
          region,
          {
            system: `kube-${region}`,
            namespace: 'app',
            deployment: fleet,
            replicas: REPLICAS,
            standby: model === 'active-cold' ? 0 : REPLICAS,
            endpoint: model === 'active-hot' ? ('regional' as const) : ('namespace' as const),
            ...(fleet === 'codec' ? { check: `codec-${region}` } : {}),
          },
        ]),
      ),
    })),
    namespaces: namespacesOf(named.namespaces, regions),
    externals: pairs(named.externals).map(([external, when]) => ({
      name: external,
      system: 'hooks',
      when: (when ?? 'promote').split('+') as PlatformConfig['externals'][number]['when'],
      timeoutMs: 60_000,
      onFail: 'ask',
      waits: true,
    })),
    prearm: pairs(named.prearmed).map(([system]) => system),
  };
};

/** What is there when all is well. */
export const populate = (landscape: Landscape, platform: PlatformConfig): void => {
  const [home] = platform.regions;
  for (const { name, startMs = 0, sites } of platform.fleets) {
    landscape.starts(name, startMs);
    for (const [region, { system, namespace, deployment, replicas, standby }] of Object.entries(sites))
      landscape.deploy(system, namespace, deployment, region === home || platform.model === 'active-active' ? replicas : standby);
  }
  for (const { namespaces, places, home: own } of platform.namespaces) {
    for (const [region, place] of Object.entries(places)) landscape.place(place, region);
    for (const namespace of namespaces) landscape.namespace(namespace, places[own ?? home ?? ''] ?? '');
  }
};
