// What is asked of pages, and what is wrong with a request: shape, then names, all problems at once. Pure.
import { z } from 'zod';
import { type BodyProblem, keptLine, line, type Parsed, parsedBy, schemaOf, shapeProblems, unknownName } from './body.ts';
import { LABEL_CHARS_MAX, REASON_CHARS_MAX, REASON_CHARS_MIN } from './override-input.ts';

const CHANNELS_MAX = 32;
const NAME_CHARS_MAX = 64;
const KEY_CHARS_MAX = 1_000;
/** What stands behind it makes the owner: ` via callback`. */
const BY_CHARS_MAX = 80;

const owner = keptLine(LABEL_CHARS_MAX).optional().describe('Whom to ask about it. Default: the name of the credentials.');
const REPLAY = z.strictObject({
  reason: keptLine(REASON_CHARS_MAX, REASON_CHARS_MIN).describe('Why it is worth another try.'),
  owner,
  channels: z
    .array(line(NAME_CHARS_MAX))
    .min(1, 'names no channel; leave it out for all that refused it')
    .max(CHANNELS_MAX)
    .optional()
    .describe('Through these, also those that have taken it. Default: those that never did.'),
});
const ACKNOWLEDGE = z.strictObject({ reason: keptLine(REASON_CHARS_MAX).optional(), owner });

export type ReplayInput = z.output<typeof REPLAY>;
export type AcknowledgeInput = z.output<typeof ACKNOWLEDGE>;

export const REPLAY_SCHEMA = schemaOf(REPLAY);
export const ACKNOWLEDGE_SCHEMA = schemaOf(ACKNOWLEDGE);

/** The body of POST /v1/pages/:id/replay. */
export const parseReplay: (body: unknown) => Parsed<ReplayInput> = parsedBy(REPLAY);
/** The body of POST /v1/pages/:id/acknowledge, which may be missing. */
export const parseAcknowledge = (body: unknown): Parsed<AcknowledgeInput> => parsedBy(ACKNOWLEDGE)(body ?? {});

/** Names that are neither on the page nor among the channels of this replica. */
export const channelProblems = (named: readonly string[], known: readonly string[]): readonly BodyProblem[] =>
  named.flatMap((name, n) => unknownName(['channels', String(n)], 'channel', name, known));

// What a message says beside this is its sender's: it is left out, not refused.
const ABOUT = {
  dedupKey: line(KEY_CHARS_MAX).optional().describe('The key of the alert, as pages have it.'),
  pageId: line(KEY_CHARS_MAX).optional().describe('Or the id of one of its pages.'),
  by: keptLine(BY_CHARS_MAX).describe('Who did it.'),
  reason: keptLine(300).optional(),
};
const CALLBACK = z.object({ type: z.enum(['page.acknowledged', 'automation.hold', 'run.approved']), data: z.object(ABOUT) });
export const CALLBACK_SCHEMA = schemaOf(CALLBACK);

export interface CallbackInput {
  type: z.output<typeof CALLBACK>['type'];
  about: PageNamed;
  by: string;
  reason?: string;
}

/** A page, or all that have this key. */
export type PageNamed = { id: string } | { dedupKey: string };

/** The text of a message, once its signature has been found good. */
export const parseCallback = (text: string): Parsed<CallbackInput> => {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return { ok: false, problems: [{ pointer: '', detail: 'is no JSON' }] };
  }
  const shaped = CALLBACK.safeParse(given);
  if (!shaped.success) return { ok: false, problems: shaped.error.issues.flatMap((issue) => shapeProblems(issue, {})) };
  const { type, data } = shaped.data;
  const { dedupKey, pageId, by, reason } = data;
  if ((dedupKey === undefined) === (pageId === undefined))
    return { ok: false, problems: [{ pointer: '/data', detail: 'names a page by dedupKey or by pageId: give one of them' }] };
  // All that is said of a run has one key: who agrees has seen one of its questions, and agrees to no other.
  if (type === 'run.approved' && pageId === undefined)
    return { ok: false, problems: [{ pointer: '/data/dedupKey', detail: 'is of all pages of a run: name the one that asks by pageId' }] };
  const about: PageNamed = dedupKey === undefined ? { id: pageId ?? '' } : { dedupKey };
  return { ok: true, value: { type, about, by, ...(reason === undefined ? {} : { reason }) } };
};
