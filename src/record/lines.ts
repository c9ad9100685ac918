// What a recording says, line by line: NDJSON whose every line names its kind and its instant in cluster time. A line is checked before anybody believes
// it, since a recording may come from anywhere; what is written is never checked, since it is ours. Ages, not instants, stand for things that began
// before: whoever reads subtracts. Holds no secret: no signatures, no details of replies, nothing behind the ? of an address. Does no IO.
import { z } from 'zod';
import type { Company } from '../health/vantage.ts';
import {
  type AppliedRecord,
  type ClusterConfig,
  type EndpointKey,
  type FaultReason,
  type Incident,
  OVERRIDE_KINDS,
  type Overrides,
  type Reports,
  type Routing,
  type Vote,
} from '../model.ts';
import type { Tiers } from '../runbook/facts.ts';

/** Counted up when a reader of before would misunderstand a line. Kinds that a reader does not know are passed over. */
export const FORMAT = 1;

/** A beat as far as counting needs it. */
export interface RecordedBeat {
  boot: string;
  bootN?: number;
  seq: number;
  n: number;
  wallMs: number;
  suspects: Readonly<Record<EndpointKey, RecordedSuspicion>>;
}

interface RecordedSuspicion {
  firstFaultAgeMs: number;
  lastOkAgeMs: number | null;
  faults: number;
  reason: FaultReason | 'pending';
}

/** What is new of one replica's word. Absent parts are as before; `ageMs` null: nothing bounds it. */
export interface RecordedWord {
  /** `region/replica`. */
  at: string;
  ageMs: number | null;
  vote?: Vote;
  /** null: its vote stands without a beat that keeps it fresh. */
  beat?: RecordedBeat | null;
}

export type RecordedLook = { saw: 'ok'; tookMs: number } | { saw: 'fault'; reason: FaultReason; tookMs: number } | { saw: 'nothing' };

type Kinds =
  /** First of every file; what follows up to the first sight is the state at its start. */
  | { kind: 'header'; format: number; tidegate: string; region: string; replica: string; boot: string }
  /** `hash`: of the configuration as the store has it; addresses in `cluster` lack what followed their ?. */
  | { kind: 'config'; cluster: ClusterConfig; hash: string }
  /** The newest decision with the incidents open after it. Its own instant is `routing.atMs`; the line's is when this replica saw it. */
  | { kind: 'decision'; routing: Routing; incidents: readonly Incident[] }
  | { kind: 'overrides'; overrides: Overrides | null }
  /** What was measured of load and capacity. Absent from 0.2 recordings, and while nobody has reported anything. */
  | { kind: 'reported'; reported: Reports | null }
  /** Where data tiers were proved. Absent while none was. */
  | { kind: 'tiers'; tiers: Tiers | null }
  /**
   * One read of the store. `leads`: this replica coordinated and decided on it. Words, frozen services and whether nobody coordinated (`vacant`) only
   * where they differ from before.
   */
  | { kind: 'sight'; leads?: true; heard?: readonly RecordedWord[]; gone?: readonly string[]; frozen?: readonly string[]; vacant?: boolean }
  /** What this replica's vantage took in. `ageMs`: since the start of the probe. `due`: the schedule asked for it, not a suspicion. */
  | { kind: 'look'; key: EndpointKey; ageMs: number; late?: true; due?: true; look: RecordedLook }
  | { kind: 'pending'; key: EndpointKey; ageMs: number }
  | { kind: 'self'; anchorsConfigured: number; anchorsUnreachable: readonly string[]; loopDelayP99Ms: number }
  | { kind: 'company'; company: Company }
  | { kind: 'conflict'; because: string | null }
  | { kind: 'late' }
  | { kind: 'applied'; provider: string; service: string; applied: AppliedRecord }
  /** What the provider of a service that is not written really serves; null: it did not answer. */
  | { kind: 'observed'; provider: string; service: string; shares: Readonly<Record<string, number>> | null }
  /** Where the shadow's routes differ from the live ones; empty: nowhere. */
  | { kind: 'shadow'; diverging: readonly { service: string; live: string; shadow: string }[] }
  /** So many lines before this one did not fit, or found no disk. */
  | { kind: 'dropped'; lines: number };

/** Of one kind, without its instant. */
export type Fact = Kinds;
export type RecordLine = Kinds & { atMs: number };

// ---- reading ----

const text = z.string().max(4096);
const texts = z.array(text);
const ms = z.number();
const count = z.int().nonnegative();

const cluster = z.looseObject({
  name: text,
  version: count,
  regions: z.array(z.looseObject({ name: text, vote: z.boolean(), coordinator: z.boolean() })),
  services: z.array(
    z.looseObject({
      name: text,
      mode: z.enum(['observe', 'advise', 'auto']),
      provider: text,
      steering: z.looseObject({ kind: text }),
      allDown: z.enum(['hold', 'configured']),
      pools: z.array(
        z.looseObject({
          name: text,
          region: text,
          weight: z.number(),
          minUp: count,
          targets: z.array(z.looseObject({ name: text, from: z.union([z.enum(['all', 'local']), texts]) })),
        }),
      ),
    }),
  ),
  policy: z.looseObject({
    intervalMs: ms,
    timeoutMs: ms,
    suspectAfterMs: ms,
    faults: z.number().nullable(),
    faultSpanMs: ms,
    burstMs: ms,
    freshMs: ms,
    beatMs: ms,
    recoveryHoldMs: ms,
    ramp: z.array(z.number()).min(1),
    rampStepMs: ms,
    pacingMs: ms,
    receiverWaitMs: ms,
    flapWindowMs: ms,
    latchAfter: z.number(),
    unreadyPageMs: ms,
    safety: z.record(z.string(), z.record(z.string(), z.unknown())),
  }),
  goals: z.looseObject({ detectionMs: ms, convergenceMs: ms }),
});

const at = ms.nullable();
const memory = z.looseObject({
  state: z.enum(['in', 'out', 'returning']),
  by: z.enum(['health', 'override']).nullable(),
  sinceAtMs: ms,
  outAtMs: at,
  upAtMs: at,
  stage: z.number(),
  stageAtMs: ms,
  scale: z.number(),
  scaleUpAtMs: at,
  drainsAtMs: z.array(ms),
  latched: z.boolean(),
  hold: text.nullable(),
  told: texts,
});
const routing = z.looseObject({
  v: count,
  epoch: count,
  nonce: text,
  atMs: ms,
  membersVersion: count,
  because: z.string(),
  regionDrainsAtMs: z.record(z.string(), ms),
  auditHash: text,
  open: z.record(z.string(), text),
  services: z.record(
    z.string(),
    z.looseObject({
      fence: count,
      sinceAtMs: ms,
      mode: text,
      route: z.record(z.string(), z.number()),
      because: z.string(),
      pools: z.record(z.string(), memory),
    }),
  ),
});
const incident = z.looseObject({ id: text, kind: text, region: text, services: texts, because: z.string(), closedAtMs: at });
const overrides = z.looseObject({
  version: count,
  items: z.array(
    z.looseObject({
      id: text,
      kind: z.enum(OVERRIDE_KINDS),
      weights: z.record(z.string(), z.number()).optional(),
      scope: z.looseObject({ region: text.optional(), service: text.optional(), pool: text.optional() }),
      reason: text,
      owner: text,
      createdAtMs: ms,
      expiresAtMs: ms,
    }),
  ),
});
const reports = z.looseObject({
  version: count,
  services: z.record(
    z.string(),
    z.looseObject({
      load: z.number().nullable(),
      capacity: z.record(z.string(), z.number()),
      atMs: ms,
      expiresAtMs: ms,
    }),
  ),
});

const tiers = z.looseObject({
  version: count,
  databases: z.record(
    z.string(),
    z.looseObject({
      writer: text.nullable(),
      provedAtMs: ms,
      because: text,
      split: z.looseObject({ regions: texts, atMs: ms, because: text }).optional(),
      settled: z.looseObject({ by: text, reason: text, atMs: ms }).optional(),
      fenced: texts.optional(),
    }),
  ),
  unproved: z
    .record(
      z.string(),
      z.looseObject({ region: text.nullable(), because: text, sinceMs: ms, atMs: ms, told: z.enum(['warning', 'critical']).nullable() }),
    )
    .optional(),
});

const vote = z.looseObject({
  boot: text,
  bootN: count.optional(),
  seq: count,
  configVersion: count,
  configHash: text.optional(),
  self: z.union([z.looseObject({ state: z.literal('ok') }), z.looseObject({ state: z.literal('abstain'), because: text })]),
  peers: texts,
  down: texts,
  unready: texts,
  unknown: texts,
});
const suspicion = z.looseObject({ firstFaultAgeMs: ms, lastOkAgeMs: at, faults: z.number(), reason: text });
const beat = z.looseObject({
  boot: text,
  bootN: count.optional(),
  seq: count,
  n: count,
  wallMs: ms,
  suspects: z.record(z.string(), suspicion),
});
const word = z.looseObject({ at: z.string().regex(/^[^/]+\/[^/]+$/), ageMs: at, vote: vote.optional(), beat: beat.nullable().optional() });
const look = z.union([
  z.looseObject({ saw: z.literal('ok'), tookMs: ms }),
  z.looseObject({ saw: z.literal('fault'), reason: text, tookMs: ms }),
  z.looseObject({ saw: z.literal('nothing') }),
]);
const shares = z.record(z.string(), z.number());

const line = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('header'),
    atMs: ms,
    format: z.literal(FORMAT),
    tidegate: text,
    region: text,
    replica: text,
    boot: text,
  }),
  z.looseObject({ kind: z.literal('config'), atMs: ms, cluster, hash: text }),
  z.looseObject({ kind: z.literal('decision'), atMs: ms, routing, incidents: z.array(incident) }),
  z.looseObject({ kind: z.literal('overrides'), atMs: ms, overrides: overrides.nullable() }),
  z.looseObject({ kind: z.literal('reported'), atMs: ms, reported: reports.nullable() }),
  z.looseObject({ kind: z.literal('tiers'), atMs: ms, tiers: tiers.nullable() }),
  z.looseObject({
    kind: z.literal('sight'),
    atMs: ms,
    leads: z.literal(true).optional(),
    heard: z.array(word).optional(),
    gone: texts.optional(),
    frozen: texts.optional(),
    vacant: z.boolean().optional(),
  }),
  z.looseObject({
    kind: z.literal('look'),
    atMs: ms,
    key: text,
    ageMs: ms,
    late: z.literal(true).optional(),
    due: z.literal(true).optional(),
    look,
  }),
  z.looseObject({ kind: z.literal('pending'), atMs: ms, key: text, ageMs: ms }),
  z.looseObject({ kind: z.literal('self'), atMs: ms, anchorsConfigured: count, anchorsUnreachable: texts, loopDelayP99Ms: ms }),
  z.looseObject({
    kind: z.literal('company'),
    atMs: ms,
    company: z.looseObject({ peers: texts, elder: text.nullable(), spellOut: z.boolean() }),
  }),
  z.looseObject({ kind: z.literal('conflict'), atMs: ms, because: text.nullable() }),
  z.looseObject({ kind: z.literal('late'), atMs: ms }),
  z.looseObject({ kind: z.literal('applied'), atMs: ms, provider: text, service: text, applied: z.looseObject({ fence: count }) }),
  z.looseObject({ kind: z.literal('observed'), atMs: ms, provider: text, service: text, shares: shares.nullable() }),
  z.looseObject({
    kind: z.literal('shadow'),
    atMs: ms,
    diverging: z.array(z.looseObject({ service: text, live: z.string(), shadow: z.string() })),
  }),
  z.looseObject({ kind: z.literal('dropped'), atMs: ms, lines: count }),
]);

const KNOWN: ReadonlySet<unknown> = new Set(line.options.map((option) => option.shape.kind.value));

export type ReadLine = { line: RecordLine } | { skip: true } | { problem: string };

/** One line of a recording. `skip`: of a kind that a later release writes. `problem`: `found …, expected …`. */
export const parseLine = (raw: string): ReadLine => {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return { problem: `found ${JSON.stringify(raw.slice(0, 40))}, expected one JSON object per line` };
  }
  if (typeof value !== 'object' || value === null || !('kind' in value))
    return { problem: 'found no kind, expected a line of a recording' };
  if (typeof value.kind === 'string' && !KNOWN.has(value.kind)) return { skip: true };
  const parsed = line.safeParse(value);
  // The schema is looser than the type where only wording depends on it.
  if (parsed.success) return { line: parsed.data as unknown as RecordLine };
  const issue = parsed.error.issues[0];
  if (value.kind === 'header' && issue?.path[0] === 'format') {
    const found = 'format' in value ? JSON.stringify(value.format) : 'nothing';
    return { problem: `found format ${found}, expected ${FORMAT}; read it with the release that wrote it` };
  }
  return {
    problem: `found ${issue?.path.join('.') || 'a line'} that does not fit (${issue?.message ?? 'unknown'}), expected a line of kind ${JSON.stringify(value.kind)}`,
  };
};

// ---- writing ----

export const renderLine = (atMs: number, fact: Fact): string => `${JSON.stringify({ atMs: Math.round(atMs), ...fact })}\n`;

/** Without what follows the ? of any address in it: a probe's or an anchor's may hold a token. */
export const withoutQueries = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? inner.replace(/^([a-z]+:\/\/[^?]*)\?.*$/s, '$1') : inner)),
  ) as T;
