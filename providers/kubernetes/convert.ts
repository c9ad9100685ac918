// Between a decided route and objects of Kubernetes: weights of an HTTPRoute's backends, or the replicas of one Deployment per pool. The fence is an annotation
// of the object and is compared by the same JSON patch that changes it, so neither a status that changes all the time nor an edit elsewhere in the object is
// mistaken for another writer. Pure.
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { ObjectRef, PatchOp } from '../../src/kubernetes.ts';
import { formatFence, parseFence } from '../fence.ts';
import type { Change, ProviderService, ReadBack } from '../provider.ts';
import { poolsIn, thousandthsOf, wholeUnits } from '../rounding.ts';

export const FENCE_ANNOTATION = 'tidegate.dev/fence';

export interface HttpRouteEntry {
  cluster: string;
  namespace: string;
  name: string;
  /** Which of `spec.rules`, counted from 0. */
  rule: number;
  /** Pool -> name of a backend of that rule. */
  backends: Readonly<Record<string, string>>;
}

export interface DeploymentEntry {
  cluster: string;
  namespace: string;
  name: string;
  /** While the pool is in. */
  replicas: number;
  /** While it is out. */
  out: number;
}

export const routeRef = ({ cluster, namespace, name }: HttpRouteEntry): ObjectRef => ({
  cluster,
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  plural: 'httproutes',
  namespace,
  name,
});

export const deploymentRef = ({ cluster, namespace, name }: DeploymentEntry): ObjectRef => ({
  cluster,
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  namespace,
  name,
});

export const refText = ({ cluster, plural, namespace, name }: ObjectRef): string =>
  `${plural.slice(0, -1)} ${namespace}/${name} in ${cluster}`;

// ---- the guard ----

const metadataShape = z.object({
  resourceVersion: z.string().min(1),
  annotations: z.record(z.string(), z.string()).optional(),
});

/** What the object said when it was read. */
export interface Guard {
  /** The fence's text; null: there is no such annotation. */
  text: string | null;
  resourceVersion: string;
  /** It has annotations at all. */
  isAnnotated: boolean;
}

const guardOf = ({ resourceVersion, annotations }: z.infer<typeof metadataShape>): Guard => ({
  text: annotations?.[FENCE_ANNOTATION] ?? null,
  resourceVersion,
  isAnnotated: annotations !== undefined,
});

const FENCE_PATH = `/metadata/annotations/${FENCE_ANNOTATION.replace('/', '~1')}`;

/** The old fence must be there, or, for the first write, the object must be the very one that was read without one. */
export const fenceOps = (guard: Guard, text: string): readonly PatchOp[] => {
  if (guard.text !== null)
    return [
      { op: 'test', path: FENCE_PATH, value: guard.text },
      { op: 'replace', path: FENCE_PATH, value: text },
    ];
  return [
    { op: 'replace', path: '/metadata/resourceVersion', value: guard.resourceVersion },
    guard.isAnnotated
      ? { op: 'add', path: FENCE_PATH, value: text }
      : { op: 'add', path: '/metadata/annotations', value: { [FENCE_ANNOTATION]: text } },
  ];
};

// ---- an HTTPRoute ----

const backendShape = z.object({ name: z.string(), weight: z.number().int().nonnegative().optional() });

export const routeShape = z.object({
  metadata: metadataShape,
  spec: z.object({ rules: z.array(z.object({ backendRefs: z.array(backendShape).optional() })).optional() }),
});

/** An HTTPRoute without a weight means one. */
const WEIGHT_DEFAULT = 1;
/** Shares are written as they are decided: thousandths. */
const WEIGHTS_SUM = 1000;

interface RouteToken {
  guard: Guard;
  /** The rule's backends as they stand. */
  backends: readonly { name: string; weight: number | undefined }[];
}

/** Throws for an entry that the object does not fit; the message ends a sentence about the object. */
export const routeBack = (service: ProviderService, entry: HttpRouteEntry, route: z.infer<typeof routeShape>): ReadBack => {
  const backends = route.spec.rules?.[entry.rule]?.backendRefs;
  if (backends === undefined) throw new Error(`has no rule ${entry.rule} with backendRefs`);
  for (const { pool } of service.pools) {
    const found = backends.filter(({ name }) => name === entry.backends[pool]).length;
    if (found !== 1)
      throw new Error(`has ${found} backends "${entry.backends[pool]}" in rule ${entry.rule}, expected one for pool ${pool}`);
  }
  const weightOf = (pool: string): number => backends.find(({ name }) => name === entry.backends[pool])?.weight ?? WEIGHT_DEFAULT;
  const strangers = backends.filter(({ name, weight }) => weight !== 0 && !service.pools.some(({ pool }) => entry.backends[pool] === name));
  const guard = guardOf(route.metadata);
  const fence = guard.text === null ? null : parseFence(guard.text);
  // Before the first write it may be anybody's arrangement; it is told as it is.
  const shares = thousandthsOf(new Map(service.pools.map(({ pool }) => [pool, weightOf(pool)])));
  return {
    fence,
    shares,
    foreign: [...strangers.map(({ name, weight }) => `backend ${name} weight ${weight ?? WEIGHT_DEFAULT}`), ...foreignText(guard)],
    token: { guard, backends: backends.map(({ name, weight }) => ({ name, weight })) } satisfies RouteToken,
  };
};

const foreignText = ({ text }: Guard): readonly string[] =>
  text !== null && parseFence(text) === null ? [`annotation ${JSON.stringify(text)}`] : [];

export const routeShares = (service: ProviderService): Record<string, number> => Object.fromEntries(wholeUnits(service.pools, WEIGHTS_SUM));

/** In: `previous` of `routeBack`. Weights that are right already are left out; each backend is named, since others may have moved it. */
export const routeOps = ({ desired, fence, previous }: Change, entry: HttpRouteEntry): readonly PatchOp[] => {
  const { guard, backends } = previous.token as RouteToken;
  const wanted = routeShares(desired);
  const weights = desired.pools.flatMap(({ pool }): PatchOp[] => {
    const at = backends.findIndex(({ name }) => name === entry.backends[pool]);
    const path = `/spec/rules/${entry.rule}/backendRefs/${at}`;
    if (backends[at]?.weight === wanted[pool]) return [];
    return [
      { op: 'test', path: `${path}/name`, value: entry.backends[pool] },
      { op: backends[at]?.weight === undefined ? 'add' : 'replace', path: `${path}/weight`, value: wanted[pool] },
    ];
  });
  return [...fenceOps(guard, formatFence(fence)), ...weights];
};

// ---- a Deployment per pool ----

export const deploymentShape = z.object({
  metadata: metadataShape,
  spec: z.object({ replicas: z.number().int().nonnegative() }),
});

interface DeploymentState {
  guard: Guard;
  replicas: number;
}

interface DeploymentsToken {
  /** By pool: what could be read. */
  states: ReadonlyMap<string, DeploymentState>;
  /** By pool: why it could not. */
  leftOut: ReadonlyMap<string, string>;
}

type Deployments = Readonly<Record<string, DeploymentEntry>>;

const isIn = ({ replicas }: { replicas: number }, entry: DeploymentEntry): boolean => replicas > entry.out;

/** Equal parts for the pools that are in: how many replicas each has is the autoscaler's affair, in or out is ours. */
const equalParts = (pools: ProviderService['pools'], isPoolIn: (pool: string) => boolean): Readonly<Record<string, number>> | null =>
  thousandthsOf(new Map(pools.map(({ pool }) => [pool, isPoolIn(pool) ? 1 : 0])));

export const deploymentShares = (service: ProviderService): Readonly<Record<string, number>> => {
  const inside = poolsIn(service.pools).map(({ pool }) => pool);
  const shares = equalParts(service.pools, (pool) => inside.includes(pool));
  assert(shares !== null, `${service.service}: an empty route; no pool has a share`);
  return shares;
};

/** A pool that is to be out keeps the others from nothing when it cannot be read. Of a route that says nothing of any pool none can be spared. */
export const canSpare = (service: ProviderService, pool: string): boolean =>
  service.pools.some(({ share }) => share > 0) && deploymentShares(service)[pool] === 0;

/**
 * In: the pools' Deployments, and why those could not be read that are missing, each of which can be spared. They count as out, as the route has it. The fence is
 * the highest that any carries: a Deployment that has just become a pool's carries none, one that a broken write did not reach an old one, and neither makes way
 * for a writer that the others would refuse. Throws when none that was read carries one, and one that was not may.
 */
export const deploymentsBack = (
  service: ProviderService,
  entries: Deployments,
  found: ReadonlyMap<string, z.infer<typeof deploymentShape>>,
  leftOut: ReadonlyMap<string, string> = new Map(),
): ReadBack => {
  const states = new Map([...found].map(([pool, { metadata, spec }]) => [pool, { guard: guardOf(metadata), replicas: spec.replicas }]));
  assert(service.pools.length > 0, `${service.service} has no pools`);
  const fences = [...states].flatMap(
    ([
      pool,
      {
        guard: { text },
      },
    ]) => {
      const fence = text === null ? null : parseFence(text);
      return fence === null ? [] : [{ pool, text, fence }];
    },
  );
  // Of equal ones that of the earlier pool, which is written first.
  const highest = fences.toSorted((a, b) => b.fence.v - a.fence.v)[0] ?? null;
  const astray = fences.filter(({ text }) => text !== highest?.text);
  const foreign = [
    ...[...states.values()].flatMap(({ guard }) => foreignText(guard)),
    ...astray.map(({ pool, fence }) => `fence ${fence.v} on pool ${pool}`),
  ];
  const missing = [...leftOut].map(([pool, because]) => `pool ${pool}: ${because}`).join('; ');
  // Whoever wrote last may have written there alone.
  if (leftOut.size > 0 && fences.length === 0 && foreign.length === 0)
    throw new Error(
      `no Deployment that answers carries a fence, and another may, so that nobody knows who wrote last: ${missing}; take that pool out of the configuration if it is gone`,
    );
  return {
    fence: highest?.fence ?? null,
    shares: equalParts(service.pools, (pool) => states.has(pool) && isIn(states.get(pool)!, entries[pool]!)),
    foreign,
    token: { states, leftOut } satisfies DeploymentsToken,
    ...(leftOut.size === 0 ? {} : { leftOut: missing }),
  };
};

/** Why this route cannot be written over what was read: a pool that is to be in was left out. null: it can. */
export const lackFor = ({ desired, previous }: Change): string | null => {
  const { leftOut } = previous.token as DeploymentsToken;
  const lacking = [...leftOut].find(([pool]) => !canSpare(desired, pool));
  return lacking === undefined ? null : `pool ${lacking[0]} is to be in, and could not be read: ${lacking[1]}`;
};

/** One patch of one pool's Deployment. */
export interface Step {
  pool: string;
  ops: readonly PatchOp[];
}

export interface Steps {
  /** What each Deployment will be asked, to be tried without effect before anything is written. */
  checks: readonly Step[];
  /** The patches. Those of a phase in any order or at once, after all of the phase before; the first phase is one patch. */
  phases: readonly (readonly Step[])[];
}

/**
 * In: `previous` of `deploymentsBack`. The first pool's Deployment goes first, of those that were read, since who has its fence has the service. Then who grows,
 * then who shrinks, so that at no instant fewer pools are in than before or after. What was left out stays so.
 */
export const deploymentSteps = ({ desired, fence, previous }: Change, entries: Deployments): Steps => {
  const { states } = previous.token as DeploymentsToken;
  const wanted = deploymentShares(desired);
  const text = formatFence(fence);
  const plans = desired.pools.flatMap(({ pool }) => {
    const [state, entry] = [states.get(pool), entries[pool]!];
    if (state === undefined) return [];
    const target = wanted[pool]! > 0 ? entry.replicas : entry.out;
    const isRight = isIn(state, entry) === wanted[pool]! > 0;
    const scale: readonly PatchOp[] = isRight ? [] : [{ op: 'replace', path: '/spec/replicas', value: target }];
    return [{ pool, scale, guard: fenceOps(state.guard, text), shrinks: !isRight && target < state.replicas }];
  });
  const [first, ...others] = plans;
  assert(first !== undefined, `${desired.service} has no pools`);
  const whole = ({ pool, guard, scale }: (typeof plans)[number]): Step => ({ pool, ops: [...guard, ...scale] });
  const growing = others.filter(({ shrinks }) => !shrinks).map(whole);
  const shrinking = others.filter(({ shrinks }) => shrinks).map(whole);
  const isTwoStep = first.shrinks && others.length > 0;
  const last: Step = { pool: first.pool, ops: [{ op: 'test', path: FENCE_PATH, value: text }, ...first.scale] };
  const phases = isTwoStep
    ? [[{ pool: first.pool, ops: first.guard }], growing, [...shrinking, last]]
    : [[whole(first)], growing, shrinking];
  return { checks: plans.map(whole), phases: phases.filter((phase) => phase.length > 0) };
};

// ---- both ----

/** By pool; an HTTPRoute has one, under the empty name. */
const guardsOf = ({ token }: ReadBack): readonly (readonly [pool: string, guard: Guard])[] =>
  'guard' in (token as object)
    ? [['', (token as RouteToken).guard]]
    : [...(token as DeploymentsToken).states].map(([pool, { guard }]) => [pool, guard]);

/** A text that is no fence of ours blocks every write until a human puts it right, since nobody knows who wrote last. null: there is none. */
export const blockedBy = (previous: ReadBack): string | null => guardsOf(previous).flatMap(([, guard]) => foreignText(guard))[0] ?? null;

/** The fence's text as it was read. */
export const textBefore = (previous: ReadBack, pool: string): string | null => new Map(guardsOf(previous)).get(pool)?.text ?? null;

/** The fence's text that an object of any kind carries. Throws for what is no object of Kubernetes. */
export const textOf = (body: unknown): string | null => guardOf(z.object({ metadata: metadataShape }).parse(body).metadata).text;
