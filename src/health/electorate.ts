// Who looks at a target, and whose look is a vote. Counted over the regions configured, never over those that answer. Pure.
import type { ClusterConfig, PoolConfig, TargetConfig, TargetId } from '../model.ts';
import { targetId } from '../model.ts';
import { quorumOf } from './timing.ts';

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

/** Those who vote on a target; `target` null: all voters. */
interface Electorate {
  voters: readonly string[];
  target: TargetId | null;
}

const distinct = new WeakMap<ClusterConfig, readonly Electorate[]>();

/** Electorates that can move anything by themselves, each once, the largest first; all voters where there is none. */
const movingElectorates = (cluster: ClusterConfig): readonly Electorate[] => {
  let list = distinct.get(cluster);
  if (list === undefined) {
    const all = votersOf(cluster);
    const moving = [...(known.get(cluster) ?? electorates(cluster))].filter(([, voters]) => voters.length >= VOTERS_MIN);
    const each = [...Map.groupBy(moving, ([, voters]) => voters.join(' ')).values()].flatMap(([first]): Electorate[] =>
      first === undefined ? [] : [{ voters: first[1], target: first[1].length === all.length ? null : first[0] }],
    );
    list = each.length === 0 ? [{ voters: all, target: null }] : each.sort((a, b) => b.voters.length - a.voters.length);
    distinct.set(cluster, list);
  }
  return list;
};

/** An electorate as it stands: how many of it speak, and how many of those may fall silent before it decides nothing; negative: how many are missing. */
export interface Standing extends Electorate {
  speaking: number;
  spare: number;
}

/** The electorate that is nearest to deciding nothing, when these regions speak. */
export const weakestOf = (cluster: ClusterConfig, speakers: ReadonlySet<string>): Standing =>
  movingElectorates(cluster)
    .map(({ voters, target }): Standing => {
      const speaking = voters.filter((region) => speakers.has(region)).length;
      return { voters, target, speaking, spare: speaking - quorumOf(voters.length) };
    })
    .reduce((weakest, each) => (each.spare < weakest.spare ? each : weakest));

/** `2 of 3 vantages`, and of which target, where not all of them vote on it. */
export const standingText = ({ voters, target, speaking }: Standing): string =>
  `${speaking} of ${voters.length} vantages${target === null ? '' : ` of ${target}`}`;
