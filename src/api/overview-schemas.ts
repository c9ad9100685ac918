// The shapes of the overview and of one service, by name, for the OpenAPI document.
import type { ServiceTiming } from '../converge/timings.ts';
import type { DoubtCard } from './doubts.ts';
import type { Cell } from './matrix.ts';
import { type JsonSchema, ref } from './openapi.ts';
import type { AppliedCard, IncidentCard, OverviewDocument, PoolCard, ServiceCard, ServiceDocument } from './overview.ts';
import type { RegionCard } from './region-card.ts';
import {
  AT_MS,
  COUNT,
  FLAG,
  listOf,
  type Members,
  mapOf,
  membersOf,
  NUMBER,
  oneOfTexts,
  openShape,
  orNull,
  shape,
  shapeOf,
  TEXT,
} from './shapes.ts';
import type { VantageCard } from './vantage-card.ts';

const OMITTED = { ...COUNT, description: 'So many more than are listed.' } as const;
const SHARE = { type: 'integer', minimum: 0, maximum: 1000 } as const;
const MS = orNull(NUMBER);
const VERDICT = oneOfTexts('up', 'unready', 'down', 'suspect', 'unknown');
const MODE = oneOfTexts('observe', 'advise', 'auto');
const VOICE = { ...oneOfTexts('ok', 'abstain', 'silent'), description: '`silent`: it has no word that counts.' } as const;
const JUDGEMENT = oneOfTexts('met', 'missed', 'pending', 'unmeasured');
const ARRIVED = {
  ...shape({}, { t5AtMs: orNull(AT_MS), t6AtMs: orNull(AT_MS) }),
  description: 'Since when all servers answer the route in force, and users land on it; null: not yet. Absent: not measured.',
};

const HEAD: Members['needed'] = {
  cluster: openShape({ name: TEXT, version: COUNT, goals: shape({ detectionMs: NUMBER, convergenceMs: NUMBER }) }),
  clusterTimeMs: AT_MS,
  decision: orNull(openShape({ v: COUNT, epoch: COUNT, atMs: AT_MS, because: TEXT })),
};

const HOLDS = listOf(ref('Hold'));
const REMINDERS = listOf(shape({ service: TEXT, rule: TEXT, stage: TEXT, because: TEXT }));

const INCIDENT = membersOf<IncidentCard>(
  {
    id: TEXT,
    kind: oneOfTexts('region-down', 'region-unready', 'all-down', 'held'),
    region: TEXT,
    because: TEXT,
    v: { ...COUNT, description: 'The decision that opened it.' },
    epoch: COUNT,
    t0AtMs: { ...orNull(AT_MS), description: 'Start of the first failed probe.' },
    t1AtMs: { ...orNull(AT_MS), description: 'First suspicion.' },
    t2AtMs: { ...orNull(AT_MS), description: 'Quorum.' },
    t3AtMs: AT_MS,
    t4AtMs: {
      ...orNull(AT_MS),
      description: 'Acknowledged, authoritative, landed: of the slowest service. null: not yet, or not to be seen.',
    },
    t5AtMs: orNull(AT_MS),
    t6AtMs: orNull(AT_MS),
    closedAtMs: orNull(AT_MS),
    services: { ...listOf(TEXT), description: 'At most ten.' },
    servicesOmitted: OMITTED,
    detection: shape({ ms: MS, atMostMs: MS, goalMs: NUMBER, judgement: JUDGEMENT }),
    convergence: shape({
      ms: MS,
      goalMs: NUMBER,
      judgement: JUDGEMENT,
      waitingFor: { ...listOf(TEXT), description: 'At most ten.' },
      waitingOmitted: OMITTED,
    }),
  },
  {},
);

/** `order`: the members of an order. */
export const overviewSchemas = (order: Members): Readonly<Record<string, JsonSchema>> => ({
  MatrixCell: shapeOf<Cell>(
    {
      state: oneOfTexts('up', 'unready', 'down', 'unknown', 'abstain', 'silent'),
      because: TEXT,
      ageMs: { ...MS, description: 'Of the region’s freshest vote; null: there is none.' },
    },
    {},
  ),
  VantageCard: shapeOf<VantageCard>(
    {
      replica: TEXT,
      state: VOICE,
      because: { ...TEXT, description: 'Why it does not speak, or of how much it cannot speak yet; empty when all is well.' },
      ageMs: { ...MS, description: 'Since it was last heard; null: nobody can say.' },
      version: orNull(TEXT),
      configVersion: COUNT,
    },
    {},
  ),
  RegionCard: shapeOf<RegionCard>(
    {
      name: TEXT,
      vote: FLAG,
      state: { ...VOICE, description: 'Of the region as one voter: the best of its replicas.' },
      vantages: listOf(ref('VantageCard')),
      pools: {
        ...shape({ up: COUNT, unready: COUNT, suspect: COUNT, down: COUNT, unknown: COUNT }),
        description: 'Pools there. One that is up with some targets out is up.',
      },
      share: {
        ...shape({ fully: COUNT, partly: COUNT, not: COUNT, unknown: COUNT }),
        description: 'Services configured to have traffic there, by how much of that it carries. `unknown`: nothing has been decided yet.',
      },
      sharesSum: { ...shape({ actual: COUNT, configured: COUNT }), description: 'Thousandths, over all services.' },
      coordinates: FLAG,
      evacuated: { ...orNull(TEXT), description: 'The order in force.' },
      drained: { ...orNull(TEXT), description: 'The order in force.' },
      holds: { ...listOf(TEXT), description: 'What keeps moves of its pools back, each name once.' },
      doubts: { ...COUNT, description: 'Its targets that somebody doubts, listed or not.' },
    },
    {},
  ),
  AppliedCard: shapeOf<AppliedCard>(
    { fence: COUNT, atMs: AT_MS, ok: FLAG, outcome: oneOfTexts('applied', 'frozen', 'manual', 'failing', 'drift'), because: TEXT },
    {},
  ),
  PoolCard: shapeOf<PoolCard>(
    {
      name: TEXT,
      region: TEXT,
      verdict: oneOfTexts('up', 'out', 'unknown'),
      cause: VERDICT,
      share: { ...orNull(SHARE), description: 'Thousandths now; null before the first decision.' },
      configuredShare: SHARE,
      up: COUNT,
      total: COUNT,
      gray: COUNT,
      hold: orNull(TEXT),
    },
    {},
  ),
  ServiceCard: shapeOf<ServiceCard>(
    {
      name: TEXT,
      mode: MODE,
      provider: TEXT,
      ttlS: NUMBER,
      fence: orNull(COUNT),
      because: TEXT,
      moved: { ...FLAG, description: 'The route in force is not the configured one.' },
      applied: orNull(ref('AppliedCard')),
      provenAtMs: orNull(AT_MS),
      pools: listOf(ref('PoolCard')),
    },
    {
      paths: {
        ...listOf(shape({ provider: TEXT, applied: orNull(ref('AppliedCard')) })),
        description: 'Every path, in configured order. Absent: there is one.',
      },
      arrived: ARRIVED,
    },
  ),
  DoubtCard: shapeOf<DoubtCard>(
    {
      target: TEXT,
      service: TEXT,
      pool: TEXT,
      region: TEXT,
      verdict: VERDICT,
      gray: { ...listOf(TEXT), description: 'Regions that see more errors than are acceptable.' },
      tally: { ...TEXT, description: '`3 of 4 down, needs 3`, of the endpoint that most speak against.' },
      cells: { ...mapOf(ref('MatrixCell')), description: 'By region: every vantage that looks at it.' },
    },
    {},
  ),
  IncidentCard: shape(INCIDENT.needed),
  Overview: shapeOf<OverviewDocument>(
    {
      ...(HEAD as Record<'cluster' | 'clusterTimeMs' | 'decision', unknown>),
      banner: {
        ...shapeOf<OverviewDocument['banner']>(
          {
            tone: { ...oneOfTexts('ok', 'warn', 'bad'), description: '`bad`: users suffer, or nothing would be moved if they did.' },
            sentence: { ...TEXT, description: 'What is so, the worst of it.' },
            more: { ...listOf(TEXT), description: 'What else is so, worst first, at most 6.' },
            cutOffMs: { ...MS, description: 'How old all of this is at least, since this replica has lost the store; null: it has not.' },
          },
          {},
        ),
        description: 'What a human should read first.',
      },
      self: ref('Self'),
      coordinator: orNull(openShape({ region: TEXT, replica: TEXT, epoch: COUNT, released: FLAG })),
      regions: { ...listOf(ref('RegionCard')), description: 'In configured order.' },
      services: { ...listOf(ref('ServiceCard')), description: 'In configured order.' },
      doubts: {
        ...listOf(ref('DoubtCard')),
        description: 'Targets of which a vantage that speaks says anything but `up`. Worst first, at most 100.',
      },
      doubtsOmitted: OMITTED,
      holds: { ...HOLDS, description: 'At most 100; every pool has its own.' },
      holdsOmitted: OMITTED,
      reminders: { ...REMINDERS, description: 'At most 100.' },
      remindersOmitted: OMITTED,
      overrides: shape({ version: COUNT, items: listOf(ref('OverrideInShort')) }),
      incidents: { ...listOf(ref('IncidentCard')), description: 'Newest first, at most 20.' },
    },
    {
      providers: { ...listOf(openShape({ name: TEXT, failing: FLAG })), description: 'Absent: this replica does not write.' },
      microDrills: { ...listOf(openShape({ provider: TEXT, stale: FLAG })), description: 'Absent: there are none.' },
      shadow: {
        ...openShape({ file: TEXT, state: oneOfTexts('asked', 'idle', 'broken'), because: TEXT, moves: COUNT, divergingOmitted: OMITTED }),
        description: 'Absent: there is no second policy.',
      },
      gate: {
        ...openShape({ seesStore: FLAG, services: COUNT, drainedOmitted: OMITTED }),
        description: 'Absent: this replica serves none.',
      },
      platforms: { ...listOf(ref('PlatformStatus')), description: 'Absent: no platform is configured.' },
    },
  ),
  OverrideInShort: shape(
    {
      ...order.needed,
      active: { ...FLAG, description: 'Begun, not over, and agreed to where that is needed.' },
      leftMs: { ...NUMBER, description: 'Until it ends.' },
      obeyed: { ...FLAG, description: 'What it asks for is so now.' },
      because: { ...TEXT, description: 'Why it is obeyed, or not.' },
      covers: { ...shape({ up: COUNT, out: COUNT, unknown: COUNT }), description: 'Pools that it is about, by verdict.' },
    },
    order.optional,
  ),
  ServiceOne: shapeOf<ServiceDocument>(
    {
      ...(HEAD as Record<'cluster' | 'clusterTimeMs' | 'decision', unknown>),
      service: ref('ServiceStatus'),
      matrix: { ...mapOf(mapOf(ref('MatrixCell'))), description: 'What each region says of each of its targets: target, then region.' },
      holds: HOLDS,
      reminders: REMINDERS,
      overrides: {
        ...ref('OverrideList'),
        description: 'Those that touch it; whether each is obeyed here, and what is measured here.',
      },
      incidents: {
        ...listOf(
          shape({
            ...INCIDENT.needed,
            timing: shapeOf<ServiceTiming>(
              {
                service: TEXT,
                acknowledgedMs: MS,
                authoritativeMs: MS,
                convergedMs: MS,
                landed: listOf(shape({ region: TEXT, ms: NUMBER })),
                because: orNull(TEXT),
              },
              {},
            ),
          }),
        ),
        description: 'Those that touch it, newest first, at most 20; `timing`: how this service followed.',
      },
    },
    {},
  ),
});
