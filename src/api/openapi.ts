// The OpenAPI 3.1 document: a fold over the table of routes, so that it cannot speak of a path that is not offered. Pure. What every path has in common
// (credentials, the refusals that any of them may answer) is added here; what is particular stands in the row.
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../errors.ts';
import type { ApiRoute } from './route.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** A body or a reply: a JSON schema, a zod schema, or an object of OpenAPI with `content`. */
export interface RouteSchema {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: readonly string[];
  /** Objects whose `properties` are the parameters. */
  params?: unknown;
  querystring?: unknown;
  headers?: unknown;
  body?: unknown;
  /** By status. */
  response?: Readonly<Record<string, unknown>>;
  /** Codes it may refuse with, beside those that any path of its kind has. */
  refusals?: readonly ErrorCode[];
}

export interface OpenApi {
  openapi: '3.1.0';
  info: JsonSchema;
  tags: readonly JsonSchema[];
  security: readonly JsonSchema[];
  paths: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>;
  components: { schemas: Readonly<Record<string, JsonSchema>>; securitySchemes: JsonSchema };
}

export const ref = (component: string): JsonSchema => ({ $ref: `#/components/schemas/${component}` });

/** JSON with named examples, as a body or a reply. */
export const json = (schema: JsonSchema, examples: Readonly<Record<string, unknown>>, more: JsonSchema = {}): JsonSchema => ({
  ...more,
  content: {
    'application/json': { schema, examples: Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }])) },
  },
});

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;

const plain = (schema: unknown): JsonSchema => {
  const { $schema: _, ...rest } =
    schema instanceof z.ZodType ? z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) : (schema as JsonSchema);
  return rest;
};

const payload = (given: unknown, description: string): JsonSchema => {
  if (isRecord(given) && 'content' in given) return { description, ...given };
  const schema = plain(given);
  return { description: schema.description ?? description, content: { 'application/json': { schema } } };
};

const parameters = (where: 'path' | 'query' | 'header', given: unknown): readonly JsonSchema[] => {
  if (given === undefined) return [];
  const { properties = {}, required = [] } = plain(given) as { properties?: Record<string, JsonSchema>; required?: readonly string[] };
  return Object.entries(properties).map(([name, { description, examples, ...schema }]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    ...(Array.isArray(examples) ? { example: examples[0] } : {}),
    schema,
  }));
};

/** `/v1/overrides/:id` -> `/v1/overrides/{id}`, `/assets/*` -> `/assets/{path}` */
const pathOf = (url: string): string => url.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}');
const namesIn = (url: string): readonly string[] => [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => name);

const pathParameters = (url: string, given: unknown): readonly JsonSchema[] => {
  const described = parameters('path', given);
  const bare = namesIn(url).filter((name) => !described.some((parameter) => parameter.name === name));
  return [...described, ...bare.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))];
};

/** What any path of its kind may refuse with. */
const usualRefusals = ({ method, url, needs, schema = {} }: ApiRoute): readonly ErrorCode[] => [
  ...(needs === null ? [] : (['ERR_UNAUTHORIZED', 'ERR_FORBIDDEN', 'ERR_TOO_MANY', 'ERR_STORE_UNREACHABLE'] as const)),
  ...(method === 'GET' ? [] : (['ERR_BAD_REQUEST', 'ERR_MEDIA_TYPE', 'ERR_TOO_LARGE', 'ERR_STOPPING'] as const)),
  ...(schema.querystring === undefined ? [] : (['ERR_BAD_REQUEST'] as const)),
  ...(namesIn(url).length === 0 ? [] : (['ERR_BAD_REQUEST', 'ERR_NOT_FOUND', 'ERR_TOO_LARGE'] as const)),
];

const problemReply = (status: number, codes: readonly ErrorCode[]): JsonSchema => ({
  description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' '),
  content: {
    'application/problem+json': {
      schema: ref('Problem'),
      examples: Object.fromEntries(
        codes.map((code) => [
          code,
          {
            value: {
              type: `urn:tidegate:error:${code}`,
              title: ERRORS[code].title,
              status,
              detail: 'a sentence with what was found, what was expected and what to do',
              code,
              requestId: '4f6a1c0b9d2e8f73',
            },
          },
        ]),
      ),
    },
  },
  ...(status === 401 ? { headers: { 'WWW-Authenticate': { schema: { type: 'string' } } } } : {}),
});

const refusalsOf = (route: ApiRoute): Readonly<Record<string, JsonSchema>> => {
  const codes = [...new Set([...usualRefusals(route), ...(route.schema?.refusals ?? [])])].sort();
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].http);
  return Object.fromEntries([...byStatus].map(([status, of]) => [String(status), problemReply(status, of)]));
};

const repliesOf = (route: ApiRoute): JsonSchema => {
  const own = Object.entries(route.schema?.response ?? {}).map(([status, given]) => [
    status,
    payload(given, status === '201' ? 'Made.' : 'As asked.'),
  ]);
  const replies: Record<string, unknown> = { ...refusalsOf(route), ...Object.fromEntries(own) };
  return Object.fromEntries(Object.entries(replies).sort(([a], [b]) => a.localeCompare(b)));
};

const operation = (route: ApiRoute): JsonSchema => {
  const { operationId, summary, description, tags, params, querystring, headers, body } = route.schema ?? {};
  const all = [...pathParameters(route.url, params), ...parameters('query', querystring), ...parameters('header', headers)];
  const right = route.needs === null ? 'Open to anybody.' : `Role ${route.needs} or more.`;
  return {
    operationId: operationId ?? `${route.method.toLowerCase()} ${route.url}`,
    ...(summary === undefined ? {} : { summary }),
    description: description === undefined ? right : `${description}\n\n${right}`,
    ...(tags === undefined ? {} : { tags }),
    'x-needs': route.needs,
    // Viewers may be let in without credentials; then an empty requirement says so.
    security:
      route.needs === null
        ? []
        : [
            { bearer: [] },
            { certificate: [] },
            ...(route.byPassword === true ? [{ basic: [] }] : []),
            ...(route.needs === 'viewer' ? [{}] : []),
          ],
    ...(all.length === 0 ? {} : { parameters: all }),
    ...(body === undefined ? {} : { requestBody: { required: true, ...payload(body, 'The order.') } }),
    responses: repliesOf(route),
  };
};

const SECURITY_SCHEMES: JsonSchema = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A token of the tokens file, an OIDC access token, or a break-glass token.' },
  basic: { type: 'http', scheme: 'basic', description: 'On the page without a script alone: any name, and a token as the password.' },
  certificate: { type: 'mutualTLS', description: 'A client certificate, where the replica is configured to ask for one.' },
};

/** `version` is the program's. */
export const openApiOf = (routes: readonly ApiRoute[], schemas: Readonly<Record<string, JsonSchema>>, version: string): OpenApi => ({
  openapi: '3.1.0',
  info: {
    title: 'Tidegate',
    version,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    description:
      'Orders of operators, what is decided and why. Any replica of any region answers. Errors are RFC 9457 problems with a stable `code`. Times named `…AtMs` are milliseconds of cluster time since 1970, shares are thousandths of a service’s traffic.',
  },
  tags: [...new Set(routes.flatMap(({ schema }) => schema?.tags ?? []))].sort().map((name) => ({ name })),
  security: [{ bearer: [] }, { certificate: [] }],
  paths: Object.fromEntries(
    [...Map.groupBy(routes, ({ url }) => pathOf(url))].map(([path, offers]) => [
      path,
      Object.fromEntries(offers.map((route) => [route.method.toLowerCase(), operation(route)])),
    ]),
  ),
  components: { schemas, securitySchemes: SECURITY_SCHEMES },
});
