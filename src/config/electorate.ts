// Who votes on each target, how many must agree and how many may be lost, as `check` prints it. Pure.
import { electorateOf, VOTERS_MIN } from '../health/electorate.ts';
import { quorumOf } from '../health/timing.ts';
import type { ClusterConfig } from '../model.ts';

export interface Electorate {
  service: string;
  pool: string;
  target: string;
  /** Configured order. Empty: a `local` target, which gates and advises but never votes. */
  voters: readonly string[];
  needs: number;
  /** Voters that may fall silent before nothing can be decided any more. A dead region's own vantage is one of them. */
  spare: number;
  /** Too few voters: nothing moves by itself because of this target. */
  advisesOnly: boolean;
}

/** Every target's electorate, in configured order. */
export const electoratesOf = (cluster: ClusterConfig): readonly Electorate[] =>
  cluster.services.flatMap((service) =>
    service.pools.flatMap((pool) =>
      pool.targets.map((target): Electorate => {
        const voters = electorateOf(cluster, service.name, pool.name, target.name);
        const needs = quorumOf(voters.length);
        const advisesOnly = voters.length < VOTERS_MIN;
        const spare = advisesOnly ? 0 : voters.length - needs;
        return { service: service.name, pool: pool.name, target: target.name, voters, needs, spare, advisesOnly };
      }),
    ),
  );

export interface ElectorateGroup extends Pick<Electorate, 'voters' | 'needs' | 'spare' | 'advisesOnly'> {
  targets: number;
  /** Distinct, in configured order. */
  services: readonly string[];
}

/** Electorates of the same voters as one, so that fifty services do not print fifty lines. Largest first. */
export const electorateGroups = (cluster: ClusterConfig): readonly ElectorateGroup[] =>
  [...Map.groupBy(electoratesOf(cluster), ({ voters }) => voters.join(' ')).values()]
    .flatMap((same): ElectorateGroup[] => {
      const [first] = same;
      if (first === undefined) return [];
      const { voters, needs, spare, advisesOnly } = first;
      return [{ voters, needs, spare, advisesOnly, targets: same.length, services: [...new Set(same.map(({ service }) => service))] }];
    })
    .sort((a, b) => b.targets - a.targets);
