// The world of the kubernetes provider for its contract suite, over anything that answers as an API server: the stand-in in every run, a real one by name.
// Faults are arranged on the wire between the adapter and the server, since the server itself is beyond our reach.
import { setTimeout as delay } from 'node:timers/promises';
import { fetch as undiciFetch } from 'undici';
import type { DeploymentEntry, HttpRouteEntry } from '../../providers/kubernetes/convert.ts';
import { type KubernetesConfig, kubernetes } from '../../providers/kubernetes/index.ts';
import type { Provider, ProviderService } from '../../providers/provider.ts';
import type { StandIn } from '../../src/drill/stand-ins/stand-in.ts';
import { createHttp, type Fetch, type Http } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import type { ProviderHarness } from '../contract/provider.contract.ts';
import { startKubernetesStandIn } from './kubernetes.stand-in.ts';

export interface ApiWorld extends AsyncDisposable {
  url: string;
  caPem?: string;
  /** Of the writer under test. */
  token: string;
  /** As somebody who may do anything. Throws unless the status is 2xx. */
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>;
}

/** A cluster of its own, empty. */
export const standInWorld = async (): Promise<ApiWorld & { calls: StandIn['calls'] }> => {
  const token = 'the-token-of-the-stand-in';
  const server = await startKubernetesStandIn({ ports: realPorts(), token });
  return {
    url: server.url,
    token,
    calls: server.calls,
    async call(method, path, body, contentType = 'application/json') {
      const response = await undiciFetch(`${server.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': contentType }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return JSON.parse(text);
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
};

export const kubeconfigText = ({ url, caPem, token }: Pick<ApiWorld, 'url' | 'caPem' | 'token'>): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'c',
        cluster: { server: url, ...(caPem === undefined ? {} : { 'certificate-authority-data': Buffer.from(caPem).toString('base64') }) },
      },
    ],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });

export const ROUTES = '/apis/gateway.networking.k8s.io/v1/namespaces/prod/httproutes';
export const DEPLOYMENTS = '/apis/apps/v1/namespaces/prod/deployments';
export const JSON_PATCH = 'application/json-patch+json';

const pool = (name: string, share: number) => ({ pool: name, region: name, share, configuredShare: share, answers: [] });
// The provider serves no addresses: pools have none.
export const web: ProviderService = { service: 'web.tide.test', ttlS: 30, pools: [pool('eu-west', 500), pool('us-east', 500)] };
export const api: ProviderService = {
  service: 'api.tide.test',
  ttlS: 30,
  pools: [pool('eu-west', 500), pool('us-east', 300), pool('ap-south', 200)],
};

/** The object of a service: `web` of web.tide.test. */
export const objectOf = ({ service }: ProviderService): string => service.split('.')[0]!;

export const routeBody = (service: ProviderService, weight = 0) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: objectOf(service) },
  spec: {
    hostnames: [service.service],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        backendRefs: service.pools.map((p) => ({ name: `${objectOf(service)}-${p.pool}`, port: 8080, weight })),
      },
    ],
  },
});

export const deploymentBody = (name: string, replicas = 0) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app', image: 'registry.example/app:1' }] } },
  },
});

export const routeEntry = (service: ProviderService): HttpRouteEntry => ({
  cluster: 'here',
  namespace: 'prod',
  name: objectOf(service),
  rule: 0,
  backends: Object.fromEntries(service.pools.map((p) => [p.pool, `${objectOf(service)}-${p.pool}`])),
});

export const deploymentEntries = (
  service: ProviderService,
  clusterOf = (_pool: string): string => 'here',
): Record<string, DeploymentEntry> =>
  Object.fromEntries(
    service.pools.map((p) => [
      p.pool,
      { cluster: clusterOf(p.pool), namespace: 'prod', name: `${objectOf(service)}-${p.pool}`, replicas: 3, out: 0 },
    ]),
  );

export const MODES = {
  httpRoute: (service: ProviderService) => ({ httpRoute: routeEntry(service) }),
  deployments: (service: ProviderService) => ({ deployments: deploymentEntries(service) }),
} as const;
export type ModeName = keyof typeof MODES;

/** Creates what the services need, with nothing of it served. */
export const createObjects = async (world: Pick<ApiWorld, 'call'>, mode: ModeName, services: readonly ProviderService[]): Promise<void> => {
  for (const service of services) {
    if (mode === 'httpRoute') await world.call('POST', ROUTES, routeBody(service));
    else for (const p of service.pools) await world.call('POST', DEPLOYMENTS, deploymentBody(`${objectOf(service)}-${p.pool}`));
  }
};

const ports = realPorts();
const resolve = () => Promise.reject(new Error('no name is asked for here'));

export const openKubernetes = (
  worlds: Readonly<Record<string, Pick<ApiWorld, 'url' | 'caPem' | 'token'>>>,
  services: KubernetesConfig['services'],
  wrap: (fetch: Fetch) => Fetch = (fetch) => fetch,
): Provider => {
  const plain = createHttp({ ports, resolve });
  const provider = kubernetes.open(
    {
      kind: 'kubernetes',
      clusters: Object.fromEntries(Object.keys(worlds).map((name) => [name, { kubeconfigFile: `/secrets/${name}` }])),
      services,
    },
    {
      ports,
      secret: (path) => kubeconfigText(worlds[path.slice('/secrets/'.length)]!),
      fetch: wrap(plain.fetch),
      httpTrusting: (caPem): Http => {
        const http = createHttp({ ports, resolve, caPem });
        return { ...http, fetch: wrap(http.fetch) };
      },
    },
  );
  return {
    ...provider,
    close: async () => {
      await provider.close();
      await plain.close();
    },
  };
};

const WRONG_TOKEN = 'a-token-that-nobody-ever-gave-out';

export const kubernetesHarness = async (mode: ModeName, makeWorld: () => Promise<ApiWorld>): Promise<ProviderHarness> => {
  const world = await makeWorld();
  const services = [web, api] as const;
  await createObjects(world, mode, services);
  const entries = Object.fromEntries(services.map((service) => [service.service, MODES[mode](service)]));
  const opened: Provider[] = [];
  let [changes, isLosing, isHanging, isSpoiling] = [0, false, false, false];
  const wrap =
    (fetch: Fetch): Fetch =>
    async (url, init) => {
      if (isHanging) return delay(60_000, undefined as never, { signal: init?.signal as AbortSignal });
      if (init?.method !== 'PATCH') return fetch(url, init);
      changes++;
      const body = String(init.body);
      const spoiled = isSpoiling ? body.replace(/(\/(?:weight|replicas)","value":)\d+/, '$1-1') : body;
      isSpoiling &&= spoiled === body;
      const reply = await fetch(url, { ...init, body: spoiled });
      // Of several patches it is the last whose reply is lost; that a loss on the way is finished by the next write has a test of its own.
      const isLast = mode === 'httpRoute' || (body.includes('/spec/replicas') && !String(url).includes('dryRun'));
      if (!isLosing || !isLast) return reply;
      isLosing = false;
      await reply.text();
      throw new TypeError('fetch failed: other side closed');
    };
  const open = (token: string): Provider => {
    const provider = openKubernetes({ here: { ...world, token } }, entries, wrap);
    opened.push(provider);
    return provider;
  };
  const paths = services.flatMap((service) =>
    mode === 'httpRoute' ? [`${ROUTES}/${objectOf(service)}`] : service.pools.map((p) => `${DEPLOYMENTS}/${objectOf(service)}-${p.pool}`),
  );
  return {
    can: open(world.token).can,
    services,
    provider: () => open(world.token),
    snapshot: async () => JSON.stringify(await Promise.all(paths.map((path) => world.call('GET', path)))),
    async plant(service) {
      if (mode === 'deployments') {
        const op = { op: 'replace', path: '/metadata/annotations/tidegate.dev~1fence', value: 'hands off' };
        await world.call('PATCH', `${DEPLOYMENTS}/${objectOf(service)}-us-east`, [op], JSON_PATCH);
        return 'annotation "hands off"';
      }
      const op = { op: 'add', path: '/spec/rules/0/backendRefs/-', value: { name: 'canary', port: 8080, weight: 5 } };
      await world.call('PATCH', `${ROUTES}/${objectOf(service)}`, [op], JSON_PATCH);
      return 'backend canary weight 5';
    },
    requestId: /^[\w-]+$/,
    secrets: [world.token, WRONG_TOKEN],
    intruder: () => open(WRONG_TOKEN),
    faults: {
      loseNextReply() {
        isLosing = true;
      },
      hang() {
        isHanging = true;
      },
      refusePart() {
        isSpoiling = true;
      },
    },
    changes: () => changes,
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((provider) => provider.close()));
      await world[Symbol.asyncDispose]();
    },
  };
};
