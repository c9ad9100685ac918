// What an operator may order, and what is wrong with an order: shape, then names against the cluster's configuration, all problems at once. Pure.
// Ignores whether the order is wise: the core obeys or holds, and says why.
import { z } from 'zod';
import { parseDuration } from '../config/fields.ts';
import { didYouMean, list } from '../config/words.ts';
import type { ClusterConfig, Override, OverrideScope } from '../model.ts';

/** A wrong place in a body: JSON pointer and sentence. */
export interface BodyProblem {
  pointer: string;
  detail: string;
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: readonly BodyProblem[] };

/** What PUT /v1/overrides/:id orders; the instants are added when it is committed. */
export type OverrideInput = Pick<Override, 'id' | 'kind' | 'scope' | 'reason' | 'owner'> & { ttlMs: number };

export const TTL_DEFAULT_MS = 4 * 3_600_000;
export const TTL_MIN_MS = 1_000;
/** A week: an order that has to stand for longer belongs in the configuration. */
export const TTL_MAX_MS = 7 * 86_400_000;
export const REASON_CHARS_MAX = 500;
const NAME_CHARS_MAX = 253;

// Orders are printed in terminals and pages: no control characters, so that none can rewrite the line around it.
const line = (charsMax: number): z.ZodType<string> =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(charsMax, `must have at most ${charsMax} characters`)
    .regex(/^[^\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u, 'must be one line without control characters');

const ttlText = z.string().transform((text, context) => {
  const ms = parseDuration(text.trim());
  if (ms === null)
    context.addIssue({ code: 'custom', message: `expected a duration such as 90s, 15m or 4h, found "${text.slice(0, 40)}"` });
  return ms ?? TTL_DEFAULT_MS;
});

const KIND = z.enum(['drain', 'freeze', 'stop']);
const SCOPE = z.strictObject({
  region: line(NAME_CHARS_MAX).optional(),
  service: line(NAME_CHARS_MAX).optional(),
  pool: line(NAME_CHARS_MAX).optional(),
});
const BODY = z.strictObject({
  kind: KIND,
  scope: SCOPE,
  reason: line(REASON_CHARS_MAX),
  owner: line(100),
  ttl: ttlText.optional(),
  ttlMs: z.int().optional(),
});

const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** `; did you mean "x"?`, or the names there are. */
const meant = (name: string, candidates: readonly string[]): string => `; ${didYouMean(name, candidates, `known: ${list(candidates)}`)}`;

const PROPERTIES_AT: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(BODY.shape),
  '/scope': Object.keys(SCOPE.shape),
};

const shapeProblems = (issue: z.core.$ZodIssue): BodyProblem[] => {
  const pointer = pointerOf(issue.path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, 20).map((key) => ({
      pointer: `${pointer}${pointerOf([key.slice(0, 64)])}`,
      detail: `is not a property that is understood here${meant(key, PROPERTIES_AT[pointer] ?? [])}`,
    }));
  return [{ pointer, detail: issue.message }];
};

const unknownName = (pointer: string, what: string, name: string, candidates: readonly string[]): BodyProblem[] =>
  candidates.includes(name) ? [] : [{ pointer, detail: `no ${what} is called "${name.slice(0, 80)}"${meant(name, candidates)}` }];

const scopeProblems = (kind: Override['kind'], scope: OverrideScope, cluster: ClusterConfig): BodyProblem[] => {
  const problems: BodyProblem[] = [];
  const services = cluster.services.map((service) => service.name);
  const regions = cluster.regions.map((region) => region.name);
  if (scope.region !== undefined) problems.push(...unknownName('/scope/region', 'region', scope.region, regions));
  if (scope.service !== undefined) problems.push(...unknownName('/scope/service', 'service', scope.service, services));
  const service = cluster.services.find((each) => each.name === scope.service);
  if (scope.pool !== undefined && scope.service === undefined)
    problems.push({ pointer: '/scope/pool', detail: 'a pool is named together with its service; add scope.service' });
  if (scope.pool !== undefined && service !== undefined) {
    const pools = service.pools.map((pool) => pool.name);
    problems.push(...unknownName('/scope/pool', `pool of ${service.name}`, scope.pool, pools));
  }
  if (scope.pool !== undefined && scope.region !== undefined)
    problems.push({ pointer: '/scope', detail: 'a pool already names its region; give region, or service and pool' });
  if (kind === 'drain' && scope.region === undefined && scope.pool === undefined)
    problems.push({
      pointer: '/scope',
      detail: 'a drain needs a region, or a service and a pool; draining everything leaves users nowhere to go',
    });
  return problems;
};

const ttlProblems = (body: z.output<typeof BODY>): BodyProblem[] => {
  if (body.ttl !== undefined && body.ttlMs !== undefined) return [{ pointer: '/ttlMs', detail: 'give ttl or ttlMs, not both' }];
  const pointer = body.ttlMs === undefined ? '/ttl' : '/ttlMs';
  const ttlMs = body.ttlMs ?? body.ttl ?? TTL_DEFAULT_MS;
  return ttlMs >= TTL_MIN_MS && ttlMs <= TTL_MAX_MS
    ? []
    : [{ pointer, detail: 'must be from 1s to 168h; what has to stand longer belongs in the configuration' }];
};

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const idProblems = (id: string): BodyProblem[] =>
  ID.test(id) ? [] : [{ pointer: '', detail: 'the id in the path must be 1 to 64 of A-Z a-z 0-9 _ - and start with a letter or digit' }];

/** Names are checked as far as the body can be read, so that a mistake elsewhere does not hide them. */
const namesIn = (body: unknown, cluster: ClusterConfig): BodyProblem[] => {
  const readable = z.object({ kind: KIND, scope: SCOPE }).safeParse(body);
  return readable.success ? scopeProblems(readable.data.kind, scopeOf(readable.data.scope), cluster) : [];
};

const scopeOf = ({ region, service, pool }: z.output<typeof SCOPE>): OverrideScope => ({
  ...(region === undefined ? {} : { region }),
  ...(service === undefined ? {} : { service }),
  ...(pool === undefined ? {} : { pool }),
});

/** Understands the body of PUT /v1/overrides/:id, or says everything that is wrong with it. */
export const parseOverride = (id: string, body: unknown, cluster: ClusterConfig): Parsed<OverrideInput> => {
  const shaped = BODY.safeParse(body);
  const shape = shaped.success ? ttlProblems(shaped.data) : shaped.error.issues.flatMap(shapeProblems);
  const problems = [...idProblems(id), ...shape, ...namesIn(body, cluster)];
  if (!shaped.success || problems.length > 0) return { ok: false, problems };
  const { kind, scope, reason, owner, ttl, ttlMs } = shaped.data;
  return { ok: true, value: { id, kind, scope: scopeOf(scope), reason, owner, ttlMs: ttlMs ?? ttl ?? TTL_DEFAULT_MS } };
};
