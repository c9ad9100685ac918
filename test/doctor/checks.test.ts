// Each check on an installation in which all is well, and on ones in which something is not: every finding says what to do.
import { describe, expect, test } from 'vitest';
import { runChecks } from '../../src/command/doctor.ts';
import type { ReplicaConfig } from '../../src/config/schema.ts';
import { NotLooked, type State } from '../../src/doctor/check.ts';
import { CHECKS } from '../../src/doctor/index.ts';
import type { Tools } from '../../src/doctor/tools.ts';
import type { Override, Page } from '../../src/model.ts';
import { applied, cluster, config, DAY_MS, KEY, member, members, NOW_MS, routingOf, serving, toolsOf, WEB, world } from './fixture.ts';

const run = (spoiled: Partial<Tools> = {}) => runChecks(CHECKS, toolsOf(spoiled), () => NOW_MS);
const inWorld = (given: Parameters<typeof world>[0]): Partial<Tools> => ({ world: async () => world(given) });
const inEtcd = (...some: ReturnType<typeof member>[]): Partial<Tools> => ({ etcd: async () => ({ members: some, roster: null }) });
const regionsWith = (change: (region: (typeof cluster.regions)[number], at: number) => object) =>
  inWorld({ cluster: { ...cluster, regions: cluster.regions.map((region, at) => ({ ...region, ...change(region, at) })) } });
const heardBut = (change: object) => inWorld({ heard: world().heard.map((h, at) => (at === 1 ? { ...h, ...change } : h)) });
const order = (given: Partial<Override>): Partial<Tools> =>
  inWorld({
    overrides: {
      version: 1,
      nonce: 'n',
      items: [
        {
          id: 'o1',
          kind: 'drain',
          scope: { region: 'eu-west' },
          reason: 'move',
          owner: 'ana',
          createdAtMs: NOW_MS - 600_000,
          expiresAtMs: NOW_MS + 4 * 3_600_000,
          ...given,
        },
      ],
    },
  });
const at = (outcome: Parameters<typeof applied>[0]) => inWorld({ applied: new Map([[`local/${WEB}`, applied(outcome)]]) });
/** `drill-fresh` is configured, and traffic was proved to move some days ago. */
const fresh = (maxAgeDays: number, daysAgo: number) =>
  inWorld({
    cluster: { ...cluster, policy: { ...cluster.policy, safety: { 'drill-fresh': { maxAgeDays } } } },
    routing: routingOf(NOW_MS - daysAgo * DAY_MS),
  });
const page: Page = {
  id: 'p',
  dedupKey: 'p',
  type: 't',
  severity: 'critical',
  summary: 'eu-west down',
  detail: {},
  atMs: NOW_MS - 600_000,
  v: 1,
  delivered: ['log'],
  nonce: 'n',
};
const HOOK = { kind: 'webhook', name: 'pager', url: 'https://pages.example.net/in', secretFiles: ['/s'] } as const;
const withChannels = (channels: ReplicaConfig['paging']['channels']) => ({ config: { ...config, paging: { channels, routes: [] } } });
const failing = async (): Promise<never> => {
  throw new Error('no leader');
};

const notLooked = async (): Promise<never> => {
  throw new NotLooked('nobody is there');
};
const unsigned = cluster.regions.map(({ keys: _, ...region }) => region);
const withApi = (api: Partial<ReplicaConfig['api']>) => ({ config: { ...config, api: { ...config.api, ...api } } });
const oidc = {
  issuer: 'https://id.example.net',
  audience: 'tidegate',
  rolesClaim: 'roles',
  roles: { operator: ['sre'] },
  nameClaim: 'sub',
  clockToleranceMs: 30_000,
};
const tokens = (given: object): Partial<Tools> => ({
  tokens: async () => ({ bootstrapAtMs: null, entries: [{ name: 'ana', role: 'approver', untilMs: NOW_MS + DAY_MS, ...given }] }),
});
const place = (given: object): Partial<Tools> => ({
  places: async () => [{ what: 'the store', path: '/s', mode: 0o600, isForeign: false, ...given }],
});

const GIVEN = { key: 'k', path: '/p', mode: 0o440, folderMode: 0o755, exposed: 0 } as const;
const excess = (given: object): Partial<Tools> => ({
  excess: async () => ({ tried: ['vote/us-east/a', 'audit/config-0000000000'], regions: ['us-east'], may: [], untold: [], ...given }),
});

type Case = readonly [id: string, state: State, spoiled: Partial<Tools>, says: RegExp];
const TROUBLES: readonly Case[] = [
  ['store', 'fail', { store: failing }, /no leader/],
  ['store', 'warn', { store: async () => ({ tookMs: [400, 500, 600] }) }, /500 ms at the median/],
  ['store', 'fail', { store: async () => ({ tookMs: [2000, 2000, 60] }) }, /2 s at the median/],
  [
    'grants',
    'fail',
    { grants: async () => [{ key: 'routing', because: 'permission denied', isDenied: true }] },
    /may not write routing: permission denied/,
  ],
  ['etcd-members', 'fail', inEtcd(...members.slice(1), member({ because: 'refused' })), /etcd-1.*refused/],
  ['etcd-members', 'fail', inEtcd(...members.slice(1), member({ leader: '' })), /knows no leader/],
  ['etcd-members', 'warn', inEtcd(...members.slice(1), member({ leader: '7' })), /different leaders/],
  ['etcd-members', 'warn', inEtcd(...members.slice(1), member({ isLearner: true })), /learner/],
  ['etcd-members', 'warn', inEtcd(...members.slice(1)), /2 members/],
  [
    'etcd-members',
    'warn',
    { etcd: async () => ({ members: members.slice(2), roster: members.map(({ endpoint }) => ({ name: endpoint, isLearner: false })) }) },
    /names 1 of 3/,
  ],
  ['etcd-alarms', 'fail', inEtcd(...members.slice(1), member({ errors: ['memberID:1 alarm:NOSPACE'] })), /NOSPACE/],
  ['etcd-space', 'fail', inEtcd(...members.slice(1), member({ dbBytes: 2 * 1024 ** 3 })), /2048 MiB of 2048/],
  ['etcd-space', 'warn', inEtcd(...members.slice(1), member({ dbBytes: 1.7 * 1024 ** 3, quotaBytes: null })), /does not say/],
  ['etcd-versions', 'warn', inEtcd(...members.slice(1), member({ version: '3.5.1' })), /3\.5\.1 at .*etcd-1/],
  [
    'replica',
    'fail',
    { replica: async () => ({ status: 'fail', notes: ['fail: coordinator:renewedAgo: nobody coordinates', 'warn: clock:skew: 2 s'] }) },
    /nobody coordinates/,
  ],
  ['configuration', 'fail', inWorld({ unfit: ['providers: dns is missing'] }), /dns is missing/],
  ['votes', 'warn', heardBut({ isFresh: false }), /us-east: no beat within 4 s; 2 of 3 speak/],
  ['votes', 'warn', heardBut({ abstains: 'anchors unreachable' }), /us-east abstains: anchors unreachable; 2 of 3/],
  ['votes', 'fail', inWorld({ heard: [] }), /0 of 3 speak/],
  ['votes', 'fail', inWorld({ refused: [{ key: 'vote/us-east/a', because: 'it is not signed' }] }), /it is not signed/],
  ...['config-version', 'versions', 'clocks'].map((id): Case => [id, 'skip', inWorld({ heard: [] }), /no replica is heard/]),
  ['config-version', 'warn', heardBut({ configVersion: 2 }), /us-east\/a covers version 2, the cluster is at 3/],
  [
    'versions',
    'warn',
    inWorld({
      fleet: {
        versions: [
          { version: '1.1.0', replicas: ['eu/a'] },
          { version: '1.0.0', replicas: ['us/a'] },
        ],
        clocks: [],
        skewMs: 0,
      },
    }),
    /1\.1\.0 at eu\/a; 1\.0\.0/,
  ],
  [
    'clocks',
    'warn',
    inWorld({ fleet: { versions: [], clocks: [{ replica: 'us/a', leastMs: 4900, mostMs: 5100 }], skewMs: 4000 } }),
    /4 s at least; against this machine: us\/a 5 s/,
  ],
  ['clocks', 'fail', inWorld({ fleet: { versions: [], clocks: [], skewMs: 90_000 } }), /90 s/],
  [
    'own-clock',
    'warn',
    { anchors: async () => [{ url: 'https://a', because: null, clock: { replica: 'a', leastMs: 3000, mostMs: 4500 } }] },
    /3 s behind/,
  ],
  [
    'own-clock',
    'fail',
    { anchors: async () => [{ url: 'https://a', because: null, clock: { replica: 'a', leastMs: -64_000, mostMs: -63_000 } }] },
    /63 s ahead of/,
  ],
  ['coordinator', 'fail', inWorld({ leader: null }), /nobody holds the office/],
  ['coordinator', 'fail', inWorld({ leaderAgeMs: Number.POSITIVE_INFINITY }), /longer than was listened/],
  ['coordinator', 'warn', regionsWith((_, n) => ({ coordinator: n === 0 })), /one region may coordinate/],
  ['witness', 'fail', regionsWith((_, n) => ({ vote: n < 2 })), /2 voters for 3 serving regions/],
  ['anchors', 'fail', { anchors: async () => [{ url: 'https://a', because: 'timeout', clock: null }] }, /https:\/\/a: timeout/],
  [
    'credentials',
    'fail',
    { providers: async () => [{ provider: 'local', services: 2, unread: [{ service: WEB, because: 'answered 401' }], busyMs: null }] },
    /1 of 2 services not read: .*answered 401/,
  ],
  ['quotas', 'fail', { providers: async () => [{ provider: 'local', services: 2, unread: [], busyMs: 30_000 }] }, /wait 30 s/],
  [
    'ttls',
    'fail',
    { served: async () => [{ service: WEB, server: 's', ttlS: 300, wantedS: 10, because: null }] },
    /300 s, configured 10 s/,
  ],
  ['ttls', 'warn', { served: async () => [{ service: WEB, server: 's', ttlS: 5, wantedS: 10, because: null }] }, /5 s, configured/],
  ['ttls', 'warn', { served: async () => [{ service: WEB, server: 's', ttlS: null, wantedS: 10, because: 'no answer' }] }, /no answer/],
  ['paths', 'fail', at({ outcome: 'failing', because: 'token expired' }), /writes fail \(token expired\)/],
  ['paths', 'fail', at({ outcome: 'frozen' }), /frozen/],
  ['paths', 'warn', at({ outcome: 'manual' }), /by hand/],
  ['paths', 'warn', at({ outcome: 'drift' }), /somebody changed/],
  ['paths', 'warn', at({ atMs: NOW_MS - 40 * DAY_MS }), /40 days ago/],
  ['paths', 'warn', inWorld({ applied: new Map() }), /nothing was ever written/],
  ['drills', 'warn', inWorld({ routing: routingOf() }), /never/],
  ['drills', 'warn', inWorld({ routing: routingOf(NOW_MS - 85 * DAY_MS) }), /stale in 5 days/],
  ['drills', 'warn', inWorld({ routing: routingOf(NOW_MS - 200 * DAY_MS) }), /200 days ago$/],
  ['drills', 'warn', fresh(30, 25), /25 days ago; stale in 5 days/],
  ['drills', 'ok', fresh(400, 200), /within 393 days/],
  ['drills', 'skip', inWorld({ from: 'replica', routing: null }), /does not tell when/],
  ['pages', 'skip', inWorld({ from: 'replica' }), /does not tell its pages/],
  ['pages', 'fail', inWorld({ pages: [page] }), /600 s: eu-west down/],
  ['pages', 'ok', inWorld({ pages: [{ ...page, notBeforeMs: NOW_MS - 1000 }] }), /1 page in the outbox; none of them waits/],
  [
    'pages',
    'warn',
    inWorld({ pages: [{ ...page, delivered: ['log', '*'], dead: { pager: { because: 'answered 401', atMs: 1, tries: 1 } } }] }),
    /never reached pager \(answered 401\)$/,
  ],
  ['paging-ways', 'warn', withChannels([HOOK]), /^pager: one way out, and it is also one way to fail$/],
  [
    'paging-ways',
    'warn',
    withChannels([HOOK, { ...HOOK, name: 'second', url: 'https://pages.example.net/other' }]),
    /^pager, second: one way/,
  ],
  [
    'paging-ways',
    'ok',
    withChannels([HOOK, { ...HOOK, name: 'second', url: 'https://other.example.net/in' }]),
    /^2 ways out that fail apart/,
  ],
  ['paging-ways', 'skip', withChannels([]), /no channel is configured/],
  [
    'paging-ways',
    'warn',
    {
      config: {
        ...config,
        paging: {
          ...config.paging,
          routes: [
            { to: ['pager'], severity: ['info'], also: [] },
            { to: ['log'], also: [] },
          ],
        },
      },
    },
    /paging\.routes\.1 tells critical pages to the log alone/,
  ],
  ['paging-sinks', 'fail', { sinks: async () => [{ name: 'pager', because: 'ECONNREFUSED' }] }, /pager: ECONNREFUSED/],
  ['paging-sinks', 'warn', { config: { ...config, paging: { channels: [], routes: [] } } }, /no channel but the log/],
  ['paging-test', 'fail', { sendTest: async () => [{ name: 'pager', because: '401' }] }, /pager: 401/],
  ['overrides', 'warn', order({ createdAtMs: NOW_MS - 20 * 3_600_000 }), /drain o1 of ana \(move\) is in force for 20 h, 4 h left/],
  ['overrides', 'warn', order({ expiresAtMs: NOW_MS + 600_000 }), /ends in 10 min/],
  ['overrides', 'warn', order({ expiresAtMs: NOW_MS - 1 }), /was not ended/],
  [
    'overrides',
    'warn',
    order({ approval: { by: null, atMs: null }, createdAtMs: NOW_MS - 3_600_000 }),
    /waits for a second person for 60 min/,
  ],
  ['overrides', 'fail', order({ kind: 'stop', createdAtMs: NOW_MS - 3 * 3_600_000 }), /no provider is written for 3 h/],
  ['sec-expiry', 'warn', { expiring: async () => [{ what: 'certificate', where: 'c', untilMs: NOW_MS + 5 * DAY_MS }] }, /ends in 5 days/],
  ['sec-expiry', 'fail', { expiring: async () => [{ what: 'token ci', where: 't', untilMs: NOW_MS - 1 }] }, /token ci \(t\) has ended/],
  [
    'sec-expiry',
    'warn',
    { expiring: async () => [{ what: 'server', where: 'h', untilMs: null, because: 'CERT_HAS_EXPIRED' }] },
    /CERT_HAS_EXPIRED/,
  ],
  ['sec-files', 'fail', { secretFiles: async () => [{ key: 'k', path: '/p', mode: 0o644, folderMode: 0o755 }] }, /has mode 644/],
  ['sec-files', 'fail', { secretFiles: async () => [{ key: 'k', path: '/p', mode: 0o600, folderMode: 0o777 }] }, /could replace it/],
  [
    'sec-files',
    'ok',
    { secretFiles: async () => [{ ...GIVEN, readBy: { gid: 2000, isSure: true } }] },
    /1 of them root's, for who serves to read by an access list or with all of group 2000/,
  ],
  [
    'sec-files',
    'unknown',
    { secretFiles: async () => [{ ...GIVEN, readBy: { gid: 2000, isSure: false } }] },
    /is root's, for group 2000 to read \(mode 440\): right if who serves is in that group/,
  ],
  ['sec-files', 'ok', {}, /^1 file, each for its owner alone$/],
  [
    'sec-files',
    'unknown',
    { secretFiles: async () => [{ key: 'k', path: '/p', mode: null, folderMode: null, because: 'ENOENT' }] },
    /ENOENT/,
  ],
  [
    'sec-tls',
    'fail',
    {
      config: {
        ...config,
        paging: { channels: [{ kind: 'webhook', name: 'p', url: 'http://pages.example.net/', secretFiles: ['/s'] }], routes: [] },
      },
    },
    /paging\.channels\.0\.url: http:\/\/pages/,
  ],
  [
    'sec-tls',
    'fail',
    { config: { ...config, store: { kind: 'embedded', file: '/s', serve: { host: '10.0.0.5', port: 7611, tokenFile: '/t' } } } },
    /store\.serve: 10\.0\.0\.5:7611 takes its token and all else in the clear/,
  ],
  [
    'sec-tls',
    'ok',
    { config: { ...config, store: { kind: 'embedded', file: '/s', serve: { host: '127.0.0.1', port: 7611, tokenFile: '/t' } } } },
    /^\d+ URLs? (and|or) address/,
  ],
  [
    'sec-tls',
    'fail',
    {
      config: {
        ...config,
        providers: { dns: { kind: 'builtin', zone: 'example.test', control: { host: '0.0.0.0', port: 5380 }, tokenFile: '/t' } },
      },
    },
    /providers\.dns\.control: 0\.0\.0\.0:5380 takes/,
  ],
  [
    'sec-anonymous',
    'ok',
    withApi({ host: '0.0.0.0' }),
    /read \/metrics, which names services.* \/v1\/sign-in, which names the issuer .* the files of the page, and nothing else/,
  ],
  [
    'sec-store',
    'fail',
    { config: { ...config, store: { kind: 'etcd', endpoints: ['https://e:1'], prefix: '/t/', timeoutMs: 1500 } } },
    /neither a certificate nor a user/,
  ],
  [
    'sec-store',
    'warn',
    {
      config: {
        ...config,
        store: { kind: 'etcd', endpoints: ['https://e:1'], prefix: '/t/', timeoutMs: 1500, user: { name: 'u', passwordFile: '/p' } },
      },
    },
    /a password instead/,
  ],
  [
    'sec-files',
    'fail',
    { secretFiles: async () => [{ key: 'k', path: '/p', mode: 0o600, folderMode: 0o700, isForeign: true }] },
    /belongs to somebody else/,
  ],
  [
    'sec-tls',
    'warn',
    { config: { ...config, systems: { prom: { kind: 'prometheus', url: 'http://prometheus:9090' } } } },
    /systems\.prom\.url: http:\/\/prometheus:9090 is not encrypted/,
  ],
  [
    'sec-tls',
    'warn',
    { config: { ...config, systems: { pg: { kind: 'pgbouncer', address: 'pooler:6432', user: 'u', passwordFile: '/p' } } } },
    /systems\.pg is spoken to without TLS/,
  ],
  ['sec-grants', 'fail', excess({ may: ['members'] }), /may write members, which is for others/],
  [
    'sec-grants',
    'unknown',
    excess({ untold: ['vote/us-east/a', 'leader'].map((key) => ({ key, because: 'no answer' })) }),
    /whether it may write vote\/us-east\/a and 1 more was not told: no answer/,
  ],
  [
    'sec-grants',
    'ok',
    excess({}),
    /none of the 2 keys that were tried: vote\/ audit\/config- \(of other regions: us-east\); nothing outside/,
  ],
  [
    'sec-grants',
    'warn',
    { config: { ...config, store: { kind: 'remote', url: 'http://127.0.0.1:1', tokenFile: '/t' } } },
    /the token of the store may write all of it/,
  ],
  ['sec-grants', 'unknown', { excess: notLooked }, /nobody is there/],
  [
    'sec-votes',
    'fail',
    regionsWith((_, n) => (n < 2 ? { keys: [KEY] } : { keys: ['y'.repeat(43)] })),
    /eu-west, us-east have a key in common/,
  ],
  ['sec-votes', 'unknown', { world: notLooked, config: { ...config, cluster: null } }, /nobody is there/],
  [
    'sec-votes',
    'warn',
    { world: notLooked, config: { ...config, cluster: { ...cluster, regions: unsigned } } },
    /votes of eu-west.* are not signed/,
  ],
  ['sec-providers', 'ok', { config: { ...config, providers: {} } }, /there are none/],
  ...(
    [
      [{ kind: 'rfc2136' }, /does not tell/],
      [{ kind: 'route53' }, /is not asked/],
    ] as const
  ).map(
    ([given, says]): Case => [
      'sec-providers',
      'unknown',
      { config: { ...config, providers: { dns: given as ReplicaConfig['providers'][string] } } },
      says,
    ],
  ),
  ['sec-api', 'ok', { config: { ...config, api: { ...config.api, host: '0.0.0.0', tls: { certFile: '/c', keyFile: '/k' } } } }, /^TLS on/],
  ['sec-anonymous', 'warn', withApi({ host: '0.0.0.0', auth: { anonymous: 'viewer' } }), /whoever reaches 0\.0\.0\.0 may look/],
  ['sec-anonymous', 'unknown', { door: notLooked }, /was not tried: nobody is there/],
  ['sec-anonymous', 'fail', { door: async () => ({ read: 200, order: 201 }) }, /an order without credentials was answered 201/],
  [
    'sec-anonymous',
    'fail',
    { ...withApi({ auth: { anonymous: 'none' } }), door: async () => ({ read: 200, order: 401 }) },
    /answered 200 without/,
  ],
  ['sec-tokens', 'warn', { tokens: async () => ({ bootstrapAtMs: NOW_MS - 200 * DAY_MS, entries: null }) }, /is 200 days old/],
  ['sec-tokens', 'unknown', tokens({}), /how old it is cannot be told/],
  ['sec-votes', 'unknown', { publicKey: failing }, /no leader/],
  ['sec-tokens', 'warn', tokens({ untilMs: null }), /ana \(approver\) never ends/],
  ['sec-tokens', 'warn', tokens({ untilMs: NOW_MS + 500 * DAY_MS }), /good for 500 more days/],
  ['sec-tokens', 'fail', { tokens: async () => ({ bootstrapAtMs: null, entries: null, because: 't:3: no such hash' }) }, /t:3/],
  ['sec-persons', 'warn', { tokens: async () => ({ bootstrapAtMs: null, entries: null }) }, /nobody but whoever has api\.tokenFile/],
  ['sec-persons', 'warn', tokens({ role: 'operator' }), /nobody but/],
  ['sec-oidc', 'unknown', { ...withApi({ auth: { oidc } }), issuer: notLooked }, /id\.example\.net: nobody is there/],
  ['sec-oidc', 'fail', { ...withApi({ auth: { oidc } }), issuer: async () => ({ keys: 0 }) }, /publishes no key/],
  ['sec-oidc', 'ok', withApi({ auth: { oidc } }), /id\.example\.net for tidegate alone, 2 keys/],
  [
    'sec-webhooks',
    'fail',
    { webhookSecrets: async () => ['pager', 'callbacks'].map((name) => ({ name, bytes: 32, digest: 'a' })) },
    /pager, callbacks share a secret/,
  ],
  [
    'sec-ssrf',
    'fail',
    {
      reaches: async () => [
        {
          channel: 'pager',
          networks: ['169.254.0.0/16'],
          open: [{ network: '169.254.0.0/16', reaches: 'the metadata service' }],
          isUnguarded: false,
        },
      ],
    },
    /pager may reach 169\.254\.0\.0\/16, and in it the metadata service/,
  ],
  ['sec-orders', 'fail', order({ reason: ' ' }), /o1 of ana has no reason/],
  ['sec-orders', 'fail', order({ expiresAtMs: NOW_MS + 30 * DAY_MS }), /longer than any order may/],
  ['sec-orders', 'unknown', { world: notLooked }, /nobody is there/],
  ['sec-state', 'fail', place({ mode: 0o664 }), /can be changed by others: mode 664/],
  ['sec-state', 'fail', place({ isForeign: true }), /belongs to somebody else/],
  ['sec-state', 'warn', place({ mode: 0o644 }), /read by everybody/],
  ['sec-state', 'unknown', place({ mode: null }), /not there yet/],
  ['sec-user', 'fail', { processes: async () => [serving({ uid: 0 })] }, /process 7: it runs as root/],
  ['sec-user', 'warn', { processes: async () => [serving({ hasCapabilities: true })] }, /has capabilities/],
  ['sec-user', 'unknown', { processes: notLooked }, /nobody is there/],
  ['sec-root', 'warn', { processes: async () => [serving({ isRootReadOnly: false })] }, /mounted for writing/],
  ['sec-root', 'unknown', { processes: async () => [serving({ isRootReadOnly: null })] }, /cannot be told/],
  ...(
    [
      [{ command: ['node', '--inspect=0.0.0.0:9229', 'src/main.ts', 'serve'] }, 'fail', /--inspect: an inspector/],
      [{ environment: { NODE_OPTIONS: '--inspect-brk' } }, 'fail', /--inspect-brk: an inspector/],
      [{ environment: { NODE_OPTIONS: '--tls-min-v1.0' } }, 'fail', /TLS older than 1\.2/],
      [{ environment: { NODE_OPTIONS: '--require /tmp/x.js' } }, 'warn', /loads something else/],
      [{ environment: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } }, 'fail', /verify nothing/],
      [{ environment: { SSLKEYLOGFILE: '/tmp/keys' } }, 'fail', /keys of TLS connections/],
      [{ environment: null }, 'unknown', /environment cannot be read/],
      [{ coreBytesMax: Number.MAX_SAFE_INTEGER }, 'warn', /writes its memory to disk/],
      [{ coreBytesMax: null }, 'unknown', /cannot be told/],
    ] as const
  ).map(([given, state, says]): Case => ['sec-process', state, { processes: async () => [serving(given)] }, says]),
  ['sec-versions', 'fail', { nodeVersion: '24.1.0' }, /node 24\.1\.0, at least 26/],
  ['sec-versions', 'unknown', { nodeVersion: '31.0.0' }, /not known here/],
  ['sec-versions', 'fail', inEtcd(member({ version: '3.5.1' })), /lose data/],
  ['sec-versions', 'warn', inEtcd(member({ version: '3.4.23' })), /without security fixes/],
  ['sec-versions', 'unknown', { etcd: failing }, /were not asked: no leader/],
  ['sec-packages', 'fail', { packages: async () => ({ installed: 3, strange: ['left-pad'] }) }, /left-pad installed otherwise/],
  ['sec-packages', 'unknown', { packages: notLooked }, /nobody is there/],
  ['sec-votes', 'fail', { publicKey: async () => 'x'.repeat(43) }, /not among those of eu-west/],
  ['sec-votes', 'warn', regionsWith((_, n) => (n === 1 ? { keys: [] } : {})), /votes of us-east are not signed/],
  ['sec-webhooks', 'fail', { webhookSecrets: async () => [{ name: 'pager', bytes: 12, digest: 'a' }] }, /12 bytes, at least 24/],
  [
    'sec-api',
    'fail',
    { config: { ...config, api: { ...config.api, host: '0.0.0.0' } } },
    /listens on 0\.0\.0\.0 and takes tokens in the clear/,
  ],
  [
    'sec-audit',
    'fail',
    { audit: async () => ({ decisions: 9, entries: 4, broken: ['decision 7 is not what the record after it saw'] }) },
    /decision 7/,
  ],
];

describe('an installation in which all is well', () => {
  test('has nothing to find, says what was seen, and skips only what was not asked for', async () => {
    const checked = await run();
    expect(checked.filter(({ state }) => state !== 'ok').map(({ id, state, says }) => `${state} ${id} ${says}`)).toEqual([
      'skip paging-test no page was sent; --send-test sends one',
      'unknown sec-providers dns: its token can change the whole zone, and nothing else: it is made for one machine',
    ]);
    expect(checked.map(({ id }) => id)).toEqual(CHECKS.map(({ id }) => id));
    for (const { says } of checked) expect(says).not.toMatch(/undefined|NaN|Infinity/);
  });
});

describe('an installation in which something is wrong', () => {
  test.each(TROUBLES)('%s: %s', async (id, state, spoiled, says) => {
    const checked = await run(spoiled);
    const found = checked.filter((each) => each.id === id && each.state === state);
    expect(found.map((each) => each.says).join('\n')).toMatch(says);
    for (const each of checked.filter((one) => ['warn', 'fail', 'unknown'].includes(one.state)))
      expect(each.todo, each.says).toMatch(/\w{3}/);
    for (const each of checked) expect(each.says).not.toMatch(/undefined|NaN|Infinity/);
  });

  test('is found by every check', () => {
    const spoiled = new Set(TROUBLES.map(([id]) => id));
    expect(CHECKS.map(({ id }) => id).filter((id) => !spoiled.has(id))).toEqual([]);
  });
});

test('ids are given once, and those of security are told by their names', () => {
  expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
  for (const { id, security, question } of CHECKS) {
    expect(security, id).toBe(id.startsWith('sec-'));
    expect(question).toMatch(/\?$/);
  }
});

test('what was not looked at says why, and is no finding; a look that fails is one', async () => {
  const checked = await run({
    world: async () => {
      throw new NotLooked('the store was not read');
    },
    audit: failing,
  });
  expect(checked.filter(({ state, says }) => state === 'skip' && says === 'the store was not read').length).toBeGreaterThan(8);
  expect(checked.find(({ id }) => id === 'sec-audit')).toMatchObject({
    state: 'fail',
    says: 'no leader',
    todo: expect.stringContaining('audit verify'),
  });
});

test('a canary proves a path that is seldom written', async () => {
  const old = at({ atMs: NOW_MS - 40 * DAY_MS });
  const canaries = [{ provider: 'local' }] as unknown as NonNullable<typeof config.canaries>;
  const one = { ...world().cluster, services: world().cluster.services.slice(0, 1) };
  const { applied: records } = await (old.world?.() ?? Promise.reject());
  const checked = await run({ config: { ...config, canaries }, ...inWorld({ applied: records, cluster: one }) });
  expect(checked.find(({ id }) => id === 'paths')).toMatchObject({ state: 'ok', says: '1 path acknowledged; canaries prove local' });
});
