// What an operator may order, and what is wrong with an order: shape, then names against the cluster's configuration, all problems at once. Pure.
// Ignores whether the order is wise: the core obeys or holds, and says why.
import { z } from 'zod';
import { type ClusterConfig, OVERRIDE_KINDS, type Override, type OverrideScope } from '../model.ts';
import { type BodyProblem, durationText, keptLine, line, type Parsed, pointerOf, shapeProblems, unknownName } from './body.ts';

/** What an order says; the instants are added when it is committed, and who gave it is what the credentials say. */
export type OverrideInput = Pick<
  Override,
  'id' | 'kind' | 'scope' | 'weights' | 'reason' | 'owner' | 'ticket' | 'startsAtMs' | 'breakGlass' | 'drill'
> & { ttlMs: number };

/** What an order is judged against. */
export interface OrderContext {
  cluster: ClusterConfig;
  /** Cluster time. */
  nowMs: number;
  /** Name of whoever is authenticated: the owner, unless the order names another. */
  principal: string;
}

export const TTL_DEFAULT_MS = 4 * 3_600_000;
export const TTL_MIN_MS = 1_000;
/** A week: an order that has to stand for longer belongs in the configuration. */
export const TTL_MAX_MS = 7 * 86_400_000;
export const STARTS_WITHIN_MS = 30 * 86_400_000;
/** Fewer than this tell the next morning's reader nothing. */
export const REASON_CHARS_MIN = 10;
export const REASON_CHARS_MAX = 500;
export const NAME_CHARS_MAX = 253;
export const LABEL_CHARS_MAX = 100;
export const POOLS_MAX = 100;

// The parts of an order, wherever one is read.
export const ORDER_KIND = z.enum(OVERRIDE_KINDS);
export const ORDER_SCOPE = z.strictObject({
  region: line(NAME_CHARS_MAX).optional(),
  service: line(NAME_CHARS_MAX).optional(),
  pool: line(NAME_CHARS_MAX).optional(),
});
export const ORDER_WEIGHTS = z.record(
  z.string().max(NAME_CHARS_MAX),
  z.int('must be whole thousandths').min(0, 'must be from 0 to 1000').max(1000, 'must be from 0 to 1000'),
);
export const INSTANT = z.iso.datetime({ offset: true, error: 'expected an instant as in RFC 3339: 2026-11-22T03:12:00Z' });
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const ID_WANTED = 'must be 1 to 64 of A-Z a-z 0-9 _ - and start with a letter or digit';
export const ORDER_ID = z.string().regex(ID, ID_WANTED);
const BODY = z.strictObject({
  kind: ORDER_KIND,
  scope: ORDER_SCOPE.describe('What it covers; empty: everything. A pool is named together with its service.'),
  weights: ORDER_WEIGHTS.optional().describe('Of a pin, and needed there: thousandths per pool of the service, together 1000.'),
  reason: keptLine(REASON_CHARS_MAX, REASON_CHARS_MIN).describe('What the next morning’s reader should know.'),
  owner: keptLine(LABEL_CHARS_MAX).optional().describe('Whom to ask about it. Default: the name of the credentials.'),
  ticket: keptLine(LABEL_CHARS_MAX).optional(),
  ttl: durationText.optional().describe('How long it stands from its start: 1s to 168h. Default 4h.'),
  ttlMs: z.int().meta({ minimum: TTL_MIN_MS, maximum: TTL_MAX_MS }).optional().describe('The same in milliseconds; give one of them.'),
  startsAt: INSTANT.optional().describe('Not in force before; at most 30 days ahead. Default: at once.'),
  breakGlass: z.boolean().optional().describe('Passes the safety rules that would refuse it; never-empty is not one of them. Pages.'),
  drill: z.boolean().optional().describe('An exercise: it wakes nobody.'),
});

/** The body as JSON Schema. */
export const ORDER_SCHEMA = { ...z.toJSONSchema(BODY, { io: 'input', unrepresentable: 'any' }), $schema: undefined };

const PROPERTIES_AT: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(BODY.shape),
  '/scope': Object.keys(ORDER_SCOPE.shape),
};

/** What each kind has to be given. */
const NEEDS: Readonly<Record<Override['kind'], (scope: OverrideScope) => string | null>> = {
  drain: ({ region, pool }) =>
    region === undefined && pool === undefined
      ? 'a drain needs a region, or a service and a pool; draining everything leaves users nowhere to go'
      : null,
  'force-in': ({ region, pool }) =>
    region === undefined && pool === undefined ? 'a force-in needs a region, or a service and a pool' : null,
  pin: ({ service, pool, region }) =>
    service === undefined || pool !== undefined || region !== undefined
      ? 'a pin needs a service, and only that: its weights name the pools'
      : null,
  evacuate: ({ region, service, pool }) =>
    region === undefined || service !== undefined || pool !== undefined
      ? 'an evacuation needs a region, and only that; for one service, drain it'
      : null,
  freeze: () => null,
  stop: () => null,
};

const namesOf = (named: readonly { name: string }[]): readonly string[] => named.map(({ name }) => name);

export const regionProblems = (path: readonly string[], region: string, { regions }: ClusterConfig): BodyProblem[] =>
  unknownName(path, 'region', region, namesOf(regions));
export const serviceProblems = (path: readonly string[], service: string, { services }: ClusterConfig): BodyProblem[] =>
  unknownName(path, 'service', service, namesOf(services));
/** None of a service that there is not: that is said of the service. */
export const poolProblems = (path: readonly string[], service: string, pool: string, { services }: ClusterConfig): BodyProblem[] => {
  const there = services.find(({ name }) => name === service);
  return there === undefined ? [] : unknownName(path, `pool of ${service}`, pool, namesOf(there.pools));
};

/** Names of a scope, which stands at `at` in the body. */
export const scopeNameProblems = (
  at: readonly string[],
  { region, service, pool }: OverrideScope,
  cluster: ClusterConfig,
): BodyProblem[] => [
  ...(region === undefined ? [] : regionProblems([...at, 'region'], region, cluster)),
  ...(service === undefined ? [] : serviceProblems([...at, 'service'], service, cluster)),
  ...(pool !== undefined && service === undefined
    ? [{ pointer: pointerOf([...at, 'pool']), detail: 'a pool is named together with its service; add scope.service' }]
    : []),
  ...(pool === undefined || service === undefined ? [] : poolProblems([...at, 'pool'], service, pool, cluster)),
];

const scopeProblems = (kind: Override['kind'], scope: OverrideScope, cluster: ClusterConfig): BodyProblem[] => {
  const problems = scopeNameProblems(['scope'], scope, cluster);
  if (scope.pool !== undefined && scope.region !== undefined)
    problems.push({ pointer: '/scope', detail: 'a pool already names its region; give region, or service and pool' });
  const lacks = NEEDS[kind](scope);
  if (lacks !== null) problems.push({ pointer: '/scope', detail: lacks });
  return problems;
};

const weightProblems = (
  kind: Override['kind'],
  weights: Readonly<Record<string, number>> | undefined,
  pools: readonly string[] | null,
): BodyProblem[] => {
  if (kind !== 'pin') return weights === undefined ? [] : [{ pointer: '/weights', detail: `a ${kind} takes no weights; only a pin does` }];
  if (weights === undefined) return [{ pointer: '/weights', detail: 'a pin needs them: thousandths per pool, together 1000' }];
  const named = Object.keys(weights);
  if (named.length > POOLS_MAX) return [{ pointer: '/weights', detail: `may name ${POOLS_MAX} pools` }];
  const unknown = pools === null ? [] : named.flatMap((pool) => unknownName(['weights', pool], 'pool of the service', pool, pools));
  const sum = Object.values(weights).reduce((total, each) => total + each, 0);
  return sum === 1000 ? unknown : [...unknown, { pointer: '/weights', detail: `must sum to 1000 thousandths, these sum to ${sum}` }];
};

const ttlProblems = (body: z.output<typeof BODY>): BodyProblem[] => {
  if (body.ttl !== undefined && body.ttlMs !== undefined) return [{ pointer: '/ttlMs', detail: 'give ttl or ttlMs, not both' }];
  const pointer = body.ttlMs === undefined ? '/ttl' : '/ttlMs';
  const ttlMs = body.ttlMs ?? body.ttl ?? TTL_DEFAULT_MS;
  return ttlMs >= TTL_MIN_MS && ttlMs <= TTL_MAX_MS
    ? []
    : [{ pointer, detail: 'must be from 1s to 168h; what has to stand longer belongs in the configuration' }];
};

const startProblems = (startsAt: string | undefined, nowMs: number): BodyProblem[] => {
  if (startsAt === undefined) return [];
  const inMs = Date.parse(startsAt) - nowMs;
  if (inMs <= 0) return [{ pointer: '/startsAt', detail: 'lies in the past; leave it out to start at once' }];
  return inMs <= STARTS_WITHIN_MS ? [] : [{ pointer: '/startsAt', detail: 'must be within 30 days' }];
};

const idProblems = (id: string): BodyProblem[] => (ID.test(id) ? [] : [{ pointer: '', detail: `the id in the path ${ID_WANTED}` }]);

/** Names are checked as far as the body can be read, so that a mistake elsewhere does not hide them. */
const namesIn = (body: unknown, cluster: ClusterConfig): BodyProblem[] => {
  const readable = z.object({ kind: ORDER_KIND, scope: ORDER_SCOPE }).safeParse(body);
  if (!readable.success) return [];
  const { kind, scope } = readable.data;
  const pools = cluster.services.find(({ name }) => name === scope.service)?.pools.map(({ name }) => name) ?? null;
  const weighed = z.object({ weights: ORDER_WEIGHTS.optional() }).safeParse(body);
  return [...scopeProblems(kind, scopeOf(scope), cluster), ...(weighed.success ? weightProblems(kind, weighed.data.weights, pools) : [])];
};

/** What is left out is not there. */
export const scopeOf = ({ region, service, pool }: z.output<typeof ORDER_SCOPE>): OverrideScope => ({
  ...(region === undefined ? {} : { region }),
  ...(service === undefined ? {} : { service }),
  ...(pool === undefined ? {} : { pool }),
});

/** Understands the body of an order, or says everything that is wrong with it. */
export const parseOverride = (id: string, body: unknown, { cluster, nowMs, principal }: OrderContext): Parsed<OverrideInput> => {
  const shaped = BODY.safeParse(body);
  const shape = shaped.success
    ? [...ttlProblems(shaped.data), ...startProblems(shaped.data.startsAt, nowMs)]
    : shaped.error.issues.flatMap((issue) => shapeProblems(issue, PROPERTIES_AT));
  const problems = [...idProblems(id), ...shape, ...namesIn(body, cluster)];
  if (!shaped.success || problems.length > 0) return { ok: false, problems };
  const { kind, scope, weights, reason, owner, ticket, ttl, ttlMs, startsAt, breakGlass, drill } = shaped.data;
  return {
    ok: true,
    value: {
      id,
      kind,
      scope: scopeOf(scope),
      ...(weights === undefined ? {} : { weights }),
      reason,
      owner: owner ?? principal,
      ...(ticket === undefined ? {} : { ticket }),
      ...(startsAt === undefined ? {} : { startsAtMs: Date.parse(startsAt) }),
      ...(breakGlass === true ? { breakGlass } : {}),
      ...(drill === true ? { drill } : {}),
      ttlMs: ttlMs ?? ttl ?? TTL_DEFAULT_MS,
    },
  };
};

/** The id of an order that came without one: readable, and made from its key, so that one key is one order. Any body will do. */
export const orderId = (body: unknown, hash: string): string => {
  const readable = z.object({ kind: ORDER_KIND, scope: ORDER_SCOPE }).safeParse(body);
  if (!readable.success) return `order-${hash.slice(0, 12)}`;
  const { kind, scope } = readable.data;
  const about = (scope.pool ?? scope.region ?? scope.service ?? 'all').replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 36);
  return `${kind}-${about}-${hash.slice(0, 12)}`.replaceAll(/--+/g, '-');
};
