// Who gets in, and what they may do then: the API's door, tokens, the issuer, webhooks both ways, orders. Pure.
import type { ReplicaConfig } from '../../config/schema.ts';
import { list, plural } from '../../config/words.ts';
import type { Overrides } from '../../model.ts';
import { type Finding, fail, NotLooked, type Row, row, unknown, warn } from '../check.ts';
import type { DoorLook, TokensLook } from '../tools.ts';
import { isLoopback } from './words.ts';

const DAY_MS = 86_400_000;
const SECRET_BYTES_MIN = 24;
/** A token that is good for longer outlives whoever asked for it. */
const TOKEN_DAYS_MAX = 400;
const BOOTSTRAP_DAYS_MAX = 180;
/** What the API takes; whatever stands for longer came another way. */
const ORDER_MS_MAX = 7 * DAY_MS;

/** What a live look told, or why it could not be made. */
const told = async <T>(look: () => Promise<T>): Promise<T | string> => {
  try {
    return await look();
  } catch (error) {
    if (error instanceof NotLooked) return error.message;
    throw error;
  }
};

const anonymousOf = ({ api }: ReplicaConfig): 'viewer' | 'none' => api.auth?.anonymous ?? (isLoopback(api.host) ? 'viewer' : 'none');

/** What asks nobody who he is, whatever api.auth says. */
const OPEN =
  'read /metrics, which names services, pools and regions with their health, /v1/sign-in, which names the issuer and dashboard.peers, /healthz, /readyz and the files of the page, and nothing else';

const wrongAt = (anonymous: 'viewer' | 'none', { read, order }: DoorLook): Finding[] => [
  ...(order === 401 || order === 403
    ? []
    : [fail(`an order without credentials was answered ${order}, expected 401 or 403`, 'take that replica out of reach, and report it')]),
  ...(anonymous === 'viewer' || read === 401
    ? []
    : [fail(`the status was answered ${read} without credentials, expected 401`, 'restart that replica: it runs another configuration')]),
];

/** Credentials that may agree to somebody else's order; that of the first steps is one whoever uses it. */
const approversOf = ({ api: { auth } }: ReplicaConfig, { entries }: TokensLook): readonly string[] => {
  const agrees = (role: string): boolean => role === 'approver' || role === 'admin';
  const roles = auth?.oidc?.roles ?? {};
  return [
    ...(entries ?? []).filter(({ role }) => agrees(role)).map(({ name }) => `token ${name}`),
    ...(auth?.certificates ?? []).filter(({ role }) => agrees(role)).map((rule) => `certificate ${rule.name ?? rule.commonName ?? ''}`),
    ...[...(roles.approver ?? []), ...(roles.admin ?? [])].map((role) => `${role} of the issuer`),
  ];
};

const wrongIn = ({ items }: Pick<Overrides, 'items'>): Finding[] =>
  items.flatMap(({ id, owner, reason, createdAtMs, startsAtMs = createdAtMs, expiresAtMs }): Finding[] => [
    ...(reason.trim() === ''
      ? [fail(`${id} of ${owner} has no reason`, 'it did not come by the API: find out who writes to the store')]
      : []),
    ...(Number.isFinite(expiresAtMs) && expiresAtMs - startsAtMs <= ORDER_MS_MAX
      ? []
      : [fail(`${id} of ${owner} stands for longer than any order may`, 'it did not come by the API: find out who writes to the store')]),
  ]);

export const entranceChecks: readonly Row[] = [
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
    id: 'sec-anonymous',
    question: 'What may who shows no credentials do?',
    security: true,
    todo: 'api.auth.anonymous: none',
    look: async (tools) => ({ anonymous: anonymousOf(tools.config), door: await told(tools.door) }),
    judge: ({ anonymous, door }, { config }) => [
      ...(anonymous === 'viewer' && !isLoopback(config.api.host)
        ? [
            warn(
              `whoever reaches ${config.api.host} may look: at names, addresses, orders and their reasons, not only at /metrics`,
              'api.auth.anonymous: none, and a token with the role viewer for those who look',
            ),
          ]
        : []),
      ...(typeof door === 'string'
        ? [unknown(`by its file ${anonymous}; the running replica was not tried: ${door}`, 'run this where the replica runs')]
        : wrongAt(anonymous, door)),
    ],
    ok: ({ anonymous }) => `${anonymous === 'viewer' ? 'look' : OPEN}; the running replica refuses an order without credentials`,
  }),
  row({
    id: 'sec-tokens',
    question: 'Do tokens end, and is the one of the first steps replaced?',
    security: true,
    todo: 'tidegate token list --file FILE',
    look: (tools) => tools.tokens(),
    judge: ({ bootstrapAtMs, entries, because }, { config, nowMs }) => [
      ...(because === undefined ? [] : [fail(because, 'make the file with tidegate token new; it is not used as it is')]),
      ...(bootstrapAtMs === null
        ? [
            unknown(
              `${config.api.tokenFile} is not there: how old it is cannot be told`,
              'run this as the user that serves, where it serves',
            ),
          ]
        : []),
      ...(bootstrapAtMs !== null && nowMs - bootstrapAtMs > BOOTSTRAP_DAYS_MAX * DAY_MS
        ? [
            warn(
              `${config.api.tokenFile}, which is admin, is ${Math.floor((nowMs - bootstrapAtMs) / DAY_MS)} days old`,
              'write another one into it and restart the replicas one after the other',
            ),
          ]
        : []),
      ...(entries ?? []).flatMap(({ name, role, untilMs }): Finding[] => {
        const todo = `tidegate token new --name ${name} --role ${role} --ttl 90d, then revoke the old one`;
        if (untilMs === null) return [warn(`${name} (${role}) never ends`, todo)];
        return untilMs - nowMs > TOKEN_DAYS_MAX * DAY_MS
          ? [warn(`${name} (${role}) is good for ${Math.floor((untilMs - nowMs) / DAY_MS)} more days`, todo)]
          : [];
      }),
    ],
    ok: ({ entries }) =>
      entries === null
        ? 'no tokens but the one of the first steps, which is young'
        : `${plural(entries.length, 'token')}, kept as hashes, each with an end; the one of the first steps is young`,
  }),
  row({
    id: 'sec-persons',
    question: 'Is there a second person where two are asked for?',
    security: true,
    todo: 'tidegate token new --role approver',
    look: (tools) => tools.tokens(),
    judge: (tokens, { config }) =>
      approversOf(config, tokens).length > 0
        ? []
        : [
            warn(
              'nobody but whoever has api.tokenFile may agree to what passes a safety rule of high risk: two persons cannot be told apart',
              'give people tokens of their own, or an issuer, with the role approver or admin',
            ),
          ],
    ok: (tokens, { config }) => `may agree: ${list(approversOf(config, tokens))}`,
  }),
  row({
    id: 'sec-oidc',
    question: 'Are tokens of the issuer held to an issuer and an audience, and are its keys there?',
    security: true,
    todo: 'see that api.auth.oidc.issuer is spelt as the issuer spells it',
    look: async (tools) => ({ oidc: tools.config.api.auth?.oidc ?? null, keys: await told(tools.issuer) }),
    judge({ oidc, keys }) {
      if (oidc === null) return [];
      if (typeof keys === 'string') return [unknown(`${oidc.issuer}: ${keys}`, 'run this where the replica runs')];
      const none = keys === null || keys.keys === 0;
      return none ? [fail(`${oidc.issuer} publishes no key that could verify a token`, 'look at api.auth.oidc.algorithms')] : [];
    },
    ok: ({ oidc, keys }) =>
      oidc === null
        ? 'no issuer is configured'
        : `${oidc.issuer} for ${oidc.audience} alone, ${plural(typeof keys === 'string' || keys === null ? 0 : keys.keys, 'key')}`,
  }),
  row({
    id: 'sec-webhooks',
    question: 'Are the secrets of webhooks long enough, and each for one receiver?',
    security: true,
    todo: 'write a longer one: openssl rand -base64 32',
    look: (tools) => tools.webhookSecrets(),
    judge: (secrets) => [
      ...secrets.flatMap(({ name, bytes }) =>
        bytes >= SECRET_BYTES_MIN
          ? []
          : [
              fail(
                `${name}: ${plural(bytes, 'byte')}, at least ${SECRET_BYTES_MIN} are wanted`,
                'share a new one with the receiver: whsec_ and the output of openssl rand -base64 32',
              ),
            ],
      ),
      ...[...Map.groupBy(secrets, ({ digest }) => digest).values()]
        .map((same) => [...new Set(same.map(({ name }) => name))])
        .filter((names) => names.length > 1)
        .map((names) =>
          fail(`${list(names)} share a secret: each of them could sign as the other`, 'give each receiver, and callbacks, one of its own'),
        ),
    ],
    ok: (secrets) =>
      secrets.length === 0
        ? 'there are none'
        : `${plural(secrets.length, 'secret')} of ${SECRET_BYTES_MIN} bytes or more, none of them shared`,
  }),
  row({
    id: 'sec-ssrf',
    question: 'What may pages reach beside public addresses?',
    security: true,
    todo: 'look at networks of paging.channels',
    look: (tools) => tools.reaches(),
    judge: (all) =>
      all.flatMap(({ channel, open }) =>
        open.map(({ network, reaches }) =>
          fail(`${channel} may reach ${network}, and in it ${reaches}`, 'name the block of the receiver alone, as small as it is'),
        ),
      ),
    ok(all) {
      const inside = all.filter(({ networks }) => networks.length > 0).map(({ channel, networks }) => `${channel} ${list(networks)}`);
      const free = all.filter(({ isUnguarded }) => isUnguarded).map(({ channel }) => channel);
      const exceptions = [...inside, ...(free.length === 0 ? [] : [`wherever they are configured: ${list(free)}`])];
      return exceptions.length === 0 ? 'nothing' : exceptions.join('; ');
    },
  }),
  row({
    id: 'sec-orders',
    question: 'Has every order that stands a reason, an owner and an end?',
    security: true,
    todo: 'tidegate override list',
    look: async (tools) => (await tools.world()).overrides?.items ?? [],
    judge: (items) => wrongIn({ items }),
    ok: (items) => `${plural(items.length, 'order')} in the store; the API takes none without a reason, and none for longer than a week`,
  }),
];
