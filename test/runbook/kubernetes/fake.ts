// A fake of one API server, as far as a runbook meets it: Deployments with their scale by merge patch, autoscalers, pods, nodes, with resource versions,
// generations and refusals in the real one's words. The real one passes the same claims by name: `npm run test:system -- kubernetes`.
import type { Asked, Said } from '../front.ts';

export interface FakeDeployment {
  replicas: number;
  ready: number;
  generation: number;
  observed: number;
  /** As many as are ready, unless said. */
  updated?: number;
  available?: number;
  /** Old and new together; as many as are wanted, unless said. */
  all?: number;
  resourceVersion: number;
  uid: string;
  limits?: Readonly<Record<string, string>>;
}

export interface FakePod {
  name: string;
  ready?: boolean;
  node?: string;
  /** Why a container waits, and its image. */
  waiting?: readonly [reason: string, image: string];
  unplaced?: string;
  deleted?: boolean;
}

export interface FakeJob {
  active?: number;
  succeeded?: number;
  failed?: number;
  /** Why it has failed for good. */
  over?: string;
}

/** As it stands in `spec`; null: it has none. */
export interface FakeGuard {
  name: string;
  selector: object | null;
}

export interface FakeCluster {
  answer(asked: Asked): Said;
  deployments: Map<string, FakeDeployment>;
  autoscalers: { name: string; min: number | undefined; max: number; of: string }[];
  pods: FakePod[];
  jobs: Map<string, FakeJob>;
  budgets: FakeGuard[];
  policies: FakeGuard[];
  zones: Map<string, string | undefined>;
  /** Before the next patch is judged. */
  beforePatch: (() => void) | null;
  /** Resources that are not granted: `pods`. */
  denied: Set<string>;
  /** Changes of scale that were taken. */
  scaled: number;
}

export const NAMESPACE = 'prod';

const refuse = (status: number, reason: string, message: string): Said => ({
  status,
  json: { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code: status },
});

export const createFakeCluster = (token: string): FakeCluster => {
  const bodyOf = (name: string, it: FakeDeployment) => ({
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name, namespace: NAMESPACE, uid: it.uid, resourceVersion: String(it.resourceVersion), generation: it.generation },
    spec: {
      replicas: it.replicas,
      selector: { matchLabels: { app: name }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }] },
      template: {
        metadata: { labels: { app: name, tier: 'a' } },
        spec: { containers: [{ name: 'app', image: 'registry.example/app:1', resources: { limits: it.limits ?? {} } }] },
      },
    },
    // Zero is left out, as by the real one.
    status: {
      observedGeneration: it.observed,
      replicas: it.all ?? it.replicas,
      ...(it.ready === 0 ? {} : { readyReplicas: it.ready }),
      ...((it.updated ?? it.ready) === 0 ? {} : { updatedReplicas: it.updated ?? it.ready }),
      ...((it.available ?? it.ready) === 0 ? {} : { availableReplicas: it.available ?? it.ready }),
    },
  });
  const scaleOf = (name: string, it: FakeDeployment) => ({
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace: NAMESPACE, uid: it.uid, resourceVersion: String(it.resourceVersion) },
    // Zero is left out, as by the real one.
    spec: it.replicas === 0 ? {} : { replicas: it.replicas },
    status: { replicas: it.replicas },
  });
  const patch = (name: string, it: FakeDeployment, body: string): Said => {
    fake.beforePatch?.();
    const merge = JSON.parse(body) as { metadata?: { resourceVersion?: string }; spec: { replicas: number } };
    const wanted = merge.metadata?.resourceVersion;
    if (wanted !== undefined && wanted !== String(it.resourceVersion))
      return refuse(409, 'Conflict', `Operation cannot be fulfilled on deployments.apps "${name}": the object has been modified`);
    if (it.replicas !== merge.spec.replicas) {
      Object.assign(it, { replicas: merge.spec.replicas, generation: it.generation + 1, resourceVersion: it.resourceVersion + 1 });
      fake.scaled++;
    }
    return { status: 200, json: scaleOf(name, it) };
  };
  const podOf = ({ name, ready = false, node, waiting, unplaced, deleted }: FakePod) => ({
    metadata: { name, ...(deleted ? { deletionTimestamp: '2026-11-26T12:00:00Z' } : {}) },
    spec: node === undefined ? {} : { nodeName: node },
    status: {
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False' },
        ...(unplaced === undefined ? [] : [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: unplaced }]),
      ],
      ...(waiting === undefined
        ? {}
        : { containerStatuses: [{ name: 'app', image: waiting[1], ready: false, state: { waiting: { reason: waiting[0] } } }] }),
    },
  });
  const guardsOf = (kind: string, guards: readonly FakeGuard[], key: string): Said => ({
    status: 200,
    json: {
      kind,
      items: guards.map(({ name, selector }) => ({ metadata: { name }, spec: selector === null ? {} : { [key]: selector } })),
    },
  });
  const jobOf = (name: string): Said => {
    const it = fake.jobs.get(name);
    if (it === undefined) return refuse(404, 'NotFound', `jobs.batch "${name}" not found`);
    const { over, ...status } = it;
    const conditions = over === undefined ? [] : [{ type: 'Failed', status: 'True', message: over }];
    return { status: 200, json: { kind: 'Job', metadata: { name, namespace: NAMESPACE }, status: { ...status, conditions } } };
  };
  const objectsOf = (plural: string, name: string | undefined, query: URLSearchParams): Said | null => {
    if (plural === 'horizontalpodautoscalers')
      return {
        status: 200,
        json: {
          kind: 'HorizontalPodAutoscalerList',
          items: fake.autoscalers.map((scaler) => ({
            metadata: { name: scaler.name },
            spec: {
              ...(scaler.min === undefined ? {} : { minReplicas: scaler.min }),
              maxReplicas: scaler.max,
              scaleTargetRef: { kind: 'Deployment', name: scaler.of },
            },
          })),
        },
      };
    if (plural === 'pods') {
      if (!/^app=[\w-]+,tier in \(a,b\)$/.test(query.get('labelSelector') ?? '')) return refuse(400, 'BadRequest', 'no such selector');
      return { status: 200, json: { kind: 'PodList', items: fake.pods.map(podOf) } };
    }
    if (plural === 'poddisruptionbudgets') return guardsOf('PodDisruptionBudgetList', fake.budgets, 'selector');
    if (plural === 'networkpolicies') return guardsOf('NetworkPolicyList', fake.policies, 'podSelector');
    if (plural === 'jobs' && name !== undefined) return jobOf(name);
    if (plural !== 'nodes' || name === undefined) return null;
    const zone = fake.zones.get(name);
    const labels = zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone };
    return { status: 200, json: { kind: 'Node', metadata: { name, labels } } };
  };
  const fake: FakeCluster = {
    deployments: new Map(),
    autoscalers: [],
    pods: [],
    jobs: new Map(),
    budgets: [],
    policies: [],
    zones: new Map(),
    beforePatch: null,
    denied: new Set(),
    scaled: 0,
    answer({ method, path, headers, body }) {
      if (headers.authorization !== `Bearer ${token}`) return refuse(401, 'Unauthorized', 'Unauthorized');
      const { pathname, searchParams } = new URL(path, 'http://fake');
      const [, plural = '', name, sub] =
        /^\/apis?\/(?:[\w.]+\/)?v\d(?:\/namespaces\/prod)?\/(\w+)(?:\/([\w-]+))?(?:\/(\w+))?$/.exec(pathname) ?? [];
      if (fake.denied.has(plural)) return refuse(403, 'Forbidden', `${plural} is forbidden: User "x" cannot list resource "${plural}"`);
      if (plural !== 'deployments') return objectsOf(plural, name, searchParams) ?? refuse(404, 'NotFound', 'the server could not find it');
      const it = fake.deployments.get(name ?? '');
      if (it === undefined || name === undefined) return refuse(404, 'NotFound', `deployments.apps "${name}" not found`);
      if (method === 'PATCH' && sub === 'scale' && headers['content-type'] === 'application/merge-patch+json') return patch(name, it, body);
      return method === 'GET' && sub === undefined ? { status: 200, json: bodyOf(name, it) } : refuse(405, 'MethodNotAllowed', 'not here');
    },
  };
  return fake;
};

export const deploymentOf = (given: Partial<FakeDeployment> = {}): FakeDeployment => ({
  replicas: 0,
  ready: 0,
  generation: 1,
  observed: 1,
  resourceVersion: 100,
  uid: 'u-1',
  ...given,
});
