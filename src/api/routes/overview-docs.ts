// What the document says of the paths for eyes.
import { bannerOf } from '../../dashboard/banner.ts';
import { json, type RouteSchema, ref } from '../openapi.ts';
import type { OverviewDocument, ServiceDocument } from '../overview.ts';

const SERVICE = 'web.example.com';
const AT_MS = 1795316400000;

const HEAD = {
  cluster: { name: 'production', version: 12, goals: { detectionMs: 30_000, convergenceMs: 60_000 } },
  clusterTimeMs: AT_MS,
  decision: {
    v: 41,
    epoch: 4,
    atMs: AT_MS - 6_000,
    because: 'eu-west down: 2 of 3 vantages (needs 2), first fault 6.1 s ago; traffic leaves',
  },
} as const;

const POOL = {
  cause: 'up',
  up: 1,
  unknown: 0,
  total: 1,
  minUp: 1,
  gray: 0,
  gate: 'open',
  memory: null,
  because: '1 of 1 targets up (needs 1)',
} as const;

const ROW = {
  'eu-west': { state: 'silent', because: 'no vote that counts; last heard 8.2 s ago', ageMs: 8_200 },
  'us-east': { state: 'down', because: '/healthz timeout, 4 faults, first 6.1 s ago', ageMs: 400 },
  'ap-south': { state: 'down', because: '/healthz timeout, 4 faults, first 5.9 s ago', ageMs: 700 },
} as const;

const INCIDENT = {
  id: '41-eu-west',
  kind: 'region-down',
  region: 'eu-west',
  because: 'eu-west down: 2 of 3 vantages (needs 2), first fault 6.1 s ago',
  v: 41,
  epoch: 4,
  t0AtMs: AT_MS - 12_100,
  t1AtMs: AT_MS - 9_000,
  t2AtMs: AT_MS - 6_100,
  t3AtMs: AT_MS - 6_000,
  t4AtMs: AT_MS - 5_400,
  t5AtMs: AT_MS - 4_100,
  t6AtMs: null,
  closedAtMs: null,
  services: [SERVICE],
  servicesOmitted: 0,
  detection: { ms: 6_100, atMostMs: 7_000, goalMs: 30_000, judgement: 'met' },
  convergence: { ms: null, goalMs: 60_000, judgement: 'pending', waitingFor: [SERVICE], waitingOmitted: 0 },
} as const;

const SEEN: Omit<OverviewDocument, 'banner'> = {
  ...HEAD,
  self: { region: 'us-east', replica: 'a', boot: 'd1f0c2', role: 'coordinator', epoch: 4, canVote: true, canDecide: true, because: '' },
  coordinator: { region: 'us-east', replica: 'a', epoch: 4, released: false },
  regions: [
    {
      name: 'eu-west',
      vote: true,
      state: 'silent',
      vantages: [{ replica: 'a', state: 'silent', because: 'last heard 8.2 s ago', ageMs: 8_200, version: '1.4.0', configVersion: 12 }],
      pools: { up: 0, unready: 0, suspect: 0, down: 1, unknown: 0 },
      share: { fully: 0, partly: 0, not: 1, unknown: 0 },
      sharesSum: { actual: 0, configured: 500 },
      coordinates: false,
      evacuated: null,
      drained: null,
      holds: [],
      doubts: 1,
    },
  ],
  services: [
    {
      name: SERVICE,
      mode: 'auto',
      provider: 'route53',
      ttlS: 30,
      fence: 41,
      because: HEAD.decision.because,
      moved: true,
      applied: { fence: 41, atMs: AT_MS - 5_400, ok: true, outcome: 'applied', because: '' },
      provenAtMs: AT_MS,
      arrived: { t5AtMs: AT_MS - 3_000, t6AtMs: null },
      pools: [
        {
          name: 'eu-west',
          region: 'eu-west',
          verdict: 'out',
          cause: 'down',
          share: 0,
          configuredShare: 500,
          up: 0,
          total: 1,
          gray: 0,
          hold: null,
        },
        {
          name: 'us-east',
          region: 'us-east',
          verdict: 'up',
          cause: 'up',
          share: 1000,
          configuredShare: 500,
          up: 1,
          total: 1,
          gray: 0,
          hold: null,
        },
      ],
    },
  ],
  doubts: [
    {
      target: `${SERVICE}/eu-west/app`,
      service: SERVICE,
      pool: 'eu-west',
      region: 'eu-west',
      verdict: 'down',
      gray: [],
      tally: '2 of 3 down, needs 2',
      cells: ROW,
    },
  ],
  doubtsOmitted: 0,
  holds: [],
  holdsOmitted: 0,
  reminders: [],
  remindersOmitted: 0,
  overrides: { version: 7, items: [] },
  incidents: [INCIDENT],
};
const OVERVIEW: OverviewDocument = { ...SEEN, banner: bannerOf({ ...SEEN, nowMs: AT_MS }) };

const ONE: ServiceDocument = {
  ...HEAD,
  service: {
    name: SERVICE,
    mode: 'auto',
    provider: 'route53',
    paths: [],
    ttlS: 30,
    route: { 'eu-west': 0, 'us-east': 1000 },
    fence: 41,
    because: HEAD.decision.because,
    applied: null,
    provenAtMs: null,
    pools: [{ name: 'us-east', region: 'us-east', share: 1000, configuredShare: 500, verdict: 'up', ...POOL, targets: [] }],
  },
  matrix: { [`${SERVICE}/eu-west/app`]: ROW },
  holds: [],
  reminders: [],
  overrides: { version: 7, items: [] },
  incidents: [
    {
      ...INCIDENT,
      timing: {
        service: SERVICE,
        acknowledgedMs: 600,
        authoritativeMs: 3_000,
        convergedMs: null,
        landed: [{ region: 'us-east', ms: 5_100 }],
        because: null,
      },
    },
  ],
};

export const OVERVIEW_DOCS = {
  overview: {
    operationId: 'getOverview',
    summary: 'What an eye needs first of what this replica knows now, however large the cluster',
    description:
      'Regions and services without their targets; of the targets those that somebody doubts. Lists that an outage makes long are cut, and `…Omitted` says by how much. It is made after the question, at most twice a second for all who ask: ask again when an event comes, at most once a second.',
    tags: ['status'],
    response: { 200: json(ref('Overview'), { 'a region died': OVERVIEW }) },
  },
  service: {
    operationId: 'getService',
    summary: 'One service whole: its targets, votes, holds, orders and incidents',
    description: '`fence` is the decision that changed it last: `GET /v1/decisions/{v}` explains it.',
    tags: ['status'],
    response: { 200: json(ref('ServiceOne'), { 'a region died': ONE }) },
  },
} satisfies Record<string, RouteSchema>;
