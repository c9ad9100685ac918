// What is lawful but hardly meant: said at start and by `check`, refused by nobody. Pure; works on an accepted configuration. Says each thing once.

import { isProxied, measurable } from '../converge/landing.ts';
import type { ClusterConfig, ServiceConfig } from '../model.ts';
import { deafRoute, WAYS_MIN, waysOf } from '../paging/ways.ts';
import { isLoopback } from './api.ts';
import { electorateGroups } from './electorate.ts';
import { type Finding, finding, type Path } from './problem.ts';
import type { ReplicaConfig } from './schema.ts';
import { list, plural } from './words.ts';

const REGIONS: Path = ['cluster', 'regions'];

const warning = (path: Path, message: string): Finding => finding(path, message);

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

/** Their name tells nobody where users land, so only replies of the pools themselves can. */
const unmeasuredWarnings = ({ services }: ClusterConfig): Finding[] => {
  const unmeasured = services.filter((service) => isProxied(service) && !measurable(service).landing);
  const [first] = unmeasured;
  if (first === undefined) return [];
  const names = list(
    unmeasured.map(({ name }) => name),
    3,
  );
  const message = `found no converge.resolvers with a converge.request for ${names}, expected both, since its pools have no answers of their own; nobody measures when users have moved. Add a request whose reply names its region in the header x-region`;
  return [warning(['cluster', 'services', services.indexOf(first)], message)];
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

const listenWarnings = ({ api, store }: ReplicaConfig): Finding[] => {
  const places: readonly [Path, string][] = [
    ...(api.tls === undefined ? [[['api', 'listen'], api.host] as [Path, string]] : []),
    ...(store.kind === 'embedded' && store.serve ? [[['store', 'serve', 'listen'], store.serve.host] as [Path, string]] : []),
  ];
  return places
    .filter(([, host]) => !isLoopback(host))
    .map(([path, host]) =>
      warning(
        path,
        `found ${host}, expected a loopback address; bearer tokens travel unencrypted, so ${path[0] === 'api' ? 'give it api.tls, or put' : 'put'} TLS in front of it`,
      ),
    );
};

/** Who signs protects only if all do: a forged majority is made of those who do not. */
const keyWarnings = ({ regions }: ClusterConfig): Finding[] => {
  const voters = regions.filter(({ vote }) => vote);
  const bare = voters.filter(({ keys = [] }) => keys.length === 0).map(({ name }) => name);
  if (bare.length === 0 || bare.length === voters.length) return [];
  const at = regions.findIndex(({ name }) => name === bare[0]);
  const message = `found no keys for ${list(bare)} beside regions that sign, expected keys for every voter; whoever can write the store can vote as ${list(bare)}`;
  return [warning([...REGIONS, at], message)];
};

/** Memory without a majority to spare, votes that anybody may forge, pages that a restart forgets. */
const etcdWarnings = ({ store, signing, paging }: ReplicaConfig): Finding[] => {
  if (store.kind !== 'etcd') return [];
  const { endpoints, tls, user } = store;
  const findings: Finding[] = [];
  if (endpoints.length % 2 === 0) {
    const message = `found ${endpoints.length} endpoints, expected 3 or 5 members: an even one more makes the majority larger and no loss bearable; add or remove a member`;
    findings.push(warning(['store', 'endpoints'], message));
  }
  if (tls !== undefined && tls.certFile === undefined && user === undefined) {
    const message = 'found no certFile and no user, expected one of them; the store lets in whoever reaches it';
    findings.push(warning(['store', 'tls'], message));
  }
  if (signing === undefined) {
    const message =
      'found nothing, expected signing.keyFile; without it whoever can write the store can vote for this region. Make a key with tidegate keygen';
    findings.push({ path: ['signing'], at: 'key', message });
  }
  if (paging.spoolFile === undefined) {
    const message =
      'found nothing, expected a file; without it pages that this replica has to tell by itself, while the store has no majority, are lost when it restarts';
    findings.push({ path: ['paging', 'spoolFile'], at: 'key', message });
  }
  return findings;
};

/** One way out is one way to fail; and who is to be woken has to hear. A single machine has other single points than this. */
const pagingWarnings = ({ store, paging: { channels, routes } }: ReplicaConfig): Finding[] => {
  const findings: Finding[] = [];
  const ways = waysOf(channels);
  if (store.kind === 'etcd' && ways.length < WAYS_MIN) {
    const [only = []] = ways;
    const found =
      channels.length === 0
        ? 'found no channel but the log'
        : channels.length === 1
          ? `found one channel (${list(only)})`
          : `found ${list(only)}, which are of one kind at one host`;
    const message = `${found}, expected two that fail apart; ${channels.length === 0 ? 'nobody is woken' : 'when that one fails nobody is woken'}. Add one of another kind, or at another host`;
    findings.push({ path: ['paging', 'channels'], at: 'key', message });
  }
  const deaf = deafRoute(routes);
  if (deaf !== -1) {
    const message =
      'found a route that tells critical pages to the log alone, expected a channel that wakes somebody; name one, or let it take other severities only';
    findings.push(warning(['paging', 'routes', deaf], message));
  }
  return findings;
};

/** What is written and served by nobody here. */
const gateWarnings = ({ providers, gate }: ReplicaConfig): Finding[] => {
  const name = Object.entries(providers).find(([, { kind }]) => kind === 'gate')?.[0];
  if (name === undefined || gate !== undefined) return [];
  const message = `found nothing, expected gate.listen and gate.file beside the provider "${name}"; its decisions are written, and checkers that ask this replica hear nothing`;
  return [{ path: ['gate'], at: 'key', message }];
};

const unusedCluster = ({ store }: ReplicaConfig): Finding[] => {
  if (store.kind === 'embedded') return [];
  const todo =
    store.kind === 'etcd'
      ? 'it is not used, the cluster is what the store holds, and `tidegate apply -f` writes it there; keep it in a file of its own'
      : 'it is not used, the cluster is what the store holds';
  return [warning(['cluster'], `found a cluster section beside a store of kind ${store.kind}, expected none; ${todo}`)];
};

/** A region that is to be activated executes its own runbook: others are only there for when it cannot. */
const platformWarnings = ({ region, systems = {} }: ReplicaConfig, { platforms = [] }: ClusterConfig): Finding[] => {
  const at = platforms.findIndex(({ regions }) => regions.includes(region));
  if (at === -1 || Object.keys(systems).length > 0) return [];
  const message = `found no systems in this file, expected those that platform ${platforms[at]?.name ?? ''} names: the region that is activated executes the runbook, and ${region} could not; add the section systems`;
  return [warning(['cluster', 'platforms', at], message)];
};

/** Who coordinates proves databases, and their routes go nowhere before that: what it cannot ask it cannot prove. */
const unaskedWarnings = ({ providers, systems = {} }: ReplicaConfig, { platforms = [] }: ClusterConfig): Finding[] => {
  if (Object.keys(providers).length === 0) return [];
  return platforms.flatMap(({ databases = [] }, p) =>
    databases.flatMap(({ name, services, sites }, d) => {
      const missing = Object.values(sites).flatMap(({ sql }) => (Object.hasOwn(systems, sql) ? [] : [sql]));
      if (services.length === 0 || missing.length === 0) return [];
      const message = `found no ${list(missing)} under systems of this file, expected the postgres entries of all sites of ${name}; while this replica coordinates it cannot prove there that ${name} takes writes, and routes of ${list(services, 3)} may wait for that proof; add them`;
      return [warning(['cluster', 'platforms', p, 'databases', d, 'sites'], message)];
    }),
  );
};

/** What a rung below the old writer's own word leaves open. */
const RUNG_RISKS = {
  witness:
    'that a quorum cannot reach a region does not mean that its database takes no writes: a partition is enough for two writers, and what one of them wrote is lost',
  grace:
    'a region that does not fence itself within its grace, whatever its owner said, is a second writer, and what one of them wrote is lost',
} as const;

const fenceWarnings = ({ platforms = [] }: ClusterConfig): Finding[] =>
  platforms.flatMap(({ trigger, databases = [] }, p) =>
    databases.flatMap(({ name, fence: { rung } }, d) => {
      if (trigger.mode !== 'auto' || !(rung === 'witness' || rung === 'grace')) return [];
      const message = `found ${rung} beside trigger auto, expected acknowledged: a run that begins by itself takes no more than that for a fence of ${name}, and ${RUNG_RISKS[rung]}; write acknowledged, or let a human begin the run`;
      return [warning(['cluster', 'platforms', p, 'databases', d, 'fence', 'rung'], message)];
    }),
  );

/** What etcd takes of one request unless it is told otherwise, with room for what goes with a configuration. */
const ETCD_DEFAULT_BYTES = 1_400_000;

/** A configuration that etcd takes only as deploy/etcd starts it: better told now than when it is applied. */
const largeWarnings = (cluster: ClusterConfig): Finding[] => {
  const bytes = Buffer.byteLength(JSON.stringify(cluster));
  if (bytes <= ETCD_DEFAULT_BYTES) return [];
  const message = `found ${bytes} bytes once written out, expected at most ${ETCD_DEFAULT_BYTES} where etcd runs with its defaults; start every member with --max-request-bytes=8388608, or it refuses this configuration when it is applied`;
  return [warning(['cluster'], message)];
};

/** Every warning about the part that all replicas share, in no particular order. */
export const clusterWarnings = (cluster: ClusterConfig): Finding[] => [
  ...electorateWarnings(cluster),
  ...anchorWarnings(cluster),
  ...keyWarnings(cluster),
  ...serviceWarnings(cluster),
  ...mutes(cluster),
  ...unmeasuredWarnings(cluster),
  ...fenceWarnings(cluster),
  ...largeWarnings(cluster),
];

/** Every warning about a replica's file, in no particular order. */
export const warningsOf = (config: ReplicaConfig): Finding[] => [
  ...listenWarnings(config),
  ...etcdWarnings(config),
  ...pagingWarnings(config),
  ...gateWarnings(config),
  ...(config.cluster === null
    ? []
    : [
        ...unusedCluster(config),
        ...clusterWarnings(config.cluster),
        ...platformWarnings(config, config.cluster),
        ...unaskedWarnings(config, config.cluster),
      ]),
];
