// How bodies are read: text that is safe to print, durations, and problems by JSON pointer with what may have been meant. Pure.
import { z } from 'zod';
import { parseDuration } from '../config/fields.ts';
import { didYouMean, list } from '../config/words.ts';
import { holdsSecret } from '../log.ts';

/** A wrong place in a body: JSON pointer and sentence. */
export interface BodyProblem {
  pointer: string;
  detail: string;
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: readonly BodyProblem[] };

// What people write is printed in terminals and pages: no control characters, so that none can rewrite the line around it.
export const line = (charsMax: number, charsMin = 1): z.ZodType<string, string> =>
  z
    .string()
    .trim()
    .min(charsMin, charsMin === 1 ? 'must not be empty' : `must have at least ${charsMin} characters`)
    .max(charsMax, `must have at most ${charsMax} characters`)
    // Spelt out, so that readers of the document understand it whose regular expressions know no Unicode categories.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is kept out
    .regex(/^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/, 'must be one line without control characters');

/** A line that is written down: the audit keeps it, and nobody can take it out again. */
export const keptLine = (charsMax: number, charsMin = 1): z.ZodType<string, string> =>
  line(charsMax, charsMin).refine(
    (text) => !holdsSecret(text),
    'holds what looks like a credential, and many will read this: write it without, and replace that credential',
  );

/** `90s`, `15m`, `4h` to milliseconds. */
export const durationText = z
  .string()
  .meta({ pattern: '^[0-9]{1,9}([.][0-9]{1,3})?(ms|s|m|h)$' })
  .transform((text, context) => {
    const ms = parseDuration(text);
    if (ms === null)
      context.addIssue({ code: 'custom', message: `expected a duration such as 90s, 15m or 4h, found "${text.slice(0, 40)}"` });
    return ms ?? 0;
  });

/** A body as the document of the API has it. */
export const schemaOf = (body: z.ZodType): Readonly<Record<string, unknown>> => ({
  ...z.toJSONSchema(body, { io: 'input' }),
  $schema: undefined,
});

/** Reads a flat body by its shape: its own names are what may have been meant. */
export const parsedBy =
  <T extends z.ZodObject>(body: T) =>
  (given: unknown): Parsed<z.output<T>> => {
    const shaped = body.safeParse(given);
    if (shaped.success) return { ok: true, value: shaped.data };
    return { ok: false, problems: shaped.error.issues.flatMap((issue) => shapeProblems(issue, { '': Object.keys(body.shape) })) };
  };

export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** `; did you mean "x"?`, or the names there are. */
const meant = (name: string, candidates: readonly string[]): string => `; ${didYouMean(name, candidates, `known: ${list(candidates)}`)}`;

/** What zod found, in our words. `propertiesAt`: names that are understood, by pointer of the object. */
export const shapeProblems = (issue: z.core.$ZodIssue, propertiesAt: Readonly<Record<string, readonly string[]>>): BodyProblem[] => {
  const pointer = pointerOf(issue.path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, 20).map((key) => ({
      pointer: `${pointer}${pointerOf([key.slice(0, 64)])}`,
      detail: `is not a property that is understood here${meant(key, propertiesAt[pointer] ?? [])}`,
    }));
  return [{ pointer, detail: issue.message }];
};

export const unknownName = (
  path: readonly (string | number)[],
  what: string,
  name: string,
  candidates: readonly string[],
): BodyProblem[] =>
  candidates.includes(name)
    ? []
    : [
        {
          pointer: pointerOf(path.map((part) => String(part).slice(0, 80))),
          detail: `no ${what} is called "${name.slice(0, 80)}"${meant(name, candidates)}`,
        },
      ];
