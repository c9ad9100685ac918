// The page that one region served goes on with another when its own is lost: an API answers pages of its peers, by name, and of nobody else. What they show is
// in a header that the page sets itself; cookies and what a browser remembers are never taken.
import type { FastifyReply, FastifyRequest } from 'fastify';

const METHODS = 'GET, HEAD, POST, PUT, DELETE';
const REQUEST_HEADERS = 'accept, authorization, content-type, idempotency-key, if-match, last-event-id';
const REPLY_HEADERS = 'etag, idempotency-replayed, retry-after, x-request-id';
const PREFLIGHT_S = 600;

/** Adds a name to Vary, beside those that stand there. */
export const varyBy = (reply: FastifyReply, name: string): void => {
  const before = reply.getHeader('vary');
  void reply.header('vary', before === undefined ? name : `${before}, ${name}`);
};

/** To run before anything else. Answers true preflights of a known origin; everything else goes its usual way. */
export const crossOrigin = (origins: ReadonlySet<string>) => async (request: FastifyRequest, reply: FastifyReply) => {
  if (origins.size === 0 || !/^\/(v1|api)\//.test(request.url)) return;
  varyBy(reply, 'origin');
  const { origin, 'access-control-request-method': wanted } = request.headers;
  if (origin === undefined || !origins.has(origin)) return;
  void reply.headers({ 'access-control-allow-origin': origin, 'access-control-expose-headers': REPLY_HEADERS });
  if (request.method !== 'OPTIONS' || wanted === undefined) return;
  return reply
    .code(204)
    .headers({
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': String(PREFLIGHT_S),
    })
    .send();
};
