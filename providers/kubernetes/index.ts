// Kubernetes: weights of an HTTPRoute (Gateway API), or one Deployment per pool, perhaps each in a cluster of its own, scaled up and down.
// Every write is one JSON patch that compares the fence on the object and changes it in the same transaction of the API server. No retry, no timer: those are
// the publisher's.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { errorText, Fault } from '../../src/errors.ts';
import { type Cluster, type ClusterConfig, type ObjectRef, openCluster, type PatchOp, refusalOf } from '../../src/kubernetes.ts';
import { type Ports, withDeadline } from '../../src/ports.ts';
import { formatFence } from '../fence.ts';
import type {
  Applied,
  Capabilities,
  Change,
  Fence,
  Owned,
  Provider,
  ProviderContext,
  ProviderModule,
  ProviderService,
  ReadBack,
} from '../provider.ts';
import { attempted, readBacksOf, unreadIn } from '../unread.ts';
import {
  blockedBy,
  canSpare,
  type DeploymentEntry,
  deploymentRef,
  deploymentShape,
  deploymentShares,
  deploymentSteps,
  deploymentsBack,
  FENCE_ANNOTATION,
  type HttpRouteEntry,
  lackFor,
  refText,
  routeBack,
  routeOps,
  routeRef,
  routeShape,
  routeShares,
  textBefore,
  textOf,
} from './convert.ts';
import { createSlots, type Slots } from './slots.ts';

export interface KubernetesConfig {
  kind: 'kubernetes';
  clusters: Readonly<Record<string, ClusterConfig>>;
  /** All of one kind: what an entry can do is said once for all of its services. */
  services: Readonly<Record<string, { httpRoute: HttpRouteEntry } | { deployments: Readonly<Record<string, DeploymentEntry>> }>>;
}

const httpRoutes: Capabilities = {
  fencing: 'conditional',
  weights: 'exact',
  batchMax: 1,
  servesAnswers: false,
  ttlFloorS: 0,
  checkedOn: '2026-11-26',
};

const deployments: Capabilities = { ...httpRoutes, weights: 'onOff' };

/** What is asked of one API server at once, over all services of a read; and patches of one write at once. */
const AT_ONCE = 8;
/** Of one cluster in one read: one that is gone must leave time for those that are there. */
const CLUSTER_MS = 1500;

export const kubernetes = {
  kind: 'kubernetes',
  can: httpRoutes,
  open(config: KubernetesConfig, context: Pick<ProviderContext, 'ports' | 'secret' | 'fetch' | 'httpTrusting'>): Provider {
    const clusters = new Map(Object.entries(config.clusters).map(([name, entry]) => [name, openCluster(name, entry, context)]));
    const entryOf = (service: string) => {
      const entry = config.services[service];
      assert(entry !== undefined, `${service} is no service of this provider; the configuration should not have let it pass`);
      return entry;
    };
    const clusterOf = ({ cluster }: ObjectRef): Cluster => {
      const found = clusters.get(cluster);
      assert(found !== undefined, `cluster ${cluster} is unknown; the configuration should not have let it pass`);
      return found;
    };
    const modeOf = (service: string): Mode => {
      const entry = entryOf(service);
      return 'httpRoute' in entry ? routeMode(entry.httpRoute) : deploymentsMode(entry.deployments);
    };
    return {
      can: Object.values(config.services).some((entry) => 'deployments' in entry) ? deployments : httpRoutes,
      quantise: (service) => modeOf(service.service).quantise(service),
      read: async (services, signal) => {
        const looking = lookingAt(clusterOf, context.ports, signal);
        const reading = services.map((service) => attempted(service, () => modeOf(service.service).read(looking, service)));
        return readBacksOf(await Promise.all(reading), signal);
      },
      apply: async (changes, signal) => {
        const names = changes.map(({ desired }) => desired.service);
        assert(new Set(names).size === names.length, `a batch that names a service twice: ${names.join(', ')}`);
        const [change, ...more] = changes;
        assert(change !== undefined && more.length === 0, `a batch of ${names.length} services, where each is written by itself`);
        return applyOne(clusterOf, modeOf(change.desired.service), change, signal);
      },
      owns: (services) => services.flatMap((service) => modeOf(service.service).owns(service)),
      close: async () => void (await Promise.all([...clusters.values()].map((cluster) => cluster.close()))),
    };
  },
} satisfies ProviderModule<KubernetesConfig>;

// ---- the two modes ----

interface Write {
  pool: string;
  ref: ObjectRef;
  ops: readonly PatchOp[];
}

/** How one service is served. */
interface Mode {
  /** A write puts right what is foreign. Backends of no pool are left alone. */
  mendsForeign: boolean;
  quantise(service: ProviderService): Readonly<Record<string, number>>;
  /** Throws Fault ERR_PROVIDER, the transport's error or the signal's reason. */
  read(get: Get, service: ProviderService): Promise<ReadBack>;
  /** Why what was read is too little for this change; null: it is enough. */
  lackFor(change: Change): string | null;
  /** `phases`: those of a phase go side by side, after all of the phase before. */
  writes(change: Change): { checks: readonly Write[]; phases: readonly (readonly Write[])[] };
  owns(service: ProviderService): readonly Owned[];
}

const OWN_ANNOTATION = `metadata.annotations["${FENCE_ANNOTATION}"]`;

const routeMode = (entry: HttpRouteEntry): Mode => {
  const ref = routeRef(entry);
  return {
    mendsForeign: false,
    quantise: routeShares,
    read: async (get, service) => {
      const route = await getAs(get, ref, routeShape);
      return fitting([ref], () => routeBack(service, entry, route));
    },
    lackFor: () => null,
    writes: (change) => ({ checks: [], phases: [[{ pool: '', ref, ops: routeOps(change, entry) }]] }),
    owns: () => [
      {
        object: refText(ref),
        fields: [`spec.rules[${entry.rule}].backendRefs[].weight of the pools' backends`, OWN_ANNOTATION],
        terraform: {
          resource: 'kubernetes_manifest',
          ignoreChanges: [],
          note: `computed_fields = ["spec.rules", ${JSON.stringify(OWN_ANNOTATION)}], since this resource has no finer way`,
        },
      },
    ],
  };
};

const deploymentsMode = (entries: Readonly<Record<string, DeploymentEntry>>): Mode => {
  const refOf = (pool: string): ObjectRef => deploymentRef(entries[pool]!);
  const withRef = (step: { pool: string; ops: readonly PatchOp[] }): Write => ({ ...step, ref: refOf(step.pool) });
  return {
    mendsForeign: true,
    quantise: deploymentShares,
    read: async (get, service) => {
      const looks = await Promise.all(service.pools.map(async ({ pool }) => ({ pool, ...(await looked(get, refOf(pool))) })));
      const missing = looks.flatMap((look) => ('error' in look ? [look] : []));
      const needed = missing.find(({ pool }) => !canSpare(service, pool));
      if (needed !== undefined) throw needed.error;
      const found = new Map(looks.flatMap((look) => ('body' in look ? [[look.pool, look.body] as const] : [])));
      const leftOut = new Map(missing.map(({ pool, error }) => [pool, errorText(error)]));
      return fitting(
        service.pools.map(({ pool }) => refOf(pool)),
        () => deploymentsBack(service, entries, found, leftOut),
      );
    },
    lackFor,
    writes: (change) => {
      const { checks, phases } = deploymentSteps(change, entries);
      return { checks: checks.map(withRef), phases: phases.map((phase) => phase.map(withRef)) };
    },
    owns: ({ pools }) =>
      pools.map(({ pool }) => ({
        object: refText(refOf(pool)),
        fields: ['spec.replicas', OWN_ANNOTATION],
        terraform: {
          resource: 'kubernetes_deployment_v1',
          ignoreChanges: ['spec[0].replicas', `metadata[0].annotations["${FENCE_ANNOTATION}"]`],
        },
      })),
  };
};

// ---- reading ----

type ClusterOf = (ref: ObjectRef) => Cluster;
type Get = (ref: ObjectRef) => Promise<unknown>;

/** One read of many objects. A cluster that once did not answer in time is not asked again in it, and takes no time from the others. */
const lookingAt = (clusterOf: ClusterOf, { timers }: Pick<Ports, 'timers'>, signal: AbortSignal): Get => {
  const silent = new Map<string, unknown>();
  const slots = new Map<string, Slots>();
  const slotsOf = (cluster: string): Slots => {
    const known = slots.get(cluster) ?? createSlots(AT_ONCE);
    slots.set(cluster, known);
    return known;
  };
  return async (ref) =>
    slotsOf(ref.cluster)(async () => {
      if (silent.has(ref.cluster)) throw silent.get(ref.cluster);
      return withDeadline(timers, CLUSTER_MS, `cluster ${ref.cluster}`, (inner) => getOne(clusterOf, ref, inner), signal).catch(
        (error: unknown) => {
          if (!(error instanceof Fault && error.code === 'ERR_PROVIDER')) silent.set(ref.cluster, error);
          throw error;
        },
      );
    });
};

/** Throws Fault ERR_PROVIDER for a body that is another thing, and what `get` throws. */
const getAs = async <T>(get: Get, ref: ObjectRef, shape: z.ZodType<T>): Promise<T> => {
  const body = await get(ref);
  return fitting([ref], () => shape.parse(body));
};

/** Never rejects. */
const looked = (get: Get, ref: ObjectRef): Promise<{ body: z.infer<typeof deploymentShape> } | { error: unknown }> =>
  getAs(get, ref, deploymentShape).then(
    (body) => ({ body }),
    (error: unknown) => ({ error }),
  );

/** Throws Fault ERR_PROVIDER that names the objects. */
const fitting = <T>(refs: readonly ObjectRef[], convert: () => T): T => {
  try {
    return convert();
  } catch (error) {
    const what = error instanceof z.ZodError ? `is not as expected: ${z.prettifyError(error)}` : errorText(error);
    throw new Fault('ERR_PROVIDER', `${refs.map(refText).join(', ')}: ${what}`);
  }
};

const getOne = async (clusterOf: ClusterOf, ref: ObjectRef, signal: AbortSignal): Promise<unknown> => {
  try {
    return await clusterOf(ref).get(ref, signal);
  } catch (error) {
    const refused = refusalOf(error);
    if (refused === null) throw error;
    throw new Fault('ERR_PROVIDER', `${refText(ref)}: ${refused.message} (${refused.status})${hintOf(refused.status, 'get')}`);
  }
};

const hintOf = (status: number, verb: 'get' | 'patch'): string => {
  switch (status) {
    case 401:
      return '; the token is not taken';
    case 403:
      return `; the role must grant ${verb} of this object`;
    case 404:
      return '; compare namespace and name, and whether the cluster knows this kind of object';
    default:
      return '';
  }
};

// ---- writing ----

const applyOne = async (clusterOf: ClusterOf, mode: Mode, change: Change, signal: AbortSignal): Promise<Applied> => {
  const { desired, fence, previous } = change;
  const shares = mode.quantise(desired);
  if (previous.fence !== null && previous.fence.v > fence.v)
    return { outcome: 'conflict', because: `${desired.service}: fence ${previous.fence.v} is served, ours is ${fence.v}` };
  const unread = unreadIn([change]);
  if (unread !== null) return unread;
  if (previous.token === null) return { outcome: 'undecided', because: `${desired.service}: it has not been read yet` };
  const lack = mode.lackFor(change);
  if (lack !== null) return { outcome: 'undecided', because: `${desired.service}: ${lack}` };
  const blocked = blockedBy(previous);
  if (blocked !== null) return { outcome: 'conflict', because: `${desired.service}: ${blocked} stands where the fence belongs; remove it` };
  if (isThere(mode, change, shares)) return { outcome: 'applied' };
  const { checks, phases } = mode.writes(change);
  const patching = (isTrial: boolean) => (write: Write) => patchOne({ clusterOf, previous, fence, isTrial }, write, signal);
  // Several objects are several transactions: each is tried first, so that what can be refused is refused before anything is written.
  const tried = checks.length > 1 ? await sideBySide(checks, patching(true)) : [];
  const refused = tried.find(({ outcome }) => outcome !== 'applied');
  return refused ?? inPhases(phases, patching(false));
};

/** Who has the object of the first phase has the service: refused there, nothing was written. */
const inPhases = async (phases: readonly (readonly Write[])[], patch: (write: Write) => Promise<Applied>): Promise<Applied> => {
  let written = 0;
  const requests: string[] = [];
  for (const phase of phases) {
    const outcomes = await sideBySide(phase, patch);
    requests.push(...outcomes.flatMap((outcome) => outcome.requests ?? []));
    written += outcomes.filter(({ outcome }) => outcome === 'applied').length;
    const failed = outcomes.find((outcome) => outcome.outcome !== 'applied');
    if (failed === undefined) continue;
    if (phase === phases[0]) return { ...failed, ...named(requests) };
    const because = `${failed.because}; ${written} of ${phases.flat().length} steps were written`;
    return { outcome: failed.outcome === 'fatal' ? 'fatal' : 'undecided', because, ...named(requests) };
  }
  return { outcome: 'applied', ...named(requests) };
};

const named = (requests: readonly string[]): { requests?: readonly string[] } => (requests.length === 0 ? {} : { requests });

/** None waits for another's outcome. In: `work` that does not reject. */
const sideBySide = async <T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> => {
  const slots = createSlots(AT_ONCE);
  return Promise.all(items.map((item) => slots(() => work(item))));
};

/** The nonce is new with every look, so it is no reason to write: what stays foreign would be one for ever. */
const isThere = ({ mendsForeign }: Mode, { fence, previous }: Change, shares: ReadBack['shares']): boolean =>
  previous.fence !== null &&
  isDeepStrictEqual({ ...previous.fence, nonce: '' }, { ...fence, nonce: '' }) &&
  isDeepStrictEqual(previous.shares, shares) &&
  (previous.foreign.length === 0 || !mendsForeign);

interface Patching {
  clusterOf: ClusterOf;
  previous: ReadBack;
  fence: Fence;
  isTrial: boolean;
}

const patchOne = async (patching: Patching, write: Write, signal: AbortSignal): Promise<Applied> => {
  const requests: string[] = [];
  const applied = await patchedOne(patching, write, signal, (id) => requests.push(id));
  return { ...applied, ...named(requests) };
};

const patchedOne = async (
  { clusterOf, previous, fence, isTrial }: Patching,
  { pool, ref, ops }: Write,
  signal: AbortSignal,
  onAuditId: (id: string) => void,
): Promise<Applied> => {
  const where = `patch of ${refText(ref)}`;
  try {
    // The reply is the object as it is now; something in between could answer for the server.
    if (textOf(await clusterOf(ref).patch(ref, ops, isTrial, signal, onAuditId)) === formatFence(fence)) return { outcome: 'applied' };
    return { outcome: 'undecided', because: `${where}: the reply does not show our fence; it is read again` };
  } catch (error) {
    const refused = refusalOf(error);
    if (refused === null) return { outcome: 'undecided', because: `${where}: ${errorText(error)}` };
    const { status } = refused;
    const because = `${where}: ${refused.message} (${status})${hintOf(status, 'patch')}`;
    if (status === 409 || status === 422) return whoseRefusal({ clusterOf, previous, pool, ref, because, isFatal: status === 422 }, signal);
    return status === 429 || status >= 500 || status === 408 || status < 400
      ? { outcome: 'undecided', because }
      : { outcome: 'fatal', because };
  }
};

/** A patch whose comparison fails is refused with the same status as one that makes an object invalid, so the object itself is asked whose fence it carries. */
const whoseRefusal = async (
  asked: { clusterOf: ClusterOf; previous: ReadBack; pool: string; ref: ObjectRef; because: string; isFatal: boolean },
  signal: AbortSignal,
): Promise<Applied> => {
  const { clusterOf, previous, pool, ref, because, isFatal } = asked;
  try {
    if (textOf(await clusterOf(ref).get(ref, signal)) !== textBefore(previous, pool))
      return { outcome: 'conflict', because: `${refText(ref)}: another fence is there; nothing was written` };
    return isFatal
      ? { outcome: 'fatal', because }
      : { outcome: 'undecided', because: `${because}; the object changed since it was read, but not its fence` };
  } catch (error) {
    return { outcome: 'undecided', because: `${because}; reading it again: ${errorText(error)}` };
  }
};
