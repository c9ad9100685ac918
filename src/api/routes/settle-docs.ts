// How the paths by which humans settle where a database is written read in the OpenAPI document. Data only.
import { json, type RouteSchema, ref } from '../openapi.ts';

const AT_MS = 1_795_316_400_000;
const SETTLEMENT = {
  platform: 'shop',
  database: 'orders',
  writer: 'us-east',
  fenced: ['eu-west'],
  by: 'ana',
  reason: 'eu-west burnt down, its disks are gone',
  atMs: AT_MS,
  meaning: [
    'us-east is held for the writer of orders by your word: no row is written for it. users of web.example.com may be sent there, and to no other region',
    'you answer for it that eu-west takes no writes: whatever is written there drifts apart',
  ],
  seen: [
    { region: 'eu-west', is: 'unseen', agoMs: null },
    { region: 'us-east', is: 'writes', agoMs: 2_100 },
  ],
};
const UNDO = {
  cli: 'tidegate unsettle shop/orders --reason WHY',
  curl: `curl -X POST -H "Authorization: Bearer $(cat TOKEN_FILE)" -H 'Content-Type: application/json' -H 'If-Match: *' -H "Idempotency-Key: $(uuidgen)" -d '{"reason":"WHY, in ten characters"}' https://eu-west.tidegate.example:8443/v1/platforms/shop/databases/orders/unsettle`,
};
const DONE = { settlement: SETTLEMENT, dryRun: false, undo: UNDO, clusterTimeMs: AT_MS + 20 };
const BACK = {
  ...DONE,
  settlement: {
    ...SETTLEMENT,
    writer: null,
    fenced: [],
    reason: 'eu-west answers again after all',
    meaning: [
      'the word of ana for us-east stands no more: orders is proved writable nowhere, until one region is seen to take writes, all others to follow it, and a row is written and read back',
    ],
  },
  undo: null,
};

const PARAMS = {
  type: 'object',
  properties: {
    name: { type: 'string', description: 'The name of the platform.', examples: ['shop'] },
    database: { type: 'string', description: 'The name of the database.', examples: ['orders'] },
  },
} as const;
const HEADERS = {
  type: 'object',
  properties: {
    'If-Match': {
      type: 'string',
      description:
        'The ETag of the preview (`?dryRun=true`), or `*`. Needed unless this is a preview: what is said is about what was seen.',
    },
    'Idempotency-Key': {
      type: 'string',
      minLength: 8,
      maxLength: 200,
      examples: ['0192f3c8-5a1e-7b6d-9c1f-3e5a7d9b1c2f'],
      description: 'A fresh random text per wish. Needed unless this is a preview. Remembered for a day.',
    },
  },
} as const;
const QUERY = {
  type: 'object',
  properties: { dryRun: { type: 'string', enum: ['true', 'false'], description: '`true`: judges, and writes nothing.' } },
} as const;
const REPLY = {
  ETag: { schema: { type: 'string' }, description: 'Of what is known of the database: of a preview before it, else after it.' },
  'Idempotency-Replayed': { schema: { type: 'string' }, description: '`true`: this request was carried out before.' },
};
const REFUSALS = ['ERR_CONFLICT', 'ERR_PRECONDITION', 'ERR_STALE', 'ERR_IDEMPOTENCY', 'ERR_UNDECIDED'] as const;

const common = { tags: ['platforms'], params: PARAMS, querystring: QUERY, headers: HEADERS, refusals: REFUSALS };

export const SETTLE_DOCS = {
  settle: {
    ...common,
    operationId: 'settleDatabase',
    summary: 'Say where a database is written, where no row can prove it, or two regions took writes and one of them never will again',
    description:
      'Refused with 409, whoever asks, where what is seen speaks against it: the region follows, another one takes writes, a step that moves the writer is under way, or a region is neither seen to follow nor named as fenced. Nothing is moved by it; routes may follow.',
    body: json(ref('SettleOrder'), {
      'one is gone': { region: 'us-east', fenced: ['eu-west'], reason: 'eu-west burnt down, its disks are gone' },
      'no right to write a row': { region: 'eu-west', reason: 'the role may not write the canary table before monday' },
    }),
    response: { 200: json(ref('Settled'), { settled: DONE, 'dry run': { ...DONE, dryRun: true } }, { headers: REPLY }) },
  },
  unsettle: {
    ...common,
    operationId: 'unsettleDatabase',
    summary: 'Take such a word back: an alarm that it ended rings again, no proof comes back',
    description: 'Refused with 409 where no word stands any more, for one since a row has proved it.',
    body: json(ref('UnsettleOrder'), { 'with a reason': { reason: 'eu-west answers again after all' } }),
    response: { 200: json(ref('Settled'), { 'taken back': BACK }, { headers: REPLY }) },
  },
} as const satisfies Record<string, RouteSchema>;
