// Who looks at a target, and whose look is a vote. Counted over the regions configured, never over those that answer. Pure.
import type { ClusterConfig, PoolConfig, TargetConfig, TargetId } from '../model.ts';
import { targetId } from '../model.ts';

/** Automatic moves need at least this many voters: with two, the death of one region takes the majority with it. */
export const VOTERS_MIN = 3;

/** Names of the regions that vote, in configured order. */
export const votersOf = (cluster: Pick<ClusterConfig, 'regions'>): readonly string[] =>
  cluster.regions.filter((region) => region.vote).map((region) => region.name);

/** The voters of a target: all, those its `from` lists, or none for `local`, which gates and advises but never votes. In configured order. */
export const votersFor = (voters: readonly string[], target: Pick<TargetConfig, 'from'>): readonly string[] => {
  const { from } = target;
  if (from === 'local') return [];
  return from === 'all' ? voters : voters.filter((region) => from.includes(region));
};

// A cluster configuration never changes once it is read, so its electorates are worked out once however often they are asked for.
const known = new WeakMap<ClusterConfig, ReadonlyMap<TargetId, readonly string[]>>();

const electorates = (cluster: ClusterConfig): ReadonlyMap<TargetId, readonly string[]> => {
  const voters = votersOf(cluster);
  const map = new Map<TargetId, readonly string[]>();
  for (const service of cluster.services) {
    for (const pool of service.pools) {
      for (const target of pool.targets) map.set(targetId(service.name, pool.name, target.name), votersFor(voters, target));
    }
  }
  known.set(cluster, map);
  return map;
};

/** Names of the regions whose votes count for the target of these names, in configured order; empty for `local` and for targets that are not configured. */
export const electorateOf = (cluster: ClusterConfig, service: string, pool: string, target: string): readonly string[] =>
  (known.get(cluster) ?? electorates(cluster)).get(targetId(service, pool, target)) ?? [];

/** Names of the regions that probe this target, whether or not they vote, in configured order. */
export const vantagesOf = (
  cluster: Pick<ClusterConfig, 'regions'>,
  pool: Pick<PoolConfig, 'region'>,
  target: Pick<TargetConfig, 'from'>,
): readonly string[] => {
  const { from } = target;
  if (from === 'all') return votersOf(cluster);
  const names = cluster.regions.map((region) => region.name);
  return from === 'local' ? names.filter((name) => name === pool.region) : names.filter((name) => from.includes(name));
};
