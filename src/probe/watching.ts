// What a region looks at, from the cluster's configuration: every endpoint of its targets with what to ask, how to judge it, and when in the interval.
// Pure.
import { configHash } from '../health/config-hash.ts';
import { electorateOf, vantagesOf } from '../health/electorate.ts';
import { grayRuleOf } from '../health/gray.ts';
import { confirmEveryMs, faultsFor, quorumOf } from '../health/timing.ts';
import type { VantageRules, Watched } from '../health/watched.ts';
import { type ClusterConfig, type EndpointName, endpointKey, type ProbeSpec, type TargetId, targetId } from '../model.ts';
import { phaseMs } from './schedule.ts';

export interface Watching extends Watched {
  spec: ProbeSpec;
  phaseMs: number;
}

const ENDPOINTS: readonly EndpointName[] = ['healthz', 'readyz'];

/** What this region looks at, with phases that spread targets evenly and stagger the vantages. */
export const watchedBy = (cluster: ClusterConfig, region: string): readonly Watching[] =>
  cluster.services.flatMap((service) =>
    service.pools.flatMap((pool) =>
      pool.targets.flatMap((target): Watching[] => {
        const vantages = vantagesOf(cluster, pool, target);
        const vantageIndex = vantages.indexOf(region);
        if (vantageIndex < 0) return [];
        const id: TargetId = targetId(service.name, pool.name, target.name);
        const voters = electorateOf(cluster, service.name, pool.name, target.name).length;
        const k = faultsFor(cluster.policy, quorumOf(Math.max(voters, 1)));
        const endpoints = ENDPOINTS.filter((e) => target[e] !== undefined);
        return endpoints.flatMap((endpoint, index): Watching[] => {
          const spec = target[endpoint];
          if (spec === undefined) return [];
          return [
            {
              key: endpointKey(id, endpoint),
              target: id,
              endpoint,
              home: pool.region === region,
              rule: { k, spanMs: cluster.policy.faultSpanMs },
              spec,
              phaseMs: phaseMs({
                target: id,
                vantageIndex,
                vantages: vantages.length,
                endpointIndex: index === 0 ? 0 : 1,
                endpoints: endpoints.length === 1 ? 1 : 2,
                intervalMs: cluster.policy.intervalMs,
              }),
            },
          ];
        });
      }),
    ),
  );

export const rulesOf = (cluster: ClusterConfig, watched: readonly Watching[]): VantageRules => {
  const gray = grayRuleOf(cluster.policy);
  return {
    configVersion: cluster.version,
    configHash: configHash(cluster),
    watched,
    ...(gray === null ? {} : { gray }),
    confirmEveryMs: confirmEveryMs(cluster.policy),
    burstMs: cluster.policy.burstMs,
    intervalMs: cluster.policy.intervalMs,
    beatMs: cluster.policy.beatMs,
  };
};
