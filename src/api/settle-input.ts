// What a human says of a database's writer, and what is wrong with a request: shape, then names, all problems at once. Pure.
import { z } from 'zod';
import type { DatabaseConfig } from '../runbook/platform.ts';
import { type BodyProblem, keptLine, line, type Parsed, parsedBy, pointerOf, schemaOf, unknownName } from './body.ts';
import { NAME_CHARS_MAX, REASON_CHARS_MAX, REASON_CHARS_MIN } from './override-input.ts';

const REGIONS_MAX = 64;

const reason = keptLine(REASON_CHARS_MAX, REASON_CHARS_MIN).describe('What the next morning’s reader should know.');

const SETTLE = z.strictObject({
  region: line(NAME_CHARS_MAX).describe('Where the database is written.'),
  fenced: z
    .array(line(NAME_CHARS_MAX))
    .max(REGIONS_MAX)
    .optional()
    .describe(
      'Regions that you answer for: they take no writes, since they are gone for good, were fenced by hand, or are known to follow. Every other region that is not seen to follow has to be among them.',
    ),
  reason,
});
const UNSETTLE = z.strictObject({ reason });

export type SettleInput = z.output<typeof SETTLE>;
export type UnsettleInput = z.output<typeof UNSETTLE>;

export const SETTLE_SCHEMA = schemaOf(SETTLE);
export const UNSETTLE_SCHEMA = schemaOf(UNSETTLE);

export const parseSettle: (given: unknown) => Parsed<SettleInput> = parsedBy(SETTLE);
export const parseUnsettle: (given: unknown) => Parsed<UnsettleInput> = parsedBy(UNSETTLE);

/** Regions in which the database has no site, and those that are named in two ways. */
export const regionProblems = (
  { region, fenced = [] }: SettleInput,
  { name, sites }: Pick<DatabaseConfig, 'name' | 'sites'>,
): readonly BodyProblem[] => {
  const regions = Object.keys(sites);
  return [
    ...unknownName(['region'], `region of ${name}`, region, regions),
    ...fenced.flatMap((each, at): readonly BodyProblem[] => {
      const path = ['fenced', at];
      if (each === region) return [{ pointer: pointerOf(path), detail: `${each} cannot be the writer and take no writes` }];
      if (fenced.indexOf(each) < at) return [{ pointer: pointerOf(path), detail: `${each} is named twice` }];
      return unknownName(path, `region of ${name}`, each, regions);
    }),
  ];
};
