// What is asked of platforms and runs, and what is wrong with a request: shape, then names, all problems at once. Pure.
import { z } from 'zod';
import type { PlatformConfig } from '../runbook/platform.ts';
import { CHOICES } from '../runbook/reader.ts';
import { type BodyProblem, keptLine, line, type Parsed, parsedBy, pointerOf, schemaOf, unknownName } from './body.ts';
import { LABEL_CHARS_MAX, NAME_CHARS_MAX, REASON_CHARS_MAX, REASON_CHARS_MIN } from './override-input.ts';

export const RUN_MODES = ['graceful', 'ungraceful'] as const;
/** What humans begin; `prearm` is what suspicion begins by itself. */
export const ORDERED_PURPOSES = ['failover', 'failback', 'drill'] as const;

/** As plans name their steps. */
const STEP_CHARS_MAX = 200;
const FORCE_AFTER_MIN_MS = 1_000;
const FORCE_AFTER_MAX_MS = 86_400_000;

const reason = keptLine(REASON_CHARS_MAX, REASON_CHARS_MIN).describe('What the next morning’s reader should know.');
const step = line(STEP_CHARS_MAX).describe('The id of the step.');

const ORDER = z.strictObject({
  to: line(NAME_CHARS_MAX)
    .optional()
    .describe('The region to be activated. Default: home for a failback, else the first of the priorities that is not active.'),
  mode: z
    .enum(RUN_MODES)
    .describe('`graceful`: nothing is lost, and the region that is left has to work. `ungraceful`: it is gone, or counts as gone.'),
  purpose: z.enum(ORDERED_PURPOSES),
  reason,
  ticket: keptLine(LABEL_CHARS_MAX).optional(),
  forceAfterMs: z
    .int()
    .min(FORCE_AFTER_MIN_MS)
    .max(FORCE_AFTER_MAX_MS)
    .optional()
    .describe('Of a graceful one: it goes on ungracefully by itself when it has not ended by then.'),
});
const APPROVE = z.strictObject({
  step: step.optional().describe('The id of a step that asks. Default: the beginning of the run, or the one step that asks.'),
  reason: keptLine(REASON_CHARS_MAX).optional(),
});
const ANSWER = z.strictObject({
  step,
  choice: z.enum(CHOICES).describe('`retry`: try it again. `skip`: go on without it. `stop`: begin nothing more.'),
  reason,
});
const REASONED = z.strictObject({ reason });

export type RunOrder = z.output<typeof ORDER>;
export type ApproveInput = z.output<typeof APPROVE>;
export type AnswerInput = z.output<typeof ANSWER>;
export type ReasonInput = z.output<typeof REASONED>;

export const RUN_ORDER_SCHEMA = schemaOf(ORDER);
export const RUN_APPROVE_SCHEMA = schemaOf(APPROVE);
export const RUN_ANSWER_SCHEMA = schemaOf(ANSWER);
export const RUN_REASON_SCHEMA = schemaOf(REASONED);

/** A region that is none of the platform's, or that is active already. */
export const toProblems = (to: string | undefined, { name, regions }: PlatformConfig, active: string): readonly BodyProblem[] => {
  if (to === undefined) return [];
  if (to === active) return [{ pointer: pointerOf(['to']), detail: `${name} is active in ${to} already` }];
  return unknownName(['to'], `region of ${name}`, to, regions);
};

/** The body of POST /v1/platforms/:name/runs. Which regions there are is judged apart, since a retry may come when all has moved. */
export const parseRunOrder = (given: unknown): Parsed<RunOrder> => {
  const shaped = parsedBy(ORDER)(given);
  if (!shaped.ok || shaped.value.mode === 'graceful' || shaped.value.forceAfterMs === undefined) return shaped;
  return { ok: false, problems: [{ pointer: '/forceAfterMs', detail: 'is of graceful runs: this one is ungraceful from its beginning' }] };
};
/** Which may be missing. */
export const parseApprove = (given: unknown): Parsed<ApproveInput> => parsedBy(APPROVE)(given ?? {});
export const parseAnswer: (given: unknown) => Parsed<AnswerInput> = parsedBy(ANSWER);
export const parseReason: (given: unknown) => Parsed<ReasonInput> = parsedBy(REASONED);
