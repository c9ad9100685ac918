// The door of a gate: two paths that strangers may ask, since the vendors' checkers come from everywhere, and nothing else. Answers come from memory; no
// request can make this process ask anybody, write anything, or list what there is. Plain HTTP: TLS is a proxy's in front.
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { errorText, Fault } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { isoTime } from '../ports.ts';
import type { Form } from './answers.ts';
import type { Gate } from './gate.ts';

export interface GateServerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  gate: Pick<Gate, 'answer' | 'age'>;
  /** `region/replica`. */
  who: string;
  metrics: Pick<Metrics, 'gateRequest'>;
}

export interface GateServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Route 53 alone asks from some sixteen places, each health check by itself. */
const CONNECTIONS_MAX = 4096;
const HEADER_BYTES_MAX = 8 * 1024;
const HEADERS_MS = 5000;
const REQUEST_MS = 5000;
/** Longer than any checker's interval would let strangers hold what checkers need; the next poll may as well connect anew. */
const KEEP_ALIVE_MS = 15_000;
const REQUESTS_PER_CONNECTION_MAX = 10_000;
/** A DNS name has up to 253 characters, and a longer one is none of ours. */
const NAME_MAX = 256;

const HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/plain; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/** What a checker that looks into bodies can tell from any other page, such as a proxy's. */
const DRAIN = 'tidegate drain\n';
const KEEP = 'tidegate keep\n';

/** Status of an answer. A survivor gate says by 200 what has to be proved; whatever else a checker may get means nothing to it. */
const STATUS: Readonly<Record<Form, { drain: number; keep: number }>> = {
  survivor: { drain: 200, keep: 404 },
  origin: { drain: 503, keep: 200 },
};

const PATH: Readonly<Record<Form, string>> = { survivor: '/gate/:service/:pool', origin: '/origin/:service/:pool' };

const refuse = (reply: FastifyReply): FastifyReply => reply.code(400).headers(HEADERS).send('no such request\n');

/** The server before it listens; tests inject requests into it. */
export const gateApp = ({ gate, who, metrics }: Omit<GateServerOptions, 'host' | 'port'>): FastifyInstance => {
  const app = fastify({
    logger: false,
    bodyLimit: 1,
    requestTimeout: REQUEST_MS,
    connectionTimeout: REQUEST_MS + KEEP_ALIVE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxRequestsPerSocket: REQUESTS_PER_CONNECTION_MAX,
    forceCloseConnections: true,
    // A poll that reaches us while we stop is answered by us, and truthfully.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    routerOptions: { maxParamLength: NAME_MAX },
    // A URL that is none. The type of its reply is generic over every server there is; ours is the plain one.
    frameworkErrors: (_error, _request, reply) => void refuse(reply as unknown as FastifyReply),
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_MS, connectionsCheckingInterval: 1000 },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.removeAllContentTypeParsers();
  app.setNotFoundHandler((_request, reply) => reply.code(404).headers(HEADERS).send('no such path\n'));
  app.setErrorHandler((_error, _request, reply) => refuse(reply));

  for (const form of ['survivor', 'origin'] as const)
    app.route<{ Params: { service: string; pool: string } }>({
      method: ['GET', 'HEAD'],
      url: PATH[form],
      handler: (request, reply) => {
        const { service, pool } = request.params;
        // Names are configured in lower case, and checkers keep what a human typed.
        const { drain, fence } = gate.answer(service.toLowerCase(), pool.toLowerCase());
        const { ageS, seenAtMs } = gate.age();
        metrics.gateRequest(form, drain ? 'drain' : fence === null ? 'unknown' : 'keep');
        reply
          .code(drain ? STATUS[form].drain : STATUS[form].keep)
          .headers(HEADERS)
          .header('x-tidegate-fence', fence === null ? 'none' : String(fence))
          .header('x-tidegate-age', ageS === null ? 'never' : ageS.toFixed(1))
          .header('x-tidegate-seen', seenAtMs === null ? 'never' : isoTime(Math.round(seenAtMs)))
          .header('x-tidegate-from', who)
          .send(drain ? DRAIN : KEEP);
      },
    });
  return app;
};

const portOf = (app: FastifyInstance): number | null => {
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : null;
};

/** Listens, or throws Fault ERR_LISTEN. */
export const serveGate = async ({ host, port, ...options }: GateServerOptions): Promise<GateServer> => {
  const app = gateApp(options);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new Fault('ERR_LISTEN', `the gate cannot listen on ${host}:${port}: ${errorText(error)}; free it or change gate.listen`, {
      cause: error,
    });
  }
  return { port: portOf(app) ?? port, close: () => app.close() };
};
