// Which provider's acknowledgement counts for a service with several paths: the first that has the route in force; without one, what its first path says.
// Pure.
import { appliedKey } from '../coordinate/keys.ts';
import { type AppliedRecord, type ClusterConfig, pathsOf, type Routing } from '../model.ts';

/** `by`: the path, where there are several. */
export type Acknowledgement = AppliedRecord & { by?: string };

/** In: the records `applied/…` by their keys. Out: by service. */
export const acknowledgements = (
  cluster: ClusterConfig,
  routing: Routing | null,
  records: ReadonlyMap<string, AppliedRecord>,
): Readonly<Record<string, Acknowledgement>> =>
  Object.fromEntries(
    cluster.services.flatMap((service): [string, Acknowledgement][] => {
      const fence = routing !== null && Object.hasOwn(routing.services, service.name) ? routing.services[service.name]?.fence : undefined;
      const known = pathsOf(service).flatMap((by) => {
        const record = records.get(appliedKey(by, service.name));
        return record === undefined ? [] : [{ by, record }];
      });
      const there = known.filter(({ record }) => record.outcome === 'applied' && record.fence === fence);
      const counts = there.toSorted((a, b) => a.record.atMs - b.record.atMs)[0] ?? known[0];
      if (counts === undefined) return [];
      return [[service.name, service.also === undefined ? counts.record : { ...counts.record, by: counts.by }]];
    }),
  );
