// A stand-in for the part of Google's Compute API that the gclb provider uses: global backend services, URL maps and their operations. It owns the rules a route
// can run into: fingerprints compared when a change takes effect, JSON merge patch with arrays replaced whole, capacityScaler 0 or from 0.1 to 1, never 0 at the
// only backend and never set at scheme INTERNAL, weights to 1000, one change of an object at a time, a request id that makes a repeat harmless, quota as 403.
import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { stateHash } from '../../../providers/fence.ts';
import { isoTime, type Ports, sleep } from '../../ports.ts';
import type { StandIn, StandInCall, StandInOptions } from './stand-in.ts';

type Json = Readonly<Record<string, unknown>>;
type Collection = 'backendServices' | 'urlMaps';

export interface GclbStandInOptions extends StandInOptions {
  ports: Ports;
  project: string;
  /** Objects as the vendor's API takes them, each with a name. */
  backendServices?: readonly Json[];
  urlMaps?: readonly Json[];
  /** From the reply of a change until it takes effect; 0: it has when the reply leaves. */
  operationMs?: number;
  /** Requests of one kind (reads, lists, changes, looks at operations) in a minute. */
  quotaPerMinute?: number;
}

export interface GclbStandIn extends StandIn {
  /** Text of the service account key that it takes; made anew with every start. */
  credentials: string;
  /** An object as it is now. */
  object(collection: Collection, name: string): Json | undefined;
  /** Changes an object by hand, as a human with the console would. */
  change(collection: Collection, name: string, patch: Json): void;
}

/** The vendor's own default, as documented: per project, kind of request and minute. */
export const QUOTA_PER_MINUTE = 1500;

interface Operation {
  name: string;
  collection: Collection;
  target: string;
  patch: Json;
  status: 'RUNNING' | 'DONE';
  refusal: Refusal | null;
  insertedAtMs: number;
}

interface Refusal {
  status: number;
  reason: string;
  message: string;
}

interface World {
  options: GclbStandInOptions;
  objects: Readonly<Record<Collection, Map<string, Json>>>;
  operations: Map<string, Operation>;
  /** By the id that their request carried. */
  requests: Map<string, Operation>;
  /** Requests of this minute, by kind. */
  spent: { minute: number; counts: Map<string, number> };
  changes: number;
  calls: StandInCall[];
}

const EMAIL = 'tidegate@stand-in.iam.gserviceaccount.com';

export const startGclbStandIn = async (options: GclbStandInOptions): Promise<GclbStandIn> => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const world: World = {
    options,
    objects: { backendServices: new Map(), urlMaps: new Map() },
    operations: new Map(),
    requests: new Map(),
    spent: { minute: -1, counts: new Map() },
    changes: 0,
    calls: [],
  };
  for (const each of options.backendServices ?? []) place(world, 'backendServices', each);
  for (const each of options.urlMaps ?? []) place(world, 'urlMaps', each);
  const app = appOf(world, createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    credentials: keyText(options.project, privateKey),
    calls: () => world.calls,
    object: (collection, name) => world.objects[collection].get(name),
    change: (collection, name, patch) => {
      const object = world.objects[collection].get(name);
      if (object !== undefined) place(world, collection, merged(object, patch));
    },
    close: () => app.close(),
  };
};

const keyText = (project: string, privateKey: KeyObject): string =>
  JSON.stringify({
    type: 'service_account',
    project_id: project,
    private_key_id: 'stand-in',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: EMAIL,
    token_uri: 'https://oauth2.googleapis.com/token',
  });

// ---- objects ----

const KIND = { backendServices: 'compute#backendService', urlMaps: 'compute#urlMap' } as const;

const linkOf = (project: string, collection: string, name: string): string =>
  `https://www.googleapis.com/compute/v1/projects/${project}/global/${collection}/${name}`;

/** Stores an object with what only the vendor writes, and tells what users are served from then on. */
const place = (world: World, collection: Collection, given: Json): void => {
  const name = String(given.name);
  const { project, ports } = world.options;
  const before = world.objects[collection].get(name);
  const { fingerprint: _, kind: _kind, id: _id, creationTimestamp: _at, selfLink: _link, ...contents } = given;
  const object: Json = {
    ...given,
    kind: KIND[collection],
    id: before?.id ?? String(1_000_000_000_000_000_000n + BigInt(++world.changes)),
    creationTimestamp: before?.creationTimestamp ?? isoTime(ports.clock.wallMs()),
    selfLink: linkOf(project, collection, name),
    // "A hash of the contents stored in this object" (compute.proto): what is put back as it was has its old one.
    fingerprint: Buffer.from(stateHash(contents), 'hex').subarray(0, 8).toString('base64'),
  };
  world.objects[collection].set(name, object);
  tell(world, collection, before, object);
};

const tell = ({ options }: World, collection: Collection, before: Json | undefined, object: Json): void => {
  const { onServed, visibleAfterMs = 0, ports } = options;
  if (onServed === undefined) return;
  const old = before === undefined ? [] : servedOf(collection, before);
  const news = servedOf(collection, object).filter((each) => !old.some((one) => isDeepStrictEqual(one, each)));
  const say = (): void => {
    for (const each of news) onServed(each);
  };
  if (visibleAfterMs === 0) say();
  else ports.timers.after(visibleAfterMs, say, { background: true });
};

const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value : []);
const mapOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const lastPart = (path: unknown): string => String(path).split('/').at(-1) ?? '';

/** A backend service serves by its groups' capacity; a URL map at each of its places, by the weights there or its default service. */
const servedOf = (collection: Collection, object: Json): { name: string; weights: Record<string, number> }[] => {
  const name = String(object.name);
  if (collection === 'backendServices') {
    const weights = listOf(object.backends).map(({ group, capacityScaler = 1 }) => [lastPart(group), Number(capacityScaler)] as const);
    return [{ name, weights: Object.fromEntries(weights) }];
  }
  const placeOf = (holder: Json, called: string) => {
    const weighted = listOf(mapOf(holder.defaultRouteAction).weightedBackendServices);
    const entries = weighted.map(({ backendService, weight = 0 }) => [lastPart(backendService), Number(weight)] as const);
    const whole = holder.defaultService === undefined ? [] : [[lastPart(holder.defaultService), 1] as const];
    return { name: called, weights: Object.fromEntries(entries.length > 0 ? entries : whole) };
  };
  return [placeOf(object, name), ...listOf(object.pathMatchers).map((each) => placeOf(each, `${name}/${String(each.name)}`))];
};

/** RFC 7396: maps are merged, null removes, all else replaces. */
const merged = (target: unknown, patch: unknown): Json => {
  const result: Record<string, unknown> = { ...mapOf(Array.isArray(target) ? {} : target) };
  for (const [key, value] of Object.entries(mapOf(patch))) {
    if (value === null) delete result[key];
    else result[key] = typeof value === 'object' && !Array.isArray(value) ? merged(result[key], value) : value;
  }
  return result;
};

// ---- rules ----

const invalid = (field: string, value: unknown, why: string): Refusal => ({
  status: 400,
  reason: 'invalid',
  message: `Invalid value for field '${field}': '${String(value)}'. ${why}`,
});

const backendServiceRule = ({ loadBalancingScheme, backends }: Json): Refusal | null => {
  const all = listOf(backends);
  for (const [at, { capacityScaler }] of all.entries()) {
    const field = `resource.backends[${at}].capacityScaler`;
    if (capacityScaler === undefined) continue;
    if (loadBalancingScheme === 'INTERNAL')
      return invalid(field, capacityScaler, 'Capacity scaler must not be set for an INTERNAL backend service.');
    const value = Number(capacityScaler);
    if (!(value === 0 || (value >= 0.1 && value <= 1))) return invalid(field, capacityScaler, 'It must be 0.0 or from 0.1 to 1.0.');
    if (value === 0 && all.length === 1) return invalid(field, capacityScaler, 'It must not be 0 for the only backend.');
  }
  return null;
};

const urlMapRule = (map: Json, path = 'resource'): Refusal | null => {
  const action = mapOf(map.defaultRouteAction);
  const weighted = listOf(action.weightedBackendServices);
  const field = `${path}.defaultRouteAction.weightedBackendServices`;
  for (const [at, { weight = 0 }] of weighted.entries())
    if (!Number.isInteger(weight) || Number(weight) < 0 || Number(weight) > 1000)
      return invalid(`${field}[${at}].weight`, weight, 'It must be from 0 to 1000.');
  if (weighted.length > 0 && weighted.every(({ weight = 0 }) => weight === 0)) return invalid(field, 0, 'One weight must be above 0.');
  if (weighted.length > 0 && map.defaultService !== undefined)
    return invalid(`${path}.defaultService`, map.defaultService, 'Only one of it and weightedBackendServices can be set.');
  for (const [at, matcher] of listOf(map.pathMatchers).entries()) {
    const refusal = urlMapRule(matcher, `${path}.pathMatchers[${at}]`);
    if (refusal !== null) return refusal;
  }
  return null;
};

const notFound = ({ options }: World, collection: string, name: string): Refusal => ({
  status: 404,
  reason: 'notFound',
  message: `The resource 'projects/${options.project}/global/${collection}/${name}' was not found`,
});

/** The whole change in one step: compares, merges, judges, stores. */
const commit = (world: World, collection: Collection, name: string, patch: Json): Refusal | null => {
  const object = world.objects[collection].get(name);
  if (object === undefined) return notFound(world, collection, name);
  if (patch.fingerprint !== object.fingerprint) return { status: 412, reason: 'conditionNotMet', message: 'Invalid fingerprint.' };
  const next = { ...merged(object, patch), name };
  const refusal = collection === 'backendServices' ? backendServiceRule(next) : urlMapRule(next);
  if (refusal === null) place(world, collection, next);
  return refusal;
};

// ---- requests ----

const appOf = (world: World, publicKey: KeyObject): FastifyInstance => {
  const { options, operations } = world;
  const app = Fastify({ forceCloseConnections: true });
  const root = `/compute/v1/projects/${options.project}/global`;
  app.addHook('onRequest', async (request, reply) => {
    if (options.latencyMs !== undefined) await sleep(options.ports.timers, options.latencyMs);
    const refusal = accessRefusal(world, publicKey, request);
    if (refusal !== null) await refuse(reply, refusal);
  });
  app.addHook('onResponse', async (request, reply) => {
    const [path = ''] = request.url.split('?');
    world.calls.push({ method: request.method, path, body: request.body ?? null, status: reply.statusCode });
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, { status: 404, reason: 'notFound', message: 'Not Found' }));

  for (const collection of ['backendServices', 'urlMaps'] as const) {
    app.get<{ Querystring: Query }>(`${root}/${collection}`, async ({ query }) => pageOf(world, collection, query));
    app.get<{ Params: { name: string } }>(`${root}/${collection}/:name`, async ({ params }, reply) => {
      const object = world.objects[collection].get(params.name);
      return object ?? refuse(reply, notFound(world, collection, params.name));
    });
    app.patch<{ Params: { name: string }; Querystring: Query }>(`${root}/${collection}/:name`, async ({ params, query, body }, reply) => {
      const started = start(world, collection, params.name, mapOf(body), query.requestId);
      return 'reason' in started ? refuse(reply, started) : operationBody(world, started);
    });
  }
  const look = async ({ params }: { params: { name: string } }, reply: FastifyReply) => {
    const operation = operations.get(params.name);
    return operation === undefined ? refuse(reply, notFound(world, 'operations', params.name)) : operationBody(world, operation);
  };
  app.get<{ Params: { name: string } }>(`${root}/operations/:name`, look);
  app.post<{ Params: { name: string } }>(`${root}/operations/:name/wait`, look);
  return app;
};

interface Query {
  maxResults?: string;
  pageToken?: string;
  requestId?: string;
}

const refuse = (reply: FastifyReply, { status, reason, message }: Refusal): FastifyReply =>
  reply.code(status).send({ error: { code: status, message, errors: [{ message, domain: 'global', reason }] } });

const accessRefusal = (world: World, publicKey: KeyObject, request: FastifyRequest): Refusal | null => {
  if (!isSigned(request.headers.authorization ?? '', publicKey, world.options.ports.clock.wallMs()))
    return { status: 401, reason: 'authError', message: 'Request had invalid authentication credentials.' };
  const { quotaPerMinute = QUOTA_PER_MINUTE, ports } = world.options;
  const minute = Math.floor(ports.clock.wallMs() / 60_000);
  if (world.spent.minute !== minute) world.spent = { minute, counts: new Map() };
  const kind = kindOf(request);
  const spent = (world.spent.counts.get(kind) ?? 0) + 1;
  world.spent.counts.set(kind, spent);
  return spent > quotaPerMinute ? { status: 403, reason: 'rateLimitExceeded', message: 'Rate Limit Exceeded' } : null;
};

const kindOf = ({ method, url }: FastifyRequest): string => {
  if (method !== 'GET' && method !== 'POST') return 'changes';
  if (url.includes('/operations/')) return 'operations';
  return /\/global\/\w+(\?|$)/.test(url) ? 'lists' : 'reads';
};

/** A token that the key's holder signed for itself, still valid. */
const isSigned = (authorization: string, publicKey: KeyObject, wallMs: number): boolean => {
  const [head = '', claims = '', signature = ''] = authorization.replace(/^Bearer /, '').split('.');
  if (!verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))) return false;
  const { iss, exp }: { iss?: unknown; exp?: unknown } = JSON.parse(Buffer.from(claims, 'base64url').toString());
  return iss === EMAIL && typeof exp === 'number' && exp * 1000 > wallMs;
};

const pageOf = ({ objects, options }: World, collection: Collection, { maxResults = '500', pageToken = '0' }: Query): Json => {
  const all = [...objects[collection].values()];
  const [from, to] = [Number(pageToken), Number(pageToken) + Number(maxResults)];
  return {
    kind: `${KIND[collection]}List`,
    id: `projects/${options.project}/global/${collection}`,
    items: all.slice(from, to),
    ...(to < all.length ? { nextPageToken: String(to) } : {}),
    selfLink: `https://www.googleapis.com/compute/v1/projects/${options.project}/global/${collection}`,
  };
};

// ---- operations ----

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const start = (world: World, collection: Collection, target: string, patch: Json, requestId: string | undefined): Operation | Refusal => {
  const { operationMs = 0, ports } = world.options;
  if (requestId !== undefined && (!UUID.test(requestId) || /^[0-]*$/.test(requestId)))
    return invalid('requestId', requestId, 'It must be a UUID that is not zero.');
  const known = requestId === undefined ? undefined : world.requests.get(requestId);
  if (known !== undefined) return known;
  const busy = [...world.operations.values()].some(
    (each) => each.status === 'RUNNING' && each.collection === collection && each.target === target,
  );
  if (busy) {
    const message = `The resource 'projects/${world.options.project}/global/${collection}/${target}' is not ready`;
    return { status: 400, reason: 'resourceNotReady', message };
  }
  const refusal = operationMs === 0 ? commit(world, collection, target, patch) : early(world, collection, target, patch);
  if (refusal !== null) return refusal;
  const name = `operation-${world.operations.size + 1}`;
  const operation: Operation = {
    name,
    collection,
    target,
    patch,
    status: operationMs === 0 ? 'DONE' : 'RUNNING',
    refusal: null,
    insertedAtMs: ports.clock.wallMs(),
  };
  world.operations.set(name, operation);
  if (requestId !== undefined) world.requests.set(requestId, operation);
  if (operationMs > 0) ports.timers.after(operationMs, () => finish(world, operation), { background: true });
  return operation;
};

/** What is already known when a change is taken that will take effect later. */
const early = (world: World, collection: Collection, name: string, { fingerprint }: Json): Refusal | null => {
  const object = world.objects[collection].get(name);
  if (object === undefined) return notFound(world, collection, name);
  return fingerprint === object.fingerprint ? null : { status: 412, reason: 'conditionNotMet', message: 'Invalid fingerprint.' };
};

/** Compared again: what was changed by hand meanwhile is not written over. */
const finish = (world: World, operation: Operation): void => {
  operation.refusal = commit(world, operation.collection, operation.target, operation.patch);
  operation.status = 'DONE';
};

const STATUS_TEXT: Readonly<Record<number, string>> = { 400: 'BAD REQUEST', 404: 'NOT FOUND', 412: 'PRECONDITION FAILED' };

const operationBody = ({ options }: World, { name, collection, target, status, refusal, insertedAtMs }: Operation): Json => ({
  kind: 'compute#operation',
  id: String(2_000_000_000_000_000_000n + BigInt(name.split('-')[1] ?? 0)),
  name,
  operationType: 'patch',
  targetLink: linkOf(options.project, collection, target),
  status,
  progress: status === 'DONE' ? 100 : 0,
  user: EMAIL,
  insertTime: isoTime(insertedAtMs),
  startTime: isoTime(insertedAtMs),
  selfLink: linkOf(options.project, 'operations', name),
  ...(refusal === null
    ? {}
    : {
        httpErrorStatusCode: refusal.status,
        httpErrorMessage: STATUS_TEXT[refusal.status] ?? 'ERROR',
        error: { errors: [{ code: refusal.reason.replace(/[A-Z]/g, '_$&').toUpperCase(), message: refusal.message }] },
      }),
});
