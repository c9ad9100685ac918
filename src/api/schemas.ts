// The shapes of the OpenAPI document that more than one path speaks of, by name. Plain JSON Schema; a test holds the running server to them.
import { ERRORS } from '../errors.ts';
import { type DeadLetter, OVERRIDE_KINDS, type Override, type Refusal } from '../model.ts';
import type { CapacityLeft } from '../whatif/capacity.ts';
import type { Forecast, ForecastHold, ForecastService, ForecastStep } from '../whatif/forecast.ts';
import type { Convergence } from '../whatif/history.ts';
import { ROLES } from './access.ts';
import { OBJECTIVE_SCHEMAS } from './objective-schemas.ts';
import { type JsonSchema, ref } from './openapi.ts';
import { ORDER_SCHEMA } from './override-input.ts';
import { overviewSchemas } from './overview-schemas.ts';
import { ACKNOWLEDGE_SCHEMA, CALLBACK_SCHEMA, REPLAY_SCHEMA } from './page-input.ts';
import type { PageItem } from './page-list.ts';
import type { Acknowledged } from './pages.ts';
import { PLATFORM_SCHEMAS } from './platform-schemas.ts';
import { RECORD_SCHEMAS } from './record-schemas.ts';
import { REPORT_SCHEMA } from './report-input.ts';
import type { Me, SignInWays } from './routes/sign-in.ts';
import { RUN_SCHEMAS, RUN_STATE } from './run-schemas.ts';
import { AT_MS, COUNT, FLAG, listOf, mapOf, membersOf, NUMBER, oneOfTexts, openShape, orNull, shape, shapeOf, TEXT } from './shapes.ts';
import { REDEEM_SCHEMA } from './sign-in-input.ts';
import { SUPPOSED_SCHEMA } from './simulate-input.ts';

const SCOPE = shape({}, { region: TEXT, service: TEXT, pool: TEXT });
const ROUTE: JsonSchema = {
  type: 'object',
  description: 'Thousandths per pool; together 1000.',
  additionalProperties: { type: 'integer', minimum: 0, maximum: 1000 },
};

const ORDER = membersOf<Override>(
  {
    id: TEXT,
    kind: oneOfTexts(...OVERRIDE_KINDS),
    scope: ref('Scope'),
    reason: TEXT,
    owner: TEXT,
    createdAtMs: AT_MS,
    expiresAtMs: AT_MS,
  },
  {
    weights: ROUTE,
    by: { ...TEXT, description: 'Who was authenticated when it was ordered.' },
    ticket: TEXT,
    startsAtMs: AT_MS,
    breakGlass: FLAG,
    approval: shape({ by: orNull(TEXT), atMs: orNull(AT_MS) }),
    drill: FLAG,
    told: { ...listOf(TEXT), description: 'News of it that were told.' },
  },
);

/** Beside an order: what it does now, and what health says of the same pools. */
const STANDING = {
  active: { ...FLAG, description: 'Begun, not over, and agreed to where that is needed.' },
  leftMs: { ...NUMBER, description: 'Until it ends.' },
  obeyed: { ...FLAG, description: 'What it asks for is so now.' },
  because: { ...TEXT, description: 'Why it is obeyed, or not.' },
  measured: listOf(ref('Measured')),
} as const;

const ACKNOWLEDGED = {
  dedupKey: TEXT,
  by: TEXT,
  atMs: AT_MS,
  pages: { ...listOf(TEXT), description: 'Marked just now; none: somebody had them already.' },
} as const;

/** Members of a schema by name, each referred to as `#/components/schemas/<name>`. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Problem: openShape(
    {
      type: { ...TEXT, description: '`urn:tidegate:error:<code>`' },
      title: TEXT,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: TEXT,
      code: oneOfTexts(...Object.keys(ERRORS)),
      requestId: TEXT,
    },
    {
      errors: listOf(shape({ pointer: { ...TEXT, description: 'JSON pointer into the body.' }, detail: TEXT })),
      refusals: listOf(ref('Refusal')),
    },
  ),
  Route: ROUTE,
  Scope: SCOPE,
  OverrideOrder: ORDER_SCHEMA,
  Override: shape(ORDER.needed, ORDER.optional),
  Measured: shape({
    service: TEXT,
    pool: TEXT,
    region: TEXT,
    verdict: oneOfTexts('up', 'out', 'unknown'),
    count: { ...TEXT, description: 'The count behind the verdict, as a sentence.' },
    share: orNull({ type: 'integer', minimum: 0, maximum: 1000, description: 'Thousandths now; null before the first decision.' }),
  }),
  OverrideItem: shape({ ...ORDER.needed, ...STANDING }, ORDER.optional),
  OverrideList: shape({ version: COUNT, items: listOf(ref('OverrideItem')) }),
  OverrideOne: shape({ override: ref('Override'), version: COUNT, ...STANDING }),
  Undo: shape({ cli: TEXT, curl: TEXT }),
  Ordered: shape({
    override: ref('Override'),
    version: { ...COUNT, description: 'Of all orders together, once this one stands.' },
    expiresAt: { type: 'string', format: 'date-time' },
    dryRun: { ...FLAG, description: 'Nothing was written.' },
    approval: { ...oneOfTexts('not-needed', 'needed', 'given'), description: '`needed`: not in force before a second person agrees.' },
    refusals: {
      ...listOf(ref('Refusal')),
      description: 'Safety rules in the way: those that break-glass passes, or that a dry run would meet.',
    },
    undo: orNull(ref('Undo')),
    forecast: orNull(ref('Forecast')),
    notes: listOf(TEXT),
  }),
  Refusal: shapeOf<Refusal>(
    {
      service: TEXT,
      pool: TEXT,
      rule: TEXT,
      risk: { ...oneOfTexts('low', 'high'), description: '`high`: whoever passes it by break-glass needs a second person.' },
      because: { ...TEXT, description: 'With the numbers.' },
      againAtMs: { ...orNull(AT_MS), description: 'When it would pass if nothing else changes; null: time alone changes nothing.' },
      counterfactual: { ...TEXT, description: 'What would have let it pass.' },
    },
    {
      order: {
        ...orNull(TEXT),
        description: 'The order that it stands in the way of; null: of what comes back up. Absent: of a drain by health.',
      },
    },
  ),
  Hold: shapeOf<ForecastHold>({ service: TEXT, pool: TEXT, hold: TEXT, because: TEXT }, {}),
  Supposed: SUPPOSED_SCHEMA,
  Forecast: shapeOf<Forecast>(
    {
      steps: listOf(ref('ForecastStep')),
      services: listOf(ref('ForecastService')),
      refusals: listOf(ref('Refusal')),
      holds: listOf(ref('Hold')),
      pages: listOf(shape({ severity: oneOfTexts('critical', 'warning', 'info'), type: TEXT, summary: TEXT })),
      notes: listOf(TEXT),
    },
    {},
  ),
  ForecastStep: shapeOf<ForecastStep>(
    {
      afterMs: { ...NUMBER, minimum: 0, description: 'Virtual time since the question.' },
      v: { ...COUNT, description: 'The number that the decision would have.' },
      because: TEXT,
      changes: listOf(shape({ service: TEXT, before: ref('Route'), after: ref('Route') })),
      holds: listOf(ref('Hold')),
    },
    {},
  ),
  ForecastService: shapeOf<ForecastService>(
    {
      service: TEXT,
      mode: oneOfTexts('observe', 'advise', 'auto'),
      before: ref('Route'),
      after: ref('Route'),
      writes: {
        ...listOf(shape({ provider: TEXT, before: ref('Route'), after: ref('Route') })),
        description: 'What each provider would be asked to serve, where that differs from what it serves.',
      },
      capacity: orNull(
        shapeOf<CapacityLeft>(
          {
            load: NUMBER,
            capacity: NUMBER,
            leftPercent: { ...NUMBER, description: 'Of the tightest pool; below 0: it is overloaded.' },
            source: oneOfTexts('configured', 'reported'),
            because: TEXT,
          },
          {},
        ),
      ),
      converge: orNull(
        shapeOf<Convergence>(
          { p50Ms: NUMBER, p99Ms: NUMBER, samples: COUNT, source: oneOfTexts('history', 'worst-case'), because: TEXT },
          {},
        ),
      ),
    },
    {},
  ),
  WhatIfMatrix: shape({ regions: listOf(shape({ region: TEXT, forecast: ref('Forecast') })) }),
  Report: REPORT_SCHEMA,
  Reported: shape({ load: orNull(NUMBER), capacity: mapOf(NUMBER), atMs: AT_MS, expiresAtMs: AT_MS, by: TEXT }),
  ReportedOne: shape({ service: TEXT, reported: ref('Reported'), version: COUNT }),
  ReportList: shape({
    version: COUNT,
    services: mapOf(
      shape({ load: orNull(NUMBER), capacity: mapOf(NUMBER), atMs: AT_MS, expiresAtMs: AT_MS, by: TEXT, fresh: FLAG, leftMs: NUMBER }),
    ),
  }),
  PageItem: shapeOf<PageItem>(
    {
      id: TEXT,
      dedupKey: { ...TEXT, description: 'Of its alert: the same for all that is said of it.' },
      type: TEXT,
      action: {
        ...oneOfTexts('trigger', 'acknowledge', 'resolve', 'change'),
        description: 'What it does to its alert. `change`: it wakes nobody.',
      },
      severity: oneOfTexts('critical', 'warning', 'info'),
      headline: TEXT,
      atMs: AT_MS,
      v: { ...COUNT, description: 'The decision that it is about; 0: none.' },
      state: {
        ...oneOfTexts('waiting', 'dead', 'told'),
        description: '`waiting`: somebody is still to be told. `dead`: somebody will never have it. `told`: neither.',
      },
      thread: { ...oneOfTexts('silent', 'firing', 'resolved'), description: 'Of all pages with its key together.' },
      delivered: { ...listOf(TEXT), description: 'Channels that accepted it.' },
      dead: { ...mapOf(shapeOf<DeadLetter>({ because: TEXT, atMs: AT_MS, tries: COUNT }, {})), description: 'By channel.' },
      acknowledged: orNull(shape({ by: TEXT, atMs: AT_MS })),
      notBeforeMs: { ...orNull(AT_MS), description: 'Nobody is told before: an end that a new beginning may still take back.' },
    },
    {},
  ),
  PageList: shape({
    items: listOf(ref('PageItem')),
    total: { ...COUNT, description: 'That pass the filter, shown or not.' },
    clusterTimeMs: AT_MS,
  }),
  Replay: REPLAY_SCHEMA,
  Replayed: shape({
    page: ref('PageItem'),
    channels: { ...listOf(TEXT), description: 'It goes again through these.' },
    end: { ...orNull(TEXT), description: 'The end of its alert, which goes again behind it.' },
  }),
  Acknowledge: ACKNOWLEDGE_SCHEMA,
  Acknowledged: shapeOf<Acknowledged>(ACKNOWLEDGED, {}),
  Callback: CALLBACK_SCHEMA,
  CallbackDone: {
    oneOf: [
      shape({ outcome: oneOfTexts('repeated') }),
      shape({ outcome: oneOfTexts('acknowledged'), ...ACKNOWLEDGED }),
      shape({
        outcome: oneOfTexts('approved'),
        run: TEXT,
        step: { ...orNull(TEXT), description: 'null: that the run begins.' },
        state: RUN_STATE,
        by: TEXT,
      }),
      shape({ outcome: oneOfTexts('held'), override: ref('Override'), version: COUNT, expiresAt: { type: 'string', format: 'date-time' } }),
    ],
  },
  Self: openShape({
    region: TEXT,
    replica: TEXT,
    boot: TEXT,
    role: oneOfTexts('coordinator', 'standby'),
    epoch: COUNT,
    canVote: FLAG,
    canDecide: FLAG,
    because: TEXT,
  }),
  PoolStatus: openShape({
    name: TEXT,
    region: TEXT,
    share: orNull(COUNT),
    configuredShare: COUNT,
    verdict: oneOfTexts('up', 'out', 'unknown'),
    cause: oneOfTexts('up', 'unready', 'down', 'suspect', 'unknown'),
    up: COUNT,
    unknown: COUNT,
    total: COUNT,
    minUp: COUNT,
    gray: COUNT,
    gate: oneOfTexts('open', 'closed'),
    because: TEXT,
    targets: listOf(openShape({ id: TEXT, name: TEXT, verdict: oneOfTexts('up', 'unready', 'down', 'suspect', 'unknown') })),
  }),
  ServiceStatus: openShape({
    name: TEXT,
    mode: oneOfTexts('observe', 'advise', 'auto'),
    provider: TEXT,
    ttlS: NUMBER,
    route: orNull(ref('Route')),
    fence: orNull(COUNT),
    because: TEXT,
    pools: listOf(ref('PoolStatus')),
  }),
  Status: openShape(
    {
      cluster: openShape({ name: TEXT, version: COUNT, goals: shape({ detectionMs: NUMBER, convergenceMs: NUMBER }) }),
      clusterTimeMs: AT_MS,
      self: ref('Self'),
      coordinator: orNull(openShape({ region: TEXT, replica: TEXT, epoch: COUNT, released: FLAG })),
      decision: orNull(openShape({ v: COUNT, epoch: COUNT, atMs: AT_MS, because: TEXT })),
      services: listOf(ref('ServiceStatus')),
      holds: listOf(ref('Hold')),
      votes: openShape({
        vantages: listOf(
          openShape(
            { region: TEXT, replica: TEXT, ageMs: orNull(NUMBER) },
            {
              state: { ...oneOfTexts('ok', 'abstain', 'silent'), description: 'Whether its word counts now. Absent: of a replica of 0.1.' },
              because: { ...TEXT, description: 'Why it does not, or of how much it cannot speak yet; empty when all is well.' },
            },
          ),
        ),
      }),
      overrides: ref('OverrideList'),
      incidents: listOf(openShape({ id: TEXT, kind: TEXT, region: TEXT, because: TEXT, closedAtMs: orNull(AT_MS) })),
    },
    { platforms: { ...listOf(ref('PlatformStatus')), description: 'Absent: no platform is configured.' } },
  ),
  Me: shapeOf<Me>(
    {
      name: TEXT,
      role: oneOfTexts(...ROLES),
      services: { ...orNull(listOf(TEXT)), description: 'null: all of them.' },
      how: oneOfTexts('anonymous', 'token', 'oidc', 'certificate', 'break-glass', 'callback'),
      cluster: { ...orNull(TEXT), description: 'null: no configuration is known yet.' },
    },
    {},
  ),
  SignInWays: shapeOf<SignInWays>(
    {
      token: { const: true },
      oidc: {
        ...orNull(shape({ authorizationUrl: TEXT, clientId: TEXT, scopes: listOf(TEXT) })),
        description: 'Authorization code with proof key (S256); null: not configured, or the issuer has not said where.',
      },
      anonymous: { ...oneOfTexts('viewer', 'none'), description: 'What who shows nothing may do.' },
      peers: { ...mapOf(TEXT), description: 'By region, the origin of its API: where the page can go on.' },
    },
    {},
  ),
  Redeem: REDEEM_SCHEMA,
  Redeemed: shape({ token: TEXT, expiresAtMs: { ...NUMBER, description: 'Milliseconds since 1970, by the issuer’s clock.' } }),
  Alive: openShape({ status: oneOfTexts('pass', 'fail') }, { because: TEXT }),
  ...RUN_SCHEMAS,
  ...PLATFORM_SCHEMAS,
  ...OBJECTIVE_SCHEMAS,
  ...overviewSchemas(ORDER),
  ...RECORD_SCHEMAS,
};
