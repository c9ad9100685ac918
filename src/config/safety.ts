// What may be set of each safety rule, and how it is spelt in the file under `cluster.policy.safety`: one table, one schema a rule. What a rule does with
// its settings is its own file in policies/safety; whether the names in them exist is said by safetyFindings.
import { z } from 'zod';
import { namesOf } from '../../policies/controls.ts';
import { type SafetyKind, safety } from '../../policies/index.ts';
import type { Assertion } from '../../policies/safety/assertion.ts';
import type { FreezeWindow } from '../../policies/safety/freeze-windows.ts';
import type { Gating } from '../../policies/safety/gating.ts';
import type { ClusterConfig, Policy } from '../model.ts';
import { SAFETY, SPANS } from './defaults.ts';
import { dnsName, duration, isCron, isTimezone, matching, name, present, whole } from './fields.ts';
import { duplicates, type Finding, finding, type Path } from './problem.ts';
import { didYouMean, list } from './words.ts';

const RULES_MAX = 64;
const WEEK_MS = 7 * 24 * 3_600_000;

const span = duration({ minMs: 0, maxMs: SPANS.flapWindow.maxMs });
const control = matching(
  'a service and one of its pools; write it like web.example.com/eu-west',
  (value) => /^[^/]+\/[^/]+$/.test(value) && value.length <= 320,
);
const controls = z.array(control).min(1).max(RULES_MAX);

const freezeWindow = z
  .strictObject({
    name,
    cron: matching('a cron line of five fields that comes to pass; write it like "0 18 * * 5"', isCron),
    timezone: matching('a time zone; write it like Europe/Berlin or UTC', isTimezone),
    duration: duration({ minMs: 60_000, maxMs: WEEK_MS }),
    services: z.array(dnsName).min(1).max(1000).optional(),
    drains: z.boolean().default(false),
  })
  .transform(({ duration: durationMs, services, ...rest }): FreezeWindow => ({ ...rest, durationMs, ...present({ services }) }));

const counting = {
  name,
  type: z.enum(['ATLEAST', 'AND', 'OR']),
  threshold: whole(1, RULES_MAX).optional(),
  inverted: z.boolean().default(false),
  waitPeriod: span.default(0),
};

const needsThreshold = ({ type, threshold }: { type: string; threshold?: number | undefined }, context: z.RefinementCtx): void => {
  if ((type === 'ATLEAST') === (threshold !== undefined)) return;
  const message = type === 'ATLEAST' ? 'how many; write threshold: 2' : `nothing here with ${type}; remove it, or write type: ATLEAST`;
  context.addIssue({ code: 'custom', path: ['threshold'], message });
};

const assertionRule = z
  .strictObject({ ...counting, controls })
  .superRefine(needsThreshold)
  .transform(({ threshold, waitPeriod, ...rest }): Assertion => ({ ...rest, threshold: threshold ?? 1, waitPeriodMs: waitPeriod }));

const gatingRule = z
  .strictObject({ ...counting, gates: controls, targets: controls })
  .superRefine(needsThreshold)
  .transform(({ threshold, waitPeriod, ...rest }): Gating => ({ ...rest, threshold: threshold ?? 1, waitPeriodMs: waitPeriod }));

const rulesOf = <T extends z.ZodType>(rule: T) => z.array(rule).min(1).max(RULES_MAX);

/** Settings as rules take them; what the file leaves out is left out, and the rule's own default holds. */
const SETTINGS = {
  'last-pool': z.strictObject({}),
  'blast-radius': z
    .strictObject({ regions: whole(0, 1_000_000).optional(), window: span.optional() })
    .transform(({ regions, window }) => present({ regions, windowMs: window })),
  capacity: z
    .strictObject({
      headroomPercent: whole(1, 100).optional(),
      onHealth: z.enum(['warn', 'hold']).optional(),
      onUnknown: z.enum(['allow', 'refuse']).optional(),
    })
    .transform(present),
  velocity: z
    .strictObject({ percent: whole(1, 100).optional(), window: span.optional(), onHealth: z.enum(['exempt', 'hold']).optional() })
    .transform(({ window, ...rest }) => present({ ...rest, windowMs: window })),
  'freeze-windows': rulesOf(freezeWindow).transform((windows) => ({ windows })),
  assertion: rulesOf(assertionRule).transform((rules) => ({ rules })),
  gating: rulesOf(gatingRule).transform((rules) => ({ rules })),
  'drill-fresh': z.strictObject({ maxAgeDays: whole(8, 3650).optional() }).transform(present),
  // On by itself wherever a database of a platform names services.
  tier: z.strictObject({}),
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

// ---- names in the settings ----

const AT = ['cluster', 'policy', 'safety'] as const;

/** Names of services and pools that rules speak of and the cluster does not have, and rules of the same name. */
export const safetyFindings = ({ policy, services }: ClusterConfig): readonly Finding[] => {
  const known = services.flatMap((s) => s.pools.map((p) => `${s.name}/${p.name}`));
  const names = services.map((s) => s.name);
  const unknownControls = (given: readonly string[], at: Path): readonly Finding[] => [
    ...given.flatMap((each, i) => {
      if (known.includes(each)) return [];
      const { service } = namesOf(each);
      const near = names.includes(service) ? known.filter((k) => k.startsWith(`${service}/`)) : known;
      return [
        finding(
          [...at, i],
          `found "${each}", expected a pool of the cluster: ${list(near)}; ${didYouMean(each, near, 'write service/pool')}`,
        ),
      ];
    }),
    ...duplicates('control', given, (i) => [...at, i]),
  ];
  const { windows = [] } = (policy.safety['freeze-windows'] ?? {}) as { windows?: readonly FreezeWindow[] };
  const { rules: assertions = [] } = (policy.safety.assertion ?? {}) as { rules?: readonly Assertion[] };
  const { rules: gatings = [] } = (policy.safety.gating ?? {}) as { rules?: readonly Gating[] };
  const tooMany = (threshold: number, of: number, at: Path): readonly Finding[] =>
    threshold <= of ? [] : [finding([...at, 'threshold'], `found ${threshold}, expected at most ${of}, as many as there are; lower it`)];
  return [
    ...windows.flatMap((w, i) =>
      (w.services ?? []).flatMap((s, n) =>
        names.includes(s)
          ? []
          : [
              finding(
                [...AT, 'freeze-windows', i, 'services', n],
                `found "${s}", expected a service of the cluster: ${list(names)}; ${didYouMean(s, names, 'leave services out for all')}`,
              ),
            ],
      ),
    ),
    ...assertions.flatMap((a, i) => [
      ...unknownControls(a.controls, [...AT, 'assertion', i, 'controls']),
      ...tooMany(a.threshold, a.controls.length, [...AT, 'assertion', i]),
    ]),
    ...gatings.flatMap((g, i) => [
      ...unknownControls(g.gates, [...AT, 'gating', i, 'gates']),
      ...unknownControls(g.targets, [...AT, 'gating', i, 'targets']),
      ...tooMany(g.threshold, g.gates.length, [...AT, 'gating', i]),
    ]),
    ...[['freeze-windows', windows] as const, ['assertion', assertions] as const, ['gating', gatings] as const].flatMap(([kind, rules]) =>
      duplicates(
        'rule',
        rules.map((r) => r.name),
        (i) => [...AT, kind, i, 'name'],
      ),
    ),
  ];
};
