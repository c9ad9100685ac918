// What a path of the API is: one row per method and path, in tables under src/api/routes. Registration, methods that are not offered, and who may ask are here.

import type { TLSSocket } from 'node:tls';
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, preHandlerAsyncHookHandler } from 'fastify';
import type { AuditReader } from '../audit/reader.ts';
import { addressOf } from '../auth/brakes.ts';
import type { SignIn } from '../auth/sign-in.ts';
import type { Snapshot } from '../decide/snapshot.ts';
import { Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ClusterConfig } from '../model.ts';
import type { MeasuredReader } from '../objectives/reader.ts';
import type { VerifyDesk } from '../verify/desk.ts';
import { type Access, type Caller, demand, type Principal, type Role } from './access.ts';
import type { Documents } from './documents.ts';
import type { EventHub } from './events.ts';
import type { Forecaster } from './forecaster.ts';
import type { HealthFacts } from './health-detail.ts';
import type { RouteSchema } from './openapi.ts';
import type { OverrideWriter } from './overrides.ts';
import type { PageWriter } from './pages.ts';
import type { RecordReader } from './record-reader.ts';
import type { ReportWriter } from './reports.ts';
import type { Foresee } from './ruling.ts';
import type { RunDesk } from './run-desk.ts';
import type { SettleDesk } from './settle-desk.ts';

/** What the API may look at. Answers from memory: no call waits for a store, a peer or a provider. */
export interface ApiView extends Documents {
  /** Configured and listening; never the store, peers or a quorum. */
  ready(): { ok: boolean; why: string };
  cluster(): ClusterConfig | null;
  clusterNowMs(): number;
  /** How everything that this replica depends on stands. */
  health(): HealthFacts;
}

/** What the page is told before anybody has signed in. */
export interface DashboardOptions {
  /** By region, the origin of its API. */
  peers: Readonly<Record<string, string>>;
  /** What who shows nothing may do. */
  anonymous: 'viewer' | 'none';
  /** null: people bring a token. */
  signIn: SignIn | null;
}

export interface RouteOptions {
  view: ApiView;
  submit: OverrideWriter;
  pages: PageWriter;
  /** What the core would decide on now, as this replica saw it last; null: nothing yet. */
  snapshot: () => Snapshot | null;
  /** What was written down of decisions. */
  records: RecordReader;
  /** What would happen. */
  whatIf: Forecaster;
  reports: ReportWriter;
  /** Absent: this replica carries out no runs. */
  runs?: RunDesk;
  /** Absent: as `runs`. */
  settles?: SettleDesk;
  /** Absent: nothing is known of what was measured. */
  measured?: Pick<MeasuredReader, 'matrices'>;
  /** Absent: this replica looks at no deployment. */
  verify?: VerifyDesk;
  audit: AuditReader;
  events: EventHub;
  /** Text for a scrape, made beside everything else. */
  metrics: Pick<Metrics, 'contentType'> & { text(): Promise<string> };
  log: Log;
  access: Access;
  /** Absent: no peers, and a token only. */
  dashboard?: DashboardOptions;
  /** Of this program. */
  version: string;
  /** True from the first moment of stopping. */
  stopping: () => boolean;
  /** What would follow from an order. Absent: nobody here can say. */
  forecast?: Foresee;
  /** Where this API is reached, for the lines that say how to undo. */
  baseUrl: () => string;
}

/** What the server is told of a route, beside its methods. */
export interface RouteMarks {
  asText: boolean;
  byPassword: boolean;
}

export type ApiRequest = FastifyRequest<{ Params: Record<string, string>; Querystring: Record<string, string | undefined> }>;

export interface ApiRoute {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Fastify's notation: `/v1/overrides/:id`. */
  url: string;
  /** The least role that may ask; null: anybody, unidentified. */
  needs: Role | null;
  /** Never counted against a caller: probers ask often, and a wrong answer moves traffic. */
  unlimited?: true;
  /**
   * What a credential that is good for one act may do here. `spends`: the act records it as used, in its own transaction. `keeps`: nothing is changed.
   * Absent: reads keep it, and what writes does not take it, since it could be sent again.
   */
  once?: 'spends' | 'keeps';
  /** Its body stays the text that came: a signature is over that. */
  asText?: true;
  /**
   * A token is taken as the password of HTTP Basic too, for browsers that run no script. A browser sends it again by itself, wherever it is led: so never where
   * anything is written, and not where others could read the answer.
   */
  byPassword?: true;
  /** For the OpenAPI document. It documents and judges nothing: bodies are judged by the parsers of their routes, all problems at once. */
  schema?: RouteSchema;
  handler(request: ApiRequest, reply: FastifyReply, principal: Principal): Promise<unknown>;
}

const NOBODY: Principal = { name: 'anonymous', role: 'viewer', services: [], how: 'anonymous' };

/** `Basic …` as the bearer token that its password is; the name is anybody's. */
const passwordAsToken = (authorization: string | undefined): string | undefined => {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(authorization ?? '') ?? [];
  if (encoded === undefined) return authorization;
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  return `Bearer ${password}`;
};

const callerOf = (request: FastifyRequest, byPassword: boolean): Caller => {
  const socket = request.socket as Partial<TLSSocket>;
  const shown = socket.authorized === true ? socket.getPeerCertificate?.() : undefined;
  return {
    authorization: byPassword ? passwordAsToken(request.headers.authorization) : request.headers.authorization,
    remoteAddress: request.socket.remoteAddress ?? '',
    certificate:
      shown?.subject === undefined
        ? null
        : { commonName: String(shown.subject.CN ?? ''), altNames: (shown.subjectaltname ?? '').split(', ').filter((name) => name !== '') },
  };
};

/** Runs before the handler; throws ERR_TOO_MANY. */
export type Limiter = preHandlerAsyncHookHandler;
export interface Limiters {
  reads: Limiter;
  writes: Limiter;
}

/** Whose requests are counted together: those of one principal, or of one address for who has shown nothing. */
export const callerKey = (request: FastifyRequest): string => {
  const { how, name } = principals.get(request) ?? NOBODY;
  return how === 'anonymous' ? `address ${addressOf(request.socket.remoteAddress ?? '')}` : `${how} ${name}`;
};

const principals = new WeakMap<FastifyRequest, Principal>();

const marks = ({ asText, byPassword }: ApiRoute): RouteMarks & FastifyContextConfig => ({
  asText: asText === true,
  byPassword: byPassword === true,
});

/** Registers every path with every method: those it offers, and a 405 with `Allow` for the others, before any body is read. */
export const addRoutes = (app: FastifyInstance, options: RouteOptions, routes: readonly ApiRoute[], limiters: Limiters): void => {
  const admit =
    ({ needs, method, once, byPassword }: ApiRoute) =>
    async (request: FastifyRequest): Promise<void> => {
      const principal = needs === null ? NOBODY : await options.access.identify(callerOf(request, byPassword === true));
      if (needs !== null) demand(principal, needs);
      if (principal.once !== undefined && method !== 'GET' && once === undefined)
        throw new Fault('ERR_FORBIDDEN', 'this takes no break-glass token: it could not be recorded as used here');
      if (method !== 'GET' && options.stopping()) throw new Fault('ERR_STOPPING', 'nothing was written: send it to another replica');
      principals.set(request, principal);
    };
  for (const [url, offers] of Map.groupBy(routes, (route) => route.url)) {
    for (const route of offers)
      app.route({
        method: route.method === 'GET' ? ['GET', 'HEAD'] : route.method,
        url,
        config: marks(route),
        onRequest: route.unlimited === true ? admit(route) : [admit(route), route.method === 'GET' ? limiters.reads : limiters.writes],
        handler: (request, reply) => route.handler(request as ApiRequest, reply, principals.get(request) ?? NOBODY),
      });
    const offered = offers.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    app.route({
      method: app.supportedMethods.filter((method) => !offered.includes(method)) as HTTPMethods[],
      url,
      onRequest: async (_request, reply) => {
        void reply.header('allow', offered.join(', '));
        throw Object.assign(new Error('method not offered'), { statusCode: 405 });
      },
      handler: async () => undefined,
    });
  }
};

/** Throws while no configuration is known. */
export const configured = <T>(value: T | null): T => {
  if (value === null) throw new Fault('ERR_STORE_UNREACHABLE', 'no cluster configuration is known here yet; it is read from the store');
  return value;
};

export const headerOf = (value: string | string[] | undefined): string | null => (value === undefined ? null : String(value));
