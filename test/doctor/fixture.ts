// An installation in which all is well, as tools show it; each test spoils one look.

import { join } from 'node:path';
import { policyOf } from '../../src/config/defaults.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ReplicaConfig } from '../../src/config/schema.ts';
import { NotLooked } from '../../src/doctor/check.ts';
import type { ServingProcess, Tools, World } from '../../src/doctor/tools.ts';
import type { AppliedRecord, ClusterConfig } from '../../src/model.ts';
import type { EtcdMember } from '../../src/store/etcd/inspect.ts';
import { REGIONS, cluster as small } from '../api/fixture.ts';

export const NOW_MS = Date.UTC(2026, 10, 22, 3, 12);
export const DAY_MS = 86_400_000;
export const KEY = 'k'.repeat(43);

const loaded = loadConfig(join(import.meta.dirname, '../fixtures/config/good-etcd.yaml'));
if (!loaded.ok) throw new Error('the fixture is no good');
const webhook = { kind: 'webhook', name: 'pager', url: 'https://pages.example.net/in', secretFiles: ['/etc/tidegate/pager'] } as const;
const mail = {
  kind: 'email',
  name: 'mail',
  host: 'smtp.example.net',
  port: 465,
  tls: 'implicit',
  from: 'tidegate@example.net',
  to: ['oncall@example.net'],
} as const;
export const config: ReplicaConfig = { ...loaded.config, paging: { channels: [webhook, mail], routes: [] } };

export const cluster: ClusterConfig = {
  ...small,
  policy: policyOf({}),
  regions: REGIONS.map((name, at) => ({
    name,
    vote: true,
    coordinator: true,
    anchors: ['https://anchor.example.net/'],
    keys: [at === 0 ? KEY : String(at).repeat(43)],
  })),
};
export const [SERVICE] = cluster.services;
export const WEB = 'web.example.test';

export const member = (given: Partial<EtcdMember> = {}): EtcdMember => ({
  endpoint: 'https://etcd-1.example.net:2379',
  because: null,
  version: '3.6.4',
  dbBytes: 20 * 1024 ** 2,
  quotaBytes: 2 * 1024 ** 3,
  leader: '1',
  isLearner: false,
  errors: [],
  tookMs: 12,
  ...given,
});
export const members = [1, 2, 3].map((n) => member({ endpoint: `https://etcd-${n}.example.net:2379` }));

export const applied = (given: Partial<AppliedRecord> = {}): AppliedRecord => ({
  fence: 1,
  atMs: NOW_MS - DAY_MS,
  outcome: 'applied',
  because: '',
  ...given,
});

export const routingOf = (provenAtMs?: number): NonNullable<World['routing']> => ({
  v: 9,
  epoch: 1,
  nonce: 'n',
  atMs: NOW_MS,
  membersVersion: 3,
  because: '',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: Object.fromEntries(
    cluster.services.map(({ name }) => [
      name,
      {
        fence: 1,
        sinceAtMs: 0,
        mode: 'auto' as const,
        route: {},
        because: '',
        pools: {},
        ...(provenAtMs === undefined ? {} : { provenAtMs }),
      },
    ]),
  ),
});

export const world = (given: Partial<World> = {}): World => ({
  from: 'store',
  cluster,
  routing: routingOf(NOW_MS - DAY_MS),
  overrides: null,
  leader: { region: 'eu-west', replica: 'a', boot: 'b', epoch: 4, n: 1, nonce: 'n', released: false },
  leaderAgeMs: 900,
  heard: REGIONS.map((region) => ({ region, replica: 'a', isFresh: true, configVersion: 3, abstains: null })),
  refused: [],
  fleet: {
    versions: [{ version: '1.0.0', replicas: REGIONS.map((region) => `${region}/a`) }],
    clocks: REGIONS.map((region) => ({ replica: `${region}/a`, leastMs: -100, mostMs: 200 })),
    skewMs: 0,
  },
  applied: new Map(cluster.services.map(({ name }) => [`local/${name}`, applied()])),
  pages: [],
  listenedMs: 4000,
  unfit: [],
  ...given,
});

export const serving = (given: Partial<ServingProcess> = {}): ServingProcess => ({
  pid: 7,
  uid: 990,
  groups: [990],
  hasCapabilities: false,
  command: ['node', 'src/main.ts', 'serve', '--config', '/etc/tidegate/replica.yaml'],
  environment: {},
  isRootReadOnly: true,
  coreBytesMax: 0,
  ...given,
});

/** Tools in which all is well, but for `spoiled`. */
export const toolsOf = (spoiled: Partial<Tools> = {}): Tools => ({
  config,
  replica: async () => ({ status: 'pass', notes: [] }),
  store: async () => ({ tookMs: [12, 14, 90] }),
  world: async () => world(),
  grants: async () => [{ key: 'vote/eu-west/a', because: null, isDenied: false }],
  etcd: async () => ({ members, roster: members.map(({ endpoint }) => ({ name: endpoint, isLearner: false })) }),
  providers: async () => [{ provider: 'local', services: 2, unread: [], busyMs: null }],
  served: async () => [{ service: WEB, server: '192.0.2.53:53', ttlS: 10, wantedS: 10, because: null }],
  anchors: async () => [{ url: 'https://anchor.example.net/', because: null, clock: { replica: 'a', leastMs: -200, mostMs: 900 } }],
  sinks: async () => [{ name: 'pager', because: null }],
  sendTest: async () => {
    throw new NotLooked('no page was sent; --send-test sends one');
  },
  expiring: async () => [{ what: 'certificate', where: '/etc/c.pem', untilMs: NOW_MS + 90 * DAY_MS }],
  secretFiles: async () => [{ key: 'api.tokenFile', path: '/etc/t', mode: 0o600, folderMode: 0o755 }],
  webhookSecrets: async () => [
    { name: 'pager', bytes: 32, digest: 'a' },
    { name: 'pager', bytes: 32, digest: 'b' },
  ],
  excess: async () => ({ tried: ['vote/us-east/a', 'members', 'audit/config-0000000000'], regions: ['us-east'], may: [], untold: [] }),
  places: async () => [{ what: 'the configuration', path: '/etc/tidegate/replica.yaml', mode: 0o640, isForeign: false }],
  processes: async () => [serving()],
  door: async () => ({ read: 401, order: 401 }),
  tokens: async () => ({
    bootstrapAtMs: NOW_MS - DAY_MS,
    entries: [
      { name: 'ana', role: 'approver', untilMs: NOW_MS + 90 * DAY_MS },
      { name: 'ben', role: 'operator', untilMs: NOW_MS + 90 * DAY_MS },
    ],
  }),
  issuer: async () => ({ keys: 2 }),
  reaches: async () => [{ channel: 'pager', networks: ['10.0.0.0/24'], open: [], isUnguarded: false }],
  nodeVersion: '26.10.0',
  packages: async () => ({ installed: 170, strange: [] }),
  publicKey: async () => KEY,
  audit: async () => ({ decisions: 9, entries: 4, broken: [] }),
  ...spoiled,
});
