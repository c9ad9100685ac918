// Providers of one file that lead to the same object of a vendor. Two paths of a service are two only if they differ there: the same object under two names
// would be written twice under one fence, each write looking like a stranger's to the other, and would count as a second way out that is none. Pure.
import type { ProviderConfig } from '../../providers/index.ts';
import { type ClusterConfig, pathsOf } from '../model.ts';
import { type Finding, finding, type Path } from './problem.ts';
import { shapeOf } from './providers/index.ts';

interface Use {
  provider: string;
  service: string;
  at: Path;
}

/** Services that this entry says objects for, and those of the cluster that go by it; each once. */
const usesOf = (provider: string, entry: ProviderConfig, cluster: ClusterConfig | null): readonly Use[] => {
  const named = 'services' in entry ? Object.keys(entry.services) : [];
  const going = (cluster?.services ?? []).flatMap((service, i): Use[] => {
    if (named.includes(service.name) || !pathsOf(service).includes(provider)) return [];
    return [{ provider, service: service.name, at: ['cluster', 'services', i, 'provider'] }];
  });
  return [...named.map((service): Use => ({ provider, service, at: ['providers', provider, 'services', service] })), ...going];
};

/** One finding for each service that an entry has a taken object for. */
export const sharedObjects = (providers: Readonly<Record<string, ProviderConfig>>, cluster: ClusterConfig | null): Finding[] => {
  const owners = new Map<string, Use>();
  const uses = Object.entries(providers).flatMap(([name, entry]) => usesOf(name, entry, cluster).map((use) => ({ use, entry })));
  return uses.flatMap(({ use, entry }) => {
    const objects = shapeOf(entry).objects(entry, use.service);
    const taken = objects.find((object) => owners.has(object) && owners.get(object)?.provider !== use.provider);
    for (const object of objects) if (!owners.has(object)) owners.set(object, use);
    const owner = taken === undefined ? undefined : owners.get(taken);
    if (owner === undefined) return [];
    const message = `found ${taken} for provider "${use.provider}", expected an object of its own, since provider "${owner.provider}" writes it for ${owner.service}; remove one of the two`;
    return [finding(use.at, message)];
  });
};
