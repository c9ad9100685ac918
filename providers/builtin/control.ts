// Where the zone is written: a small HTTP interface for holders of the token. Every swap runs to its end within one turn of the event loop,
// so racing writers are ordered by arrival and exactly one of those that read the same fence wins.
import { createHash, timingSafeEqual } from 'node:crypto';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { ERRORS, type ErrorCode, errorText } from '../../src/errors.ts';
import { BODY_BYTES_MAX, swapShape } from './wire.ts';
import { swap, type Zone } from './zone.ts';

const CONNECTIONS_MAX = 64;
/** Longest a whole request may take to arrive. */
const REQUEST_MS = 5000;

/** The one mutable place: the zone being served. */
export interface ZoneCell {
  zone: Zone;
}

/** `onSwap` is told of every swap that changed something. The caller listens and closes; close drops requests in flight. */
export const controlApp = (cell: ZoneCell, token: string, onSwap: (names: readonly string[], serial: number) => void): FastifyInstance => {
  const app = Fastify({ bodyLimit: BODY_BYTES_MAX, requestTimeout: REQUEST_MS, forceCloseConnections: true });
  app.server.maxConnections = CONNECTIONS_MAX;
  const allowed = bearerCheck(token);

  app.addHook('onRequest', async (request, reply) => {
    if (allowed(request.headers.authorization)) return;
    reply.header('www-authenticate', 'Bearer');
    return problem(reply, 'ERR_UNAUTHORIZED', 'send "authorization: Bearer <content of the token file>"');
  });
  app.setNotFoundHandler((request, reply) =>
    problem(reply, 'ERR_NOT_FOUND', `${request.method} ${request.url}: this server has GET /zone/v1/services and POST /zone/v1/swap`),
  );
  app.setErrorHandler((error, _request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 500;
    if (status === 413) return problem(reply, 'ERR_TOO_LARGE', `a body has at most ${BODY_BYTES_MAX} bytes`);
    if (status === 415) return problem(reply, 'ERR_MEDIA_TYPE', 'send content-type: application/json');
    if (typeof status === 'number' && status < 500) return problem(reply, 'ERR_BAD_REQUEST', errorText(error));
    return problem(reply, 'ERR_INTERNAL', 'the zone is unchanged unless a read says otherwise');
  });

  app.get<{ Querystring: { names?: string | string[] } }>('/zone/v1/services', async (request) => {
    const { name, serial, services } = cell.zone;
    const asked = request.query.names;
    const names = asked === undefined ? [...services.keys()] : [asked].flat().join(',').split(',');
    return { zone: name, serial, services: names.flatMap((each) => services.get(each) ?? []) };
  });

  app.post('/zone/v1/swap', async (request, reply) => {
    const body = swapShape.safeParse(request.body);
    if (!body.success) {
      const [issue] = body.error.issues;
      return problem(reply, 'ERR_BAD_REQUEST', `${issue?.path.join('.') || 'body'}: ${issue?.message}`);
    }
    const swapped = swap(cell.zone, body.data.changes);
    switch (swapped.outcome) {
      case 'refused':
        return problem(reply, 'ERR_CONFIG', swapped.because);
      case 'conflict':
        return problem(reply, 'ERR_STALE', conflictText(swapped.current), 409, { current: swapped.current });
      case 'swapped': {
        const changed = swapped.zone !== cell.zone;
        cell.zone = swapped.zone;
        const names = body.data.changes.map(({ service }) => service.name);
        if (changed) onSwap(names, swapped.zone.serial);
        return { serial: swapped.zone.serial };
      }
    }
  });
  return app;
};

const conflictText = (current: readonly { name: string; fence: string | null }[]): string =>
  `${current.map(({ name, fence }) => `${name} has ${fence === null ? 'no fence' : `the fence ${fence}`}`).join('; ')}; nothing was changed`;

/** Compares digests, so that neither the length nor the first wrong byte can be told from the time it takes. */
const bearerCheck = (token: string): ((authorization: string | undefined) => boolean) => {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(`Bearer ${token}`);
  return (authorization) => timingSafeEqual(digest(authorization ?? ''), expected);
};

const problem = (
  reply: FastifyReply,
  code: ErrorCode,
  detail: string,
  status: number = ERRORS[code].http,
  more: object = {},
): FastifyReply =>
  reply
    .code(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title: ERRORS[code].title, status, code, detail, ...more });
