// The shapes of platforms, plans and runs, by name, for the OpenAPI document.
import type { AuditLine } from '../runbook/facts.ts';
import { PHASES, STEP_KINDS } from '../runbook/model.ts';
import { MODEL_KINDS } from '../runbook/platform.ts';
import { CHOICES, type Waiting } from '../runbook/reader.ts';
import type { DatabaseView, StandbyView } from '../runbook/tiers/loss.ts';
import type { Seen, Settlement } from '../runbook/tiers/settler.ts';
import { type JsonSchema, ref } from './openapi.ts';
import { RUN_ANSWER_SCHEMA, RUN_APPROVE_SCHEMA, RUN_ORDER_SCHEMA, RUN_REASON_SCHEMA } from './run-input.ts';
import type { Critical, Estimated, MeasuredRun, PlanView, PlatformItem, RunItem, RunView, StepPlan, StepView } from './run-view.ts';
import { SETTLE_SCHEMA, UNSETTLE_SCHEMA } from './settle-input.ts';
import { AT_MS, COUNT, FLAG, listOf, mapOf, membersOf, oneOfTexts, orNull, shape, shapeOf, TEXT } from './shapes.ts';

const TOOK_MS = { type: 'number', minimum: 0 } as const;
const MODEL = oneOfTexts(...MODEL_KINDS);
const PURPOSE = oneOfTexts('failover', 'failback', 'prearm', 'drill');
const MODE = oneOfTexts('graceful', 'ungraceful');
const PERSONS = { type: 'integer', minimum: 0, maximum: 2 } as const;
export const RUN_STATE = oneOfTexts('proposed', 'running', 'stopping', 'undoing', 'done', 'failed', 'aborted', 'undone', 'dropped');
const SPAN = shape({ p50Ms: TOOK_MS, p95Ms: TOOK_MS });
const IDS = { ...listOf(TEXT), description: 'Ids of steps.' };

const CAUSE: JsonSchema = {
  oneOf: [
    shape({ kind: oneOfTexts('incident'), incident: TEXT, because: TEXT }),
    shape({ kind: oneOfTexts('order'), by: TEXT, reason: TEXT }, { ticket: TEXT }),
    shape({ kind: oneOfTexts('seen'), because: TEXT }),
  ],
};

const ITEM = membersOf<RunItem>(
  {
    id: TEXT,
    platform: TEXT,
    model: MODEL,
    purpose: PURPOSE,
    mode: MODE,
    from: { ...TEXT, description: 'The region that is left.' },
    to: { ...TEXT, description: 'The region that is activated.' },
    cause: { ...CAUSE, description: 'Who or what began it.' },
    state: RUN_STATE,
    because: TEXT,
    createdAtMs: AT_MS,
    startedAtMs: orNull(AT_MS),
    endedAtMs: orNull(AT_MS),
    tookMs: { ...orNull(TOOK_MS), description: 'From its start to its end, or until now.' },
    recoveryMs: { ...orNull(TOOK_MS), description: 'From its start until the other region served; null: it does not yet.' },
    estimate: shapeOf<Estimated>({ recovery: SPAN, whole: SPAN }, {}),
    progress: { ...shape({ done: COUNT, of: COUNT }), description: 'Steps of its mode; `done`: ended well or passed over.' },
    waiting: { ...listOf(ref('RunWaiting')), description: 'What it asks of humans.' },
    now: { ...listOf(TEXT), description: 'What goes on.' },
  },
  {},
);

const PLANNED = membersOf<StepPlan>(
  {
    id: TEXT,
    kind: oneOfTexts(...STEP_KINDS),
    phase: oneOfTexts(...PHASES),
    target: { ...TEXT, description: 'What it moves or asks, for people.' },
    mode: { ...oneOfTexts('graceful', 'ungraceful', 'both'), description: 'Of which runs it is.' },
    needs: { ...IDS, description: 'Steps that have to have ended, well or passed over.' },
    timeoutMs: TOOK_MS,
    onFail: oneOfTexts('stop', 'continue', 'ask'),
    onUnknown: oneOfTexts('stop', 'ask', 'proceed'),
    persons: { ...PERSONS, description: 'Who have to agree before it begins.' },
    undo: { oneOf: [shape({ can: { const: true } }), shape({ can: { const: false }, because: TEXT })] },
    estimate: {
      ...shape({ p50Ms: TOOK_MS, p95Ms: TOOK_MS, source: oneOfTexts('seed', 'runs') }),
      description: '`seed`: assumed. `runs`: measured here, three times at least.',
    },
  },
  {},
);

const STEP = membersOf<Omit<StepView, keyof StepPlan>>(
  {
    state: oneOfTexts('pending', 'asking', 'acting', 'done', 'skipped', 'failed', 'undoing', 'undone'),
    because: TEXT,
    tries: COUNT,
    dueAtMs: { ...orNull(AT_MS), description: 'When all that it needs had ended.' },
    startedAtMs: orNull(AT_MS),
    endedAtMs: orNull(AT_MS),
    tookMs: orNull(TOOK_MS),
    approvedBy: listOf(TEXT),
    askedUntilMs: orNull(AT_MS),
  },
  {},
);

const ITS = membersOf<Omit<RunView, keyof RunItem>>(
  {
    approval: { ...orNull(shape({ persons: PERSONS, by: listOf(TEXT), untilMs: AT_MS })), description: 'To begin; null: it asked nobody.' },
    forceAfterMs: { ...orNull(TOOK_MS), description: 'Goes on ungracefully by itself when it has not ended by then.' },
    aborted: orNull(shape({ by: TEXT, reason: TEXT, atMs: AT_MS })),
    executor: { ...orNull(shape({ region: TEXT, replica: TEXT })), description: 'The replica that carries it out.' },
    criticalPath: { ...IDS, description: 'The longest way to its recovery.' },
    steps: { ...listOf(ref('RunStep')), description: 'In the order of the plan, those of the other mode too.' },
  },
  {},
);

const CRITICAL = shapeOf<Critical>(
  { p50Ms: TOOK_MS, p95Ms: TOOK_MS, path: { ...IDS, description: 'The longest way, first to last.' } },
  {},
);

export const DATABASE = membersOf<DatabaseView>(
  {
    database: TEXT,
    writer: {
      ...orNull(TEXT),
      description: 'The region in which a row was written and read back last; null: it is proved nowhere.',
    },
    provedAtMs: { ...orNull(AT_MS), description: 'null: it never was.' },
    because: TEXT,
    split: { ...orNull(listOf(TEXT)), description: 'Regions that both take writes; null: no two do.' },
    settled: {
      ...orNull(shape({ by: TEXT, reason: TEXT, atMs: AT_MS })),
      description: 'The writer stands on a human’s word; null: on a row, or there is none.',
    },
    fenced: { ...listOf(TEXT), description: 'Regions that a human said take no writes.' },
    unproved: {
      ...orNull(shape({ region: orNull(TEXT), because: TEXT, sinceMs: AT_MS })),
      description: 'Why no row could be written, and since when; null: there is one, or none is wanted.',
    },
    standbys: listOf(
      shapeOf<StandbyView>(
        {
          region: TEXT,
          lagMs: { ...orNull(COUNT), description: 'null: it could not be told.' },
          lagBytes: orNull(COUNT),
          measuredAtMs: AT_MS,
          because: { ...TEXT, description: 'What would be lost by a failover there now, and when that was measured.' },
        },
        {},
      ),
    ),
  },
  {},
);

/** Members of the document by name. */
export const RUN_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  RunWaiting: shapeOf<Waiting>(
    {
      run: TEXT,
      step: { ...orNull(TEXT), description: 'null: the run waits to begin.' },
      wants: { ...oneOfTexts('approval', 'answer'), description: '`approval`: so many persons. `answer`: one of `choices`.' },
      persons: PERSONS,
      by: { ...listOf(TEXT), description: 'Who have agreed.' },
      untilMs: orNull(AT_MS),
      because: TEXT,
      choices: listOf(oneOfTexts(...CHOICES)),
    },
    {},
  ),
  RunItem: shape(ITEM.needed, ITEM.optional),
  RunList: shape({
    items: listOf(ref('RunItem')),
    total: { ...COUNT, description: 'That pass the filter, shown or not.' },
    clusterTimeMs: AT_MS,
  }),
  PlannedStep: shape(PLANNED.needed),
  RunStep: shape({ ...PLANNED.needed, ...STEP.needed }),
  Run: shape({ ...ITEM.needed, ...ITS.needed }),
  RunOne: shape({ run: ref('Run'), clusterTimeMs: AT_MS }),
  RunOrder: RUN_ORDER_SCHEMA,
  RunBegun: shape({
    run: ref('Run'),
    plan: ref('RunPlan'),
    dryRun: { ...FLAG, description: 'Nothing was written: there is no such run.' },
    undo: ref('Undo'),
  }),
  RunApprove: RUN_APPROVE_SCHEMA,
  RunAnswer: RUN_ANSWER_SCHEMA,
  RunReason: RUN_REASON_SCHEMA,
  SettleOrder: SETTLE_SCHEMA,
  UnsettleOrder: UNSETTLE_SCHEMA,
  Settled: shape({
    settlement: shapeOf<Settlement>(
      {
        platform: TEXT,
        database: TEXT,
        writer: { ...orNull(TEXT), description: 'Where it is held to be written after it; null: nowhere.' },
        fenced: { ...listOf(TEXT), description: 'Regions that whoever ordered it answers for.' },
        by: TEXT,
        reason: TEXT,
        atMs: AT_MS,
        meaning: { ...listOf(TEXT), description: 'What it means, a sentence each.' },
        seen: {
          ...listOf(
            shapeOf<Seen>(
              {
                region: TEXT,
                is: {
                  ...oneOfTexts('writes', 'reads', 'unseen'),
                  description: '`unseen`: it was not asked, or has not answered for so long that nothing is known.',
                },
                agoMs: { ...orNull(COUNT), description: 'Since it answered last; null: unseen.' },
              },
              {},
            ),
          ),
          description: 'What the watch sees of each region.',
        },
      },
      {},
    ),
    dryRun: FLAG,
    undo: { ...orNull(shape({ cli: TEXT, curl: TEXT })), description: 'null: nothing to take back.' },
    clusterTimeMs: AT_MS,
  }),
  RunPlan: shapeOf<PlanView>(
    {
      platform: TEXT,
      model: MODEL,
      purpose: PURPOSE,
      mode: MODE,
      from: TEXT,
      to: TEXT,
      steps: listOf(ref('PlannedStep')),
      estimate: shapeOf<Estimated<Critical>>(
        {
          recovery: { ...CRITICAL, description: 'Until the other region serves.' },
          whole: { ...CRITICAL, description: 'Until the last step has ended.' },
        },
        {},
      ),
      approvals: {
        ...listOf(shape({ step: { ...orNull(TEXT), description: 'null: to begin, beside whoever orders it.' }, persons: PERSONS })),
        description: 'What it would ask for.',
      },
      losses: { ...listOf(TEXT), description: 'What it would lose now, by database, as its lag was measured last.' },
      cannotUndo: { ...listOf(shape({ step: TEXT, because: TEXT })), description: 'Of what it would move.' },
    },
    {},
  ),
  Database: shape(DATABASE.needed),
  Platform: shapeOf<PlatformItem>(
    {
      name: TEXT,
      model: MODEL,
      regions: { ...listOf(TEXT), description: 'Failover priorities: the first is home.' },
      services: { ...listOf(TEXT), description: 'By which users reach it.' },
      trigger: {
        ...oneOfTexts('off', 'propose', 'auto'),
        description: '`off`: only humans begin runs. `propose`: a run waits for approval. `auto`: it begins.',
      },
      failback: oneOfTexts('manual', 'automatic', 'fail-forward'),
      active: { ...TEXT, description: 'The region in which it is active.' },
      sinceAtMs: { ...orNull(AT_MS), description: 'null: nothing has moved it since it was configured.' },
      because: TEXT,
      openRun: orNull(ref('RunItem')),
      readiness: {
        ...orNull(
          shape({
            atMs: AT_MS,
            score: { type: 'number', minimum: 0, maximum: 100 },
            lines: listOf(
              shapeOf<AuditLine>(
                {
                  check: TEXT,
                  of: { ...TEXT, description: '`fleet@region`, a namespace, or the platform.' },
                  is: oneOfTexts('good', 'bad', 'unknown'),
                  weight: {
                    ...oneOfTexts('must', 'should'),
                    description: 'A bad `must`: a failover would not do what the model promises.',
                  },
                  because: TEXT,
                  fix: { ...TEXT, description: 'What to do; empty when it is good.' },
                },
                {},
              ),
            ),
          }),
        ),
        description: 'As audited last; null: not yet.',
      },
      databases: {
        ...listOf(ref('Database')),
        description: 'What is proved of its databases, and how far their standbys are behind.',
      },
      llm: { ...orNull(ref('LanguageModels')), description: 'Advice; null: the platform has no chain of language models.' },
      lastRuns: {
        ...listOf(
          shapeOf<MeasuredRun>({ run: TEXT, purpose: PURPOSE, mode: MODE, tookMs: TOOK_MS, steps: mapOf(TOOK_MS), atMs: AT_MS }, {}),
        ),
        description: 'Newest first, with what each step took: what estimates are measured from.',
      },
    },
    {},
  ),
  PlatformList: shape({ items: listOf(ref('Platform')), clusterTimeMs: AT_MS }),
  PlatformOne: shape({ platform: ref('Platform'), clusterTimeMs: AT_MS }),
};
