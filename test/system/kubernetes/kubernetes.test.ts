// The kubernetes provider against a real kube-apiserver: the same contract suite as over the stand-in, with the roles and admission policies of
// deploy/iam/kubernetes.yaml in force, and what only a real one can prove of them. `npm run test:system -- kubernetes`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { stateHash } from '../../../providers/fence.ts';
import type { Change, Provider, ProviderService, ReadBack } from '../../../providers/provider.ts';
import { providerContract } from '../../contract/provider.contract.ts';
import {
  api,
  createObjects,
  DEPLOYMENTS,
  JSON_PATCH,
  kubernetesHarness,
  MODES,
  type ModeName,
  objectOf,
  openKubernetes,
  ROUTES,
  web,
} from '../../providers/kubernetes.fixture.ts';
import { until } from '../until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';

/** The first run builds the server. */
const START_MS = 30 * 60_000;
const TEST_MS = 60_000;
const patience = (): AbortSignal => AbortSignal.timeout(TEST_MS);

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  rules?: { resourceNames: string[]; verbs: string[] }[];
}

const MANIFESTS: readonly Manifest[] = parseAllDocuments(
  readFileSync(join(import.meta.dirname, '../../../deploy/iam/kubernetes.yaml'), 'utf8'),
).map((document) => document.toJS() as Manifest);

const PLURALS: Readonly<Record<string, string>> = {
  ServiceAccount: 'serviceaccounts',
  Secret: 'secrets',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
};

const pathOf = ({ apiVersion, kind, metadata: { namespace } }: Manifest): string =>
  `${apiVersion === 'v1' ? '/api' : '/apis'}/${apiVersion}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${PLURALS[kind]}`;

/** Group, version, names and the shape of backendRefs as the Gateway API has them; the rest is let through. */
const CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'httproutes.gateway.networking.k8s.io', annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' } },
  spec: {
    group: 'gateway.networking.k8s.io',
    scope: 'Namespaced',
    names: { plural: 'httproutes', singular: 'httproute', kind: 'HTTPRoute', listKind: 'HTTPRouteList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                properties: {
                  hostnames: { type: 'array', items: { type: 'string' } },
                  parentRefs: { type: 'array', items: { type: 'object', properties: { name: { type: 'string' } } } },
                  rules: {
                    type: 'array',
                    maxItems: 16,
                    items: {
                      type: 'object',
                      properties: {
                        matches: {
                          type: 'array',
                          items: {
                            type: 'object',
                            properties: { path: { type: 'object', properties: { type: { type: 'string' }, value: { type: 'string' } } } },
                          },
                        },
                        filters: { type: 'array', items: { type: 'object', properties: { type: { type: 'string' } } } },
                        backendRefs: {
                          type: 'array',
                          maxItems: 16,
                          items: {
                            type: 'object',
                            required: ['name'],
                            properties: {
                              group: { type: 'string', default: '' },
                              kind: { type: 'string', default: 'Service' },
                              name: { type: 'string' },
                              namespace: { type: 'string' },
                              port: { type: 'integer', format: 'int32' },
                              weight: { type: 'integer', format: 'int32', default: 1, minimum: 0, maximum: 1_000_000 },
                              filters: { type: 'array', items: { type: 'object', properties: { type: { type: 'string' } } } },
                            },
                          },
                        },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

let server: ApiServer;
const NAMED = [web, api].flatMap((service) => [objectOf(service), ...service.pools.map(({ pool }) => `${objectOf(service)}-${pool}`)]);

beforeAll(async () => {
  server = await startApiServer();
  await server.call('POST', '/api/v1/namespaces', { metadata: { name: 'prod' } });
  await server.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', CRD);
  await until('the new kind of object', () => server.call('GET', ROUTES));
  for (const manifest of MANIFESTS) {
    const rules = manifest.rules?.map((rule) => ({ ...rule, resourceNames: NAMED }));
    await server.call('POST', pathOf(manifest), { ...manifest, ...(rules === undefined ? {} : { rules }) });
  }
  await createObjects(server, 'deployments', [web]);
  // An admission policy takes effect a moment after it was made.
  let n = 0;
  await until('the admission policy', async () => {
    const label = [{ op: 'add', path: '/metadata/labels', value: { n: String(n++) } }];
    return (await asTidegate('PATCH', `${DEPLOYMENTS}/web-eu-west`, label)).includes('may not change labels');
  });
  await clear();
}, START_MS);

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const clear = async (): Promise<void> => {
  for (const path of [ROUTES, DEPLOYMENTS]) await server.call('DELETE', path);
};

/** What the API server says to the service account: a status with its message. */
const asTidegate = async (method: string, path: string, body: unknown): Promise<string> =>
  server.call(method, path, body, JSON_PATCH, server.tidegateToken).then(() => 'done', String);

const worldOf = async () => ({
  url: server.url,
  caPem: server.caPem,
  token: server.tidegateToken,
  call: server.call,
  [Symbol.asyncDispose]: clear,
});

providerContract('kubernetes, an HTTPRoute, on a real API server', () => kubernetesHarness('httpRoute', worldOf), ['batch', 'quota']);
providerContract('kubernetes, a Deployment per pool, on a real API server', () => kubernetesHarness('deployments', worldOf), [
  'batch',
  'quota',
]);

let nonces = 0;
const changeTo = (desired: ProviderService, v: number, previous: ReadBack): Change => ({
  desired,
  fence: { v, epoch: 1, writer: 'eu-west/a', nonce: `n${++nonces}`, hash: stateHash(desired) },
  previous,
});
const readOne = async (provider: Provider, service: ProviderService): Promise<ReadBack> =>
  (await provider.read([service], patience())).get(service.service)!;
const writerOf = (mode: ModeName): Provider =>
  openKubernetes({ here: { url: server.url, caPem: server.caPem, token: server.tidegateToken } }, { [web.service]: MODES[mode](web) });

describe('kubernetes on a real API server', { timeout: TEST_MS }, () => {
  test.each(['httpRoute', 'deployments'] as const)('%s: the role is enough, and with one verb less it is not', async (mode) => {
    await createObjects(server, mode, [web]);
    const provider = writerOf(mode);
    const resource = mode === 'httpRoute' ? 'httproutes' : 'deployments';
    const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/prod/roles/tidegate-${resource}`;
    const whole = (await server.call('GET', role)) as Manifest;
    const rule = whole.rules![0]!;
    const grant = async (...verbs: string[]): Promise<void> => {
      await server.call('PATCH', role, [{ op: 'replace', path: '/rules/0/verbs', value: verbs }], JSON_PATCH);
    };
    const previous = await readOne(provider, web);
    try {
      await grant('get');
      await expect
        .poll(async () => provider.apply([changeTo(web, 1, previous)], patience()), { timeout: 20_000 })
        .toMatchObject({ outcome: 'fatal', because: expect.stringMatching(/cannot patch resource .*must grant patch/) });
      await grant('patch');
      await expect
        .poll(() => provider.read([web], patience()).then(() => 'read', String), { timeout: 20_000 })
        .toMatch(/cannot get resource .*must grant get/);
    } finally {
      await grant(...rule.verbs);
    }
    await expect
      .poll(async () => provider.apply([changeTo(web, 1, await readOne(provider, web))], patience()), { timeout: 20_000 })
      .toEqual({
        outcome: 'applied',
      });
    await provider.close();
    await clear();
  });

  test('the account may do nothing else: no other object, no other verb, no other field', async () => {
    await createObjects(server, 'deployments', [web]);
    await createObjects(server, 'httpRoute', [web]);
    const template = { op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'registry.example/other:1' };
    const refused: readonly [method: string, path: string, ops: unknown, because: RegExp][] = [
      ['PATCH', `${DEPLOYMENTS}/web-eu-west`, [template], /may change replicas only/],
      ['PATCH', `${DEPLOYMENTS}/web-eu-west`, [{ op: 'add', path: '/spec/paused', value: true }], /may change replicas only/],
      ['PATCH', `${DEPLOYMENTS}/web-eu-west`, [{ op: 'add', path: '/metadata/annotations', value: { other: 'x' } }], /its fence only/],
      ['PATCH', `${ROUTES}/web`, [{ op: 'replace', path: '/spec/rules/0/backendRefs/0/name', value: 'other' }], /weights of backends only/],
      ['PATCH', `${ROUTES}/web`, [{ op: 'replace', path: '/spec/hostnames/0', value: 'other.tide.test' }], /weights of backends only/],
      ['PATCH', `${ROUTES}/web`, [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }], /may not change labels/],
      ['GET', DEPLOYMENTS, undefined, /403/],
      ['DELETE', `${DEPLOYMENTS}/web-eu-west`, undefined, /403/],
      ['PATCH', `${DEPLOYMENTS}/other`, [], /403/],
      ['GET', '/api/v1/namespaces/prod/secrets', undefined, /403/],
    ];
    for (const [method, path, ops, because] of refused) expect(await asTidegate(method, path, ops), `${method} ${path}`).toMatch(because);
    await clear();
  });

  test('a status that changes all the time does not stand in the way of a write', async () => {
    await createObjects(server, 'deployments', [web]);
    const provider = writerOf('deployments');
    expect(await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience())).toMatchObject({ outcome: 'applied' });
    const previous = await readOne(provider, web);
    for (const path of web.pools.map(({ pool }) => `${DEPLOYMENTS}/web-${pool}/status`))
      await server.call(
        'PATCH',
        path,
        { status: { observedGeneration: 1, replicas: 3, unavailableReplicas: 3 } },
        'application/merge-patch+json',
      );
    const drained = { ...web, pools: web.pools.map((pool, at) => ({ ...pool, share: at === 0 ? 0 : 1000 })) };
    expect(await provider.apply([changeTo(drained, 2, previous)], patience())).toMatchObject({ outcome: 'applied' });
    await provider.close();
    await clear();
  });

  test('a server that stands still is left at the deadline, and what it does later is seen by the next reader', async () => {
    await createObjects(server, 'httpRoute', [web]);
    const provider = writerOf('httpRoute');
    expect(await provider.apply([changeTo(web, 1, await readOne(provider, web))], patience())).toMatchObject({ outcome: 'applied' });
    const late = changeTo(
      { ...web, pools: web.pools.map((pool, at) => ({ ...pool, share: at === 0 ? 0 : 1000 })) },
      2,
      await readOne(provider, web),
    );
    server.signal('SIGSTOP');
    try {
      expect(await provider.apply([late], AbortSignal.timeout(1500))).toMatchObject({ outcome: 'undecided' });
    } finally {
      server.signal('SIGCONT');
    }
    const next = await readOne(provider, web);
    expect([1, 2]).toContain(next.fence?.v);
    await provider.close();
    await clear();
  });
});
