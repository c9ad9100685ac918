// Objectives: the shape of policies/objectives.yaml, and of what a platform says differently. What the words mean is in that file.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { Fault } from '../errors.ts';
import { OBJECTIVE_KINDS, OBJECTIVE_ROLES, OBJECTIVE_UNITS, type ObjectiveConfig } from '../runbook/platform.ts';
import { duration, matching, name, present, regionName } from './fields.ts';

const OBJECTIVES_MAX = 32;
const REMEDIES_MAX = 8;
const PRESETS_MAX = 8;
const TEXT_MAX = 200;
const QUERY_MAX = 2000;

const sentence = matching(`a sentence of at most ${TEXT_MAX} characters`, (value) => value.length >= 1 && value.length <= TEXT_MAX);
const QUERY = 'a PromQL query of 1 to 2000 characters, with $region for the region; write it in quotes';
const query = z.string({ error: QUERY }).min(1, { error: QUERY }).max(QUERY_MAX, { error: QUERY });
const unit = z.enum(OBJECTIVE_UNITS);
const QUANTILE = 'a number from 0.5 to 0.99; write it like 0.95';
const quantile = z.number({ error: QUANTILE }).min(0.5, { error: QUANTILE }).max(0.99, { error: QUANTILE });
const SYSTEM = 'the name of an entry of systems of kind prometheus, or a map from region to such a name; write it like metrics';
const UNIT = 'unit beside query: s or ms; a number without it says nothing';

const entry = z
  .strictObject({
    name,
    off: z.literal(true).optional(),
    kind: z.enum(OBJECTIVE_KINDS).optional(),
    says: sentence.optional(),
    max: duration({ minMs: 1, maxMs: 3_600_000 }).optional(),
    quantile: quantile.optional(),
    role: z.enum(OBJECTIVE_ROLES).optional(),
    remedies: z.array(sentence).max(REMEDIES_MAX).optional(),
    system: z.union([name, z.record(regionName, name)], { error: SYSTEM }).optional(),
    preset: name.optional(),
    presets: z
      .record(name, z.strictObject({ query, unit }))
      .refine((given) => Object.keys(given).length <= PRESETS_MAX, { error: `at most ${PRESETS_MAX} presets; remove some` })
      .optional(),
    query: query.optional(),
    unit: unit.optional(),
    maxAge: duration({ minMs: 1000, maxMs: 3_600_000 }).optional(),
  })
  .refine((given) => (given.query === undefined) === (given.unit === undefined), { error: UNIT })
  .transform(({ max, maxAge, ...given }): ObjectiveConfig => present({ ...given, maxMs: max, maxAgeMs: maxAge }));

const isWhole = ({ kind, maxMs, off }: ObjectiveConfig): boolean => off === undefined && kind !== undefined && maxMs !== undefined;

const file = z
  .array(entry)
  .max(OBJECTIVES_MAX)
  .refine((all) => all.every(isWhole), { error: 'kind and max in every entry' })
  .refine((all) => new Set(all.map((each) => each.name)).size === all.length, { error: 'each name once' });

const FILE = new URL('../../policies/objectives.yaml', import.meta.url);
let read: readonly ObjectiveConfig[] | null = null;

/** Throws Fault ERR_CONFIG for a text that is no list of objectives. */
export const parseObjectives = (text: string): readonly ObjectiveConfig[] => {
  const parsed = file.safeParse(parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`;
  throw new Fault('ERR_CONFIG', `policies/objectives.yaml${at}: expected ${issue?.message ?? 'a list of objectives'}`);
};

/** Those of policies/objectives.yaml, read once. Throws Fault ERR_CONFIG. */
export const shippedObjectives = (): readonly ObjectiveConfig[] => {
  read ??= parseObjectives(readFileSync(FILE, 'utf8'));
  return read;
};

const named = (shipped: readonly ObjectiveConfig[], given: ObjectiveConfig): ObjectiveConfig | undefined =>
  shipped.find((each) => each.name === given.name);

/** What is wrong with an entry beside the shipped ones; null: nothing. */
const complaintOf = (shipped: readonly ObjectiveConfig[], given: ObjectiveConfig): string | null => {
  const base = named(shipped, given);
  if (base === undefined && given.off === true)
    return `one of ${shipped.map((each) => each.name).join(', ')}; there is nothing else to be off`;
  if (base === undefined && !isWhole(given)) return 'kind and max, since no shipped objective has this name; add both';
  const { kind, presets, preset } = { ...base, ...given };
  if (preset !== undefined && given.query === undefined && presets?.[preset] === undefined)
    return `one of its presets: ${Object.keys(presets ?? {}).join(', ') || 'it has none'}; or write query and unit`;
  if (kind === 'promql' && given.system !== undefined && given.query === undefined && preset === undefined)
    return 'query and unit beside system, since it has no preset; add both';
  if (kind !== 'promql' && (given.system !== undefined || given.query !== undefined))
    return `no system and no query: ${kind} is measured by the platform's own entries; remove them`;
  return null;
};

/** The section `objectives` of a platform. */
export const objectivesSchema = z
  .array(entry)
  .max(OBJECTIVES_MAX)
  .superRefine((all, context) => {
    all.forEach((given, at) => {
      const twice = all.findIndex((each) => each.name === given.name) !== at;
      const complaint = twice ? `each name once; ${given.name} stands above already` : complaintOf(shippedObjectives(), given);
      if (complaint !== null) context.addIssue({ code: 'custom', path: [at, 'name'], message: complaint });
    });
  });
