// What the watch looks at: a namespace of the cloud by its public name, else by the Ops API; one of one's own clusters by whichever of them answers and has
// seen the most moves, since a cluster that is cut off tells of old ones.

import { answering } from './answering.ts';
import type { TemporalCloud } from './cloud.ts';
import type { TemporalCluster } from './cluster.ts';
import { type NameSightOptions, type Sight, sightByName } from './sight.ts';
import type { Watched } from './watch.ts';

/** A failover is in the journal when it is seen, and was ordered at most so long before. */
const ORDERED_WITHIN_MS = 600_000;

export const watchedInCloud = (namespace: string, cloud: TemporalCloud, names: NameSightOptions, nowMs: () => number): Watched => ({
  namespace,
  async look(signal) {
    const sight = await sightByName(names, namespace, signal);
    if ('place' in sight) return sight;
    const look = await answering(cloud.forced).look(namespace, signal);
    return look.is === 'seen' ? { place: look.place.active } : { unseen: `${sight.unseen}; ${look.because}` };
  },
  async evidence(signal) {
    const [look, ordered] = await Promise.all([
      answering(cloud.forced).look(namespace, signal),
      cloud.ordered(namespace, nowMs() - ORDERED_WITHIN_MS, signal).catch(() => null),
    ]);
    return { kind: 'temporal-cloud', managedFailoverDisabled: look.is === 'seen' ? look.place.managedFailoverDisabled : null, ordered };
  },
});

export const watchedInClusters = (namespace: string, clusters: readonly TemporalCluster[]): Watched => ({
  namespace,
  async look(signal): Promise<Sight> {
    const looks = await Promise.all(clusters.map((cluster) => answering(cluster.forced).look(namespace, signal)));
    const seen = looks.flatMap((look) => (look.is === 'seen' ? [look.place] : []));
    const [latest] = seen.toSorted((a, b) => (b.version ?? 0) - (a.version ?? 0));
    if (latest !== undefined) return { place: latest.active };
    return { unseen: looks.map((look) => ('because' in look ? look.because : '')).join('; ') || 'no cluster is configured' };
  },
  evidence: async () => ({ kind: 'temporal', managedFailoverDisabled: null, ordered: null }),
});
