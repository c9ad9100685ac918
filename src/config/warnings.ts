// What is lawful but hardly meant: said at start and by `check`, refused by nobody. Pure; works on an accepted configuration. Says each thing once.

import type { ClusterConfig, ServiceConfig } from '../model.ts';
import { electorateGroups } from './electorate.ts';
import type { Finding, Path } from './problem.ts';
import type { ReplicaConfig } from './schema.ts';
import { list, plural } from './words.ts';

const warning = (path: Path, message: string): Finding => ({ path, at: 'value', message });

/** Targets whose electorate is too small to act. */
const electorateWarnings = (cluster: ClusterConfig): Finding[] =>
  electorateGroups(cluster)
    .filter(({ advisesOnly, voters }) => advisesOnly && voters.length > 0)
    .map(({ voters, targets, services }) => {
      const found = `found ${plural(voters.length, 'voter')} (${list(voters)}) for ${plural(targets, 'target')} of ${list(services, 3)}, expected at least 3`;
      const why =
        voters.length === 2
          ? 'with two, a dead region takes the majority with it'
          : 'one region alone cannot tell a dead target from its own trouble';
      const todo =
        voters.length === 2
          ? 'add a witness: a small machine in a third place that probes and votes'
          : 'let more regions vote and see these targets';
      const message = `${found}; nothing moves by itself because of them, Tidegate only advises and pages (${why}); ${todo}`;
      return warning(['cluster', 'regions'], message);
    });

const anchorWarnings = (cluster: ClusterConfig): Finding[] => {
  const bare = cluster.regions.filter(({ vote, anchors }) => vote && anchors.length === 0).map(({ name }) => name);
  if (bare.length === 0) return [];
  const at = cluster.regions.findIndex(({ name }) => name === bare[0]);
  const message = `found no anchors for ${list(bare)}, expected two or three addresses that answer while the region's own uplink works; without them a cut-off region blames everybody else instead of abstaining`;
  return [warning(['cluster', 'regions', at, 'anchors'], message)];
};

/** Services that a single failure domain carries, and lists of regions that do not vote. */
const serviceWarnings = (cluster: ClusterConfig): Finding[] => {
  const carried = ({ pools }: ServiceConfig): boolean => new Set(pools.map(({ region }) => region)).size === 1;
  const [single, grouped] = [
    cluster.services.filter(({ pools }) => pools.length === 1),
    cluster.services.filter((service) => service.pools.length > 1 && carried(service)),
  ];
  const names = (services: readonly ServiceConfig[]): string =>
    list(
      services.map(({ name }) => name),
      3,
    );
  const at = (services: readonly ServiceConfig[]): Path => [
    'cluster',
    'services',
    cluster.services.findIndex((each) => services.includes(each)),
    'pools',
  ];
  const findings: Finding[] = [];
  if (single.length > 0) {
    findings.push(
      warning(at(single), `found a single pool for ${names(single)}, expected two or more; there is nowhere to move traffic to`),
    );
  }
  if (grouped.length > 0) {
    const message = `found all pools of ${names(grouped)} in one region, expected two regions or more; when it dies there is nowhere to move traffic to`;
    findings.push(warning(at(grouped), message));
  }
  if (cluster.services.length === 0)
    findings.push(warning(['cluster', 'services'], 'found no service, expected at least one; there is nothing to watch'));
  return findings;
};

const mutes = (cluster: ClusterConfig): Finding[] => {
  const mute = new Set(cluster.regions.filter(({ vote }) => !vote).map(({ name }) => name));
  for (const [s, service] of cluster.services.entries()) {
    for (const [p, pool] of service.pools.entries()) {
      for (const [t, { from }] of pool.targets.entries()) {
        const i = typeof from === 'string' ? -1 : from.findIndex((region) => mute.has(region));
        if (i === -1) continue;
        const path = ['cluster', 'services', s, 'pools', p, 'targets', t, 'from', i];
        return [
          warning(path, `found ${from[i]}, which does not vote, expected a voting region; what it sees of this target moves nothing`),
        ];
      }
    }
  }
  return [];
};

const isLoopback = (host: string): boolean => host.startsWith('127.') || host === '::1';

const listenWarnings = ({ api, store }: ReplicaConfig): Finding[] => {
  const places: readonly [Path, string][] = [
    [['api', 'listen'], api.host],
    ...(store.kind === 'embedded' && store.serve ? [[['store', 'serve', 'listen'], store.serve.host] as [Path, string]] : []),
  ];
  return places
    .filter(([, host]) => !isLoopback(host))
    .map(([path, host]) =>
      warning(path, `found ${host}, expected a loopback address; its bearer token travels unencrypted, so put TLS in front of it`),
    );
};

/** Every warning, in no particular order. */
export const warningsOf = (config: ReplicaConfig): Finding[] => {
  const { cluster, store } = config;
  const findings = listenWarnings(config);
  if (cluster === null) return findings;
  if (store.kind === 'remote') {
    findings.push(
      warning(
        ['cluster'],
        'found a cluster section beside a remote store, expected none; it is not used, the cluster is what the store holds',
      ),
    );
  }
  return [...findings, ...electorateWarnings(cluster), ...anchorWarnings(cluster), ...serviceWarnings(cluster), ...mutes(cluster)];
};
