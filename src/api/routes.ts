// What the API offers, path by path. Reads come from the view, orders go through the writer; nothing here calls a provider or decides anything.
// Reads need no token (loopback by default); PUT and DELETE do. Ignores transport: limits, errors in general and stopping are src/api/server.ts.
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ClusterConfig, Override } from '../model.ts';
import { isoTime } from '../ports.ts';
import { createGuard } from './auth.ts';
import { parseOverride, TTL_MIN_MS } from './override-input.ts';
import { type Committed, etagOf, type OverrideWriter } from './overrides.ts';
import { BodyFault } from './problem.ts';
import type { StatusDocument } from './status.ts';

/** What the API may look at. Answers from memory: no call waits for a store, a peer or a provider. */
export interface ApiView {
  /** null: no cluster configuration is known yet. */
  status(): StatusDocument | null;
  /** Configured and listening; never the store, peers or a quorum. */
  ready(): { ok: boolean; why: string };
  cluster(): ClusterConfig | null;
  clusterNowMs(): number;
}

export interface RouteOptions {
  view: ApiView;
  submit: OverrideWriter;
  metrics: Pick<Metrics, 'text' | 'contentType'>;
  log: Log;
  token: string | null;
  /** True from the first moment of stopping. */
  stopping: () => boolean;
  /** Where this API is reached, for the lines that say how to undo. */
  baseUrl: () => string;
}

type Handler = (request: FastifyRequest<{ Params: { id: string } }>, reply: FastifyReply) => Promise<unknown>;
interface Path {
  url: string;
  reads?: Handler;
  writes?: Readonly<Partial<Record<'PUT' | 'DELETE', Handler>>>;
}

/** Text between single quotes of a POSIX shell: nothing in it is special but the quote itself. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const AUTHORIZATION = '-H "Authorization: Bearer $(cat TOKEN_FILE)"';

const configured = <T>(value: T | null): T => {
  if (value === null) throw new Fault('ERR_STORE_UNREACHABLE', 'no cluster configuration is known here yet; it is read from the store');
  return value;
};

const header = (value: string | string[] | undefined): string | null => (value === undefined ? null : String(value));

const orders = ({ view, submit, log, baseUrl }: RouteOptions): Path['writes'] => {
  const answer = (reply: FastifyReply, committed: Committed, undo: string | null): unknown => {
    void reply.header('etag', etagOf(committed.version));
    const { override, version } = committed;
    return { override, version, expiresAt: isoTime(override.expiresAtMs), undo };
  };
  const told = (event: string, requestId: string, { override, version }: Committed): void =>
    log.info(event, { requestId, version, override: { ...override } });
  const putBack = ({ id, kind, scope, reason, owner, expiresAtMs }: Override): string | null => {
    const ttlMs = Math.round(expiresAtMs - view.clusterNowMs());
    const body = JSON.stringify({ kind, scope, reason, owner, ttlMs });
    const line = `curl -X PUT ${AUTHORIZATION} -H 'Content-Type: application/json' -d ${quoted(body)} ${baseUrl()}/v1/overrides/${id}`;
    return ttlMs >= TTL_MIN_MS ? line : null;
  };
  return {
    async PUT(request, reply) {
      const parsed = parseOverride(request.params.id, request.body, configured(view.cluster()));
      if (!parsed.ok) throw new BodyFault(parsed.problems);
      const committed = await submit.putOverride(parsed.value, header(request.headers['if-match']));
      told('override.put', request.id, committed);
      return answer(reply, committed, `curl -X DELETE ${AUTHORIZATION} ${baseUrl()}/v1/overrides/${committed.override.id}`);
    },
    async DELETE(request, reply) {
      const committed = await submit.deleteOverride(request.params.id, header(request.headers['if-match']));
      told('override.deleted', request.id, committed);
      return answer(reply, committed, putBack(committed.override));
    },
  };
};

const pathsOf = (options: RouteOptions): readonly Path[] => {
  const { view, submit, metrics, stopping } = options;
  return [
    { url: '/healthz', reads: async () => ({ status: 'pass' }) },
    {
      url: '/readyz',
      async reads(_request, reply) {
        const { ok, why } = stopping() ? { ok: false, why: 'this process is stopping' } : view.ready();
        return reply.code(ok ? 200 : 503).send({ status: ok ? 'pass' : 'fail', because: why });
      },
    },
    {
      url: '/metrics',
      async reads(_request, reply) {
        return reply.type(metrics.contentType).send(await metrics.text());
      },
    },
    { url: '/v1/status', reads: async () => configured(view.status()) },
    {
      url: '/v1/overrides',
      // From the store and not from the view: the entity tag is what a guarded write will be compared with.
      async reads(_request, reply) {
        const { version, items } = await submit.listOverrides();
        return reply.header('etag', etagOf(version)).send({ version, items });
      },
    },
    { url: '/v1/overrides/:id', writes: orders(options) ?? {} },
  ];
};

/** Registers every path with every method: those it offers, and a 405 with `Allow` for the others, before any body is read. */
export const addRoutes = (app: FastifyInstance, options: RouteOptions): void => {
  const guard = createGuard(options.token);
  const mayWrite = async (request: FastifyRequest): Promise<void> => {
    guard(request.headers.authorization);
    if (options.stopping()) throw new Fault('ERR_STOPPING', 'nothing was written: send it to another replica');
  };
  for (const { url, reads, writes = {} } of pathsOf(options)) {
    const offered: HTTPMethods[] = [...(reads ? (['GET', 'HEAD'] as const) : []), ...(Object.keys(writes) as ('PUT' | 'DELETE')[])];
    if (reads) app.route({ method: ['GET', 'HEAD'], url, handler: reads });
    for (const [method, handler] of Object.entries(writes)) app.route({ method, url, onRequest: mayWrite, handler });
    app.route({
      method: app.supportedMethods.filter((method) => !offered.includes(method as HTTPMethods)) as HTTPMethods[],
      url,
      onRequest: async (_request, reply) => {
        void reply.header('allow', offered.join(', '));
        throw Object.assign(new Error('method not offered'), { statusCode: 405 });
      },
      handler: async () => undefined,
    });
  }
};
