// The configuration files of a cluster on one machine, as text: what an operator would write, with fast looks and short holds.

import type { Store } from '../../src/store/store.ts';

export const REGIONS = ['eu-west', 'us-east', 'ap-south'] as const;
export type Region = (typeof REGIONS)[number];
/** Serves the store and the zone. */
export const FIRST: Region = 'eu-west';
export const WEB = 'web.example.test';
/** What users are sent to; each region's application listens on its own. */
export const ADDRESS: Readonly<Record<Region, string>> = { 'eu-west': '127.0.1.1', 'us-east': '127.0.1.2', 'ap-south': '127.0.1.3' };

export interface ClusterOptions {
  /** Lines of `policy` beside or instead of the fast ones, as in the file. */
  policy?: Readonly<Record<string, string>>;
  /** Regions that may coordinate; all unless said. */
  coordinators?: readonly Region[];
  weights?: Readonly<Partial<Record<Region, number>>>;
  /** URLs by which a region tells that its own uplink works. */
  anchors?: Readonly<Partial<Record<Region, readonly string[]>>>;
  webhookUrl?: string;
  /** More lines of the section `paging`, as in the file. */
  paging?: readonly string[];
  /** Lines of the section `systems` of every replica, and of `cluster.platforms`, as in the file. */
  systems?: readonly string[];
  platforms?: readonly string[];
  /** Writes that one caller may ask for; the program's own limit unless said. */
  writesPerMinute?: number;
  /** Folder of the store file; beside the rest unless said. */
  storeFolder?: string;
  /** The `store` section of every replica, instead of one that the first serves; whoever starts the cluster has opened `store` itself. */
  etcd?: { section: string; store: Store };
  /** Another provider than the built-in server: lines of its entry `local`, and where it answers. */
  provider?: { entry: readonly string[]; dns: number };
  /** More sections of a replica's file. */
  own?: (region: Region, doors: Places) => readonly string[];
  /** Command that the first replica runs in. */
  wrapFirst?: readonly string[];
}

/** Ports, all on 127.0.0.1 but the applications', which are on each region's own address. */
export interface Places {
  api: Readonly<Record<Region, number>>;
  store: number;
  control: number;
  dns: number;
  app: number;
}

/** Looks each second; long enough leases and freshness for a machine that is busy with other things. */
const FAST: Readonly<Record<string, string>> = {
  interval: '1s',
  fresh: '3s',
  lease: '2s',
  renew: '500ms',
  recoveryHold: '2s',
  ramp: '[50%, 100%]',
  rampStep: '1s',
  pacing: '2s',
  receiverWait: '1s',
  safety: '{ blast-radius: { regions: 1, window: 2s } }',
};

/** The part of the file that is one replica's own. `wire`: where it reaches the store and the zone; without, it serves both. */
export const replicaText = (
  region: Region,
  doors: Places,
  { webhookUrl, paging = [], systems = [], storeFolder, etcd, writesPerMinute, provider, own }: ClusterOptions,
  wire: { store: number; control: number } | undefined,
): string => `region: ${region}
replica: a
api: { listen: 127.0.0.1:${doors.api[region]}, tokenFile: operator.token${writesPerMinute === undefined ? '' : `, limits: { writesPerMinute: ${writesPerMinute} }`} }
store:
${
  etcd !== undefined
    ? etcd.section
    : wire === undefined
      ? `  kind: embedded
  file: ${storeFolder ?? '.'}/store.sqlite
  serve: { listen: 127.0.0.1:${doors.store}, tokenFile: store.token }`
      : `  kind: remote
  url: http://127.0.0.1:${wire.store}
  tokenFile: store.token`
}
providers:
  local:
${
  provider !== undefined
    ? provider.entry.map((line) => `    ${line}\n`).join('')
    : `    kind: builtin
    zone: example.test
    control: 127.0.0.1:${wire?.control ?? doors.control}
    tokenFile: dns.token
${wire === undefined ? `    serve: { dns: 127.0.0.1:${doors.dns} }\n` : ''}`
}\
${systems.length === 0 ? '' : `systems:\n${systems.map((line) => `  ${line}\n`).join('')}`}\
paging:
  channels: [${webhookUrl === undefined ? '' : ` { kind: webhook, name: oncall, url: ${webhookUrl}, secretFile: webhook.secret, networks: [127.0.0.0/8] } `}]
${paging.map((line) => `  ${line}\n`).join('')}${(own?.(region, doors) ?? []).map((line) => `${line}\n`).join('')}`;

/** The part that all replicas share. */
export const clusterText = (
  { policy = {}, coordinators, weights = {}, anchors = {}, platforms = [] }: ClusterOptions,
  { dns, app }: Places,
): string => `cluster:
  name: local
  regions:
${REGIONS.map((region) => `    - { name: ${region}, coordinator: ${coordinators?.includes(region) ?? true}, anchors: [${(anchors[region] ?? []).join(', ')}] }`).join('\n')}
  policy:
${Object.entries({ ...FAST, ...policy })
  .map(([name, value]) => `    ${name}: ${value}`)
  .join('\n')}
  services:
    - name: ${WEB}
      mode: auto
      provider: local
      ttl: 1s
      pools:
${REGIONS.map(
  (region) => `        - name: ${region}
          weight: ${weights[region] ?? 1}
          answers: [${ADDRESS[region]}]
          targets: [{ name: app, healthz: http://${ADDRESS[region]}:${app}/healthz, readyz: http://${ADDRESS[region]}:${app}/readyz }]`,
).join('\n')}
      converge:
        authoritative: [127.0.0.1:${dns}]
        request: { port: ${app}, path: / }
${platforms.length === 0 ? '' : `  platforms:\n${platforms.map((line) => `    ${line}\n`).join('')}`}`;
