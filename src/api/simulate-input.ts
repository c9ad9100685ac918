// What may be supposed, and what is wrong with a supposition: shape, then names against the cluster's configuration, all problems at once. Pure.
import { z } from 'zod';
import type { ClusterConfig, Override, OverrideNews } from '../model.ts';
import { HORIZON_MAX_MS } from '../whatif/forecast.ts';
import type { Hypothesis } from '../whatif/hypothesis.ts';
import { type BodyProblem, durationText, line, type Parsed, pointerOf, shapeProblems } from './body.ts';
import {
  INSTANT,
  LABEL_CHARS_MAX,
  NAME_CHARS_MAX,
  ORDER_ID,
  ORDER_KIND,
  ORDER_SCOPE,
  ORDER_WEIGHTS,
  POOLS_MAX,
  poolProblems,
  REASON_CHARS_MAX,
  regionProblems,
  scopeNameProblems,
  scopeOf,
  serviceProblems,
  TTL_DEFAULT_MS,
  TTL_MAX_MS,
  TTL_MIN_MS,
} from './override-input.ts';

export interface Supposed {
  hypotheses: readonly Hypothesis[];
  horizonMs?: number;
}

/** What a supposition is judged against. */
export interface SupposeContext {
  cluster: ClusterConfig;
  /** Cluster time. */
  nowMs: number;
  /** Name of whoever asks: the owner of a supposed order that names none. */
  principal: string;
}

const HYPOTHESES_MAX = 20;
const HORIZON_MIN_MS = 1_000;

const NAME = line(NAME_CHARS_MAX);
/** As POST /v1/overrides takes it, or as GET /v1/overrides gives it. Only what the core looks at is asked for. */
const ORDER = z.strictObject({
  id: ORDER_ID.optional(),
  kind: ORDER_KIND,
  scope: ORDER_SCOPE,
  weights: ORDER_WEIGHTS.optional(),
  reason: line(REASON_CHARS_MAX).optional(),
  owner: line(LABEL_CHARS_MAX).optional(),
  by: line(200).optional(),
  ticket: line(LABEL_CHARS_MAX).optional(),
  ttl: durationText.optional(),
  ttlMs: z.int().min(TTL_MIN_MS).max(TTL_MAX_MS).optional(),
  startsAt: INSTANT.optional(),
  createdAtMs: z.number().optional(),
  startsAtMs: z.number().optional(),
  expiresAtMs: z.number().optional(),
  breakGlass: z.boolean().optional(),
  approval: z.strictObject({ by: line(200).nullable(), atMs: z.number().nullable() }).optional(),
  drill: z.boolean().optional(),
  told: z.array(z.enum(['started', 'expiring', 'break-glass', 'replaced'] satisfies OverrideNews[])).optional(),
});
const KINDS = {
  'region-down': z.strictObject({ kind: z.literal('region-down'), region: NAME }),
  'pool-down': z.strictObject({ kind: z.literal('pool-down'), service: NAME, pool: NAME }),
  'vantage-cut': z.strictObject({ kind: z.literal('vantage-cut'), region: NAME }),
  override: z.strictObject({ kind: z.literal('override'), override: ORDER }),
  'override-gone': z.strictObject({ kind: z.literal('override-gone'), id: line(64) }),
} as const;
const HYPOTHESIS = z.discriminatedUnion(
  'kind',
  [KINDS['region-down'], KINDS['pool-down'], KINDS['vantage-cut'], KINDS.override, KINDS['override-gone']],
  { error: `kind must be one of ${Object.keys(KINDS).join(', ')}` },
);
const BODY = z.strictObject({
  hypotheses: z.array(HYPOTHESIS).max(HYPOTHESES_MAX, `at most ${HYPOTHESES_MAX} at once`),
  horizonMs: z
    .int()
    .min(HORIZON_MIN_MS, `must be from ${HORIZON_MIN_MS} to ${HORIZON_MAX_MS}`)
    .max(HORIZON_MAX_MS, `must be from ${HORIZON_MIN_MS} to ${HORIZON_MAX_MS}`)
    .optional(),
});

/** The body as JSON Schema. */
export const SUPPOSED_SCHEMA = { ...z.toJSONSchema(BODY, { io: 'input', unrepresentable: 'any' }), $schema: undefined };

type Body = z.output<typeof BODY>;
type Order = z.output<typeof ORDER>;

/** Names that are understood at a place of the body, for `did you mean`. */
const propertiesIn = (body: unknown): Readonly<Record<string, readonly string[]>> => {
  const at: Record<string, readonly string[]> = { '': Object.keys(BODY.shape) };
  const list = (body as { hypotheses?: unknown } | null)?.hypotheses;
  if (!Array.isArray(list)) return at;
  for (const [i, each] of list.slice(0, HYPOTHESES_MAX).entries()) {
    const kind: unknown = each?.kind;
    if (typeof kind === 'string' && Object.hasOwn(KINDS, kind))
      at[`/hypotheses/${i}`] = Object.keys(KINDS[kind as keyof typeof KINDS].shape);
    at[`/hypotheses/${i}/override`] = Object.keys(ORDER.shape);
    at[`/hypotheses/${i}/override/scope`] = Object.keys(ORDER_SCOPE.shape);
  }
  return at;
};

const orderProblems = (at: readonly string[], order: Order, cluster: ClusterConfig): BodyProblem[] => {
  const problems = scopeNameProblems([...at, 'scope'], scopeOf(order.scope), cluster);
  const pointer = (name: string): string => pointerOf([...at, name]);
  const weights = Object.values(order.weights ?? {});
  if (order.kind === 'pin' && (weights.length > POOLS_MAX || weights.reduce((sum, each) => sum + each, 0) !== 1000))
    problems.push({ pointer: pointer('weights'), detail: 'a pin needs thousandths per pool, together 1000' });
  const ends = [order.ttl, order.ttlMs, order.expiresAtMs].filter((each) => each !== undefined);
  if (ends.length > 1) problems.push({ pointer: pointer('ttlMs'), detail: 'give one of ttl, ttlMs and expiresAtMs' });
  if (order.ttl !== undefined && (order.ttl < TTL_MIN_MS || order.ttl > TTL_MAX_MS))
    problems.push({ pointer: pointer('ttl'), detail: 'must be from 1s to 168h' });
  return problems;
};

const nameProblems = (hypothesis: Body['hypotheses'][number], i: number, cluster: ClusterConfig): BodyProblem[] => {
  const at = ['hypotheses', String(i)];
  switch (hypothesis.kind) {
    case 'region-down':
    case 'vantage-cut':
      return regionProblems([...at, 'region'], hypothesis.region, cluster);
    case 'pool-down': {
      const { service, pool } = hypothesis;
      return [...serviceProblems([...at, 'service'], service, cluster), ...poolProblems([...at, 'pool'], service, pool, cluster)];
    }
    case 'override':
      return orderProblems([...at, 'override'], hypothesis.override, cluster);
    case 'override-gone':
      return [];
  }
};

const orderOf = (order: Order, { nowMs, principal }: SupposeContext): Override => {
  const createdAtMs = order.createdAtMs ?? nowMs;
  const startsAtMs = order.startsAtMs ?? (order.startsAt === undefined ? undefined : Date.parse(order.startsAt));
  const { id = 'what-if', kind, weights, reason = 'supposed', owner = principal, by, ticket, breakGlass, approval, drill, told } = order;
  return {
    id,
    kind,
    scope: scopeOf(order.scope),
    ...(weights === undefined ? {} : { weights }),
    reason,
    owner,
    ...(by === undefined ? {} : { by }),
    ...(ticket === undefined ? {} : { ticket }),
    createdAtMs,
    ...(startsAtMs === undefined ? {} : { startsAtMs }),
    expiresAtMs: order.expiresAtMs ?? Math.max(nowMs, startsAtMs ?? nowMs) + (order.ttlMs ?? order.ttl ?? TTL_DEFAULT_MS),
    ...(breakGlass === true ? { breakGlass } : {}),
    ...(approval === undefined ? {} : { approval }),
    ...(drill === true ? { drill } : {}),
    ...(told === undefined ? {} : { told }),
  };
};

/** Understands the body of POST /v1/simulate, or says everything that is wrong with it. */
export const parseSupposed = (body: unknown, context: SupposeContext): Parsed<Supposed> => {
  const shaped = BODY.safeParse(body);
  if (!shaped.success) {
    const known = propertiesIn(body);
    return { ok: false, problems: shaped.error.issues.flatMap((issue) => shapeProblems(issue, known)) };
  }
  const { hypotheses, horizonMs } = shaped.data;
  const problems = hypotheses.flatMap((hypothesis, i) => nameProblems(hypothesis, i, context.cluster));
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    value: {
      hypotheses: hypotheses.map(
        (h): Hypothesis => (h.kind === 'override' ? { kind: 'override', override: orderOf(h.override, context) } : h),
      ),
      ...(horizonMs === undefined ? {} : { horizonMs }),
    },
  };
};
