// What may be set of each safety rule, and how it is spelt in the file under `cluster.policy.safety`: one table, one schema a rule. What a rule does with
// its settings is its own file in policies/safety.
import { z } from 'zod';
import { type SafetyKind, safety } from '../../policies/index.ts';
import type { Policy } from '../model.ts';
import { SAFETY, SPANS } from './defaults.ts';
import { duration, present, whole } from './fields.ts';

const windowOf = duration({ minMs: 0, maxMs: SPANS.flapWindow.maxMs });

/** Settings as rules take them; what the file leaves out is left out, and the rule's own default holds. */
const SETTINGS = {
  'last-pool': z.strictObject({}),
  'blast-radius': z
    .strictObject({ regions: whole(0, 1_000_000).optional(), window: windowOf.optional() })
    .transform(({ regions, window }) => present({ regions, windowMs: window })),
} as const satisfies Record<SafetyKind, z.ZodType<Readonly<Record<string, unknown>>>>;

const shape = Object.fromEntries(Object.entries(SETTINGS).map(([kind, schema]) => [kind, schema.optional()])) as {
  [kind in SafetyKind]: z.ZodOptional<(typeof SETTINGS)[kind]>;
};

/** Rules that are named are set as said; those on by default stay on, since a cluster without them could empty a name. */
export const rules = z.strictObject(shape).transform((given): Policy['safety'] => {
  const named = Object.entries(given).flatMap(([kind, set]) =>
    set === undefined ? [] : [[kind, { ...safety[kind as SafetyKind].defaults, ...set }] as const],
  );
  return { ...SAFETY, ...Object.fromEntries(named) };
});
