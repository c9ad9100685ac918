// Cloudflare for tests: the stand-in with a zone to work in, and a `fetch` that holds every request and every reply to the vendor's own OpenAPI document and,
// for fields that this leaves open, to the types of the vendor's library.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { type BalancerConfig, CALLS_PER_5_MIN, type CloudflareConfig, type RecordsConfig } from '../../providers/cloudflare/config.ts';
import { cloudflare } from '../../providers/cloudflare/index.ts';
import type { Provider, ProviderContext, ProviderService } from '../../providers/provider.ts';
import { type CloudflareOptions, type CloudflareStandIn, standInForCloudflare } from '../../src/drill/stand-ins/cloudflare.ts';
import { createHttp, type Fetch } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';

export const FIXTURES = join(import.meta.dirname, '../fixtures/cloudflare');
export const OPENAPI = 'openapi-3.0.lb-dns.2026-08-17.json';
export const TOKEN = 'cf-token-0123456789abcdefghijklmnopqrstuvwx';
export const ZONE = 'tide.test';

// ---- the vendor's documents ----

type Json = Record<string, unknown>;

const read = (name: string): Json => JSON.parse(readFileSync(join(FIXTURES, name), 'utf8'));

/** `{ type: object, enum: [null] }` of the document means null: no value is both. */
const meant = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(meant);
  if (value === null || typeof value !== 'object') return value;
  const given = value as Json;
  if (Array.isArray(given.enum) && given.enum.length === 1 && given.enum[0] === null) return { enum: [null] };
  return Object.fromEntries(Object.entries(given).map(([key, each]) => [key, meant(each)]));
};

const loadDocument = () => {
  const document = meant(read(OPENAPI)) as { paths: Record<string, Record<string, Json>> };
  const ajv = new Ajv({ strict: false, allErrors: true, multipleOfPrecision: 6, validateFormats: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'cloudflare', ...document });
  const types = new Ajv({ strict: false, allErrors: true });
  types.addSchema({ $id: 'sdk', ...read('sdk-types-7.3.0.schema.json') });
  return { paths: document.paths, ajv, types };
};

let loaded: ReturnType<typeof loadDocument> | null = null;
const validators = new Map<string, ValidateFunction>();

const validatorOf = (book: 'ajv' | 'types', ref: string): ValidateFunction => {
  loaded ??= loadDocument();
  const known = validators.get(ref);
  if (known !== undefined) return known;
  const compiled = loaded[book].compile({ $ref: ref });
  validators.set(ref, compiled);
  return compiled;
};

const pointer = (...parts: readonly string[]): string =>
  `cloudflare#/${parts.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;

/** The path of the document that a path of a request is an instance of. */
const templateOf = (path: string): string | undefined => {
  loaded ??= loadDocument();
  const matches = Object.keys(loaded.paths).filter((template) => {
    const pattern = template.replace('{accounts_or_zones}', '(?:accounts|zones)').replaceAll(/\{[^}]+\}/g, '[^/]+');
    return new RegExp(`^${pattern}$`).test(path);
  });
  // `…/batch` is also some record's id.
  return matches.sort((a, b) => (a.match(/\{/g)?.length ?? 0) - (b.match(/\{/g)?.length ?? 0))[0];
};

/** Request bodies of the library's types, closed: a field that the document leaves open is found here. */
const TYPES: readonly { method: string; path: RegExp; name: string }[] = [
  { method: 'PATCH', path: /^\/zones\/[^/]+\/load_balancers\/[^/]+$/, name: 'CfLoadBalancerEditBody' },
  { method: 'PATCH', path: /^\/accounts\/[^/]+\/load_balancers\/pools\/[^/]+$/, name: 'CfPoolEditBody' },
  { method: 'POST', path: /^\/zones\/[^/]+\/dns_records\/batch$/, name: 'CfDnsBatchBody' },
];

const errorsOf = (what: string, check: ValidateFunction, value: unknown): string[] =>
  check(value) ? [] : (check.errors ?? []).map(({ instancePath, message }) => `${what}${instancePath}: ${message}`);

export interface Exchanged {
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
  status: number;
  reply: unknown;
}

/** What the vendor's documents have against an exchange; empty: nothing. */
export const problemsOf = ({ method, path, query, body, status, reply }: Exchanged): string[] => {
  const template = templateOf(path);
  const where = `${method} ${path}`;
  if (template === undefined) return [`${where}: no such path`];
  const operation = loaded?.paths[template]?.[method.toLowerCase()] as
    | { parameters?: { name?: string; in?: string }[]; requestBody?: Json; responses: Json }
    | undefined;
  if (operation === undefined) return [`${where}: no such method`];
  const at = ['paths', template, method.toLowerCase()];
  const known = (operation.parameters ?? []).filter((each) => each.in === 'query').map(({ name }) => name ?? '');
  const strange = [...query.keys()].filter((key) => !known.includes(key)).map((key) => `${where}: no parameter ${key}`);
  const bodies =
    operation.requestBody === undefined
      ? body === null
        ? []
        : [`${where}: takes no body`]
      : errorsOf(`${where} body`, validatorOf('ajv', pointer(...at, 'requestBody', 'content', 'application/json', 'schema')), body);
  const typed = TYPES.filter((each) => each.method === method && each.path.test(path)).flatMap(({ name }) =>
    errorsOf(`${where} body as ${name}`, validatorOf('types', `sdk#/definitions/${name}`), body),
  );
  const answers = status === 200 || (status >= 400 && status < 500) ? (status === 200 ? '200' : '4XX') : null;
  const replies =
    answers === null
      ? []
      : errorsOf(
          `${where} ${status}`,
          validatorOf('ajv', pointer(...at, 'responses', answers, 'content', 'application/json', 'schema')),
          reply,
        );
  return [...strange, ...bodies, ...typed, ...replies];
};

/** Passes requests on, and keeps what the documents have against them and their replies. */
export const checkedFetch = (inner: Fetch, base: () => string): { fetch: Fetch; problems: string[]; exchanges: Exchanged[] } => {
  const [problems, exchanges]: [string[], Exchanged[]] = [[], []];
  return {
    problems,
    exchanges,
    async fetch(url, init) {
      const response = await inner(url, init);
      const { pathname, searchParams } = new URL(url);
      const reply: unknown = await response
        .clone()
        .json()
        .catch(() => null);
      const exchange: Exchanged = {
        method: init?.method ?? 'GET',
        path: pathname.slice(new URL(base()).pathname.replace(/\/$/, '').length),
        query: searchParams,
        body: typeof init?.body === 'string' ? JSON.parse(init.body) : null,
        status: response.status,
        reply,
      };
      exchanges.push(exchange);
      problems.push(...problemsOf(exchange).slice(0, 5));
      return response;
    },
  };
};

// ---- a zone to work in ----

export interface CloudflareWorld extends AsyncDisposable {
  standIn: CloudflareStandIn;
  /** What the documents have against anything that was said. */
  problems: readonly string[];
  exchanges: readonly Exchanged[];
  context(token?: string): ProviderContext;
  open(config: CloudflareConfig, token?: string): Provider;
  balancerConfig(over?: Partial<BalancerConfig>): BalancerConfig;
  recordsConfig(over?: Partial<RecordsConfig>): RecordsConfig;
  /** A load balancer with a pool for each of the service's, none of them weighted; its configuration is that of `balancerConfig`. */
  balance(service: ProviderService): void;
}

export const startWorld = async (over: Partial<CloudflareOptions> = {}): Promise<CloudflareWorld> => {
  const ports = realPorts();
  const standIn = await standInForCloudflare({ ports, token: TOKEN, zone: ZONE, ...over });
  const http = createHttp({ ports, resolve: () => Promise.reject(new Error('no names here')) });
  const checked = checkedFetch(http.fetch, () => standIn.url);
  const opened: Provider[] = [];
  const services: Record<string, BalancerConfig['services'][string]> = {};
  const context = (token = TOKEN): ProviderContext => ({ ports: { ...ports }, fetch: checked.fetch, secret: () => `${token}\n` });
  const common = () => ({
    kind: 'cloudflare' as const,
    zone: ZONE,
    zoneId: standIn.zoneId,
    endpoint: standIn.url,
    tokenFile: '/secrets/cloudflare.token',
    callsPer5Min: CALLS_PER_5_MIN,
  });
  return {
    standIn,
    problems: checked.problems,
    exchanges: checked.exchanges,
    context,
    open(config, token) {
      const provider = cloudflare.open(config, context(token));
      opened.push(provider);
      return provider;
    },
    balancerConfig: (more) => ({
      ...common(),
      mode: 'loadBalancer',
      proxied: true,
      accountId: standIn.accountId,
      sessions: 'keep',
      services,
      ...more,
    }),
    recordsConfig: (more) => ({ ...common(), mode: 'dns', proxied: false, plan: 'free', fencing: 'marker', ...more }),
    balance({ service, pools }) {
      const made = pools.map(({ pool, answers }) => ({
        name: pool,
        id: standIn.pool({
          name: pool,
          origins: answers.map((address, at) => ({ name: `app-${at}`, address, enabled: true, weight: 1 })),
        }).id,
      }));
      const ids = made.map(({ id }) => id);
      const balancer = standIn.balancer({
        name: service,
        default_pools: ids,
        description: 'Checkout, owned by payments',
        random_steering: { default_weight: 1, pool_weights: Object.fromEntries(ids.map((id) => [id, 0])) },
      });
      services[service] = { loadBalancerId: balancer.id, pools: Object.fromEntries(made.map(({ name, id }) => [name, id])) };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((provider) => provider.close()));
      await http.close();
      await standIn.close();
    },
  };
};
