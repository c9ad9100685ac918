// May this configuration follow that one while traffic flows? A file can be right in itself and still take the ground from under a running cluster. Pure.
// Each refusal names the steps that lead to the same end safely: never remove what carries, and change who votes one region at a time.
import { isDeepStrictEqual } from 'node:util';
import { electorateOf, VOTERS_MIN, votersOf } from '../health/electorate.ts';
import type { ClusterConfig, Routing, ServiceConfig } from '../model.ts';
import type { ReplicaConfig } from './schema.ts';
import { list } from './words.ts';

export interface Refusal {
  /** As in `cluster.services.web.example.test`: names, since the two files need not have the same indexes. */
  path: string;
  /** `found …, expected …; what to do instead`. */
  message: string;
}

export const renderRefusal = ({ path, message }: Refusal): string => `${path}: ${message}`;

/** What the pools of the present route lose. Services that are gone as a whole lose nothing: their last route stays published. */
const carried = (service: ServiceConfig, next: ServiceConfig, routing: Routing): Refusal[] => {
  const route = routing.services[service.name]?.route ?? {};
  const carrying = Object.keys(route).filter((pool) => (route[pool] ?? 0) > 0);
  const left = carrying.filter((name) => next.pools.some((pool) => pool.name === name));
  if (carrying.length === 0 || left.length > 0) return [];
  const message = `found no pool of the present route (${list(carrying)} carries all traffic), expected at least one of them to stay; keep it, drain it with an override, and remove it once another pool carries`;
  return [{ path: `cluster.services.${service.name}.pools`, message }];
};

const moved = (service: ServiceConfig, next: ServiceConfig): Refusal[] =>
  service.pools.flatMap((pool): Refusal[] => {
    const after = next.pools.find(({ name }) => name === pool.name);
    if (after === undefined || after.region === pool.region) return [];
    const message = `found region ${after.region}, expected ${pool.region}, since votes and holds of this pool were made there; add a pool of another name in ${after.region}, drain this one, then remove it`;
    return [{ path: `cluster.services.${service.name}.pools.${pool.name}.region`, message }];
  });

const changed = (before: readonly string[], after: readonly string[]): { gone: readonly string[]; come: readonly string[] } => ({
  gone: before.filter((name) => !after.includes(name)),
  come: after.filter((name) => !before.includes(name)),
});

/** One voter at a time, so that every quorum of before overlaps every quorum of after. An electorate that only advised may change freely. */
const tooMany = (before: readonly string[], after: readonly string[]): string | null => {
  const { gone, come } = changed(before, after);
  if (before.length < VOTERS_MIN || gone.length + come.length <= 1) return null;
  const found = [gone.length > 0 ? `${list(gone)} leaving` : '', come.length > 0 ? `${list(come)} joining` : ''].filter(
    (part) => part !== '',
  );
  const [first] = [...come, ...gone];
  return `found ${found.join(' and ')} the voters at once, expected one change at a time; apply this for ${first} alone, wait until every voter reports the new version, then go on`;
};

const electorates = (previous: ClusterConfig, next: ClusterConfig): Refusal[] => {
  const cluster = tooMany(votersOf(previous), votersOf(next));
  if (cluster !== null) return [{ path: 'cluster.regions', message: cluster }];
  const perTarget = next.services.flatMap((service) =>
    service.pools.flatMap((pool) =>
      pool.targets.flatMap((target): Refusal[] => {
        const before = electorateOf(previous, service.name, pool.name, target.name);
        const message = tooMany(before, electorateOf(next, service.name, pool.name, target.name));
        return message === null
          ? []
          : [{ path: `cluster.services.${service.name}.pools.${pool.name}.targets.${target.name}.from`, message }];
      }),
    ),
  );
  return perTarget.slice(0, REFUSALS_MAX);
};

/** Most refusals of one kind: a list of fifty targets is one mistake. */
const REFUSALS_MAX = 20;

/** What forbids going from `previous` to `next` while `routing` is published; empty when nothing does. */
export const checkTransition = (previous: ClusterConfig, next: ClusterConfig, routing: Routing | null): readonly Refusal[] => {
  const kept = previous.services.flatMap((service) => {
    const after = next.services.find(({ name }) => name === service.name);
    return after === undefined ? [] : [{ service, after }];
  });
  return [
    ...(routing === null ? [] : kept.flatMap(({ service, after }) => carried(service, after, routing))),
    ...kept.flatMap(({ service, after }) => moved(service, after)),
    ...electorates(previous, next),
  ];
};

/** Sections whose change a running process cannot take up, because sockets, identities and credentials hang on them. */
const FIXED = ['region', 'replica', 'api', 'store', 'dns', 'providers', 'paging', 'log'] as const;

/** What in a replica's own part of the file changed and needs a restart; empty when only the cluster did. */
export const needsRestart = (previous: ReplicaConfig, next: ReplicaConfig): readonly Refusal[] =>
  FIXED.filter((section) => !isDeepStrictEqual(previous[section], next[section])).map((section) => ({
    path: section,
    message: `found a change in ${section}, expected none while running; restart this replica to take it up, or undo it and reload`,
  }));
