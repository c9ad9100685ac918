// The HTTP server of a replica: limits, headers, errors and stopping. What it offers is in src/api/routes.
// Loopback and plain HTTP by default; whoever exposes it gives it a certificate, or puts a proxy with TLS in front. Stopping answers what is in flight and never waits for idle
// connections: the framework's close alone would wait for keep-alive ones until their idle timeout.
import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import { fastifyRateLimit } from '@fastify/rate-limit';
import { type FastifyInstance, type FastifyReply, type FastifyServerOptions, fastify } from 'fastify';
import { readCertificate, type TlsFiles, watchCertificate } from '../auth/serving-certificate.ts';
import { type ApiLimits, LIMITS } from '../config/api.ts';
import { errorText, Fault } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Ports, Timer } from '../ports.ts';
import { crossOrigin } from './cross-origin.ts';
import { PROBLEM_TYPE, problemOf, refusal } from './problem.ts';
import { addRoutes, callerKey, type RouteMarks, type RouteOptions } from './route.ts';
import { routesOf } from './routes/index.ts';

export interface ApiOptions
  extends Pick<
    RouteOptions,
    | 'view'
    | 'submit'
    | 'pages'
    | 'reports'
    | 'runs'
    | 'settles'
    | 'measured'
    | 'verify'
    | 'snapshot'
    | 'records'
    | 'whatIf'
    | 'log'
    | 'access'
    | 'version'
    | 'forecast'
    | 'audit'
    | 'events'
    | 'dashboard'
  > {
  metrics: Pick<Metrics, 'text' | 'contentType' | 'apiRequest'>;
  ports: Ports;
  /** Address to listen on. */
  host: string;
  /** 0: any free one. */
  port: number;
  /** Absent: plain HTTP. */
  tls?: TlsFiles;
  /** Absent: the usual ones. */
  limits?: ApiLimits;
}

export interface Api {
  readonly port: number;
  /** Looks at the files of its certificate now. */
  lookAtCertificate(): void;
  /** Refuses new connections, answers requests in flight for at most `graceMs`, then cuts. Safe to call again. */
  close(graceMs?: number): Promise<void>;
}

const BODY_BYTES_MAX = 64 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const IDLE_MS = 15_000;
const KEEP_ALIVE_MS = 5_000;
/** Streams of events, and room for everybody else. */
const CONNECTIONS_MAX = 1_280;
const REQUESTS_PER_CONNECTION_MAX = 1_000;
const GRACE_MS = 4_000;
const REAP_EVERY_MS = 50;
const EVENTS = '/v1/events';

const HTTP_LIMITS = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_MS, connectionsCheckingInterval: 1_000 };

/** Nothing here is a page: no script, frame, guess of a type, cache or cookie. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** What never became a request (bad syntax, too many headers, too slow) is answered on the bare socket. */
const answerBareSocket = (error: Error & { code?: string }, socket: Socket, requestId: string): void => {
  // Before a handshake is over there is nobody to answer: the words would wait for its end, and the socket with them.
  const isShaking = error.code?.startsWith('ERR_SSL') === true || error.code?.startsWith('ERR_TLS') === true;
  if (error.code === 'ECONNRESET' || isShaking || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = JSON.stringify(refusal(status, requestId));
  const head = `HTTP/1.1 ${status} ${status}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  socket.end(head + body);
};

/** Callers whose requests are counted; beyond them the one that was silent longest is forgotten. */
const CALLERS_MAX = 5_000;
const MINUTE_MS = 60_000;

/** What one caller may ask for in a minute; reads and writes are counted apart, over all routes together. */
const limitersOf = (app: FastifyInstance, limits: ApiLimits) => {
  const limiter = (max: number, what: string) =>
    app.rateLimit({
      max,
      timeWindow: MINUTE_MS,
      keyGenerator: callerKey,
      errorResponseBuilder: (_request, { ttl }) =>
        new Fault('ERR_TOO_MANY', `more than ${max} ${what} in a minute from one caller; wait ${Math.ceil(ttl / 1000)} s`, { busyMs: ttl }),
    });
  return { reads: limiter(limits.readsPerMinute, 'reads'), writes: limiter(limits.writesPerMinute, 'writes') };
};

/** TLS to the framework: which one it is, its types do not need to know. A certificate is asked for, and who shows none is asked for a token. */
const tlsOptions = (files: TlsFiles): FastifyServerOptions => {
  const certificate = readCertificate(files);
  const https = {
    ...certificate,
    minVersion: 'TLSv1.2',
    handshakeTimeout: HEADERS_MS,
    ...(certificate.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: false }),
    ...HTTP_LIMITS,
  };
  return { https } as FastifyServerOptions;
};

const sendProblem = (reply: FastifyReply, error: unknown, requestId: string): FastifyReply => {
  const told = problemOf(error, requestId);
  if (error instanceof Fault && error.busyMs !== undefined && told.status === 429)
    void reply.header('retry-after', String(Math.ceil(error.busyMs / 1000)));
  // Whoever never became a route's has no marks.
  const { byPassword } = (reply.request?.routeOptions?.config ?? {}) as Partial<RouteMarks>;
  const challenges = [...(byPassword === true ? ['Basic realm="tidegate", charset="UTF-8"'] : []), 'Bearer realm="tidegate"'];
  if (told.status === 401) void reply.header('www-authenticate', challenges.join(', '));
  return reply.code(told.status).headers(SECURITY_HEADERS).type(PROBLEM_TYPE).send(told);
};

/** The server before it listens; tests inject requests into it. */
export const buildApp = (options: ApiOptions, stopping: () => boolean = () => false): FastifyInstance => {
  const { ports, log } = options;
  const requestId = (): string => ports.random.hex(8);
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS,
    connectionTimeout: IDLE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxRequestsPerSocket: REQUESTS_PER_CONNECTION_MAX,
    // A probe that reaches us while we stop is answered by us, and truthfully.
    return503OnClosing: false,
    // The longest page's id: region, replica, kind, subject.
    routerOptions: { maxParamLength: 512 },
    exposeHeadRoutes: false,
    requestIdHeader: false,
    genReqId: requestId,
    ...(options.tls === undefined ? { http: HTTP_LIMITS } : tlsOptions(options.tls)),
    // Errors before routing, such as a malformed URL. The type of its reply is generic over every server there is; ours is the plain one.
    frameworkErrors: (error, request, reply) => sendProblem(reply as unknown as FastifyReply, error, request.id),
    clientErrorHandler: (error, socket) => answerBareSocket(error, socket, requestId()),
  });
  app.server.maxConnections = CONNECTIONS_MAX;

  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Clients name a type without sending a body; which body is needed, each path says itself.
    if ((request.routeOptions.config as Partial<RouteMarks>).asText === true) done(null, body);
    else if (body === '') done(null, undefined);
    else parseJson(request, String(body), done);
  });

  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(SECURITY_HEADERS).header('x-request-id', request.id);
  });
  app.addHook('onRequest', crossOrigin(new Set(Object.values(options.dashboard?.peers ?? {}))));
  // A stream of events lasts as long as its client likes: that is no answer's time.
  app.addHook('onResponse', async ({ method, is404, routeOptions }, { statusCode: code, elapsedTime: tookMs }) => {
    const route = is404 ? null : (routeOptions.url ?? null);
    if (route !== EVENTS) options.metrics.apiRequest({ route, method, code, tookMs });
  });
  // Streams would never end by themselves, and the server waits for all that is open.
  app.addHook('preClose', async () => options.events.close());
  app.setNotFoundHandler((request, reply) => reply.code(404).type(PROBLEM_TYPE).send(refusal(404, request.id)));
  app.setErrorHandler((error, request, reply) => {
    const { status, code } = problemOf(error, request.id);
    const fields = { requestId: request.id, method: request.method, status, code };
    if (status === 500) log.error('api.failed', { ...fields, error });
    else log.debug('api.refused', { ...fields, because: errorText(error) });
    return sendProblem(reply, error, request.id);
  });

  const routing: RouteOptions = {
    ...options,
    metrics: { text: () => options.metrics.text(ports), contentType: options.metrics.contentType },
    stopping,
    baseUrl: () => baseUrl(options, portOf(app) ?? options.port),
  };
  void app.register(fastifyRateLimit, { global: false, cache: CALLERS_MAX, enableDraftSpec: true });
  // Before it is loaded: what cannot be made is told as what it is, at once.
  const routes = routesOf(routing);
  app.after(() => addRoutes(app, routing, routes, limitersOf(app, options.limits ?? LIMITS)));
  return app;
};

const portOf = (app: FastifyInstance): number | null => {
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : null;
};

const baseUrl = ({ host, tls }: Pick<ApiOptions, 'host' | 'tls'>, port: number): string => {
  const scheme = tls === undefined ? 'http' : 'https';
  if (host === '0.0.0.0' || host === '::') return `${scheme}://127.0.0.1:${port}`;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
};

/** Calls `reap` every 50 ms until cancelled. */
const every = (ports: Ports, reap: () => void): Timer => {
  let timer: Timer;
  const arm = (): void => {
    timer = ports.timers.after(REAP_EVERY_MS, () => {
      reap();
      arm();
    });
  };
  arm();
  return { cancel: () => timer.cancel() };
};

/** New connections meet the new certificate; those that are open keep theirs. */
const watched = (app: FastifyInstance, { tls, ports, log }: ApiOptions): { look(): void; close(): void } =>
  tls === undefined
    ? { look: () => undefined, close: () => undefined }
    : watchCertificate(tls, ports, log, (certificate) =>
        (app.server as unknown as Pick<Server, 'setSecureContext'>).setSecureContext({ ...certificate, minVersion: 'TLSv1.2' }),
      );

/** What is connected, also what has not said anything yet: the server's own list has those only that are through with their handshake. */
const connections = (app: FastifyInstance): { cut(): void } => {
  const open = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return {
    cut() {
      for (const socket of open) socket.destroy();
    },
  };
};

/** Listens, or throws ERR_LISTEN; ERR_SECRET when its certificate cannot be used, ERR_INSTALL when a file of the page is missing. */
export const createApi = async (options: ApiOptions): Promise<Api> => {
  const { ports, host, port } = options;
  let closing: Promise<void> | null = null;
  const app = buildApp(options, () => closing !== null);
  const connected = connections(app);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new Fault('ERR_LISTEN', `the API cannot listen on ${host}:${port}: ${errorText(error)}; free it or change api.listen`, {
      cause: error,
    });
  }
  const certificate = watched(app, options);
  const shut = async (graceMs: number): Promise<void> => {
    certificate.close();
    const reaping = every(ports, () => app.server.closeIdleConnections());
    const cut = ports.timers.after(graceMs, () => {
      app.server.closeAllConnections();
      connected.cut();
    });
    try {
      await app.close();
    } finally {
      reaping.cancel();
      cut.cancel();
    }
  };
  return {
    port: portOf(app) ?? port,
    lookAtCertificate: certificate.look,
    close(graceMs = GRACE_MS) {
      closing ??= shut(graceMs);
      return closing;
    },
  };
};
