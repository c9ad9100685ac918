// The shapes of what was written down and is read again: decisions, incidents, the audit, events; and of how a replica is. By name, for the OpenAPI document.
import { z } from 'zod';
import { JOURNAL_KINDS, type JournalEntry } from '../audit/journal.ts';
import { CHAINS } from '../audit/lines.ts';
import type { ConvergenceTiming, DetectionTiming, ServiceTiming } from '../converge/timings.ts';
import type { Audit, ConfigAudit, Incident, Published, TrailStep } from '../model.ts';
import type { CastVote, Dossier, DossierIncident, Evidence, Neighbour, RefusedBy, TrailLine } from './dossier.ts';
import { eventSchema } from './event-types.ts';
import type { HealthCheck, HealthDetail } from './health-detail.ts';
import { type JsonSchema, ref } from './openapi.ts';
import {
  AT_MS,
  COUNT,
  FLAG,
  HASH,
  listOf,
  mapOf,
  membersOf,
  NUMBER,
  oneOfTexts,
  openShape,
  orNull,
  recordOf,
  shape,
  shapeOf,
  TEXT,
} from './shapes.ts';

const TOOK_MS = { type: 'number', minimum: 0 } as const;
const CURSOR = {
  type: 'string',
  pattern: '^v\\d{1,10}\\.j\\d{1,10}$',
  description: 'A place in both chains; the same on every replica.',
} as const;
const JUDGEMENT = oneOfTexts('met', 'missed', 'pending', 'unmeasured');
const BALLOT = oneOfTexts('up', 'down', 'unknown', 'abstain', 'silent');

// ---- decisions ----

const CHANGES = listOf(ref('DecidedChange'));
const HOLDS = listOf(ref('DecidedHold'));
const V = { type: 'integer', minimum: 1, description: 'The number of the decision, and the fence of what it changed.' } as const;

const DECISION = membersOf<Audit>(
  {
    v: V,
    epoch: COUNT,
    atMs: AT_MS,
    by: TEXT,
    because: TEXT,
    wouldChange: TEXT,
    changes: CHANGES,
    holds: HOLDS,
    votes: { type: 'object', additionalProperties: true, description: 'What was heard and counted.' },
    prevHash: HASH,
  },
  { rules: listOf(TEXT) },
);

const STEP = membersOf<TrailStep>(
  {
    outcome: oneOfTexts('applied', 'conflict', 'undecided', 'fatal', 'refused'),
    atMs: AT_MS,
    tookMs: TOOK_MS,
    tries: COUNT,
    requests: { ...listOf(TEXT), description: 'Names that the vendor gave to requests: what its support asks for.' },
    because: TEXT,
    by: TEXT,
  },
  { settled: openShape({ ended: oneOfTexts('settled', 'failed', 'given-up'), tookMs: TOOK_MS, because: TEXT }) },
);

const DETECTION = shapeOf<DetectionTiming>(
  {
    ms: { ...orNull(TOOK_MS), description: 't3 - t0; null: no probe failed.' },
    atMostMs: { ...orNull(TOOK_MS), description: 't3 - the last good look by anybody.' },
    goalMs: NUMBER,
    judgement: JUDGEMENT,
  },
  {},
);

const CONVERGENCE = shapeOf<ConvergenceTiming>(
  {
    ms: { ...orNull(TOOK_MS), description: 't6 - t3 of the slowest service; null: not all have it.' },
    goalMs: NUMBER,
    judgement: JUDGEMENT,
    waitingFor: listOf(TEXT),
    services: listOf(
      shapeOf<ServiceTiming>(
        {
          service: TEXT,
          acknowledgedMs: orNull(TOOK_MS),
          authoritativeMs: orNull(TOOK_MS),
          convergedMs: orNull(TOOK_MS),
          landed: listOf(shape({ region: TEXT, ms: TOOK_MS })),
          because: orNull(TEXT),
        },
        {},
      ),
    ),
  },
  {},
);

/** Beside an incident: its measured times against the goals. */
const TIMED = {
  t4AtMs: orNull(AT_MS),
  t5AtMs: orNull(AT_MS),
  t6AtMs: orNull(AT_MS),
  detection: ref('Detection'),
  convergence: ref('Convergence'),
} as const;

const INCIDENT_KIND = oneOfTexts('region-down', 'region-unready', 'all-down', 'held');
const INCIDENT = membersOf<Incident>(
  {
    id: TEXT,
    kind: INCIDENT_KIND,
    region: TEXT,
    services: listOf(TEXT),
    because: TEXT,
    v: V,
    epoch: COUNT,
    t0AtMs: { ...orNull(AT_MS), description: 'Start of the first failed probe.' },
    t0LastAtMs: { ...orNull(AT_MS), description: 'The last good look by anybody.' },
    t1AtMs: { ...orNull(AT_MS), description: 'First suspicion.' },
    t2AtMs: { ...orNull(AT_MS), description: 'Quorum.' },
    t3AtMs: { ...AT_MS, description: 'Decision.' },
    published: mapOf(ref('Published')),
    witnesses: listOf(TEXT),
    closedAtMs: { ...orNull(AT_MS), description: 'null: it goes on.' },
    nonce: TEXT,
  },
  {
    told: { ...FLAG, description: 'Somebody was told of it.' },
    thread: { ...TEXT, description: 'What its pages are keyed by when that is not its id: the thread of one that ended a moment before.' },
  },
);

const DOSSIER = shapeOf<Dossier>(
  {
    v: V,
    epoch: COUNT,
    atMs: AT_MS,
    by: TEXT,
    because: TEXT,
    wouldChange: { ...TEXT, description: 'What would have changed the outcome.' },
    changes: CHANGES,
    holds: HOLDS,
    evidence: listOf(
      shapeOf<Evidence>(
        {
          endpoint: { ...TEXT, description: '`service/pool/target#healthz`' },
          verdict: orNull(oneOfTexts('up', 'down', 'unknown')),
          down: COUNT,
          up: COUNT,
          electorate: COUNT,
          needs: orNull(COUNT),
          firstFaultAgoMs: orNull(TOOK_MS),
          ballots: mapOf(BALLOT),
        },
        {},
      ),
    ),
    votes: listOf(
      shapeOf<CastVote>(
        { region: TEXT, replica: TEXT, seq: COUNT, state: oneOfTexts('ok', 'abstain'), because: orNull(TEXT), ageMs: orNull(NUMBER) },
        {},
      ),
    ),
    abstentions: listOf(shape({ region: TEXT, replica: TEXT, because: TEXT })),
    silent: listOf(TEXT),
    rules: shape({
      passed: { ...orNull(listOf(TEXT)), description: 'null: the record did not keep which rules were asked.' },
      refused: listOf(
        shapeOf<RefusedBy>(
          {
            service: TEXT,
            pool: TEXT,
            rule: TEXT,
            because: TEXT,
            risk: orNull(oneOfTexts('low', 'high')),
            againAtMs: orNull(AT_MS),
            counterfactual: orNull(TEXT),
          },
          {},
        ),
      ),
    }),
    incidents: listOf(
      shapeOf<DossierIncident>(
        {
          id: TEXT,
          kind: INCIDENT_KIND,
          region: TEXT,
          relation: oneOfTexts('opened', 'during', 'closed'),
          t0AtMs: orNull(AT_MS),
          t0LastAtMs: orNull(AT_MS),
          t1AtMs: orNull(AT_MS),
          t2AtMs: orNull(AT_MS),
          t3AtMs: AT_MS,
          ...TIMED,
        },
        {},
      ),
    ),
    trail: listOf(
      recordOf<TrailLine>(
        { service: TEXT, provider: TEXT, afterMs: TOOK_MS, ...(STEP.needed as Record<Exclude<keyof TrailStep, 'settled'>, unknown>) },
        STEP.optional as Record<'settled', unknown>,
      ),
    ),
    trailOmitted: COUNT,
    previous: orNull(ref('Neighbour')),
    next: orNull(ref('Neighbour')),
    prevHash: HASH,
  },
  {},
);

// ---- the audit ----

const ENTRY = membersOf<JournalEntry>(
  {
    n: { type: 'integer', minimum: 1 },
    atMs: AT_MS,
    kind: oneOfTexts(...JOURNAL_KINDS),
    by: TEXT,
    how: { ...TEXT, description: 'How whoever acted was known.' },
    because: TEXT,
    detail: { type: 'object', additionalProperties: true },
    nonce: TEXT,
    v: { ...COUNT, description: 'The last decision that its writer saw.' },
    decisionHash: HASH,
    prevHash: HASH,
  },
  {},
);

const CONFIG = recordOf<ConfigAudit>(
  { version: COUNT, hash: TEXT, atMs: AT_MS, by: TEXT, reason: TEXT, nonce: TEXT, diff: listOf(TEXT) },
  {},
);

/** A record as people read it: masked, and of a large one what comes first. The members up to `because` are always there. */
const shownRecord = ({ needed, optional }: typeof DECISION): JsonSchema => {
  const first = Object.entries(needed).filter(([name]) => ['v', 'n', 'atMs', 'by', 'because'].includes(name));
  const rest = Object.keys({ ...needed, ...optional }).filter((name) => !first.some(([each]) => each === name));
  return {
    ...openShape(Object.fromEntries(first), Object.fromEntries(rest.map((name) => [name, {}]))),
    description: 'Masked, and cut where it is very large; the export has it whole.',
  };
};

const ITEM = { id: CURSOR, at: { type: 'string', format: 'date-time' }, by: TEXT, because: TEXT } as const;

const lineOf = (kind: string, members: Record<string, unknown>, optional: Record<string, unknown> = {}): JsonSchema =>
  shape({ kind: oneOfTexts(kind), ...members }, optional);
const CHAIN = oneOfTexts(...CHAINS);
const sealed = (record: JsonSchema): Record<string, unknown> => ({ key: TEXT, hash: HASH, record });

const LINES: readonly JsonSchema[] = [
  lineOf('export', { format: COUNT, cluster: orNull(TEXT), atMs: AT_MS, sinceMs: orNull(AT_MS) }),
  lineOf('head', { chain: CHAIN, n: COUNT, hash: HASH }),
  lineOf('anchor', { chain: CHAIN, n: COUNT, hash: HASH, count: COUNT, cutAtMs: AT_MS }, { unproved: FLAG }),
  lineOf('decision', sealed(ref('DecisionRecord'))),
  lineOf('journal', sealed(ref('JournalEntry'))),
  lineOf('config', sealed(CONFIG)),
  lineOf('stray', { key: TEXT }),
  lineOf('end', { lines: COUNT, sha256: HASH }),
];

// ---- how a replica is ----

const STATE = oneOfTexts('pass', 'warn', 'fail');

const HEALTH_CHECK = shapeOf<HealthCheck>(
  {
    componentType: oneOfTexts('system', 'component', 'datastore'),
    observedValue: { type: ['number', 'string', 'boolean', 'null'] },
    status: STATE,
    time: { type: 'string', format: 'date-time', description: 'This replica’s clock.' },
  },
  {
    componentId: { ...TEXT, description: 'Which one, where there are several.' },
    observedUnit: TEXT,
    output: { ...TEXT, description: 'Why, when it is not `pass`.' },
  },
);

const HEALTH = shapeOf<HealthDetail>(
  {
    status: STATE,
    releaseId: TEXT,
    serviceId: TEXT,
    description: TEXT,
    notes: { ...listOf(TEXT), description: 'What is not `pass`, worst first, one sentence each.' },
    checks: { ...mapOf(listOf(ref('HealthCheck'))), description: 'By `component:measurement`.' },
  },
  {},
);

/** zod puts what has a name beside the schema; in the document it stands with the other components. */
const inDocument = <T>(schema: T): T => JSON.parse(JSON.stringify(schema).replaceAll('#/$defs/', '#/components/schemas/')) as T;
const { $schema: _, $defs: EVENT_PARTS = {}, ...EVENT } = inDocument(z.toJSONSchema(eventSchema, { io: 'input' }));

export const RECORD_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  DecidedChange: openShape({ service: TEXT, before: ref('Route'), after: ref('Route'), because: TEXT }),
  DecidedHold: openShape({ service: TEXT, pool: TEXT, hold: TEXT, because: TEXT }, { refusal: ref('Refusal') }),
  DecisionItem: shape({ v: V, atMs: AT_MS, by: TEXT, because: TEXT, changes: CHANGES }),
  DecisionList: shape({
    items: { ...listOf(ref('DecisionItem')), description: 'Newest first.' },
    before: { ...orNull(V), description: 'What to send as `before` for the next page; null: there is none.' },
  }),
  Dossier: DOSSIER,
  Neighbour: shapeOf<Neighbour>({ v: V, href: TEXT }, {}),
  Detection: DETECTION,
  Convergence: CONVERGENCE,
  Published: recordOf<Published>(
    {},
    {
      t3AtMs: AT_MS,
      t4AtMs: AT_MS,
      t4By: TEXT,
      t5AtMs: AT_MS,
      t6AtMs: AT_MS,
      landedAtMs: mapOf(AT_MS),
      because: TEXT,
      unmeasured: TEXT,
    },
  ),
  Incident: openShape(INCIDENT.needed),
  IncidentItem: { allOf: [ref('Incident'), openShape(TIMED)] },
  IncidentList: shape({ items: { ...listOf(ref('IncidentItem')), description: 'Newest first.' }, total: COUNT }),
  IncidentOne: shape({ incident: ref('Incident'), ...TIMED, decision: { ...TEXT, description: 'Where the decision is that opened it.' } }),
  DecisionRecord: openShape(DECISION.needed, DECISION.optional),
  JournalEntry: openShape(ENTRY.needed, ENTRY.optional),
  AuditItem: {
    anyOf: [
      shape({ ...ITEM, kind: oneOfTexts('decision'), record: shownRecord(DECISION) }),
      shape({ ...ITEM, kind: oneOfTexts(...JOURNAL_KINDS), record: shownRecord(ENTRY) }),
    ],
  },
  AuditPage: shape({
    items: { ...listOf(ref('AuditItem')), description: 'Oldest first, in the order of the commits.' },
    next: { ...CURSOR, description: 'What to send as `after` for the next page.' },
    more: { ...FLAG, description: 'There may be more behind `next`.' },
  }),
  AuditLine: { anyOf: LINES, description: 'One line of an export.' },
  ...(EVENT_PARTS as Readonly<Record<string, JsonSchema>>),
  ApiEvent: { ...EVENT, description: 'The `data` of a server-sent event.' },
  HealthCheck: HEALTH_CHECK,
  HealthDetail: HEALTH,
};
