// GET /v1/events: what happens, as it happens (Server-Sent Events). Written on the bare reply, since the framework would wait for its end.
import type { OutgoingHttpHeaders } from 'node:http';
import { Fault } from '../../errors.ts';
import { mayAct } from '../access.ts';
import { EVENT_TYPES, type EventType } from '../event-types.ts';
import { BodyFault } from '../problem.ts';
import { type ApiRequest, type ApiRoute, headerOf, type RouteOptions } from '../route.ts';
import { AUDIT_DOCS } from './audit-docs.ts';

const MIME = 'text/event-stream';
const NAMES_MAX = 50;
const CHARS_MAX = 300;

/** `override` stands for all that begin with `override.`. Throws BodyFault. */
const typesOf = ({ query }: ApiRequest): ReadonlySet<EventType> | null => {
  if (query.types === undefined) return null;
  const names = String(query.types).split(',').slice(0, NAMES_MAX);
  const found = names.map((name) => EVENT_TYPES.filter((type) => type === name || type.startsWith(`${name}.`)));
  const unknown = names.filter((_, at) => found[at]?.length === 0);
  if (unknown.length > 0)
    throw new BodyFault([
      { pointer: '/types', detail: `no event is called ${unknown[0]?.slice(0, 80)}; there are ${EVENT_TYPES.join(', ')}` },
    ]);
  // How the stream itself fares concerns everybody who listens.
  return new Set([...found.flat(), 'stream.opened', 'stream.reset', 'stream.closed']);
};

const serviceOf = ({ query }: ApiRequest): string | null =>
  query.service === undefined ? null : String(query.service).slice(0, CHARS_MAX);

export const eventRoutes = ({ events }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/events',
    needs: 'viewer',
    schema: AUDIT_DOCS.events,
    async handler(request, reply, principal) {
      if (!String(request.headers.accept ?? '').includes(MIME))
        throw new Fault('ERR_NOT_ACCEPTABLE', `this is a stream: send Accept: ${MIME}`);
      const subscription = {
        lastEventId: headerOf(request.headers['last-event-id']),
        types: typesOf(request),
        service: serviceOf(request),
        confidential: mayAct(principal, 'operator'),
      };
      if (request.method === 'HEAD') return reply.type(MIME).send('');
      await events.open(subscription, () => {
        reply.hijack();
        request.raw.socket.setTimeout(0);
        request.raw.socket.setNoDelay(true);
        const headers = { ...reply.getHeaders(), 'content-type': MIME, connection: 'close', 'x-accel-buffering': 'no' };
        reply.raw.writeHead(200, headers as OutgoingHttpHeaders);
        reply.raw.flushHeaders();
        return reply.raw;
      });
      return reply;
    },
  },
];
