// What somebody could use on the way to the store and the providers: what ends, what is not encrypted, rights that are too large, votes without signatures,
// a broken audit. Pure.

import type { ReplicaConfig } from '../../config/schema.ts';
import { list, plural } from '../../config/words.ts';
import type { RegionConfig } from '../../model.ts';
import { type Finding, fail, NotLooked, type Row, row, unknown, warn } from '../check.ts';
import type { Excess, Tools } from '../tools.ts';
import { isLoopback } from './words.ts';

const DAY_MS = 86_400_000;
const SOON_MS = 30 * DAY_MS;

const isNear = (url: string): boolean => isLoopback(new URL(url).hostname.replace(/[[\]]/g, ''));

/** Every URL of a value, with the way to it. */
const urlsIn = (value: unknown, at: string): readonly { at: string; url: string }[] => {
  if (typeof value === 'string') return URL.canParse(value) && /^(https?|rediss?):/.test(value) ? [{ at, url: value }] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => urlsIn(inner, `${at}.${key}`));
};

const CLEAR = 'use https:// there, with a certificate that the authorities in use sign';

/** Systems that are spoken to without TLS at all: what their kind knows no URL for. */
const clearSystems = ({ systems = {} }: ReplicaConfig): readonly string[] =>
  Object.entries(systems).flatMap(([name, system]) => {
    const addresses = 'addresses' in system ? system.addresses : 'address' in system ? [system.address] : [];
    const isClear = addresses.some((address) => !isLoopback(address.slice(0, address.lastIndexOf(':')))) && !('tls' in system);
    return isClear ? [name] : [];
  });

/** Addresses that speak without TLS by nature and take a token: each is made for one machine. */
const clearAddresses = ({ store, providers }: ReplicaConfig): readonly { at: string; host: string; port: number }[] => [
  ...(store.kind === 'embedded' && store.serve !== undefined ? [{ at: 'store.serve', ...store.serve }] : []),
  ...Object.entries(providers).flatMap(([name, entry]) =>
    entry.kind === 'builtin' ? [{ at: `providers.${name}.control`, ...entry.control }] : [],
  ),
];

/** What can be known of the rights of a provider's credentials, and how to look at the rest: no vendor tells a credential all that it may do. */
const RIGHTS: Readonly<Record<ReplicaConfig['providers'][string]['kind'], { says: string; todo: string } | null>> = {
  gate: null,
  builtin: {
    says: 'its token can change the whole zone, and nothing else: it is made for one machine',
    todo: 'name another kind of provider where users are served',
  },
  cloudflare: { says: 'a token is not told its own permissions', todo: 'compare it in the dashboard with deploy/iam/cloudflare.json' },
  gclb: {
    says: 'what else the service account may do is not asked',
    todo: 'gcloud projects get-iam-policy PROJECT, beside deploy/iam/gclb-*.yaml',
  },
  kubernetes: {
    says: 'what else the account may do is not asked',
    todo: 'kubectl auth can-i --list with its token, beside deploy/iam/kubernetes.yaml',
  },
  powerdns: { says: 'a server does not tell what else a key may change', todo: 'compare its policy with deploy/iam/powerdns.md' },
  rfc2136: { says: 'a server does not tell what else a key may change', todo: 'compare its update policy with deploy/iam/rfc2136.md' },
  route53: {
    says: 'what else the credentials may do is not asked',
    todo: 'aws iam get-user-policy or simulate-principal-policy, beside deploy/iam/route53*.json',
  },
};

/** The regions as the store has them; as the file has them where it is what the store will have. */
const regionsOf = (tools: Tools): Promise<readonly RegionConfig[]> =>
  tools.world().then(
    ({ cluster }) => cluster.regions,
    (error: unknown) => {
      if (error instanceof NotLooked && tools.config.cluster !== null) return tools.config.cluster.regions;
      throw error;
    },
  );

/** Where nobody has rights of his own nothing is tried. */
const NO_ROLES: Excess = { tried: [], regions: [], may: [], untold: [] };

/** What a key is one of, as deploy/etcd/grants.sh names it. */
const kindOf = (key: string): string => /^audit\/config-|^[^/]+\/|^.*$/.exec(key)?.[0] ?? key;

export const securityChecks: readonly Row[] = [
  row({
    id: 'sec-expiry',
    question: 'Which certificates and tokens end within 30 days?',
    security: true,
    todo: 'openssl x509 -enddate -in FILE',
    look: (tools) => tools.expiring(),
    judge: (all, { nowMs }) =>
      all.flatMap(({ what, where, untilMs, because }): Finding[] => {
        if (untilMs === null) return [warn(`${what} (${where}): ${because ?? 'cannot be read'}`, 'see that it can be read and verified')];
        const leftMs = untilMs - nowMs;
        if (leftMs > SOON_MS) return [];
        const todo = 'make a new one and put it in place before it ends';
        return [
          leftMs <= 0
            ? fail(`${what} (${where}) has ended`, todo)
            : warn(`${what} (${where}) ends in ${plural(Math.floor(leftMs / DAY_MS), 'day')}`, todo),
        ];
      }),
    ok: (all) => `${plural(all.length, 'certificate or token', 'certificates and tokens')} with an end, none of them within 30 days`,
  }),
  row({
    id: 'sec-tls',
    question: 'Does anything leave this machine without TLS?',
    security: true,
    todo: 'write https:// there',
    look: async ({ config }) => {
      const { store, providers, paging, systems = {} } = config;
      return { urls: urlsIn({ store, providers, paging, systems }, ''), addresses: clearAddresses(config) };
    },
    judge: ({ urls, addresses }, { config }) => [
      ...addresses
        .filter(({ host }) => !isLoopback(host))
        .map(({ at, host, port }) =>
          fail(
            `${at}: ${host}:${port} takes its token and all else in the clear`,
            'let it listen on 127.0.0.1; replicas on other machines need etcd',
          ),
        ),
      ...urls
        .filter(({ url }) => /^(http|redis):/.test(url) && !isNear(url))
        .map(({ at, url }) => {
          const says = `${at.slice(1)}: ${url.slice(0, url.indexOf(':'))}://${new URL(url).host} is not encrypted, nor is it known who answers`;
          // What is only read inside, without a secret, and a queue inside that holds nothing whose loss matters.
          return url.startsWith('redis:') || at.startsWith('.systems.') ? warn(says, 'use TLS there') : fail(says, CLEAR);
        }),
      ...clearSystems(config).map((name) => warn(`systems.${name} is spoken to without TLS`, 'give it tls (an empty map will do)')),
    ],
    ok: ({ urls, addresses }) =>
      `${plural(urls.length + addresses.length, 'URL or address', 'URLs and addresses')}: all of them with TLS, or on this machine; certificates are always verified, there is no way to say otherwise`,
  }),
  row({
    id: 'sec-store',
    question: 'Does the store know who writes?',
    security: true,
    todo: 'deploy/etcd has what it takes',
    look: async ({ config }) => config.store,
    judge(store) {
      if (store.kind !== 'etcd') return [];
      const plain = store.endpoints.filter((endpoint) => endpoint.startsWith('http:'));
      if (store.tls?.certFile === undefined && store.user === undefined)
        return [
          fail(
            'this replica shows etcd neither a certificate nor a user',
            'give each region a certificate whose CN has a role (deploy/etcd), then turn authentication on',
          ),
        ];
      if (store.tls?.certFile === undefined)
        return [
          warn(
            'a password instead of a certificate is what proves this replica to etcd',
            'use a client certificate: a password can be replayed from anywhere',
          ),
        ];
      return plain.length === 0 ? [] : [warn(`${list(plain)} without TLS`, 'use https:// endpoints')];
    },
    ok: (store) => (store.kind === 'etcd' ? 'a client certificate' : `${store.kind}: its token, or the file's own permissions`),
  }),
  row({
    id: 'sec-grants',
    question: 'May this identity write more than it has to?',
    security: true,
    todo: 'compare the roles with what deploy/etcd/grants.sh prints',
    look: async (tools) => (tools.config.store.kind === 'etcd' ? tools.excess() : NO_ROLES),
    judge: ({ may, untold }, { config }) => [
      ...untold
        .slice(0, 1)
        .map(({ key, because }) =>
          unknown(
            `whether it may write ${key}${untold.length > 1 ? ` and ${untold.length - 1} more` : ''} was not told: ${because}`,
            'see `store`, and ask again',
          ),
        ),
      ...may.map((key) =>
        fail(
          `it may write ${key}, which is for others`,
          `etcdctl role revoke-permission, or a role of its own: deploy/etcd/grants.sh prints the least of ${config.region}`,
        ),
      ),
      ...(config.store.kind === 'remote'
        ? [
            warn(
              'whoever has the token of the store may write all of it',
              'use etcd, which has roles, where more than one machine is concerned',
            ),
          ]
        : []),
    ],
    ok: ({ tried, regions }, { config: { store } }) =>
      store.kind === 'etcd'
        ? `none of the ${plural(tried.length, 'key')} that were tried: ${[...new Set(tried.map(kindOf))].join(' ')} (${regions.length === 0 ? 'there are no other regions' : `of other regions: ${list(regions)}`}); nothing outside the prefix, where one key was`
        : 'the file has one writer',
  }),
  row({
    id: 'sec-votes',
    question: 'Are votes signed, and is our key among those that count?',
    security: true,
    todo: 'tidegate keygen',
    async look(tools) {
      const key = await tools.publicKey().then(
        (publicKey) => ({ publicKey, because: null }),
        (error: unknown) => ({ publicKey: null, because: error instanceof Error ? error.message : String(error) }),
      );
      return { ...key, regions: await regionsOf(tools) };
    },
    judge({ publicKey, because, regions }, { config }) {
      const own = regions.find(({ name }) => name === config.region);
      const shared = regions.filter(({ name, keys = [] }) =>
        regions.some((other) => other.name !== name && other.keys?.some((key) => keys.includes(key))),
      );
      const unsigned = regions.filter(({ keys = [] }) => keys.length === 0).map(({ name }) => name);
      return [
        ...(because === null ? [] : [unknown(because, 'run this as the user that serves, where it serves')]),
        ...(publicKey !== null && own?.keys !== undefined && !own.keys.includes(publicKey)
          ? [
              fail(
                `the key of this replica is not among those of ${config.region}`,
                `put ${publicKey} into the region's keys with tidegate apply, or take the right key file`,
              ),
            ]
          : []),
        ...(shared.length === 0
          ? []
          : [
              fail(
                `${list(shared.map(({ name }) => name))} have a key in common: whoever has it votes for all of them`,
                'tidegate keygen in each region',
              ),
            ]),
        ...(unsigned.length === 0
          ? []
          : [
              warn(
                `votes of ${list(unsigned)} are not signed: whoever can write to the store can speak for them`,
                'tidegate keygen, then name the public key under the region with tidegate apply',
              ),
            ]),
      ];
    },
    ok: ({ regions }) => `the votes of all ${plural(regions.length, 'region')} are signed, each with keys of its own`,
  }),
  row({
    id: 'sec-providers',
    question: 'May the credentials of providers do more than they have to?',
    security: true,
    todo: 'compare them with deploy/iam',
    look: async ({ config }) => Object.entries(config.providers),
    judge: (entries) =>
      entries.flatMap(([name, { kind }]) => {
        const right = RIGHTS[kind];
        return right === null ? [] : [unknown(`${name}: ${right.says}`, right.todo)];
      }),
    ok: (entries) => (entries.length === 0 ? 'there are none' : 'gates are published by the store: there are no others'),
  }),
  row({
    id: 'sec-audit',
    question: 'Do the chains of decisions and of the journal hold, and do they agree?',
    security: true,
    todo: 'tidegate audit verify',
    look: (tools) => tools.audit(),
    judge: ({ broken }) =>
      broken.map((text) =>
        fail(text, 'somebody changed what was decided, or a store was put together from two: keep a copy, then tidegate audit verify'),
      ),
    ok: ({ decisions, entries }) =>
      `the last ${plural(decisions, 'decision')} and ${plural(entries, 'entry', 'entries')} of the journal fit together; tidegate audit verify looks at all, and an export elsewhere proves them against who can write the store`,
  }),
];
