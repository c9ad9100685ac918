// Steps and audits of Kubernetes against a real kube-apiserver, with the roles of deploy/iam/kubernetes-runbook.yaml in force and nothing more. No controllers run
// here: what they would do (status of Deployments and pods) is written by the test, as the administrator. `npm run test:system -- kubernetes`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { KubernetesSystem } from '../../../src/runbook/kubernetes/system.ts';
import { guardFound, jobFound, rolloutFound } from '../../../src/verify/judge.ts';
import { type Harness, type StepWorld, startHarness } from '../../contract/step.contract.ts';
import { JSON_PATCH, kubeconfigText } from '../../providers/kubernetes.fixture.ts';
import { until } from '../until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';

/** The first run builds the server. */
const START_MS = 30 * 60_000;
const TEST_MS = 60_000;
const NEVER = new AbortController().signal;
const MERGE_PATCH = 'application/merge-patch+json';

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

const MANIFESTS: readonly Manifest[] = parseAllDocuments(
  readFileSync(join(import.meta.dirname, '../../../deploy/iam/kubernetes-runbook.yaml'), 'utf8'),
).map((document) => document.toJS() as Manifest);

const PLURALS: Readonly<Record<string, string>> = {
  ServiceAccount: 'serviceaccounts',
  Secret: 'secrets',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
};
const pathOf = ({ apiVersion, kind, metadata: { namespace } }: Manifest): string =>
  `${apiVersion === 'v1' ? '/api' : '/apis'}/${apiVersion}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${PLURALS[kind]}`;

const DEPLOYMENTS = '/apis/apps/v1/namespaces/prod/deployments';
const WORKER = `${DEPLOYMENTS}/worker`;
const PODS = '/api/v1/namespaces/prod/pods';
const JOBS = '/apis/batch/v1/namespaces/prod/jobs';
const BUDGETS = '/apis/policy/v1/namespaces/prod/poddisruptionbudgets';
const POLICIES = '/apis/networking.k8s.io/v1/namespaces/prod/networkpolicies';
const SCALERS = '/apis/autoscaling/v2/namespaces/prod/horizontalpodautoscalers';

const deployment = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'app', image: 'registry.example/app:1', resources: { limits: { memory: '1Gi' } } }] },
    },
  },
});
const pod = (name: string, nodeName?: string) => ({
  metadata: { name, labels: { app: 'worker' } },
  spec: {
    automountServiceAccountToken: false,
    containers: [{ name: 'app', image: 'registry.example/app:2' }],
    ...(nodeName === undefined ? {} : { nodeName }),
  },
});
const scaler = (minReplicas: number) => ({
  metadata: { name: 'worker' },
  spec: { minReplicas, maxReplicas: 9, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'worker' } },
});

let server: ApiServer;
let token: string;

beforeAll(async () => {
  server = await startApiServer();
  await server.call('POST', '/api/v1/namespaces', { metadata: { name: 'prod' } });
  // Admission wants it for pods, and no controller makes it here.
  await server.call('POST', '/api/v1/namespaces/prod/serviceaccounts', { metadata: { name: 'default' } });
  for (const manifest of MANIFESTS) await server.call('POST', pathOf(manifest), manifest);
  const account = '/api/v1/namespaces/prod/serviceaccounts/tidegate-runbook/token';
  const issued = (await server.call('POST', account, { spec: { expirationSeconds: 3600 } })) as { status: { token: string } };
  token = issued.status.token;
  for (const [name, zone] of [
    ['n1', 'eu-west-1a'],
    ['n2', 'eu-west-1b'],
  ])
    await server.call('POST', '/api/v1/nodes', { metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } } });
}, START_MS);

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  for (const path of [SCALERS, DEPLOYMENTS, BUDGETS, POLICIES, `${JOBS}?propagationPolicy=Background`]) await server.call('DELETE', path);
  await server.call('DELETE', `${PODS}?gracePeriodSeconds=0`);
  await until('no pods', async () => ((await server.call('GET', PODS)) as { items: unknown[] }).items.length === 0);
  await server.call('POST', DEPLOYMENTS, deployment('worker'));
  await server.call('POST', DEPLOYMENTS, deployment('other'));
});

const base =
  <K extends 'k8s.scale' | 'k8s.wait'>(spec: StepWorld<K>['spec']) =>
  async (): Promise<StepWorld<K>> => ({
    spec,
    systems: { eu: { kind: 'kubernetes', kubeconfigFile: '/kubeconfig' } },
    files: { '/kubeconfig': kubeconfigText({ url: server.url, caPem: server.caPem, token }) },
    secrets: [token],
    settle: () => undefined,
    effects: () => 0,
    meets: () => undefined,
    asked: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  });

const at = { system: 'eu', namespace: 'prod', deployment: 'worker' };
const scaling = (replicas: number, atLeast = false): Promise<Harness<'k8s.scale'>> =>
  startHarness('k8s.scale', base<'k8s.scale'>({ ...at, replicas, atLeast }));
const waiting = (ready: number): Promise<Harness<'k8s.wait'>> => startHarness('k8s.wait', base<'k8s.wait'>({ ...at, ready }));

const replicasOf = async (): Promise<number> => ((await server.call('GET', WORKER)) as { spec: { replicas: number } }).spec.replicas;
const generationOf = async (): Promise<number> =>
  ((await server.call('GET', WORKER)) as { metadata: { generation: number } }).metadata.generation;
const setStatus = (path: string, status: unknown): Promise<unknown> => server.call('PATCH', `${path}/status`, { status }, MERGE_PATCH);

describe('runbook steps on a real API server', { timeout: TEST_MS }, () => {
  test('scales up, is found reached, and acting again changes nothing', async () => {
    await using h = await scaling(3, true);
    const { is, facts } = await h.read();
    expect(is).toBe('pending');
    expect(await h.apply(facts)).toMatchObject({ took: 'accepted', because: 'prod/worker is to have 3 pods now' });
    const generation = await generationOf();
    expect(await h.apply(facts)).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect([await replicasOf(), await generationOf()]).toEqual([3, generation]);
    expect(await h.read()).toMatchObject({ is: 'reached' });
    // And down to nothing, where the real one leaves the number out of its reply.
    await using down = await scaling(0);
    expect(await down.apply((await down.read()).facts)).toMatchObject({ took: 'accepted' });
    expect(await replicasOf()).toBe(0);
  });

  test('who slept through a later change overwrites nothing, even where it came back to what it was', async () => {
    await using h = await scaling(3);
    const { facts } = await h.read();
    for (const replicas of [5, 0]) await server.call('PATCH', `${WORKER}/scale`, { spec: { replicas } }, MERGE_PATCH);
    expect(await h.apply(facts)).toMatchObject({ took: 'refused', because: expect.stringContaining('was changed since it was read') });
    expect(await replicasOf()).toBe(0);
  });

  test('the resource version of a merge patch on the subresource is compared, and a change of status alone is overcome', async () => {
    await using h = await scaling(3);
    const { facts } = await h.read();
    const cluster = await h.systems.system<KubernetesSystem>('eu', 'kubernetes');
    const { resourceVersion } = (await cluster.deployment('prod', 'worker', NEVER)).metadata;
    await setStatus(WORKER, { observedGeneration: 1, replicas: 0 });
    await expect(cluster.scale('prod', 'worker', 4, resourceVersion, NEVER)).rejects.toMatchObject({ code: 409 });
    expect(await replicasOf()).toBe(0);
    expect(await h.apply(facts)).toMatchObject({ took: 'accepted' });
    expect(await replicasOf()).toBe(3);
  });

  test('an autoscaler is read and told of', async () => {
    await server.call('POST', SCALERS, scaler(2));
    await using up = await scaling(1, true);
    expect((await up.read()).because).toContain('autoscaler worker (2 to 9) wakes when it is above 0, and will raise it to its minimum 2');
    await using down = await scaling(0);
    expect((await down.read()).because).toContain('rests for as long as it is 0');
  });

  test('waits for the controller and for ready pods, and says what keeps them', async () => {
    await using h = await waiting(2);
    await server.call('PATCH', `${WORKER}/scale`, { spec: { replicas: 2 } }, MERGE_PATCH);
    expect(await h.read()).toMatchObject({ is: 'pending', because: expect.stringContaining('its controller has not seen it yet') });
    await setStatus(WORKER, { observedGeneration: await generationOf(), replicas: 2 });
    await server.call('POST', PODS, pod('w1', 'n1'));
    await server.call('POST', PODS, pod('w2'));
    const waits = { name: 'app', image: 'registry.example/app:2', imageID: '', ready: false, restartCount: 0 };
    await setStatus(`${PODS}/w1`, { containerStatuses: [{ ...waits, state: { waiting: { reason: 'ImagePullBackOff' } } }] });
    await setStatus(`${PODS}/w2`, {
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/2 nodes are available' }],
    });
    const { is, because } = await h.read();
    expect(is).toBe('pending');
    expect(because).toContain('0 of 2 pods of prod/worker are ready, 2 lack: ');
    expect(because).toContain('1 pod cannot pull registry.example/app:2 (ImagePullBackOff)');
    expect(because).toContain('1 pod cannot be placed: 0/2 nodes are available');
    await setStatus(WORKER, { readyReplicas: 2 });
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });

  test('a site as audits see it', async () => {
    await server.call('POST', SCALERS, scaler(1));
    await server.call('PATCH', `${WORKER}/scale`, { spec: { replicas: 2 } }, MERGE_PATCH);
    await setStatus(WORKER, { observedGeneration: 2, replicas: 2, readyReplicas: 2 });
    for (const [name, node] of [
      ['w1', 'n1'],
      ['w2', 'n2'],
    ] as const) {
      await server.call('POST', PODS, pod(name, node));
      await setStatus(`${PODS}/${name}`, { conditions: [{ type: 'Ready', status: 'True' }] });
    }
    await using h = await waiting(2);
    const cluster = await h.systems.system<KubernetesSystem>('eu', 'kubernetes');
    expect(await cluster.site('prod', 'worker', NEVER)).toEqual({
      replicas: 2,
      ready: 2,
      autoscaler: { name: 'worker', min: 1, max: 9 },
      zones: ['eu-west-1a', 'eu-west-1b'],
      unpulled: [],
      limited: true,
      check: null,
    });
  });

  test('what stands around a Deployment, as verifying it sees that', async () => {
    await using h = await waiting(2);
    const cluster = await h.systems.system<KubernetesSystem>('eu', 'kubernetes');
    await expect(cluster.job('prod', 'migrate', NEVER)).rejects.toMatchObject({ code: 404 });
    const containers = [{ name: 'app', image: 'registry.example/app:1' }];
    const spec = { template: { spec: { restartPolicy: 'Never', containers } } };
    await server.call('POST', JOBS, { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'migrate' }, spec });
    expect(jobFound(await cluster.job('prod', 'migrate', NEVER))).toMatchObject({ is: 'waiting' });
    const now = '2026-11-27T04:00:00Z';
    await setStatus(`${JOBS}/migrate`, {
      startTime: now,
      completionTime: now,
      succeeded: 1,
      conditions: ['SuccessCriteriaMet', 'Complete'].map((type) => ({ type, status: 'True' })),
    });
    expect(jobFound(await cluster.job('prod', 'migrate', NEVER))).toMatchObject({ is: 'ok' });

    const worker = await cluster.deployment('prod', 'worker', NEVER);
    expect(rolloutFound(worker, false)).toMatchObject({
      is: 'waiting',
      because: expect.stringContaining('its controller has not seen it yet'),
    });
    await server.call('PATCH', `${WORKER}/scale`, { spec: { replicas: 2 } }, MERGE_PATCH);
    await setStatus(WORKER, { observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 });
    expect(rolloutFound(await cluster.deployment('prod', 'worker', NEVER), false)).toMatchObject({ is: 'ok' });

    const guards = async () => ({
      pdb: guardFound('PodDisruptionBudget', worker, await cluster.budgets('prod', NEVER)).is,
      policy: guardFound('NetworkPolicy', worker, await cluster.policies('prod', NEVER)).is,
    });
    const budget = (name: string, selector?: object) =>
      server.call('POST', BUDGETS, {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name },
        spec: { maxUnavailable: 1, ...(selector === undefined ? {} : { selector }) },
      });
    const policy = (name: string, podSelector: object) =>
      server.call('POST', POLICIES, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name },
        spec: { podSelector },
      });
    await budget('nothing');
    await budget('other', { matchLabels: { app: 'other' } });
    await policy('other', { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['worker'] }] });
    expect(await guards()).toEqual({ pdb: 'failed', policy: 'failed' });
    await budget('worker', { matchExpressions: [{ key: 'app', operator: 'In', values: ['worker'] }] });
    await policy('all', {});
    expect(await guards()).toEqual({ pdb: 'ok', policy: 'ok' });
  });

  test('what is not there, and a token that is not taken', async () => {
    await using h = await scaling(3);
    h.world.spec.namespace = 'elsewhere';
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('must grant get deployments') });
    Object.assign(h.world.spec, at);
    await server.call('DELETE', WORKER);
    expect(await h.read()).toMatchObject({ is: 'never', because: expect.stringContaining('no Deployment prod/worker') });
    expect(await h.apply()).toMatchObject({ took: 'fatal' });
    Object.assign(h.world.files, {
      '/kubeconfig': kubeconfigText({ url: server.url, caPem: server.caPem, token: 'nobody-gave-this-out' }),
    });
    expect(await h.read()).toMatchObject({ is: 'unknown', because: expect.stringContaining('the token is not taken') });
  });

  test('each rule of the roles is needed', async () => {
    const lacking: Record<string, (h: Harness<'k8s.scale'>, cluster: KubernetesSystem) => Promise<unknown>> = {
      deployments: async (h) => (await h.read()).because,
      'deployments/scale': async (h) => (await h.apply()).because,
      horizontalpodautoscalers: async (h) => (await h.read()).because,
      pods: async (_h, cluster) => cluster.site('prod', 'worker', NEVER).catch(String),
      jobs: async (_h, cluster) => cluster.job('prod', 'migrate', NEVER).catch(String),
      poddisruptionbudgets: async (_h, cluster) => cluster.budgets('prod', NEVER).catch(String),
      networkpolicies: async (_h, cluster) => cluster.policies('prod', NEVER).catch(String),
    };
    await using h = await scaling(3);
    const cluster = await h.systems.system<KubernetesSystem>('eu', 'kubernetes');
    const role = '/apis/rbac.authorization.k8s.io/v1/namespaces/prod/roles/tidegate-runbook';
    const { rules } = (await server.call('GET', role)) as Required<Manifest>;
    const grant = (granted: unknown): Promise<unknown> =>
      server.call('PATCH', role, [{ op: 'replace', path: '/rules', value: granted }], JSON_PATCH);
    expect(rules.flatMap(({ resources }) => resources).sort()).toEqual(Object.keys(lacking).sort());
    expect(rules.every(({ verbs }) => verbs.length === 1)).toBe(true);
    try {
      for (const rule of rules) {
        await grant(rules.filter((other) => other !== rule));
        const [resource = '', verb = ''] = [rule.resources[0], rule.verbs[0]];
        await expect
          .poll(() => lacking[resource]!(h, cluster), { timeout: 20_000, message: resource })
          .toMatch(new RegExp(`must grant ${verb} ${resource}`));
      }
    } finally {
      await grant(rules);
    }
    await expect.poll(async () => (await h.read()).because, { timeout: 20_000 }).not.toContain('must grant');
  });

  test('the account may do nothing else: no other object, no other verb, not the Deployment itself', async () => {
    const template = [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'registry.example/other:1' }];
    const replicas = [{ op: 'replace', path: '/spec/replicas', value: 9 }];
    const refused: readonly [method: string, path: string, body?: unknown][] = [
      ['PATCH', WORKER, template],
      ['PATCH', WORKER, replicas],
      ['PATCH', `${WORKER}/status`, replicas],
      ['PATCH', `${DEPLOYMENTS}/other/scale`, replicas],
      ['GET', `${DEPLOYMENTS}/other`],
      ['GET', DEPLOYMENTS],
      ['DELETE', WORKER],
      ['GET', '/api/v1/namespaces/prod/secrets'],
      ['GET', `${PODS}/w1/log`],
      ['POST', `${PODS}/w1/exec`],
      ['DELETE', PODS],
      ['DELETE', SCALERS],
      ['GET', JOBS],
      ['GET', `${JOBS}/other`],
      ['DELETE', `${JOBS}/migrate`],
      ['DELETE', BUDGETS],
      ['DELETE', POLICIES],
      ['GET', '/api/v1/nodes'],
      ['PATCH', '/api/v1/nodes/n1', [{ op: 'add', path: '/metadata/labels/x', value: 'y' }]],
      ['GET', '/api/v1/namespaces/default/pods'],
    ];
    for (const [method, path, body] of refused)
      await expect(server.call(method, path, body, JSON_PATCH, token), `${method} ${path}`).rejects.toThrow(/403/);
  });
});
