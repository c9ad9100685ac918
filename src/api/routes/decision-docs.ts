// How the paths of decisions and incidents read in the OpenAPI document. Data only.
import { json, type RouteSchema, ref } from '../openapi.ts';
import { AUDITS_MAX } from '../record-reader.ts';

export const LIMIT_DEFAULT = 20;
export const NUMBERS_MAX = Number.MAX_SAFE_INTEGER;

const LIMIT = {
  type: 'integer',
  minimum: 1,
  maximum: AUDITS_MAX,
  default: LIMIT_DEFAULT,
  description: 'So many at most.',
  examples: [5],
} as const;

const HALVES = { 'eu-west': 500, 'us-east': 500 };
const DRAINED = { 'eu-west': 0, 'us-east': 1000 };
const BECAUSE = 'eu-west down: 3 of 4 vantages (needs 3), first fault 6.1 s ago';
const CHANGES = [{ service: 'web.example.com', before: HALVES, after: DRAINED, because: BECAUSE }];
const AT_MS = 1_795_316_400_000;

export const DECISION_EXAMPLE = { v: 41, atMs: AT_MS, by: 'us-east/a', because: BECAUSE, changes: CHANGES };

const DETECTION = { ms: 6100, atMostMs: 8100, goalMs: 30_000, judgement: 'met' };
const CONVERGENCE = {
  ms: 14_200,
  goalMs: 60_000,
  judgement: 'met',
  waitingFor: [],
  services: [
    {
      service: 'web.example.com',
      acknowledgedMs: 310,
      authoritativeMs: 2400,
      convergedMs: 14_200,
      landed: [{ region: 'us-east', ms: 12_800 }],
      because: null,
    },
  ],
};
const TIMED = {
  t4AtMs: AT_MS + 310,
  t5AtMs: AT_MS + 2400,
  t6AtMs: AT_MS + 14_200,
  detection: DETECTION,
  convergence: CONVERGENCE,
};
const STAMPS = { t0AtMs: AT_MS - 6100, t0LastAtMs: AT_MS - 8100, t1AtMs: AT_MS - 5100, t2AtMs: AT_MS - 400, t3AtMs: AT_MS };

const INCIDENT = {
  id: 'eu-west-41',
  kind: 'region-down',
  region: 'eu-west',
  services: ['web.example.com'],
  because: BECAUSE,
  v: 41,
  epoch: 4,
  ...STAMPS,
  published: {
    'web.example.com': {
      t4AtMs: TIMED.t4AtMs,
      t4By: 'dns',
      t5AtMs: TIMED.t5AtMs,
      t6AtMs: TIMED.t6AtMs,
      landedAtMs: { 'us-east': AT_MS + 12_800 },
    },
  },
  witnesses: ['us-east', 'ap-south'],
  closedAtMs: null,
  nonce: '5f0c9a71d2be',
};

const DOSSIER = {
  ...DECISION_EXAMPLE,
  epoch: 4,
  wouldChange: 'with 1 DOWN vote fewer (3 cast, needs 3 of 4) eu-west would have kept its traffic',
  holds: [],
  evidence: [
    {
      endpoint: 'web.example.com/eu-west/app#healthz',
      verdict: 'down',
      down: 3,
      up: 0,
      electorate: 4,
      needs: 3,
      firstFaultAgoMs: 6100,
      ballots: { 'eu-west': 'silent', 'us-east': 'down', 'ap-south': 'down', witness: 'down' },
    },
  ],
  votes: [{ region: 'us-east', replica: 'a', seq: 17, state: 'ok', because: null, ageMs: 640 }],
  abstentions: [],
  silent: ['eu-west'],
  rules: { passed: ['last-pool', 'blast-radius'], refused: [] },
  incidents: [{ id: 'eu-west-41', kind: 'region-down', region: 'eu-west', relation: 'opened', ...STAMPS, ...TIMED }],
  trail: [
    {
      service: 'web.example.com',
      provider: 'dns',
      afterMs: 310,
      outcome: 'applied',
      atMs: AT_MS + 310,
      tookMs: 240,
      tries: 1,
      requests: ['req-7d1f'],
      because: '',
      by: 'us-east/a/d1f0c2',
    },
  ],
  trailOmitted: 0,
  previous: { v: 40, href: '/v1/decisions/40' },
  next: null,
  prevHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
};

export const DECISION_DOCS = {
  list: {
    operationId: 'listDecisions',
    summary: 'The last decisions, newest first',
    tags: ['decisions'],
    querystring: {
      type: 'object',
      properties: {
        limit: LIMIT,
        before: { type: 'integer', minimum: 1, maximum: NUMBERS_MAX, description: 'Only those with a smaller number.', examples: [42] },
      },
    },
    response: {
      200: json(
        ref('DecisionList'),
        { one: { items: [DECISION_EXAMPLE], before: 41 } },
        { links: { look: { operationId: 'getDecision', parameters: { v: '$response.body#/items/0/v' } } } },
      ),
    },
  },
  get: {
    operationId: 'getDecision',
    summary: 'Everything that is known of one decision',
    description:
      'Evidence and votes, abstentions, rules, what moved, what would have changed it, the measured times against the goals, and how it reached the providers, with their request ids.',
    tags: ['decisions'],
    params: {
      type: 'object',
      properties: {
        v: { type: 'integer', minimum: 1, maximum: NUMBERS_MAX - 1, description: 'The number of the decision.', examples: [41] },
      },
      required: ['v'],
    },
    response: { 200: json(ref('Dossier'), { one: DOSSIER }) },
  },
  incidents: {
    operationId: 'listIncidents',
    summary: 'Incidents, newest first, with their measured times',
    tags: ['decisions'],
    querystring: { type: 'object', properties: { limit: LIMIT } },
    response: {
      200: json(ref('IncidentList'), { one: { items: [{ ...INCIDENT, ...TIMED }], total: 1 } }),
    },
  },
  incident: {
    operationId: 'getIncident',
    summary: 'One incident with its measured times',
    tags: ['decisions'],
    params: {
      type: 'object',
      properties: {
        id: { type: 'string', pattern: '^[\\w.*-]{1,256}$', description: 'As the list and the pages name it.', examples: ['eu-west-41'] },
      },
      required: ['id'],
    },
    response: { 200: json(ref('IncidentOne'), { one: { incident: INCIDENT, ...TIMED, decision: '/v1/decisions/41' } }) },
  },
} as const satisfies Record<string, RouteSchema>;
