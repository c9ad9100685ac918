// What receivers of pages send back. Nobody shows a token here: the message is signed, and where no secret is configured the path is not offered.
import { Fault } from '../../errors.ts';
import { takeCallback } from '../callbacks.ts';
import { parseCallback } from '../page-input.ts';
import { BodyFault } from '../problem.ts';
import { type ApiRoute, configured, headerOf, type RouteOptions } from '../route.ts';
import { CALLBACK_DOCS } from './page-docs.ts';

export const callbackRoutes = ({ view, access, pages, submit, runs, forecast, log }: RouteOptions): readonly ApiRoute[] => [
  {
    method: 'POST',
    url: '/v1/callbacks/pages',
    needs: null,
    asText: true,
    schema: CALLBACK_DOCS.pages,
    async handler(request) {
      if (access.identifySigned === undefined)
        throw new Fault('ERR_NOT_FOUND', 'nothing is offered at this path: this replica has no paging.callbacks');
      const { headers, body } = request;
      const text = typeof body === 'string' ? body : '';
      const principal = access.identifySigned(request.socket.remoteAddress ?? '', {
        id: headerOf(headers['webhook-id']),
        timestamp: headerOf(headers['webhook-timestamp']),
        signature: headerOf(headers['webhook-signature']),
        text,
      });
      const parsed = parseCallback(text);
      if (!parsed.ok) throw new BodyFault(parsed.problems);
      const done = await takeCallback(parsed.value, principal, {
        pages,
        submit,
        ...(runs === undefined ? {} : { runs }),
        cluster: () => configured(view.cluster()),
        nowMs: view.clusterNowMs,
        foresee: forecast ?? (() => null),
      });
      log.info('callback.taken', { requestId: request.id, type: parsed.value.type, by: parsed.value.by, outcome: done.outcome });
      return done;
    },
  },
];
