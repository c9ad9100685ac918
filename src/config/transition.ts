// May this configuration follow that one while traffic flows? A file can be right in itself and still take the ground from under a running cluster. Pure.
// Each refusal names the steps that lead to the same end safely: never remove what carries, and change who votes one region at a time.
import { isDeepStrictEqual } from 'node:util';
import { electorateOf, VOTERS_MIN, votersOf } from '../health/electorate.ts';
import type { ClusterConfig, Routing, ServiceConfig } from '../model.ts';
import type { ReplicaConfig } from './schema.ts';
import { list, plural } from './words.ts';

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

/** One voter each, the joining ones first, so that no step has fewer voters than both ends. */
const stepsOf = (before: readonly string[], after: readonly string[]): readonly string[] => [
  ...after.filter((name) => !before.includes(name)).map((name) => `${name} joins`),
  ...before.filter((name) => !after.includes(name)).map((name) => `${name} leaves`),
];

/** One voter at a time, so that every quorum of before overlaps every quorum of after. An electorate that only advised may change freely. */
const tooMany = (before: readonly string[], after: readonly string[]): string | null => {
  const steps = stepsOf(before, after);
  if (before.length < VOTERS_MIN || steps.length <= 1) return null;
  const one = list(
    steps.map((step, i) => `(${i + 1}) ${step}`),
    STEPS_MAX,
  );
  return `found ${steps.length} changes of the voters at once, expected one change at a time; apply each alone: ${one}; after each, wait until every voter reports the new version`;
};

/** Fewer voters than can decide. */
const tooFew = (before: readonly string[], after: readonly string[]): string | null => {
  // None at all is another kind of target, which never voted on purpose.
  if (before.length < VOTERS_MIN || after.length === 0 || after.length >= VOTERS_MIN) return null;
  const message = `found ${plural(after.length, 'voter')} left of ${before.length} (${list(after)}), expected at least ${VOTERS_MIN}: with fewer nothing moves by itself`;
  return `${message}; let another region join first, such as a witness, or apply with --allow-advise-only if that is meant`;
};

const electorates = (previous: ClusterConfig, next: ClusterConfig, refuse: typeof tooMany): Refusal[] => {
  const cluster = refuse(votersOf(previous), votersOf(next));
  if (cluster !== null) return [{ path: 'cluster.regions', message: cluster }];
  const perTarget = next.services.flatMap((service) =>
    service.pools.flatMap((pool) =>
      pool.targets.flatMap((target): Refusal[] => {
        const before = electorateOf(previous, service.name, pool.name, target.name);
        const message = refuse(before, electorateOf(next, service.name, pool.name, target.name));
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
const STEPS_MAX = 20;

/** A file of another cluster is the likelier reason, and the worse one. */
const renamed = (previous: ClusterConfig, next: ClusterConfig): Refusal[] => {
  const message = `found "${next.name}", expected "${previous.name}", the cluster that this store holds; name the file of that cluster, or keep ${next.name} under a store.prefix of its own`;
  return previous.name === next.name ? [] : [{ path: 'cluster.name', message }];
};

/** What a change may do although it is hardly ever meant. */
export interface Allowance {
  /** Fewer voters than can decide: the cluster then only advises and pages. */
  adviseOnly: boolean;
  /** Another name of the cluster. */
  rename: boolean;
}

/** A replica with a store of its own is told both by its own file, which it has been started with. */
export const OWN_FILE: Allowance = { adviseOnly: true, rename: true };

/** What forbids going from `previous` to `next` while `routing` is published; empty when nothing does. */
export const checkTransition = (
  previous: ClusterConfig,
  next: ClusterConfig,
  routing: Routing | null,
  allow: Allowance = OWN_FILE,
): readonly Refusal[] => {
  const kept = previous.services.flatMap((service) => {
    const after = next.services.find(({ name }) => name === service.name);
    return after === undefined ? [] : [{ service, after }];
  });
  return [
    ...(allow.rename ? [] : renamed(previous, next)),
    ...(routing === null ? [] : kept.flatMap(({ service, after }) => carried(service, after, routing))),
    ...kept.flatMap(({ service, after }) => moved(service, after)),
    ...electorates(previous, next, tooMany),
    ...(allow.adviseOnly ? [] : electorates(previous, next, tooFew)),
  ];
};

/** Sections whose change a running process cannot take up, because sockets, identities and credentials hang on them. */
const FIXED = [
  'region',
  'replica',
  'api',
  'dashboard',
  'store',
  'dns',
  'providers',
  'systems',
  'canaries',
  'signing',
  'paging',
  'record',
  'log',
] as const;

/** What in a replica's own part of the file changed and needs a restart; empty when only the cluster did. */
export const needsRestart = (previous: ReplicaConfig, next: ReplicaConfig): readonly Refusal[] =>
  FIXED.filter((section) => !isDeepStrictEqual(previous[section], next[section])).map((section) => ({
    path: section,
    message: `found a change in ${section}, expected none while running; restart this replica to take it up, or undo it and reload`,
  }));
