// What somebody could use: keys and certificates that end, files that others read, doors without TLS, votes without signatures, a broken audit. Pure.
import { list, plural } from '../../config/words.ts';
import { type Finding, fail, type Row, row, warn } from '../check.ts';

const DAY_MS = 86_400_000;
const SOON_MS = 30 * DAY_MS;
const SECRET_BYTES_MIN = 24;

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.');

/** Every URL of a value, with the way to it. */
const urlsIn = (value: unknown, at: string): readonly { at: string; url: string }[] => {
  if (typeof value === 'string') return URL.canParse(value) && /^https?:/.test(value) ? [{ at, url: value }] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => urlsIn(inner, `${at}.${key}`));
};

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
    id: 'sec-files',
    question: 'Can others read the secret files?',
    security: true,
    todo: 'chmod 600 FILE',
    look: (tools) => tools.secretFiles(),
    judge: (files) =>
      files.flatMap(({ key, path, mode, folderMode, because }): Finding[] => {
        if (mode === null)
          return [warn(`${key} (${path}): ${because ?? 'it is not there'}`, 'run this as the user that serves, where it serves')];
        return [
          ...((mode & 0o077) === 0 ? [] : [fail(`${key} (${path}) has mode ${(mode & 0o777).toString(8)}`, `chmod 600 ${path}`)]),
          // A sticky folder lets nobody replace what is another's.
          ...(folderMode === null || (folderMode & 0o022) === 0 || (folderMode & 0o1000) !== 0
            ? []
            : [fail(`the folder of ${key} (${path}) can be written by others: they could replace it`, `chmod go-w on that folder`)]),
        ];
      }),
    ok: (files) => `${plural(files.length, 'file')}, each for its owner alone`,
  }),
  row({
    id: 'sec-tls',
    question: 'Does anything leave this machine without TLS?',
    security: true,
    todo: 'write https:// there',
    look: async ({ config }) => urlsIn({ store: config.store, providers: config.providers, paging: config.paging }, ''),
    judge: (urls) =>
      urls
        .filter(({ url }) => url.startsWith('http:') && !isLoopback(new URL(url).hostname.replace(/[[\]]/g, '')))
        .map(({ at, url }) =>
          fail(
            `${at.slice(1)}: http://${new URL(url).host} is not encrypted, nor is it known who answers`,
            'use https:// there, with a certificate that the authorities in use sign',
          ),
        ),
    ok: (urls) => `${plural(urls.length, 'URL')}: all of them https, or on this machine; certificates are always verified`,
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
    id: 'sec-votes',
    question: 'Are votes signed, and is our key among those that count?',
    security: true,
    todo: 'tidegate keygen',
    async look(tools) {
      const [publicKey, world] = [await tools.publicKey(), await tools.world()];
      return { publicKey, regions: world.cluster.regions, refused: world.refused };
    },
    judge({ publicKey, regions }, { config }) {
      const own = regions.find(({ name }) => name === config.region);
      const unsigned = regions.filter(({ keys = [] }) => keys.length === 0).map(({ name }) => name);
      return [
        ...(publicKey !== null && own?.keys !== undefined && !own.keys.includes(publicKey)
          ? [
              fail(
                `the key of this replica is not among those of ${config.region}`,
                `put ${publicKey} into the region's keys with tidegate apply, or take the right key file`,
              ),
            ]
          : []),
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
    ok: ({ regions }) => `the votes of all ${plural(regions.length, 'region')} are signed`,
  }),
  row({
    id: 'sec-webhooks',
    question: 'Are the secrets of webhooks long enough?',
    security: true,
    todo: 'write a longer one: openssl rand -base64 32',
    look: (tools) => tools.webhookSecrets(),
    judge: (secrets) =>
      secrets.flatMap(({ name, bytes }) =>
        bytes >= SECRET_BYTES_MIN
          ? []
          : [
              fail(
                `${name}: ${plural(bytes, 'byte')}, at least ${SECRET_BYTES_MIN} are wanted`,
                'share a new one with the receiver: whsec_ and the output of openssl rand -base64 32',
              ),
            ],
      ),
    ok: (secrets) => (secrets.length === 0 ? 'there are none' : `${plural(secrets.length, 'secret')} of ${SECRET_BYTES_MIN} bytes or more`),
  }),
  row({
    id: 'sec-api',
    question: 'Is the API exposed without TLS?',
    security: true,
    todo: 'listen on loopback, or give it a certificate',
    look: async ({ config }) => ({ host: config.api.host, hasTls: 'tls' in config.api && config.api.tls !== undefined }),
    judge: ({ host, hasTls }) =>
      isLoopback(host) || hasTls
        ? []
        : [
            fail(
              `it listens on ${host} and takes tokens in the clear`,
              'listen on 127.0.0.1 behind a proxy with TLS, or give it a certificate',
            ),
          ],
    ok: ({ host, hasTls }) => (hasTls ? `TLS on ${host}` : `it listens on ${host} only`),
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
      `the last ${plural(decisions, 'decision')} and ${plural(entries, 'entry', 'entries')} of the journal fit together; tidegate audit verify looks at all`,
  }),
];
