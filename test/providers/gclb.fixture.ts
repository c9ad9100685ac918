// The gclb provider's world for tests: the stand-in behind a proxy that can lose a reply, hang, or spoil a part of a body, and that holds every body of every
// exchange to the vendor's schema.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { type GclbConfig, gclb } from '../../providers/gclb/index.ts';
import type { Provider, ProviderService } from '../../providers/provider.ts';
import { type GclbStandIn, type GclbStandInOptions, startGclbStandIn } from '../../src/drill/stand-ins/gclb.ts';
import { createHttp } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';

export const PROJECT = 'tide-project';
export const FIXTURES = join(import.meta.dirname, '../fixtures/gclb');
export const fixtureOf = (name: string) => JSON.parse(readFileSync(join(FIXTURES, name), 'utf8'));

// ---- services and their objects ----

const REGIONS = ['europe-west1', 'us-east1', 'asia-south1'] as const;

export const serviceOf = (name: string, pools: number, shares?: readonly number[]): ProviderService => ({
  service: `${name}.tide.test`,
  ttlS: 30,
  pools: REGIONS.slice(0, pools).map((region, at) => {
    const even = at === 0 ? 1000 - Math.floor(1000 / pools) * (pools - 1) : Math.floor(1000 / pools);
    return { pool: region, region, share: shares?.[at] ?? even, configuredShare: even, answers: [] };
  }),
});

export const groupOf = (service: string, region: string): string =>
  `zones/${region}-b/networkEndpointGroups/${service.split('.')[0]}-${region}`;

const LINK = `https://www.googleapis.com/compute/v1/projects/${PROJECT}`;

export const backendServiceOf = ({ service, pools }: ProviderService, capacityScaler?: number): Record<string, unknown> => ({
  name: `${service.split('.')[0]}-bs`,
  description: '',
  loadBalancingScheme: 'EXTERNAL_MANAGED',
  protocol: 'HTTP',
  timeoutSec: 30,
  backends: pools.map(({ pool }) => ({
    group: `${LINK}/${groupOf(service, pool)}`,
    balancingMode: 'RATE',
    maxRatePerEndpoint: 100.5,
    ...(capacityScaler === undefined ? {} : { capacityScaler }),
  })),
  healthChecks: [`${LINK}/global/healthChecks/hc`],
});

export const backendName = (service: string, pool: string): string => `${service.split('.')[0]}-${pool}`;

export const urlMapOf = ({ service, pools }: ProviderService, weight: number, pathMatcher?: string): Record<string, unknown> => {
  const weighted = pools.map(({ pool }) => ({
    backendService: `${LINK}/global/backendServices/${backendName(service, pool)}`,
    weight,
    headerAction: { requestHeadersToAdd: [{ headerName: 'x-pool', headerValue: pool, replace: true }] },
  }));
  const action = { defaultRouteAction: { weightedBackendServices: weighted, timeout: { seconds: '30' } } };
  const name = `${service.split('.')[0]}-map`;
  if (pathMatcher === undefined) return { name, ...action };
  const other = { name: 'static', defaultService: `${LINK}/global/backendServices/static` };
  return {
    name,
    defaultService: `${LINK}/global/backendServices/other`,
    hostRules: [{ hosts: ['*'], pathMatcher }],
    pathMatchers: [other, { name: pathMatcher, ...action }],
  };
};

export const capacityConfig = (services: readonly ProviderService[], endpoint: string): GclbConfig => ({
  kind: 'gclb',
  mode: 'capacity',
  project: PROJECT,
  credentialsFile: '/secrets/gcp.json',
  endpoint,
  services: Object.fromEntries(
    services.map(({ service, pools }) => [
      service,
      {
        backendService: `${service.split('.')[0]}-bs`,
        pools: Object.fromEntries(pools.map(({ pool }) => [pool, { groups: [groupOf(service, pool)], capacityScaler: 1 }])),
        unmanaged: [],
      },
    ]),
  ),
});

export const urlMapConfig = (services: readonly ProviderService[], endpoint: string, pathMatcher?: string): GclbConfig => ({
  kind: 'gclb',
  mode: 'urlMap',
  project: PROJECT,
  credentialsFile: '/secrets/gcp.json',
  endpoint,
  services: Object.fromEntries(
    services.map(({ service, pools }) => [
      service,
      {
        urlMap: `${service.split('.')[0]}-map`,
        ...(pathMatcher === undefined ? {} : { pathMatcher }),
        pools: Object.fromEntries(pools.map(({ pool }) => [pool, { backendService: backendName(service, pool) }])),
        unmanaged: [],
      },
    ]),
  ),
});

// ---- the vendor's schema ----

const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema(fixtureOf('compute-v1.schema.json'), 'compute');

const validators = new Map<string, ReturnType<typeof ajv.compile>>();
const validatorOf = (definition: string) => {
  const known = validators.get(definition) ?? ajv.compile({ $ref: `compute#/definitions/${definition}` });
  validators.set(definition, known);
  return known;
};

/** Problems of a body by one definition of the vendor's schema; empty: it fits. */
export const problemsBySchema = (definition: string, body: unknown): readonly string[] => {
  const validate = validatorOf(definition);
  return validate(body) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${definition}${instancePath}: ${message}`);
};

export interface Exchange {
  method: string;
  path: string;
  query: string;
  request: unknown;
  status: number;
  reply: unknown;
}

const problemsOf = ({ method, path, request, status, reply }: Exchange): readonly string[] => {
  const kind = path.includes('/urlMaps') ? 'UrlMap' : 'BackendService';
  const sent = method === 'PATCH' ? problemsBySchema(kind, request) : [];
  if (status !== 200) return sent;
  if (method === 'PATCH' || path.includes('/operations/')) return [...sent, ...problemsBySchema('Operation', reply)];
  if (/\/(urlMaps|backendServices)$/.test(path)) {
    const items = (reply as { items: readonly unknown[] }).items;
    return items.flatMap((item) => problemsBySchema(kind, item));
  }
  return problemsBySchema(kind, reply);
};

// ---- the wire ----

export interface Wire extends AsyncDisposable {
  url: string;
  exchanges: Exchange[];
  loseNextReply(): void;
  hang(): void;
  /** A value that the vendor does not allow, in the middle of the next changing request. */
  refusePart(): void;
  /** The next request of this method is answered so, and does not reach the vendor. null: its connection is cut. */
  answerNext(method: string, answer: { status: number; body: unknown } | null): void;
}

const spoiled = (body: string): string => {
  const parsed = JSON.parse(body);
  const weighted =
    parsed.defaultRouteAction?.weightedBackendServices ?? parsed.pathMatchers?.at(-1).defaultRouteAction.weightedBackendServices;
  if (weighted !== undefined) weighted.at(-1).weight = 1001;
  if (parsed.backends !== undefined) parsed.backends.at(-1).capacityScaler = 0.05;
  return JSON.stringify(parsed);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

export const startWire = async (upstream: string): Promise<Wire> => {
  let [losing, hanging, spoiling] = [false, false, false];
  let next: { method: string; answer: { status: number; body: unknown } | null } | null = null;
  const exchanges: Exchange[] = [];
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    if (hanging) return;
    const changing = request.method === 'PATCH';
    const body = changing && spoiling ? spoiled(text) : text;
    if (changing) spoiling = false;
    const { pathname, search } = new URL(request.url ?? '/', upstream);
    if (next?.method === request.method) {
      const { answer } = next!;
      next = null;
      if (answer === null) {
        request.socket.destroy();
        return;
      }
      const isText = typeof answer.body === 'string';
      response.writeHead(answer.status, { 'content-type': isText ? 'text/html' : 'application/json' });
      response.end(isText ? answer.body : JSON.stringify(answer.body));
      return;
    }
    const reply = await fetch(`${upstream}${request.url}`, {
      method: request.method ?? 'GET',
      headers: Object.entries(request.headers).flatMap(([key, value]): [string, string][] =>
        typeof value === 'string' && !['host', 'connection', 'content-length'].includes(key) ? [[key, value]] : [],
      ),
      ...(body === '' ? {} : { body }),
    });
    const replyText = await reply.text();
    exchanges.push({
      method: request.method ?? '',
      path: pathname,
      query: search,
      request: parsed(text),
      status: reply.status,
      reply: parsed(replyText),
    });
    if (changing && losing) {
      losing = false;
      request.socket.destroy();
      return;
    }
    response.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? 'text/plain' }).end(replyText);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exchanges,
    loseNextReply: () => {
      losing = true;
    },
    hang: () => {
      hanging = true;
    },
    refusePart: () => {
      spoiling = true;
    },
    answerNext: (method, answer) => {
      next = { method, answer };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

// ---- the whole ----

export interface GclbWorld extends AsyncDisposable {
  standIn: GclbStandIn;
  wire: Wire;
  open(config: GclbConfig, credentials?: string): Provider;
}

/** A key that the stand-in does not know, under the name that it does. */
export const foreignKey = (credentials: string): string => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return JSON.stringify({ ...JSON.parse(credentials), private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }) });
};

/** Fails when it is put away if any body did not fit the vendor's schema. `odd`: not held to it, since the test is about fields that it does not know. */
export const startWorld = async (options: Omit<GclbStandInOptions, 'ports' | 'project'>, odd = false): Promise<GclbWorld> => {
  const ports = realPorts();
  const standIn = await startGclbStandIn({ ports, project: PROJECT, ...options });
  const wire = await startWire(standIn.url);
  const outside = createHttp({ ports, resolve: () => Promise.reject(new Error('a name was asked for')) });
  const opened: Provider[] = [];
  return {
    standIn,
    wire,
    open(config, credentials = standIn.credentials) {
      const provider = gclb.open(config, { ports, secret: () => credentials, fetch: outside.fetch });
      opened.push(provider);
      return provider;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((provider) => provider.close()));
      await outside.close();
      await wire[Symbol.asyncDispose]();
      await standIn.close();
      const problems = odd ? [] : wire.exchanges.flatMap(problemsOf);
      if (problems.length > 0) throw new Error(`bodies that the vendor's schema does not know: ${problems.slice(0, 5).join('; ')}`);
    },
  };
};
