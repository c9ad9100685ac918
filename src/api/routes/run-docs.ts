// How the paths of platforms and runs read in the OpenAPI document. Data only.
import { json, type RouteSchema, ref } from '../openapi.ts';
import { ORDERED_PURPOSES, RUN_MODES } from '../run-input.ts';

export const LIMIT_DEFAULT = 50;
export const LIMIT_MAX = 200;

const AT_MS = 1_795_316_400_000;
const NAME = 'shop';
const ID = 'shop-failover-4f6a1c0b9d2e';
const WAITS = 'k8s.wait@us-east.workers';
const FLIPS = 'temporal.failover@orders';

const PLANNED = [
  {
    id: FLIPS,
    kind: 'temporal.failover',
    phase: 'namespaces',
    target: 'namespace orders to aws-us-east-1',
    mode: 'both',
    needs: [],
    timeoutMs: 60_000,
    onFail: 'ask',
    onUnknown: 'ask',
    persons: 1,
    undo: { can: false, because: 'a failover back is a run of its own' },
    estimate: { p50Ms: 3_000, p95Ms: 12_000, source: 'seed' },
  },
  {
    id: WAITS,
    kind: 'k8s.wait',
    phase: 'ready',
    target: 'Deployment app/workers in us-east',
    mode: 'both',
    needs: [FLIPS],
    timeoutMs: 180_000,
    onFail: 'ask',
    onUnknown: 'ask',
    persons: 0,
    undo: { can: true },
    estimate: { p50Ms: 14_200, p95Ms: 20_900, source: 'runs' },
  },
];
const SPAN = { p50Ms: 17_200, p95Ms: 32_900 };
const WAY = { ...SPAN, path: [FLIPS, WAITS] };
const MOVE = { platform: NAME, model: 'active-hot', purpose: 'failover', mode: 'ungraceful', from: 'eu-west', to: 'us-east' };
const PLAN = {
  ...MOVE,
  steps: PLANNED,
  estimate: { recovery: WAY, whole: WAY },
  approvals: [{ step: FLIPS, persons: 1 }],
  losses: ['orders: expected loss now: 3.2 s / 48 MB, measured 4 s ago'],
  cannotUndo: [{ step: FLIPS, because: 'a failover back is a run of its own' }],
};
const WAITING = {
  run: ID,
  step: FLIPS,
  wants: 'approval',
  persons: 1,
  by: [],
  untilMs: AT_MS + 900_000,
  because: 'a person has to agree that namespace orders moves',
  choices: [],
};
const ITEM = {
  ...MOVE,
  id: ID,
  cause: { kind: 'order', by: 'ana', reason: 'eu-west has lost its power', ticket: 'OPS-311' },
  state: 'running',
  because: 'ordered by ana: eu-west has lost its power',
  createdAtMs: AT_MS,
  startedAtMs: AT_MS + 100,
  endedAtMs: null,
  tookMs: 41_300,
  recoveryMs: null,
  estimate: { recovery: SPAN, whole: SPAN },
  progress: { done: 0, of: 2 },
  waiting: [WAITING],
  now: [],
};
const UNBEGUN = { tries: 0, startedAtMs: null, endedAtMs: null, tookMs: null, approvedBy: [] };
const RUN = {
  ...ITEM,
  approval: null,
  forceAfterMs: null,
  aborted: null,
  executor: { region: 'us-east', replica: 'a' },
  criticalPath: [FLIPS, WAITS],
  steps: [
    { ...PLANNED[0], ...UNBEGUN, state: 'asking', because: WAITING.because, dueAtMs: AT_MS + 200, askedUntilMs: AT_MS + 900_000 },
    { ...PLANNED[1], ...UNBEGUN, state: 'pending', because: '', dueAtMs: null, askedUntilMs: null },
  ],
};
const DONE = {
  ...ITEM,
  state: 'done',
  because: 'all that was planned is done',
  recoveryMs: 58_100,
  endedAtMs: AT_MS + 60_000,
  progress: { done: 2, of: 2 },
  waiting: [],
};
const PLATFORM = {
  name: NAME,
  model: 'active-hot',
  regions: ['eu-west', 'us-east'],
  services: ['web.example.com'],
  trigger: 'propose',
  failback: 'manual',
  active: 'eu-west',
  sinceAtMs: null,
  because: 'as configured: nothing has moved it',
  openRun: ITEM,
  readiness: {
    atMs: AT_MS,
    score: 75,
    lines: [
      {
        check: 'regional-endpoint',
        of: 'workers@us-east',
        is: 'bad',
        weight: 'must',
        because: 'its workers are configured with the Namespace Endpoint',
        fix: 'configure the Regional Endpoint of us-east',
      },
    ],
  },
  databases: [
    {
      database: 'orders',
      writer: 'eu-west',
      provedAtMs: AT_MS - 86_400_000,
      because: 'a row was written on 10.1.0.4:5432 and read back',
      split: null,
      settled: null,
      fenced: [],
      unproved: null,
      standbys: [
        {
          region: 'us-east',
          lagMs: 3_200,
          lagBytes: 48_000_000,
          measuredAtMs: AT_MS - 4_000,
          because: 'expected loss now: 3.2 s / 48 MB, measured 4 s ago',
        },
      ],
    },
  ],
  llm: {
    chain: ['openrouter', 'azure'],
    churn: { switches: 3, windowMs: 600_000 },
    regions: [
      {
        region: 'eu-west',
        provider: 'azure',
        position: 2,
        sinceAtMs: AT_MS - 720_000,
        switches: 0,
        known: true,
        lookedAtMs: AT_MS - 20_000,
        because: 'on azure, 2 of 2',
      },
    ],
    alarms: [{ is: 'degraded', region: 'eu-west' }],
  },
  lastRuns: [
    {
      run: 'shop-drill-0b9d2e4f6a1c',
      purpose: 'drill',
      mode: 'graceful',
      tookMs: 48_200,
      steps: { [FLIPS]: 3_100, [WAITS]: 14_200 },
      atMs: AT_MS - 86_400_000,
    },
  ],
};
const UNDO = {
  cli: `tidegate undo-run ${ID} --reason WHY`,
  curl: `curl -X POST -H "Authorization: Bearer $(cat TOKEN_FILE)" -H 'Content-Type: application/json' -d '{"reason":"WHY, in ten characters"}' https://eu-west.tidegate.example:8443/v1/runs/${ID}/undo`,
};
const BEGUN = { run: RUN, plan: PLAN, dryRun: false, undo: UNDO };
const ONE = { run: RUN, clusterTimeMs: AT_MS + 41_400 };

const PLATFORM_PARAMS = {
  type: 'object',
  properties: { name: { type: 'string', description: 'The name of the platform.', examples: [NAME] } },
} as const;
const RUN_PARAMS = {
  type: 'object',
  properties: { id: { type: 'string', description: 'The id of the run.', examples: [ID] } },
} as const;
const ETAG = {
  ETag: { schema: { type: 'string' }, description: 'Of what a human decides about: its state, and what it asks. For If-Match.' },
};
const KEY = { type: 'string', minLength: 8, maxLength: 200, examples: ['0192f3c8-5a1e-7b6d-9c1f-3e5a7d9b1c2f'] } as const;
const REPLAYED = {
  'Idempotency-Replayed': { schema: { type: 'string' }, description: '`true`: this request was carried out before; the run as it is now.' },
};
const WRITES = ['ERR_CONFLICT', 'ERR_APPROVAL', 'ERR_IN_FLIGHT', 'ERR_IDEMPOTENCY', 'ERR_STALE', 'ERR_UNDECIDED'] as const;

export const PLATFORM_DOCS = {
  list: {
    operationId: 'listPlatforms',
    summary: 'Platforms: where each is active, how ready it is to move, what moves it now, what moves took',
    tags: ['platforms'],
    response: { 200: json(ref('PlatformList'), { one: { items: [PLATFORM], clusterTimeMs: AT_MS } }) },
  },
  get: {
    operationId: 'getPlatform',
    summary: 'One platform',
    tags: ['platforms'],
    params: PLATFORM_PARAMS,
    response: { 200: json(ref('PlatformOne'), { one: { platform: PLATFORM, clusterTimeMs: AT_MS } }) },
  },
  plan: {
    operationId: 'getPlan',
    summary: 'What a run would do, how long it would take, what it would ask for, and what could not be taken back',
    description: 'Moves nothing.',
    tags: ['platforms'],
    params: PLATFORM_PARAMS,
    querystring: {
      type: 'object',
      properties: {
        to: { type: 'string', description: 'Default: home for a failback, else the first of the priorities that is not active.' },
        mode: { type: 'string', enum: RUN_MODES, default: 'graceful' },
        purpose: { type: 'string', enum: ORDERED_PURPOSES, default: 'failover' },
      },
    },
    response: { 200: json(ref('RunPlan'), { one: PLAN }) },
    refusals: ['ERR_CONFLICT'],
  },
  begin: {
    operationId: 'beginRun',
    summary: 'Order a run: failover, failback, or a drill',
    description:
      'It runs at once, or is `proposed` until as many persons as the platform wants have agreed; whoever orders it is one of them. Its id is made from the key, so that the same request sent again, to this or another region, begins nothing twice.',
    tags: ['platforms'],
    params: PLATFORM_PARAMS,
    querystring: {
      type: 'object',
      properties: {
        dryRun: { type: 'string', enum: ['true', 'false'], description: '`true`: judges and plans, writes nothing, answers 200.' },
      },
    },
    headers: {
      type: 'object',
      properties: { 'Idempotency-Key': { ...KEY, description: 'A fresh random text per order. Needed unless this is a dry run.' } },
    },
    body: json(ref('RunOrder'), {
      failover: { mode: 'ungraceful', purpose: 'failover', reason: 'eu-west has lost its power', ticket: 'OPS-311' },
      failback: { mode: 'graceful', purpose: 'failback', reason: 'eu-west is well again since noon' },
      drill: { to: 'us-east', mode: 'graceful', purpose: 'drill', reason: 'the drill of this quarter' },
    }),
    response: {
      200: json(ref('RunBegun'), { 'dry run': { ...BEGUN, dryRun: true } }, { description: 'What would follow; nothing was written.' }),
      201: json(
        ref('RunBegun'),
        { begun: BEGUN },
        {
          description: 'It stands from now on, and no failover of ours loses it.',
          headers: { ...ETAG, ...REPLAYED, Location: { schema: { type: 'string' }, description: 'Where the run is.' } },
        },
      ),
    },
    refusals: WRITES,
  },
} as const satisfies Record<string, RouteSchema>;

const deed = <T extends RouteSchema>(said: T): T & RouteSchema => ({
  ...said,
  tags: ['runs'],
  params: RUN_PARAMS,
  headers: {
    type: 'object',
    properties: {
      'If-Match': { type: 'string', description: 'The entity tag that was read, or `*`. Left out: whatever the run asks now.' },
      'Idempotency-Key': { ...KEY, description: 'For a retry that is answered as done before. Remembered for a day.' },
    },
  },
  response: { 200: json(ref('RunOne'), { one: ONE }, { description: 'The run as it is now.', headers: { ...ETAG, ...REPLAYED } }) },
  refusals: WRITES,
});

const REASON = { 'with a reason': { reason: 'the network of us-east fails' } };

export const RUN_DOCS = {
  list: {
    operationId: 'listRuns',
    summary: 'Runs, open ones first, newest first among each',
    tags: ['runs'],
    querystring: {
      type: 'object',
      properties: {
        state: { type: 'string', enum: ['open', 'all'], default: 'open' },
        limit: { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT },
      },
    },
    response: { 200: json(ref('RunList'), { all: { items: [ITEM, DONE], total: 2, clusterTimeMs: AT_MS } }) },
  },
  get: {
    operationId: 'getRun',
    summary: 'One run: its steps, measured beside estimated, who agreed, what it waits for',
    tags: ['runs'],
    params: RUN_PARAMS,
    response: { 200: json(ref('RunOne'), { one: ONE }, { headers: ETAG }) },
  },
  acts: {
    approve: deed({
      operationId: 'approveRun',
      summary: 'Agree that a run begins, or that a step of it does',
      description: 'Where two persons have to agree they are different ones.',
      body: json(ref('RunApprove'), { bare: {}, 'one step': { step: FLIPS } }, { description: 'Nothing is needed.' }),
    }),
    answer: deed({
      operationId: 'answerRun',
      summary: 'Say what becomes of a step that failed or could not be read',
      body: json(ref('RunAnswer'), { again: { step: WAITS, choice: 'retry', reason: 'the image was pulled by hand' } }),
    }),
    abort: deed({
      operationId: 'abortRun',
      summary: 'Begin nothing more: what is under way ends, what is done stays done',
      body: json(ref('RunReason'), REASON),
    }),
    undo: deed({
      operationId: 'undoRun',
      summary: 'Take back what can be, last first',
      body: json(ref('RunReason'), REASON),
    }),
    force: deed({
      operationId: 'forceRun',
      summary: 'Go on ungracefully: what is done stays done, what would have waited for the region that is left is passed over',
      body: json(ref('RunReason'), REASON),
    }),
  },
} as const;
