// Orders of operators: read from the store, since the entity tag is what a guarded write is compared with; written through the writer.
import type { FastifyReply } from 'fastify';
import type { Override } from '../../model.ts';
import { isoTime } from '../../ports.ts';
import { parseOverride, TTL_MIN_MS } from '../override-input.ts';
import { type Committed, etagOf } from '../overrides.ts';
import { BodyFault } from '../problem.ts';
import { type ApiRoute, configured, headerOf, type RouteOptions } from '../route.ts';

/** Text between single quotes of a POSIX shell: nothing in it is special but the quote itself. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const AUTHORIZATION = '-H "Authorization: Bearer $(cat TOKEN_FILE)"';

export const overrideRoutes = ({ view, submit, log, baseUrl }: RouteOptions): readonly ApiRoute[] => {
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
  return [
    {
      method: 'GET',
      url: '/v1/overrides',
      needs: 'viewer',
      async handler(_request, reply) {
        const { version, items } = await submit.listOverrides();
        return reply.header('etag', etagOf(version)).send({ version, items });
      },
    },
    {
      method: 'PUT',
      url: '/v1/overrides/:id',
      needs: 'operator',
      async handler(request, reply) {
        const parsed = parseOverride(request.params.id ?? '', request.body, configured(view.cluster()));
        if (!parsed.ok) throw new BodyFault(parsed.problems);
        const committed = await submit.putOverride(parsed.value, headerOf(request.headers['if-match']));
        told('override.put', request.id, committed);
        return answer(reply, committed, `curl -X DELETE ${AUTHORIZATION} ${baseUrl()}/v1/overrides/${committed.override.id}`);
      },
    },
    {
      method: 'DELETE',
      url: '/v1/overrides/:id',
      needs: 'operator',
      async handler(request, reply) {
        const committed = await submit.deleteOverride(request.params.id ?? '', headerOf(request.headers['if-match']));
        told('override.deleted', request.id, committed);
        return answer(reply, committed, putBack(committed.override));
      },
    },
  ];
};
