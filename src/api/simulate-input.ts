// What may be supposed, and what is wrong with a supposition: shape, then names against the cluster's configuration, all problems at once. Pure.
import { z } from 'zod';
import type { ClusterConfig, Override, OverrideNews } from '../model.ts';
import { HORIZON_MAX_MS } from '../whatif/forecast.ts';
import type { Hypothesis } from '../whatif/hypothesis.ts';
import { type BodyProblem, durationText, line, type Parsed, shapeProblems, unknownName } from './body.ts';

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

export const HYPOTHESES_MAX = 20;
const HORIZON_MIN_MS = 1_000;
const NAME_CHARS_MAX = 253;
const TTL_DEFAULT_MS = 4 * 3_600_000;
const TTL_MAX_MS = 7 * 86_400_000;
const POOLS_MAX = 100;

const NAME = line(NAME_CHARS_MAX);
const INSTANT = z.iso.datetime({ offset: true, error: 'expected an instant as in RFC 3339: 2026-11-22T03:12:00Z' });
const SCOPE = z.strictObject({ region: NAME.optional(), service: NAME.optional(), pool: NAME.optional() });
/** As POST /v1/overrides takes it, or as GET /v1/overrides gives it. Only what the core looks at is asked for. */
const ORDER = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ - and start with a letter or digit')
    .optional(),
  kind: z.enum(['drain', 'force-in', 'pin', 'freeze', 'evacuate', 'stop']),
  scope: SCOPE,
  weights: z.record(z.string().max(NAME_CHARS_MAX), z.int().min(0).max(1000)).optional(),
  reason: line(500).optional(),
  owner: line(100).optional(),
  by: line(200).optional(),
  ticket: line(100).optional(),
  ttl: durationText.optional(),
  ttlMs: z.int().min(1000).max(TTL_MAX_MS).optional(),
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
    at[`/hypotheses/${i}/override/scope`] = Object.keys(SCOPE.shape);
  }
  return at;
};

const regionsOf = ({ regions }: ClusterConfig): readonly string[] => regions.map(({ name }) => name);
const servicesOf = ({ services }: ClusterConfig): readonly string[] => services.map(({ name }) => name);

const poolProblems = (path: readonly string[], service: string, pool: string, cluster: ClusterConfig): BodyProblem[] => {
  const there = cluster.services.find(({ name }) => name === service);
  return there === undefined
    ? []
    : unknownName(
        path,
        `pool of ${service}`,
        pool,
        there.pools.map(({ name }) => name),
      );
};

const orderProblems = (at: readonly string[], order: Order, cluster: ClusterConfig): BodyProblem[] => {
  const { region, service, pool } = order.scope;
  const problems: BodyProblem[] = [];
  const pointer = (...path: string[]): string => `/${[...at, ...path].join('/')}`;
  if (region !== undefined) problems.push(...unknownName([...at, 'scope', 'region'], 'region', region, regionsOf(cluster)));
  if (service !== undefined) problems.push(...unknownName([...at, 'scope', 'service'], 'service', service, servicesOf(cluster)));
  if (pool !== undefined && service === undefined)
    problems.push({ pointer: pointer('scope', 'pool'), detail: 'a pool is named together with its service; add scope.service' });
  if (pool !== undefined && service !== undefined) problems.push(...poolProblems([...at, 'scope', 'pool'], service, pool, cluster));
  const weights = Object.values(order.weights ?? {});
  if (order.kind === 'pin' && (weights.length > POOLS_MAX || weights.reduce((sum, each) => sum + each, 0) !== 1000))
    problems.push({ pointer: pointer('weights'), detail: 'a pin needs thousandths per pool, together 1000' });
  const ends = [order.ttl, order.ttlMs, order.expiresAtMs].filter((each) => each !== undefined);
  if (ends.length > 1) problems.push({ pointer: pointer('ttlMs'), detail: 'give one of ttl, ttlMs and expiresAtMs' });
  if (order.ttl !== undefined && (order.ttl < 1000 || order.ttl > TTL_MAX_MS))
    problems.push({ pointer: pointer('ttl'), detail: 'must be from 1s to 168h' });
  return problems;
};

const nameProblems = (hypothesis: Body['hypotheses'][number], i: number, cluster: ClusterConfig): BodyProblem[] => {
  const at = ['hypotheses', String(i)];
  switch (hypothesis.kind) {
    case 'region-down':
    case 'vantage-cut':
      return unknownName([...at, 'region'], 'region', hypothesis.region, regionsOf(cluster));
    case 'pool-down': {
      const { service, pool } = hypothesis;
      return [
        ...unknownName([...at, 'service'], 'service', service, servicesOf(cluster)),
        ...poolProblems([...at, 'pool'], service, pool, cluster),
      ];
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
  const { region, service, pool } = order.scope;
  return {
    id,
    kind,
    scope: {
      ...(region === undefined ? {} : { region }),
      ...(service === undefined ? {} : { service }),
      ...(pool === undefined ? {} : { pool }),
    },
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
