// Who is in this world, and the files that its operators would have written: five regions of which the last is a witness, one service, default cadences.
import { fenceName } from '../../../providers/fence.ts';
import { ETCD_PORT, etcdName, HOST, PROVIDER, ZONE, type ZoneKey } from './servers.ts';
import type { Wan } from './wan.ts';

export const REGIONS = ['r1', 'r2', 'r3', 'r4', 'r5'] as const;
export type Region = (typeof REGIONS)[number];
/** These have users; the last region is a witness. */
export const SERVING = ['r1', 'r2', 'r3', 'r4'] as const satisfies readonly Region[];
/** These hold the provider's credentials. */
export const COORDINATORS = ['r1', 'r2', 'r3'] as const satisfies readonly Region[];
/** One replica a region, and two in one. */
export const REPLICAS = ['r1/a', 'r2/a', 'r2/b', 'r3/a', 'r4/a', 'r5/a'] as const;
export type ReplicaName = (typeof REPLICAS)[number];

export const SERVICE = `web.${ZONE}`;
export const FENCE = fenceName(SERVICE);
export const CLUSTER = 'world';
export const PREFIX = `/tidegate/${CLUSTER}/`;
export const APP_PORT = 8080;
export const PAGES_PORT = 9000;
export const TTL_S = 5;

export const regionOf = (replica: ReplicaName): Region => replica.slice(0, 2) as Region;
export const apiPort = (replica: ReplicaName): number => 7700 + (replica.endsWith('/b') ? 1 : 0);
export const answerOf = (wan: Wan, region: Region): string => wan.address(region, HOST.app);

const endpoints = (region: Region): readonly string[] =>
  [region, ...REGIONS.filter((each) => each !== region)].map((each) => `https://${etcdName(each)}:${ETCD_PORT}`);

const storeText = (region: Region, user: string): string => `store:
  kind: etcd
  endpoints: [${endpoints(region).join(', ')}]
  prefix: ${PREFIX}
  tls: { caFile: pki/ca.pem, certFile: pki/${user}.pem, keyFile: pki/${user}.key }
  timeout: 1500ms`;

/** What an operator has on a machine in the region, to apply the cluster's part. */
export const operatorText = (wan: Wan, region: Region, user: string): string => `region: ${region}
replica: ${user}
api: { tokenFile: operator.token }
${storeText(region, user)}
dns: { resolvers: [${wan.address(region, HOST.resolver)}:53] }
`;

/** The part of the file that is one replica's own. Paths are relative to the folder of the run. */
export const replicaText = (wan: Wan, replica: ReplicaName, key: ZoneKey): string => {
  const region = regionOf(replica);
  const main = wan.address(region, HOST.main);
  const credentials = COORDINATORS.some((each) => each === region);
  return `region: ${region}
replica: ${replica.slice(3)}
api: { listen: ${main}:${apiPort(replica)}, tokenFile: operator.token, auth: { anonymous: viewer } }
${storeText(region, region)}
dns: { resolvers: [${wan.address(region, HOST.resolver)}:53] }
signing: { keyFile: ${region}.sign }
providers: ${credentials ? `{ dns: { kind: rfc2136, zone: ${ZONE}, server: ${wan.address(PROVIDER, HOST.dns)}:53, key: { name: ${key.name}, algorithm: hmac-sha256, secretFile: dns.secret } } }` : '{}'}
paging:
  spoolFile: spool-${replica.replace('/', '')}.json
  channels: [{ kind: webhook, name: ${region}, url: http://${main}:${PAGES_PORT}/pages, secretFile: webhook.secret, networks: [0.0.0.0/0] }]
`;
};

/**
 * The shared part. Interval, timeout, lease and renewal are the defaults: they are what is measured. Holds, ramp and pacing are short, so that the
 * world is whole again soon between two cases.
 */
export const clusterText = (wan: Wan, keys: Readonly<Record<Region, string>>): string => {
  const anchors = `[tcp://${wan.address(PROVIDER, HOST.dns)}:53, http://${wan.address(PROVIDER, HOST.app)}:${APP_PORT}/]`;
  return `cluster:
  name: ${CLUSTER}
  regions:
${REGIONS.map((region) => `    - { name: ${region}, coordinator: ${COORDINATORS.some((each) => each === region)}, anchors: ${anchors}, keys: [${keys[region]}] }`).join('\n')}
  policy:
    recoveryHold: 3s
    ramp: [100%]
    rampStep: 1s
    pacing: 1s
    flapWindow: 1m
    latchAfter: 0
    safety: { blast-radius: { regions: 1, window: 1s } }
  services:
    - name: ${SERVICE}
      mode: auto
      provider: dns
      ttl: ${TTL_S}s
      pools:
${SERVING.map((region) => {
  const url = `http://${answerOf(wan, region)}:${APP_PORT}`;
  return `        - { name: ${region}, answers: [${answerOf(wan, region)}], targets: [{ name: app, healthz: ${url}/healthz, readyz: ${url}/readyz }] }`;
}).join('\n')}
      converge:
        authoritative: [${wan.address(PROVIDER, HOST.dns)}:53]
        request: { port: ${APP_PORT}, path: / }
`;
};
