// A stand-in for the API server of one Kubernetes cluster, as far as a route meets it: HTTPRoutes and Deployments are created, read, replaced and changed by JSON
// patch, each in one step, with resource versions, trials without effect (dryRun) and the ranges that the real one enforces. The real one passes the same
// contract suite by name (test/system/kubernetes). No roles, no admission, no controllers, no TLS.
import { isDeepStrictEqual } from 'node:util';
import Fastify from 'fastify';
import { z } from 'zod';
import type { StandIn, StandInCall, StandInOptions, StandInServed } from '../../src/drill/stand-ins/stand-in.ts';
import { type Ports, sleep } from '../../src/ports.ts';

export interface KubernetesOptions extends StandInOptions {
  ports: Pick<Ports, 'timers'>;
  /** The one bearer token that is taken. */
  token: string;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Body = Record<string, unknown>;

interface Kept {
  body: Body;
  version: number;
}

class Refusal extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

const opShape = z.object({
  op: z.enum(['test', 'add', 'replace', 'remove']),
  path: z.string().startsWith('/'),
  value: z.json().optional(),
});
const objectShape = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().optional() }) });

interface Where {
  group: string;
  version: string;
  namespace: string;
  plural: string;
  name: string;
}

const COLLECTION = '/apis/:group/:version/namespaces/:namespace/:plural';

export const startKubernetesStandIn = async (options: KubernetesOptions): Promise<StandIn> => {
  const { ports, token, latencyMs = 0, visibleAfterMs = 0, onServed } = options;
  const objects = new Map<string, Kept>();
  const calls: StandInCall[] = [];
  let version = 0;
  const app = Fastify({ logger: false });
  app.addContentTypeParser('application/json-patch+json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));

  const serve = (at: Where, body: Body): void => {
    const served = servedOf(at, body);
    if (visibleAfterMs === 0) onServed?.(served);
    else ports.timers.after(visibleAfterMs, () => onServed?.(served), { background: true });
  };
  const keep = (at: Where, body: Body): Body => {
    version++;
    const kept = { ...body, metadata: { ...(body.metadata as object), namespace: at.namespace, resourceVersion: String(version) } };
    objects.set(keyOf(at), { body: kept, version });
    serve(at, kept);
    return kept;
  };
  const found = (at: Where): Kept => {
    const kept = objects.get(keyOf(at));
    if (kept === undefined) throw new Refusal(404, 'NotFound', `${at.plural}.${at.group} "${at.name}" not found`);
    return kept;
  };
  /** The new body, judged; the caller keeps it. */
  const judged = (at: Where, kept: Kept, body: Body): Body => {
    const said = (body.metadata as { resourceVersion?: unknown } | undefined)?.resourceVersion;
    if (said !== undefined && said !== String(kept.version))
      throw new Refusal(
        409,
        'Conflict',
        `Operation cannot be fulfilled on ${at.plural}.${at.group} "${at.name}": the object has been modified`,
      );
    requireValid(at, body);
    return body;
  };

  app.addHook('onRequest', async (request) => {
    if (request.headers.authorization !== `Bearer ${token}`) throw new Refusal(401, 'Unauthorized', 'Unauthorized');
  });
  let asked = 0;
  app.addHook('preHandler', async (_request, reply) => {
    void reply.header('audit-id', `audit-${++asked}`);
    if (latencyMs > 0) await sleep(ports.timers, latencyMs);
  });
  app.addHook('onResponse', async (request, reply) => {
    calls.push({ method: request.method, path: request.url, body: request.body ?? null, status: reply.statusCode });
  });
  app.setErrorHandler((error, _request, reply) => {
    const { status, reason } = error instanceof Refusal ? error : { status: 400, reason: 'BadRequest' };
    const message = error instanceof Error ? error.message : String(error);
    return reply.code(status).send({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code: status });
  });
  app.get<{ Params: Where }>(`${COLLECTION}/:name`, async ({ params }) => found(params).body);
  app.post<{ Params: Where; Body: Body }>(COLLECTION, async ({ params, body }, reply) => {
    const at = { ...params, name: objectShape.parse(body).metadata.name };
    if (objects.has(keyOf(at))) throw new Refusal(409, 'AlreadyExists', `${at.plural}.${at.group} "${at.name}" already exists`);
    requireValid(at, body);
    return reply.code(201).send(keep(at, body));
  });
  app.put<{ Params: Where; Body: Body }>(`${COLLECTION}/:name`, async ({ params, body }) =>
    keep(params, judged(params, found(params), body)),
  );
  app.patch<{ Params: Where; Querystring: { dryRun?: string }; Body: unknown }>(`${COLLECTION}/:name`, async ({ params, query, body }) => {
    const kept = found(params);
    const next = judged(params, kept, patched(kept.body, z.array(opShape).parse(body)));
    // A patch that changes nothing leaves the version as it is.
    return query.dryRun === 'All' || isDeepStrictEqual(next, kept.body) ? next : keep(params, next);
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    calls: () => calls,
    close: async () => {
      app.server.closeAllConnections();
      await app.close();
    },
  };
};

const keyOf = ({ group, namespace, plural, name }: Where): string => `${group}/${plural}/${namespace}/${name}`;

// ---- what users are served ----

const backendShape = z.object({ name: z.string(), weight: z.number().int().min(0).max(1_000_000).default(1) });
const routeShape = z.object({
  spec: z.object({ rules: z.array(z.object({ backendRefs: z.array(backendShape).default([]) })).default([]) }),
});
const deploymentShape = z.object({
  spec: z.object({
    replicas: z
      .number()
      .int()
      .min(0)
      .max(2 ** 31 - 1),
  }),
});

const servedOf = ({ plural, namespace, name }: Where, body: Body): StandInServed => {
  const called = `${namespace}/${name}`;
  if (plural === 'deployments') return { name: called, weights: { [name]: deploymentShape.parse(body).spec.replicas } };
  const backends = routeShape.parse(body).spec.rules.flatMap(({ backendRefs }) => backendRefs);
  return { name: called, weights: Object.fromEntries(backends.map((backend) => [backend.name, backend.weight])) };
};

const requireValid = ({ plural, group, name }: Where, body: Body): void => {
  const result = (plural === 'deployments' ? deploymentShape : routeShape).safeParse(body);
  if (!result.success) throw new Refusal(422, 'Invalid', `${plural}.${group} "${name}" is invalid: ${z.prettifyError(result.error)}`);
};

// ---- RFC 6902, as far as it is used ----

const REJECTED = 'the server rejected our request due to an error in our request';

const patched = (body: Body, ops: readonly z.infer<typeof opShape>[]): Body => {
  const copy = structuredClone(body) as Json;
  for (const { op, path, value } of ops) {
    const steps = path
      .slice(1)
      .split('/')
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop()!;
    const parent = steps.reduce<Json | undefined>((inner, step) => childOf(inner, step), copy);
    if (typeof parent !== 'object' || parent === null) throw new Refusal(422, 'Invalid', REJECTED);
    const before = childOf(parent, last);
    if (op !== 'add' && before === undefined) throw new Refusal(422, 'Invalid', REJECTED);
    if (op === 'test') {
      if (!isDeepStrictEqual(before, value)) throw new Refusal(422, 'Invalid', REJECTED);
    } else if (op === 'remove') {
      if (Array.isArray(parent)) parent.splice(Number(last), 1);
      else delete parent[last];
    } else if (Array.isArray(parent)) {
      parent.splice(last === '-' ? parent.length : Number(last), op === 'replace' ? 1 : 0, value ?? null);
    } else parent[last] = value ?? null;
  }
  return copy as Body;
};

const childOf = (parent: Json | undefined, step: string): Json | undefined => {
  if (Array.isArray(parent)) return parent[Number(step)];
  return typeof parent === 'object' && parent !== null && Object.hasOwn(parent, step) ? parent[step] : undefined;
};
