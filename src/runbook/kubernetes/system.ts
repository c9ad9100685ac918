// One cluster as a system around: reads a Deployment, what scales it and where its pods are, and writes nothing but its scale.
import { Answered, fitting, quoted } from '../../exchange.ts';
import { type ClusterRequest, openCluster, refusalOf } from '../../kubernetes.ts';
import type { SiteFacts } from '../facts.ts';
import type { System } from '../kind.ts';
import type { KubernetesSystemConfig, SystemModule } from '../systems.ts';
import {
  type Autoscaler,
  autoscalerOf,
  autoscalersShape,
  budgetGuards,
  budgetsShape,
  type Deployment,
  deploymentShape,
  type Guard,
  isLimited,
  isReady,
  type Job,
  jobShape,
  nodeShape,
  type Pod,
  podsShape,
  policiesShape,
  policyGuards,
  scaleShape,
  selectorText,
  unpulledOf,
} from './objects.ts';

const OBJECT_BYTES_MAX = 1024 * 1024;
const LIST_BYTES_MAX = 8 * 1024 * 1024;
/** Of a list: what is beyond is not looked at. */
const ITEMS_MAX = 200;
/** Zones are few; nodes that are asked for theirs. */
const NODES_MAX = 32;
const ZONE_LABEL = 'topology.kubernetes.io/zone';

export interface KubernetesSystem extends System {
  readonly kind: 'kubernetes';
  /** Throws Answered: 404 only where the API server itself says that there is none. */
  deployment(namespace: string, name: string, signal: AbortSignal): Promise<Deployment>;
  /** Only while the Deployment is the one that was read: else Answered with 409. Answers how many it is to have now. */
  scale(namespace: string, name: string, replicas: number, resourceVersion: string, signal: AbortSignal): Promise<number>;
  /** null: none targets it. */
  autoscaler(namespace: string, deployment: string, signal: AbortSignal): Promise<Autoscaler | null>;
  pods(deployment: Deployment, signal: AbortSignal): Promise<readonly Pod[]>;
  /** Throws as `deployment` does. */
  job(namespace: string, name: string, signal: AbortSignal): Promise<Job>;
  /** PodDisruptionBudgets of the namespace. */
  budgets(namespace: string, signal: AbortSignal): Promise<readonly Guard[]>;
  /** NetworkPolicies of the namespace. */
  policies(namespace: string, signal: AbortSignal): Promise<readonly Guard[]>;
  /** `check` is not asked here: null. `limited`: each container has a limit of memory. Throws when the Deployment, its autoscaler or its pods cannot be read. */
  site(namespace: string, deployment: string, signal: AbortSignal): Promise<SiteFacts>;
}

export const kubernetes: SystemModule<KubernetesSystemConfig> = {
  async open(config, context) {
    const named = 'inCluster' in config ? 'of this pod' : config.kubeconfigFile;
    const plain = context.httpTrusting();
    const cluster = openCluster(named, config, {
      secret: context.secret,
      fetch: plain.fetch,
      httpTrusting: (caPem) => context.httpTrusting({ caPem }),
    });
    const ask = async (what: string, verb: string, request: ClusterRequest, signal: AbortSignal): Promise<unknown> => {
      try {
        return await cluster.ask(request, signal);
      } catch (error) {
        throw judged(what, verb, error);
      }
    };
    const ofApps = (namespace: string, ...rest: readonly string[]) => [
      'apis',
      'apps',
      'v1',
      'namespaces',
      namespace,
      'deployments',
      ...rest,
    ];
    const system: KubernetesSystem = {
      kind: 'kubernetes',
      async deployment(namespace, name, signal) {
        const what = `Deployment ${namespace}/${name}`;
        const path = ofApps(namespace, name);
        const found = fitting(deploymentShape, await ask(what, 'get deployments', { path, bytesMax: OBJECT_BYTES_MAX }, signal));
        if (found.metadata.name === name && found.metadata.namespace === namespace) return found;
        throw new Error(`${what}: another object was answered`);
      },
      async scale(namespace, name, replicas, resourceVersion, signal) {
        const what = `scale of ${namespace}/${name}`;
        const merge = { metadata: { resourceVersion }, spec: { replicas } };
        const path = ofApps(namespace, name, 'scale');
        const body = await ask(what, 'patch deployments/scale', { path, merge, bytesMax: OBJECT_BYTES_MAX }, signal);
        return fitting(scaleShape, body).spec.replicas;
      },
      async autoscaler(namespace, deployment, signal) {
        const path = ['apis', 'autoscaling', 'v2', 'namespaces', namespace, 'horizontalpodautoscalers'];
        const request = { path, query: { limit: String(ITEMS_MAX) }, bytesMax: LIST_BYTES_MAX };
        const body = await ask(`autoscalers of ${namespace}`, 'list horizontalpodautoscalers', request, signal);
        return autoscalerOf(fitting(autoscalersShape, body), deployment);
      },
      async pods({ metadata: { namespace, name }, spec }, signal) {
        const query = { labelSelector: selectorText(spec.selector), limit: String(ITEMS_MAX) };
        const path = ['api', 'v1', 'namespaces', namespace, 'pods'];
        return fitting(podsShape, await ask(`pods of ${namespace}/${name}`, 'list pods', { path, query, bytesMax: LIST_BYTES_MAX }, signal))
          .items;
      },
      async job(namespace, name, signal) {
        const what = `Job ${namespace}/${name}`;
        const path = ['apis', 'batch', 'v1', 'namespaces', namespace, 'jobs', name];
        const found = fitting(jobShape, await ask(what, 'get jobs', { path, bytesMax: OBJECT_BYTES_MAX }, signal));
        if (found.metadata.name === name && found.metadata.namespace === namespace) return found;
        throw new Error(`${what}: another object was answered`);
      },
      async budgets(namespace, signal) {
        const path = ['apis', 'policy', 'v1', 'namespaces', namespace, 'poddisruptionbudgets'];
        const request = { path, query: { limit: String(ITEMS_MAX) }, bytesMax: LIST_BYTES_MAX };
        return budgetGuards(fitting(budgetsShape, await ask(`budgets of ${namespace}`, 'list poddisruptionbudgets', request, signal)));
      },
      async policies(namespace, signal) {
        const path = ['apis', 'networking.k8s.io', 'v1', 'namespaces', namespace, 'networkpolicies'];
        const request = { path, query: { limit: String(ITEMS_MAX) }, bytesMax: LIST_BYTES_MAX };
        return policyGuards(fitting(policiesShape, await ask(`policies of ${namespace}`, 'list networkpolicies', request, signal)));
      },
      async site(namespace, name, signal) {
        const deployment = await system.deployment(namespace, name, signal);
        const [autoscaler, pods] = await Promise.all([system.autoscaler(namespace, name, signal), system.pods(deployment, signal)]);
        const nodes = [...new Set(pods.filter(isReady).flatMap(({ spec }) => spec.nodeName ?? []))].slice(0, NODES_MAX);
        return {
          replicas: deployment.spec.replicas,
          ready: deployment.status.readyReplicas,
          autoscaler,
          zones: await zonesOf(nodes, (path) => ask('a node', 'get nodes', { path, bytesMax: OBJECT_BYTES_MAX }, signal)),
          unpulled: unpulledOf(pods),
          limited: isLimited(deployment),
          check: null,
        };
      },
      async close() {
        await cluster.close();
        await plain.close();
      },
    };
    return system;
  },
};

/** null: a node could not be read, or has no zone. The rest of a site is worth having without them. */
const zonesOf = async (nodes: readonly string[], ask: (path: readonly string[]) => Promise<unknown>): Promise<readonly string[] | null> => {
  try {
    const found = await Promise.all(nodes.map(async (node) => fitting(nodeShape, await ask(['api', 'v1', 'nodes', node]))));
    const zones = found.map(({ metadata }) => metadata.labels?.[ZONE_LABEL]);
    return zones.includes(undefined) ? null : [...new Set(zones.flatMap((zone) => zone ?? []))].sort();
  } catch {
    return null;
  }
};

/** A refusal in the API server's own sentence, with what would help; other errors as they are, and where they were met. */
const judged = (what: string, verb: string, error: unknown): unknown => {
  const refused = refusalOf(error);
  if (refused === null) return error;
  const { status, message, reason } = refused;
  // A 404 of something in between says nothing about the object.
  const code = status === 404 && reason !== 'NotFound' ? 502 : status;
  return new Answered(code, `${what}: ${quoted(message, 160)} (${status})${hintOf(status, verb)}`);
};

const hintOf = (status: number, verb: string): string => {
  if (status === 401) return '; the token is not taken';
  return status === 403 ? `; the role must grant ${verb}` : '';
};

/** The status with which the API server answered; null: it did not. */
export const statusOf = (error: unknown): number | null => (error instanceof Answered ? error.code : null);
