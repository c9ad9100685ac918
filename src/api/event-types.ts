// Every event that GET /v1/events sends: its name, the shape of its data, and whether it lasts. Durable ones are the records of the two chains and are
// replayed; the others are what one replica saw happen, and are told once. The one table that clients, documents and tests go by.
import { z } from 'zod';
import { JOURNAL_KINDS } from '../audit/journal.ts';

const route = z.record(z.string(), z.number());
const text = z.string();
const ms = z.number();
const verdict = z.enum(['up', 'unready', 'down', 'suspect', 'unknown']);
// Data that several events have is named, and is a component of the OpenAPI document under that name.
const entry = z
  .strictObject({
    n: z.int(),
    v: z.int(),
    by: text,
    how: text,
    because: text,
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'JournalEventData' });
const override = z
  .strictObject({
    id: text,
    kind: text,
    scope: z.strictObject({ region: text.optional(), service: text.optional(), pool: text.optional() }),
    reason: text,
    owner: text,
    expiresAtMs: ms,
  })
  .meta({ id: 'OverrideEventData' });
const incident = z
  .strictObject({
    incident: text,
    kind: z.enum(['region-down', 'region-unready', 'all-down', 'held']),
    region: text,
    services: z.array(text),
    because: text,
  })
  .meta({ id: 'IncidentEventData' });
const step = z
  .strictObject({ incident: text, region: text, service: text, stage: z.enum(['t4', 't5', 't6']), atMs: ms, tookMs: ms })
  .meta({ id: 'StepEventData' });

/** Data by type. */
const EVENT_DATA = {
  'decision.made': z.strictObject({
    v: z.int(),
    epoch: z.int(),
    by: text,
    because: text,
    wouldChange: text,
    changes: z.array(z.strictObject({ service: text, before: route, after: route, because: text })),
    holds: z.array(z.strictObject({ service: text, pool: text, hold: text, because: text })),
    /** Changes and holds that are left out here; GET /v1/decisions/:v has all. */
    leftOut: z.int(),
  }),
  ...(Object.fromEntries(JOURNAL_KINDS.map((kind) => [kind, entry])) as Record<(typeof JOURNAL_KINDS)[number], typeof entry>),
  'target.verdict.changed': z.strictObject({ target: text, service: text, before: verdict, after: verdict }),
  'pool.verdict.changed': z.strictObject({
    service: text,
    pool: text,
    region: text,
    before: z.enum(['up', 'out', 'unknown']),
    after: z.enum(['up', 'out', 'unknown']),
    cause: verdict,
    up: z.int(),
    total: z.int(),
  }),
  'vantage.abstained': z.strictObject({ region: text, replica: text, because: text }),
  'vantage.resumed': z.strictObject({ region: text, replica: text }),
  'quorum.lost': z.strictObject({ speak: z.int(), voters: z.int() }),
  'quorum.restored': z.strictObject({ speak: z.int(), voters: z.int() }),
  'coordinator.changed': z.strictObject({ region: text, replica: text, epoch: z.int() }),
  'failover.started': incident,
  'failover.step': step,
  'failover.converged': step,
  'failover.failed': z.strictObject({ incident: text, region: text, service: text, because: text }),
  'failover.finished': incident,
  'override.started': override,
  'override.expiring': override,
  'override.expired': override,
  /** `step` null: the run as a whole. `because`: as it stood when it was seen. */
  'run.changed': z.strictObject({
    run: text,
    platform: text,
    purpose: z.enum(['failover', 'failback', 'prearm', 'drill']),
    step: text.nullable(),
    state: text,
    because: text,
  }),
  /** First on every stream. `cursor` is its id: what to send as Last-Event-ID from now on. */
  'stream.opened': z.strictObject({ cursor: text, region: text, replica: text }),
  /** What was asked to be replayed is not there any more, or was never: read the state afresh. `from` null: the id was none of ours. */
  'stream.reset': z.strictObject({ from: text.nullable(), to: text, because: text }),
  /** The last on a stream that this side ends. */
  'stream.closed': z.strictObject({ because: text }),
} as const;

export type EventType = keyof typeof EVENT_DATA;
export const EVENT_TYPES = Object.keys(EVENT_DATA) as EventType[];

export type EventOf<T extends EventType> = {
  type: T;
  /** ISO 8601, cluster time. */
  timestamp: string;
  data: z.input<(typeof EVENT_DATA)[T]>;
};
/** The JSON of an event, as in webhooks. */
export type ApiEvent = { [T in EventType]: EventOf<T> }[EventType];

/** Names people and addresses: for operators and above. */
export const CONFIDENTIAL: ReadonlySet<EventType> = new Set(['auth.refused', 'token.used']);

export const eventSchema = z.discriminatedUnion(
  'type',
  EVENT_TYPES.map((type) => z.strictObject({ type: z.literal(type), timestamp: z.iso.datetime(), data: EVENT_DATA[type] })) as never,
);
