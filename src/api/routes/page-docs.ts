// How the paths of pages and of callbacks read in the OpenAPI document. Data only.
import { json, type RouteSchema, ref } from '../openapi.ts';
import { PAGE_FILTERS } from '../page-list.ts';

export const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 500;

const KEY = 'tidegate/prod/eu-west';
const ID = '42-region_drained-eu-west';
const ASKING = 'us-east.a-9c1f3e5a7d9b-0-runbook_proposed';
const PAGE = {
  id: ID,
  dedupKey: KEY,
  type: 'region.drained',
  action: 'trigger',
  severity: 'critical',
  headline:
    'eu-west down: 3 of 4 vantages (needs 3); nothing to do now: within the goal you hear whether users have left it; find out what ails the region',
  atMs: 1795316400000,
  v: 42,
  state: 'dead',
  thread: 'firing',
  delivered: ['log', 'mail'],
  dead: { oncall: { because: 'answered 401', atMs: 1795316402000, tries: 1 } },
  acknowledged: null,
  notBeforeMs: null,
};
const ACKNOWLEDGED = { dedupKey: KEY, by: 'ana', atMs: 1795316460000, pages: [ID] };
const HELD = {
  outcome: 'held',
  override: {
    id: 'hold-4f6a1c0b9d2e8f73',
    kind: 'freeze',
    scope: { region: 'eu-west' },
    reason: `automation holds still, asked for by callback on ${KEY}: we are mending the uplink`,
    owner: 'ana via callback',
    by: 'callback',
    createdAtMs: 1795316460000,
    expiresAtMs: 1795318260000,
  },
  version: 8,
  expiresAt: '2026-11-22T03:31:00.000Z',
};

const PARAMS = {
  type: 'object',
  properties: { id: { type: 'string', description: 'The id of the page.', examples: [ID] } },
} as const;

export const PAGE_DOCS = {
  list: {
    operationId: 'listPages',
    summary: 'Pages of the outbox, newest first: who has been told, and who never will be',
    description: 'Without `state`: those that wait for somebody, and those that somebody will never have.',
    tags: ['pages'],
    querystring: {
      type: 'object',
      properties: {
        state: { type: 'string', enum: PAGE_FILTERS, description: '`open`: of alerts that have not ended.' },
        limit: { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT },
      },
    },
    response: { 200: json(ref('PageList'), { one: { items: [PAGE], total: 1, clusterTimeMs: 1795316460000 } }) },
  },
  replay: {
    operationId: 'replayPage',
    summary: 'Give a page another life where a channel would not take it',
    description:
      'Once the cause is mended. Whoever coordinates sends it again; of an alert that is over its end goes again behind it. A channel that is named and that nobody who coordinates has is told nothing.',
    tags: ['pages'],
    params: PARAMS,
    body: json(
      ref('Replay'),
      {
        'all that refused it': { reason: 'the routing key of oncall was replaced' },
        'one channel': { reason: 'mail went to the wrong list', channels: ['mail'] },
      },
      { description: 'Why, and through which channels.' },
    ),
    response: {
      200: json(ref('Replayed'), { one: { page: { ...PAGE, state: 'waiting', dead: {} }, channels: ['oncall'], end: null } }),
    },
    refusals: ['ERR_CONFLICT', 'ERR_STALE', 'ERR_UNDECIDED'],
  },
  acknowledge: {
    operationId: 'acknowledgePage',
    summary: 'Say that somebody has the alert of this page: nobody else is woken for it',
    description: 'Marks every page of its key that asks for somebody. What comes later, and is worse, asks again.',
    tags: ['pages'],
    params: PARAMS,
    body: json(ref('Acknowledge'), { bare: {}, 'with a reason': { reason: 'I am at it' } }, { description: 'Nothing is needed.' }),
    response: { 200: json(ref('Acknowledged'), { one: ACKNOWLEDGED }) },
    refusals: ['ERR_CONFLICT', 'ERR_STALE', 'ERR_UNDECIDED'],
  },
} as const satisfies Record<string, RouteSchema>;

const signed = (description: string) => ({ type: 'string', description }) as const;

export const CALLBACK_DOCS = {
  pages: {
    operationId: 'takeCallback',
    summary:
      'What a receiver of pages sends back: somebody has it, automation shall hold still for 30 minutes, or somebody agrees to a run',
    description:
      'Only where `paging.callbacks.secretFiles` is configured. Signed after Standard Webhooks with one of those secrets instead of carrying a token; each `webhook-id` acts once. A hold is a freeze, judged and written as any order; there is never more than one in force for a key. Who agrees to what a run asks counts as the one person whom `by` names.',
    tags: ['pages'],
    headers: {
      type: 'object',
      required: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
      properties: {
        'webhook-id': signed('1 to 256 of A-Z a-z 0-9 _ -; the same for a retry.'),
        'webhook-timestamp': signed('Seconds since 1970, within five minutes.'),
        'webhook-signature': signed('`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several with blanks between.'),
      },
    },
    body: json(
      ref('Callback'),
      {
        acknowledged: { type: 'page.acknowledged', data: { dedupKey: KEY, by: 'ana' } },
        hold: { type: 'automation.hold', data: { pageId: ID, by: 'ana', reason: 'we are mending the uplink' } },
        'agree to a run': { type: 'run.approved', data: { pageId: ASKING, by: 'ana' } },
      },
      { description: 'One thing that somebody did.' },
    ),
    response: {
      200: json(ref('CallbackDone'), {
        acknowledged: { outcome: 'acknowledged', ...ACKNOWLEDGED },
        held: HELD,
        approved: { outcome: 'approved', run: 'shop-failover-4f6a1c0b9d2e', step: null, state: 'running', by: 'ana' },
        repeated: { outcome: 'repeated' },
      }),
    },
    refusals: [
      'ERR_UNAUTHORIZED',
      'ERR_FORBIDDEN',
      'ERR_TOO_MANY',
      'ERR_NOT_FOUND',
      'ERR_APPROVAL',
      'ERR_CONFLICT',
      'ERR_LIMIT',
      'ERR_REFUSED',
      'ERR_STALE',
      'ERR_STORE_UNREACHABLE',
      'ERR_UNDECIDED',
    ],
  },
} as const satisfies Record<string, RouteSchema>;
