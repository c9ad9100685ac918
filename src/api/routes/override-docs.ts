// How the paths of orders read in the OpenAPI document. Data only.
import type { RouteSchema } from '../openapi.ts';
import { json, ref } from '../openapi.ts';

const PARAMS = {
  type: 'object',
  properties: {
    id: {
      type: 'string',
      pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$',
      description: 'The id of the order.',
      examples: ['drain-eu-west-1'],
    },
  },
} as const;

const DRY_RUN = {
  type: 'object',
  properties: {
    dryRun: { type: 'string', enum: ['true', 'false'], description: '`true`: judges and foretells, writes nothing, answers 200.' },
  },
} as const;

const IF_MATCH = {
  type: 'string',
  description: 'The entity tag that was read: of this order, or of all of them; `*`: whatever it is. Needed where the order exists.',
} as const;

const ETAG = { ETag: { schema: { type: 'string' }, description: 'Of what the reply shows; for If-Match.' } };

const ORDER = {
  id: 'drain-eu-west-1',
  kind: 'drain',
  scope: { region: 'eu-west' },
  reason: 'the database there is being upgraded',
  owner: 'ana',
  by: 'ana',
  createdAtMs: 1795316400000,
  expiresAtMs: 1795330800000,
};
const MEASURED = [
  { service: 'web.example.com', pool: 'eu-west', region: 'eu-west', verdict: 'up', count: '2 of 2 targets up (needs 1)', share: 0 },
];
const STANDING = { active: true, leftMs: 14_400_000, obeyed: true, because: 'web.example.com/eu-west gets no traffic', measured: MEASURED };
export const FORECAST_EXAMPLE = {
  steps: [
    {
      afterMs: 0,
      v: 42,
      because: 'drain of eu-west ordered by ana: the database there is being upgraded',
      changes: [{ service: 'web.example.com', before: { 'eu-west': 500, 'us-east': 500 }, after: { 'eu-west': 0, 'us-east': 1000 } }],
      holds: [],
    },
  ],
  services: [
    {
      service: 'web.example.com',
      mode: 'auto',
      before: { 'eu-west': 500, 'us-east': 500 },
      after: { 'eu-west': 0, 'us-east': 1000 },
      writes: [{ provider: 'dns', before: { 'eu-west': 500, 'us-east': 500 }, after: { 'eu-west': 0, 'us-east': 1000 } }],
      capacity: { load: 800, capacity: 1200, leftPercent: 33, source: 'reported', because: '800 of 1200 that us-east can bear' },
      converge: { p50Ms: 14_000, p99Ms: 31_000, samples: 12, source: 'history', because: 'of 12 drains in this cluster' },
    },
  ],
  refusals: [],
  holds: [],
  pages: [],
  notes: [],
};
const ORDERED = {
  override: ORDER,
  version: 7,
  expiresAt: '2026-11-22T07:00:00.000Z',
  dryRun: false,
  approval: 'not-needed',
  refusals: [],
  undo: {
    cli: 'tidegate undrain drain-eu-west-1',
    curl: 'curl -X DELETE -H "Authorization: Bearer $(cat TOKEN_FILE)" -H \'If-Match: *\' https://eu-west.tidegate.example:8443/v1/overrides/drain-eu-west-1',
  },
  forecast: FORECAST_EXAMPLE,
  notes: [],
};
const BODIES = {
  drain: { kind: 'drain', scope: { region: 'eu-west' }, reason: 'the database there is being upgraded', ttl: '90m', ticket: 'OPS-311' },
  pin: {
    kind: 'pin',
    scope: { service: 'web.example.com' },
    weights: { 'eu-west': 200, 'us-east': 800 },
    reason: 'eu-west runs on half of its machines',
    startsAt: '2026-11-22T04:00:00Z',
  },
  'force-in': {
    kind: 'force-in',
    scope: { service: 'web.example.com', pool: 'eu-west' },
    reason: 'its health check is broken, the pool is not',
    ttl: '30m',
  },
  freeze: { kind: 'freeze', scope: { service: 'web.example.com' }, reason: 'a release is going on', ttl: '1h' },
  stop: { kind: 'stop', scope: {}, reason: 'the provider is being moved', owner: 'the night shift' },
  evacuate: { kind: 'evacuate', scope: { region: 'eu-west' }, reason: 'the whole region loses power at six', breakGlass: true },
};

/** What may be done with what the reply shows. */
const ORDER_ID = '$response.body#/override/id';
const WITH_TAG = { id: ORDER_ID, 'header.If-Match': '$response.header.ETag' };
const LINKS = {
  look: { operationId: 'getOverride', parameters: { id: ORDER_ID } },
  end: { operationId: 'deleteOverride', parameters: WITH_TAG },
  replace: { operationId: 'putOverride', parameters: WITH_TAG },
  agree: { operationId: 'approveOverride', parameters: WITH_TAG },
};

const body = json(ref('OverrideOrder'), BODIES);
const ordered = (description: string, headers: object = ETAG): ReturnType<typeof json> =>
  json(ref('Ordered'), { ordered: ORDERED }, { description, headers, links: LINKS });
const dry = json(ref('Ordered'), { 'dry run': { ...ORDERED, dryRun: true } }, { description: 'What would follow; nothing was written.' });

export const OVERRIDE_DOCS = {
  list: {
    operationId: 'listOverrides',
    summary: 'All orders, and whether each is obeyed',
    tags: ['overrides'],
    response: {
      200: json(ref('OverrideList'), { one: { version: 7, items: [{ ...ORDER, ...STANDING }] } }, { headers: ETAG }),
    },
  },
  get: {
    operationId: 'getOverride',
    summary: 'One order, with what health says of the same pools',
    tags: ['overrides'],
    params: PARAMS,
    response: { 200: json(ref('OverrideOne'), { one: { override: ORDER, version: 7, ...STANDING } }, { headers: ETAG }) },
  },
  post: {
    operationId: 'createOverride',
    summary: 'Give an order',
    description:
      'The id is made from the key, so that the same request sent again, to this or another region, answers the same and never orders twice. Keys are remembered for a day.',
    tags: ['overrides'],
    querystring: DRY_RUN,
    headers: {
      type: 'object',
      properties: {
        'Idempotency-Key': {
          type: 'string',
          minLength: 8,
          maxLength: 200,
          description: 'A fresh random text per order. Needed unless this is a dry run.',
          examples: ['0192f3c8-5a1e-7b6d-9c1f-3e5a7d9b1c2f'],
        },
      },
    },
    body,
    response: {
      200: dry,
      201: ordered('Committed: it stands from now on, and no failover loses it.', {
        ...ETAG,
        Location: { schema: { type: 'string' }, description: 'Where the order is.' },
      }),
    },
    refusals: ['ERR_REFUSED', 'ERR_LIMIT', 'ERR_IN_FLIGHT', 'ERR_IDEMPOTENCY', 'ERR_STALE', 'ERR_UNDECIDED'],
  },
  put: {
    operationId: 'putOverride',
    summary: 'Give an order under an id of your choice, or replace one',
    tags: ['overrides'],
    params: PARAMS,
    querystring: DRY_RUN,
    headers: {
      type: 'object',
      properties: {
        'If-Match': IF_MATCH,
        'If-None-Match': { type: 'string', enum: ['*'], description: '`*`: only if no order has this id.' },
      },
    },
    body,
    response: { 200: ordered('Replaced; or a dry run, which wrote nothing.'), 201: ordered('Made.') },
    refusals: ['ERR_REFUSED', 'ERR_APPROVAL', 'ERR_LIMIT', 'ERR_PRECONDITION', 'ERR_STALE', 'ERR_UNDECIDED'],
  },
  delete: {
    operationId: 'deleteOverride',
    summary: 'End an order',
    description: 'What follows is up to automation, which obeys the safety rules itself; nobody is kept from taking an order back.',
    tags: ['overrides'],
    params: PARAMS,
    querystring: DRY_RUN,
    headers: { type: 'object', properties: { 'If-Match': IF_MATCH } },
    response: { 200: json(ref('Ordered'), { ended: ORDERED }, { description: 'Gone; `undo` says how to put it back.', headers: ETAG }) },
    refusals: ['ERR_PRECONDITION', 'ERR_STALE', 'ERR_UNDECIDED'],
  },
  approve: {
    operationId: 'approveOverride',
    summary: 'Agree to an order that takes a second person',
    description: 'By anybody of the role approver but the one who gave the order.',
    tags: ['overrides'],
    params: PARAMS,
    headers: { type: 'object', properties: { 'If-Match': IF_MATCH } },
    response: { 200: ordered('In force from now, or from its start on.') },
    refusals: ['ERR_REFUSED', 'ERR_APPROVAL', 'ERR_PRECONDITION', 'ERR_STALE', 'ERR_UNDECIDED'],
  },
} as const satisfies Record<string, RouteSchema>;
